//! `packet-ring capture` on a veth pair: what was sent is what is printed and written.

mod common;

use core::time::Duration;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use common::{Capture, Directory, Ended, has, output, run, tcpdump, tool};
use packet_ring_lab::suite::{TestResult, skip};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use rustix::process::Signal;

/// A veth pair: frames go in at the near end, the tool listens at the far end.
fn wire() -> Result<(VethPair, Injector), packet_ring_lab::LabError> {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    Ok((pair, injector))
}

fn send(injector: &Injector, numbers: core::ops::Range<u64>, len: usize) -> TestResult {
    for number in numbers {
        injector.send(&frame::numbered_udp(number, len))?;
    }
    Ok(())
}

fn assert_summary(ended: &Ended, captured: u64, received: u64, dropped: u64) {
    let lines: Vec<_> = ended.stderr.lines().rev().take(3).collect();
    let number = |line: &str| {
        line.split(' ')
            .next()
            .and_then(|number| number.parse().ok())
    };
    let numbers: Vec<Option<u64>> = lines.iter().rev().map(|line| number(line)).collect();
    assert_eq!(
        numbers,
        [Some(captured), Some(received), Some(dropped)],
        "{}",
        ended.stderr
    );
    assert!(
        lines[2].contains("captured")
            && lines[1].contains("received by filter")
            && lines[0].contains("dropped by kernel")
    );
}

fn blocks(file: &Path) -> Vec<Block<'static>> {
    let mut reader = PcapNgReader::new(File::open(file).expect("the file")).expect("pcapng");
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.expect("a whole block").into_owned());
    }
    blocks
}

fn packets(file: &Path) -> Vec<EnhancedPacketBlock<'static>> {
    let packet = |block| match block {
        Block::EnhancedPacket(packet) => Some(packet),
        _ => None,
    };
    blocks(file).into_iter().filter_map(packet).collect()
}

fn numbers(file: &Path) -> Vec<u64> {
    packets(file)
        .iter()
        .map(|packet| frame::number(&packet.data).expect("a numbered frame"))
        .collect()
}

fn it_stops_at_exactly_the_count() -> TestResult {
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-c", "4"]);
    send(&injector, 0..10, 100)?;
    let ended = capture.end();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 4);
    for line in ended.stdout.lines() {
        assert!(line.contains(" IP 192.0.2.1."), "{line}");
        assert!(line.ends_with(": UDP, length 58"), "{line}");
    }
    assert!(
        ended.stderr.contains("4 packets captured"),
        "{}",
        ended.stderr
    );
    Ok(())
}

fn lines_are_those_of_tcpdump() -> TestResult {
    if !has("tcpdump") || !has("unshare") {
        return skip("tcpdump or unshare is not installed");
    }
    let directory = Directory::new("lines");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let to_file = Capture::start([
        "-i",
        pair.far.name(),
        "-c",
        "3",
        "-w",
        file.to_str().unwrap_or_default(),
    ]);
    let to_lines = Capture::start(["-i", pair.far.name(), "-c", "3", "-t"]);
    send(&injector, 0..3, 100)?;
    assert!(to_file.end().status.success());
    let ours = to_lines.end().stdout;
    let theirs = tcpdump(&["-t"], &file);
    assert_eq!(ours, theirs);
    Ok(())
}

fn a_filter_holds_from_the_first_packet() -> TestResult {
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-c", "1", "-e", "-tt", "udp"]);
    for number in 0..100 {
        injector.send(&frame::numbered(number, 60))?;
    }
    send(&injector, 100..101, 60)?;
    let ended = capture.end();
    assert!(ended.stdout.contains("UDP"), "{}", ended.stdout);
    assert_summary(&ended, 1, 1, 0);
    Ok(())
}

fn a_filter_from_a_file_is_the_same_filter() -> TestResult {
    let directory = Directory::new("bpf");
    let listing = directory.join("udp.bpf");
    let (pair, injector) = wire()?;
    std::fs::write(
        &listing,
        run(["capture", "-i", pair.far.name(), "-ddd", "udp"]).stdout,
    )?;
    let listing = listing.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start(["-i", pair.far.name(), "--bpf", listing]);
    injector.send(&frame::numbered(0, 60))?;
    send(&injector, 1..3, 60)?;
    let ended = capture.interrupt();
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
    assert_summary(&ended, 2, 2, 0);
    Ok(())
}

