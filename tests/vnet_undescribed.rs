//! Packets that no vnet header can describe, as a virtual machine can hand in through a tap: the kernel
//! drops them once it has made room for them in a block.

mod data_path;

use core::ops::Range;

use packet_ring::bpf::Statement;
use packet_ring::handoff::Handle;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Block, FrameGeometry, Packet, Receiver, Rx, RxHalf, RxTx, Socket, Tx};
use packet_ring::{Deadline, Error};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Tap, frame, suite};
use rustix::io::Errno;

use data_path::{BLOCK_HEADER, FRAME, PATIENCE, SMALL, interface, is_quiet, numbers, take};

const RINGS: RxTx = RxTx::new(
    Rx::new(SMALL),
    Tx::new(FrameGeometry::new_assert(2048, 1 << 14, 1)).vnet_headers(),
);

/// Where an Ethernet header lies in its record where a vnet header does before it, in bytes.
const MAC: u32 = 92;

/// Size of the record of a frame of [`FRAME`] bytes.
const RECORD: u32 = (MAC + FRAME as u32).next_multiple_of(8);

/// How many of them fill a block of [`SMALL`].
const FULL: u64 = ((4096 - BLOCK_HEADER - 1) / RECORD) as u64;

/// Of a packet of which nothing is left to be done.
const FINISHED: [u8; 10] = [0; 10];

/// Of a UDP datagram that the interface is to cut into IP fragments of eight bytes
/// (`VIRTIO_NET_HDR_GSO_UDP`), which the kernel takes and cannot tell of again.
const UNDESCRIBED: [u8; 10] = {
    let ([a, b], [c, d]) = (42_u16.to_ne_bytes(), 8_u16.to_ne_bytes());
    let ([e, f], [g, h]) = (34_u16.to_ne_bytes(), 6_u16.to_ne_bytes());
    [1, 3, a, b, c, d, e, f, g, h]
};

/// A tap, and a ring at it. The kernel has put a packet into the ring, or dropped it, when the tap has
/// taken it: how the blocks are filled is known to the byte.
struct Machine {
    tap: Tap,
    receiving: Socket<Bound<RxHalf>>,
    dropped: u64,
}

impl Machine {
    fn new() -> Result<Self, Stopped> {
        let tap = match Tap::create("tap") {
            Err(error) if matches!(error.errno(), Some(Errno::ACCESS | Errno::NOENT)) => {
                return Err(Stopped::Skipped(format!("{error}: a tap is needed")));
            }
            other => other?,
        };
        let socket = Socket::configure(RINGS)?
            .map()?
            .bind(interface(&tap.link)?)?;
        let (receiving, _) = socket.into_split()?;
        Ok(Self {
            tap,
            receiving,
            dropped: 0,
        })
    }

    fn finished(&self, numbers: Range<u64>) -> TestResult {
        for number in numbers {
            self.tap
                .receive(&FINISHED, &frame::numbered(number, FRAME))?;
        }
        Ok(())
    }

    fn undescribed(&mut self, count: u64) -> TestResult {
        for _ in 0..count {
            let frame = frame::numbered_udp(u64::MAX, FRAME);
            self.tap.receive(&UNDESCRIBED, &frame)?;
            self.dropped += 1;
        }
        Ok(())
    }

    /// Fills the four blocks with whole packets, and gives them back: what stays in the memory are
    /// records that the kernel has written, in every place where it writes one.
    fn fill_with_old_records(&mut self) -> TestResult {
        for block in 0..4 {
            let (first, closing) = (1000 * block, 9990 + block);
            let rest = if block == 0 { first } else { first + 1 };
            self.finished(rest..first + FULL)?;
            // Closes this block, and is the first of the next.
            self.finished(closing..closing + 1)?;
            let came = numbers(&take(&mut self.receiving.receiver())?);
            assert!(came[1..].iter().copied().eq(first + 1..first + FULL));
        }
        Ok(())
    }
}

/// The numbers of the packets of the next block, of which every other count must agree.
fn next_numbers(receiver: &mut Receiver<'_>) -> Result<Vec<u64>, Stopped> {
    let block = take(receiver)?;
    let numbers = numbers(&block);
    assert_eq!(block.packet_count() as usize, numbers.len());
    let mut position = block.start();
    for &number in &numbers {
        let packet = block.packet(&mut position).ok_or("one packet fewer")?;
        assert_eq!(frame::number(packet.data()), Some(number));
        assert_eq!(packet.data().len(), FRAME);
    }
    assert!(block.packet(&mut position).is_none());
    // The room that was made is in use.
    assert_eq!(block.used_bytes(), BLOCK_HEADER + FULL as u32 * RECORD);
    ends_with_its_last_packet(&block)?;
    Ok(numbers)
}

fn ends_with_its_last_packet<H: Handle>(block: &Block<H>) -> TestResult {
    let (opened, ended) = block.times();
    let last = block.packets().last().map(|packet| packet.timestamp());
    assert_eq!(ended, last.map_or(opened, Into::into));
    Ok(())
}

