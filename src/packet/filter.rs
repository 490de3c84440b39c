//! The socket's filter: attached before packets arrive, replaced while they do.
//!
//! The snap length of the geometry holds whatever is attached: each classic program is rewritten to
//! keep no more.

use core::num::NonZeroU32;

use rustix::fd::{AsFd, BorrowedFd};

#[cfg(feature = "alloc")]
use super::SharedReceiver;
use super::rings::Receives;
use super::watch::Watch;
use super::{Delivery, Receiver, Socket};
use crate::bpf::{Instruction, Limited};
use crate::error::{Error, Operation};
use crate::lifecycle::{Bound, Configured};
use crate::sys;
use crate::wait::{Deadline, OnSignal, Wake};

/// Attaches a classic program in place of what was there, held down to the snap length.
fn attach(
    fd: BorrowedFd<'_>,
    program: &[Instruction],
    snap_length: Option<NonZeroU32>,
) -> Result<(), Error> {
    let attached = match snap_length {
        None => sys::attach_filter(fd, program),
        Some(bytes) => {
            let limited = Limited::new(program, bytes.get()).ok_or(Error::FilterTooLong)?;
            sys::attach_filter(fd, limited.instructions())
        }
    };
    attached.map_err(Error::system(Operation::AttachFilter))
}

/// Attaches an eBPF program in place of what was there.
fn attach_ebpf(
    fd: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    snap_length: Option<NonZeroU32>,
) -> Result<(), Error> {
    match snap_length {
        None => sys::attach_ebpf(fd, program).map_err(Error::system(Operation::AttachEbpf)),
        Some(_) => Err(Error::SnapLengthNotKept),
    }
}

fn lock(fd: BorrowedFd<'_>) -> Result<(), Error> {
    sys::lock_filter(fd).map_err(Error::system(Operation::LockFilter))
}

/// What replacing a filter needs of a receiver.
trait Drains {
    fn parts(&mut self) -> (BorrowedFd<'_>, &mut Watch);
    /// Gives the next block back to the kernel as it is, if there is one.
    fn skip_block(&mut self) -> bool;
    fn wait_for_block(&mut self, deadline: Deadline) -> Result<Wake, Error>;

    fn replace(&mut self, program: &[Instruction], deadline: Deadline) -> Result<u64, Error> {
        let (fd, watch) = self.parts();
        attach(fd, program, watch.snap_length())?;
        self.drain(deadline)
    }

    fn replace_with_ebpf(
        &mut self,
        program: BorrowedFd<'_>,
        deadline: Deadline,
    ) -> Result<u64, Error> {
        let (fd, watch) = self.parts();
        attach_ebpf(fd, program, watch.snap_length())?;
        self.drain(deadline)
    }

    fn detach(&mut self) -> Result<(), Error> {
        let (fd, watch) = self.parts();
        match watch.snap_length() {
            Some(bytes) => attach(fd, &[Instruction::keep(bytes.get())], None),
            None => sys::detach_filter(fd).map_err(Error::system(Operation::DetachFilter)),
        }
    }

    /// Discards what the ring holds of an earlier filter; returns how many packets that were.
    ///
    /// Once the kernel has left every place where it could still act on the earlier filter, all that it
    /// let pass are among the packets that the kernel has counted. They lie in the ring before any other,
    /// so it is enough that as many have been handed out. Blocks that are out were counted when they
    /// were, and need not come back: no packet lies behind a block that the kernel waits for.
    fn drain(&mut self, deadline: Deadline) -> Result<u64, Error> {
        sys::wait_for_readers().map_err(Error::system(Operation::WaitForOldFilter))?;
        let (fd, watch) = self.parts();
        let before = watch.handed_out();
        let received = watch.received(fd)?;
        loop {
            let handed_out = self.parts().1.handed_out();
            // Below zero where the last old packet shared its block with new ones.
            let old = received.wrapping_sub(handed_out).cast_signed();
            if old <= 0 {
                return Ok(handed_out.wrapping_sub(before).into());
            }
            if self.skip_block() {
                continue;
            }
            match self.wait_for_block(deadline)? {
                Wake::Ready => {}
                Wake::TimedOut | Wake::Interrupted => {
                    let packets = old.cast_unsigned();
                    return Err(Error::OldPackets { packets });
                }
            }
        }
    }
}

impl<D: Delivery, G> Drains for Receiver<'_, D, G> {
    fn parts(&mut self) -> (BorrowedFd<'_>, &mut Watch) {
        (self.fd(), self.watch())
    }

    fn skip_block(&mut self) -> bool {
        self.next().is_some()
    }

    fn wait_for_block(&mut self, deadline: Deadline) -> Result<Wake, Error> {
        self.wait(deadline, OnSignal::Continue)
    }
}

