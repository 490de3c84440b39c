//! What the executor is built from: the standard library's types, or loom's. The only place that says loom.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc,
};
#[cfg(loom)]
pub(crate) use loom::thread;

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{Condvar, Mutex, mpsc},
    thread,
};
