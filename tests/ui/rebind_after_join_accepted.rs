//! Binding again, or joining; and what a member has.

use packet_ring::Error;
use packet_ring::lifecycle::Bound;
use packet_ring::packet::{Blocks, Fanout, FanoutMode, Interface, Member, Receiver, Rx, SharedReceiver, Socket};

#[allow(dead_code)]
fn alone(mut socket: Socket<Bound<Rx>>, interface: Interface) -> Result<(), Error> {
    socket.rebind(interface)?;
    socket.receiver().rebind(interface)?;
    let member = socket.join_fanout(&Fanout::in_group(7, FanoutMode::Hash))?;
    let _ = member.group();
    Ok(())
}

#[allow(dead_code)]
fn in_a_group(
    mut member: Socket<Bound<Rx, Member>>,
    receiver: &mut Receiver<'_, Blocks, Member>,
    shared: &mut SharedReceiver<Blocks, Member>,
) {
    let _ = member.next_block();
    let _ = (receiver.next_block(), receiver.group());
    let _ = (shared.next_block(), shared.group());
}

fn main() {}
