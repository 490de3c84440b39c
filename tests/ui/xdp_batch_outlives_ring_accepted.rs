//! Frames outlive the batch and the ring that they came from.

use packet_ring::xdp::{FillRing, Frame, RxRing, TxRing};

#[allow(dead_code)]
fn received(mut ring: RxRing) -> Option<Frame> {
    let frame = ring.batch(32).next();
    drop(ring);
    frame
}

#[allow(dead_code)]
fn one_after_the_other(fill: &mut FillRing, tx: &mut TxRing) {
    drop(fill.batch(32));
    drop(fill.batch(32));
    drop(tx.batch(32));
    let _ = tx.flush();
}

fn main() {}
