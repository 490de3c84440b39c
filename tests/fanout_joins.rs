//! Fanout: who gets into which group, who does not, and what membership changes.

mod data_path;
mod members;

use core::num::NonZeroU16;

use packet_ring::bpf::Instruction;
use packet_ring::lifecycle::{Alone, Bound, Configured, Failed};
use packet_ring::packet::{
    Fanout, FanoutMode, FrameGeometry, Interface, Rx, RxTx, Socket, Transmitter, Tx,
};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame, kernel, suite};
use rustix::io::Errno;
use rustix::system::uname;

use data_path::{
    FRAME, PATIENCE, Receiving, interface, next, numbers, over_blocks, receive_on, settled,
};
use members::{Group, ROOMY, Sharing, member};

const HASH: Fanout = Fanout::in_group(7, FanoutMode::Hash);

/// A join that the kernel refused, as it is reported.
const fn refused(errno: Errno) -> Error {
    Error::System {
        operation: Operation::JoinFanout,
        errno,
    }
}

/// The socket of a join that the kernel refused with this answer.
fn given_back(
    joined: Result<Sharing, Failed<Receiving>>,
    errno: Errno,
) -> Result<Receiving, Stopped> {
    let failed = joined.err().ok_or("it joined")?;
    assert_eq!(failed.error(), refused(errno));
    Ok(failed.into_socket())
}

fn an_id_that_the_kernel_chose_is_joined_by_others() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let rings = Rx::new(ROOMY);
    let wanted = Fanout::in_new_group(FanoutMode::LoadBalance).defragment();
    assert_eq!(wanted.id(), None);
    let first = member(&pair.far, rings, &wanted)?;
    let fanout = first.group().fanout()?;
    let id = fanout.id().ok_or("no id")?;
    assert_eq!(
        fanout,
        Fanout::in_group(id, FanoutMode::LoadBalance).defragment()
    );
    let second = member(&pair.far, rings, &fanout)?;
    assert_eq!(second.group().fanout()?, fanout);
    // Another group, which gets every packet too.
    let mut another = member(&pair.far, rings, &wanted)?;
    assert_ne!(another.group().fanout()?.id(), Some(id));
    Injector::on(&pair.near)?.flood(&frame::numbered(0, FRAME), 0..20);
    for mut member in [first, second] {
        assert_eq!(settled(10, || member.statistics())?.drops, 0);
    }
    settled(20, || another.statistics())?;
    Ok(())
}

fn an_id_of_ones_own_is_the_group_of_all_who_name_it() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let balance = Fanout::in_group(u16::MAX, FanoutMode::LoadBalance);
    let members = [(); 3].map(|()| member(&pair.far, Rx::new(ROOMY), &balance));
    Injector::on(&pair.near)?.flood(&frame::numbered(0, FRAME), 0..30);
    for joined in members {
        let mut joined = joined?;
        assert_eq!(joined.group().fanout()?, balance);
        settled(10, || joined.statistics())?;
    }
    Ok(())
}

fn a_group_takes_as_many_members_as_its_first_said() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let at_most = |max| Ok::<_, Stopped>(HASH.max_members(NonZeroU16::new(max).ok_or("0")?));
    let bound = || receive_on(&pair.far, Rx::new(ROOMY));
    let first = bound()?.join_fanout(&at_most(2)?)?;
    // Another maximum is refused, the same or none is not.
    let second = given_back(bound()?.join_fanout(&at_most(3)?), Errno::INVAL)?;
    let second = second.join_fanout(&HASH)?;
    let third = given_back(bound()?.join_fanout(&at_most(2)?), Errno::NOSPC)?;
    let third = given_back(third.join_fanout(&HASH), Errno::NOSPC)?;
    drop(first);
    let third = third.join_fanout(&at_most(2)?)?;
    drop((second, third));
    // With its last member the group has gone, and its maximum with it.
    let _first = bound()?.join_fanout(&at_most(3)?)?;
    Ok(())
}

/// Demands that the socket is in no group: all that comes is its own, and it can be bound again.
fn is_alone(mut socket: Receiving, pair: &VethPair) -> Result<Receiving, Stopped> {
    let before = socket.statistics()?.packets;
    Injector::on(&pair.near)?.flood(&frame::numbered(0, FRAME), 0..20);
    settled(before + 20, || socket.statistics())?;
    socket.rebind(interface(&pair.far)?)?;
    Ok(socket)
}

