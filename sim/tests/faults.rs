//! What the machine refuses or disturbs ends as a stated error or a retry, in simulated worlds.
#![allow(missing_docs)]

use drift_sim::Sim;

#[test]
fn stub() {
    Sim::new(1).run(|| ());
}
