//! Links the program and nothing else: no start files, no libc, no dynamic linker.

fn main() {
    println!("cargo::rerun-if-changed=link.x");
    let script = concat!("-Wl,-T,", env!("CARGO_MANIFEST_DIR"), "/link.x");
    for argument in [
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--no-eh-frame-hdr,-z,norelro",
        script,
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
