//! Pairs of virtual Ethernet interfaces: what one end sends, the other receives.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo};
use rustix::fd::AsRawFd;

use crate::link::Link;
use crate::{LabError, Namespace};

/// How long the kernel gets to notice a carrier; it takes milliseconds, or a second when it is
/// rate-limited.
const CARRIER_DEADLINE: Duration = Duration::from_secs(2);

/// What a [`VethPair`] is to be like. The default: names made up, MTU 1500, one queue each way,
/// both ends here.
#[derive(Debug, Clone, Copy)]
pub struct VethOptions<'a> {
    /// The names, at most 15 bytes each; `None` makes up a pair that no other pair of this process
    /// has.
    pub names: Option<[&'a str; 2]>,
    /// The largest payload of a frame, in bytes, of both ends.
    pub mtu: u32,
    /// Transmit queues and receive queues of each end.
    pub queues: u32,
    /// Where the far end goes; `None` is where the near end is.
    pub far_namespace: Option<&'a Namespace>,
}

impl Default for VethOptions<'_> {
    fn default() -> Self {
        Self {
            names: None,
            mtu: 1500,
            queues: 1,
            far_namespace: None,
        }
    }
}

/// Two interfaces with a cable between them, and silence on it: without addresses and IPv6, the
/// kernel sends nothing.
///
/// The pair is not deleted when this is dropped: it goes with its namespace.
///
/// # References
/// [veth(4)](https://man7.org/linux/man-pages/man4/veth.4.html)
#[derive(Debug, Clone)]
#[doc(alias = "veth")]
pub struct VethPair {
    /// The end in the namespace of the thread that made the pair.
    pub near: Link,
    /// The other end.
    pub far: Link,
}

impl VethPair {
    /// Makes a pair in the calling thread's namespace, sets both ends up and waits for the carrier.
    ///
    /// # Errors
    /// [`LabError::NotInTheLab`] outside the lab's namespaces; `EEXIST` when a given name is taken.
    pub fn create(options: &VethOptions<'_>) -> Result<Self, LabError> {
        let made_up = made_up_names();
        let [near, far] = options.names.unwrap_or([&made_up[0], &made_up[1]]);
        let near = Link::named(near)?;
        let far = match options.far_namespace {
            None => near.sibling(far),
            Some(namespace) => namespace.run(|| Link::named(far))??,
        };
        let shape = [
            LinkAttribute::Mtu(options.mtu),
            LinkAttribute::NumTxQueues(options.queues),
            LinkAttribute::NumRxQueues(options.queues),
        ];
        let mut peer = far.message(shape.clone());
        peer.attributes
            .push(LinkAttribute::NetNsFd(far.namespace().fd().as_raw_fd()));
        let veth = LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]);
        near.create(shape.into_iter().chain([veth]))?;
        let pair = Self { near, far };
        pair.set_up()?;
        Ok(pair)
    }

    /// Sets both ends up and waits until both pass frames.
    ///
    /// # Errors
    /// [`LabError::NoCarrier`] after two seconds.
    pub fn set_up(&self) -> Result<(), LabError> {
        self.near.set_up()?;
        self.far.set_up()?;
        self.wait_for_carrier()
    }

    /// Waits until both ends pass frames. Before that, the kernel throws away what is sent.
    pub fn wait_for_carrier(&self) -> Result<(), LabError> {
        let deadline = Instant::now() + CARRIER_DEADLINE;
        while !(self.near.facts()?.is_operating && self.far.facts()?.is_operating) {
            if Instant::now() > deadline {
                return Err(LabError::NoCarrier(self.near.name().to_owned()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Deletes both ends. To have them back, make a pair of the same names: the handles speak of it
    /// then.
    pub fn delete(&self) -> Result<(), LabError> {
        self.near.delete()
    }
}

fn made_up_names() -> [String; 2] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Relaxed: the number is unique in any order.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    [format!("near{number}"), format!("far{number}")]
}
