//! A terminal of the test's own.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use packet_ring_lab::suite::TestResult;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::PATIENCE;

/// What a terminal was told, as it comes.
pub(crate) struct Screen {
    pieces: Receiver<String>,
    pub(crate) text: String,
}

impl Screen {
    /// A terminal of 120 columns, and the end of it that a program writes to.
    pub(crate) fn new() -> rustix::io::Result<(Self, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let size = Winsize {
            ws_row: 24,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size)?;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let (mut ours, mut bytes) = (File::from(ours), [0; 4096]);
            // EIO ends it: the last program has closed the other end.
            while let Ok(len @ 1..) = ours.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        let text = String::new();
        Ok((Self { pieces, text }, theirs))
    }

    /// Reads on until no program has the terminal any more.
    pub(crate) fn wait_to_the_end(&mut self) {
        self.text.extend(&self.pieces);
    }

    /// Reads on until `text` was told.
    pub(crate) fn wait_for(&mut self, text: &str) -> TestResult {
        let deadline = Instant::now() + PATIENCE;
        while !self.text.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            let piece = self.pieces.recv_timeout(left);
            self.text += &piece.map_err(|error| format!("{error}: {:?}", self.text))?;
        }
        Ok(())
    }
}
