//! What the types promise: who may go to another thread, who has a descriptor, how large errors are.

use core::cell::Cell;

use packet_ring::handoff::{self, Slots};
use packet_ring::lifecycle::{Bound, Configured, Failed, Mapped};
use packet_ring::packet::{
    Block, Blocks, EdgeTriggered, Fanout, FanoutGroup, FanoutMode, Frame, FrameGeometry, Frames,
    Geometry, Interface, LinkState, Member, Membership, MembershipGuard, NoRing, Packet, Packets,
    Position, Queues, Receiver, RolloverStatistics, Rx, RxHalf, RxTx, RxV2, Sender, Socket,
    Statistics, Transmitter, Tx, TxFrame, TxHalf,
};
use packet_ring::xdp::{
    AttachError, Attachment, Gather, InterfaceGather, LinkWatch, LoadError, Occupant, Program,
    Redirect, Rejected, Untranslatable, Xskmap,
};
use packet_ring::{Deadline, Error, InvalidGeometry, Operation};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use static_assertions::{assert_impl_all, assert_not_impl_any, const_assert};

// All of it goes to other threads, and is looked at from several: what is shared is atomics.
assert_impl_all!(Socket<Configured<Rx>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Socket<Mapped<Rx>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Socket<Bound<Rx>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Socket<Bound<Rx, Member>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Receiver<'_>: Send, Sync, Unpin);
assert_impl_all!(Socket<Bound<RxV2>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Receiver<'_, Frames>: Send, Sync, Unpin);
assert_impl_all!(Frame<&Slots>: Send, Sync, Unpin);
assert_impl_all!(Packet<'_, Frames>: Send, Sync, Copy);
assert_impl_all!(Receiver<'_, Blocks, Member>: Send, Sync, Unpin);
assert_impl_all!(FanoutGroup<'_>: Send, Sync, Copy);
// Both directions, together and apart.
assert_impl_all!(Socket<Bound<Tx>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Socket<Bound<RxTx>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Socket<Bound<RxHalf>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Socket<Bound<TxHalf>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Socket<Bound<NoRing>>: Send, Sync, Unpin, AsFd);
assert_impl_all!(Transmitter<'_>: Send, Sync, Unpin);
assert_impl_all!(TxFrame<'_>: Send, Sync, Unpin);
assert_impl_all!(Sender<'_>: Send, Sync, Unpin, Copy);
// Kept beside the socket, in the task that keeps it.
assert_impl_all!(MembershipGuard: Send, Sync, Unpin);
assert_impl_all!(Gather<OwnedFd>: Send, Sync, Unpin, AsFd);
assert_impl_all!(EdgeTriggered: Send, Sync, Unpin, AsFd);
assert_impl_all!(InterfaceGather: Send, Sync, Unpin);
assert_impl_all!(LinkWatch: Send, Sync, Unpin, AsFd);
assert_impl_all!(Block<&Slots>: Send, Sync, Unpin);
assert_impl_all!(Packet<'_>: Send, Sync, Copy);
assert_impl_all!(Packets<'_>: Send, Sync);
assert_impl_all!(Failed<Socket<Mapped<Rx>>>: Send, Sync, core::error::Error);
assert_impl_all!(Error: Send, Sync, Copy, core::error::Error);
assert_impl_all!(handoff::Ring: Send, Sync);
assert_impl_all!(handoff::Receiver<'_>: Send, Sync);
assert_impl_all!(handoff::Block<&Slots>: Send, Sync);
assert_impl_all!(Slots: Send, Sync);

// Programs of XDP, their maps and links are descriptors.
assert_impl_all!(Xskmap: Send, Sync, Unpin, AsFd);
assert_impl_all!(Program: Send, Sync, Unpin, AsFd);
assert_impl_all!(Attachment: Send, Sync, Unpin, AsFd);
assert_impl_all!(LoadError: Send, Sync, core::error::Error);
assert_impl_all!(AttachError: Send, Sync, Copy, core::error::Error);

// Plain values.
assert_impl_all!(Redirect<'_>: Send, Sync, Copy);
assert_impl_all!(Rejected: Send, Sync, Copy);
assert_impl_all!(Occupant: Send, Sync, Copy);
assert_impl_all!(Untranslatable: Send, Sync, Copy, core::error::Error);
assert_impl_all!(Geometry: Send, Sync, Copy);
assert_impl_all!(Rx: Send, Sync, Copy);
assert_impl_all!(RxV2: Send, Sync, Copy);
assert_impl_all!(FrameGeometry: Send, Sync, Copy);
assert_impl_all!(Position: Send, Sync, Copy);
assert_impl_all!(Statistics: Send, Sync, Copy);
assert_impl_all!(Interface: Send, Sync, Copy);
assert_impl_all!(LinkState: Send, Sync, Copy);
assert_impl_all!(Queues: Send, Sync, Copy);
assert_impl_all!(Membership: Send, Sync, Copy);
assert_impl_all!(Fanout: Send, Sync, Copy);
assert_impl_all!(FanoutMode: Send, Sync, Copy);
assert_impl_all!(RolloverStatistics: Send, Sync, Copy);
assert_impl_all!(Deadline: Send, Sync, Copy);
assert_impl_all!(Operation: Send, Sync, Copy);
assert_impl_all!(InvalidGeometry: Send, Sync, Copy);

// Whoever gives something back does so once.
assert_not_impl_any!(Socket<Configured<Rx>>: Clone);
assert_not_impl_any!(InterfaceGather: Clone);
assert_not_impl_any!(Socket<Mapped<Rx>>: Clone);
assert_not_impl_any!(Socket<Bound<Rx>>: Clone);
assert_not_impl_any!(Socket<Bound<Rx, Member>>: Clone);
assert_not_impl_any!(Receiver<'_>: Clone);
assert_not_impl_any!(Socket<Bound<TxHalf>>: Clone);
assert_not_impl_any!(Transmitter<'_>: Clone);
assert_not_impl_any!(TxFrame<'_>: Clone);
assert_not_impl_any!(Block<&Slots>: Clone);
assert_not_impl_any!(Frame<&Slots>: Clone);
assert_not_impl_any!(Receiver<'_, Frames>: Clone);
assert_not_impl_any!(MembershipGuard: Clone);
assert_not_impl_any!(handoff::Ring: Clone);
assert_not_impl_any!(handoff::Block<&Slots>: Clone);

// Executors that ask for descriptors by number can own what they wait for.
assert_impl_all!(Socket<Bound<Rx>>: AsRawFd);
assert_impl_all!(Socket<Bound<Rx, Member>>: AsRawFd);
assert_impl_all!(Socket<Bound<TxHalf>>: AsRawFd);
assert_impl_all!(packet_ring::packet::SharedReceiver<Frames, Member>: AsRawFd);
assert_impl_all!(packet_ring::xdp::RxRing: AsRawFd);
assert_impl_all!(packet_ring::xdp::TxRing: AsRawFd);
assert_impl_all!(LinkWatch: AsRawFd);
assert_impl_all!(EdgeTriggered: AsRawFd);
assert_impl_all!(Gather<OwnedFd>: AsRawFd);

// Errors travel by value through every call.
const_assert!(size_of::<Error>() <= 24);
const_assert!(size_of::<Result<(), Error>>() <= 24);

// A shared ring goes to another thread if its owner may.
mod shared {
    use super::{
        Block, Blocks, Cell, Frame, Frames, assert_impl_all, assert_not_impl_any, handoff,
    };
    use packet_ring::packet::{Member, Owner, SharedReceiver};
    use rustix::fd::AsFd;

    assert_impl_all!(SharedReceiver: Send, Sync, AsFd);
    assert_impl_all!(SharedReceiver<Blocks, Member>: Send, Sync, AsFd);
    assert_impl_all!(SharedReceiver<Frames>: Send, Sync, AsFd);
    assert_impl_all!(Frame<handoff::Shared<Owner>>: Send, Sync);
    assert_impl_all!(Block<handoff::Shared<Owner>>: Send, Sync);
    assert_impl_all!(handoff::SharedReceiver<u8>: Send, Sync);
    assert_not_impl_any!(handoff::SharedReceiver<*const u8>: Send, Sync);
    assert_not_impl_any!(handoff::Block<handoff::Shared<*const u8>>: Send, Sync);
    // Shared by several threads, so that what may not be shared may not be sent either.
    assert_not_impl_any!(handoff::SharedReceiver<Cell<u8>>: Send, Sync);
}

/// A leaked socket gives blocks that nothing limits.
#[expect(dead_code, reason = "it compiles")]
fn a_leaked_socket_gives_static_blocks(
    socket: &'static mut Socket<Bound<Rx>>,
) -> Option<Block<&'static Slots>> {
    socket.next_block()
}

/// Packets live as long as what is the shortest of them: a packet's lifetime can be shortened.
#[expect(dead_code, reason = "it compiles")]
fn packets_of_several_blocks_go_together<'short>(
    long: Packet<'static>,
    short: Packet<'short>,
    frame: Packet<'static, Frames>,
    other: Packet<'short, Frames>,
) -> ([Packet<'short>; 2], [Packet<'short, Frames>; 2]) {
    ([long, short], [frame, other])
}

/// The descriptor's handle and the next block live side by side.
#[expect(dead_code, reason = "it compiles")]
fn a_descriptor_does_not_bar_the_next_block(receiver: &mut Receiver<'_>) {
    let fd = receiver.fd();
    let block = receiver.next_block();
    let _ = (fd, block);
}

// AF_XDP: everything is owned, without a lifetime, and goes to other threads without a heap.
mod xdp {
    use super::{
        Bound, Configured, Failed, Mapped, assert_impl_all, assert_not_impl_any, const_assert,
    };
    use packet_ring::xdp::{
        Closed, CompletionRing, FillRing, Fragments, Frame, Joint, Pool, Queue, RingSize, Rx,
        RxRing, RxRings, RxTx, RxTxRings, Shared, Socket, Statistics, Tx, TxRing, TxRings, Umem,
        UmemGeometry,
    };
    use rustix::fd::AsFd;

    assert_impl_all!(Socket<Configured<RxTx>>: Send, Sync, Unpin, AsFd);
    assert_impl_all!(Socket<Mapped<RxTx>>: Send, Sync, Unpin, AsFd);
    assert_impl_all!(Socket<Bound<RxTx>>: Send, Sync, Unpin, AsFd);
    assert_impl_all!(Socket<Bound<Rx>>: Send, Sync, Unpin, AsFd);
    assert_impl_all!(Socket<Bound<Tx>>: Send, Sync, Unpin, AsFd);
    assert_impl_all!(Socket<Bound<RxTx, Shared>>: Send, Sync, Unpin, AsFd);
    assert_impl_all!(Failed<Socket<Mapped<RxTx>>>: Send, Sync, core::error::Error);
    assert_impl_all!(Joint<RxTx>: Send, Sync, Unpin, AsFd);
    assert_impl_all!(Closed: Send, Sync, Unpin);
    assert_impl_all!(Umem: Send, Sync, Unpin, Clone);
    assert_impl_all!(Pool: Send, Sync, Unpin);
    assert_impl_all!(Frame: Send, Sync, Unpin);
    assert_impl_all!(Fragments: Send, Sync, Unpin);
    assert_impl_all!(RxRing: Send, Sync, Unpin, AsFd);
    assert_impl_all!(TxRing: Send, Sync, Unpin, AsFd);
    assert_impl_all!(FillRing: Send, Sync, Unpin);
    assert_impl_all!(CompletionRing: Send, Sync, Unpin);
    assert_impl_all!(RxTxRings: Send, Sync);
    assert_impl_all!(RxRings: Send, Sync);
    assert_impl_all!(TxRings: Send, Sync);
    assert_impl_all!(Queue: Send, Sync, Copy);
    assert_impl_all!(RingSize: Send, Sync, Copy);
    assert_impl_all!(Statistics: Send, Sync, Copy);
    assert_impl_all!(UmemGeometry: Send, Sync, Copy);

    // One of each: a second would own the same bytes, or the same words of a ring.
    assert_not_impl_any!(Frame: Clone);
    assert_not_impl_any!(Pool: Clone);
    assert_not_impl_any!(Fragments: Clone);
    assert_not_impl_any!(RxRing: Clone);
    assert_not_impl_any!(TxRing: Clone);
    assert_not_impl_any!(FillRing: Clone);
    assert_not_impl_any!(CompletionRing: Clone);
    assert_not_impl_any!(Joint<RxTx>: Clone);
    assert_not_impl_any!(Closed: Clone);
    assert_not_impl_any!(Socket<Configured<RxTx>>: Clone);
    assert_not_impl_any!(Socket<Mapped<RxTx>>: Clone);
    assert_not_impl_any!(Socket<Bound<RxTx>>: Clone);
    // Made by the library alone.
    assert_not_impl_any!(Frame: Default);
    assert_not_impl_any!(Shared: Default);

    const_assert!(size_of::<Option<Frame>>() == 16);
}
