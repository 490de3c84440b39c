//! What helps where the kernel refused.

use rustix::io::Errno;

use super::Operation;

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
        (Operation::ReadInterface, Errno::OPNOTSUPP) => {
            "; its driver does not tell, or the socket that was asked is of AF_XDP, which never does: \
             any other will do, a `LinkWatch` for one"
        }
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
