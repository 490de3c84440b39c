//! The rules of `Geometry` against the kernel's own.

mod data_path;

use core::ffi::c_int;
use core::time::Duration;
use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::SystemTime;

use linux_raw_sys::if_packet as raw;
use packet_ring::InvalidGeometry;
use packet_ring::packet::{Geometry, LinkHeader, Rx, Socket};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{Injector, VethOptions, VethPair, frame, suite};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use syscalls::{Sysno, syscall};

use data_path::{next, receive_on};

const REQUESTS: u64 = 6400;

/// The kernel waits for all processors at each ring that it makes or frees: they wait together.
const THREADS: u64 = 32;

/// The most memory that a random request may ask for, in bytes.
const MOST: u64 = 4 << 20;

/// What both sides are asked for.
#[derive(Clone, Copy, Debug)]
struct Request {
    block_size: u32,
    block_count: u32,
    private_area: u32,
    reserve: u32,
    retire_ms: u32,
}

impl Request {
    fn geometry(self) -> Result<Geometry, InvalidGeometry> {
        Geometry::new(self.block_size, self.block_count)?
            .private_area(self.private_area)?
            .reserve(self.reserve)?
            .retire_timeout(Duration::from_millis(self.retire_ms.into()))
    }
}

/// Why the library refuses what the kernel takes; `None` where it has no reason to.
fn stricter(why: InvalidGeometry) -> Option<&'static str> {
    Some(match why {
        InvalidGeometry::NoBlocks => "the kernel takes it for the request to free a ring",
        InvalidGeometry::TooManyBlocks => "the kernel counts blocks in 16 bits, and hangs",
        InvalidGeometry::PrivateAreaTooLarge => "the kernel keeps 16 bits of it",
        InvalidGeometry::ReserveTooLarge => "the kernel drops every packet: tp_net has 16 bits",
        InvalidGeometry::BlockTooSmall => "the block holds a header, but no packet behind it",
        InvalidGeometry::RetireTimeoutTooLong => "kernels before 6.18 keep 16 bits of it",
        InvalidGeometry::BlockTooLargeForKernelTimeout => "the kernel's own timeout overflows",
        _ => return None,
    })
}

/// A packet socket without any of the library in it.
struct Kernel(OwnedFd);

impl Kernel {
    fn open() -> Result<Self, Stopped> {
        let fd = socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let kernel = Self(fd);
        kernel.set(
            raw::PACKET_VERSION,
            &[raw::tpacket_versions::TPACKET_V3 as u32],
        )?;
        Ok(kernel)
    }

    fn set(&self, name: u32, words: &[u32]) -> Result<(), Errno> {
        // SAFETY: the kernel reads the initialised words, as many bytes as it is told, and writes
        // nothing.
        let done = unsafe {
            syscall!(
                Sysno::setsockopt,
                self.0.as_raw_fd(),
                linux_raw_sys::net::SOL_PACKET,
                name,
                words.as_ptr(),
                size_of_val(words)
            )
        };
        done.map(drop)
            .map_err(|errno| Errno::from_raw_os_error(errno.into_raw() as c_int))
    }

    /// Asks for the ring and, where it is granted, frees it.
    fn takes(&self, request: Request) -> Result<(), Errno> {
        self.set(raw::PACKET_RESERVE, &[request.reserve])?;
        let (size, count) = (request.block_size, request.block_count);
        // `struct tpacket_req3`: one frame a block.
        let words = [
            size,
            count,
            size,
            count,
            request.retire_ms,
            request.private_area,
            0,
        ];
        self.set(raw::PACKET_RX_RING, &words)?;
        self.set(raw::PACKET_RX_RING, &[0; 7])
    }
}

