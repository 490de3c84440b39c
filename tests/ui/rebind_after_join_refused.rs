//! A member of a group is neither bound again nor in a second group, and what only members have, no
//! other socket has.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Blocks, Fanout, FanoutMode, Interface, Member, Receiver, Rx, SharedReceiver, Socket};

fn again(
    mut member: Socket<Bound<Rx, Member>>,
    receiver: &mut Receiver<'_, Blocks, Member>,
    shared: &mut SharedReceiver<Blocks, Member>,
    interface: Interface,
) {
    let _ = member.rebind(interface); //~ [E0599]
    let _ = receiver.rebind(interface); //~ [E0599]
    let _ = shared.rebind(interface); //~ [E0599]
    let _ = member.receiver().rebind(interface); //~ [E0599]
    let _ = member.join_fanout(&Fanout::in_group(7, FanoutMode::Hash)); //~ [E0599]
}

fn alone(socket: &Socket<Bound<Rx>>, receiver: &Receiver<'_>, shared: &SharedReceiver) {
    let _ = socket.group(); //~ [E0599]
    let _ = receiver.group(); //~ [E0599]
    let _ = shared.group(); //~ [E0599]
}

fn main() {}
