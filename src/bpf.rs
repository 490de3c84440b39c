//! Classic BPF: the instructions of a socket filter.
//!
//! A program decides for each packet how many of its bytes are kept: the value that it returns. Zero
//! drops the packet. Programs come from a compiler such as libpcap's, or are written by hand; the
//! kernel checks them when they are attached.
//!
//! See the kernel's [filter document](https://docs.kernel.org/networking/filter.html).

use static_assertions::assert_eq_size;

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

/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// `BPF_RET | BPF_A`.
const RETURN_ACCUMULATOR: u16 = 0x16;
/// `BPF_JMP | BPF_JA`.
const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JGT | BPF_K`.
const JUMP_IF_GREATER: u16 = 0x25;

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
        Self::new(RETURN, 0, 0, bytes)
    }
}

/// A program on the stack, with every return value held down to a snap length.
#[derive(Debug)]
pub(crate) struct Limited {
    instructions: [Instruction; MAX_INSTRUCTIONS],
    len: usize,
}

impl Limited {
    /// Copies `program` such that it never keeps more than `snap_length` bytes.
    ///
    /// A constant is lowered in place. A return of the accumulator, whose value only the packet
    /// decides, becomes a jump to a comparison behind the program. `None` where the result has more
    /// than [`MAX_INSTRUCTIONS`].
    ///
    /// A program that can run past its own end gets no comparison, into which it would run: the
    /// kernel refuses it as it would have refused the program.
    pub(crate) fn new(program: &[Instruction], snap_length: u32) -> Option<Self> {
        let mut instructions = [Instruction::keep(0); MAX_INSTRUCTIONS];
        instructions
            .get_mut(..program.len())?
            .copy_from_slice(program);
        let mut len = program.len();
        let tail = len;
        let mut returns_accumulator = false;
        for (at, instruction) in instructions.iter_mut().enumerate().take(tail) {
            match instruction.code {
                RETURN => instruction.k = instruction.k.min(snap_length),
                RETURN_ACCUMULATOR => {
                    returns_accumulator = true;
                    *instruction = Instruction::new(JUMP, 0, 0, (tail - at - 1) as u32);
                }
                _ => {}
            }
        }
        if returns_accumulator && stays_within(program) {
            let compare = [
                Instruction::new(JUMP_IF_GREATER, 0, 1, snap_length),
                Instruction::keep(snap_length),
                Instruction::new(RETURN_ACCUMULATOR, 0, 0, 0),
            ];
            len += compare.len();
            instructions.get_mut(tail..len)?.copy_from_slice(&compare);
        }
        Some(Self { instructions, len })
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.instructions[..self.len]
    }
}

/// Whether no jump of the program leaves it and its last instruction ends it.
fn stays_within(program: &[Instruction]) -> bool {
    const CLASS: u16 = 0x07;
    let inside = |(at, instruction): (usize, &Instruction)| {
        let skipped = match instruction.code {
            JUMP => u64::from(instruction.k),
            code if code & CLASS == JUMP => {
                instruction.jump_true.max(instruction.jump_false).into()
            }
            _ => 0,
        };
        at as u64 + skipped < program.len() as u64 - 1 || instruction.code & CLASS == RETURN
    };
    program.iter().enumerate().all(inside)
}

#[cfg(test)]
mod tests {
    use super::{
        Instruction, JUMP, JUMP_IF_GREATER, Limited, MAX_INSTRUCTIONS, RETURN_ACCUMULATOR,
    };

    const LOAD_LENGTH: Instruction = Instruction::new(0x80, 0, 0, 0);

    #[test]
    fn constants_are_lowered_and_drops_stay_drops() {
        let program = [
            Instruction::keep(0),
            Instruction::keep(64),
            Instruction::keep(262_144),
        ];
        let limited = Limited::new(&program, 96).unwrap();
        let expected = [
            Instruction::keep(0),
            Instruction::keep(64),
            Instruction::keep(96),
        ];
        assert_eq!(limited.instructions(), expected);
    }

    #[test]
    fn a_returned_accumulator_passes_the_comparison() {
        let program = [LOAD_LENGTH, Instruction::new(RETURN_ACCUMULATOR, 0, 0, 0)];
        let limited = Limited::new(&program, 96).unwrap();
        let expected = [
            LOAD_LENGTH,
            Instruction::new(JUMP, 0, 0, 0),
            Instruction::new(JUMP_IF_GREATER, 0, 1, 96),
            Instruction::keep(96),
            Instruction::new(RETURN_ACCUMULATOR, 0, 0, 0),
        ];
        assert_eq!(limited.instructions(), expected);
    }

    #[test]
    fn a_program_that_runs_past_its_end_cannot_reach_the_comparison() {
        let returned = Instruction::new(RETURN_ACCUMULATOR, 0, 0, 0);
        let past_the_comparison = [LOAD_LENGTH, Instruction::new(JUMP, 0, 0, 3), returned];
        let far_away = [Instruction::new(JUMP, 0, 0, u32::MAX), returned];
        let on_a_condition = [Instruction::new(JUMP_IF_GREATER, 0, 1, 9), returned];
        let off_the_end = [returned, LOAD_LENGTH];
        for program in [
            &past_the_comparison[..],
            &far_away,
            &on_a_condition,
            &off_the_end,
        ] {
            let limited = Limited::new(program, 96).unwrap();
            assert_eq!(limited.instructions().len(), program.len());
        }
        let to_the_last = [
            Instruction::new(JUMP_IF_GREATER, 1, 0, 9),
            returned,
            returned,
        ];
        let limited = Limited::new(&to_the_last, 96).unwrap();
        assert_eq!(limited.instructions().len(), to_the_last.len() + 3);
    }

    #[test]
    fn a_program_without_room_for_the_comparison_is_refused() {
        let full = [Instruction::new(RETURN_ACCUMULATOR, 0, 0, 0); MAX_INSTRUCTIONS];
        assert!(Limited::new(&full, 96).is_none());
        assert!(Limited::new(&full[3..], 96).is_some());
        assert!(Limited::new(&[Instruction::keep(1); MAX_INSTRUCTIONS + 1], 96).is_none());
    }
}
