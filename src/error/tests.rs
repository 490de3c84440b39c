//! What errors say.

extern crate std;

use super::*;
use std::string::ToString;

fn text(operation: Operation, errno: Errno) -> std::string::String {
    Error::System { operation, errno }.to_string()
}

#[test]
fn a_refused_socket_names_the_setcap_line() {
    let text = text(Operation::OpenSocket, Errno::PERM);
    assert!(text.starts_with("socket(AF_PACKET): EPERM"), "{text}");
    assert!(
        text.contains("sudo setcap cap_net_raw=ep PROGRAM"),
        "{text}"
    );
}

#[test]
fn memory_that_is_not_there_is_named_with_its_size() {
    let bytes = 64 << 20;
    for operation in [Operation::SetRing { bytes }, Operation::MapRing { bytes }] {
        let text = text(operation, Errno::NOMEM);
        assert!(text.contains("67108864 bytes: ENOMEM; "), "{text}");
    }
}

#[test]
fn an_absent_interface_is_named() {
    let text = text(Operation::Bind { interface: 7 }, Errno::NODEV);
    assert_eq!(text, "bind to interface 7: ENODEV; no such interface here");
}

#[test]
fn a_refused_join_says_what_the_members_have_in_common() {
    let differs = text(Operation::JoinFanout, Errno::INVAL);
    assert!(
        differs.starts_with("setsockopt(PACKET_FANOUT): EINVAL; "),
        "{differs}"
    );
    for what in [
        "mode",
        "ignore_outgoing",
        "interface",
        "protocol",
        "maximum",
    ] {
        assert!(differs.contains(what), "{differs}");
    }
    let full = text(Operation::JoinFanout, Errno::NOSPC);
    assert!(full.contains("ENOSPC; the group has as many"), "{full}");
}

#[test]
fn an_unknown_error_number_is_printed() {
    let text = text(Operation::Wait, Errno::from_raw_os_error(133));
    assert_eq!(text, "ppoll: error 133");
}

#[test]
fn an_unsent_frame_is_named_with_what_to_do() {
    let error = Error::unsent(7, Errno::MSGSIZE);
    let text = error.to_string();
    assert!(text.starts_with("frame 7: EMSGSIZE; "), "{text}");
    assert!(text.contains("recall"), "{text}");
    assert_eq!(error.errno(), Some(Errno::MSGSIZE));
}

#[test]
fn link_states_say_what_comes_next() {
    let (down, gone) = (Error::LinkDown.to_string(), Error::LinkGone.to_string());
    assert!(down.contains("again when it is up"), "{down}");
    assert!(gone.contains("rebind"), "{gone}");
}

#[test]
fn only_the_kernels_answers_have_a_number() {
    let errno = Errno::BUSY;
    let operation = Operation::Wait;
    assert_eq!(Error::System { operation, errno }.errno(), Some(errno));
    assert_eq!(Error::LinkDown.errno(), None);
}

#[cfg(feature = "std")]
#[test]
fn std_knows_the_kind_and_keeps_the_text() {
    use std::io::{self, ErrorKind};
    let refused = Error::System {
        operation: Operation::OpenSocket,
        errno: Errno::PERM,
    };
    for (error, kind) in [
        (refused, ErrorKind::PermissionDenied),
        (Error::LinkDown, ErrorKind::NetworkDown),
        (Error::LinkGone, ErrorKind::NotFound),
        (Error::Corrupt, ErrorKind::InvalidData),
        (InvalidGeometry::NoBlocks.into(), ErrorKind::InvalidInput),
    ] {
        let converted = io::Error::from(error);
        assert_eq!(converted.kind(), kind);
        assert_eq!(converted.to_string(), error.to_string());
    }
}

#[test]
fn what_main_prints_of_a_failed_step_is_the_errors_text() {
    let failed = crate::lifecycle::Failed::new(Error::LinkGone, ());
    assert_eq!(std::format!("{failed:?}"), Error::LinkGone.to_string());
}
