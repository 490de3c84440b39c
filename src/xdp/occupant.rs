//! The program that is attached to an interface, whoever has put it there.

use core::fmt;

use rustix::fd::AsFd;
use rustix::io::Errno;

use super::Interface;
use crate::abi::bpf::NAME_LEN;
use crate::error::{Error, Operation};
use crate::sys::{bpf, rtnetlink};

/// Where an attached program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttachedMode {
    /// In the driver, before the kernel makes an `sk_buff`.
    #[doc(alias = "XDP_ATTACHED_DRV")]
    Native,
    /// In the network stack, on an `sk_buff`.
    #[doc(alias = "XDP_ATTACHED_SKB")]
    Generic,
    /// In the network card.
    #[doc(alias = "XDP_ATTACHED_HW")]
    Hardware,
}

impl fmt::Display for AttachedMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Hardware => "hardware",
        })
    }
}

/// A program that is attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupant {
    id: u32,
    mode: AttachedMode,
    name: [u8; NAME_LEN],
}

impl Occupant {
    /// The XDP program of an interface, if it has one: that in the driver, where others run beside it.
    ///
    /// Asks rtnetlink (`RTM_GETLINK`), which takes no privilege, and then for the program's name
    /// (`bpf(BPF_PROG_GET_FD_BY_ID)`), which takes CAP_SYS_ADMIN: without it there is none. The interface is
    /// one of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`].
    #[doc(alias = "IFLA_XDP")]
    pub fn of(interface: Interface) -> Result<Option<Self>, Error> {
        let there = programs(interface)?;
        let by_mode = [
            (there.native, AttachedMode::Native),
            (there.generic, AttachedMode::Generic),
            (there.hardware, AttachedMode::Hardware),
        ];
        let found = by_mode.into_iter().find(|&(id, _)| id != 0);
        Ok(found.map(|(id, mode)| Self {
            id,
            mode,
            name: name_of(id),
        }))
    }

    /// The kernel's number for the program, as `bpftool prog` shows it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where it runs.
    #[must_use]
    pub fn mode(&self) -> AttachedMode {
        self.mode
    }

    /// What the program is called, at most 15 bytes; `None` where it has no name, or nobody may know it. This
    /// library's are called `packet_ring`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let name = self.name.split(|&byte| byte == 0).next()?;
        let name = core::str::from_utf8(name).ok()?;
        (!name.is_empty()).then_some(name)
    }
}

/// Where on the interface the program with this id runs.
pub(super) fn mode_of(program: u32, interface: Interface) -> Result<Option<AttachedMode>, Error> {
    let there = programs(interface)?;
    Ok(match program {
        id if id == there.native => Some(AttachedMode::Native),
        id if id == there.generic => Some(AttachedMode::Generic),
        id if id == there.hardware => Some(AttachedMode::Hardware),
        _ => None,
    })
}

fn programs(interface: Interface) -> Result<rtnetlink::XdpPrograms, Error> {
    rtnetlink::xdp_programs(interface.index()).map_err(|errno| match errno {
        Errno::NODEV => Error::NoSuchInterface,
        errno => Error::System {
            operation: Operation::QueryXdp,
            errno,
        },
    })
}

fn name_of(id: u32) -> [u8; NAME_LEN] {
    let named = bpf::program_by_id(id).and_then(|program| bpf::xdp_program(program.as_fd()));
    match named {
        Ok(Some((_, name))) => name,
        _ => [0; NAME_LEN],
    }
}
