//! How a wake of its word reaches an OS thread that sleeps beside sources.
//!
//! Such a thread sleeps in poll(2), which knows no words. So it takes a bell, which poll(2) does
//! know, and a place in a table, near where the address of its word leads:
//!
//! | the sleeper                                   | who wakes                                 |
//! |-----------------------------------------------|-------------------------------------------|
//! | takes a place and a bell; writes the bell,    | changes the word                          |
//! | then the address                              |                                           |
//! | adds one to `sleepers`                        | adds nothing to `sleepers`; done if it    |
//! |                                               | was 0                                     |
//! | looks at the word: sleeps if it is unchanged  | looks for the address; rings what is      |
//! |                                               | there                                     |
//! | awake: gives the place back, then the bell    |                                           |
//!
//! Both change `sleepers`, and one of the two changes is the first: either the sleeper sees the
//! new word, or who wakes sees the address.
//!
//! | `word` of a place | means                                     | who writes it              |
//! |-------------------|-------------------------------------------|----------------------------|
//! | 0                 | nobody's                                  | its owner, when it leaves  |
//! | TAKEN             | somebody's, whose bell is not written yet | who takes it, from 0       |
//! | an address        | its owner sleeps beside that word         | its owner                  |
//!
//! A bell is never closed. One that rings late, when its sleeper has left, ends the next sleep of
//! its next owner, who then looks for itself.

use core::iter;

use drift_core::prim::{AtomicU32, AtomicUsize, Ordering, SpinLock};

/// Threads that can sleep beside sources at once, each with a bell.
#[cfg(not(loom))]
const PLACES: usize = 4096;
#[cfg(loom)]
const PLACES: usize = 2;

/// Places that are near an address.
const NEAR: usize = if PLACES < 16 { PLACES } else { 16 };

const FREE: usize = 0;
/// No word has this address: it is not aligned.
const TAKEN: usize = 1;

/// The table. Zeros are one in which nobody sleeps.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Bells {
    places: [Place; PLACES],
    sleepers: AtomicU32,
    spare: SpinLock<Spare>,
}

#[derive(Debug)]
#[repr(C)]
struct Place {
    word: AtomicUsize,
    /// Written while the word is `TAKEN`, read under an address.
    bell: AtomicU32,
}

/// Bells that nobody has just now: there are never more than places.
#[derive(Debug)]
#[repr(C)]
struct Spare {
    count: usize,
    bells: [u32; PLACES],
}

/// A place that its owner has to give back by `leave`.
#[must_use]
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    place: &'a Place,
    /// What ends the sleep.
    pub bell: u32,
}

impl Bells {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        let place = |_| Place { word: AtomicUsize::new(FREE), bell: AtomicU32::new(0) };
        Self {
            places: core::array::from_fn(place),
            sleepers: AtomicU32::new(0),
            spare: SpinLock::new(Spare { count: 0, bells: [0; PLACES] }),
        }
    }

    /// A seat for a thread that is about to look at `word` and to sleep; `make` gives a new bell.
    /// None where there is no place or no bell to be had.
    pub(crate) fn sit_down(
        &self,
        word: *const AtomicU32,
        make: impl FnOnce() -> Option<u32>,
    ) -> Option<Seat<'_>> {
        // Relaxed: what the last owner wrote is overwritten, and nobody reads it but who sees
        // the address.
        let is_free = |place: &&Place| {
            place.word.compare_exchange(FREE, TAKEN, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        let place = self.near(word).find(is_free)?;
        let spare = self.spare.lock().take();
        let Some(bell) = spare.or_else(make) else {
            place.word.store(FREE, Ordering::Relaxed);
            return None;
        };
        place.bell.store(bell, Ordering::Relaxed);
        // Release: who sees the address sees the bell; pairs with the acquire in `ring`.
        place.word.store(word.addr(), Ordering::Release);
        // AcqRel pairs with the one in `ring`, either way round: see the module's head.
        self.sleepers.fetch_add(1, Ordering::AcqRel);
        Some(Seat { place, bell })
    }

    /// The sleep is over.
    pub(crate) fn leave(&self, seat: Seat<'_>) {
        // Relaxed, all: who still sees the address rings a bell for nothing.
        seat.place.word.store(FREE, Ordering::Relaxed);
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        self.spare.lock().put(seat.bell);
    }

    /// Rings for those who sleep beside `word`, which the caller has changed.
    pub(crate) fn ring(&self, word: *const AtomicU32, ring: impl Fn(u32)) {
        // A change that changes nothing: a load could come before the caller's own store.
        if self.sleepers.fetch_add(0, Ordering::AcqRel) == 0 {
            return;
        }
        for place in self.near(word) {
            // Acquire pairs with the release in `sit_down`.
            if place.word.load(Ordering::Acquire) == word.addr() {
                ring(place.bell.load(Ordering::Relaxed));
            }
        }
    }

    fn near(&self, word: *const AtomicU32) -> impl Iterator<Item = &Place> {
        // Fibonacci hashing: Knuth, The Art of Computer Programming, volume 3, section 6.4.
        let first = (word.addr() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut next = first as usize % PLACES;
        iter::repeat_with(move || {
            next = (next + 1) % PLACES;
            &self.places[next]
        })
        .take(NEAR)
    }
}

impl Spare {
    fn take(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        Some(self.bells[self.count])
    }

    fn put(&mut self, bell: u32) {
        self.bells[self.count] = bell;
        self.count += 1;
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;
