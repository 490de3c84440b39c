//! What tcpdump compiles, in XDP.

mod xdp {
    pub(crate) mod cable;
    pub(crate) mod rights;
    pub(crate) mod traffic;
    pub(crate) mod verdict;
}

use packet_ring::bpf::{Instruction, Program as Filter};
use packet_ring::xdp::AttachMode;
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{frame, suite};
use xdp::cable::{Cable, FRAME, only_accepting};
use xdp::rights::map;
use xdp::traffic::packet;
use xdp::verdict::{Pieces, SHORTEST, Translated, context};

/// Packets that each expression judges.
const PACKETS: u64 = 1_500;

/// Each program with what it was made of: `file` or `live`, and the expression.
fn expressions() -> Result<Vec<(&'static str, Vec<Instruction>)>, Stopped> {
    let mut found = Vec::new();
    let mut lines = include_str!("xdp/expressions.txt").lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("file: ") && !line.starts_with("live: ") {
            continue;
        }
        let count: usize = lines.next().ok_or("no count")?.parse()?;
        let program = lines.by_ref().take(count).map(instruction);
        let program = program.collect::<Result<Vec<_>, _>>()?;
        assert_eq!(program.len(), count, "{line}");
        found.push((line, program));
    }
    assert_eq!(found.len(), 28);
    Ok(found)
}

/// Four decimal numbers.
fn instruction(line: &str) -> Result<Instruction, Stopped> {
    let numbers: Vec<u32> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [code, yes, no, k] = numbers[..] else {
        return Err(format!("no instruction: {line}").into());
    };
    Ok(Instruction::new(code as u16, yes as u8, no as u8, k))
}

/// Over packets whole and cut short, in one piece and in several; each expression takes some and leaves some.
fn expressions_select_what_they_select_elsewhere() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    for (expression, program) in expressions()? {
        let filter = Filter::new(&program)?;
        let translated = Translated::load(&map, &filter)?;
        let mut taken = 0;
        for number in 0..PACKETS {
            let packet = packet(number);
            let cut = SHORTEST + number as usize % (packet.len() - SHORTEST + 1);
            let verdict = filter.run(&context(&packet)) != 0;
            for pieces in [Pieces::Unknown, Pieces::Behind(cut as u32)] {
                let kernels = translated.accepts(&packet, pieces)?;
                assert_eq!(
                    kernels, verdict,
                    "{expression}, packet {number}, {pieces:?}"
                );
            }
            taken += u64::from(verdict);
        }
        assert!((3..PACKETS - 3).contains(&taken), "{expression}: {taken}");
    }
    Ok(())
}

/// What a packet socket finds beside the packet, XDP has in it: the same program finds it in both places.
fn vlans_are_found_in_the_packet() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let cable = Cable::new()?;
    let frames = [
        frame::numbered(1, FRAME),
        frame::numbered_vlan(6, 2, FRAME),
        frame::numbered_udp(3, FRAME),
        frame::numbered_vlan(5, 4, FRAME),
    ];
    for (expression, program) in expressions()? {
        if !expression.ends_with(": vlan 5") {
            continue;
        }
        let program = only_accepting(&map, &Filter::new(&program)?)?;
        for mode in [AttachMode::Native, AttachMode::Generic] {
            let _attachment = program.attach(cable.interface, mode)?;
            assert_eq!(cable.passed(&frames)?, [4], "{expression}, {mode:?}");
        }
    }
    Ok(())
}

suite![
    expressions_select_what_they_select_elsewhere,
    vlans_are_found_in_the_packet,
];
