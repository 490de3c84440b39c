//! What is known of the interface's link.
//!
//! The kernel tells a packet socket once that its interface went down or away: POLLERR, and ENETDOWN
//! in SO_ERROR, which reading clears. What was read is latched here, or it would be lost.

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;

use super::Interface;
use crate::error::{Error, Operation};
use crate::sys;

/// The last known state of the link, and the interface it belongs to.
#[derive(Debug)]
pub(super) struct Link {
    interface: Interface,
    state: State,
    /// Whether the caller has heard of `state`.
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing else was heard.
    Up,
    Down,
    Gone,
}

impl Link {
    pub(super) fn new(interface: Interface) -> Self {
        Self {
            interface,
            state: State::Up,
            told: true,
        }
    }

    pub(super) fn interface(&self) -> Interface {
        self.interface
    }

    /// Whether the link is known to be down or gone.
    pub(super) fn is_latched(&self) -> bool {
        self.state != State::Up
    }

    /// Asks the kernel: reads SO_ERROR, and looks again at a link that was down.
    pub(super) fn look(&mut self, fd: BorrowedFd<'_>) -> Result<(), Error> {
        let read_link = Error::system(Operation::ReadLink);
        let state = match socket_error(fd).map_err(&read_link)? {
            Ok(()) if self.state == State::Up => State::Up,
            Ok(()) => self.ask(fd)?,
            Err(Errno::NETDOWN) => {
                // Reading has cleared it: were what follows to fail, nobody would know any more.
                if self.state == State::Up {
                    self.latch(State::Down);
                }
                self.ask(fd)?
            }
            Err(errno) => return Err(read_link(errno)),
        };
        self.latch(state);
        Ok(())
    }

    fn latch(&mut self, state: State) {
        self.told &= state == self.state;
        self.state = state;
    }

    /// What is latched.
    pub(super) fn state(&mut self) -> Result<(), Error> {
        self.told = true;
        match self.state {
            State::Up => Ok(()),
            State::Down => Err(Error::LinkDown),
            State::Gone => Err(Error::LinkGone),
        }
    }

    /// What is latched and was not told yet.
    pub(super) fn news(&mut self) -> Result<(), Error> {
        if self.told { Ok(()) } else { self.state() }
    }

    /// A socket whose interface was removed has no interface (-1) ever after, even if another comes
    /// that has the same name or index.
    fn ask(&self, fd: BorrowedFd<'_>) -> Result<State, Error> {
        let read_link = Error::system(Operation::ReadLink);
        if sys::bound_interface(fd).map_err(&read_link)? != self.interface.raw() {
            return Ok(State::Gone);
        }
        match sys::link::flags(fd, self.interface.index()) {
            Ok((true, _)) => Ok(State::Up),
            Ok((false, _)) => Ok(State::Down),
            Err(Errno::NODEV | Errno::NXIO) => Ok(State::Gone),
            Err(errno) => Err(read_link(errno)),
        }
    }
}
