//! Receiving by AF_XDP: the program that brings an interface's packets here, and the queues that it brings them from.

mod queues;

pub(crate) use queues::{Queues, receive_at};

use core::time::Duration;
use std::thread;
use std::time::Instant;

use clap::{Args, ValueEnum};
use packet_ring::bpf::{Instruction, Program as Filter};
use packet_ring::packet::{Membership, MembershipGuard};
use packet_ring::xdp::{
    self, AttachMode, AttachedMode, Attachment, Occupant, Queue, Redirect, RingSize, Statistics,
    UmemGeometry, Xskmap,
};
use packet_ring::{Deadline, Error, Operation};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::doctor;
use crate::exit::Failure;
use crate::interfaces::{self, Interface, LinkType};
use crate::send::{ETHERNET_HEADER, VLAN_TAG};

/// Bytes of a chunk: the most that AF_XDP has on every machine.
pub(crate) const CHUNK: u32 = 4096;

/// How long an interface may take to come back that the program took down for a moment.
const COMING_BACK: Duration = Duration::from_secs(5);

/// How long memory may be locked and a queue another's: of what a program had that has just ended, the kernel lets go
/// a little later.
const RELEASE: Duration = Duration::from_secs(1);

/// Packets in several frames: Linux 6.6, and programs for them 5.18.
const MULTI_BUFFER: (u32, u32) = (6, 6);

/// Flags of every command that receives by AF_XDP.
#[derive(Debug, Args)]
pub(crate) struct XdpArgs {
    /// Receive by AF_XDP, in the driver (native) or before the network stack (generic) [default: native where the
    /// driver can]. Packets are TAKEN from this machine's network stack; only those that a filter rejects go on
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "either",
        hide_possible_values = true
    )]
    pub(crate) xdp: Option<Mode>,

    /// With --xdp: only this queue of the interface, from 0 [default: all]
    #[arg(long, value_name = "N", requires = "xdp")]
    pub(crate) queue: Option<u32>,
}

/// `--xdp`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// In the driver
    Native,
    /// Before the network stack
    Generic,
    /// In the driver where it can
    Either,
}

impl From<Mode> for AttachMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Native => Self::Native,
            Mode::Generic => Self::Generic,
            Mode::Either => Self::Either,
        }
    }
}

/// A program on an interface, with nobody yet whom it would bring packets to.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) interface: xdp::Interface,
    pub(crate) map: Xskmap,
    pub(crate) mode: AttachedMode,
    /// The queues to be received from.
    pub(crate) queues: Vec<u32>,
    /// Whether packets may come in several frames.
    pub(crate) multi_buffer: bool,
    _attachment: Attachment,
}

impl Path {
    /// Puts the program on the interface; returns when that is up again.
    pub(crate) fn open(
        on: &Interface,
        mode: Mode,
        queue: Option<u32>,
        filter: Option<&[Instruction]>,
    ) -> Result<Self, Failure> {
        let name = &on.name;
        let failed = |error| failure(error, name);
        if on.link_type() != Some(LinkType::Ethernet) {
            return Err(Failure::interface(format_args!(
                "{name} has no Ethernet frames: --xdp needs them"
            )));
        }
        let interface = xdp::Interface::by_index(on.index)
            .ok_or(Error::NoSuchInterface)
            .map_err(failed)?;
        let count = queues(interface).map_err(failed)?;
        let queues = match queue {
            None => (0..count).collect(),
            Some(queue) if queue < count => vec![queue],
            Some(queue) => {
                return Err(Failure::usage(format_args!(
                    "{name} has no queue {queue}: they are 0 to {}",
                    count - 1
                )));
            }
        };
        let large = on.mtu > largest_in_one();
        let map = Xskmap::create(count).map_err(failed)?;
        let filter = filter.map(Filter::new).transpose();
        let filter = filter.map_err(Failure::usage)?;
        let mut redirect = Redirect::to(&map);
        if large {
            redirect = redirect.fragments();
        }
        if let Some(filter) = &filter {
            redirect = redirect.filter(filter);
        }
        let program = redirect
            .load()
            .map_err(|refused| told(refused.error(), &refused, name))?;
        let attachment = program
            .attach(interface, mode.into())
            .map_err(|refused| told(refused.error(), &refused, name))?;
        come_back(on);
        let mode = attachment.mode().map_err(failed)?;
        let whole = large || mode == AttachedMode::Generic;
        Ok(Self {
            interface,
            map,
            mode,
            queues,
            multi_buffer: whole && doctor::kernel_version() >= Some(MULTI_BUFFER),
            _attachment: attachment,
        })
    }

    /// One of its queues, to be bound to.
    pub(crate) fn queue(&self, index: u32) -> Queue {
        let queue = Queue::new(self.interface, index);
        if self.multi_buffer {
            queue.multi_buffer()
        } else {
            queue
        }
    }

    /// What it came to, for people.
    pub(crate) fn tell(&self, name: &str, zero_copy: bool) {
        let queues = match self.queues[..] {
            [queue] => format!("queue {queue}"),
            _ => format!("{} queues", self.queues.len()),
        };
        let copies = if zero_copy {
            "without copies"
        } else {
            "copied by the kernel"
        };
        eprintln!(
            "AF_XDP on {name}: {} mode, {queues}, {copies}; packets are taken from the network stack",
            self.mode
        );
    }
}

