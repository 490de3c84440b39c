//! Sending without a transmit ring: packets are copied on their way into the kernel.

use core::array::from_fn;
use core::slice::from_ref;

use rustix::fd::BorrowedFd;
use rustix::io::{Errno, IoSlice};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use super::rings::{Copies, NO_PROTOCOL, PacketRings, Receives, bind};
use super::{Interface, Receiver, Rx, RxV2, Socket};
use crate::error::Error;
use crate::lifecycle::{Bound, Rings, Sealed};

/// No ring: the value to configure a socket with that sends by [`Sender`] and receives nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRing;

impl Sealed for NoRing {}
impl Rings for NoRing {
    type Mapped = ();
    type Bound = Interface;
}

impl PacketRings for NoRing {
    fn configure(&self, _: BorrowedFd<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn map(self, _: BorrowedFd<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn bind_protocol((): &()) -> u16 {
        NO_PROTOCOL
    }

    fn into_bound((): (), interface: Interface) -> Interface {
        interface
    }

    fn interface(bound: &Interface) -> Interface {
        *bound
    }

    fn rebind(bound: &mut Interface, fd: BorrowedFd<'_>, to: Interface) -> Result<(), Error> {
        bind(fd, to, NO_PROTOCOL)?;
        *bound = to;
        Ok(())
    }
}

impl Copies for NoRing {}
impl Copies for Rx {}
impl Copies for RxV2 {}

impl<R: Copies, G> Socket<Bound<R, G>> {
    /// Sends packets by copying them. Any number of senders may be out, on any threads.
    #[must_use]
    pub fn sender(&self) -> Sender<'_> {
        Sender::new(self.fd())
    }
}

impl<R: Copies + Receives, G> Socket<Bound<R, G>> {
    /// Both directions at once: a received packet can be held while an answer is sent.
    #[inline]
    pub fn split(&mut self) -> (Receiver<'_, R::Delivery, G>, Sender<'_>) {
        let (ring, fd, group) = self.parts();
        (R::receiver(ring, fd, group), Sender::new(fd))
    }
}

/// Sends packets through a borrowed socket that has no transmit ring.
///
/// The kernel copies each packet, where from a transmit ring it sends the frame itself. Take this for
/// short packets that come from anywhere: at 64 bytes, in batches of 64 over a veth, it took 0.95 of the
/// processor time of a ring; a ring whose frames are [copied](super::VnetHeader::copied) took 0.77
/// (`benches/transmit`). Take a ring where packets are long, or are made in place. A socket with a transmit
/// ring cannot do both: the kernel then sends what the ring holds, whatever it is given.
///
/// A socket that was configured with [`LinkHeader::Removed`](super::LinkHeader::Removed) sends nothing over
/// Ethernet: the kernel then wants to make the headers, and for an address to put there. It says
/// [`Unsent::Malformed`](crate::Unsent::Malformed). The loopback has headers of zeros, and sends.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'s> {
    fd: BorrowedFd<'s>,
}

/// Packets that go into one system call.
const BATCH: usize = 64;

impl<'s> Sender<'s> {
    fn new(fd: BorrowedFd<'s>) -> Self {
        Self { fd }
    }

    /// Sends packets, which begin with their link-layer headers, in order, and says how many the kernel
    /// took.
    ///
    /// One `sendmmsg` with `MSG_DONTWAIT` for each 64 packets, and one more where a call stopped short,
    /// which either goes on or tells why not. The kernel takes fewer than there are where the socket's
    /// send buffer (`SO_SNDBUF`) has no room: send the rest once packets have left. A packet that was
    /// taken was sent, or dropped on its way in a manner that the interface's queue does not report.
    ///
    /// # Errors
    ///
    /// [`Error::Unsent`] with the place of the packet at which the kernel stopped, counted from 0, and
    /// why; all packets before it were taken, and none after it.
    #[doc(alias = "sendmmsg")]
    pub fn send(&self, packets: &[impl AsRef<[u8]>]) -> Result<usize, Error> {
        let mut sent = 0;
        while sent < packets.len() {
            match self.send_some(&packets[sent..]) {
                Ok(taken) => sent += taken,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::unsent(sent as u64, errno)),
            }
        }
        Ok(sent)
    }

    /// One system call. It errs only where the kernel took no packet at all.
    fn send_some(&self, packets: &[impl AsRef<[u8]>]) -> Result<usize, Errno> {
        let bytes: [_; BATCH] = from_fn(|place| {
            let packet = packets.get(place).map_or(&[][..], AsRef::as_ref);
            IoSlice::new(packet)
        });
        let mut control: [_; BATCH] = from_fn(|_| SendAncillaryBuffer::default());
        let mut parts = bytes.iter().zip(&mut control);
        let mut messages: [_; BATCH] = from_fn(|_| {
            let (bytes, control) = parts.next().expect("as many as there are messages");
            MMsgHdr::new(from_ref(bytes), control)
        });
        let count = packets.len().min(BATCH);
        sendmmsg(self.fd, &mut messages[..count], SendFlags::DONTWAIT)
    }

    /// The socket, for an executor's own handle over it.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'s> {
        self.fd
    }
}
