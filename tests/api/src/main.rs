//! Prints the public interface that a file of rustdoc's JSON describes, a line an item: see `.ci/public-api`.

use core::error::Error;
use std::env;

/// Traits that a compiler keeps to itself: a change of these is not ours, and nobody can name them.
const OF_THE_COMPILER: [&str; 3] = ["Freeze", "StructuralPartialEq", "UnsafeUnpin"];

fn main() -> Result<(), Box<dyn Error>> {
    let json = env::args_os().nth(1).ok_or("usage: packet-ring-api JSON")?;
    let interface = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .build()?;
    for item in interface.items().map(ToString::to_string) {
        let is_of_the_compiler = OF_THE_COMPILER
            .iter()
            .any(|name| item.contains(&format!("core::marker::{name} for ")));
        if !is_of_the_compiler {
            println!("{item}");
        }
    }
    Ok(())
}
