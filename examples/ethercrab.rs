//! An EtherCAT master: ethercrab speaks the protocol, its frames come and go through our rings.
//!
//! ```sh
//! cargo build --release -p packet-ring-examples --bin ethercrab
//! sudo target/release/ethercrab eth0 1000        # brings the segment up, 1000 cycles of process data, the end
//! sudo target/release/ethercrab eth0 1000 xdp    # the same through AF_XDP
//! ```
//!
//! By default frames leave by a transmit ring and come in by a TPACKET_V2 ring, which has each as soon as it
//! came. One thread does it all: the master needs no waker, for it is looked at after each frame.

use core::error::Error;
use core::future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::{env, thread};

use ethercrab::std::ethercat_now;
use ethercrab::{MainDevice, MainDeviceConfig, PduRx, PduStorage, PduTx, Timeouts};
use packet_ring::bpf::{Instruction, Program, Size, Source, Statement, assemble};
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{self, FrameGeometry, Interface, LinkState, LinkWatch, RxV2};
use packet_ring::xdp::{self, AttachMode, Attachment, Pool, Queue, Redirect, Umem, Xskmap};
use packet_ring::{Deadline, OnSignal};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ETHERCAT: u16 = 0x88a4;
const CYCLE: Duration = Duration::from_millis(1);
/// How long a thread looks for the answer before it sleeps: a short segment answers sooner.
const SPIN: Duration = Duration::from_micros(50);
/// How long the master waits for anything. A machine wants these short, and each of its own.
const PATIENCE: Duration = Duration::from_secs(5);

/// Frames under way at once, and the bytes of the datagrams in each.
static STORAGE: PduStorage<16, { PduStorage::element_size(1100) }> = PduStorage::new();

fn main() -> Outcome<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ([name, cycles] | [name, cycles, "xdp"]) = arguments[..] else {
        return Err("usage: ethercrab INTERFACE CYCLES [xdp]".into());
    };
    let interface = Interface::by_name(name)?;
    let (tx, rx, datagrams) = STORAGE.try_split().map_err(|_| "split before")?;
    let timeouts = Timeouts {
        state_transition: PATIENCE,
        pdu: PATIENCE,
        eeprom: PATIENCE,
        ..Timeouts::default()
    };
    let master = MainDevice::new(datagrams, timeouts, MainDeviceConfig::default());
    let operation = operate(&master, cycles.parse()?);
    if arguments.len() == 3 {
        drive(XdpRings::open(interface)?, tx, rx, operation)
    } else {
        drive(PacketRings::open(interface)?, tx, rx, operation)
    }
}

/// Brings the segment up, and prints what it gives for the outputs of each cycle.
async fn operate(master: &MainDevice<'_>, cycles: u32) -> Outcome<()> {
    let group = master.init_single_group::<16, 256>(ethercat_now).await?;
    let group = group.into_op(master).await?;
    for subdevice in group.iter(master) {
        let address = subdevice.configured_address();
        println!("{address:#06x} {}", subdevice.name());
    }
    for cycle in 0..cycles {
        let end = Deadline::after(CYCLE);
        for subdevice in group.iter(master) {
            subdevice.outputs_raw_mut().fill(cycle as u8);
        }
        let answer = group.tx_rx(master).await?;
        for subdevice in group.iter(master) {
            let inputs = subdevice.inputs_raw();
            println!("{cycle} {} {:02x?}", answer.working_counter, &inputs[..]);
        }
        let ended = || end.has_passed().then_some(());
        future::poll_fn(|_| ended().map_or(Poll::Pending, Poll::Ready)).await;
    }
    Ok(())
}

/// Frames out, frames in.
trait Link {
    fn put(&mut self, frame: &[u8]) -> Outcome<()>;

    /// Sends what was put, and waits for what comes, until the deadline.
    fn exchange(&mut self, until: Deadline, took: impl FnMut(&[u8])) -> Outcome<()>;
}

fn drive(
    mut link: impl Link,
    mut tx: PduTx<'_>,
    mut rx: PduRx<'_>,
    operation: impl Future<Output = Outcome<()>>,
) -> Outcome<()> {
    println!("receiving");
    let mut operation = pin!(operation);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(outcome) = operation.as_mut().poll(&mut context) {
            return outcome;
        }
        while let Some(frame) = tx.next_sendable_frame() {
            frame.send_blocking(|bytes| match link.put(bytes) {
                Ok(()) => Ok(bytes.len()),
                Err(error) => {
                    eprintln!("not sent: {error}");
                    Err(ethercrab::error::Error::SendFrame)
                }
            })?;
        }
        link.exchange(Deadline::after(CYCLE), |bytes| {
            if let Err(error) = rx.receive_frame(bytes) {
                eprintln!("a frame that answers none: {error}");
            }
        })?;
    }
}

