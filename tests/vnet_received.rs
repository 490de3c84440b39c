//! What a received packet still needs, as a socket with vnet headers is told.

use core::time::Duration;

use packet_ring::packet::{
    FrameGeometry, Geometry, Interface, Packet, Rx, RxTx, Segmentation, Socket, Tx, VnetHeader,
};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{VethOptions, VethPair, frame, kernel, suite};

const RECEIVE: Rx = Rx::new(Geometry::new_assert(1 << 18, 4));
const SEND: Tx = Tx::new(FrameGeometry::new_assert(8192, 1 << 16, 4)).vnet_headers();
/// The place of a UDP checksum behind Ethernet and IPv4 headers.
const CHECKSUM: VnetHeader = VnetHeader::NONE.checksum(34, 6);

fn what_is_sent_unfinished_arrives_with_what_it_needs() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let [near, far] = [&pair.near, &pair.far].map(|link| -> Result<_, packet_ring_lab::LabError> {
        Ok(Interface::by_index(link.index()?))
    });
    let (near, far) = (near?.ok_or("no index")?, far?.ok_or("no index")?);
    let mut receiving = Socket::configure(RxTx::new(RECEIVE, SEND))?
        .map()?
        .bind(far)?;
    let mut sending = Socket::configure(SEND)?.map()?.bind(near)?;
    let (mut transmitter, deadline) = (
        sending.transmitter(),
        Deadline::after(Duration::from_secs(5)),
    );
    let whole = CHECKSUM.segments(Segmentation::Udp, 1400, 42);
    let mut sent = vec![(60, VnetHeader::NONE), (61, CHECKSUM), (4000, whole)];
    if !kernel::is_since(6, 2) {
        // The kernel does not know of UDP that is to be cut.
        sent.pop();
        println!("BEFORE LINUX 6.2: what is cut was not sent");
    }
    for (number, &(len, header)) in (0..).zip(&sent) {
        let mut frame = transmitter.reserve().ok_or("no frame")?;
        frame.data_mut()[..len].copy_from_slice(&frame::numbered_udp(number, len));
        frame.set_vnet_header(header);
        frame.send(len)?;
    }
    assert_eq!(
        transmitter.drain(deadline, OnSignal::Continue)?,
        Wake::Ready
    );
    let mut came = Vec::new();
    let (mut receiver, _) = receiving.split();
    while came.len() < sent.len() {
        assert_eq!(receiver.wait(deadline, OnSignal::Continue)?, Wake::Ready);
        let block = receiver.next_block().ok_or("no block")?;
        let told = |packet: Packet<'_>| (packet.data().len(), block.vnet_header(&packet));
        came.extend(block.packets().map(told));
    }
    assert_eq!(came[0], (60, Some(VnetHeader::NONE)));
    assert_eq!(came[1], (61, Some(CHECKSUM)));
    if let Some(&(len, header)) = came.get(2) {
        let header = header.ok_or("no header")?;
        // How many bytes lie together the kernel says by itself.
        assert_eq!((len, header.copied(42)), (4000, whole));
        assert!(header.is_segmented() && header.needs_checksum());
    }
    assert!(!CHECKSUM.is_segmented() && !VnetHeader::NONE.needs_checksum());
    Ok(())
}

fn a_packet_that_grows_in_front_moves_what_lies_behind() -> TestResult {
    let tagged = VnetHeader::NONE.checksum(38, 6);
    assert_eq!(CHECKSUM.moved(4), tagged);
    assert_eq!(
        CHECKSUM.segments(Segmentation::Udp, 1400, 42).moved(4),
        tagged.segments(Segmentation::Udp, 1400, 46)
    );
    assert_eq!(VnetHeader::NONE.moved(4), VnetHeader::NONE);
    Ok(())
}

fn a_packet_of_another_block_has_no_header_here() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let far = Interface::by_index(pair.far.index()?).ok_or("no index")?;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        sockets.push(
            Socket::configure(RxTx::new(RECEIVE, SEND))?
                .map()?
                .bind(far)?,
        );
    }
    packet_ring_lab::Injector::on(&pair.near)?.send(&frame::numbered(0, 60))?;
    let deadline = Deadline::after(Duration::from_secs(5));
    let mut blocks = Vec::new();
    for socket in &mut sockets {
        let (mut receiver, _) = socket.split();
        assert_eq!(receiver.wait(deadline, OnSignal::Continue)?, Wake::Ready);
        blocks.push(receiver.next_block().ok_or("no block")?);
    }
    for (one, other) in [(0, 1), (1, 0)] {
        let packet = blocks[one].packets().next().ok_or("no packet")?;
        assert!(blocks[one].vnet_header(&packet).is_some());
        assert!(blocks[other].vnet_header(&packet).is_none());
    }
    Ok(())
}

suite![
    what_is_sent_unfinished_arrives_with_what_it_needs,
    a_packet_that_grows_in_front_moves_what_lies_behind,
    a_packet_of_another_block_has_no_header_here,
];
