//! The child's side: DXGI or DXCore for the adapters, Direct3D 12 and DirectML for one of them.
//!
//! All four are COM without a registry: an object is a pointer to a table of functions, and what an interface has is
//! known by its place in the table. The places and layouts are those of dxgi.h, dxcore_interface.h, d3d12.h and
//! DirectML.h. WSL's libraries have the same tables, called in the way of Linux.

use std::ffi::c_void;
use std::mem::ManuallyDrop;

use libloading::Library;

use super::{Adapter, Device};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::{symbol, take_all_from_system};

/// An interface's or an attribute's number, in the order in which memory has it.
#[repr(C)]
struct Guid(u32, u16, u16, [u8; 8]);

static DXGI_FACTORY: Guid = Guid(0x770a_ae78, 0xf26f, 0x4dba, [0xa8, 0x29, 0x25, 0x3c, 0x83, 0xd1, 0xb3, 0x87]);
static DXGI_DEVICE: Guid = Guid(0x54ec_77fa, 0x1377, 0x44e6, [0x8c, 0x32, 0x88, 0xfd, 0x5f, 0x44, 0xc8, 0x4c]);
static DXCORE_FACTORY: Guid = Guid(0x78ee_5945, 0xc36e, 0x4b13, [0xa6, 0x69, 0x00, 0x5d, 0xd1, 0x1c, 0x0f, 0x06]);
static DXCORE_LIST: Guid = Guid(0x526c_7776, 0x40e9, 0x459b, [0xb7, 0x11, 0xf3, 0x2a, 0xd7, 0x6d, 0xfc, 0x28]);
static DXCORE_ADAPTER: Guid = Guid(0xf0db_4c7f, 0xfe5a, 0x42a2, [0xbd, 0x62, 0xf2, 0xa6, 0xcf, 0x6f, 0xc8, 0x3e]);
/// What DXCore calls adapters that compute by Direct3D 12, and those, such as NPUs, that only run models by it.
static DXCORE_USES: [Guid; 2] = [
    Guid(0x248e_2800, 0xa793, 0x4724, [0xab, 0xaa, 0x23, 0xa6, 0xde, 0x1b, 0xe0, 0x90]),
    Guid(0xb71b_0d41, 0x1088, 0x422f, [0xa2, 0x7c, 0x02, 0x50, 0xb7, 0xd3, 0xa9, 0x88]),
];
static D3D12_DEVICE: Guid = Guid(0x1898_19f1, 0x1db6, 0x4b57, [0xbe, 0x54, 0x18, 0x21, 0x33, 0x9b, 0x85, 0xf7]);
static DML_DEVICE: Guid = Guid(0x6dbd_6437, 0x96fd, 0x423f, [0xa9, 0x8c, 0xae, 0x5e, 0x7c, 0x2a, 0x57, 0x3f]);

/// More adapters than any machine has; a list that is longer is a fault.
const MOST_ADAPTERS: u32 = 64;
/// DXGI_ERROR_NOT_FOUND: the end of the list.
const END_OF_LIST: i32 = 0x887a_0002_u32.cast_signed();
/// `D3D_FEATURE_LEVEL_1_0_CORE` and `_GENERIC`, for adapters that compute and cannot draw.
const COMPUTE_LEVELS: [(u32, &str); 2] = [(0x1000, "1_0_CORE"), (0x100, "1_0_GENERIC")];
/// `D3D_FEATURE_LEVEL_*` from the least that Direct3D 12 takes.
const GRAPHICS_LEVELS: [(u32, &str); 5] =
    [(0xb000, "11_0"), (0xb100, "11_1"), (0xc000, "12_0"), (0xc100, "12_1"), (0xc200, "12_2")];
/// `DML_FEATURE_LEVEL_*`.
const DML_LEVELS: [u32; 15] = [
    0x1000, 0x2000, 0x2100, 0x3000, 0x3100, 0x4000, 0x4100, 0x5000, 0x5100, 0x5200, 0x6000, 0x6100, 0x6200, 0x6300,
    0x6400,
];

