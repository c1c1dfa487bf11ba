//! Says of a RISC-V target which floating-point registers a callee keeps, as
//! `cfg(drift_float = "32")` or `"64"`: the features F and D, which stable Rust does not tell.
//!
//! A triple of Rust's own names them: `riscv64gc` and `riscv32imafc` have some, `riscv32imac` has
//! none. A target of one's own (a JSON file) needs nightly Rust, which tells its features.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(drift_float, values(none(), \"32\", \"64\"))");
    let told = |name: &str| env::var(name).unwrap_or_default();
    let triple = told("TARGET");
    let architecture = triple.split('-').next().unwrap_or_default();
    let Some(letters) = ["riscv32", "riscv64"].iter().find_map(|of| architecture.strip_prefix(of))
    else {
        return;
    };
    let features = told("CARGO_CFG_TARGET_FEATURE");
    let has = |name: &str| features.split(',').any(|feature| feature == name);
    let width = match letters {
        _ if has("d") => "64",
        _ if has("f") => "32",
        // Profiles, and systems that have one ABI: all with D.
        "a23" => "64",
        "" if told("CARGO_CFG_TARGET_OS") != "none" => "64",
        "" => return,
        _ if !letters.starts_with(['i', 'e', 'g']) => {
            panic!("asm/build.rs does not know which registers a callee keeps on {triple}")
        }
        _ if letters.contains(['g', 'd']) => "64",
        _ if letters.contains('f') => "32",
        _ => return,
    };
    println!("cargo::rustc-cfg=drift_float");
    println!("cargo::rustc-cfg=drift_float=\"{width}\"");
}
