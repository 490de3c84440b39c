//! Which packets come, and how much of each: snap length, filter, protocol, bind.

mod data_path;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::thread;

use packet_ring::bpf::Instruction;
use packet_ring::lifecycle::Configured;
use packet_ring::packet::{Direction, Geometry, Rx, Socket};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame, suite};

use data_path::{
    BLOCK_HEADER, Bench, FRAME, PATIENCE, PROMPT, Receiving, interface, is_quiet, next, numbers,
    over_blocks, receive_on, record,
};

const IPV4: u16 = 0x0800;

/// Keeps whole packets of one EtherType and drops all others.
fn only(ether_type: u16) -> [Instruction; 4] {
    [
        // Load the half word at 12; is it this?
        Instruction::new(0x28, 0, 0, 12),
        Instruction::new(0x15, 0, 1, ether_type.into()),
        Instruction::keep(262_144),
        Instruction::keep(0),
    ]
}

/// Keeps as many bytes as the packet has: returns the accumulator.
const ITS_LENGTH: [Instruction; 2] = [
    Instruction::new(0x80, 0, 0, 0),
    Instruction::new(0x16, 0, 0, 0),
];

/// A bench whose socket has this filter.
fn filtered(rings: Rx, program: &[Instruction]) -> Result<Bench, packet_ring_lab::suite::Stopped> {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = Socket::configure(rings)?;
    socket.attach_filter(program)?;
    Ok(Bench {
        injector: Injector::on(&pair.near)?,
        socket: socket.map()?.bind(interface(&pair.far)?)?,
        pair,
    })
}

/// Sends a frame of 1000 bytes and demands that this many of them are captured.
fn captures(bench: &mut Bench, bytes: usize) -> TestResult {
    let witness = Witness::on(&bench.pair.far, Sees::Incoming)?;
    let sent = frame::numbered(7, 1000);
    bench.injector.send(&sent)?;
    let whole = witness.receive(PATIENCE)?.ok_or("nothing came")?;
    assert_eq!(whole.bytes, sent);
    let block = next(&mut bench.socket)?;
    let packet = block.packets().next().ok_or("no packet")?;
    assert_eq!(packet.captured_len() as usize, bytes);
    assert_eq!(packet.len(), 1000);
    assert_eq!(packet.data(), &sent[..bytes]);
    // The rest takes no room either.
    assert_eq!(block.used_bytes(), BLOCK_HEADER + record(bytes as u32));
    Ok(())
}

fn a_snap_length_is_what_is_captured() -> TestResult {
    captures(&mut Bench::new(PROMPT.snap_length(64)?)?, 64)?;
    captures(&mut Bench::new(PROMPT.snap_length(1)?)?, 1)?;
    captures(&mut Bench::new(PROMPT.snap_length(2000)?)?, 1000)?;
    captures(&mut Bench::new(PROMPT)?, 1000)
}

fn a_filter_keeps_no_more_than_the_snap_length() -> TestResult {
    let snap = Rx::new(PROMPT.snap_length(64)?);
    let whole = Rx::new(PROMPT);
    captures(&mut filtered(snap, &only(frame::ETHERTYPE))?, 64)?;
    captures(&mut filtered(whole, &only(frame::ETHERTYPE))?, 1000)?;
    captures(&mut filtered(snap, &ITS_LENGTH)?, 64)?;
    captures(&mut filtered(whole, &ITS_LENGTH)?, 1000)?;
    captures(&mut filtered(snap, &[Instruction::keep(32)])?, 32)
}

fn a_second_filter_replaces_the_first() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = Socket::configure(Rx::new(PROMPT))?;
    socket.attach_filter(&only(IPV4))?;
    socket.attach_filter(&only(frame::ETHERTYPE))?;
    let mut bench = Bench {
        injector: Injector::on(&pair.near)?,
        socket: socket.map()?.bind(interface(&pair.far)?)?,
        pair,
    };
    // What the first would have kept.
    bench.injector.send(&frame::numbered_udp(1, FRAME))?;
    captures(&mut bench, 1000)?;
    assert_eq!(bench.socket.statistics()?.packets, 1);
    Ok(())
}

/// Runs `f` again and again while both kinds of frames are sent on `link` without a pause.
fn under_traffic(injector: &Injector, mut f: impl FnMut() -> TestResult) -> TestResult {
    // Whatever `f` does: the scope ends when the traffic has.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    let frames: Vec<_> = (0..32)
        .flat_map(|n| [frame::numbered(n, FRAME), frame::numbered_udp(n, FRAME)])
        .collect();
    thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                injector.send_batch(&frames)?;
                sent += frames.len();
            }
            Ok::<_, packet_ring_lab::LabError>(sent)
        });
        let stopping = Stop(&stop);
        for _ in 0..20 {
            f()?;
        }
        drop(stopping);
        let sent = sent.join().map_err(|_| "the injector panicked")??;
        assert!(sent > 0);
        Ok(())
    })
}

