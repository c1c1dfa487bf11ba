//! What both ends of a channel tell, and closing it.

use std::sync::Arc;

use super::{Receiver, Sender};

/// The same for both, with examples that begin with `$ends`.
macro_rules! looks {
    ($end:ident, $own:literal, $ends:literal) => {
        impl<T> $end<T> {
            /// Closes the channel: nothing more is sent, by anybody. What was sent can be received.
            ///
            /// # Examples
            /// ```
            #[doc = $ends]
            /// to.send(1).unwrap();
            #[doc = concat!($own, ".close();")]
            /// assert!(to.send(2).is_err());
            /// assert_eq!(from.recv(), Ok(1)); // what is inside can be had
            /// ```
            pub fn close(&self) {
                self.0.paid().close();
            }

            /// Whether it is closed, from either end.
            ///
            /// # Examples
            /// ```
            #[doc = $ends]
            #[doc = concat!("assert!(!", $own, ".is_closed());")]
            /// to.send(1).unwrap();
            /// from.close();
            #[doc = concat!("assert!(", $own, ".is_closed());")]
            /// ```
            #[must_use]
            pub fn is_closed(&self) -> bool {
                self.0.paid().is_closed()
            }

            /// Values that wait to be received.
            ///
            /// # Examples
            /// ```
            #[doc = $ends]
            /// to.send(1).unwrap();
            #[doc = concat!("assert_eq!(", $own, ".len(), 1);")]
            /// # drop(from);
            /// ```
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.paid().len()
            }

            /// Whether none waits to be received.
            ///
            /// # Examples
            /// ```
            #[doc = $ends]
            #[doc = concat!("assert!(", $own, ".is_empty());")]
            /// # to.send(1).unwrap();
            /// # drop(from);
            /// ```
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether it holds as many values as it may; one for 0 values always does.
            ///
            /// # Examples
            /// ```
            #[doc = $ends]
            /// to.send(1).unwrap();
            #[doc = concat!("assert!(!", $own, ".is_full());")]
            /// to.send(2).unwrap();
            #[doc = concat!("assert!(", $own, ".is_full());")]
            /// # drop(from);
            /// ```
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.len() >= self.0.limit
            }

            /// How many values it may hold; none if there is no limit.
            ///
            /// # Examples
            /// ```
            #[doc = $ends]
            #[doc = concat!("assert_eq!(", $own, ".capacity(), Some(2));")]
            /// # to.send(1).unwrap();
            /// # drop(from);
            /// ```
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                Some(self.0.limit).filter(|limit| *limit < usize::MAX)
            }

            /// Whether both are ends of one channel.
            ///
            /// # Examples
            /// ```
            #[doc = $ends]
            #[doc = concat!("assert!(", $own, ".same_channel(&", $own, ".clone()));")]
            /// # to.send(1).unwrap();
            /// # drop(from);
            /// ```
            #[must_use]
            pub fn same_channel(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0)
            }
        }
    };
}

looks!(Sender, "to", "let (to, from) = drift::sync::bounded(2);");
looks!(Receiver, "from", "let (to, from) = drift::sync::bounded(2);");
