//! Maps, programs and links as descriptors and as names: pinned, of others, of the wrong kind, and whose rights
//! they take.

mod xdp {
    pub(crate) mod cable;
    pub(crate) mod objects;
    pub(crate) mod rights;
}

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use packet_ring::bpf::{Program as Filter, Size, Statement, assemble};
use packet_ring::xdp::{AttachMode, AttachedMode, Attachment, Occupant, Program, Redirect, Xskmap};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{EbpfInstruction, create_map, load_socket_filter, mount_bpffs, suite};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use xdp::cable::{Cable, bare_only, udp_only};
use xdp::objects::{foreign_program, refused, xdp_socket};
use xdp::rights::{assert_refused, map};

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
        ["map", "program", "link"].map(|name| name_in(directory, name));
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
    let absent = Attachment::open(&name_in(directory, "absent")).map(drop);
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
        assert_eq!(error, refused(Operation::InsertSocket { queue }, errno));
        assert!(error.to_string().contains(help), "{error}");
    }
    map.remove(0)?;
    let error = map.remove(1).unwrap_err();
    let queue = 1;
    assert_eq!(
        error,
        refused(Operation::RemoveSocket { queue }, Errno::INVAL)
    );
    assert!(error.to_string().contains("no such queue"), "{error}");
    let none = Xskmap::create(0).map(drop).unwrap_err();
    assert_eq!(none, refused(Operation::CreateXskmap, Errno::INVAL));
    Ok(())
}

/// What a privileged parent has made, a child without rights attaches, feeds with sockets and replaces.
fn who_holds_the_descriptors_needs_no_rights() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    let [bare, udp] = [bare_only(&map)?, udp_only(&map)?];
    let (cable, other) = (Cable::new()?, Cable::new()?);
    let there = udp.attach(other.interface, AttachMode::Either)?;
    let socket = xdp_socket()?;
    keep_rights(CapabilitySet::empty())?;
    assert_refused(Xskmap::create(1).map(drop).unwrap_err());
    let program = Redirect::to(&map).load();
    let error = Error::from(program.map(drop).unwrap_err());
    assert_refused(error);
    assert!(matches!(
        error,
        Error::System {
            operation: Operation::LoadProgram,
            ..
        }
    ));

    map.insert(0, &socket)?;
    map.remove(0)?;
    let attachment = bare.attach(cable.interface, AttachMode::Either)?;
    assert_eq!(attachment.mode()?, AttachedMode::Native);
    cable.assert_passes(false, true)?;
    attachment.replace(&bare, &udp)?;
    cable.assert_passes(true, false)?;
    attachment.detach()?;
    // The program's name is a secret; its number is not.
    let occupant = Occupant::of(other.interface)?.ok_or("nobody is there")?;
    assert_eq!((occupant.id(), occupant.name()), (udp.id()?, None));
    drop(there);
    Ok(())
}

/// Leaves the calling thread, which ends with its test, these rights alone.
fn keep_rights(rights: CapabilitySet) -> Result<(), Errno> {
    let sets = CapabilitySets {
        effective: rights,
        permitted: rights,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
}

/// Constant offsets take two capabilities; those that the packet decides one more, and the verifier's own
/// words say what it minds.
fn the_verifiers_words_are_in_the_error() -> TestResult {
    let Some(map) = map()? else {
        return Ok(());
    };
    keep_rights(CapabilitySet::BPF | CapabilitySet::NET_ADMIN)?;
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
    what_was_pinned_outlives_its_handles_and_is_opened_again,
    a_name_outside_of_a_bpffs_is_refused_with_what_helps,
    maps_programs_and_links_of_others_are_taken,
    what_is_of_another_kind_is_refused,
    what_is_no_socket_or_no_queue_is_refused,
    who_holds_the_descriptors_needs_no_rights,
    the_verifiers_words_are_in_the_error,
];
