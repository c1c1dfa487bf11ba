//! Tables for runtimes that end: one range of address space, cut up, cleared and cut up again.
//!
//! # Safety
//!
//! The range is mapped once, is nobody else's, and is never unmapped.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use drift_core::platform::PlatformError;

use crate::sys::stack::{give_back, map_table, page_bytes};

/// A range of zeros that is committed as it is touched.
#[derive(Debug)]
pub struct Arena {
    base: NonNull<u8>,
    bytes: usize,
    used: usize,
}

impl Arena {
    /// A range of `bytes`, for ever.
    ///
    /// # Errors
    /// The kernel's code when there is no such range.
    pub fn new(bytes: usize) -> Result<Self, PlatformError> {
        Ok(Self { base: map_table(bytes)?, bytes, used: 0 })
    }

    /// As [`Platform::table`](drift_core::platform::Platform::table), until the next `clear`.
    ///
    /// # Errors
    /// When the range has no room for it.
    pub fn table(&mut self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        let wanted = bytes.next_multiple_of(page_bytes());
        if wanted > self.bytes - self.used {
            let what = "bytes of an arena";
            return Err(PlatformError::Limit { what, limit: self.bytes });
        }
        // SAFETY: `used` is within the range.
        let table = unsafe { self.base.add(self.used) };
        self.used += wanted;
        Ok(table)
    }

    /// Takes all tables back; what comes next is zero again.
    ///
    /// # Safety
    /// Nobody uses what lies in them any more.
    pub unsafe fn clear(&mut self) {
        // SAFETY: the range is ours, and the caller says that nobody uses it.
        unsafe { give_back(self.base.as_ptr().expose_provenance(), self.used) };
        self.used = 0;
    }
}

#[cfg(test)]
mod tests;
