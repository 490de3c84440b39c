//! What an instruction says: its code, taken apart and put together.

use linux_raw_sys::ptrace as raw;

use super::{Ancillary, Instruction};

/// How many bytes of the packet a load takes, the first being the most significant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Four bytes: `BPF_W`.
    #[doc(alias = "BPF_W")]
    W,
    /// Two bytes: `BPF_H`.
    #[doc(alias = "BPF_H")]
    H,
    /// One byte: `BPF_B`.
    #[doc(alias = "BPF_B")]
    B,
}

/// The second operand of arithmetic and of comparisons; the first is the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A constant: `BPF_K`.
    #[doc(alias = "BPF_K")]
    K(u32),
    /// The index register: `BPF_X`.
    #[doc(alias = "BPF_X")]
    X,
}

/// One instruction in words: a `BPF_STMT` or `BPF_JUMP` whose parts have types.
///
/// The machine has an accumulator A, an index register X and 16 words of scratch memory M, all of 32
/// bits; A and X begin at 0. Jumps skip instructions forward: `Jeq(K(7), 0, 3)` goes on behind it where
/// A is 7 and skips three where it is not. [`assemble`](super::assemble) makes a program of an array of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A = the bytes at the offset; a load beyond the packet drops it. Offsets from
    /// [`SKF_NET_OFF`](super::SKF_NET_OFF) or [`SKF_LL_OFF`](super::SKF_LL_OFF) count from a header.
    #[doc(alias = "BPF_ABS")]
    LdAbs(Size, u32),
    /// A = the bytes at X + the offset.
    #[doc(alias = "BPF_IND")]
    LdInd(Size, u32),
    /// A = what the kernel knows beside the bytes.
    #[doc(alias = "SKF_AD_OFF")]
    LdAd(Ancillary),
    /// A = the packet's length.
    #[doc(alias = "BPF_LEN")]
    LdLen,
    /// A = the constant.
    #[doc(alias = "BPF_IMM")]
    LdImm(u32),
    /// A = M\[k\].
    #[doc(alias = "BPF_MEM")]
    LdMem(u32),
    /// X = the packet's length.
    LdxLen,
    /// X = the constant.
    LdxImm(u32),
    /// X = M\[k\].
    LdxMem(u32),
    /// X = 4 * (the byte at the offset & 15): the length of the IPv4 header there.
    #[doc(alias = "BPF_MSH")]
    LdxMsh(u32),
    /// M\[k\] = A.
    #[doc(alias = "BPF_ST")]
    St(u32),
    /// M\[k\] = X.
    #[doc(alias = "BPF_STX")]
    Stx(u32),
    /// A += source. All arithmetic is modulo 2^32, without signs.
    #[doc(alias = "BPF_ADD")]
    Add(Source),
    /// A -= source.
    #[doc(alias = "BPF_SUB")]
    Sub(Source),
    /// A *= source.
    #[doc(alias = "BPF_MUL")]
    Mul(Source),
    /// A /= source; a zero in X drops the packet.
    #[doc(alias = "BPF_DIV")]
    Div(Source),
    /// A %= source; a zero in X drops the packet.
    #[doc(alias = "BPF_MOD")]
    Mod(Source),
    /// A &= source.
    #[doc(alias = "BPF_AND")]
    And(Source),
    /// A |= source.
    #[doc(alias = "BPF_OR")]
    Or(Source),
    /// A ^= source.
    #[doc(alias = "BPF_XOR")]
    Xor(Source),
    /// A <<= source, of which the low five bits count.
    #[doc(alias = "BPF_LSH")]
    Lsh(Source),
    /// A >>= source, of which the low five bits count.
    #[doc(alias = "BPF_RSH")]
    Rsh(Source),
    /// A = -A.
    #[doc(alias = "BPF_NEG")]
    Neg,
    /// Skips so many instructions.
    #[doc(alias = "BPF_JA")]
    Ja(u32),
    /// Skips the first number of instructions where A == source, the second where not.
    #[doc(alias = "BPF_JEQ")]
    Jeq(Source, u8, u8),
    /// The same for A > source.
    #[doc(alias = "BPF_JGT")]
    Jgt(Source, u8, u8),
    /// The same for A >= source.
    #[doc(alias = "BPF_JGE")]
    Jge(Source, u8, u8),
    /// The same for A & source != 0.
    #[doc(alias = "BPF_JSET")]
    Jset(Source, u8, u8),
    /// Ends: the verdict is the constant.
    #[doc(alias = "BPF_RET")]
    RetK(u32),
    /// Ends: the verdict is A.
    #[doc(alias = "BPF_A")]
    RetA,
    /// X = A.
    #[doc(alias = "BPF_TAX")]
    Tax,
    /// A = X.
    #[doc(alias = "BPF_TXA")]
    Txa,
}

