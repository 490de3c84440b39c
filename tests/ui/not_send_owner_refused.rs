//! Blocks that share an owner go to other threads only if the owner may: the last of them drops it.

use std::rc::Rc;

use packet_ring::handoff::{Block, Shared, SharedReceiver};

fn is_send<T: Send>() {}

fn main() {
    is_send::<Block<Shared<Rc<()>>>>(); //~ [E0277]
    is_send::<SharedReceiver<Rc<()>>>(); //~ [E0277]
    is_send::<Block<Shared<std::cell::Cell<()>>>>(); //~ [E0277]
}
