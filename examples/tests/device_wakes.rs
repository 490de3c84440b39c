//! embassy-net's driver without the stack: that it wakes whoever waits, and when.

mod wired;

use core::cell::{Cell, RefCell};
use core::slice;
use core::task::{Context, Waker};
use core::time::Duration;
use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use embassy_net::driver::{Driver as _, HardwareAddress, LinkState, RxToken, TxToken};
use packet_ring::Error;
use packet_ring::device::{Device, Driver, Kicks, Rings, XdpDevice};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{TokenBucket, frame, suite};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fd::OwnedFd;
use wired::{PATIENCE, QUIET, ROOM, Wire, rights};

/// An epoll that knows descriptors edge-triggered, as the driver asks.
struct Reactor {
    epoll: OwnedFd,
    known: RefCell<BTreeSet<RawFd>>,
}

impl Reactor {
    fn new() -> Result<Self, Stopped> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            known: RefCell::default(),
        })
    }

    fn register(&self, fd: BorrowedFd<'_>) {
        if self.known.borrow_mut().insert(fd.as_raw_fd()) {
            let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            let data = epoll::EventData::new_u64(fd.as_raw_fd() as u64);
            epoll::add(&self.epoll, fd, data, events).expect("a descriptor to listen to");
        }
    }

    /// Whether an event comes within this time; takes all that are there.
    fn wakes(&self, within: Duration) -> Result<bool, Stopped> {
        let mut ready = Vec::with_capacity(8);
        let within = Timespec::try_from(within)?;
        let events = rustix::buffer::spare_capacity(&mut ready);
        epoll::wait(&self.epoll, events, Some(&within))?;
        Ok(!ready.is_empty())
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn receive<R: Rings, F: FnMut(BorrowedFd<'_>, &Waker)>(
    driver: &mut Driver<R, F>,
) -> Option<Vec<u8>> {
    let (token, _) = driver.receive(&mut context())?;
    Some(token.consume(|packet| packet.to_vec()))
}

fn transmit<R: Rings, F: FnMut(BorrowedFd<'_>, &Waker)>(
    driver: &mut Driver<R, F>,
    frame: &[u8],
) -> bool {
    let token = driver.transmit(&mut context());
    let sent = token.map(|token| token.consume(frame.len(), |to| to.copy_from_slice(frame)));
    sent.is_some()
}

/// Asks for the link as often as it is woken, until it is up, or is not.
fn becomes<R: Rings, F: FnMut(BorrowedFd<'_>, &Waker)>(
    driver: &mut Driver<R, F>,
    reactor: &Reactor,
    up: bool,
) -> TestResult {
    while (driver.link_state(&mut context()) == LinkState::Up) != up {
        assert!(reactor.wakes(PATIENCE)?, "nobody was woken");
    }
    Ok(())
}

/// Runs a test over a device of each family, each on a cable of its own.
macro_rules! over_both {
    ($test:ident) => {{
        let wire = Wire::new()?;
        wire.with_packet(|device| $test(device, &wire))?;
        let Some(map) = rights::map()? else {
            return Ok(());
        };
        let wire = Wire::new()?;
        let (socket, _umem, pool) = wire.xdp_socket()?;
        let _attached = wire.attach(&map, &socket)?;
        $test(XdpDevice::new(socket, pool)?, &wire)
    }};
}

fn a_packet_wakes_who_found_none() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire) -> TestResult {
        let reactor = Reactor::new()?;
        let mut driver = Driver::new(device, |fd, _| reactor.register(fd));
        for number in 0..50 {
            assert_eq!(receive(&mut driver), None);
            // What is left of the last turn is no reason to wake, but may.
            while reactor.wakes(Duration::ZERO)? {
                assert_eq!(receive(&mut driver), None);
            }
            let sent = frame::numbered(number, 60);
            wire.injector.send(&sent)?;
            assert!(reactor.wakes(PATIENCE)?, "nobody was woken for {number}");
            assert!(receive(&mut driver) == Some(sent));
        }
        Ok(())
    }
    over_both!(test)
}

fn a_packet_that_comes_while_the_waker_is_left_is_not_lost() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire) -> TestResult {
        let sent = frame::numbered(7, 60);
        // Comes after the look that found none, and wakes nobody.
        let mut driver = Driver::new(device, |fd, _| {
            wire.injector.send(&sent).expect("a cable");
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            let within = Timespec::try_from(PATIENCE).expect("seconds");
            assert_eq!(poll(&mut fds, Some(&within)), Ok(1));
        });
        assert!(receive(&mut driver).as_ref() == Some(&sent));
        Ok(())
    }
    over_both!(test)
}

