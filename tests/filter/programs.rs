//! Programs and packets by chance: valid ones, damaged ones, and noise.

use packet_ring::bpf::{
    Ancillary, Instruction, SKF_AD_OFF, SKF_LL_OFF, SKF_NET_OFF, Size, Source, Statement,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Every ancillary load whose value does not change from run to run.
pub(crate) const ANCILLARY: [Ancillary; 14] = [
    Ancillary::Protocol,
    Ancillary::Pkttype,
    Ancillary::Ifindex,
    Ancillary::Nlattr,
    Ancillary::NlattrNest,
    Ancillary::Mark,
    Ancillary::Queue,
    Ancillary::Hatype,
    Ancillary::Rxhash,
    Ancillary::AluXorX,
    Ancillary::VlanTag,
    Ancillary::VlanTagPresent,
    Ancillary::PayOffset,
    Ancillary::VlanTpid,
];

/// Numbers near the limits that some rule or some width has, and others.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..40_u32,
        any::<u8>().prop_map(u32::from),
        select(vec![
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0xffff,
            0x7fff_ffff,
            0x8000_0000,
            u32::MAX
        ]),
        (0..80_u32).prop_map(|k| SKF_AD_OFF - 8 + k),
        (0..80_u32).prop_map(|k| SKF_NET_OFF - 8 + k),
        (0..80_u32).prop_map(|k| SKF_LL_OFF - 8 + k),
        any::<u32>(),
    ]
}

/// Offsets that mostly lie in a packet.
fn offset() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => 0..260_u32,
        2 => (0..260_u32).prop_map(|k| SKF_NET_OFF + k),
        1 => 250..700_u32,
        1 => number(),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![number().prop_map(Source::K), Just(Source::X)]
}

fn size() -> impl Strategy<Value = Size> {
    select(vec![Size::W, Size::H, Size::B])
}

/// A comparison that skips a little.
fn comparison() -> impl Strategy<Value = Statement> {
    let kinds = select(vec![
        Statement::Jeq as fn(Source, u8, u8) -> Statement,
        Statement::Jgt,
        Statement::Jge,
        Statement::Jset,
    ]);
    (kinds, source(), 0..4_u8, 0..4_u8).prop_map(|(kind, source, yes, no)| kind(source, yes, no))
}

fn arithmetic() -> impl Strategy<Value = Statement> {
    let kinds = select(vec![
        Statement::Add as fn(Source) -> Statement,
        Statement::Sub,
        Statement::Mul,
        Statement::Div,
        Statement::Mod,
        Statement::And,
        Statement::Or,
        Statement::Xor,
        Statement::Lsh,
        Statement::Rsh,
    ]);
    (kinds, source()).prop_map(|(kind, source)| kind(source))
}

/// A statement of any kind; rules that concern its surroundings, or its numbers, may be broken.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    use Statement as S;
    prop_oneof![
        4 => (size(), offset()).prop_map(|(size, k)| S::LdAbs(size, k)),
        2 => (size(), offset()).prop_map(|(size, k)| S::LdInd(size, k)),
        3 => select(ANCILLARY.to_vec()).prop_map(S::LdAd),
        1 => select(vec![S::LdLen, S::LdxLen, S::Neg, S::Tax, S::Txa, S::RetA]),
        2 => number().prop_map(S::LdImm),
        2 => number().prop_map(S::LdxImm),
        1 => offset().prop_map(S::LdxMsh),
        2 => (0..17_u32).prop_map(S::LdMem),
        2 => (0..17_u32).prop_map(S::LdxMem),
        3 => (0..17_u32).prop_map(S::St),
        3 => (0..17_u32).prop_map(S::Stx),
        8 => arithmetic(),
        5 => comparison(),
        1 => (0..5_u32).prop_map(S::Ja),
        1 => number().prop_map(S::RetK),
    ]
}

/// Any four numbers, the code mostly one that looks like a code.
pub(crate) fn instruction() -> impl Strategy<Value = Instruction> {
    let code = prop_oneof![4 => 0..256_u16, 1 => any::<u16>()];
    (code, 0..6_u8, 0..6_u8, number())
        .prop_map(|(code, yes, no, k)| Instruction::new(code, yes, no, k))
}

