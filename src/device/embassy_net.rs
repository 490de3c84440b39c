//! embassy-net's face of a device.

use core::fmt;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, HardwareAddress, LinkState};
use rustix::fd::{AsFd, BorrowedFd};

use super::sides::{Receive, Transmit};
use super::{Device, Rings, RxToken, TxToken};

/// A device that wakes its stack by the caller's reactor.
///
/// `F` is called where nothing has come, where there is no room, and whenever the stack asks for the link's state:
/// with a descriptor, of at most three, and the waker that the next event on it is to wake. It registers the descriptor
/// **edge-triggered, for reading and for writing**, once, and keeps the waker in place of the last one.
/// Level-triggered, a reactor would spin: an interface that went down stays readable, and a socket is nearly always
/// writable. After each call the ring is looked at again, so an event between the look and the call is not lost.
///
/// With [`Kicks::OnFlush`](super::Kicks::OnFlush) frames leave when the stack asks for the link's state. Frames that the kernel does not take
/// are tried again then too; [who wakes it](crate::device#when-frames-leave) where the interface's queue is full, and
/// others fill it, is its own timers alone.
///
/// ```no_run
/// use std::collections::HashMap;
/// use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
/// use core::task::Waker;
/// use packet_ring::device::{Driver, Kicks, XdpDevice};
/// # fn main() -> Result<(), packet_ring::Error> {
/// # let socket: packet_ring::xdp::Socket<packet_ring::lifecycle::Bound<packet_ring::xdp::RxTx>> = todo!();
/// # let pool: packet_ring::xdp::Pool = todo!();
/// # let register = |_: BorrowedFd<'_>| ();
///
/// let device = XdpDevice::new(socket, pool)?.kicks(Kicks::OnFlush);
/// let mut wakers = HashMap::<RawFd, Waker>::new(); // what the reactor wakes by
/// let driver = Driver::new(device, move |fd, waker| {
///     if wakers.insert(fd.as_raw_fd(), waker.clone()).is_none() {
///         register(fd); // EPOLLIN | EPOLLOUT | EPOLLET
///     }
/// });
/// # let _ = driver;
/// # Ok(())
/// # }
/// ```
pub struct Driver<R, F> {
    device: Device<R>,
    wake: F,
}

impl<R: Rings, F: FnMut(BorrowedFd<'_>, &Waker)> Driver<R, F> {
    /// The device, and what has a waker woken.
    #[must_use]
    pub fn new(device: Device<R>, wake: F) -> Self {
        Self { device, wake }
    }

    /// The device, as for [`Device::take_error`].
    pub fn device(&mut self) -> &mut Device<R> {
        &mut self.device
    }

    /// The device, out of the driver.
    #[must_use]
    pub fn into_device(self) -> Device<R> {
        self.device
    }

    fn wake_by_rx(&mut self, waker: &Waker) {
        let (rx, _) = self.device.rings.sides();
        (self.wake)(rx.fd(), waker);
    }

    fn wake_by_tx(&mut self, waker: &Waker) {
        let (_, tx) = self.device.rings.sides();
        (self.wake)(tx.fd(), waker);
    }

    fn has_room_or_wakes(&mut self, waker: &Waker) -> bool {
        if self.device.make_room() {
            return true;
        }
        self.wake_by_tx(waker);
        self.device.make_room()
    }

    /// Has the kernel send what waits.
    fn send_what_waits(&mut self, waker: &Waker) {
        if self.leaves_some() {
            self.wake_by_tx(waker);
            self.leaves_some();
        }
    }

    /// Has the kernel send what waits; whether it leaves some.
    fn leaves_some(&mut self) -> bool {
        let (_, tx) = self.device.rings.sides();
        if tx.waiting() == 0 {
            return false;
        }
        let kicked = tx.kick();
        let left = kicked.as_ref().map_or(1, |&left| left);
        self.device.error.keep(kicked.map(drop));
        left > 0
    }
}

impl<R: Rings, F: FnMut(BorrowedFd<'_>, &Waker)> embassy_net_driver::Driver for Driver<R, F> {
    type RxToken<'a>
        = RxToken<'a, R>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, R>
    where
        Self: 'a;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(RxToken<'_, R>, TxToken<'_, R>)> {
        if !self.has_room_or_wakes(context.waker()) {
            return None;
        }
        if !self.device.rings.sides().0.fetch() {
            self.wake_by_rx(context.waker());
        }
        self.device.receive_tokens()
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxToken<'_, R>> {
        if !self.has_room_or_wakes(context.waker()) {
            return None;
        }
        self.device.transmit_token()
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.send_what_waits(context.waker());
        (self.wake)(self.device.facts.link.as_fd(), context.waker());
        match self.device.link_state() {
            Ok(crate::interface::LinkState::Running) => LinkState::Up,
            Ok(_) => LinkState::Down,
            Err(error) => {
                self.device.error.keep(Err(error));
                LinkState::Down
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = self.device.longest_frame();
        capabilities.max_burst_size = Some(self.device.burst as usize);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.device.facts.address)
    }
}

impl<R: Rings, F> fmt::Debug for Driver<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl<R: Rings> embassy_net_driver::RxToken for RxToken<'_, R> {
    #[inline]
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, f: F) -> T {
        self.receive(f)
    }
}

impl<R: Rings> embassy_net_driver::TxToken for TxToken<'_, R> {
    #[inline]
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, len: usize, f: F) -> T {
        self.send(len, f)
    }
}
