//! Letting packets gather before somebody is woken: for one socket, without privilege.

use core::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::error::{Error, Operation};
use crate::wait::{Deadline, OnSignal, Wake};

/// A socket that is not listened to for a while after each wake-up that found packets.
///
/// A reader that sleeps whenever its ring is empty is woken for every few packets of a flood, and the
/// waking costs more than the packets. With a `Gather` it is woken by a timer in place of the socket for
/// as long as packets come, and takes what has gathered meanwhile in one go:
///
/// ```no_run
/// # use core::time::Duration;
/// # use packet_ring::{Deadline, Error, OnSignal, Wake, xdp::Gather};
/// # fn drain_ring() -> usize { 0 }
/// # fn example(socket: rustix::fd::BorrowedFd<'_>) -> Result<(), Error> {
/// let mut gather = Gather::new(socket)?;
/// loop {
///     let _: Wake = gather.wait(Deadline::NEVER, OnSignal::Continue)?;
///     if drain_ring() > 0 {
///         gather.rest(Duration::from_micros(50))?;
///     } else {
///         gather.listen()?;
///     }
/// }
/// # }
/// ```
///
/// It is one descriptor for an executor too, readable when the socket is and when a rest is over: an
/// epoll instance that holds the socket and a timer (`timerfd`). Register it **edge-triggered**, and
/// call [`rest`](Self::rest) or [`listen`](Self::listen) once the ring is drained, before the next wait.
/// Registered level-triggered it works as well, at the price of a wake-up for what came while the ring
/// was drained. The socket itself is registered nowhere else.
///
/// No packet is overslept: whatever comes between the last look at the ring and a call of `listen`, or
/// during it, wakes; what comes during a rest is there at its end.
///
/// # How long a rest is
///
/// Longer than asked, by the time that an idle processor takes to wake up and the thread to be scheduled: a
/// rest of 50 microseconds took 66 where nothing else ran on the processor, and takes longer where something
/// does. The timer slack of the thread (`PR_SET_TIMERSLACK`), which made a `sleep` of 50 one of 116, does
/// not count here. [`measure_margin`](Self::measure_margin) measures it on this thread, and
/// [`set_margin`](Self::set_margin) takes it off each rest: then it took 50. `cargo bench --bench rests`
/// prints the figures of a machine. Each packet that comes during a rest is late by what is left of it, the
/// first of a flood not at all.
///
/// # Sockets
///
/// Any that poll: those of AF_XDP and of AF_PACKET, lent or owned. Where the socket stays readable although
/// nothing can be taken (a TPACKET_V3 ring whose newest block is held, an error that nobody reads), waiting
/// after `listen` does not sleep; see their `wait` and `take_error`.
///
/// Resting and listening again cost one system call while packets keep coming, and two each time that the
/// socket is left or listened to again.
#[doc(alias = "epoll_create1")]
#[doc(alias = "timerfd_create")]
#[derive(Debug)]
pub struct Gather<S: AsFd> {
    /// Closed before the socket.
    epoll: OwnedFd,
    timer: OwnedFd,
    socket: S,
    /// Whether `epoll` holds the socket.
    listening: bool,
    margin: Duration,
}

// Why no wake-up is lost.
//
// The epoll instance holds the timer at all times, and the socket while we listen. Each is registered
// level-triggered. For epoll this means that a packet is noticed in one of two ways: the kernel hooks
// itself to the socket first and then looks whether it is readable, both within EPOLL_CTL_ADD; what came
// before is seen by the look, what comes later by the hook. Either makes our descriptor readable, and gives
// who watches that one an edge. EPOLL_CTL_MOD would not: of an entry that still stands in the list of what
// was ready it wakes nobody, and in that list a socket stays that was drained since. Hence the socket is
// taken out and put in, and never modified.
//
// At any moment the timer runs, or has run out and not been set since, or the socket is held: `rest` sets the
// timer before it takes the socket out, and `listen` puts the socket in before it stops the timer. A call
// that fails half-way leaves both, which costs a wake-up.

/// The shortest time that a timer can be set to: zero stops it.
const SHORTEST: Duration = Duration::from_nanos(1);

/// How many rests [`Gather::measure_margin`] measures.
const MEASURED: usize = 31;

impl<S: AsFd> Gather<S> {
    /// Listens to the socket, as [`listen`](Self::listen) does.
    ///
    /// `epoll_create1`, `timerfd_create` and `epoll_ctl(EPOLL_CTL_ADD)` of each. `S` names the same
    /// descriptor whenever it is asked.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EMFILE or ENFILE where there are no descriptors left; EPERM for what
    /// cannot be polled.
    pub fn new(socket: S) -> Result<Self, Error> {
        let make = Error::system(Operation::MakeGather);
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(&make)?;
        let timer = new_timer().map_err(&make)?;
        add(&epoll, timer.as_fd()).map_err(&make)?;
        add(&epoll, socket.as_fd()).map_err(Error::system(Operation::ListenToSocket))?;
        Ok(Self {
            epoll,
            timer,
            socket,
            listening: true,
            margin: Duration::ZERO,
        })
    }

