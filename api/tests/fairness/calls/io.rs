//! Waiting for descriptors.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write, pipe};

use drift::Instant;
use std::os::fd::AsRawFd;

use drift::io::{Interest, PollFd, block_on_io, block_on_raw, close, poll_many};

use super::{Call, cancel_caller};

pub const CALLS: &[Call] = calls![
    "block_on_io, ready", { let (end, _other) = full(); },
        block_on_io(&end, Interest::READABLE, None);
    "block_on_io, over", { let (end, _other) = pipe().unwrap(); let past = Instant::now(); },
        block_on_io(&end, Interest::READABLE, Some(past));
    "block_on_io, cancelled", { let (end, _other) = pipe().unwrap(); cancel_caller(); },
        block_on_io(&end, Interest::READABLE, None);
    "block_on_raw, ready", { let (end, _other) = full(); },
        block_on_raw(end.as_raw_fd(), Interest::READABLE, None);
    "block_on_raw, refused", {}, block_on_raw(-1, Interest::READABLE, None);
    "poll_many, ready", { let (end, _other) = full(); },
        poll_many(&mut [PollFd::new(&end, Interest::READABLE)], None);
    "poll_many, over", { let (end, _other) = pipe().unwrap(); let past = Instant::now(); },
        poll_many(&mut [PollFd::new(&end, Interest::READABLE)], Some(past));
    "close", {}, close(File::open("/dev/null").unwrap());
];

/// A pipe with a byte in it.
fn full() -> (PipeReader, PipeWriter) {
    let (end, mut other) = pipe().unwrap();
    other.write_all(&[1]).unwrap();
    (end, other)
}
