//! `linux/if_packet.h`: the layout of TPACKET_V3 and TPACKET_V2 rings.
//!
//! Offsets are in bytes from the start of the block, the packet record or the frame. Each is asserted
//! against the structures that linux-raw-sys makes from the kernel's header.

use core::mem::offset_of;

use bitflags::bitflags;
use linux_raw_sys::if_packet as raw;
use static_assertions::{const_assert, const_assert_eq};

/// `struct tpacket_block_desc`: the header of a block.
pub(crate) mod block {
    /// `block_status`, the word that says who owns the block.
    pub(crate) const STATUS: usize = 8;
    /// `num_pkts`.
    pub(crate) const PACKETS: usize = 12;
    /// `offset_to_first_pkt`.
    pub(crate) const FIRST_PACKET: usize = 16;
    /// `blk_len`: bytes in use, from the start of the block.
    pub(crate) const LENGTH: usize = 20;
    /// `seq_num`, from 1.
    pub(crate) const SEQUENCE: usize = 24;
    /// `ts_first_pkt`.
    pub(crate) const FIRST_TIME: usize = 32;
    /// `ts_last_pkt`.
    pub(crate) const LAST_TIME: usize = 40;
    /// Size of the header; the private area begins here.
    pub(crate) const HEADER: usize = 48;
}

/// `struct tpacket3_hdr` and the `struct sockaddr_ll` behind it: the header of a packet record.
pub(crate) mod record {
    /// `tp_next_offset`: bytes to the next record, zero in the last.
    pub(crate) const NEXT: usize = 0;
    /// `tp_sec`.
    pub(crate) const SECONDS: usize = 4;
    /// `tp_nsec`.
    pub(crate) const NANOSECONDS: usize = 8;
    /// `tp_snaplen`: captured bytes.
    pub(crate) const CAPTURED: usize = 12;
    /// `tp_len`: bytes on the wire.
    pub(crate) const LENGTH: usize = 16;
    /// `tp_status`.
    pub(crate) const STATUS: usize = 20;
    /// `tp_mac`: offset of the link-layer header.
    pub(crate) const MAC: usize = 24;
    /// `tp_net`: offset of the network header.
    pub(crate) const NET: usize = 26;
    /// `hv1.tp_rxhash`.
    pub(crate) const RXHASH: usize = 28;
    /// `hv1.tp_vlan_tci`.
    pub(crate) const VLAN_TCI: usize = 32;
    /// `hv1.tp_vlan_tpid`.
    pub(crate) const VLAN_TPID: usize = 36;
    /// Size of the first of the two headers, which `PACKET_HDRLEN` tells; the `struct sockaddr_ll` lies
    /// behind it.
    pub(crate) const PACKET_HEADER: usize = 48;
    /// Size of both headers: `TPACKET3_HDRLEN`.
    pub(crate) const HEADER: usize = 68;
    /// Records begin at multiples of this.
    pub(crate) const ALIGNMENT: usize = 8;
    /// The farthest that the captured bytes begin from the start of their record, without
    /// `PACKET_RESERVE`: on links that have no header, and where the kernel takes it off.
    ///
    /// The kernel puts the network header at the next multiple of [`raw::TPACKET_ALIGNMENT`] behind
    /// this header and the link-layer header, for which it allows 16 bytes at the least.
    pub(crate) const FARTHEST_MAC: usize = 96;
}

