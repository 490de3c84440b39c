//! Who stamps packets, and by which clock.

mod data_path;

use core::time::Duration;
use std::net::UdpSocket;
use std::time::{Instant, SystemTime};

use linux_raw_sys::if_packet::PACKET_TIMESTAMP;
use linux_raw_sys::net::{SO_TIMESTAMP_OLD, SO_TIMESTAMPING_OLD, SOL_PACKET, SOL_SOCKET};
use packet_ring::packet::{PacketStatus, Rx, Socket, Timestamp, TimestampSource};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, option, set_option, suite};

use data_path::{Bench, PATIENCE, PROMPT, interface, next};

/// Flags of `linux/net_tstamp.h`.
const RX_SOFTWARE: u32 = 1 << 3;
const SOFTWARE: u32 = 1 << 4;
const RAW_HARDWARE: u32 = 1 << 6;

/// A bench whose socket asks for stamps of this source.
fn stamped_by(source: TimestampSource) -> Result<Bench, Stopped> {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = Socket::configure(Rx::new(PROMPT))?;
    socket.timestamp(source)?;
    Ok(Bench {
        injector: Injector::on(&pair.near)?,
        socket: socket.map()?.bind(interface(&pair.far)?)?,
        pair,
    })
}

/// Sends one packet, and looks at its stamp and at the system's clock before and after.
fn stamp(bench: &mut Bench, number: u64) -> Result<Timestamp, Stopped> {
    let before = SystemTime::now();
    bench.send(number);
    let block = next(&mut bench.socket)?;
    let packet = block.packets().next().ok_or("no packet")?;
    let stamp = packet.timestamp();
    let time = SystemTime::from(stamp);
    assert!(
        before <= time && time <= SystemTime::now(),
        "{before:?} {stamp:?}"
    );
    assert!(stamp.nanoseconds < 1_000_000_000);
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH)?;
    assert_eq!(Duration::from(stamp), since_1970);
    let says_software = packet.status().contains(PacketStatus::TIMESTAMP_SOFTWARE);
    // Which of the two depends on whether anybody on this machine wants packets stamped on entry.
    match stamp.source {
        TimestampSource::Ring => assert!(!says_software),
        TimestampSource::Software => assert!(says_software),
        TimestampSource::Hardware => return Err("a veth has no clock".into()),
    }
    let (opened, ended) = block.times();
    assert_eq!(ended, since_1970);
    assert!(opened.abs_diff(ended) < PATIENCE);
    Ok(stamp)
}

/// Sends packets until one was stamped on entry.
fn is_stamped_on_entry(bench: &mut Bench) -> TestResult {
    let end = Instant::now() + PATIENCE;
    for number in 0.. {
        if stamp(bench, number)?.source == TimestampSource::Software {
            break;
        }
        assert!(Instant::now() < end, "never stamped on entry");
    }
    Ok(())
}

fn timestamps_are_of_the_present() -> TestResult {
    stamp(&mut Bench::new(PROMPT)?, 7).map(drop)
}

fn software_stamps_come_where_they_are_asked_for() -> TestResult {
    let mut bench = stamped_by(TimestampSource::Software)?;
    let socket = &bench.socket;
    // Another socket of this machine may want the same: so ask whether this one did.
    let made = option(socket, SOL_SOCKET, SO_TIMESTAMPING_OLD)?;
    assert_eq!(made & RX_SOFTWARE, RX_SOFTWARE);
    assert_eq!(option(socket, SOL_PACKET, PACKET_TIMESTAMP)?, SOFTWARE);
    is_stamped_on_entry(&mut bench)
}

fn software_stamps_come_where_anybody_asks_for_them() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    // One socket that wants timestamps makes the kernel stamp every packet, soon after it asks.
    let wants_timestamps = UdpSocket::bind("127.0.0.1:0")?;
    set_option(&wants_timestamps, SOL_SOCKET, SO_TIMESTAMP_OLD, 1)?;
    is_stamped_on_entry(&mut bench)
}

fn packets_that_the_interface_did_not_stamp_have_the_systems_time() -> TestResult {
    let mut bench = stamped_by(TimestampSource::Hardware)?;
    let kept = option(&bench.socket, SOL_PACKET, PACKET_TIMESTAMP)?;
    assert_eq!(kept, RAW_HARDWARE);
    stamp(&mut bench, 7).map(drop)
}

fn the_last_choice_counts() -> TestResult {
    let mut socket = Socket::configure(Rx::new(PROMPT))?;
    for source in [
        TimestampSource::Hardware,
        TimestampSource::Software,
        TimestampSource::Ring,
    ] {
        socket.timestamp(source)?;
    }
    assert_eq!(option(&socket, SOL_PACKET, PACKET_TIMESTAMP)?, 0);
    assert_eq!(option(&socket, SOL_SOCKET, SO_TIMESTAMPING_OLD)?, 0);
    Ok(())
}

suite![
    timestamps_are_of_the_present,
    software_stamps_come_where_they_are_asked_for,
    software_stamps_come_where_anybody_asks_for_them,
    packets_that_the_interface_did_not_stamp_have_the_systems_time,
    the_last_choice_counts,
];
