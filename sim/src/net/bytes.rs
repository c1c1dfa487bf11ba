//! Bytes on their way, with room for so many.

use std::collections::VecDeque;

/// Bytes that there is room for: few, so that writers wait as well.
const ROOM: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Bytes(VecDeque<u8>);

impl Bytes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has_room(&self) -> bool {
        self.0.len() < ROOM
    }

    /// As many as there is room for. How many.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.len().min(ROOM - self.0.len());
        self.0.extend(&bytes[..length]);
        length
    }

    /// As many as there are, and go in. How many.
    pub fn take(&mut self, buffer: &mut [u8]) -> usize {
        let length = self.0.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.0.drain(..length)) {
            *to = from;
        }
        length
    }
}
