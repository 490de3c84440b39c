//! A block of packets, owned until it is dropped.

use core::ops::ControlFlow;
use core::time::Duration;

use super::delivery::ETHERNET_HEADER;
use super::walk::{Packets, Position, Records, read_on_mut};
use super::{Geometry, Packet};
use crate::abi::packet::{BlockStatus, block, record};
use crate::geometry::align_up;
use crate::handoff::{self, Handle};

/// Where the bytes that a guard lends begin in a block: behind the status word.
pub(super) const LENT_FROM: usize = block::STATUS + size_of::<u32>();

/// Many packets at a time, as [`Block`]s: what a ring of [`Rx`](super::Rx) delivers.
///
/// Holds what the ring's geometry says of each of its blocks.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    /// Bytes of the private area.
    pub(super) private_area: u32,
    /// Where the first packet record lies, from the start of the block.
    pub(super) first_packet: u32,
    /// Whether the kernel can leave records unwritten.
    vnet_headers: bool,
    /// Bytes of the block.
    block_size: u32,
    /// Bytes left free before each packet.
    reserve: u32,
}

impl Blocks {
    pub(super) const fn of(geometry: &Geometry) -> Self {
        Self {
            private_area: geometry.private_area_bytes(),
            first_packet: geometry.first_packet(),
            vnet_headers: false,
            block_size: geometry.block_size(),
            reserve: geometry.reserve_bytes(),
        }
    }

    /// How many bytes of an Ethernet frame an empty block has room for.
    pub(super) const fn capacity(self) -> u32 {
        let before = record::FARTHEST_MAC as u32 - ETHERNET_HEADER;
        (self.block_size - self.first_packet)
            .saturating_sub(before)
            .saturating_sub(self.reserve)
    }

    /// How many packets of `len` bytes a block holds, if they come before it is retired.
    pub(super) const fn packets_of(self, len: u32) -> u32 {
        let record = record::FARTHEST_MAC as u64 + self.reserve as u64 + len as u64;
        // The kernel does not fill a block to its last byte.
        let room = self.block_size - self.first_packet - 1;
        (room as u64 / align_up(record, record::ALIGNMENT as u64)) as u32
    }

    /// The same of a socket whose packets have vnet headers.
    pub(super) const fn with_vnet_headers(mut self) -> Self {
        self.vnet_headers = true;
        self
    }
}

/// A block that the kernel has filled. Dropping it gives it back to the kernel.
///
/// `H` is what keeps the ring alive meanwhile: a borrow (`&Slots`), or a shared owner. Blocks can be
/// held, sent to other threads and dropped in any order; but the kernel fills blocks in turn, and
/// stops at the first that it has not got back.
///
/// Packets borrow the block:
///
/// ```compile_fail,E0505
/// # use packet_ring::{handoff::Slots, packet::Block};
/// fn first_byte(block: Block<&Slots>) -> Option<u8> {
///     let packet = block.packets().next()?;
///     drop(block);
///     packet.data().first().copied()
/// }
/// ```
#[doc(alias = "tpacket_block_desc")]
#[derive(Debug)]
pub struct Block<H: Handle> {
    pub(super) guard: handoff::Block<H>,
    /// Bytes of the private area.
    private_area: u32,
    /// Where the first packet lies, from the start of the block.
    pub(super) first_packet: u32,
    /// Our copies of the header's words, checked; the ring's are not read again.
    pub(super) packets: u32,
    /// Bytes in use, from the start of the block.
    pub(super) length: u32,
    sequence: u64,
}

/// Reads the `N` bytes at `offset` of a block out of what its guard lends.
fn word<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset - LENT_FROM..)?.first_chunk().copied()
}

impl<H: Handle> Block<H> {
    /// Reads the header of a block that a ring of this geometry has just handed out: for runtimes
    /// that map rings themselves. Those that receive through [`Socket`](super::Socket) have no use
    /// for it.
    ///
    /// `None` where the header is none that the kernel writes, and for every block once the ring is
    /// corrupt ([`Slots::is_corrupt`](handoff::Slots::is_corrupt)): the block then goes back to the
    /// kernel unread. The bytes are never trusted: a geometry that is not the ring's makes the ring
    /// corrupt, and nothing worse.
    #[must_use]
    pub fn open(guard: handoff::Block<H>, geometry: &Geometry) -> Option<Self> {
        if guard.slots().is_corrupt() {
            return None;
        }
        Self::check(guard, Blocks::of(geometry))
    }

    /// [`open`](Self::open), for a block of a socket whose packets have vnet headers
    /// (`PACKET_VNET_HDR`): also passes over the records that the kernel has made room for and not
    /// written, because no vnet header can describe the packet.
    #[must_use]
    pub fn open_with_vnet_headers(guard: handoff::Block<H>, geometry: &Geometry) -> Option<Self> {
        if guard.slots().is_corrupt() {
            return None;
        }
        Self::check(guard, Blocks::of(geometry).with_vnet_headers())
    }

