//! The other end of the cable: subdevices in a row, each a memory that datagrams read and write as they pass.
//!
//! As much of ETG.1000.4 as a master needs to bring subdevices without a mailbox and without a clock to OP:
//! registers of state and address, the EEPROM behind its window, and FMMUs.

use core::iter;

/// Logical read and write.
pub(crate) const LRW: u8 = 12;

const STATION_ADDRESS: usize = 0x0010;
const DL_STATUS: usize = 0x0110;
const AL_CONTROL: usize = 0x0120;
const AL_STATUS: usize = 0x0130;
const SII_CONTROL: usize = 0x0502;
const SII_ADDRESS: usize = 0x0504;
const SII_DATA: usize = 0x0508;
const FMMU: usize = 0x0600;
const OUTPUTS: u16 = 0x1000;
const INPUTS: u16 = 0x1100;

const ETHERNET: usize = 14;
const FRAME_HEADER: usize = 2;
const DATAGRAM_HEADER: usize = 10;
const WORKING_COUNTER: usize = 2;
const INIT: u8 = 1;

/// What a master asks, as it lies on the wire but for its number and its counter.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) command: u8,
    pub(crate) address: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// Takes a frame apart. Panics where it is no EtherCAT frame: the master sends no other.
pub(crate) fn datagrams(frame: &[u8]) -> Vec<Datagram> {
    places(frame)
        .into_iter()
        .map(|(at, len)| Datagram {
            command: frame[at],
            address: frame[at + 2..at + 6].to_vec(),
            data: frame[at + DATAGRAM_HEADER..][..len].to_vec(),
        })
        .collect()
}

/// Puts a master's frame together, with the numbers that the datagrams of `like` have.
pub(crate) fn frame(like: &[u8], datagrams: &[Datagram]) -> Vec<u8> {
    let mut frame = [[0xff; 6], [0x10; 6]].concat();
    frame.extend([0x88, 0xa4, 0, 0]);
    for (number, datagram) in datagrams.iter().enumerate() {
        let (at, _) = places(like)[number];
        let more = if number + 1 < datagrams.len() {
            1 << 15
        } else {
            0
        };
        frame.extend([datagram.command, like[at + 1]]);
        frame.extend(&datagram.address);
        frame.extend((datagram.data.len() as u16 | more).to_le_bytes());
        frame.extend([0; 2]);
        frame.extend(&datagram.data);
        frame.extend([0; WORKING_COUNTER]);
    }
    let len = (frame.len() - ETHERNET - FRAME_HEADER) as u16;
    frame[ETHERNET..][..FRAME_HEADER].copy_from_slice(&(len | 1 << 12).to_le_bytes());
    frame
}

