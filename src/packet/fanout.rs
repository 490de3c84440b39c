//! Fanout: several sockets that share what one interface receives.
//!
//! A group is the kernel's; it exists from its first member's join until its last member closes. What
//! is wanted of it is the value [`Fanout`], a socket in it has the state [`Member`], and what can be
//! asked of it goes through [`FanoutGroup`].

use core::num::NonZeroU16;

use linux_raw_sys::if_packet as raw;
use rustix::fd::{AsFd, BorrowedFd};

use super::rings::Receives;
use super::{Delivery, Receiver, Socket};
use crate::bpf::Instruction;
use crate::error::{Error, Operation};
use crate::lifecycle::{Bound, Failed, Rings};
use crate::sys;

/// How the kernel chooses the member that gets a packet.
///
/// Members are numbered from 0 in the order in which they joined, as long as none leaves: when one
/// closes, the last takes its number. An interface that goes down and up again numbers them anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FanoutMode {
    /// By the flow: the packets of one flow, in both directions, go to one member. Linux 3.1.
    #[doc(alias = "PACKET_FANOUT_HASH")]
    Hash,
    /// To one member after the other. Linux 3.1.
    #[doc(alias = "PACKET_FANOUT_LB")]
    LoadBalance,
    /// By the processor that the packet came on, modulo the members. Linux 3.1.
    #[doc(alias = "PACKET_FANOUT_CPU")]
    Cpu,
    /// To the first member until it is full, then to the next. Linux 3.10.
    ///
    /// What [`Fanout::rollover`] says of full members holds here too.
    #[doc(alias = "PACKET_FANOUT_ROLLOVER")]
    Rollover,
    /// By chance. Linux 3.12.
    #[doc(alias = "PACKET_FANOUT_RND")]
    Random,
    /// By the kernel's `queue_mapping`, modulo the members: of a received packet 1 + its queue, or 0 where
    /// the driver did not say; of a sent one its queue. Linux 3.14.
    #[doc(alias = "PACKET_FANOUT_QM")]
    QueueMapping,
    /// By what a classic BPF program returns, modulo the members. Linux 4.3.
    ///
    /// To member 0 until there is one: [`FanoutGroup::set_program`].
    #[doc(alias = "PACKET_FANOUT_CBPF")]
    ClassicBpf,
    /// By what an eBPF program returns, modulo the members. Linux 4.3.
    ///
    /// To member 0 until there is one: [`FanoutGroup::set_ebpf_program`].
    #[doc(alias = "PACKET_FANOUT_EBPF")]
    Ebpf,
}

impl FanoutMode {
    const fn raw(self) -> u32 {
        match self {
            Self::Hash => raw::PACKET_FANOUT_HASH,
            Self::LoadBalance => raw::PACKET_FANOUT_LB,
            Self::Cpu => raw::PACKET_FANOUT_CPU,
            Self::Rollover => raw::PACKET_FANOUT_ROLLOVER,
            Self::Random => raw::PACKET_FANOUT_RND,
            Self::QueueMapping => raw::PACKET_FANOUT_QM,
            Self::ClassicBpf => raw::PACKET_FANOUT_CBPF,
            Self::Ebpf => raw::PACKET_FANOUT_EBPF,
        }
    }
}

