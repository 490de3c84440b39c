//! A block is read by many or written by one: what `packet_mut` and the private area lend for writing
//! is lent alone.

use packet_ring::handoff::Slots;
use packet_ring::packet::Block;

fn while_a_packet_is_borrowed(block: &mut Block<&Slots>) -> Option<u8> {
    let packet = block.packets().next()?;
    let data = block.packet_mut(&mut block.start())?; //~ [E0502]
    data.fill(0);
    packet.data().first().copied()
}

fn two_for_writing(block: &mut Block<&Slots>) -> Option<()> {
    let mut one_place = block.start();
    let mut same_place = block.start();
    let one = block.packet_mut(&mut one_place)?;
    let same = block.packet_mut(&mut same_place)?; //~ [E0499]
    one.swap_with_slice(same);
    Some(())
}

fn the_private_area(block: &mut Block<&Slots>) -> Option<u8> {
    let private = block.private_area();
    block.private_area_mut().fill(0); //~ [E0502]
    private.first().copied()
}

fn within_for_each(block: &mut Block<&Slots>) {
    let _ = block.for_each(|_| { //~ [E0500]
        block.private_area_mut().fill(0);
        core::ops::ControlFlow::Continue(())
    });
}

fn through_a_shared_borrow(block: &Block<&Slots>) {
    let _ = block.packet_mut(&mut block.start()); //~ [E0596]
}

fn main() {}
