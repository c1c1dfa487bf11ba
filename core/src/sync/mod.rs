//! Waiting for each other.
//!
//! Everything that blocks on something other than time or a descriptor does so in a
//! [`wait_queue::WaitQueue`]: whoever waits looks at its condition and links itself under one
//! lock; whoever makes the condition true takes the same lock to pop. That is the whole protocol.

pub(crate) mod wait_queue;