struct PacketRings {
    rx: packet::Socket<Bound<RxV2>>,
    tx: packet::Socket<Bound<packet::Tx>>,
}

impl PacketRings {
    fn open(interface: Interface) -> Outcome<Self> {
        let rx = RxV2::new(FrameGeometry::DEFAULT).protocol(ETHERCAT);
        let tx = packet::Tx::new(FrameGeometry::DEFAULT);
        Ok(Self {
            rx: packet::Socket::configure(rx)?.map()?.bind(interface)?,
            tx: packet::Socket::configure(tx)?.map()?.bind(interface)?,
        })
    }
}

impl Link for PacketRings {
    fn put(&mut self, frame: &[u8]) -> Outcome<()> {
        let mut sender = self.tx.transmitter();
        let mut slot = sender.reserve().ok_or("every frame is on its way")?;
        slot.data_mut()[..frame.len()].copy_from_slice(frame);
        slot.send(frame.len())?;
        Ok(())
    }

    fn exchange(&mut self, until: Deadline, mut took: impl FnMut(&[u8])) -> Outcome<()> {
        self.tx.transmitter().kick()?;
        let _ = self.rx.spin_then_wait(SPIN, until, OnSignal::Continue)?;
        while let Some(frame) = self.rx.next_frame() {
            took(frame.packet().data());
        }
        Ok(())
    }
}

struct XdpRings {
    socket: xdp::Socket<Bound<xdp::RxTx>>,
    pool: Pool,
    _attachment: Attachment,
}

impl XdpRings {
    fn open(interface: Interface) -> Outcome<Self> {
        const CHUNKS: xdp::UmemGeometry = xdp::UmemGeometry::new_assert(2048, 256);
        const SLOTS: xdp::RingSize = xdp::RingSize::new_assert(64);
        const ONLY_ETHERCAT: [Instruction; 4] = assemble([
            Statement::LdAbs(Size::H, 12),
            Statement::Jeq(Source::K(ETHERCAT as u32), 0, 1),
            Statement::RetK(1),
            Statement::RetK(0),
        ]);
        let map = Xskmap::create(1)?;
        let program = Redirect::to(&map)
            .filter(&Program::new_assert(&ONLY_ETHERCAT))
            .load()?;
        let (umem, mut pool) = Umem::new(CHUNKS)?;
        let rings = xdp::RxTx::new(xdp::Rx::new(SLOTS), xdp::Tx::new(SLOTS));
        // Of what a program had that has just ended, the kernel lets go a little later.
        let patience = Deadline::after(Duration::from_secs(1));
        let mut socket = xdp::Socket::configure(rings, &umem)?.map_until(patience)?;
        socket.rings().fill.stock(&mut pool, SLOTS.get())?;
        let socket = socket.bind_until(Queue::new(interface, 0), patience)?;
        map.insert(0, &socket)?;
        let attachment = program.attach(interface, AttachMode::Either)?;
        // Many drivers take a program up by going down and up.
        let link = LinkWatch::new(interface)?;
        while interface.link_state(&link)? != LinkState::Running {
            thread::sleep(CYCLE);
        }
        Ok(Self {
            socket,
            pool,
            _attachment: attachment,
        })
    }
}

impl Link for XdpRings {
    fn put(&mut self, frame: &[u8]) -> Outcome<()> {
        let rings = self.socket.rings();
        rings.completion.reap(&mut self.pool, u32::MAX)?;
        let mut slot = self.pool.take().ok_or("every frame is on its way")?;
        slot.write(frame)?;
        rings.tx.batch(1).push(slot)?;
        Ok(())
    }

    fn exchange(&mut self, until: Deadline, mut took: impl FnMut(&[u8])) -> Outcome<()> {
        let rings = self.socket.rings();
        rings.tx.flush()?;
        let _ = rings.rx.spin_then_wait(SPIN, until, OnSignal::Continue)?;
        for frame in rings.rx.batch(u32::MAX) {
            took(frame.bytes());
            self.pool
                .give(frame)
                .map_err(|_| "a frame of another UMEM")?;
        }
        rings.fill.stock(&mut self.pool, u32::MAX)?;
        Ok(())
    }
}
