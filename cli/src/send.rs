//! Having the kernel take what is queued: what `replay` and `bridge` have in common.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use packet_ring::packet::Transmitter;
use packet_ring::{Error, Unsent};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::sockopt;

use crate::exit::Failure;

/// Bytes of a VLAN tag, which the MTU does not count.
pub(crate) const VLAN_TAG: u32 = 4;
/// Bytes of an Ethernet header, which it does not count either.
pub(crate) const ETHERNET_HEADER: u32 = 14;

/// Bytes up to which it is cheaper to copy a packet than to lend it to the interface. Over veth, which needs a copy of what
/// is lent, copying spared a quarter at 64 bytes, a sixth at 512, and next to nothing at 1,514.
pub(crate) const SHORT: u16 = 1024;

/// Whether the interface sends a packet of this length. With vnet headers the kernel leaves that to us.
pub(crate) fn fits(packet: &[u8], mtu: u32) -> bool {
    const TAGGED: [u8; 2] = [0x81, 0x00];
    let longest = (mtu + ETHERNET_HEADER) as usize;
    packet.len() <= longest
        || (packet.len() <= longest + VLAN_TAG as usize && packet.get(12..14) == Some(&TAGGED))
}

/// How long an interface may go on without room.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of packets that may be under way at a time, with what the kernel needs for each.
const SEND_BUFFER: usize = 8 << 20;

/// What became of queued frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// The kernel has taken them all.
    All,
    /// It refused one. That and those behind it, so many in all, were taken back.
    Refused(u32, Unsent),
    /// The interface is down; what it did not take is still queued.
    Down,
    /// The interface had no room for too long; what it did not take is still queued.
    NoRoom,
    /// The end was asked for first; what it did not take is still queued.
    Over,
}

/// Has the kernel take every queued frame, and sleeps in naps where it has no room.
pub(crate) fn flush(
    transmitter: &mut Transmitter<'_>,
    is_over: impl Fn() -> bool,
) -> Result<Flushed, Error> {
    let mut nap = Nap::default();
    let mut stuck: Option<Instant> = None;
    loop {
        match transmitter.kick() {
            Ok(_) if transmitter.queued() == 0 => return Ok(Flushed::All),
            Ok(0) => {}
            Ok(_) => {
                nap = Nap::default();
                stuck = None;
            }
            Err(Error::Unsent { why, .. }) if transmitter.refused().is_some() => {
                return Ok(Flushed::Refused(transmitter.recall(), why));
            }
            Err(Error::Unsent { why, .. }) => match why {
                Unsent::NoBuffers => {}
                Unsent::LinkDown => return Ok(Flushed::Down),
                Unsent::LinkGone => return Err(Error::LinkGone),
                _ => return transmitter.kick().map(|_| Flushed::NoRoom),
            },
            Err(error) => return Err(error),
        }
        if is_over() {
            return Ok(Flushed::Over);
        }
        if stuck.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return Ok(Flushed::NoRoom);
        }
        nap.sleep();
        // Frames that came back make room in the send buffer, whether or not we look.
        while transmitter.next_completion().is_some() {}
    }
}

/// Sleeps that grow longer.
#[derive(Debug)]
pub(crate) struct Nap(Duration);

impl Default for Nap {
    fn default() -> Self {
        Self(Duration::from_micros(20))
    }
}

impl Nap {
    const LONGEST: Duration = Duration::from_millis(2);

    pub(crate) fn sleep(&mut self) {
        thread::sleep(self.0);
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}

/// Lets more packets be under way than the default allows, as many as this user may ask for.
pub(crate) fn widen_send_buffer(fd: BorrowedFd<'_>) {
    // Refused, it stays as it was, and kicks take fewer frames each.
    let _refused = sockopt::set_socket_send_buffer_size_force(fd, SEND_BUFFER)
        .or_else(|_| sockopt::set_socket_send_buffer_size(fd, SEND_BUFFER));
}

/// What the library says, as this tool ends with it.
pub(crate) fn failure(error: Error, interface: &str) -> Failure {
    match (error, error.errno()) {
        (_, Some(Errno::PERM | Errno::ACCESS)) => {
            Failure::not_permitted(format_args!("not permitted to send on {interface}"))
        }
        (Error::NoSuchInterface, _) | (_, Some(Errno::NODEV)) => {
            Failure::interface(format_args!("there is no interface {interface}"))
        }
        (Error::LinkGone, _) => Failure::interface(format_args!("{interface} went away")),
        _ => Failure::runtime(format_args!("{interface}: {error}")),
    }
}
