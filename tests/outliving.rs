//! Blocks that are held through what happens to the ring and to the link meanwhile.

mod data_path;

use packet_ring::handoff::{Shared, Slots};
use packet_ring::packet::{Block, Owner, Receiver, Rx, SharedReceiver};
use packet_ring::{Deadline, Error, OnSignal, Wake};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use data_path::{PATIENCE, PROMPT, interface, is_quiet, numbers, receive_on, take};

/// Sends one number and takes the block that it comes in.
fn block_with<'r>(
    pair: &VethPair,
    receiver: &mut Receiver<'r>,
    number: u64,
) -> Result<Block<&'r Slots>, Stopped> {
    Injector::on(&pair.near)?.send(&frame::numbered(number, 60))?;
    let block = take(receiver)?;
    assert_eq!(numbers(&block), [number]);
    Ok(block)
}

/// What a wait for an error says.
fn error(receiver: &mut Receiver<'_>) -> Result<Wake, Error> {
    receiver.wait(Deadline::after(PATIENCE), OnSignal::Continue)
}

/// Holds the first block while the cursor comes round to it, and demands that it is not handed out
/// again. Returns how many packets came in the other blocks.
fn goes_round<'r>(
    pair: &VethPair,
    receiver: &mut Receiver<'r>,
    held: &Block<&'r Slots>,
) -> Result<usize, Stopped> {
    Injector::on(&pair.near)?.flood(&frame::numbered(0, 60), 1000..1500);
    let mut received = 0;
    for sequence in 2..=4 {
        let block = take(receiver)?;
        assert_eq!(block.sequence(), sequence);
        received += numbers(&block).len();
    }
    // The newest block is released, the oldest is not: poll has nothing to say, and nor have we.
    let mut fds = [PollFd::from_borrowed_fd(receiver.fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&Timespec::default()))?, 0);
    assert!(is_quiet(receiver)?);
    let packet = held.packets().next().ok_or("no packet")?;
    assert_eq!((held.sequence(), numbers(held)), (1, vec![1]));
    assert!(frame::is_intact(packet.data()));
    Ok(received)
}

fn a_held_block_outlives_freeze_and_thaw() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    let received = goes_round(&pair, &mut receiver, &held)?;
    let counts = receiver.statistics()?;
    assert_eq!((counts.freezes, counts.held), (1, 1));
    assert_eq!(pair.far.counters()?.rx_packets, 501);
    assert_eq!(counts.drops, 500 - received as u64);
    drop(held);
    let next = block_with(&pair, &mut receiver, 2)?;
    assert_eq!(next.sequence(), 5);
    Ok(())
}

fn a_held_block_outlives_link_down_and_up() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    pair.far.set_down()?;
    assert_eq!(error(&mut receiver), Err(Error::LinkDown));
    pair.set_up()?;
    assert_eq!(receiver.take_error(), Ok(()));
    goes_round(&pair, &mut receiver, &held)?;
    drop(held);
    assert_eq!(block_with(&pair, &mut receiver, 2)?.sequence(), 5);
    Ok(())
}

fn a_held_block_outlives_rebind() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    let other = VethPair::create(&VethOptions::default())?;
    let mut socket = receive_on(&pair.far, Rx::new(PROMPT))?;
    let mut receiver = socket.receiver();
    let held = block_with(&pair, &mut receiver, 1)?;
    pair.delete()?;
    assert_eq!(error(&mut receiver), Err(Error::LinkGone));
    receiver.rebind(interface(&other.far)?)?;
    assert_eq!(receiver.take_error(), Ok(()));
    goes_round(&other, &mut receiver, &held)?;
    drop(held);
    assert_eq!(block_with(&other, &mut receiver, 2)?.sequence(), 5);
    Ok(())
}

/// The next block of a shared ring.
fn take_shared(receiver: &mut SharedReceiver) -> Result<Block<Shared<Owner>>, Stopped> {
    let end = Deadline::after(PATIENCE);
    assert_eq!(receiver.wait(end, OnSignal::Continue)?, Wake::Ready);
    Ok(receiver.next_block().ok_or("ready, and no block")?)
}

fn a_shared_block_outlives_rebind() -> TestResult {
    let (pair, other) = (
        VethPair::create(&VethOptions::default())?,
        VethPair::create(&VethOptions::default())?,
    );
    let mut receiver = receive_on(&pair.far, Rx::new(PROMPT))?.into_shared();
    Injector::on(&pair.near)?.send(&frame::numbered(1, 60))?;
    let held = take_shared(&mut receiver)?;
    pair.delete()?;
    assert_eq!(receiver.take_error(), Err(Error::LinkGone));
    receiver.rebind(interface(&other.far)?)?;
    Injector::on(&other.near)?.send(&frame::numbered(2, 60))?;
    let next = take_shared(&mut receiver)?;
    assert_eq!((held.sequence(), numbers(&held)), (1, vec![1]));
    assert_eq!((next.sequence(), numbers(&next)), (2, vec![2]));
    Ok(())
}

suite![
    a_held_block_outlives_freeze_and_thaw,
    a_held_block_outlives_link_down_and_up,
    a_held_block_outlives_rebind,
    a_shared_block_outlives_rebind,
];
