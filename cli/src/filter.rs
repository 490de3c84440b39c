//! The filter that the kernel runs: from an expression through libpcap's own compiler, or from a listing of instructions.

mod libpcap;
mod listing;

use core::fmt;
use std::path::Path;

pub(crate) use libpcap::{Compiler, Missing};
use packet_ring::bpf::Instruction;

use crate::exit::Failure;

const LOAD_BYTE: u16 = 0x30;
const LOAD_IMMEDIATE: u16 = 0x00;
const JUMP_IF_EQUAL: u16 = 0x15;
/// `SKF_AD_OFF + SKF_AD_PKTTYPE`: where the kernel keeps the packet's direction.
const PACKET_TYPE: u32 = 0xffff_f004;
const PACKET_OUTGOING: u32 = 4;

/// Compiles `expression` for `interface` exactly as tcpdump does there: with a live libpcap handle on that interface.
pub(crate) fn compile(
    interface: &str,
    snap_length: u32,
    expression: &str,
) -> Result<Vec<Instruction>, Failure> {
    let compiler = Compiler::load().map_err(|missing| missing.failure(expression))?;
    compiler.compile(interface, snap_length, expression)
}

/// Reads `tcpdump -dd` or `tcpdump -ddd` output.
pub(crate) fn read(path: &Path) -> Result<Vec<Instruction>, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))?;
    listing::parse(&text)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", path.display())))
}

/// The filter that cuts every packet at `snap_length` and refuses none.
pub(crate) fn accept(snap_length: u32) -> Vec<Instruction> {
    vec![Instruction::keep(snap_length)]
}

/// `program`, asked only about packets that this machine sends. The program starts with A = 0, as alone.
pub(crate) fn outgoing_only(program: &[Instruction]) -> Vec<Instruction> {
    let prefix = [
        Instruction::new(LOAD_BYTE, 0, 0, PACKET_TYPE),
        Instruction::new(JUMP_IF_EQUAL, 1, 0, PACKET_OUTGOING),
        Instruction::keep(0),
        Instruction::new(LOAD_IMMEDIATE, 0, 0, 0),
    ];
    prefix.iter().chain(program).copied().collect()
}

/// How `-d` is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dump {
    /// `-dd`: elements of a C array.
    C,
    /// `-ddd`: a count, then decimal numbers.
    Decimal,
}

/// Instructions in one of tcpdump's two machine-readable forms.
pub(crate) struct Listing<'a>(pub(crate) &'a [Instruction], pub(crate) Dump);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(program, dump) = self;
        if *dump == Dump::Decimal {
            writeln!(f, "{}", program.len())?;
        }
        for &Instruction {
            code,
            jump_true: jt,
            jump_false: jf,
            k,
        } in *program
        {
            match dump {
                Dump::C => writeln!(f, "{{ {code:#x}, {jt}, {jf}, {k:#010x} }},")?,
                Dump::Decimal => writeln!(f, "{code} {jt} {jf} {k}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_again() {
        let program = outgoing_only(&accept(96));
        for dump in [Dump::C, Dump::Decimal] {
            assert_eq!(
                listing::parse(&Listing(&program, dump).to_string()),
                Ok(program.clone())
            );
        }
    }
}
