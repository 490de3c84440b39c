//! Rings that were exchanged between sockets: no frame becomes the program's that the kernel has.

use core::mem;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Interface, Queue, RingSize, Rx, Socket, Tx, Umem, UmemGeometry};
use packet_ring::{Deadline, Error};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, VethOptions, VethPair, suite};

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(2048, 4);
const SLOTS: RingSize = RingSize::new_assert(4);

fn queue(link: &Link) -> Result<Queue, Stopped> {
    let interface = Interface::by_index(link.index()?).ok_or("no interface")?;
    Ok(Queue::new(interface, 0))
}

fn transmitting(umem: &Umem, link: &Link) -> Result<Socket<Bound<Tx>>, Stopped> {
    let socket = Socket::configure(Tx::new(SLOTS), umem)?.map()?;
    Ok(socket.bind(queue(link)?)?)
}

fn a_ring_that_is_elsewhere_keeps_what_was_sent_by_its_socket() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut one = transmitting(&umem, &pair.near)?;
    let mut other = transmitting(&umem, &pair.far)?;
    let mut frame = pool.take().ok_or("no frame")?;
    frame.write(&[0xff; 60])?;
    one.rings().tx.batch(1).push(frame)?;
    assert_eq!(one.rings().tx.flush()?, 0);
    mem::swap(&mut one.rings().completion, &mut other.rings().completion);
    // The kernel lets go of both, so that nothing else keeps the frame.
    pair.far.delete()?;
    let failed = one.close()?.reclaim(Deadline::PASSED).unwrap_err();
    assert_eq!(failed.error(), Error::RingsLeft);
    assert_eq!((pool.take_back(), umem.census().with_tx), (0, 1));
    // With the last ring the frame is there again.
    drop(other);
    assert_eq!(failed.into_socket().reclaim(Deadline::PASSED)?, 1);
    assert_eq!((pool.take_back(), pool.len()), (1, 4));
    Ok(())
}

fn a_receive_ring_of_another_socket_is_not_shared() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, _pool) = Umem::new(GEOMETRY)?;
    let receiving = |link| -> Result<_, Stopped> {
        let socket = Socket::configure(Rx::new(SLOTS), &umem)?.map()?;
        Ok(socket.bind(queue(link)?)?)
    };
    let mut one = receiving(&pair.near)?;
    let mut other = receiving(&pair.far)?;
    mem::swap(&mut one.rings().rx, &mut other.rings().rx);
    let shared = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| one.share()));
    assert!(shared.is_err());
    Ok(())
}

suite! {
    a_ring_that_is_elsewhere_keeps_what_was_sent_by_its_socket,
    a_receive_ring_of_another_socket_is_not_shared,
}