/// Lists adapters, or tells of one: `dxgi|dxcore LIBRARY [LUID D3D12 [DIRECTML]]`.
pub(super) fn answer(query: &Query) -> Answer {
    let arguments: Vec<&str> = query.arguments.iter().map(String::as_str).collect();
    take_all_from_system();
    let [api, library, rest @ ..] = arguments.as_slice() else { return Err(Missing::Unsupported) };
    let listed = match *api {
        "dxgi" => dxgi(library)?,
        "dxcore" => dxcore(library)?,
        _ => return Err(Missing::Unsupported),
    };
    match *rest {
        [] => {
            let adapters: Vec<&Adapter> = listed.iter().map(|(adapter, _)| adapter).collect();
            Ok(serde_json::to_string(&adapters).unwrap_or_default())
        }
        [luid, direct3d, ..] => {
            let (_, object) = listed
                .iter()
                .find(|(adapter, _)| adapter.luid == luid)
                .ok_or_else(|| Missing::Garbled(format!("the adapter {luid} is gone")))?;
            let device = device(*object, direct3d, rest.get(2).copied())?;
            Ok(serde_json::to_string(&device).unwrap_or_default())
        }
        [_] => Err(Missing::Unsupported),
    }
}

/// A COM object, never released: the process ends at once after its answer.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Object(*const *const *const c_void);

impl Object {
    const NONE: Object = Object(std::ptr::null());

    /// The function at a place of the object's table.
    ///
    /// # Safety
    /// The object must be one, and `T` the type of the function pointer at that place.
    unsafe fn method<T: Copy>(self, place: usize) -> T {
        const { assert!(size_of::<T>() == size_of::<*const c_void>()) };
        // SAFETY: the caller vouches for object and place; a function pointer has the size of a pointer.
        unsafe { std::mem::transmute_copy(&*(*self.0).add(place)) }
    }
}

/// What DXGI writes of an adapter: DXGI_ADAPTER_DESC1.
#[repr(C)]
struct Description {
    name: [u16; 128],
    vendor: u32,
    device: u32,
    subsystem: u32,
    revision: u32,
    dedicated_video: usize,
    dedicated_system: usize,
    shared_system: usize,
    luid: [u32; 2],
    flags: u32,
}

fn dxgi(path: &str) -> Result<Vec<(Adapter, Object)>, Missing> {
    let library = open(path)?;
    // SAFETY: functions and methods have the types and places of dxgi.h, and each object was handed out by the call
    // before it. The description is plain data, valid as zeros.
    unsafe {
        let create: unsafe extern "system" fn(&Guid, &mut Object) -> i32 = symbol(&library, b"CreateDXGIFactory1\0")?;
        let mut factory = Object::NONE;
        made("CreateDXGIFactory1", create(&DXGI_FACTORY, &mut factory), factory)?;
        let next: unsafe extern "system" fn(Object, u32, &mut Object) -> i32 = factory.method(12);
        let mut adapters: Vec<(Adapter, Object)> = Vec::new();
        for number in 0..MOST_ADAPTERS {
            let mut object = Object::NONE;
            match next(factory, number, &mut object) {
                END_OF_LIST => break,
                code => made("EnumAdapters1", code, object)?,
            };
            let describe: unsafe extern "system" fn(Object, &mut Description) -> i32 = object.method(10);
            let mut told: Description = std::mem::zeroed();
            check("GetDesc1", describe(object, &mut told))?;
            let driver: unsafe extern "system" fn(Object, &Guid, &mut u64) -> i32 = object.method(9);
            let mut version = 0;
            let versioned = driver(object, &DXGI_DEVICE, &mut version) >= 0;
            let [low, high] = told.luid;
            let name: Vec<u16> = told.name.iter().copied().take_while(|unit| *unit != 0).collect();
            let adapter = Adapter {
                name: String::from_utf16_lossy(&name),
                luid: luid(low, high),
                vendor: told.vendor,
                device: told.device,
                memory_bytes: told.dedicated_video as u64,
                shared_bytes: told.shared_system as u64,
                software: told.flags & 2 != 0,
                integrated: None,
                driver: versioned.then(|| dotted(version)),
            };
            // One adapter may stand in the list again for a second screen.
            if !adapters.iter().any(|(listed, _)| listed.luid == adapter.luid) {
                adapters.push((adapter, object));
            }
        }
        Ok(adapters)
    }
}

