//! What the simulator promises of itself.

use drift_sim::{Faults, Reason, Sim, seeds};

#[test]
fn the_value_of_the_program_comes_back() {
    for seed in seeds(200) {
        assert_eq!(Sim::new(seed).run(|| seed + 1), seed + 1);
    }
}

#[test]
fn a_panic_comes_back() {
    let failure = Sim::new(1).try_run(|| panic!("on purpose")).unwrap_err();
    assert!(matches!(failure.reason, Reason::Panic(_)), "{failure}");
}
