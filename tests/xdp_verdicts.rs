//! Filters that were translated to XDP, held against the interpreter: the kernel's verifier takes each, and
//! `BPF_PROG_TEST_RUN` says of random packets what the interpreter says.
//!
//! `PACKET_RING_XDP_PROGRAMS` sets how many random programs there are.

mod filter {
    #[allow(dead_code, reason = "another test file uses the rest")]
    pub(crate) mod programs;
}
mod xdp {
    pub(crate) mod objects;
    pub(crate) mod random;
    pub(crate) mod rights;
    pub(crate) mod verdict;
}

use core::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::env;

use filter::programs::{self, name, nearly_valid, packet};
use packet_ring::Error;
use packet_ring::bpf::{
    Ancillary, Instruction, Program as Filter, SKF_LL_OFF, SKF_NET_OFF, Size, Source, Statement,
    assemble,
};
use packet_ring::xdp::{Redirect, Rejected, Untranslatable, Xskmap};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{run_xdp, suite};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use xdp::objects::xdp_socket;
use xdp::random::{KNOWN, answerable, parity_shown};
use xdp::rights::map;
use xdp::verdict::{Pieces, SHORTEST, Translated, context};

fn programs_wanted() -> u32 {
    env::var("PACKET_RING_XDP_PROGRAMS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(6_000)
}

/// Runs `property` over this many values, on this thread.
fn over<S: Strategy>(
    cases: u32,
    values: S,
    property: impl Fn(S::Value) -> Result<(), Stopped>,
) -> TestResult {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&values, |value| {
            property(value).map_err(|why| TestCaseError::fail(format!("{why:?}")))
        })
        .map_err(|why| why.to_string().into())
}

/// Thousands of programs, each over several packets in one piece and in several; every form of every
/// statement is among them, and both verdicts are frequent.
fn verdicts_are_the_interpreters() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let seen = RefCell::new(BTreeSet::new());
    let (accepted, rejected) = (Cell::new(0), Cell::new(0));
    // Every word is stored first: no program is refused for one that was not.
    let stores = (0..16).map(|word| Statement::St(word).instruction());
    let prologue: Vec<_> = stores.collect();
    let programs = (nearly_valid(24), any::<bool>()).prop_map(move |(program, raw)| {
        let whole = answerable(&[prologue.clone(), program].concat());
        if raw { whole } else { parity_shown(&whole) }
    });
    let packets = vec((packet(), any::<prop::sample::Index>()), 4);
    over(
        programs_wanted(),
        (programs, packets),
        |(program, packets)| {
            let filter = Filter::new(&program).expect("a valid program");
            let translated = Translated::load(&map, &filter)?;
            for (mut packet, cut) in packets {
                packet.resize(packet.len().max(SHORTEST), 0);
                let verdict = filter.run(&context(&packet)) != 0;
                let cut = SHORTEST + cut.index(packet.len() - SHORTEST + 1);
                for pieces in [Pieces::Unknown, Pieces::Kernels, Pieces::Behind(cut as u32)] {
                    let kernels = translated.accepts(&packet, pieces)?;
                    assert_eq!(kernels, verdict, "{pieces:?} {packet:?} {program:?}");
                }
                let outcome = if verdict { &accepted } else { &rejected };
                outcome.set(outcome.get() + 1);
            }
            let statements = program.iter().filter_map(|i| i.statement());
            seen.borrow_mut().extend(statements.map(name));
            Ok(())
        },
    )?;
    let counts = (accepted.get(), rejected.get());
    let enough = programs_wanted();
    assert!(counts.0 > enough && counts.1 > enough, "{counts:?}");
    let kinds = 31 + KNOWN.len() + 14;
    assert_eq!(seen.borrow().len(), kinds, "{:?}", seen.borrow());
    Ok(())
}