/// Lets one frame of 1,514 bytes go and keeps all others, for as long as anybody lives.
const STUCK: TokenBucket = TokenBucket {
    rate: 1,
    burst: 1514,
    limit: 1 << 30,
};

fn room_wakes_who_found_none() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|device| {
        let reactor = Reactor::new()?;
        let mut driver = Driver::new(device, |fd, _| reactor.register(fd));
        let kept = frame::numbered(0, 1514);
        for turn in 0..3 {
            wire.pair.far.set_token_bucket(&STUCK)?;
            assert!(transmit(&mut driver, &kept));
            wire.assert_arrive(slice::from_ref(&kept))?;
            for _ in 0..ROOM {
                assert!(transmit(&mut driver, &kept));
            }
            assert!(!transmit(&mut driver, &kept));
            assert_eq!(receive(&mut driver), None);
            // A socket is writable from the first.
            while reactor.wakes(Duration::ZERO)? {
                assert!(!transmit(&mut driver, &kept));
            }
            wire.pair.far.remove_token_bucket()?;
            assert!(reactor.wakes(PATIENCE)?, "nobody was woken in turn {turn}");
            assert!(transmit(&mut driver, &kept));
            wire.assert_arrive(slice::from_ref(&kept))?;
        }
        Ok(())
    })
}

/// Lets one frame of 1,514 bytes go, keeps two, and drops all others.
const FULL: TokenBucket = TokenBucket {
    rate: 1,
    burst: 1514,
    limit: 2 * 1514,
};

fn a_queue_that_stays_full_does_not_keep_the_stack_awake() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|device| {
        let reactor = Reactor::new()?;
        let mut driver = Driver::new(device, |fd, _| reactor.register(fd));
        let kept = frame::numbered(0, 1514);
        wire.pair.far.set_token_bucket(&FULL)?;
        for _ in 0..5 {
            assert!(transmit(&mut driver, &kept));
        }
        let settle = |driver: &mut _| -> Result<u32, Stopped> {
            let mut wakes = 0;
            while reactor.wakes(QUIET)? && wakes < 50 {
                wakes += 1;
                // As embassy-net does whenever it is woken.
                assert_eq!(receive(driver), None);
                assert!(driver.link_state(&mut context()) == LinkState::Up);
            }
            Ok(wakes)
        };
        assert_eq!(receive(&mut driver), None);
        let wakes = settle(&mut driver)?;
        assert!(wakes < 50, "{wakes} times with nothing to be done");
        wire.assert_arrive(slice::from_ref(&kept))?;
        // What the bucket kept comes back, and tells that it is time.
        wire.pair.far.remove_token_bucket()?;
        assert!(settle(&mut driver)? > 0, "nobody was woken");
        wire.assert_arrive(&[kept.clone(), kept])
    })
}

fn frames_that_a_queue_of_others_refused_leave_with_a_later_call() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|device| {
        let reactor = Reactor::new()?;
        let mut driver = Driver::new(device, |fd, _| reactor.register(fd));
        wire.pair.far.set_token_bucket(&FULL)?;
        let other = packet_ring_lab::Injector::on(&wire.pair.far)?;
        let others = frame::numbered(100, 1514);
        // The first leaves, and the others fill the queue.
        for _ in 0..3 {
            other.send(&others)?;
        }
        wire.assert_arrive(&[others])?;
        let sent = [frame::numbered(1, 1514), frame::numbered(2, 1514)];
        for sent in &sent {
            assert!(transmit(&mut driver, sent));
        }
        let mut wakes = 0;
        while reactor.wakes(QUIET)? && wakes < 50 {
            wakes += 1;
            assert!(driver.link_state(&mut context()) == LinkState::Up);
        }
        assert!(wakes < 50, "{wakes} times with nothing to be done");
        wire.pair.far.remove_token_bucket()?;
        std::thread::sleep(Duration::from_millis(2));
        assert!(driver.link_state(&mut context()) == LinkState::Up);
        wire.assert_arrive(&sent)
    })
}

fn room_that_comes_while_the_waker_is_left_is_used() -> TestResult {
    let wire = Wire::new()?;
    wire.with_packet(|device| {
        let stuck = Cell::new(false);
        let mut driver = Driver::new(device, |_, _| {
            if stuck.replace(false) {
                wire.pair.far.remove_token_bucket().expect("a bucket");
            }
        });
        let kept = frame::numbered(0, 1514);
        for _ in 0..3 {
            wire.pair.far.set_token_bucket(&FULL)?;
            for _ in 0..5 {
                assert!(transmit(&mut driver, &kept));
            }
            wire.assert_arrive(slice::from_ref(&kept))?;
            stuck.set(true);
            assert!(driver.link_state(&mut context()) == LinkState::Up);
            wire.assert_arrive(&[kept.clone(), kept.clone()])?;
        }
        Ok(())
    })
}

