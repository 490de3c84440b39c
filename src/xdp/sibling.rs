//! Further sockets on a queue that one is bound to.

use rustix::fd::AsFd;

use super::ring_set::{Making, XdpRings, make};
use super::tx::Transfer;
use super::{RxRing, Socket, TxRing};
use crate::chunks::Consumers;
use crate::error::{Error, Operation};
use crate::lifecycle::Bound;
use crate::ring::RingSize;
use crate::sys::{self, XdpRing};

/// The socket lets further ones onto its queue.
#[derive(Clone, Copy, Debug)]
pub struct Shared(());

impl Shared {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl<R: XdpRings> Socket<Bound<R, Shared>> {
    /// Opens another socket on the same queue, which receives into the frames of this socket's fill ring.
    /// `XDP_SHARED_UMEM`.
    ///
    /// Which socket a packet goes to, the XDP program decides: each has a place of its own in the XSKMAP. The
    /// sibling has the modes of this socket, which must be one that receives for it to get any frames.
    ///
    /// # Errors
    ///
    /// [`Error::System`], as [`configure`](Socket::configure), [`map`](Socket::map) and [`bind`](Socket::bind).
    #[doc(alias = "XDP_SHARED_UMEM")]
    pub fn sibling_rx(&self, size: RingSize) -> Result<RxRing, Error> {
        let (bound, chunks, rings) = self.parts();
        let fd = sys::open_xdp().map_err(Error::system(Operation::OpenXdpSocket))?;
        make(fd.as_fd(), XdpRing::Rx, size)?;
        let making = Making {
            fd: fd.as_fd(),
            chunks,
            slot: rings.slot,
        };
        let mut rx = RxRing::map(making, size, Consumers::Several)?;
        rx.set_multi_buffer(rings.queue.is_multi_buffer());
        join(fd.as_fd(), rings.queue, bound)?;
        Ok(rx)
    }

    /// Opens another socket on the same queue, which transmits; what it has sent comes back by this socket's
    /// completion ring. `XDP_SHARED_UMEM`.
    ///
    /// # Errors
    ///
    /// As [`sibling_rx`](Self::sibling_rx).
    #[doc(alias = "XDP_SHARED_UMEM")]
    pub fn sibling_tx(&self, size: RingSize) -> Result<TxRing, Error> {
        let (bound, chunks, rings) = self.parts();
        let fd = sys::open_xdp().map_err(Error::system(Operation::OpenXdpSocket))?;
        make(fd.as_fd(), XdpRing::Tx, size)?;
        let making = Making {
            fd: fd.as_fd(),
            chunks,
            slot: rings.slot,
        };
        let mut tx = TxRing::map(making, size)?;
        tx.set_transfer(Transfer {
            zero_copy: rings.granted.zero_copy,
            tells: rings.queue.tells_wakeup(),
            fragments: rings.granted.fragments,
        });
        join(fd.as_fd(), rings.queue, bound)?;
        Ok(tx)
    }
}

/// Binds a socket beside another.
fn join(
    fd: rustix::fd::BorrowedFd<'_>,
    queue: super::Queue,
    bound: rustix::fd::BorrowedFd<'_>,
) -> Result<(), Error> {
    let (interface, queue) = (queue.interface().index(), queue.index());
    sys::bind_sibling(fd, interface, queue, bound)
        .map_err(Error::system(Operation::BindQueue { interface, queue }))
}
