//! bpf(2): maps, programs, links, and what is known of each.
//!
//! # Safety
//!
//! Each request is the front part of the kernel's `union bpf_attr`, of integers without padding between
//! them; the kernel takes what lies behind it as zero. [`call`] tells the request's size. Pointers are
//! passed as 64-bit integers, and what they point at lives through the call.

use core::ffi::CStr;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use static_assertions::const_assert_eq;
use syscalls::{Sysno, syscall};

use super::sockopt::errno;
use crate::abi::bpf::{
    ATTACH_TYPE_XDP, Command, Extended, LINK_TYPE_XDP, MAP_TYPE_XSKMAP, NAME_LEN, PROGRAM_TYPE_XDP,
    REPLACE, XDP_HAS_FRAGS,
};

/// What maps and programs of this library are called: `bpftool` and a conflict's message show it.
const NAME: [u8; NAME_LEN] = *b"packet_ring\0\0\0\0\0";

/// What the verifier asks of a program's licence: nothing, for no helper that is called here wants the GPL.
const LICENSE: &CStr = c"MIT OR Apache-2.0";

/// The front part of `union bpf_attr` for some command.
trait Request {}

/// `bpf(command, request)`.
///
/// # Safety
///
/// What the command reads and writes through the addresses in the request is valid for that.
unsafe fn call<R: Request>(command: Command, request: &mut R) -> Result<usize, Errno> {
    // SAFETY: the kernel reads and writes at most so many bytes of the request, which are integers; the
    // caller answers for the rest.
    let done = unsafe {
        syscall!(
            Sysno::bpf,
            command as u32,
            core::ptr::from_mut(request),
            size_of::<R>()
        )
    };
    done.map_err(errno)
}

/// The same for commands whose answer is a descriptor.
///
/// # Safety
///
/// As [`call`], and the command's answer is a new descriptor.
unsafe fn call_for_fd<R: Request>(command: Command, request: &mut R) -> Result<OwnedFd, Errno> {
    // SAFETY: the caller answers for it.
    let fd = unsafe { call(command, request) }?;
    // SAFETY: the kernel has just made this descriptor, close-on-exec, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

fn address<T: ?Sized>(of: &T) -> u64 {
    core::ptr::from_ref(of).cast::<u8>() as usize as u64
}

/// `BPF_MAP_CREATE`.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; NAME_LEN],
}
impl Request for MapCreate {}
const_assert_eq!(size_of::<MapCreate>(), 44);

/// Makes an XSKMAP.
pub(crate) fn create_xskmap(entries: u32) -> Result<OwnedFd, Errno> {
    let mut request = MapCreate {
        map_type: MAP_TYPE_XSKMAP,
        key_size: 4,
        value_size: 4,
        max_entries: entries,
        flags: 0,
        inner_map: 0,
        numa_node: 0,
        name: NAME,
    };
    // SAFETY: there are no addresses in it, and the answer is a new map.
    unsafe { call_for_fd(Command::MapCreate, &mut request) }
}

/// `BPF_MAP_UPDATE_ELEM` and `BPF_MAP_DELETE_ELEM`.
#[repr(C)]
struct MapElement {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}
impl Request for MapElement {}
const_assert_eq!(size_of::<MapElement>(), 32);

/// Puts a socket into an XSKMAP.
pub(crate) fn update_xskmap(
    map: BorrowedFd<'_>,
    key: u32,
    socket: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let value = socket.as_raw_fd();
    let mut request = MapElement {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: address(&key),
        value: address(&value),
        flags: 0,
    };
    // SAFETY: the kernel reads a key and a value of an XSKMAP, four bytes each; both live through the call.
    // The caller's map is one: nothing else becomes an `Xskmap`.
    unsafe { call(Command::MapUpdate, &mut request) }.map(drop)
}

/// Takes what is there out of an XSKMAP.
pub(crate) fn delete_from_xskmap(map: BorrowedFd<'_>, key: u32) -> Result<(), Errno> {
    let mut request = MapElement {
        map: map.as_raw_fd() as u32,
        padding: 0,
        key: address(&key),
        value: 0,
        flags: 0,
    };
    // SAFETY: the kernel reads a key of four bytes, which lives through the call.
    unsafe { call(Command::MapDelete, &mut request) }.map(drop)
}

