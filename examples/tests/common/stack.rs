//! smoltcp's stack with one TCP socket, over any device.

use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

/// Bytes of the buffer to send from.
const SEND: usize = 1 << 18;

/// Bytes of a buffer to receive into that can get full. One that is larger has its window scaled; when it is full smoltcp
/// takes back what it had offered, and hears nothing of who makes use of it, be it that there is room to send to.
pub(crate) const CAN_GET_FULL: usize = u16::MAX as usize;

pub(crate) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    connection: SocketHandle,
}

impl Stack {
    /// Listens at this address and port, with so many bytes to receive into.
    pub(crate) fn listen(
        device: &mut impl Device,
        hardware: [u8; 6],
        address: Ipv4Addr,
        port: u16,
        receive: usize,
    ) -> Self {
        let config = Config::new(EthernetAddress(hardware).into());
        let mut interface = Interface::new(config, device, Instant::now());
        interface.update_ip_addrs(|addresses| {
            let added = addresses.push(IpCidr::new(address.into(), 24));
            added.expect("room for an address");
        });
        let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
        let mut socket = tcp::Socket::new(buffer(receive), buffer(SEND));
        socket.listen(port).expect("a port");
        let mut sockets = SocketSet::new(vec![]);
        let connection = sockets.add(socket);
        Self {
            interface,
            sockets,
            connection,
        }
    }

    /// Has the stack receive and send what it can, with `work` on the socket between; says for how long it then wants
    /// nothing by itself.
    pub(crate) fn poll(
        &mut self,
        device: &mut impl Device,
        work: impl FnOnce(&mut tcp::Socket<'_>),
    ) -> Option<Duration> {
        let now = Instant::now();
        self.interface.poll(now, device, &mut self.sockets);
        work(self.sockets.get_mut::<tcp::Socket<'_>>(self.connection));
        let delay = self.interface.poll_delay(now, &self.sockets);
        delay.map(Duration::from)
    }
}
