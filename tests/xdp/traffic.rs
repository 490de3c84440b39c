//! Packets as networks have them: VLANs, IPv4 with options and fragments, IPv6, and what they carry.

/// Numbers out of a seed.
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

    fn byte(&mut self) -> u8 {
        self.roll(256) as u8
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u32) as usize]
    }

    fn port(&mut self) -> [u8; 2] {
        let any = self.roll(0x1_0000) as u16;
        self.one_of(&[53, 80, 443, 1_000, 1_500, 2_000, 2_001, any])
            .to_be_bytes()
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The packet of this number: each is another, and the same every time.
pub(crate) fn packet(number: u64) -> Vec<u8> {
    let dice = &mut Dice(number);
    let first = dice.one_of(&[0xff, 0x01, 0x02, 0x02]);
    let mut packet = vec![first; 6];
    packet.extend([0x02, 0, 0, 0, 0, 1]);
    for _ in 0..dice.one_of(&[0, 0, 1, 1, 2]) {
        packet.extend(dice.one_of(&[[0x81, 0x00], [0x81, 0x00], [0x88, 0xa8]]));
        packet.extend([dice.byte() & 0xf0, dice.one_of(&[5, 5, 6])]);
    }
    match dice.roll(9) {
        0..4 => ipv4(dice, &mut packet),
        4..7 => ipv6(dice, &mut packet),
        7 => packet.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]),
        _ => packet.extend([
            0x88,
            0x47,
            0,
            0,
            0x70 + dice.byte() % 2 * 16,
            0x40 | 1,
            0x45,
        ]),
    }
    let longer = dice.one_of(&[0, 2, 40, 150, 1_000]);
    packet.extend((0..longer).map(|_| dice.byte()));
    // Some end where they must not.
    let shorter = dice.one_of(&[0, 0, 0, dice.0 as usize % 48]);
    packet.truncate((packet.len() - shorter.min(packet.len())).max(14));
    packet
}

fn ipv4(dice: &mut Dice, packet: &mut Vec<u8>) {
    let options = dice.one_of(&[0, 0, 1, 10]);
    let fragment = dice.one_of(&[[0x40, 0], [0x20, 0], [0x00, 0x17]]);
    let protocol = dice.one_of(&[TCP, TCP, UDP, UDP, 1]);
    let length = 40 + dice.roll(100) as u8;
    packet.extend([0x08, 0x00, 0x45 + options, 0, 0, length, 0, 0]);
    packet.extend(fragment);
    packet.extend([dice.roll(10) as u8, protocol, 0, 0]);
    packet.extend([192, 0, dice.one_of(&[2, 2, 3]), dice.one_of(&[1, 2])]);
    packet.extend([192, 0, 2, dice.one_of(&[1, 3])]);
    packet.extend((0..4 * options).map(|_| dice.byte()));
    transport(dice, protocol, packet);
}

fn ipv6(dice: &mut Dice, packet: &mut Vec<u8>) {
    let protocol = dice.one_of(&[TCP, UDP, 58, 44]);
    packet.extend([
        0x86,
        0xdd,
        0x60,
        0,
        0,
        0,
        0,
        40,
        protocol,
        dice.roll(10) as u8,
    ]);
    for last in [1, 2] {
        packet.extend([0x20, 0x01, 0x0d, dice.one_of(&[0xb8, 0xb9])]);
        packet.extend([0; 11]);
        packet.push(last);
    }
    if protocol == 44 {
        // A fragment's header.
        packet.extend([TCP, 0, 0, dice.one_of(&[0, 8]), 0, 0, 0, 1]);
    }
    transport(dice, protocol, packet);
}

fn transport(dice: &mut Dice, protocol: u8, packet: &mut Vec<u8>) {
    match protocol {
        1 | 58 => packet.extend([dice.one_of(&[0, 8]), 0, 0, 0]),
        UDP => {
            packet.extend(dice.port());
            packet.extend(dice.port());
            packet.extend([0, 28, 0, 0]);
            packet.extend((0..20).map(|_| dice.byte()));
        }
        _ => {
            packet.extend(dice.port());
            packet.extend(dice.port());
            packet.extend([0; 8]);
            packet.extend([dice.one_of(&[0x50, 0x60, 0x80]), dice.roll(64) as u8]);
            packet.extend([0; 6]);
        }
    }
}
