//! Between the reactor and the task: who is to be woken, and whether all is to end.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::PoisonError;

use crate::Source;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// What the task waits for.
#[derive(Debug)]
pub struct Readiness {
    waker: Mutex<Option<Waker>>,
    stopped: AtomicBool,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            waker: Mutex::new(None),
            stopped: AtomicBool::new(false),
        }
    }

    /// There may be a block: wakes the task, if it waits.
    pub fn wake(&self) {
        let waker = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has the task take no more blocks. Those that are in the ring stay there.
    pub fn stop(&self) {
        // Relaxed: whoever looks behind the lock that `wake` takes sees it.
        self.stopped.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn register(&self, waker: &Waker) {
        let mut registered = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *registered = Some(waker.clone());
    }

    /// A block, the end, or neither yet.
    fn look<S: Source>(&self, source: &mut S) -> Poll<Option<S::Block>> {
        if self.stopped.load(Ordering::Relaxed) {
            return Poll::Ready(None);
        }
        source
            .next_block()
            .map_or(Poll::Pending, |block| Poll::Ready(Some(block)))
    }

    fn poll<S: Source>(&self, source: &mut S, context: &Context<'_>) -> Poll<Option<S::Block>> {
        let looked = self.look(source);
        if looked.is_ready() {
            return looked;
        }
        self.register(context.waker());
        // A block that came before the waker was there has woken nobody: it is seen here.
        self.look(source)
    }
}

/// The next block, once it is there; `None` once the readiness was [stopped](Readiness::stop).
pub async fn next_block<S: Source>(source: &mut S, readiness: &Readiness) -> Option<S::Block> {
    poll_fn(|context| readiness.poll(source, context)).await
}

/// Knows when a ring has news.
pub trait Reactor {
    /// Sleeps until there may be a block that was not there when it was last called. `false`: there will be none.
    ///
    /// # Errors
    ///
    /// Those of its system calls.
    fn wait(&self) -> io::Result<bool>;
}

/// Wakes the task whenever the reactor says so, until that ends or fails: then nobody would wake the task any
/// more, so it ends too.
///
/// # Errors
///
/// As the reactor's.
pub fn react(reactor: &impl Reactor, readiness: &Readiness) -> io::Result<()> {
    let ended = loop {
        match reactor.wait() {
            Ok(true) => readiness.wake(),
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    readiness.stop();
    ended
}
