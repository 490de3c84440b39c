//! AF_XDP: packets out of frames that go back to the fill ring, and into frames that the completion ring brings back.

use core::fmt;

use rustix::fd::{AsFd, BorrowedFd};

use super::sides::{Receive, Sides, Transmit, fits};
use super::{Device, Facts};
use crate::error::Error;
use crate::lifecycle::Bound;
use crate::wait::{Deadline, OnSignal, Wake};
use crate::xdp::{
    CompletionRing, FillRing, Frame, Joint, Pool, RxRing, RxTx, RxTxRings, Socket, Statistics,
    TxRing,
};

/// How many frames are gathered before they are given back to the fill ring, where packets come one on another.
const REFILL: u32 = 16;

/// A device over an AF_XDP socket.
///
/// ```no_run
/// use packet_ring::device::XdpDevice;
/// use packet_ring::xdp::{
///     AttachMode, Interface, Queue, Redirect, RingSize, Rx, RxTx, Socket, Tx, Umem, UmemGeometry, Xskmap,
/// };
///
/// const CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 2048); // 4 MiB: half to receive into
/// const SLOTS: RingSize = RingSize::new_assert(1024);
///
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let eth0 = Interface::by_name("eth0")?;
/// let (umem, pool) = Umem::new(CHUNKS)?;
/// let rings = RxTx::new(Rx::new(SLOTS), Tx::new(SLOTS));
/// let socket = Socket::configure(rings, &umem)?.map()?.bind(Queue::new(eth0, 0))?;
/// let map = Xskmap::create(1)?;
/// map.insert(0, &socket)?;
/// let _attached = Redirect::to(&map).load()?.attach(eth0, AttachMode::Either)?;
/// let device = XdpDevice::new(socket, pool)?;
/// # let _ = device;
/// # Ok(())
/// # }
/// ```
pub type XdpDevice = Device<XdpRings>;

/// The rings of an [`XdpDevice`].
pub struct XdpRings {
    rx: XdpRx,
    tx: XdpTx,
    joint: Joint<RxTx>,
}

/// The receiving side.
pub struct XdpRx {
    rx: RxRing,
    fill: FillRing,
    /// Frames on their way to the fill ring. They never go to the other side, which would leave none to receive into.
    pool: Pool,
    next: Option<Frame>,
    /// Whether the frames of a packet in several are being passed over.
    in_pieces: bool,
}

/// The transmitting side.
pub struct XdpTx {
    tx: TxRing,
    completion: CompletionRing,
    pool: Pool,
}

impl Device<XdpRings> {
    /// A device of the queue's interface, which must be in the calling thread's network namespace.
    ///
    /// The socket receives with what its fill ring has, and as many frames of the pool as that still takes, but no more
    /// than half of them. The others are for sending. A packet that comes in several frames
    /// ([`Queue::multi_buffer`](crate::xdp::Queue::multi_buffer)) is passed over.
    ///
    /// What [`LinkWatch::new`](crate::xdp::LinkWatch::new), [`Interface::mtu`](crate::xdp::Interface::mtu) and
    /// [`Interface::ethernet_address`](crate::xdp::Interface::ethernet_address) call, and
    /// `getsockopt(SO_NETNS_COOKIE)` (Linux 5.14).
    ///
    /// # Errors
    ///
    /// Theirs. [`Error::NotEthernet`]. [`Error::FrameTooSmall`] where a chunk cannot hold the MTU and the Ethernet header,
    /// sent or received. [`Error::PoolTooSmall`], [`Error::ForeignPool`], [`Error::OtherNamespace`]. The socket is
    /// closed then.
    pub fn new<G>(socket: Socket<Bound<RxTx, G>>, mut pool: Pool) -> Result<Self, Error> {
        let interface = socket.queue().interface();
        let facts = Facts::of(interface, socket.as_fd())?;
        facts.fits(socket.umem().geometry().receive_capacity() as usize)?;
        let (rings, joint) = socket.split();
        let RxTxRings {
            rx,
            mut fill,
            tx,
            completion,
        } = rings;
        let room = fill.room();
        let mut receiving = pool.split(room.min(pool.len() / 2));
        fill.stock(&mut receiving, room)?;
        let stocked = fill.size().get() - fill.room();
        // What was stocked can have been used since.
        let receives_with = stocked.max(fill.size().get() - room);
        let send_capacity = pool.take().map(|frame| {
            let capacity = frame.capacity();
            // It was this pool's.
            let _ = pool.give(frame);
            capacity
        });
        let Some(send_capacity) = send_capacity.filter(|_| receives_with > 0) else {
            return Err(Error::PoolTooSmall);
        };
        facts.fits(send_capacity)?;
        let burst = receives_with.min(rx.size().get());
        let rings = XdpRings {
            rx: XdpRx {
                rx,
                fill,
                pool: receiving,
                next: None,
                in_pieces: false,
            },
            tx: XdpTx {
                tx,
                completion,
                pool,
            },
            joint,
        };
        Ok(Self::over(rings, facts, burst))
    }

