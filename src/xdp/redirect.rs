//! What a program of this library does, and loading it.

use core::fmt;

use rustix::fd::AsFd;
use rustix::io::Errno;

use super::translate::{Target, translate, unfiltered};
use super::{Program, Xskmap};
use crate::abi::bpf::{Extended, XDP_DROP, XDP_PASS};
use crate::bpf;
use crate::error::{Error, Operation};
use crate::sys::{self, Scratch};

/// What becomes of the packets that a filter rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// The kernel's network stack gets them, as if there were no program: `XDP_PASS`.
    #[doc(alias = "XDP_PASS")]
    Pass,
    /// Nobody gets them: `XDP_DROP`.
    #[doc(alias = "XDP_DROP")]
    Drop,
}

/// A program to be loaded: it redirects the packets of each queue to the queue's socket in a map.
///
/// Packets of a queue that has no socket there go to the kernel's network stack (`XDP_PASS`).
///
/// ```no_run
/// use packet_ring::bpf::{Instruction, Program as Filter, Size, Source::K, Statement, assemble};
/// use packet_ring::xdp::{AttachMode, Interface, Redirect, Xskmap};
///
/// const ARP: [Instruction; 4] = assemble([
///     Statement::LdAbs(Size::H, 12),
///     Statement::Jeq(K(0x0806), 0, 1),
///     Statement::RetK(1),
///     Statement::RetK(0),
/// ]);
/// # fn main() -> Result<(), packet_ring::Error> {
/// let map = Xskmap::create(1)?;
/// let filter = Filter::new_assert(&ARP);
/// let program = Redirect::to(&map).filter(&filter).load()?;
/// let eth0 = Interface::by_name("eth0")?;
/// // It stays for as long as this lives.
/// let attachment = program.attach(eth0, AttachMode::Either)?;
/// println!("{:?}", attachment.mode()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Redirect<'a> {
    map: &'a Xskmap,
    filter: Option<&'a bpf::Program<'a>>,
    rejected: Rejected,
    fragments: bool,
}

impl<'a> Redirect<'a> {
    /// Redirects every packet.
    #[doc(alias = "bpf_redirect_map")]
    #[must_use]
    pub const fn to(map: &'a Xskmap) -> Self {
        Self {
            map,
            filter: None,
            rejected: Rejected::Pass,
            fragments: false,
        }
    }

    /// Redirects those packets alone that a classic BPF program accepts, which is any value but 0.
    ///
    /// How many bytes it would keep does not matter: sockets get packets whole. As on a packet socket, a load
    /// beyond the packet rejects it. The program sees the Ethernet frame as it came, its network header at
    /// 14. These differ from what a packet socket's filter sees:
    /// - VLAN tags lie in the packet, and [`VlanTag`](bpf::Ancillary::VlanTag) and its like are 0. What
    ///   libpcap compiles for an interface knows of both. A tag that the interface takes out before XDP (see
    ///   `rxvlan` in `ethtool -k`) is seen by nobody here.
    /// - [`Protocol`](bpf::Ancillary::Protocol) is that of the outer header,
    ///   [`Queue`](bpf::Ancillary::Queue) the queue and 1 always.
    /// - Loads reach up to offset 65,531.
    /// - [`Pkttype`](bpf::Ancillary::Pkttype), `Mark`, `Hatype`, `Rxhash`, `PayOffset`, `Nlattr` and
    ///   `NlattrNest` are not known yet: [`Untranslatable::Ancillary`](super::Untranslatable).
    #[must_use]
    pub const fn filter(mut self, filter: &'a bpf::Program<'a>) -> Self {
        self.filter = Some(filter);
        self
    }

    /// What becomes of the packets that the filter rejects: [`Rejected::Pass`] unless it is set.
    #[must_use]
    pub const fn rejected(mut self, rejected: Rejected) -> Self {
        self.rejected = rejected;
        self
    }

    /// Takes packets that lie in several pieces too, as large ones do: `BPF_F_XDP_HAS_FRAGS`, Linux 5.18.
    ///
    /// Without this, native drivers refuse the program where the MTU is too large for one piece (ERANGE).
    /// A filter reads what is behind the first piece as well. A socket gets such packets whole where it was
    /// bound with `XDP_USE_SG` (Linux 6.6), and otherwise they are dropped.
    #[doc(alias = "BPF_F_XDP_HAS_FRAGS")]
    #[must_use]
    pub const fn fragments(mut self) -> Self {
        self.fragments = true;
        self
    }

