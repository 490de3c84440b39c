//! What a capture holds, and how it ends.

use core::time::Duration;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime};

use packet_ring_lab::suite::{Stopped, TestResult, skip};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, Endianness};
use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, assert_fails, common, end, program, target};

/// The bytes before the first packet.
pub(crate) const BEGINNING: usize = 28 + 32;

/// A capture that has begun.
struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    fn start(interface: &str, packets: &str, name: &str) -> Result<Self, Stopped> {
        let file = target().join(format!("{name}-{}.pcapng", std::process::id()));
        let child = Command::new(program())
            .args(["capture", interface, packets])
            .stdin(Stdio::null())
            .stdout(File::create(&file)?)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut capture = Self { child, file };
        capture.wait_for(BEGINNING)?;
        Ok(capture)
    }

    /// Waits until the file has so many bytes.
    fn wait_for(&mut self, bytes: usize) -> TestResult {
        let start = Instant::now();
        while fs::metadata(&self.file)?.len() < bytes as u64 {
            if start.elapsed() > PATIENCE || self.child.try_wait()?.is_some() {
                return Err("the capture does not go on".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> TestResult {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// What it says at its end, which is without an error.
    fn end(&mut self) -> Result<String, Stopped> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if start.elapsed() > PATIENCE {
                return Err("the capture does not end".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let mut said = String::new();
        let errors = self.child.stderr.as_mut().ok_or("no pipe")?;
        errors.read_to_string(&mut said)?;
        assert_eq!(status.code(), Some(0), "{said}");
        Ok(said)
    }

    fn packets(&self) -> Result<Vec<EnhancedPacketBlock<'static>>, Stopped> {
        let mut reader = PcapNgReader::new(File::open(&self.file)?)?;
        let section = reader.section();
        assert_eq!((section.major_version, section.minor_version), (1, 0));
        assert_eq!(section.endianness, Endianness::native());
        let mut packets = Vec::new();
        let mut interfaces = 0;
        while let Some(block) = reader.next_block() {
            match block?.into_owned() {
                Block::InterfaceDescription(interface) => {
                    assert_eq!(interface.linktype, DataLink::ETHERNET);
                    assert_eq!(interface.snaplen, 0);
                    let nanoseconds = InterfaceDescriptionOption::IfTsResol(9);
                    assert_eq!(interface.options, [nanoseconds]);
                    interfaces += 1;
                }
                Block::EnhancedPacket(packet) => packets.push(packet),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(interfaces, 1);
        Ok(packets)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // A test that failed must not leave it behind; one that passed has waited for it.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        let _gone = fs::remove_file(&self.file);
    }
}

/// Of every length modulo 4, and one with a VLAN tag, which the kernel takes out on its way.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = common::frames(100);
    frames.push(frame::numbered_vlan(7, 100, 203));
    frames
}

pub(crate) fn a_capture_holds_every_packet_byte_for_byte() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let frames = frames();
    let count = frames.len();
    let mut capture = Capture::start(pair.far.name(), &count.to_string(), "whole")?;
    let before = SystemTime::now();
    Injector::on(&pair.near)?.send_batch(&frames)?;
    let said = capture.end()?;
    let after = SystemTime::now();
    assert_eq!(said, format!("{count} packets, 0 dropped\n"));
    let packets = capture.packets()?;
    assert_eq!(packets.len(), count);
    for (packet, frame) in packets.iter().zip(&frames) {
        assert_eq!(&packet.data[..], frame);
        assert_eq!(packet.original_len as usize, frame.len());
        let time = SystemTime::UNIX_EPOCH + packet.timestamp;
        assert!(before <= time && time <= after, "{time:?}");
    }
    assert!(packets.is_sorted_by_key(|packet| packet.timestamp));
    assert_eq!(pair.far.counters()?.rx_packets, count as u64);
    Ok(())
}

pub(crate) fn a_capture_is_read_by_tcpdump_and_capinfos() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let frames = common::frames(10);
    let mut capture = Capture::start(pair.far.name(), "10", "readers")?;
    Injector::on(&pair.near)?.send_batch(&frames)?;
    capture.end()?;
    // In a user namespace without a user: where tcpdump finds itself root, it wants to become another.
    let printed = Command::new("unshare")
        .args(["--user", "tcpdump", "-n", "-r", "-"])
        .stdin(File::open(&capture.file)?)
        .output();
    let told = Command::new("capinfos")
        .arg("-M")
        .arg(&capture.file)
        .output();
    let (Ok(printed), Ok(told)) = (printed, told) else {
        return skip("tcpdump, unshare or capinfos is not installed");
    };
    assert_eq!(String::from_utf8(printed.stdout)?.lines().count(), 10);
    let told = String::from_utf8(told.stdout)?;
    for expected in [
        "Number of packets:   10",
        "Time precision = nanoseconds (9)",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    Ok(())
}

pub(crate) fn a_signal_ends_a_capture_with_a_whole_file() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    for signal in [Signal::INT, Signal::TERM] {
        let mut capture = Capture::start(pair.far.name(), "1000000", "signal")?;
        let frames = common::frames(5);
        injector.send_batch(&frames)?;
        let padded = frames.iter().map(|frame| frame.len().next_multiple_of(4));
        capture.wait_for(BEGINNING + padded.map(|len| 32 + len).sum::<usize>())?;
        capture.signal(signal)?;
        assert_eq!(capture.end()?, "5 packets, 0 dropped\n");
        let packets = capture.packets()?;
        assert!(packets.iter().map(|packet| &packet.data[..]).eq(&frames));
    }
    Ok(())
}

pub(crate) fn a_pipe_that_nobody_reads_is_an_error() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut child = Command::new(program())
        .args(["capture", pair.far.name(), "1000000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut output = child.stdout.take().ok_or("no pipe")?;
    output.read_exact(&mut [0; BEGINNING])?;
    drop(output);
    Injector::on(&pair.near)?.send(&frame::numbered(0, 60))?;
    assert_fails(&end(child)?, 1, "nobody reads the standard output");
    Ok(())
}

/// Waits until the kernel says this of a process, in that file of `/proc`.
fn wait_for(child: &Child, file: &str, is_so: impl Fn(&str) -> bool) -> TestResult {
    let start = Instant::now();
    let file = format!("/proc/{}/{file}", child.id());
    while !is_so(&fs::read_to_string(&file)?) {
        if start.elapsed() > PATIENCE {
            return Err(format!("{file} does not change").into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Stopped and continued while a full pipe holds it up, it is told that it wrote a part.
pub(crate) fn a_write_that_is_cut_short_goes_on() -> TestResult {
    let pair = VethPair::create(&VethOptions {
        mtu: 9000,
        ..VethOptions::default()
    })?;
    // Eight times what a pipe takes; each of more than a page, for a page is written whole or not at all.
    let frames: Vec<_> = (0..60)
        .map(|number| frame::numbered(number, 9000))
        .collect();
    let mut child = Command::new(program())
        .args(["capture", pair.far.name(), "60"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut output = child.stdout.take().ok_or("no pipe")?;
    output.read_exact(&mut [0; BEGINNING])?;
    Injector::on(&pair.near)?.send_batch(&frames)?;
    let process = Pid::from_child(&child);
    // `writev` is 20.
    wait_for(&child, "syscall", |call| call.starts_with("20 "))?;
    kill_process(process, Signal::STOP)?;
    wait_for(&child, "stat", |state| state.contains(") T "))?;
    kill_process(process, Signal::CONT)?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    assert!(child.wait()?.success());
    let (blocks, rest) = bytes.as_chunks::<9032>();
    assert!(rest.is_empty());
    assert!(blocks.iter().map(|block| &block[28..9028]).eq(&frames));
    Ok(())
}
