//! The production rings and chunks on real threads and real memory, against a kernel that is a thread too.
//!
//! loom tries orders of the models' accesses; here ThreadSanitizer, which `.ci/thread-sanitizer` builds this
//! with, watches the real ones, those through raw pointers among them. It does not know fences: what a fence
//! alone orders is left to loom. Without a harness, whose threads it would watch too.

#[cfg(not(loom))]
mod native;

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    // A thread that fails would leave others waiting for ever.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::abort();
    }));
    for (name, test) in [
        (
            "slots_are_ordered_by_the_words",
            native::slots_are_ordered_by_the_words as fn(),
        ),
        ("received_chunks_go_round", native::received_chunks_go_round),
        ("sent_chunks_go_round", native::sent_chunks_go_round),
        (
            "the_memory_goes_with_the_last_of_handles_and_chunks",
            native::the_memory_goes_with_the_last_of_handles_and_chunks,
        ),
    ] {
        test();
        println!("test {name} ... ok");
    }
}
