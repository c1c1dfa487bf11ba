//! An arena at its limit.

use super::*;

#[test]
fn a_table_that_does_not_fit_is_refused_and_takes_nothing() {
    let page = page_bytes();
    let mut arena = Arena::new(4 * page).unwrap();
    let first = arena.table(page + 1).unwrap();
    let limit = PlatformError::Limit { what: "bytes of an arena", limit: 4 * page };
    assert_eq!(arena.table(2 * page + 1), Err(limit));
    let second = arena.table(2 * page).unwrap();
    assert_eq!(first.addr().get() - second.addr().get(), 2 * page);
    assert_eq!(arena.table(1), Err(limit));
}

#[test]
fn a_trimmed_one_keeps_its_tables_and_has_no_room() {
    let page = page_bytes();
    let mut arena = Arena::new(4 * page).unwrap();
    let table = arena.table(2 * page - 1).unwrap();
    arena.trim();
    arena.trim();
    // SAFETY: the table has so many bytes.
    let last = unsafe { table.add(2 * page - 2) };
    // SAFETY: the same; nobody else has it.
    unsafe { last.write(7) };
    // SAFETY: the same.
    assert_eq!(unsafe { last.read() }, 7);
    let limit = PlatformError::Limit { what: "bytes of an arena", limit: 2 * page };
    assert_eq!(arena.table(1), Err(limit));
}
