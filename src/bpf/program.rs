//! Programs that were checked by the rules of the kernel.

use core::fmt;

use super::{Instruction, MAX_INSTRUCTIONS, SKF_AD_OFF, Source, Statement};

/// Words of scratch memory: `BPF_MEMWORDS`.
pub(super) const MEMORY_WORDS: usize = 16;

/// A program that was checked: the kernel attaches it, and [`run`](Self::run) can run it.
///
/// Two limits of the kernel are not among its rules and not checked here. It translates the program into
/// longer instructions of its own, whose jumps span at most 32,767 of them: a jump over more than some
/// 1,000 instructions can be refused (EINVAL) although it is valid. And what comes out must not be larger
/// than `net.core.optmem_max` allows (ENOMEM).
#[derive(Clone, Copy, Debug)]
pub struct Program<'p> {
    instructions: &'p [Instruction],
}

/// Which rule a program breaks, and at which instruction, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProgram {
    /// There is no instruction.
    Empty,
    /// There are more than [`MAX_INSTRUCTIONS`].
    TooLong,
    /// The kernel knows no such code.
    UnknownCode {
        /// The instruction.
        at: usize,
    },
    /// An absolute load from [`SKF_AD_OFF`] on is none of [`Ancillary`](super::Ancillary).
    UnknownAncillary {
        /// The instruction.
        at: usize,
    },
    /// A division by the constant 0, or the rest of one.
    DivisionByZero {
        /// The instruction.
        at: usize,
    },
    /// A shift by a constant above 31.
    ShiftTooFar {
        /// The instruction.
        at: usize,
    },
    /// A word of scratch memory above 15.
    NoSuchWord {
        /// The instruction.
        at: usize,
    },
    /// A jump to behind the last instruction.
    JumpOutside {
        /// The instruction.
        at: usize,
    },
    /// The last instruction does not end the program.
    NoReturn {
        /// The instruction.
        at: usize,
    },
    /// A load of a word of scratch memory that was not stored on every way there.
    WordNotStored {
        /// The instruction.
        at: usize,
    },
}

impl<'p> Program<'p> {
    /// Checks a program as the kernel does when it is attached. Takes 8 KiB of stack, and no system
    /// call.
    ///
    /// # Errors
    ///
    /// [`InvalidProgram`] says which rule is broken first, and where.
    pub const fn new(instructions: &'p [Instruction]) -> Result<Self, InvalidProgram> {
        if let Err(why) = each_alone(instructions) {
            return Err(why);
        }
        match scratch_memory(instructions) {
            Ok(()) => Ok(Self { instructions }),
            Err(why) => Err(why),
        }
    }

    /// The same for constants: a broken rule fails the build.
    ///
    /// # Panics
    ///
    /// With the sentence of the broken rule.
    #[must_use]
    #[track_caller]
    pub const fn new_assert(instructions: &'p [Instruction]) -> Self {
        match Self::new(instructions) {
            Ok(program) => program,
            Err(why) => panic!("{}", why.rule().1),
        }
    }

    /// The instructions.
    #[must_use]
    pub const fn instructions(&self) -> &'p [Instruction] {
        self.instructions
    }
}

