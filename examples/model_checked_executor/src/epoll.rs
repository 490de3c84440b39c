//! The reactor of the running kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};

use crate::readiness::Reactor;

const RING: u64 = 0;
const END: u64 = 1;

/// An epoll instance that watches one ring, and a counter that ends it.
#[derive(Debug)]
pub struct Epoll {
    epoll: OwnedFd,
    end: OwnedFd,
}

impl Epoll {
    /// Watches a ring's socket. Edge-triggered: level-triggered, it would tell again and again of a block that
    /// is still worked on.
    ///
    /// # Errors
    ///
    /// Those of `epoll_create1`, `epoll_ctl` and `eventfd2`.
    pub fn watching(ring: impl AsFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let end = eventfd(0, EventfdFlags::CLOEXEC)?;
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ERR | epoll::EventFlags::ET;
        epoll::add(&epoll, ring, epoll::EventData::new_u64(RING), edge)?;
        epoll::add(
            &epoll,
            &end,
            epoll::EventData::new_u64(END),
            epoll::EventFlags::IN,
        )?;
        Ok(Self { epoll, end })
    }

    /// Has `wait` return `false` from now on.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn end(&self) -> io::Result<()> {
        rustix::io::write(&self.end, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

impl Reactor for Epoll {
    fn wait(&self) -> io::Result<bool> {
        let mut events = Vec::with_capacity(2);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
            Ok(_) => Ok(!events.iter().any(|event| event.data.u64() == END)),
            // A signal: no news, and no end.
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
