//! The child's side: HLML, the management library of Gaudi cards, as far as it takes to list them.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};

use libloading::Library;

use super::{Device, Hlml};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::{check, symbol};

/// More cards than any machine has; a count above it is a fault of the library.
const MOST_DEVICES: c_uint = 256;

/// `hlml_device_t`.
type Handle = *mut c_void;
/// A function that fills a text of a given length about a card.
type Text = unsafe extern "C" fn(Handle, *mut c_char, c_uint) -> c_int;

/// `hlml_memory_t`, in bytes.
#[repr(C)]
#[derive(Default)]
struct Memory {
    free: c_ulonglong,
    total: c_ulonglong,
    used: c_ulonglong,
}

/// The beginning of `hlml_pci_info_t`, which has grown: what follows is read by nobody and has room.
#[repr(C)]
struct Pci {
    bus: c_uint,
    bus_id: [u8; 15],
    rest: [u8; 256],
}

pub(super) fn answer(query: &Query) -> Answer {
    let path = query.arguments.first().map_or("libhlml.so", String::as_str);
    // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
    let library = unsafe { Library::new(path) }.map_err(|error| Missing::Garbled(reason(&error)))?;
    // Never unloaded and never shut down: what a driver does at its end must not come before the answer.
    let library = ManuallyDrop::new(library);
    // SAFETY: the functions are called with the signatures and in the order that hlml.h gives them: nothing before
    // `hlml_init`, and every pointer is to a local of the right type that outlives its call.
    unsafe {
        let init: unsafe extern "C" fn() -> c_int = symbol(&library, b"hlml_init\0")?;
        let count: unsafe extern "C" fn(*mut c_uint) -> c_int = symbol(&library, b"hlml_device_get_count\0")?;
        check("hlml_init", init())?;
        let mut devices = 0;
        check("hlml_device_get_count", count(&mut devices))?;
        let devices = (0..devices.min(MOST_DEVICES)).map(|index| device(&library, index)).collect::<Result<_, _>>()?;
        // Older libraries do not tell the driver's version.
        let driver =
            symbol::<unsafe extern "C" fn(*mut c_char, c_uint) -> c_int>(&library, b"hlml_get_driver_version\0");
        let driver = driver.ok().and_then(|ask| text(|bytes, length| ask(bytes, length)));
        Ok(serde_json::to_string(&Hlml { driver, devices }).unwrap_or_default())
    }
}

unsafe fn device(library: &Library, index: c_uint) -> Result<Device, Missing> {
    // SAFETY: see `answer`; texts are given their length and read up to a zero within it, and the buffer for the address
    // is larger than any version of the library writes.
    unsafe {
        let get: unsafe extern "C" fn(c_uint, *mut Handle) -> c_int =
            symbol(library, b"hlml_device_get_handle_by_index\0")?;
        let name: Text = symbol(library, b"hlml_device_get_name\0")?;
        let address: unsafe extern "C" fn(Handle, *mut Pci) -> c_int = symbol(library, b"hlml_device_get_pci_info\0")?;
        let memory: unsafe extern "C" fn(Handle, *mut Memory) -> c_int =
            symbol(library, b"hlml_device_get_memory_info\0")?;
        let mut handle: Handle = std::ptr::null_mut();
        check("hlml_device_get_handle_by_index", get(index, &mut handle))?;
        let mut pci = MaybeUninit::<Pci>::zeroed();
        let told = address(handle, pci.as_mut_ptr()) == 0;
        let pci = pci.assume_init();
        let pci = CStr::from_bytes_until_nul(&pci.bus_id).ok().filter(|_| told);
        let mut bytes = Memory::default();
        let known = memory(handle, &mut bytes) == 0 && bytes.total > 0;
        Ok(Device {
            name: text(|bytes, length| name(handle, bytes, length)).unwrap_or_else(|| "Gaudi".to_owned()),
            pci: pci.map(|pci| pci.to_string_lossy().into_owned()).filter(|pci| !pci.is_empty()),
            memory_bytes: known.then_some(bytes.total),
        })
    }
}

/// The text that a function fills in, where it succeeds.
fn text(ask: impl FnOnce(*mut c_char, c_uint) -> c_int) -> Option<String> {
    let mut bytes = [0u8; 256];
    let code = ask(bytes.as_mut_ptr().cast(), 255);
    let text = CStr::from_bytes_until_nul(&bytes).ok()?.to_string_lossy().trim().to_owned();
    (code == 0 && !text.is_empty()).then_some(text)
}