fn the_snap_length_cuts_packets_and_keeps_their_length() -> TestResult {
    let directory = Directory::new("snap");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    for expression in [None, Some("udp")] {
        let path = file.to_str().ok_or("a path in UTF-8")?;
        let capture = Capture::start(
            ["-i", pair.far.name(), "-s", "60", "-w", path]
                .into_iter()
                .chain(expression),
        );
        send(&injector, 0..5, 1000)?;
        assert_eq!(capture.interrupt().status.code(), Some(0));
        let packets = packets(&file);
        assert_eq!(packets.len(), 5);
        assert!(
            packets
                .iter()
                .all(|packet| packet.data.len() == 60 && packet.original_len == 1000)
        );
    }
    Ok(())
}

fn a_file_is_read_by_tcpdump_and_capinfos() -> TestResult {
    if !has("tcpdump") || !has("capinfos") {
        return skip("tcpdump or capinfos is not installed");
    }
    let directory = Directory::new("readers");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-w",
        file.to_str().unwrap_or_default(),
        "udp",
        "or",
        "arp",
    ]);
    send(&injector, 0..1000, 333)?;
    let ended = capture.interrupt();
    assert_summary(&ended, 1000, 1000, 0);
    assert_eq!(ended.stdout, "");
    assert_eq!(tcpdump(&[], &file).lines().count(), 1000);
    let told = output("capinfos", &["-M"], &file);
    let name = format!("Name = {}", pair.far.name());
    for expected in [
        "Number of packets:   1000",
        "Time precision = nanoseconds (9)",
        "Filter string = udp or arp",
        "Data size:           333000 bytes",
        "Strict time order:   True",
        &name,
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(numbers(&file), Vec::from_iter(0..1000));
    Ok(())
}

fn a_file_ends_with_what_was_counted() -> TestResult {
    let directory = Directory::new("statistics");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-w",
        file.to_str().unwrap_or_default(),
        "udp",
    ]);
    injector.send(&frame::numbered(0, 60))?;
    send(&injector, 1..8, 60)?;
    assert!(capture.interrupt().status.success());
    let Some(Block::InterfaceStatistics(statistics)) = blocks(&file).pop() else {
        panic!("the last block holds the statistics");
    };
    for option in [
        InterfaceStatisticsOption::IsbIfRecv(8),
        InterfaceStatisticsOption::IsbIfDrop(0),
        InterfaceStatisticsOption::IsbFilterAccept(7),
        InterfaceStatisticsOption::IsbOsDrop(0),
        InterfaceStatisticsOption::IsbUsrDeliv(7),
    ] {
        assert!(
            statistics.options.contains(&option),
            "{option:?}: {:?}",
            statistics.options
        );
    }
    Ok(())
}

fn a_stopped_reader_tells_where_packets_were_lost() -> TestResult {
    let directory = Directory::new("drops");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-B",
        "1",
        "-w",
        file.to_str().unwrap_or_default(),
    ]);
    send(&injector, 0..10, 1000)?;
    std::thread::sleep(Duration::from_millis(100));
    capture.signal(Signal::STOP);
    send(&injector, 10..3000, 1000)?;
    capture.signal(Signal::CONT);
    std::thread::sleep(Duration::from_millis(100));
    send(&injector, 3000..4000, 1000)?;
    let ended = capture.interrupt();
    let packets = packets(&file);
    let lost = 4000 - packets.len() as u64;
    assert!(
        lost > 1000,
        "a ring of 1 MiB does not hold 2,990 packets of 1,000 bytes: {lost} lost"
    );
    assert_summary(&ended, packets.len() as u64, 4000, lost);
    let told = |packet: &EnhancedPacketBlock<'_>| {
        packet.options.iter().find_map(|option| match option {
            EnhancedPacketOption::DropCount(drops) => Some(*drops),
            _ => None,
        })
    };
    let mut previous = None;
    for packet in &packets {
        let number = frame::number(&packet.data).ok_or("a numbered frame")?;
        let missing = previous.map_or(number, |previous| number - previous - 1);
        assert_eq!(told(packet).unwrap_or(0), missing, "before packet {number}");
        previous = Some(number);
    }
    Ok(())
}

fn standard_output_takes_pcapng_too() -> TestResult {
    let directory = Directory::new("stdout");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-w", "-", "-c", "3"]);
    send(&injector, 0..3, 60)?;
    std::fs::write(&file, capture.end().bytes)?;
    assert_eq!(numbers(&file), [0, 1, 2]);
    Ok(())
}

