//! The lab, tried on itself: everything else leans on it.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::fs::File;
use std::net::UdpSocket;

use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{
    Injector, LabError, Link, Namespace, Offload, OffloadState, PacketType, Sees, TokenBucket,
    VethOptions, VethPair, Witness, frame, procfs, suite,
};
use rustix::io::Errno;

const QUIET: Duration = Duration::from_millis(100);

fn the_counters_see_what_was_sent_and_received() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    let frames: Vec<_> = (0..100)
        .map(|number| frame::numbered(number, 60 + number as usize))
        .collect();
    Injector::on(&pair.near)?.send_batch(&frames)?;
    let seen = witness.receive_until_quiet(QUIET)?;
    assert_eq!(
        seen.iter().map(|seen| &seen.bytes).collect::<Vec<_>>(),
        frames.iter().collect::<Vec<_>>()
    );
    assert!(
        seen.iter()
            .all(|seen| seen.packet_type == PacketType::Broadcast
                && seen.protocol == frame::ETHERTYPE)
    );
    let bytes: usize = frames.iter().map(Vec::len).sum();
    let (near, far) = (pair.near.counters()?, pair.far.counters()?);
    assert_eq!(
        (near.tx_packets, near.tx_bytes, near.tx_dropped),
        (100, bytes as u64, 0)
    );
    assert_eq!(
        (far.rx_packets, far.rx_bytes, far.rx_dropped),
        (100, bytes as u64, 0)
    );
    assert_eq!((near.rx_packets, far.tx_packets), (0, 0));
    Ok(())
}

fn a_fresh_pair_is_silent() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Everything)?;
    assert_eq!(
        witness.receive_until_quiet(Duration::from_millis(1500))?,
        []
    );
    for link in [&pair.near, &pair.far] {
        assert_eq!(link.counters()?, Default::default());
    }
    Ok(())
}

fn a_flood_loses_nothing_before_the_receiver() -> TestResult {
    const COUNT: u64 = 100_000;
    let pair = VethPair::create(&VethOptions::default())?;
    let sent = Injector::on(&pair.near)?.flood(&frame::numbered_udp(0, 60), 0..COUNT);
    assert_eq!(sent, COUNT);
    assert_eq!(pair.near.counters()?.tx_packets, COUNT);
    assert_eq!(pair.far.counters()?.rx_packets, COUNT);
    Ok(())
}

fn a_flood_is_numbered_in_order() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    // Few enough for the queue of an ordinary user, and more than one batch.
    assert_eq!(
        Injector::on(&pair.near)?.flood(&frame::numbered(0, 60), 1000..1150),
        150
    );
    assert_eq!(
        witness.numbers_until_quiet(QUIET)?,
        (1000..1150).collect::<Vec<_>>()
    );
    Ok(())
}

fn a_witness_of_everything_sees_what_goes_out() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let everything = Witness::on(&pair.near, Sees::Everything)?;
    let incoming = Witness::on(&pair.near, Sees::Incoming)?;
    Injector::on(&pair.near)?.send(&frame::numbered(1, 60))?;
    let seen = everything.receive(QUIET)?.ok_or("nothing went out")?;
    assert_eq!(seen.packet_type, PacketType::Outgoing);
    assert_eq!(incoming.receive(QUIET)?, None);
    Ok(())
}

fn a_link_goes_down_and_comes_back() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let injector = Injector::on(&pair.near)?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    pair.near.set_down()?;
    assert!(!pair.near.facts()?.is_up());
    assert!(pair.far.facts()?.is_up() && !pair.far.facts()?.is_running());
    assert_eq!(
        injector.send(&frame::numbered(1, 60)).unwrap_err().errno(),
        Some(Errno::NETDOWN)
    );
    assert_eq!(injector.flood(&frame::numbered(0, 60), 0..10), 0);
    pair.set_up()?;
    injector.send(&frame::numbered(2, 60))?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [2]);
    pair.far.set_down()?;
    let error = witness.receive(QUIET).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::NETDOWN));
    Ok(())
}

fn a_deleted_pair_is_gone_and_its_names_are_free() -> TestResult {
    let options = VethOptions {
        names: Some(["left", "right"]),
        ..Default::default()
    };
    let pair = VethPair::create(&options)?;
    let index = pair.far.index()?;
    let again = VethPair::create(&options).unwrap_err();
    assert_eq!(again.errno(), Some(Errno::EXIST));
    pair.delete()?;
    assert_eq!(
        pair.far.facts(),
        Err(LabError::NoSuchInterface("right".into()))
    );
    assert_eq!(pair.delete(), Err(LabError::NoSuchInterface("left".into())));
    VethPair::create(&options)?;
    assert_ne!(pair.far.index()?, index);
    Ok(())
}