/// SplitMix64: enough to pick numbers, and the same ones again from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() % u64::from(bound)) as u32
    }

    /// A value near `middle`, at most 64 off.
    fn near(&mut self, middle: u32) -> u32 {
        middle.saturating_add(self.below(129)).saturating_sub(64)
    }

    fn request(&mut self) -> Request {
        let reserve = match self.below(8) {
            0..4 => 0,
            4..6 => self.below(300),
            6 => self.near(65_535 - 96),
            _ => self.next() as u32,
        };
        let block_size = match self.below(12) {
            0..8 => 4096 * (1 + self.below(34)),
            8 => (4096 * (1 + self.below(16))) ^ (1 << self.below(12)),
            9 => self.below(70_000),
            10 => i32::MAX as u32 + self.below(2 << 12),
            // No multiple of a page, so that nobody makes a ring of it.
            _ => self.next() as u32 | 1,
        };
        let private_area = match self.below(8) {
            0..3 => 0,
            3 => self.below(4096),
            4 => self.near(65_535),
            5 => self.next() as u32,
            // Where a block begins to be too small.
            _ => self.near(block_size.saturating_sub(reserve).saturating_sub(48 + 83)),
        };
        let retire_ms = match self.below(4) {
            0 => 0,
            1 => self.near(65_535),
            _ => self.below(1000),
        };
        let fitting = MOST / u64::from(block_size.max(1));
        let block_count = match self.below(16) {
            0 => 0,
            _ => (1 + self.below(40)).min(fitting.max(1) as u32),
        };
        Request {
            block_size,
            block_count,
            private_area,
            reserve,
            retire_ms,
        }
    }
}

/// What came of a request: the same sentence for the same outcome.
fn compare(kernel: &Kernel, request: Request) -> Result<String, Stopped> {
    let taken = kernel.takes(request);
    let geometry = match request.geometry() {
        Ok(geometry) => geometry,
        Err(why) => {
            let verb = if taken.is_ok() { "takes" } else { "refuses" };
            if taken.is_ok() && stricter(why).is_none() {
                return Err(format!("the kernel takes {request:?}: {why:?}").into());
            }
            return Ok(format!("{why:?}, the kernel {verb}"));
        }
    };
    let mapped = match Socket::configure(Rx::new(geometry))?.map() {
        Ok(_) => Ok(()),
        Err(failed) => Err(failed.error().errno()),
    };
    match (taken, mapped) {
        (Ok(()), Ok(())) => Ok("both take it".into()),
        (Err(Errno::NOMEM), _) | (_, Err(Some(Errno::NOMEM))) => Ok("no memory".into()),
        other => Err(format!("the library takes {request:?}: {other:?}").into()),
    }
}

fn the_library_and_the_kernel_agree_on_random_requests() -> TestResult {
    let seed = match env::var("PACKET_RING_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => SystemTime::UNIX_EPOCH.elapsed()?.as_nanos() as u64,
    };
    println!("PACKET_RING_SEED={seed}");
    let some_requests = |thread| -> Result<Vec<String>, Stopped> {
        let mut random = Random(seed.wrapping_add(thread));
        let kernel = Kernel::open()?;
        (0..REQUESTS / THREADS)
            .map(|_| compare(&kernel, random.request()))
            .collect()
    };
    let mut seen = BTreeMap::new();
    thread::scope(|scope| -> TestResult {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || some_requests(thread)))
            .collect();
        for thread in threads {
            for outcome in thread.join().map_err(|_| "a thread panicked")?? {
                *seen.entry(outcome).or_insert(0) += 1;
            }
        }
        Ok(())
    })?;
    // A comparison that never came to these says nothing.
    for outcome in [
        "both take it",
        "BlockSizeNotPages, the kernel refuses",
        "BlockSizeOutOfRange, the kernel refuses",
        "BlockTooSmall, the kernel refuses",
        "BlockTooSmall, the kernel takes",
        "PrivateAreaTooLarge, the kernel refuses",
        "PrivateAreaTooLarge, the kernel takes",
        "ReserveTooLarge, the kernel refuses",
        "ReserveTooLarge, the kernel takes",
        "RetireTimeoutTooLong, the kernel takes",
    ] {
        assert!(
            seen.get(outcome).is_some_and(|&count| count >= 10),
            "{outcome}: {seen:#?}"
        );
    }
    assert!(seen["both take it"] > REQUESTS / 10, "{seen:#?}");
    Ok(())
}

