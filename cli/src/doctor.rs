//! `packet-ring doctor`: what this machine and this user can do, tried rather than guessed, and how to get the rest.

mod xdp;

use core::fmt::Display;
use std::process::ExitCode;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::exit::{Failure, Kind, say, setcap_line};
use crate::filter::{Compiler, Missing};
use crate::interfaces::{self, Interface};

/// Major and minor.
type Version = (u32, u32);

/// What needs which kernel.
const FEATURES: [(Version, &str); 3] = [
    ((3, 2), "TPACKET_V3 receive rings"),
    ((3, 19), "one wake-up a block, not a packet"),
    ((4, 20), "leaving out what this machine sends (-Q in)"),
];

/// Prints the findings; the exit code says whether this user can capture here.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let permission = try_to_open();
    kernel();
    match permission {
        Ok(()) => finding("capture", "yes: this user may open packet sockets"),
        Err(Errno::PERM | Errno::ACCESS) => {
            finding(
                "capture",
                "no: that needs CAP_NET_RAW. Give it to this program once:",
            );
            finding("", format_args!("    {}", setcap_line()));
            finding(
                "",
                "Promiscuous mode needs no more than that; CAP_NET_ADMIN is not needed.",
            );
        }
        Err(Errno::AFNOSUPPORT) => finding(
            "capture",
            "no: this kernel has no packet sockets (CONFIG_PACKET)",
        ),
        Err(errno) => finding("capture", format_args!("no: {errno}")),
    }
    match Compiler::load() {
        Ok(compiler) => finding("filters", format_args!("yes: {}", compiler.version())),
        Err(Missing) => finding("filters", format_args!("no: {}", Missing::ADVICE)),
    }
    xdp::run(kernel_version());
    for interface in interfaces::list()? {
        can_be_captured(&interface, permission.is_ok());
        if let Some(text) = xdp::interface(&interface) {
            finding("", text);
        }
    }
    // Last, because it leaves this network namespace for a new one.
    match packet_ring_lab::enter() {
        Ok(_) => finding("demo", "yes: this user may have network namespaces"),
        Err(error) => finding("demo", format_args!("no: {error}")),
    }
    let code = if permission.is_ok() {
        0
    } else {
        Kind::NotPermitted as u8
    };
    Ok(ExitCode::from(code))
}

/// Prints the interfaces of this namespace, one a line: `-D` prints the same.
pub(crate) fn list_interfaces(permitted: bool) -> Result<(), Failure> {
    for interface in interfaces::list()? {
        can_be_captured(&interface, permitted);
    }
    Ok(())
}

fn can_be_captured(interface: &Interface, permitted: bool) {
    let can = match (interface.link_type(), permitted) {
        (None, _) => format!(
            "cannot be captured: its link layer is {}",
            interface.layer()
        ),
        (Some(_), false) => "not permitted".to_owned(),
        (Some(_), true) if interface.is_up() => "can be captured".to_owned(),
        (Some(_), true) => "can be captured once it is up".to_owned(),
    };
    finding(
        "interface",
        format_args!("{} ({}): {can}", interface.name, interface.state()),
    );
}

/// Whether this process may open a packet socket. Protocol 0: not one packet arrives at it.
pub(crate) fn try_to_open() -> Result<(), Errno> {
    rustix::net::socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .map(drop)
}

fn kernel() {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let page_size = rustix::param::page_size();
    finding(
        "kernel",
        format_args!(
            "Linux {release} ({}), pages of {page_size} bytes",
            uname.machine().to_string_lossy()
        ),
    );
    let version = version(&release);
    if version.is_none() {
        finding(
            "",
            "its version cannot be read, so its features are not known",
        );
    }
    features(version, &FEATURES);
}

/// Says which of these the kernel has.
fn features(version: Option<Version>, features: &[(Version, &str)]) {
    let Some(version) = version else {
        return;
    };
    for &(since, feature) in features {
        let has = if version >= since { "yes" } else { "no" };
        finding(
            "",
            format_args!("{has}: {feature} (since {}.{})", since.0, since.1),
        );
    }
}

/// Major and minor of the kernel that runs; `None` where its release cannot be read.
pub(crate) fn kernel_version() -> Option<Version> {
    version(&rustix::system::uname().release().to_string_lossy())
}

/// Major and minor of a release such as 6.18.44-rc1.
fn version(release: &str) -> Option<Version> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    Some((next()?, next()?))
}

fn finding(what: &str, text: impl Display) {
    say(format_args!("{what:12}{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(version("4.9-rc1"), Some((4, 9)));
        assert_eq!(version("next"), None);
        assert!(version("4.9") < version("4.20"));
    }
}
