//! The child's side: OpenVINO's C API, as far as it takes to list devices and their names.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use super::{Device, Runtime};
use crate::host::{Answer, Missing, Query};
use crate::onnxruntime::native::{open, text};
use crate::vendor_library::{check, symbol};

/// `ov_version_t`.
#[repr(C)]
struct Version {
    build_number: *const c_char,
    description: *const c_char,
}

/// `ov_available_devices_t`.
#[repr(C)]
struct Devices {
    names: *mut *mut c_char,
    count: usize,
}

/// More devices than any machine has; a count above it is a fault of the library.
const MOST_DEVICES: usize = 256;

type Core = *mut c_void;
/// `ov_core_get_property`.
type GetProperty = unsafe extern "C" fn(Core, *const c_char, *const c_char, *mut *mut c_char) -> c_int;

pub(super) fn answer(query: &Query) -> Answer {
    let path = query.arguments.first().ok_or(Missing::Unsupported)?;
    let library = open(path)?;
    let mut version = Version { build_number: ptr::null(), description: ptr::null() };
    let mut core: Core = ptr::null_mut();
    let mut listed = Devices { names: ptr::null_mut(), count: 0 };
    // SAFETY: the functions have the types and are called in the order of ov_core.h; every pointer is to a local that outlives its
    // call. What they give is not given back, because this process ends.
    unsafe {
        let get_version: unsafe extern "C" fn(*mut Version) -> c_int = symbol(&library, b"ov_get_openvino_version\0")?;
        let create: unsafe extern "C" fn(*mut Core) -> c_int = symbol(&library, b"ov_core_create\0")?;
        let list: unsafe extern "C" fn(Core, *mut Devices) -> c_int =
            symbol(&library, b"ov_core_get_available_devices\0")?;
        let property: GetProperty = symbol(&library, b"ov_core_get_property\0")?;
        check("ov_get_openvino_version", get_version(&mut version))?;
        check("ov_core_create", create(&mut core))?;
        check("ov_core_get_available_devices", list(core, &mut listed))?;
        let ids = (0..listed.count.min(MOST_DEVICES)).filter_map(|index| text(*listed.names.add(index)));
        let devices = ids.map(|id| {
            let ask = |name: &str| property_of(property, core, &id, name);
            Device {
                name: ask("FULL_DEVICE_NAME").unwrap_or_else(|| id.clone()),
                kind: ask("DEVICE_TYPE"),
                pci: ask("DEVICE_PCI_INFO").as_deref().and_then(address),
                id: id.clone(),
            }
        });
        let runtime = Runtime { version: text(version.build_number).unwrap_or_default(), devices: devices.collect() };
        Ok(serde_json::to_string(&runtime).unwrap_or_default())
    }
}

/// A property of a device; nothing where it has none of this name.
///
/// # Safety
/// `property` and `core` must be those of one library.
unsafe fn property_of(property: GetProperty, core: Core, device: &str, name: &str) -> Option<String> {
    let (device, name) = (CString::new(device).ok()?, CString::new(name).ok()?);
    let mut value: *mut c_char = ptr::null_mut();
    // SAFETY: the caller vouches for function and core; texts end in a zero, and the answer is a text of the library.
    unsafe {
        let code = property(core, device.as_ptr(), name.as_ptr(), &mut value);
        if code == 0 { text(value) } else { None }
    }
}

/// `0000:03:00.0` of `{domain: 0 bus: 3 device: 0x0 function: 0}`; the numbers are hexadecimal, some with their sign.
fn address(text: &str) -> Option<String> {
    let number = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        let digits = rest.trim_start_matches([':', ' ']).trim_start_matches("0x");
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        u32::from_str_radix(digits.get(..end)?, 16).ok()
    };
    let (domain, bus) = (number("domain")?, number("bus")?);
    Some(format!("{domain:04x}:{bus:02x}:{:02x}.{:x}", number("device")?, number("function")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_its_parts() {
        let read = |text: &str| address(text);
        assert_eq!(read("{domain: 0 bus: 3 device: 0x0 function: 0}").as_deref(), Some("0000:03:00.0"));
        assert_eq!(read("{domain: 0 bus: 0x4d device: 0x1f function: 1}").as_deref(), Some("0000:4d:1f.1"));
        assert_eq!(read(""), None);
    }
}
