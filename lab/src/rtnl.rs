//! One request, one answer: the little of rtnetlink that links need.

use std::sync::{Mutex, PoisonError};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::LabError;

/// Bytes that hold any single answer: a link message of a veth is below 2 KiB.
const ANSWER_ROOM: usize = 32 << 10;

/// An rtnetlink socket, in the namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Rtnl {
    fd: OwnedFd,
    /// The sequence number of the latest request; held over a request and its answer, so that
    /// threads take turns.
    sequence: Mutex<u32>,
}

impl Rtnl {
    pub(crate) fn open() -> Result<Self, LabError> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // NETLINK_ROUTE is protocol 0.
            None,
        )
        .map_err(LabError::doing("open an rtnetlink socket"))?;
        rustix::net::bind(&fd, &netlink::SocketAddrNetlink::new(0, 0))
            .map_err(LabError::doing("bind an rtnetlink socket"))?;
        Ok(Self {
            fd,
            sequence: Mutex::new(0),
        })
    }

    /// Makes something that must not exist yet.
    pub(crate) fn create(
        &self,
        doing: &'static str,
        message: RouteNetlinkMessage,
    ) -> Result<(), LabError> {
        self.request(doing, message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            .map(drop)
    }

    /// Changes or deletes something.
    pub(crate) fn change(
        &self,
        doing: &'static str,
        message: RouteNetlinkMessage,
    ) -> Result<(), LabError> {
        self.request(doing, message, NLM_F_ACK).map(drop)
    }

    /// Asks for one thing.
    pub(crate) fn get(
        &self,
        doing: &'static str,
        message: RouteNetlinkMessage,
    ) -> Result<RouteNetlinkMessage, LabError> {
        // Without the flag a queueing discipline's answer goes to those who listen for changes alone.
        self.request(doing, message, NLM_F_ECHO)?
            .ok_or_else(|| LabError::Unreadable("an acknowledgement alone".into()))
    }

    /// `None` is a bare acknowledgement.
    fn request(
        &self,
        doing: &'static str,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Option<RouteNetlinkMessage>, LabError> {
        let mut sequence = self.sequence.lock().unwrap_or_else(PoisonError::into_inner);
        *sequence = sequence.wrapping_add(1);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        request.header.sequence_number = *sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        rustix::net::send(&self.fd, &bytes, SendFlags::empty()).map_err(LabError::doing(doing))?;

        let mut answer = vec![0; ANSWER_ROOM];
        loop {
            let (len, _) = rustix::net::recv(&self.fd, &mut answer[..], RecvFlags::empty())
                .map_err(LabError::doing(doing))?;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..len])
                .map_err(|error| LabError::Unreadable(error.to_string()))?;
            // The rest of an exchange that ended early.
            if answer.header.sequence_number != *sequence {
                continue;
            }
            return match answer.payload {
                NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
                NetlinkPayload::Error(error) => match error.code {
                    None => Ok(None),
                    Some(code) => Err(LabError::System {
                        doing,
                        errno: Errno::from_raw_os_error(-code.get()),
                    }),
                },
                other => Err(LabError::Unreadable(format!("{other:?}"))),
            };
        }
    }
}

impl AsFd for Rtnl {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
