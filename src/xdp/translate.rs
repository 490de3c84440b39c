//! Translating classic BPF to extended BPF: the verdict of a filter becomes an action of XDP.
//!
//! The translated program keeps the classic machine in registers: A, X, the address of the packet, and
//! the 16 words of scratch memory on its stack. All arithmetic is on 32 bits, as there. Nothing here is
//! trusted with memory: the kernel's verifier proves each load anew.

mod assembler;
mod code;
mod load;

use core::fmt;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use self::assembler::{Assembler, Label, TooFar};
use self::code::{Operand, alu, alu64, call, classic_alu, classic_jump, jump_if, load, store};
use self::load::Known;
use crate::abi::bpf::{Extended, Register, XDP_PASS, helper, xdp_md};
use crate::bpf::{Ancillary, Instruction, Size, Source, Statement};
use crate::error::{Error, Operation};
use crate::sys::Scratch;
use Operand::{K, R};
use Register::{R0, R1, R2, R3};

/// The program's argument, a `struct xdp_md`. Calls leave registers from here on alone.
const CONTEXT: Register = Register::R6;
/// The accumulator.
const A: Register = Register::R7;
/// The index register.
const X: Register = Register::R8;
/// The address of the packet.
const DATA: Register = Register::R9;
/// Where the stack ends.
const STACK: Register = Register::R10;
/// Where the scratch memory begins on the stack: 16 words of 4 bytes.
const MEMORY: i16 = -64;
/// Room for a load by the kernel, below that.
const SPARE: i16 = MEMORY - 8;

/// What a translated program does with packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// Where accepted packets are redirected to.
    pub(super) map: BorrowedFd<'a>,
    /// The action that rejected packets get.
    pub(super) rejected: i32,
    /// Whether packets may lie in pieces.
    pub(super) fragments: bool,
}

/// Why a classic program cannot run in XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untranslatable {
    /// XDP runs before the kernel knows this of a packet.
    Ancillary {
        /// The instruction, from 0.
        at: usize,
        /// What it asks for.
        what: Ancillary,
    },
    /// A jump, or the way to the program's end, spans more than 32,767 translated instructions: more than
    /// some 1,300 loads of the program's own.
    JumpTooFar {
        /// The instruction, from 0.
        at: usize,
    },
}

impl fmt::Display for Untranslatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ancillary { at, what } => write!(
                f,
                "instruction {at}: XDP runs before the kernel knows {what:?} of a packet"
            ),
            Self::JumpTooFar { at } => write!(
                f,
                "instruction {at}: translated, its jump spans more than 32767 instructions"
            ),
        }
    }
}

impl core::error::Error for Untranslatable {}

/// Translates a program that was checked.
pub(super) fn translate(
    filter: &[Instruction],
    target: &Target<'_>,
) -> Result<Scratch<Extended>, Error> {
    let mut places = scratch::<u32>(filter.len() + 2)?;
    let mut count = Assembler::counting(&mut places);
    write(&mut count, filter, target)?;
    let mut program = scratch::<Extended>(count.len())?;
    write(
        &mut Assembler::writing(&mut places, &mut program),
        filter,
        target,
    )?;
    Ok(program)
}

fn scratch<T: crate::sys::Zeroed>(len: usize) -> Result<Scratch<T>, Error> {
    let bytes = (len * size_of::<T>()) as u64;
    Scratch::new(len).map_err(Error::system(Operation::MapScratch { bytes }))
}

/// The whole program where there is no filter.
pub(super) fn unfiltered(map: BorrowedFd<'_>) -> [Extended; 6] {
    redirect(R1, map)
}

/// What becomes of an accepted packet; `context` has the program's argument.
fn redirect(context: Register, map: BorrowedFd<'_>) -> [Extended; 6] {
    let [map_low, map_high] = code::map(R1, map.as_raw_fd());
    [
        load(Size::W, R2, context, xdp_md::RX_QUEUE_INDEX),
        map_low,
        map_high,
        // What becomes of a packet whose queue has no socket.
        alu(code::MOV, R3, K(XDP_PASS)),
        call(helper::REDIRECT_MAP),
        code::EXIT,
    ]
}

/// Writes the whole program.
fn write(
    code: &mut Assembler<'_>,
    filter: &[Instruction],
    target: &Target<'_>,
) -> Result<(), Error> {
    let accept = Label(filter.len());
    let reject = Label(filter.len() + 1);
    code.push(&[
        alu64(code::MOV, CONTEXT, R(R1)),
        load(Size::W, DATA, R1, xdp_md::DATA),
        alu(code::MOV, A, K(0)),
        alu(code::MOV, X, K(0)),
    ]);
    code.lead_to(Label(0));
    let mut translator = Translator {
        code,
        target,
        accept,
        reject,
        at: 0,
    };
    for (at, instruction) in filter.iter().enumerate() {
        if translator.code.begin(Label(at)) {
            translator.at = at;
            translator.instruction(*instruction)?;
        }
    }
    if code.begin(accept) {
        code.push(&redirect(CONTEXT, target.map));
    }
    if code.begin(reject) {
        code.push(&[alu(code::MOV, R0, K(target.rejected)), code::EXIT]);
    }
    Ok(())
}

struct Translator<'t, 'm> {
    code: &'t mut Assembler<'m>,
    target: &'t Target<'t>,
    accept: Label,
    reject: Label,
    /// The classic instruction that is being translated.
    at: usize,
}