    /// Lets packets gather: the socket does not wake us for this time less the margin, after which we are
    /// woken whether packets came or not.
    ///
    /// For when the ring was drained and there were packets. A rest that is going on is replaced. No time
    /// at all wakes at once.
    ///
    /// `timerfd_settime`, and where the socket was listened to `epoll_ctl(EPOLL_CTL_DEL)`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: EINVAL for a time beyond the clock's range.
    pub fn rest(&mut self, time: Duration) -> Result<(), Error> {
        let time = time.saturating_sub(self.margin).max(SHORTEST);
        set(&self.timer, time).map_err(Error::system(Operation::SetTimer))?;
        if self.listening {
            epoll::delete(&self.epoll, &self.socket)
                .map_err(Error::system(Operation::LeaveSocket))?;
            self.listening = false;
        }
        Ok(())
    }

    /// Listens to the socket again, and wakes at once if it is readable already.
    ///
    /// For when the ring was found empty. Ends a rest. Does nothing while the socket is listened to.
    ///
    /// `epoll_ctl(EPOLL_CTL_ADD)` and `timerfd_settime`.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: ENOMEM, or ENOSPC of [`Operation::ListenToSocket`], where the kernel has no room
    /// left to watch the socket. What was waited for before is waited for still.
    pub fn listen(&mut self) -> Result<(), Error> {
        if self.listening {
            return Ok(());
        }
        add(&self.epoll, self.socket.as_fd()).map_err(Error::system(Operation::ListenToSocket))?;
        self.listening = true;
        set(&self.timer, Duration::ZERO).map_err(Error::system(Operation::SetTimer))
    }

    /// Sleeps until the socket is readable or the rest is over: for those without an executor.
    ///
    /// Level-triggered: returns at once until `rest` or `listen` is called, or the socket is drained while it
    /// is listened to. `ppoll` of [`as_fd`](AsFd::as_fd).
    ///
    /// # Errors
    ///
    /// [`Error::System`] where `ppoll` fails.
    pub fn wait(&mut self, deadline: Deadline, on_signal: OnSignal) -> Result<Wake, Error> {
        loop {
            match poll_until(self.epoll.as_fd(), deadline.remaining().as_ref()) {
                Ok(true) => return Ok(Wake::Ready),
                Ok(false) => {
                    if deadline.has_passed() {
                        return Ok(Wake::TimedOut);
                    }
                }
                Err(Errno::INTR) => match on_signal {
                    OnSignal::Continue => {}
                    OnSignal::Return => return Ok(Wake::Interrupted),
                },
                Err(errno) => return Err(Error::system(Operation::Wait)(errno)),
            }
        }
    }

    /// Takes this much off every rest to come; zero at first.
    pub fn set_margin(&mut self, margin: Duration) {
        self.margin = margin;
    }

    /// What is taken off every rest.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.margin
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The socket, to read from. It must stay the same socket: another in its place is not listened to.
    #[must_use]
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Gives the socket back.
    #[must_use]
    pub fn into_socket(self) -> S {
        self.socket
    }
}

impl Gather<BorrowedFd<'static>> {
    /// How much later than asked the calling thread is awake again after a rest of this time: the median
    /// of 31, which take about as long together as they are asked to, and longer by what is measured.
    ///
    /// It is that of this thread, on this machine, as busy or idle as it is now. What it is good for is
    /// [`set_margin`](Gather::set_margin). Takes no socket and needs no object.
    ///
    /// # Errors
    ///
    /// [`Error::System`] as [`new`](Gather::new) and [`rest`](Gather::rest).
    pub fn measure_margin(time: Duration) -> Result<Duration, Error> {
        let make = Error::system(Operation::MakeGather);
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(&make)?;
        let timer = new_timer().map_err(&make)?;
        add(&epoll, timer.as_fd()).map_err(&make)?;
        let mut late = [Duration::ZERO; MEASURED];
        for late in &mut late {
            let start = clock_gettime(ClockId::Monotonic);
            set(&timer, time.max(SHORTEST)).map_err(Error::system(Operation::SetTimer))?;
            while !poll_interrupted(&epoll).map_err(Error::system(Operation::Wait))? {}
            let took = clock_gettime(ClockId::Monotonic).checked_sub(start);
            let took = took.and_then(|took| Duration::try_from(took).ok());
            *late = took.unwrap_or_default().saturating_sub(time);
        }
        late.sort_unstable();
        Ok(late[MEASURED / 2])
    }
}

impl<S: AsFd> AsFd for Gather<S> {
    /// Readable when the socket is, while it is listened to, and when a rest is over.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn new_timer() -> Result<OwnedFd, Errno> {
    timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)
}

fn add(epoll: &OwnedFd, fd: BorrowedFd<'_>) -> Result<(), Errno> {
    epoll::add(epoll, fd, EventData::new_u64(0), EventFlags::IN)
}

/// Sets the timer to go off once, this long from now; zero stops it. Either way it has not gone off yet.
fn set(timer: &OwnedFd, time: Duration) -> Result<(), Errno> {
    let timer_value = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec::try_from(time).map_err(|_| Errno::INVAL)?,
    };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &timer_value).map(drop)
}

/// Whether `fd` is readable before the timeout.
fn poll_until(fd: BorrowedFd<'_>, timeout: Option<&Timespec>) -> Result<bool, Errno> {
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], timeout).map(|ready| ready > 0)
}

/// The same without an end, false where a signal handler ran.
fn poll_interrupted(fd: &OwnedFd) -> Result<bool, Errno> {
    match poll_until(fd.as_fd(), None) {
        Err(Errno::INTR) => Ok(false),
        other => other,
    }
}
