//! What a device asks of its rings: to receive one packet, to send one, and what goes with it.

use rustix::fd::BorrowedFd;

use super::HEADER;
use crate::error::Error;
use crate::wait::{Deadline, OnSignal, Wake};

/// The rings of a [`Device`](super::Device): [`PacketRings`](super::PacketRings), [`XdpRings`](super::XdpRings). Sealed.
///
/// For functions that take devices of both.
pub trait Rings: Sides {}

impl<R: Sides> Rings for R {}

/// What [`Rings`] stands for.
///
/// Not exported, which seals it.
pub trait Sides {
    /// What receives.
    type Rx: Receive;
    /// What transmits.
    type Tx: Transmit;

    /// What receives.
    fn rx(&self) -> &Self::Rx;

    /// Both, to be borrowed together.
    fn sides(&mut self) -> (&mut Self::Rx, &mut Self::Tx);
}

/// The side that receives.
pub trait Receive {
    /// Whether a packet is there: it stays until it is taken.
    fn fetch(&mut self) -> bool;

    /// Takes the packet that was fetched; one without bytes where none was.
    fn take<T>(&mut self, f: impl FnOnce(&mut [u8]) -> T) -> T;

    /// Sleeps until a packet has come. None is fetched that was not taken.
    fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error>;

    /// Says what is wrong with the link or the ring.
    fn look(&mut self) -> Result<(), Error>;

    /// The descriptor that tells of packets.
    fn fd(&self) -> BorrowedFd<'_>;
}

/// The side that transmits.
pub trait Transmit {
    /// Whether there is room for a frame, which stays until one is sent.
    fn has_room(&mut self) -> bool;

    /// Hands a frame of `len` bytes over that `f` writes. Where there is not that much room, `f` gets what there is, and
    /// nothing is handed over; nor is a frame without a header, nor one whose `f` panics.
    fn send<T>(&mut self, len: usize, f: impl FnOnce(&mut [u8]) -> T) -> (T, Result<(), Error>);

    /// Has the kernel send what was handed over; says how many frames it has not taken.
    fn kick(&mut self) -> Result<u32, Error>;

    /// How many frames were handed over and not taken, as far as was seen.
    fn waiting(&mut self) -> u32;

    /// The descriptor that tells of room.
    fn fd(&self) -> BorrowedFd<'_>;
}

/// Whether a frame of `len` bytes can be sent from `room` bytes.
///
/// One without a whole header would be refused by AF_PACKET, with those behind it, and taken by AF_XDP, where nothing
/// leaves and nobody tells.
#[inline]
pub(super) fn fits(len: usize, room: usize) -> Result<(), Error> {
    if len < HEADER as usize {
        return Err(Error::FrameTooShort { len: len as u64 });
    }
    if len > room {
        return Err(Error::FrameTooSmall {
            room: room as u64,
            len: len as u64,
        });
    }
    Ok(())
}
