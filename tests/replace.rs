//! Filters of a socket that receives, replaced: no packet of the old one comes after.

mod data_path;
mod filter {
    pub(crate) mod keeping;
}

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::thread;

use packet_ring::bpf::{Instruction, Source, Statement};
use packet_ring::handoff::Handle;
use packet_ring::packet::{Block, Geometry, Statistics};
use packet_ring::{Deadline, Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, LabError, frame, kernel, suite};
use rustix::io::Errno;

use data_path::{
    Bench, FRAME, FULL, PROMPT, SMALL, is_quiet, next, numbers, over_blocks, settled, take,
};
use filter::keeping::{BARE, IPV4, UDP, keeping_udp, send_udp, soon};

/// The ring of [`PROMPT`] with room for all that a test sends, however slowly it is taken.
const LARGE: Geometry =
    Geometry::expect(Geometry::new_assert(4096, 64).retire_timeout(Duration::from_millis(5)));

/// The EtherTypes of the packets of a block.
fn ether_types<H: Handle>(block: &Block<H>) -> Vec<u16> {
    block.packets().map(|packet| packet.protocol()).collect()
}

/// Sends both kinds of frames without a pause while `f` runs.
fn under_traffic<T>(
    injector: &Injector,
    f: impl FnOnce() -> Result<T, Stopped>,
) -> Result<T, Stopped> {
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
        let sender = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                injector.send_batch(&frames)?;
            }
            Ok::<_, LabError>(())
        });
        let stopping = Stop(&stop);
        let result = f();
        drop(stopping);
        sender.join().map_err(|_| "the injector panicked")??;
        result
    })
}

/// The same rule, with so much to do before that a packet is often in the middle of it.
fn slowly(rule: &[Instruction]) -> Vec<Instruction> {
    // Old and new are counted together.
    let len = if kernel::takes_long_filters() {
        4_000
    } else {
        1_000
    };
    let mut program = vec![Statement::Div(Source::K(3)).instruction(); len];
    program.extend(rule);
    program
}

fn no_packet_of_the_old_filter_comes_after_the_call() -> TestResult {
    let rules = [(&BARE, frame::ETHERTYPE), (&UDP, IPV4)]
        .map(|(rule, ether_type)| (slowly(rule), ether_type));
    let Bench {
        injector,
        mut socket,
        ..
    } = keeping_udp(LARGE)?;
    let discarded = under_traffic(&injector, || {
        let mut discarded = 0;
        for round in 0..40 {
            let (rule, kept) = &rules[round % 2];
            discarded += socket.replace_filter(rule, soon())?;
            let mut seen = 0;
            while seen < 200 {
                for ether_type in ether_types(&next(&mut socket)?) {
                    assert_eq!(ether_type, *kept, "round {round}, after {seen} packets");
                    seen += 1;
                }
            }
        }
        Ok(discarded)
    })?;
    // Or nothing was shown: the ring was always empty when the filter changed.
    assert!(discarded > 0);
    Ok(())
}

/// A packet that the old program sees while it is being replaced is not in the ring yet when the new one
/// is attached.
fn no_packet_that_the_old_filter_still_sees_comes_after_the_call() -> TestResult {
    const ROUNDS: u64 = 60;
    let Bench {
        injector,
        mut socket,
        pair,
    } = keeping_udp(LARGE)?;
    let slow = slowly(&UDP);
    let beside = Injector::on(&pair.near)?;
    let start = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                while start.load(Ordering::Acquire) < round {
                    core::hint::spin_loop();
                }
                beside.send(&frame::numbered_udp(round, FRAME))?;
            }
            Ok::<_, LabError>(())
        });
        let run = || {
            for round in 1..=ROUNDS {
                socket.replace_filter(&slow, soon())?;
                start.store(round, Ordering::Release);
                socket.replace_filter(&BARE, soon())?;
                injector.send(&frame::numbered(round, FRAME))?;
                assert_eq!(numbers(&next(&mut socket)?), [round]);
            }
            Ok::<_, Stopped>(())
        };
        let outcome = catch_unwind(AssertUnwindSafe(run));
        // Whatever happened: the sender ends.
        start.store(ROUNDS, Ordering::Release);
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    assert_eq!(socket.statistics()?.drops, 0);
    Ok(())
}

fn the_new_filter_loses_nothing_that_comes_later() -> TestResult {
    let mut bench = keeping_udp(LARGE)?;
    for round in 0..3 {
        let (old, new) = match round % 2 {
            0 => (&UDP, &BARE),
            _ => (&BARE, &UDP),
        };
        bench.socket.replace_filter(old, soon())?;
        let first = round * 1_000;
        let before = first..first + 1 + 3 * round;
        match round % 2 {
            0 => send_udp(&bench.injector, before.clone())?,
            _ => bench.flood(before.clone()),
        }
        let discarded = bench.socket.replace_filter(new, soon())?;
        assert_eq!(discarded, before.end - before.start);
        match round % 2 {
            0 => bench.flood(first..first + 90),
            _ => send_udp(&bench.injector, first..first + 90)?,
        }
        let mut seen = Vec::new();
        over_blocks(&mut bench.socket, 90, |block| {
            seen.extend(numbers(block));
            Ok(())
        })?;
        assert!(seen.into_iter().eq(first..first + 90));
    }
    let counts = bench.socket.statistics()?;
    assert_eq!((counts.packets, counts.drops), (3 * 90 + 1 + 4 + 7, 0));
    assert_eq!(bench.socket.replace_filter(&BARE, Deadline::PASSED)?, 0);
    Ok(())
}

