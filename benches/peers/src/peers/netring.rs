//! netring, the version that most of its documents speak of and its latest: through batches, its fastest interface.
//!
//! Both have the ring that everybody has. Off are the flow hash, which costs the kernel some 180 ns a packet, and what
//! others do not do either.

use core::time::Duration;

use rustix::fd::{AsFd, BorrowedFd};

use crate::peer::{
    Answer, BATCH, Blocks, Converse, Family, Peer, Place, Receive, Ring, Seen, Transmit, write,
};

/// Where it is told how long to wait.
const A_WHILE: Duration = Duration::from_millis(100);

/// The same for both: their interfaces differ, but not in what is used of them.
macro_rules! netring {
    ($module:ident, $crate_name:ident, $version:literal, $name:literal, $packet:ident, $xdp:ident) => {
        pub(crate) static $packet: $module::Packet = $module::Packet;
        pub(crate) static $xdp: $module::Xdp = $module::Xdp;

        pub(crate) mod $module {
            use $crate_name::afxdp::{XdpMode, XdpSocketBuilder};
            use $crate_name::{Capture, FanoutMode, Injector, XdpSocket};

            use super::*;
            use crate::by_hand::CHUNK;

            /// Its AF_PACKET.
            pub(crate) struct Packet;

            impl Peer for Packet {
                fn name(&self) -> &'static str {
                    $name
                }

                fn version(&self) -> String {
                    $version.into()
                }

                fn family(&self) -> Family {
                    Family::Packet
                }

                fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
                    if ring.held > 0 {
                        return Err("a batch borrows the capture: one block at a time".into());
                    }
                    let mut builder = Capture::builder()
                        .interface(place.link.name())
                        .block_size(ring.block_size as usize)
                        .block_count(ring.blocks as usize)
                        .block_timeout_ms(ring.retire_timeout.as_millis() as u32)
                        .fill_rxhash(false);
                    if let Some(group) = ring.fanout {
                        builder = builder.fanout(FanoutMode::LoadBalance, group);
                    }
                    let blocks = Blocks {
                        size: ring.block_size as usize,
                        count: ring.blocks as usize,
                    };
                    Ok(Box::new(Receiver(builder.build()?, blocks)))
                }

                fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
                    let injector = Injector::builder()
                        .interface(place.link.name())
                        .frame_size(super::super::raw_transmit::FRAME)
                        .frame_count(super::super::raw_transmit::FRAMES)
                        .build()?;
                    Ok(Box::new(Sender(injector, template.to_vec())))
                }
            }

            struct Receiver(Capture, Blocks);

            impl Receive for Receiver {
                #[inline(never)]
                fn drain(&mut self, seen: &mut Seen) {
                    while let Some(batch) = self.0.next_batch() {
                        for packet in batch.iter() {
                            seen.packet(packet.data(), packet.original_len() as u32);
                        }
                    }
                }

                fn receive(&mut self, seen: &mut Seen) {
                    let batch = self.0.next_batch_blocking(A_WHILE).expect("the link is up");
                    if let Some(batch) = batch {
                        for packet in batch.iter() {
                            seen.packet(packet.data(), packet.original_len() as u32);
                        }
                    }
                }

                fn fd(&self) -> BorrowedFd<'_> {
                    self.0.as_fd()
                }

                fn blocks(&self) -> Answer<Blocks> {
                    Ok(self.1)
                }
            }

            struct Sender(Injector, Vec<u8>);

            impl Transmit for Sender {
                fn send(&mut self, first: u64) -> Answer<()> {
                    for number in first..first + u64::from(BATCH) {
                        let mut tries = 0;
                        loop {
                            if let Some(mut slot) = self.0.allocate(self.1.len()) {
                                write(&mut slot.data_mut()[..self.1.len()], &self.1, number);
                                slot.set_len(self.1.len());
                                slot.send();
                                break;
                            }
                            self.0.flush()?;
                            tries += 1;
                            if tries > 1000 {
                                return Err("no slot of its ring comes back: the kernel takes none of its frames".into());
                            }
                        }
                    }
                    self.0.flush()?;
                    Ok(())
                }

                fn finish(&mut self) -> Answer<()> {
                    self.0.flush()?;
                    Ok(self.0.wait_drained(A_WHILE)?)
                }
            }

            /// Its AF_XDP.
            pub(crate) struct Xdp;

            impl Xdp {
                fn socket(place: &Place, mode: XdpMode, chunks: u32) -> Answer<XdpSocket> {
                    // Its rings have a slot for each chunk.
                    let socket = XdpSocketBuilder::default()
                        .interface(place.link.name())
                        .frame_size(CHUNK)
                        .frame_count(chunks as usize)
                        .mode(mode)
                        .build()?;
                    if let Some(map) = &place.map {
                        map.insert(0, &socket)?;
                    }
                    Ok(socket)
                }
            }

            impl Peer for Xdp {
                fn name(&self) -> &'static str {
                    $name
                }

                fn version(&self) -> String {
                    $version.into()
                }

                fn family(&self) -> Family {
                    Family::Xdp
                }

                fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
                    let socket = Self::socket(place, XdpMode::Rx, ring.blocks)?;
                    Ok(Box::new(XdpReceiver(socket)))
                }

                fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
                    let socket = Self::socket(place, XdpMode::Tx, super::super::raw_xdp::SLOTS)?;
                    Ok(Box::new(XdpSender(socket, template.to_vec())))
                }

                fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
                    let socket = Self::socket(place, XdpMode::RxTx, 128)?;
                    Ok(Box::new(XdpReceiver(socket)))
                }
            }

            struct XdpReceiver(XdpSocket);

            impl Receive for XdpReceiver {
                #[inline(never)]
                fn drain(&mut self, seen: &mut Seen) {
                    while let Some(batch) = self.0.next_batch() {
                        for packet in batch.iter() {
                            seen.packet(packet.data(), packet.len() as u32);
                        }
                    }
                }

                fn receive(&mut self, seen: &mut Seen) {
                    if self.0.poll(A_WHILE).expect("the link is up") {
                        self.drain(seen);
                    }
                }

                fn fd(&self) -> BorrowedFd<'_> {
                    self.0.as_fd()
                }
            }

            impl Converse for XdpReceiver {
                fn take(&mut self, sleeps: bool) -> u64 {
                    let mut seen = Seen::default();
                    loop {
                        self.drain(&mut seen);
                        if seen.packets > 0 {
                            return seen.numbers;
                        }
                        if sleeps {
                            let _ = self.0.poll(A_WHILE).expect("the link is up");
                        } else {
                            core::hint::spin_loop();
                        }
                    }
                }

                fn give(&mut self, frame: &[u8]) -> Answer<()> {
                    if !self.0.send(frame)? {
                        return Err("it can send no more, since receiving puts every free chunk into the fill ring".into());
                    }
                    Ok(self.0.flush()?)
                }

                fn fd(&self) -> BorrowedFd<'_> {
                    self.0.as_fd()
                }
            }

            struct XdpSender(XdpSocket, Vec<u8>);

            impl Transmit for XdpSender {
                fn send(&mut self, first: u64) -> Answer<()> {
                    let (socket, template) = (&mut self.0, &mut self.1);
                    for number in first..first + u64::from(BATCH) {
                        template[crate::peer::NUMBER..][..8].copy_from_slice(&number.to_be_bytes());
                        let mut tries = 0;
                        while !socket.send(template)? {
                            socket.flush()?;
                            tries += 1;
                            if tries > 100_000 {
                                return Err("no frame of its memory comes back".into());
                            }
                        }
                    }
                    Ok(socket.flush()?)
                }

                fn finish(&mut self) -> Answer<()> {
                    // It does not tell how many frames are left: a kick each for those that one kick may leave.
                    for _ in 0..super::super::raw_xdp::SLOTS / 32 {
                        self.0.flush()?;
                    }
                    Ok(())
                }
            }
        }
    };
}

netring!(
    v0_11,
    netring_0_11,
    "0.11.0",
    "netring 0.11",
    V0_11,
    XDP_0_11
);
netring!(
    v0_32,
    netring_0_32,
    "0.32.0",
    "netring 0.32",
    V0_32,
    XDP_0_32
);
