//! Fanout: how each mode and each flag shares packets out.

mod data_path;
mod members;

use core::ops::ControlFlow;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use packet_ring::bpf::Source::K;
use packet_ring::bpf::Statement::{Jeq, LdAd, RetK};
use packet_ring::bpf::{Ancillary, Instruction, assemble};
use packet_ring::packet::{Fanout, FanoutMode, Geometry, RolloverStatistics, Rx, Socket};
use packet_ring::{Deadline, Error, OnSignal, Operation, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{VethOptions, VethPair, frame, suite};
use rustix::io::Errno;

use data_path::{FRAME, FULL, NEVER, PATIENCE, SMALL, interface, next, numbers};
use members::{Group, ROOMY, Sharing, of_flow, processors, stay_on};

/// Which member has which number.
fn owners(shares: &[Vec<u64>]) -> BTreeMap<u64, usize> {
    let owned = shares.iter().enumerate();
    owned
        .flat_map(|(member, share)| share.iter().map(move |&number| (number, member)))
        .collect()
}

fn hash_keeps_a_flow_together_and_uses_every_member() -> TestResult {
    // No multiple of the members, or turns would keep flows together too.
    const FLOWS: u64 = 65;
    let mut group = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::Hash))?;
    // What a flow's number is modulo the flows tells which flow it is.
    let frames: Vec<_> = (0..4 * FLOWS)
        .map(|number| of_flow((number % FLOWS) as u16, number))
        .collect();
    stay_on(processors()?[0])?;
    group.send(&frames)?;
    let shares = group.shares(frames.len())?;
    let owners = owners(&shares);
    for flow in 0..FLOWS {
        let members: BTreeSet<_> = (0..4).map(|turn| owners[&(turn * FLOWS + flow)]).collect();
        assert_eq!(members.len(), 1, "flow {flow}: {members:?}");
    }
    assert!(shares.iter().all(|share| !share.is_empty()), "{shares:?}");
    // In order, within each flow at least.
    assert!(shares.iter().all(|share| share.is_sorted()));
    Ok(())
}

fn four_workers_get_each_packet_once_and_each_flow_in_order() -> TestResult {
    const FLOWS: u64 = 65;
    const PACKETS: usize = 65 * 100;
    let mut group = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::Hash))?;
    let frames: Vec<_> = (0..PACKETS as u64)
        .map(|number| of_flow((number % FLOWS) as u16, number))
        .collect();
    let seen = AtomicUsize::new(0);
    let work = |mut worker: Sharing| -> Result<Vec<u64>, Error> {
        let mut got = Vec::new();
        let end = Deadline::after(PATIENCE);
        while seen.load(Ordering::Relaxed) < PACKETS && !end.has_passed() {
            let soon = Deadline::after(Duration::from_millis(10));
            let _ = worker.for_each(soon, OnSignal::Continue, |packet| {
                got.extend(frame::number(packet.data()));
                seen.fetch_add(1, Ordering::Relaxed);
                ControlFlow::Continue(())
            })?;
        }
        assert_eq!(worker.statistics()?.packets, got.len() as u64);
        Ok(got)
    };
    let workers = core::mem::take(&mut group.members);
    let shares = thread::scope(|scope| -> Result<Vec<Vec<u64>>, Stopped> {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| scope.spawn(|| work(worker)))
            .collect();
        stay_on(processors()?[0])?;
        group.injector.send_batch(&frames)?;
        let join = |thread: thread::ScopedJoinHandle<'_, Result<_, _>>| {
            Ok(thread.join().map_err(|_| "a worker panicked")??)
        };
        threads.into_iter().map(join).collect()
    })?;
    assert_eq!(group.pair.far.counters()?.rx_packets, PACKETS as u64);
    let mut all = shares.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..PACKETS as u64), "each number once");
    for flow in 0..FLOWS {
        let of_flow = |share: &Vec<u64>| -> Vec<u64> {
            let numbers = share.iter().copied();
            numbers.filter(|number| number % FLOWS == flow).collect()
        };
        let with: Vec<_> = shares
            .iter()
            .map(of_flow)
            .filter(|it| !it.is_empty())
            .collect();
        assert_eq!(with.len(), 1, "flow {flow} is with one worker");
        assert!(with[0].is_sorted(), "flow {flow} is in order");
    }
    Ok(())
}

