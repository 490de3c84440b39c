//! Each socket in its direction, and one in both.

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Rx, RxTx, Socket, Tx};

#[allow(dead_code)]
fn rings(
    receiver: &mut Socket<Bound<Rx>>,
    transmitter: &mut Socket<Bound<Tx>>,
    both: &mut Socket<Bound<RxTx>>,
) {
    let _ = receiver.rings().rx.batch(32);
    let _ = receiver.rings().fill.batch(32);
    let _ = transmitter.rings().tx.batch(32);
    let _ = transmitter.rings().completion.batch(32);
    let _ = both.rings().rx.batch(32);
    let _ = both.rings().tx.batch(32);
}

fn main() {}