fn namespaces_know_nothing_of_each_other() -> TestResult {
    let options = VethOptions {
        names: Some(["left", "right"]),
        ..Default::default()
    };
    let here = VethPair::create(&options)?;
    let elsewhere = Namespace::new()?;
    assert!(elsewhere.is_ours() && elsewhere != Namespace::current()?);
    let there = elsewhere.run(|| VethPair::create(&options))??;
    let witness = Witness::on(&here.far, Sees::Incoming)?;
    Injector::on(&there.near)?.send(&frame::numbered(1, 60))?;
    assert_eq!(witness.receive(QUIET)?, None);
    assert_eq!(there.far.counters()?.rx_packets, 1);
    assert_eq!(here.far.counters()?.rx_packets, 0);
    Ok(())
}

fn a_cable_can_cross_namespaces() -> TestResult {
    let elsewhere = Namespace::new()?;
    let pair = VethPair::create(&VethOptions {
        far_namespace: Some(&elsewhere),
        ..Default::default()
    })?;
    assert_eq!(pair.far.namespace(), &elsewhere);
    let not_here = Link::named(pair.far.name())?;
    assert!(matches!(
        not_here.facts(),
        Err(LabError::NoSuchInterface(_))
    ));
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    Injector::on(&pair.near)?.send(&frame::numbered(1, 60))?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [1]);
    Ok(())
}

fn a_link_takes_its_options() -> TestResult {
    let pair = VethPair::create(&VethOptions {
        mtu: 9000,
        queues: 2,
        ..Default::default()
    })?;
    pair.far.set_address([2, 0, 0, 0, 0, 9])?;
    let (near, far) = (pair.near.facts()?, pair.far.facts()?);
    assert_eq!((near.mtu, near.tx_queues, near.rx_queues), (9000, 2, 2));
    assert_eq!((far.mtu, far.tx_queues, far.rx_queues), (9000, 2, 2));
    assert_eq!((far.address, far.promiscuity), ([2, 0, 0, 0, 0, 9], 0));
    pair.near.set_mtu(1000)?;
    let injector = Injector::on(&pair.near)?;
    injector.send(&frame::numbered(1, 1014))?;
    let too_long = injector.send(&frame::numbered(2, 1015)).unwrap_err();
    assert_eq!(too_long.errno(), Some(Errno::MSGSIZE));
    assert_eq!(pair.far.counters()?.rx_packets, 1);
    Ok(())
}

fn the_kernel_speaks_where_it_has_an_address() -> TestResult {
    let elsewhere = Namespace::new()?;
    let pair = VethPair::create(&VethOptions {
        far_namespace: Some(&elsewhere),
        ..Default::default()
    })?;
    pair.near.add_ipv4([192, 0, 2, 1].into(), 24)?;
    pair.far.add_ipv4([192, 0, 2, 2].into(), 24)?;
    let address = (Ipv4Addr::new(192, 0, 2, 2), 7);
    let receiver = elsewhere.run(|| UdpSocket::bind(address))??;
    receiver.set_read_timeout(Some(Duration::from_secs(2)))?;
    UdpSocket::bind("192.0.2.1:0")?.send_to(b"hello", address)?;
    assert_eq!(receiver.recv(&mut [0; 16])?, 5);
    Ok(())
}

fn every_offload_can_be_switched() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    for offload in [
        Offload::VlanReceive,
        Offload::VlanTransmit,
        Offload::TransmitChecksum,
        Offload::Segmentation,
        Offload::ReceiveMerging,
    ] {
        for state in [OffloadState::Off, OffloadState::On] {
            pair.far.set_offload(offload, state)?;
            assert_eq!(pair.far.offload(offload)?, state, "{offload:?}");
        }
    }
    Ok(())
}

fn the_outer_tag_is_taken_out_on_receipt_whatever_the_offloads() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (out, received) = (
        Witness::on(&pair.near, Sees::Everything)?,
        Witness::on(&pair.far, Sees::Incoming)?,
    );
    let tagged = frame::numbered_vlan(5, 1, 100);
    for state in [OffloadState::On, OffloadState::Off] {
        pair.near.set_offload(Offload::VlanTransmit, state)?;
        pair.far.set_offload(Offload::VlanReceive, state)?;
        Injector::on(&pair.near)?.send(&tagged)?;
        assert_eq!(out.receive(QUIET)?.ok_or("nothing went out")?.bytes, tagged);
        let seen = received.receive(QUIET)?.ok_or("nothing came")?;
        assert_eq!(seen.bytes, [&tagged[..12], &tagged[16..]].concat());
        assert_eq!(frame::number(&seen.bytes), Some(1));
    }
    Ok(())
}

