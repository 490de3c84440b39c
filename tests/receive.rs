//! Receiving through the ring, judged by numbers in the packets.

use core::ops::ControlFlow;
use core::time::Duration;

use packet_ring::packet::{Geometry, Interface, Rx, Socket};
use packet_ring::{Deadline, OnSignal};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};

fn every_number_arrives_in_order() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = Interface::by_index(pair.far.index()?).ok_or("no index")?;
    let mut socket = Socket::configure(Rx::new(Geometry::DEFAULT))?
        .map()?
        .bind(far)?;
    Injector::on(&pair.near)?.flood(&frame::numbered(0, 60), 0..10_000);
    let mut next = 0;
    let end = Deadline::after(Duration::from_secs(5));
    let _ = socket.for_each(end, OnSignal::Continue, |packet| {
        assert_eq!(frame::number(packet.data()), Some(next));
        next += 1;
        if next == 10_000 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    assert_eq!(pair.far.counters()?.rx_packets, next);
    Ok(())
}

suite![every_number_arrives_in_order];
