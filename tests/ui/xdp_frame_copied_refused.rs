//! There is one frame of a chunk: it is not copied.

use packet_ring::xdp::Frame;

fn copied(frame: &Frame) -> Frame {
    *frame //~ [E0507]
}

fn main() {}