fn a_panic_in_a_namespace_reaches_its_caller() -> TestResult {
    let elsewhere = Namespace::new()?;
    let caught =
        std::panic::catch_unwind(|| elsewhere.run(|| std::panic::resume_unwind(Box::new(7))));
    assert_eq!(
        caught
            .map(|_: Result<(), _>| ())
            .unwrap_err()
            .downcast_ref(),
        Some(&7)
    );
    Ok(())
}

fn the_count_of_descriptors_and_maps_is_exact() -> TestResult {
    let before = procfs::open_fds()?;
    let file = File::open("/proc/self/maps")?;
    assert_eq!(procfs::open_fds()?, before + 1);
    drop(file);
    assert_eq!(procfs::open_fds()?, before);
    assert_eq!(
        (procfs::maps("[stack]")?, procfs::maps("socket:[")?),
        (1, 0)
    );
    Ok(())
}

fn the_lab_leaves_no_descriptor_behind() -> TestResult {
    let before = procfs::open_fds()?;
    for _ in 0..3 {
        let elsewhere = Namespace::new()?;
        let pair = elsewhere.run(|| VethPair::create(&VethOptions::default()))??;
        Witness::on(&pair.far, Sees::Incoming)?;
    }
    assert_eq!(procfs::open_fds()?, before);
    Ok(())
}

fn processor_time_is_this_threads_alone() -> TestResult {
    let before = procfs::thread_cpu_time();
    std::thread::sleep(Duration::from_millis(50));
    assert!(procfs::thread_cpu_time() - before < Duration::from_millis(10));
    while procfs::thread_cpu_time() - before < Duration::from_millis(10) {
        core::hint::spin_loop();
    }
    Ok(())
}

fn sleeping_and_spinning_are_told_apart() -> TestResult {
    let ((), slept) = procfs::activity_of(|| {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(1));
        }
    })?;
    assert!((20..30).contains(&slept.sleeps), "{slept:?}");
    let ((), spun) = procfs::activity_of(|| {
        let start = procfs::thread_cpu_time();
        while procfs::thread_cpu_time() - start < Duration::from_millis(20) {}
    })?;
    assert!(
        spun.sleeps < 10 && spun.processor >= Duration::from_millis(20),
        "{spun:?}"
    );
    Ok(())
}

fn a_link_moves_to_another_namespace() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let elsewhere = Namespace::new()?;
    pair.far.move_to(&elsewhere)?;
    assert!(matches!(
        pair.far.facts(),
        Err(LabError::NoSuchInterface(_))
    ));
    let there = elsewhere.run(|| Link::named(pair.far.name()))??;
    assert!(!there.facts()?.is_up());
    Ok(())
}

fn a_token_bucket_keeps_and_counts_frames() -> TestResult {
    const LEN: usize = 1000;
    let pair = VethPair::create(&VethOptions::default())?;
    let witness = Witness::on(&pair.far, Sees::Incoming)?;
    pair.near.set_token_bucket(&TokenBucket {
        rate: 1,
        burst: LEN as u32,
        limit: 2 * LEN as u32,
    })?;
    let injector = Injector::on(&pair.near)?;
    for number in 0..3 {
        injector.send(&frame::numbered(number, LEN))?;
    }
    // One has left, two wait.
    let counted = pair.near.queue_counters()?;
    assert_eq!((counted.packets, counted.waiting, counted.drops), (1, 2, 0));
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [0]);
    // What waits goes with the queue.
    pair.near.remove_token_bucket()?;
    injector.send(&frame::numbered(4, 60))?;
    assert_eq!(witness.numbers_until_quiet(QUIET)?, [4]);
    assert_eq!(pair.near.counters()?.tx_packets, 2);
    Ok(())
}

suite![
    the_counters_see_what_was_sent_and_received,
    a_fresh_pair_is_silent,
    a_flood_loses_nothing_before_the_receiver,
    a_flood_is_numbered_in_order,
    a_witness_of_everything_sees_what_goes_out,
    a_link_goes_down_and_comes_back,
    a_deleted_pair_is_gone_and_its_names_are_free,
    namespaces_know_nothing_of_each_other,
    a_cable_can_cross_namespaces,
    a_link_takes_its_options,
    the_kernel_speaks_where_it_has_an_address,
    every_offload_can_be_switched,
    a_token_bucket_keeps_and_counts_frames,
    the_outer_tag_is_taken_out_on_receipt_whatever_the_offloads,
    a_link_moves_to_another_namespace,
    a_panic_in_a_namespace_reaches_its_caller;
    alone: the_count_of_descriptors_and_maps_is_exact,
    the_lab_leaves_no_descriptor_behind,
    processor_time_is_this_threads_alone,
    sleeping_and_spinning_are_told_apart,
];
