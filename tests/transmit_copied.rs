//! Frames of which the kernel copies a part, and lends the interface the rest.

use core::time::Duration;

use packet_ring::packet::{FrameGeometry, Interface, Socket, Tx, VnetHeader};
use packet_ring::{Deadline, Error, OnSignal, Unsent, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, VethOptions, VethPair, Witness, frame, suite};

const QUIET: Duration = Duration::from_millis(100);

fn a_packet_arrives_whole_however_much_of_it_is_copied() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let interface = Interface::by_index(pair.near.index()?).ok_or("no index")?;
    let rings = Tx::new(FrameGeometry::DEFAULT).vnet_headers();
    let mut socket = Socket::configure(rings)?.map()?.bind(interface)?;
    let mut transmitter = socket.transmitter();
    let mut expected = Vec::new();
    for len in [60u16, 256, 1514] {
        for copied in [0, 1, 14, 59, 60, len] {
            let bytes = frame::numbered(expected.len() as u64, len.into());
            let mut frame = transmitter.reserve().ok_or("no frame")?;
            frame.data_mut()[..bytes.len()].copy_from_slice(&bytes);
            frame.set_vnet_header(VnetHeader::NONE.copied(copied));
            frame.send(bytes.len())?;
            expected.push(bytes);
        }
    }
    let deadline = Deadline::after(Duration::from_secs(5));
    assert_eq!(
        transmitter.drain(deadline, OnSignal::Continue)?,
        Wake::Ready
    );
    let seen = witness.receive_until_quiet(QUIET)?;
    let seen: Vec<_> = seen.into_iter().map(|seen| seen.bytes).collect();
    assert_eq!(seen, expected);
    Ok(())
}

fn a_packet_has_no_more_to_be_copied_than_it_has() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let interface = Interface::by_index(pair.near.index()?).ok_or("no index")?;
    let rings = Tx::new(FrameGeometry::DEFAULT).vnet_headers();
    let mut socket = Socket::configure(rings)?.map()?.bind(interface)?;
    let mut transmitter = socket.transmitter();
    let mut frame = transmitter.reserve().ok_or("no frame")?;
    frame.set_vnet_header(VnetHeader::NONE.copied(61));
    let frame = frame.send(60)?;
    let why = Unsent::Malformed;
    assert_eq!(transmitter.kick(), Err(Error::Unsent { frame, why }));
    Ok(())
}

suite![
    a_packet_arrives_whole_however_much_of_it_is_copied,
    a_packet_has_no_more_to_be_copied_than_it_has,
];
