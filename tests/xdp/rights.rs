//! Who may load programs, and what becomes of the tests where nobody may.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::thread;

use packet_ring::Error;
use packet_ring::xdp::Xskmap;
use packet_ring_lab::is_root_of_the_host;
use packet_ring_lab::suite::Stopped;
use rustix::io::Errno;

/// An XSKMAP for one queue; none for an ordinary user, whose refusal is looked at instead, and said.
///
/// Root of the host fails where it is refused.
pub(crate) fn map() -> Result<Option<Xskmap>, Stopped> {
    let refused = match Xskmap::create(1) {
        Ok(map) => return Ok(Some(map)),
        Err(error) if is_root_of_the_host()? => return Err(error.into()),
        Err(error) => error,
    };
    assert_refused(refused);
    let test = thread::current();
    let test = test.name().unwrap_or("test");
    println!("WITHOUT CAP_BPF {test}: that it is refused was tested, and no more");
    Ok(None)
}

/// The error of a right that is missing, which names it.
pub(crate) fn assert_refused(error: Error) {
    assert_eq!(error.errno(), Some(Errno::PERM), "{error}");
    let text = error.to_string();
    for right in ["CAP_BPF", "CAP_NET_ADMIN", "sudo setcap"] {
        assert!(text.contains(right), "{text}");
    }
}
