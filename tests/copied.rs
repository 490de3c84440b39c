//! Sending without a transmit ring, judged by the other end of the wire and the interface's counters.

mod data_path;
mod sending;

use core::time::Duration;
use std::thread;

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{LinkHeader, NoRing, Rx, RxTx, Sender, Socket, Tx};
use packet_ring::{Deadline, Error, OnSignal, Unsent, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Link, Sees, TokenBucket, Witness, frame, procfs, suite};
use rustix::net::sockopt;

use data_path::{PROMPT, receive_on, take};
use sending::{EIGHT, LONGEST, PATIENCE, QUIET, STUCK, Wire, interface};

fn ringless(link: &Link) -> Result<Socket<Bound<NoRing>>, Stopped> {
    Ok(Socket::configure(NoRing)?.map()?.bind(interface(link)?)?)
}

fn numbered(numbers: core::ops::Range<u64>, len: usize) -> Vec<Vec<u8>> {
    numbers.map(|number| frame::numbered(number, len)).collect()
}

fn packets_arrive_in_order_byte_for_byte() -> TestResult {
    let wire = Wire::new()?;
    let socket = ringless(&wire.pair.near)?;
    let sender = socket.sender();
    let nothing: [&[u8]; 0] = [];
    assert_eq!(sender.send(&nothing)?, 0);
    let mut sent = 0;
    // Around the number of packets that go into one system call.
    for count in [1, 2, 63, 64, 65, 129] {
        let packets: Vec<_> = (sent..sent + count)
            .map(|number| frame::numbered(number, 60 + number as usize % 500))
            .collect();
        assert_eq!(sender.send(&packets)?, packets.len());
        wire.assert_arrive(&packets)?;
        sent += count;
        assert_eq!(wire.pair.near.counters()?.tx_packets, sent);
    }
    Ok(())
}

fn a_socket_without_a_ring_maps_and_receives_nothing() -> TestResult {
    let wire = Wire::new()?;
    let before = procfs::maps("socket:[")?;
    let socket = ringless(&wire.pair.far)?;
    assert_eq!(procfs::maps("socket:[")?, before);
    Injector::on(&wire.pair.near)?.send(&frame::numbered(1, 60))?;
    assert!(wire.witness.receive(PATIENCE)?.is_some());
    // Bound to no protocol: nothing is queued for it.
    let mut byte = [0];
    let received = rustix::net::recv(&socket, &mut byte[..], rustix::net::RecvFlags::DONTWAIT);
    assert_eq!(received, Err(rustix::io::Errno::AGAIN));
    Ok(())
}

fn a_refused_packet_is_named_and_those_before_it_are_sent() -> TestResult {
    let wire = Wire::new()?;
    let socket = ringless(&wire.pair.near)?;
    for (first, place) in [(0, 0), (1000, 5), (2000, 64), (3000, 70)] {
        let mut packets = numbered(first..first + 100, 60);
        packets[place] = frame::numbered(9999, LONGEST + 1);
        let refused = Error::Unsent {
            frame: place as u64,
            why: Unsent::TooLong,
        };
        assert_eq!(socket.sender().send(&packets), Err(refused));
        wire.assert_arrive(&packets[..place])?;
        packets[place].clear();
        let refused = Error::Unsent {
            frame: place as u64,
            why: Unsent::Malformed,
        };
        assert_eq!(socket.sender().send(&packets), Err(refused));
        wire.assert_arrive(&packets[..place])?;
        // The caller goes on behind it.
        assert_eq!(socket.sender().send(&packets[place + 1..])?, 99 - place);
        wire.assert_arrive(&packets[place + 1..])?;
    }
    Ok(())
}

/// Reported as taken is what was sent or waits in the interface's queue: never what found no room.
fn a_full_queue_ends_the_count() -> TestResult {
    let wire = Wire::new()?;
    let near = &wire.pair.near;
    let socket = ringless(near)?;
    near.set_token_bucket(&TokenBucket {
        limit: 2 * LONGEST as u32 - 1,
        ..STUCK
    })?;
    let packets = numbered(0..70, LONGEST);
    let full = Error::Unsent {
        frame: 2,
        why: Unsent::NoBuffers,
    };
    assert_eq!(socket.sender().send(&packets), Err(full));
    assert_eq!(
        (near.counters()?.tx_packets, near.queue_counters()?.waiting),
        (1, 1)
    );
    Ok(())
}

