//! Tables: zeros of the kernel's, for the host and for the runtime on it.
//!
//! One that is dropped is given back. What runs is never dropped, only a host that no runtime came
//! of; see `Host::give_back`.
//!
//! # Safety
//!
//! A table is the owner of its range. Who drops one knows that nobody uses what lies there.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use drift_core::platform::PlatformError;

use crate::sys::stack::{map_table, unmap};

/// A range of zeros that is committed as it is touched.
#[derive(Debug)]
pub(crate) struct Table {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it is only a range; what lies there has rules of its own.
unsafe impl Send for Table {}
// SAFETY: the same.
unsafe impl Sync for Table {}

impl Table {
    pub(crate) fn map(bytes: usize) -> Result<Self, PlatformError> {
        Ok(Self { start: map_table(bytes)?, bytes })
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: `map` got it; see the head of the file.
        unsafe { unmap(self.start, self.bytes) };
    }
}
