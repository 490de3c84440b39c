//! The flags of `replay`, spelled as tcpreplay spells them.

use core::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;

/// Flags of `replay`.
#[derive(Debug, Args)]
#[command(after_help = crate::args::EXIT_CODES)]
pub(crate) struct Replay {
    /// Interface to send on
    #[arg(short, long, value_name = "IFACE")]
    pub(crate) interface: String,

    /// As many bits a second: 500k, 10M, 2.5G; what counts is the packets' own bytes
    #[arg(short, long, value_name = "BITS", value_parser = rate, group = "pace")]
    pub(crate) rate: Option<NonZeroU64>,

    /// As many packets a second
    #[arg(short, long, value_name = "N", value_parser = rate, group = "pace")]
    pub(crate) pps: Option<NonZeroU64>,

    /// As fast as the interface takes them
    #[arg(short, long, group = "pace")]
    pub(crate) topspeed: bool,

    /// Send the file N times; 0 means until SIGINT
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    pub(crate) r#loop: u64,

    /// Stop after COUNT packets
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Give packets to the driver past the interface's queueing discipline
    #[arg(long)]
    pub(crate) bypass_qdisc: bool,

    /// Send by AF_XDP: faster; past the queueing discipline, and past what captures on this interface
    #[arg(long, conflicts_with = "bypass_qdisc")]
    pub(crate) xdp: bool,

    /// With --xdp: by this queue of the interface [default: 0]
    #[arg(long, value_name = "N", requires = "xdp")]
    pub(crate) queue: Option<u32>,

    /// No progress bar
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// pcap or pcapng file; '-' is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// A number with a decimal suffix: `10M` is 10,000,000.
fn rate(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || format!("'{text}' is no number of 1 or more, with k, M or G if wanted");
    let (number, unit) = match text.strip_suffix(['k', 'K', 'M', 'm', 'G', 'g']) {
        None => (text, 1.0),
        Some(number) => match text.as_bytes().last() {
            Some(b'k' | b'K') => (number, 1e3),
            Some(b'm' | b'M') => (number, 1e6),
            _ => (number, 1e9),
        },
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    // A negative or an absurd number ends at 0 or at the largest.
    NonZeroU64::new((number * unit) as u64).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_rate_has_a_decimal_suffix() {
        for (text, value) in [
            ("1", 1),
            ("500k", 500_000),
            ("10M", 10_000_000),
            ("2.5G", 2_500_000_000),
        ] {
            assert_eq!(rate(text).map(u64::from), Ok(value));
        }
        for text in ["0", "-1", "x", "10MB", "", "0.5", "nan"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
