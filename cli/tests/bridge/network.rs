//! Two hosts that speak through the bridge, each in a namespace of its own. Their interfaces are as the kernel makes them:
//! checksums and segments are left to them, and so to whoever takes the packets from them.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{LabError, Namespace, Offload, OffloadState, VethOptions, VethPair};

use crate::common::PATIENCE;
use crate::wires::{Wires, end};

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2)];
const PORT: u16 = 7000;

/// A host at the other end of a veth.
fn host(address: Ipv4Addr) -> Result<(VethPair, Namespace), LabError> {
    let namespace = Namespace::new()?;
    let pair = VethPair::create(&VethOptions {
        far_namespace: Some(&namespace),
        ..VethOptions::default()
    })?;
    pair.far.add_ipv4(address, 24)?;
    Ok((pair, namespace))
}

/// Two hosts, whose interfaces do no checksums of their own.
fn hosts() -> Result<(Wires, [Namespace; 2]), LabError> {
    let (left, one) = host(HOSTS[0])?;
    let (right, two) = host(HOSTS[1])?;
    for offload in [Offload::TransmitChecksum, Offload::Segmentation] {
        assert_eq!(left.far.offload(offload)?, OffloadState::On);
    }
    Ok((Wires { left, right }, [one, two]))
}

/// Bytes that show where they belong.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 % 251) as u8).collect()
}

pub(crate) fn tcp_goes_through_with_checksums_and_segments_left_to_the_interface() -> TestResult {
    const BYTES: usize = 4 << 20;
    let (wires, [one, two]) = hosts()?;
    let bridge = wires.bridge(&[]);
    let listener = two.run(|| TcpListener::bind((HOSTS[1], PORT)))??;
    let echo = thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut bytes = vec![0; BYTES];
        stream.read_exact(&mut bytes)?;
        stream.write_all(&bytes)
    });
    let mut stream =
        one.run(|| TcpStream::connect_timeout(&(HOSTS[1], PORT).into(), PATIENCE))??;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let sent = pattern(BYTES);
    stream.write_all(&sent)?;
    let mut came = vec![0; BYTES];
    stream.read_exact(&mut came)?;
    assert!(came == sent, "the bytes have changed on their way");
    echo.join().map_err(|_| "the echo panicked")??;
    let ended = end(bridge);
    for [received, forwarded, dropped, failed] in wires.counts(&ended.stderr) {
        assert_eq!((forwarded, dropped, failed), (received, 0, 0));
        // Whole segments went through: far fewer packets than the MTU would make of so much.
        assert!(received < (BYTES / 1448) as u64, "{}", ended.stderr);
    }
    Ok(())
}

pub(crate) fn udp_goes_through_with_checksums_left_to_the_interface() -> TestResult {
    let (wires, [one, two]) = hosts()?;
    let bridge = wires.bridge(&[]);
    let receiver = two.run(|| UdpSocket::bind((HOSTS[1], PORT)))??;
    receiver.set_read_timeout(Some(PATIENCE))?;
    let sender = one.run(|| UdpSocket::bind((HOSTS[0], 0)))??;
    sender.connect((HOSTS[1], PORT))?;
    let mut buffer = vec![0; 4096];
    for len in [1, 100, 981, 982, 983, 1472, 3000] {
        let sent = pattern(len);
        sender.send(&sent)?;
        // The kernel gives a program no datagram whose checksum is wrong.
        let got = receiver.recv(&mut buffer)?;
        assert_eq!(buffer[..got], sent);
    }
    // Half a second for an answer that is lost would have shown by now.
    receiver.set_read_timeout(Some(Duration::from_millis(1)))?;
    assert!(receiver.recv(&mut buffer).is_err());
    end(bridge);
    Ok(())
}