/// The rules that one instruction breaks by itself, or by where it stands: `bpf_check_classic`.
const fn each_alone(program: &[Instruction]) -> Result<(), InvalidProgram> {
    use Source::K;
    use Statement as S;
    if program.is_empty() {
        return Err(InvalidProgram::Empty);
    }
    if program.len() > MAX_INSTRUCTIONS {
        return Err(InvalidProgram::TooLong);
    }
    let mut at = 0;
    while at < program.len() {
        let Some(statement) = program[at].statement() else {
            return Err(InvalidProgram::UnknownCode { at });
        };
        let behind = program.len() - at - 1;
        match statement {
            S::LdAbs(_, offset) if offset >= SKF_AD_OFF => {
                return Err(InvalidProgram::UnknownAncillary { at });
            }
            S::Div(K(0)) | S::Mod(K(0)) => return Err(InvalidProgram::DivisionByZero { at }),
            S::Lsh(K(32..)) | S::Rsh(K(32..)) => return Err(InvalidProgram::ShiftTooFar { at }),
            S::LdMem(word) | S::LdxMem(word) | S::St(word) | S::Stx(word)
                if word as usize >= MEMORY_WORDS =>
            {
                return Err(InvalidProgram::NoSuchWord { at });
            }
            S::Ja(skip) if skip as usize >= behind => {
                return Err(InvalidProgram::JumpOutside { at });
            }
            S::Jeq(_, yes, no) | S::Jgt(_, yes, no) | S::Jge(_, yes, no) | S::Jset(_, yes, no)
                if yes as usize >= behind || no as usize >= behind =>
            {
                return Err(InvalidProgram::JumpOutside { at });
            }
            S::RetK(_) | S::RetA => {}
            _ if behind == 0 => return Err(InvalidProgram::NoReturn { at }),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Whether each word of scratch memory is stored before it is loaded: `check_load_and_stores`.
///
/// Jumps go forward only, so that one pass knows, at each instruction, which words every jump there
/// has brought. As in the kernel, the pass goes straight on behind a return, and behind a jump it takes
/// every word as stored: neither matters to an instruction that can be reached.
const fn scratch_memory(program: &[Instruction]) -> Result<(), InvalidProgram> {
    use Statement as S;
    const EVERY_WORD: u16 = u16::MAX;
    let mut brought = [EVERY_WORD; MAX_INSTRUCTIONS];
    let mut stored = 0;
    let mut at = 0;
    while at < program.len() {
        stored &= brought[at];
        let next = at + 1;
        match program[at].statement() {
            Some(S::St(word) | S::Stx(word)) => stored |= 1 << word,
            Some(S::LdMem(word) | S::LdxMem(word)) if stored & 1 << word == 0 => {
                return Err(InvalidProgram::WordNotStored { at });
            }
            Some(S::Ja(skip)) => {
                brought[next + skip as usize] &= stored;
                stored = EVERY_WORD;
            }
            Some(
                S::Jeq(_, yes, no) | S::Jgt(_, yes, no) | S::Jge(_, yes, no) | S::Jset(_, yes, no),
            ) => {
                brought[next + yes as usize] &= stored;
                brought[next + no as usize] &= stored;
                stored = EVERY_WORD;
            }
            _ => {}
        }
        at = next;
    }
    Ok(())
}

impl InvalidProgram {
    /// Where the rule is broken, if at an instruction, and the sentence that tells it.
    const fn rule(self) -> (Option<usize>, &'static str) {
        match self {
            Self::Empty => (None, "a program needs at least one instruction"),
            Self::TooLong => (None, "a program may have at most 4096 instructions"),
            Self::UnknownCode { at } => (Some(at), "the kernel knows no such code"),
            Self::UnknownAncillary { at } => {
                (Some(at), "there is no ancillary load at this offset")
            }
            Self::DivisionByZero { at } => (Some(at), "a constant divisor must not be 0"),
            Self::ShiftTooFar { at } => (Some(at), "a constant shift must be below 32"),
            Self::NoSuchWord { at } => (Some(at), "scratch memory has the words 0 to 15"),
            Self::JumpOutside { at } => (Some(at), "a jump must stay inside the program"),
            Self::NoReturn { at } => (Some(at), "the last instruction must return"),
            Self::WordNotStored { at } => (
                Some(at),
                "a word of scratch memory must be stored on every way to its load",
            ),
        }
    }
}

impl fmt::Display for InvalidProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, sentence) = self.rule();
        if let Some(at) = at {
            write!(f, "instruction {at}: ")?;
        }
        f.write_str(sentence)
    }
}

impl core::error::Error for InvalidProgram {}
