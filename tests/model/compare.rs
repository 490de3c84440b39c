//! The production walk over a whole ring, held against the oracle.

use core::ops::{ControlFlow, Range};
use core::time::Duration;

use packet_ring::handoff::{self, HELD, Handle, USER};
use packet_ring::packet::{
    Block, Delivery, Direction, Geometry, Packet, Position, TimestampSource,
};

use super::heap::HeapRing;
use super::oracle::{self, Reading, Seen};

/// How the walk over one ring went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Blocks that were handed out and opened.
    pub(crate) opened: usize,
    /// Packets in them.
    pub(crate) packets: usize,
    /// Whether the ring was found corrupt.
    pub(crate) corrupt: bool,
}

/// Whether the kernel puts a vnet header before each packet, and may leave records unwritten.
#[derive(Clone, Copy)]
enum VnetHeaders {
    Without,
    With,
}

impl VnetHeaders {
    fn open<H: Handle>(self, guard: handoff::Block<H>, geometry: &Geometry) -> Option<Block<H>> {
        match self {
            Self::Without => Block::open(guard, geometry),
            Self::With => Block::open_with_vnet_headers(guard, geometry),
        }
    }

    fn read(self, block: &[u8], private_area: u32) -> Reading {
        match self {
            Self::Without => oracle::read(block, private_area),
            Self::With => oracle::read_with_vnet_headers(block, private_area),
        }
    }
}

/// Makes a ring of `bytes` and takes every block that it hands out, in all the ways there are; and once
/// more, as one of a socket whose packets have vnet headers.
///
/// # Panics
///
/// Where the library and the oracle disagree.
pub(crate) fn ring(geometry: &Geometry, private_area: u32, bytes: &[u8]) -> Outcome {
    ring_of(VnetHeaders::With, geometry, private_area, bytes);
    ring_of(VnetHeaders::Without, geometry, private_area, bytes)
}

fn ring_of(
    vnet_headers: VnetHeaders,
    geometry: &Geometry,
    private_area: u32,
    bytes: &[u8],
) -> Outcome {
    let mut heap = HeapRing::new(geometry, bytes);
    let size = geometry.block_size() as usize;
    let count = geometry.block_count().get() as usize;
    let places: Vec<Range<usize>> = (0..count).map(|index| heap.addresses(index)).collect();
    let mut contents = bytes.to_vec();
    contents.resize(size * count, 0);

    let mut outcome = Outcome::default();
    let mut receiver = heap.ring.receiver();
    let slots = receiver.slots();
    // Words that claim to be out already: bytes can say anything.
    let claimed = slots.held();
    let mut blocks: Vec<Block<_>> = Vec::new();
    for (place, content) in places.iter().zip(contents.chunks_exact(size)) {
        let status = u32::from_ne_bytes(content[8..12].try_into().expect("four bytes"));
        let taken = receiver.next_block();
        if status & (USER | HELD) != USER {
            assert!(taken.is_none(), "took a block whose status is {status:#x}");
            break;
        }
        let guard = taken.expect("the program owns the block");
        assert_eq!(guard.status(), status);
        let opened = vnet_headers.open(guard, geometry);
        if outcome.corrupt {
            assert!(opened.is_none(), "opened a block of a corrupt ring");
            continue;
        }
        let expected = vnet_headers.read(content, private_area);
        let Some(mut block) = opened else {
            assert_eq!(expected.header, None, "refused a good header");
            assert!(slots.is_corrupt(), "refused in silence");
            outcome.corrupt = true;
            continue;
        };
        assert!(!slots.is_corrupt(), "corrupt before the walk");
        let read = block.packets().count();
        assert_eq!(read, expected.packets.len());
        assert_eq!(slots.is_corrupt(), expected.corrupt, "the latch");
        walk(&mut block, place, &expected);
        for other in &mut blocks {
            strangers(&mut block, other);
            strangers(other, &mut block);
        }
        assert_eq!(
            slots.is_corrupt(),
            expected.corrupt,
            "a stranger's position moved the latch"
        );
        outcome.corrupt = expected.corrupt;
        outcome.opened += 1;
        outcome.packets += expected.packets.len();
        blocks.push(block);
    }
    assert_eq!((slots.held() - claimed) as usize, blocks.len());
    drop(blocks);
    assert_eq!(slots.held(), claimed);
    outcome
}

/// Goes through the first block by `packet_mut` alone, which must latch as the walk does.
pub(crate) fn writing(geometry: &Geometry, private_area: u32, bytes: &[u8]) {
    for vnet_headers in [VnetHeaders::Without, VnetHeaders::With] {
        writing_of(vnet_headers, geometry, private_area, bytes);
    }
}

fn writing_of(vnet_headers: VnetHeaders, geometry: &Geometry, private_area: u32, bytes: &[u8]) {
    let mut heap = HeapRing::new(geometry, bytes);
    let mut receiver = heap.ring.receiver();
    let slots = receiver.slots();
    let taken = receiver.next_block();
    if let Some(mut block) = taken.and_then(|guard| vnet_headers.open(guard, geometry)) {
        let mut content = bytes.to_vec();
        content.resize(geometry.block_size() as usize, 0);
        let expected = vnet_headers.read(&content, private_area);
        let mut position = block.start();
        for _ in &expected.packets {
            assert!(block.packet_mut(&mut position).is_some());
        }
        assert!(block.packet_mut(&mut position).is_none());
        assert_eq!(slots.is_corrupt(), expected.corrupt, "the latch");
    }
}

