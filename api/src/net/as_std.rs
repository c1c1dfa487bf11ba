//! What is the same for several sockets: conversions, and methods that are std's.

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
                Ok(Self(crate::net::socket::Socket::adopt(socket)?))
            }

            /// Gives std's socket back, which blocks, with the time-outs that this one has.
            ///
            /// # Errors
            /// Those of fcntl(2) and setsockopt(2); then the socket is closed.
            ///
            /// # Examples
            /// ```
            /// let own = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
            /// let std: std::net::TcpListener = own.into_std().unwrap(); // blocks again
            /// drop(std);
            /// ```
            pub fn into_std(self) -> std::io::Result<$std> {
                self.0.release()
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

            /// The two directions, each on its own way. In place of std's `try_clone`.
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
                self.0.receive(buffer.len(), |mut socket| socket.read(buffer))
            }

            fn read_vectored(
                &mut self,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let length = buffers.iter().map(|buffer| buffer.len()).sum();
                self.0.receive(length, |mut socket| socket.read_vectored(buffers))
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
                self.0.transmit(bytes.len(), |mut socket| socket.write(bytes))
            }

            fn write_vectored(
                &mut self,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                let length = buffers.iter().map(|buffer| buffer.len()).sum();
                self.0.transmit(length, |mut socket| socket.write_vectored(buffers))
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
