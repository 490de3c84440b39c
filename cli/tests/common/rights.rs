//! Who may load XDP programs, and what the tool says where it may not.

use std::thread;

use packet_ring::xdp::Xskmap;
use packet_ring_lab::is_root_of_the_host;
use packet_ring_lab::suite::Stopped;

use super::{Ended, run};

/// Whether programs may be loaded here. Where not, it is made sure that the tool says why, and the test says so too.
///
/// Root of the host fails where it is refused.
pub(crate) fn may_load<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<bool, Stopped> {
    match Xskmap::create(1) {
        Ok(_) => return Ok(true),
        Err(error) if is_root_of_the_host()? => return Err(error.into()),
        Err(_) => {}
    }
    assert_refused(&run(arguments));
    let test = thread::current();
    let test = test.name().unwrap_or("test");
    println!("WITHOUT CAP_BPF {test}: that it is refused was tested, and no more");
    Ok(false)
}

/// The rights that are missing are named, and the command that gives them.
pub(crate) fn assert_refused(ended: &Ended) {
    let stderr = &ended.stderr;
    assert_eq!(ended.status.code(), Some(3), "{stderr}");
    let line = format!(
        "sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep {}",
        env!("CARGO_BIN_EXE_packet-ring")
    );
    for text in ["CAP_BPF", &line] {
        assert!(stderr.contains(text), "{text}: {stderr}");
    }
}
