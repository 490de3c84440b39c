//! A filter that is attached once a ring exists could come after packets: it is an option of the
//! configured socket alone, and so is what the kernel refuses once there is a ring.

use packet_ring::bpf::Instruction;
use packet_ring::lifecycle::{Bound, Mapped};
use packet_ring::packet::{Rx, Socket};

fn late(mapped: &mut Socket<Mapped<Rx>>, bound: &mut Socket<Bound<Rx>>) {
    let _ = mapped.attach_filter(&[Instruction::keep(64)]); //~ [E0599]
    let _ = mapped.ignore_outgoing(); //~ [E0599]
    let _ = bound.attach_filter(&[Instruction::keep(64)]); //~ [E0599]
    let _ = bound.ignore_outgoing(); //~ [E0599]
}

fn main() {}
