//! What came of a replay, by the ring and by the interface.

use core::time::Duration;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use crate::exit::Failure;
use crate::interfaces::{self, Interface};

/// How long an interface may take to count what it has sent; some count every second or two.
const COUNTING: Duration = Duration::from_secs(3);

/// What is counted while packets are sent.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Packets that were tried.
    pub(super) handled: u64,
    /// Packets whose frames came back from the interface.
    pub(super) sent: u64,
    /// Packets that are longer than the interface's MTU allows.
    pub(super) too_long: u64,
    /// Packets that the kernel refused for another reason.
    pub(super) refused: u64,
    /// Packets that were never taken because of the interface's end.
    pub(super) recalled: u64,
    /// Packets that the interface took and did not give back.
    pub(super) never_back: u64,
    /// Packets that had been cut when they were captured.
    pub(super) cut: u64,
    /// The interface took nothing more.
    pub(super) stuck: bool,
}

impl Report {
    /// Prints the counts, and makes an exit code of them.
    pub(super) fn end(
        &self,
        interface: &Interface,
        before: u64,
        time: Duration,
        ended: Result<(), Failure>,
    ) -> Result<ExitCode, Failure> {
        let name = &interface.name;
        let counted = self.counted(interface, before);
        let failed = self.too_long + self.refused + self.recalled + self.never_back;
        let seconds = time.as_secs_f64();
        eprintln!(
            "{} sent in {seconds:.6} s, {:.0} a second",
            packets(self.sent),
            self.sent as f64 / seconds
        );
        match counted {
            Some(counted) => eprintln!("{} counted by {name}", packets(counted)),
            None => eprintln!("{name} is gone, and its count with it"),
        }
        eprintln!("{} failed", packets(failed));
        for (count, why) in [
            (
                self.too_long,
                format!("longer than the MTU of {} allows", interface.mtu),
            ),
            (
                self.refused,
                "that the kernel refused: shorter than an Ethernet header".to_owned(),
            ),
            (self.recalled, format!("that {name} did not take")),
            (self.never_back, format!("that {name} did not give back")),
        ] {
            if count > 0 {
                eprintln!("    {count} {why}");
            }
        }
        if self.cut > 0 {
            eprintln!(
                "{} had been cut when captured: sent as far as there was something of them",
                packets(self.cut)
            );
        }
        ended?;
        if self.stuck {
            return Err(Failure::runtime(format_args!(
                "{name} has had no room for seconds"
            )));
        }
        match counted {
            Some(counted) if counted < self.sent => Err(Failure::runtime(format_args!(
                "{name} counted {} fewer than it was given: they were lost on their way out",
                packets(self.sent - counted)
            ))),
            Some(counted) if counted > self.sent => {
                let more = packets(counted - self.sent);
                eprintln!("{name} counted {more} more than these: others send there too");
                self.code(failed)
            }
            _ => self.code(failed),
        }
    }

    fn code(&self, failed: u64) -> Result<ExitCode, Failure> {
        if failed == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        Err(Failure::runtime(format_args!(
            "{failed} of {} could not be sent",
            packets(self.handled)
        )))
    }

    /// What the interface has counted since `before`; waits a while for a count that lags behind.
    fn counted(&self, interface: &Interface, before: u64) -> Option<u64> {
        let began = Instant::now();
        loop {
            let now = interfaces::again(interface).ok()?;
            let counted = now.counted.sent.packets.checked_sub(before)?;
            if counted >= self.sent || began.elapsed() > COUNTING {
                return Some(counted);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn packets(count: u64) -> String {
    match count {
        1 => "1 packet".to_owned(),
        _ => format!("{count} packets"),
    }
}
