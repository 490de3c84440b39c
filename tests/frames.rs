//! A ring of frames: every packet in order over many laps, frames that are held, and those that
//! never come back.

mod frame_path;

use core::mem;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::panic::resume_unwind;
use std::thread;

use packet_ring::bpf::{Size, Source, Statement, assemble};
use packet_ring::handoff::Slots;
use packet_ring::packet::{Fanout, FanoutMode, Frame, FrameGeometry, RxV2};
use packet_ring::{Deadline, OnSignal, Wake, packet};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, Link, Sees, VethOptions, VethPair, Witness, frame, suite};

use frame_path::{
    Bench, EIGHT, LEN, PATIENCE, Receiving, flood, interface, is_quiet, next_number, number,
    receive_on, settled, take,
};

/// Twelve laps and a bit of the ring, half of it at a time, with lengths that vary.
fn laps(geometry: FrameGeometry) -> TestResult {
    let mut bench = Bench::new(geometry)?;
    let witness = Witness::on(&bench.pair.far, Sees::Incoming)?;
    let frames = u64::from(geometry.frame_count().get());
    let room = (geometry.frame_size() as usize - 66).min(1514);
    let len = |number: u64| LEN + (number as usize * 37) % (room - LEN + 1);
    let burst = frames.div_ceil(2);
    let mut next = 0;
    let mut receiver = bench.socket.receiver();
    while next < 12 * frames + 5 {
        let sent: Vec<_> = (next..next + burst)
            .map(|number| frame::numbered(number, len(number)))
            .collect();
        bench.injector.send_batch(&sent)?;
        for expected in sent {
            let mut taken = take(&mut receiver)?;
            let seen = witness
                .receive(PATIENCE)?
                .ok_or("the witness saw nothing")?;
            assert_eq!(taken.packet().data(), expected);
            assert_eq!(taken.data_mut(), seen.bytes);
            assert_eq!(number(&taken), next);
            next += 1;
        }
    }
    assert!(is_quiet(&mut receiver)?);
    let counts = receiver.statistics()?;
    assert_eq!((counts.packets, counts.drops, counts.freezes), (next, 0, 0));
    assert_eq!(bench.pair.far.counters()?.rx_packets, next);
    Ok(())
}

fn every_packet_arrives_in_order_over_many_laps() -> TestResult {
    laps(FrameGeometry::new(2048, 1 << 16, 2)?)
}

fn frames_that_leave_a_gap_in_each_block_arrive_too() -> TestResult {
    laps(FrameGeometry::new(1504, 4096, 5)?)
}

fn a_ring_of_one_frame_works() -> TestResult {
    laps(FrameGeometry::new(4096, 4096, 1)?)
}

/// The kernel's selftest psock_tpacket, its scenario "TPACKET_V2 with PACKET_RX_RING".
fn a_hundred_datagrams_on_the_loopback_are_all_seen() -> TestResult {
    const COUNT: usize = 100;
    let lo = Link::named("lo")?;
    let mut configured = packet::Socket::configure(
        RxV2::new(FrameGeometry::new(2048, 1 << 14, 256)?).protocol(0x0800),
    )?;
    configured.ignore_outgoing()?;
    let mut socket: Receiving = configured.map()?.bind(interface(&lo)?)?;
    let listener = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    for number in 0..COUNT {
        sender.send_to(&[number as u8; 58], listener.local_addr()?)?;
    }
    let mut receiver = socket.receiver();
    for number in 0..COUNT {
        let taken = take(&mut receiver)?;
        assert_eq!(taken.packet().len(), 100);
        assert_eq!(taken.packet().data()[42..], [number as u8; 58]);
    }
    assert!(is_quiet(&mut receiver)?);
    Ok(())
}

fn a_held_frame_stops_the_ring_and_its_release_moves_it_on() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    flood(&bench.injector, 0..8);
    let held = take(&mut receiver)?;
    for expected in 1..8 {
        assert_eq!(next_number(&mut receiver)?, expected);
    }
    // Seven frames are free; the kernel waits for the one in turn.
    flood(&bench.injector, 8..108);
    let counts = settled(108, &mut receiver)?;
    assert_eq!((counts.drops, counts.freezes, counts.held), (100, 0, 1));
    assert!(is_quiet(&mut receiver)?);
    assert_eq!(number(&held), 0);
    assert!(frame::is_intact(held.packet().data()));
    drop(held);
    flood(&bench.injector, 108..116);
    for expected in 108..116 {
        assert_eq!(next_number(&mut receiver)?, expected);
    }
    let counts = settled(116, &mut receiver)?;
    assert_eq!((counts.drops, counts.held), (100, 0));
    assert_eq!(bench.pair.far.counters()?.rx_packets, 116);
    Ok(())
}

