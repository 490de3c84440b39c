//! A TCP echo server on smoltcp's stack, over AF_PACKET or AF_XDP.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin smoltcp_echo
//! sudo target/debug/smoltcp_echo eth0 packet 192.0.2.2/24 7    # or xdp; then, elsewhere: nc 192.0.2.2 7
//! ```
//!
//! The interface should have no IP address of the host's. One whose packets come from this machine, as those of a veth
//! pair do, needs the checksums of the other end's (`ethtool -K veth0 tx-checksumming off`).

use core::error::Error;
use core::time::Duration;
use std::env;

use packet_ring::device::{Device, Kicks, PacketDevice, Rings, XdpDevice};
use packet_ring::packet::{self, FrameGeometry, Geometry, Interface};
use packet_ring::xdp::{self, AttachMode, Queue, Redirect, RingSize, Umem, UmemGeometry, Xskmap};
use packet_ring::{Deadline, OnSignal};
use smoltcp::iface::{Config, Interface as Stack, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

const BLOCKS: Geometry =
    Geometry::expect(Geometry::new_assert(1 << 16, 64).retire_timeout(Duration::from_millis(1)));
const CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 2048); // 4 MiB, half to receive into
const SLOTS: RingSize = RingSize::new_assert(1024);
const USAGE: &str = "usage: smoltcp_echo INTERFACE packet|xdp ADDRESS/PREFIX PORT";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, family, address, port] = &arguments[..] else {
        return Err(USAGE.into());
    };
    let address = address.parse().map_err(|()| USAGE)?;
    let port = port.parse()?;
    let interface = Interface::by_name(name)?;
    if family == "packet" {
        let tx = packet::Tx::new(FrameGeometry::DEFAULT);
        let rings = packet::RxTx::new(packet::Rx::new(BLOCKS), tx);
        let mut socket = packet::Socket::configure(rings)?.map()?.bind(interface)?;
        let (receiver, transmitter) = socket.split();
        return serve(PacketDevice::new(receiver, transmitter)?, address, port);
    }
    let (umem, pool) = Umem::new(CHUNKS)?;
    let rings = xdp::RxTx::new(xdp::Rx::new(SLOTS), xdp::Tx::new(SLOTS));
    let socket = xdp::Socket::configure(rings, &umem)?.map()?;
    let socket = socket.bind(Queue::new(interface, 0))?;
    let map = Xskmap::create(1)?;
    map.insert(0, &socket)?;
    let program = Redirect::to(&map).load()?;
    let _attached = program.attach(interface, AttachMode::Either)?;
    serve(XdpDevice::new(socket, pool)?, address, port)
}

fn serve(device: Device<impl Rings>, address: IpCidr, port: u16) -> Result<(), Box<dyn Error>> {
    // One system call sends what a poll has written.
    let mut device = device.kicks(Kicks::OnFlush);
    let config = Config::new(EthernetAddress(device.ethernet_address()).into());
    let mut stack = Stack::new(config, &mut device, Instant::now());
    stack.update_ip_addrs(|addresses| {
        let _ = addresses.push(address); // there is room for one
    });
    let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
    // smoltcp 0.14 offers less than before when a larger one is full, and then hears nothing of who had more to send.
    let received = buffer(usize::from(u16::MAX));
    let mut sockets = SocketSet::new(vec![]);
    let connection = sockets.add(tcp::Socket::new(received, buffer(1 << 18)));
    let mut bytes = vec![0; 1 << 16];
    println!("receiving");
    loop {
        let now = Instant::now();
        stack.poll(now, &mut device, &mut sockets);
        let socket = sockets.get_mut::<tcp::Socket>(connection);
        if !socket.is_open() {
            socket.listen(port)?;
        }
        while socket.can_recv() && socket.can_send() {
            let room = socket.send_capacity() - socket.send_queue();
            let len = room.min(bytes.len());
            let len = socket.recv_slice(&mut bytes[..len])?;
            socket.send_slice(&bytes[..len])?;
        }
        if socket.may_send() && !socket.may_recv() && !socket.can_recv() {
            socket.close();
        }
        // Until then the stack wants nothing by itself.
        let next = stack.poll_delay(now, &sockets);
        let deadline = next.map_or(Deadline::NEVER, |delay| Deadline::after(delay.into()));
        match device.wait(deadline, OnSignal::Continue) {
            // It comes back, and with it the connection.
            Err(packet_ring::Error::LinkDown) => println!("the link is down"),
            woken => drop(woken?),
        }
    }
}
