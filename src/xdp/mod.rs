//! AF_XDP: rings of descriptors over memory that the program and the kernel share.
//!
//! See the [kernel's document](https://docs.kernel.org/networking/af_xdp.html).

mod interface_gather;

pub use self::interface_gather::InterfaceGather;
pub use crate::gather::Gather;
pub use crate::interface::{Interface, LinkState, Queues};
pub use crate::link_watch::LinkWatch;
