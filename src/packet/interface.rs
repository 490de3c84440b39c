//! Naming an interface.

use core::num::NonZeroU32;

use rustix::io::Errno;

use crate::error::{Error, Operation};
use crate::sys;

/// A network interface, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interface(NonZeroU32);

impl Interface {
    /// The interface with this name, in the network namespace of the calling thread.
    ///
    /// `ioctl(SIOCGIFINDEX)` on a socket that is opened and closed for it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`].
    #[doc(alias = "if_nametoindex")]
    pub fn by_name(name: &str) -> Result<Self, Error> {
        // The kernel reads 15 bytes and stops at a zero: a longer name would find another interface.
        if name.is_empty() || name.len() > 15 || name.contains('\0') {
            return Err(Error::NoSuchInterface);
        }
        match sys::name_to_index(name) {
            Ok(index) => Self::by_index(index).ok_or(Error::NoSuchInterface),
            Err(Errno::NODEV) => Err(Error::NoSuchInterface),
            Err(errno) => Err(Error::System {
                operation: Operation::FindInterface,
                errno,
            }),
        }
    }

    /// The interface with this index; `None` for zero and for what the kernel cannot number.
    #[must_use]
    pub const fn by_index(index: u32) -> Option<Self> {
        match NonZeroU32::new(index) {
            Some(index) if index.get() <= i32::MAX as u32 => Some(Self(index)),
            _ => None,
        }
    }

    /// The interface's index, from 1.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0.get()
    }

    /// The index as the kernel's structures hold it.
    pub(super) const fn raw(self) -> i32 {
        self.0.get().cast_signed()
    }
}
