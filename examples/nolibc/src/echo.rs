//! From a queue of AF_XDP back to where it came from, in the same memory.

use packet_ring::xdp::{
    AttachMode, Interface, Queue, Redirect, RingSize, Rx, RxTx, RxTxRings, Socket, Tx, Umem,
    UmemGeometry, Xskmap,
};

use crate::failure::Failure;
use crate::signals::Signals;
use crate::streams;

const CHUNKS: UmemGeometry = UmemGeometry::new_assert(4096, 512); // 2 MiB
const SLOTS: RingSize = RingSize::new_assert(128);

pub(crate) fn run(
    interface: &str,
    queue: u32,
    packets: u64,
    signals: &Signals,
) -> Result<(), Failure> {
    let interface = Interface::by_name(interface)?;
    let (umem, mut pool) = Umem::new(CHUNKS)?;
    let wanted = RxTx::new(Rx::new(SLOTS), Tx::new(SLOTS));
    let mut socket = Socket::configure(wanted, &umem)?.map()?;
    socket.rings().fill.stock(&mut pool, SLOTS.get())?;
    let mut socket = socket.bind(Queue::new(interface, queue))?;
    let map = Xskmap::create(queue.saturating_add(1))?;
    map.insert(queue, &socket)?;
    let program = Redirect::to(&map).load()?;
    let _attached = program.attach(interface, AttachMode::Either)?;
    streams::print(&[b"receiving\n", &[], &[], &[], &[]]).map_err(Failure::Output)?;

    let RxTxRings {
        rx,
        fill,
        tx,
        completion,
    } = socket.rings();
    let mut left = packets;
    while left > 0 && signals.wait_beside(rx).map_err(Failure::Signals)? {
        if !rx.is_ready() {
            rx.check_link()?;
        }
        // No more than can be answered.
        let most = u64::from(tx.room()).min(left) as u32;
        let mut answers = tx.batch(most);
        for mut frame in rx.batch(most) {
            let (to, rest) = frame.bytes_mut().split_at_mut(6);
            to.swap_with_slice(&mut rest[..6]);
            left -= 1;
            answers.push(frame).map_err(|_| Failure::Answer)?;
        }
        drop(answers);
        tx.flush()?;
        completion.reap(&mut pool, SLOTS.get())?;
        fill.stock(&mut pool, SLOTS.get())?;
        if fill.needs_wakeup() {
            fill.wake()?;
        }
    }
    Ok(())
}
