//! XDP programs on interfaces: attached, in each other's way, replaced, pinned; and those of others.

mod xdp {
    pub(crate) mod cable;
    pub(crate) mod rights;
}

use core::sync::atomic::{AtomicBool, Ordering};
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::thread;

use packet_ring::bpf::{Program as Filter, Size, Statement, assemble};
use packet_ring::xdp::{
    AttachMode, AttachedMode, Attachment, Interface, Occupant, Program, Redirect, Xskmap,
};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    EbpfInstruction, Link, VethOptions, create_map, frame, load_socket_filter, load_xdp,
    mount_bpffs, suite,
};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use xdp::cable::{Cable, FRAME, bare_only, udp_only};
use xdp::rights::map;

fn refused(operation: Operation, errno: Errno) -> Error {
    Error::System { operation, errno }
}

fn xdp_socket() -> Result<OwnedFd, Errno> {
    socket_with(
        AddressFamily::XDP,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// A program of another library: `return XDP_PASS`.
fn foreign_program() -> Result<OwnedFd, Stopped> {
    Ok(load_xdp(&[
        EbpfInstruction::new(0xb7, 0, 0, 0, 2),
        EbpfInstruction::new(0x95, 0, 0, 0, 0),
    ])?)
}

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
    let error = native.unwrap_err();
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
    let Some(map) = map()? else {
        return Ok(());
    };
    let (first, second) = (Redirect::to(&map).load()?, Redirect::to(&map).load()?);
    let cable = Cable::new()?;
    assert_eq!(Occupant::of(cable.interface)?, None);
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
        for (mine, expected) in [(there, Errno::BUSY), (other, Errno::EXIST)] {
            let error = second.attach(cable.interface, mine).map(drop).unwrap_err();
            assert_eq!(error.errno(), Some(expected));
            let Error::Occupied {
                interface,
                occupant,
                ..
            } = error
            else {
                return Err(format!("not a conflict: {error}").into());
            };
            assert_eq!(interface, cable.interface.index());
            assert_eq!((occupant.id(), occupant.mode()), (first.id()?, mode));
            assert_eq!(occupant.name(), Some("packet_ring"));
            assert_eq!(Occupant::of(cable.interface)?, Some(occupant));
            let text = error.to_string();
            let named = format!("program {} (packet_ring), {mode}", first.id()?);
            assert!(text.contains(&named), "{text}");
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
    let text = format!("program {}, native", foreign.id()?);
    assert_eq!(occupant.to_string(), text);
    let late = Redirect::to(&map).load()?;
    let late = late.attach(cable.interface, AttachMode::Either).map(drop);
    assert!(late.unwrap_err().to_string().contains(&text));
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
        for turn in 0..200 {
            let [from, to] = [turn % 2, (turn + 1) % 2].map(|at| &programs[at]);
            attachment.replace(from, to)?;
            assert_eq!(cable.programs()?, [Some(to.id()?), None]);
        }
        done.store(true, Ordering::Relaxed);
        Ok(flood.join().expect("the flood ends"))
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
    let error = native.map(drop).unwrap_err();
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
    assert_eq!(again.map(drop), Err(Error::NoSuchInterface));
    Ok(())
}

fn name_in(directory: &Path, name: &str) -> CString {
    let path = directory.join(name).into_os_string();
    CString::new(path.into_vec()).expect("a path without zeros")
}

fn what_was_pinned_outlives_its_handles_and_is_opened_again() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let directory = mount_bpffs()?;
    let [map_name, program_name, link_name] =
        ["map", "program", "link"].map(|name| name_in(&directory, name));
    let cable = Cable::new()?;
    let id = {
        let program = bare_only(&map)?;
        let attachment = program.attach(cable.interface, AttachMode::Generic)?;
        map.pin(&map_name)?;
        program.pin(&program_name)?;
        attachment.pin(&link_name)?;
        let taken = attachment.pin(&link_name).unwrap_err();
        assert_eq!(taken, refused(Operation::Pin, Errno::EXIST));
        drop(map);
        program.id()?
    };
    assert_eq!(cable.programs()?, [None, Some(id)]);
    cable.assert_passes(false, true)?;

    assert_eq!(Xskmap::open(&map_name)?.entries(), 1);
    assert_eq!(Program::open(&program_name)?.id()?, id);
    let absent = Attachment::open(&name_in(&directory, "absent")).map(drop);
    let absent = absent.unwrap_err();
    assert_eq!(absent, refused(Operation::OpenPinned, Errno::NOENT));
    // One kind is not opened as another.
    assert_eq!(Xskmap::open(&link_name).map(drop), Err(Error::NotXskmap));
    assert_eq!(
        Program::open(&map_name).map(drop),
        Err(Error::NotXdpProgram)
    );
    assert_eq!(
        Attachment::open(&program_name).map(drop),
        Err(Error::NotXdpLink)
    );

    drop(Attachment::open(&link_name)?);
    assert_eq!(cable.programs()?, [None, Some(id)], "the name holds it");
    let attachment = Attachment::open(&link_name)?;
    assert_eq!(attachment.mode()?, AttachedMode::Generic);
    attachment.detach()?;
    assert_eq!(cable.programs()?, [None, None]);
    cable.assert_passes(true, true)
}

fn a_name_outside_of_a_bpffs_is_refused_with_what_helps() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let error = map.pin(&name_in(&std::env::temp_dir(), "map")).unwrap_err();
    assert!(matches!(
        error,
        Error::System {
            operation: Operation::Pin,
            ..
        }
    ));
    assert!(error.to_string().contains("mount -t bpf"), "{error}");
    Ok(())
}