/// Every way through one block, the fields of the header, and the private area.
fn walk<H: Handle>(block: &mut Block<H>, place: &Range<usize>, expected: &Reading) {
    let header = expected.header.as_ref().expect("opened a bad header");
    assert_eq!(block.packet_count(), header.count);
    assert_eq!(block.used_bytes(), header.used);
    assert_eq!(block.sequence(), header.sequence);
    let times = header
        .times
        .map(|(seconds, nanoseconds)| Duration::new(seconds.into(), nanoseconds));
    assert_eq!(block.times(), times.into());
    assert_eq!(within(place, block.private_area()), header.private_area);
    assert_eq!(within(place, block.private_area_mut()), header.private_area);

    assert!(
        block
            .packets()
            .size_hint()
            .1
            .is_none_or(|most| most >= expected.packets.len())
    );
    let mut walked = block.packets();
    for seen in &expected.packets {
        let packet = walked.next().expect("one more packet");
        assert_eq!(look(place, &packet), *seen);
    }
    assert!(walked.next().is_none());
    assert!(walked.next().is_none(), "the iterator is fused");

    // Nothing to compare with, but no value may make it panic.
    let _ = block.packets().next().map(|packet| format!("{packet:?}"));

    let mut at = 0;
    let ended = block.for_each(|packet| {
        assert_eq!(look(place, &packet), expected.packets[at]);
        at += 1;
        ControlFlow::Continue(())
    });
    assert!(ended.is_continue());
    assert_eq!(at, expected.packets.len());
    let folded = block.packets().fold(0, |at, packet| {
        assert_eq!(look(place, &packet), expected.packets[at]);
        at + 1
    });
    assert_eq!(folded, expected.packets.len());

    let mut position = block.start();
    for seen in &expected.packets {
        let mut for_writing = position;
        let packet = block.packet(&mut position).expect("one more packet");
        assert_eq!(look(place, &packet), *seen);
        let data = block
            .packet_mut(&mut for_writing)
            .expect("as many for writing");
        assert_eq!(within(place, data), seen.data);
        assert_eq!(for_writing, position);
        // What is there is written again: the block must read the same afterwards.
        for byte in data {
            let same = *byte;
            *byte = core::hint::black_box(same);
        }
    }
    assert!(block.packet(&mut { position }).is_none());
    assert!(block.packet_mut(&mut { position }).is_none());
}

/// Positions of one block bring nothing from another, and stay where they are.
fn strangers<A: Handle, B: Handle>(block: &mut Block<A>, other: &mut Block<B>) {
    let mut positions: Vec<Position> = vec![other.start()];
    let mut position = other.start();
    while other.packet(&mut position).is_some() && positions.len() < 4 {
        positions.push(position);
    }
    for position in positions {
        let mut moved = position;
        assert!(block.packet(&mut moved).is_none());
        assert!(block.packet_mut(&mut moved).is_none());
        assert_eq!(moved, position);
    }
}

/// Where `bytes` lie in the block at `place`, every one of them.
pub(super) fn within(place: &Range<usize>, bytes: &[u8]) -> (usize, usize) {
    let start = bytes.as_ptr().addr();
    let end = start + bytes.len();
    assert!(
        place.start <= start && end <= place.end,
        "lent bytes outside the block"
    );
    (start - place.start, end - place.start)
}

/// All that a packet of a block tells.
fn look(place: &Range<usize>, packet: &Packet<'_>) -> Seen {
    Seen {
        rxhash: packet.rxhash(),
        ..look_at_either(place, packet)
    }
}

/// All that a packet tells, of a block or of a frame of its own.
pub(super) fn look_at_either(place: &Range<usize>, packet: &Packet<'_, impl Delivery>) -> Seen {
    let time = packet.timestamp();
    let hardware = packet.status().bits() & (1 << 31) != 0;
    let software = packet.status().bits() & (1 << 29) != 0;
    let source = match (hardware, software) {
        (true, _) => TimestampSource::Hardware,
        (false, true) => TimestampSource::Software,
        (false, false) => TimestampSource::Ring,
    };
    assert_eq!(time.source, source);
    let source = packet.source();
    let address_len = source.as_bytes().len();
    let mut address = [0; 8];
    address[..address_len].copy_from_slice(source.as_bytes());
    Seen {
        data: within(place, packet.data()),
        captured: packet.captured_len(),
        length: packet.len(),
        time: (time.seconds, time.nanoseconds),
        status: packet.status().bits(),
        vlan: packet.vlan().map(|vlan| (vlan.tci, vlan.tpid)),
        rxhash: 0,
        network_offset: packet.network_offset(),
        protocol: packet.protocol(),
        interface: packet.interface_index(),
        hardware: packet.source().hardware,
        packet_type: match packet.direction() {
            Direction::Host => 0,
            Direction::Broadcast => 1,
            Direction::Multicast => 2,
            Direction::OtherHost => 3,
            Direction::Outgoing => 4,
            Direction::Other(raw) => raw,
            _ => panic!("a direction that this test does not know"),
        },
        address,
        address_len,
    }
}
