//! Sleeps that the kernel cuts short.

extern crate std;

use drift_core::time::MILLISECOND;

use super::*;

#[test]
fn a_bell_that_rings_late_does_not_end_a_sleep() {
    let host = Host::new().unwrap();
    let until = host.now() + 2 * MILLISECOND;
    host.poller.ring();
    host.carrier_sleep(CarrierId(0), Some(until), Some(&mut Events::new()));
    assert!(host.now() >= until);
}
