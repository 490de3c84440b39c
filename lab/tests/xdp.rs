//! What the lab tells of XDP and of pollers, and what limits it sets.

use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{
    EbpfInstruction, Injector, LabError, Offload, OffloadState, VethOptions, VethPair, XdpMode,
    frame, load_xdp_program, suite, with_locked_memory,
};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// `XDP_DROP` of every packet; `None` where nobody may load it.
fn dropper() -> Result<Option<OwnedFd>, LabError> {
    let move_constant = EbpfInstruction::new(0xb7, 0, 0, 0, 1);
    let exit = EbpfInstruction::new(0x95, 0, 0, 0, 0);
    load_xdp_program(&[move_constant, exit])
}

fn jumbo() -> Result<VethPair, Stopped> {
    Ok(VethPair::create(&VethOptions {
        mtu: 9000,
        ..Default::default()
    })?)
}

fn a_program_is_told_with_its_mode() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    assert_eq!(pair.far.xdp()?, None);
    let Some(program) = dropper()? else {
        // An ordinary user loads none, and what there is none of cannot be attached.
        assert_eq!(pair.far.detach_xdp(XdpMode::Driver), Ok(()));
        assert_eq!(pair.far.xdp()?, None);
        return Ok(());
    };
    let mut programs = Vec::new();
    for mode in [XdpMode::Driver, XdpMode::Generic] {
        pair.far.attach_xdp(&program, mode)?;
        let attached = pair.far.xdp()?.ok_or("no program")?;
        assert_eq!(attached.mode, mode);
        programs.push(attached.program.ok_or("no number")?);
        pair.far.detach_xdp(mode)?;
        assert_eq!(pair.far.xdp()?, None);
    }
    assert_eq!(programs[0], programs[1]);
    // One that takes packets whole alone is refused where they come in parts.
    let jumbo = jumbo()?;
    let refused = jumbo.far.attach_xdp(&program, XdpMode::Driver);
    assert_eq!(
        refused.err().and_then(|why| why.errno()),
        Some(Errno::RANGE)
    );
    Ok(())
}

fn the_driver_counts_what_a_program_does() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let counted = pair.far.driver_counters()?;
    for name in ["rx_queue_0_xdp_packets", "rx_queue_0_xdp_drops"] {
        assert_eq!(counted.get(name), Some(&0), "{counted:?}");
    }
    if let Some(program) = dropper()? {
        pair.far.attach_xdp(&program, XdpMode::Driver)?;
        let count = Injector::on(&pair.near)?.flood(&frame::numbered(0, 60), 0..100);
        // Its poller counts them in its own time.
        while pair.far.driver_counters()?["rx_queue_0_xdp_drops"] < count {
            std::thread::yield_now();
        }
    }
    Ok(())
}

fn pollers_come_with_merging_and_with_a_program() -> TestResult {
    let pair = VethPair::create(&VethOptions {
        queues: 2,
        ..Default::default()
    })?;
    assert_eq!(pair.far.napis()?, []);
    pair.far
        .set_offload(Offload::ReceiveMerging, OffloadState::On)?;
    let with_merging = pair.far.napis()?;
    assert_eq!(with_merging.len(), 2);
    assert_ne!(with_merging[0].id, with_merging[1].id);
    pair.far
        .set_offload(Offload::ReceiveMerging, OffloadState::Off)?;
    assert_eq!(pair.far.napis()?, []);
    if let Some(program) = dropper()? {
        pair.far.attach_xdp(&program, XdpMode::Driver)?;
        assert_eq!(pair.far.napis()?.len(), 2);
        // Who may load programs may mount sysfs.
        pair.far.set_sysfs("gro_flush_timeout", "20000")?;
        assert_eq!(pair.far.sysfs::<u64>("gro_flush_timeout")?, 20_000);
        for napi in pair.far.napis()? {
            assert_eq!(napi.gro_flush_timeout, 20_000);
        }
    } else {
        let refused = pair.far.sysfs::<u64>("gro_flush_timeout").err();
        assert_eq!(refused.and_then(|why| why.errno()), Some(Errno::PERM));
    }
    Ok(())
}

fn locked_memory_is_limited_for_a_while() -> TestResult {
    let before = getrlimit(Resource::Memlock);
    let within = with_locked_memory(4096, || getrlimit(Resource::Memlock))?;
    assert_eq!(
        (within.current, within.maximum),
        (Some(4096), before.maximum)
    );
    assert_eq!(getrlimit(Resource::Memlock), before);
    Ok(())
}

suite![
    a_program_is_told_with_its_mode,
    the_driver_counts_what_a_program_does,
    pollers_come_with_merging_and_with_a_program;
    alone: locked_memory_is_limited_for_a_while,
];