impl<R: Receives> Socket<Configured<R>> {
    /// Attaches a filter, in place of the one that was there. No packet can have come before it.
    ///
    /// With a snap length the program's return values are held down to it; the program is copied to
    /// the stack for that (32 KiB). `setsockopt(SO_ATTACH_FILTER)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EINVAL where the kernel's checker refuses the program
    /// ([`Program::new`](crate::bpf::Program::new) says why), ENOMEM where it is larger than
    /// `net.core.optmem_max` allows, EPERM after [`lock_filter`](Self::lock_filter).
    /// [`Error::FilterTooLong`].
    #[doc(alias = "SO_ATTACH_FILTER")]
    pub fn attach_filter(&mut self, program: &[Instruction]) -> Result<(), Error> {
        attach(self.as_fd(), program, self.snap_length())
    }

    /// Attaches an eBPF program of the type `BPF_PROG_TYPE_SOCKET_FILTER`, in place of the filter that
    /// was there. `setsockopt(SO_ATTACH_BPF)`, Linux 3.19.
    ///
    /// The descriptor can be closed afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::SnapLengthNotKept`] where the geometry has a snap length. [`Error::System`]: EINVAL where
    /// the descriptor is that of no such program, EPERM after [`lock_filter`](Self::lock_filter).
    #[doc(alias = "SO_ATTACH_BPF")]
    pub fn attach_ebpf(&mut self, program: BorrowedFd<'_>) -> Result<(), Error> {
        attach_ebpf(self.as_fd(), program, self.snap_length())
    }

    /// Keeps the filter as it is: [`Receiver::lock_filter`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::lock_filter`].
    #[doc(alias = "SO_LOCK_FILTER")]
    pub fn lock_filter(&mut self) -> Result<(), Error> {
        lock(self.as_fd())
    }

    fn snap_length(&self) -> Option<NonZeroU32> {
        self.state().rings.snap_length()
    }
}

impl<D: Delivery, G> Receiver<'_, D, G> {
    /// Replaces the filter, and hands out no packet that the earlier one let pass once this returns.
    ///
    /// The new program is in force at once. What the earlier one let pass is taken from the ring and
    /// discarded, and with it such packets of the new one as share a block with it; returns how many
    /// packets that were. To have them, take what is ready first: what remains then is what an open
    /// block holds.
    ///
    /// `setsockopt(SO_ATTACH_FILTER)`; `membarrier`, which sleeps until every processor has left the
    /// earlier program, some tens of milliseconds that the deadline does not shorten;
    /// `getsockopt(PACKET_STATISTICS)`; and where the last of the old packets lie in a block that the
    /// kernel has open, what [`wait`](Self::wait) calls until it is retired: the retire timeout at the
    /// most. Blocks that are out are not waited for, and stay usable. Before the first filter, the earlier
    /// one is that which keeps everything. The program is held to the snap length as by
    /// [`attach_filter`](Socket::attach_filter).
    ///
    /// What is old is known by the kernel's counts: nobody else may read `PACKET_STATISTICS` of this
    /// socket.
    ///
    /// # Errors
    ///
    /// [`Error::System`] with [`Operation::AttachFilter`], and [`Error::FilterTooLong`], as
    /// [`attach_filter`](Socket::attach_filter): the earlier filter stays in force, and nothing was
    /// discarded.
    ///
    /// With every other error the new program is in force, and the ring may hold old packets:
    /// [`Error::OldPackets`] says how many at the deadline; [`Error::System`] with
    /// [`Operation::WaitForOldFilter`], EINVAL where the system sets processors apart (`nohz_full`);
    /// or those of [`wait`](Self::wait). The socket stays usable, and calling again goes on.
    #[doc(alias = "SO_ATTACH_FILTER")]
    pub fn replace_filter(
        &mut self,
        program: &[Instruction],
        deadline: Deadline,
    ) -> Result<u64, Error> {
        self.replace(program, deadline)
    }

    /// Replaces the filter by an eBPF program of the type `BPF_PROG_TYPE_SOCKET_FILTER`, as
    /// [`replace_filter`](Self::replace_filter) does by a classic one. `setsockopt(SO_ATTACH_BPF)`,
    /// Linux 3.19.
    ///
    /// # Errors
    ///
    /// As [`attach_ebpf`](Socket::attach_ebpf), and then nothing has changed; or as
    /// [`replace_filter`](Self::replace_filter) once the program is in force.
    #[doc(alias = "SO_ATTACH_BPF")]
    pub fn replace_filter_with_ebpf(
        &mut self,
        program: BorrowedFd<'_>,
        deadline: Deadline,
    ) -> Result<u64, Error> {
        self.replace_with_ebpf(program, deadline)
    }

    /// Takes the filter away: every packet passes from now on, up to the snap length.
    ///
    /// `setsockopt(SO_DETACH_FILTER)`; with a snap length `SO_ATTACH_FILTER` of a program that keeps just
    /// that. What the ring holds stays there: it is among what passes now.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOENT where there is no filter, EPERM after
    /// [`lock_filter`](Self::lock_filter).
    #[doc(alias = "SO_DETACH_FILTER")]
    pub fn detach_filter(&mut self) -> Result<(), Error> {
        self.detach()
    }

    /// Keeps the filter as it is, or that there is none, for as long as the socket lives; nobody can undo
    /// it. For a program that gives privileges up, or hands the socket on.
    ///
    /// `setsockopt(SO_LOCK_FILTER)`, Linux 3.9. Attaching, replacing and detaching fail afterwards, with
    /// [`Error::System`], EPERM; so does giving a fanout group a program through this socket.
    ///
    /// # Errors
    ///
    /// [`Error::System`] with [`Operation::LockFilter`].
    #[doc(alias = "SO_LOCK_FILTER")]
    pub fn lock_filter(&mut self) -> Result<(), Error> {
        lock(self.fd())
    }
}

