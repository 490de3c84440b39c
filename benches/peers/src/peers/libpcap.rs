//! libpcap, found at run time, so that nothing is needed to build: `pcap_dispatch` to receive, `pcap_sendpacket` to send.
//!
//! # Safety
//!
//! The function types are those of `pcap/pcap.h` (libpcap 1.5 and later; `pcap_t` is opaque). The library is never
//! unloaded. A [`Handle`] holds a pointer that `pcap_create` returned and that only `Drop` gives to `pcap_close`; whoever
//! has it has it alone. What a callback is given is alive during the call.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr::NonNull;
use std::ffi::CString;
use std::sync::OnceLock;

use libloading::Library;
use rustix::fd::BorrowedFd;

use crate::peer::{
    Answer, BATCH, Blocks, ByBlocks, Cannot, Converse, Family, Peer, Place, Receive, Ring, Seen,
    Transmit, write,
};

const NAMES: [&str; 2] = ["libpcap.so.0.8", "libpcap.so.1"];
const ERROR_SIZE: usize = 256;

type Raw = *mut c_void;
type Callback = unsafe extern "C" fn(*mut u8, *const Header, *const u8);

/// `struct pcap_pkthdr`.
#[repr(C)]
struct Header {
    seconds: i64,
    microseconds: i64,
    captured: c_uint,
    len: c_uint,
}

/// Its functions.
struct Functions {
    create: unsafe extern "C" fn(*const c_char, *mut c_char) -> Raw,
    set_snapshot: unsafe extern "C" fn(Raw, c_int) -> c_int,
    set_buffer_size: unsafe extern "C" fn(Raw, c_int) -> c_int,
    set_timeout: unsafe extern "C" fn(Raw, c_int) -> c_int,
    set_immediate_mode: unsafe extern "C" fn(Raw, c_int) -> c_int,
    activate: unsafe extern "C" fn(Raw) -> c_int,
    set_nonblock: unsafe extern "C" fn(Raw, c_int, *mut c_char) -> c_int,
    dispatch: unsafe extern "C" fn(Raw, c_int, Callback, *mut u8) -> c_int,
    send_packet: unsafe extern "C" fn(Raw, *const u8, c_int) -> c_int,
    file_number: unsafe extern "C" fn(Raw) -> c_int,
    error: unsafe extern "C" fn(Raw) -> *const c_char,
    close: unsafe extern "C" fn(Raw),
    version: unsafe extern "C" fn() -> *const c_char,
}

impl Functions {
    fn load(library: &Library) -> Result<Self, libloading::Error> {
        /// # Safety
        ///
        /// `T` is the type of a pointer to the function of that name.
        unsafe fn function<T: Copy>(
            library: &Library,
            name: &CStr,
        ) -> Result<T, libloading::Error> {
            // SAFETY: the caller answers for the type.
            unsafe { library.get::<T>(name) }.map(|symbol| *symbol)
        }
        macro_rules! load {
            ($($field:ident: $name:literal,)*) => {
                Self {
                    // SAFETY: the field's type is the function's in pcap.h.
                    $($field: unsafe { function(library, $name) }?,)*
                }
            };
        }
        Ok(load! {
            create: c"pcap_create",
            set_snapshot: c"pcap_set_snaplen",
            set_buffer_size: c"pcap_set_buffer_size",
            set_timeout: c"pcap_set_timeout",
            set_immediate_mode: c"pcap_set_immediate_mode",
            activate: c"pcap_activate",
            set_nonblock: c"pcap_setnonblock",
            dispatch: c"pcap_dispatch",
            send_packet: c"pcap_sendpacket",
            file_number: c"pcap_fileno",
            error: c"pcap_geterr",
            close: c"pcap_close",
            version: c"pcap_lib_version",
        })
    }
}

fn functions() -> Answer<&'static Functions> {
    static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
    let load = || {
        // SAFETY: libpcap's initialisers set up its own data alone.
        let library = NAMES
            .iter()
            .find_map(|name| unsafe { Library::new(*name) }.ok())?;
        // Never unloaded.
        Functions::load(Box::leak(Box::new(library))).ok()
    };
    let found = FUNCTIONS.get_or_init(load).as_ref();
    Ok(found.ok_or("libpcap is not installed (Debian: libpcap0.8)")?)
}

