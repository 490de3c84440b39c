//! What was tried, and what helps where the kernel refused it.

use core::fmt;

use rustix::io::Errno;

/// What was tried when the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `socket(AF_PACKET, SOCK_RAW or SOCK_DGRAM, 0)`.
    OpenSocket,
    /// `open("/proc/thread-self/ns/net")`, or `setns` with it or with the namespace to enter. The thread
    /// has stayed where it was.
    EnterNamespace,
    /// `setns` back. **The thread has stayed in the other network namespace**, and no socket is open.
    LeaveNamespace,
    /// `setsockopt(PACKET_VERSION)`.
    SetVersion,
    /// `getsockopt(PACKET_HDRLEN)`.
    ReadHeaderLength,
    /// `setsockopt(PACKET_RESERVE)`.
    SetReserve,
    /// `setsockopt(PACKET_IGNORE_OUTGOING)`.
    IgnoreOutgoing,
    /// `setsockopt(PACKET_TIMESTAMP)`.
    SetTimestamp,
    /// `setsockopt(SO_TIMESTAMPING)`.
    SetTimestamping,
    /// `setsockopt(PACKET_ORIGDEV)`.
    SetOrigdev,
    /// `setsockopt(SO_ATTACH_FILTER)`.
    AttachFilter,
    /// `setsockopt(SO_ATTACH_BPF)`.
    AttachEbpf,
    /// `setsockopt(SO_DETACH_FILTER)`.
    DetachFilter,
    /// `setsockopt(SO_LOCK_FILTER)`.
    LockFilter,
    /// `membarrier(MEMBARRIER_CMD_GLOBAL)`, once the new filter was attached.
    WaitForOldFilter,
    /// `setsockopt(PACKET_RX_RING)`.
    SetRing {
        /// The size of the ring that was asked for.
        bytes: u64,
    },
    /// `mmap` of the ring.
    MapRing {
        /// The size of the ring.
        bytes: u64,
    },
    /// `madvise(MADV_DONTFORK)` on the ring.
    KeepFromChildren,
    /// `bind` to the interface with this index.
    Bind {
        /// The interface's index.
        interface: u32,
    },
    /// `setsockopt(PACKET_ADD_MEMBERSHIP)`.
    AddMembership,
    /// `fcntl(F_DUPFD_CLOEXEC)` of the socket.
    DuplicateDescriptor,
    /// `getsockopt(PACKET_IGNORE_OUTGOING)` and `setsockopt(PACKET_FANOUT)`.
    JoinFanout,
    /// `getsockopt(PACKET_FANOUT)`.
    ReadFanout,
    /// `setsockopt(PACKET_FANOUT_DATA)`.
    SetFanoutProgram,
    /// `getsockopt(PACKET_ROLLOVER_STATS)`.
    ReadRolloverStatistics,
    /// `getsockopt(PACKET_STATISTICS)`.
    ReadStatistics,
    /// `getsockopt(SO_ERROR)`, `getsockname`, `ioctl(SIOCGIFNAME)` or `ioctl(SIOCGIFFLAGS)`.
    ReadLink,
    /// `ppoll`.
    Wait,
    /// `socket(AF_UNIX)` and `ioctl(SIOCGIFINDEX)`.
    FindInterface,
    /// `ioctl` with SIOCGIFNAME, SIOCGIFMTU, SIOCGIFFLAGS, SIOCGIFHWADDR or SIOCETHTOOL.
    ReadInterface,
    /// `setsockopt(PACKET_TX_RING)`.
    SetTxRing {
        /// The size of the ring that was asked for.
        bytes: u64,
    },
    /// `setsockopt(PACKET_LOSS)`.
    SetLoss,
    /// `setsockopt(PACKET_TX_HAS_OFF)`.
    SetTxHasOff,
    /// `setsockopt(PACKET_VNET_HDR)`.
    SetVnetHeader,
    /// `setsockopt(SO_TXTIME)`.
    SetTransmitTimes,
    /// `setsockopt(PACKET_QDISC_BYPASS)`.
    BypassQdisc,
    /// `sendto`, or `sendmsg`, without bytes of its own: send what the ring holds.
    Kick,
    /// `socket(AF_XDP)`.
    OpenXdpSocket,
    /// `mmap` of anonymous memory, and `madvise` on it.
    MapMemory {
        /// The size in bytes.
        bytes: u64,
    },
    /// `mlock2` on a UMEM.
    LockMemory,
    /// `setsockopt(XDP_UMEM_REG)`.
    RegisterUmem {
        /// The size of the UMEM in bytes.
        bytes: u64,
    },
    /// `setsockopt` with XDP_RX_RING, XDP_TX_RING, XDP_UMEM_FILL_RING or XDP_UMEM_COMPLETION_RING.
    SetXdpRing {
        /// The number of slots.
        slots: u32,
    },
    /// `getsockopt(XDP_MMAP_OFFSETS)`.
    ReadRingOffsets,
    /// `bind` to a queue of an interface.
    BindQueue {
        /// The interface's index.
        interface: u32,
        /// The queue.
        queue: u32,
    },
    /// `getsockopt(XDP_OPTIONS)`.
    ReadXdpOptions,
    /// `getsockopt(XDP_STATISTICS)`.
    ReadXdpStatistics,
    /// `setsockopt(XDP_MAX_TX_SKB_BUDGET)`.
    SetTxBudget,
    /// `setsockopt` with SO_PREFER_BUSY_POLL, SO_BUSY_POLL or SO_BUSY_POLL_BUDGET.
    SetBusyPoll,
    /// `getsockopt(SO_NETNS_COOKIE)`.
    ReadNamespaceCookie,
    /// `recvfrom`: have the driver look at the fill ring.
    WakeFill,
    /// `bpf(BPF_MAP_CREATE)` of an XSKMAP.
    CreateXskmap,
    /// `bpf(BPF_MAP_UPDATE_ELEM)`: a queue's socket.
    InsertSocket {
        /// The queue.
        queue: u32,
    },
    /// `bpf(BPF_MAP_DELETE_ELEM)`: a queue's socket.
    RemoveSocket {
        /// The queue.
        queue: u32,
    },
    /// `mmap` of memory for a program in translation.
    MapScratch {
        /// How much was asked for.
        bytes: u64,
    },
    /// `bpf(BPF_PROG_LOAD)`.
    LoadProgram,
    /// `bpf(BPF_LINK_CREATE)` on the interface with this index.
    AttachProgram {
        /// The interface's index.
        interface: u32,
    },
    /// `bpf(BPF_LINK_UPDATE)`.
    ReplaceProgram,
    /// `bpf(BPF_LINK_DETACH)`.
    DetachProgram,
    /// `bpf(BPF_OBJ_PIN)`.
    Pin,
    /// `bpf(BPF_OBJ_GET)`.
    OpenPinned,
    /// `bpf(BPF_OBJ_GET_INFO_BY_FD)`.
    ReadObject,
    /// rtnetlink's `RTM_GETLINK`, for the interface's XDP program.
    QueryXdp,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenSocket => f.write_str("socket(AF_PACKET)"),
            Self::EnterNamespace => f.write_str("entering the network namespace"),
            Self::LeaveNamespace => f.write_str("leaving the network namespace again"),
            Self::SetVersion => f.write_str("setsockopt(PACKET_VERSION)"),
            Self::ReadHeaderLength => f.write_str("getsockopt(PACKET_HDRLEN)"),
            Self::SetOrigdev => f.write_str("setsockopt(PACKET_ORIGDEV)"),
            Self::SetReserve => f.write_str("setsockopt(PACKET_RESERVE)"),
            Self::IgnoreOutgoing => f.write_str("setsockopt(PACKET_IGNORE_OUTGOING)"),
            Self::SetTimestamp => f.write_str("setsockopt(PACKET_TIMESTAMP)"),
            Self::SetTimestamping => f.write_str("setsockopt(SO_TIMESTAMPING)"),
            Self::AttachFilter => f.write_str("setsockopt(SO_ATTACH_FILTER)"),
            Self::AttachEbpf => f.write_str("setsockopt(SO_ATTACH_BPF)"),
            Self::DetachFilter => f.write_str("setsockopt(SO_DETACH_FILTER)"),
            Self::LockFilter => f.write_str("setsockopt(SO_LOCK_FILTER)"),
            Self::WaitForOldFilter => f.write_str("membarrier(MEMBARRIER_CMD_GLOBAL)"),
            Self::SetRing { bytes } => write!(f, "setsockopt(PACKET_RX_RING) of {bytes} bytes"),
            Self::MapRing { bytes } => write!(f, "mmap of a ring of {bytes} bytes"),
            Self::KeepFromChildren => f.write_str("madvise(MADV_DONTFORK)"),
            Self::Bind { interface } => write!(f, "bind to interface {interface}"),
            Self::AddMembership => f.write_str("setsockopt(PACKET_ADD_MEMBERSHIP)"),
            Self::DuplicateDescriptor => f.write_str("fcntl(F_DUPFD_CLOEXEC)"),
            Self::JoinFanout => f.write_str("setsockopt(PACKET_FANOUT)"),
            Self::ReadFanout => f.write_str("getsockopt(PACKET_FANOUT)"),
            Self::SetFanoutProgram => f.write_str("setsockopt(PACKET_FANOUT_DATA)"),
            Self::ReadRolloverStatistics => f.write_str("getsockopt(PACKET_ROLLOVER_STATS)"),
            Self::ReadStatistics => f.write_str("getsockopt(PACKET_STATISTICS)"),
            Self::ReadLink => f.write_str("reading the link state"),
            Self::Wait => f.write_str("ppoll"),
            Self::FindInterface => f.write_str("looking the interface up"),
            Self::ReadInterface => f.write_str("asking about the interface"),
            Self::SetTxRing { bytes } => write!(f, "setsockopt(PACKET_TX_RING) of {bytes} bytes"),
            Self::SetLoss => f.write_str("setsockopt(PACKET_LOSS)"),
            Self::SetTxHasOff => f.write_str("setsockopt(PACKET_TX_HAS_OFF)"),
            Self::SetVnetHeader => f.write_str("setsockopt(PACKET_VNET_HDR)"),
            Self::SetTransmitTimes => f.write_str("setsockopt(SO_TXTIME)"),
            Self::BypassQdisc => f.write_str("setsockopt(PACKET_QDISC_BYPASS)"),
            Self::Kick => f.write_str("sendto"),
            Self::OpenXdpSocket => f.write_str("socket(AF_XDP)"),
            Self::MapMemory { bytes } => write!(f, "mmap of {bytes} bytes of memory"),
            Self::LockMemory => f.write_str("mlock2"),
            Self::RegisterUmem { bytes } => {
                write!(f, "setsockopt(XDP_UMEM_REG) of {bytes} bytes")
            }
            Self::SetXdpRing { slots } => {
                write!(f, "setsockopt of an AF_XDP ring of {slots} slots")
            }
            Self::ReadRingOffsets => f.write_str("getsockopt(XDP_MMAP_OFFSETS)"),
            Self::BindQueue { interface, queue } => {
                write!(f, "bind to queue {queue} of interface {interface}")
            }
            Self::ReadXdpOptions => f.write_str("getsockopt(XDP_OPTIONS)"),
            Self::ReadXdpStatistics => f.write_str("getsockopt(XDP_STATISTICS)"),
            Self::SetTxBudget => f.write_str("setsockopt(XDP_MAX_TX_SKB_BUDGET)"),
            Self::SetBusyPoll => f.write_str("setsockopt of busy polling"),
            Self::ReadNamespaceCookie => f.write_str("getsockopt(SO_NETNS_COOKIE)"),
            Self::WakeFill => f.write_str("recvfrom"),
            Self::CreateXskmap => f.write_str("bpf(BPF_MAP_CREATE) of an XSKMAP"),
            Self::InsertSocket { queue } => write!(f, "bpf(BPF_MAP_UPDATE_ELEM) of queue {queue}"),
            Self::RemoveSocket { queue } => write!(f, "bpf(BPF_MAP_DELETE_ELEM) of queue {queue}"),
            Self::MapScratch { bytes } => write!(f, "mmap of {bytes} bytes"),
            Self::LoadProgram => f.write_str("bpf(BPF_PROG_LOAD)"),
            Self::AttachProgram { interface } => {
                write!(f, "bpf(BPF_LINK_CREATE) on interface {interface}")
            }
            Self::ReplaceProgram => f.write_str("bpf(BPF_LINK_UPDATE)"),
            Self::DetachProgram => f.write_str("bpf(BPF_LINK_DETACH)"),
            Self::Pin => f.write_str("bpf(BPF_OBJ_PIN)"),
            Self::OpenPinned => f.write_str("bpf(BPF_OBJ_GET)"),
            Self::ReadObject => f.write_str("bpf(BPF_OBJ_GET_INFO_BY_FD)"),
            Self::QueryXdp => f.write_str("asking for the interface's XDP program"),
        }
    }
}

