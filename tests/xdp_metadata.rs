//! What is asked of a packet's transmission: a timestamp, and a checksum that is right on the wire.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::Deadline;
use packet_ring::Error;
use packet_ring::xdp::{CompletionRing, Frame, RxTxRings, TxRequest, UmemGeometry};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Sees, Witness, frame, kernel, suite};
use rustix::io::Errno;
use rustix::time::{DynamicClockId, clock_gettime_dynamic};
use xdp::rights::map;
use xdp_path::older::refuses_tx_metadata;
use xdp_path::{PATIENCE, RINGS, Wired, assert_all_come_back, send, variants};

/// Now, in nanoseconds of `CLOCK_TAI`.
fn tai() -> Result<u64, Stopped> {
    let now = clock_gettime_dynamic(DynamicClockId::Tai)?;
    Ok(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// The next frame that was sent.
fn completed(completion: &mut CompletionRing) -> Result<Frame, Stopped> {
    let deadline = Deadline::after(PATIENCE);
    while !deadline.has_passed() {
        if let Some(frame) = completion.batch(1).next() {
            return Ok(frame);
        }
        std::thread::yield_now();
    }
    Err("it was not completed".into())
}

fn a_frame_tells_when_it_was_sent_if_it_was_asked_to() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        if refuses_tx_metadata()? {
            return Ok(());
        }
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let geometry = UmemGeometry::new(variant.chunk, 256)?.tx_metadata();
        let (mut socket, umem, mut pool) =
            wired.open(RINGS, geometry, variant.polling, wired.queue())?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        for number in 0..64 {
            let asks = number % 2 == 0;
            let packet = frame::numbered(number, 60 + number as usize);
            let mut frame = pool.take().ok_or("no frame")?;
            assert_eq!(frame.capacity(), variant.chunk as usize - 24);
            frame.write(&packet)?;
            if asks {
                frame.request(TxRequest::NONE.timestamp())?;
            }
            assert_eq!(frame.sent_at(), asks.then_some(0), "{variant:?}");
            tx.batch(1).push(frame)?;
            let before = tai()?;
            assert_eq!(tx.flush()?, 0);
            let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
            assert_eq!(seen.bytes, packet, "{variant:?}");
            let frame = completed(completion)?;
            let after = tai()?;
            match frame.sent_at() {
                Some(sent) if asks => assert!(
                    before <= sent && sent <= after,
                    "{before} {sent} {after}, {variant:?}"
                ),
                None if !asks => {}
                told => panic!("{told:?}, {variant:?}"),
            }
            pool.give(frame).map_err(|_| "a foreign frame")?;
        }
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 64);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn a_packet_behind_others_bytes_tells_when_it_was_sent() -> TestResult {
    for (variant, odd) in variants().flat_map(|variant| [(variant, false), (variant, true)]) {
        let Some(map) = map()? else {
            return Ok(());
        };
        if refuses_tx_metadata()? {
            return Ok(());
        }
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let geometry = if odd {
            UmemGeometry::unaligned(3001, 256)?.tx_metadata()
        } else {
            UmemGeometry::new(variant.chunk, 256)?.tx_metadata()
        };
        let (mut socket, umem, mut pool) =
            wired.open(RINGS, geometry, variant.polling, wired.queue())?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        for cut in 0..32 {
            let packet = frame::numbered(cut as u64, 100);
            let mut frame = pool.take().ok_or("no frame")?;
            frame.write(&[&vec![0xee; cut], &packet[..]].concat())?;
            frame.trim_front(cut)?;
            let request = TxRequest::NONE.timestamp();
            if !odd && cut % 2 == 1 {
                assert_eq!(frame.request(request), Err(Error::OddPacketStart));
                frame.grow_front(1)?;
                frame.bytes_mut().copy_within(1.., 0);
                frame.set_len(packet.len())?;
            }
            frame.request(request)?;
            tx.batch(1).push(frame)?;
            let before = tai()?;
            assert_eq!(tx.flush()?, 0);
            let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
            assert_eq!(seen.bytes, packet, "{variant:?}");
            let sent = completed(completion)?.sent_at().ok_or("no time")?;
            assert!(before <= sent && sent <= tai()?, "{cut}, {variant:?}");
        }
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 32);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

/// An Ethernet and an IPv4 header.
const UDP: usize = 34;
const CHECKSUM: usize = 6;

/// The ones' complement sum of these bytes.
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What a checksum of UDP covers beside the datagram.
fn pseudo_header(packet: &[u8]) -> Vec<u8> {
    let mut bytes = packet[26..34].to_vec();
    bytes.extend([0, packet[23]]);
    bytes.extend(&packet[38..40]);
    bytes
}

fn a_checksum_is_right_on_the_wire_if_it_was_asked_for() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        if refuses_tx_metadata()? {
            return Ok(());
        }
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let geometry = UmemGeometry::new(variant.chunk, 256)?
            .tx_metadata()
            .software_checksums();
        let (mut socket, umem, mut pool) =
            wired.open(RINGS, geometry, variant.polling, wired.queue())?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        for number in 0..64 {
            let asks = number % 2 == 0;
            let mut packet = frame::numbered_udp(number, 80 + number as usize);
            let partial = sum(&pseudo_header(&packet)).to_be_bytes();
            packet[UDP + CHECKSUM..UDP + CHECKSUM + 2].copy_from_slice(&partial);
            let mut frame = pool.take().ok_or("no frame")?;
            frame.write(&packet)?;
            if asks {
                let request = TxRequest::NONE.checksum(UDP as u16, CHECKSUM as u16);
                frame.request(request)?;
            }
            tx.batch(1).push(frame)?;
            assert_eq!(tx.flush()?, 0);
            let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
            assert_eq!(frame::number(&seen.bytes), Some(number));
            if asks {
                let mut covered = pseudo_header(&seen.bytes);
                covered.extend(&seen.bytes[UDP..]);
                assert_eq!(sum(&covered), 0xffff, "{number}, {variant:?}");
            } else {
                assert_eq!(seen.bytes, packet, "{variant:?}");
            }
            let frame = completed(completion)?;
            assert_eq!(frame.sent_at(), None, "no time was asked for");
            pool.give(frame).map_err(|_| "a foreign frame")?;
        }
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 64);
        assert_eq!(umem.spurious(), 0);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

/// Something that moves the packet or changes its length.
type Change = fn(&mut Frame) -> Result<(), Error>;

fn nothing_is_asked_where_there_is_no_room_or_of_what_has_changed() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        if refuses_tx_metadata()? {
            return Ok(());
        }
        let wired = Wired::new(map, variant.mode)?;
        let (mut socket, _umem, mut pool) = wired.variant(variant)?;
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(0, 60))?;
        let asked = frame.request(TxRequest::NONE.timestamp());
        assert_eq!(asked, Err(Error::NoTxMetadata), "{variant:?}");
        assert!(!frame.has_request());
        socket.rings().tx.batch(1).push(frame)?;
        assert_eq!(socket.rings().tx.flush()?, 0);
        assert_eq!(completed(&mut socket.rings().completion)?.sent_at(), None);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 1);
        assert_all_come_back(socket, &mut pool)?;

        let geometry = UmemGeometry::new(variant.chunk, 256)?.tx_metadata();
        let wired = Wired::new(wired.map, variant.mode)?;
        let (mut socket, _umem, mut pool) = wired.socket(geometry)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        let changes: [Change; 3] = [
            |frame| frame.trim_front(10),
            |frame| frame.set_len(70),
            |frame| frame.grow_front(5),
        ];
        for change in changes {
            let mut frame = pool.take().ok_or("no frame")?;
            frame.write(&frame::numbered(0, 90))?;
            // So that there is something to grow into.
            frame.trim_front(10)?;
            frame.request(TxRequest::NONE.timestamp())?;
            change(&mut frame)?;
            assert!(!frame.has_request());
            tx.batch(1).push(frame)?;
            assert_eq!(tx.flush()?, 0);
            assert_eq!(completed(completion)?.sent_at(), None, "{variant:?}");
        }
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(0, 80))?;
        frame.request(TxRequest::NONE.timestamp())?;
        frame.clear();
        assert!(!frame.has_request());
        pool.give(frame).map_err(|_| "a foreign frame")?;
        // None of the 24 bytes is lent to a packet.
        let mut frame = pool.take().ok_or("no frame")?;
        assert!(frame.grow_front(1).is_err());
        send(tx, &mut pool, &[frame::numbered(1, 60)])?;
        frame.write(&frame::numbered(2, 60))?;
        tx.batch(1).push(frame)?;
        assert_eq!(tx.flush()?, 0);
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 5);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn no_request_stops_the_ring() -> TestResult {
    for variant in variants() {
        let Some(map) = map()? else {
            return Ok(());
        };
        if refuses_tx_metadata()? {
            return Ok(());
        }
        let wired = Wired::new(map, variant.mode)?;
        let geometry = UmemGeometry::new(variant.chunk, 256)?
            .tx_metadata()
            .software_checksums();
        let (mut socket, umem, mut pool) =
            wired.open(RINGS, geometry, variant.polling, wired.queue())?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        let packet = frame::numbered(0, 60);
        // Where a checksum lies within the packet, and where it does not.
        let fits = [(0, 0), (0, 58), (58, 0), (30, 28)];
        let beyond = [(0, 59), (59, 0), (30, 29), (60, 0), (u16::MAX, u16::MAX)];
        for (start, offset) in fits.into_iter().chain(beyond) {
            let mut frame = pool.take().ok_or("no frame")?;
            frame.write(&packet)?;
            let asked = frame.request(TxRequest::NONE.checksum(start, offset));
            let len = u64::from(start) + u64::from(offset) + 2;
            let refused = Err(Error::FrameTooSmall { room: 60, len });
            let expected = if len > 60 { refused } else { Ok(()) };
            assert_eq!(asked, expected, "{start} {offset}");
            assert_eq!(frame.has_request(), expected.is_ok());
            tx.batch(1).push(frame)?;
            assert_eq!(tx.flush()?, 0, "{start} {offset}, {variant:?}");
            drop(completed(completion)?);
        }
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&packet)?;
        frame.request(TxRequest::NONE.timestamp().launch_time(tai()?))?;
        tx.batch(1).push(frame)?;
        // What the documents say of older kernels.
        let knows_launch_time = kernel::is_since(6, 15);
        if knows_launch_time {
            assert_eq!(tx.flush()?, 0);
            assert!(completed(completion)?.sent_at().is_some());
        } else {
            let stuck = tx.flush().err().and_then(|error| error.errno());
            assert_eq!((stuck, tx.outstanding()), (Some(Errno::INVAL), 1));
        }
        let sent = 9 + u64::from(knows_launch_time);
        assert_eq!(wired.pair.far.counters()?.tx_packets, sent, "{variant:?}");
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(umem.spurious(), 0);
        if knows_launch_time {
            assert_all_come_back(socket, &mut pool)?;
        } else {
            // It is not proved that the kernel will never write the time into the frame that is stuck.
            let back = socket.close()?.reclaim(Deadline::after(PATIENCE))?;
            assert_eq!((back, umem.census().with_tx), (64, 1), "{variant:?}");
        }
    }
    Ok(())
}

suite! {
    a_frame_tells_when_it_was_sent_if_it_was_asked_to,
    a_packet_behind_others_bytes_tells_when_it_was_sent,
    a_checksum_is_right_on_the_wire_if_it_was_asked_for,
    no_request_stops_the_ring,
    nothing_is_asked_where_there_is_no_room_or_of_what_has_changed,
}
