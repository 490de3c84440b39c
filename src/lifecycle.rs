//! The life of a socket, in its type: configured, mapped, bound.
//!
//! A state holds the data of its stage and nothing of a later one. A transition takes the socket by
//! value; one that fails gives it back inside [`Failed`], in the state it had.

use core::fmt;

use rustix::fd::OwnedFd;

use crate::error::Error;

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// Which rings a socket has: of AF_PACKET [`Rx`](crate::packet::Rx), [`Tx`](crate::packet::Tx),
/// [`RxTx`](crate::packet::RxTx) and others, of AF_XDP [`Rx`](crate::xdp::Rx), [`Tx`](crate::xdp::Tx),
/// [`RxTx`](crate::xdp::RxTx).
///
/// The value says what is wanted; the types say what each later state holds for it. Sealed.
pub trait Rings: Sealed {
    /// The rings once they are mapped.
    type Mapped;
    /// The rings once packets arrive, and what is known of the interface.
    type Bound;
}

/// The socket is open, that of AF_PACKET with protocol 0: options can be set, no packet can arrive.
///
/// Holds the file descriptor and the wanted rings. Entered by `configure`.
#[derive(Debug)]
pub struct Configured<R: Rings> {
    pub(crate) rings: R,
    pub(crate) fd: OwnedFd,
}

/// The rings exist and are mapped; the fill ring of AF_XDP can be stocked; no packet can arrive.
///
/// Entered by `map`.
#[derive(Debug)]
pub struct Mapped<R: Rings> {
    /// Before the descriptor: the memory is unmapped first.
    pub(crate) rings: R::Mapped,
    pub(crate) fd: OwnedFd,
}

/// The socket is bound to an interface, and packets arrive.
///
/// Entered by `bind`. `G` says whether it is [`Alone`], a [`Member`](crate::packet::Member) of a fanout group
/// (AF_PACKET), or [`Shared`](crate::xdp::Shared) with others on its queue (AF_XDP).
#[derive(Debug)]
pub struct Bound<R: Rings, G = Alone> {
    /// Before the descriptor: the memory is unmapped first.
    pub(crate) rings: R::Bound,
    pub(crate) fd: OwnedFd,
    pub(crate) group: G,
}

/// The socket is in no fanout group, and has its queue to itself.
#[derive(Clone, Copy, Debug)]
pub struct Alone(());

impl Alone {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

/// A transition that failed, and the socket as it was before.
///
/// `?` turns it into an [`Error`] and closes the socket; [`into_socket`](Self::into_socket) keeps it.
#[must_use]
pub struct Failed<S> {
    error: Error,
    socket: S,
}

impl<S> Failed<S> {
    pub(crate) fn new(error: Error, socket: S) -> Self {
        Self { error, socket }
    }

    /// Why the transition failed.
    pub fn error(&self) -> Error {
        self.error
    }

    /// The socket in the state that it had before, usable.
    pub fn into_socket(self) -> S {
        self.socket
    }
}

/// The error's text: it is what `main` prints of one that it returns.
impl<S> fmt::Debug for Failed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<S> fmt::Display for Failed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<S> core::error::Error for Failed<S> {}

impl<S> From<Failed<S>> for Error {
    fn from(failed: Failed<S>) -> Self {
        failed.error
    }
}
