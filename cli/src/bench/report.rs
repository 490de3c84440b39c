//! What was measured, as a table and as JSON.

use core::fmt;

use serde::Serialize;

/// All of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Packets of each measurement.
    pub(super) packets: u64,
    /// Why AF_XDP was not measured where it needs a program.
    pub(super) refused: Option<String>,
    pub(super) measurements: Vec<Measurement>,
}

/// One figure, measured in every run, in nanoseconds.
#[derive(Debug, Serialize)]
pub(super) struct Measurement {
    pub(super) name: &'static str,
    pub(super) af_packet: Vec<f64>,
    pub(super) af_xdp: Vec<f64>,
}

impl Measurement {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            af_packet: Vec::new(),
            af_xdp: Vec::new(),
        }
    }

    /// AF_XDP's figure over AF_PACKET's, run by run, from the least to the most.
    pub(super) fn ratios(&self) -> Vec<f64> {
        let pairs = self.af_xdp.iter().zip(&self.af_packet);
        let mut ratios: Vec<f64> = pairs.map(|(xdp, packet)| xdp / packet).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

/// `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure =
            |values: &[f64]| median(values).map_or("-".to_owned(), |value| format!("{value:.0}"));
        write!(
            f,
            "ns a packet   AF_PACKET     AF_XDP      ratio (least to most)"
        )?;
        for measured in &self.measurements {
            let ratios = measured.ratios();
            let ratio = match (ratios.first(), median(&ratios), ratios.last()) {
                (Some(least), Some(median), Some(most)) => {
                    format!("{median:.2} ({least:.2} to {most:.2})")
                }
                _ => "-".to_owned(),
            };
            write!(
                f,
                "\n{:12} {:>10} {:>10} {ratio:>26}",
                measured.name,
                figure(&measured.af_packet),
                figure(&measured.af_xdp),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_one_run() {
        let measured = Measurement {
            name: "rx",
            af_packet: vec![100.0, 200.0, 400.0],
            af_xdp: vec![50.0, 50.0, 400.0],
        };
        assert_eq!(measured.ratios(), [0.25, 0.5, 1.0]);
        let none = Measurement::new("rx");
        assert_eq!(median(&none.ratios()), None);
        let report = Report {
            packets: 1,
            refused: None,
            measurements: vec![measured, none],
        };
        let text = report.to_string();
        assert!(text.contains("0.50 (0.25 to 1.00)"), "{text}");
    }
}
