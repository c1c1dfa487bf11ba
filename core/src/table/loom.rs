//! The publication of a step: nobody sees an entry before it is there, and one thread asks.

use core::ptr::NonNull;
use std::boxed::Box;
use std::sync::atomic::{AtomicU32, Ordering as Std};
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use crate::platform::PlatformError;
use crate::prim::UnsafeCell;
use crate::sync::stage::{NOBODY, Stage};
use crate::table::Table;

type Entry = UnsafeCell<u32>;

static STAGE: Stage = Stage { table: give, ..NOBODY };
static ASKED: AtomicU32 = AtomicU32::new(0);

/// What the platform has written there before it gives them.
const WRITTEN: u32 = 7;

fn give(bytes: usize) -> Result<NonNull<u8>, PlatformError> {
    ASKED.fetch_add(1, Std::SeqCst);
    let entries = (0..bytes / size_of::<Entry>()).map(|_| Entry::new(0));
    let entries = Box::leak(Vec::from_iter(entries).into_boxed_slice());
    for entry in &*entries {
        // SAFETY: nobody else has them yet; loom sees if that is not so.
        entry.with_mut(|entry| unsafe { *entry = WRITTEN });
    }
    Ok(NonNull::from(entries).cast())
}

fn read(entry: NonNull<Entry>) {
    // SAFETY: an entry of the table, never unmapped; loom sees who writes it meanwhile.
    let value = unsafe { entry.as_ref() }.with(|entry| unsafe { *entry });
    assert_eq!(value, WRITTEN);
}

#[test]
fn an_entry_is_whole_when_it_is_found_and_one_thread_asks_for_it() {
    loom::model(|| {
        ASKED.store(0, Std::SeqCst);
        let table = Arc::new(Table::<Entry, 2>::new(2, "entries"));
        let claimers = [(); 2].map(|()| {
            let table = table.clone();
            thread::spawn(move || read(table.claim(&STAGE, 1).unwrap()))
        });
        if let Some(entry) = table.find(1) {
            read(entry);
        }
        for claimer in claimers {
            claimer.join().unwrap();
        }
        assert_eq!(ASKED.load(Std::SeqCst), 1);
    });
}
