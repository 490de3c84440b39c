//! A socket that was split, closed or shared is no more what it was; it is closed with its rings.

use packet_ring::Deadline;
use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{Closed, Joint, Rx, RxRings, Socket};

fn after_split(mut socket: Socket<Bound<Rx>>) {
    let _parts = socket.split();
    let _ = socket.rings(); //~ [E0382]
}

fn after_close(mut socket: Socket<Bound<Rx>>) {
    let _ = socket.close();
    let _ = socket.rings(); //~ [E0382]
}

fn after_share(mut socket: Socket<Bound<Rx>>) {
    let _shared = socket.share();
    let _ = socket.rings(); //~ [E0382]
}

fn rings_after_close(joint: Joint<Rx>, mut rings: RxRings) {
    let _ = joint.close(rings);
    let _ = rings.rx.batch(32); //~ [E0382]
}

fn reclaimed_twice(closed: Closed) {
    let _ = closed.reclaim(Deadline::PASSED);
    let _ = closed.reclaim(Deadline::PASSED); //~ [E0382]
}

fn rings_while_borrowed(mut socket: Socket<Bound<Rx>>) {
    let rings = socket.rings();
    let _parts = socket.split(); //~ [E0505]
    let _ = rings.rx.batch(32);
}

fn main() {}
