//! What a block says, read slowly: every number is taken out of the bytes where the kernel's header
//! puts it, and compared as a wide integer that cannot overflow.
//!
//! Written from the kernel's structures, not from the library, and on purpose in another shape.

/// What one walk over a block must bring.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `None` where the block's header already is none that the kernel writes.
    pub(crate) header: Option<Header>,
    /// The packets before the first bad record.
    pub(crate) packets: Vec<Seen>,
    /// Whether the block holds what the kernel does not write.
    pub(crate) corrupt: bool,
}

/// The header of a block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) count: u32,
    pub(crate) used: u32,
    pub(crate) sequence: u64,
    /// First and last, in seconds and nanoseconds.
    pub(crate) times: [(u32, u32); 2],
    /// Where the private area lies in the block.
    pub(crate) private_area: (usize, usize),
}

/// One packet: where its captured bytes lie in the block, and every field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) data: (usize, usize),
    pub(crate) captured: u32,
    pub(crate) length: u32,
    pub(crate) time: (u32, u32),
    pub(crate) status: u32,
    /// TCI and TPID where the status says that there was a tag.
    pub(crate) vlan: Option<(u16, u16)>,
    pub(crate) rxhash: u32,
    pub(crate) network_offset: usize,
    pub(crate) protocol: u16,
    pub(crate) interface: u32,
    pub(crate) hardware: u16,
    pub(crate) packet_type: u8,
    /// Unused bytes are zero.
    pub(crate) address: [u8; 8],
    pub(crate) address_len: usize,
}

const VLAN_VALID: i128 = 0x10;
const VLAN_TPID_VALID: i128 = 0x40;

/// The number of `width` bytes at `at`.
pub(super) fn number(block: &[u8], at: i128, width: usize) -> i128 {
    let bytes = &block[start_of(at)..][..width];
    match *bytes {
        [a, b] => u16::from_ne_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => u64::from_ne_bytes([a, b, c, d, e, f, g, h]).into(),
        [byte] => byte.into(),
        _ => panic!("no field has {width} bytes"),
    }
}

pub(super) fn narrow<T: TryFrom<i128, Error: core::fmt::Debug>>(number: i128) -> T {
    number.try_into().expect("as wide as the field")
}

/// Reads `block`, all of its bytes from the header on, of a ring with this private area.
pub(crate) fn read(block: &[u8], private_area: u32) -> Reading {
    let bad_header = Reading {
        header: None,
        packets: Vec::new(),
        corrupt: true,
    };
    let Some(header) = header(block, private_area) else {
        return bad_header;
    };
    let (count, used) = (header.count, i128::from(header.used));
    let mut packets = Vec::new();
    let mut at = first_record(private_area);
    for ordinal in 1..=count {
        let Some((packet, next)) = record(block, at, used, ordinal == count) else {
            return Reading {
                header: Some(header),
                packets,
                corrupt: true,
            };
        };
        packets.push(packet);
        at = next;
    }
    Reading {
        header: Some(header),
        packets,
        corrupt: false,
    }
}

/// Where the first record lies.
fn first_record(private_area: u32) -> i128 {
    let mut first = 48 + i128::from(private_area);
    while first % 8 != 0 {
        first += 1;
    }
    first
}

/// The header of `block`; `None` where it is none that the kernel writes.
fn header(block: &[u8], private_area: u32) -> Option<Header> {
    let first = first_record(private_area);
    let used = number(block, 20, 4);
    if number(block, 16, 4) != first || used < first || used > block.len() as i128 {
        return None;
    }
    let time = |at| {
        (
            narrow(number(block, at, 4)),
            narrow(number(block, at + 4, 4)),
        )
    };
    Some(Header {
        count: narrow(number(block, 12, 4)),
        used: narrow(used),
        sequence: narrow(number(block, 24, 8)),
        times: [time(32), time(40)],
        private_area: (48, start_of(48 + i128::from(private_area))),
    })
}

