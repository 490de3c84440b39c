//! Times as tcpdump prints them, without an allocation a packet.

use core::time::Duration;
use std::io::{self, Write};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Which time stands before a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// The local time of day.
    TimeOfDay,
    /// `-t`: no time.
    Nothing,
    /// `-tt`: seconds since 1970.
    Seconds,
    /// `-ttt`: since the packet before.
    Delta,
    /// `-tttt`: local date and time.
    Date,
}

/// Turns the kernel's times into text.
#[derive(Debug)]
pub(crate) struct Clock {
    style: Style,
    zone: TimeZone,
    previous: Option<Duration>,
}

impl Clock {
    /// A clock of this machine's time zone.
    pub(crate) fn new(style: Style) -> Self {
        Self::in_zone(style, TimeZone::system())
    }

    pub(crate) fn in_zone(style: Style, zone: TimeZone) -> Self {
        Self {
            style,
            zone,
            previous: None,
        }
    }

    /// Writes the time and a blank, or nothing with `-t`.
    pub(crate) fn write(&mut self, out: &mut impl Write, time: Duration) -> io::Result<()> {
        let microseconds = time.subsec_micros();
        match self.style {
            Style::Nothing => Ok(()),
            Style::Seconds => write!(out, "{}.{microseconds:06} ", time.as_secs()),
            Style::Delta => {
                let previous = self.previous.replace(time).unwrap_or(time);
                let sign = if time < previous { '-' } else { ' ' };
                let delta = time.abs_diff(previous);
                let (seconds, microseconds) = (delta.as_secs(), delta.subsec_micros());
                let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                write!(
                    out,
                    "{sign}{hours:02}:{minutes:02}:{seconds:02}.{microseconds:06} "
                )
            }
            Style::TimeOfDay => time_of_day(out, self.local(time), microseconds),
            Style::Date => {
                let local = self.local(time);
                write!(
                    out,
                    "{:04}-{:02}-{:02} ",
                    local.year(),
                    local.month(),
                    local.day()
                )?;
                time_of_day(out, local, microseconds)
            }
        }
    }

    fn local(&self, time: Duration) -> DateTime {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.zone
            .to_datetime(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }
}

fn time_of_day(out: &mut impl Write, local: DateTime, microseconds: u32) -> io::Result<()> {
    write!(
        out,
        "{:02}:{:02}:{:02}.{microseconds:06} ",
        local.hour(),
        local.minute(),
        local.second()
    )
}

/// The local time as dumpcap puts it into file names: YYYYMMDDHHMMSS.
pub(crate) fn for_file_names() -> String {
    Zoned::now().strftime("%Y%m%d%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(style: Style, times: &[Duration]) -> String {
        let mut clock = Clock::in_zone(style, TimeZone::fixed(jiff::tz::offset(2)));
        let mut out = Vec::new();
        for &time in times {
            clock.write(&mut out, time).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_style_as_tcpdump_prints_it() {
        let time = Duration::new(1_709_251_199, 123_456_789);
        assert_eq!(text(Style::TimeOfDay, &[time]), "01:59:59.123456 ");
        assert_eq!(text(Style::Nothing, &[time]), "");
        assert_eq!(text(Style::Seconds, &[time]), "1709251199.123456 ");
        assert_eq!(text(Style::Date, &[time]), "2024-03-01 01:59:59.123456 ");
        let later = time + Duration::from_millis(3_661_500);
        assert_eq!(
            text(Style::Delta, &[time, later, time]),
            " 00:00:00.000000  01:01:01.500000 -01:01:01.500000 "
        );
    }

    #[test]
    fn no_time_is_too_late() {
        text(Style::Date, &[Duration::MAX]);
    }
}