/// What helps against `errno` here; empty where nothing general does.
pub(super) fn remedy(operation: Operation, errno: Errno) -> &'static str {
    match (operation, errno) {
        (Operation::OpenSocket, Errno::PERM | Errno::ACCESS) => {
            "; packet sockets need CAP_NET_RAW: run as root, or `sudo setcap cap_net_raw=ep PROGRAM`, \
             or enter a user and network namespace of your own"
        }
        (Operation::OpenSocket, Errno::AFNOSUPPORT) => "; the kernel lacks CONFIG_PACKET",
        (Operation::EnterNamespace, Errno::PERM) => {
            "; it takes CAP_SYS_ADMIN here, in the namespace to enter and for the way back"
        }
        (Operation::EnterNamespace, Errno::INVAL) => "; it is no network namespace",
        (Operation::LeaveNamespace, _) => "; this thread has stayed in it",
        (Operation::SetVersion, Errno::INVAL) => "; TPACKET_V3 needs Linux 3.2",
        (Operation::IgnoreOutgoing, Errno::NOPROTOOPT) => "; it needs Linux 4.20",
        (Operation::SetTxRing { .. }, Errno::INVAL) => {
            "; TPACKET_V3 transmit rings need Linux 4.11"
        }
        (Operation::SetRing { .. } | Operation::SetTxRing { .. }, Errno::NOMEM) => {
            "; the kernel has no such memory in blocks of this size: ask for smaller blocks or fewer"
        }
        (Operation::MapRing { .. }, Errno::NOMEM | Errno::AGAIN) => {
            "; the address space, or RLIMIT_AS, is too small for the ring"
        }
        (
            Operation::AttachFilter | Operation::AttachEbpf | Operation::DetachFilter,
            Errno::PERM,
        ) => "; the socket's filter is locked",
        (Operation::AttachEbpf, Errno::INVAL) => {
            "; the descriptor is that of no eBPF program for sockets"
        }
        (Operation::WaitForOldFilter, Errno::INVAL | Errno::NOSYS) => {
            "; it needs Linux 4.3, and no processor set apart with nohz_full"
        }
        (Operation::AttachFilter, Errno::INVAL) => "; the kernel's checker refuses the program",
        (Operation::AttachFilter, Errno::NOMEM) => {
            "; the program is larger than net.core.optmem_max allows"
        }
        (Operation::Bind { .. } | Operation::AddMembership, Errno::NODEV) => {
            "; no such interface here"
        }
        (Operation::JoinFanout, Errno::INVAL) => {
            "; the members of a group have one mode, one set of flags (ignore_outgoing is one), one \
             interface and one protocol, and none names another maximum than the first; before Linux \
             6.13 the interface must be up; newer modes and the maximum need newer kernels"
        }
        (Operation::JoinFanout, Errno::NOSPC) => "; the group has as many members as it may have",
        (Operation::JoinFanout, Errno::NOMEM) => "; there is no memory, or no group id is free",
        (Operation::SetFanoutProgram, Errno::INVAL) => {
            "; the group's mode takes no such program, or the kernel's checker refuses it"
        }
        (Operation::SetFanoutProgram, Errno::PERM) => "; the socket's filter is locked",
        (Operation::ReadRolloverStatistics, Errno::INVAL) => "; the group does not roll over",
        (Operation::ReadInterface, Errno::OPNOTSUPP) => "; its driver does not tell",
        (Operation::OpenXdpSocket, Errno::PERM | Errno::ACCESS) => {
            "; AF_XDP sockets need CAP_NET_RAW: run as root, or `sudo setcap cap_net_raw=ep PROGRAM`, \
             or take a socket that was opened by another"
        }
        (Operation::OpenXdpSocket, Errno::AFNOSUPPORT) => "; the kernel lacks CONFIG_XDP_SOCKETS",
        (Operation::MapMemory { .. }, Errno::NOMEM) => {
            "; there is no such memory: of huge pages as many as vm.nr_hugepages sets aside"
        }
        (Operation::LockMemory, Errno::NOMEM | Errno::PERM | Errno::AGAIN) => {
            "; RLIMIT_MEMLOCK allows no more: raise it, or take CAP_IPC_LOCK"
        }
        (Operation::RegisterUmem { .. }, Errno::NOBUFS) => {
            "; RLIMIT_MEMLOCK, of which each registration takes the UMEM's size, allows no more: raise it, \
             or take CAP_IPC_LOCK"
        }
        (Operation::RegisterUmem { .. }, Errno::INVAL) => {
            "; unaligned chunks need Linux 5.4, transmit metadata 6.11, and the headroom must leave room \
             for a packet"
        }
        (Operation::ReadRingOffsets, Errno::OPNOTSUPP) => "; AF_XDP here needs Linux 5.4",
        (Operation::BindQueue { .. }, Errno::NODEV) => "; no such interface here",
        (Operation::BindQueue { .. }, Errno::INVAL) => {
            "; the interface has no such queue, or the kernel not what was asked for (multi-buffer \
             packets need Linux 6.6)"
        }
        (Operation::BindQueue { .. }, Errno::OPNOTSUPP) => {
            "; the driver cannot do without copying: leave the choice to the kernel, or ask for copies"
        }
        (Operation::ReadNamespaceCookie, Errno::NOPROTOOPT) => "; it needs Linux 5.14",
        (Operation::SetTxBudget, Errno::NOPROTOOPT) => "; it needs Linux 6.17",
        (Operation::SetTxBudget, Errno::ACCESS) => {
            "; it must be 32 at least, and at most the size of the transmit ring"
        }
        (Operation::SetBusyPoll, Errno::PERM) => "; it needs CAP_NET_ADMIN",
        (Operation::CreateXskmap | Operation::LoadProgram, Errno::PERM) => {
            "; it takes CAP_BPF and CAP_NET_ADMIN outside of any user namespace: run as root, or `sudo \
             setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep PROGRAM`, or have the descriptors \
             from who has these rights; before Linux 5.11 RLIMIT_MEMLOCK can be too small"
        }
        (Operation::LoadProgram, Errno::ACCESS) => {
            "; the verifier refuses it: without CAP_PERFMON, whatever loads at an offset that the packet \
             decides"
        }
        (Operation::LoadProgram, Errno::TOOBIG) => "; it is too complex for the verifier",
        (Operation::LoadProgram, Errno::INVAL) => {
            "; it needs Linux 5.9, and 5.18 for packets in several pieces"
        }
        (Operation::CreateXskmap, Errno::INVAL) => "; an XSKMAP has at least one entry",
        (Operation::InsertSocket { .. }, Errno::TOOBIG)
        | (Operation::RemoveSocket { .. }, Errno::INVAL) => "; the map has no such queue",
        (Operation::InsertSocket { .. }, Errno::NOTSOCK | Errno::OPNOTSUPP) => {
            "; the descriptor is that of no AF_XDP socket"
        }
        (Operation::AttachProgram { .. }, Errno::OPNOTSUPP) => {
            "; its driver has no native XDP: choose the generic mode"
        }
        (Operation::AttachProgram { .. }, Errno::RANGE) => {
            "; its MTU is too large for packets in one piece: load the program with fragments, choose the \
             generic mode, or lower the MTU"
        }
        (Operation::AttachProgram { .. }, Errno::PERM) => "; it takes CAP_NET_ADMIN",
        (Operation::AttachProgram { .. }, Errno::INVAL) => {
            "; the driver refuses the program, or the kernel is older than 5.9"
        }
        (Operation::ReplaceProgram, Errno::PERM) => {
            "; another program is attached than the one expected"
        }
        (Operation::ReplaceProgram | Operation::DetachProgram, Errno::NOLINK) => {
            "; the interface is gone, or the link was detached"
        }
        (Operation::ReplaceProgram, Errno::INVAL) => {
            "; the programs were loaded for different kinds of attachment"
        }
        (Operation::Pin, Errno::EXIST) => "; the name is taken",
        (Operation::Pin, Errno::PERM | Errno::INVAL) => {
            "; names are given in a bpffs: `mount -t bpf bpf /sys/fs/bpf`"
        }
        _ => "",
    }
}
