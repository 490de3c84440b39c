//! What the kernel's own pollers of an interface are set to (`NAPI`), from the `netdev` family of
//! generic netlink: of the namespace of its socket, whatever is mounted at `/sys`.

use std::collections::BTreeMap;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send,
    socket_with,
};

use crate::{LabError, Link};

/// One of the interface's pollers, of a queue or of several. A veth has them while it has a native XDP program
/// or merges what it receives ([`Offload::ReceiveMerging`](crate::Offload::ReceiveMerging)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[doc(alias = "NETDEV_CMD_NAPI_GET")]
pub struct Napi {
    /// The number; one that is made anew has another.
    pub id: u32,
    /// `gro_flush_timeout` in nanoseconds (Linux 6.13).
    pub gro_flush_timeout: u64,
    /// `napi_defer_hard_irqs` (Linux 6.13).
    pub defer_hard_irqs: u32,
}

/// From linux/netlink.h, linux/genetlink.h and linux/netdev.h.
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_NAPI_GET: u8 = 11;
const NETDEV_A_NAPI_IFINDEX: u16 = 1;
const NETDEV_A_NAPI_ID: u16 = 2;
const NETDEV_A_NAPI_DEFER_HARD_IRQS: u16 = 5;
const NETDEV_A_NAPI_GRO_FLUSH_TIMEOUT: u16 = 6;

/// The attributes of one answer, by their types.
type Attributes = BTreeMap<u16, Vec<u8>>;

impl Link {
    /// The interface's pollers (`NAPI_GET`, Linux 6.8).
    pub fn napis(&self) -> Result<Vec<Napi>, LabError> {
        let index = self.index()?;
        let socket = self.namespace().run(open)??;
        let name = attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0");
        let family = ask(&socket, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, &name)?;
        let family = family
            .first()
            .and_then(|family| family.get(&CTRL_ATTR_FAMILY_ID)?.first_chunk())
            .ok_or_else(|| LabError::Unreadable("no family netdev".into()))?;
        let family = u16::from_ne_bytes(*family);
        let which = attribute(NETDEV_A_NAPI_IFINDEX, &index.to_ne_bytes());
        let told = ask(&socket, family, NLM_F_DUMP, NETDEV_CMD_NAPI_GET, &which)?;
        Ok(told.iter().map(napi).collect())
    }
}

fn napi(told: &Attributes) -> Napi {
    let number = |kind: u16| {
        let bytes = told.get(&kind)?;
        // Numbers of 64 bits come in four bytes where those hold them.
        match (bytes.first_chunk(), bytes.first_chunk()) {
            (Some(eight), _) => Some(u64::from_ne_bytes(*eight)),
            (None, Some(four)) => Some(u32::from_ne_bytes(*four).into()),
            (None, None) => None,
        }
    };
    Napi {
        id: number(NETDEV_A_NAPI_ID).unwrap_or_default() as u32,
        gro_flush_timeout: number(NETDEV_A_NAPI_GRO_FLUSH_TIMEOUT).unwrap_or_default(),
        defer_hard_irqs: number(NETDEV_A_NAPI_DEFER_HARD_IRQS).unwrap_or_default() as u32,
    }
}

fn open() -> Result<OwnedFd, LabError> {
    let doing = LabError::doing("open a generic netlink socket");
    let fd = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::GENERIC),
    )
    .map_err(&doing)?;
    bind(&fd, &netlink::SocketAddrNetlink::new(0, 0)).map_err(&doing)?;
    Ok(fd)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = (4 + value.len()) as u16;
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Sends a request and reads its answers: all of them, or the one where it asks for no more.
fn ask(
    socket: &OwnedFd,
    family: u16,
    flags: u16,
    command: u8,
    attributes: &[u8],
) -> Result<Vec<Attributes>, LabError> {
    let doing = LabError::doing("ask for the interface's NAPI");
    let len = (20 + attributes.len()) as u32;
    let mut request = len.to_ne_bytes().to_vec();
    request.extend(family.to_ne_bytes());
    request.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    request.extend([0; 8]);
    request.extend([command, 1, 0, 0]);
    request.extend(attributes);
    send(socket, &request, SendFlags::empty()).map_err(&doing)?;

    let mut told = Vec::new();
    loop {
        let mut room = vec![0; 32 << 10];
        let (len, _) = recv(socket, &mut room[..], RecvFlags::empty()).map_err(&doing)?;
        let mut rest = &room[..len];
        while let Some((kind, body, after)) = message(rest) {
            rest = after;
            match kind {
                NLMSG_DONE => return Ok(told),
                NLMSG_ERROR => {
                    let errno = body
                        .first_chunk()
                        .map_or(0, |code| -i32::from_ne_bytes(*code));
                    return Err(doing(Errno::from_raw_os_error(errno)));
                }
                _ => told.push(attributes_of(body.get(4..).unwrap_or_default())),
            }
        }
        if flags & NLM_F_DUMP == 0 {
            return Ok(told);
        }
    }
}

/// The first message's type and body, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let len = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(16..len)?;
    Some((
        kind,
        body,
        bytes.get(len.next_multiple_of(4)..).unwrap_or_default(),
    ))
}

fn attributes_of(mut bytes: &[u8]) -> Attributes {
    let mut all = Attributes::new();
    while let Some((len, kind)) = bytes
        .first_chunk()
        .zip(bytes.get(2..).and_then(|b| b.first_chunk()))
    {
        let len = usize::from(u16::from_ne_bytes(*len));
        let Some(value) = bytes.get(4..len) else {
            break;
        };
        all.insert(u16::from_ne_bytes(*kind) & 0x3fff, value.to_vec());
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}
