//! Which steps programs and kernels take, at random.

use proptest::prelude::*;
use proptest::strategy::Union;

use super::kernel::Act;
use super::program::{Choices, Step};

/// What an honest kernel does.
pub(crate) const HONEST: &[(u32, Act)] = &[
    (12, Act::TakeFill),
    (12, Act::Deliver),
    (8, Act::TakeTx),
    (8, Act::Complete),
];

const PROGRAM: &[(u32, Step)] = &[
    (4, Step::Take),
    (2, Step::Give),
    (3, Step::Split),
    (3, Step::Append),
    (1, Step::TakeBack),
    (1, Step::DropList),
    (1, Step::DropChunk),
    (1, Step::Foreign),
    (6, Step::Stock),
    (3, Step::Fill),
    (8, Step::Receive),
    (5, Step::Transmit),
    (4, Step::Reap),
    (4, Step::ReapIntoList),
];

/// What costs chunks for good, or a queue all that it has: seldom.
const SELDOM: &[Step] = &[Step::ForgetChunk, Step::ForgetList, Step::Reopen];

/// Steps of a program beside those of a kernel.
pub(crate) fn steps(
    acts: impl IntoIterator<Item = (u32, Act)>,
) -> impl Strategy<Value = Vec<(Step, Choices)>> {
    let of_program = PROGRAM.iter().map(|&(weight, step)| (5 * weight, step));
    let seldom = SELDOM.iter().map(|&step| (2, step));
    let of_kernel = acts
        .into_iter()
        .map(|(weight, act)| (5 * weight, Step::Kernel(act)));
    let step = Union::new_weighted(
        of_program
            .chain(seldom)
            .chain(of_kernel)
            .map(|(weight, step)| (weight, Just(step)))
            .collect(),
    );
    proptest::collection::vec((step, any::<Choices>()), 0..300)
}
