//! Descriptors by number, for executors that ask for them so: tokio's `AsyncFd`, mio's `SourceFd`.

use rustix::fd::{AsFd, AsRawFd, RawFd};

use crate::edge_triggered::EdgeTriggered;
use crate::gather::Gather;
use crate::lifecycle::{Bound, Rings};
use crate::link_watch::LinkWatch;
use crate::{packet, xdp};

macro_rules! by_number {
    ($($(#[$when:meta])? [$($generics:tt)*] $pollable:ty;)*) => {
        $(
            $(#[$when])?
            impl<$($generics)*> AsRawFd for $pollable {
                fn as_raw_fd(&self) -> RawFd {
                    self.as_fd().as_raw_fd()
                }
            }
        )*
    };
}

// What can be waited for, and nothing else.
by_number! {
    [R: Rings, G] packet::Socket<Bound<R, G>>;
    #[cfg(feature = "alloc")]
    [D: packet::Delivery, G] packet::SharedReceiver<D, G>;
    [] xdp::RxRing;
    [] xdp::TxRing;
    [] LinkWatch;
    [] EdgeTriggered;
    #[cfg(any(feature = "smoltcp", feature = "embassy-net-driver"))]
    [R: crate::device::Rings] crate::device::Device<R>;
    [S: AsFd] Gather<S>;
}