/// `BPF_PROG_LOAD`.
#[repr(C)]
struct ProgramLoad {
    program_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; NAME_LEN],
    interface: u32,
    expected_attach_type: u32,
}
impl Request for ProgramLoad {}
const_assert_eq!(size_of::<ProgramLoad>(), 72);

/// Loads an XDP program. The verifier writes into `log`, unless it is empty, a text that ends with a zero.
pub(crate) fn load_program(
    instructions: &[Extended],
    fragments: bool,
    log: &mut [u8],
) -> Result<OwnedFd, Errno> {
    let wanted = !log.is_empty();
    let mut request = ProgramLoad {
        program_type: PROGRAM_TYPE_XDP,
        count: u32::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
        instructions: address(instructions),
        license: LICENSE.as_ptr() as usize as u64,
        log_level: wanted.into(),
        log_size: u32::try_from(log.len()).map_err(|_| Errno::TOOBIG)?,
        log: if wanted {
            log.as_mut_ptr() as usize as u64
        } else {
            0
        },
        kernel_version: 0,
        flags: if fragments { XDP_HAS_FRAGS } else { 0 },
        name: NAME,
        interface: 0,
        expected_attach_type: ATTACH_TYPE_XDP,
    };
    // SAFETY: the kernel reads so many instructions and the licence, and writes at most `log_size` bytes to
    // `log`, which is borrowed for writing; all live through the call. The answer is a new program.
    unsafe { call_for_fd(Command::ProgramLoad, &mut request) }
}

/// `BPF_OBJ_PIN` and `BPF_OBJ_GET`.
#[repr(C)]
struct Pathname {
    path: u64,
    fd: u32,
    flags: u32,
}
impl Request for Pathname {}
const_assert_eq!(size_of::<Pathname>(), 16);

/// Gives an object a name in a bpffs.
pub(crate) fn pin(object: BorrowedFd<'_>, path: &CStr) -> Result<(), Errno> {
    let mut request = Pathname {
        path: path.as_ptr() as usize as u64,
        fd: object.as_raw_fd() as u32,
        flags: 0,
    };
    // SAFETY: the kernel reads the path up to its zero.
    unsafe { call(Command::ObjectPin, &mut request) }.map(drop)
}

/// Opens the object with this name in a bpffs, of whatever kind.
pub(crate) fn open_pinned(path: &CStr) -> Result<OwnedFd, Errno> {
    let mut request = Pathname {
        path: path.as_ptr() as usize as u64,
        fd: 0,
        flags: 0,
    };
    // SAFETY: the kernel reads the path up to its zero; the answer is a new descriptor.
    unsafe { call_for_fd(Command::ObjectGet, &mut request) }
}

/// `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}
impl Request for LinkCreate {}

/// Attaches a program to an interface of the calling thread's network namespace.
pub(crate) fn create_link(
    program: BorrowedFd<'_>,
    interface: u32,
    mode: u32,
) -> Result<OwnedFd, Errno> {
    let mut request = LinkCreate {
        program: program.as_raw_fd() as u32,
        interface,
        attach_type: ATTACH_TYPE_XDP,
        flags: mode,
    };
    // SAFETY: there are no addresses in it, and the answer is a new link.
    unsafe { call_for_fd(Command::LinkCreate, &mut request) }
}

/// `BPF_LINK_UPDATE`.
#[repr(C)]
struct LinkUpdate {
    link: u32,
    program: u32,
    flags: u32,
    expected: u32,
}
impl Request for LinkUpdate {}

/// Puts a program in the place of another, which is there.
pub(crate) fn update_link(
    link: BorrowedFd<'_>,
    expected: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
) -> Result<(), Errno> {
    let mut request = LinkUpdate {
        link: link.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        flags: REPLACE,
        expected: expected.as_raw_fd() as u32,
    };
    // SAFETY: there are no addresses in it.
    unsafe { call(Command::LinkUpdate, &mut request) }.map(drop)
}

/// `BPF_LINK_DETACH`.
#[repr(C)]
struct LinkDetach {
    link: u32,
}
impl Request for LinkDetach {}

