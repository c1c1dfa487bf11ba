//! Handles: the names of virtual threads, executors and reactors.
//!
//! ```text
//!  62  61 60   55 54          24 23    0
//! +------+-------+--------------+-------+
//! | kind | birth | generation   | index |    an i64 above zero
//! +------+-------+--------------+-------+
//! ```
//!
//! `kind` keeps handles of virtual threads, executors and reactors apart; `birth` those of a
//! process and of its forked child; `generation` the lives of one record.

/// The name of a virtual thread: not zero, and positive as `i64`. A stale or made-up one is
/// recognised by every call that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub i64);

pub(super) const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 31;
const BIRTH_BITS: u32 = 6;

/// What a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Task = 1,
    Executor = 2,
    Reactor = 3,
}

/// Packs a handle.
pub(crate) fn pack(kind: Kind, birth: u8, generation: u32, index: u32) -> i64 {
    let birth = i64::from(birth) & ((1 << BIRTH_BITS) - 1);
    ((kind as i64) << (INDEX_BITS + GENERATION_BITS + BIRTH_BITS))
        | (birth << (INDEX_BITS + GENERATION_BITS))
        | (i64::from(generation) << INDEX_BITS)
        | i64::from(index)
}

/// The index and the generation in a handle, if it is of that kind and birth.
pub(crate) fn unpack(kind: Kind, birth: u8, handle: i64) -> Option<(u32, u32)> {
    let index = handle & ((1 << INDEX_BITS) - 1);
    let generation = (handle >> INDEX_BITS) & ((1 << GENERATION_BITS) - 1);
    let (index, generation) = (index as u32, generation as u32);
    (pack(kind, birth, generation, index) == handle).then_some((index, generation))
}
