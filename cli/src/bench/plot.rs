//! The plot: for each measurement two bars, as long as their medians are of AF_PACKET's.

use core::fmt::Write;

use super::report::{Report, median};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 150.0;
const BAR: f64 = 22.0;
const GROUP: f64 = 70.0;
const TOP: f64 = 50.0;

/// An SVG image.
pub(super) fn svg(report: &Report) -> String {
    let height = TOP + GROUP * report.measurements.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\">Nanoseconds a packet of 64 bytes over veth: shorter is better</text>\n"
    );
    let medians = report.measurements.iter().flat_map(|measured| {
        let packet = median(&measured.af_packet)?;
        Some(median(&measured.af_xdp).map_or(1.0, |xdp| (xdp / packet).max(1.0)))
    });
    let longest = medians.fold(1.0, f64::max);
    for (number, measured) in report.measurements.iter().enumerate() {
        let top = TOP + GROUP * number as f64;
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\">{}</text>",
            top + BAR + 4.0,
            measured.name
        );
        let packet = median(&measured.af_packet);
        let bars = [
            ("AF_PACKET", packet, "#8a8a8a"),
            ("AF_XDP", median(&measured.af_xdp), "#2b6cb0"),
        ];
        for (row, (name, value, colour)) in bars.into_iter().enumerate() {
            let (Some(value), Some(packet)) = (value, packet) else {
                continue;
            };
            let y = top + (BAR + 2.0) * row as f64;
            let width = value / packet / longest * (WIDTH - LEFT - RIGHT);
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.0}\">{name} {value:.0} ns</text>",
                LEFT + width + 6.0,
                y + BAR - 6.0
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}
