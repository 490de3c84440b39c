//! What is asked of transmissions: the kernel never writes into a frame that the program has back.

mod xdp_path;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    Interface, Kicked, Queue, RingSize, Socket, Tx, TxRequest, TxRings, Umem, UmemGeometry,
};
use packet_ring::{Deadline, Error};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, TokenBucket, VethOptions, VethPair, suite};
use xdp_path::older::refuses_tx_metadata;

const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(2048, 4).tx_metadata();
const SLOTS: RingSize = RingSize::new_assert(4);

fn transmitting(umem: &Umem, link: &Link) -> Result<Socket<Bound<Tx>>, Stopped> {
    let interface = Interface::by_index(link.index()?).ok_or("no interface")?;
    let socket = Socket::configure(Tx::new(SLOTS), umem)?.map()?;
    Ok(socket.bind(Queue::new(interface, 0))?)
}

fn a_checksum_beyond_the_packet_is_not_asked_for() -> TestResult {
    if refuses_tx_metadata()? {
        return Ok(());
    }
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = transmitting(&umem, &pair.near)?;
    let TxRings { tx, completion } = socket.rings();
    let mut frame = pool.take().ok_or("no frame")?;
    frame.write(&[0xff; 60])?;
    for (start, offset, end) in [(59, 0, 61), (14, 45, 61), (u16::MAX, u16::MAX, 131_072)] {
        let refused = frame.request(TxRequest::NONE.timestamp().checksum(start, offset));
        let too_small = Error::FrameTooSmall { room: 60, len: end };
        assert_eq!(refused, Err(too_small));
        assert!(!frame.has_request());
    }
    // The last that the kernel takes: the frame comes back once, and is in the ring no more.
    frame.request(TxRequest::NONE.timestamp().checksum(14, 44))?;
    tx.batch(1).push(frame)?;
    assert_eq!(tx.kick()?, Kicked::Done);
    assert_eq!(tx.outstanding(), 0);
    let sent: Vec<_> = completion.batch(4).collect();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].sent_at().is_some_and(|time| time > 0));
    assert_eq!(umem.spurious(), 0);
    Ok(())
}

fn what_lay_before_a_packet_is_no_request() -> TestResult {
    const WORD: usize = size_of::<u64>();
    if refuses_tx_metadata()? {
        return Ok(());
    }
    let pair = VethPair::create(&VethOptions::default())?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = transmitting(&umem, &pair.near)?;
    let TxRings { tx, completion } = socket.rings();
    let mut frame = pool.take().ok_or("no frame")?;
    // An old packet, and an old request.
    frame.write(&[0xff; 100])?;
    frame.trim_front(40)?;
    for _ in 0..2 {
        let mut batch = tx.batch(1);
        batch.push(frame)?;
        drop(batch);
        assert_eq!(tx.kick()?, Kicked::Done);
        frame = completion.batch(4).next().ok_or("it was not sent")?;
        // The flags of `struct xsk_tx_metadata`, which drivers read.
        let before = frame.before(24).ok_or("no room")?;
        assert_eq!(before[..WORD], [0; WORD]);
        frame.set_len(60)?;
        frame.request(TxRequest::NONE.timestamp())?;
        frame.set_len(60)?;
        assert_ne!(frame.before(24).ok_or("no room")?[..WORD], [0; WORD]);
    }
    Ok(())
}

fn a_request_lies_before_the_packet_as_the_kernel_reads_it() -> TestResult {
    // `struct xsk_tx_metadata`: flags, where the checksum begins and lies, when to send.
    let lies_there = |request| -> Result<(u64, u16, u16, u64), Stopped> {
        let (_umem, mut pool) = Umem::new(GEOMETRY)?;
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&[0xff; 60])?;
        frame.request(request)?;
        let bytes = frame.before(24).ok_or("no room")?;
        let short = |at: usize| Ok::<_, Stopped>(u16::from_ne_bytes(bytes[at..at + 2].try_into()?));
        let word = |at: usize| Ok::<_, Stopped>(u64::from_ne_bytes(bytes[at..at + 8].try_into()?));
        Ok((word(0)?, short(8)?, short(10)?, word(16)?))
    };
    let nothing = TxRequest::NONE;
    assert_eq!(lies_there(nothing)?, (0, 0, 0, 0));
    assert_eq!(lies_there(nothing.timestamp())?, (1, 0, 0, 0));
    assert_eq!(lies_there(nothing.checksum(14, 40))?, (2, 14, 40, 0));
    assert_eq!(
        lies_there(nothing.launch_time(1 << 40))?,
        (4, 0, 0, 1 << 40)
    );
    let all = nothing.timestamp().checksum(34, 6).launch_time(7);
    assert_eq!(lies_there(all)?, (7, 34, 6, 7));
    Ok(())
}

/// The packet waits in the queue of the interface below when its own has gone.
fn a_frame_that_the_kernel_will_write_the_time_into_is_not_reclaimed() -> TestResult {
    if refuses_tx_metadata()? {
        return Ok(());
    }
    let pair = VethPair::create(&VethOptions::default())?;
    let upper = pair.near.add_macvlan("upper")?;
    pair.near.set_token_bucket(&TokenBucket {
        rate: 1,
        burst: 1500,
        limit: 100_000,
    })?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let mut socket = transmitting(&umem, &upper)?;
    for request in [None, Some(TxRequest::NONE.timestamp())] {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&[0xff; 1000])?;
        if let Some(request) = request {
            frame.request(request)?;
        }
        socket.rings().tx.batch(1).push(frame)?;
    }
    assert_eq!(socket.rings().tx.flush()?, 0);
    assert_eq!(pair.near.queue_counters()?.waiting, 1);
    upper.delete()?;
    assert_eq!(socket.close()?.reclaim(Deadline::PASSED)?, 1);
    assert_eq!(pair.near.queue_counters()?.waiting, 1);
    assert_eq!((pool.take_back(), umem.census().with_tx), (1, 1));
    // Nor is the socket's place among the 84: another would take its frame for one of its own.
    let more: Vec<_> = (0..84)
        .map_while(|_| {
            let socket = Socket::configure(Tx::new(SLOTS), &umem).ok()?;
            Some(socket.map())
        })
        .collect();
    assert_eq!(more.iter().filter(|mapped| mapped.is_ok()).count(), 83);
    let refused = more.into_iter().find_map(Result::err);
    let why = refused.map(|failed| failed.error());
    assert_eq!(why, Some(Error::TooManySockets));
    Ok(())
}

suite! {
    a_checksum_beyond_the_packet_is_not_asked_for,
    what_lay_before_a_packet_is_no_request,
    a_request_lies_before_the_packet_as_the_kernel_reads_it,
    a_frame_that_the_kernel_will_write_the_time_into_is_not_reclaimed,
}