    /// Checks the header of a block that was just taken; a bad one marks the ring corrupt.
    #[inline]
    pub(super) fn check(guard: handoff::Block<H>, shape: Blocks) -> Option<Self> {
        let bytes = guard.bytes();
        let read = |offset| word(bytes, offset).map(u32::from_ne_bytes);
        let header = (|| {
            let length = read(block::LENGTH)?;
            let fits = length as usize <= LENT_FROM + bytes.len() && length >= shape.first_packet;
            let first = read(block::FIRST_PACKET)?;
            if !fits || first != shape.first_packet {
                return None;
            }
            let sequence = word(bytes, block::SEQUENCE).map(u64::from_ne_bytes)?;
            Some((read(block::PACKETS)?, length, sequence))
        })();
        let Some((packets, length, sequence)) = header else {
            guard.slots().mark_corrupt();
            return None;
        };
        let block = Self {
            guard,
            private_area: shape.private_area,
            first_packet: shape.first_packet,
            packets,
            length,
            sequence,
        };
        if shape.vnet_headers {
            return block.without_unwritten();
        }
        Some(block)
    }

    /// Number of packets; a block can have none.
    #[must_use]
    pub fn packet_count(&self) -> u32 {
        self.packets
    }

    /// Bytes in use: the header, the private area and the packet records.
    #[doc(alias = "blk_len")]
    #[must_use]
    pub fn used_bytes(&self) -> u32 {
        self.length
    }

    /// The number of this block since the ring was made, from 1 and without a gap.
    #[doc(alias = "seq_num")]
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether packets were dropped since the statistics were last read, and whether the retire
    /// timeout ended the block.
    #[must_use]
    pub fn status(&self) -> BlockStatus {
        BlockStatus::from_bits_retain(self.guard.status())
    }

    /// When the kernel opened the block, by the system clock, and the timestamp of the block's last
    /// packet, whose source the packet tells; for a block without packets, when it ended. Both since 1970.
    #[doc(alias = "ts_first_pkt")]
    #[doc(alias = "ts_last_pkt")]
    #[must_use]
    pub fn times(&self) -> (Duration, Duration) {
        let time = |offset| {
            let word = |offset| word(self.guard.bytes(), offset).map_or(0, u32::from_ne_bytes);
            Duration::new(word(offset).into(), word(offset + 4))
        };
        (time(block::FIRST_TIME), time(block::LAST_TIME))
    }

    /// The bytes of the block that the kernel leaves to the program.
    #[must_use]
    pub fn private_area(&self) -> &[u8] {
        let start = block::HEADER - LENT_FROM;
        self.guard
            .bytes()
            .get(start..start + self.private_area as usize)
            .unwrap_or(&[])
    }

    /// The bytes of the block that the kernel leaves to the program, for writing. What is written is
    /// there again when the block comes round.
    pub fn private_area_mut(&mut self) -> &mut [u8] {
        let start = block::HEADER - LENT_FROM;
        self.guard
            .bytes_mut()
            .get_mut(start..start + self.private_area as usize)
            .unwrap_or(&mut [])
    }

    #[inline(always)]
    fn records(&self) -> Records<'_> {
        let end = self.length as usize - LENT_FROM;
        Records {
            bytes: self.guard.bytes().get(..end).unwrap_or(&[]),
            slots: self.guard.slots(),
        }
    }

    /// The `N` bytes that lie before the captured ones of a packet of this block.
    pub(super) fn before<const N: usize>(&self, captured: &[u8]) -> Option<[u8; N]> {
        let bytes = self.guard.bytes();
        let at = captured
            .as_ptr()
            .addr()
            .checked_sub(bytes.as_ptr().addr())?;
        bytes.get(at.checked_sub(N)?..at)?.first_chunk().copied()
    }

    /// Tells this block from those of other rings, whose numbers start at 1 too.
    #[inline(always)]
    fn address(&self) -> usize {
        self.guard.bytes().as_ptr().addr()
    }

    fn gave(&self, position: &Position) -> bool {
        position.block == self.address() && position.sequence == self.sequence
    }

    /// The place of the first packet.
    #[inline(always)]
    #[must_use]
    pub fn start(&self) -> Position {
        Position {
            block: self.address(),
            sequence: self.sequence,
            next: self.first_packet as usize - LENT_FROM,
            left: self.packets,
        }
    }

    /// The packets, in the order in which they came.
    #[inline(always)]
    #[must_use]
    pub fn packets(&self) -> Packets<'_> {
        self.records().from(self.start())
    }

    /// Runs `f` over the packets until it breaks.
    #[inline(always)]
    pub fn for_each<'b>(&'b self, f: impl FnMut(Packet<'b>) -> ControlFlow<()>) -> ControlFlow<()> {
        self.packets().each(f)
    }

    /// The packet at `position`, which moves on to the next; `None` after the last. A position of
    /// another block stays where it is, and brings `None`.
    #[inline]
    pub fn packet(&self, position: &mut Position) -> Option<Packet<'_>> {
        if !self.gave(position) {
            return None;
        }
        self.records().read_on(position)
    }

    /// The captured bytes of the packet at `position`, for writing, as [`packet`](Self::packet).
    #[inline]
    pub fn packet_mut(&mut self, position: &mut Position) -> Option<&mut [u8]> {
        if !self.gave(position) {
            return None;
        }
        let end = self.length as usize - LENT_FROM;
        let (bytes, slots) = self.guard.parts_mut();
        read_on_mut(bytes.get_mut(..end)?, slots, position)
    }
}

impl<'b, H: Handle> IntoIterator for &'b Block<H> {
    type Item = Packet<'b>;
    type IntoIter = Packets<'b>;

    #[inline(always)]
    fn into_iter(self) -> Packets<'b> {
        self.packets()
    }
}
