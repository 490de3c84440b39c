//! How many frames one kick sends in copy mode.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::xdp::{AttachMode, Kicked, Queue, RingSize, Socket, Tx, Umem};
use packet_ring_lab::suite;
use packet_ring_lab::suite::{Stopped, TestResult};
use xdp::rights::map;
use xdp_path::{GEOMETRY, Wired};

/// What a kick of a ring of these slots, full of frames, puts on the wire; the budget of the ring.
fn sent_by_one_kick(slots: u32, set: Option<u32>) -> Result<Option<(u64, u32)>, Stopped> {
    let Some(map) = map()? else {
        return Ok(None);
    };
    let wired = Wired::new(map, AttachMode::Native)?;
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let rings = Tx::new(RingSize::new(slots).ok_or("no size of a ring")?);
    let socket = Socket::configure(rings, &umem)?.map()?;
    let mut socket = socket.bind(Queue::new(wired.interface, 0))?;
    let tx = &mut socket.rings().tx;
    if let Some(frames) = set {
        tx.set_budget(frames)?;
    }
    let mut batch = tx.batch(slots);
    while batch.room() > 0 {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&packet_ring_lab::frame::numbered(0, 60))?;
        batch.push(frame)?;
    }
    drop(batch);
    let before = wired.pair.far.counters()?.tx_packets;
    let kicked = tx.kick()?;
    let sent = wired.pair.far.counters()?.tx_packets - before;
    assert_eq!(kicked == Kicked::Done, sent == u64::from(slots));
    Ok(Some((sent, tx.budget())))
}

fn a_kick_sends_a_whole_ring_of_256() -> TestResult {
    for slots in [16, 32, 64, 256] {
        let Some(figures) = sent_by_one_kick(slots, None)? else {
            return Ok(());
        };
        assert_eq!(figures, (slots.into(), slots.max(32)));
    }
    Ok(())
}

fn a_kick_sends_what_was_set() -> TestResult {
    for frames in [32, 48, 128] {
        let Some(figures) = sent_by_one_kick(128, Some(frames))? else {
            return Ok(());
        };
        assert_eq!(figures, (frames.into(), frames));
    }
    Ok(())
}

suite! {
    a_kick_sends_a_whole_ring_of_256,
    a_kick_sends_what_was_set,
}
