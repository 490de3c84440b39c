//! A batch borrows its ring: it does not outlive it, and there is one at a time.

use packet_ring::xdp::{CompletionRing, FillRing, RxBatch, RxRing, TxBatch, TxRing};

fn received(mut ring: RxRing) -> RxBatch<'static> {
    ring.batch(32) //~ [E0515]
}

fn sent(mut ring: TxRing) -> TxBatch<'static> {
    ring.batch(32) //~ [E0515]
}

fn ring_dropped(mut ring: CompletionRing) {
    let mut batch = ring.batch(32);
    drop(ring); //~ [E0505]
    let _ = batch.next();
}

fn two_at_once(ring: &mut FillRing) {
    let one = ring.batch(32);
    let two = ring.batch(32); //~ [E0499]
    drop((one, two));
}

fn kicked_meanwhile(ring: &mut TxRing) {
    let batch = ring.batch(32);
    let _ = ring.flush(); //~ [E0499]
    drop(batch);
}

fn main() {}
