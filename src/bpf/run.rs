//! Running a program over a packet, as the kernel would.

use core::ops::ControlFlow;

use super::program::MEMORY_WORDS;
use super::{Ancillary, Program, SKF_LL_OFF, SKF_NET_OFF, Size, Source, Statement};

/// A packet, and what the kernel knows of it: all that a program can ask for.
///
/// The fields are those of the kernel's `sk_buff`; [`new`](Self::new) sets them for a bare Ethernet
/// frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// The bytes, as many as there are. A load beyond them drops the packet; where they are fewer than
    /// the packet had, the kernel could have gone on.
    pub bytes: &'a [u8],
    /// Where in `bytes` the filter's offset 0 lies: at the link-layer header for a SOCK_RAW socket, at
    /// the network header for a SOCK_DGRAM socket.
    pub data: usize,
    /// Where in `bytes` the link-layer header lies, if the packet has one.
    pub link_header: Option<usize>,
    /// Where in `bytes` the network header lies.
    pub network_header: usize,
    /// The packet's length from `data` on, captured or not.
    pub len: u32,
    /// [`Ancillary::Protocol`], in host order.
    pub protocol: u16,
    /// [`Ancillary::Pkttype`]: 0 to 7.
    pub packet_type: u8,
    /// [`Ancillary::Ifindex`]; 0 where the packet has no interface.
    pub interface_index: u32,
    /// [`Ancillary::Hatype`].
    pub hardware_type: u16,
    /// [`Ancillary::Mark`].
    pub mark: u32,
    /// [`Ancillary::Queue`].
    pub queue: u16,
    /// [`Ancillary::Rxhash`].
    pub rxhash: u32,
    /// [`Ancillary::Cpu`].
    pub cpu: u32,
    /// [`Ancillary::VlanTag`]. There is a tag where this or `vlan_tpid` is not 0.
    pub vlan_tci: u16,
    /// [`Ancillary::VlanTpid`], in host order.
    pub vlan_tpid: u16,
    /// [`Ancillary::PayOffset`], counted from `data`.
    pub payload_offset: u32,
    /// [`Ancillary::Random`]: every load brings this.
    pub random: u32,
}

impl<'a> Context<'a> {
    /// An Ethernet frame of which nothing is known beside its bytes: its network header is at 14, and
    /// what follows in the fields is 0.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            data: 0,
            link_header: Some(0),
            network_header: 14,
            len: bytes.len() as u32,
            protocol: 0,
            packet_type: 0,
            interface_index: 0,
            hardware_type: 0,
            mark: 0,
            queue: 0,
            rxhash: 0,
            cpu: 0,
            vlan_tci: 0,
            vlan_tpid: 0,
            payload_offset: 0,
            random: 0,
        }
    }
}

impl Program<'_> {
    /// The program's verdict over a packet: how many bytes of it are kept, 0 for a packet that is
    /// dropped.
    ///
    /// It is the kernel's, but for one thing: a packet whose bytes the kernel has in pieces (paged data)
    /// has no netlink attributes there.
    #[must_use]
    pub fn run(&self, packet: &Context<'_>) -> u32 {
        let mut machine = Machine {
            a: 0,
            x: 0,
            memory: [0; MEMORY_WORDS],
            packet,
        };
        let mut at = 0;
        // It ends: each turn goes forward, and the last instruction of a checked program returns.
        while let Some(instruction) = self.instructions().get(at) {
            match instruction
                .statement()
                .map(|statement| machine.step(statement))
            {
                Some(ControlFlow::Continue(skip)) => at += 1 + skip as usize,
                Some(ControlFlow::Break(verdict)) => return verdict,
                None => break,
            }
        }
        DROP
    }
}

/// The verdict that drops a packet.
const DROP: u32 = 0;

struct Machine<'p> {
    a: u32,
    x: u32,
    memory: [u32; MEMORY_WORDS],
    packet: &'p Context<'p>,
}

