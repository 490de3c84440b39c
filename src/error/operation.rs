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
            Self::OpenLinkWatch => f.write_str("socket(AF_NETLINK)"),
            Self::ReadLinkWatch => f.write_str("recvfrom of the netlink socket"),
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
        (Operation::MountSysfs, Errno::PERM) => {
            "; sysfs is mounted anew to be sure of the network namespace: it takes CAP_SYS_ADMIN in the \
             user namespaces of the mounts and of the network namespace: run as root"
        }
        (Operation::OpenGatherFile, Errno::ACCESS) => {
            "; the files are root's: run as root, or with CAP_DAC_OVERRIDE"
        }
        (Operation::OpenGatherFile, Errno::NOENT) => "; napi_defer_hard_irqs needs Linux 5.8",
        (Operation::LockGatherFile, Errno::AGAIN) => {
            "; another InterfaceGather of this interface is in force, in this process or in another: one \
             serves all sockets of the interface"
        }
        (Operation::SetInterfaceGather | Operation::RestoreInterfaceGather, Errno::PERM) => {
            "; it takes CAP_NET_ADMIN in the first user namespace: root of a container's own has it not"
        }
        (Operation::SetInterfaceGather, Errno::INVAL | Errno::RANGE) => {
            "; the kernel does not take this number"
        }
        (Operation::ListenToSocket, Errno::PERM) => "; this descriptor cannot be polled",
        (Operation::ListenToSocket, Errno::NOSPC) => {
            "; the user's fs.epoll.max_user_watches are used up"
        }
        _ => "",
    }
}
