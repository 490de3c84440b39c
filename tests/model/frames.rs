//! Any bytes as a ring of TPACKET_V2 frames, held against an oracle that reads them slowly.

use core::ops::Range;

use packet_ring::handoff::{HELD, USER};
use packet_ring::packet::{Frame, FrameGeometry};

use super::compare::{look_at_either, within};
use super::heap::HeapRing;
use super::oracle::{Seen, narrow, number};

/// How it went with one ring.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Frames that were handed out and opened.
    pub(crate) opened: usize,
    /// Whether the ring was found corrupt.
    pub(crate) corrupt: bool,
}

/// What a frame says; `None` where the kernel did not write it. As `struct tpacket2_hdr` and the
/// `struct sockaddr_ll` behind it have it.
fn read(frame: &[u8]) -> Option<Seen> {
    let field = |offset, width| number(frame, offset, width);
    let (mac, captured) = (field(12, 2), field(8, 4));
    if mac < 52 || mac + captured > frame.len() as i128 {
        return None;
    }
    let status = field(0, 4);
    let tpid = if status & 0x40 == 0 {
        0x8100
    } else {
        field(26, 2)
    };
    let address_len: usize = narrow(field(43, 1).min(8));
    let mut address = [0; 8];
    address[..address_len].copy_from_slice(&frame[44..44 + address_len]);
    Some(Seen {
        data: (narrow(mac), narrow(mac + captured)),
        captured: narrow(captured),
        length: narrow(field(4, 4)),
        time: (narrow(field(16, 4)), narrow(field(20, 4))),
        status: narrow(status),
        vlan: (status & 0x10 != 0).then(|| (narrow(field(24, 2)), narrow(tpid))),
        rxhash: 0,
        network_offset: narrow((field(14, 2) - mac).max(0)),
        protocol: narrow(i128::from(frame[34]) * 256 + i128::from(frame[35])),
        interface: narrow(field(36, 4)),
        hardware: narrow(field(40, 2)),
        packet_type: frame[42],
        address,
        address_len,
    })
}

/// Makes a ring of `bytes` and takes every frame that it hands out.
///
/// # Panics
///
/// Where the library and the oracle disagree.
pub(crate) fn ring(geometry: &FrameGeometry, bytes: &[u8]) -> Outcome {
    let mut heap = HeapRing::of_frames(geometry, bytes);
    let [block, size] = [geometry.block_size(), geometry.frame_size()].map(|size| size as usize);
    let blocks = geometry.block_count().get() as usize;
    let mut contents = bytes.to_vec();
    contents.resize(block * blocks, 0);
    let frames = (0..blocks).flat_map(|index| {
        let place = heap.addresses(index);
        let places = (place.start..place.end)
            .step_by(size)
            .map(move |start| start..start + size);
        let whole = places.filter(move |frame| frame.end <= place.end);
        let frames = contents[index * block..][..block].chunks_exact(size);
        whole.zip(frames).collect::<Vec<(Range<usize>, &[u8])>>()
    });
    let frames: Vec<_> = frames.collect();
    assert_eq!(frames.len(), geometry.frame_count().get() as usize);

    let mut outcome = Outcome::default();
    let mut receiver = heap.ring.receiver();
    let slots = receiver.slots();
    let claimed = slots.held();
    let mut held = Vec::new();
    for (place, content) in &frames {
        let status: u32 = narrow(number(content, 0, 4));
        let taken = receiver.next_block();
        if status & (USER | HELD) != USER {
            assert!(taken.is_none(), "took a frame whose status is {status:#x}");
            break;
        }
        let opened = Frame::open(taken.expect("the program owns the frame"));
        if outcome.corrupt {
            assert!(opened.is_none(), "opened a frame of a corrupt ring");
            continue;
        }
        let expected = read(content);
        assert_eq!(opened.is_some(), expected.is_some());
        assert_eq!(slots.is_corrupt(), expected.is_none(), "the latch");
        outcome.corrupt = expected.is_none();
        let (Some(mut frame), Some(expected)) = (opened, expected) else {
            continue;
        };
        assert_eq!(look_at_either(place, &frame.packet()), expected);
        // Nothing to compare with, but no value may make it panic.
        let _ = format!("{:?}", frame.packet());
        let data = frame.data_mut();
        assert_eq!(within(place, data), expected.data);
        data.fill(0xa5);
        // What is written leaves the header as it was.
        assert_eq!(look_at_either(place, &frame.packet()), expected);
        outcome.opened += 1;
        held.push(frame);
    }
    assert_eq!((slots.held() - claimed) as usize, held.len());
    drop(held);
    assert_eq!(slots.held(), claimed);
    outcome
}