fn a_link_that_changes_while_the_waker_is_left_is_told() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire) -> TestResult {
        // Goes after the look that would have found it up, and wakes nobody.
        let mut driver = Driver::new(device, |_, _| {
            wire.pair.far.set_down().expect("a link");
        });
        assert!(driver.link_state(&mut context()) == LinkState::Down);
        Ok(())
    }
    over_both!(test)
}

fn the_link_wakes_who_asked_for_it() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire) -> TestResult {
        let reactor = Reactor::new()?;
        let mut driver = Driver::new(device, |fd, _| reactor.register(fd));
        let becomes = |driver: &mut _, up| becomes(driver, &reactor, up);
        becomes(&mut driver, true)?;
        for _ in 0..3 {
            for up in [false, true] {
                // A message can be about anything.
                while reactor.wakes(QUIET)? {
                    assert!((driver.link_state(&mut context()) == LinkState::Up) != up);
                }
                if up {
                    wire.pair.set_up()?;
                } else {
                    wire.pair.near.set_down()?;
                }
                assert!(reactor.wakes(PATIENCE)?, "nobody was woken");
                becomes(&mut driver, up)?;
            }
        }
        wire.pair.delete()?;
        becomes(&mut driver, false)
    }
    over_both!(test)
}

fn a_link_that_is_back_wakes_the_stack_and_takes_what_waits() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire) -> TestResult {
        let reactor = Reactor::new()?;
        let mut driver = Driver::new(device, |fd, _| reactor.register(fd));
        let becomes = |driver: &mut _, up| becomes(driver, &reactor, up);
        wire.pair.far.set_down()?;
        let sent: Vec<_> = (0..ROOM as u64)
            .map(|number| frame::numbered(number, 60))
            .collect();
        for sent in &sent {
            assert!(transmit(&mut driver, sent));
        }
        assert!(!transmit(&mut driver, &sent[0]));
        becomes(&mut driver, false)?;
        assert_eq!(driver.device().take_error(), Err(Error::LinkDown));
        wire.pair.set_up()?;
        becomes(&mut driver, true)?;
        // As embassy-net does whenever it is woken.
        while reactor.wakes(QUIET)? {
            assert!(driver.link_state(&mut context()) == LinkState::Up);
        }
        wire.assert_arrive(&sent)
    }
    over_both!(test)
}

fn frames_that_wait_for_a_flush_leave_with_the_question_for_the_link() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire) -> TestResult {
        let mut driver = Driver::new(device.kicks(Kicks::OnFlush), |_, _| ());
        let sent: Vec<_> = (0..ROOM as u64)
            .map(|number| frame::numbered(number, 60))
            .collect();
        for sent in &sent {
            assert!(transmit(&mut driver, sent));
        }
        assert_eq!(wire.witness.receive(QUIET)?, None);
        assert!(driver.link_state(&mut context()) == LinkState::Up);
        wire.assert_arrive(&sent)
    }
    over_both!(test)
}

fn a_stack_is_told_what_the_interface_is() -> TestResult {
    fn test<R: Rings>(device: Device<R>, wire: &Wire) -> TestResult {
        let driver = Driver::new(device, |_, _| ());
        let address = wire.pair.far.facts()?.address;
        assert_eq!(
            driver.hardware_address(),
            HardwareAddress::Ethernet(address)
        );
        let capabilities = driver.capabilities();
        assert_eq!(capabilities.max_transmission_unit, 1514);
        assert!(capabilities.max_burst_size >= Some(60));
        Ok(())
    }
    over_both!(test)
}

suite![
    a_packet_wakes_who_found_none,
    a_packet_that_comes_while_the_waker_is_left_is_not_lost,
    room_wakes_who_found_none,
    a_queue_that_stays_full_does_not_keep_the_stack_awake,
    frames_that_a_queue_of_others_refused_leave_with_a_later_call,
    room_that_comes_while_the_waker_is_left_is_used,
    a_link_that_changes_while_the_waker_is_left_is_told,
    the_link_wakes_who_asked_for_it,
    a_link_that_is_back_wakes_the_stack_and_takes_what_waits,
    frames_that_wait_for_a_flush_leave_with_the_question_for_the_link,
    a_stack_is_told_what_the_interface_is,
];
