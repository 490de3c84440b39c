//! XDP programs on interfaces: attached, in each other's way, replaced.

mod xdp {
    pub(crate) mod cable;
    pub(crate) mod objects;
    pub(crate) mod rights;
}

use core::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use packet_ring::bpf::{Program as Filter, Size, Source, Statement, assemble};
use packet_ring::xdp::{
    AttachMode, AttachedMode, Interface, Occupant, Program, Redirect, Rejected,
};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Link, VethOptions, frame, suite};
use rustix::io::Errno;
use xdp::cable::{Cable, FRAME, bare_only, udp_only};
use xdp::objects::{foreign_program, refused};
use xdp::rights::map;

fn each_mode_filters_and_says_where_it_runs_until_it_is_dropped() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let program = bare_only(&map)?;
    let id = Some(program.id()?);
    let cable = Cable::new()?;
    for (wanted, granted, programs) in [
        (AttachMode::Native, AttachedMode::Native, [id, None]),
        (AttachMode::Generic, AttachedMode::Generic, [None, id]),
        (AttachMode::Either, AttachedMode::Native, [id, None]),
    ] {
        cable.assert_passes(true, true)?;
        let attachment = program.attach(cable.interface, wanted)?;
        assert_eq!(attachment.mode()?, granted);
        assert_eq!(attachment.interface()?, Some(cable.interface));
        assert_eq!(cable.programs()?, programs);
        cable.assert_passes(false, true)?;
        drop(attachment);
        assert_eq!(cable.programs()?, [None, None]);
    }
    cable.assert_passes(true, true)
}

fn where_the_driver_knows_no_xdp_either_is_generic() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let program = Redirect::to(&map).load()?;
    let lo = Link::named("lo")?;
    let interface = Interface::by_index(lo.index()?).ok_or("no interface")?;
    let native = program.attach(interface, AttachMode::Native).map(drop);
    let operation = Operation::AttachProgram {
        interface: interface.index(),
    };
    let error = native.unwrap_err().error();
    assert_eq!(error, refused(operation, Errno::OPNOTSUPP));
    assert!(
        error.to_string().contains("choose the generic mode"),
        "{error}"
    );
    let attachment = program.attach(interface, AttachMode::Either)?;
    assert_eq!(attachment.mode()?, AttachedMode::Generic);
    assert_eq!(lo.facts()?.generic_xdp, Some(program.id()?));
    Ok(())
}

fn a_conflict_names_the_program_that_is_there() -> TestResult {
    let cable = Cable::new()?;
    // Nobody needs a right to ask.
    assert_eq!(Occupant::of(cable.interface)?, None);
    let Some(map) = map()? else {
        return Ok(());
    };
    let (first, second) = (Redirect::to(&map).load()?, Redirect::to(&map).load()?);
    for (there, mode, other) in [
        (
            AttachMode::Native,
            AttachedMode::Native,
            AttachMode::Generic,
        ),
        (
            AttachMode::Generic,
            AttachedMode::Generic,
            AttachMode::Native,
        ),
    ] {
        let _there = first.attach(cable.interface, there)?;
        for (mine, errno) in [(there, Errno::BUSY), (other, Errno::EXIST)] {
            let refusal = second.attach(cable.interface, mine).map(drop).unwrap_err();
            let conflict = Error::Occupied {
                interface: cable.interface.index(),
                errno,
                program: first.id()?,
                mode,
            };
            assert_eq!(
                (refusal.error(), Error::from(refusal)),
                (conflict, conflict)
            );
            let occupant = refusal.occupant().ok_or("nobody is there")?;
            assert_eq!((occupant.id(), occupant.mode()), (first.id()?, mode));
            assert_eq!(occupant.name(), Some("packet_ring"));
            assert_eq!(Occupant::of(cable.interface)?, Some(occupant));
            let id = first.id()?;
            let named =
                format!("; program {id} is attached to it, {mode}; it is called packet_ring");
            assert!(refusal.to_string().ends_with(&named), "{refusal}");
        }
    }
    Ok(())
}

fn a_program_without_a_name_is_named_by_its_number() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let foreign = Program::from_fd(foreign_program()?)?;
    let cable = Cable::new()?;
    let _there = foreign.attach(cable.interface, AttachMode::Either)?;
    let occupant = Occupant::of(cable.interface)?.ok_or("nobody is there")?;
    assert_eq!((occupant.id(), occupant.name()), (foreign.id()?, None));
    let late = Redirect::to(&map).load()?;
    let late = late.attach(cable.interface, AttachMode::Either).map(drop);
    let text = format!("; program {} is attached to it, native", foreign.id()?);
    assert!(late.unwrap_err().to_string().ends_with(&text));
    Ok(())
}