fn a_filter_holds_from_the_first_packet_on() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = interface(&pair.far)?;
    under_traffic(&Injector::on(&pair.near)?, || {
        let mut socket = Socket::configure(Rx::new(PROMPT))?;
        socket.attach_filter(&only(IPV4))?;
        let mut socket = socket.map()?.bind(far)?;
        let mut seen = 0;
        while seen < 200 {
            let block = next(&mut socket)?;
            for packet in block.packets() {
                assert_eq!(packet.protocol(), IPV4, "after {seen} packets");
                assert_eq!(packet.data()[12..14], IPV4.to_be_bytes());
                seen += 1;
            }
        }
        Ok(())
    })
}

fn no_packet_of_another_interface_comes_before_bind() -> TestResult {
    let busy = VethPair::create(&VethOptions::default())?;
    let quiet = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&quiet.near)?;
    under_traffic(&Injector::on(&busy.near)?, || {
        let socket = Socket::configure(Rx::new(PROMPT))?;
        thread::sleep(Duration::from_millis(5));
        let socket = socket.map()?;
        thread::sleep(Duration::from_millis(5));
        let mut socket = socket.bind(interface(&quiet.far)?)?;
        injector.send(&frame::numbered(7, FRAME))?;
        let block = next(&mut socket)?;
        assert_eq!(block.sequence(), 1);
        assert_eq!(numbers(&block), [7]);
        drop(block);
        assert_eq!(socket.statistics()?.packets, 1);
        Ok(())
    })
}

/// A pair of sockets on the near end: one made by `limit`, one that takes everything.
fn on_the_near_end(
    pair: &VethPair,
    rings: Rx,
    limit: impl FnOnce(&mut Socket<Configured<Rx>>) -> Result<(), packet_ring::Error>,
) -> Result<(Receiving, Receiving), packet_ring_lab::suite::Stopped> {
    let mut socket = Socket::configure(rings)?;
    limit(&mut socket)?;
    let limited = socket.map()?.bind(interface(&pair.near)?)?;
    Ok((limited, receive_on(&pair.near, Rx::new(PROMPT))?))
}

fn what_goes_out_can_be_ignored() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut ignoring, mut everything) =
        on_the_near_end(&pair, Rx::new(PROMPT), Socket::ignore_outgoing)?;
    Injector::on(&pair.near)?.send(&frame::numbered(1, FRAME))?;
    let block = next(&mut everything)?;
    let packet = block.packets().next().ok_or("no packet")?;
    assert_eq!(packet.direction(), Direction::Outgoing);
    assert_eq!(pair.near.counters()?.tx_packets, 1);
    assert!(is_quiet(&mut ignoring.receiver())?);
    Injector::on(&pair.far)?.send(&frame::numbered(2, FRAME))?;
    assert_eq!(numbers(&next(&mut ignoring)?), [2]);
    assert_eq!(ignoring.statistics()?.packets, 1);
    Ok(())
}

fn one_protocol_alone_can_be_received() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let rings = Rx::new(PROMPT).protocol(IPV4);
    let (mut ipv4, mut everything) = on_the_near_end(&pair, rings, |_| Ok(()))?;
    let (out, back) = (Injector::on(&pair.near)?, Injector::on(&pair.far)?);
    out.send(&frame::numbered_udp(1, FRAME))?;
    back.send(&frame::numbered(2, FRAME))?;
    back.send(&frame::numbered_udp(3, FRAME))?;
    let mut seen = Vec::new();
    over_blocks(&mut everything, 3, |block| {
        seen.extend(numbers(block));
        Ok(())
    })?;
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(numbers(&next(&mut ipv4)?), [3]);
    assert!(is_quiet(&mut ipv4.receiver())?);
    assert_eq!(ipv4.statistics()?.packets, 1);
    Ok(())
}

fn a_reserve_is_left_before_each_packet() -> TestResult {
    let mut bench = Bench::new(Geometry::new(4096, 4)?.reserve(100)?)?;
    let sent = frame::numbered(7, FRAME);
    bench.injector.send_batch(&[&sent, &sent])?;
    let mut records = 0;
    over_blocks(&mut bench.socket, 2, |block| {
        for packet in block.packets() {
            assert_eq!(packet.data(), sent);
            assert_eq!(packet.network_offset(), 14);
        }
        records += block.used_bytes() - BLOCK_HEADER;
        Ok(())
    })?;
    assert_eq!(records, 2 * record(100 + FRAME as u32));
    Ok(())
}

suite![
    a_snap_length_is_what_is_captured,
    a_filter_keeps_no_more_than_the_snap_length,
    a_second_filter_replaces_the_first,
    a_filter_holds_from_the_first_packet_on,
    no_packet_of_another_interface_comes_before_bind,
    what_goes_out_can_be_ignored,
    one_protocol_alone_can_be_received,
    a_reserve_is_left_before_each_packet,
];