    /// What the kernel has counted: [`RxRing::statistics`].
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn statistics(&self) -> Result<Statistics, Error> {
        self.rings.rx.rx.statistics()
    }

    /// The rings, what closes them ([`Joint::close`]), and the frames that nobody uses. Frames that were sent and not
    /// reaped are still in the completion ring.
    #[must_use]
    pub fn into_parts(self) -> (RxTxRings, Joint<RxTx>, Pool) {
        let XdpRings { rx, tx, joint } = self.rings;
        let (mut pool, receiving) = (tx.pool, rx.pool);
        // Both, and the frame, are of one memory.
        let _ = pool.append(receiving);
        if let Some(frame) = rx.next {
            let _ = pool.give(frame);
        }
        let rings = RxTxRings {
            rx: rx.rx,
            fill: rx.fill,
            tx: tx.tx,
            completion: tx.completion,
        };
        (rings, joint, pool)
    }
}

impl Sides for XdpRings {
    type Rx = XdpRx;
    type Tx = XdpTx;

    fn rx(&self) -> &XdpRx {
        &self.rx
    }

    #[inline]
    fn sides(&mut self) -> (&mut XdpRx, &mut XdpTx) {
        (&mut self.rx, &mut self.tx)
    }
}

impl XdpRx {
    /// Has the kernel receive into the frames that were given back.
    fn refill(&mut self) {
        let stocked = self.fill.stock(&mut self.pool, u32::MAX);
        if stocked.is_ok_and(|stocked| stocked > 0) && self.fill.needs_wakeup() {
            // What is wrong with the link or the ring, `look` tells.
            let _ = self.fill.wake();
        }
    }

    /// Takes the next packet that lies in one frame, if there is one.
    #[inline]
    fn advance(&mut self) {
        while self.next.is_none() {
            let mut arrived = false;
            for frame in self.rx.batch(1) {
                arrived = true;
                let continues = frame.continues();
                if continues || self.in_pieces {
                    // Of the same memory.
                    let _ = self.pool.give(frame);
                } else {
                    self.next = Some(frame);
                }
                self.in_pieces = continues;
            }
            if !arrived {
                return;
            }
        }
    }
}

/// A frame that a stack reads or writes. It goes back to the pool, also where the stack panics.
struct Lent<'p> {
    frame: Option<Frame>,
    pool: &'p mut Pool,
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            // Of the same memory.
            let _ = self.pool.give(frame);
        }
    }
}

impl Receive for XdpRx {
    #[inline]
    fn fetch(&mut self) -> bool {
        self.advance();
        if !self.pool.is_empty() && (self.next.is_none() || self.pool.len() >= REFILL) {
            self.refill();
        }
        self.next.is_some()
    }

    #[inline]
    fn take<T>(&mut self, f: impl FnOnce(&mut [u8]) -> T) -> T {
        let mut lent = Lent {
            frame: self.next.take(),
            pool: &mut self.pool,
        };
        f(lent.frame.as_mut().map_or(&mut [], Frame::bytes_mut))
    }

    fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        self.rx.wait(deadline, on_signal)
    }

    fn look(&mut self) -> Result<(), Error> {
        self.rx.check_link()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.rx.as_fd()
    }
}

impl XdpTx {
    /// Takes back what was sent; returns how many frames.
    #[inline]
    fn reap(&mut self) -> u32 {
        let slots = self.completion.size().get();
        // Of the same memory.
        self.completion.reap(&mut self.pool, slots).unwrap_or(0)
    }
}

impl Transmit for XdpTx {
    #[inline]
    fn has_room(&mut self) -> bool {
        (!self.pool.is_empty() || self.reap() > 0) && self.tx.batch(1).room() > 0
    }

    #[inline]
    fn send<T>(&mut self, len: usize, f: impl FnOnce(&mut [u8]) -> T) -> (T, Result<(), Error>) {
        let mut lent = Lent {
            frame: self.pool.take(),
            pool: &mut self.pool,
        };
        let Some(frame) = &mut lent.frame else {
            return (f(&mut []), fits(len, 0));
        };
        let capacity = frame.capacity();
        let fits = fits(len, capacity).and(frame.set_len(len.min(capacity)));
        let written = f(frame.bytes_mut());
        let sent = fits.and_then(|()| {
            let Some(frame) = lent.frame.take() else {
                return Ok(());
            };
            self.tx.batch(1).push(frame).map_err(|refused| {
                lent.frame = Some(refused.into_frame());
                Error::FrameTooSmall {
                    room: 0,
                    len: len as u64,
                }
            })
        });
        (written, sent)
    }

    #[inline]
    fn kick(&mut self) -> Result<u32, Error> {
        loop {
            self.reap();
            let left = self.tx.flush()?;
            // In copy mode frames are left where the completion ring was full.
            if left == 0 || self.reap() == 0 {
                return Ok(left);
            }
        }
    }

    fn waiting(&mut self) -> u32 {
        self.tx.outstanding()
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.tx.as_fd()
    }
}

impl fmt::Debug for XdpRings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XdpRings").finish_non_exhaustive()
    }
}