impl Machine<'_> {
    /// Does one statement: breaks with the verdict, or says how many instructions to skip.
    fn step(&mut self, statement: Statement) -> ControlFlow<u32, u32> {
        use Statement as S;
        match statement {
            S::LdAbs(size, offset) => self.a = self.load(size, offset)?,
            S::LdInd(size, offset) => self.a = self.load(size, self.x.wrapping_add(offset))?,
            S::LdAd(what) => self.a = self.ancillary(what)?,
            S::LdLen => self.a = self.packet.len,
            S::LdImm(value) => self.a = value,
            S::LdMem(word) => self.a = *self.word(word),
            S::LdxLen => self.x = self.packet.len,
            S::LdxImm(value) => self.x = value,
            S::LdxMem(word) => self.x = *self.word(word),
            S::LdxMsh(offset) => self.x = 4 * (self.load(Size::B, offset)? & 0xf),
            S::St(word) => *self.word(word) = self.a,
            S::Stx(word) => *self.word(word) = self.x,
            S::Add(source) => self.a = self.a.wrapping_add(self.value(source)),
            S::Sub(source) => self.a = self.a.wrapping_sub(self.value(source)),
            S::Mul(source) => self.a = self.a.wrapping_mul(self.value(source)),
            S::Div(source) => self.a = or_drop(self.a.checked_div(self.value(source)))?,
            S::Mod(source) => self.a = or_drop(self.a.checked_rem(self.value(source)))?,
            S::And(source) => self.a &= self.value(source),
            S::Or(source) => self.a |= self.value(source),
            S::Xor(source) => self.a ^= self.value(source),
            S::Lsh(source) => self.a = self.a.wrapping_shl(self.value(source)),
            S::Rsh(source) => self.a = self.a.wrapping_shr(self.value(source)),
            S::Neg => self.a = self.a.wrapping_neg(),
            S::Ja(skip) => return ControlFlow::Continue(skip),
            S::Jeq(source, yes, no) => return skip(self.a == self.value(source), yes, no),
            S::Jgt(source, yes, no) => return skip(self.a > self.value(source), yes, no),
            S::Jge(source, yes, no) => return skip(self.a >= self.value(source), yes, no),
            S::Jset(source, yes, no) => return skip(self.a & self.value(source) != 0, yes, no),
            S::RetK(verdict) => return ControlFlow::Break(verdict),
            S::RetA => return ControlFlow::Break(self.a),
            S::Tax => self.x = self.a,
            S::Txa => self.a = self.x,
        }
        ControlFlow::Continue(0)
    }

    fn value(&self, source: Source) -> u32 {
        match source {
            Source::K(k) => k,
            Source::X => self.x,
        }
    }

    /// A word of scratch memory; a checked program names no other.
    fn word(&mut self, word: u32) -> &mut u32 {
        &mut self.memory[word as usize % MEMORY_WORDS]
    }

    /// The bytes at an offset, which is negative where it counts from a header.
    fn load(&self, size: Size, offset: u32) -> ControlFlow<u32, u32> {
        let Context {
            data, link_header, ..
        } = *self.packet;
        let (header, distance) = match offset {
            0..=0x7fff_ffff => (Some(data), offset),
            SKF_NET_OFF.. => (Some(self.packet.network_header), offset - SKF_NET_OFF),
            SKF_LL_OFF.. => (link_header, offset - SKF_LL_OFF),
            _ => (None, 0),
        };
        let bytes = header
            .and_then(|header| header.checked_add(distance as usize))
            .and_then(|start| self.packet.bytes.get(start..)?.get(..size.bytes()));
        or_drop(bytes.map(|bytes| {
            bytes
                .iter()
                .fold(0, |value, &byte| value << 8 | u32::from(byte))
        }))
    }

    fn ancillary(&self, what: Ancillary) -> ControlFlow<u32, u32> {
        use Ancillary as Ad;
        let packet = self.packet;
        ControlFlow::Continue(match what {
            Ad::Protocol => packet.protocol.into(),
            Ad::Pkttype => u32::from(packet.packet_type) & 0x7,
            Ad::Ifindex | Ad::Hatype if packet.interface_index == 0 => {
                return ControlFlow::Break(self.a);
            }
            Ad::Ifindex => packet.interface_index,
            Ad::Hatype => packet.hardware_type.into(),
            Ad::Nlattr => self.attribute(self.from(self.a), self.a),
            Ad::NlattrNest => self.nested_attribute(),
            Ad::Mark => packet.mark,
            Ad::Queue => packet.queue.into(),
            Ad::Rxhash => packet.rxhash,
            Ad::Cpu => packet.cpu,
            Ad::AluXorX => self.a ^ self.x,
            Ad::VlanTag => packet.vlan_tci.into(),
            Ad::VlanTagPresent => u32::from((packet.vlan_tci, packet.vlan_tpid) != (0, 0)),
            Ad::PayOffset => packet.payload_offset,
            Ad::Random => packet.random,
            Ad::VlanTpid => packet.vlan_tpid.into(),
        })
    }

    /// The bytes from an offset on; none beyond the end.
    fn from(&self, offset: u32) -> &[u8] {
        let data = self.packet.bytes.get(self.packet.data..);
        data.and_then(|data| data.get(offset as usize..))
            .unwrap_or_default()
    }

    /// The offset of the attribute of type X among `attributes`, which begin at `offset`; else 0.
    fn attribute(&self, attributes: &[u8], offset: u32) -> u32 {
        let mut rest = attributes;
        while let Some((len, kind)) = attribute_header(rest) {
            if u32::from(kind) == self.x {
                return offset.wrapping_add((attributes.len() - rest.len()) as u32);
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        0
    }

    /// The same among those within the attribute at offset A.
    fn nested_attribute(&self) -> u32 {
        let outer = self.from(self.a);
        match attribute_header(outer) {
            Some((len, _)) => self.attribute(&outer[ATTRIBUTE_HEADER..len], self.a.wrapping_add(4)),
            None => 0,
        }
    }
}

/// Size of `struct nlattr`, in bytes.
const ATTRIBUTE_HEADER: usize = 4;

/// The length, header included, and the type of the netlink attribute at the front of `bytes`, if it
/// is whole.
fn attribute_header(bytes: &[u8]) -> Option<(usize, u16)> {
    /// `NLA_TYPE_MASK`: two bits of the type are flags.
    const TYPE: u16 = 0x3fff;
    let &[l0, l1, t0, t1] = bytes.first_chunk::<ATTRIBUTE_HEADER>()?;
    let len = usize::from(u16::from_ne_bytes([l0, l1]));
    let whole = (ATTRIBUTE_HEADER..=bytes.len()).contains(&len);
    whole.then_some((len, u16::from_ne_bytes([t0, t1]) & TYPE))
}

fn or_drop(value: Option<u32>) -> ControlFlow<u32, u32> {
    value.map_or(ControlFlow::Break(DROP), ControlFlow::Continue)
}

fn skip(condition: bool, yes: u8, no: u8) -> ControlFlow<u32, u32> {
    ControlFlow::Continue(u32::from(if condition { yes } else { no }))
}
