//! Both rings on one socket: together, apart, and what each half answers for.

mod data_path;
mod sending;

use core::time::Duration;
use std::fs;
use std::thread;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Geometry, Halves, Receiver, Rx, RxTx, Socket, Transmitter, Tx};
use packet_ring::{Deadline, Error, OnSignal, Unsent, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame, procfs, suite};

use data_path::{PATIENCE, interface, take};
use sending::{EIGHT, QUIET, Wire, drain, number};

/// Room for all that a test sends, however late its reader comes.
const ROOMY: Geometry =
    Geometry::expect(Geometry::new_assert(1 << 16, 4).retire_timeout(Duration::from_millis(5)));

const BOTH: RxTx = RxTx::new(Rx::new(ROOMY), Tx::new(EIGHT));

fn at_the_far_end(pair: &VethPair) -> Result<Socket<Bound<RxTx>>, Stopped> {
    Ok(Socket::configure(BOTH)?
        .map()?
        .bind(interface(&pair.far)?)?)
}

/// Rings in the maps of this process, its descriptors, and packet sockets of this namespace.
fn held() -> Result<(usize, usize, usize), Stopped> {
    let table = fs::read_to_string("/proc/thread-self/net/packet")?;
    let sockets = table.lines().count() - 1;
    Ok((procfs::maps("socket:[")?, procfs::open_fds()?, sockets))
}

/// Sends every packet of `count` back with its number raised by 1000, filling frames while the packets
/// they answer are held.
fn echo(receiver: &mut Receiver<'_>, transmitter: &mut Transmitter<'_>, count: u64) -> TestResult {
    let mut answered = 0;
    while answered < count {
        let block = take(receiver)?;
        for packet in block.packets() {
            let mut answer = transmitter.reserve().ok_or("no frame is free")?;
            let bytes = packet.data();
            let room = &mut answer.data_mut()[..bytes.len()];
            room.copy_from_slice(bytes);
            let number = frame::number(bytes).ok_or("another packet")?;
            frame::renumber(room, number + 1000);
            answer.send(bytes.len())?;
            answered += 1;
            // The ring has eight frames, a block has more packets.
            drain(transmitter)?;
        }
    }
    Ok(())
}

/// The numbers that come back to the near end when these are sent from there.
fn answers(
    pair: &VethPair,
    numbers: core::ops::Range<u64>,
    echo: impl FnOnce() -> TestResult,
) -> Result<Vec<u64>, Stopped> {
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    Injector::on(&pair.near)?.flood(&frame::numbered(0, 100), numbers);
    echo()?;
    Ok(witness.numbers_until_quiet(QUIET)?)
}

fn a_packet_is_held_while_its_answer_is_filled_and_sent() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = at_the_far_end(&pair)?;
    let came = answers(&pair, 0..50, || {
        let (mut receiver, mut transmitter) = socket.split();
        echo(&mut receiver, &mut transmitter, 50)
    })?;
    assert_eq!(came, (1000..1050).collect::<Vec<_>>());
    assert_eq!(pair.far.counters()?.tx_packets, 50);
    // What it sends itself, it does not receive.
    assert_eq!(socket.statistics()?.packets, 50);
    Ok(())
}

fn owned_halves_work_on_threads_of_their_own() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut rx, mut tx) = at_the_far_end(&pair)?.into_split()?;
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let injector = Injector::on(&pair.near)?;
    // `std::thread::spawn`: both halves are 'static.
    let receiving = thread::spawn(move || -> Result<Vec<u64>, Stopped> {
        let mut numbers = Vec::new();
        while numbers.len() < 200 {
            numbers.extend(data_path::numbers(&take(&mut rx.receiver())?));
        }
        Ok(numbers)
    });
    let transmitting = thread::spawn(move || -> TestResult {
        let mut transmitter = tx.transmitter();
        for sent in 0..200 {
            while transmitter.wait(Deadline::after(PATIENCE), OnSignal::Continue)? != Wake::Ready {}
            number(&mut transmitter, sent, 60)?;
        }
        drain(&mut transmitter)
    });
    injector.flood(&frame::numbered(0, 60), 5000..5200);
    let received = receiving.join().map_err(|_| "a thread panicked")??;
    transmitting.join().map_err(|_| "a thread panicked")??;
    assert_eq!(received, (5000..5200).collect::<Vec<_>>());
    assert_eq!(
        witness.numbers_until_quiet(QUIET)?,
        (0..200).collect::<Vec<_>>()
    );
    Ok(())
}

fn each_half_lets_go_of_its_own_ring_and_descriptor() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (maps, fds, sockets) = held()?;
    let now = |maps_of, fds_of, sockets_of| -> TestResult {
        assert_eq!(
            held()?,
            (maps + maps_of, fds + fds_of, sockets + sockets_of)
        );
        Ok(())
    };
    for receiving_first in [true, false] {
        let socket = at_the_far_end(&pair)?;
        // One mapping holds both.
        now(1, 1, 1)?;
        let (rx, tx) = socket.into_split()?;
        now(1, 2, 1)?;
        if receiving_first {
            drop(rx);
            now(1, 1, 1)?;
            drop(tx);
        } else {
            drop(tx);
            now(1, 1, 1)?;
            drop(rx);
        }
        now(0, 0, 0)?;
    }
    Ok(())
}

