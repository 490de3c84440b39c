//! Classic BPF: the instructions of a socket filter.
//!
//! A program decides for each packet how many of its bytes are kept: the value that it returns, its
//! verdict. Zero drops the packet. Programs come from a compiler such as libpcap's, or are written by
//! hand; the kernel checks them when they are attached, and so does [`Program`], which can also run
//! them.
//!
//! ```
//! use packet_ring::bpf::{Context, Instruction, Program, Size, Source, Statement, assemble};
//! use Source::K;
//! use Statement::{Jeq, LdAbs, RetK};
//!
//! const IPV4: [Instruction; 4] = assemble([
//!     LdAbs(Size::H, 12),   // BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12)
//!     Jeq(K(0x0800), 0, 1), // BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 1)
//!     RetK(262_144),        // BPF_STMT(BPF_RET | BPF_K, 262144)
//!     RetK(0),
//! ]);
//! // A program that the kernel would refuse fails the build.
//! const PROGRAM: Program<'_> = Program::new_assert(&IPV4);
//!
//! let mut frame = [0; 60];
//! assert_eq!(PROGRAM.run(&Context::new(&frame)), 0);
//! frame[12] = 0x08;
//! assert_eq!(PROGRAM.run(&Context::new(&frame)), 262_144);
//! ```
//!
//! See the kernel's [filter document](https://docs.kernel.org/networking/filter.html).

mod ancillary;
mod limited;
mod program;
mod run;
mod statement;

use static_assertions::assert_eq_size;

pub use self::ancillary::{Ancillary, SKF_AD_OFF, SKF_LL_OFF, SKF_NET_OFF};
pub(crate) use self::limited::Limited;
pub use self::program::{InvalidProgram, Program};
pub use self::run::Context;
pub use self::statement::{Size, Source, Statement};

/// The longest program that the kernel takes: `BPF_MAXINSNS`.
pub const MAX_INSTRUCTIONS: usize = 4096;

/// One instruction: `struct sock_filter`.
#[doc(alias = "sock_filter")]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Operation, width and mode.
    pub code: u16,
    /// Instructions to skip where a jump's condition holds.
    pub jump_true: u8,
    /// Instructions to skip where it does not.
    pub jump_false: u8,
    /// The operand.
    pub k: u32,
}

assert_eq_size!(Instruction, linux_raw_sys::ptrace::sock_filter);

impl Instruction {
    /// An instruction from its four numbers, as `tcpdump -dd` prints them.
    #[must_use]
    pub const fn new(code: u16, jump_true: u8, jump_false: u8, k: u32) -> Self {
        Self {
            code,
            jump_true,
            jump_false,
            k,
        }
    }

    /// Ends the program and keeps `bytes` of the packet; zero drops it.
    #[must_use]
    pub const fn keep(bytes: u32) -> Self {
        Statement::RetK(bytes).instruction()
    }
}

/// Makes a program of statements.
#[must_use]
pub const fn assemble<const N: usize>(statements: [Statement; N]) -> [Instruction; N] {
    let mut program = [Instruction::keep(0); N];
    let mut i = 0;
    while i < N {
        program[i] = statements[i].instruction();
        i += 1;
    }
    program
}
