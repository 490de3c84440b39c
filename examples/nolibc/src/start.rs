//! What the start files of a libc do: from the kernel's jump to `run`, and to the end.
//!
//! # Safety
//!
//! `_start` calls `start` once, with the stack as the kernel has made it: a count, then so many pointers to strings
//! that end with a zero. Nobody writes to these, and they are there to the end. No other symbol is called `start`.
#![allow(unsafe_code)]

use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::panic::PanicInfo;
use core::slice;

use syscalls::{Sysno, syscall};

use crate::streams::say;

#[cfg(target_arch = "aarch64")]
global_asm!(include_str!("start/aarch64.s"));
#[cfg(target_arch = "riscv64")]
global_asm!(include_str!("start/riscv64.s"));
#[cfg(target_arch = "x86_64")]
global_asm!(include_str!("start/x86_64.s"));

/// As many arguments as the program looks at, and one more.
const ARGUMENTS: usize = 5;

/// # Safety
///
/// For `_start` alone.
#[unsafe(no_mangle)]
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the count.
    let count = unsafe { stack.read() };
    // SAFETY: the pointers come next on the same stack.
    let pointers = unsafe { stack.add(1) };
    // SAFETY: so many, which nobody writes to.
    let pointers = unsafe { slice::from_raw_parts(pointers.cast::<*const c_char>(), count) };
    let mut arguments = [None; ARGUMENTS];
    let given = pointers.get(1..).unwrap_or_default();
    for (argument, &pointer) in arguments.iter_mut().zip(given) {
        // SAFETY: the string ends with a zero, nobody writes to it, and it is there to the end.
        let text = unsafe { CStr::from_ptr(pointer) };
        *argument = text.to_str().ok();
    }
    exit(crate::run(&arguments[..given.len().min(ARGUMENTS)]))
}

fn exit(status: i32) -> ! {
    loop {
        // SAFETY: the program ends here. What is mapped, and what others might still read, ends with it.
        let _never = unsafe { syscall!(Sysno::exit_group, status) };
    }
}

/// No panic is expected. Where it came from would take kilobytes to say.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    say(&["nolibc: panicked\n"]);
    exit(101)
}
