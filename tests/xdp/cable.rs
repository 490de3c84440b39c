//! A cable with an XDP program at its far end, and a witness behind it.

#![allow(dead_code, reason = "each test file uses its own part")]

use core::time::Duration;

use packet_ring::bpf::{Instruction, Program as Filter, Size, Source, Statement, assemble};
use packet_ring::xdp::{Interface, Program, Redirect, Rejected, Xskmap};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame};

/// Length of a frame, in bytes.
pub(crate) const FRAME: usize = 60;

/// When a test stops hoping: far beyond what a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

const fn only(ether_type: u32) -> [Instruction; 4] {
    assemble([
        Statement::LdAbs(Size::H, 12),
        Statement::Jeq(Source::K(ether_type), 0, 1),
        Statement::RetK(1),
        Statement::RetK(0),
    ])
}

const BARE: [Instruction; 4] = only(frame::ETHERTYPE as u32);
const UDP: [Instruction; 4] = only(0x0800);

/// A program that drops all but the frames of [`frame::numbered`].
pub(crate) fn bare_only(map: &Xskmap) -> Result<Program, Stopped> {
    only_accepting(map, &Filter::new_assert(&BARE))
}

/// A program that drops all but those of [`frame::numbered_udp`].
pub(crate) fn udp_only(map: &Xskmap) -> Result<Program, Stopped> {
    only_accepting(map, &Filter::new_assert(&UDP))
}

/// A program that drops what the filter rejects.
pub(crate) fn only_accepting(map: &Xskmap, filter: &Filter<'_>) -> Result<Program, Stopped> {
    let redirect = Redirect::to(map).filter(filter).rejected(Rejected::Drop);
    Ok(redirect.load()?)
}

pub(crate) struct Cable {
    pub(crate) pair: VethPair,
    pub(crate) injector: Injector,
    pub(crate) witness: Witness,
    /// The far end.
    pub(crate) interface: Interface,
}

impl Cable {
    pub(crate) fn new() -> Result<Self, Stopped> {
        Self::with(&VethOptions::default())
    }

    pub(crate) fn with(options: &VethOptions<'_>) -> Result<Self, Stopped> {
        let pair = VethPair::create(options)?;
        Ok(Self {
            injector: Injector::on(&pair.near)?,
            witness: Witness::on(&pair.far, Sees::Incoming)?,
            interface: Interface::by_index(pair.far.index()?).ok_or("no interface")?,
            pair,
        })
    }

    /// The programs at the far end, in the driver and in the network stack, as rtnetlink tells them.
    pub(crate) fn programs(&self) -> Result<[Option<u32>; 2], Stopped> {
        let facts = self.pair.far.facts()?;
        Ok([facts.native_xdp, facts.generic_xdp])
    }

    /// Sends one frame of each kind, and says which numbers have passed the far end. The frame that ends it
    /// must be among those that pass.
    pub(crate) fn passed(&self, frames: &[Vec<u8>]) -> Result<Vec<u64>, Stopped> {
        let last = frames.last().and_then(|last| frame::number(last));
        // In the native mode veth takes a program up by going down and up.
        self.pair.wait_for_carrier()?;
        self.injector.send_batch(frames)?;
        let mut numbers = Vec::new();
        while numbers.last().copied() != last {
            let seen = self
                .witness
                .receive(PATIENCE)?
                .ok_or("the last frame is missing")?;
            numbers.extend(frame::number(&seen.bytes));
        }
        Ok(numbers)
    }

    /// That UDP passes, or bare frames, and not the other.
    pub(crate) fn assert_passes(&self, udp: bool, bare: bool) -> TestResult {
        let frames = [frame::numbered(1, FRAME), frame::numbered_udp(2, FRAME)];
        let expected: &[u64] = match (udp, bare) {
            (true, true) => &[1, 2],
            (true, false) => &[2],
            (false, true) => &[1],
            (false, false) => return Err("no frame would end it".into()),
        };
        let [first, second] = frames;
        let frames = if udp {
            [first, second]
        } else {
            [second, first]
        };
        assert_eq!(self.passed(&frames)?, expected);
        Ok(())
    }
}