/// The largest MTU of which every packet fits one chunk.
fn largest_in_one() -> u32 {
    const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(CHUNK, 1);
    GEOMETRY.receive_capacity() - ETHERNET_HEADER - VLAN_TAG
}

/// How many queues receive; a driver that does not tell has one.
pub(crate) fn queues(interface: xdp::Interface) -> Result<u32, Error> {
    match interface.queues(&any_socket()?) {
        Ok(queues) => Ok(queues.receive.max(1)),
        Err(error) if error.errno() == Some(Errno::OPNOTSUPP) => Ok(1),
        Err(error) => Err(error),
    }
}

/// A socket to ask about interfaces through: AF_XDP's answer nothing (EOPNOTSUPP).
pub(crate) fn any_socket() -> Result<OwnedFd, Error> {
    socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|errno| Error::System {
        operation: Operation::FindInterface,
        errno,
    })
}

/// Until the guard is dropped. A packet socket of no protocol receives nothing.
pub(crate) fn promiscuous(index: u32) -> Result<MembershipGuard, Error> {
    let interface = xdp::Interface::by_index(index).ok_or(Error::NoSuchInterface)?;
    let socket = socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|errno| Error::System {
        operation: Operation::OpenSocket,
        errno,
    })?;
    Membership::Promiscuous.join(&socket, interface)
}

/// Waits for an interface that was running: drivers take a program up by going down and up.
fn come_back(before: &Interface) {
    let began = Instant::now();
    while before.is_running() && began.elapsed() < COMING_BACK {
        match interfaces::again(before) {
            Ok(now) if !now.is_running() => thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
}

/// Until when to try to map memory, and to bind to a queue.
pub(crate) fn released() -> Deadline {
    Deadline::after(RELEASE)
}

/// As many slots as there are chunks, or the next fewer that a ring can have.
pub(crate) fn slots(chunks: u32) -> RingSize {
    const MOST: u32 = 1 << 15;
    let slots = (chunks / 2 + 1).next_power_of_two().min(MOST);
    RingSize::new(slots).unwrap_or(RingSize::new_assert(MOST))
}

/// Packets that the kernel had for a socket and dropped.
pub(crate) fn dropped(statistics: &Statistics) -> u64 {
    statistics.rx_dropped + statistics.more.map_or(0, |more| more.rx_ring_full)
}

/// The kernel's counters of a socket, under its names for them: three before Linux 5.9.
pub(crate) fn named(statistics: &Statistics) -> Vec<(&'static str, u64)> {
    let mut named = vec![
        ("rx_dropped", statistics.rx_dropped),
        ("rx_invalid_descs", statistics.rx_invalid_descriptors),
        ("tx_invalid_descs", statistics.tx_invalid_descriptors),
    ];
    if let Some(more) = statistics.more {
        named.extend([
            ("rx_ring_full", more.rx_ring_full),
            ("rx_fill_ring_empty_descs", more.fill_ring_empty),
            ("tx_ring_empty_descs", more.tx_ring_empty),
        ]);
    }
    named
}

/// The same on one line.
pub(crate) fn counters(statistics: &Statistics) -> String {
    let named = named(statistics).into_iter();
    let words: Vec<_> = named
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    words.join(", ")
}

/// The program that is on an interface, in words.
pub(crate) fn program_on(interface: xdp::Interface) -> Result<Option<String>, Error> {
    let there = Occupant::of(interface)?;
    Ok(there.map(|program| {
        let name = program.name().unwrap_or("without a name");
        format!(
            "XDP program {} ({name}) in {} mode",
            program.id(),
            program.mode()
        )
    }))
}

/// What the library says, as this tool ends with it.
pub(crate) fn failure(error: Error, interface: &str) -> Failure {
    told(error, &error, interface)
}

/// The same, with more words than the error alone has.
fn told(error: Error, words: &dyn core::fmt::Display, interface: &str) -> Failure {
    match (error, error.errno()) {
        (_, Some(Errno::PERM | Errno::ACCESS)) => Failure::not_permitted_xdp(format_args!(
            "not permitted to receive by AF_XDP on {interface}: {words}"
        )),
        (Error::NoSuchInterface, _) | (_, Some(Errno::NODEV)) => {
            Failure::interface(format_args!("there is no interface {interface}"))
        }
        (Error::LinkGone, _) => Failure::interface(format_args!("{interface} went away")),
        _ => Failure::runtime(format_args!("{interface}: {words}")),
    }
}

#[cfg(test)]
mod tests {
    use super::slots;

    #[test]
    fn a_ring_has_no_more_slots_than_there_are_chunks() {
        for (chunks, ring) in [
            (1, 1),
            (2, 2),
            (3, 2),
            (256, 256),
            (16_384, 16_384),
            (1 << 20, 1 << 15),
        ] {
            assert_eq!(slots(chunks).get(), ring, "{chunks}");
        }
    }
}
