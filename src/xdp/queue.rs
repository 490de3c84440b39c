//! What a socket is bound to, and how.

use super::Interface;
use crate::sys::BindFlags;

/// A queue of an interface, and how a socket is to use it.
#[doc(alias = "sockaddr_xdp")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    interface: Interface,
    index: u32,
    copies: Copies,
    wakeup: bool,
    multi_buffer: bool,
}

/// Whether the kernel copies packets between the driver's memory and the UMEM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copies {
    /// Where the driver cannot do without. What it came to, [`Socket::is_zero_copy`](super::Socket::is_zero_copy)
    /// tells.
    #[default]
    WhereNeeded,
    /// Always: works with every driver. `XDP_COPY`.
    #[doc(alias = "XDP_COPY")]
    Always,
    /// Never: where the driver cannot do without, the socket is not bound (EOPNOTSUPP). `XDP_ZEROCOPY`.
    ///
    /// Untested: no driver that can was at hand.
    #[doc(alias = "XDP_ZEROCOPY")]
    Never,
}

impl Queue {
    /// This queue, numbered from 0; copies where needed, single-buffer packets, and wake-ups on demand.
    #[must_use]
    pub const fn new(interface: Interface, index: u32) -> Self {
        Self {
            interface,
            index,
            copies: Copies::WhereNeeded,
            wakeup: true,
            multi_buffer: false,
        }
    }

    /// Sets whether the kernel copies packets.
    #[must_use]
    pub const fn copies(mut self, copies: Copies) -> Self {
        self.copies = copies;
        self
    }

    /// Lets packets come in several frames, where they are larger than one. `XDP_USE_SG`, Linux 6.6.
    ///
    /// Without it the kernel drops them. To receive them from a driver, the XDP program must be for such packets
    /// too.
    #[doc(alias = "XDP_USE_SG")]
    #[must_use]
    pub const fn multi_buffer(mut self) -> Self {
        self.multi_buffer = true;
        self
    }

    /// Has the kernel not say whether it must be woken: every batch is followed by a system call. Without
    /// `XDP_USE_NEED_WAKEUP`.
    #[doc(alias = "XDP_USE_NEED_WAKEUP")]
    #[must_use]
    pub const fn always_wake(mut self) -> Self {
        self.wakeup = false;
        self
    }

    /// The interface.
    #[must_use]
    pub const fn interface(self) -> Interface {
        self.interface
    }

    /// The queue's number.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    pub(super) const fn is_multi_buffer(self) -> bool {
        self.multi_buffer
    }

    pub(super) const fn tells_wakeup(self) -> bool {
        self.wakeup
    }

    pub(super) fn flags(self) -> BindFlags {
        BindFlags {
            copy: self.copies == Copies::Always,
            zero_copy: self.copies == Copies::Never,
            need_wakeup: self.wakeup,
            multi_buffer: self.multi_buffer,
        }
    }
}
