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
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `last` leads to the last block that `first` owns, and is
//! null if there is none.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ptr;

use drift_core::sync::channel::Buffer;

/// Values in a block.
const BLOCK: usize = 32;

/// Room for `BLOCK` values.
#[derive(Debug)]
pub struct Block<T> {
    values: VecDeque<T>,
    next: Option<Box<Block<T>>>,
}

/// First in, first out; at most `limit`.
#[derive(Debug)]
pub struct Segments<T> {
    limit: usize,
    len: usize,
    first: Option<Box<Block<T>>>,
    last: *mut Block<T>,
    spare: Option<Box<Block<T>>>,
}

// SAFETY: `last` leads into what `first` owns, so all of it is sent together.
unsafe impl<T: Send> Send for Segments<T> {}

impl<T> Segments<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, len: 0, first: None, last: ptr::null_mut(), spare: None }
    }

    fn append(&mut self, block: Box<Block<T>>) {
        let place = match self.last.is_null() {
            true => &mut self.first,
            // SAFETY: the last block, which `self` owns.
            false => unsafe { &mut (*self.last).next },
        };
        self.last = &raw mut **place.insert(block);
    }

    /// Whether it needs a block in reserve when it gets full. Senders that wait then hand over
    /// under the lock, one for each that is taken out: the last block may fill up before the first
    /// is empty. Once there is one, or none is needed, that stays so while it is full.
    fn lacks_reserve(&self) -> bool {
        let first = self.first.as_ref().map_or(0, |first| first.values.len());
        // SAFETY: null, or the last block, which `self` owns.
        let last = unsafe { self.last.as_ref() }.map_or(0, |last| last.values.len());
        self.limit > BLOCK && self.spare.is_none() && first + last > BLOCK
    }

    /// Whether the last block is full, or there is none.
    fn is_filled(&self) -> bool {
        // SAFETY: null, or the last block, which `self` owns.
        unsafe { self.last.as_ref() }.is_none_or(|last| last.values.len() == BLOCK)
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
        // SAFETY: not null, because there is a block that is not full.
        unsafe { &mut *self.last }.values.push_back(item);
        self.len += 1;
        Ok(())
    }

    fn pop(&mut self) -> Option<(T, Option<Self::Room>)> {
        let first = self.first.as_mut()?;
        let item = first.values.pop_front()?;
        self.len -= 1;
        if !first.values.is_empty() {
            return Some((item, None));
        }
        let mut emptied = self.first.take()?;
        self.first = emptied.next.take();
        if self.first.is_none() {
            self.last = ptr::null_mut();
        }
        let freed = match &self.spare {
            None => {
                self.spare = Some(emptied);
                None
            }
            Some(_) => Some(emptied),
        };
        Some((item, freed))
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

/// Block by block: a long chain would overflow the stack by itself.
impl<T> Drop for Segments<T> {
    fn drop(&mut self) {
        let mut next = self.first.take();
        while let Some(mut block) = next {
            next = block.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_through_many_blocks() {
        let mut queue = Segments::new(usize::MAX);
        let mut wanted = 0..;
        let mut given = 0..;
        for round in [1, 40, 7, 200, 32, 64] {
            for _ in 0..round {
                queue.push(given.next().unwrap(), &mut Some(Segments::<u32>::more())).unwrap();
            }
            for _ in 0..round / 2 {
                assert_eq!(queue.pop().unwrap().0, wanted.next().unwrap());
            }
        }
        assert_eq!(queue.len(), 344 - 171);
        while let Some((value, _)) = queue.pop() {
            assert_eq!(value, wanted.next().unwrap());
        }
        assert!(queue.is_empty() && queue.last.is_null());
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
