//! Random programs that XDP can answer, and whose verdict one bit can show.

use packet_ring::bpf::{Ancillary, Instruction, Source, Statement};

use crate::filter::programs::shown;

/// What XDP can answer of what the random programs ask for.
pub(crate) const KNOWN: [Ancillary; 7] = [
    Ancillary::Protocol,
    Ancillary::Ifindex,
    Ancillary::Queue,
    Ancillary::AluXorX,
    Ancillary::VlanTag,
    Ancillary::VlanTagPresent,
    Ancillary::VlanTpid,
];

/// The program with what XDP cannot answer replaced by what it can.
pub(crate) fn answerable(program: &[Instruction]) -> Vec<Instruction> {
    let answerable = |(at, instruction): (usize, &Instruction)| match instruction.statement() {
        Some(Statement::LdAd(what)) if !KNOWN.contains(&what) => {
            Statement::LdAd(KNOWN[at % KNOWN.len()]).instruction()
        }
        _ => *instruction,
    };
    program.iter().enumerate().map(answerable).collect()
}

/// The program with every returned accumulator replaced by the parity of all bits of A and X: a verdict of
/// one bit that each of them decides.
pub(crate) fn parity_shown(program: &[Instruction]) -> Vec<Instruction> {
    use Source::{K, X};
    use Statement as S;
    let mut shown = shown(program);
    // What folds them into eight bits is kept, and what makes those a number from 1 on is not.
    shown.truncate(shown.len() - 3);
    let fold = [
        S::Tax,
        S::Rsh(K(4)),
        S::Xor(X),
        S::Tax,
        S::Rsh(K(2)),
        S::Xor(X),
        S::Tax,
        S::Rsh(K(1)),
        S::Xor(X),
        S::And(K(1)),
        S::RetA,
    ];
    shown.extend(fold.map(Statement::instruction));
    shown
}
