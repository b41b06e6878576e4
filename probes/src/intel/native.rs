//! The child's side: Level Zero's core API, as far as it takes to list devices.
//!
//! `zeInit` and `zeDriverGet` are asked, which newer loaders keep beside `zeInitDrivers`.

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;

use libloading::Library;

use super::level_zero::{Device, Listing};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::symbol;

#[cfg(windows)]
const NAME: &str = "ze_loader.dll";
#[cfg(not(windows))]
const NAME: &str = "libze_loader.so.1";

/// More drivers, and more devices of one, than any machine has.
const MOST: u32 = 256;
/// `ZE_STRUCTURE_TYPE_*` numbers of ze_api.h.
const DRIVER_PROPERTIES: u32 = 0x1;
const DEVICE_PROPERTIES: u32 = 0x3;
const DEVICE_MEMORY_PROPERTIES: u32 = 0x7;
const PCI_EXT_PROPERTIES: u32 = 0x10008;
/// `ZE_DEVICE_PROPERTY_FLAG_INTEGRATED`.
const INTEGRATED: u32 = 1;

/// A handle of a driver or a device.
type Handle = *mut c_void;
/// Fills an array of handles; with a null pointer, tells how many there are.
type List = unsafe extern "C" fn(Handle, *mut u32, *mut Handle) -> u32;
/// Fills one structure about a device or a driver.
type Fill<T> = unsafe extern "C" fn(Handle, *mut T) -> u32;

/// `ze_driver_properties_t`.
#[repr(C)]
struct DriverProperties {
    stype: u32,
    next: *mut c_void,
    uuid: [u8; 16],
    version: u32,
}

/// `ze_device_properties_t`.
#[repr(C)]
struct DeviceProperties {
    stype: u32,
    next: *mut c_void,
    kind: u32,
    vendor: u32,
    device: u32,
    flags: u32,
    subdevice: u32,
    core_clock_rate: u32,
    max_mem_alloc_size: u64,
    /// Contexts, priority, threads, vector width, units, sub-slices and slices.
    counts: [u32; 7],
    timer_resolution: u64,
    timestamp_valid_bits: u32,
    kernel_timestamp_valid_bits: u32,
    uuid: [u8; 16],
    name: [c_char; 256],
}

/// `ze_device_memory_properties_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryProperties {
    stype: u32,
    next: *mut c_void,
    flags: u32,
    max_clock_rate: u32,
    max_bus_width: u32,
    total: u64,
    name: [c_char; 256],
}

/// `ze_pci_ext_properties_t`.
#[repr(C)]
struct PciProperties {
    stype: u32,
    next: *mut c_void,
    domain: u32,
    bus: u32,
    device: u32,
    function: u32,
    generation: i32,
    width: i32,
    bandwidth: i64,
}

/// `zel_component_version_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Component {
    name: [c_char; 64],
    specification: u32,
    version: [c_int; 3],
}

// The sizes that ze_api.h and ze_loader.h give these on 64-bit systems.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<DriverProperties>() == 40 && size_of::<DeviceProperties>() == 368);
    assert!(size_of::<MemoryProperties>() == 296 && size_of::<PciProperties>() == 48 && size_of::<Component>() == 80);
};

pub(super) fn answer(query: &Query) -> Answer {
    let path = query.arguments.first().map_or(NAME, String::as_str);
    // SAFETY: loading runs the initialisers of the loader; what they do to this process is why it is a child.
    let library = unsafe { Library::new(path) }.map_err(|error| Missing::Garbled(reason(&error)))?;
    // Never unloaded: what a driver does at its end must not come before the answer.
    let library = ManuallyDrop::new(library);
    // SAFETY: the functions have the signatures of ze_api.h and are called in its order, nothing before `zeInit`; every
    // pointer is to a local of the right type that outlives its call, and counts are those of the arrays.
    unsafe {
        let init: unsafe extern "C" fn(u32) -> u32 = symbol(&library, b"zeInit\0")?;
        let get: unsafe extern "C" fn(*mut u32, *mut Handle) -> u32 = symbol(&library, b"zeDriverGet\0")?;
        let properties: Fill<DriverProperties> = symbol(&library, b"zeDriverGetProperties\0")?;
        let devices: List = symbol(&library, b"zeDeviceGet\0")?;
        check("zeInit", init(0))?;
        let mut listing = Listing { loader: loader(&library), version: None, devices: Vec::new() };
        for driver in handles("zeDriverGet", |count, handles| get(count, handles))? {
            let mut told =
                DriverProperties { stype: DRIVER_PROPERTIES, next: std::ptr::null_mut(), uuid: [0; 16], version: 0 };
            if properties(driver, &mut told) == 0 {
                listing.version = listing.version.or(Some(told.version));
            }
            for handle in handles("zeDeviceGet", |count, handles| devices(driver, count, handles))? {
                listing.devices.push(device(&library, handle)?);
            }
        }
        Ok(serde_json::to_string(&listing).unwrap_or_default())
    }
}

