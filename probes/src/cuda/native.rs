//! The child's side: the CUDA driver API, as far as it takes to list devices and to compute on one.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::mem::ManuallyDrop;

use libloading::Library;

use super::{Device, Driver, packages};
use crate::bus::{luid_text, uuid_text};
use crate::child::reason;
use crate::compute;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::{check, counted, symbol, take_from_system};

#[cfg(windows)]
const NAME: &str = "nvcuda.dll";
#[cfg(not(windows))]
const NAME: &str = "libcuda.so.1";

/// `CU_DEVICE_ATTRIBUTE_*` numbers of cuda.h.
const INTEGRATED: c_int = 18;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;

/// The computation, as the text that every driver since CUDA 9 compiles for its device.
const PTX: &str = concat!(include_str!("square.ptx"), "\0");
/// Threads in a block; the blocks are as many as it takes.
const BLOCK: usize = 64;

pub(super) fn answer(query: &Query) -> Answer {
    if let [word, path] = query.arguments.as_slice()
        && word == packages::WORD
    {
        return runtime_version(path);
    }
    let mut arguments = query.arguments.iter();
    let computes_on = match compute::is_asked(query) {
        true => arguments.nth(1).and_then(|number| number.parse().ok()),
        false => None,
    };
    take_from_system(&[NAME]);
    let path = arguments.next().map_or(NAME, String::as_str);
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
        if let Some(index) = computes_on {
            return computed(&library, index);
        }
        let mut devices = 0;
        check("cuDeviceGetCount", count(&mut devices))?;
        let devices = counted("cuDeviceGetCount", devices)?;
        let devices = (0..devices).map(|index| device(&library, index)).collect::<Result<_, _>>()?;
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
            uuid: uuid(library, handle),
            luid: luid(library, handle),
        })
    }
}

/// The device's UUID; of a part of a card the part's own, which only the second version of the call tells.
unsafe fn uuid(library: &Library, handle: c_int) -> Option<String> {
    type Call = unsafe extern "system" fn(*mut [u8; 16], c_int) -> c_int;
    // SAFETY: both versions fill the 16 bytes of a `CUuuid`; see `answer`.
    unsafe {
        let call: Call =
            symbol(library, b"cuDeviceGetUuid_v2\0").or_else(|_| symbol(library, b"cuDeviceGetUuid\0")).ok()?;
        let mut bytes = [0; 16];
        (call(&mut bytes, handle) == 0).then(|| uuid_text(bytes)).flatten()
    }
}

/// The number of the adapter in Windows; elsewhere the library has no such call, or refuses it.
unsafe fn luid(library: &Library, handle: c_int) -> Option<String> {
    type Call = unsafe extern "system" fn(*mut [u8; 8], *mut c_uint, c_int) -> c_int;
    // SAFETY: the call fills the 8 bytes of a LUID and a mask; see `answer`.
    unsafe {
        let call: Call = symbol(library, b"cuDeviceGetLuid\0").ok()?;
        let (mut bytes, mut mask) = ([0; 8], 0);
        (call(&mut bytes, &mut mask, handle) == 0).then(|| luid_text(bytes)).flatten()
    }
}

/// What a runtime tells of itself, without a call that opens the driver.
fn runtime_version(path: &str) -> Answer {
    // SAFETY: as in `answer`.
    let library = ManuallyDrop::new(unsafe { Library::new(path) }.map_err(|error| Missing::Garbled(reason(&error)))?);
    let mut version = 0;
    // SAFETY: the signature is that of cuda_runtime_api.h; the pointer is to a local that outlives the call.
    let code = unsafe {
        let get: unsafe extern "system" fn(*mut c_int) -> c_int = symbol(&library, b"cudaRuntimeGetVersion\0")?;
        get(&mut version)
    };
    check("cudaRuntimeGetVersion", code)?;
    Ok(version.to_string())
}

/// Computes on one device; `cuInit` was called.
unsafe fn computed(library: &Library, index: c_int) -> Answer {
    let mut numbers = compute::input();
    let bytes = size_of_val(numbers.as_slice());
    let (block, blocks) = (BLOCK as c_uint, numbers.len().div_ceil(BLOCK) as c_uint);
    // SAFETY: the functions have the signatures of cuda.h, where contexts, modules, functions and streams are opaque
    // pointers and device addresses 64-bit numbers. Copies are as long as the device's memory and the vector; the kernel
    // has one parameter, an address, and writes one number for each of its threads, as many as the vector holds. Nothing is
    // released: the process ends at once after its answer.
    unsafe {
        let get: unsafe extern "system" fn(*mut c_int, c_int) -> c_int = symbol(library, b"cuDeviceGet\0")?;
        let create: unsafe extern "system" fn(*mut *mut c_void, c_uint, c_int) -> c_int =
            symbol(library, b"cuCtxCreate_v2\0")?;
        let load: unsafe extern "system" fn(*mut *mut c_void, *const c_char) -> c_int =
            symbol(library, b"cuModuleLoadData\0")?;
        let find: unsafe extern "system" fn(*mut *mut c_void, *mut c_void, *const c_char) -> c_int =
            symbol(library, b"cuModuleGetFunction\0")?;
        let allocate: unsafe extern "system" fn(*mut u64, usize) -> c_int = symbol(library, b"cuMemAlloc_v2\0")?;
        let copy_in: unsafe extern "system" fn(u64, *const c_void, usize) -> c_int =
            symbol(library, b"cuMemcpyHtoD_v2\0")?;
        let launch: Launch = symbol(library, b"cuLaunchKernel\0")?;
        let wait: unsafe extern "system" fn() -> c_int = symbol(library, b"cuCtxSynchronize\0")?;
        let copy_out: unsafe extern "system" fn(*mut c_void, u64, usize) -> c_int =
            symbol(library, b"cuMemcpyDtoH_v2\0")?;

        let none = std::ptr::null_mut();
        let (mut device, mut context, mut module, mut function, mut memory) = (0, none, none, none, 0u64);
        check("cuDeviceGet", get(&mut device, index))?;
        room("cuCtxCreate", create(&mut context, 0, device))?;
        check("cuModuleLoadData", load(&mut module, PTX.as_ptr().cast()))?;
        check("cuModuleGetFunction", find(&mut function, module, c"square".as_ptr()))?;
        room("cuMemAlloc", allocate(&mut memory, bytes))?;
        check("cuMemcpyHtoD", copy_in(memory, numbers.as_ptr().cast(), bytes))?;
        let mut parameters = [(&raw mut memory).cast::<c_void>()];
        let started = launch(function, blocks, 1, 1, block, 1, 1, 0, none, parameters.as_mut_ptr(), none.cast());
        check("cuLaunchKernel", started)?;
        check("cuCtxSynchronize", wait())?;
        numbers.fill(0);
        check("cuMemcpyDtoH", copy_out(numbers.as_mut_ptr().cast(), memory, bytes))?;
    }
    Ok(compute::check(&numbers))
}

/// `cuLaunchKernel`: function, blocks and threads in three dimensions, shared memory, stream, parameters, more of them.
type Launch = unsafe extern "system" fn(
    *mut c_void,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    *mut c_void,
    *mut *mut c_void,
    *mut *mut c_void,
) -> c_int;

/// As `check`; a device whose memory is full, or that another process has to itself, says nothing about how it computes.
fn room(call: &str, code: c_int) -> Result<(), Missing> {
    match code {
        2 => Err(Missing::Unasked(format!("the device's memory is full ({call})"))),
        46 => Err(Missing::Unasked(format!("the device is taken by another process ({call})"))),
        code => check(call, code),
    }
}
