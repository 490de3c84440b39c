//! The executor on a real ring: what the far end of a veth pair sends, byte for byte.

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
use real::every_packet_comes_and_every_block_goes_back;

#[cfg(not(loom))]
packet_ring_lab::suite![every_packet_comes_and_every_block_goes_back];

#[cfg(not(loom))]
mod real {
    use core::time::Duration;
    use std::sync::mpsc;
    use std::thread;

    use packet_ring::packet::{Block, Geometry, Interface, Rx, Socket};
    use packet_ring_lab::suite::{Stopped, TestResult};
    use packet_ring_lab::{Injector, VethOptions, VethPair, frame};
    use packet_ring_model_checked_executor::{Epoll, Readiness, react, run};

    /// A block for each packet, soon: a timeout of a millisecond.
    const RING: Geometry =
        Geometry::expect(Geometry::new_assert(1 << 14, 8).retire_timeout(Duration::from_millis(1)));
    const COUNT: u64 = 100;

    /// How long a packet may take: for ever, on any machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    pub(crate) fn every_packet_comes_and_every_block_goes_back() -> TestResult {
        let pair = VethPair::create(&VethOptions::default())?;
        let frames: Vec<_> = (0..COUNT)
            .map(|number| frame::numbered_udp(number, 60 + number as usize * 7 % 1400))
            .collect();
        let interface = Interface::by_name(pair.far.name())?;
        let receiver = Socket::configure(Rx::new(RING))?
            .map()?
            .bind(interface)?
            .into_shared();
        let reactor = Epoll::watching(&receiver)?;
        let readiness = Readiness::new();
        let injector = Injector::on(&pair.near)?;

        let (worked, packets) = mpsc::channel();
        let work = move |block: Block<_>| {
            for packet in block.packets() {
                let _ = worked.send(packet.data().to_vec());
            }
        };
        let mut received = Vec::new();
        let mut receiver = thread::scope(|scope| {
            let reacting = scope.spawn(|| react(&reactor, &readiness));
            let running = scope.spawn(|| run(receiver, &readiness, work));
            // One by one, so that the task finds none and sleeps between them.
            let sent = frames.iter().try_for_each(|frame| {
                injector.send(frame)?;
                received.push(packets.recv_timeout(PATIENCE)?);
                Ok::<_, Stopped>(())
            });
            readiness.stop();
            reactor.end()?;
            reacting.join().map_err(|_| "the reactor panicked")??;
            let receiver = running.join().map_err(|_| "the executor panicked")?;
            sent.map(|()| receiver)
        })?;
        assert_eq!(received, frames);
        let counts = receiver.statistics()?;
        assert_eq!((counts.packets, counts.drops, counts.held), (COUNT, 0, 0));
        assert_eq!(pair.far.counters()?.rx_packets, COUNT);
        Ok(())
    }
}
