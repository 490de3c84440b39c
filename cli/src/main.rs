//! The `packet-ring` command line tool.

fn main() {}