    /// Translates the filter and loads the program. The program keeps the map.
    ///
    /// `bpf(BPF_PROG_LOAD)`, Linux 5.9, and with a filter `mmap` for as long as it takes; where the verifier refuses it,
    /// both once more for what the verifier says.
    ///
    /// # Errors
    ///
    /// [`LoadError`], of which the [`Error`] is [`Error::Untranslatable`] where the filter asks for what XDP
    /// does not know, and otherwise [`Error::System`]: EPERM without CAP_BPF and CAP_NET_ADMIN, and EACCES
    /// without CAP_PERFMON where the filter loads at an offset that the packet decides, as those for ports
    /// do, or its length; before Linux 5.11 EPERM where RLIMIT_MEMLOCK is too small; E2BIG where the verifier
    /// gives up.
    #[doc(alias = "BPF_PROG_LOAD")]
    // Inlined, so that a program which never filters is linked without the translator.
    #[inline(always)]
    pub fn load(&self) -> Result<Program, LoadError> {
        match self.filter {
            None => load(&unfiltered(self.map.as_fd()), self.fragments),
            Some(filter) => self.load_filtered(filter),
        }
    }

    fn load_filtered(&self, filter: &bpf::Program<'_>) -> Result<Program, LoadError> {
        let target = Target {
            map: self.map.as_fd(),
            rejected: match self.rejected {
                Rejected::Pass => XDP_PASS,
                Rejected::Drop => XDP_DROP,
            },
            fragments: self.fragments,
        };
        load(&translate(filter.instructions(), &target)?, self.fragments)
    }
}

/// How often a load is tried that a signal has cut short.
const TRIES: usize = 5;

/// Bytes for what the verifier says. Pages that it does not reach take no memory.
const LOG: usize = 1 << 20;

fn load(instructions: &[Extended], fragments: bool) -> Result<Program, LoadError> {
    let mut loaded = Err(Errno::AGAIN);
    for _ in 0..TRIES {
        loaded = sys::bpf::load_program(instructions, fragments, &mut []);
        if !matches!(loaded, Err(Errno::AGAIN)) {
            break;
        }
    }
    let errno = match loaded {
        Ok(fd) => return Ok(Program::from_loaded(fd)),
        Err(errno) => errno,
    };
    let operation = Operation::LoadProgram;
    let refused = LoadError::from(Error::System { operation, errno });
    let Ok(mut log) = Scratch::<u8>::new(LOG) else {
        return Err(refused);
    };
    match sys::bpf::load_program(instructions, fragments, &mut log) {
        Ok(fd) => Ok(Program::from_loaded(fd)),
        Err(_) => Err(LoadError {
            log: Some(log),
            ..refused
        }),
    }
}

/// Why a program was not loaded, and what the kernel's verifier says of it.
pub struct LoadError {
    error: Error,
    /// Text up to the first zero.
    log: Option<Scratch<u8>>,
}

impl LoadError {
    /// What was refused, and why. `?` makes this of it as well.
    #[must_use]
    pub fn error(&self) -> Error {
        self.error
    }

    /// What the verifier says, which can be a megabyte of lines; empty where it was not asked.
    #[must_use]
    pub fn log(&self) -> &str {
        let text = self.log.as_deref().unwrap_or_default();
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        // The kernel cuts a long text where it likes, but writes ASCII.
        core::str::from_utf8(text).unwrap_or_default()
    }

    /// The line of the log that gives the reason: the last but for the counts that end it.
    fn reason(&self) -> Option<&str> {
        let mut lines = self.log().lines().rev();
        lines.find(|line| !line.is_empty() && !line.starts_with("processed "))
    }
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        Self { error, log: None }
    }
}

impl From<LoadError> for Error {
    fn from(refused: LoadError) -> Self {
        refused.error
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        match self.reason() {
            Some(reason) => write!(f, "; the verifier: {reason}"),
            None => Ok(()),
        }
    }
}

/// The same text: it is what `main` prints of an error that it returns.
impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for LoadError {}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::abi::bpf::Register;
    use std::string::ToString;

    /// Needs the right to load programs; without it the same call says which right that is.
    #[test]
    fn what_the_verifier_says_is_in_the_error() {
        // A program that ends without a verdict.
        let exit = Extended::new(0x95, Register::R0, Register::R0, 0, 0);
        let refused = load(&[exit], false).map(drop).unwrap_err();
        let text = refused.to_string();
        let errno = refused.error().errno().expect("the kernel was asked");
        if errno == Errno::PERM {
            assert!(text.contains("CAP_BPF"), "{text}");
            return;
        }
        assert_eq!(errno, Errno::ACCESS);
        assert!(refused.log().contains("R0 !read_ok"), "{}", refused.log());
        assert!(text.ends_with("the verifier: R0 !read_ok"), "{text}");
    }
}
