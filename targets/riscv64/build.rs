//! Tells the linker where the machine has its memory, and `riscv-rt` what lies there.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells it");
    println!("cargo::rustc-link-search={folder}");
    println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rerun-if-changed=memory.x");
}
