//! Fanout by a program: classic BPF and eBPF.

mod data_path;
mod members;

use std::fs::File;

use packet_ring::bpf::Statement::{Ja, LdAbs, RetA};
use packet_ring::bpf::{Instruction, SKF_LL_OFF, Size, assemble};
use packet_ring::packet::{Fanout, FanoutMode, Socket};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{EbpfInstruction, Injector, frame, load_socket_filter, suite};
use rustix::fd::AsFd;
use rustix::io::Errno;

use data_path::FRAME;
use members::{Group, ROOMY};

/// What a program answers that the kernel does not take.
const REFUSED: Result<(), Error> = Err(Error::System {
    operation: Operation::SetFanoutProgram,
    errno: Errno::INVAL,
});

/// Loads a byte and returns it.
fn by_byte(offset: u32) -> [Instruction; 2] {
    assemble([LdAbs(Size::B, offset), RetA])
}

/// Where the last byte of a frame's number lies behind the Ethernet header.
const LAST_OF_NUMBER: u32 = 15;

/// Sends numbers and demands that each member gets those that are its own modulo the members.
fn shares_by_number(group: &mut Group) -> TestResult {
    group.flood(0..200)?;
    for (member, share) in group.shares(200)?.iter().enumerate() {
        assert_eq!(share.len(), 50);
        assert!(
            share.iter().all(|number| *number as usize % 4 == member),
            "{share:?}"
        );
    }
    Ok(())
}

fn classic_bpf_gives_as_the_program_says() -> TestResult {
    let mut group = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::ClassicBpf))?;
    group.flood(0..20)?;
    assert_eq!(group.shares(20)?[0].len(), 20, "without a program");
    // Any member can set it.
    group.members[2]
        .group()
        .set_program(&by_byte(LAST_OF_NUMBER))?;
    shares_by_number(&mut group)?;
    group.members[0]
        .group()
        .set_program(&[Instruction::keep(7)])?;
    group.flood(0..20)?;
    assert_eq!(group.shares(20)?[7 % 4].len(), 20);
    let endless = assemble([Ja(9)]);
    assert_eq!(group.members[0].group().set_program(&endless), REFUSED);
    // The one that was there goes on.
    group.flood(0..20)?;
    assert_eq!(group.shares(20)?[7 % 4].len(), 20);
    Ok(())
}

fn a_programs_offsets_depend_on_the_direction_unless_it_says_from_where() -> TestResult {
    let mut group = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::ClassicBpf))?;
    let out = Injector::on(&group.pair.far)?;
    let outgoing = |group: &mut Group| -> Result<Vec<usize>, Stopped> {
        let before: Vec<_> = group.members.iter_mut().map(Socket::statistics).collect();
        out.send(&frame::numbered(2, FRAME))?;
        let after = group.members.iter_mut().map(Socket::statistics);
        let counts = before.into_iter().zip(after);
        counts
            .map(|(before, after)| Ok((after?.packets - before?.packets) as usize))
            .collect()
    };
    group.members[0]
        .group()
        .set_program(&by_byte(14 + LAST_OF_NUMBER))?;
    assert_eq!(outgoing(&mut group)?, [0, 0, 1, 0]);
    let anywhere = by_byte(SKF_LL_OFF + 14 + LAST_OF_NUMBER);
    group.members[0].group().set_program(&anywhere)?;
    assert_eq!(outgoing(&mut group)?, [0, 0, 1, 0]);
    let mut arriving = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::ClassicBpf))?;
    arriving.members[0].group().set_program(&anywhere)?;
    shares_by_number(&mut arriving)
}

fn ebpf_gives_as_the_program_says() -> TestResult {
    let mut group = Group::new(4, ROOMY, Fanout::in_new_group(FanoutMode::Ebpf))?;
    group.flood(0..20)?;
    assert_eq!(group.shares(20)?[0].len(), 20, "without a program");
    let no_program = File::open("/dev/null")?;
    assert_eq!(
        group.members[1]
            .group()
            .set_ebpf_program(no_program.as_fd()),
        REFUSED
    );
    assert_eq!(group.members[1].group().set_program(&by_byte(0)), REFUSED);
    // Keeps the packet where loads look for it, loads the byte and returns it.
    let program = load_socket_filter(&[
        EbpfInstruction::new(0xbf, 6, 1, 0, 0),
        EbpfInstruction::new(0x30, 0, 0, 0, LAST_OF_NUMBER as i32),
        EbpfInstruction::new(0x95, 0, 0, 0, 0),
    ])?;
    let Some(program) = program else {
        // An ordinary user has nothing to set; what was there goes on.
        group.flood(0..20)?;
        assert_eq!(group.shares(20)?[0].len(), 20);
        return Ok(());
    };
    group.members[1].group().set_ebpf_program(program.as_fd())?;
    drop(program);
    shares_by_number(&mut group)
}

fn only_groups_that_choose_by_program_take_one() -> TestResult {
    let group = Group::new(1, ROOMY, Fanout::in_new_group(FanoutMode::Hash))?;
    assert_eq!(group.members[0].group().set_program(&by_byte(0)), REFUSED);
    Ok(())
}

suite![
    classic_bpf_gives_as_the_program_says,
    a_programs_offsets_depend_on_the_direction_unless_it_says_from_where,
    ebpf_gives_as_the_program_says,
    only_groups_that_choose_by_program_take_one,
];
