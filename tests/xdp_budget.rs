//! How many frames one kick sends in copy mode.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::lifecycle::Bound;
use packet_ring::xdp::{
    AttachMode, Interface, Kicked, Pool, Queue, RingSize, Socket, Tx, TxRing, Umem, UmemGeometry,
};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{VethOptions, VethPair, frame, kernel, suite};
use rustix::io::Errno;
use xdp::rights::map;
use xdp_path::older::assert_needs;
use xdp_path::{GEOMETRY, Wired};

/// What a kick of a ring of these slots sends where nobody sets another budget: before Linux 6.17 nobody can.
fn own_budget(slots: u32) -> u32 {
    if kernel::is_since(6, 17) {
        slots.clamp(32, 256)
    } else {
        32
    }
}

/// Whether the budget cannot be set: before Linux 6.17.
fn refuses_budgets(tx: &mut TxRing) -> bool {
    match tx.set_budget(32) {
        Ok(()) => false,
        Err(error) => {
            assert!(!kernel::is_since(6, 17), "{error}");
            assert_needs(error, Errno::NOPROTOOPT, "6.17");
            assert_eq!(tx.budget(), 32);
            true
        }
    }
}

/// Enough for the largest ring here: 1 MiB.
const MANY: UmemGeometry = UmemGeometry::new_assert(2048, 512);

/// A socket that transmits by a ring of these slots; no program is needed for that.
fn transmitting(pair: &VethPair, slots: u32) -> Result<(Socket<Bound<Tx>>, Pool), Stopped> {
    let interface = Interface::by_index(pair.far.index()?).ok_or("no interface")?;
    let (umem, pool) = Umem::new(MANY)?;
    let rings = Tx::new(RingSize::new(slots).ok_or("no size of a ring")?);
    let socket = Socket::configure(rings, &umem)?.map()?;
    Ok((socket.bind(Queue::new(interface, 0))?, pool))
}

/// Puts a packet into every slot of an empty ring.
fn fill_up(tx: &mut TxRing, pool: &mut Pool) -> TestResult {
    let mut batch = tx.batch(u32::MAX);
    while batch.room() > 0 {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(0, 60))?;
        batch.push(frame)?;
    }
    Ok(())
}

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
        if refuses_budgets(tx) {
            return Ok(None);
        }
        tx.set_budget(frames)?;
    }
    let mut batch = tx.batch(slots);
    while batch.room() > 0 {
        let mut frame = pool.take().ok_or("no frame")?;
        frame.write(&frame::numbered(0, 60))?;
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
        let budget = own_budget(slots);
        assert_eq!(figures, (slots.min(budget).into(), budget));
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

fn a_kick_of_a_larger_ring_sends_256_and_a_flush_the_rest() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut socket, mut pool) = transmitting(&pair, 512)?;
    let tx = &mut socket.rings().tx;
    let budget = own_budget(512);
    assert_eq!(tx.budget(), budget);
    fill_up(tx, &mut pool)?;
    assert_eq!(tx.kick()?, Kicked::Again);
    assert_eq!(pair.far.counters()?.tx_packets, budget.into());
    assert_eq!(tx.flush()?, 0);
    assert_eq!(pair.far.counters()?.tx_packets, 512);
    Ok(())
}

fn a_flush_sends_a_ring_of_many_budgets() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut socket, mut pool) = transmitting(&pair, 512)?;
    let tx = &mut socket.rings().tx;
    // It is what an older kernel has.
    let _ = refuses_budgets(tx);
    assert_eq!(tx.budget(), 32);
    fill_up(tx, &mut pool)?;
    assert_eq!(tx.flush()?, 0);
    assert_eq!(tx.outstanding(), 0);
    assert_eq!(pair.far.counters()?.tx_packets, 512);
    Ok(())
}

fn a_refused_budget_changes_nothing() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let (mut socket, mut pool) = transmitting(&pair, 128)?;
    let tx = &mut socket.rings().tx;
    if refuses_budgets(tx) {
        return Ok(());
    }
    tx.set_budget(48)?;
    for frames in [0, 31, 129, u32::MAX] {
        let refused = tx.set_budget(frames).err().and_then(|error| error.errno());
        assert_eq!(refused, Some(Errno::ACCESS), "{frames}");
        assert_eq!(tx.budget(), 48, "{frames}");
    }
    fill_up(tx, &mut pool)?;
    assert_eq!(tx.kick()?, Kicked::Again);
    assert_eq!(pair.far.counters()?.tx_packets, 48);
    Ok(())
}

suite! {
    a_kick_sends_a_whole_ring_of_256,
    a_kick_sends_what_was_set,
    a_kick_of_a_larger_ring_sends_256_and_a_flush_the_rest,
    a_flush_sends_a_ring_of_many_budgets,
    a_refused_budget_changes_nothing,
}