/// Offsets at the ends of packets, of their pieces and of what the translation can reach, for each width
/// and way to load.
fn loads_at_the_edges_are_the_interpreters() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let packet: Vec<u8> = (0..9_000).map(|at| 1 + (at % 255) as u8).collect();
    let offsets = [
        0,
        13,
        14,
        59,
        60,
        61,
        62,
        63,
        64,
        65,
        3_497,
        8_995,
        8_996,
        8_997,
        8_998,
        8_999,
        9_000,
        0xfffa,
        0xfffb,
        0xfffc,
        0xffff,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffdf_ffff,
        SKF_LL_OFF,
        SKF_LL_OFF + 63,
        SKF_LL_OFF + 8_997,
        SKF_NET_OFF - 1,
        SKF_NET_OFF,
        SKF_NET_OFF + 8_983,
        SKF_NET_OFF + 8_985,
        SKF_NET_OFF + 8_986,
        0xffff_0000,
    ];
    for offset in offsets {
        for size in [Size::W, Size::H, Size::B] {
            for x in [
                None,
                Some(0),
                Some(1),
                Some(offset),
                Some(0x10_0000),
                Some(u32::MAX),
            ] {
                let load = match x {
                    None => [Statement::LdxImm(0), Statement::LdAbs(size, offset)],
                    Some(x) => {
                        let rest = offset.wrapping_sub(x);
                        [Statement::LdxImm(x), Statement::LdInd(size, rest)]
                    }
                };
                let ends = [Statement::And(Source::K(u32::MAX)), Statement::RetK(1)];
                let program: Vec<_> = load.iter().chain(&ends).map(|s| s.instruction()).collect();
                edges_agree(&map, &program, &packet)?;
            }
        }
        let msh = [Statement::LdxMsh(offset), Statement::Txa, Statement::RetA];
        edges_agree(&map, &assemble(msh), &packet)?;
    }
    Ok(())
}

fn edges_agree(map: &Xskmap, program: &[Instruction], packet: &[u8]) -> TestResult {
    // Ancillary offsets are none of a load's.
    let Ok(filter) = Filter::new(program) else {
        return Ok(());
    };
    let translated = Translated::load(map, &filter)?;
    for (len, pieces) in [
        (60, Pieces::Unknown),
        (64, Pieces::Unknown),
        (64, Pieces::Behind(14)),
        (64, Pieces::Behind(62)),
        (3_000, Pieces::Unknown),
        (9_000, Pieces::Kernels),
        (9_000, Pieces::Behind(61)),
    ] {
        let packet = &packet[..len];
        let verdict = filter.run(&context(packet)) != 0;
        let kernels = translated.accepts(packet, pieces)?;
        assert_eq!(kernels, verdict, "{len} bytes, {pieces:?}: {program:?}");
    }
    Ok(())
}

/// The limit that the documents name: the interpreter goes on where XDP's programs cannot.
fn loads_reach_up_to_offset_65531() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let packet = vec![1; 0x1_0000 + 40];
    for (offset, reached) in [(65_530, true), (65_531, true), (65_532, false)] {
        let ends = [Statement::RetK(1), Statement::RetK(1)];
        for load in [
            [Statement::LdAbs(Size::B, offset), ends[0], ends[1]],
            [
                Statement::LdxImm(9),
                Statement::LdInd(Size::W, offset - 9),
                ends[0],
            ],
        ] {
            let program = assemble(load);
            let translated = Translated::load(&map, &Filter::new(&program)?)?;
            let accepted = translated.accepts(&packet, Pieces::Kernels)?;
            assert_eq!(accepted, reached, "{load:?}");
        }
    }
    Ok(())
}

fn what_xdp_does_not_know_is_refused_with_its_place() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    for what in programs::ANCILLARY {
        let program = assemble([Statement::LdLen, Statement::LdAd(what), Statement::RetA]);
        let filter = Filter::new_assert(&program);
        let loaded = Redirect::to(&map).filter(&filter).load();
        if KNOWN.contains(&what) {
            loaded?;
            continue;
        }
        let refused = Error::Untranslatable(Untranslatable::Ancillary { at: 1, what });
        let error = loaded.map(drop).map_err(Error::from).unwrap_err();
        assert_eq!(error, refused);
        let text = error.to_string();
        assert!(text.starts_with("instruction 1: ") && text.contains(&format!("{what:?}")));
    }
    // Where nothing leads to it, it does not matter.
    let behind = assemble([
        Statement::RetK(1),
        Statement::LdAd(Ancillary::Mark),
        Statement::RetA,
    ]);
    let filter = Filter::new_assert(&behind);
    Redirect::to(&map).filter(&filter).load()?;
    Ok(())
}