fn many_split_sockets_leave_nothing_behind() -> TestResult {
    /// The kernel waits for all processors as a ring goes: they wait together.
    const THREADS: usize = 8;
    let pair = VethPair::create(&VethOptions::default())?;
    let far = interface(&pair.far)?;
    let before = held()?;
    let life = |turn: usize| -> TestResult {
        let socket = Socket::configure(BOTH)?.map()?.bind(far)?;
        if turn.is_multiple_of(4) {
            return Ok(());
        }
        let (rx, mut tx) = socket.into_split()?;
        match turn % 4 {
            1 => drop((rx, tx)),
            2 => {
                drop(rx);
                number(&mut tx.transmitter(), 0, 60)?;
                drain(&mut tx.transmitter())?;
            }
            _ => thread::scope(|scope| {
                scope.spawn(|| drop(tx));
                drop(rx);
            }),
        }
        Ok(())
    };
    thread::scope(|scope| -> TestResult {
        let threads: Vec<_> = (0..THREADS)
            .map(|first| scope.spawn(move || (first..248).step_by(THREADS).try_for_each(life)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    assert_eq!(held()?, before);
    Ok(())
}

fn the_transmitting_half_goes_on_alone() -> TestResult {
    let wire = Wire::new()?;
    let socket = Socket::configure(BOTH)?.map()?;
    let (rx, mut tx) = socket.bind(interface(&wire.pair.near)?)?.into_split()?;
    drop(rx);
    let mut transmitter = tx.transmitter();
    for sent in 0..20 {
        number(&mut transmitter, sent, 60)?;
        drain(&mut transmitter)?;
    }
    assert_eq!(
        wire.witness.numbers_until_quiet(QUIET)?,
        (0..20).collect::<Vec<_>>()
    );
    Ok(())
}

fn the_receiving_half_goes_on_alone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut rx, tx) = at_the_far_end(&pair)?.into_split()?;
    drop(tx);
    let injector = Injector::on(&pair.near)?;
    for sent in 0..20 {
        injector.send(&frame::numbered(sent, 60))?;
        assert_eq!(data_path::numbers(&take(&mut rx.receiver())?), [sent]);
    }
    Ok(())
}

/// What one end of `pair` is told and sent reaches the socket, and the other way round.
fn both_ways(pair: &VethPair, rx: &mut Receiver<'_>, tx: &mut Transmitter<'_>) -> TestResult {
    let came = answers(pair, 7..8, || echo(rx, tx, 1))?;
    assert_eq!(came, [1007]);
    Ok(())
}

fn rebinding_moves_both_directions() -> TestResult {
    let (old, new) = (
        VethPair::create(&VethOptions::default())?,
        VethPair::create(&VethOptions::default())?,
    );
    let mut socket = at_the_far_end(&old)?;
    socket.rebind(interface(&new.far)?)?;
    assert_eq!(socket.interface(), interface(&new.far)?);
    {
        let (mut receiver, mut transmitter) = socket.split();
        both_ways(&new, &mut receiver, &mut transmitter)?;
    }
    // Apart, the receiving half moves both.
    let (mut rx, mut tx) = socket.into_split()?;
    rx.rebind(interface(&old.far)?)?;
    assert_eq!(rx.interface(), interface(&old.far)?);
    both_ways(&old, &mut rx.receiver(), &mut tx.transmitter())?;
    assert_eq!(
        (
            old.far.counters()?.tx_packets,
            new.far.counters()?.tx_packets
        ),
        (1, 1)
    );
    Ok(())
}

fn the_receiving_half_hears_of_the_link_whatever_the_other_does() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut rx, mut tx): Halves = at_the_far_end(&pair)?.into_split()?;
    pair.far.set_down()?;
    let mut transmitter = tx.transmitter();
    let frame = number(&mut transmitter, 1, 60)?;
    // The kernel tells of the link once; kicks and drains do not take that from the other half.
    let why = Unsent::LinkDown;
    for _ in 0..3 {
        let told = transmitter.drain(Deadline::after(Duration::from_millis(10)), OnSignal::Return);
        assert_eq!(told, Err(Error::Unsent { frame, why }));
    }
    let end = Deadline::after(PATIENCE);
    assert_eq!(rx.wait(end, OnSignal::Continue), Err(Error::LinkDown));
    pair.set_up()?;
    drain(&mut transmitter)?;
    Ok(())
}

fn statistics_are_the_receiving_halfs_alone() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut rx, mut tx) = at_the_far_end(&pair)?.into_split()?;
    Injector::on(&pair.near)?.flood(&frame::numbered(0, 60), 0..10);
    let mut transmitter = tx.transmitter();
    for sent in 0..5 {
        number(&mut transmitter, sent, 60)?;
    }
    drain(&mut transmitter)?;
    assert_eq!(
        (
            transmitter.completed(),
            transmitter.queued(),
            transmitter.in_flight()
        ),
        (5, 0, 0)
    );
    assert_eq!(data_path::settled(10, || rx.statistics())?.drops, 0);
    Ok(())
}

suite![
    a_packet_is_held_while_its_answer_is_filled_and_sent,
    owned_halves_work_on_threads_of_their_own,
    the_transmitting_half_goes_on_alone,
    the_receiving_half_goes_on_alone,
    rebinding_moves_both_directions,
    the_receiving_half_hears_of_the_link_whatever_the_other_does,
    statistics_are_the_receiving_halfs_alone;
    alone: each_half_lets_go_of_its_own_ring_and_descriptor,
    many_split_sockets_leave_nothing_behind,
];