fn a_full_ring_drops_what_it_cannot_hold_and_counts_it() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    for lap in 0..5 {
        let first = lap * 100;
        flood(&bench.injector, first..first + 100);
        let counts = settled(first + 100, &mut receiver)?;
        assert_eq!(counts.drops, (lap + 1) * 92);
        for expected in first..first + 8 {
            assert_eq!(next_number(&mut receiver)?, expected);
        }
        assert!(is_quiet(&mut receiver)?);
    }
    assert_eq!(bench.pair.far.counters()?.rx_packets, 500);
    Ok(())
}

fn a_frame_that_is_out_is_not_handed_out_twice() -> TestResult {
    let mut bench = Bench::new(FrameGeometry::new(2048, 4096, 1)?)?;
    let mut receiver = bench.socket.receiver();
    for lap in 0..10 {
        flood(&bench.injector, 2 * lap..2 * lap + 2);
        let held = take(&mut receiver)?;
        assert_eq!(next_number(&mut receiver)?, 2 * lap + 1);
        for _ in 0..1000 {
            assert!(receiver.next_frame().is_none());
        }
        assert!(is_quiet(&mut receiver)?);
        assert_eq!(number(&held), 2 * lap);
    }
    Ok(())
}

fn other_threads_release_frames_in_any_order() -> TestResult {
    const ROUNDS: u64 = 40;
    const ROUND: u64 = 48;
    let geometry = FrameGeometry::new(2048, 1 << 16, 2)?;
    let mut bench = Bench::new(geometry)?;
    let mut receiver = bench.socket.receiver();
    for round in 0..ROUNDS {
        let sent = round * ROUND..(round + 1) * ROUND;
        flood(&bench.injector, sent.clone());
        let mut shares: [Vec<Frame<&Slots>>; 3] = Default::default();
        for expected in sent.clone() {
            let taken = take(&mut receiver)?;
            assert_eq!(number(&taken), expected);
            shares[(expected * 7 % 3) as usize].push(taken);
        }
        assert_eq!(u64::from(receiver.statistics()?.held), ROUND);
        let released = thread::scope(|scope| {
            let workers = shares.map(|share| {
                scope.spawn(|| {
                    share
                        .into_iter()
                        .rev()
                        .map(|f| number(&f))
                        .collect::<Vec<_>>()
                })
            });
            workers.map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        let all: BTreeSet<u64> = released.into_iter().flatten().collect();
        assert_eq!(all, sent.collect());
    }
    let counts = receiver.statistics()?;
    assert_eq!((counts.drops, counts.held), (0, 0));
    assert_eq!(bench.pair.far.counters()?.rx_packets, ROUNDS * ROUND);
    Ok(())
}

fn a_forgotten_frame_comes_back() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    for lap in 0..20 {
        bench.flood(lap..lap + 1);
        let taken = take(&mut bench.socket.receiver())?;
        assert_eq!(number(&taken), lap);
        mem::forget(taken);
        let counts = bench.socket.statistics()?;
        assert_eq!((counts.taken_back, counts.held), (lap + 1, 0));
    }
    assert_eq!(bench.socket.statistics()?.drops, 0);
    Ok(())
}

fn a_frame_forgotten_under_a_living_receiver_comes_back_with_the_next() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut receiver = bench.socket.receiver();
    flood(&bench.injector, 0..8);
    mem::forget(take(&mut receiver)?);
    for expected in 1..8 {
        assert_eq!(next_number(&mut receiver)?, expected);
    }
    flood(&bench.injector, 8..28);
    let counts = settled(28, &mut receiver)?;
    assert_eq!((counts.drops, counts.held, counts.taken_back), (20, 1, 0));
    let mut receiver = bench.socket.receiver();
    let counts = receiver.statistics()?;
    assert_eq!((counts.drops, counts.held, counts.taken_back), (20, 0, 1));
    flood(&bench.injector, 28..36);
    for expected in 28..36 {
        assert_eq!(next_number(&mut receiver)?, expected);
    }
    Ok(())
}

fn for_each_brings_every_packet_and_gives_its_frame_back() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let mut expected = 0;
    for _ in 0..5 {
        bench.flood(expected..expected + 8);
        let end = expected + 7;
        let ended =
            bench
                .socket
                .for_each(Deadline::after(PATIENCE), OnSignal::Continue, |packet| {
                    assert_eq!(frame::number(packet.data()), Some(expected));
                    expected += 1;
                    if expected > end {
                        core::ops::ControlFlow::Break(())
                    } else {
                        core::ops::ControlFlow::Continue(())
                    }
                })?;
        assert_eq!(ended, packet::Ended::Stopped);
        let counts = bench.socket.statistics()?;
        assert_eq!((counts.held, counts.drops), (0, 0));
    }
    Ok(())
}

fn shared_frames_outlive_the_receiver() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    let mut shared = receive_on(&pair.far, RxV2::new(EIGHT))?.into_shared();
    let mut frames = Vec::new();
    for expected in 0..8 {
        flood(&injector, expected..expected + 1);
        let woken = shared.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
        assert_eq!(woken, Wake::Ready);
        frames.push(shared.next_frame().ok_or("no frame")?);
    }
    assert_eq!(shared.statistics()?.held, 8);
    drop(shared);
    let seen = thread::spawn(move || frames.iter().map(number).collect::<Vec<_>>()).join();
    assert_eq!(
        seen.map_err(|_| "the thread panicked")?,
        (0..8).collect::<Vec<_>>()
    );
    Ok(())
}