fn a_reader_that_goes_away_ends_it_quietly() -> TestResult {
    let (pair, injector) = wire()?;
    let mut child = tool()
        .args(["capture", "-i", pair.far.name()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stderr = BufReader::new(child.stderr.take().ok_or("piped")?);
    let mut said = String::new();
    stderr.read_line(&mut said)?;
    drop(child.stdout.take());
    let deadline = Instant::now() + common::PATIENCE;
    while child.try_wait()?.is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        send(&injector, 0..1, 60)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait()?.code(), Some(0));
    std::io::Read::read_to_string(&mut stderr, &mut said)?;
    assert!(
        !said.contains("cannot write") && !said.contains("panicked"),
        "{said}"
    );
    Ok(())
}

fn json_lines_have_what_was_sent() -> TestResult {
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-c", "2", "--json"]);
    injector.send(&frame::numbered_vlan(5, 0, 80))?;
    send(&injector, 1..2, 80)?;
    let ended = capture.end();
    let objects: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(objects[0]["vlan"]["id"], 5);
    assert_eq!(objects[1]["transport"], "udp");
    assert_eq!(objects[1]["source"], "192.0.2.1");
    assert_eq!(objects[1]["length"], 80);
    assert!(objects[1].get("vlan").is_none());
    Ok(())
}

fn a_vlan_tag_is_back_in_the_file() -> TestResult {
    let directory = Directory::new("vlan");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-c",
        "1",
        "-w",
        file.to_str().unwrap_or_default(),
        "vlan",
        "5",
    ]);
    injector.send(&frame::numbered_vlan(6, 1, 80))?;
    injector.send(&frame::numbered_vlan(5, 2, 80))?;
    assert!(capture.end().status.success());
    let packets = packets(&file);
    assert_eq!(packets[0].data.as_ref(), frame::numbered_vlan(5, 2, 80));
    assert_eq!(packets[0].original_len, 80);
    Ok(())
}

fn files_rotate_and_the_oldest_go() -> TestResult {
    let directory = Directory::new("rotation");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-w",
        path,
        "-b",
        "packets:10",
        "-b",
        "files:3",
        "-c",
        "45",
    ]);
    send(&injector, 0..45, 60)?;
    assert!(capture.end().status.success());
    let names = directory.names();
    assert_eq!(
        names.iter().map(|name| &name[..8]).collect::<Vec<_>>(),
        ["x_00003_", "x_00004_", "x_00005_"]
    );
    assert!(names.iter().all(
        |name| name.len() == "x_00003_20251123035500.pcapng".len() && name.ends_with(".pcapng")
    ));
    let held: Vec<_> = names
        .iter()
        .map(|name| numbers(&directory.join(name)))
        .collect();
    assert_eq!(
        held,
        [
            Vec::from_iter(20..30),
            Vec::from_iter(30..40),
            Vec::from_iter(40..45)
        ]
    );
    Ok(())
}

fn files_rotate_by_size_and_by_time() -> TestResult {
    let directory = Directory::new("size");
    let (pair, injector) = wire()?;
    let path = directory.join("s.pcapng");
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-w",
        path.to_str().unwrap_or_default(),
        "-b",
        "filesize:10",
        "-a",
        "files:2",
    ]);
    send(&injector, 0..40, 1000)?;
    assert!(capture.end().status.success());
    assert_eq!(directory.names().len(), 2);
    for name in directory.names() {
        let size = std::fs::metadata(directory.join(&name))?.len();
        assert!((10_000..11_500).contains(&size), "{name}: {size} bytes");
    }

    let directory = Directory::new("time");
    let path = directory.join("t.pcapng");
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-w",
        path.to_str().unwrap_or_default(),
        "-b",
        "duration:0.3",
        "-a",
        "files:2",
    ]);
    send(&injector, 0..1, 60)?;
    std::thread::sleep(Duration::from_millis(700));
    send(&injector, 1..2, 60)?;
    assert!(capture.end().status.success());
    let held: Vec<_> = directory
        .names()
        .iter()
        .map(|name| numbers(&directory.join(name)))
        .collect();
    assert_eq!(held, [[0], [1]]);
    Ok(())
}

fn autostop_ends_by_packets_size_and_time() -> TestResult {
    let directory = Directory::new("autostop");
    let file = directory.join("x.pcapng");
    let path = file.to_str().ok_or("a path in UTF-8")?;
    let (pair, injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name(), "-w", path, "-a", "packets:7"]);
    send(&injector, 0..20, 60)?;
    assert!(capture.end().status.success());
    assert_eq!(numbers(&file), Vec::from_iter(0..7));

    let capture = Capture::start(["-i", pair.far.name(), "-w", path, "-a", "filesize:5"]);
    send(&injector, 0..20, 1000)?;
    assert!(capture.end().status.success());
    assert_eq!(numbers(&file), Vec::from_iter(0..5));

    let began = Instant::now();
    let capture = Capture::start(["-i", pair.far.name(), "-w", path, "-a", "duration:0.5"]);
    send(&injector, 0..3, 60)?;
    assert!(capture.end().status.success());
    assert!((500..5000).contains(&began.elapsed().as_millis()));
    assert_eq!(numbers(&file), [0, 1, 2]);
    Ok(())
}

