//! libpcap's filter compiler, found at run time.
//!
//! tcpdump compiles against a handle that is open on the interface: only then does libpcap know the link type, and that
//! this kernel keeps VLAN tags beside the packet. A handle that was never opened (`pcap_open_dead`) gives other
//! instructions for `vlan`, which match nothing on a live Linux socket. So a handle is opened here too, for the time of
//! one compilation, not promiscuous and with the smallest ring.
//!
//! # Safety
//!
//! The function types below are those of `pcap/pcap.h` (libpcap 1.0 and later; `pcap_t` is opaque). A `Handle` holds a
//! pointer that `pcap_create` returned and that only `Drop` gives to `pcap_close`; it borrows the loaded library, so
//! no function is called after that was unloaded. `struct bpf_program` and `struct bpf_insn` are laid out as in
//! `pcap/bpf.h`, checked below.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr::NonNull;
use std::ffi::CString;

use libloading::Library;
use packet_ring::bpf::Instruction;

use crate::exit::Failure;

/// The library's name at Debian, and everywhere else.
const NAMES: [&str; 2] = ["libpcap.so.0.8", "libpcap.so.1"];
const ERROR_SIZE: usize = 256;
const OPTIMIZE: c_int = 1;
/// tcpdump passes 0 unless it is told `-f`, so `ip broadcast` means 0.0.0.0 and 255.255.255.255.
const NETMASK: u32 = 0;
const PERMISSION_DENIED: c_int = -8;
const PROMISCUOUS_PERMISSION_DENIED: c_int = -11;
const NO_SUCH_DEVICE: c_int = -5;
const INTERFACE_NOT_UP: c_int = -9;
/// Bytes of ring asked of libpcap: it only ever compiles.
const RING_SIZE: c_int = 65_536;

#[repr(C)]
struct Program {
    len: c_uint,
    instructions: *mut RawInstruction,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawInstruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

const _: () = assert!(size_of::<RawInstruction>() == 8);
const _: () = assert!(core::mem::offset_of!(Program, instructions) == size_of::<usize>());

type ErrorBuffer = [c_char; ERROR_SIZE];
type Create = unsafe extern "C" fn(*const c_char, *mut c_char) -> *mut c_void;
type SetInt = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type OnHandle = unsafe extern "C" fn(*mut c_void) -> c_int;
type GetText = unsafe extern "C" fn(*mut c_void) -> *const c_char;
type Close = unsafe extern "C" fn(*mut c_void);
type Compile = unsafe extern "C" fn(*mut c_void, *mut Program, *const c_char, c_int, u32) -> c_int;
type FreeCode = unsafe extern "C" fn(*mut Program);
type Version = unsafe extern "C" fn() -> *const c_char;

/// libpcap, loaded: its functions, and the library that holds them.
pub(crate) struct Compiler {
    create: Create,
    set_snap_length: SetInt,
    set_buffer_size: SetInt,
    activate: OnHandle,
    error: GetText,
    close: Close,
    compile: Compile,
    free_code: FreeCode,
    version: Version,
    _library: Library,
}

/// No libpcap on this machine.
#[derive(Debug)]
pub(crate) struct Missing;

impl Missing {
    /// What to do about it.
    pub(crate) const ADVICE: &str = "install libpcap (Debian, Ubuntu: apt install libpcap0.8), \
        or compile the filter elsewhere with tcpdump -dd and give it with --bpf FILE";

    pub(super) fn failure(&self, expression: &str) -> Failure {
        Failure::runtime(format_args!(
            "the filter '{expression}' needs libpcap, and neither {} nor {} was found:\n{}",
            NAMES[0],
            NAMES[1],
            Self::ADVICE
        ))
    }
}

impl Compiler {
    /// Finds libpcap the way the dynamic linker does.
    pub(crate) fn load() -> Result<Self, Missing> {
        NAMES
            .iter()
            .find_map(|name| Self::load_as(name).ok())
            .ok_or(Missing)
    }

    fn load_as(name: &str) -> Result<Self, libloading::Error> {
        // SAFETY: libpcap's initialisers only set up its own data.
        let library = unsafe { Library::new(name) }?;
        Ok(Self {
            // SAFETY: the type is pcap.h's.
            create: unsafe { function(&library, c"pcap_create") }?,
            // SAFETY: the type is pcap.h's.
            set_snap_length: unsafe { function(&library, c"pcap_set_snaplen") }?,
            // SAFETY: the type is pcap.h's.
            set_buffer_size: unsafe { function(&library, c"pcap_set_buffer_size") }?,
            // SAFETY: the type is pcap.h's.
            activate: unsafe { function(&library, c"pcap_activate") }?,
            // SAFETY: the type is pcap.h's.
            error: unsafe { function(&library, c"pcap_geterr") }?,
            // SAFETY: the type is pcap.h's.
            close: unsafe { function(&library, c"pcap_close") }?,
            // SAFETY: the type is pcap.h's.
            compile: unsafe { function(&library, c"pcap_compile") }?,
            // SAFETY: the type is pcap.h's.
            free_code: unsafe { function(&library, c"pcap_freecode") }?,
            // SAFETY: the type is pcap.h's.
            version: unsafe { function(&library, c"pcap_lib_version") }?,
            _library: library,
        })
    }

