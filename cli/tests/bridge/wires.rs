//! Two veth pairs and the bridge between them.

use core::time::Duration;

use packet_ring_lab::{LabError, VethOptions, VethPair};

use crate::common::{Capture, Ended, tool};

pub(crate) const QUIET: Duration = Duration::from_millis(200);

/// `left` and `right` have their near ends at the bridge, and their far ends are where frames come from and go to.
pub(crate) struct Wires {
    pub(crate) left: VethPair,
    pub(crate) right: VethPair,
}

impl Wires {
    pub(crate) fn new() -> Result<Self, LabError> {
        Ok(Self {
            left: VethPair::create(&VethOptions::default())?,
            right: VethPair::create(&VethOptions::default())?,
        })
    }

    /// Starts a bridge over the near ends.
    pub(crate) fn bridge(&self, expression: &[&str]) -> Capture {
        let mut bridge = Capture::spawn(
            tool()
                .args(["bridge", self.left.near.name(), self.right.near.name()])
                .args(expression),
        );
        bridge.wait_for("bridging ");
        bridge
    }

    /// The last counts from left to right, and back: received, forwarded, dropped, failed.
    pub(crate) fn counts(&self, text: &str) -> [[u64; 4]; 2] {
        let [left, right] = [&self.left, &self.right].map(|pair| pair.near.name());
        [(left, right), (right, left)].map(|(from, to)| {
            let line = text
                .lines()
                .rev()
                .find_map(|line| line.strip_prefix(&format!("{from} -> {to}: ")));
            let line = line.unwrap_or_else(|| panic!("no counts: {text}"));
            let mut numbers = line.split(' ').filter_map(|word| word.parse().ok());
            core::array::from_fn(|_| numbers.next().expect("four counts"))
        })
    }
}

/// Ends it as Ctrl-C does, which must succeed.
pub(crate) fn end(bridge: Capture) -> Ended {
    let ended = bridge.interrupt();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    ended
}
