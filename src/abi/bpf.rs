//! `linux/bpf.h`: what loading and attaching an XDP program takes.
//!
//! linux-raw-sys has no part for this header. The numbers are the kernel's ABI, which never changes them;
//! the tests on a real kernel hold each to it.

/// The first argument of bpf(2): `enum bpf_cmd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Command {
    MapCreate = 0,
    MapUpdate = 2,
    MapDelete = 3,
    ProgramLoad = 5,
    ObjectPin = 6,
    ObjectGet = 7,
    ProgramGetById = 13,
    ObjectInfo = 15,
    LinkCreate = 28,
    LinkUpdate = 29,
    LinkDetach = 34,
}

/// `BPF_MAP_TYPE_XSKMAP`.
pub(crate) const MAP_TYPE_XSKMAP: u32 = 17;
/// `BPF_PROG_TYPE_XDP`.
pub(crate) const PROGRAM_TYPE_XDP: u32 = 6;
/// `BPF_XDP`, of `enum bpf_attach_type`.
pub(crate) const ATTACH_TYPE_XDP: u32 = 37;
/// `BPF_LINK_TYPE_XDP`.
pub(crate) const LINK_TYPE_XDP: u32 = 6;
/// `BPF_F_XDP_HAS_FRAGS`: the program knows that packets may lie in pieces.
pub(crate) const XDP_HAS_FRAGS: u32 = 1 << 5;
/// `BPF_F_REPLACE`: of a link's update, that the old program is named.
pub(crate) const REPLACE: u32 = 1 << 2;
/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE`, of `linux/if_link.h`.
pub(crate) const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
pub(crate) const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
/// `XDP_DROP` and `XDP_PASS`, of `enum xdp_action`.
pub(crate) const XDP_DROP: i32 = 1;
pub(crate) const XDP_PASS: i32 = 2;
/// `BPF_OBJ_NAME_LEN`: room for the name of a map or program, its last byte zero.
pub(crate) const NAME_LEN: usize = 16;

/// Offsets in `struct xdp_md`, what a program's first argument points at, each of 32 bits.
pub(crate) mod xdp_md {
    pub(crate) const DATA: i16 = 0;
    pub(crate) const DATA_END: i16 = 4;
    pub(crate) const INGRESS_IFINDEX: i16 = 12;
    pub(crate) const RX_QUEUE_INDEX: i16 = 16;
}

/// Numbers of `BPF_FUNC_*`.
pub(crate) mod helper {
    pub(crate) const GET_PRANDOM_U32: i32 = 7;
    pub(crate) const GET_SMP_PROCESSOR_ID: i32 = 8;
    pub(crate) const REDIRECT_MAP: i32 = 51;
    pub(crate) const XDP_GET_BUFF_LEN: i32 = 188;
    pub(crate) const XDP_LOAD_BYTES: i32 = 189;
}

/// A register of the extended machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Register {
    R0 = 0,
    R1 = 1,
    R2 = 2,
    R3 = 3,
    R4 = 4,
    R6 = 6,
    R7 = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
}

/// One instruction of extended BPF: `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extended {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl Extended {
    pub(crate) const fn new(
        code: u8,
        destination: Register,
        source: Register,
        offset: i16,
        immediate: i32,
    ) -> Self {
        let (destination, source) = (destination as u8, source as u8);
        // `dst_reg` and `src_reg` are bit fields of four: the first lies where the machine's byte order
        // begins.
        let registers = if cfg!(target_endian = "little") {
            source << 4 | destination
        } else {
            destination << 4 | source
        };
        Self {
            code,
            registers,
            offset,
            immediate,
        }
    }
    /// The same with another offset.
    pub(crate) const fn with_offset(self, offset: i16) -> Self {
        Self { offset, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::{Extended, Register};

    /// The bytes that `r1 = *(u32 *)(r2 + 3)` has on machines of either byte order.
    #[test]
    fn registers_lie_as_the_machines_bit_fields() {
        let instruction = Extended::new(0x61, Register::R1, Register::R2, 3, 0);
        let registers = if u16::from_ne_bytes([1, 0]) == 1 {
            0x21
        } else {
            0x12
        };
        assert_eq!(instruction.registers, registers);
        assert_eq!(size_of::<Extended>(), 8);
    }
}
