//! Holding what a program keeps down to a snap length.

use super::{Instruction, MAX_INSTRUCTIONS, Program, Source, Statement, assemble};

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
    /// A program that is not valid gets no comparison, into which it could run: the kernel refuses it
    /// as it would have refused the program.
    pub(crate) fn new(program: &[Instruction], snap_length: u32) -> Option<Self> {
        let mut instructions = [Instruction::keep(0); MAX_INSTRUCTIONS];
        instructions
            .get_mut(..program.len())?
            .copy_from_slice(program);
        let mut len = program.len();
        let tail = len;
        let mut returns_accumulator = false;
        for (at, instruction) in instructions.iter_mut().enumerate().take(tail) {
            match instruction.statement() {
                Some(Statement::RetK(bytes)) => {
                    *instruction = Instruction::keep(bytes.min(snap_length))
                }
                Some(Statement::RetA) => {
                    returns_accumulator = true;
                    *instruction = Statement::Ja((tail - at - 1) as u32).instruction();
                }
                _ => {}
            }
        }
        if returns_accumulator && Program::new(program).is_ok() {
            let compare = assemble([
                Statement::Jgt(Source::K(snap_length), 0, 1),
                Statement::RetK(snap_length),
                Statement::RetA,
            ]);
            len += compare.len();
            instructions.get_mut(tail..len)?.copy_from_slice(&compare);
        }
        Some(Self { instructions, len })
    }

    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.instructions[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::{Instruction, Limited, MAX_INSTRUCTIONS, Source, Statement, assemble};
    use Source::K;
    use Statement::{Ja, Jgt, LdLen, RetA, RetK};

    #[test]
    fn constants_are_lowered_and_drops_stay_drops() {
        let program = assemble([RetK(0), RetK(64), RetK(262_144)]);
        let limited = Limited::new(&program, 96).unwrap();
        let expected = assemble([RetK(0), RetK(64), RetK(96)]);
        assert_eq!(limited.instructions(), expected);
    }

    #[test]
    fn a_returned_accumulator_passes_the_comparison() {
        let program = assemble([LdLen, RetA]);
        let limited = Limited::new(&program, 96).unwrap();
        let expected = assemble([LdLen, Ja(0), Jgt(K(96), 0, 1), RetK(96), RetA]);
        assert_eq!(limited.instructions(), expected);
    }

    #[test]
    fn a_program_that_runs_past_its_end_cannot_reach_the_comparison() {
        let past_the_comparison = assemble([LdLen, Ja(3), RetA]);
        let far_away = assemble([Ja(u32::MAX), RetA]);
        let on_a_condition = assemble([Jgt(K(9), 0, 1), RetA]);
        let off_the_end = assemble([RetA, LdLen]);
        for program in [
            &past_the_comparison[..],
            &far_away,
            &on_a_condition,
            &off_the_end,
        ] {
            let limited = Limited::new(program, 96).unwrap();
            assert_eq!(limited.instructions().len(), program.len());
        }
        let to_the_last = assemble([Jgt(K(9), 1, 0), RetA, RetA]);
        let limited = Limited::new(&to_the_last, 96).unwrap();
        assert_eq!(limited.instructions().len(), to_the_last.len() + 3);
    }

    #[test]
    fn a_program_without_room_for_the_comparison_is_refused() {
        let full = [RetA.instruction(); MAX_INSTRUCTIONS];
        assert!(Limited::new(&full, 96).is_none());
        assert!(Limited::new(&full[3..], 96).is_some());
        assert!(Limited::new(&[Instruction::keep(1); MAX_INSTRUCTIONS + 1], 96).is_none());
    }
}