    /// What libpcap calls itself.
    pub(crate) fn version(&self) -> String {
        // SAFETY: takes nothing and returns a constant string.
        let text = unsafe { (self.version)() };
        // SAFETY: as above; a NUL ends it.
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    }

    /// Compiles with a handle that is open on `interface`, returning `snap_length` for what matches.
    pub(crate) fn compile(
        &self,
        interface: &str,
        snap_length: u32,
        expression: &str,
    ) -> Result<Vec<Instruction>, Failure> {
        let name = CString::new(interface)
            .map_err(|_| Failure::usage("an interface name holds no NUL"))?;
        let text = CString::new(expression).map_err(|_| Failure::usage("a filter holds no NUL"))?;
        let handle = Handle::open(self, &name, snap_length)?;
        handle.compile(&text)
    }
}

/// The function that the library exports as `name`.
///
/// # Safety
///
/// `T` is the type of a pointer to that function, and is not called once the library is unloaded.
unsafe fn function<T: Copy>(library: &Library, name: &CStr) -> Result<T, libloading::Error> {
    // SAFETY: the caller answers for the type.
    let symbol = unsafe { library.get::<T>(name) }?;
    Ok(*symbol)
}

/// A `pcap_t`, activated once `open` has returned it.
struct Handle<'a> {
    compiler: &'a Compiler,
    raw: NonNull<c_void>,
}

impl<'a> Handle<'a> {
    fn open(compiler: &'a Compiler, interface: &CStr, snap_length: u32) -> Result<Self, Failure> {
        let mut error: ErrorBuffer = [0; ERROR_SIZE];
        // SAFETY: a string and a buffer of PCAP_ERRBUF_SIZE bytes, alive until it returns.
        let raw = unsafe { (compiler.create)(interface.as_ptr(), error.as_mut_ptr()) };
        let raw = NonNull::new(raw).ok_or_else(|| Failure::runtime(text_of(&error)))?;
        let handle = Self { compiler, raw };
        let snap_length = snap_length.try_into().unwrap_or(c_int::MAX);
        // SAFETY: the handle is created and not yet activated.
        unsafe { (compiler.set_snap_length)(raw.as_ptr(), snap_length) };
        // SAFETY: the handle is created and not yet activated.
        unsafe { (compiler.set_buffer_size)(raw.as_ptr(), RING_SIZE) };
        // SAFETY: the handle is created and not yet activated.
        match unsafe { (compiler.activate)(raw.as_ptr()) } {
            0.. => Ok(handle),
            status => Err(handle.refused(status, interface)),
        }
    }

    fn refused(&self, status: c_int, interface: &CStr) -> Failure {
        let interface = interface.to_string_lossy();
        match status {
            PERMISSION_DENIED | PROMISCUOUS_PERMISSION_DENIED => {
                Failure::not_permitted(format_args!("not permitted to capture on {interface}"))
            }
            NO_SUCH_DEVICE => Failure::interface(format_args!("there is no interface {interface}")),
            INTERFACE_NOT_UP => Failure::interface(format_args!(
                "{interface} is down, and libpcap compiles a filter only for an interface that is up: bring it up, or give the filter with --bpf FILE"
            )),
            _ => Failure::runtime(format_args!(
                "libpcap cannot open {interface}: {}",
                self.error()
            )),
        }
    }

    fn error(&self) -> String {
        // SAFETY: the handle is alive.
        let text = unsafe { (self.compiler.error)(self.raw.as_ptr()) };
        // SAFETY: it is the handle's own buffer, ended by NUL, copied before anything else touches the handle.
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned()
    }

    fn compile(&self, expression: &CStr) -> Result<Vec<Instruction>, Failure> {
        let mut program = Program {
            len: 0,
            instructions: core::ptr::null_mut(),
        };
        // SAFETY: the handle is activated; the program and the string are alive until it returns.
        let status = unsafe {
            (self.compiler.compile)(
                self.raw.as_ptr(),
                &raw mut program,
                expression.as_ptr(),
                OPTIMIZE,
                NETMASK,
            )
        };
        if status < 0 {
            return Err(Failure::usage(format_args!(
                "filter '{}': {}",
                expression.to_string_lossy(),
                self.error()
            )));
        }
        let len = usize::try_from(program.len).unwrap_or(0);
        // SAFETY: pcap_compile succeeded, so `instructions` points to `len` instructions until pcap_freecode.
        let raw = unsafe { core::slice::from_raw_parts(program.instructions, len) };
        let instructions = raw
            .iter()
            .map(|raw| Instruction::new(raw.code, raw.jt, raw.jf, raw.k))
            .collect();
        // SAFETY: the program is pcap_compile's, and `raw` is not used again.
        unsafe { (self.compiler.free_code)(&raw mut program) };
        Ok(instructions)
    }
}

impl Drop for Handle<'_> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from pcap_create and is closed only here.
        unsafe { (self.compiler.close)(self.raw.as_ptr()) }
    }
}

fn text_of(buffer: &ErrorBuffer) -> String {
    let bytes: Vec<u8> = buffer
        .iter()
        .map(|&c| c.cast_unsigned())
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
