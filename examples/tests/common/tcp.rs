//! The host's TCP stack at one end of a cable, and a program with a stack of its own at the other.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Offload, OffloadState, VethOptions, VethPair};

use super::Program;

/// The host's address, and the program's.
pub(crate) const HOST: [u8; 4] = [192, 0, 2, 1];
pub(crate) const PROGRAM: [u8; 4] = [192, 0, 2, 2];
pub(crate) const PORT: u16 = 7;

/// A cable whose near end has the host's address and computes its checksums.
pub(crate) fn cable() -> Result<VethPair, Stopped> {
    let pair = VethPair::create(&VethOptions::default())?;
    pair.near.add_ipv4(HOST.into(), 24)?;
    let off = OffloadState::Off;
    pair.near.set_offload(Offload::TransmitChecksum, off)?;
    Ok(pair)
}

/// When a test stops hoping: far beyond what a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to the program, which may not have let go of the last one yet.
pub(crate) fn connect() -> io::Result<TcpStream> {
    let address = (Ipv4Addr::from(PROGRAM), PORT).into();
    let end = Instant::now() + PATIENCE;
    let stream = loop {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Err(error)
                if error.kind() == io::ErrorKind::ConnectionRefused && Instant::now() < end =>
            {
                thread::sleep(Duration::from_millis(1));
            }
            connected => break connected?,
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The bytes that are sent: no two places within reach of one another look alike.
pub(crate) fn byte(place: u64) -> u8 {
    // The high bits of a multiplication spread every bit of the place.
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Fills a piece that begins at this place of the stream.
pub(crate) fn fill(piece: &mut [u8], start: u64) {
    for (place, to) in (start..).zip(piece) {
        *to = byte(place);
    }
}

/// Whether a piece is what it should be there.
pub(crate) fn is_intact(piece: &[u8], start: u64) -> bool {
    (start..).zip(piece).all(|(place, &had)| had == byte(place))
}

/// Sends so many bytes and closes that way.
pub(crate) fn send(mut stream: &TcpStream, bytes: u64) -> io::Result<()> {
    let mut piece = vec![0; 1 << 16];
    let mut sent = 0;
    while sent < bytes {
        let len = (bytes - sent).min(piece.len() as u64) as usize;
        fill(&mut piece[..len], sent);
        stream.write_all(&piece[..len])?;
        sent += len as u64;
    }
    stream.shutdown(Shutdown::Write)
}

/// Receives until the other side closes; says how many bytes there were, all of them intact.
pub(crate) fn receive(mut stream: &TcpStream) -> Result<u64, Stopped> {
    let mut piece = vec![0; 1 << 16];
    let mut received = 0;
    loop {
        let len = stream.read(&mut piece)?;
        if len == 0 {
            return Ok(received);
        }
        assert!(is_intact(&piece[..len], received), "at byte {received}");
        received += len as u64;
    }
}

/// Sends so many bytes and takes them back at the same time.
pub(crate) fn echo(stream: &TcpStream, bytes: u64) -> TestResult {
    let received = thread::scope(|scope| {
        let sender = scope.spawn(|| send(stream, bytes));
        let received = receive(stream);
        sender.join().map_err(|_| "the sender panicked")??;
        received
    })?;
    assert_eq!(received, bytes);
    Ok(())
}

/// Runs `path INTERFACE FAMILY ADDRESS/PREFIX PORT`, an echo server, at the far end of a cable.
pub(crate) fn serve(path: &str, family: &str) -> Result<(VethPair, Program), Stopped> {
    let pair = cable()?;
    let address = format!("{}/24", Ipv4Addr::from(PROGRAM));
    let arguments = [pair.far.name(), family, &address, &PORT.to_string()];
    let program = Program::start(path, &arguments)?;
    // A program of XDP that is attached takes a veth down and up.
    pair.wait_for_carrier()?;
    Ok((pair, program))
}

/// Where programs may not be loaded, it says so.
pub(crate) fn is_refused(path: &str) -> TestResult {
    let pair = cable()?;
    let arguments = [pair.far.name(), "xdp", "192.0.2.2/24", "7"];
    super::refuses(path, &arguments, "CAP_BPF")
}

/// Has it echo so many bytes, and holds what comes back to what was sent.
pub(crate) fn echoes(path: &str, family: &str, bytes: u64) -> TestResult {
    let (pair, _program) = serve(path, family)?;
    // The second finds a server that has seen the first go.
    for bytes in [bytes, 1000] {
        echo(&connect()?, bytes)?;
    }
    // Every byte has crossed the cable each way.
    let counters = pair.far.counters()?;
    assert!(
        counters.rx_bytes > bytes && counters.tx_bytes > bytes,
        "{counters:?}"
    );
    Ok(())
}