fn a_signal_ends_it_with_all_that_was_received() -> TestResult {
    let directory = Directory::new("signals");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    for signal in [Signal::INT, Signal::TERM] {
        let capture = Capture::start([
            "-i",
            pair.far.name(),
            "-w",
            file.to_str().unwrap_or_default(),
        ]);
        // They lie in the block that the kernel has open when the signal comes.
        send(&injector, 0..100, 60)?;
        capture.signal(signal);
        let ended = capture.end();
        assert_eq!(ended.status.code(), Some(0));
        assert_summary(&ended, 100, 100, 0);
        assert_eq!(numbers(&file), Vec::from_iter(0..100));
    }
    Ok(())
}

fn a_user_signal_asks_for_statistics() -> TestResult {
    let (pair, injector) = wire()?;
    let mut capture = Capture::start(["-i", pair.far.name()]);
    send(&injector, 0..3, 60)?;
    std::thread::sleep(Duration::from_millis(100));
    capture.signal(Signal::USR1);
    capture
        .wait_for("3 packets captured, 3 packets received by filter, 0 packets dropped by kernel");
    send(&injector, 3..4, 60)?;
    assert_summary(&capture.interrupt(), 4, 4, 0);
    Ok(())
}

fn the_direction_is_heeded() -> TestResult {
    let (pair, injector) = wire()?;
    let back = Injector::on(&pair.far)?;
    for (direction, seen) in [("in", "0 "), ("out", "1 "), ("inout", "01 ")] {
        let directory = Directory::new(&format!("direction-{direction}"));
        let file = directory.join("x.pcapng");
        let capture = Capture::start([
            "-i",
            pair.far.name(),
            "-Q",
            direction,
            "-w",
            file.to_str().unwrap_or_default(),
        ]);
        send(&injector, 0..1, 60)?;
        send(&back, 1..2, 60)?;
        let ended = capture.interrupt();
        let numbers = numbers(&file);
        assert_eq!(
            numbers.iter().map(u64::to_string).collect::<String>(),
            seen.trim(),
            "{direction}"
        );
        assert_summary(&ended, numbers.len() as u64, numbers.len() as u64, 0);
    }
    Ok(())
}

fn promiscuous_unless_told_otherwise() -> TestResult {
    let (pair, _injector) = wire()?;
    let capture = Capture::start(["-i", pair.far.name()]);
    assert_eq!(pair.far.facts()?.promiscuity, 1);
    capture.interrupt();
    let capture = Capture::start(["-i", pair.far.name(), "-p"]);
    assert_eq!(pair.far.facts()?.promiscuity, 0);
    capture.interrupt();
    Ok(())
}

fn an_interface_may_go_down_and_come_back() -> TestResult {
    let (pair, injector) = wire()?;
    let mut capture = Capture::start(["-i", pair.far.name()]);
    send(&injector, 0..1, 60)?;
    pair.far.set_down()?;
    capture.wait_for("is down: waiting until it is up");
    pair.set_up()?;
    capture.wait_for("is up again");
    send(&injector, 1..2, 60)?;
    let ended = capture.interrupt();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
    Ok(())
}

fn an_interface_that_goes_away_is_an_error() -> TestResult {
    let directory = Directory::new("gone");
    let file = directory.join("x.pcapng");
    let (pair, injector) = wire()?;
    let capture = Capture::start([
        "-i",
        pair.far.name(),
        "-w",
        file.to_str().unwrap_or_default(),
    ]);
    send(&injector, 0..3, 60)?;
    pair.delete()?;
    let ended = capture.end();
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("went away"), "{}", ended.stderr);
    assert_eq!(numbers(&file), [0, 1, 2]);
    Ok(())
}

