use super::ConcurrencyError::{Busy, Cancelled, Closed, Failed, Timeout};
use crate::platform::PlatformError;
use crate::runtime::shutdown::ShutdownError;
use core::fmt;
use std::string::ToString;

#[test]
fn the_precedence_is_frozen() {
    let order = [Failed(PlatformError::Code(12)), Closed, Cancelled, Timeout, Busy];
    for (rank, first) in order.iter().enumerate() {
        for second in &order[rank..] {
            assert_eq!(first.or(*second), *first);
            assert_eq!(second.or(*first), *first);
        }
    }
}

#[test]
fn every_error_says_what_is_wrong() {
    let limit = PlatformError::Limit { what: "stacks", limit: 7 };
    let words = "too many";
    let refused = PlatformError::Refused { what: "thread", bytes: 4096, code: 11, words };
    let all: [(&dyn fmt::Display, &str); 13] = [
        (&Failed(PlatformError::Code(12)), "failed: platform error 12"),
        (&Failed(refused), "failed: there is no thread (4096 bytes): too many (error 11)"),
        (&Failed(limit), "failed: stacks: the limit is 7"),
        (&Closed, "joined or dropped"),
        (&Cancelled, "cancelled"),
        (&Timeout, "deadline"),
        (&Busy, "queue limit"),
        (&limit, "stacks: the limit is 7"),
        (&PlatformError::NotPollable, "cannot be polled"),
        (&PlatformError::Unsupported, "no drift platform for this machine"),
        (&ShutdownError::Default, "the runtime's own executor"),
        (&ShutdownError::Own, "one of its own virtual threads"),
        (&ShutdownError::Unknown, "never was such an executor"),
    ];
    for (error, words) in all {
        assert!(error.to_string().contains(words), "{error}: {words}");
    }
}
