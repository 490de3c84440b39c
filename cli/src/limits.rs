//! When a capture stops (`-c`, `-a`) and when it goes to its next file (`-b`): dumpcap's conditions in dumpcap's units.

use core::num::NonZeroU64;
use core::str::FromStr;
use core::time::Duration;

use crate::exit::Failure;

/// dumpcap counts file sizes in units of 1000 bytes.
const KILOBYTE: u64 = 1000;

/// One `-a` or one `-b`: both have the same four.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Condition {
    Duration(Duration),
    Packets(NonZeroU64),
    /// In bytes.
    FileSize(u64),
    Files(NonZeroU64),
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| format!("'{text}' has no ':', as in duration:10"))?;
        match name {
            "duration" => seconds(value).map(Self::Duration),
            "packets" => number(value).map(Self::Packets),
            "filesize" => bytes(value).map(Self::FileSize),
            "files" => number(value).map(Self::Files),
            _ => Err(format!(
                "'{name}' is none of duration, packets, filesize, files"
            )),
        }
    }
}

/// A duration in seconds, with a fraction if wanted.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a number of seconds above 0");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(wrong)
}

fn number(text: &str) -> Result<NonZeroU64, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is not a number above 0"))
}

fn bytes(text: &str) -> Result<u64, String> {
    let kilobytes = number(text)?.get();
    kilobytes
        .checked_mul(KILOBYTE)
        .ok_or_else(|| format!("'{text}' kB is more than a file can hold"))
}

/// When the whole capture ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stop {
    pub(crate) packets: Option<u64>,
    pub(crate) duration: Option<Duration>,
    /// Size in bytes of the file being written.
    pub(crate) file_size: Option<u64>,
    pub(crate) files: Option<u64>,
}

impl Stop {
    /// `-c` and every `-a`; where one is given twice, the smaller holds.
    pub(crate) fn new(count: Option<u64>, conditions: &[Condition]) -> Self {
        let mut stop = Self {
            packets: count,
            ..Self::default()
        };
        for &condition in conditions {
            match condition {
                Condition::Duration(duration) => lower(&mut stop.duration, duration),
                Condition::Packets(packets) => lower(&mut stop.packets, packets.get()),
                Condition::FileSize(size) => lower(&mut stop.file_size, size),
                Condition::Files(files) => lower(&mut stop.files, files.get()),
            }
        }
        stop
    }
}

/// When one file ends and the next begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rotation {
    pub(crate) packets: Option<u64>,
    pub(crate) duration: Option<Duration>,
    /// In bytes.
    pub(crate) file_size: Option<u64>,
    /// How many files stay: the oldest is deleted when one more would be written.
    pub(crate) keep: Option<u64>,
}

impl Rotation {
    /// Every `-b`, or `None` without any.
    pub(crate) fn new(options: &[Condition]) -> Result<Option<Self>, Failure> {
        let mut rotation = Self::default();
        for &option in options {
            match option {
                Condition::Duration(duration) => lower(&mut rotation.duration, duration),
                Condition::Packets(packets) => lower(&mut rotation.packets, packets.get()),
                Condition::FileSize(size) => lower(&mut rotation.file_size, size),
                Condition::Files(files) => lower(&mut rotation.keep, files.get()),
            }
        }
        let switches = rotation.packets.is_some()
            || rotation.duration.is_some()
            || rotation.file_size.is_some();
        match (options.is_empty(), switches) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some(rotation)),
            (false, false) => Err(Failure::usage(
                "-b files:N says how many files to keep, not when a file ends: add -b duration:, filesize: or packets:",
            )),
        }
    }
}

fn lower<T: PartialOrd>(slot: &mut Option<T>, value: T) {
    if slot.as_ref().is_none_or(|held| value < *held) {
        *slot = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_size_is_in_units_of_1000_bytes() {
        assert_eq!("filesize:3".parse(), Ok(Condition::FileSize(3000)));
    }

    #[test]
    fn a_duration_may_have_a_fraction() {
        assert_eq!(
            "duration:0.25".parse(),
            Ok(Condition::Duration(Duration::from_millis(250)))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "packets",
            "packets:",
            "packets:0",
            "packets:-1",
            "duration:0",
            "duration:nan",
            "duration:inf",
            "size:3",
            "filesize:99999999999999999999",
        ] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_smaller_of_two_counts_holds() {
        let conditions = ["packets:7".parse().unwrap(), "packets:9".parse().unwrap()];
        assert_eq!(Stop::new(Some(8), &conditions).packets, Some(7));
        assert_eq!(Stop::new(Some(6), &conditions).packets, Some(6));
    }

    #[test]
    fn a_number_of_files_alone_does_not_say_when_a_file_ends() {
        assert!(Rotation::new(&["files:3".parse().unwrap()]).is_err());
        assert_eq!(Rotation::new(&[]).unwrap(), None);
    }
}
