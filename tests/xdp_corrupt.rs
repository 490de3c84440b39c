//! What no kernel writes into its rings: the library believes none of it, and tells.

mod xdp {
    pub(crate) mod forged;
    pub(crate) mod rights;
}
mod xdp_path;

use core::sync::atomic::Ordering;

use packet_ring::ring::Descriptor;
use packet_ring::xdp::{AttachMode, Frame, Pool, RxTxRings, UmemGeometry};
use packet_ring::{Deadline, Error, OnSignal};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{VethOptions, frame, suite};
use xdp::forged::{ForgedRing, NEED_WAKEUP};
use xdp::rights::map;
use xdp_path::older::refuses_fragments;
use xdp_path::{
    GEOMETRY, PATIENCE, Polling, RINGS, Wired, assert_all_come_back, receive_numbers, send,
};

/// Something that is wrong with an entry, of chunks of so many bytes.
type Flaw = fn(&mut Descriptor, u64);

fn packets(first: u64, count: u64) -> Vec<Vec<u8>> {
    (first..first + count)
        .map(|number| frame::numbered(number, 60))
        .collect()
}

fn assert_adds_up(pool: &Pool) {
    let census = pool.umem().census();
    let everywhere = census.free + census.held + census.dropped + census.with_rx + census.with_tx;
    assert_eq!(everywhere, 256, "{census:?}");
    assert_eq!((census.held, census.dropped), (0, 0), "{census:?}");
    assert_eq!(census.free, pool.len());
}

/// What is wrong with an entry.
const FOREIGN: [(&str, Flaw); 5] = [
    ("right beyond the memory", |forged, chunk| {
        forged.address = 256 * chunk
    }),
    ("far beyond the memory", |forged, _| {
        forged.address = u64::MAX
    }),
    ("of the last byte beyond", |forged, chunk| {
        forged.len = (chunk - 256) as u32 + 1
    }),
    ("far longer than a chunk", |forged, _| {
        forged.len = (1 << 16) + 60
    }),
    // The chunk that was stocked last is the pool's last; the first is the pool's still.
    (
        "of a chunk that the kernel does not have",
        |forged, chunk| forged.address = 255 * chunk + 256,
    ),
];

fn an_entry_that_names_no_frame_of_ours_is_passed_over() -> TestResult {
    // More than is looked at ahead.
    const COUNT: u64 = 16;
    for geometry in [
        UmemGeometry::new(2048, 256)?,
        UmemGeometry::new(4096, 256)?,
        UmemGeometry::unaligned(3000, 256)?,
    ] {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, AttachMode::Native)?;
        let (mut socket, umem, mut pool) = wired.socket(geometry)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        let forged = ForgedRing::of_rx(rx)?;
        let mut lost = 0;
        for (flaw, spoil) in FOREIGN {
            wired.injector.send_batch(&packets(0, COUNT))?;
            forged.until_filled((lost + 1) * COUNT as u32)?;
            forged.change(2, |entry| spoil(entry, geometry.chunk_size().into()));
            let mut numbers = Vec::new();
            for frame in rx.batch(64) {
                assert!(frame::is_intact(frame.bytes()), "{flaw}, {geometry:?}");
                numbers.extend(frame::number(frame.bytes()));
                pool.give(frame).map_err(|_| "a foreign frame")?;
            }
            lost += 1;
            let others: Vec<_> = (0..COUNT).filter(|&number| number != COUNT - 3).collect();
            assert_eq!(numbers, others, "{flaw}, {geometry:?}");
            assert_eq!(umem.spurious(), lost, "{flaw}, {geometry:?}");
            assert_adds_up(&pool);
            // What it ought to have named stays with the kernel.
            assert_eq!(fill.stock(&mut pool, 64)?, COUNT as u32, "{flaw}");
            assert_eq!(umem.census().with_rx, 64 + lost, "{flaw}, {geometry:?}");
        }
        drop(forged);
        // The ring goes on.
        wired.injector.send(&frame::numbered(99, 60))?;
        assert_eq!(receive_numbers(rx, fill, &mut pool, 1)?, [99]);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn a_packet_of_which_a_frame_is_not_ours_is_dropped_whole() -> TestResult {
    const LEN: usize = 9014;
    const JUMBO: VethOptions<'static> = VethOptions {
        names: None,
        mtu: 9000,
        queues: 1,
        far_namespace: None,
    };
    let frames = LEN.div_ceil(GEOMETRY.receive_capacity() as usize) as u32;
    // Its last frame, one within, its first.
    for back in 0..frames {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::with(map, AttachMode::Native, &JUMBO)?;
        if refuses_fragments(&wired)? {
            return Ok(());
        }
        let queue = wired.queue().multi_buffer();
        let (mut socket, umem, mut pool) =
            wired.open(RINGS, GEOMETRY, Polling::Interrupts, queue)?;
        let RxTxRings { rx, .. } = socket.rings();
        let forged = ForgedRing::of_rx(rx)?;
        let sent = [0, 1, 2].map(|number| frame::numbered(number, LEN));
        wired.injector.send_batch(&sent)?;
        forged.until_filled(3 * frames)?;
        forged.change(frames + back, |entry| entry.address = u64::MAX);
        drop(forged);
        let mut batch = rx.batch(64);
        for expected in [&sent[0], &sent[2]] {
            let packet = batch.next_packet().ok_or("no packet")?;
            let bytes: Vec<_> = packet.iter().flat_map(Frame::bytes).copied().collect();
            assert!(&bytes == expected, "{back}");
        }
        assert!(batch.next_packet().is_none());
        drop(batch);
        assert_eq!(umem.spurious(), 1);
        // Those of the two packets were dropped here, and the others of the third there.
        assert_eq!(pool.take_back(), 3 * frames - 1);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

/// How far beyond a ring of 64 slots a word may be.
const TOO_FAR: [u32; 3] = [65, 1 << 31, u32::MAX];

fn a_corrupt_receive_ring_is_told_and_hands_nothing_out() -> TestResult {
    for ahead in TOO_FAR {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, AttachMode::Native)?;
        let (mut socket, umem, _pool) = wired.socket(GEOMETRY)?;
        let RxTxRings { rx, .. } = socket.rings();
        assert_eq!(rx.check_link(), Ok(()));
        let forged = ForgedRing::of_rx(rx)?;
        forged.producer().store(ahead, Ordering::Release);
        drop(forged);
        assert_eq!(rx.batch(64).count(), 0, "{ahead}");
        assert_eq!(rx.check_link(), Err(Error::Corrupt), "{ahead}");
        // It is told at once: nothing that came would wake the waiter.
        for deadline in [Deadline::PASSED, Deadline::NEVER] {
            let waited = rx.wait(deadline, OnSignal::Continue);
            assert_eq!(waited, Err(Error::Corrupt), "{ahead}");
            let waited = rx.spin_then_wait(PATIENCE, deadline, OnSignal::Continue);
            assert_eq!(waited, Err(Error::Corrupt), "{ahead}");
        }
        assert!(!rx.is_ready());
        assert_eq!((umem.census().held, umem.spurious()), (0, 0), "{ahead}");
    }
    Ok(())
}

fn a_corrupt_transmit_or_fill_ring_is_told_and_takes_nothing() -> TestResult {
    for behind in TOO_FAR {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, AttachMode::Native)?;
        let (mut socket, umem, mut pool) = wired.socket(GEOMETRY)?;
        let RxTxRings { rx, fill, tx, .. } = socket.rings();
        for forged in [ForgedRing::of(tx)?, ForgedRing::of_fill(fill, rx)?] {
            let forged_word = forged.producer().load(Ordering::Acquire);
            let forged_word = forged_word.wrapping_sub(behind);
            forged.consumer().store(forged_word, Ordering::Release);
        }
        assert_eq!((tx.room(), fill.room()), (0, 0), "{behind}");
        assert_eq!((tx.batch(64).room(), fill.batch(64).room()), (0, 0));
        assert_eq!(fill.stock(&mut pool, 64)?, 0, "{behind}");
        let told = (tx.check_link(), fill.wake());
        assert_eq!(told, (Err(Error::Corrupt), Err(Error::Corrupt)), "{behind}");
        // The other rings are none the worse for it.
        assert_eq!(rx.check_link(), Ok(()));
        assert_eq!(umem.census().with_tx, 0);
    }
    Ok(())
}

