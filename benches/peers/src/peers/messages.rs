//! A packet socket without a ring: `recvmmsg` and `sendmmsg`, 64 packets a call.
//!
//! # Safety
//!
//! [`Buffers`] keeps headers that point at parts that point at packets, all of them on the heap and never moved; the
//! kernel reads and writes them during a call alone.

use core::ffi::c_void;
use core::ptr::null_mut;

use linux_raw_sys::if_packet as abi;
use linux_raw_sys::net::{SOL_PACKET, mmsghdr, msghdr};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socket_with};
use syscalls::{Sysno, syscall};

use super::no_version;
use crate::peer::{
    Answer, BATCH, Cannot, Converse, Family, Peer, Place, Receive, Ring, Seen, Transmit, write,
};

/// All protocols, as the kernel wants it in an address.
const EVERY_PROTOCOL: u16 = 3u16.to_be();
const SOL_SOCKET: u32 = 1;
const SO_RCVBUFFORCE: u32 = 33;
/// `PACKET_FANOUT_LB`, which gives packets out in turn.
const IN_TURN: u32 = 1;
const ROOM: usize = 2048;

pub(crate) struct Messages;

impl Peer for Messages {
    fn name(&self) -> &'static str {
        "recvmmsg, sendmmsg"
    }

    fn version(&self) -> String {
        no_version()
    }

    fn family(&self) -> Family {
        Family::Packet
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        if ring.held > 0 {
            return Err("it has no blocks".into());
        }
        let fd = open();
        // Of the memory that a packet takes in a socket's queue, little is the packet: with eight times as much as a ring
        // it holds about as many of the short ones.
        let bytes = 8 * ring.bytes();
        set_at(
            &fd,
            SOL_SOCKET,
            SO_RCVBUFFORCE,
            &(bytes.min(i32::MAX as usize / 2) as i32),
        )?;
        bind(&fd, place.index(), EVERY_PROTOCOL);
        if let Some(group) = ring.fanout {
            set(&fd, abi::PACKET_FANOUT, &(u32::from(group) | IN_TURN << 16))?;
        }
        Ok(Box::new(Copied::new(fd)))
    }

    fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        let fd = open();
        bind(&fd, place.index(), 0);
        Ok(Box::new(Sendmmsg {
            fd,
            buffers: Buffers::new(template.len()),
            template: template.to_vec(),
        }))
    }

    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        let fd = open();
        bind(&fd, place.index(), EVERY_PROTOCOL);
        Ok(Box::new(Copied::new(fd)))
    }
}

/// A packet socket without a protocol.
pub(crate) fn open() -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None).expect("CAP_NET_RAW")
}

fn set_at<T>(fd: &OwnedFd, level: u32, name: u32, value: &T) -> Answer<()> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `value`.
    let done = unsafe {
        syscall!(
            Sysno::setsockopt,
            fd.as_raw_fd(),
            level,
            name,
            core::ptr::from_ref(value),
            size_of::<T>()
        )
    };
    let done = done.map_err(|errno| format!("setsockopt {name} at {level}: {errno}"));
    Ok(done.map(|_| ())?)
}

pub(crate) fn set<T>(fd: &OwnedFd, name: u32, value: &T) -> Answer<()> {
    set_at(fd, SOL_PACKET, name, value)
}

/// `bind`, with a protocol in network order.
pub(crate) fn bind(fd: &OwnedFd, index: u32, protocol: u16) {
    let address = abi::sockaddr_ll {
        sll_family: AddressFamily::PACKET.as_raw(),
        sll_protocol: protocol,
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

/// Sends one frame on a packet socket.
#[inline(always)]
pub(crate) fn send_one(fd: BorrowedFd<'_>, frame: &[u8]) -> Answer<()> {
    rustix::net::send(fd, frame, SendFlags::empty())?;
    Ok(())
}

/// `struct iovec`.
#[repr(C)]
struct Part {
    base: *mut c_void,
    len: usize,
}

/// A batch of packets, and what the kernel wants to know of them.
struct Buffers {
    packets: Vec<Vec<u8>>,
    headers: Vec<mmsghdr>,
    _parts: Vec<Part>,
}

// SAFETY: its addresses lead to what it owns.
unsafe impl Send for Buffers {}

impl Buffers {
    fn new(len: usize) -> Self {
        let mut packets = vec![vec![0; len]; BATCH as usize];
        let part = |packet: &mut Vec<u8>| Part {
            base: packet.as_mut_ptr().cast(),
            len,
        };
        let mut parts: Vec<_> = packets.iter_mut().map(part).collect();
        let header = |part: &mut Part| mmsghdr {
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
        };
        let headers = parts.iter_mut().map(header).collect();
        Self {
            packets,
            headers,
            _parts: parts,
        }
    }

    /// One system call; how many packets it took or gave.
    fn call(&mut self, call: Sysno, fd: &OwnedFd, flags: u32) -> Result<usize, Errno> {
        // SAFETY: so many headers, which point at one packet each, all alive; no time limit.
        let done = unsafe {
            syscall!(
                call,
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len(),
                flags,
                0
            )
        };
        done.map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))
    }
}

struct Copied {
    fd: OwnedFd,
    buffers: Buffers,
}

impl Copied {
    fn new(fd: OwnedFd) -> Self {
        let buffers = Buffers::new(ROOM);
        Self { fd, buffers }
    }

    /// One system call; how many packets came.
    #[inline(always)]
    fn call(&mut self, flags: RecvFlags, seen: &mut Seen) -> usize {
        let came = match self.buffers.call(Sysno::recvmmsg, &self.fd, flags.bits()) {
            Ok(came) => came,
            Err(Errno::AGAIN | Errno::INTR | Errno::NETDOWN) => return 0,
            Err(errno) => panic!("recvmmsg: {errno}"),
        };
        for (header, packet) in self
            .buffers
            .headers
            .iter()
            .zip(&self.buffers.packets)
            .take(came)
        {
            let len = header.msg_len as usize;
            seen.packet(&packet[..len.min(ROOM)], header.msg_len);
        }
        came
    }
}

/// `MSG_WAITFORONE`: sleeps for the first packet alone.
const WAIT_FOR_ONE: RecvFlags = RecvFlags::from_bits_retain(0x10000);

impl Receive for Copied {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        while self.call(RecvFlags::DONTWAIT, seen) > 0 {}
    }

    fn receive(&mut self, seen: &mut Seen) {
        self.call(WAIT_FOR_ONE, seen);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Converse for Copied {
    fn take(&mut self, sleeps: bool) -> u64 {
        let flags = if sleeps {
            WAIT_FOR_ONE
        } else {
            RecvFlags::DONTWAIT
        };
        let mut seen = Seen::default();
        while self.call(flags, &mut seen) == 0 {}
        seen.numbers
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        send_one(self.fd.as_fd(), frame)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

struct Sendmmsg {
    fd: OwnedFd,
    buffers: Buffers,
    template: Vec<u8>,
}

impl Transmit for Sendmmsg {
    fn send(&mut self, first: u64) -> Answer<()> {
        for (bytes, number) in self.buffers.packets.iter_mut().zip(first..) {
            write(bytes, &self.template, number);
        }
        let sent = (self.buffers).call(Sysno::sendmmsg, &self.fd, SendFlags::DONTWAIT.bits());
        if sent == Ok(BATCH as usize) {
            Ok(())
        } else {
            Err(Cannot(format!("sendmmsg: {sent:?}")))
        }
    }

    fn finish(&mut self) -> Answer<()> {
        Ok(())
    }
}