fn who_differs_from_the_group_is_refused_and_stays_usable() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let _first = member(&pair.far, Rx::new(ROOMY), &HASH)?;
    let mut socket = receive_on(&pair.far, Rx::new(ROOMY))?;
    for other in [
        Fanout::in_group(7, FanoutMode::Cpu),
        Fanout::in_group(7, FanoutMode::Rollover),
        HASH.defragment(),
        HASH.rollover(),
    ] {
        socket = given_back(socket.join_fanout(&other), Errno::INVAL)?;
        socket = is_alone(socket, &pair)?;
    }
    let mut joined = socket.join_fanout(&HASH)?;
    assert_eq!(joined.group().fanout()?, HASH);
    let _ = joined.next_block();

    let elsewhere = receive_on(&pair.near, Rx::new(ROOMY))?;
    given_back(elsewhere.join_fanout(&HASH), Errno::INVAL)?;
    let ipv4 = receive_on(&pair.far, Rx::new(ROOMY).protocol(0x0800))?;
    given_back(ipv4.join_fanout(&HASH), Errno::INVAL)?;
    let mut incoming = Socket::configure(Rx::new(ROOMY))?;
    incoming.ignore_outgoing()?;
    let incoming = incoming.map()?.bind(interface(&pair.far)?)?;
    given_back(incoming.join_fanout(&HASH), Errno::INVAL)?;
    Ok(())
}

fn rolling_over_is_not_asked_of_a_group_that_does_nothing_else() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let rollover = Fanout::in_group(7, FanoutMode::Rollover);
    let _first = member(&pair.far, Rx::new(ROOMY), &rollover.rollover())?;
    let second = member(&pair.far, Rx::new(ROOMY), &rollover)?;
    let _ = second.group().rollover_statistics()?;
    Ok(())
}

/// A member at the near end, whose socket was limited before.
fn at_the_near_end(
    pair: &VethPair,
    limit: impl FnOnce(&mut Socket<Configured<Rx>>) -> Result<(), Error>,
    fanout: &Fanout,
) -> Result<Sharing, Stopped> {
    let mut socket = Socket::configure(Rx::new(ROOMY))?;
    limit(&mut socket)?;
    let socket = socket.map()?.bind(interface(&pair.near)?)?;
    Ok(socket.join_fanout(fanout)?)
}

fn what_goes_out_is_ignored_in_a_group_too() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut everything = at_the_near_end(&pair, |_| Ok(()), &HASH)?;
    let wanted = Fanout::in_new_group(FanoutMode::Hash);
    let mut ignoring = at_the_near_end(&pair, Socket::ignore_outgoing, &wanted)?;
    let fanout = ignoring.group().fanout()?;
    let mut second = at_the_near_end(&pair, Socket::ignore_outgoing, &fanout)?;
    assert!(at_the_near_end(&pair, |_| Ok(()), &fanout).is_err());
    Injector::on(&pair.near)?.send(&frame::numbered(1, FRAME))?;
    Injector::on(&pair.far)?.send(&frame::numbered(2, FRAME))?;
    let mut seen = Vec::new();
    over_blocks(&mut everything, 2, |block| {
        seen.extend(numbers(block));
        Ok(())
    })?;
    assert_eq!(seen, [1, 2]);
    let counts = [&mut ignoring, &mut second].map(Socket::statistics);
    let [first, second] = counts.map(|count| count.map(|count| count.packets));
    // Older kernels take the group's flag and go on.
    let seen = if kernel::is_since(6, 2) { 1 } else { 2 };
    assert_eq!(first? + second?, seen);
    assert_eq!(pair.near.counters()?.tx_packets, 1);
    assert_eq!(pair.near.counters()?.rx_packets, 1);
    Ok(())
}

fn before_the_join_each_socket_receives_by_itself() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let bound = || receive_on(&pair.far, Rx::new(ROOMY));
    let mut sockets = [bound()?, bound()?];
    let injector = Injector::on(&pair.near)?;
    injector.flood(&frame::numbered(0, FRAME), 0..10);
    for socket in &mut sockets {
        settled(10, || socket.statistics())?;
    }
    let balance = Fanout::in_group(7, FanoutMode::LoadBalance);
    let members = sockets.map(|socket| socket.join_fanout(&balance));
    injector.flood(&frame::numbered(0, FRAME), 10..20);
    for joined in members {
        let mut joined = joined?;
        settled(15, || joined.statistics())?;
        // What came before the join is still there.
        let mut seen = Vec::new();
        over_blocks(&mut joined, 15, |block| {
            seen.extend(numbers(block));
            Ok(())
        })?;
        seen[..10].sort_unstable();
        assert!(seen.into_iter().take(10).eq(0..10));
    }
    Ok(())
}