fn what_cannot_be_described_is_dropped_and_nothing_else_is() -> TestResult {
    let mut machine = Machine::new()?;
    machine.fill_with_old_records()?;
    // The first packet of this block is there already.
    machine.undescribed(3)?;
    machine.finished(0..FULL - 4)?;
    // First in a block, and in its midst.
    machine.undescribed(2)?;
    machine.finished(100..105)?;
    machine.undescribed(1)?;
    machine.finished(105..100 + FULL - 3)?;
    // Last in a block.
    machine.finished(200..200 + FULL - 2)?;
    machine.undescribed(2)?;
    // And alone.
    machine.undescribed(FULL)?;

    let mut receiver = machine.receiving.receiver();
    let mut first = vec![9993];
    first.extend(0..FULL - 4);
    assert_eq!(next_numbers(&mut receiver)?, first);
    let second = (100..100 + FULL - 3).collect::<Vec<_>>();
    assert_eq!(next_numbers(&mut receiver)?, second);
    let third = (200..200 + FULL - 2).collect::<Vec<_>>();
    assert_eq!(next_numbers(&mut receiver)?, third);
    // Closes the fourth.
    machine.finished(300..301)?;
    let mut receiver = machine.receiving.receiver();
    assert_eq!(next_numbers(&mut receiver)?, []);
    assert!(is_quiet(&mut receiver)?);
    receiver.take_error()?;
    let counts = receiver.statistics()?;
    assert_eq!(counts.drops, machine.dropped);
    let finished = 4 * FULL + 1 + (FULL - 4) + (FULL - 3) + (FULL - 2) + 1;
    assert_eq!(counts.packets, machine.dropped + finished);
    Ok(())
}

/// A packet whose bytes look like the header of a record from every place where a record can begin, but
/// for where the next one does: that the kernel writes itself.
fn forged() -> Vec<u8> {
    // Where captured bytes and the network header begin; how many there are, and a status of USER too.
    let [mac, net] = [MAC as u16, MAC as u16 + 14].map(u16::to_ne_bytes);
    let [a, b, c, d] = 59_u32.to_ne_bytes();
    let words = [mac[0], mac[1], net[0], net[1], a, b, c, d];
    // With the 92 bytes before it: records begin at multiples of eight.
    let mut bytes = vec![0; 4];
    while bytes.len() < 3500 {
        bytes.extend(words);
    }
    bytes
}

fn what_a_sender_has_written_is_not_taken_for_a_record() -> TestResult {
    let mut machine = Machine::new()?;
    let forged = forged();
    for sent in 0..5 {
        machine.tap.receive(&FINISHED, &forged)?;
        // Each takes a block, and closes the one before.
        if sent > 0 {
            let block = take(&mut machine.receiving.receiver())?;
            let packet = block.packets().next().ok_or("no packet")?;
            assert_eq!(packet.data(), forged);
        }
    }
    let mut seen = Vec::new();
    for number in 0..8 {
        machine.undescribed(3 + number)?;
        machine.finished(number..number + 1)?;
        machine.undescribed(FULL - number)?;
        let mut receiver = machine.receiving.receiver();
        while let Some(block) = receiver.next_block() {
            let whole = |packet: &Packet<'_>| packet.data() != forged;
            let packets = block.packets().filter(whole);
            seen.extend(packets.map(|packet| frame::number(packet.data())));
        }
        receiver.take_error()?;
    }
    // The last can lie in the block that is open.
    assert!(seen.len() >= 7, "{seen:?}");
    let sent = (0..seen.len() as u64).map(Some);
    assert!(sent.eq(seen.iter().copied()), "{seen:?}");
    Ok(())
}

fn dropped_packets_do_not_count_as_packets_of_an_old_filter() -> TestResult {
    let mut machine = Machine::new()?;
    machine.fill_with_old_records()?;
    machine.undescribed(FULL - 1)?;
    machine.finished(0..3)?;
    machine.undescribed(2)?;
    let mut receiver = machine.receiving.receiver();
    assert_eq!(next_numbers(&mut receiver)?, [9993]);
    let everything = [Statement::RetK(262_144).instruction()];
    // The three lie in an open block that nothing ends: they are known to be there.
    let early = receiver.replace_filter(&everything, Deadline::PASSED);
    assert_eq!(early, Err(Error::OldPackets { packets: 3 }));
    // With the old ones goes what shares their block, which ends as room is made for one that is dropped.
    machine.finished(3..FULL - 2)?;
    machine.undescribed(1)?;
    let mut receiver = machine.receiving.receiver();
    assert_eq!(
        receiver.replace_filter(&everything, Deadline::after(PATIENCE))?,
        FULL - 2
    );
    Ok(())
}

suite![
    what_cannot_be_described_is_dropped_and_nothing_else_is,
    what_a_sender_has_written_is_not_taken_for_a_record,
    dropped_packets_do_not_count_as_packets_of_an_old_filter,
];
