//! The offsets that mean something else than a place in the packet.

use linux_raw_sys::ptrace as raw;

/// Offsets from here on count from the network header: `LdAbs(B, SKF_NET_OFF + 9)`.
pub const SKF_NET_OFF: u32 = raw::SKF_NET_OFF as u32;

/// Offsets from here on, and below [`SKF_NET_OFF`], count from the link-layer header.
pub const SKF_LL_OFF: u32 = raw::SKF_LL_OFF as u32;

/// Absolute offsets from here on are no place in the packet: they are [`Ancillary`] or refused.
pub const SKF_AD_OFF: u32 = raw::SKF_AD_OFF as u32;

/// What the kernel knows of a packet beside its bytes: the loads at [`SKF_AD_OFF`].
///
/// Two are not loads but operations: `AluXorX`, and the searches `Nlattr` and `NlattrNest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Ancillary {
    /// The EtherType as the kernel made it out, in host order.
    #[doc(alias = "SKF_AD_PROTOCOL")]
    Protocol = raw::SKF_AD_PROTOCOL,
    /// Whose the packet is: `PACKET_HOST` to `PACKET_OUTGOING`.
    #[doc(alias = "SKF_AD_PKTTYPE")]
    Pkttype = raw::SKF_AD_PKTTYPE,
    /// The interface's index. A packet without an interface ends the program: the verdict is the
    /// accumulator, as it is.
    #[doc(alias = "SKF_AD_IFINDEX")]
    Ifindex = raw::SKF_AD_IFINDEX,
    /// Where the netlink attribute of type X lies, searched from offset A on; 0 where there is none.
    #[doc(alias = "SKF_AD_NLATTR")]
    Nlattr = raw::SKF_AD_NLATTR,
    /// The same among the attributes within the attribute at offset A.
    #[doc(alias = "SKF_AD_NLATTR_NEST")]
    NlattrNest = raw::SKF_AD_NLATTR_NEST,
    /// The packet's mark.
    #[doc(alias = "SKF_AD_MARK")]
    Mark = raw::SKF_AD_MARK,
    /// The kernel's `queue_mapping`: of a received packet 1 + its queue, or 0 where the driver did not
    /// say; of a sent one its queue.
    #[doc(alias = "SKF_AD_QUEUE")]
    Queue = raw::SKF_AD_QUEUE,
    /// The interface's hardware type (`ARPHRD_*`). Ends the program as `Ifindex` does.
    #[doc(alias = "SKF_AD_HATYPE")]
    Hatype = raw::SKF_AD_HATYPE,
    /// The flow hash, 0 where none was computed yet.
    #[doc(alias = "SKF_AD_RXHASH")]
    Rxhash = raw::SKF_AD_RXHASH,
    /// The processor that runs the program.
    #[doc(alias = "SKF_AD_CPU")]
    Cpu = raw::SKF_AD_CPU,
    /// A ^= X; the same as [`Statement::Xor`](super::Statement::Xor) of X.
    #[doc(alias = "SKF_AD_ALU_XOR_X")]
    AluXorX = raw::SKF_AD_ALU_XOR_X,
    /// The tag control information of the VLAN tag that was taken out of the packet, 0 without one.
    #[doc(alias = "SKF_AD_VLAN_TAG")]
    VlanTag = raw::SKF_AD_VLAN_TAG,
    /// 1 where a VLAN tag was taken out of the packet.
    #[doc(alias = "SKF_AD_VLAN_TAG_PRESENT")]
    VlanTagPresent = raw::SKF_AD_VLAN_TAG_PRESENT,
    /// Where the payload of the transport protocol begins, as the kernel's flow dissector has it; 0 where
    /// it knows no such protocol.
    #[doc(alias = "SKF_AD_PAY_OFFSET")]
    PayOffset = raw::SKF_AD_PAY_OFFSET,
    /// A random number.
    #[doc(alias = "SKF_AD_RANDOM")]
    Random = raw::SKF_AD_RANDOM,
    /// The EtherType of the VLAN tag that was taken out, 0 without one.
    #[doc(alias = "SKF_AD_VLAN_TPID")]
    VlanTpid = raw::SKF_AD_VLAN_TPID,
}

impl Ancillary {
    const ALL: [Self; 16] = [
        Self::Protocol,
        Self::Pkttype,
        Self::Ifindex,
        Self::Nlattr,
        Self::NlattrNest,
        Self::Mark,
        Self::Queue,
        Self::Hatype,
        Self::Rxhash,
        Self::Cpu,
        Self::AluXorX,
        Self::VlanTag,
        Self::VlanTagPresent,
        Self::PayOffset,
        Self::Random,
        Self::VlanTpid,
    ];

    pub(super) const fn offset(self) -> u32 {
        SKF_AD_OFF + self as u32
    }

    pub(super) const fn at(offset: u32) -> Option<Self> {
        let mut i = 0;
        while i < Self::ALL.len() {
            if Self::ALL[i].offset() == offset {
                return Some(Self::ALL[i]);
            }
            i += 1;
        }
        None
    }
}