/// A way of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Libpcap {
    /// A buffer of 2 MiB.
    Default,
    /// A buffer as large as the ring of the others.
    Large,
    /// `pcap_set_immediate_mode`, which has it choose TPACKET_V2.
    Immediate,
}

impl Peer for Libpcap {
    fn name(&self) -> &'static str {
        match self {
            Self::Default => "libpcap, default buffer",
            Self::Large => "libpcap",
            Self::Immediate => "libpcap, immediate",
        }
    }

    fn version(&self) -> String {
        let Ok(functions) = functions() else {
            return "-".into();
        };
        // SAFETY: takes nothing and returns a constant string.
        let text = unsafe { (functions.version)() };
        // SAFETY: as above; a NUL ends it.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        let version = text.split_whitespace().nth(2).unwrap_or(&text);
        version.into()
    }

    fn family(&self) -> Family {
        Family::Packet
    }

    fn receiver(&self, place: &Place, ring: &Ring) -> Answer<Box<dyn Receive>> {
        if ring.fanout.is_some() {
            return Err("its interface has no fanout".into());
        }
        if ring.held > 0 {
            return Err("it gives a block back before it returns".into());
        }
        if *self == Self::Default && ring.bytes() != Ring::LARGE.bytes() {
            return Err("its buffer has 2 MiB, and the measure asks for others".into());
        }
        let buffer = (*self != Self::Default).then_some(ring.bytes());
        let handle = Handle::open(place, ring, buffer, *self == Self::Immediate)?;
        let blocks = (*self == Self::Large).then_some(Blocks {
            size: BLOCK.min(ring.bytes()),
            count: ring.bytes() / BLOCK.min(ring.bytes()),
        });
        Ok(Box::new(Receiver {
            handle,
            sleeps: true,
            blocks,
        }))
    }

    fn sender(&self, place: &Place, template: &[u8]) -> Answer<Box<dyn Transmit>> {
        if *self != Self::Large {
            return Err(Cannot::one_of_several());
        }
        let handle = Handle::open(place, &Ring::LARGE, None, false)?;
        Ok(Box::new(Sender {
            handle,
            frame: template.to_vec(),
            template: template.to_vec(),
        }))
    }

    fn end(&self, place: &Place) -> Answer<Box<dyn Converse>> {
        let ring = Ring::ANSWERS;
        let handle = match self {
            Self::Default => return Err(Cannot::one_of_several()),
            Self::Large => Handle::open(place, &ring, Some(ring.bytes()), false)?,
            Self::Immediate => Handle::open(place, &ring, Some(1 << 20), true)?,
        };
        let receiver = Receiver {
            handle,
            sleeps: true,
            blocks: None,
        };
        Ok(match self {
            Self::Immediate => Box::new(receiver),
            _ => Box::new(ByBlocks::new(Box::new(receiver))),
        })
    }
}

/// Bytes of the blocks that it chooses.
const BLOCK: usize = 1 << 18;

struct Handle {
    functions: &'static Functions,
    raw: NonNull<c_void>,
}

// SAFETY: libpcap asks for one thread at a time, not for one and the same.
unsafe impl Send for Handle {}

impl Handle {
    fn open(place: &Place, ring: &Ring, buffer: Option<usize>, immediate: bool) -> Answer<Self> {
        let functions = functions()?;
        let name = CString::new(place.link.name())?;
        let mut text: [c_char; ERROR_SIZE] = [0; ERROR_SIZE];
        // SAFETY: a string, and a buffer of PCAP_ERRBUF_SIZE bytes.
        let raw = unsafe { (functions.create)(name.as_ptr(), text.as_mut_ptr()) };
        let raw = NonNull::new(raw).ok_or("pcap_create fails")?;
        let handle = Self { functions, raw };
        let timeout = ring.retire_timeout.as_millis() as c_int;
        // SAFETY: the handle is ours.
        unsafe { (functions.set_timeout)(raw.as_ptr(), timeout) };
        if let Some(bytes) = buffer {
            // SAFETY: the handle is ours.
            unsafe { (functions.set_buffer_size)(raw.as_ptr(), bytes as c_int) };
        }
        if immediate {
            // Frames of the default length of 256 KiB would leave four packets in a MiB.
            // SAFETY: the handle is ours.
            unsafe { (functions.set_snapshot)(raw.as_ptr(), 1518) };
            // SAFETY: the handle is ours.
            unsafe { (functions.set_immediate_mode)(raw.as_ptr(), 1) };
        }
        // SAFETY: the handle is ours.
        if unsafe { (functions.activate)(raw.as_ptr()) } < 0 {
            return Err(handle.error());
        }
        Ok(handle)
    }

