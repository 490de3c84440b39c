//! Putting instructions in a row, twice: once to learn where each will lie, once to write them.

use super::code;
use crate::abi::bpf::Extended;

/// A place to jump to: an instruction of the classic program by its number, or one of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(pub(super) usize);

/// A jump over more than the 32,767 instructions that its 16 bits can tell.
#[derive(Debug)]
pub(super) struct TooFar;

/// A program in the making.
///
/// Each label has a word that is 0 until something leads there: what nothing leads to is not written, for
/// the verifier refuses programs with instructions that cannot be reached. Jumps go forward only, so that
/// all that leads to a label is known when it is begun.
pub(super) struct Assembler<'m> {
    /// By label: 0, then [`LED_TO`] or, once it was begun, its place.
    places: &'m mut [u32],
    /// Where the second pass writes.
    output: Option<&'m mut [Extended]>,
    len: usize,
}

/// No label lies here.
const LED_TO: u32 = u32::MAX;

impl<'m> Assembler<'m> {
    /// The first pass, over zeros.
    pub(super) fn counting(places: &'m mut [u32]) -> Self {
        Self {
            places,
            output: None,
            len: 0,
        }
    }

    /// The second, over what the first has left.
    pub(super) fn writing(places: &'m mut [u32], output: &'m mut [Extended]) -> Self {
        Self {
            places,
            output: Some(output),
            len: 0,
        }
    }

    /// How many instructions there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, instructions: &[Extended]) {
        let end = self.len + instructions.len();
        if let Some(output) = &mut self.output {
            output[self.len..end].copy_from_slice(instructions);
        }
        self.len = end;
    }

    /// Says that what was written last goes on to this label, which is begun next.
    pub(super) fn lead_to(&mut self, label: Label) {
        let place = &mut self.places[label.0];
        if *place == 0 {
            *place = LED_TO;
        }
    }

    /// Begins what lies at a label; false where nothing leads there, and nothing is to be written.
    pub(super) fn begin(&mut self, label: Label) -> bool {
        let place = &mut self.places[label.0];
        if *place != 0 {
            *place = self.len as u32;
        }
        *place != 0
    }

    /// A jump, of which all is given but how far.
    pub(super) fn jump(&mut self, jump: Extended, to: Label) -> Result<(), TooFar> {
        self.lead_to(to);
        let offset = match self.output {
            None => 0,
            Some(_) => {
                let behind = self.len + 1;
                let skipped = (self.places[to.0] as usize).wrapping_sub(behind);
                i16::try_from(skipped).map_err(|_| TooFar)?
            }
        };
        self.push(&[jump.with_offset(offset)]);
        Ok(())
    }

    /// The jump that is always taken.
    pub(super) fn go_to(&mut self, label: Label) -> Result<(), TooFar> {
        self.jump(code::jump(), label)
    }
}
