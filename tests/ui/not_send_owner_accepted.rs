//! An owner that may be shared makes blocks that may be sent.

use packet_ring::handoff::{Block, Shared, SharedReceiver};

fn is_send<T: Send>() {}

fn main() {
    is_send::<Block<Shared<Vec<u8>>>>();
    is_send::<SharedReceiver<Vec<u8>>>();
}
