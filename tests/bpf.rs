//! Classic BPF held against the kernel: what it takes, and what its programs say of packets.
//!
//! The programs are random and the kernel judges them, attached to one of a pair of sockets.

mod filter {
    pub(crate) mod judge;
    pub(crate) mod programs;
}

use core::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use filter::judge::Judge;
use filter::programs::{self, damaged, instruction, name, nearly_valid, packet, shown};
use packet_ring::bpf::{
    Ancillary, Context, Instruction, InvalidProgram, MAX_INSTRUCTIONS, Program, Size, Source,
    Statement, assemble,
};
use packet_ring_lab::kernel;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::io::Errno;

/// Runs `property` over this many values.
fn over<S: Strategy>(cases: u32, values: S, property: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&values, |value| {
            property(value);
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{why}"));
}

/// What a packet on the judge's socket is to a program: no interface, no link layer.
fn context(bytes: &[u8]) -> Context<'_> {
    Context {
        link_header: None,
        network_header: 0,
        ..Context::new(bytes)
    }
}

/// What the kernel leaves of a packet with this verdict: a filter of a socket keeps at least a byte.
fn left(verdict: u32, packet: &[u8]) -> Option<usize> {
    (verdict != 0).then(|| packet.len().min(verdict as usize))
}

/// The kernel and the check agree over these programs, and both say yes and no this often.
fn agree(cases: u32, often: u32, programs: impl Strategy<Value = Vec<Instruction>>) {
    let judge = Judge::new();
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    over(cases, programs, |program| {
        let checked = Program::new(&program);
        assert_eq!(
            judge.accepts(&program),
            checked.is_ok(),
            "{:?} of {:?}",
            checked.err(),
            program
                .iter()
                .map(|i| (i, i.statement()))
                .collect::<Vec<_>>()
        );
        let outcome = if checked.is_ok() { &accepted } else { &refused };
        outcome.set(outcome.get() + 1);
    });
    let counts = (accepted.get(), refused.get());
    assert!(counts.0 >= often && counts.1 >= often, "{counts:?}");
}

#[test]
fn what_is_nearly_valid_is_taken_as_the_kernel_takes_it() {
    agree(16_000, 2_000, nearly_valid(16));
    agree(2_000, 10, nearly_valid(300));
}

#[test]
fn what_is_damaged_is_taken_as_the_kernel_takes_it() {
    agree(32_000, 4_000, damaged(8));
}

#[test]
fn noise_is_taken_as_the_kernel_takes_it() {
    agree(8_000, 5, vec(instruction(), 0..4));
    let ends =
        vec(instruction(), 1..3).prop_map(|noise| [noise, vec![Instruction::keep(1)]].concat());
    agree(8_000, 200, ends);
}

/// Every code, with an operand that most rules allow, and with others.
#[test]
fn each_code_is_taken_as_the_kernel_takes_it() {
    let judge = Judge::new();
    let mut accepted = 0;
    for code in 0..=0x1ff {
        for k in [
            0,
            1,
            15,
            16,
            31,
            32,
            0xffff_f000,
            0xffff_f001,
            0xffff_f03c,
            u32::MAX,
        ] {
            let program = [
                Statement::St(0).instruction(),
                Statement::St(1).instruction(),
                Instruction::new(code, 1, 0, k),
                Instruction::keep(1),
                Instruction::keep(2),
            ];
            let valid = Program::new(&program).is_ok();
            assert_eq!(judge.accepts(&program), valid, "{code:#x} {k:#x}");
            accepted += u32::from(valid);
        }
    }
    assert!(accepted > 300, "{accepted}");
}

#[test]
fn lengths_are_taken_as_the_kernel_takes_them() {
    let judge = Judge::new();
    for (len, valid) in [
        (0, Err(InvalidProgram::Empty)),
        (1, Ok(())),
        (MAX_INSTRUCTIONS, Ok(())),
        (MAX_INSTRUCTIONS + 1, Err(InvalidProgram::TooLong)),
    ] {
        let program = vec![Instruction::keep(1); len];
        assert_eq!(Program::new(&program).map(drop), valid);
        if len == MAX_INSTRUCTIONS && !kernel::takes_long_filters() {
            assert_eq!(judge.attach(&program), Err(Errno::NOMEM));
        } else {
            assert_eq!(judge.accepts(&program), valid.is_ok(), "{len}");
        }
    }
}

