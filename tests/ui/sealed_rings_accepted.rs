//! Code that is generic over the rings of a socket names the trait, and needs no implementation.

use std::os::fd::{AsFd, BorrowedFd};

use packet_ring::lifecycle::{Bound, Configured, Rings};
use packet_ring::packet::{BoundRx, MappedRx, Rx, Socket};

fn descriptor<R: Rings>(socket: &Socket<Configured<R>>) -> BorrowedFd<'_> {
    socket.as_fd()
}

fn holds<R: Rings<Mapped = MappedRx, Bound = BoundRx>>(_socket: &Socket<Bound<R>>) {}

fn main() {
    let _ = (descriptor::<Rx>, holds::<Rx>);
}
