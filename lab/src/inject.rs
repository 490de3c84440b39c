//! Sending: a plain packet socket that puts frames on an interface.

use core::ops::Range;
use core::time::Duration;
use std::io::IoSlice;
use std::thread;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags};

use crate::{LabError, Link, frame, raw};

/// Frames handed to the kernel in one sendmmsg(2).
const BATCH: usize = 64;

/// How long to leave a full receiver alone before the same frame is tried again.
const BACK_OFF: Duration = Duration::from_micros(50);

/// A raw packet socket that sends on one interface and receives nothing.
///
/// On a veth, a frame that was taken is in the other end's receive path: where the other end has no
/// room the kernel says `ENOBUFS` and the same frame is tried again. So nothing is lost before the
/// receiver; the interface counts each refusal in `tx_dropped`.
#[derive(Debug)]
pub struct Injector {
    fd: OwnedFd,
}

impl Injector {
    /// A socket in the interface's namespace, bound to it. The calling thread may be in another.
    pub fn on(link: &Link) -> Result<Self, LabError> {
        raw::open(link, raw::NO_PROTOCOL).map(|fd| Self { fd })
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// `ENETDOWN` or `ENXIO` when the interface is down or gone; `EMSGSIZE` for a frame above its
    /// MTU.
    pub fn send(&self, frame: &[u8]) -> Result<(), LabError> {
        self.send_batch(&[frame])
    }

    /// Sends all frames, in order, in as few system calls as it takes (sendmmsg(2)).
    ///
    /// # Errors
    /// As [`send`](Self::send); the frames before the refused one are out then.
    #[doc(alias = "sendmmsg")]
    pub fn send_batch(&self, frames: &[impl AsRef<[u8]>]) -> Result<(), LabError> {
        frames.chunks(BATCH).try_for_each(|batch| {
            let mut sent = 0;
            while sent < batch.len() {
                match self.send_some(&batch[sent..]) {
                    Ok(count) => sent += count,
                    Err(Errno::NOBUFS) => thread::sleep(BACK_OFF),
                    Err(Errno::INTR) => {}
                    Err(errno) => {
                        return Err(LabError::System {
                            doing: "send a frame",
                            errno,
                        });
                    }
                }
            }
            Ok(())
        })
    }

    /// Sends copies of `template` with these numbers, as fast as the kernel takes them, and returns
    /// how many it took.
    ///
    /// It takes all of them, unless the interface goes down or away: then the count tells how far
    /// it got.
    ///
    /// # Panics
    /// When `template` is not a frame of [`frame`].
    pub fn flood(&self, template: &[u8], numbers: Range<u64>) -> u64 {
        let first = numbers.start;
        let mut next = numbers.start;
        let mut frames = vec![template.to_vec(); BATCH];
        while next < numbers.end {
            let count = usize::try_from(numbers.end - next).map_or(BATCH, |left| left.min(BATCH));
            for (frame, number) in frames[..count].iter_mut().zip(next..) {
                frame::renumber(frame, number);
            }
            match self.send_some(&frames[..count]) {
                Ok(sent) => next += sent as u64,
                Err(Errno::NOBUFS) => thread::sleep(BACK_OFF),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        next - first
    }

    /// One sendmmsg(2) of at most [`BATCH`] frames. It stops at the first refused frame, and errs
    /// if that is the first.
    fn send_some(&self, frames: &[impl AsRef<[u8]>]) -> Result<usize, Errno> {
        let slices: Vec<_> = frames
            .iter()
            .map(|frame| [IoSlice::new(frame.as_ref())])
            .collect();
        let mut no_control: Vec<_> = frames
            .iter()
            .map(|_| SendAncillaryBuffer::default())
            .collect();
        let mut messages: Vec<_> = slices
            .iter()
            .zip(&mut no_control)
            .map(|(slice, control)| MMsgHdr::new(slice, control))
            .collect();
        rustix::net::sendmmsg(&self.fd, &mut messages, SendFlags::empty())
    }
}