/// The limit that the documents name: it is none of the rules.
#[test]
fn the_kernel_does_not_translate_the_longest_jumps() {
    let judge = Judge::new();
    let over_loads = |count: usize| {
        let mut program = vec![Statement::LdAbs(Size::W, 0).instruction(); count + 2];
        program[0] = Statement::Ja(count as u32).instruction();
        program[count + 1] = Instruction::keep(1);
        program
    };
    let taken = if kernel::takes_long_filters() {
        Ok(())
    } else {
        Err(Errno::NOMEM)
    };
    for (count, answer) in [(500, taken), (4_000, Err(Errno::INVAL))] {
        let program = over_loads(count);
        assert!(Program::new(&program).is_ok());
        assert_eq!(judge.attach(&program), answer, "{count} loads");
    }
}

#[test]
fn each_rule_is_named_with_its_place() {
    use InvalidProgram as Why;
    use Source::K;
    use Statement as S;
    let cases = [
        (
            S::LdAbs(Size::W, 0xffff_f002),
            Why::UnknownAncillary { at: 1 },
        ),
        (S::Div(K(0)), Why::DivisionByZero { at: 1 }),
        (S::Mod(K(0)), Why::DivisionByZero { at: 1 }),
        (S::Lsh(K(32)), Why::ShiftTooFar { at: 1 }),
        (S::Rsh(K(99)), Why::ShiftTooFar { at: 1 }),
        (S::St(16), Why::NoSuchWord { at: 1 }),
        (S::LdxMem(u32::MAX), Why::NoSuchWord { at: 1 }),
        (S::Ja(1), Why::JumpOutside { at: 1 }),
        (S::Jset(Source::X, 0, 1), Why::JumpOutside { at: 1 }),
        (S::LdMem(3), Why::WordNotStored { at: 1 }),
    ];
    for (statement, why) in cases {
        let program = assemble([S::Tax, statement, S::RetA]);
        assert_eq!(Program::new(&program).err(), Some(why));
    }
    let unknown = [Instruction::new(0xff, 0, 0, 0)];
    let why = Program::new(&unknown).unwrap_err();
    assert_eq!(why, Why::UnknownCode { at: 0 });
    let text = why.to_string();
    assert!(text.starts_with("instruction 0: "), "{text}");
    let endless = assemble([S::Tax, S::Txa]);
    assert_eq!(Program::new(&endless).err(), Some(Why::NoReturn { at: 1 }));
}

/// Thousands of pairs of a program and a packet, each judged by both; every form of every statement is
/// among them.
#[test]
fn verdicts_are_the_kernels() {
    let judge = Judge::new();
    let (passed, dropped, cut) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let seen = RefCell::new(BTreeSet::new());
    // Every word is stored first, with what A and X then are: no program is refused for it.
    let stores = (0..16).map(|word| Statement::St(word).instruction());
    let prologue: Vec<_> = stores.collect();
    let programs = (nearly_valid(24), any::<bool>()).prop_map(move |(program, raw)| {
        let whole = [prologue.clone(), program].concat();
        if raw { whole } else { shown(&whole) }
    });
    over(
        12_000,
        (programs, vec(packet(), 3)),
        |(program, packets)| {
            let checked = Program::new(&program).expect("a valid program");
            judge.attach(&program).expect("a valid program");
            for packet in packets {
                let verdict = checked.run(&context(&packet));
                let kernels = judge.passes(&packet);
                assert_eq!(kernels, left(verdict, &packet), "{program:?}");
                let outcome = match kernels {
                    None => &dropped,
                    Some(len) if len < packet.len() => &cut,
                    Some(_) => &passed,
                };
                outcome.set(outcome.get() + 1);
            }
            let statements = program.iter().filter_map(|i| i.statement());
            seen.borrow_mut().extend(statements.map(name));
        },
    );
    let counts = (passed.get(), dropped.get(), cut.get());
    let enough = [counts.0, counts.1, counts.2].iter().all(|&n| n > 1_000);
    assert!(enough, "passed, dropped, cut: {counts:?}");
    // 32 kinds, of which LdAd has as many as are asked for, and 14 have a second operand that can be X.
    let kinds = 31 + programs::ANCILLARY.len() + 14;
    assert_eq!(seen.borrow().len(), kinds, "{:?}", seen.borrow());
}