/// Reads `block` as [`read`] does, but for records whose status has no `TP_STATUS_USER`: the kernel has
/// made room for them and not written them.
pub(crate) fn read_with_vnet_headers(block: &[u8], private_area: u32) -> Reading {
    let bad_header = Reading {
        header: None,
        packets: Vec::new(),
        corrupt: true,
    };
    let Some(mut header) = header(block, private_area) else {
        return bad_header;
    };
    let used = i128::from(header.used);
    let mut at = first_record(private_area);
    let mut written = Vec::new();
    for ordinal in 1..=header.count {
        if at + 68 > used {
            return bad_header;
        }
        let is_written = number(block, at + 20, 4) % 2 == 1;
        if is_written {
            written.push(at);
        }
        if ordinal == header.count {
            if !is_written {
                header.times[1] = written.last().map_or(header.times[0], |&last| {
                    (
                        narrow(number(block, last + 4, 4)),
                        narrow(number(block, last + 8, 4)),
                    )
                });
            }
        } else {
            let step = number(block, at, 4);
            if step < 68 || step % 8 != 0 {
                return bad_header;
            }
            at += step;
        }
    }
    header.count = u32::try_from(written.len()).expect("fewer than there were");
    let ends = written.iter().skip(1).chain([&used]);
    let mut packets = Vec::new();
    for (&at, &end) in written.iter().zip(ends) {
        let Some(packet) = packet(block, at, end - at) else {
            return Reading {
                header: Some(header),
                packets,
                corrupt: true,
            };
        };
        packets.push(packet);
    }
    Reading {
        header: Some(header),
        packets,
        corrupt: false,
    }
}

/// The record at `at`, and where it ends; `None` where the kernel did not write it.
fn record(block: &[u8], at: i128, used: i128, last: bool) -> Option<(Seen, i128)> {
    if at + 68 > used {
        return None;
    }
    let field = |offset, width| number(block, at + offset, width);
    let step = if last { used - at } else { field(0, 4) };
    if step < 68 || at + step > used || (!last && step % 8 != 0) {
        return None;
    }
    Some((packet(block, at, step)?, at + step))
}

/// The packet of the record of `step` bytes at `at`; `None` where the kernel did not write it.
fn packet(block: &[u8], at: i128, step: i128) -> Option<Seen> {
    let field = |offset, width| number(block, at + offset, width);
    let mac = field(24, 2);
    let captured = field(12, 4);
    if mac < 68 || mac + captured > step {
        return None;
    }
    let start: usize = narrow(at + mac);
    let status = field(20, 4);
    let tagged = status & VLAN_VALID != 0;
    let tpid = if status & VLAN_TPID_VALID != 0 {
        field(36, 2)
    } else {
        0x8100
    };
    let address_len: usize = narrow(field(59, 1).min(8));
    let mut address = [0; 8];
    for (place, byte) in address.iter_mut().enumerate().take(address_len) {
        *byte = block[start_of(at + 60) + place];
    }
    Some(Seen {
        data: (start, start_of(at + mac + captured)),
        captured: narrow(captured),
        length: narrow(field(16, 4)),
        time: (narrow(field(4, 4)), narrow(field(8, 4))),
        status: narrow(status),
        vlan: tagged.then(|| (narrow(field(32, 4) % 0x1_0000), narrow(tpid))),
        rxhash: narrow(field(28, 4)),
        network_offset: narrow((field(26, 2) - mac).max(0)),
        protocol: narrow(
            i128::from(block[start_of(at + 50)]) * 256 + i128::from(block[start_of(at + 51)]),
        ),
        interface: narrow(field(52, 4)),
        hardware: narrow(field(56, 2)),
        packet_type: block[start_of(at + 58)],
        address,
        address_len,
    })
}

fn start_of(at: i128) -> usize {
    narrow(at)
}
