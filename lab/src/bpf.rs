//! bpf(2) by hand: objects that `packet-ring` has not made, and running a program over a packet.

#![allow(unsafe_code)]

use core::mem::size_of;
use core::ptr;
use std::fs;

use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

use crate::{EbpfInstruction, LabError};

/// `BPF_PROG_TYPE_SOCKET_FILTER`.
pub(crate) const SOCKET_FILTER: u32 = 1;
/// `BPF_PROG_TYPE_XDP`.
pub(crate) const PROG_TYPE_XDP: u32 = 6;
/// `BPF_XDP`.
const ATTACH_TYPE_XDP: u32 = 37;

const MAP_CREATE: u32 = 0;
const PROG_LOAD: u32 = 5;
const PROG_TEST_RUN: u32 = 10;

/// The front part of `union bpf_attr` that making a map needs.
#[repr(C)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// That which loading a program needs.
#[repr(C)]
struct Load {
    program_type: u32,
    instructions_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}

/// That which running a program needs.
#[repr(C)]
struct TestRun {
    program: u32,
    verdict: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// `bpf(command, request)`, whose answer is a number.
///
/// # Safety
///
/// What the kernel reads and writes through the addresses in the request is valid for that.
unsafe fn call<R>(command: u32, request: &mut R) -> Result<usize, Errno> {
    // SAFETY: the kernel reads and writes at most so many bytes of the request, which are integers; the
    // caller answers for what it points at.
    let done = unsafe { syscall!(Sysno::bpf, command, ptr::from_mut(request), size_of::<R>()) };
    done.map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))
}

fn owned(fd: usize) -> OwnedFd {
    // SAFETY: callers pass what bpf(2) has just answered: a descriptor that nobody else knows of.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

/// Makes a map of this type (`BPF_MAP_TYPE_*`), with these sizes in bytes and this many entries.
///
/// # References
/// [bpf(2)](https://man7.org/linux/man-pages/man2/bpf.2.html)
#[doc(alias = "BPF_MAP_CREATE")]
pub fn create_map(map_type: u32, key: u32, value: u32, entries: u32) -> Result<OwnedFd, LabError> {
    let mut request = Create {
        map_type,
        key_size: key,
        value_size: value,
        max_entries: entries,
    };
    // SAFETY: there are no addresses in it.
    let map = unsafe { call(MAP_CREATE, &mut request) };
    map.map(owned).map_err(LabError::doing("make a BPF map"))
}

/// Loads a program of type `BPF_PROG_TYPE_XDP`, without a name.
///
/// # References
/// [bpf(2)](https://man7.org/linux/man-pages/man2/bpf.2.html)
#[doc(alias = "BPF_PROG_LOAD")]
pub fn load_xdp(program: &[EbpfInstruction]) -> Result<OwnedFd, LabError> {
    load(PROG_TYPE_XDP, ATTACH_TYPE_XDP, program).map_err(LabError::doing("load an XDP program"))
}

/// Loads a program of this type, for attachments of a type of `enum bpf_attach_type`.
pub(crate) fn load(
    program_type: u32,
    expected_attach_type: u32,
    program: &[EbpfInstruction],
) -> Result<OwnedFd, Errno> {
    let mut request = Load {
        program_type,
        instructions_count: u32::try_from(program.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
        name: [0; 16],
        interface: 0,
        expected_attach_type,
    };
    // SAFETY: the kernel reads the instructions and the license, both of which live through the call, and
    // without a log it writes nothing.
    unsafe { call(PROG_LOAD, &mut request) }.map(owned)
}

/// What an XDP program says of a packet that came by queue 0 of `lo`: one of `XDP_*`.
///
/// With `linear` no more than so many bytes of the packet lie in its first piece, which takes a program
/// that knows of pieces (`BPF_F_XDP_HAS_FRAGS`); without it as many as a page has room for.
///
/// # References
/// [BPF_PROG_RUN](https://docs.kernel.org/bpf/bpf_prog_run.html)
#[doc(alias = "BPF_PROG_TEST_RUN")]
pub fn run_xdp(program: impl AsFd, packet: &[u8], linear: Option<u32>) -> Result<u32, LabError> {
    // `struct xdp_md`: `data`, `data_end`, and four that stay 0.
    let context = [0, linear.unwrap_or(0), 0, 0, 0, 0];
    let mut request = TestRun {
        program: program.as_fd().as_raw_fd() as u32,
        verdict: 0,
        data_size_in: packet.len() as u32,
        data_size_out: 0,
        data_in: packet.as_ptr() as u64,
        data_out: 0,
        repeat: 1,
        duration: 0,
        context_size_in: linear.map_or(0, |_| size_of_val(&context) as u32),
        context_size_out: 0,
        context_in: linear.map_or(0, |_| context.as_ptr() as u64),
        context_out: 0,
        flags: 0,
        cpu: 0,
        batch_size: 0,
        padding: 0,
    };
    // SAFETY: the kernel reads the packet and the context, which live through the call, and has nowhere to
    // write to but the request.
    unsafe { call(PROG_TEST_RUN, &mut request) }
        .map_err(LabError::doing("run an XDP program over a packet"))?;
    Ok(request.verdict)
}

/// Whether the process is in the host's user namespace: every user is mapped to itself. Nobody else may
/// make maps and programs, whatever the user is called there.
pub fn is_root_of_the_host() -> Result<bool, LabError> {
    let map = fs::read_to_string("/proc/self/uid_map")
        .map_err(LabError::doing_io("read the user namespace's map"))?;
    Ok(map.split_whitespace().eq(["0", "0", "4294967295"]))
}
