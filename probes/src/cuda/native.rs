//! The child's side: the CUDA driver API, as far as it takes to list devices.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::mem::ManuallyDrop;

use libloading::Library;

use super::{Device, Driver};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};

#[cfg(windows)]
const NAME: &str = "nvcuda.dll";
#[cfg(not(windows))]
const NAME: &str = "libcuda.so.1";

/// `CU_DEVICE_ATTRIBUTE_*` numbers of cuda.h.
const INTEGRATED: c_int = 18;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;
/// More devices than any machine has; a count above it is a fault of the library.
const MOST_DEVICES: c_int = 1024;

pub(super) fn answer(query: &Query) -> Answer {
    let path = query.arguments.first().map_or(NAME, String::as_str);
    // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
    let library = unsafe { Library::new(path) }.map_err(|error| Missing::Garbled(reason(&error)))?;
    // Never unloaded: what a driver does at its end must not come before the answer.
    let library = ManuallyDrop::new(library);
    // SAFETY: the functions are called with the signatures and in the order that cuda.h gives them: nothing but
    // `cuDriverGetVersion` before `cuInit`, and every pointer is to a local of the right type that outlives its call.
    unsafe {
        let driver_version: unsafe extern "system" fn(*mut c_int) -> c_int = symbol(&library, b"cuDriverGetVersion\0")?;
        let init: unsafe extern "system" fn(c_uint) -> c_int = symbol(&library, b"cuInit\0")?;
        let count: unsafe extern "system" fn(*mut c_int) -> c_int = symbol(&library, b"cuDeviceGetCount\0")?;
        let mut version = 0;
        check("cuDriverGetVersion", driver_version(&mut version))?;
        check("cuInit", init(0))?;
        let mut devices = 0;
        check("cuDeviceGetCount", count(&mut devices))?;
        let devices = (0..devices.min(MOST_DEVICES)).map(|index| device(&library, index)).collect::<Result<_, _>>()?;
        Ok(serde_json::to_string(&Driver { version, devices }).unwrap_or_default())
    }
}

unsafe fn device(library: &Library, index: c_int) -> Result<Device, Missing> {
    // SAFETY: see `answer`; texts are given their length and read up to a zero within it.
    unsafe {
        let get: unsafe extern "system" fn(*mut c_int, c_int) -> c_int = symbol(library, b"cuDeviceGet\0")?;
        let name: unsafe extern "system" fn(*mut c_char, c_int, c_int) -> c_int =
            symbol(library, b"cuDeviceGetName\0")?;
        let memory: unsafe extern "system" fn(*mut usize, c_int) -> c_int = symbol(library, b"cuDeviceTotalMem_v2\0")?;
        let attribute: unsafe extern "system" fn(*mut c_int, c_int, c_int) -> c_int =
            symbol(library, b"cuDeviceGetAttribute\0")?;
        let bus: unsafe extern "system" fn(*mut c_char, c_int, c_int) -> c_int =
            symbol(library, b"cuDeviceGetPCIBusId\0")?;
        let mut handle = 0;
        check("cuDeviceGet", get(&mut handle, index))?;
        let number = |which| {
            let mut value = 0;
            (attribute(&mut value, which, handle) == 0).then_some(value)
        };
        let text = |ask: unsafe extern "system" fn(*mut c_char, c_int, c_int) -> c_int| {
            let mut bytes = [0u8; 256];
            let code = ask(bytes.as_mut_ptr().cast(), 255, handle);
            (code == 0).then(|| CStr::from_bytes_until_nul(&bytes).ok().map(|text| text.to_string_lossy().into_owned()))
        };
        let mut memory_bytes = 0;
        check("cuDeviceTotalMem", memory(&mut memory_bytes, handle))?;
        Ok(Device {
            name: text(name).flatten().unwrap_or_else(|| "NVIDIA GPU".to_owned()),
            pci: text(bus).flatten(),
            capability: number(CAPABILITY_MAJOR).zip(number(CAPABILITY_MINOR)),
            memory_bytes: memory_bytes as u64,
            integrated: number(INTEGRATED) == Some(1),
        })
    }
}

/// A function of the library.
///
/// # Safety
/// `T` must be the function's type.
unsafe fn symbol<T: Copy>(library: &Library, name: &[u8]) -> Result<T, Missing> {
    // SAFETY: the caller vouches for the type, and keeps the library open.
    let found = unsafe { library.get::<T>(name) };
    found.map(|symbol| *symbol).map_err(|error| Missing::Garbled(reason(&error)))
}

fn check(call: &str, code: c_int) -> Result<(), Missing> {
    match code {
        0 => Ok(()),
        code => Err(Missing::Exited { code: code.into(), message: call.to_owned() }),
    }
}
