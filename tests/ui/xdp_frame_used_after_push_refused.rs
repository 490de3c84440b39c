//! A frame that was handed over is gone: it is not handed over twice, not written, not given back.

use packet_ring::xdp::{FillBatch, Fragments, Frame, Pool, Refused, TxBatch};

fn pushed_twice(batch: &mut TxBatch<'_>, frame: Frame) -> Result<(), Refused> {
    batch.push(frame)?;
    batch.push(frame) //~ [E0382]
}

fn filled_and_sent(fill: &mut FillBatch<'_>, tx: &mut TxBatch<'_>, frame: Frame) {
    let _ = fill.push(frame);
    let _ = tx.push(frame); //~ [E0382]
}

fn written_after_push(batch: &mut TxBatch<'_>, mut frame: Frame) {
    let _ = batch.push(frame);
    frame.bytes_mut()[0] = 1; //~ [E0382]
}

fn given_after_push(batch: &mut TxBatch<'_>, pool: &mut Pool, frame: Frame) {
    let _ = batch.push(frame);
    let _ = pool.give(frame); //~ [E0382]
}

fn in_two_packets(batch: &mut TxBatch<'_>, packet: Fragments) {
    let _ = batch.push_packet(packet);
    let _ = batch.push_packet(packet); //~ [E0382]
}

fn main() {}
