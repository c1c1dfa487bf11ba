//! A queue in blocks: it grows and shrinks without moving what it has.
//!
//! ```text
//! first -> [ v v v ] -> [ v v v ] -> [ v . . ] <- last
//!          pop here                  push here
//! ```
//!
//! Blocks are made and freed outside the channel's lock; one that was emptied is kept for the
//! next push.
//!
//! The chain is of bare pointers: a `Box` that is moved would end what another way to its block may
//! do, and `last` is one.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `ends` leads to the first and the last block of a chain
//! by `next`, which `self` owns; each came from a `Box`.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ptr::NonNull;

use drift_core::sync::channel::Buffer;

use crate::drops::drop_each;

/// Values in a block.
const BLOCK: usize = 32;

/// Room for `BLOCK` values.
#[derive(Debug)]
pub struct Block<T> {
    values: VecDeque<T>,
    next: Option<NonNull<Block<T>>>,
}

/// First in, first out; at most `limit`.
#[derive(Debug)]
pub struct Segments<T> {
    limit: usize,
    len: usize,
    ends: Option<Ends<T>>,
    spare: Option<Box<Block<T>>>,
    owned: PhantomData<Block<T>>,
}

#[derive(Debug)]
struct Ends<T> {
    first: NonNull<Block<T>>,
    last: NonNull<Block<T>>,
}

// SAFETY: the chain is owned, so all of it is sent together.
unsafe impl<T: Send> Send for Segments<T> {}

// SAFETY: a block is a box's content; it leads on to others only while it is in a chain, which is
// no room.
unsafe impl<T: Send> Send for Block<T> {}

impl<T> Segments<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, len: 0, ends: None, spare: None, owned: PhantomData }
    }

    fn append(&mut self, block: Box<Block<T>>) {
        let block = NonNull::from(Box::leak(block));
        match &mut self.ends {
            None => self.ends = Some(Ends { first: block, last: block }),
            Some(ends) => {
                // SAFETY: the last block, which `self` owns.
                unsafe { (*ends.last.as_ptr()).next = Some(block) };
                ends.last = block;
            }
        }
    }

    /// Takes the first block out of the chain.
    fn unchain(&mut self) -> Option<Box<Block<T>>> {
        let ends = self.ends.as_mut()?;
        // SAFETY: in the chain, so it came from a box; from here on nothing else leads there.
        let mut block = unsafe { Box::from_raw(ends.first.as_ptr()) };
        match block.next.take() {
            Some(next) => ends.first = next,
            None => self.ends = None,
        }
        Some(block)
    }

    /// The values of the first block.
    fn first(&mut self) -> Option<&mut VecDeque<T>> {
        let first = self.ends.as_ref()?.first;
        // SAFETY: in the chain, which `self` owns.
        Some(unsafe { &mut (*first.as_ptr()).values })
    }

    /// The values of the last block.
    fn last(&mut self) -> Option<&mut VecDeque<T>> {
        let last = self.ends.as_ref()?.last;
        // SAFETY: in the chain, which `self` owns.
        Some(unsafe { &mut (*last.as_ptr()).values })
    }

    /// Whether it needs a block in reserve when it gets full. Senders that wait then hand over
    /// under the lock, one for each that is taken out: the last block may fill up before the first
    /// is empty. Once there is one, or none is needed, that stays so while it is full.
    fn lacks_reserve(&mut self) -> bool {
        let first = self.first().map_or(0, |values| values.len());
        let last = self.last().map_or(0, |values| values.len());
        self.limit > BLOCK && self.spare.is_none() && first + last > BLOCK
    }

    /// Whether the last block is full, or there is none.
    fn is_filled(&mut self) -> bool {
        self.last().is_none_or(|values| values.len() == BLOCK)
    }
}

impl<T> Buffer for Segments<T> {
    type Item = T;
    type Room = Box<Block<T>>;

    fn push(&mut self, item: T, room: &mut Option<Self::Room>) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        if self.is_filled() {
            let Some(block) = self.spare.take().or_else(|| room.take()) else { return Err(item) };
            self.append(block);
        }
        if self.len + 1 == self.limit && self.lacks_reserve() {
            let Some(block) = room.take() else { return Err(item) };
            self.spare = Some(block);
        }
        self.last().expect("there is a block that is not full").push_back(item);
        self.len += 1;
        Ok(())
    }

    fn pop(&mut self) -> Option<(T, Option<Self::Room>)> {
        let values = self.first()?;
        let item = values.pop_front()?;
        let is_empty = values.is_empty();
        self.len -= 1;
        if !is_empty {
            return Some((item, None));
        }
        let emptied = self.unchain();
        match &self.spare {
            None => {
                self.spare = emptied;
                Some((item, None))
            }
            Some(_) => Some((item, emptied)),
        }
    }

    fn more() -> Self::Room {
        Box::new(Block { values: VecDeque::with_capacity(BLOCK), next: None })
    }

    fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    fn len(&self) -> usize {
        self.len
    }
}

/// Value by value: what one of them throws is no reason to drop no other.
impl<T> Drop for Segments<T> {
    fn drop(&mut self) {
        let blocks = std::iter::from_fn(|| self.unchain());
        drop_each(blocks.flat_map(|block| block.values));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_through_many_blocks() {
        let mut queue = Segments::new(usize::MAX);
        let mut wanted = 0..;
        let (mut given, mut room) = (0.., None);
        for round in [1, 40, 7, 200, 32, 64] {
            for _ in 0..round {
                room.get_or_insert_with(Segments::<u32>::more);
                queue.push(given.next().unwrap(), &mut room).unwrap();
            }
            for _ in 0..round / 2 {
                assert_eq!(queue.pop().unwrap().0, wanted.next().unwrap());
            }
        }
        assert_eq!(queue.len(), 344 - 171);
        while let Some((value, _)) = queue.pop() {
            assert_eq!(value, wanted.next().unwrap());
        }
        assert!(queue.is_empty() && queue.ends.is_none());
    }

    /// One block is taken out while another is the last: what leads to that stays good.
    #[test]
    fn the_last_block_outlives_the_first() {
        let mut queue = Segments::new(usize::MAX);
        for value in 0..33 {
            let mut room = (value % 32 == 0).then(Segments::<u32>::more);
            queue.push(value, &mut room).unwrap();
        }
        for value in 0..32 {
            assert_eq!(queue.pop().unwrap().0, value);
        }
        queue.push(33, &mut None).unwrap();
        assert_eq!([queue.pop().unwrap().0, queue.pop().unwrap().0], [32, 33]);
    }

    #[test]
    fn a_push_without_room_gives_the_value_back_and_one_block_is_kept() {
        let mut queue = Segments::new(usize::MAX);
        assert_eq!(queue.push(1, &mut None), Err(1));
        queue.push(1, &mut Some(Segments::<u32>::more())).unwrap();
        assert!(queue.pop().unwrap().1.is_none(), "kept");
        queue.push(2, &mut None).unwrap();
    }

    #[test]
    fn a_limit_is_a_limit() {
        let mut queue = Segments::new(2);
        let mut room = Some(Segments::<u32>::more());
        queue.push(1, &mut room).unwrap();
        queue.push(2, &mut room).unwrap();
        assert_eq!(queue.push(3, &mut room), Err(3));
        assert!(Segments::<u32>::new(0).is_full());
    }
}