/// Both programs drop UDP: none passes while they take turns, and what else they do changes at once.
fn a_program_is_replaced_in_traffic_without_a_gap() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let programs = [bare_only(&map)?, bare_only(&map)?];
    let udp = udp_only(&map)?;
    let cable = Cable::new()?;
    let attachment = programs[0].attach(cable.interface, AttachMode::Native)?;
    let before = cable.pair.far.counters()?;
    let done = AtomicBool::new(false);
    let sent = thread::scope(|scope| -> Result<u64, Stopped> {
        let flood = scope.spawn(|| {
            let template = frame::numbered_udp(0, FRAME);
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                sent += cable.injector.flood(&template, 0..64);
            }
            sent
        });
        let turns = (0..200).map(|turn| -> Result<_, Stopped> {
            let [from, to] = [turn % 2, (turn + 1) % 2].map(|at| &programs[at]);
            attachment.replace(from, to)?;
            Ok((cable.programs()?, [Some(to.id()?), None]))
        });
        let turns = turns.collect::<Result<Vec<_>, _>>();
        done.store(true, Ordering::Relaxed);
        let sent = flood.join().expect("the flood ends");
        for (there, expected) in turns? {
            assert_eq!(there, expected);
        }
        Ok(sent)
    })?;
    // The first frame that passes is one that may.
    assert_eq!(cable.passed(&[frame::numbered(7, FRAME)])?, [7]);
    let received = cable.pair.far.counters()?.since(&before).rx_packets;
    assert_eq!((received, sent >= 200), (sent + 1, true));
    attachment.replace(&programs[0], &udp)?;
    cable.assert_passes(true, false)
}

fn another_program_than_expected_is_not_replaced() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let [there, other, new] = [bare_only(&map)?, bare_only(&map)?, udp_only(&map)?];
    let cable = Cable::new()?;
    let attachment = there.attach(cable.interface, AttachMode::Native)?;
    let error = attachment.replace(&other, &new).unwrap_err();
    assert_eq!(error, refused(Operation::ReplaceProgram, Errno::PERM));
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(cable.programs()?, [Some(there.id()?), None]);
    cable.assert_passes(false, true)
}

fn a_large_mtu_takes_a_program_with_fragments() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let mtu = 9_000;
    let cable = Cable::with(&VethOptions {
        mtu,
        ..VethOptions::default()
    })?;
    let one_piece = Redirect::to(&map).load()?;
    let native = one_piece.attach(cable.interface, AttachMode::Native);
    let error = native.map(drop).unwrap_err().error();
    assert_eq!(error.errno(), Some(Errno::RANGE));
    assert!(error.to_string().contains("with fragments"), "{error}");
    drop(one_piece.attach(cable.interface, AttachMode::Generic)?);
    let fragments = Redirect::to(&map).fragments().load()?;
    let attachment = fragments.attach(cable.interface, AttachMode::Native)?;
    assert_eq!(attachment.mode()?, AttachedMode::Native);
    // The whole frame goes on to the network stack.
    let frame = frame::numbered(3, mtu as usize);
    assert_eq!(cable.passed(&[frame])?, [3]);
    Ok(())
}

fn a_filter_reads_behind_the_first_piece_of_a_packet() -> TestResult {
    const AT: u32 = 8_000;
    let Some(map) = map()? else {
        return Ok(());
    };
    let program = assemble([
        Statement::LdAbs(Size::B, AT),
        Statement::Jeq(Source::K(0xee), 0, 1),
        Statement::RetK(0),
        Statement::RetK(1),
    ]);
    let filter = Filter::new_assert(&program);
    let redirect = Redirect::to(&map).filter(&filter).rejected(Rejected::Drop);
    let program = redirect.fragments().load()?;
    let mtu = 9_000;
    let cable = Cable::with(&VethOptions {
        mtu,
        ..VethOptions::default()
    })?;
    let mut frames: Vec<_> = (0..4).map(|n| frame::numbered(n, mtu as usize)).collect();
    for (frame, byte) in frames.iter_mut().zip([0xee, 1, 0xee, 2]) {
        frame[AT as usize] = byte;
    }
    for mode in [AttachMode::Native, AttachMode::Generic] {
        let _attachment = program.attach(cable.interface, mode)?;
        assert_eq!(cable.passed(&frames)?, [1, 3], "{mode:?}");
    }
    Ok(())
}

fn an_interface_that_is_gone_takes_its_program_with_it() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let program = Redirect::to(&map).load()?;
    let cable = Cable::new()?;
    let attachment = program.attach(cable.interface, AttachMode::Either)?;
    cable.pair.delete()?;
    assert_eq!(attachment.interface()?, None);
    assert_eq!(attachment.mode(), Err(Error::NoSuchInterface));
    assert_eq!(Occupant::of(cable.interface), Err(Error::NoSuchInterface));
    let error = attachment.replace(&program, &program).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::NOLINK));
    let again = program.attach(cable.interface, AttachMode::Either);
    let error = again.map(drop).unwrap_err().error();
    assert_eq!(error, Error::NoSuchInterface);
    Ok(())
}

suite![
    each_mode_filters_and_says_where_it_runs_until_it_is_dropped,
    where_the_driver_knows_no_xdp_either_is_generic,
    a_conflict_names_the_program_that_is_there,
    a_program_without_a_name_is_named_by_its_number,
    a_program_is_replaced_in_traffic_without_a_gap,
    another_program_than_expected_is_not_replaced,
    a_large_mtu_takes_a_program_with_fragments,
    a_filter_reads_behind_the_first_piece_of_a_packet,
    an_interface_that_is_gone_takes_its_program_with_it,
];
