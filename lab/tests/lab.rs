//! The lab, tried on itself: everything else leans on it.

use core::time::Duration;

use packet_ring_lab::suite;
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, PacketType, Sees, VethOptions, VethPair, Witness, frame};

const QUIET: Duration = Duration::from_millis(100);

fn the_counters_see_what_was_sent_and_received() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let frames: Vec<_> = (0..100)
        .map(|number| frame::numbered(number, 60 + number as usize))
        .collect();
    Injector::on(&pair.near)?.send_batch(&frames)?;
    let seen = witness.receive_until_quiet(QUIET)?;
    assert_eq!(
        seen.iter().map(|seen| &seen.bytes).collect::<Vec<_>>(),
        frames.iter().collect::<Vec<_>>()
    );
    assert!(
        seen.iter()
            .all(|seen| seen.packet_type == PacketType::Broadcast
                && seen.protocol == frame::ETHERTYPE)
    );
    let bytes: usize = frames.iter().map(Vec::len).sum();
    let (near, far) = (pair.near.counters()?, pair.far.counters()?);
    assert_eq!(
        (near.tx_packets, near.tx_bytes, near.tx_dropped),
        (100, bytes as u64, 0)
    );
    assert_eq!(
        (far.rx_packets, far.rx_bytes, far.rx_dropped),
        (100, bytes as u64, 0)
    );
    assert_eq!((near.rx_packets, far.tx_packets), (0, 0));
    Ok(())
}

fn a_fresh_pair_is_silent() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Everything)?;
    assert_eq!(
        witness.receive_until_quiet(Duration::from_millis(1500))?,
        []
    );
    for link in [&pair.near, &pair.far] {
        assert_eq!(link.counters()?, Default::default());
    }
    Ok(())
}

suite![
    the_counters_see_what_was_sent_and_received,
    a_fresh_pair_is_silent
];
