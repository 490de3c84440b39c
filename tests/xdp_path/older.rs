//! What an older kernel refuses: there the refusal is looked at, and said, and the rest of the test does not run.

use std::thread;

use packet_ring::Error;
use packet_ring::xdp::{Fragments, Socket, Umem, UmemGeometry};
use packet_ring_lab::kernel;
use packet_ring_lab::suite::Stopped;
use rustix::io::Errno;

use super::{GEOMETRY, RINGS, Wired};

/// The error of something that this kernel does not know, which names the version that does.
pub(crate) fn assert_needs(error: Error, errno: Errno, version: &str) {
    assert_eq!(error.errno(), Some(errno), "{error}");
    assert!(error.to_string().contains(version), "{error}");
    let test = thread::current();
    let test = test.name().unwrap_or("test");
    println!("BEFORE LINUX {version} {test}: that it is refused was tested, and no more");
}

/// Whether the kernel has no metadata of transmissions: before Linux 6.11, unless it was brought to an older one.
pub(crate) fn refuses_tx_metadata() -> Result<bool, Stopped> {
    let (umem, _pool) = Umem::new(UmemGeometry::new(2048, 4)?.tx_metadata())?;
    match Socket::configure(RINGS, &umem)?.map() {
        Ok(_) => Ok(false),
        Err(failed) => {
            assert!(!kernel::is_since(6, 11), "{}", failed.error());
            assert_needs(failed.error(), Errno::INVAL, "6.11");
            Ok(true)
        }
    }
}

/// Whether the kernel has no packets in several frames: before Linux 6.6. They are neither received nor sent there.
pub(crate) fn refuses_fragments(wired: &Wired) -> Result<bool, Stopped> {
    if kernel::is_since(6, 6) {
        return Ok(false);
    }
    let (umem, mut pool) = Umem::new(GEOMETRY)?;
    let socket = Socket::configure(RINGS, &umem)?.map()?;
    let failed = socket
        .bind(wired.queue().multi_buffer())
        .expect_err("a flag that the kernel does not know");
    assert_needs(failed.error(), Errno::INVAL, "6.6");
    let mut socket = failed.into_socket().bind(wired.queue())?;
    let tx = &mut socket.rings().tx;
    assert!(!tx.takes_fragments());
    for (count, taken) in [(2, false), (1, true)] {
        let mut packet = Fragments::new();
        for _ in 0..count {
            let mut frame = pool.take().ok_or("no frame")?;
            frame.write(&[0xff; 60])?;
            packet.push(frame).map_err(|_| "a fragment too many")?;
        }
        let refused = tx.batch(2).push_packet(packet).err();
        assert_eq!(refused.is_none(), taken);
        assert_eq!(
            refused.map_or(0, |packet| packet.len()),
            if taken { 0 } else { count }
        );
    }
    assert_eq!(tx.flush()?, 0);
    assert_eq!(wired.pair.far.counters()?.tx_packets, 1);
    assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
    Ok(true)
}
