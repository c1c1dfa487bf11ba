//! What a platform must keep, as code that runs on any of them.
//!
//! `conformance.rs` is the suite; a platform's own tests, an image or a simulator runs it.
//!
//! # Safety
//!
//! File with unsafe code: `conformance.rs`.

#![no_std]
#![deny(unsafe_code)]

pub mod conformance;
