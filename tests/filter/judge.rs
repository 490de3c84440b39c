//! The kernel as the judge of programs: a pair of sockets, one of them filtered.

use linux_raw_sys::net::{SO_ATTACH_FILTER, SOL_SOCKET};
use packet_ring::bpf::Instruction;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use syscalls::{Sysno, syscall};

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    len: u16,
    instructions: *const Instruction,
}

/// Two connected datagram sockets of AF_UNIX: what is sent on one has passed the filter of the other,
/// or not, when the call returns. Needs no privilege.
pub(crate) struct Judge {
    near: OwnedFd,
    far: OwnedFd,
}

impl Judge {
    pub(crate) fn new() -> Self {
        let (near, far) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("a pair of sockets");
        Self { near, far }
    }

    /// Attaches a program, in place of the one before.
    pub(crate) fn attach(&self, program: &[Instruction]) -> Result<(), Errno> {
        let program = Program {
            len: program.len().try_into().expect("16 bits count it"),
            instructions: program.as_ptr(),
        };
        // SAFETY: the kernel reads the structure, and as many instructions as it says; both live
        // through the call.
        let done = unsafe {
            syscall!(
                Sysno::setsockopt,
                self.far.as_raw_fd(),
                SOL_SOCKET,
                SO_ATTACH_FILTER,
                &raw const program,
                size_of::<Program>()
            )
        };
        done.map(drop)
            .map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))
    }

    /// Whether the kernel's check takes the program.
    pub(crate) fn accepts(&self, program: &[Instruction]) -> bool {
        match self.attach(program) {
            Ok(()) => true,
            Err(Errno::INVAL) => false,
            Err(errno) => panic!("neither accepted nor refused: {errno}"),
        }
    }

    /// How many bytes of the packet pass the program that is attached; `None` where it is dropped.
    pub(crate) fn passes(&self, packet: &[u8]) -> Option<usize> {
        rustix::net::send(&self.near, packet, SendFlags::DONTWAIT).expect("a packet is sent");
        let mut bytes = vec![0; packet.len() + 1];
        match rustix::net::recv(&self.far, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((_, len)) => {
                assert_eq!(bytes[..len], packet[..len], "cut at the end alone");
                Some(len)
            }
            Err(Errno::AGAIN) => None,
            Err(errno) => panic!("nothing can be received: {errno}"),
        }
    }
}
