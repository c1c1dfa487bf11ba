//! The library that C programs link: how it is built, and where it lies.
//!
//! The profile `archive` is for `drift-ffi` by itself; see
//! `docs/decisions/0007-the-archive-has-a-profile.md`.

use std::path::PathBuf;
use std::process::Command;

use crate::step::cargo;

/// As one types it.
pub const BUILD: &str = "cargo build --profile archive -p drift-ffi";

/// [`BUILD`].
pub fn build() -> Command {
    cargo(&BUILD.split(' ').skip(1).collect::<Vec<_>>())
}

/// Where `libdrift_rt.a` and `libdrift_rt.so` are for this machine.
pub fn folder() -> PathBuf {
    crate::target().join("archive")
}

/// The archive itself.
pub fn library() -> PathBuf {
    folder().join("libdrift_rt.a")
}

/// The archive for another target.
pub fn library_for(target: &str) -> PathBuf {
    crate::target().join(target).join("archive/libdrift_rt.a")
}
