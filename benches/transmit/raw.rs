//! Hand-written loops: what a program that knows the kernel's interface writes.
//!
//! # Safety
//!
//! [`V2Ring`] owns a mapping of `FRAMES` frames of `FRAME` bytes, which the kernel and nobody else
//! shares. [`Sendmmsg`] keeps headers that point at each other and at the packets, all of them on the
//! heap and never moved.

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::if_packet as abi;
use linux_raw_sys::net::{SOL_PACKET, mmsghdr, msghdr};
use packet_ring::packet::{Interface, NoRing, Socket};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send};
use syscalls::{Sysno, syscall};

use crate::{BATCH, LEN, Sender, template, write};

const FRAME: usize = 2048;
const FRAMES: usize = 512;
const BLOCK: usize = 1 << 16;

/// Where a packet begins: `TPACKET2_HDRLEN - sizeof(struct sockaddr_ll)`.
const DATA: usize = 32;

const AVAILABLE: u32 = 0;
const SEND_REQUEST: u32 = 1;

fn set<T>(fd: &OwnedFd, name: u32, value: &T) {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `value`.
    let done = unsafe {
        syscall!(
            Sysno::setsockopt,
            fd.as_raw_fd(),
            SOL_PACKET,
            name,
            core::ptr::from_ref(value),
            size_of::<T>()
        )
    };
    done.expect("setsockopt");
}

/// `bind` with protocol 0.
fn bind(fd: &OwnedFd, index: u32) {
    let address = abi::sockaddr_ll {
        sll_family: AddressFamily::PACKET.as_raw(),
        sll_protocol: 0,
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the kernel reads the 20 bytes of `address`.
    let done = unsafe { syscall!(Sysno::bind, fd.as_raw_fd(), &raw const address, 20) };
    done.expect("bind");
}

/// A TPACKET_V2 transmit ring.
pub(crate) struct V2Ring {
    fd: OwnedFd,
    base: *mut u8,
    next: usize,
    template: [u8; LEN],
}

impl V2Ring {
    pub(crate) fn new(index: u32) -> Self {
        let fd = rustix::net::socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("a socket");
        set(
            &fd,
            abi::PACKET_VERSION,
            &(abi::tpacket_versions::TPACKET_V2 as u32),
        );
        let request = abi::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: (FRAME * FRAMES / BLOCK) as u32,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: FRAMES as u32,
        };
        set(&fd, abi::PACKET_TX_RING, &request);
        let (access, flags) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::POPULATE,
        );
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { mmap(null_mut(), FRAME * FRAMES, access, flags, &fd, 0) };
        bind(&fd, index);
        Self {
            fd,
            base: base.expect("mmap").cast(),
            next: 0,
            template: template(),
        }
    }

    fn frame(&self, index: usize) -> *mut u8 {
        // SAFETY: below the number of frames, of which the mapping has so many.
        unsafe { self.base.add(index * FRAME) }
    }

    fn status(&self, index: usize) -> &AtomicU32 {
        // SAFETY: `tp_status` is the frame's first word, aligned, and all accesses to it are atomic.
        unsafe { AtomicU32::from_ptr(self.frame(index).cast()) }
    }

    fn kick(&self) {
        send(&self.fd, &[], SendFlags::DONTWAIT).expect("sent");
    }
}

impl Sender for V2Ring {
    fn send(&mut self, first: u64) {
        for number in first..first + BATCH {
            while self.status(self.next).load(Ordering::Acquire) != AVAILABLE {
                self.kick();
            }
            let frame = self.frame(self.next);
            // SAFETY: the packet's room lies inside the frame.
            let data = unsafe { frame.add(DATA) };
            // SAFETY: the frame is ours, and long enough.
            let bytes = unsafe { core::slice::from_raw_parts_mut(data, LEN) };
            write(bytes, &self.template, number);
            // SAFETY: `tp_len` is the frame's second word.
            let len = unsafe { frame.cast::<u32>().add(1) };
            // SAFETY: inside the frame, which is ours, and aligned.
            unsafe { len.write(LEN as u32) };
            self.status(self.next)
                .store(SEND_REQUEST, Ordering::Release);
            self.next = (self.next + 1) % FRAMES;
        }
        self.kick();
    }

    fn finish(&mut self) {
        for index in 0..FRAMES {
            while self.status(index).load(Ordering::Acquire) != AVAILABLE {
                self.kick();
            }
        }
    }
}

/// `struct iovec`.
#[repr(C)]
struct Part {
    base: *mut c_void,
    len: usize,
}

/// `sendmmsg` with headers that are made once.
pub(crate) struct Sendmmsg {
    socket: Socket<packet_ring::lifecycle::Bound<NoRing>>,
    template: [u8; LEN],
    packets: *mut [[u8; LEN]; BATCH as usize],
    headers: Box<[mmsghdr]>,
}

impl Sendmmsg {
    pub(crate) fn new(index: u32) -> Self {
        let interface = Interface::by_index(index).expect("an index");
        let socket = Socket::configure(NoRing).expect("a socket");
        let socket = socket.map().expect("nothing to map").bind(interface);
        let packets = Box::leak(Box::new([[0; LEN]; BATCH as usize]));
        let parts: Vec<_> = packets
            .iter_mut()
            .map(|packet| Part {
                base: packet.as_mut_ptr().cast(),
                len: LEN,
            })
            .collect();
        let headers = Box::leak(parts.into_boxed_slice())
            .iter_mut()
            .map(|part| mmsghdr {
                msg_hdr: msghdr {
                    msg_name: null_mut(),
                    msg_namelen: 0,
                    msg_iov: core::ptr::from_mut(part).cast(),
                    msg_iovlen: 1,
                    msg_control: null_mut(),
                    msg_controllen: 0,
                    msg_flags: 0,
                },
                msg_len: 0,
            })
            .collect();
        Self {
            socket: socket.expect("bound"),
            template: template(),
            packets,
            headers,
        }
    }
}

impl Sender for Sendmmsg {
    fn send(&mut self, first: u64) {
        // SAFETY: leaked, and the kernel reads them during the call below alone.
        let packets = unsafe { &mut *self.packets };
        for (bytes, number) in packets.iter_mut().zip(first..) {
            write(bytes, &self.template, number);
        }
        // SAFETY: so many headers, which point at one packet each, all alive; the kernel writes to the
        // headers alone.
        let sent = unsafe {
            syscall!(
                Sysno::sendmmsg,
                self.socket.as_fd().as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len(),
                SendFlags::DONTWAIT.bits()
            )
        };
        assert_eq!(sent.expect("sent"), self.headers.len());
    }

    fn finish(&mut self) {}
}
