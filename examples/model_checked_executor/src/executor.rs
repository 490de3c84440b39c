//! A thread that runs one task, and a worker that is handed the task's blocks.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::panic::resume_unwind;
use std::sync::{Arc, PoisonError};
use std::task::Wake;

use crate::Source;
use crate::readiness::{Readiness, next_block};
use crate::sync::{Condvar, Mutex, mpsc, thread};

/// Where a thread sleeps until its task is woken.
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    fn park(&self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !*woken {
            woken = self
                .changed
                .wait(woken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *woken = false;
    }
}

// `Wake` asks for the standard `Arc`, under loom too: its count is not what the models look at.
impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

/// Runs a task on this thread, which sleeps while the task waits.
pub fn block_on<F: Future>(task: F) -> F::Output {
    let parker = Arc::new(Parker {
        woken: Mutex::new(false),
        changed: Condvar::new(),
    });
    let waker = Waker::from(Arc::clone(&parker));
    let mut context = Context::from_waker(&waker);
    let mut task = pin!(task);
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut context) {
            return output;
        }
        parker.park();
    }
}

/// Takes blocks on this thread and has `work` done on them by another, until `readiness` is stopped. Then waits
/// for the worker, and gives the source back: no block is out but those that `work` has kept.
///
/// # Panics
///
/// Where `work` did: once the readiness is stopped, or the next block has come.
pub fn run<S: Source>(
    mut source: S,
    readiness: &Readiness,
    mut work: impl FnMut(S::Block) + Send + 'static,
) -> S {
    let (blocks, inbox) = mpsc::channel();
    let worker = thread::spawn(move || {
        while let Ok(Some(block)) = inbox.recv() {
            work(block);
        }
    });
    block_on(async {
        while let Some(block) = next_block(&mut source, readiness).await {
            if blocks.send(Some(block)).is_err() {
                // The worker has panicked, as `join` says.
                break;
            }
        }
    });
    // Said in so many words: loom's channel does not tell that its sender went.
    let _ = blocks.send(None);
    if let Err(panic) = worker.join() {
        resume_unwind(panic);
    }
    source
}
