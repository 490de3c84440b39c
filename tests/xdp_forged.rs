//! Descriptors that no library call writes: the kernel refuses them, and the frames are none the worse for it.

mod xdp {
    pub(crate) mod forged;
    pub(crate) mod rights;
}
mod xdp_path;

use core::time::Duration;

use packet_ring::Error;
use packet_ring::ring::Descriptor;
use packet_ring::xdp::{Pool, RxTxRings};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, Witness, frame, kernel, suite};
use rustix::io::Errno;
use xdp::forged::ForgedRing;
use xdp::rights::map;
use xdp_path::{PATIENCE, Polling, Wired, assert_all_come_back, reap, send, variants};

const QUIET: Duration = Duration::from_millis(200);

/// Something that is wrong with a descriptor, of chunks of so many bytes.
type Flaw = fn(&mut Descriptor, u64);

const FLAWS: [(&str, Flaw); 6] = [
    ("beyond the memory", |forged, chunk| {
        forged.address = 256 * chunk
    }),
    ("far beyond the memory", |forged, _| {
        forged.address = u64::MAX
    }),
    ("across two chunks", |forged, chunk| {
        forged.address += chunk - 10
    }),
    ("without bytes", |forged, _| forged.len = 0),
    ("longer than a chunk", |forged, chunk| {
        forged.len = chunk as u32 + 1
    }),
    ("with an unknown option", |forged, _| forged.options = 8),
];

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

fn an_invalid_descriptor_is_counted_and_stops_no_other() -> TestResult {
    for variant in variants().filter(|variant| variant.polling == Polling::Interrupts) {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        let forged = ForgedRing::of(tx)?;
        let (mut invalid, mut lost) = (0, 0);
        for (flaw, spoil) in FLAWS {
            let mut batch = tx.batch(3);
            for packet in packets(0, 3) {
                let mut frame = pool.take().ok_or("no frame")?;
                frame.write(&packet)?;
                batch.push(frame)?;
            }
            drop(batch);
            forged.change(1, |middle| spoil(middle, variant.chunk.into()));
            let mut left = tx.flush()?;
            if !kernel::is_since(6, 17) {
                // The kick stopped at it, and the kernel did not tell how far it came.
                left = tx.flush()?;
            }
            assert_eq!(left, 0, "{flaw}, {variant:?}");
            invalid += 1;
            let statistics = tx.statistics()?;
            assert_eq!(statistics.tx_invalid_descriptors, invalid, "{flaw}");
            let numbers = witness.numbers_until_quiet(QUIET)?;
            assert_eq!(numbers, [0, 2], "{flaw}, {variant:?}");
            let reaped = completion.reap(&mut pool, 64)?;
            assert!((2..=3).contains(&reaped), "{reaped} completed, {flaw}");
            assert_adds_up(&pool);
            // A descriptor that named another place comes back as another, or not at all.
            lost += 3 - reaped;
            assert_eq!(umem.census().with_tx, lost, "{flaw}");
        }
        let far = wired.pair.far.counters()?;
        assert_eq!(far.tx_packets, 2 * FLAWS.len() as u64, "{variant:?}");
        drop(forged);
        // The ring goes on.
        send(tx, &mut pool, &packets(10, 32))?;
        reap(completion, &mut pool, 32)?;
        let numbers = witness.numbers_until_quiet(QUIET)?;
        assert_eq!(numbers, (10..42).collect::<Vec<_>>(), "{variant:?}");
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn a_frame_that_is_completed_again_and_again_is_taken_once() -> TestResult {
    const KICKS: u32 = 5;
    for variant in variants().filter(|variant| variant.polling == Polling::Interrupts) {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        let forged = ForgedRing::of(tx)?;
        let mut frame = pool.take().ok_or("no frame")?;
        let number = frame.number();
        frame.write(&frame::numbered(0, 60))?;
        tx.batch(1).push(frame)?;
        // Metadata, for which the memory has no room: the kernel never gets past it.
        forged.change(0, |last| last.options = Descriptor::HAS_METADATA);
        drop(forged);
        for _ in 0..KICKS {
            match tx.kick() {
                Err(Error::System { errno, .. }) => assert_eq!(errno, Errno::INVAL),
                kicked => return Err(format!("{kicked:?}").into()),
            }
        }
        assert_eq!(tx.outstanding(), 1, "{variant:?}");
        assert_eq!(wired.pair.far.counters()?.tx_packets, 0);
        let taken: Vec<_> = completion.batch(64).map(|frame| frame.number()).collect();
        if taken.is_empty() {
            // An older kernel completes nothing that it does not send.
            assert!(!kernel::is_since(6, 17), "{variant:?}");
            assert_eq!((umem.spurious(), umem.census().with_tx), (0, 1));
        } else {
            assert_eq!(taken, [number], "{variant:?}");
            assert_eq!(umem.spurious(), KICKS - 1, "{variant:?}");
            // It was dropped, and is nowhere else.
            assert_eq!(pool.take_back(), 1);
        }
        assert_adds_up(&pool);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

fn a_packet_whose_end_is_missing_goes_on_with_the_next() -> TestResult {
    for variant in variants().filter(|variant| variant.polling == Polling::Interrupts) {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, variant.mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let (mut socket, umem, mut pool) = wired.variant(variant)?;
        let RxTxRings { tx, completion, .. } = socket.rings();
        let forged = ForgedRing::of(tx)?;
        for round in 0..8 {
            let mut frame = pool.take().ok_or("no frame")?;
            frame.write(&frame::numbered(round, 60))?;
            tx.batch(1).push(frame)?;
            forged.change(0, |last| last.options = Descriptor::CONTINUES);
            // The kernel takes it, keeps it, and sends nothing.
            assert_eq!(tx.flush()?, 0);
            assert_eq!(wired.pair.far.counters()?.tx_packets, round);
            assert_eq!(completion.reap(&mut pool, 64)?, 0, "{variant:?}");
            send(tx, &mut pool, &[[7; 40]])?;
            let seen = witness.receive(PATIENCE)?.ok_or("it was not sent")?;
            let whole = [&frame::numbered(round, 60)[..], &[7; 40]].concat();
            assert_eq!(seen.bytes, whole, "{variant:?}");
            reap(completion, &mut pool, 2)?;
        }
        drop(forged);
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(umem.spurious(), 0);
        assert_adds_up(&pool);
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

suite! {
    an_invalid_descriptor_is_counted_and_stops_no_other,
    a_packet_whose_end_is_missing_goes_on_with_the_next,
    a_frame_that_is_completed_again_and_again_is_taken_once,
}
