//! The instructions of extended BPF that are used here, one function for each shape.
//!
//! See [RFC 9669](https://www.rfc-editor.org/rfc/rfc9669).

use crate::abi::bpf::{Extended, Register};
use crate::bpf::Size;

use Register::R0;

/// Classes, in the low three bits of a code.
const LOAD_IMMEDIATE: u8 = 0x00;
const LOAD: u8 = 0x01;
const STORE: u8 = 0x03;
const ALU: u8 = 0x04;
const JUMP: u8 = 0x05;
const JUMP32: u8 = 0x06;
const ALU64: u8 = 0x07;
const CLASS: u8 = 0x07;

/// The bit that tells a register from a constant.
const X: u8 = 0x08;
/// `BPF_MEM`: a load or store at an address.
const MEM: u8 = 0x60;
/// `BPF_DW`: 64 bits.
const DOUBLE_WORD: u8 = 0x18;
/// `BPF_END | BPF_TO_BE`.
const TO_BIG_ENDIAN: u8 = 0xd8;
const CALL: u8 = 0x80;
/// `BPF_PSEUDO_MAP_FD`: the constant is a descriptor, which the kernel replaces by the map's address.
const MAP_FD: Register = Register::R1;

/// Operations of the ALU classes.
pub(super) const ADD: u8 = 0x00;
pub(super) const SUB: u8 = 0x10;
pub(super) const AND: u8 = 0x50;
pub(super) const LSH: u8 = 0x60;
pub(super) const XOR: u8 = 0xa0;
pub(super) const MOV: u8 = 0xb0;

/// Conditions of the jump classes.
pub(super) const ALWAYS: u8 = 0x00;
pub(super) const EQ: u8 = 0x10;
pub(super) const GT: u8 = 0x20;
pub(super) const GE: u8 = 0x30;
pub(super) const NE: u8 = 0x50;
pub(super) const LT: u8 = 0xa0;
pub(super) const LE: u8 = 0xb0;

pub(super) const EXIT: Extended = Extended::new(0x90 | JUMP, R0, R0, 0, 0);

/// A second operand.
#[derive(Clone, Copy)]
pub(super) enum Operand {
    /// A constant. Where the first operand has 64 bits it is taken with its sign.
    K(i32),
    R(Register),
}

const fn with(code: u8, register: Register, operand: Operand) -> Extended {
    match operand {
        Operand::K(k) => Extended::new(code, register, R0, 0, k),
        Operand::R(source) => Extended::new(code | X, register, source, 0, 0),
    }
}

/// An operation on 32 bits, which leaves zeros above them.
pub(super) const fn alu(operation: u8, register: Register, operand: Operand) -> Extended {
    with(ALU | operation, register, operand)
}

/// The same on 64 bits: for addresses.
pub(super) const fn alu64(operation: u8, register: Register, operand: Operand) -> Extended {
    with(ALU64 | operation, register, operand)
}

/// A jump that compares 64 bits.
pub(super) const fn jump_if(condition: u8, register: Register, operand: Operand) -> Extended {
    with(JUMP | condition, register, operand)
}

/// A jump that compares 32 bits.
pub(super) const fn jump_if32(condition: u8, register: Register, operand: Operand) -> Extended {
    with(JUMP32 | condition, register, operand)
}

pub(super) const fn jump() -> Extended {
    jump_if(ALWAYS, R0, Operand::K(0))
}

/// A jump of classic BPF, which compares 32 bits: the codes differ in the class alone.
pub(super) const fn classic_jump(code: u16, register: Register, operand: Operand) -> Extended {
    with(code as u8 & !CLASS & !X | JUMP32, register, operand)
}

/// Arithmetic of classic BPF, which has the codes of the operations on 32 bits.
pub(super) const fn classic_alu(code: u16, register: Register, operand: Operand) -> Extended {
    with(code as u8 & !X, register, operand)
}

/// The code of a width, the same in both machines.
const fn width(size: Size) -> u8 {
    match size {
        Size::W => 0x00,
        Size::H => 0x08,
        Size::B => 0x10,
    }
}

/// `register = *(size *)(base + offset)`, with zeros above.
pub(super) const fn load(size: Size, register: Register, base: Register, offset: i16) -> Extended {
    Extended::new(LOAD | MEM | width(size), register, base, offset, 0)
}

/// `*(u32 *)(base + offset) = register`.
pub(super) const fn store(base: Register, offset: i16, register: Register) -> Extended {
    Extended::new(STORE | MEM | width(Size::W), base, register, offset, 0)
}

/// Puts the bytes of a value that was loaded in the order of the network into the machine's order.
pub(super) const fn from_network_order(size: Size, register: Register) -> Extended {
    let bits = 8 * size.bytes() as i32;
    Extended::new(ALU | TO_BIG_ENDIAN, register, R0, 0, bits)
}

pub(super) const fn call(helper: i32) -> Extended {
    Extended::new(JUMP | CALL, R0, R0, 0, helper)
}

/// `register = ` the map with this descriptor: an instruction that takes two places.
pub(super) const fn map(register: Register, fd: i32) -> [Extended; 2] {
    [
        Extended::new(LOAD_IMMEDIATE | DOUBLE_WORD, register, MAP_FD, 0, fd),
        Extended::new(0, R0, R0, 0, 0),
    ]
}