/// Where each datagram begins, and how many bytes of data it has.
fn places(frame: &[u8]) -> Vec<(usize, usize)> {
    assert_eq!(frame[12..ETHERNET], [0x88, 0xa4]);
    let header = word(frame, ETHERNET);
    assert_eq!(header >> 12, 1, "a frame of datagrams");
    let end = ETHERNET + FRAME_HEADER + usize::from(header & 0x07ff);
    let mut places = Vec::new();
    let mut at = ETHERNET + FRAME_HEADER;
    loop {
        let flags = word(frame, at + 6);
        let len = usize::from(flags & 0x07ff);
        places.push((at, len));
        at += DATAGRAM_HEADER + len + WORKING_COUNTER;
        if flags >> 15 == 0 {
            assert_eq!(at, end, "the datagrams fill the frame");
            return places;
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn double_word(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) | u32::from(word(bytes, at + 2)) << 16
}

/// Subdevices in a row, the first next to the master.
pub(crate) struct Segment {
    devices: [Subdevice; 2],
}

impl Segment {
    pub(crate) fn new(names: [&str; 2]) -> Self {
        let [left, right] = names.map(Subdevice::new);
        let mut devices = [left, right];
        // Links at its ports 0 and 1; the last has no neighbour.
        devices[0].memory[DL_STATUS] = 0x30;
        devices[1].memory[DL_STATUS] = 0x10;
        Self { devices }
    }

    /// The frame as it comes back: each subdevice has done in passing what it was asked to.
    pub(crate) fn answer(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        for (at, len) in places(&frame) {
            let (header, rest) = frame[at..].split_at_mut(DATAGRAM_HEADER);
            let (data, counter) = rest.split_at_mut(len);
            for device in &mut self.devices {
                let counted = word(counter, 0) + device.pass(header, data);
                counter[..WORKING_COUNTER].copy_from_slice(&counted.to_le_bytes());
            }
        }
        // The first subdevice marks what came back: the address is locally administered from there on.
        frame[6] |= 0x02;
        frame
    }

    pub(crate) fn set_inputs(&mut self, inputs: [[u8; 4]; 2]) {
        for (device, inputs) in iter::zip(&mut self.devices, inputs) {
            device.memory[usize::from(INPUTS)..][..4].copy_from_slice(&inputs);
        }
    }

    pub(crate) fn outputs(&self) -> [[u8; 4]; 2] {
        [0, 1].map(|number: usize| {
            let outputs = &self.devices[number].memory[usize::from(OUTPUTS)..];
            *outputs.first_chunk().expect("64 KiB")
        })
    }
}

struct Subdevice {
    memory: Vec<u8>,
    eeprom: Vec<u8>,
}

impl Subdevice {
    fn new(name: &str) -> Self {
        let mut memory = vec![0; 1 << 16];
        memory[0] = 0x11;
        memory[AL_STATUS] = INIT;
        Self {
            memory,
            eeprom: eeprom(name),
        }
    }

    /// Does what a datagram asks, and says by how much its counter grows.
    fn pass(&mut self, header: &mut [u8], data: &mut [u8]) -> u16 {
        const BY_POSITION: [u8; 2] = [1, 2];
        const BY_STATION: [u8; 2] = [4, 5];
        const TO_ALL: [u8; 2] = [7, 8];
        let command = header[0];
        if command == LRW {
            return self.pass_logical(double_word(header, 2), data);
        }
        let to = word(header, 2);
        let register = usize::from(word(header, 4));
        let is_ours = if BY_STATION.contains(&command) {
            to == word(&self.memory, STATION_ADDRESS)
        } else {
            // Each subdevice counts: who finds 0 is meant.
            header[2..4].copy_from_slice(&to.wrapping_add(1).to_le_bytes());
            TO_ALL.contains(&command) || to == 0
        };
        let [read, write] = [0, 1].map(|kind| {
            [BY_POSITION, BY_STATION, TO_ALL]
                .iter()
                .any(|pair: &[u8; 2]| pair[kind] == command)
        });
        assert!(
            read || write,
            "a command that no master needs here: {command}"
        );
        if !is_ours {
            return 0;
        }
        if write {
            self.write(register, data);
        } else {
            let memory = &self.memory[register..];
            for (data, memory) in iter::zip(data, memory) {
                // A broadcast gathers what all say.
                *data = if TO_ALL.contains(&command) {
                    *data | memory
                } else {
                    *memory
                };
            }
        }
        1
    }

    fn write(&mut self, register: usize, data: &[u8]) {
        self.memory[register..][..data.len()].copy_from_slice(data);
        let written = register..register + data.len();
        if written.contains(&AL_CONTROL) {
            // It is at once in the state that it is asked for.
            self.memory[AL_STATUS] = self.memory[AL_CONTROL] & 0x0f;
        }
        const READ: u16 = 1 << 8;
        if written.contains(&SII_CONTROL) && word(&self.memory, SII_CONTROL) & READ != 0 {
            let from = double_word(&self.memory, SII_ADDRESS) as usize * 2;
            self.memory[SII_DATA..][..4].copy_from_slice(&self.eeprom[from..][..4]);
            // Done, four bytes at a time.
            self.memory[SII_CONTROL..][..2].fill(0);
        }
    }

    /// The part of the logical memory that an FMMU maps is read or written.
    fn pass_logical(&mut self, start: u32, data: &mut [u8]) -> u16 {
        let mut counted = 0;
        for fmmu in 0..16 {
            let fmmu = FMMU + 16 * fmmu;
            let is_enabled = self.memory[fmmu + 12] & 1 != 0;
            let len = usize::from(word(&self.memory, fmmu + 4));
            let Some(at) = double_word(&self.memory, fmmu).checked_sub(start) else {
                continue;
            };
            let Some(mapped) = data.get_mut(at as usize..at as usize + len) else {
                continue;
            };
            let physical = usize::from(word(&self.memory, fmmu + 8));
            let direction = self.memory[fmmu + 11];
            let memory = &mut self.memory[physical..][..len];
            match (is_enabled, direction) {
                (true, 1) => {
                    mapped.copy_from_slice(memory);
                    counted += 1;
                }
                (true, 2) => {
                    memory.copy_from_slice(mapped);
                    counted += 2;
                }
                _ => {}
            }
        }
        counted
    }
}

/// What the subdevice says of itself (ETG.2010): a name, four bytes of outputs, four of inputs, no mailbox.
fn eeprom(name: &str) -> Vec<u8> {
    const FIRST_CATEGORY: usize = 0x80;
    const IDENTITY: usize = 0x10;
    let mut eeprom = vec![0; FIRST_CATEGORY];
    eeprom[IDENTITY..][..8].copy_from_slice(&[0x50, 0x52, 0, 0, 1, 0, 0, 0]);
    let mut strings = vec![1, name.len() as u8];
    strings.extend(name.bytes());
    let mut general = [0; 32];
    const ORDER_NAME: usize = 2;
    general[ORDER_NAME] = 1;
    let sync_manager = |start: u16, control, kind| {
        let [low, high] = start.to_le_bytes();
        [low, high, 4, 0, control, 0, 1, kind]
    };
    let sync_managers = [
        sync_manager(OUTPUTS, 0x44, 3),
        sync_manager(INPUTS, 0x00, 4),
    ];
    // One object of 32 bits that this sync manager exchanges.
    let process_data = |high: u8, sync_manager| {
        let header = [0, high, 1, sync_manager, 0, 0, 0, 0];
        let entry = [0, high | 0x60, 1, 0, 7, 32, 0, 0];
        [header, entry].concat()
    };
    for (category, mut content) in [
        (10, strings),
        (30, general.to_vec()),
        (40, vec![1, 2]),
        (41, sync_managers.concat()),
        (50, process_data(0x1a, 1)),
        (51, process_data(0x16, 0)),
    ] {
        content.resize(content.len().next_multiple_of(2), 0);
        eeprom.extend(u16::to_le_bytes(category));
        eeprom.extend((content.len() as u16 / 2).to_le_bytes());
        eeprom.extend(content);
    }
    // The end, and as much again as a read may fetch behind it.
    eeprom.extend([0xff; 8]);
    eeprom
}