fn exit_codes_tell_what_happened() -> TestResult {
    let (pair, _injector) = wire()?;
    let far = pair.far.name();
    let cases: [(&[&str], i32, &str); 8] = [
        (
            &["capture", "-i", "no-such-if"],
            4,
            "there is no interface no-such-if",
        ),
        (&["capture", "--bogus"], 2, "--bogus"),
        (
            &["capture", "-i", far, "port", "nonsense"],
            2,
            "filter 'port nonsense'",
        ),
        (
            &["capture", "-i", far, "-w", "/no/such/directory/x"],
            1,
            "/no/such/directory/x",
        ),
        (
            &["capture", "-i", far, "-w", "x", "-b", "files:2"],
            2,
            "add -b duration:",
        ),
        (
            &["capture", "-i", far, "-a", "filesize:2"],
            2,
            "add -w FILE",
        ),
        (
            &["capture", "-i", far, "-B", "1", "-s", "262143"],
            2,
            "smaller snap length",
        ),
        (
            &["capture", "-i", far, "--bpf", "/no/such/file"],
            1,
            "/no/such/file",
        ),
    ];
    for (arguments, code, text) in cases {
        let ended = run(arguments);
        assert_eq!(
            ended.status.code(),
            Some(code),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(text),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    Ok(())
}

fn without_permission_it_prints_the_setcap_line() -> TestResult {
    if !has("unshare") {
        return skip("unshare (util-linux) is not installed");
    }
    let (pair, _injector) = wire()?;
    let tool = env!("CARGO_BIN_EXE_packet-ring");
    // In a user namespace of its own, the process has no capability over this network namespace.
    for expression in [&[][..], &["udp"]] {
        let ended = Capture::spawn(
            Command::new("unshare")
                .args(["--user", tool, "capture", "-i", pair.far.name()])
                .args(expression),
        )
        .end();
        assert_eq!(ended.status.code(), Some(3), "{}", ended.stderr);
        assert!(
            ended
                .stderr
                .contains(&format!("sudo setcap cap_net_raw=ep {tool}")),
            "{}",
            ended.stderr
        );
    }
    let doctor = Capture::spawn(Command::new("unshare").args(["--user", tool, "doctor"])).end();
    assert_eq!(doctor.status.code(), Some(3));
    assert!(
        doctor
            .stdout
            .contains(&format!("sudo setcap cap_net_raw=ep {tool}")),
        "{}",
        doctor.stdout
    );
    Ok(())
}

fn doctor_and_the_list_name_every_interface() -> TestResult {
    let (pair, _injector) = wire()?;
    pair.near.set_down()?;
    for arguments in [&["doctor"][..], &["capture", "-D"]] {
        let ended = run(arguments);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        for line in [
            "lo (up, running, loopback): can be captured".to_owned(),
            format!("{} (down): can be captured once it is up", pair.near.name()),
        ] {
            assert!(ended.stdout.contains(&line), "{line}: {}", ended.stdout);
        }
    }
    Ok(())
}

fn the_default_interface_is_the_first_that_is_up() -> TestResult {
    let capture = Capture::start(["-c", "1"]);
    let alone = capture.interrupt();
    assert!(
        alone.stderr.starts_with("listening on lo,"),
        "{}",
        alone.stderr
    );
    let (pair, _injector) = wire()?;
    let first = if pair.near.index()? < pair.far.index()? {
        &pair.near
    } else {
        &pair.far
    };
    let ended = Capture::start(["-c", "1"]).interrupt();
    assert!(
        ended
            .stderr
            .starts_with(&format!("listening on {},", first.name())),
        "{}",
        ended.stderr
    );
    Ok(())
}

packet_ring_lab::suite![
    it_stops_at_exactly_the_count,
    lines_are_those_of_tcpdump,
    a_filter_holds_from_the_first_packet,
    a_filter_from_a_file_is_the_same_filter,
    the_snap_length_cuts_packets_and_keeps_their_length,
    a_file_is_read_by_tcpdump_and_capinfos,
    a_file_ends_with_what_was_counted,
    a_stopped_reader_tells_where_packets_were_lost,
    standard_output_takes_pcapng_too,
    a_reader_that_goes_away_ends_it_quietly,
    json_lines_have_what_was_sent,
    a_vlan_tag_is_back_in_the_file,
    files_rotate_and_the_oldest_go,
    files_rotate_by_size_and_by_time,
    autostop_ends_by_packets_size_and_time,
    a_signal_ends_it_with_all_that_was_received,
    a_user_signal_asks_for_statistics,
    the_direction_is_heeded,
    promiscuous_unless_told_otherwise,
    an_interface_may_go_down_and_come_back,
    an_interface_that_goes_away_is_an_error,
    exit_codes_tell_what_happened,
    without_permission_it_prints_the_setcap_line,
    doctor_and_the_list_name_every_interface,
    the_default_interface_is_the_first_that_is_up,
];
