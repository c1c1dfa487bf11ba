//! Pipes: bytes one way, with room for so many.
//!
//! Both ends are non-blocking, as a descriptor is that a virtual thread waits for with
//! `drift::io::block_on_raw`; `Read` and `Write` wait by themselves.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex};

use drift_core::platform::{Interest, Source};
use drift_core::time::Instant;

use super::bytes::Bytes;
use super::{locked, moved_at_most, wait};
use crate::world::{World, current};

#[derive(Debug)]
struct Pipe {
    bytes: Bytes,
    reader: Option<Source>,
    writer: Option<Source>,
}

impl Pipe {
    /// What is so now, told to the world; `edges` of it are news.
    fn tell(&self, world: &'static World, read: Interest, write: Interest) {
        let mut net = world.net.borrow_mut();
        if let Some(reader) = self.reader {
            let is_ended = self.writer.is_none();
            let data = if self.bytes.is_empty() { Interest::NONE } else { Interest::READ };
            let end = if is_ended { Interest::HANG_UP } else { Interest::NONE };
            net.set(reader, data.union(end), read);
        }
        if let Some(writer) = self.writer {
            let room = if self.bytes.has_room() { Interest::WRITE } else { Interest::NONE };
            let gone = if self.reader.is_none() { Interest::ERROR } else { Interest::NONE };
            net.set(writer, room.union(gone), write);
        }
        drop(net);
        world.wake_pollers();
    }
}

/// The end to read from.
#[derive(Debug)]
pub struct PipeReader(Arc<Mutex<Pipe>>);

/// The end to write to.
#[derive(Debug)]
pub struct PipeWriter(Arc<Mutex<Pipe>>);

/// A pipe of the world that calls, with room for 64 bytes.
///
/// # Panics
/// Outside of a world.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use drift_sim::{Sim, pipe};
///
/// let text = Sim::new(1).run(|| {
///     let (mut reader, mut writer) = pipe();
///     drift::spawn(move || writer.write_all(&[b'x'; 100]).unwrap());
///     let mut text = String::new();
///     reader.read_to_string(&mut text).unwrap();
///     text
/// });
/// assert_eq!(text.len(), 100);
/// ```
#[must_use]
pub fn pipe() -> (PipeReader, PipeWriter) {
    let world = current().expect("a pipe is made in a world: inside `Sim::run`");
    let mut net = world.net.borrow_mut();
    let (reader, writer) = (net.open(Interest::NONE), net.open(Interest::WRITE));
    let pipe = Pipe { bytes: Bytes::default(), reader: Some(reader), writer: Some(writer) };
    let pipe = Arc::new(Mutex::new(pipe));
    (PipeReader(pipe.clone()), PipeWriter(pipe))
}

impl PipeReader {
    /// Takes what is there: none if nothing is, and more may come; zero at the end.
    pub fn try_read(&self, buffer: &mut [u8]) -> Option<usize> {
        let world = current().expect("a pipe belongs to a world");
        let _calm = world.calm();
        let mut pipe = locked(&self.0);
        let most = moved_at_most(world, buffer.len());
        let length = pipe.bytes.take(&mut buffer[..most]);
        if length == 0 && pipe.writer.is_some() && !buffer.is_empty() {
            return None;
        }
        pipe.tell(world, Interest::NONE, Interest::WRITE);
        Some(length)
    }

    fn source(&self) -> Source {
        locked(&self.0).reader.expect("it is open until it is dropped")
    }
}

impl PipeWriter {
    /// Puts in what there is room for: none if there is no room.
    ///
    /// # Errors
    /// `BrokenPipe` if nobody will read it.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let world = current().expect("a pipe belongs to a world");
        let _calm = world.calm();
        let mut pipe = locked(&self.0);
        if pipe.reader.is_none() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = pipe.bytes.put(&bytes[..moved_at_most(world, bytes.len())]);
        if length == 0 && !bytes.is_empty() {
            return Ok(None);
        }
        pipe.tell(world, Interest::READ, Interest::NONE);
        Ok(Some(length))
    }

    fn source(&self) -> Source {
        locked(&self.0).writer.expect("it is open until it is dropped")
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(length) = self.try_read(buffer) {
                return Ok(length);
            }
            wait(self.source(), Interest::READ, Instant::FAR)?;
        }
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            if let Some(length) = self.try_write(bytes)? {
                return Ok(length);
            }
            wait(self.source(), Interest::WRITE, Instant::FAR)?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The number of the source: for `drift::io` in the same world, and for nobody else.
impl AsRawFd for PipeReader {
    fn as_raw_fd(&self) -> RawFd {
        self.source().0.cast_signed()
    }
}

/// The number of the source: for `drift::io` in the same world, and for nobody else.
impl AsRawFd for PipeWriter {
    fn as_raw_fd(&self) -> RawFd {
        self.source().0.cast_signed()
    }
}

fn close(pipe: &Mutex<Pipe>, end: impl FnOnce(&mut Pipe) -> &mut Option<Source>) {
    // In another world, or in none, nobody waits for it.
    let Some(world) = current() else { return };
    let _calm = world.calm();
    let mut pipe = locked(pipe);
    let source = end(&mut pipe).take().expect("an end is dropped once");
    world.net.borrow_mut().close(source);
    let ended = Interest::HANG_UP.union(Interest::ERROR);
    pipe.tell(world, ended, ended);
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        close(&self.0, |pipe| &mut pipe.reader);
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        close(&self.0, |pipe| &mut pipe.writer);
    }
}