fn a_full_send_buffer_ends_the_count_without_an_error() -> TestResult {
    let wire = Wire::new()?;
    let near = &wire.pair.near;
    let socket = Socket::configure(NoRing)?;
    sockopt::set_socket_send_buffer_size(&socket, 16 << 10)?;
    let socket = socket.map()?.bind(interface(near)?)?;
    near.set_token_bucket(&STUCK)?;
    let packets = numbered(0..100, LONGEST);
    let taken = socket.sender().send(&packets)?;
    assert!((1..100).contains(&taken), "{taken}");
    let (sent, waiting) = (near.counters()?.tx_packets, near.queue_counters()?.waiting);
    assert_eq!(sent + u64::from(waiting), taken as u64);
    assert_eq!(socket.sender().send(&packets[taken..])?, 0);
    // What waited is dropped with the queue; the rest goes.
    near.remove_token_bucket()?;
    let mut rest = &packets[taken..];
    while !rest.is_empty() {
        rest = &rest[socket.sender().send(rest)?..];
    }
    let expected: Vec<_> = [0].into_iter().chain(taken as u64..100).collect();
    assert_eq!(wire.witness.numbers_until_quiet(QUIET)?, expected);
    Ok(())
}

fn the_state_of_the_link_is_told() -> TestResult {
    let wire = Wire::new()?;
    let near = &wire.pair.near;
    let mut socket = ringless(near)?;
    let packet = [frame::numbered(1, 60)];
    let unsent = |why| Err(Error::Unsent { frame: 0, why });
    near.set_down()?;
    assert_eq!(socket.sender().send(&packet), unsent(Unsent::LinkDown));
    wire.pair.delete()?;
    assert_eq!(socket.sender().send(&packet), unsent(Unsent::LinkGone));
    let again = Wire::new()?;
    socket.rebind(interface(&again.pair.near)?)?;
    assert_eq!(socket.interface(), interface(&again.pair.near)?);
    assert_eq!(socket.sender().send(&packet)?, 1);
    again.assert_arrive(&packet)
}

fn a_received_packet_is_held_while_its_answer_is_sent() -> TestResult {
    let wire = Wire::new()?;
    let back = Witness::on(&wire.pair.near, Sees::Incoming)?;
    let mut socket = receive_on(&wire.pair.far, Rx::new(PROMPT))?;
    Injector::on(&wire.pair.near)?.flood(&frame::numbered(0, 60), 0..20);
    let (mut receiver, sender) = socket.split();
    let mut answered = 0;
    while answered < 20 {
        let block = take(&mut receiver)?;
        for packet in block.packets() {
            assert_eq!(sender.send(&[packet.data()])?, 1);
            answered += 1;
        }
    }
    assert_eq!(
        back.numbers_until_quiet(QUIET)?,
        (0..20).collect::<Vec<_>>()
    );
    // What it sends itself, it does not receive.
    let end = Deadline::after(Duration::from_millis(50));
    assert_eq!(receiver.wait(end, OnSignal::Continue)?, Wake::TimedOut);
    Ok(())
}

/// The kernel makes the headers of such a socket's packets, and has nobody's address.
fn a_socket_without_link_headers_sends_nothing_and_says_so() -> TestResult {
    let wire = Wire::new()?;
    let rx = Rx::new(PROMPT).link_header(LinkHeader::Removed);
    let packet = frame::numbered(1, 60);
    let unsent = Error::Unsent {
        frame: 0,
        why: Unsent::Malformed,
    };
    let copied = receive_on(&wire.pair.near, rx)?;
    assert_eq!(copied.sender().send(&[&packet]), Err(unsent));
    let both = Socket::configure(RxTx::new(rx, Tx::new(EIGHT)))?.map()?;
    let mut both = both.bind(interface(&wire.pair.near)?)?;
    sending::put(&mut both.transmitter(), &packet)?;
    assert_eq!(both.transmitter().kick(), Err(unsent));
    assert_eq!(wire.pair.near.counters()?.tx_packets, 0);
    Ok(())
}

fn senders_work_on_many_threads() -> TestResult {
    let wire = Wire::new()?;
    let socket = ringless(&wire.pair.near)?;
    let send = |sender: Sender<'_>, first: u64| -> TestResult {
        for packet in numbered(first..first + 25, 60) {
            assert_eq!(sender.send(&[packet])?, 1);
        }
        Ok(())
    };
    thread::scope(|scope| -> TestResult {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn({
                    let sender = socket.sender();
                    move || send(sender, 25 * thread)
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    let mut came = wire.witness.numbers_until_quiet(QUIET)?;
    came.sort_unstable();
    assert_eq!(came, (0..100).collect::<Vec<_>>());
    Ok(())
}

suite![
    packets_arrive_in_order_byte_for_byte,
    a_refused_packet_is_named_and_those_before_it_are_sent,
    a_full_queue_ends_the_count,
    a_full_send_buffer_ends_the_count_without_an_error,
    the_state_of_the_link_is_told,
    a_received_packet_is_held_while_its_answer_is_sent,
    a_socket_without_link_headers_sends_nothing_and_says_so,
    senders_work_on_many_threads;
    alone: a_socket_without_a_ring_maps_and_receives_nothing,
];