    fn error(&self) -> Cannot {
        // SAFETY: the handle is ours.
        let text = unsafe { (self.functions.error)(self.raw.as_ptr()) };
        // SAFETY: the handle's own buffer, which a NUL ends.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        Cannot(text.into_owned())
    }

    /// Takes all that is there; sleeps before, if there is nothing and the handle does so.
    fn dispatch(&mut self, seen: &mut Seen) {
        let seen = core::ptr::from_mut(seen).cast();
        // SAFETY: the callback has it that the pointer is that of what was seen, which lives until it returns.
        unsafe { (self.functions.dispatch)(self.raw.as_ptr(), -1, callback, seen) };
    }

    fn send(&mut self, frame: &[u8]) -> Answer<()> {
        let len = frame.len() as c_int;
        // SAFETY: reads `len` bytes of `frame`.
        let done = unsafe { (self.functions.send_packet)(self.raw.as_ptr(), frame.as_ptr(), len) };
        if done < 0 { Err(self.error()) } else { Ok(()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the pointer came from pcap_create and is closed here alone.
        unsafe { (self.functions.close)(self.raw.as_ptr()) }
    }
}

/// # Safety
///
/// The arguments are those that `pcap_dispatch` hands on: a `Seen`, and a header and a packet of so many bytes.
unsafe extern "C" fn callback(seen: *mut u8, header: *const Header, packet: *const u8) {
    // SAFETY: a `Seen` that nobody else has during the call.
    let seen = unsafe { &mut *seen.cast::<Seen>() };
    // SAFETY: libpcap's header, during the call.
    let header = unsafe { &*header };
    // SAFETY: so many bytes, during the call.
    let bytes = unsafe { core::slice::from_raw_parts(packet, header.captured as usize) };
    seen.packet(bytes, header.len);
}

struct Receiver {
    handle: Handle,
    sleeps: bool,
    blocks: Option<Blocks>,
}

impl Receive for Receiver {
    #[inline(never)]
    fn drain(&mut self, seen: &mut Seen) {
        self.handle.dispatch(seen);
    }

    fn receive(&mut self, seen: &mut Seen) {
        self.handle.dispatch(seen);
    }

    fn will_sleep(&mut self, sleeps: bool) {
        if self.sleeps == sleeps {
            return;
        }
        self.sleeps = sleeps;
        let mut text: [c_char; ERROR_SIZE] = [0; ERROR_SIZE];
        let nonblock = c_int::from(!sleeps);
        // SAFETY: the handle is ours, and a buffer of PCAP_ERRBUF_SIZE bytes.
        unsafe {
            (self.handle.functions.set_nonblock)(
                self.handle.raw.as_ptr(),
                nonblock,
                text.as_mut_ptr(),
            )
        };
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the handle is ours.
        let fd = unsafe { (self.handle.functions.file_number)(self.handle.raw.as_ptr()) };
        // SAFETY: open as long as the handle.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }

    fn blocks(&self) -> Answer<Blocks> {
        Ok(self
            .blocks
            .ok_or("its ring is not the size that is asked for, or not of blocks")?)
    }
}

impl Converse for Receiver {
    fn take(&mut self, sleeps: bool) -> u64 {
        self.will_sleep(sleeps);
        let mut seen = Seen::default();
        while seen.packets == 0 {
            self.handle.dispatch(&mut seen);
            if !sleeps {
                core::hint::spin_loop();
            }
        }
        seen.numbers
    }

    fn give(&mut self, frame: &[u8]) -> Answer<()> {
        self.handle.send(frame)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        Receive::fd(self)
    }
}

struct Sender {
    handle: Handle,
    frame: Vec<u8>,
    template: Vec<u8>,
}

impl Transmit for Sender {
    fn send(&mut self, first: u64) -> Answer<()> {
        for number in first..first + u64::from(BATCH) {
            write(&mut self.frame, &self.template, number);
            self.handle.send(&self.frame)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Answer<()> {
        Ok(())
    }
}
