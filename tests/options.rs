//! What options do to received packets, and what those that are not offered do not.

mod data_path;

use std::net::UdpSocket;

use linux_raw_sys::if_packet::{PACKET_AUXDATA, PACKET_COPY_THRESH};
use linux_raw_sys::net::{SO_INCOMING_NAPI_ID, SOL_PACKET, SOL_SOCKET};
use packet_ring::packet::{BlockStatus, Direction, PacketStatus, Rx, Socket};
use packet_ring_lab::suite::{TestResult, skip};
use packet_ring_lab::{
    Injector, Namespace, Offload, OffloadState, VethOptions, VethPair, frame, option, set_option,
    suite,
};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use data_path::{FRAME, PROMPT, interface, next, receive_on};

fn packets_name_the_interface_that_they_first_came_in_by() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let upper = match pair.far.add_macvlan("upper") {
        Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => {
            return skip("the kernel has no macvlan");
        }
        other => other?,
    };
    let mut plain = receive_on(&upper, Rx::new(PROMPT))?;
    let mut asked = Socket::configure(Rx::new(PROMPT))?;
    asked.origdev()?;
    let mut asked = asked.map()?.bind(interface(&upper)?)?;

    let mut sent = frame::numbered(7, FRAME);
    sent[..6].copy_from_slice(&upper.facts()?.address);
    Injector::on(&pair.near)?.send(&sent)?;
    let (upper, lower) = (upper.index()?, pair.far.index()?);
    for (socket, index) in [(&mut plain, upper), (&mut asked, lower)] {
        let block = next(socket)?;
        let packet = block.packets().next().ok_or("no packet")?;
        assert_eq!(packet.data(), sent);
        assert_eq!(packet.direction(), Direction::Host);
        assert_eq!(packet.interface_index(), index);
    }
    Ok(())
}

fn what_is_not_offered_changes_nothing_in_the_ring() -> TestResult {
    let pair = VethPair::create(&VethOptions {
        mtu: 9000,
        ..Default::default()
    })?;
    let mut plain = receive_on(&pair.far, Rx::new(PROMPT))?;
    let with = Socket::configure(Rx::new(PROMPT))?;
    set_option(&with, SOL_PACKET, PACKET_AUXDATA, 1)?;
    set_option(&with, SOL_PACKET, PACKET_COPY_THRESH, 1)?;
    let mut with = with.map()?.bind(interface(&pair.far)?)?;

    // A tag, and more than a block holds: what auxiliary data would tell, and a copy would be made of.
    let sent = frame::numbered_vlan(5, 7, 8000);
    Injector::on(&pair.near)?.send(&sent)?;
    let mut seen = Vec::new();
    for socket in [&mut plain, &mut with] {
        let mut empty = 0;
        let (status, facts) = loop {
            let block = next(socket)?;
            // The packet fills its block to the last byte, and so burns the one before.
            let Some(packet) = block.packets().next() else {
                empty += 1;
                continue;
            };
            let facts = (
                packet.status() & !PacketStatus::TIMESTAMP_SOFTWARE,
                (packet.captured_len(), packet.len(), packet.vlan()),
                packet.data().to_vec(),
            );
            break (block.status() & !BlockStatus::LOSING, facts);
        };
        seen.push((empty, status, facts));
        let queued = recv(&*socket, &mut [0; 64][..], RecvFlags::DONTWAIT);
        assert_eq!(queued.err(), Some(Errno::AGAIN));
    }
    assert_eq!(seen[0], seen[1]);
    Ok(())
}

/// `SO_BUSY_POLL` polls the driver's queue that a socket receives from.
fn no_driver_queue_is_known_to_poll_for_a_packet_socket() -> TestResult {
    let elsewhere = Namespace::new()?;
    let pair = VethPair::create(&VethOptions {
        far_namespace: Some(&elsewhere),
        ..Default::default()
    })?;
    // A veth has such a queue where it merges what it receives, from an end that does not merge it.
    pair.near
        .set_offload(Offload::Segmentation, OffloadState::Off)?;
    pair.far
        .set_offload(Offload::ReceiveMerging, OffloadState::On)?;
    pair.near.add_ipv4([192, 0, 2, 1].into(), 24)?;
    pair.far.add_ipv4([192, 0, 2, 2].into(), 24)?;
    const IPV4: u16 = 0x0800;
    let mut ring = elsewhere.run(|| receive_on(&pair.far, Rx::new(PROMPT).protocol(IPV4)))??;
    let listener = elsewhere.run(|| UdpSocket::bind("192.0.2.2:7"))??;
    UdpSocket::bind("192.0.2.1:0")?.send_to(b"hello", "192.0.2.2:7")?;
    listener.recv(&mut [0; 16])?;
    next(&mut ring)?;
    // The driver's queue that a socket is known to receive from, zero where none is.
    let napi_of = |socket: BorrowedFd<'_>| option(socket, SOL_SOCKET, SO_INCOMING_NAPI_ID);
    assert_ne!(napi_of(listener.as_fd())?, 0, "the comparison says nothing");
    assert_eq!(napi_of(ring.as_fd())?, 0);
    Ok(())
}

suite![
    packets_name_the_interface_that_they_first_came_in_by,
    what_is_not_offered_changes_nothing_in_the_ring,
    no_driver_queue_is_known_to_poll_for_a_packet_socket,
];