/// The forms of which a random program meets the edge too seldom.
#[test]
fn verdicts_at_the_edges_are_the_kernels() {
    use Ancillary as Ad;
    use Source::{K, X};
    use Statement as S;
    let judge = Judge::new();
    let packet: Vec<u8> = (0..=255)
        .chain(0..=255)
        .map(|byte: u8| byte ^ 0xa5)
        .collect();
    let edges = [0, 1, 31, 32, 33, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let mut programs = Vec::new();
    for a in edges {
        for b in edges {
            for operation in [
                S::Add,
                S::Sub,
                S::Mul,
                S::Div,
                S::Mod,
                S::And,
                S::Or,
                S::Xor,
                S::Lsh,
                S::Rsh,
            ] {
                programs.push(vec![S::LdxImm(b), S::LdImm(a), operation(X), S::RetA]);
                programs.push(vec![S::LdImm(a), operation(K(b)), S::RetA]);
            }
            for jump in [S::Jeq, S::Jgt, S::Jge, S::Jset] {
                for (yes, no) in [(0, 1), (1, 0), (1, 2), (0, 0)] {
                    let ends = [S::RetK(10), S::RetK(20), S::RetK(30)];
                    let by_x = [S::LdxImm(b), S::LdImm(a), jump(X, yes, no)];
                    let by_k = [S::LdImm(a), jump(K(b), yes, no)];
                    programs.push([&by_x[..], &ends].concat());
                    programs.push([&by_k[..], &ends].concat());
                }
            }
        }
        programs.push(vec![S::LdImm(a), S::Neg, S::RetA]);
        // Without an interface the program ends with what the accumulator is.
        programs.push(vec![S::LdImm(a), S::LdAd(Ad::Ifindex), S::RetK(9)]);
        programs.push(vec![S::LdImm(a), S::LdAd(Ad::Hatype), S::RetK(9)]);
        for k in [
            0,
            508,
            509,
            510,
            511,
            512,
            0xfff0_0000,
            0xfff0_01fe,
            0xffe0_0000,
            0xffff_effc,
        ] {
            for size in [Size::W, Size::H, Size::B] {
                programs.push(vec![S::LdAbs(size, k), S::RetA]);
                programs.push(vec![S::LdxImm(a), S::LdInd(size, k), S::RetA]);
                programs.push(vec![S::LdxImm(k), S::LdInd(size, a), S::RetA]);
            }
            programs.push(vec![S::LdxMsh(k), S::Txa, S::RetA]);
        }
    }
    let mut verdicts = BTreeSet::new();
    for statements in programs {
        let program: Vec<_> = statements.iter().map(|s| s.instruction()).collect();
        for program in [shown(&program), program] {
            let Ok(checked) = Program::new(&program) else {
                assert!(!judge.accepts(&program), "{statements:?}");
                continue;
            };
            judge.attach(&program).expect("a valid program");
            let verdict = checked.run(&context(&packet));
            let expected = left(verdict, &packet);
            assert_eq!(judge.passes(&packet), expected, "{statements:?}");
            verdicts.insert(expected);
        }
    }
    assert!(verdicts.len() > 100, "{}", verdicts.len());
}

#[test]
fn what_is_written_is_what_is_read() {
    over(4_000, programs::statement(), |statement| {
        let read = statement.instruction().statement().expect("a known code");
        match (statement, read) {
            (Statement::LdAbs(_, k), Statement::LdAd(_)) => assert!(k >= 0xffff_f000),
            (statement, read) => assert_eq!(statement, read),
        }
    });
}

#[test]
fn any_valid_program_ends_over_any_packet() {
    let valid = Cell::new(0);
    let contexts = (packet(), any::<[u16; 6]>(), any::<[u32; 6]>());
    over(
        4_000,
        (damaged(12), contexts),
        |(program, (bytes, halves, words))| {
            let Ok(program) = Program::new(&program) else {
                return;
            };
            valid.set(valid.get() + 1);
            let [protocol, hardware_type, queue, vlan_tci, vlan_tpid, places] = halves;
            let [interface_index, mark, rxhash, cpu, payload_offset, random] = words;
            let place = |seed: u16| match seed % 4 {
                0 => usize::MAX - usize::from(seed),
                _ => usize::from(seed % 700),
            };
            let _ = program.run(&Context {
                bytes: &bytes,
                data: place(places),
                link_header: (places % 3 != 0).then(|| place(places / 3)),
                network_header: place(places / 5),
                len: mark ^ random,
                protocol,
                packet_type: places as u8,
                interface_index,
                hardware_type,
                mark,
                queue,
                rxhash,
                cpu,
                vlan_tci,
                vlan_tpid,
                payload_offset,
                random,
            });
        },
    );
    assert!(valid.get() > 1_000, "{}", valid.get());
}
