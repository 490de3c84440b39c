//! What was tried.

use core::fmt;

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
    /// Reading `/proc/self/smaps`.
    ReadMappings,
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
    /// `fsopen("sysfs")`, `fsconfig(FSCONFIG_CMD_CREATE)` and `fsmount`.
    MountSysfs,
    /// `openat` of `class/net/NAME/gro_flush_timeout` or `napi_defer_hard_irqs` in sysfs, and reading it.
    OpenGatherFile,
    /// `flock` of `class/net/NAME/gro_flush_timeout` in sysfs.
    LockGatherFile,
    /// `pwrite` to `class/net/NAME/gro_flush_timeout` or `napi_defer_hard_irqs` in sysfs.
    SetInterfaceGather,
    /// The same, to have back what was there before.
    RestoreInterfaceGather,
    /// `epoll_create1`, `timerfd_create` and `epoll_ctl(EPOLL_CTL_ADD)` of the timer.
    MakeGather,
    /// `timerfd_settime`.
    SetTimer,
    /// `epoll_ctl(EPOLL_CTL_ADD)` of the socket.
    ListenToSocket,
    /// `epoll_ctl(EPOLL_CTL_DEL)` of the socket.
    LeaveSocket,
    /// `epoll_create1` of a descriptor that is readable once for each event.
    MakeEdgeTriggered,
    /// `epoll_wait` of it.
    TakeEvents,
    /// `socket(AF_NETLINK)` and `bind` to `RTMGRP_LINK`.
    OpenLinkWatch,
    /// `recvfrom` of a netlink socket.
    ReadLinkWatch,
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
            Self::ReadMappings => f.write_str("reading /proc/self/smaps"),
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
            Self::MountSysfs => f.write_str("fsopen and fsmount of sysfs"),
            Self::OpenGatherFile => {
                f.write_str("opening gro_flush_timeout and napi_defer_hard_irqs in sysfs")
            }
            Self::LockGatherFile => f.write_str("flock of gro_flush_timeout in sysfs"),
            Self::SetInterfaceGather => {
                f.write_str("writing gro_flush_timeout and napi_defer_hard_irqs in sysfs")
            }
            Self::RestoreInterfaceGather => {
                f.write_str("restoring gro_flush_timeout and napi_defer_hard_irqs in sysfs")
            }
            Self::MakeGather => f.write_str("epoll_create1 and timerfd_create"),
            Self::SetTimer => f.write_str("timerfd_settime"),
            Self::ListenToSocket => f.write_str("epoll_ctl(EPOLL_CTL_ADD)"),
            Self::LeaveSocket => f.write_str("epoll_ctl(EPOLL_CTL_DEL)"),
            Self::MakeEdgeTriggered => f.write_str("epoll_create1"),
            Self::TakeEvents => f.write_str("epoll_wait"),
            Self::OpenLinkWatch => f.write_str("socket(AF_NETLINK)"),
            Self::ReadLinkWatch => f.write_str("recvfrom of the netlink socket"),
        }
    }
}
