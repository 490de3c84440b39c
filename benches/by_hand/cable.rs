//! Two interfaces and a cable between them, with programs that bring packets to sockets.

use packet_ring::xdp::{AttachMode, Attachment, Interface, Redirect, Xskmap};
use packet_ring_lab::{Injector, Link, VethOptions, VethPair};

use super::ByHand;

/// One end of a cable, whose packets go to the socket that the map has.
pub(crate) struct End {
    pub(crate) link: Link,
    pub(crate) interface: Interface,
    pub(crate) map: Xskmap,
    _attachment: Attachment,
}

impl End {
    fn of(link: &Link) -> Self {
        let index = link.index().expect("the link is there");
        let interface = Interface::by_index(index).expect("an index");
        let map = Xskmap::create(1).expect("the right to load programs");
        let program = Redirect::to(&map).load().expect("a program");
        let attachment = program.attach(interface, AttachMode::Native);
        Self {
            link: link.clone(),
            interface,
            map,
            _attachment: attachment.expect("veth takes programs"),
        }
    }

    pub(crate) fn by_hand(&self, slots: u32, stocked: u32) -> ByHand {
        let by_hand = ByHand::new(self.interface.index(), slots, stocked);
        self.map.insert(0, &by_hand).expect("a bound socket");
        by_hand
    }
}

/// A cable with a program at each end.
pub(crate) fn cable() -> [End; 2] {
    let pair = VethPair::create(&VethOptions::default()).expect("a veth pair");
    let ends = [End::of(&pair.near), End::of(&pair.far)];
    // Attaching takes an interface down and up.
    pair.wait_for_carrier().expect("a carrier");
    ends
}

/// Who sends to the other end.
pub(crate) fn injector(end: &End) -> Injector {
    Injector::on(&end.link).expect("a packet socket")
}
