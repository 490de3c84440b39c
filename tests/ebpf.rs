//! eBPF programs as the filters of packet sockets.

mod data_path;
mod filter {
    pub(crate) mod keeping;
}

use std::fs::File;

use packet_ring::packet::{Rx, Socket};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    EbpfInstruction, Injector, VethOptions, VethPair, frame, load_socket_filter, suite,
};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use data_path::{Bench, FRAME, PROMPT, interface, next, numbers, receive_on};
use filter::keeping::{UDP, keeping_udp, send_udp, soon};

/// A program that keeps 40 bytes of the frames of [`frame::numbered`]; none for an ordinary user.
fn loaded() -> Result<Option<OwnedFd>, Stopped> {
    /// Where `struct __sk_buff` has the protocol.
    const PROTOCOL: i16 = 16;
    let bare = i32::from(frame::ETHERTYPE.to_be());
    Ok(load_socket_filter(&[
        // r0 = the protocol of the packet at r1; is it this?
        EbpfInstruction::new(0x61, 0, 1, PROTOCOL, 0),
        EbpfInstruction::new(0x15, 0, 0, 2, bare),
        EbpfInstruction::new(0xb7, 0, 0, 0, 0),
        EbpfInstruction::new(0x95, 0, 0, 0, 0),
        EbpfInstruction::new(0xb7, 0, 0, 0, 40),
        EbpfInstruction::new(0x95, 0, 0, 0, 0),
    ])?)
}

fn an_ebpf_program_filters() -> TestResult {
    let Some(program) = loaded()? else {
        return Ok(());
    };
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = Socket::configure(Rx::new(PROMPT))?;
    socket.attach_ebpf(program.as_fd())?;
    let mut bench = Bench {
        injector: Injector::on(&pair.near)?,
        socket: socket.map()?.bind(interface(&pair.far)?)?,
        pair,
    };
    let forty = |bench: &mut Bench, number| -> TestResult {
        send_udp(&bench.injector, 0..3)?;
        bench.send(number);
        let block = next(&mut bench.socket)?;
        let lengths: Vec<_> = block
            .packets()
            .map(|p| (p.captured_len(), p.len()))
            .collect();
        assert_eq!(
            (lengths, numbers(&block)),
            (vec![(40, FRAME as u32)], vec![number])
        );
        Ok(())
    };
    forty(&mut bench, 1)?;
    bench.socket.replace_filter(&UDP, soon())?;
    send_udp(&bench.injector, 0..3)?;
    assert_eq!(
        bench
            .socket
            .replace_filter_with_ebpf(program.as_fd(), soon())?,
        3
    );
    drop(program);
    forty(&mut bench, 2)?;
    bench.socket.detach_filter()?;
    send_udp(&bench.injector, 7..8)?;
    assert_eq!(numbers(&next(&mut bench.socket)?), [7]);
    Ok(())
}

fn what_is_no_ebpf_program_is_refused() -> TestResult {
    let null = File::open("/dev/null")?;
    let operation = Operation::AttachEbpf;
    let errno = Errno::INVAL;
    let refused = Error::System { operation, errno };
    let mut socket = Socket::configure(Rx::new(PROMPT))?;
    assert_eq!(socket.attach_ebpf(null.as_fd()), Err(refused));
    let mut bench = keeping_udp(PROMPT)?;
    let replaced = bench.socket.replace_filter_with_ebpf(null.as_fd(), soon());
    assert_eq!(replaced, Err(refused));
    // The old filter is still there.
    bench.flood(0..3);
    send_udp(&bench.injector, 3..4)?;
    assert_eq!(numbers(&next(&mut bench.socket)?), [3]);
    Ok(())
}

fn no_ebpf_program_goes_beyond_a_snap_length() -> TestResult {
    let null = File::open("/dev/null")?;
    let rings = Rx::new(PROMPT.snap_length(64)?);
    let mut socket = Socket::configure(rings)?;
    let attached = socket.attach_ebpf(null.as_fd());
    assert_eq!(attached, Err(Error::SnapLengthNotKept));
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, rings)?;
    let replaced = socket.replace_filter_with_ebpf(null.as_fd(), soon());
    assert_eq!(replaced, Err(Error::SnapLengthNotKept));
    Ok(())
}

suite![
    an_ebpf_program_filters,
    what_is_no_ebpf_program_is_refused,
    no_ebpf_program_goes_beyond_a_snap_length,
];