fn dxcore(path: &str) -> Result<Vec<(Adapter, Object)>, Missing> {
    let library = open(path)?;
    // SAFETY: functions and methods have the types and places of dxcore_interface.h, and each object was handed out by
    // the call before it.
    unsafe {
        let create: unsafe extern "system" fn(&Guid, &mut Object) -> i32 =
            symbol(&library, b"DXCoreCreateAdapterFactory\0")?;
        let mut factory = Object::NONE;
        made("DXCoreCreateAdapterFactory", create(&DXCORE_FACTORY, &mut factory), factory)?;
        let list: unsafe extern "system" fn(Object, u32, &Guid, &Guid, &mut Object) -> i32 = factory.method(3);
        let mut adapters: Vec<(Adapter, Object)> = Vec::new();
        for (number, used_for) in DXCORE_USES.iter().enumerate() {
            let mut listed = Object::NONE;
            match list(factory, 1, used_for, &DXCORE_LIST, &mut listed) {
                // An older DXCore does not know the second use.
                code if code < 0 && number > 0 => continue,
                code => made("CreateAdapterList", code, listed)?,
            };
            let count: unsafe extern "system" fn(Object) -> u32 = listed.method(4);
            let get: unsafe extern "system" fn(Object, u32, &Guid, &mut Object) -> i32 = listed.method(3);
            for place in 0..count(listed).min(MOST_ADAPTERS) {
                let mut object = Object::NONE;
                made("GetAdapter", get(listed, place, &DXCORE_ADAPTER, &mut object), object)?;
                let adapter = dxcore_adapter(object);
                if !adapters.iter().any(|(listed, _)| listed.luid == adapter.luid) {
                    adapters.push((adapter, object));
                }
            }
        }
        Ok(adapters)
    }
}

/// What DXCore tells of an adapter, by the numbers of `DXCoreAdapterProperty`.
///
/// # Safety
/// The object must be an adapter of DXCore.
unsafe fn dxcore_adapter(object: Object) -> Adapter {
    let property = |number: u32, room: usize| {
        // SAFETY: the caller vouches for the object; the buffer is as long as it is said to be.
        unsafe {
            let get: unsafe extern "system" fn(Object, u32, usize, *mut u8) -> i32 = object.method(6);
            let mut bytes = vec![0; room];
            (get(object, number, room, bytes.as_mut_ptr()) >= 0).then_some(bytes)
        }
    };
    let number = |which| Some(u64::from_le_bytes(property(which, 8)?.try_into().ok()?));
    let flag = |which| property(which, 1).map(|bytes| bytes != [0]);
    let part = |bytes: &[u8], place: usize| {
        let four = bytes.get(place..).and_then(|rest| rest.first_chunk());
        four.map_or(0, |four| u32::from_le_bytes(*four))
    };
    let name_length = {
        // SAFETY: as above; the call writes one size.
        unsafe {
            let size: unsafe extern "system" fn(Object, u32, &mut usize) -> i32 = object.method(7);
            let mut length = 0;
            if size(object, 2, &mut length) >= 0 { length.min(4096) } else { 0 }
        }
    };
    let name = property(2, name_length).unwrap_or_default();
    let name: Vec<u8> = name.into_iter().take_while(|byte| *byte != 0).collect();
    let instance = property(0, 8).unwrap_or_default();
    let hardware = property(3, 16).unwrap_or_default();
    Adapter {
        name: String::from_utf8_lossy(&name).into_owned(),
        luid: luid(part(&instance, 0), part(&instance, 4)),
        vendor: part(&hardware, 0),
        device: part(&hardware, 4),
        memory_bytes: number(7).unwrap_or(0),
        shared_bytes: number(9).unwrap_or(0),
        software: flag(11) == Some(false),
        integrated: flag(12),
        driver: number(1).map(dotted),
    }
}

/// Makes a Direct3D 12 device on an adapter, and a DirectML device on that.
fn device(adapter: Object, direct3d: &str, directml: Option<&str>) -> Result<Device, Missing> {
    let library = open(direct3d)?;
    // SAFETY: functions and methods have the types and places of d3d12.h; the adapter is one of DXGI or DXCore.
    unsafe {
        let create: unsafe extern "system" fn(Object, u32, &Guid, &mut Object) -> i32 =
            symbol(&library, b"D3D12CreateDevice\0")?;
        let device_of = |level| {
            let mut device = Object::NONE;
            made("D3D12CreateDevice", create(adapter, level, &D3D12_DEVICE, &mut device), device)
        };
        let (device, level) = match device_of(0xb000) {
            Ok(device) => {
                let check_support: Check = device.method(13);
                (device, level_of(device, check_support).unwrap_or("11_0"))
            }
            Err(missing) => {
                let lesser = COMPUTE_LEVELS.iter().find_map(|(level, name)| Some((device_of(*level).ok()?, *name)));
                lesser.ok_or(missing)?
            }
        };
        // D3D12_FEATURE_DATA_ARCHITECTURE: node, tile-based renderer, unified memory, the same with coherent caches.
        let mut architecture = [0u32; 4];
        let check_support: Check = device.method(13);
        let told = check_support(device, 1, architecture.as_mut_ptr().cast(), size_of_val(&architecture) as u32) >= 0;
        let unified_memory = told.then(|| architecture.get(2).is_some_and(|unified| *unified != 0));
        let directml = directml.map(|path| directml_level(path, device));
        Ok(Device { feature_level: level.to_owned(), unified_memory, directml })
    }
}

