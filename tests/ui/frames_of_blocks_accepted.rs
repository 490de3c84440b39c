//! Each kind of ring hands out what it has.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Rx, RxV2, Socket};

#[allow(dead_code)]
fn takes(mut blocks: Socket<Bound<Rx>>, mut frames: Socket<Bound<RxV2>>) {
    let _ = blocks.next_block();
    let _ = frames.next_frame();
}

fn main() {}
