//! The library's two ways of sending.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{FrameGeometry, Interface, NoRing, Socket, Tx, VnetHeader};
use packet_ring::{Deadline, OnSignal};

use crate::{BATCH, LEN, Sender, template, write};

fn interface(index: u32) -> Interface {
    Interface::by_index(index).expect("an index")
}

/// Through the transmit ring.
pub(crate) struct Ring {
    socket: Socket<Bound<Tx>>,
    template: [u8; LEN],
    header: VnetHeader,
}

impl Ring {
    /// Frames are lent to the interface.
    pub(crate) fn new(index: u32) -> Self {
        Self::with(Tx::new(FrameGeometry::DEFAULT), VnetHeader::NONE, index)
    }

    /// The kernel copies frames when it takes them.
    pub(crate) fn copied(index: u32) -> Self {
        let rings = Tx::new(FrameGeometry::DEFAULT).vnet_headers();
        Self::with(rings, VnetHeader::NONE.copied(LEN as u16), index)
    }

    fn with(rings: Tx, header: VnetHeader, index: u32) -> Self {
        let socket = Socket::configure(rings).expect("a socket");
        let socket = socket.map().expect("a ring");
        Self {
            socket: socket.bind(interface(index)).expect("bound"),
            template: template(),
            header,
        }
    }
}

impl Sender for Ring {
    fn send(&mut self, first: u64) {
        let mut transmitter = self.socket.transmitter();
        for number in first..first + BATCH {
            let mut frame = loop {
                if let Some(frame) = transmitter.reserve() {
                    break frame;
                }
                let waited = transmitter.wait(Deadline::NEVER, OnSignal::Continue);
                let _ = waited.expect("a free frame");
            };
            write(&mut frame.data_mut()[..LEN], &self.template, number);
            frame.set_vnet_header(self.header);
            frame.send(LEN).expect("a frame has room");
        }
        transmitter.kick().expect("sent");
    }

    fn finish(&mut self) {
        let drained = self
            .socket
            .transmitter()
            .drain(Deadline::NEVER, OnSignal::Continue);
        let _ = drained.expect("sent");
    }
}

/// By copying.
pub(crate) struct Copied {
    socket: Socket<Bound<NoRing>>,
    template: [u8; LEN],
    packets: [[u8; LEN]; BATCH as usize],
}

impl Copied {
    pub(crate) fn new(index: u32) -> Self {
        let socket = Socket::configure(NoRing).expect("a socket");
        let socket = socket.map().expect("nothing to map");
        Self {
            socket: socket.bind(interface(index)).expect("bound"),
            template: template(),
            packets: [[0; LEN]; BATCH as usize],
        }
    }
}

impl Sender for Copied {
    fn send(&mut self, first: u64) {
        for (bytes, number) in self.packets.iter_mut().zip(first..) {
            write(bytes, &self.template, number);
        }
        let sent = self.socket.sender().send(&self.packets);
        assert_eq!(sent.expect("sent"), self.packets.len());
    }

    fn finish(&mut self) {}
}