fn a_copying_socket_needs_a_kick_whatever_the_ring_says() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let (mut socket, _umem, mut pool) = wired.socket(GEOMETRY)?;
    let RxTxRings { rx, fill, tx, .. } = socket.rings();
    let forged = (ForgedRing::of(tx)?, ForgedRing::of_fill(fill, rx)?);
    for flags in [NEED_WAKEUP, 0] {
        forged.0.flags()?.store(flags, Ordering::Release);
        forged.1.flags()?.store(flags, Ordering::Release);
        assert!(tx.needs_wakeup());
        assert_eq!(fill.needs_wakeup(), flags != 0);
        send(tx, &mut pool, &packets(0, 8))?;
    }
    assert_eq!(wired.pair.far.counters()?.tx_packets, 16);
    Ok(())
}

fn a_completion_that_names_no_frame_of_ours_is_passed_over() -> TestResult {
    // Beyond the memory; far beyond; in the pool.
    for address in [256 * 4096, u64::MAX, 255 * 4096] {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, AttachMode::Native)?;
        let (mut socket, umem, mut pool) = wired.socket(GEOMETRY)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        let forged = ForgedRing::of_completion(completion, tx)?;
        for round in 1..=4 {
            send(tx, &mut pool, &packets(0, 8))?;
            forged.until_filled(8 * round)?;
            forged.complete_instead(2, address);
            if round % 2 == 0 {
                assert_eq!(completion.reap(&mut pool, 64)?, 7, "{address}");
            } else {
                for frame in completion.batch(64) {
                    pool.give(frame).map_err(|_| "a foreign frame")?;
                }
            }
            assert_eq!((umem.spurious(), umem.census().with_tx), (round, round));
            assert_adds_up(&pool);
        }
        drop(forged);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

suite! {
    an_entry_that_names_no_frame_of_ours_is_passed_over,
    a_packet_of_which_a_frame_is_not_ours_is_dropped_whole,
    a_corrupt_receive_ring_is_told_and_hands_nothing_out,
    a_corrupt_transmit_or_fill_ring_is_told_and_takes_nothing,
    a_copying_socket_needs_a_kick_whatever_the_ring_says,
    a_completion_that_names_no_frame_of_ours_is_passed_over,
}
