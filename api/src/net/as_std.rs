//! What is the same for several sockets: conversions, and methods that are std's.
//!
//! # Unsafe
//! Invariant of `#[allow(unsafe_code)]`: a number becomes a socket by std's own `from_raw_fd`,
//! whose caller makes the promise.

/// Methods of std's socket that do not wait.
macro_rules! as_std {
    ($std:ty; $(
        $(#[$about:meta])* fn $name:ident($($argument:ident: $type:ty),*) -> $out:ty;
    )*) => {$(
        $(#[$about])*
        ///
        /// # Errors
        /// As std's.
        ///
        /// # Source
        #[doc = concat!("[`", stringify!($std), "::", stringify!($name), "`].")]
        pub fn $name(&self $(, $argument: $type)*) -> std::io::Result<$out> {
            crate::runtime::pay(crate::runtime::SYSTEM_CALL);
            self.0.inner().$name($($argument),*)
        }
    )*};
}

/// Conversions from and to std's socket and descriptors, and what std's sockets are besides.
macro_rules! descriptor {
    ($own:ident, $std:ty) => {
        impl $own {
            /// Takes a socket of std's over: it is put into non-blocking mode and registered.
            /// Duplicates of it are then in non-blocking mode too.
            ///
            /// # Errors
            /// Those of fcntl(2) and getsockopt(2), and the reactor's if it has no room; then the
            /// socket is closed.
            ///
            /// # Examples
            /// ```
            /// let std = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            /// let address = std.local_addr().unwrap();
            /// let own = drift::net::TcpListener::from_std(std).unwrap();
            /// assert_eq!(own.local_addr().unwrap(), address);
            /// ```
            pub fn from_std(socket: $std) -> std::io::Result<Self> {
                crate::runtime::pay(crate::runtime::SYSTEM_CALL);
                Ok(Self(crate::net::socket::Socket::adopt(socket)?))
            }

            /// Gives std's socket back, with the time-outs that this one has. It blocks, unless
            /// [`set_nonblocking`](Self::set_nonblocking) says otherwise.
            ///
            /// # Errors
            /// `ResourceBusy` if there is a clone of it, which would block its carrier, or if this
            /// process has it from the one that forked it; those of
            /// fcntl(2) and setsockopt(2). Then the socket is closed.
            ///
            /// # Examples
            /// ```
            /// let own = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
            /// let std: std::net::TcpListener = own.into_std().unwrap(); // blocks again
            /// drop(std);
            /// ```
            pub fn into_std(self) -> std::io::Result<$std> {
                crate::runtime::pay(crate::runtime::SYSTEM_CALL);
                self.0.release()
            }

            /// Another handle of the same socket: what is set for one, and a time-out too, holds
            /// for both, and the socket is closed when both are. Both wait for events of their own,
            /// so either may be dropped while the other is in use.
            ///
            /// # Errors
            /// Those of fcntl(2); the reactor's if it has no room.
            ///
            /// # Source
            #[doc = concat!("[`", stringify!($std), "::try_clone`].")]
            ///
            /// # Examples
            /// ```
            /// let own = drift::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            /// let other = own.try_clone().unwrap();
            /// assert_eq!(own.local_addr().unwrap(), other.local_addr().unwrap());
            /// ```
            pub fn try_clone(&self) -> std::io::Result<Self> {
                crate::runtime::pay(crate::runtime::SYSTEM_CALL);
                Ok(Self(self.0.try_clone()?))
            }

            /// Says whether a call that would wait answers
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock) instead; so do its clones. A call
            /// that waits already goes on. In a loop of such calls other virtual threads have their
            /// turn; they cost less if the calls wait.
            ///
            /// # Errors
            /// None; as in std.
            ///
            /// # Source
            #[doc = concat!("[`", stringify!($std), "::set_nonblocking`].")]
            ///
            /// # Examples
            /// ```
            /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
            /// listener.set_nonblocking(true).unwrap();
            /// let nobody = listener.accept().unwrap_err();
            /// assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
            /// ```
            pub fn set_nonblocking(&self, waits_never: bool) -> std::io::Result<()> {
                self.0.set_nonblocking(waits_never);
                Ok(())
            }
        }

        /// As `from_std`.
        impl TryFrom<$std> for $own {
            type Error = std::io::Error;

            fn try_from(socket: $std) -> std::io::Result<Self> {
                Self::from_std(socket)
            }
        }

        /// As `into_std`.
        impl TryFrom<$own> for $std {
            type Error = std::io::Error;

            fn try_from(socket: $own) -> std::io::Result<Self> {
                socket.into_std()
            }
        }

        /// As `from_std`; what kind of socket it is, is the caller's promise, as in std.
        impl TryFrom<std::os::fd::OwnedFd> for $own {
            type Error = std::io::Error;

            fn try_from(descriptor: std::os::fd::OwnedFd) -> std::io::Result<Self> {
                Self::from_std(descriptor.into())
            }
        }

        /// The descriptor in non-blocking mode; `into_std` gives it back blocking.
        impl From<$own> for std::os::fd::OwnedFd {
            fn from(socket: $own) -> Self {
                socket.0.into_inner().into()
            }
        }

        /// As `from_std`, of a descriptor by its number.
        ///
        /// # Panics
        /// If it cannot be put into non-blocking mode and registered: it is no socket, is not open,
        /// or the reactor has no room. `from_std` answers an error instead.
        #[allow(unsafe_code)]
        impl std::os::fd::FromRawFd for $own {
            unsafe fn from_raw_fd(descriptor: std::os::fd::RawFd) -> Self {
                // SAFETY: the caller's promise, which is the same.
                let socket = unsafe { <$std>::from_raw_fd(descriptor) };
                Self::from_std(socket).unwrap_or_else(|error| {
                    panic!("descriptor {descriptor} is no socket to wait for: {error}")
                })
            }
        }

        /// The descriptor in non-blocking mode; `into_std` gives it back blocking.
        impl std::os::fd::IntoRawFd for $own {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                self.0.into_inner().into_raw_fd()
            }
        }

        impl std::os::fd::AsFd for $own {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $own {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.0.as_raw_fd()
            }
        }

        /// As std's.
        impl std::fmt::Debug for $own {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// Time-outs of a socket that reads and writes.
macro_rules! timeouts {
    () => {
        /// How long a read may wait from now on; none is for ever. Unlike std, a read that waits
        /// in vain always answers [`TimedOut`](std::io::ErrorKind::TimedOut).
        ///
        /// # Errors
        /// `InvalidInput` for zero.
        ///
        /// # Examples
        /// ```
        /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
        /// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        /// let second = Some(std::time::Duration::from_secs(1));
        /// stream.set_read_timeout(second).unwrap();
        /// assert_eq!(stream.read_timeout().unwrap(), second);
        /// ```
        pub fn set_read_timeout(
            &self,
            timeout: Option<std::time::Duration>,
        ) -> std::io::Result<()> {
            self.0.reads.set_timeout(timeout)
        }

        /// How long a write may wait from now on; none is for ever.
        ///
        /// # Errors
        /// `InvalidInput` for zero.
        ///
        /// # Examples
        /// ```
        /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
        /// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        /// let second = Some(std::time::Duration::from_secs(1));
        /// stream.set_write_timeout(second).unwrap();
        /// assert_eq!(stream.write_timeout().unwrap(), second);
        /// ```
        pub fn set_write_timeout(
            &self,
            timeout: Option<std::time::Duration>,
        ) -> std::io::Result<()> {
            self.0.writes.set_timeout(timeout)
        }

        /// How long a read may wait.
        ///
        /// # Errors
        /// None; as in std.
        ///
        /// # Examples
        /// ```
        /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
        /// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        /// let second = Some(std::time::Duration::from_secs(1));
        /// stream.set_read_timeout(second).unwrap();
        /// assert_eq!(stream.read_timeout().unwrap(), second);
        /// ```
        pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
            Ok(self.0.reads.timeout())
        }

        /// How long a write may wait.
        ///
        /// # Errors
        /// None; as in std.
        ///
        /// # Examples
        /// ```
        /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
        /// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        /// let second = Some(std::time::Duration::from_secs(1));
        /// stream.set_write_timeout(second).unwrap();
        /// assert_eq!(stream.write_timeout().unwrap(), second);
        /// ```
        pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
            Ok(self.0.writes.timeout())
        }
    };
}

/// What a stream is besides.
macro_rules! stream {
    ($own:ident) => {
        impl $own {
            timeouts!();

            /// Ends one direction or both. Calls that wait in it go on: reads find the end of the
            /// stream, writes fail.
            ///
            /// # Errors
            /// `NotConnected`, as in std.
            ///
            /// # Examples
            /// ```
            /// use std::io::Read;
            ///
            /// let (here, mut there) = drift::net::UnixStream::pair().unwrap();
            /// here.shutdown(std::net::Shutdown::Write).unwrap();
            /// assert_eq!(there.read(&mut [0; 8]).unwrap(), 0); // the end
            /// ```
            pub fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
                crate::runtime::pay(crate::runtime::SYSTEM_CALL);
                self.0.inner().shutdown(how)
            }

            /// The two directions, to be used by two virtual threads of one scope.
            ///
            /// # Examples
            /// ```
            /// use std::io::{Read, Write};
            ///
            /// let (here, there) = drift::net::UnixStream::pair().unwrap();
            /// let (mut reader, mut writer) = here.split();
            /// (&there).write_all(b"in").unwrap();
            /// reader.read_exact(&mut [0; 2]).unwrap();
            /// writer.write_all(b"out").unwrap();
            /// ```
            #[must_use]
            pub fn split(
                &self,
            ) -> (crate::net::ReadHalf<'_, Self>, crate::net::WriteHalf<'_, Self>) {
                crate::net::split::borrowed(self)
            }

            /// The two directions, each on its own way, over one descriptor. See also
            /// [`try_clone`](Self::try_clone).
            ///
            /// # Examples
            /// ```
            /// use std::io::Write;
            ///
            /// let (here, _there) = drift::net::UnixStream::pair().unwrap();
            /// let (_reader, mut writer) = here.into_split();
            /// drift::spawn(move || writer.write_all(b"out").unwrap()).join().unwrap();
            /// ```
            #[must_use]
            pub fn into_split(
                self,
            ) -> (crate::net::OwnedReadHalf<Self>, crate::net::OwnedWriteHalf<Self>) {
                crate::net::split::owned(self)
            }
        }

        impl std::io::Read for &$own {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let asked = crate::net::short::Asked::one(buffer);
                self.0.receive(asked, |mut socket| socket.read(buffer))
            }

            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let asked = crate::net::short::Asked::several(buffers);
                self.0.receive(asked, |mut socket| socket.read_vectored(buffers))
            }
        }

        impl std::io::Read for $own {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                (&*self).read(buffer)
            }

            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                (&*self).read_vectored(buffers)
            }
        }

        impl std::io::Write for &$own {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let asked = crate::net::short::Asked::one(bytes);
                self.0.transmit(asked, |mut socket| socket.write(bytes))
            }

            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                let asked = crate::net::short::Asked::several(buffers);
                self.0.transmit(asked, |mut socket| socket.write_vectored(buffers))
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        impl std::io::Write for $own {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                (&*self).write(bytes)
            }

            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                (&*self).write_vectored(buffers)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}