fn hash_keeps_both_directions_of_a_flow_together() -> TestResult {
    let mut group = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::Hash))?;
    let there: Vec<_> = (0..65).map(|flow| of_flow(flow, flow.into())).collect();
    let back = there.iter().zip(65..).map(|(frame, number)| {
        let mut frame = frame.clone();
        frame::renumber(&mut frame, number);
        // Addresses, then ports.
        let (source, destination) = frame[26..34].split_at_mut(4);
        source.swap_with_slice(destination);
        let (source, destination) = frame[34..38].split_at_mut(2);
        source.swap_with_slice(destination);
        frame
    });
    let frames: Vec<_> = there.iter().cloned().chain(back).collect();
    group.send(&frames)?;
    let owners = owners(&group.shares(frames.len())?);
    for flow in 0..65 {
        assert_eq!(owners[&flow], owners[&(65 + flow)], "flow {flow}");
    }
    Ok(())
}

fn load_balance_gives_to_one_after_the_other() -> TestResult {
    let mut group = Group::new(3, ROOMY, Fanout::in_new_group(FanoutMode::LoadBalance))?;
    stay_on(processors()?[0])?;
    group.flood(0..300)?;
    let shares = group.shares(300)?;
    for share in shares {
        assert_eq!(share.len(), 100);
        assert!(
            share.windows(2).all(|pair| pair[0] + 3 == pair[1]),
            "{share:?}"
        );
    }
    Ok(())
}

fn cpu_gives_by_the_processor_that_sent() -> TestResult {
    let mut group = Group::new(2, ROOMY, Fanout::in_new_group(FanoutMode::Cpu))?;
    let mut first = 0;
    for cpu in processors()?.into_iter().take(4) {
        stay_on(cpu)?;
        group.flood(first..first + 20)?;
        first += 20;
        let shares = group.shares(20)?;
        assert_eq!(shares[cpu % 2].len(), 20, "processor {cpu}: {shares:?}");
    }
    Ok(())
}

fn random_follows_neither_flow_nor_turn() -> TestResult {
    let mut group = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::Random))?;
    group.flood(0..1000)?;
    let shares = group.shares(1000)?;
    // Each misses a hundred only once in far more runs than there will be.
    assert!(shares.iter().all(|share| share.len() > 100), "{shares:?}");
    let owners: Vec<_> = owners(&shares).into_values().collect();
    let stays = owners.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(stays > 100, "{stays} times the same member twice running");
    Ok(())
}

/// Keeps packets of one of the interface's queues.
fn of_queue(queue: u32) -> [Instruction; 4] {
    assemble([
        LdAd(Ancillary::Queue),
        Jeq(K(queue), 0, 1),
        RetK(u32::MAX),
        RetK(0),
    ])
}

fn queue_mapping_gives_by_the_queue_of_the_interface() -> TestResult {
    const QUEUES: u32 = 4;
    let pair = VethPair::create(&VethOptions {
        queues: QUEUES,
        ..VethOptions::default()
    })?;
    // A socket for each queue says which packets the kernel has noted it for.
    let mut judges = Vec::new();
    for queue in 0..=QUEUES {
        let mut socket = Socket::configure(Rx::new(ROOMY))?;
        socket.attach_filter(&of_queue(queue))?;
        judges.push(socket.map()?.bind(interface(&pair.far)?)?);
    }
    let fanout = Fanout::in_new_group(FanoutMode::QueueMapping);
    let mut group = Group::on(pair, 3, ROOMY, fanout)?;
    // A veth spreads flows over its queues.
    let frames: Vec<_> = (0..64).map(|flow| of_flow(flow, flow.into())).collect();
    group.send(&frames)?;
    let owners = owners(&group.shares(frames.len())?);
    let mut used = BTreeSet::new();
    let mut judged = 0;
    for (queue, judge) in judges.iter_mut().enumerate() {
        let count = judge.statistics()?.packets;
        let mut of_queue = Vec::new();
        while (of_queue.len() as u64) < count {
            of_queue.extend(numbers(&next(judge)?));
        }
        for number in &of_queue {
            assert_eq!(owners[number], queue % 3, "queue {queue}, number {number}");
            used.insert(queue);
        }
        judged += of_queue.len();
    }
    assert_eq!(judged, frames.len(), "each packet is of one queue");
    assert!(used.len() > 1, "{used:?}");
    Ok(())
}

