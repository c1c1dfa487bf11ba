//! How `libdrift_rt.so` is linked.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Carriers run its code until the process ends: dlclose(3) must leave it mapped.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|kernel| kernel == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