fn the_kernel_takes_what_the_library_must_refuse() -> TestResult {
    let plain = Request {
        block_size: 4096,
        block_count: 1,
        private_area: 0,
        reserve: 0,
        retire_ms: 10,
    };
    let kernel = Kernel::open()?;
    let cases = [
        (
            InvalidGeometry::NoBlocks,
            Request {
                block_count: 0,
                ..plain
            },
        ),
        (
            InvalidGeometry::TooManyBlocks,
            Request {
                block_count: 65_537,
                ..plain
            },
        ),
        (
            InvalidGeometry::PrivateAreaTooLarge,
            Request {
                block_size: 1 << 17,
                private_area: 65_536,
                ..plain
            },
        ),
        (
            InvalidGeometry::ReserveTooLarge,
            Request {
                block_size: 1 << 17,
                reserve: 65_536 - 96,
                ..plain
            },
        ),
        (
            InvalidGeometry::BlockTooSmall,
            Request {
                private_area: 3976,
                ..plain
            },
        ),
        (
            InvalidGeometry::RetireTimeoutTooLong,
            Request {
                retire_ms: 65_536,
                ..plain
            },
        ),
        (
            InvalidGeometry::BlockTooLargeForKernelTimeout,
            Request {
                block_size: 256 << 20,
                retire_ms: 0,
                ..plain
            },
        ),
    ];
    for (why, request) in cases {
        assert_eq!(request.geometry(), Err(why));
        assert!(stricter(why).is_some(), "{why:?}");
        let taken = kernel.takes(request);
        assert!(
            matches!(taken, Ok(()) | Err(Errno::NOMEM)),
            "{why:?}: {taken:?}"
        );
    }
    Ok(())
}

/// The longest snap length that the library takes on top of `base`.
fn longest_snap(base: Geometry) -> u32 {
    (1..=base.block_size())
        .take_while(|&bytes| base.snap_length(bytes).is_ok())
        .last()
        .unwrap_or(0)
}

fn a_block_at_the_limit_holds_a_packet_of_the_snap_length() -> TestResult {
    let pair = VethPair::create(&VethOptions {
        mtu: 9000,
        ..Default::default()
    })?;
    let block = Geometry::new(4096, 8)?;
    let bases = [block, block.private_area(1001)?, block.reserve(100)?];
    let headers = [(LinkHeader::Kept, 0), (LinkHeader::Removed, 14)];
    for (base, (header, removed)) in bases
        .into_iter()
        .flat_map(|base| headers.map(|header| (base, header)))
    {
        let snap = longest_snap(base);
        let rings = Rx::new(base.snap_length(snap)?).link_header(header);
        let mut socket = receive_on(&pair.far, rings)?;
        let frames: Vec<_> = (0..5).map(|number| frame::numbered(number, 8000)).collect();
        Injector::on(&pair.near)?.send_batch(&frames)?;
        for number in 0..5 {
            // The kernel burns a block on a packet that fills it to the last byte.
            let block = next(&mut socket)?;
            assert_eq!((block.sequence(), block.packet_count()), (number + 1, 1));
            let packet = block.packets().next().ok_or("no packet")?;
            let sent = &frames[number as usize][removed..][..snap as usize];
            assert_eq!((packet.data(), packet.len()), (sent, 8000 - removed as u32));
        }
        assert_eq!(socket.statistics()?.drops, 0);
    }
    Ok(())
}

suite![
    the_library_and_the_kernel_agree_on_random_requests,
    the_kernel_takes_what_the_library_must_refuse,
    a_block_at_the_limit_holds_a_packet_of_the_snap_length,
];
