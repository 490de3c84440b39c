//! An epoll instance over modelled rings and counters, for runtimes that have a reactor.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};

use loom::sync::{Condvar, Mutex};

use crate::sleep::WaitQueue;
use crate::{Kernel, KernelV2};

/// How often an [`Epoll`] tells that a file is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Once for wake-ups since the last time, and only if the file is still readable then. `EPOLLET`.
    Edge,
    /// Every time that it is asked, as long as the file is readable.
    Level,
}

/// What an [`Epoll`] can watch. Made by `into` from a reference to it.
#[derive(Clone, Debug)]
pub enum File {
    /// The socket of a ring.
    Kernel(Kernel),
    /// The socket of a TPACKET_V2 ring.
    KernelV2(KernelV2),
    /// A counter.
    EventFd(EventFd),
}

impl From<&Kernel> for File {
    fn from(kernel: &Kernel) -> Self {
        Self::Kernel(kernel.clone())
    }
}

impl From<&KernelV2> for File {
    fn from(kernel: &KernelV2) -> Self {
        Self::KernelV2(kernel.clone())
    }
}

impl From<&EventFd> for File {
    fn from(counter: &EventFd) -> Self {
        Self::EventFd(counter.clone())
    }
}

impl File {
    /// `vfs_poll`.
    fn is_readable(&self) -> bool {
        match self {
            Self::Kernel(kernel) => kernel.is_readable(),
            Self::KernelV2(kernel) => kernel.is_readable(),
            Self::EventFd(counter) => counter.is_readable(),
        }
    }

    fn wait_queue(&self) -> &WaitQueue {
        match self {
            Self::Kernel(kernel) => kernel.wait_queue(),
            Self::KernelV2(kernel) => kernel.wait_queue(),
            Self::EventFd(counter) => &counter.0.waiting,
        }
    }
}

/// An epoll instance. Clones stand for the same one.
#[derive(Clone, Debug, Default)]
pub struct Epoll(Arc<Instance>);

#[derive(Debug)]
struct Instance {
    /// Kept from loom's sight: what is watched is no part of what is modelled.
    items: std::sync::Mutex<Vec<Arc<Item>>>,
    /// `rdllist`: the items that a wake-up told of, each once.
    ready: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Item {
    file: File,
    token: u64,
    trigger: Trigger,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            items: std::sync::Mutex::default(),
            ready: Mutex::new(VecDeque::new()),
            changed: Condvar::new(),
        }
    }
}

impl Instance {
    fn list(&self, item: usize) {
        let mut ready = self.ready.lock().unwrap();
        if !ready.contains(&item) {
            ready.push_back(item);
            self.changed.notify_one();
        }
    }

    fn items(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Item>>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a file's wait queue has an epoll instance beside who sleeps in `poll`.
#[derive(Debug)]
pub(crate) struct Watcher {
    instance: Weak<Instance>,
    item: usize,
}

impl Watcher {
    /// `ep_poll_callback`: lists the file and wakes the reactor.
    pub(crate) fn wake(&self) {
        if let Some(instance) = self.instance.upgrade() {
            instance.list(self.item);
        }
    }
}

impl Epoll {
    /// An instance that watches nothing. `epoll_create`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches a file for being readable. `epoll_ctl` with `EPOLL_CTL_ADD`.
    ///
    /// It is told of once, whatever the trigger, where the file is readable already.
    pub fn add(&self, file: impl Into<File>, token: u64, trigger: Trigger) {
        let item = Arc::new(Item {
            file: file.into(),
            token,
            trigger,
        });
        let index = {
            let mut items = self.0.items();
            items.push(Arc::clone(&item));
            items.len() - 1
        };
        item.file.wait_queue().watch(Watcher {
            instance: Arc::downgrade(&self.0),
            item: index,
        });
        if item.file.is_readable() {
            self.0.list(index);
        }
    }

    /// Sleeps until a watched file is readable, without a timeout, and returns the tokens of those that
    /// are. `epoll_wait`.
    ///
    /// Files are taken off the list first and asked then; what is woken meanwhile is listed for the next time.
    pub fn wait(&self) -> Vec<u64> {
        loop {
            let listed = self.listed();
            let mut tokens = Vec::new();
            for index in listed {
                let item = Arc::clone(&self.0.items()[index]);
                if item.file.is_readable() {
                    tokens.push(item.token);
                    if item.trigger == Trigger::Level {
                        self.0.list(index);
                    }
                }
            }
            if !tokens.is_empty() {
                return tokens;
            }
        }
    }

    /// Takes the list, once there is something in it.
    fn listed(&self) -> VecDeque<usize> {
        let mut ready = self.0.ready.lock().unwrap();
        while ready.is_empty() {
            ready = self.0.changed.wait(ready).unwrap();
        }
        core::mem::take(&mut *ready)
    }
}

/// A counter that an [`Epoll`] watches, to wake a reactor by: `eventfd`. Clones stand for the same one.
#[derive(Clone, Debug, Default)]
pub struct EventFd(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    value: Mutex<u64>,
    waiting: WaitQueue,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            value: Mutex::new(0),
            waiting: WaitQueue::new(),
        }
    }
}

impl EventFd {
    /// A counter that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, and wakes who waits.
    pub fn write(&self) {
        let mut value = self.0.value.lock().unwrap();
        *value += 1;
        self.0.waiting.wake();
    }

    /// Sets it to zero, and returns what it was; zero stands for `EAGAIN`.
    pub fn read(&self) -> u64 {
        core::mem::take(&mut *self.0.value.lock().unwrap())
    }

    fn is_readable(&self) -> bool {
        *self.0.value.lock().unwrap() != 0
    }
}