/// How many frames a ring of [`SMALL`] takes until a quarter of it ahead is not the kernel's: three
/// full blocks, and the one that opens the fourth.
const UNTIL_FULL: u64 = 3 * FULL + 1;

fn rollover_fills_one_member_after_the_other() -> TestResult {
    let mut group = Group::new(3, SMALL, Fanout::in_new_group(FanoutMode::Rollover))?;
    stay_on(processors()?[0])?;
    group.flood(0..3 * UNTIL_FULL)?;
    assert_eq!(group.counts()?, [UNTIL_FULL; 3]);
    let all = 3 * UNTIL_FULL;
    let moved = RolloverStatistics {
        all,
        huge: 0,
        failed: 0,
    };
    assert_eq!(group.members[0].group().rollover_statistics()?, moved);
    let none = RolloverStatistics::default();
    assert_eq!(group.members[1].group().rollover_statistics()?, none);
    for (first, member) in (0..).step_by(UNTIL_FULL as usize).zip(&mut group.members) {
        let block = next(member)?;
        let expected: Vec<_> = (first..first + FULL).collect();
        assert_eq!(numbers(&block), expected);
        // Forgotten, so that it stays out until the next is asked for.
        core::mem::forget(block);
    }
    // None has room: the first gets what comes.
    group.flood(all..all + 10)?;
    assert_eq!(group.counts()?, [UNTIL_FULL + 10, UNTIL_FULL, UNTIL_FULL]);
    let failed = group.members[0].group().rollover_statistics()?.failed;
    assert_eq!(failed, 10);
    Ok(())
}

fn a_member_that_was_full_is_used_again_once_it_has_polled() -> TestResult {
    let mut group = Group::new(2, SMALL, Fanout::in_new_group(FanoutMode::Rollover))?;
    group.flood(0..2 * UNTIL_FULL)?;
    group.flood(0..1)?;
    assert_eq!(group.counts()?, [UNTIL_FULL + 1, UNTIL_FULL]);
    // All blocks go back, without a system call.
    let emptied = &mut group.members[1];
    while emptied.next_block().is_some() {}
    group.flood(0..5)?;
    assert_eq!(group.counts()?, [UNTIL_FULL + 6, UNTIL_FULL]);
    let emptied = &mut group.members[1];
    assert_eq!(
        emptied.wait(Deadline::PASSED, OnSignal::Continue)?,
        Wake::TimedOut
    );
    group.flood(0..5)?;
    assert_eq!(group.counts()?, [UNTIL_FULL + 6, UNTIL_FULL + 5]);
    Ok(())
}

