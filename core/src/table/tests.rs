//! Where entries lie, and what becomes of a refusal.

use std::vec::Vec;

use super::*;
use crate::sync::stage::{NOBODY, PLENTY, Stage, give};

/// Of a machine that gives no more than 64 bytes at a time.
static LITTLE: Stage = Stage { table: give_little, ..NOBODY };

fn give_little(bytes: usize) -> Result<NonNull<u8>, PlatformError> {
    let (what, code, words) = ("memory", 12, "full");
    if bytes <= 64 { give(bytes) } else { Err(PlatformError::Refused { what, bytes, code, words }) }
}

#[test]
fn every_entry_has_a_place_of_its_own_and_keeps_it() {
    let table = Table::<u32, 4>::new(1000, "entries");
    let places = Vec::from_iter((0..1000).map(|index| table.claim(&PLENTY, index).unwrap()));
    for (index, place) in places.iter().enumerate() {
        assert_eq!(table.find(index), Some(*place));
        // SAFETY: claimed above.
        assert_eq!(unsafe { table.at(index) }, *place);
    }
    let mut apart = places.clone();
    apart.sort_unstable();
    apart.dedup();
    assert_eq!(apart.len(), places.len());
}

#[test]
fn a_small_table_asks_for_its_first_step_only() {
    let table = Table::<u64, 8>::new(1 << 16, "entries");
    for index in 0..8 {
        table.claim(&LITTLE, index).unwrap();
    }
    assert_eq!(table.find(8), None);
    for _ in 0..2 {
        let refusal = table.claim(&LITTLE, 8).unwrap_err();
        let PlatformError::Refused { what: "entries", bytes, .. } = refusal else {
            panic!("{refusal}")
        };
        assert_eq!(bytes, 16 * size_of::<u64>());
    }
    assert!(table.find(7).is_some() && table.claim(&LITTLE, 7).is_ok(), "what is there stays");
}

#[test]
fn a_step_far_away_needs_none_before_it_and_the_last_one_ends_with_the_table() {
    let table = Table::<u64, 4>::new(30, "entries");
    assert!(table.claim(&LITTLE, 29).is_ok());
    assert_eq!((table.find(27), table.find(30), table.find(usize::MAX)), (None, None, None));
    assert_eq!(table.claim(&LITTLE, 30), Err(PlatformError::Limit { what: "entries", limit: 30 }));
}
