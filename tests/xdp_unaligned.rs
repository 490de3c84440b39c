//! Chunks of any size, which lie across pages: received into and sent from whole.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::xdp::{AttachMode, HugePages, Locking, RxTxRings, Socket, Umem, UmemGeometry};
use packet_ring::{Deadline, OnSignal, Wake};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, VethOptions, Witness, frame, kernel, suite};
use xdp::rights::map;
use xdp_path::{MODES, PATIENCE, RINGS, SLOTS, Wired, assert_all_come_back, reap, receive, send};

const SIZES: [u32; 2] = [3000, 4001];
const COUNT: u32 = 200;
const PACKETS: u64 = 512;

/// Whether the bytes lie on more than one page.
fn straddles(bytes: &[u8]) -> bool {
    let range = bytes.as_ptr_range();
    range.start.addr() / 4096 != (range.end.addr() - 1) / 4096
}

fn packets_lie_across_pages_unharmed() -> TestResult {
    for (mode, size) in MODES
        .into_iter()
        .flat_map(|mode| SIZES.map(|size| (mode, size)))
    {
        for headroom in [0, 200] {
            let Some(map) = map()? else {
                return Ok(());
            };
            let options = VethOptions {
                mtu: 9000,
                ..VethOptions::default()
            };
            let wired = Wired::with(map, mode, &options)?;
            let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
            let geometry = UmemGeometry::unaligned(size, COUNT)?.headroom(headroom)?;
            // Small pages, which need not follow each other.
            let (umem, mut pool) = Umem::with_pages(geometry, HugePages::None, Locking::None)?;
            let mut socket = Socket::configure(RINGS, &umem)?.map()?;
            socket.rings().fill.stock(&mut pool, SLOTS.get())?;
            let mut socket = socket.bind(wired.queue())?;
            wired.map.insert(0, &socket)?;
            let RxTxRings {
                rx,
                fill,
                tx,
                completion,
            } = socket.rings();

            // Before Linux 6.6 the driver redirects packets in one piece alone, which is somewhat less than a page.
            let piece = if mode == AttachMode::Native && !kernel::is_since(6, 6) {
                3300
            } else {
                usize::MAX
            };
            let most = piece.min(geometry.receive_capacity() as usize);
            let mut straddling = 0;
            let mut expected = 0;
            for first in (0..PACKETS).step_by(32) {
                let packets: Vec<_> = (first..first + 32)
                    .map(|number| frame::numbered(number, most - number as usize))
                    .collect();
                wired.injector.send_batch(&packets)?;
                receive(rx, fill, &mut pool, 32, |bytes| {
                    let packet = frame::numbered(expected, most - expected as usize);
                    assert!(bytes == packet, "{expected}, {mode:?}, {size}");
                    expected += 1;
                    straddling += u32::from(straddles(bytes));
                })?;
            }
            assert!(straddling > 100, "{straddling} packets lay across pages");
            assert_eq!(wired.pair.far.counters()?.rx_packets, PACKETS);

            // And the other way, from whole chunks.
            for first in (0..PACKETS).step_by(32) {
                let packets: Vec<_> = (first..first + 32)
                    .map(|number| frame::numbered(number, size as usize - number as usize))
                    .collect();
                send(tx, &mut pool, &packets)?;
                for packet in &packets {
                    let seen = witness.receive(PATIENCE)?.ok_or("a packet was not sent")?;
                    assert!(&seen.bytes == packet, "{mode:?}, {size}");
                }
                reap(completion, &mut pool, 32)?;
            }
            assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
            assert_eq!(wired.pair.far.counters()?.tx_packets, PACKETS);
            assert_eq!(umem.spurious(), 0, "{mode:?}, {size}");
            assert_all_come_back(socket, &mut pool)?;
        }
    }
    Ok(())
}

fn a_frame_that_was_received_is_sent_from_where_it_lies() -> TestResult {
    for (mode, size) in MODES
        .into_iter()
        .flat_map(|mode| SIZES.map(|size| (mode, size)))
    {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, mode)?;
        let witness = Witness::on(&wired.pair.near, Sees::Incoming)?;
        let geometry = UmemGeometry::unaligned(size, COUNT)?.headroom(100)?;
        let (mut socket, umem, mut pool) = wired.socket(geometry)?;
        let RxTxRings {
            rx,
            fill,
            tx,
            completion,
        } = socket.rings();
        for number in 0..256 {
            let packet = frame::numbered(number, 1514);
            wired.injector.send(&packet)?;
            let wake = rx.wait(Deadline::after(PATIENCE), OnSignal::Continue)?;
            assert_eq!(wake, Wake::Ready);
            let mut frame = rx.batch(1).next().ok_or("no frame")?;
            // Farther to the front than it came.
            frame.grow_front(300)?;
            frame.bytes_mut().copy_within(300.., 0);
            frame.set_len(1514)?;
            tx.batch(1).push(frame)?;
            assert_eq!(tx.flush()?, 0);
            let seen = witness.receive(PATIENCE)?.ok_or("a packet was not sent")?;
            assert!(seen.bytes == packet, "{mode:?}, {size}");
            reap(completion, &mut pool, 1)?;
            fill.stock(&mut pool, 1)?;
        }
        assert_eq!(tx.statistics()?.tx_invalid_descriptors, 0);
        assert_eq!(wired.pair.far.counters()?.tx_packets, 256);
        assert_eq!(umem.spurious(), 0, "{mode:?}, {size}");
        assert_all_come_back(socket, &mut pool)?;
    }
    Ok(())
}

suite! {
    packets_lie_across_pages_unharmed,
    a_frame_that_was_received_is_sent_from_where_it_lies,
}