/// Detaches, whoever else holds the link.
pub(crate) fn detach_link(link: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut request = LinkDetach {
        link: link.as_raw_fd() as u32,
    };
    // SAFETY: there are no addresses in it.
    unsafe { call(Command::LinkDetach, &mut request) }.map(drop)
}

/// `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
struct GetById {
    id: u32,
    next: u32,
    flags: u32,
}
impl Request for GetById {}

/// The program with this id: `CAP_SYS_ADMIN`.
pub(crate) fn program_by_id(id: u32) -> Result<OwnedFd, Errno> {
    let mut request = GetById {
        id,
        next: 0,
        flags: 0,
    };
    // SAFETY: there are no addresses in it, and the answer is a new descriptor.
    unsafe { call_for_fd(Command::ProgramGetById, &mut request) }
}

/// `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct ObjectInfo {
    fd: u32,
    len: u32,
    info: u64,
}
impl Request for ObjectInfo {}
const_assert_eq!(size_of::<ObjectInfo>(), 16);

/// What the kernel tells of a map, a program or a link: the front of `struct bpf_map_info`,
/// `bpf_prog_info` or `bpf_link_info`, of which each has its type in its first word.
struct Info {
    words: [u32; Self::WORDS],
    len: usize,
}

impl Info {
    /// Bytes that `struct bpf_prog_info` has had since Linux 5.3. The others are far below that: so a
    /// program is known by how much there is to say of it, where the descriptor itself tells no kind.
    const OF_PROGRAM: usize = 208;
    const WORDS: usize = Self::OF_PROGRAM / size_of::<u32>();

    fn of(object: BorrowedFd<'_>) -> Result<Self, Errno> {
        // Lengths and addresses of buffers of a program's parts are in it too: zeros ask for none.
        let mut words = [0; Self::WORDS];
        let mut request = ObjectInfo {
            fd: object.as_raw_fd() as u32,
            len: size_of_val(&words) as u32,
            info: words.as_mut_ptr() as usize as u64,
        };
        // SAFETY: the kernel writes at most `len` bytes to `words`, which are integers, and reads no address
        // but the zeros in it.
        unsafe { call(Command::ObjectInfo, &mut request) }?;
        let len = request.len as usize;
        Ok(Self { words, len })
    }

    fn is_program(&self) -> bool {
        self.len >= Self::OF_PROGRAM
    }
}

/// How many entries an XSKMAP has; `None` where the object is none.
pub(crate) fn xskmap_entries(object: BorrowedFd<'_>) -> Result<Option<u32>, Errno> {
    let info = Info::of(object)?;
    // `type`, `id`, `key_size`, `value_size`, `max_entries`.
    let [kind, _, key, value, entries, ..] = info.words;
    let is_xskmap = !info.is_program() && (kind, key, value) == (MAP_TYPE_XSKMAP, 4, 4);
    Ok(is_xskmap.then_some(entries))
}

/// Id and name of an XDP program; `None` where the object is none.
pub(crate) fn xdp_program(object: BorrowedFd<'_>) -> Result<Option<(u32, [u8; NAME_LEN])>, Errno> {
    /// Where `name` lies.
    const NAME: usize = 64 / size_of::<u32>();
    let info = Info::of(object)?;
    let [kind, id, ..] = info.words;
    let mut name = [0; NAME_LEN];
    for (bytes, word) in name.chunks_exact_mut(4).zip(&info.words[NAME..]) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    Ok((info.is_program() && kind == PROGRAM_TYPE_XDP).then_some((id, name)))
}

/// Program and interface of an XDP link, the interface 0 where it is gone; `None` where the object is none.
pub(crate) fn xdp_link(object: BorrowedFd<'_>) -> Result<Option<(u32, u32)>, Errno> {
    let info = Info::of(object)?;
    // `type`, `id`, `prog_id`, padding, `xdp.ifindex`. A map has the size of its values in place of the
    // padding, which is never 0.
    let [kind, _, program, padding, interface, ..] = info.words;
    let is_link = !info.is_program() && (kind, padding) == (LINK_TYPE_XDP, 0);
    Ok(is_link.then_some((program, interface)))
}