/// The group that a socket is to join, and how it shares packets out.
///
/// Four workers on one interface, in a group whose id the kernel chooses:
///
/// ```no_run
/// use core::ops::ControlFlow;
/// use packet_ring::lifecycle::Bound;
/// use packet_ring::packet::{Fanout, FanoutMode, Geometry, Interface, Rx, Socket};
/// use packet_ring::{Deadline, Error, OnSignal};
///
/// fn bound(interface: Interface) -> Result<Socket<Bound<Rx>>, Error> {
///     Ok(Socket::configure(Rx::new(Geometry::DEFAULT))?.map()?.bind(interface)?)
/// }
///
/// # fn main() -> Result<(), Error> {
/// let eth0 = Interface::by_name("eth0")?;
/// let first = bound(eth0)?.join_fanout(&Fanout::in_new_group(FanoutMode::Hash))?;
/// let group = first.group().fanout()?;
/// let mut workers = vec![first];
/// for _ in 1..4 {
///     workers.push(bound(eth0)?.join_fanout(&group)?);
/// }
/// std::thread::scope(|scope| {
///     for mut worker in workers {
///         scope.spawn(move || {
///             worker.for_each(Deadline::NEVER, OnSignal::Continue, |packet| {
///                 println!("{} bytes", packet.len());
///                 ControlFlow::Continue(())
///             })
///         });
///     }
/// });
/// # Ok(())
/// # }
/// ```
///
/// See [packet(7)](https://man7.org/linux/man-pages/man7/packet.7.html).
#[doc(alias = "fanout_args")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fanout {
    /// `None` where the kernel is to choose.
    group: Option<u16>,
    mode: FanoutMode,
    /// `PACKET_FANOUT_FLAG_*`, of those that are the caller's to set.
    flags: u16,
    max_members: Option<NonZeroU16>,
}

const ROLLOVER: u16 = raw::PACKET_FANOUT_FLAG_ROLLOVER as u16;
const UNIQUE_ID: u16 = raw::PACKET_FANOUT_FLAG_UNIQUEID as u16;
const IGNORE_OUTGOING: u16 = raw::PACKET_FANOUT_FLAG_IGNORE_OUTGOING as u16;
const DEFRAGMENT: u16 = raw::PACKET_FANOUT_FLAG_DEFRAG as u16;

impl Fanout {
    /// The group with this id, which is made where the network namespace has none yet.
    ///
    /// Every program of the namespace that names the same id means the same group.
    #[must_use]
    pub const fn in_group(id: u16, mode: FanoutMode) -> Self {
        Self {
            group: Some(id),
            mode,
            flags: 0,
            max_members: None,
        }
    }

    /// A group of one's own, whose id the kernel chooses: `PACKET_FANOUT_FLAG_UNIQUEID`, Linux 4.12.
    ///
    /// Each join with this value makes another group. The others join with what
    /// [`FanoutGroup::fanout`] of the first returns.
    #[doc(alias = "PACKET_FANOUT_FLAG_UNIQUEID")]
    #[must_use]
    pub const fn in_new_group(mode: FanoutMode) -> Self {
        Self {
            group: None,
            mode,
            flags: 0,
            max_members: None,
        }
    }

    /// Gives a packet whose member is full to another: `PACKET_FANOUT_FLAG_ROLLOVER`, Linux 3.10.
    ///
    /// [`FanoutMode::Rollover`] does so anyway, and this adds nothing to it. A member has room while the
    /// block a quarter of the ring ahead is the kernel's; one flow that alone fills a member rolls over
    /// before that. A member that was found full gets no packets of others until it has polled with room
    /// again: [`wait`](Receiver::wait) where it sleeps, or any other poll of its descriptor. One that
    /// spins over [`next_block`](Receiver::next_block) alone stays out.
    #[doc(alias = "PACKET_FANOUT_FLAG_ROLLOVER")]
    #[must_use]
    pub const fn rollover(mut self) -> Self {
        // The kernel refuses the flag beside the mode.
        if !matches!(self.mode, FanoutMode::Rollover) {
            self.flags |= ROLLOVER;
        }
        self
    }

    /// Joins the fragments of IPv4 packets before the choice, so that those of one flow stay together:
    /// `PACKET_FANOUT_FLAG_DEFRAG`, Linux 3.1. The member gets the whole packet.
    #[doc(alias = "PACKET_FANOUT_FLAG_DEFRAG")]
    #[must_use]
    pub const fn defragment(mut self) -> Self {
        self.flags |= DEFRAGMENT;
        self
    }

    /// The most members that the group may have, set by the first of them: Linux 5.11. 256 where it
    /// names none; the kernel sets aside a pointer for each. A later member names the same or none.
    #[doc(alias = "max_num_members")]
    #[must_use]
    pub const fn max_members(mut self, max: NonZeroU16) -> Self {
        self.max_members = Some(max);
        self
    }

