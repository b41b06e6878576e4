//! The child's side: OpenCL through the loader, with one driver.

#![expect(clippy::disallowed_methods, reason = "the child shows the loader one driver, in its own throw-away folder")]

use std::ffi::c_char;
use std::mem::ManuallyDrop;
use std::ptr;

use libloading::Library;
use opencl3::command_queue::CommandQueue;
use opencl3::context::Context;
use opencl3::device::{
    CL_DEVICE_TYPE_ACCELERATOR, CL_DEVICE_TYPE_ALL, CL_DEVICE_TYPE_CPU, CL_DEVICE_TYPE_GPU, Device as ClDevice,
    get_device_data,
};
use opencl3::error_codes::ClError;
use opencl3::kernel::Kernel;
use opencl3::memory::{Buffer, CL_MEM_READ_WRITE, ClMem};
use opencl3::platform::{Platform as ClPlatform, get_platforms};
use opencl3::program::Program;
use opencl3::types::{CL_BLOCKING, cl_int, cl_platform_id, cl_uint};

use super::{Device, Platform};
use crate::bus::{luid_text, uuid_text};
use crate::child::reason;
use crate::compute;
use crate::host::{Answer, Missing, Query};
use crate::manifest::SOFTWARE;
use crate::vendor_library::symbol;

/// `CL_PLATFORM_NOT_FOUND_KHR` and `CL_DEVICE_NOT_FOUND`.
const NO_PLATFORM: i32 = -1001;
const NO_DEVICE: i32 = -1;
/// `CL_OUT_OF_HOST_MEMORY`.
const NO_MEMORY: i32 = -6;
/// `CL_DEVICE_PCI_BUS_INFO_KHR` of cl_khr_pci_bus_info: domain, bus, device and function, each 32 bits.
const PCI_BUS_INFO: u32 = 0x410F;
/// `CL_DEVICE_PCI_DOMAIN_ID_NV`, 32 bits.
const PCI_DOMAIN_NVIDIA: u32 = 0x400A;
/// `CL_DEVICE_TOPOLOGY_AMD`: 24 bytes, of which the first four are 1 on PCI and the last three bus, device and function.
const TOPOLOGY_AMD: u32 = 0x4037;
/// `CL_DEVICE_UUID_KHR`, `CL_DEVICE_LUID_VALID_KHR` and `CL_DEVICE_LUID_KHR` of cl_khr_device_uuid.
const UUID: u32 = 0x106A;
const LUID_VALID: u32 = 0x106C;
const LUID: u32 = 0x106D;
/// `CL_COMPILER_NOT_AVAILABLE`.
const NO_COMPILER: i32 = -3;

/// The computation; the driver compiles it for its device.
const SOURCE: &str = "kernel void square(global uint *numbers) {
    uint index = get_global_id(0);
    numbers[index] = numbers[index] * numbers[index] + index;
}";

pub(super) fn answer(query: &Query) -> Answer {
    let mut arguments = query.arguments.iter();
    let mut number = || arguments.next().and_then(|number| number.parse::<usize>().ok()).unwrap_or(0);
    let computes_on = compute::is_asked(query).then(|| (number(), number(), number()));
    let library = match arguments.next() {
        Some(library) => show_alone(library)?,
        None => None,
    };
    let platforms = match get_platforms() {
        Ok(platforms) => platforms,
        Err(ClError(NO_PLATFORM)) => Vec::new(),
        Err(error) => return Err(missing("clGetPlatformIDs", error)),
    };
    if let (true, Some(library)) = (platforms.is_empty(), library) {
        why_passed_over(&library)?;
    }
    if let Some((_, platform, device)) = computes_on {
        let device = platforms.get(platform).and_then(|platform| {
            let devices = platform.get_devices(CL_DEVICE_TYPE_ALL).ok()?;
            devices.get(device).copied()
        });
        return device.map_or(Err(Missing::NotFound), |device| computed(&ClDevice::new(device)));
    }
    let platforms = platforms.iter().map(tell).collect::<Result<Vec<_>, _>>()?;
    Ok(serde_json::to_string(&platforms).unwrap_or_default())
}

