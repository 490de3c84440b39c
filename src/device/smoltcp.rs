//! smoltcp's face of a device.

use smoltcp::phy;
use smoltcp::time::Instant;

use super::{Device, Rings, RxToken, TxToken};

/// ```no_run
/// use packet_ring::device::{Device, Kicks, Rings};
/// use packet_ring::{Deadline, Error, OnSignal};
/// use smoltcp::iface::{Config, Interface, SocketSet};
/// use smoltcp::time::Instant;
/// use smoltcp::wire::EthernetAddress;
///
/// fn run(device: Device<impl Rings>, sockets: &mut SocketSet<'_>, now: fn() -> Instant) -> Result<(), Error> {
///     let mut device = device.kicks(Kicks::OnFlush); // `wait` flushes
///     let config = Config::new(EthernetAddress(device.ethernet_address()).into());
///     let mut stack = Interface::new(config, &mut device, now());
///     loop {
///         stack.poll(now(), &mut device, sockets);
///         // here the program uses its sockets
///         let delay = stack.poll_delay(now(), sockets);
///         let deadline = delay.map_or(Deadline::NEVER, |delay| Deadline::after(delay.into()));
///         match device.wait(deadline, OnSignal::Continue) {
///             Err(Error::LinkDown) => {} // it comes back, and what waits goes out then
///             woken => drop(woken?),
///         }
///     }
/// }
/// ```
impl<R: Rings> phy::Device for Device<R> {
    type RxToken<'a>
        = RxToken<'a, R>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, R>
    where
        Self: 'a;

    #[inline]
    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_, R>, TxToken<'_, R>)> {
        self.receive_tokens()
    }

    #[inline]
    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_, R>> {
        self.transmit_token()
    }

    fn capabilities(&self) -> phy::DeviceCapabilities {
        let mut capabilities = phy::DeviceCapabilities::default();
        capabilities.medium = phy::Medium::Ethernet;
        capabilities.max_transmission_unit = self.longest_frame();
        capabilities.max_burst_size = Some(self.burst as usize);
        capabilities
    }
}

impl<R: Rings> phy::RxToken for RxToken<'_, R> {
    #[inline]
    fn consume<T, F: FnOnce(&[u8]) -> T>(self, f: F) -> T {
        self.receive(|packet| f(packet))
    }
}

impl<R: Rings> phy::TxToken for TxToken<'_, R> {
    #[inline]
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, len: usize, f: F) -> T {
        self.send(len, f)
    }
}