/// Instructions of which each obeys the rules, and that end; words of scratch memory may still be
/// loaded that were not stored.
pub(crate) fn repaired(statements: &[Statement]) -> Vec<Instruction> {
    use Source::K;
    use Statement as S;
    let mut program: Vec<_> = statements
        .iter()
        .enumerate()
        .map(|(at, &statement)| {
            // The return that is put behind counts too.
            let behind = statements.len() - at;
            let within = |skip: u8| (usize::from(skip) % behind) as u8;
            match statement {
                S::LdAbs(size, k) if k >= SKF_AD_OFF => S::LdAbs(size, k & 0xff),
                S::LdMem(k) => S::LdMem(k % 16),
                S::LdxMem(k) => S::LdxMem(k % 16),
                S::St(k) => S::St(k % 16),
                S::Stx(k) => S::Stx(k % 16),
                S::Div(K(0)) => S::Div(K(3)),
                S::Mod(K(0)) => S::Mod(K(3)),
                S::Lsh(K(k)) => S::Lsh(K(k % 32)),
                S::Rsh(K(k)) => S::Rsh(K(k % 32)),
                S::Ja(k) => S::Ja(k % behind as u32),
                S::Jeq(source, yes, no) => S::Jeq(source, within(yes), within(no)),
                S::Jgt(source, yes, no) => S::Jgt(source, within(yes), within(no)),
                S::Jge(source, yes, no) => S::Jge(source, within(yes), within(no)),
                S::Jset(source, yes, no) => S::Jset(source, within(yes), within(no)),
                other => other,
            }
        })
        .map(Statement::instruction)
        .collect();
    program.push(S::RetA.instruction());
    program
}

/// A program of up to this many statements that obeys each rule but, perhaps, that of scratch memory.
pub(crate) fn nearly_valid(most: usize) -> impl Strategy<Value = Vec<Instruction>> {
    vec(statement(), 0..most).prop_map(|statements| repaired(&statements))
}

/// The same with some instructions overwritten, doubled or taken away.
pub(crate) fn damaged(most: usize) -> impl Strategy<Value = Vec<Instruction>> {
    let damage = (
        any::<prop::sample::Index>(),
        0..6_u8,
        instruction(),
        statement(),
    );
    (nearly_valid(most), vec(damage, 1..3)).prop_map(|(mut program, damages)| {
        for (at, kind, instruction, statement) in damages {
            if program.is_empty() {
                break;
            }
            let at = at.index(program.len());
            match kind {
                0 => program[at] = instruction,
                1 => program[at] = statement.instruction(),
                2 => program[at].k = instruction.k,
                3 => program[at].jump_true = instruction.jump_true,
                4 => program.insert(at, statement.instruction()),
                _ => drop(program.remove(at)),
            }
        }
        program
    })
}

/// The program with every returned accumulator replaced by the way to an end that returns 1 to 256,
/// by all bits of A and X: a verdict that the length of a packet can show.
pub(crate) fn shown(program: &[Instruction]) -> Vec<Instruction> {
    use Source::{K, X};
    use Statement as S;
    let fold = [
        S::St(0),
        S::Txa,
        S::Mul(K(0x9e37_79b1)),
        S::LdxMem(0),
        S::Xor(X),
        S::Tax,
        S::Rsh(K(16)),
        S::Xor(X),
        S::Tax,
        S::Rsh(K(8)),
        S::Xor(X),
        S::And(K(0xff)),
        S::Add(K(1)),
        S::RetA,
    ];
    let mut shown = program.to_vec();
    for (at, instruction) in shown.iter_mut().enumerate() {
        if instruction.statement() == Some(S::RetA) {
            *instruction = S::Ja((program.len() - at - 1) as u32).instruction();
        }
    }
    shown.extend(fold.map(Statement::instruction));
    shown
}

/// A packet: noise, or a list of netlink attributes.
pub(crate) fn packet() -> impl Strategy<Value = Vec<u8>> {
    let attribute =
        (0..6_u16, 0..4_u16, 0..8_usize, any::<u8>()).prop_map(|(kind, flags, len, fill)| {
            let mut bytes = (4 + len as u16).to_ne_bytes().to_vec();
            bytes.extend((kind | flags << 14).to_ne_bytes());
            bytes.extend((0..len).map(|at| fill.wrapping_mul(at as u8)));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        });
    // By a seed: a byte by itself takes too long to be made.
    let noise = |lens, below: u64| {
        (lens, any::<u64>()).prop_map(move |(len, seed): (usize, u64)| {
            (1..=len as u64)
                .map(|at| (seed.wrapping_mul(at * 2 + 1) >> 32) % below)
                .map(|byte| byte as u8)
                .collect()
        })
    };
    prop_oneof![
        2 => noise(257..600_usize, 256),
        1 => noise(0..300_usize, 256),
        1 => noise(257..400_usize, 12),
        1 => vec(attribute, 30..60).prop_map(|list| list.concat()),
    ]
}