/// `struct tpacket2_hdr` and the `struct sockaddr_ll` behind it: the header of a TPACKET_V2 frame.
pub(crate) mod frame_v2 {
    /// `tp_status`, the word that says who owns the frame.
    pub(crate) const STATUS: usize = 0;
    /// `tp_len`: bytes on the wire.
    pub(crate) const LENGTH: usize = 4;
    /// `tp_snaplen`: captured bytes.
    pub(crate) const CAPTURED: usize = 8;
    /// `tp_mac`: offset of the link-layer header.
    pub(crate) const MAC: usize = 12;
    /// `tp_net`: offset of the network header.
    pub(crate) const NET: usize = 14;
    /// `tp_sec`.
    pub(crate) const SECONDS: usize = 16;
    /// `tp_nsec`.
    pub(crate) const NANOSECONDS: usize = 20;
    /// `tp_vlan_tci`.
    pub(crate) const VLAN_TCI: usize = 24;
    /// `tp_vlan_tpid`.
    pub(crate) const VLAN_TPID: usize = 26;
    /// Size of the first of the two headers, which `PACKET_HDRLEN` tells; the `struct sockaddr_ll` lies
    /// behind it.
    pub(crate) const PACKET_HEADER: usize = 32;
    /// Size of both headers: `TPACKET2_HDRLEN`.
    pub(crate) const HEADER: usize = 52;
    /// The farthest that the captured bytes begin from the start of their frame, without
    /// `PACKET_RESERVE`: as in a [`record`](super::record), behind a shorter header.
    pub(crate) const FARTHEST_MAC: usize = 80;
}

/// `struct sockaddr_ll`: offsets from its own start.
pub(crate) mod link_address {
    /// `sll_protocol`, big-endian.
    pub(crate) const PROTOCOL: usize = 2;
    /// `sll_ifindex`.
    pub(crate) const INTERFACE: usize = 4;
    /// `sll_hatype`.
    pub(crate) const HARDWARE: usize = 8;
    /// `sll_pkttype`.
    pub(crate) const DIRECTION: usize = 10;
    /// `sll_halen`.
    pub(crate) const ADDRESS_LENGTH: usize = 11;
    /// `sll_addr`.
    pub(crate) const ADDRESS: usize = 12;
}

/// `struct tpacket3_hdr` of a frame to be sent.
pub(crate) mod frame {
    use super::record;
    use crate::handoff::HeaderLayout;

    /// `tp_status`, the word that says who owns the frame.
    pub(crate) const STATUS: usize = record::STATUS;
    /// The fields that pass between both sides.
    pub(crate) const HEADER: HeaderLayout = HeaderLayout {
        length: record::LENGTH,
        offset: record::MAC,
        seconds: record::SECONDS,
        nanoseconds: record::NANOSECONDS,
    };
    /// Where the packet begins: `TPACKET3_HDRLEN - sizeof(struct sockaddr_ll)`.
    pub(crate) const DATA: u16 = 48;
    /// Frame sizes are multiples of this: `TPACKET_ALIGNMENT`.
    pub(crate) const ALIGNMENT: u32 = 16;
    /// The smallest frame size: `TPACKET3_HDRLEN`, aligned.
    pub(crate) const SMALLEST: u32 = 80;
}

const_assert_eq!(frame::DATA as usize, size_of::<raw::tpacket3_hdr>());
const_assert_eq!(raw::TPACKET_ALIGNMENT, frame::ALIGNMENT);
const_assert_eq!(
    frame::SMALLEST as usize,
    record::HEADER.next_multiple_of(frame::ALIGNMENT as usize)
);
const_assert_eq!(
    offset_of!(raw::tpacket_block_desc, hdr) + offset_of!(raw::tpacket_hdr_v1, block_status),
    block::STATUS
);
const_assert_eq!(
    offset_of!(raw::tpacket_block_desc, hdr) + offset_of!(raw::tpacket_hdr_v1, num_pkts),
    block::PACKETS
);
const_assert_eq!(
    offset_of!(raw::tpacket_block_desc, hdr) + offset_of!(raw::tpacket_hdr_v1, offset_to_first_pkt),
    block::FIRST_PACKET
);
const_assert_eq!(
    offset_of!(raw::tpacket_block_desc, hdr) + offset_of!(raw::tpacket_hdr_v1, blk_len),
    block::LENGTH
);
const_assert_eq!(
    offset_of!(raw::tpacket_block_desc, hdr) + offset_of!(raw::tpacket_hdr_v1, seq_num),
    block::SEQUENCE
);
const_assert_eq!(
    offset_of!(raw::tpacket_block_desc, hdr) + offset_of!(raw::tpacket_hdr_v1, ts_first_pkt),
    block::FIRST_TIME
);
const_assert_eq!(
    offset_of!(raw::tpacket_block_desc, hdr) + offset_of!(raw::tpacket_hdr_v1, ts_last_pkt),
    block::LAST_TIME
);
const_assert_eq!(size_of::<raw::tpacket_block_desc>(), block::HEADER);

