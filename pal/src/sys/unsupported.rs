//! Every name of the contract, every one refusing: what a machine without a port gets.
//!
//! `Host::new` asks for a poller first, so nothing else here is ever reached; it refuses all the
//! same.

pub(crate) mod clock {
    //! No clock.

    use drift_core::time::Instant;

    pub(crate) fn now() -> Instant {
        Instant::ZERO
    }

    pub(crate) fn entropy() -> u64 {
        0
    }
}

pub(crate) mod level {
    //! No sources.

    use drift_core::platform::{PlatformError, Poll};
    use drift_core::time::Instant;

    pub(crate) fn new_bell() -> Result<u32, PlatformError> {
        Err(PlatformError::Unsupported)
    }

    pub(crate) fn ring(_: u32) {}

    pub(crate) fn wait(_: &mut [Poll], _: Option<Instant>) -> Result<bool, PlatformError> {
        Err(PlatformError::Unsupported)
    }
}

pub(crate) mod park {
    //! Nothing to sleep on.

    use drift_core::prim::AtomicU32;
    use drift_core::time::Instant;

    pub(crate) fn wait_while(_: &AtomicU32, _: u32, _: Option<Instant>) {}

    pub(crate) fn wake_one(_: *const AtomicU32) {}

    pub(crate) fn wake_all(_: *const AtomicU32) {}
}

pub(crate) mod poll {
    //! No poller: the refusal that `Host::new` passes on.

    use drift_core::platform::{Armed, Events, Interest, PlatformError, Poll, Source};
    use drift_core::time::Instant;

    /// Cannot be made.
    #[derive(Debug)]
    pub(crate) enum Poller {}

    impl Poller {
        pub(crate) fn new() -> Result<Self, PlatformError> {
            Err(PlatformError::Unsupported)
        }

        pub(crate) fn arm(&self, _: Source, _: u64, _: Interest) -> Result<Armed, PlatformError> {
            match *self {}
        }

        pub(crate) fn register(&self, _: Source, _: u64) -> Result<(), PlatformError> {
            match *self {}
        }

        pub(crate) fn deregister(&self, _: Source) {
            match *self {}
        }

        pub(crate) fn look(&self, _: &mut [Poll]) -> Result<usize, PlatformError> {
            match *self {}
        }

        pub(crate) fn wait(&self, _: Option<Instant>, _: &mut Events) {
            match *self {}
        }

        pub(crate) fn ring(&self) {
            match *self {}
        }
    }
}

pub(crate) mod stack {
    //! No address space.
    //!
    //! # Safety
    //!
    //! `install`, `remove`, `unmap` and `give_back` are unsafe to call because real ones are; these
    //! touch nothing.
    #![allow(unsafe_code)]

    use core::ptr::NonNull;

    use drift_core::platform::PlatformError;

    pub(crate) fn page_bytes() -> usize {
        4096
    }

    pub(crate) fn map_table(_: usize) -> Result<NonNull<u8>, PlatformError> {
        Err(PlatformError::Unsupported)
    }

    pub(crate) fn map_stacks(_: usize) -> Result<NonNull<u8>, PlatformError> {
        Err(PlatformError::Unsupported)
    }

    /// # Safety
    /// Nothing to hold: it does nothing.
    pub(crate) unsafe fn unmap(_: NonNull<u8>, _: usize) {}

    /// # Safety
    /// Nothing to hold: it does nothing.
    pub(crate) unsafe fn give_back(_: usize, _: usize) {}

    /// Cannot be made.
    #[derive(Debug)]
    pub(crate) enum Beyond {}

    impl Beyond {
        pub(crate) fn probe() -> Option<Self> {
            None
        }

        pub(crate) fn adopt(&self, _: usize, _: usize) -> Result<(), PlatformError> {
            match *self {}
        }

        /// # Safety
        /// Nothing to hold: it cannot be called.
        pub(crate) unsafe fn install(&self, _: usize, _: usize) -> Result<(), PlatformError> {
            match *self {}
        }
    }

    /// Cannot be made.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Guards {}

    impl Guards {
        pub(crate) fn probe() -> Result<Self, PlatformError> {
            Err(PlatformError::Unsupported)
        }

        pub(crate) fn mapping() -> Option<Self> {
            None
        }

        pub(crate) fn limit(&self) -> Option<usize> {
            match *self {}
        }

        pub(crate) fn instead(&self, _: PlatformError) -> Option<Self> {
            match *self {}
        }

        /// # Safety
        /// Nothing to hold: it cannot be called.
        pub(crate) unsafe fn install(&self, _: usize, _: usize) -> Result<(), PlatformError> {
            match *self {}
        }

        /// # Safety
        /// Nothing to hold: it cannot be called.
        pub(crate) unsafe fn install_all(&self, _: usize, _: usize, _: usize, _: usize) -> usize {
            match *self {}
        }

        /// # Safety
        /// Nothing to hold: it cannot be called.
        pub(crate) unsafe fn remove(&self, _: usize, _: usize) -> bool {
            match *self {}
        }
    }
}

pub(crate) mod thread {
    //! No threads.
    //!
    //! # Safety
    //!
    //! `start` and `is_gone` are unsafe to call because real ones are; these touch nothing.
    #![allow(unsafe_code)]

    use drift_core::platform::CarrierMain;
    use drift_core::platform::{PlatformError, ThreadWords};

    /// Never used.
    pub(crate) struct Seat;

    /// # Safety
    /// Nothing to hold: it does nothing.
    pub(crate) unsafe fn start(
        _: &'static dyn CarrierMain,
        _: &'static Seat,
    ) -> Result<(), PlatformError> {
        Err(PlatformError::Unsupported)
    }

    /// # Safety
    /// Nothing to hold: it does nothing.
    pub(crate) unsafe fn is_gone(_: &Seat) -> bool {
        true
    }

    pub(crate) fn give_way(_: u32) {}

    pub(crate) fn after_fork(_: fn()) {}

    pub(crate) fn start_watcher(_: fn()) -> Result<(), PlatformError> {
        Err(PlatformError::Unsupported)
    }

    pub(crate) fn variable(_: &core::ffi::CStr) -> Option<&'static [u8]> {
        None
    }

    pub(crate) fn say(_: &str) {}

    pub(crate) fn words() -> ThreadWords {
        ThreadWords::NONE
    }
}