fn a_replaced_filter_leaves_no_old_packet_in_the_ring() -> TestResult {
    const UDP: u16 = 0x0800;
    let keep = |ether_type: u16| {
        assemble([
            Statement::LdAbs(Size::H, 12),
            Statement::Jeq(Source::K(ether_type.into()), 0, 1),
            Statement::RetK(262_144),
            Statement::RetK(0),
        ])
    };
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    let mut socket = packet::Socket::configure(RxV2::new(EIGHT))?;
    socket.attach_filter(&keep(UDP))?;
    let mut socket = socket.map()?.bind(interface(&pair.far)?)?;
    let mut receiver = socket.receiver();
    for lap in 0..3 {
        for number in 0..6 {
            injector.send(&frame::numbered_udp(number, LEN))?;
            injector.send(&frame::numbered(number, LEN))?;
        }
        // One of the six that passed is out: it was handed out before, and stays usable.
        let held = take(&mut receiver)?;
        let end = Deadline::after(PATIENCE);
        assert_eq!(receiver.replace_filter(&keep(frame::ETHERTYPE), end)?, 5);
        injector.send(&frame::numbered_udp(100, LEN))?;
        injector.send(&frame::numbered(101 + lap, LEN))?;
        let first = take(&mut receiver)?;
        assert_eq!(number(&first), 101 + lap);
        assert_eq!(first.packet().protocol(), frame::ETHERTYPE);
        assert_eq!(number(&held), 0);
        assert_eq!(held.packet().protocol(), UDP);
        assert_eq!(receiver.replace_filter(&keep(UDP), end)?, 0);
    }
    assert_eq!(receiver.statistics()?.drops, 0);
    Ok(())
}

fn sockets_with_frames_share_packets_out() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let first = receive_on(&pair.far, RxV2::new(EIGHT))?;
    let mut first = first.join_fanout(&Fanout::in_new_group(FanoutMode::LoadBalance))?;
    let group = first.group().fanout()?;
    let mut second = receive_on(&pair.far, RxV2::new(EIGHT))?.join_fanout(&group)?;
    flood(&Injector::on(&pair.near)?, 0..12);
    let mut seen = BTreeSet::new();
    for socket in [&mut first, &mut second] {
        let mut receiver = socket.receiver();
        for _ in 0..6 {
            let end = Deadline::after(PATIENCE);
            assert_eq!(receiver.wait(end, OnSignal::Continue)?, Wake::Ready);
            let frame = receiver.next_frame().ok_or("no frame")?;
            assert!(seen.insert(number(&frame)));
        }
        assert!(receiver.next_frame().is_none());
    }
    assert_eq!(seen, (0..12).collect());
    Ok(())
}

fn an_answer_goes_out_while_the_packet_is_held() -> TestResult {
    let mut bench = Bench::new(EIGHT)?;
    let witness = Witness::on(&bench.pair.near, Sees::Incoming)?;
    let (mut receiver, sender) = bench.socket.split();
    for expected in 0..20 {
        flood(&bench.injector, expected..expected + 1);
        let mut held = take(&mut receiver)?;
        assert_eq!(number(&held), expected);
        frame::renumber(held.data_mut(), expected + 1000);
        assert_eq!(sender.send(&[held.packet().data()])?, 1);
        let answer = witness.receive(PATIENCE)?.ok_or("no answer")?;
        assert_eq!(frame::number(&answer.bytes), Some(expected + 1000));
        assert_eq!(answer.bytes.len(), LEN);
    }
    // What it sent, it did not receive.
    assert!(is_quiet(&mut receiver)?);
    assert_eq!(bench.pair.far.counters()?.tx_packets, 20);
    Ok(())
}

suite![
    every_packet_arrives_in_order_over_many_laps,
    frames_that_leave_a_gap_in_each_block_arrive_too,
    a_ring_of_one_frame_works,
    a_hundred_datagrams_on_the_loopback_are_all_seen,
    a_held_frame_stops_the_ring_and_its_release_moves_it_on,
    a_full_ring_drops_what_it_cannot_hold_and_counts_it,
    a_frame_that_is_out_is_not_handed_out_twice,
    other_threads_release_frames_in_any_order,
    a_forgotten_frame_comes_back,
    a_frame_forgotten_under_a_living_receiver_comes_back_with_the_next,
    for_each_brings_every_packet_and_gives_its_frame_back,
    shared_frames_outlive_the_receiver,
    a_replaced_filter_leaves_no_old_packet_in_the_ring,
    sockets_with_frames_share_packets_out,
    an_answer_goes_out_while_the_packet_is_held,
];
