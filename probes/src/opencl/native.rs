//! The child's side: OpenCL through the loader, with one driver.

#![expect(clippy::disallowed_methods, reason = "the child shows the loader one driver, in its own throw-away folder")]

use opencl3::device::{
    CL_DEVICE_TYPE_ACCELERATOR, CL_DEVICE_TYPE_ALL, CL_DEVICE_TYPE_CPU, CL_DEVICE_TYPE_GPU, Device as ClDevice,
    get_device_data,
};
use opencl3::error_codes::ClError;
use opencl3::platform::{Platform as ClPlatform, get_platforms};

use super::{Device, Platform};
use crate::host::{Answer, Missing, Query};
use crate::manifest::SOFTWARE;

/// `CL_PLATFORM_NOT_FOUND_KHR` and `CL_DEVICE_NOT_FOUND`.
const NO_PLATFORM: i32 = -1001;
const NO_DEVICE: i32 = -1;
/// `CL_DEVICE_PCI_BUS_INFO_KHR` of cl_khr_pci_bus_info: domain, bus, device and function, each 32 bits.
const PCI_BUS_INFO: u32 = 0x410F;

pub(super) fn answer(query: &Query) -> Answer {
    if let Some(library) = query.arguments.first() {
        show_alone(library)?;
    }
    let platforms = match get_platforms() {
        Ok(platforms) => platforms,
        Err(ClError(NO_PLATFORM)) => Vec::new(),
        Err(error) => return Err(missing("clGetPlatformIDs", error)),
    };
    let platforms = platforms.iter().map(tell).collect::<Result<Vec<_>, _>>()?;
    Ok(serde_json::to_string(&platforms).unwrap_or_default())
}

/// Shows the loader a folder with this driver alone: a folder is what every loader understands, a file only some.
fn show_alone(library: &str) -> Result<(), Missing> {
    if cfg!(windows) {
        // The loader of Windows reads the registry and cannot be told otherwise but by this list, which adds to it.
        return Ok(());
    }
    // Without a folder the driver cannot be asked alone; that says nothing about the driver.
    let folder = std::env::temp_dir().join("vendors");
    let unasked = |error: std::io::Error| Missing::Unasked(format!("no folder could be made for the loader: {error}"));
    std::fs::create_dir(&folder).map_err(unasked)?;
    std::fs::write(folder.join("only.icd"), format!("{library}\n")).map_err(unasked)?;
    for name in ["OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH"] {
        // SAFETY: no other thread runs in this process yet.
        unsafe { std::env::set_var(name, &folder) };
    }
    // SAFETY: as above.
    unsafe { std::env::remove_var("OCL_ICD_FILENAMES") };
    Ok(())
}

fn tell(platform: &ClPlatform) -> Result<Platform, Missing> {
    let devices = match platform.get_devices(CL_DEVICE_TYPE_ALL) {
        Ok(devices) => devices,
        Err(ClError(NO_DEVICE)) => Vec::new(),
        Err(error) => return Err(missing("clGetDeviceIDs", error)),
    };
    Ok(Platform {
        name: platform.name().unwrap_or_default(),
        version: platform.version().unwrap_or_default(),
        devices: devices.into_iter().map(|device| tell_device(&ClDevice::new(device))).collect(),
    })
}

fn tell_device(device: &ClDevice) -> Device {
    let kind = device.dev_type().unwrap_or(0);
    let shared = device.host_unified_memory().unwrap_or(false);
    let kind = match () {
        () if kind & CL_DEVICE_TYPE_GPU != 0 && shared => "integrated",
        () if kind & CL_DEVICE_TYPE_GPU != 0 => "discrete",
        () if kind & CL_DEVICE_TYPE_ACCELERATOR != 0 => "other",
        () if kind & CL_DEVICE_TYPE_CPU != 0 => SOFTWARE,
        () => "other",
    };
    Device {
        name: device.name().unwrap_or_default().trim().to_owned(),
        kind: kind.to_owned(),
        vendor: device.vendor_id().unwrap_or(0),
        version: device.version().unwrap_or_default(),
        driver: device.driver_version().unwrap_or_default(),
        pci: (kind != SOFTWARE).then(|| pci_address(device)).flatten(),
        memory_bytes: device.global_mem_size().unwrap_or(0),
    }
}

fn pci_address(device: &ClDevice) -> Option<String> {
    if let Ok(data) = get_device_data(device.id(), PCI_BUS_INFO)
        && let [domain, bus, slot, function] = data
            .chunks_exact(4)
            .filter_map(|word| Some(u32::from_ne_bytes(word.try_into().ok()?)))
            .collect::<Vec<_>>()
            .as_slice()
    {
        return Some(format!("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"));
    }
    // NVIDIA's own queries; the slot holds device and function.
    let (bus, slot) = (device.pci_bus_id_nv().ok()?, device.pci_slot_id_nv().ok()?);
    Some(format!("0000:{bus:02x}:{:02x}.{:x}", slot >> 3, slot & 7))
}

fn missing(call: &str, error: ClError) -> Missing {
    Missing::Exited { code: error.0.into(), message: format!("{call}: {error}") }
}
