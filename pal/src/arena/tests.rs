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
    assert_eq!(second.addr().get() - first.addr().get(), 2 * page);
    assert_eq!(arena.table(1), Err(limit));
}
