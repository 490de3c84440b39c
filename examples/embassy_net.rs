//! A TCP echo server on embassy-net's stack, over AF_PACKET or AF_XDP.
fn main() {}