fn a_members_filter_drops_what_no_other_gets() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let balance = Fanout::in_group(7, FanoutMode::LoadBalance);
    let mut deaf = Socket::configure(Rx::new(ROOMY))?;
    deaf.attach_filter(&[Instruction::keep(0)])?;
    let deaf = deaf.map()?.bind(interface(&pair.far)?)?;
    let mut deaf = deaf.join_fanout(&balance)?;
    let mut snapped = member(&pair.far, Rx::new(ROOMY.snap_length(20)?), &balance)?;
    Injector::on(&pair.near)?.flood(&frame::numbered(0, FRAME), 0..20);
    settled(10, || snapped.statistics())?;
    assert_eq!(deaf.statistics()?.packets, 0);
    let block = next(&mut snapped)?;
    let mut packets = block.packets();
    assert!(packets.all(|packet| packet.captured_len() == 20));
    Ok(())
}

fn a_group_of_one_protocol_receives_that_alone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let ipv4 = Rx::new(ROOMY).protocol(0x0800);
    let balance = Fanout::in_group(7, FanoutMode::LoadBalance);
    let mut members = [
        member(&pair.far, ipv4, &balance)?,
        member(&pair.far, ipv4, &balance)?,
    ];
    let injector = Injector::on(&pair.near)?;
    injector.flood(&frame::numbered(0, FRAME), 0..20);
    injector.flood(&frame::numbered_udp(0, FRAME), 0..20);
    for member in &mut members {
        settled(10, || member.statistics())?;
    }
    Ok(())
}

fn who_leaves_leaves_its_share_to_the_others() -> TestResult {
    let mut group = Group::new(3, ROOMY, Fanout::in_new_group(FanoutMode::LoadBalance))?;
    group.flood(0..30)?;
    assert_eq!(group.counts()?, [10; 3]);
    drop(group.members.remove(1));
    group.injector.flood(&frame::numbered(0, FRAME), 30..50);
    for member in &mut group.members {
        settled(20, || member.statistics())?;
    }
    Ok(())
}

/// Whether the running kernel is at least this one.
fn is_at_least(wanted: (u32, u32)) -> Result<bool, Stopped> {
    let system = uname();
    let release = system.release().to_str()?;
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut part = || Ok::<u32, Stopped>(parts.next().ok_or("a short release")?.parse()?);
    Ok((part()?, part()?) >= wanted)
}

fn members_share_again_when_the_interface_comes_up() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    pair.far.set_down()?;
    let balance = Fanout::in_group(7, FanoutMode::LoadBalance);
    let bound = || receive_on(&pair.far, Rx::new(ROOMY));
    let mut first = if is_at_least((6, 13))? {
        bound()?.join_fanout(&balance)?
    } else {
        let first = given_back(bound()?.join_fanout(&balance), Errno::INVAL)?;
        pair.set_up()?;
        first.join_fanout(&balance)?
    };
    pair.set_up()?;
    let mut second = bound()?.join_fanout(&balance)?;
    let injector = Injector::on(&pair.near)?;
    for (turn, numbers) in (1..).zip([0..20, 20..40]) {
        injector.flood(&frame::numbered(0, FRAME), numbers);
        settled(turn * 10, || first.statistics())?;
        settled(turn * 10, || second.statistics())?;
        pair.far.set_down()?;
        assert_eq!(second.take_error(), Err(Error::LinkDown));
        pair.set_up()?;
        assert_eq!(second.take_error(), Ok(()));
    }
    Ok(())
}

fn a_member_is_told_that_its_interface_is_gone() -> TestResult {
    let mut group = Group::new(2, ROOMY, HASH)?;
    group.pair.delete()?;
    for member in &mut group.members {
        assert_eq!(member.take_error(), Err(Error::LinkGone));
        assert_eq!(member.group().fanout()?, HASH);
    }
    Ok(())
}

