//! The kernel's side of the slot protocol and of the index protocol as loom threads, to model-check
//! [`packet_ring::handoff`], [`packet_ring::ring`], [`packet_ring::chunks`] and the runtimes built around them.
//!
//! Everything here exists under `--cfg loom` alone; without it the crate is empty. There
//! `packet_ring` builds its production handoff from loom's atomics, and this crate plays the other
//! side: a [`Kernel`] whose methods are what processors do on their own account (a packet arrives,
//! the retire timer expires) or on a program's (`poll`); a [`KernelV2`], where each packet has a
//! slot of its own; a [`TxKernel`], for frames on their way out; an [`XdpRxKernel`] and an
//! [`XdpTxKernel`], for AF_XDP. A model spawns loom threads that call them, drives the program's side
//! against them, and says what it must have seen:
//!
//! ```
//! # #[cfg(loom)] {
//! use loom::thread;
//! use packet_ring_loom_tests::{Kernel, Model, Shape, contents, step};
//!
//! let model = Model::new("what arrives is what was sent").must_see(["nothing", "a packet"]);
//! model.check(|seen| {
//!     let (kernel, mut ring) = Kernel::with_ring(Shape { blocks: 2, packets: 1 });
//!     let processor = thread::spawn(move || {
//!         kernel.receive(7);
//!         kernel.expire_timer();
//!     });
//!     step();
//!     match ring.next_block() {
//!         None => seen.note("nothing"),
//!         Some(block) => {
//!             assert_eq!(contents(&block).packets, [7]);
//!             seen.note("a packet");
//!         }
//!     }
//!     processor.join().unwrap();
//! });
//! # }
//! ```
//!
//! Run models with `RUSTFLAGS="--cfg loom" cargo test --release`; the project's own ones with
//! `-p packet-ring-loom-tests` added, and what they catch with `loom-tests/mutants/run`.
//! `LOOM_MAX_PREEMPTIONS` sets the preemption bound, four by default. Build this page with
//! `RUSTDOCFLAGS="--cfg loom"` too.
//!
//! Whoever maps rings themselves around `packet_ring::handoff`, or hands its blocks to tasks of their
//! own runtime, depends on this crate under `[target.'cfg(loom)'.dev-dependencies]`, builds their
//! channels and wakers from loom's types there, and spawns a kernel beside them.
//!
//! # A model that passes without looking
//!
//! loom prunes interleavings that it believes equal to others, and for a word that one thread loads
//! and then stores (as the kernel does: is the block free? then hand it over) it believes too much:
//! a ring modelled the plain way is explored in one single execution, and passes whatever is wrong
//! with it. Hence two rules, which this crate makes easy to keep.
//!
//! - **Step.** [`step`] is one Relaxed read-modify-write on a word that all threads share. loom
//!   takes any two of them for dependent, so it tries every order of them; being Relaxed, they
//!   order nothing else. The kernel here steps before each of its accesses to a status word; a model
//!   steps before each action of its own side, and while it keeps what a block lent, because an
//!   access is told from a later one only by a step between the two. Code under test never steps.
//! - **Say what was seen.** [`Model::must_see`] names outcomes (nothing was there, four blocks came in
//!   order, a held block was met again), [`Outcomes::note`] records them in each execution, and the
//!   model fails where one of them never came about, however many executions passed. It also
//!   prints how many there were. And a model is worth what it catches: weaken the code under test
//!   one line at a time and see it fail; `mutants/` does that to ours.
//!
//! Give each side a fixed number of attempts: a loop that spins until something happens has no end
//! here. To wait, sleep in [`Kernel::poll`]; loom reports a wake-up that never comes as a deadlock.
//! Where a thread needs a ring for `'static`, [`borrowed_for_ever`] lends it, or
//! [`Ring::into_shared`](packet_ring::handoff::Ring::into_shared) shares it.
//!
//! # What the modelled kernel does
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
//! Every byte of a slot, and every field of a frame's header, is a cell of its own, and every access of
//! either side is tracked, so an access that the protocol does not order fails the model. Where the
//! kernel would warn and wedge, because a word holds what the program must not write, the model panics.
//!
//! Left out: packets that differ in length (on receive), blocks closed empty, private areas, fanout, the
//! socket's other queue, link state, timers that know time (the timer here may expire at any moment),
//! more than one sleeper; `PACKET_LOSS`, calls that wait for completions, a full send buffer, and poll on
//! transmit rings, which says nothing. Of AF_XDP: zero-copy, metadata, descriptors that the kernel refuses, unaligned
//! chunks.
//!
//! # What loom leaves out
//!
//! A passing model covers the preemption bound that it ran at, no more. At most five threads, and
//! the last seven stores of a word. Accesses marked `SeqCst` are taken for acquire and release
//! (fences are modelled in full). Loads are never delayed past later stores, so an error that needs
//! load buffering stays unseen. Control dependencies order nothing, which is why the kernel's loads
//! are Acquire here: that real processors honour the dependency is the kernel's claim, not shown.
//! What lies in types that loom does not know, standard atomics or plain memory, is not looked at.
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
