//! Any bytes as a classic BPF program and a packet: what the check accepts runs to its end, and what an
//! instruction says is what it is written as.
//!
//! Input: a byte with the number of instructions, these of eight bytes each (little endian: code, the
//! two jumps, k), and the packet. Where the packet's headers lie is taken from its first bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use packet_ring::bpf::{Context, Instruction, Program};

fuzz_target!(|input: &[u8]| {
    let Some((&count, rest)) = input.split_first() else {
        return;
    };
    let (words, _) = rest.as_chunks::<8>();
    let program: Vec<_> = words
        .iter()
        .take(count.into())
        .map(|&[c0, c1, yes, no, k0, k1, k2, k3]| {
            let code = u16::from_le_bytes([c0, c1]);
            Instruction::new(code, yes, no, u32::from_le_bytes([k0, k1, k2, k3]))
        })
        .collect();
    let bytes = &rest[8 * program.len()..];
    for instruction in &program {
        if let Some(statement) = instruction.statement() {
            assert_eq!(statement.instruction().statement(), Some(statement));
        }
    }
    let Ok(program) = Program::new(&program) else {
        return;
    };
    let frame = Context::new(bytes);
    let _ = program.run(&frame);
    if let Some(&[data, link, network, index]) = bytes.first_chunk() {
        let place = |byte: u8| {
            if byte == 0xff {
                usize::MAX
            } else {
                byte.into()
            }
        };
        let _ = program.run(&Context {
            data: place(data),
            link_header: (link % 2 == 0).then(|| place(link)),
            network_header: place(network),
            interface_index: index.into(),
            ..frame
        });
    }
});