fn receivers_that_share_their_ring_stay_in_the_group() -> TestResult {
    let fanout = Fanout::in_new_group(FanoutMode::LoadBalance).rollover();
    let mut group = Group::new(2, ROOMY, fanout)?;
    let fanout = group.members[0].group().fanout()?;
    let mut shared: Vec<_> = group.members.drain(..).map(Socket::into_shared).collect();
    group.injector.flood(&frame::numbered(0, FRAME), 0..20);
    for receiver in &mut shared {
        settled(10, || receiver.statistics())?;
        assert_eq!(receiver.group().fanout()?, fanout);
        assert_eq!(receiver.group().rollover_statistics()?.all, 0);
    }
    Ok(())
}

fn a_member_still_has_all_that_it_had_alone() -> TestResult {
    fn which<G>(socket: &Socket<Bound<Rx, G>>) -> Interface {
        socket.interface()
    }
    let pair = VethPair::create(&VethOptions::default())?;
    let alone: Socket<Bound<Rx, Alone>> = receive_on(&pair.far, Rx::new(ROOMY))?;
    let far = which(&alone);
    let mut joined = alone.join_fanout(&HASH)?;
    assert_eq!(which(&joined), far);
    Injector::on(&pair.near)?.send(&frame::numbered(5, FRAME))?;
    let mut receiver = joined.receiver();
    let block = data_path::take(&mut receiver)?;
    // While a block is out.
    assert_eq!(receiver.group().fanout()?, HASH);
    assert_eq!(numbers(&block), [5]);
    Ok(())
}

fn a_group_does_not_receive_what_its_members_transmit() -> TestResult {
    const FRAMES: FrameGeometry = FrameGeometry::new_assert(2048, 1 << 14, 1);
    let pair = VethPair::create(&VethOptions::default())?;
    let both = RxTx::new(Rx::new(ROOMY), Tx::new(FRAMES));
    let socket = Socket::configure(both)?
        .map()?
        .bind(interface(&pair.far)?)?;
    let mut socket = socket.join_fanout(&HASH)?;
    let mut second = member(&pair.far, Rx::new(ROOMY), &HASH)?;
    let mut outside = receive_on(&pair.far, Rx::new(ROOMY))?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let transmit = |transmitter: &mut Transmitter<'_>, number| -> TestResult {
        let mut frame = transmitter.reserve().ok_or("no frame")?;
        frame.data_mut()[..FRAME].copy_from_slice(&frame::numbered(number, FRAME));
        frame.send(FRAME)?;
        assert_eq!(transmitter.kick()?, 1);
        let seen = witness.receive(PATIENCE)?.ok_or("nothing came")?;
        assert_eq!(frame::number(&seen.bytes), Some(number));
        Ok(())
    };
    let (receiver, mut transmitter) = socket.split();
    assert_eq!(receiver.group().fanout()?, HASH);
    transmit(&mut transmitter, 1)?;
    let (mut receiving, mut transmitting) = socket.into_split()?;
    transmit(&mut transmitting.transmitter(), 2)?;
    Injector::on(&pair.near)?.send(&frame::numbered(3, FRAME))?;
    settled(3, || outside.statistics())?;
    let counts = receiving.statistics()?.packets + second.statistics()?.packets;
    assert_eq!(counts, 1);
    // Both halves hold the socket in the group.
    drop((receiving, second));
    assert_eq!(transmitting.group().fanout()?, HASH);
    Ok(())
}

suite![
    an_id_that_the_kernel_chose_is_joined_by_others,
    an_id_of_ones_own_is_the_group_of_all_who_name_it,
    a_group_takes_as_many_members_as_its_first_said,
    who_differs_from_the_group_is_refused_and_stays_usable,
    rolling_over_is_not_asked_of_a_group_that_does_nothing_else,
    what_goes_out_is_ignored_in_a_group_too,
    before_the_join_each_socket_receives_by_itself,
    a_members_filter_drops_what_no_other_gets,
    a_group_of_one_protocol_receives_that_alone,
    who_leaves_leaves_its_share_to_the_others,
    members_share_again_when_the_interface_comes_up,
    a_member_is_told_that_its_interface_is_gone,
    receivers_that_share_their_ring_stay_in_the_group,
    a_member_still_has_all_that_it_had_alone,
    a_group_does_not_receive_what_its_members_transmit,
];
