//! The trait that everybody who is measured has: what it opens, and how it receives and sends.

use core::fmt;
use core::time::Duration;

use packet_ring::xdp::{AttachMode, Attachment, Interface, Redirect, Xskmap};
use packet_ring_lab::{Link, VethOptions, VethPair};
use rustix::fd::BorrowedFd;
use rustix::net::SendFlags;

/// Frames that a sender hands over at a time, and packets of a batch of AF_XDP.
pub(crate) const BATCH: u32 = 64;

/// Where a numbered frame has its number.
pub(crate) const NUMBER: usize = 22;

/// Which kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// AF_PACKET.
    Packet,
    /// AF_XDP.
    Xdp,
}

/// Why a peer takes no part in a measure.
#[derive(Clone, Debug)]
pub(crate) struct Cannot(pub(crate) String);

impl<T: fmt::Display> From<T> for Cannot {
    fn from(why: T) -> Self {
        Self(why.to_string())
    }
}

impl Cannot {
    /// For a way that does nothing of the kind, where another way of the same peer does: it is not listed at all.
    pub(crate) fn one_of_several() -> Self {
        Self(String::new())
    }
}

/// What a peer says when it is asked for something.
pub(crate) type Answer<T> = Result<T, Cannot>;

/// What the receive ring is to be like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    /// Bytes of a block.
    pub(crate) block_size: u32,
    /// Of AF_XDP, the slots of each ring.
    pub(crate) blocks: u32,
    /// Slots of AF_XDP's fill ring that are left empty. Where packets come while others are taken, some must be: the
    /// kernel gives a slot back after it has let the packet be seen.
    pub(crate) spare: u32,
    pub(crate) retire_timeout: Duration,
    /// Blocks that the reader keeps while it reads on.
    pub(crate) held: u32,
    /// The fanout group to join, whose members take packets in turn.
    pub(crate) fanout: Option<u16>,
}

impl Ring {
    /// 64 blocks of 1 MiB, retired after 16 ms.
    pub(crate) const LARGE: Self = Self {
        block_size: 1 << 20,
        blocks: 64,
        spare: 0,
        retire_timeout: Duration::from_millis(16),
        held: 0,
        fanout: None,
    };

    /// 64 blocks of 4 KiB, retired after 1 ms, which is the least: for who answers.
    pub(crate) const ANSWERS: Self = Self {
        block_size: 4096,
        retire_timeout: Duration::from_millis(1),
        ..Self::LARGE
    };

    pub(crate) fn bytes(&self) -> usize {
        self.block_size as usize * self.blocks as usize
    }
}

/// One end of a cable, and the map of its XDP program if it has one.
pub(crate) struct Place {
    pub(crate) link: Link,
    pub(crate) map: Option<Xskmap>,
    _attachment: Option<Attachment>,
}

impl Place {
    fn plain(link: Link) -> Self {
        Self {
            link,
            map: None,
            _attachment: None,
        }
    }

    fn with_program(link: Link, mode: AttachMode) -> Answer<Self> {
        let map = Xskmap::create(1)?;
        let program = Redirect::to(&map).load()?;
        let place = Self::plain(link);
        let attachment = program.attach(place.interface(), mode)?;
        Ok(Self {
            map: Some(map),
            _attachment: Some(attachment),
            ..place
        })
    }

    pub(crate) fn index(&self) -> u32 {
        self.link.index().expect("the link is there")
    }

    /// The interface, as AF_XDP has it.
    pub(crate) fn interface(&self) -> Interface {
        Interface::by_index(self.index()).expect("an index")
    }
}

/// A cable of which one end sends and the other receives, without programs.
pub(crate) fn cable() -> Answer<[Place; 2]> {
    let pair = VethPair::create(&VethOptions::default())?;
    Ok([pair.near, pair.far].map(Place::plain))
}

/// A cable with an XDP program at each end, which brings packets to sockets. In the driver, that is with
/// [`AttachMode::Native`], veth receives frames so only where both ends have one.
pub(crate) fn cable_with_programs(mode: AttachMode) -> Answer<[Place; 2]> {
    let pair = VethPair::create(&VethOptions::default())?;
    let near = Place::with_program(pair.near.clone(), mode)?;
    let far = Place::with_program(pair.far.clone(), mode)?;
    // Attaching takes an interface down and up.
    pair.wait_for_carrier()?;
    Ok([near, far])
}

/// What a receiver has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) packets: u64,
    /// The sum of the lengths.
    pub(crate) bytes: u64,
    /// The sum of the numbers.
    pub(crate) numbers: u64,
    /// A sum over the first eight bytes of each packet.
    headers: u64,
}

