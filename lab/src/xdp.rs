//! Which XDP program an interface runs, as the kernel tells everybody, and having it run one.

use netlink_packet_route::link::{LinkAttribute, LinkXdp, XdpAttached};

use rustix::fd::{AsFd, AsRawFd, RawFd};

use crate::{LabError, Link};

/// How an XDP program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum XdpMode {
    /// In the driver: native.
    Driver,
    /// In the kernel's stack: generic.
    Generic,
    /// In the device.
    Hardware,
    /// In more than one of these.
    Several,
}

/// The XDP program that an interface runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "IFLA_XDP")]
pub struct XdpAttachment {
    /// Where it runs.
    pub mode: XdpMode,
    /// The program's number; `None` where there are several.
    pub program: Option<u32>,
}

impl Link {
    /// The XDP program that the interface runs (`IFLA_XDP`).
    ///
    /// # Errors
    /// [`LabError::NoSuchInterface`] when it is gone.
    pub fn xdp(&self) -> Result<Option<XdpAttachment>, LabError> {
        let answer = self.answer()?;
        let told = answer
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                LinkAttribute::Xdp(told) => Some(told.as_slice()),
                _ => None,
            });
        let told = told.unwrap_or_default();
        let attached = told.iter().find_map(|attribute| match attribute {
            LinkXdp::Attached(attached) => Some(attached),
            _ => None,
        });
        let mode = match attached {
            None | Some(XdpAttached::None) => return Ok(None),
            Some(XdpAttached::Driver) => XdpMode::Driver,
            Some(XdpAttached::SocketBuffer) => XdpMode::Generic,
            Some(XdpAttached::Hardware) => XdpMode::Hardware,
            Some(XdpAttached::Multiple) => XdpMode::Several,
            Some(other) => return Err(LabError::Unreadable(format!("{other:?}"))),
        };
        let program = told.iter().find_map(|attribute| match attribute {
            LinkXdp::ProgId(number) => Some(*number),
            _ => None,
        });
        Ok(Some(XdpAttachment { mode, program }))
    }

    /// Attaches an XDP program without a `bpf_link`, as `ip link set xdp` does: it stays until it is
    /// detached or the interface goes. One that is there in this mode is replaced.
    ///
    /// # Errors
    /// `EBUSY` where a `bpf_link` sits there; `ERANGE` where the MTU is too large for the program.
    pub fn attach_xdp(&self, program: impl AsFd, mode: XdpMode) -> Result<(), LabError> {
        self.set_xdp(program.as_fd().as_raw_fd(), mode)
    }

    /// Takes the program away that [`attach_xdp`](Self::attach_xdp) has attached in this mode.
    pub fn detach_xdp(&self, mode: XdpMode) -> Result<(), LabError> {
        self.set_xdp(-1, mode)
    }

    fn set_xdp(&self, program: RawFd, mode: XdpMode) -> Result<(), LabError> {
        // `XDP_FLAGS_*` of linux/if_link.h.
        let flags = match mode {
            XdpMode::Generic => 2,
            XdpMode::Driver => 4,
            XdpMode::Hardware => 8,
            XdpMode::Several => 0,
        };
        let request = vec![LinkXdp::Fd(program), LinkXdp::Flags(flags)];
        self.change(
            "attach an XDP program to the interface",
            self.message([LinkAttribute::Xdp(request)]),
        )
    }
}