/// The codes, as sums of the header's constants.
mod code {
    use super::raw;

    const fn of(bits: u32) -> u16 {
        bits as u16
    }

    pub(super) const CLASS: u16 = 0x07;
    pub(super) const SIZE: u16 = 0x18;
    /// The bit that tells `BPF_X` from `BPF_K`.
    pub(super) const X: u16 = of(raw::BPF_X);
    pub(super) const W: u16 = of(raw::BPF_W);
    pub(super) const H: u16 = of(raw::BPF_H);
    pub(super) const B: u16 = of(raw::BPF_B);
    pub(super) const ALU: u16 = of(raw::BPF_ALU);
    pub(super) const JMP: u16 = of(raw::BPF_JMP);

    pub(super) const LD_ABS: u16 = of(raw::BPF_LD | raw::BPF_ABS);
    pub(super) const LD_IND: u16 = of(raw::BPF_LD | raw::BPF_IND);
    pub(super) const LD_LEN: u16 = of(raw::BPF_LD | raw::BPF_W | raw::BPF_LEN);
    pub(super) const LD_IMM: u16 = of(raw::BPF_LD | raw::BPF_IMM);
    pub(super) const LD_MEM: u16 = of(raw::BPF_LD | raw::BPF_MEM);
    pub(super) const LDX_LEN: u16 = of(raw::BPF_LDX | raw::BPF_W | raw::BPF_LEN);
    pub(super) const LDX_IMM: u16 = of(raw::BPF_LDX | raw::BPF_IMM);
    pub(super) const LDX_MEM: u16 = of(raw::BPF_LDX | raw::BPF_MEM);
    pub(super) const LDX_MSH: u16 = of(raw::BPF_LDX | raw::BPF_B | raw::BPF_MSH);
    pub(super) const ST: u16 = of(raw::BPF_ST);
    pub(super) const STX: u16 = of(raw::BPF_STX);
    pub(super) const ADD: u16 = of(raw::BPF_ALU | raw::BPF_ADD);
    pub(super) const SUB: u16 = of(raw::BPF_ALU | raw::BPF_SUB);
    pub(super) const MUL: u16 = of(raw::BPF_ALU | raw::BPF_MUL);
    pub(super) const DIV: u16 = of(raw::BPF_ALU | raw::BPF_DIV);
    pub(super) const MOD: u16 = of(raw::BPF_ALU | raw::BPF_MOD);
    pub(super) const AND: u16 = of(raw::BPF_ALU | raw::BPF_AND);
    pub(super) const OR: u16 = of(raw::BPF_ALU | raw::BPF_OR);
    pub(super) const XOR: u16 = of(raw::BPF_ALU | raw::BPF_XOR);
    pub(super) const LSH: u16 = of(raw::BPF_ALU | raw::BPF_LSH);
    pub(super) const RSH: u16 = of(raw::BPF_ALU | raw::BPF_RSH);
    pub(super) const NEG: u16 = of(raw::BPF_ALU | raw::BPF_NEG);
    pub(super) const JA: u16 = of(raw::BPF_JMP | raw::BPF_JA);
    pub(super) const JEQ: u16 = of(raw::BPF_JMP | raw::BPF_JEQ);
    pub(super) const JGT: u16 = of(raw::BPF_JMP | raw::BPF_JGT);
    pub(super) const JGE: u16 = of(raw::BPF_JMP | raw::BPF_JGE);
    pub(super) const JSET: u16 = of(raw::BPF_JMP | raw::BPF_JSET);
    pub(super) const RET_K: u16 = of(raw::BPF_RET | raw::BPF_K);
    pub(super) const RET_A: u16 = of(raw::BPF_RET | raw::BPF_A);
    pub(super) const TAX: u16 = of(raw::BPF_MISC | raw::BPF_TAX);
    pub(super) const TXA: u16 = of(raw::BPF_MISC | raw::BPF_TXA);
}

impl Size {
    const fn bits(self) -> u16 {
        match self {
            Self::W => code::W,
            Self::H => code::H,
            Self::B => code::B,
        }
    }

    const fn of(code: u16) -> Option<Self> {
        match code & code::SIZE {
            code::W => Some(Self::W),
            code::H => Some(Self::H),
            code::B => Some(Self::B),
            _ => None,
        }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::W => 4,
            Self::H => 2,
            Self::B => 1,
        }
    }
}

