//! Tables for runtimes that end: one range of address space, cut up, cleared and cut up again.
//!
//! # Safety
//!
//! The range is mapped once, and is nobody else's. Nothing of it is ever unmapped that was in a
//! table.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use drift_core::platform::PlatformError;

use crate::sys::stack::{give_back, map_table, page_bytes, unmap};

/// A range of zeros that is committed as it is touched.
///
/// It is used from its end down, as Linux gives address space out: what is trimmed lies where the
/// next range comes from, which is then adjacent, and not a hole that no range fits in.
#[derive(Debug)]
pub struct Arena {
    base: NonNull<u8>,
    bytes: usize,
    used: usize,
}

// SAFETY: it is only a range; what lies there has rules of its own.
unsafe impl Send for Arena {}

impl Arena {
    /// A range of `bytes`, for ever or until it is trimmed.
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
        self.used += wanted;
        Ok(self.lowest())
    }

    /// Takes all tables back; what comes next is zero again.
    ///
    /// # Safety
    /// Nobody uses what lies in them any more.
    pub unsafe fn clear(&mut self) {
        // SAFETY: the range is ours, and the caller says that nobody uses it.
        unsafe { give_back(self.lowest().as_ptr().expose_provenance(), self.used) };
        self.used = 0;
    }

    /// Gives the address space back that no table has. What there is stays, and there is no room
    /// for more.
    pub fn trim(&mut self) {
        let rest = self.bytes - self.used;
        if rest > 0 {
            // SAFETY: the first bytes of what was mapped, in whole pages as each table is; no
            // table lies there that is not cleared.
            unsafe { unmap(self.base, rest) };
        }
        self.base = self.lowest();
        self.bytes = self.used;
    }

    /// Where the last table begins.
    fn lowest(&self) -> NonNull<u8> {
        // SAFETY: no more is used than there is: within the range, or at its end.
        unsafe { self.base.add(self.bytes - self.used) }
    }
}

#[cfg(test)]
mod tests;