/// Those whose value differs from run to run.
fn processors_and_chance_are_known() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let frame = [0; 60];
    let accepted = |statements: [Statement; 4]| -> Result<bool, Stopped> {
        let program = assemble(statements);
        Translated::load(&map, &Filter::new_assert(&program))?.accepts(&frame, Pieces::Unknown)
    };
    use Source::K;
    use Statement as S;
    let cpu = S::LdAd(Ancillary::Cpu);
    assert!(accepted([
        cpu,
        S::Jge(K(4_096), 1, 0),
        S::RetK(1),
        S::RetK(0)
    ])?);
    let random = S::LdAd(Ancillary::Random);
    let high = [random, S::Jge(K(1 << 31), 0, 1), S::RetK(1), S::RetK(0)];
    let verdicts: BTreeSet<_> = (0..64).map(|_| accepted(high)).collect::<Result<_, _>>()?;
    assert_eq!(verdicts.len(), 2, "64 times the same");
    Ok(())
}

fn long_programs_are_translated_and_too_long_jumps_are_refused() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let over_loads = |count: usize| {
        let mut program = vec![Statement::LdInd(Size::W, 0).instruction(); count + 2];
        program[0] = Statement::Jeq(Source::X, (count as u32 % 256) as u8, 0).instruction();
        program[count + 1] = Instruction::keep(1);
        program
    };
    let program = over_loads(1_000);
    Redirect::to(&map)
        .filter(&Filter::new(&program)?)
        .fragments()
        .load()?;
    let program = over_loads(4_000);
    let filter = Filter::new(&program)?;
    let refused = Redirect::to(&map).filter(&filter).fragments().load();
    let error = refused.map(drop).map_err(Error::from).unwrap_err();
    // The first load's way to the end, where a load beyond the packet leads.
    let too_far = Error::Untranslatable(Untranslatable::JumpTooFar { at: 1 });
    assert_eq!(error, too_far);
    Ok(())
}

fn accepted_packets_go_to_the_socket_of_their_queue() -> TestResult {
    const XDP_DROP: u32 = 1;
    const XDP_PASS: u32 = 2;
    const XDP_REDIRECT: u32 = 4;
    let Some(map) = map()? else {
        return Ok(());
    };
    let program = assemble([
        Statement::LdAbs(Size::B, 0),
        Statement::Jeq(Source::K(7), 0, 1),
        Statement::RetK(1),
        Statement::RetK(0),
    ]);
    let filter = Filter::new_assert(&program);
    let everything = Redirect::to(&map).load()?;
    let passing = Redirect::to(&map).filter(&filter).load()?;
    let dropping = Redirect::to(&map)
        .filter(&filter)
        .rejected(Rejected::Drop)
        .load()?;
    let verdicts = || -> Result<Vec<u32>, Stopped> {
        let runs = [
            (&everything, 0),
            (&passing, 7),
            (&passing, 8),
            (&dropping, 7),
            (&dropping, 8),
        ];
        runs.into_iter()
            .map(|(program, first)| Ok(run_xdp(program, &[first; 60], None)?))
            .collect()
    };
    let without = [XDP_PASS, XDP_PASS, XDP_PASS, XDP_PASS, XDP_DROP];
    let with = [XDP_REDIRECT, XDP_REDIRECT, XDP_PASS, XDP_REDIRECT, XDP_DROP];
    assert_eq!(verdicts()?, without);
    let socket = xdp_socket()?;
    map.insert(0, &socket)?;
    assert_eq!(verdicts()?, with);
    map.remove(0)?;
    assert_eq!(verdicts()?, without);
    map.insert(0, &socket)?;
    drop(socket);
    assert_eq!(verdicts()?, without);
    Ok(())
}

suite![
    verdicts_are_the_interpreters,
    loads_at_the_edges_are_the_interpreters,
    loads_reach_up_to_offset_65531,
    what_xdp_does_not_know_is_refused_with_its_place,
    processors_and_chance_are_known,
    long_programs_are_translated_and_too_long_jumps_are_refused,
    accepted_packets_go_to_the_socket_of_their_queue,
];
