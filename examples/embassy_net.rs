//! A TCP echo server on embassy-net's stack, over AF_PACKET or AF_XDP, woken by epoll.
//!
//! ```sh
//! cargo build -p packet-ring-examples --bin embassy_net
//! sudo target/debug/embassy_net eth0 packet 192.0.2.2/24 7    # or xdp; then, elsewhere: nc 192.0.2.2 7
//! ```
//!
//! The interface should have no IP address of the host's. One whose packets come from this machine, as those of a veth
//! pair do, needs the checksums of the other end's (`ethtool -K veth0 tx-checksumming off`).

use core::error::Error;
use core::str::FromStr;
use core::task::Waker;
use core::time::Duration;
use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, process, thread};

use embassy_executor::{Executor, Spawner};
use embassy_futures::join::join;
use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use packet_ring::device::{Device, Driver, Kicks, PacketDevice, Rings, XdpDevice};
use packet_ring::packet::{self, FrameGeometry, Geometry, Interface};
use packet_ring::xdp::{self, AttachMode, Queue, Redirect, RingSize, Umem, UmemGeometry, Xskmap};
use rustix::event::epoll;
use static_cell::StaticCell;

const BLOCKS: Geometry =
    Geometry::expect(Geometry::new_assert(1 << 16, 64).retire_timeout(Duration::from_millis(1)));
const CHUNKS: UmemGeometry = UmemGeometry::new_assert(2048, 2048); // 4 MiB, half to receive into
const SLOTS: RingSize = RingSize::new_assert(1024);
const USAGE: &str = "usage: embassy_net INTERFACE packet|xdp ADDRESS/PREFIX PORT";

fn main() -> Result<(), Box<dyn Error>> {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(|spawner: Spawner| {
        spawner.spawn(run().expect("the only task"));
    })
}

#[embassy_executor::task]
async fn run() {
    if let Err(error) = start().await {
        eprintln!("{error}");
        process::exit(1);
    }
}

async fn start() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, family, address, port] = &arguments[..] else {
        return Err(USAGE.into());
    };
    let address = Ipv4Cidr::from_str(address).map_err(|()| USAGE)?;
    let port = port.parse()?;
    let interface = Interface::by_name(name)?;
    if family == "packet" {
        let tx = packet::Tx::new(FrameGeometry::DEFAULT);
        let rings = packet::RxTx::new(packet::Rx::new(BLOCKS), tx);
        let mut socket = packet::Socket::configure(rings)?.map()?.bind(interface)?;
        let (receiver, transmitter) = socket.split();
        return serve(PacketDevice::new(receiver, transmitter)?, address, port).await;
    }
    let (umem, pool) = Umem::new(CHUNKS)?;
    let rings = xdp::RxTx::new(xdp::Rx::new(SLOTS), xdp::Tx::new(SLOTS));
    let socket = xdp::Socket::configure(rings, &umem)?.map()?;
    let socket = socket.bind(Queue::new(interface, 0))?;
    let map = Xskmap::create(1)?;
    map.insert(0, &socket)?;
    let program = Redirect::to(&map).load()?;
    let _attached = program.attach(interface, AttachMode::Either)?;
    serve(XdpDevice::new(socket, pool)?, address, port).await
}

async fn serve(
    device: Device<impl Rings>,
    address: Ipv4Cidr,
    port: u16,
) -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::start()?;
    let driver = Driver::new(device.kicks(Kicks::OnFlush), move |fd, waker| {
        reactor.wake(fd, waker);
    });
    let config = Config::ipv4_static(StaticConfigV4 {
        address,
        gateway: None,
        dns_servers: Default::default(),
    });
    let mut resources = StackResources::<2>::new();
    let (stack, mut runner): (Stack<'_>, Runner<'_, _>) =
        embassy_net::new(driver, config, &mut resources, 1);
    println!("receiving");
    join(runner.run(), echo(stack, port)).await.1
}

/// Takes one connection after the other.
async fn echo(stack: Stack<'_>, port: u16) -> Result<(), Box<dyn Error>> {
    // embassy-net's stack offers less than before when a larger one is full: see smoltcp_echo.
    let (mut received, mut to_send) = (vec![0; usize::from(u16::MAX)], vec![0; 1 << 18]);
    let mut bytes = vec![0; 1 << 16];
    loop {
        let mut socket = TcpSocket::new(stack, &mut received, &mut to_send);
        if socket.accept(port).await.is_err() {
            continue;
        }
        while let Ok(len @ 1..) = socket.read(&mut bytes).await {
            let mut rest = &bytes[..len];
            while let Ok(len @ 1..) = socket.write(rest).await {
                rest = &rest[len..];
                if rest.is_empty() {
                    break;
                }
            }
        }
        socket.close();
        let _ = socket.flush().await;
    }
}

/// Wakes tasks by descriptors, from a thread of its own.
struct Reactor {
    epoll: rustix::fd::OwnedFd,
    wakers: Mutex<HashMap<RawFd, Waker>>,
}

impl Reactor {
    fn start() -> Result<Arc<Self>, Box<dyn Error>> {
        let reactor = Arc::new(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            wakers: Mutex::default(),
        });
        let waking = Arc::clone(&reactor);
        thread::spawn(move || {
            let mut ready = Vec::with_capacity(4);
            loop {
                ready.clear();
                let events = rustix::buffer::spare_capacity(&mut ready);
                let _ = epoll::wait(&waking.epoll, events, None); // a signal came first
                let wakers = waking.wakers.lock().unwrap_or_else(PoisonError::into_inner);
                for event in &ready {
                    if let Some(waker) = wakers.get(&(event.data.u64() as RawFd)) {
                        waker.wake_by_ref();
                    }
                }
            }
        });
        Ok(reactor)
    }

    /// Has the next event on the descriptor wake this.
    fn wake(&self, fd: BorrowedFd<'_>, waker: &Waker) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if wakers.insert(fd.as_raw_fd(), waker.clone()).is_none() {
            let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            let data = epoll::EventData::new_u64(fd.as_raw_fd() as u64);
            epoll::add(&self.epoll, fd, data, events).expect("room for three descriptors");
        }
    }
}
