//! Filters of a socket that receives: taken away, locked, and outlived by the snap length.

mod data_path;
mod filter {
    pub(crate) mod keeping;
}

use std::fs::File;

use packet_ring::bpf::{Statement, assemble};
use packet_ring::packet::{Rx, Socket};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{frame, suite};
use rustix::fd::AsFd;
use rustix::io::Errno;

use data_path::{Bench, PROMPT, next, numbers};
use filter::keeping::{BARE, IPV4, UDP, keeping_udp, only, send_udp, soon};

/// How much of a UDP frame of 1000 bytes is captured.
fn captured(bench: &mut Bench) -> Result<u32, Stopped> {
    bench.injector.send(&frame::numbered_udp(1, 1000))?;
    let block = next(&mut bench.socket)?;
    let packet = block.packets().next().ok_or("no packet")?;
    Ok(packet.captured_len())
}

fn the_snap_length_outlives_every_filter() -> TestResult {
    let mut bench = keeping_udp(PROMPT.snap_length(64)?)?;
    assert_eq!(captured(&mut bench)?, 64);
    bench.socket.replace_filter(&only(IPV4, 1_000), soon())?;
    assert_eq!(captured(&mut bench)?, 64);
    let its_length = assemble([Statement::LdLen, Statement::RetA]);
    bench.socket.replace_filter(&its_length, soon())?;
    assert_eq!(captured(&mut bench)?, 64);
    bench.socket.replace_filter(&only(IPV4, 20), soon())?;
    assert_eq!(captured(&mut bench)?, 20);
    bench.socket.detach_filter()?;
    assert_eq!(captured(&mut bench)?, 64);
    Ok(())
}

fn without_a_filter_everything_comes() -> TestResult {
    let mut bench = keeping_udp(PROMPT)?;
    bench.flood(0..3);
    bench.socket.detach_filter()?;
    bench.flood(3..6);
    assert_eq!(numbers(&next(&mut bench.socket)?), [3, 4, 5]);
    let operation = Operation::DetachFilter;
    let errno = Errno::NOENT;
    let again = bench.socket.detach_filter();
    assert_eq!(again, Err(Error::System { operation, errno }));
    Ok(())
}

fn a_locked_filter_stays() -> TestResult {
    let mut bench = keeping_udp(PROMPT)?;
    bench.socket.lock_filter()?;
    bench.socket.lock_filter()?;
    let refused = |operation| {
        let errno = Errno::PERM;
        Error::System { operation, errno }
    };
    let null = File::open("/dev/null")?;
    assert_eq!(
        bench.socket.replace_filter(&BARE, soon()),
        Err(refused(Operation::AttachFilter))
    );
    assert_eq!(
        bench.socket.replace_filter_with_ebpf(null.as_fd(), soon()),
        Err(refused(Operation::AttachEbpf))
    );
    let detached = bench.socket.detach_filter();
    assert_eq!(detached, Err(refused(Operation::DetachFilter)));
    bench.flood(0..5);
    send_udp(&bench.injector, 5..6)?;
    assert_eq!(numbers(&next(&mut bench.socket)?), [5]);

    let mut socket = Socket::configure(Rx::new(PROMPT))?;
    socket.lock_filter()?;
    let attached = socket.attach_filter(&UDP);
    assert_eq!(attached, Err(refused(Operation::AttachFilter)));
    Ok(())
}

suite![
    the_snap_length_outlives_every_filter,
    without_a_filter_everything_comes,
    a_locked_filter_stays,
];
