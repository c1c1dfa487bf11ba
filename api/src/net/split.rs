//! The two directions of a stream, apart.

use std::error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use socket2::SockRef;

use super::{TcpStream, UnixStream};

mod sealed {
    pub trait Sealed: std::os::fd::AsFd {}
    impl Sealed for super::TcpStream {}
    impl Sealed for super::UnixStream {}
}

/// A stream that can be split: [`TcpStream`] or [`UnixStream`].
///
/// # Examples
/// ```
/// use drift::net::{Stream, UnixStream};
///
/// fn hang_up(stream: &impl Stream) {
///     stream.shutdown(std::net::Shutdown::Both).unwrap();
/// }
/// hang_up(&UnixStream::pair().unwrap().0);
/// ```
pub trait Stream: sealed::Sealed {
    /// Ends one direction or both.
    ///
    /// # Errors
    /// `NotConnected`, as in std.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }
}

impl Stream for UnixStream {
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }
}

/// The reading direction of a stream, borrowed; from [`TcpStream::split`].
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use drift::net::UnixStream;
///
/// let (here, there) = UnixStream::pair().unwrap();
/// let (mut reader, mut writer) = here.split();
/// drift::scope(|s| {
///     s.spawn(move || writer.write_all(b"to and fro").unwrap());
///     s.spawn(|| std::io::copy(&mut (&there).take(10), &mut &there).unwrap());
///     let mut back = [0; 10];
///     reader.read_exact(&mut back).unwrap();
///     assert_eq!(&back, b"to and fro");
/// })
/// .unwrap();
/// ```
#[derive(Debug)]
pub struct ReadHalf<'a, S = TcpStream>(&'a S);

/// The writing direction of a stream, borrowed; from [`TcpStream::split`].
///
/// # Examples
/// ```
/// use std::io::Write;
///
/// let (here, _there) = drift::net::UnixStream::pair().unwrap();
/// let (_, mut writer) = here.split();
/// writer.write_all(b"out").unwrap();
/// ```
#[derive(Debug)]
pub struct WriteHalf<'a, S = TcpStream>(&'a S);

/// The reading direction of a stream; from [`TcpStream::into_split`].
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use drift::net::UnixStream;
///
/// let (here, mut there) = UnixStream::pair().unwrap();
/// let (mut reader, mut writer) = here.into_split();
/// drift::spawn(move || writer.write_all(b"all").unwrap()); // the end of the writer is the end
/// let mut sent = String::new();
/// there.read_to_string(&mut sent).unwrap();
/// assert_eq!(sent, "all");
/// drop(there);
/// assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf<S = TcpStream>(Arc<S>);

/// The writing direction of a stream; from [`TcpStream::into_split`]. When it is dropped the
/// other side finds the end of the stream.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
///
/// let (here, mut there) = drift::net::UnixStream::pair().unwrap();
/// let (_reader, mut writer) = here.into_split();
/// writer.write_all(b"all").unwrap();
/// drop(writer); // the end
/// let mut sent = String::new();
/// there.read_to_string(&mut sent).unwrap();
/// assert_eq!(sent, "all");
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf<S: Stream = TcpStream> {
    stream: Arc<S>,
    /// Whether dropping it ends the direction.
    ends: bool,
}

/// The halves are of two streams; here they are.
///
/// # Examples
/// ```
/// let (one, other) = drift::net::UnixStream::pair().unwrap();
/// let ((reader, _), (_, stranger)) = (one.into_split(), other.into_split());
/// assert!(reader.reunite(stranger).is_err());
/// ```
#[derive(Debug)]
pub struct ReuniteError<S: Stream = TcpStream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

pub(super) fn borrowed<S>(stream: &S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf(stream), WriteHalf(stream))
}

pub(super) fn owned<S: Stream>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Arc::new(stream);
    (OwnedReadHalf(stream.clone()), OwnedWriteHalf { stream, ends: true })
}

impl<S: Stream> OwnedReadHalf<S> {
    /// The stream again.
    ///
    /// # Errors
    /// Both halves, if they are of two streams.
    ///
    /// # Examples
    /// ```
    /// let (stream, _other) = drift::net::UnixStream::pair().unwrap();
    /// let (reader, writer) = stream.into_split();
    /// let _stream = reader.reunite(writer).unwrap();
    /// ```
    pub fn reunite(self, mut writer: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.0, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        writer.ends = false;
        drop(writer);
        Ok(Arc::into_inner(self.0).expect("there are two halves of a stream, and both are here"))
    }
}

impl<S: Stream> OwnedWriteHalf<S> {
    /// Drops it without ending the direction.
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    ///
    /// let (here, mut there) = drift::net::UnixStream::pair().unwrap();
    /// let (_reader, writer) = here.into_split();
    /// writer.forget(); // the other side finds no end
    /// there.write_all(b"still here").unwrap();
    /// ```
    pub fn forget(mut self) {
        self.ends = false;
    }
}

impl<S: Stream> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.ends {
            // It fails only if the connection is gone, and then there is nobody to tell.
            let _ = SockRef::from(&*self.stream).shutdown(Shutdown::Write);
        }
    }
}

impl<S: Stream> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of two streams")
    }
}

impl<S: Stream + fmt::Debug> error::Error for ReuniteError<S> {}

/// The whole stream, for its addresses and options.
impl<S> AsRef<S> for ReadHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.0
    }
}

/// The whole stream, for its addresses and options.
impl<S> AsRef<S> for WriteHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.0
    }
}

/// The whole stream, for its addresses and options.
impl<S> AsRef<S> for OwnedReadHalf<S> {
    fn as_ref(&self) -> &S {
        &self.0
    }
}

/// The whole stream, for its addresses and options.
impl<S: Stream> AsRef<S> for OwnedWriteHalf<S> {
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

/// Reads as the stream does.
macro_rules! reads {
    ($half:ty) => {
        impl<S> Read for $half
        where
            for<'s> &'s S: Read,
        {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                (&mut &*self.0).read(buffer)
            }

            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&mut &*self.0).read_vectored(buffers)
            }
        }
    };
}
reads!(ReadHalf<'_, S>);
reads!(&ReadHalf<'_, S>);
reads!(OwnedReadHalf<S>);
reads!(&OwnedReadHalf<S>);

/// Writes as the stream does.
macro_rules! writes {
    ($half:ty, $stream:tt $(, $bound:ident)?) => {
        impl<S $(: $bound)?> Write for $half
        where
            for<'s> &'s S: Write,
        {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                (&mut &*self.$stream).write(bytes)
            }

            fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                (&mut &*self.$stream).write_vectored(buffers)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}
writes!(WriteHalf<'_, S>, 0);
writes!(&WriteHalf<'_, S>, 0);
writes!(OwnedWriteHalf<S>, stream, Stream);
writes!(&OwnedWriteHalf<S>, stream, Stream);
