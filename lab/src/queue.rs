//! An interface's queueing discipline: what a frame goes through between a socket and the driver.

use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption, TcStats2};

use crate::LabError;
use crate::rtnl::Rtnl;

/// A queue that frames leave at a rate (`tbf`). It stands for an interface that is slow, or full, or
/// that does not come back at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "tbf")]
pub struct TokenBucket {
    /// Bytes a second.
    pub rate: u32,
    /// Bytes that leave at once after a pause. A longer frame is dropped.
    pub burst: u32,
    /// Bytes that may wait. What is beyond is dropped, and its sender told so (`ENOBUFS`).
    pub limit: u32,
}

/// What a queueing discipline has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "TCA_STATS2")]
pub struct QueueCounters {
    /// Frames that went through.
    pub packets: u32,
    /// Frames that wait.
    pub waiting: u32,
    /// Frames that were dropped.
    pub drops: u32,
}

/// From linux/pkt_sched.h.
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_BURST: u16 = 6;
const TC_LINKLAYER_ETHERNET: u8 = 1;

impl TokenBucket {
    /// `struct tc_tbf_qopt`; the burst, in bytes, goes beside it.
    fn parameters(&self) -> Vec<u8> {
        let mut bytes = vec![0; 36];
        bytes[1] = TC_LINKLAYER_ETHERNET;
        bytes[8..12].copy_from_slice(&self.rate.to_ne_bytes());
        bytes[24..28].copy_from_slice(&self.limit.to_ne_bytes());
        bytes
    }
}

fn root(index: u32) -> TcMessage {
    let mut message = TcMessage::with_index(index as i32);
    message.header.parent = TcHandle::ROOT;
    message
}

/// Puts the bucket in the way of what the interface `index` sends (`RTM_NEWQDISC`).
pub(crate) fn set(rtnl: &Rtnl, index: u32, bucket: &TokenBucket) -> Result<(), LabError> {
    let mut message = root(index);
    let option = |kind, value| TcOption::Other(DefaultNla::new(kind, value));
    message.attributes = vec![
        TcAttribute::Kind("tbf".into()),
        TcAttribute::Options(vec![
            option(TCA_TBF_PARMS, bucket.parameters()),
            option(TCA_TBF_BURST, bucket.burst.to_ne_bytes().into()),
        ]),
    ];
    rtnl.create(
        "give the interface a token bucket",
        RouteNetlinkMessage::NewQueueDiscipline(message),
    )
}

/// Takes it away again, and what waits in it is dropped (`RTM_DELQDISC`).
pub(crate) fn remove(rtnl: &Rtnl, index: u32) -> Result<(), LabError> {
    rtnl.change(
        "take the interface's token bucket away",
        RouteNetlinkMessage::DelQueueDiscipline(root(index)),
    )
}

/// What it has counted (`RTM_GETQDISC`).
pub(crate) fn counters(rtnl: &Rtnl, index: u32) -> Result<QueueCounters, LabError> {
    let answer = rtnl.get(
        "ask for the interface's token bucket",
        RouteNetlinkMessage::GetQueueDiscipline(root(index)),
    )?;
    let RouteNetlinkMessage::NewQueueDiscipline(answer) = answer else {
        return Err(LabError::Unreadable(format!("{answer:?}")));
    };
    let mut counters = QueueCounters::default();
    for attribute in &answer.attributes {
        let TcAttribute::Stats2(all) = attribute else {
            continue;
        };
        for counted in all {
            match counted {
                TcStats2::Basic(basic) => counters.packets = basic.packets,
                TcStats2::Queue(queue) => {
                    counters.waiting = queue.qlen;
                    counters.drops = queue.drops;
                }
                _ => {}
            }
        }
    }
    Ok(counters)
}