/// All handles of a kind: their number first, then they themselves.
fn handles(call: &str, ask: impl Fn(*mut u32, *mut Handle) -> u32) -> Result<Vec<Handle>, Missing> {
    let mut count = 0;
    check(call, ask(&mut count, std::ptr::null_mut()))?;
    count = count.min(MOST);
    let mut handles: Vec<Handle> = (0..count).map(|_| std::ptr::null_mut()).collect();
    if count > 0 {
        check(call, ask(&mut count, handles.as_mut_ptr()))?;
    }
    handles.retain(|handle| !handle.is_null());
    Ok(handles)
}

unsafe fn device(library: &Library, handle: Handle) -> Result<Device, Missing> {
    // SAFETY: see `answer`; all these structures are plain numbers, so zeros are valid, and each names its type and size
    // by `stype` as the API asks.
    unsafe {
        let properties: Fill<DeviceProperties> = symbol(library, b"zeDeviceGetProperties\0")?;
        let memories: unsafe extern "C" fn(Handle, *mut u32, *mut MemoryProperties) -> u32 =
            symbol(library, b"zeDeviceGetMemoryProperties\0")?;
        let mut told: DeviceProperties = std::mem::zeroed();
        told.stype = DEVICE_PROPERTIES;
        check("zeDeviceGetProperties", properties(handle, &mut told))?;
        let mut address: PciProperties = std::mem::zeroed();
        address.stype = PCI_EXT_PROPERTIES;
        // Loaders before 1.4 and some drivers do not tell the address.
        let by_address = symbol::<Fill<PciProperties>>(library, b"zeDevicePciGetPropertiesExt\0");
        let addressed = by_address.is_ok_and(|ask| ask(handle, &mut address) == 0);
        let pci = format!("{:04x}:{:02x}:{:02x}.{:x}", address.domain, address.bus, address.device, address.function);
        let mut banks = [MemoryProperties { stype: DEVICE_MEMORY_PROPERTIES, ..std::mem::zeroed() }; 8];
        let mut count = 8;
        let known = memories(handle, &mut count, banks.as_mut_ptr()) == 0;
        let bytes = banks.iter().take(count as usize).fold(0u64, |sum, bank| sum.saturating_add(bank.total));
        Ok(Device {
            name: text(&told.name),
            kind: kind(told.kind).to_owned(),
            integrated: told.flags & INTEGRATED != 0,
            vendor: told.vendor,
            device: told.device,
            uuid: uuid(&told.uuid),
            pci: addressed.then_some(pci),
            memory_bytes: (known && bytes > 0).then_some(bytes),
        })
    }
}

/// The loader's version in its own words; older ones tell none.
unsafe fn loader(library: &Library) -> Option<String> {
    // SAFETY: see `answer`; the number of elements is that of the array.
    unsafe {
        let versions: unsafe extern "C" fn(*mut usize, *mut Component) -> u32 =
            symbol(library, b"zelLoaderGetVersions\0").ok()?;
        let mut count = 0;
        let told = versions(&mut count, std::ptr::null_mut()) == 0;
        let mut components = [Component { name: [0; 64], specification: 0, version: [0; 3] }; 16];
        if !told || count > components.len() || versions(&mut count, components.as_mut_ptr()) != 0 {
            return None;
        }
        let loader = components.iter().take(count).find(|component| text(&component.name) == "loader")?;
        let [major, minor, patch] = loader.version;
        Some(format!("{major}.{minor}.{patch}"))
    }
}

/// `ze_device_type_t` in words.
fn kind(number: u32) -> &'static str {
    match number {
        1 => "gpu",
        2 => "cpu",
        3 => "fpga",
        5 => "npu",
        _ => "other",
    }
}

/// A UUID as text, 8-4-4-4-12; nothing where it says nothing.
fn uuid(bytes: &[u8; 16]) -> Option<String> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| digits.get(from..to);
    let text = [part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?].join("-");
    bytes.iter().any(|byte| *byte != 0).then_some(text)
}

/// A text of fixed size; one without a terminator is taken whole.
fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> =
        characters.iter().flat_map(|character| character.to_ne_bytes()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn check(call: &str, code: u32) -> Result<(), Missing> {
    match code {
        0 => Ok(()),
        0x7800_0001 => {
            Err(Missing::Exited { code: code.into(), message: format!("{call}: ZE_RESULT_ERROR_UNINITIALIZED") })
        }
        code => Err(Missing::Exited { code: code.into(), message: format!("{call}: {code:#x}") }),
    }
}