/// Shows the loader a folder with this driver alone: a folder is what every loader understands, a file only some. Loads the
/// driver before the loader does, which costs nothing and tells what is wrong with it.
fn show_alone(library: &str) -> Result<Option<ManuallyDrop<Library>>, Missing> {
    if cfg!(windows) {
        // The loader of Windows reads the registry and cannot be told otherwise but by this list, which adds to it.
        return Ok(None);
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
    // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
    let loaded = unsafe { Library::new(library) };
    let broken = |error| Missing::Garbled(format!("its library does not load: {}", reason(&error)));
    loaded.map(ManuallyDrop::new).map(Some).map_err(broken)
}

/// Why the loader found no platform in the one driver that it was shown: loaders pass over what they cannot use, and tell
/// nobody.
fn why_passed_over(library: &Library) -> Result<(), Missing> {
    type Lookup = unsafe extern "system" fn(*const c_char) -> Option<List>;
    type List = unsafe extern "system" fn(cl_uint, *mut cl_platform_id, *mut cl_uint) -> cl_int;
    // SAFETY: the types are those of cl_khr_icd; the count is a local that outlives its call.
    let code = unsafe {
        let lookup = symbol::<Lookup>(library, b"clGetExtensionFunctionAddress\0");
        let list = lookup.ok().and_then(|lookup| lookup(c"clIcdGetPlatformIDsKHR".as_ptr()));
        let list = list.or_else(|| symbol::<List>(library, b"clIcdGetPlatformIDsKHR\0").ok());
        let list = list.ok_or_else(|| Missing::Garbled("its library is no OpenCL driver".to_owned()))?;
        list(0, ptr::null_mut(), &mut 0)
    };
    match code {
        // What drivers answer that are here without their device; Intel's calls it a lack of memory.
        0 | NO_PLATFORM | NO_DEVICE | NO_MEMORY => Ok(()),
        code => Err(missing("clIcdGetPlatformIDsKHR", ClError(code))),
    }
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

/// Computes on one device.
fn computed(device: &ClDevice) -> Answer {
    let mut numbers = compute::input();
    let failed = |call: &'static str| {
        move |error: ClError| match (call, error.0) {
            // No room for an object, or none on the side of the host: that says nothing about how the device computes.
            (_, -4 | -6) | ("clCreateContext", -5) => Missing::Unasked(format!("the device's memory is full ({call})")),
            _ => missing(call, error),
        }
    };
    // Nothing is released: the process ends at once after its answer.
    let context = ManuallyDrop::new(Context::from_device(device).map_err(failed("clCreateContext"))?);
    let queue = CommandQueue::create_default(&context, 0).map_err(failed("clCreateCommandQueue"))?;
    let queue = ManuallyDrop::new(queue);
    let program = Program::create_from_source(&context, SOURCE).map_err(failed("clCreateProgramWithSource"))?;
    let mut program = ManuallyDrop::new(program);
    match program.build(context.devices(), "") {
        Ok(()) => {}
        // A device that takes compiled programs alone cannot be asked so; that says nothing against it.
        Err(ClError(NO_COMPILER)) => return Err(Missing::Unsupported),
        Err(error) => return Err(missing("clBuildProgram", error)),
    }
    let kernel = ManuallyDrop::new(Kernel::create(&program, "square").map_err(failed("clCreateKernel"))?);
    // SAFETY: the buffer holds as many numbers as the vector that is copied to and from it, and as the kernel has work
    // items; the copies wait until they are done, and the queue keeps its order.
    unsafe {
        let buffer = Buffer::<u32>::create(&context, CL_MEM_READ_WRITE, numbers.len(), ptr::null_mut());
        let mut buffer = ManuallyDrop::new(buffer.map_err(failed("clCreateBuffer"))?);
        let written = queue.enqueue_write_buffer(&mut buffer, CL_BLOCKING, 0, &numbers, &[]);
        _ = ManuallyDrop::new(written.map_err(failed("clEnqueueWriteBuffer"))?);
        kernel.set_arg(0, &buffer.get()).map_err(failed("clSetKernelArg"))?;
        let size = [numbers.len()];
        let started = queue.enqueue_nd_range_kernel(kernel.get(), 1, ptr::null(), size.as_ptr(), ptr::null(), &[]);
        _ = ManuallyDrop::new(started.map_err(failed("clEnqueueNDRangeKernel"))?);
        numbers.fill(0);
        let read = queue.enqueue_read_buffer(&buffer, CL_BLOCKING, 0, &mut numbers, &[]);
        _ = ManuallyDrop::new(read.map_err(failed("clEnqueueReadBuffer"))?);
    }
    Ok(compute::check(&numbers))
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
        uuid: bytes(device, UUID).and_then(uuid_text),
        luid: bytes(device, LUID_VALID)
            .filter(|valid: &[u8; 4]| *valid != [0; 4])
            .and_then(|_| bytes(device, LUID).and_then(luid_text)),
    }
}

/// What a device answers, where it is exactly that long.
fn bytes<const LENGTH: usize>(device: &ClDevice, what: u32) -> Option<[u8; LENGTH]> {
    get_device_data(device.id(), what).ok()?.try_into().ok()
}

fn pci_address(device: &ClDevice) -> Option<String> {
    let number = |four: &[u8]| four.try_into().map(u32::from_ne_bytes).unwrap_or_default();
    if let Some(told) = bytes::<16>(device, PCI_BUS_INFO)
        && let [domain, bus, slot, function] = told.chunks_exact(4).map(number).collect::<Vec<_>>().as_slice()
    {
        return Some(format!("{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"));
    }
    if let Some([kind @ .., bus, slot, function]) = bytes::<24>(device, TOPOLOGY_AMD)
        && kind.first_chunk::<4>().map(|kind| u32::from_ne_bytes(*kind)) == Some(1)
    {
        return Some(format!("0000:{bus:02x}:{slot:02x}.{function:x}"));
    }
    // NVIDIA's own queries; the slot holds device and function.
    let (bus, slot) = (device.pci_bus_id_nv().ok()?, device.pci_slot_id_nv().ok()?);
    let domain = bytes(device, PCI_DOMAIN_NVIDIA).map_or(0, u32::from_ne_bytes);
    Some(format!("{domain:04x}:{bus:02x}:{:02x}.{:x}", slot >> 3, slot & 7))
}

fn missing(call: &str, error: ClError) -> Missing {
    Missing::Exited { code: error.0.into(), message: format!("{call}: {error}") }
}