impl Seen {
    /// Of a packet: its first eight bytes and its number as they lie in memory, and its length.
    #[inline(always)]
    pub(crate) fn note(&mut self, header: u64, number: u64, len: u32) {
        self.packets += 1;
        self.bytes += u64::from(len);
        self.numbers = self.numbers.wrapping_add(u64::from_be(number));
        self.headers = self.headers.wrapping_add(header);
    }

    #[inline(always)]
    pub(crate) fn packet(&mut self, bytes: &[u8], len: u32) {
        let word = |at: usize| {
            let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(0, |word| u64::from_ne_bytes(*word))
        };
        self.note(word(0), word(NUMBER), len);
    }

    /// Adds what another has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.numbers = self.numbers.wrapping_add(other.numbers);
        self.headers = self.headers.wrapping_add(other.headers);
    }

    /// Whether these are the packets with the numbers below `count`, each of `len` bytes, each once.
    pub(crate) fn are_all(&self, count: u64, len: usize) -> bool {
        self.packets == count
            && self.bytes == count * len as u64
            && self.numbers == count * (count - 1) / 2
    }
}

/// Where the blocks of a receive ring of TPACKET_V3 lie in its socket's mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    pub(crate) size: usize,
    pub(crate) count: usize,
}

/// An open receiver.
pub(crate) trait Receive: Send {
    /// Takes all that is there; returns without sleeping.
    fn drain(&mut self, seen: &mut Seen);

    /// Sleeps until there is something, in the way that the peer's documents show, and takes it. It may return
    /// with nothing.
    fn receive(&mut self, seen: &mut Seen);

    /// Says which of the two will be called from now on: with `false` it is [`drain`](Self::drain) alone.
    fn will_sleep(&mut self, _sleeps: bool) {}

    fn fd(&self) -> BorrowedFd<'_>;

    /// The blocks that can be handed out again; or why not.
    fn blocks(&self) -> Answer<Blocks> {
        Err("it has no ring of TPACKET_V3, whose blocks could be handed out again".into())
    }
}

/// An open sender.
pub(crate) trait Transmit {
    /// Writes and sends [`BATCH`] frames with numbers from this one on. Errs where it cannot go on.
    fn send(&mut self, first: u64) -> Answer<()>;

    /// Returns once every frame has left.
    fn finish(&mut self) -> Answer<()>;
}

/// One end of a conversation.
pub(crate) trait Converse: Send {
    /// Takes the packet that comes next, by looking for it again and again, or by sleeping; says what its number
    /// is.
    fn take(&mut self, sleeps: bool) -> u64;

    /// Sends one frame.
    fn give(&mut self, frame: &[u8]) -> Answer<()>;

    /// Whether a packet waits a millisecond and more before it can be taken.
    fn is_slow(&self) -> bool {
        false
    }

    fn fd(&self) -> BorrowedFd<'_>;
}

/// Somebody who is measured.
pub(crate) trait Peer: Sync {
    fn name(&self) -> &'static str;

    fn version(&self) -> String;

    fn family(&self) -> Family;

    /// Opens a receiver at this end of a cable.
    fn receiver(&self, _place: &Place, _ring: &Ring) -> Answer<Box<dyn Receive>> {
        Err(Cannot::one_of_several())
    }

    /// Opens a sender of frames like this one.
    fn sender(&self, _place: &Place, _template: &[u8]) -> Answer<Box<dyn Transmit>> {
        Err(Cannot::one_of_several())
    }

    /// Opens one end of a conversation.
    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        let receiver = self.receiver(place, &Ring::ANSWERS)?;
        Ok(Box::new(ByBlocks::new(receiver)))
    }
}

/// An end of a conversation that receives blocks, each of which has a packet and is handed out after the retire timeout.
pub(crate) struct ByBlocks(Box<dyn Receive>);

impl ByBlocks {
    pub(crate) fn new(receiver: Box<dyn Receive>) -> Self {
        Self(receiver)
    }
}

impl Converse for ByBlocks {
    fn take(&mut self, sleeps: bool) -> u64 {
        self.0.will_sleep(sleeps);
        let mut seen = Seen::default();
        while seen.packets == 0 {
            if sleeps {
                self.0.receive(&mut seen);
            } else {
                self.0.drain(&mut seen);
                core::hint::spin_loop();
            }
        }
        seen.numbers
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        rustix::net::send(self.0.fd(), frame, SendFlags::empty())?;
        Ok(())
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }
}

/// Writes the frame of this number.
#[inline(always)]
pub(crate) fn write(bytes: &mut [u8], template: &[u8], number: u64) {
    bytes.copy_from_slice(template);
    bytes[NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
}
