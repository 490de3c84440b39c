//! From a ring of AF_PACKET to the standard output.

use packet_ring::packet::{Geometry, Interface, Rx, Socket};

use crate::failure::Failure;
use crate::pcapng;
use crate::signals::Signals;
use crate::streams::{Decimal, say};

const RING: Geometry = Geometry::new_assert(1 << 18, 16); // 4 MiB

/// ARPHRD_ETHER and ARPHRD_LOOPBACK: their packets are Ethernet frames.
const ETHERNET: [u16; 2] = [1, 772];

pub(crate) fn run(interface: &str, packets: u64, signals: &Signals) -> Result<(), Failure> {
    let interface = Interface::by_name(interface)?;
    let mut socket = Socket::configure(Rx::new(RING))?.map()?.bind(interface)?;
    pcapng::begin().map_err(Failure::Output)?;
    let mut left = packets;
    // Level-triggered: no block is held while it sleeps, and `take_error` reads what else would wake it for ever.
    while left > 0 && signals.wait_beside(&socket).map_err(Failure::Signals)? {
        socket.take_error()?;
        let Some(block) = socket.next_block() else {
            continue;
        };
        for packet in block.packets() {
            if left == 0 {
                break;
            }
            if !ETHERNET.contains(&packet.source().hardware) {
                return Err(Failure::NotEthernet);
            }
            pcapng::packet(&packet).map_err(Failure::Output)?;
            left -= 1;
        }
    }
    let [taken, drops] = [packets - left, socket.statistics()?.drops].map(Decimal::new);
    say(&[taken.text(), " packets, ", drops.text(), " dropped\n"]);
    Ok(())
}
