//! Programs and packets by chance: valid ones, damaged ones, and noise.

use packet_ring::bpf::{
    Ancillary, Instruction, SKF_AD_OFF, SKF_LL_OFF, SKF_NET_OFF, Size, Source, Statement,
};
use proptest::collection::vec;
use proptest::prelude::*;

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

/// Numbers out of a seed. A strategy for each part of a statement would take far longer to make one.
struct Dice(u64);

impl Dice {
    /// A number below `count`.
    fn roll(&mut self, count: u32) -> u32 {
        // SplitMix64, of which the high half is taken.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed >> 32) * u64::from(count)) >> 32) as u32
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u32) as usize]
    }

    /// A number near the limits that some rule or some width has, or another.
    fn number(&mut self) -> u32 {
        const WIDTHS: [u32; 9] = [
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0x8000,
            0xffff,
            0x7fff_ffff,
            0x8000_0000,
            u32::MAX,
        ];
        match self.roll(7) {
            0 => self.roll(40),
            1 => self.roll(256),
            2 => self.one_of(&WIDTHS),
            3 => SKF_AD_OFF - 8 + self.roll(80),
            4 => SKF_NET_OFF - 8 + self.roll(80),
            5 => SKF_LL_OFF - 8 + self.roll(80),
            _ => self.roll(u32::MAX),
        }
    }

    /// An offset that mostly lies in a packet.
    fn offset(&mut self) -> u32 {
        match self.roll(12) {
            0..8 => self.roll(260),
            8 | 9 => SKF_NET_OFF + self.roll(260),
            10 => 250 + self.roll(450),
            _ => self.number(),
        }
    }

    fn source(&mut self) -> Source {
        match self.roll(2) {
            0 => Source::X,
            _ => Source::K(self.number()),
        }
    }

    fn size(&mut self) -> Size {
        self.one_of(&[Size::W, Size::H, Size::B])
    }

    fn skip(&mut self) -> u8 {
        let most = self.one_of(&[6, 6, 6, 256]);
        self.roll(most) as u8
    }

    fn statement(&mut self) -> Statement {
        use Statement as S;
        const ARITHMETIC: [fn(Source) -> Statement; 10] = [
            S::Add,
            S::Sub,
            S::Mul,
            S::Div,
            S::Mod,
            S::And,
            S::Or,
            S::Xor,
            S::Lsh,
            S::Rsh,
        ];
        const COMPARISON: [fn(Source, u8, u8) -> Statement; 4] = [S::Jeq, S::Jgt, S::Jge, S::Jset];
        match self.roll(37) {
            0..4 => S::LdAbs(self.size(), self.offset()),
            4..6 => S::LdInd(self.size(), self.offset()),
            6..9 => S::LdAd(self.one_of(&ANCILLARY)),
            9 => self.one_of(&[S::LdLen, S::LdxLen, S::Neg, S::Tax, S::Txa, S::RetA]),
            10..12 => S::LdImm(self.number()),
            12..14 => S::LdxImm(self.number()),
            14 => S::LdxMsh(self.offset()),
            15..17 => S::LdMem(self.roll(17)),
            17..19 => S::LdxMem(self.roll(17)),
            19..22 => S::St(self.roll(17)),
            22..25 => S::Stx(self.roll(17)),
            25..31 => self.one_of(&ARITHMETIC)(self.source()),
            31..35 => self.one_of(&COMPARISON)(self.source(), self.skip(), self.skip()),
            35 => S::Ja(self.roll(5)),
            _ => S::RetK(self.number()),
        }
    }

    fn instruction(&mut self) -> Instruction {
        let codes = self.one_of(&[0x100, 0x100, 0x100, 0x100, 0x1_0000]);
        let code = self.roll(codes) as u16;
        Instruction::new(code, self.skip(), self.skip(), self.number())
    }
}

/// A statement of any kind; rules that concern its surroundings, or its numbers, may be broken.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    any::<u64>().prop_map(|seed| Dice(seed).statement())
}

/// Any four numbers, the code mostly one that looks like a code.
pub(crate) fn instruction() -> impl Strategy<Value = Instruction> {
    any::<u64>().prop_map(|seed| Dice(seed).instruction())
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

/// A statement's name, as it is written.
pub(crate) fn name(statement: Statement) -> String {
    let text = format!("{statement:?}");
    let short = match statement {
        Statement::LdAd(_) => text.trim_end_matches(')').replace('(', " "),
        _ => text.split('(').next().unwrap_or_default().to_owned(),
    };
    let by_x = text.contains("(X");
    if by_x { short + " X" } else { short }
}

/// A packet: noise, small numbers, or a list of netlink attributes.
pub(crate) fn packet() -> impl Strategy<Value = Vec<u8>> {
    any::<u64>().prop_map(|seed| {
        let mut dice = Dice(seed);
        let (len, below) = match dice.roll(5) {
            0 | 1 => (257 + dice.roll(340), 256),
            2 => (dice.roll(300), 256),
            3 => (257 + dice.roll(140), 12),
            _ => return (0..60).flat_map(|_| attribute(&mut dice)).collect(),
        };
        (0..len).map(|_| dice.roll(below) as u8).collect()
    })
}

/// A netlink attribute with up to eight bytes, and what it takes to the next.
fn attribute(dice: &mut Dice) -> Vec<u8> {
    let (len, kind, flags) = (dice.roll(8), dice.roll(6), dice.roll(4));
    let mut bytes = (4 + len as u16).to_ne_bytes().to_vec();
    bytes.extend((kind as u16 | (flags as u16) << 14).to_ne_bytes());
    bytes.extend((0..len).map(|_| dice.roll(8) as u8));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
