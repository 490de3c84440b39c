//! The library's ways of sending over AF_PACKET: frames of a ring, lent or copied, and no ring at all.

use packet_ring::lifecycle::Bound;
use packet_ring::packet::{NoRing, Socket, Tx, VnetHeader};
use packet_ring::{Deadline, OnSignal};

use super::ours::interface;
use crate::peer::{Answer, BATCH, Place, Transmit, write};

/// Through the transmit ring.
pub(super) struct Lent {
    socket: Socket<Bound<Tx>>,
    header: VnetHeader,
    template: Vec<u8>,
}

impl Lent {
    pub(super) fn boxed(
        rings: Tx,
        header: VnetHeader,
        place: &Place,
        template: &[u8],
    ) -> Answer<Box<dyn Transmit>> {
        let socket = Socket::configure(rings)?
            .map()
            .map_err(|failed| failed.error())?;
        Ok(Box::new(Self {
            socket: socket
                .bind(interface(place))
                .map_err(|failed| failed.error())?,
            header,
            template: template.to_vec(),
        }))
    }
}

impl Transmit for Lent {
    fn send(&mut self, first: u64) -> Answer<()> {
        let len = self.template.len();
        let mut transmitter = self.socket.transmitter();
        for number in first..first + u64::from(BATCH) {
            let mut frame = loop {
                if let Some(frame) = transmitter.reserve() {
                    break frame;
                }
                let _ = transmitter.wait(Deadline::NEVER, OnSignal::Continue)?;
            };
            write(&mut frame.data_mut()[..len], &self.template, number);
            frame.set_vnet_header(self.header);
            frame.send(len)?;
        }
        transmitter.kick()?;
        Ok(())
    }

    fn finish(&mut self) -> Answer<()> {
        let _ = (self.socket.transmitter()).drain(Deadline::NEVER, OnSignal::Continue)?;
        Ok(())
    }
}

/// By copying.
pub(super) struct Unlent {
    socket: Socket<Bound<NoRing>>,
    packets: Vec<Vec<u8>>,
    template: Vec<u8>,
}

impl Unlent {
    pub(super) fn boxed(place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        let socket = Socket::configure(NoRing)?
            .map()
            .map_err(|failed| failed.error())?;
        Ok(Box::new(Self {
            socket: socket
                .bind(interface(place))
                .map_err(|failed| failed.error())?,
            packets: vec![template.to_vec(); BATCH as usize],
            template: template.to_vec(),
        }))
    }
}

impl Transmit for Unlent {
    fn send(&mut self, first: u64) -> Answer<()> {
        for (bytes, number) in self.packets.iter_mut().zip(first..) {
            write(bytes, &self.template, number);
        }
        let sent = self.socket.sender().send(&self.packets)?;
        if sent == self.packets.len() {
            Ok(())
        } else {
            Err("the socket's send buffer is full".into())
        }
    }

    fn finish(&mut self) -> Answer<()> {
        Ok(())
    }
}