    /// The group's id; `None` where the kernel is to choose one.
    #[must_use]
    pub const fn id(&self) -> Option<u16> {
        self.group
    }

    /// How the kernel chooses.
    #[must_use]
    pub const fn mode(&self) -> FanoutMode {
        self.mode
    }

    fn join(&self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let join = || {
            let mut mode_and_flags = self.mode.raw() as u16 | self.flags;
            if self.group.is_none() {
                mode_and_flags |= UNIQUE_ID;
            }
            // The kernel heeds the socket's own option no more once it is in a group.
            if sys::ignores_outgoing(fd)? {
                mode_and_flags |= IGNORE_OUTGOING;
            }
            let group = self.group.unwrap_or(0);
            let max = self.max_members.map(NonZeroU16::get);
            sys::join_fanout(fd, group, mode_and_flags, max)
        };
        join().map_err(Error::system(Operation::JoinFanout))
    }
}

/// The socket is in a fanout group: it receives its share of the group's packets, and cannot be bound
/// again. Entered by [`join_fanout`](Socket::join_fanout); left when the socket closes, which a
/// [`MembershipGuard`](super::MembershipGuard) holds off.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    joined: Fanout,
}

impl<R: Receives> Socket<Bound<R>> {
    /// Joins a fanout group, for good: each packet goes to one of its members.
    ///
    /// Asks whether the socket [ignores outgoing packets](Socket::ignore_outgoing)
    /// (`getsockopt(PACKET_IGNORE_OUTGOING)`), for in a group only the group's own flag counts, and
    /// joins with that flag if so (`setsockopt(PACKET_FANOUT)`, Linux 3.1). The flag
    /// (`PACKET_FANOUT_FLAG_IGNORE_OUTGOING`) is from Linux 6.2; older kernels take it and go on
    /// showing outgoing packets.
    ///
    /// What came between `bind` and the join is in the ring as well, and others may have it too: the
    /// kernel refuses a join before `bind`. A member's filter and snap length apply to what it was
    /// chosen for: what its filter drops, no other gets. Its statistics are its own. What a member
    /// transmits, no member receives.
    ///
    /// # Errors
    ///
    /// Gives the socket back, in no group, with [`Error::System`]: EINVAL where the group has another
    /// mode, other flags (whether outgoing packets are ignored among them), another interface,
    /// protocol or maximum of members, and before Linux 6.13 where the interface is down; ENOSPC where
    /// the group is full; ENOMEM where no id is free.
    #[doc(alias = "PACKET_FANOUT")]
    #[doc(alias = "PACKET_FANOUT_FLAG_IGNORE_OUTGOING")]
    pub fn join_fanout(self, fanout: &Fanout) -> Result<Socket<Bound<R, Member>>, Failed<Self>> {
        match fanout.join(self.as_fd()) {
            Ok(()) => {
                let Bound { rings, fd, .. } = self.into_state();
                Ok(Socket::from_state(Bound {
                    rings,
                    fd,
                    group: Member { joined: *fanout },
                }))
            }
            Err(error) => Err(Failed::new(error, self)),
        }
    }
}

impl<R: Rings> Socket<Bound<R, Member>> {
    /// The group that the socket is in.
    #[must_use]
    pub fn group(&self) -> FanoutGroup<'_> {
        FanoutGroup::new(self.as_fd(), &self.state().group)
    }
}

impl<'r, D: Delivery> Receiver<'r, D, Member> {
    /// The group that the socket is in.
    #[must_use]
    pub fn group(&self) -> FanoutGroup<'r> {
        FanoutGroup::new(self.fd(), self.group)
    }
}

#[cfg(feature = "alloc")]
impl<D: Delivery> super::SharedReceiver<D, Member> {
    /// The group that the socket is in.
    #[must_use]
    pub fn group(&self) -> FanoutGroup<'_> {
        FanoutGroup::new(self.as_fd(), &self.group)
    }
}