fn what_a_full_member_has_no_room_for_rolls_over() -> TestResult {
    // So many fit into the last block that the kernel surely finds the flow to be a huge one.
    const RING: Geometry = Geometry::expect(Geometry::new_assert(1 << 14, 4).retire_timeout(NEVER));
    const A_BLOCK: u64 = (16384 - 48 - 1) / data_path::record(FRAME as u32) as u64;
    for rollover in [false, true] {
        let mut fanout = Fanout::in_new_group(FanoutMode::Hash);
        if rollover {
            fanout = fanout.rollover();
        }
        let mut group = Group::new(2, RING, fanout)?;
        group.flood(0..5 * A_BLOCK)?;
        let counts = group.counts()?;
        let (chosen, other) = if counts[0] > counts[1] {
            (0, 1)
        } else {
            (1, 0)
        };
        let drops = group.members[chosen].statistics()?.drops;
        let counted = group.members[chosen].group().rollover_statistics();
        if !rollover {
            assert_eq!((counts[other], drops), (0, A_BLOCK));
            let refused = Error::System {
                operation: Operation::ReadRolloverStatistics,
                errno: Errno::INVAL,
            };
            assert_eq!(counted, Err(refused));
            continue;
        }
        assert_eq!(drops, 0);
        assert!(
            counts[chosen] > 3 * A_BLOCK && counts[other] > A_BLOCK,
            "{counts:?}"
        );
        let all = counts[other];
        // A little room was left.
        let expected = RolloverStatistics {
            all,
            huge: all,
            failed: 0,
        };
        assert_eq!(counted, Ok(expected));
        let other = group.members[other].group().rollover_statistics()?;
        assert_eq!(other, RolloverStatistics::default());
    }
    Ok(())
}

/// The two fragments of a datagram of flow `flow`, cut behind 64 bytes of the IPv4 payload.
fn fragments(flow: u16, number: u64) -> [Vec<u8>; 2] {
    let whole = of_flow(flow, number);
    let fragment = |payload: &[u8], word: u16| {
        let mut frame = [&whole[..34], payload].concat();
        frame[16..18].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        frame[18..20].copy_from_slice(&(flow + 1).to_be_bytes());
        frame[20..22].copy_from_slice(&word.to_be_bytes());
        frame[24..26].fill(0);
        let words = frame[14..34].chunks_exact(2);
        let sum: u32 = words
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        frame
    };
    const MORE_FRAGMENTS: u16 = 0x2000;
    [
        fragment(&whole[34..98], MORE_FRAGMENTS),
        fragment(&whole[98..], 64 / 8),
    ]
}

fn defragment_joins_fragments_before_the_choice() -> TestResult {
    let frames: Vec<_> = (0..8)
        .flat_map(|flow| fragments(flow, flow.into()))
        .collect();
    for (fanout, packets) in [
        (Fanout::in_new_group(FanoutMode::LoadBalance), 16),
        (
            Fanout::in_new_group(FanoutMode::LoadBalance).defragment(),
            8,
        ),
    ] {
        let mut group = Group::new(2, ROOMY, fanout)?;
        group.injector.send_batch(&frames)?;
        for member in &mut group.members {
            let mut seen = 0;
            while seen < packets / 2 {
                let block = next(member)?;
                for packet in block.packets() {
                    seen += 1;
                    if packets == 8 {
                        // The whole datagram, behind the header of one of its frames.
                        let number = frame::number(packet.data()).ok_or("no number")?;
                        let whole = of_flow(number as u16, number);
                        assert_eq!(packet.data()[34..], whole[34..]);
                    }
                }
            }
        }
        let mut counts = Vec::new();
        for member in &mut group.members {
            counts.push(member.statistics()?.packets);
        }
        assert_eq!(counts, [packets / 2; 2]);
        assert_eq!(group.pair.far.counters()?.rx_packets, 16);
    }
    Ok(())
}

suite![
    hash_keeps_a_flow_together_and_uses_every_member,
    four_workers_get_each_packet_once_and_each_flow_in_order,
    hash_keeps_both_directions_of_a_flow_together,
    load_balance_gives_to_one_after_the_other,
    cpu_gives_by_the_processor_that_sent,
    random_follows_neither_flow_nor_turn,
    queue_mapping_gives_by_the_queue_of_the_interface,
    rollover_fills_one_member_after_the_other,
    a_member_that_was_full_is_used_again_once_it_has_polled,
    what_a_full_member_has_no_room_for_rolls_over,
    defragment_joins_fragments_before_the_choice,
];