/// Whether the next instruction comes after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Elsewhere,
}

impl Translator<'_, '_> {
    fn instruction(&mut self, instruction: Instruction) -> Result<(), Error> {
        let at = self.at;
        // A checked program holds no code that nobody knows.
        let Some(statement) = instruction.statement() else {
            let operation = Operation::LoadProgram;
            let errno = Errno::INVAL;
            return Err(Error::System { operation, errno });
        };
        if let Statement::LdAd(what) = statement {
            let known = self.load_ancillary(what);
            if known.map_err(|TooFar| Untranslatable::JumpTooFar { at })? == Known::No {
                return Err(Untranslatable::Ancillary { at, what }.into());
            }
            self.code.lead_to(Label(at + 1));
            return Ok(());
        }
        let flow = self
            .statement(instruction, statement)
            .map_err(|TooFar| Untranslatable::JumpTooFar { at })?;
        if flow == Flow::On {
            self.code.lead_to(Label(at + 1));
        }
        Ok(())
    }

    fn statement(
        &mut self,
        instruction: Instruction,
        statement: Statement,
    ) -> Result<Flow, TooFar> {
        use Statement as S;
        match statement {
            S::LdAbs(size, offset) => return self.flow(size, A, offset),
            S::LdInd(size, offset) => self.load_at_x(size, offset)?,
            S::LdxMsh(offset) => {
                let flow = self.flow(Size::B, X, offset)?;
                if flow == Flow::On {
                    self.code
                        .push(&[alu(code::AND, X, K(0xf)), alu(code::LSH, X, K(2))]);
                }
                return Ok(flow);
            }
            S::LdLen => self.load_length(A),
            S::LdxLen => self.load_length(X),
            S::LdImm(k) => self.code.push(&[alu(code::MOV, A, constant(k))]),
            S::LdxImm(k) => self.code.push(&[alu(code::MOV, X, constant(k))]),
            S::LdMem(word) => self.code.push(&[load(Size::W, A, STACK, memory(word))]),
            S::LdxMem(word) => self.code.push(&[load(Size::W, X, STACK, memory(word))]),
            S::St(word) => self.code.push(&[store(STACK, memory(word), A)]),
            S::Stx(word) => self.code.push(&[store(STACK, memory(word), X)]),
            S::Tax => self.code.push(&[alu(code::MOV, X, R(A))]),
            S::Txa => self.code.push(&[alu(code::MOV, A, R(X))]),
            S::Lsh(Source::X) | S::Rsh(Source::X) => self.code.push(&[
                alu(code::MOV, R2, R(X)),
                alu(code::AND, R2, K(31)),
                classic_alu(instruction.code, A, R(R2)),
            ]),
            S::Div(Source::X) | S::Mod(Source::X) => {
                self.code.jump(jump_if(code::EQ, X, K(0)), self.reject)?;
                self.code.push(&[classic_alu(instruction.code, A, R(X))]);
            }
            S::Add(source)
            | S::Sub(source)
            | S::Mul(source)
            | S::Div(source)
            | S::Mod(source)
            | S::And(source)
            | S::Or(source)
            | S::Xor(source)
            | S::Lsh(source)
            | S::Rsh(source) => {
                self.code
                    .push(&[classic_alu(instruction.code, A, operand(source))]);
            }
            S::Neg => self.code.push(&[classic_alu(instruction.code, A, K(0))]),
            S::Ja(skip) => {
                let to = self.behind(skip);
                self.code.go_to(to)?;
                return Ok(Flow::Elsewhere);
            }
            S::Jeq(source, yes, no)
            | S::Jgt(source, yes, no)
            | S::Jge(source, yes, no)
            | S::Jset(source, yes, no) => {
                let jump = classic_jump(instruction.code, A, operand(source));
                let (yes, no) = (self.behind(yes.into()), self.behind(no.into()));
                self.code.jump(jump, yes)?;
                if no == self.behind(0) {
                    return Ok(Flow::On);
                }
                self.code.go_to(no)?;
                return Ok(Flow::Elsewhere);
            }
            S::RetK(verdict) => {
                let end = if verdict == 0 {
                    self.reject
                } else {
                    self.accept
                };
                self.code.go_to(end)?;
                return Ok(Flow::Elsewhere);
            }
            S::RetA => {
                self.code.jump(jump_if(code::NE, A, K(0)), self.accept)?;
                self.code.go_to(self.reject)?;
                return Ok(Flow::Elsewhere);
            }
            // Translated before.
            S::LdAd(_) => {}
        }
        Ok(Flow::On)
    }

    fn flow(&mut self, size: Size, register: Register, offset: u32) -> Result<Flow, TooFar> {
        Ok(if self.load_at(size, register, offset)? {
            Flow::On
        } else {
            Flow::Elsewhere
        })
    }

    /// The instruction that lies so many behind the next.
    fn behind(&self, skip: u32) -> Label {
        Label(self.at + 1 + skip as usize)
    }
}

fn operand(source: Source) -> Operand {
    match source {
        Source::K(k) => constant(k),
        Source::X => R(X),
    }
}

/// A constant of 32 bits, whose sign does not matter to operations of 32 bits.
fn constant(k: u32) -> Operand {
    K(k.cast_signed())
}

/// Where a word of scratch memory lies; a checked program names the first 16.
fn memory(word: u32) -> i16 {
    MEMORY + 4 * (word as i16 & 0xf)
}
