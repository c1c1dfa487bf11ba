//! The timing wheel does what a sorted list does.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| drift_core::fuzzing::wheel(bytes));
