//! A frame that was refused comes back, and can be used again.

use packet_ring::xdp::{Frame, Pool, TxBatch};

#[allow(dead_code)]
fn pushed_or_given(batch: &mut TxBatch<'_>, pool: &mut Pool, frame: Frame) -> Result<(), Frame> {
    match batch.push(frame) {
        Ok(()) => Ok(()),
        Err(refused) => {
            let mut frame = refused.into_frame();
            if let Some(first) = frame.bytes_mut().first_mut() {
                *first = 1;
            }
            pool.give(frame)
        }
    }
}

fn main() {}