/// A fanout group, as one of its members sees it.
#[derive(Clone, Copy, Debug)]
pub struct FanoutGroup<'a> {
    fd: BorrowedFd<'a>,
    joined: Fanout,
}

impl<'a> FanoutGroup<'a> {
    fn new(fd: BorrowedFd<'a>, member: &Member) -> Self {
        Self {
            fd,
            joined: member.joined,
        }
    }

    /// What others join this very group with, its id read from the kernel.
    ///
    /// `getsockopt(PACKET_FANOUT)`. Whether outgoing packets are ignored is not in it: each socket
    /// brings that with it.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn fanout(&self) -> Result<Fanout, Error> {
        let id = sys::fanout_group(self.fd).map_err(Error::system(Operation::ReadFanout))?;
        Ok(Fanout {
            group: Some(id),
            ..self.joined
        })
    }

    /// Sets the program by which a [`FanoutMode::ClassicBpf`] group chooses, for all its members, in
    /// place of the one that was there. `setsockopt(PACKET_FANOUT_DATA)`, Linux 4.3.
    ///
    /// Its offsets count from the network header in packets that arrive, other than a filter's, and from
    /// the link-layer header in those that this host sends; from [`SKF_LL_OFF`](crate::bpf::SKF_LL_OFF)
    /// on they count from the link-layer header in both. What it returns is taken modulo the members.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EINVAL where the group has another mode, or the kernel's checker refuses the
    /// program; EPERM where the socket's filter is locked.
    #[doc(alias = "PACKET_FANOUT_DATA")]
    pub fn set_program(&self, program: &[Instruction]) -> Result<(), Error> {
        sys::set_fanout_program(self.fd, program)
            .map_err(Error::system(Operation::SetFanoutProgram))
    }

    /// Sets the program by which a [`FanoutMode::Ebpf`] group chooses, for all its members, in place
    /// of the one that was there. `setsockopt(PACKET_FANOUT_DATA)`, Linux 4.3.
    ///
    /// `program` is the descriptor of a loaded program of type `BPF_PROG_TYPE_SOCKET_FILTER`, which the
    /// kernel holds on to itself. Its offsets are those of [`set_program`](Self::set_program).
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EINVAL where the group has another mode, or the descriptor is of another
    /// kind; EPERM where the socket's filter is locked.
    #[doc(alias = "PACKET_FANOUT_DATA")]
    pub fn set_ebpf_program(&self, program: BorrowedFd<'_>) -> Result<(), Error> {
        sys::set_fanout_ebpf(self.fd, program).map_err(Error::system(Operation::SetFanoutProgram))
    }

    /// What became of the packets that this member was chosen for first, since it joined.
    /// `getsockopt(PACKET_ROLLOVER_STATS)`, Linux 4.2; reading clears nothing.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EINVAL where the group does not roll over.
    #[doc(alias = "PACKET_ROLLOVER_STATS")]
    pub fn rollover_statistics(&self) -> Result<RolloverStatistics, Error> {
        let counts = sys::rollover_statistics(self.fd)
            .map_err(Error::system(Operation::ReadRolloverStatistics))?;
        Ok(RolloverStatistics {
            all: counts.tp_all,
            huge: counts.tp_huge,
            failed: counts.tp_failed,
        })
    }
}

/// How often one member's packets went to another.
///
/// In a group of [`FanoutMode::Rollover`] every packet is the first member's at first, and counts there
/// even where it stays.
#[doc(alias = "tpacket_rollover_stats")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolloverStatistics {
    /// Packets that went to a member with room: the kernel's `tp_all`.
    pub all: u64,
    /// Those of them that went although this member had a little room left, because one flow alone was
    /// filling it: the kernel's `tp_huge`.
    pub huge: u64,
    /// Packets for which no member with room was found, and which this one may have dropped: the
    /// kernel's `tp_failed`.
    pub failed: u64,
}
