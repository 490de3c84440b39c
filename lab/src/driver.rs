//! What an interface's driver counts (`ethtool -S`): on a veth, what XDP did with each queue's packets.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr;
use std::collections::BTreeMap;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};

use crate::{LabError, Link};

/// From linux/sockios.h and linux/ethtool.h.
const SIOCETHTOOL: Opcode = 0x8946;
const GET_DRIVER_INFO: u32 = 0x03;
const GET_STRINGS: u32 = 0x1b;
const GET_STATS: u32 = 0x1d;
const SS_STATS: u32 = 1;
const NAME_LEN: usize = 32;

/// `struct ethtool_drvinfo`: its 196 bytes, of which the number of counters is the one at 180.
const DRIVER_INFO: usize = 196;
const N_STATS: usize = 180;

/// `struct ifreq` with its pointer member.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut c_void,
    rest_of_union: [u64; 2],
}

impl Link {
    /// What the driver counts, by its own names: `rx_queue_0_xdp_packets`, `rx_queue_0_xdp_redirect` and
    /// more on a veth.
    #[doc(alias = "ETHTOOL_GSTATS")]
    pub fn driver_counters(&self) -> Result<BTreeMap<String, u64>, LabError> {
        counters(self.socket(), self.name()).map_err(LabError::doing("read the driver's counters"))
    }
}

fn counters(fd: BorrowedFd<'_>, name: &str) -> Result<BTreeMap<String, u64>, Errno> {
    let mut info = [0_u32; DRIVER_INFO / 4];
    info[0] = GET_DRIVER_INFO;
    ethtool(fd, name, &mut info, DRIVER_INFO)?;
    let count = info[N_STATS / 4] as usize;

    // `struct ethtool_gstrings`: command, set, count, names.
    let mut names = vec![0_u32; 3 + count * NAME_LEN / 4];
    names[..3].copy_from_slice(&[GET_STRINGS, SS_STATS, count as u32]);
    ethtool(fd, name, &mut names, 12 + count * NAME_LEN)?;
    // `struct ethtool_stats`: command, count, numbers of 64 bits.
    let mut numbers = vec![0_u32; 2 + count * 2];
    numbers[..2].copy_from_slice(&[GET_STATS, count as u32]);
    ethtool(fd, name, &mut numbers, 8 + count * 8)?;

    let names = names[3..].chunks_exact(NAME_LEN / 4).map(|name| {
        let bytes: Vec<u8> = name.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    });
    let numbers = numbers[2..].chunks_exact(2).map(|halves| {
        let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_ne_bytes()).collect();
        bytes
            .first_chunk()
            .map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    });
    Ok(names.zip(numbers).collect())
}

/// `data` begins with the command, and `len` is how many bytes the kernel reads or writes for it.
fn ethtool(fd: BorrowedFd<'_>, name: &str, data: &mut [u32], len: usize) -> Result<(), Errno> {
    assert!(len <= size_of_val(data));
    let mut request = Request {
        name: [0; 16],
        data: ptr::from_mut(data).cast(),
        rest_of_union: [0; 2],
    };
    request.name[..15]
        .get_mut(..name.len())
        .ok_or(Errno::NODEV)?
        .copy_from_slice(name.as_bytes());
    // SAFETY: SIOCETHTOOL takes a `struct ifreq`, which `Request` is in layout and size.
    let update = unsafe { Updater::<SIOCETHTOOL, Request>::new(&mut request) };
    // SAFETY: the kernel follows `data` to `len` bytes at most, as many as there are: the driver's info is
    // of one size, and for names and numbers the kernel writes as many as the driver has, which were
    // counted before; a veth's count changes with its queues alone, and those with nobody but this test.
    unsafe { ioctl(fd, update) }
}