impl Statement {
    /// The instruction as the kernel takes it.
    ///
    /// A [`LdAbs`](Self::LdAbs) at an ancillary offset is the [`LdAd`](Self::LdAd) of that offset.
    #[must_use]
    pub const fn instruction(self) -> Instruction {
        let (code, source) = match self {
            Self::LdAbs(size, k) => (code::LD_ABS | size.bits(), Source::K(k)),
            Self::LdInd(size, k) => (code::LD_IND | size.bits(), Source::K(k)),
            Self::LdAd(what) => (code::LD_ABS | code::W, Source::K(what.offset())),
            Self::LdLen => (code::LD_LEN, Source::K(0)),
            Self::LdImm(k) => (code::LD_IMM, Source::K(k)),
            Self::LdMem(k) => (code::LD_MEM, Source::K(k)),
            Self::LdxLen => (code::LDX_LEN, Source::K(0)),
            Self::LdxImm(k) => (code::LDX_IMM, Source::K(k)),
            Self::LdxMem(k) => (code::LDX_MEM, Source::K(k)),
            Self::LdxMsh(k) => (code::LDX_MSH, Source::K(k)),
            Self::St(k) => (code::ST, Source::K(k)),
            Self::Stx(k) => (code::STX, Source::K(k)),
            Self::Add(source) => (code::ADD, source),
            Self::Sub(source) => (code::SUB, source),
            Self::Mul(source) => (code::MUL, source),
            Self::Div(source) => (code::DIV, source),
            Self::Mod(source) => (code::MOD, source),
            Self::And(source) => (code::AND, source),
            Self::Or(source) => (code::OR, source),
            Self::Xor(source) => (code::XOR, source),
            Self::Lsh(source) => (code::LSH, source),
            Self::Rsh(source) => (code::RSH, source),
            Self::Neg => (code::NEG, Source::K(0)),
            Self::Ja(k) => (code::JA, Source::K(k)),
            Self::Jeq(source, yes, no) => return with(code::JEQ, source, yes, no),
            Self::Jgt(source, yes, no) => return with(code::JGT, source, yes, no),
            Self::Jge(source, yes, no) => return with(code::JGE, source, yes, no),
            Self::Jset(source, yes, no) => return with(code::JSET, source, yes, no),
            Self::RetK(k) => (code::RET_K, Source::K(k)),
            Self::RetA => (code::RET_A, Source::K(0)),
            Self::Tax => (code::TAX, Source::K(0)),
            Self::Txa => (code::TXA, Source::K(0)),
        };
        with(code, source, 0, 0)
    }
}

const fn with(code: u16, source: Source, yes: u8, no: u8) -> Instruction {
    match source {
        Source::K(k) => Instruction::new(code, yes, no, k),
        Source::X => Instruction::new(code | code::X, yes, no, 0),
    }
}

impl Instruction {
    /// What the instruction says; `None` where the kernel knows no such code.
    ///
    /// Numbers that the code does not use are lost, and so is the size of an ancillary load.
    #[must_use]
    pub const fn statement(self) -> Option<Statement> {
        use Statement as S;
        let Self {
            code,
            jump_true: yes,
            jump_false: no,
            k,
        } = self;
        let class = code & code::CLASS;
        if class == code::ALU || class == code::JMP {
            let source = if code & code::X == 0 {
                Source::K(k)
            } else {
                Source::X
            };
            return Some(match (code & !code::X, source) {
                (code::ADD, _) => S::Add(source),
                (code::SUB, _) => S::Sub(source),
                (code::MUL, _) => S::Mul(source),
                (code::DIV, _) => S::Div(source),
                (code::MOD, _) => S::Mod(source),
                (code::AND, _) => S::And(source),
                (code::OR, _) => S::Or(source),
                (code::XOR, _) => S::Xor(source),
                (code::LSH, _) => S::Lsh(source),
                (code::RSH, _) => S::Rsh(source),
                (code::NEG, Source::K(_)) => S::Neg,
                (code::JA, Source::K(k)) => S::Ja(k),
                (code::JEQ, _) => S::Jeq(source, yes, no),
                (code::JGT, _) => S::Jgt(source, yes, no),
                (code::JGE, _) => S::Jge(source, yes, no),
                (code::JSET, _) => S::Jset(source, yes, no),
                _ => return None,
            });
        }
        if let Some(size) = Size::of(code) {
            match code & !code::SIZE {
                code::LD_ABS => {
                    return Some(match Ancillary::at(k) {
                        Some(what) => S::LdAd(what),
                        None => S::LdAbs(size, k),
                    });
                }
                code::LD_IND => return Some(S::LdInd(size, k)),
                _ => {}
            }
        }
        Some(match code {
            code::LD_LEN => S::LdLen,
            code::LD_IMM => S::LdImm(k),
            code::LD_MEM => S::LdMem(k),
            code::LDX_LEN => S::LdxLen,
            code::LDX_IMM => S::LdxImm(k),
            code::LDX_MEM => S::LdxMem(k),
            code::LDX_MSH => S::LdxMsh(k),
            code::ST => S::St(k),
            code::STX => S::Stx(k),
            code::RET_K => S::RetK(k),
            code::RET_A => S::RetA,
            code::TAX => S::Tax,
            code::TXA => S::Txa,
            _ => return None,
        })
    }
}
