//! A tap: an interface whose other end is this process, which says of each frame what is left to be
//! done to it, as a virtual machine does.

#![allow(unsafe_code)]

use std::io::IoSlice;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, writev};
use rustix::ioctl::{Opcode, Updater, ioctl};

use crate::{LabError, Link};

/// From linux/if_tun.h.
const TUNSETIFF: Opcode = 0x4004_54ca;
const IFF_TAP: u16 = 0x2;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;

/// A tap that is up, with a `struct virtio_net_hdr` before each frame that it is given. It goes when
/// this is dropped.
#[derive(Debug)]
#[doc(alias = "tun")]
pub struct Tap {
    fd: OwnedFd,
    /// The interface.
    pub link: Link,
}

/// `struct ifreq` with the flags of its union, whose longest member is 24 bytes on 64-bit kernels.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    rest_of_union: [u16; 11],
}

impl Tap {
    /// Makes the tap `name` in the calling thread's namespace.
    ///
    /// # Errors
    /// `EACCES` where this user may not open `/dev/net/tun`, `ENOENT` where there is none.
    #[doc(alias = "TUNSETIFF")]
    pub fn create(name: &str) -> Result<Self, LabError> {
        let link = Link::named(name)?;
        link.must_be_ours()?;
        let mut request = Request {
            name: [0; 16],
            flags: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
            rest_of_union: [0; 11],
        };
        let doing = LabError::doing("make a tap");
        // The last byte stays 0, the end of the string.
        request.name[..15]
            .get_mut(..name.len())
            .ok_or_else(|| doing(Errno::NAMETOOLONG))?
            .copy_from_slice(name.as_bytes());
        let fd = open(
            "/dev/net/tun",
            OFlags::RDWR | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(LabError::doing("open /dev/net/tun"))?;
        // SAFETY: TUNSETIFF takes a `struct ifreq`, which `Request` is in layout and size.
        let update = unsafe { Updater::<TUNSETIFF, Request>::new(&mut request) };
        // SAFETY: the kernel reads and writes the structure alone, which outlives the call.
        unsafe { ioctl(&fd, update) }.map_err(doing)?;
        link.set_up()?;
        Ok(Self { fd, link })
    }

    /// Has the interface receive `frame`, with this `struct virtio_net_hdr` before it. The kernel has
    /// shown it to packet sockets when this returns.
    ///
    /// # Errors
    /// `EINVAL` for a header that the kernel cannot make sense of.
    pub fn receive(&self, vnet_header: &[u8; 10], frame: &[u8]) -> Result<(), LabError> {
        let parts = [IoSlice::new(vnet_header), IoSlice::new(frame)];
        let doing = LabError::doing("have a tap receive a frame");
        let written = writev(&self.fd, &parts).map_err(&doing)?;
        if written == vnet_header.len() + frame.len() {
            Ok(())
        } else {
            Err(doing(Errno::MSGSIZE))
        }
    }
}