const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_next_offset), record::NEXT);
const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_sec), record::SECONDS);
const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_nsec), record::NANOSECONDS);
const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_snaplen), record::CAPTURED);
const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_len), record::LENGTH);
const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_status), record::STATUS);
const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_mac), record::MAC);
const_assert_eq!(offset_of!(raw::tpacket3_hdr, tp_net), record::NET);
const RAW_VARIANT: usize = offset_of!(raw::tpacket3_hdr, __bindgen_anon_1);
const_assert_eq!(
    RAW_VARIANT + offset_of!(raw::tpacket_hdr_variant1, tp_rxhash),
    record::RXHASH
);
const_assert_eq!(
    RAW_VARIANT + offset_of!(raw::tpacket_hdr_variant1, tp_vlan_tci),
    record::VLAN_TCI
);
const_assert_eq!(
    RAW_VARIANT + offset_of!(raw::tpacket_hdr_variant1, tp_vlan_tpid),
    record::VLAN_TPID
);
const_assert_eq!(size_of::<raw::tpacket3_hdr>(), record::PACKET_HEADER);
const_assert_eq!(
    offset_of!(raw::sockaddr_ll, sll_protocol),
    link_address::PROTOCOL
);
const_assert_eq!(
    offset_of!(raw::sockaddr_ll, sll_ifindex),
    link_address::INTERFACE
);
const_assert_eq!(
    offset_of!(raw::sockaddr_ll, sll_hatype),
    link_address::HARDWARE
);
const_assert_eq!(
    offset_of!(raw::sockaddr_ll, sll_pkttype),
    link_address::DIRECTION
);
const_assert_eq!(
    offset_of!(raw::sockaddr_ll, sll_halen),
    link_address::ADDRESS_LENGTH
);
const_assert_eq!(
    offset_of!(raw::sockaddr_ll, sll_addr),
    link_address::ADDRESS
);
const_assert_eq!(
    record::PACKET_HEADER + size_of::<raw::sockaddr_ll>(),
    record::HEADER
);

const_assert_eq!(offset_of!(raw::tpacket2_hdr, tp_status), frame_v2::STATUS);
const_assert_eq!(offset_of!(raw::tpacket2_hdr, tp_len), frame_v2::LENGTH);
const_assert_eq!(
    offset_of!(raw::tpacket2_hdr, tp_snaplen),
    frame_v2::CAPTURED
);
const_assert_eq!(offset_of!(raw::tpacket2_hdr, tp_mac), frame_v2::MAC);
const_assert_eq!(offset_of!(raw::tpacket2_hdr, tp_net), frame_v2::NET);
const_assert_eq!(offset_of!(raw::tpacket2_hdr, tp_sec), frame_v2::SECONDS);
const_assert_eq!(
    offset_of!(raw::tpacket2_hdr, tp_nsec),
    frame_v2::NANOSECONDS
);
const_assert_eq!(
    offset_of!(raw::tpacket2_hdr, tp_vlan_tci),
    frame_v2::VLAN_TCI
);
const_assert_eq!(
    offset_of!(raw::tpacket2_hdr, tp_vlan_tpid),
    frame_v2::VLAN_TPID
);
const_assert_eq!(size_of::<raw::tpacket2_hdr>(), frame_v2::PACKET_HEADER);
const_assert_eq!(frame_v2::PACKET_HEADER % raw::TPACKET_ALIGNMENT as usize, 0);
const_assert_eq!(
    frame_v2::PACKET_HEADER + size_of::<raw::sockaddr_ll>(),
    frame_v2::HEADER
);
const_assert_eq!(
    (frame_v2::HEADER + 16).next_multiple_of(raw::TPACKET_ALIGNMENT as usize),
    frame_v2::FARTHEST_MAC
);
// A frame of any size can say where its packet begins, be it that no byte of it fits.
const_assert!(frame_v2::FARTHEST_MAC <= frame::SMALLEST as usize);

