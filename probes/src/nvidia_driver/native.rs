//! The child's side: NVML.

use std::ffi::OsStr;
use std::mem::ManuallyDrop;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml as Library};

use super::{Nvml, NvmlDevice};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::{counted, take_from_system};

#[cfg(windows)]
const NAME: &str = "nvml.dll";
#[cfg(not(windows))]
const NAME: &str = "libnvidia-ml.so.1";

pub(super) fn answer(query: &Query) -> Answer {
    take_from_system(&[NAME]);
    let path = query.arguments.first().map_or(NAME, String::as_str);
    let library = Library::builder().lib_path(OsStr::new(path)).init().map_err(missing)?;
    // Never shut down: what a driver does at its end must not come before the answer.
    let library = ManuallyDrop::new(library);
    let cuda = library.sys_cuda_driver_version().ok().map(|version| (version / 1000, version % 1000 / 10));
    let count = library.device_count().map_err(missing)?;
    let count = counted("nvmlDeviceGetCount", count)?.unsigned_abs();
    let (handles, refused): (Vec<_>, Vec<_>) =
        (0..count).map(|index| library.device_by_index(index)).partition(Result::is_ok);
    // What it counts and gives none of is lost, or closed to this user. One of several may be.
    if let (true, Some(Err(error))) = (handles.is_empty(), refused.into_iter().next()) {
        return Err(missing(error));
    }
    let devices = handles.iter().flatten().map(tell);
    let nvml = Nvml { driver: library.sys_driver_version().ok(), cuda, devices: devices.collect() };
    Ok(serde_json::to_string(&nvml).unwrap_or_default())
}

fn tell(device: &Device<'_>) -> NvmlDevice {
    let capability = device.cuda_compute_capability().ok();
    let memory = device.memory_info();
    let memory_hidden = matches!(&memory, Err(error) if !matches!(error, NvmlError::NotSupported));
    let uuid = device.uuid().ok();
    NvmlDevice {
        name: device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned()),
        pci: device.pci_info().ok().map(|pci| pci.bus_id),
        capability: capability.map(|capability| (capability.major, capability.minor)),
        memory_bytes: memory.ok().map(|memory| memory.total).filter(|total| *total > 0),
        memory_hidden,
        uuid: uuid.map(|uuid| uuid.strip_prefix("GPU-").unwrap_or(&uuid).to_owned()),
        model: model(device).map(str::to_owned),
    }
}

/// How Windows drives the device (`nvmlDriverModel_t`).
#[cfg(windows)]
fn model(device: &Device<'_>) -> Option<&'static str> {
    use nvml_wrapper::enum_wrappers::device::DriverModel;
    match device.driver_model() {
        Ok(state) if state.current == DriverModel::WDDM => Some("wddm"),
        Ok(_) => Some("tcc"),
        // The wrapper does not know `NVML_DRIVER_MCDM` yet.
        Err(NvmlError::UnexpectedVariant(2)) => Some("mcdm"),
        Err(_) => None,
    }
}

#[cfg(not(windows))]
fn model(_device: &Device<'_>) -> Option<&'static str> {
    None
}

/// NVML's own number for an error of the wrapper (`nvmlReturn_t`).
fn missing(error: NvmlError) -> Missing {
    match error {
        NvmlError::LibloadingError(error) => Missing::Garbled(reason(&error)),
        NvmlError::FailedToLoadSymbol(what) => Missing::Garbled(what),
        error => {
            let message = error.to_string();
            Missing::Exited { code: u32::from(error).into(), message }
        }
    }
}
