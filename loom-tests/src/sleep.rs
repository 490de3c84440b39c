//! The wait queue of the socket.

use loom::sync::{Condvar, Mutex};

use crate::epoll::Watcher;

/// How a [`poll`](crate::Kernel::poll) came to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Polled {
    /// The ring was readable when it was asked.
    AtOnce,
    /// It slept and was woken.
    Woken,
}

#[derive(Debug, Default)]
struct Sleeper {
    queued: bool,
    triggered: bool,
    /// Epoll instances, which are queued for good.
    watchers: Vec<Watcher>,
}

/// Where one sleeper waits, and any number of epoll instances.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    sleeper: Mutex<Sleeper>,
    triggered: Condvar,
}

impl WaitQueue {
    pub(crate) fn new() -> Self {
        Self {
            sleeper: Mutex::new(Sleeper::default()),
            triggered: Condvar::new(),
        }
    }

    /// `sk_data_ready`: wakes whoever is queued; a wake-up that meets nobody is lost.
    pub(crate) fn wake(&self) {
        let mut sleeper = self.sleeper.lock().unwrap();
        if sleeper.queued {
            sleeper.triggered = true;
            self.triggered.notify_one();
        }
        for watcher in &sleeper.watchers {
            watcher.wake();
        }
    }

    /// Queues an epoll instance.
    pub(crate) fn watch(&self, watcher: Watcher) {
        self.sleeper.lock().unwrap().watchers.push(watcher);
    }

    /// `poll`: queues first and asks then, and asks again whenever it was woken.
    pub(crate) fn sleep_until(&self, ready: impl Fn() -> bool) -> Polled {
        let mut polled = Polled::AtOnce;
        {
            let mut sleeper = self.sleeper.lock().unwrap();
            assert!(!sleeper.queued, "the model has room for one sleeper");
            sleeper.queued = true;
        }
        while !ready() {
            let mut sleeper = self.sleeper.lock().unwrap();
            while !sleeper.triggered {
                polled = Polled::Woken;
                sleeper = self.triggered.wait(sleeper).unwrap();
            }
            sleeper.triggered = false;
        }
        let mut sleeper = self.sleeper.lock().unwrap();
        sleeper.queued = false;
        sleeper.triggered = false;
        polled
    }
}