fn at_the_deadline_the_old_packets_are_counted() -> TestResult {
    // The block that they lie in is not retired before it is full.
    let mut bench = keeping_udp(SMALL)?;
    send_udp(&bench.injector, 0..3)?;
    let at_once = bench
        .socket
        .replace_filter(&BARE, Deadline::after(Duration::from_millis(20)));
    assert_eq!(at_once, Err(Error::OldPackets { packets: 3 }));
    // The new filter is in force.
    send_udp(&bench.injector, 3..10)?;
    let again = bench.socket.replace_filter(&BARE, Deadline::PASSED);
    assert_eq!(again, Err(Error::OldPackets { packets: 3 }));
    assert_eq!(bench.socket.statistics()?.packets, 3);
    // The ring is usable: the old packets come first, as many as was said, and then new ones.
    bench.flood(10..10 + FULL);
    let block = next(&mut bench.socket)?;
    let seen = ether_types(&block);
    assert_eq!(seen[..3], [IPV4; 3]);
    assert!(
        seen[3..]
            .iter()
            .all(|&ether_type| ether_type == frame::ETHERTYPE)
    );
    assert_eq!(seen.len() as u64, FULL);
    drop(block);
    // The rest of the new packets is old to the next filter.
    let last = bench.socket.replace_filter(&UDP, Deadline::PASSED);
    assert_eq!(last, Err(Error::OldPackets { packets: 3 }));
    Ok(())
}

fn calling_again_discards_what_remained() -> TestResult {
    let mut bench = keeping_udp(SMALL)?;
    send_udp(&bench.injector, 0..3)?;
    let early = bench.socket.replace_filter(&BARE, Deadline::PASSED);
    assert_eq!(early, Err(Error::OldPackets { packets: 3 }));
    let frames: Vec<_> = (0..FULL).map(|n| frame::numbered(n, FRAME)).collect();
    let discarded = thread::scope(|scope| {
        let injector = &bench.injector;
        // Fills the block while the call waits for it, or before.
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(30));
            injector.send_batch(&frames)
        });
        bench.socket.replace_filter(&BARE, soon())
    })?;
    assert_eq!(discarded, FULL);
    assert!(is_quiet(&mut bench.socket.receiver())?);
    Ok(())
}

fn blocks_that_are_out_stay_out() -> TestResult {
    let Bench {
        injector,
        mut socket,
        ..
    } = keeping_udp(PROMPT)?;
    let mut receiver = socket.receiver();
    send_udp(&injector, 0..1)?;
    let held = take(&mut receiver)?;
    // The other three blocks and more: the kernel waits for the one that is held.
    send_udp(&injector, 1..4 * FULL)?;
    let counts = settled(4 * FULL, || receiver.statistics())?;
    assert!(counts.freezes >= 1 && counts.drops > 0, "{counts:?}");
    let discarded = receiver.replace_filter(&BARE, soon())?;
    assert_eq!(discarded, counts.packets - counts.drops - 1);
    assert_eq!((numbers(&held), ether_types(&held)), (vec![0], vec![IPV4]));
    assert!(is_quiet(&mut receiver)?);
    drop(held);
    for number in 0..10 {
        injector.send(&frame::numbered(number, FRAME))?;
        assert_eq!(numbers(&take(&mut receiver)?), [number]);
    }
    Ok(())
}

fn a_refused_program_changes_nothing() -> TestResult {
    let mut bench = keeping_udp(PROMPT)?;
    send_udp(&bench.injector, 0..5)?;
    let refused = bench
        .socket
        .replace_filter(&[Statement::Tax.instruction()], soon());
    let operation = Operation::AttachFilter;
    let errno = Errno::INVAL;
    assert_eq!(refused, Err(Error::System { operation, errno }));
    assert_eq!(numbers(&next(&mut bench.socket)?), [0, 1, 2, 3, 4]);
    bench.flood(5..9);
    send_udp(&bench.injector, 9..10)?;
    assert_eq!(numbers(&next(&mut bench.socket)?), [9]);
    Ok(())
}

fn a_shared_receiver_replaces_its_filter() -> TestResult {
    let bench = keeping_udp(PROMPT)?;
    let mut receiver = bench.socket.into_shared();
    send_udp(&bench.injector, 0..5)?;
    assert_eq!(receiver.replace_filter(&BARE, soon())?, 5);
    send_udp(&bench.injector, 5..9)?;
    bench.injector.send(&frame::numbered(9, FRAME))?;
    let _ = receiver.wait(soon(), packet_ring::OnSignal::Continue)?;
    let block = receiver.next_block().ok_or("no block")?;
    assert_eq!(numbers(&block), [9]);
    drop(block);
    receiver.detach_filter()?;
    receiver.lock_filter()?;
    let replaced = receiver.replace_filter(&UDP, soon());
    assert_eq!(replaced.map_err(|why| why.errno()), Err(Some(Errno::PERM)));
    let Statistics { held, .. } = receiver.statistics()?;
    assert_eq!(held, 0);
    Ok(())
}

suite![
    no_packet_of_the_old_filter_comes_after_the_call,
    no_packet_that_the_old_filter_still_sees_comes_after_the_call,
    the_new_filter_loses_nothing_that_comes_later,
    at_the_deadline_the_old_packets_are_counted,
    calling_again_discards_what_remained,
    blocks_that_are_out_stay_out,
    a_refused_program_changes_nothing,
    a_shared_receiver_replaces_its_filter,
];
