//! How the tool ends: one message and one exit code.

use core::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// What a script can tell apart; the numbers are listed in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Runtime = 1,
    Usage = 2,
    NotPermitted = 3,
    Interface = 4,
}

/// A reason to end, told once on standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    pub(crate) fn runtime(message: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Runtime,
            message: message.to_string(),
        }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.to_string(),
        }
    }

    pub(crate) fn interface(message: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Interface,
            message: message.to_string(),
        }
    }

    /// The kernel said EPERM: the message ends with the command that helps.
    pub(crate) fn not_permitted(what: impl fmt::Display) -> Self {
        Self {
            kind: Kind::NotPermitted,
            message: format!("{what}\n{}", permission_advice()),
        }
    }

    /// The same for AF_XDP, whose programs take more rights.
    pub(crate) fn not_permitted_xdp(what: impl fmt::Display) -> Self {
        Self {
            kind: Kind::NotPermitted,
            message: format!(
                "{what}\nGive this program what it takes, once (root of a user namespace cannot have it):\n    {}",
                xdp_setcap_line()
            ),
        }
    }

    /// What was tried, and what the system said.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::runtime(format_args!("{what}: {error}"))
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Prints a line on standard output. A reader that has gone away wants no more, and is no error.
pub(crate) fn say(text: impl fmt::Display) {
    let _gone = writeln!(io::stdout(), "{text}");
}

/// The setcap line for this very executable.
pub(crate) fn setcap_line() -> String {
    setcap_line_of("cap_net_raw")
}

/// The same for what XDP programs and the sockets take.
pub(crate) fn xdp_setcap_line() -> String {
    setcap_line_of("cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon")
}

fn setcap_line_of(capabilities: &str) -> String {
    let path = std::env::current_exe().map_or_else(
        |_| "/path/to/packet-ring".into(),
        |path| path.display().to_string(),
    );
    format!("sudo setcap {capabilities}=ep {}", shell_word(&path))
}

/// What to do about EPERM.
pub(crate) fn permission_advice() -> String {
    format!(
        "That needs CAP_NET_RAW. Give it to this program once:\n    {}",
        setcap_line()
    )
}

/// The path as one word of a shell command.
fn shell_word(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_space_stays_one_word() {
        assert_eq!(shell_word("/usr/bin/packet-ring"), "/usr/bin/packet-ring");
        assert_eq!(shell_word("/home/a b/it's"), r"'/home/a b/it'\''s'");
    }
}
