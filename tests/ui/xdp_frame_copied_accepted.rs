//! A frame is moved.

use packet_ring::xdp::Frame;

#[allow(dead_code)]
fn moved(frame: Frame) -> Frame {
    frame
}

fn main() {}
