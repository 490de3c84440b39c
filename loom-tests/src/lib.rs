#![cfg_attr(loom, doc = include_str!("../README.md"))]
#![cfg_attr(
    not(loom),
    doc = "The kernel's side of `packet-ring` as loom threads. All of it, its documentation too, is there under `--cfg loom` alone: `RUSTFLAGS=\"--cfg loom\" RUSTDOCFLAGS=\"--cfg loom\" cargo doc`."
)]
//!
//! # The modelled kernel, line by line
//!
//! It keeps the kernel's structure: the queue's lock around all bookkeeping; the fill lock, which
//! each processor holds for reading while it copies a packet outside the queue's lock, and which
//! whoever closes a block takes for writing first; blocks opened, filled, closed when full or by the
//! timer; the queue frozen at a block that the program still has, and thawed by the next packet or
//! by the timer once it is back; packets dropped at the door where the active block is not free; the
//! `LOSING` and `BLK_TMO` bits; sequence numbers; poll's condition, that the block before the
//! active one is not exactly free; the wait queue. Status words are stored plainly (Relaxed) behind
//! a write barrier (a Release fence). They are loaded with Acquire, for the kernel's stores depend
//! on what it loaded. Full barriers that lie inside lock sections are left to the locks.
//!
//! **`TPACKET_V2`**, [`KernelV2`]: the frame at the head is asked for room outside the lock, and
//! again under it; the map of frames that a processor fills, so that two never fill one; the packet copied
//! outside the lock, and the status stored under it, whatever neighbouring frames are up to; poll's
//! condition, that the frame before the head is not exactly free; packets dropped, with a wake-up
//! behind the door and none at it.
//!
//! **Transmit**, [`TxKernel`]: [`kick`](TxKernel::kick) is a system call on the thread that makes it,
//! one at a time. It takes the head frame as long as its status is exactly `SEND_REQUEST`, reads
//! length and place (as with `PACKET_TX_HAS_OFF`), copies the link-layer header, stores `SENDING`, queues
//! the packet at the interface and moves on. It stops, and keeps its place, at a frame that it refuses
//! (`WRONG_FORMAT`, without `PACKET_LOSS`) and at one that the interface's queue drops, which was
//! `AVAILABLE` for a moment and is put back. [`complete`](TxKernel::complete) is the interface: it reads
//! the bytes where they lie, then writes the timestamp, and behind a write barrier the word. That its
//! reads come before the word too is the reference count's doing. The call's own load of the word
//! orders no later load: whoever kicks must be ordered behind whoever filled, and where nothing but the word
//! does that, the model fails. [`Loads::InOrder`] is for models of a descriptor that others send on
//! too: there the processor orders loads, as x86 does.
//!
//! **AF_XDP**: [`KernelConsumer`] and [`KernelProducer`] are `xsk_queue.h`: cached indices, the program's word
//! looked at where they do not suffice, slots given back lazily, one store for what was filled. Stores
//! of the words are Release and loads Acquire, also that of a consumer's word, on which only a control dependency
//! follows. [`XdpRxKernel`] and [`XdpTxKernel`] are copy mode over a pair of them: a packet of several fragments is
//! stored whole or dropped, chunks that came to hold none are kept for the next, and a chunk is completed behind
//! the read. [`Pages`] has one tracked byte a chunk, so that two who own one chunk race, and [`Umem`] is the
//! program's mapping of them, which goes once, and behind every use. [`KernelConsumer::sleep`] has a full barrier
//! between its store of the flag and its second look, which drivers do not show in so many words: so the flag is a
//! hint, to be looked at every time round.
//!
//! **Epoll**, [`Epoll`]: as `fs/eventpoll.c` has it. [`add`](Epoll::add) queues the instance at the file's wait queue first
//! and asks the file then, and lists it where it is readable (`ep_insert`). A wake-up lists the file once,
//! however many they are, and wakes who waits (`ep_poll_callback`). [`wait`](Epoll::wait) takes the list, so that what
//! wakes up from then on is listed anew, asks each file of it whether it is readable, tells of those that
//! are, and lists them again where they are level-triggered (`ep_send_events`). So an edge tells of a file that was
//! woken and is still readable: a block that was taken meanwhile is not told of, and a block that is held makes the
//! ring readable without a wake-up, of which a level tells for ever and an edge does not.
//! [`EventFd`] is `fs/eventfd.c` without a limit: a write adds and wakes, a read takes all.
//!
//! **Memory**: every byte of a slot, and every field of a frame's header, is a cell of its own, and every access of
//! either side is tracked, so an access that the protocol does not order fails the model. So is every use of a
//! [`Mapping`]. The kernel's own view of the memory stays when a program's mapping goes, as it does as long as the socket
//! is open.
#![deny(unsafe_code)]
#![cfg_attr(not(loom), allow(rustdoc::broken_intra_doc_links))]

#[cfg(loom)]
mod block;
#[cfg(loom)]
mod epoll;
#[cfg(loom)]
#[allow(unsafe_code)]
mod indices;
#[cfg(loom)]
mod kernel;
#[cfg(loom)]
#[allow(unsafe_code)]
mod memory;
#[cfg(loom)]
mod model;
#[cfg(loom)]
mod sleep;
#[cfg(loom)]
mod transmit;
#[cfg(loom)]
mod v2;
#[cfg(loom)]
mod xdp;
#[cfg(loom)]
mod xsk_queue;

#[cfg(loom)]
pub use packet_ring::sync::Mapping;

#[cfg(loom)]
pub use self::{
    block::{Contents, contents},
    epoll::{Epoll, EventFd, File, Trigger},
    indices::{Pages, Umem},
    kernel::{BLK_TMO, Counts, Fate, Kernel, LOSING, Shape},
    memory::borrowed_for_ever,
    model::{Model, Outcomes, Unsaid, step},
    sleep::Polled,
    transmit::{Loads, Stopped, TS_SOFTWARE, TxKernel, TxShape},
    v2::{KernelV2, packet},
    xdp::{Arrival, CHUNK_SIZE, HEADROOM, XdpRxKernel, XdpTxKernel, address_of, chunk_of},
    xsk_queue::{KernelConsumer, KernelProducer, Napi},
};