impl<R: Receives, G> Socket<Bound<R, G>> {
    /// Replaces the filter: [`Receiver::replace_filter`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::replace_filter`].
    pub fn replace_filter(
        &mut self,
        program: &[Instruction],
        deadline: Deadline,
    ) -> Result<u64, Error> {
        self.receiver().replace_filter(program, deadline)
    }

    /// Replaces the filter by an eBPF program: [`Receiver::replace_filter_with_ebpf`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::replace_filter_with_ebpf`].
    pub fn replace_filter_with_ebpf(
        &mut self,
        program: BorrowedFd<'_>,
        deadline: Deadline,
    ) -> Result<u64, Error> {
        self.receiver().replace_filter_with_ebpf(program, deadline)
    }

    /// Takes the filter away: [`Receiver::detach_filter`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::detach_filter`].
    pub fn detach_filter(&mut self) -> Result<(), Error> {
        self.receiver().detach_filter()
    }

    /// Keeps the filter as it is: [`Receiver::lock_filter`].
    ///
    /// # Errors
    ///
    /// As [`Receiver::lock_filter`].
    pub fn lock_filter(&mut self) -> Result<(), Error> {
        self.receiver().lock_filter()
    }
}

#[cfg(feature = "alloc")]
mod shared {
    use super::{AsFd, BorrowedFd, Deadline, Delivery, Drains, Error, Instruction, OnSignal};
    use super::{SharedReceiver, Wake, Watch, lock};

    impl<D: Delivery, G> Drains for SharedReceiver<D, G> {
        fn parts(&mut self) -> (BorrowedFd<'_>, &mut Watch) {
            self.fd_and_watch()
        }

        fn skip_block(&mut self) -> bool {
            self.next().is_some()
        }

        fn wait_for_block(&mut self, deadline: Deadline) -> Result<Wake, Error> {
            self.wait(deadline, OnSignal::Continue)
        }
    }

    impl<D: Delivery, G> SharedReceiver<D, G> {
        /// Replaces the filter: [`Receiver::replace_filter`](super::Receiver::replace_filter).
        ///
        /// # Errors
        ///
        /// As [`Receiver::replace_filter`](super::Receiver::replace_filter).
        pub fn replace_filter(
            &mut self,
            program: &[Instruction],
            deadline: Deadline,
        ) -> Result<u64, Error> {
            self.replace(program, deadline)
        }

        /// Replaces the filter by an eBPF program:
        /// [`Receiver::replace_filter_with_ebpf`](super::Receiver::replace_filter_with_ebpf).
        ///
        /// # Errors
        ///
        /// As [`Receiver::replace_filter_with_ebpf`](super::Receiver::replace_filter_with_ebpf).
        pub fn replace_filter_with_ebpf(
            &mut self,
            program: BorrowedFd<'_>,
            deadline: Deadline,
        ) -> Result<u64, Error> {
            self.replace_with_ebpf(program, deadline)
        }

        /// Takes the filter away: [`Receiver::detach_filter`](super::Receiver::detach_filter).
        ///
        /// # Errors
        ///
        /// As [`Receiver::detach_filter`](super::Receiver::detach_filter).
        pub fn detach_filter(&mut self) -> Result<(), Error> {
            self.detach()
        }

        /// Keeps the filter as it is: [`Receiver::lock_filter`](super::Receiver::lock_filter).
        ///
        /// # Errors
        ///
        /// As [`Receiver::lock_filter`](super::Receiver::lock_filter).
        pub fn lock_filter(&mut self) -> Result<(), Error> {
            lock(self.as_fd())
        }
    }
}
