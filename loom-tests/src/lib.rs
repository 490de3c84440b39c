//! The kernel side of the ring protocols, as loom threads.
