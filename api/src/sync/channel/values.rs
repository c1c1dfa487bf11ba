//! The values of a channel, one after the other.

use super::Receiver;

impl<T> Receiver<T> {
    /// What comes, until the channel is closed and empty, or the caller cancelled. `for value in
    /// &receiver` is the same.
    ///
    /// # Source
    /// [`std::sync::mpsc::Receiver::iter`].
    ///
    /// # Examples
    /// ```
    /// let (to, from) = drift::sync::unbounded();
    /// (0..3).for_each(|n| to.send(n).unwrap());
    /// drop(to);
    /// assert_eq!(from.iter().sum::<u32>(), 3);
    /// ```
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// What is there, without waiting for more.
    ///
    /// # Source
    /// [`std::sync::mpsc::Receiver::try_iter`].
    ///
    /// # Examples
    /// ```
    /// let (to, from) = drift::sync::unbounded();
    /// (0..3).for_each(|n| to.send(n).unwrap());
    /// assert_eq!(from.try_iter().sum::<u32>(), 3); // and the channel is open
    /// assert_eq!(from.try_iter().next(), None);
    /// ```
    #[must_use]
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter(self)
    }
}

/// What comes out of a [`Receiver`], until the channel is closed and empty, or the caller
/// cancelled; from [`Receiver::iter`].
///
/// # Examples
/// ```
/// let (to, from) = drift::sync::unbounded();
/// to.send(1).unwrap();
/// drop(to);
/// for value in &from {
///     assert_eq!(value, 1);
/// }
/// ```
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Receiver<T>);

/// What is in a channel; from [`Receiver::try_iter`].
///
/// # Examples
/// ```
/// let (to, from) = drift::sync::unbounded();
/// to.send(1).unwrap();
/// assert_eq!(from.try_iter().collect::<Vec<_>>(), [1]);
/// ```
#[derive(Debug)]
pub struct TryIter<'a, T>(&'a Receiver<T>);

/// What comes out of a [`Receiver`], until the channel is closed and empty, or the caller
/// cancelled.
///
/// # Examples
/// ```
/// let (to, from) = drift::sync::unbounded();
/// to.send(1).unwrap();
/// drop(to);
/// assert_eq!(from.into_iter().collect::<Vec<_>>(), [1]);
/// ```
#[derive(Debug)]
pub struct Received<T>(Receiver<T>);

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

impl<T> Iterator for Received<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = Received<T>;

    fn into_iter(self) -> Received<T> {
        Received(self)
    }
}
