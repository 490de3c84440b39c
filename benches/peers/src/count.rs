//! What a thread asked of the kernel and of the allocator.
//!
//! System calls are counted by the tracepoint `raw_syscalls:sys_enter`, through perf_event_open(2): a tracer would slow
//! down what it counts. Allocations are those of Rust's global allocator; what C code takes from malloc(3) it does not
//! see.
//!
//! # Safety
//!
//! [`Counting`] hands every call on as it came.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;
use std::fs;
use std::sync::OnceLock;

use rustix::fd::{FromRawFd, OwnedFd};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use syscalls::{Sysno, syscall};

use crate::peer::{Answer, Cannot};

/// Rust's allocator, and how often a thread has asked it.
pub(crate) struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn counted() {
    // A thread that ends allocates without it.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: what `System` promises.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counted();
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counted();
        // SAFETY: the caller's promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        counted();
        // SAFETY: the caller's promises.
        unsafe { System.realloc(memory, layout, len) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// `None` where nobody lets us count them.
    pub(crate) system_calls: Option<u64>,
    pub(crate) allocations: u64,
}

impl Counts {
    /// Adds what another thread asked for.
    pub(crate) fn add(&mut self, other: &Self) {
        let both = self.system_calls.zip(other.system_calls);
        self.system_calls = both.map(|(own, other)| own + other);
        self.allocations += other.allocations;
    }

    /// Without so many system calls, which are the measurement's own.
    pub(crate) fn without_calls(self, own: u64) -> Self {
        Self {
            system_calls: self.system_calls.map(|calls| calls.saturating_sub(own)),
            ..self
        }
    }
}

/// The tracepoint's number, or why there is none.
static TRACEPOINT: OnceLock<Answer<u64>> = OnceLock::new();

const TRACING: &str = "/sys/kernel/tracing";

/// Finds the tracepoint; in the only thread of the process, and before it enters the lab.
pub(crate) fn find_tracepoint() {
    let found = number().or_else(|_| {
        mount_tracing()?;
        number()
    });
    if let Err(Cannot(why)) = &found {
        eprintln!("system calls are not counted: {why}");
    }
    let _ = TRACEPOINT.set(found);
}

fn number() -> Answer<u64> {
    let text = fs::read_to_string(format!("{TRACING}/events/raw_syscalls/sys_enter/id"))?;
    Ok(text.trim().parse::<u64>()?)
}

/// Mounts tracefs where this process alone sees it.
fn mount_tracing() -> Answer<()> {
    // SAFETY: of the flags that may be dangerous, which share memory and descriptors, it is none.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    mount("tracefs", TRACING, "tracefs", MountFlags::empty(), None)?;
    Ok(())
}

/// `struct perf_event_attr`, as its first version was.
#[repr(C)]
#[derive(Default)]
struct Event {
    kind: u32,
    size: u32,
    config: u64,
    unused: [u64; 6],
}

const _: () = assert!(size_of::<Event>() == 64);

const TYPE_TRACEPOINT: u32 = 2;

/// A counter of the calling thread's system calls.
fn system_calls() -> Option<OwnedFd> {
    let tracepoint = TRACEPOINT.get()?.as_ref().ok()?;
    let event = Event {
        kind: TYPE_TRACEPOINT,
        size: size_of::<Event>() as u32,
        config: *tracepoint,
        unused: [0; 6],
    };
    // SAFETY: the kernel reads the 64 bytes of `event`; this thread, any processor, no group, no flags.
    let fd = unsafe {
        syscall!(
            Sysno::perf_event_open,
            &raw const event,
            0,
            -1isize,
            -1isize,
            0
        )
    };
    // SAFETY: a new descriptor, which nobody else owns.
    fd.ok().map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn read(counter: &OwnedFd) -> Option<u64> {
    let mut bytes = [0; 8];
    rustix::io::read(counter, &mut bytes).ok()?;
    Some(u64::from_ne_bytes(bytes))
}

/// Does something, and tells what the calling thread asked for meanwhile.
pub(crate) fn counting<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    let counter = system_calls();
    let allocations = ALLOCATIONS.get();
    let before = counter.as_ref().and_then(read);
    let done = work();
    let after = counter.as_ref().and_then(read);
    let counts = Counts {
        // The second look is a system call itself.
        system_calls: after.zip(before).map(|(after, before)| after - before - 1),
        allocations: ALLOCATIONS.get() - allocations,
    };
    (done, counts)
}