const_assert_eq!(
    (record::HEADER + 16).next_multiple_of(raw::TPACKET_ALIGNMENT as usize),
    record::FARTHEST_MAC
);

const_assert_eq!(raw::TP_STATUS_KERNEL, 0);
const_assert_eq!(raw::TP_STATUS_USER, crate::handoff::USER);

bitflags! {
    /// What the kernel says of a block: `block_status` of `struct tpacket_hdr_v1`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BlockStatus: u32 {
        /// `TP_STATUS_USER`: the program owns the block.
        const USER = raw::TP_STATUS_USER;
        /// `TP_STATUS_LOSING`: packets were dropped since the statistics were last read.
        const LOSING = raw::TP_STATUS_LOSING;
        /// `TP_STATUS_BLK_TMO`: the retire timeout ended the block before it was full.
        const TIMED_OUT = raw::TP_STATUS_BLK_TMO;
        const _ = !0;
    }

    /// What the kernel says of a packet: `tp_status` of `struct tpacket3_hdr` and `tpacket2_hdr`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PacketStatus: u32 {
        /// `TP_STATUS_USER`.
        const USER = raw::TP_STATUS_USER;
        /// `TP_STATUS_LOSING`: packets were dropped since the statistics were last read. TPACKET_V2
        /// says it of packets, TPACKET_V3 of blocks.
        const LOSING = raw::TP_STATUS_LOSING;
        /// `TP_STATUS_CSUMNOTREADY`: sent by this host with a checksum that the hardware, or nobody,
        /// fills in.
        const CHECKSUM_NOT_READY = raw::TP_STATUS_CSUMNOTREADY;
        /// `TP_STATUS_CSUM_VALID`: the transport checksum was verified.
        const CHECKSUM_VALID = raw::TP_STATUS_CSUM_VALID;
        /// `TP_STATUS_VLAN_VALID`: a VLAN tag was taken out of the packet and is in its header.
        const VLAN_VALID = raw::TP_STATUS_VLAN_VALID;
        /// `TP_STATUS_VLAN_TPID_VALID`: and the tag's protocol too (Linux 3.14).
        const VLAN_TPID_VALID = raw::TP_STATUS_VLAN_TPID_VALID;
        /// `TP_STATUS_GSO_TCP`: several TCP segments that travel as one (Linux 6.2).
        const GSO_TCP = raw::TP_STATUS_GSO_TCP;
        /// `TP_STATUS_TS_SOFTWARE`: the kernel stamped the packet when it was received or sent.
        const TIMESTAMP_SOFTWARE = raw::TP_STATUS_TS_SOFTWARE;
        /// `TP_STATUS_TS_RAW_HARDWARE`: the interface stamped the packet with its own clock.
        const TIMESTAMP_HARDWARE = raw::TP_STATUS_TS_RAW_HARDWARE;
        const _ = !0;
    }
}

// The bit that marks a held block is none that the kernel uses.
const_assert_eq!(
    crate::handoff::HELD
        & (raw::TP_STATUS_USER
            | raw::TP_STATUS_COPY
            | raw::TP_STATUS_LOSING
            | raw::TP_STATUS_CSUMNOTREADY
            | raw::TP_STATUS_VLAN_VALID
            | raw::TP_STATUS_BLK_TMO
            | raw::TP_STATUS_VLAN_TPID_VALID
            | raw::TP_STATUS_CSUM_VALID
            | raw::TP_STATUS_GSO_TCP
            | raw::TP_STATUS_TS_SOFTWARE
            | raw::TP_STATUS_TS_SYS_HARDWARE
            | raw::TP_STATUS_TS_RAW_HARDWARE),
    0
);