fn maps_programs_and_links_of_others_are_taken() -> TestResult {
    const XSKMAP: u32 = 17;
    let Some(_) = map()? else {
        return Ok(());
    };
    let map = Xskmap::from_fd(create_map(XSKMAP, 4, 4, 3)?)?;
    assert_eq!(map.entries(), 3);
    map.insert(2, xdp_socket()?)?;
    let program = Program::from_fd(foreign_program()?)?;
    let cable = Cable::new()?;
    let link: OwnedFd = program.attach(cable.interface, AttachMode::Either)?.into();
    let attachment = Attachment::from_fd(link)?;
    attachment.replace(&program, &bare_only(&map)?)?;
    cable.assert_passes(false, true)
}

fn what_is_of_another_kind_is_refused() -> TestResult {
    const HASH: u32 = 1;
    const ARRAY: u32 = 2;
    /// Number 6, as those of XDP programs and of their links.
    const PERCPU_ARRAY: u32 = 6;
    const DEVMAP: u32 = 14;
    let Some(map) = map()? else {
        return Ok(());
    };
    let cable = Cable::new()?;
    let program = Redirect::to(&map).load()?;
    let link = program.attach(cable.interface, AttachMode::Either)?;
    let filter = [
        EbpfInstruction::new(0xb7, 0, 0, 0, 0),
        EbpfInstruction::new(0x95, 0, 0, 0, 0),
    ];
    let others = [
        create_map(HASH, 4, 4, 1)?,
        create_map(ARRAY, 4, 8, 1)?,
        create_map(PERCPU_ARRAY, 4, 8, 4)?,
        create_map(DEVMAP, 4, 4, 1)?,
        load_socket_filter(&filter)?.ok_or("no right to load")?,
        File::open("/dev/null")?.into(),
        xdp_socket()?,
    ];
    let kinds = |fd: &OwnedFd| -> Result<_, Stopped> {
        let map = Xskmap::from_fd(fd.try_clone()?).map(drop);
        let program = Program::from_fd(fd.try_clone()?).map(drop);
        let link = Attachment::from_fd(fd.try_clone()?).map(drop);
        Ok((map, program, link))
    };
    let no_map = Err(Error::NotXskmap);
    let no_program = Err(Error::NotXdpProgram);
    let no_link = Err(Error::NotXdpLink);
    for other in &others {
        assert_eq!(kinds(other)?, (no_map, no_program, no_link), "{other:?}");
    }
    assert_eq!(kinds(&map.into())?, (Ok(()), no_program, no_link));
    assert_eq!(kinds(&program.into())?, (no_map, Ok(()), no_link));
    assert_eq!(kinds(&link.into())?, (no_map, no_program, Ok(())));
    Ok(())
}

fn what_is_no_socket_or_no_queue_is_refused() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let null = File::open("/dev/null")?;
    let stream = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    for (queue, fd, errno, help) in [
        (0, null.as_fd(), Errno::NOTSOCK, "no AF_XDP socket"),
        (0, stream.as_fd(), Errno::OPNOTSUPP, "no AF_XDP socket"),
        (1, xdp_socket()?.as_fd(), Errno::TOOBIG, "no such queue"),
    ] {
        let error = map.insert(queue, fd).unwrap_err();
        assert_eq!(error, refused(Operation::UpdateXskmap { queue }, errno));
        assert!(error.to_string().contains(help), "{error}");
    }
    map.remove(0)?;
    let error = map.remove(1).unwrap_err();
    assert!(error.to_string().contains("no such queue"), "{error}");
    let none = Xskmap::create(0).map(drop).unwrap_err();
    assert_eq!(none, refused(Operation::CreateXskmap, Errno::INVAL));
    Ok(())
}

/// Constant offsets take two capabilities; those that the packet decides one more, and the verifier's own
/// words say what it minds.
fn the_verifiers_words_are_in_the_error() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    // This thread alone, which ends with the test.
    let rights = CapabilitySet::BPF | CapabilitySet::NET_ADMIN;
    let sets = CapabilitySets {
        effective: rights,
        permitted: rights,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)?;
    let constant = assemble([Statement::LdAbs(Size::W, 26), Statement::RetA]);
    let filter = Filter::new_assert(&constant);
    let redirect = Redirect::to(&map).filter(&filter);
    redirect.load()?;
    redirect.fragments().load()?;
    let by_packet = assemble([
        Statement::LdxMsh(14),
        Statement::LdInd(Size::H, 16),
        Statement::RetA,
    ]);
    let filter = Filter::new_assert(&by_packet);
    let refusal = Redirect::to(&map).filter(&filter).load();
    let refusal = refusal.map(drop).unwrap_err();
    let error = refused(Operation::LoadProgram, Errno::ACCESS);
    assert_eq!(refusal.error(), error);
    assert!(refusal.log().lines().count() > 10, "{}", refusal.log());
    let text = refusal.to_string();
    assert!(text.contains("CAP_PERFMON"), "{text}");
    let (_, words) = text.split_once("; the verifier: ").ok_or("no words")?;
    assert!(
        refusal.log().contains(words) && words.starts_with('R'),
        "{words}"
    );
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
    an_interface_that_is_gone_takes_its_program_with_it,
    what_was_pinned_outlives_its_handles_and_is_opened_again,
    a_name_outside_of_a_bpffs_is_refused_with_what_helps,
    maps_programs_and_links_of_others_are_taken,
    what_is_of_another_kind_is_refused,
    what_is_no_socket_or_no_queue_is_refused,
    the_verifiers_words_are_in_the_error,
];