/// `ID3D12Device::CheckFeatureSupport`.
type Check = unsafe extern "system" fn(Object, u32, *mut c_void, u32) -> i32;

/// The highest feature level of a Direct3D 12 device. A runtime refuses a list with a level that it does not know, so the
/// newest is left out until it answers.
///
/// # Safety
/// The device must be an `ID3D12Device`, and `check` its method.
unsafe fn level_of(device: Object, check: Check) -> Option<&'static str> {
    #[repr(C)]
    struct Levels {
        count: u32,
        asked: *const u32,
        highest: u32,
    }
    let numbers = GRAPHICS_LEVELS.map(|(number, _)| number);
    let highest = (1..=numbers.len()).rev().find_map(|count| {
        let mut levels = Levels { count: count as u32, asked: numbers.as_ptr(), highest: 0 };
        // SAFETY: the caller vouches for device and method; the list is as long as it is said to be.
        let told = unsafe { check(device, 2, (&raw mut levels).cast(), size_of::<Levels>() as u32) };
        (told >= 0).then_some(levels.highest)
    })?;
    GRAPHICS_LEVELS.iter().find(|(number, _)| *number == highest).map(|(_, name)| *name)
}

/// The highest feature level of the DirectML device on a Direct3D 12 device; nothing where DirectML works and is too old
/// to tell.
fn directml_level(path: &str, device: Object) -> Result<Option<String>, Missing> {
    #[repr(C)]
    struct Levels {
        count: u32,
        asked: *const u32,
    }
    let library = open(path)?;
    // SAFETY: function and method have the types and places of DirectML.h, the device is an `ID3D12Device`, and the list
    // is as long as it is said to be.
    unsafe {
        let create: unsafe extern "system" fn(Object, u32, &Guid, &mut Object) -> i32 =
            symbol(&library, b"DMLCreateDevice\0")?;
        let mut operators = Object::NONE;
        made("DMLCreateDevice", create(device, 0, &DML_DEVICE, &mut operators), operators)?;
        let support: unsafe extern "system" fn(Object, u32, u32, &Levels, u32, &mut u32) -> i32 = operators.method(7);
        let highest = (1..=DML_LEVELS.len()).rev().find_map(|count| {
            let levels = Levels { count: count as u32, asked: DML_LEVELS.as_ptr() };
            let mut highest = 0;
            let told = support(operators, 1, size_of::<Levels>() as u32, &levels, 4, &mut highest);
            (told >= 0).then_some(highest)
        });
        Ok(highest.map(|level| format!("{}.{}", level >> 12, level >> 8 & 0xf)))
    }
}

/// A library, never unloaded: what a driver does at its end must not come before the answer.
fn open(path: &str) -> Result<ManuallyDrop<Library>, Missing> {
    // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
    let library = unsafe { Library::new(path) }.map_err(|error| Missing::Garbled(reason(&error)))?;
    Ok(ManuallyDrop::new(library))
}

/// An HRESULT: what is negative has failed, and is known by its hexadecimal digits.
fn check(call: &str, code: i32) -> Result<(), Missing> {
    match code {
        0.. => Ok(()),
        code => Err(Missing::Exited { code: code.into(), message: format!("{call}: {:#010x}", code.cast_unsigned()) }),
    }
}

/// The object that a call made. The wheels of DirectML for Linux bring stand-ins of WSL's libraries that make none.
fn made(call: &str, code: i32, object: Object) -> Result<Object, Missing> {
    check(call, code)?;
    match object.0.is_null() {
        true => Err(Missing::Garbled(format!("{call} succeeds and makes nothing"))),
        false => Ok(object),
    }
}

fn luid(low: u32, high: u32) -> String {
    format!("{high:08x}{low:08x}")
}

/// Four numbers of 16 bits each.
fn dotted(version: u64) -> String {
    format!("{}.{}.{}.{}", version >> 48, version >> 32 & 0xffff, version >> 16 & 0xffff, version & 0xffff)
}
