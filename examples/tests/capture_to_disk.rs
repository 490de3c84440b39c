//! The capture file that is written out of the ring, as another library reads it.

mod common;

use core::time::Duration;
use std::fs::{self, File};
use std::process::id;
use std::{env, thread};

use common::{Program, frames};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};
use pcap_file::pcap::PcapReader;
use pcap_file::{DataLink, TsResolution};
use rustix::fs::{CWD, FileType, Mode, mknodat};

const PROGRAM: &str = env!("CARGO_BIN_EXE_capture_to_disk");

fn the_file_has_every_byte() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    // Of one block there are more packets than one `writev` takes pieces.
    let mut frames = frames(5_000);
    frames.extend((0..5_000).map(|number| frame::numbered_udp(number, 60)));
    let path = env::temp_dir().join(format!("capture_to_disk-{}.pcap", id()));
    let file = path.to_str().ok_or("a path that is no text")?;
    let program = Program::start(PROGRAM, &[pair.far.name(), "10000", file])?;
    Injector::on(&pair.near)?.send_batch(&frames)?;
    assert_eq!(program.finish()?, ["10000 packets, 0 dropped"]);

    let mut reader = PcapReader::new(File::open(&path)?)?;
    assert_eq!(reader.header().datalink, DataLink::ETHERNET);
    assert_eq!(reader.header().ts_resolution, TsResolution::NanoSecond);
    let mut last = Duration::ZERO;
    for frame in &frames {
        let packet = reader.next_packet().ok_or("the file ends early")??;
        assert_eq!(packet.data, frame.as_slice());
        assert_eq!(packet.orig_len as usize, frame.len());
        assert!(packet.timestamp >= last);
        last = packet.timestamp;
    }
    assert!(reader.next_packet().is_none());
    fs::remove_file(path)?;
    assert_eq!(pair.far.counters()?.rx_packets, 10_000);
    Ok(())
}

/// A pipe that nobody reads from yet is as slow a disk as there is.
fn blocks_wait_for_a_slow_file_while_the_ring_goes_on() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let path = env::temp_dir().join(format!("capture_to_disk-{}.pipe", id()));
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let opened = thread::spawn({
        let path = path.clone();
        move || File::open(path)
    });
    let file = path.to_str().ok_or("a path that is no text")?;
    let mut program = Program::start(PROGRAM, &[pair.far.name(), "8000", file])?;
    let file = opened.join().map_err(|_| "a thread panicked")??;
    fs::remove_file(&path)?;

    // 5 MB: twenty blocks and more, where the pipe takes 64 KiB.
    let frames = frames(8_000);
    Injector::on(&pair.near)?.send_batch(&frames)?;
    assert_eq!(program.line()?.as_deref(), Some("8000 packets, 0 dropped"));
    let mut reader = PcapReader::new(file)?;
    for frame in &frames {
        let packet = reader.next_packet().ok_or("the file ends early")??;
        assert_eq!(packet.data, frame.as_slice());
    }
    assert!(reader.next_packet().is_none());
    assert_eq!(program.finish()?, [""; 0]);
    Ok(())
}

fn a_link_that_goes_down_ends_it() -> TestResult {
    common::ends_when_the_link_goes_down(PROGRAM, &["1", "/dev/null"])
}

suite![
    the_file_has_every_byte,
    blocks_wait_for_a_slow_file_while_the_ring_goes_on,
    a_link_that_goes_down_ends_it,
];
