//! Everybody who is measured, a file each; ours and the loops by hand have three: rings to receive, rings to send, and
//! AF_XDP.

mod libpcap;
mod messages;
mod netring;
mod ours;
mod ours_transmit;
mod ours_xdp;
mod raw;
mod raw_transmit;
mod raw_xdp;
mod xdp_crate;
mod xdpilone;

use crate::peer::Peer;

/// Everybody; the loops by hand before all others.
pub(crate) fn everybody() -> Vec<&'static dyn Peer> {
    vec![
        &raw::ByHand,
        &raw::ByHandV2,
        &ours::Ours::Closure,
        &ours::Ours::Iterator,
        &ours::Ours::V2,
        &ours::Ours::Copied,
        &ours::Ours::Sender,
        &netring::V0_11,
        &netring::V0_32,
        &libpcap::Libpcap::Default,
        &libpcap::Libpcap::Large,
        &libpcap::Libpcap::Immediate,
        &messages::Messages,
        &raw_xdp::ByHand,
        &ours_xdp::Ours,
        &netring::XDP_0_11,
        &netring::XDP_0_32,
        &xdp_crate::Xdp,
        &xdpilone::Xdpilone,
    ]
}

/// Of the kernel's interface, which has no version of its own.
fn no_version() -> String {
    "-".into()
}

/// Of the library, as its manifest says.
fn our_version() -> String {
    let manifest = include_str!("../../../../Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \""));
    version
        .map_or("unknown", |version| version.trim_end_matches('"'))
        .into()
}
