//! The child's side: the HSA or the HIP runtime, as far as it takes to list GPUs.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;

use libloading::Library;

use super::{Agent, Device, Hip, Hsa, pci_text};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::{check, counted, symbol};

/// `HSA_AGENT_INFO_*` and `HSA_AMD_AGENT_INFO_*` numbers of hsa.h and hsa_ext_amd.h.
const AGENT_NAME: c_int = 0;
const AGENT_DEVICE: c_int = 17;
const AGENT_BDFID: c_int = 0xa006;
const AGENT_PRODUCT_NAME: c_int = 0xa009;
const AGENT_DOMAIN: c_int = 0xa00f;
const AGENT_MEMORY_PROPERTIES: c_int = 0xa114;
/// `HSA_DEVICE_TYPE_GPU`.
const DEVICE_GPU: u32 = 1;
/// Room for any of these; the texts have 64 bytes.
const INFO_ROOM: usize = 256;
/// `hipDeviceAttributeIntegrated` of hip_runtime_api.h, the same since HIP 5.
const INTEGRATED: c_int = 16;
/// More agents than any machine has.
const MOST_AGENTS: usize = 1024;
/// Room for `hipDeviceProp_t` in every version; the largest known one has 1472 bytes.
const PROPERTIES_ROOM: usize = 4096;

pub(super) fn answer(query: &Query) -> Answer {
    let mut arguments = query.arguments.iter();
    let (Some(api), Some(path)) = (arguments.next(), arguments.next()) else { return Err(Missing::Unsupported) };
    // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
    let library = unsafe { Library::new(path) }.map_err(|error| Missing::Garbled(reason(&error)))?;
    // Never unloaded: what a driver does at its end must not come before the answer.
    let library = ManuallyDrop::new(library);
    // SAFETY: the library is the one of the API, whose functions are called as its headers have them.
    unsafe {
        match api.as_str() {
            "hsa" => hsa(&library).map(|hsa| serde_json::to_string(&hsa).unwrap_or_default()),
            "hip" => hip(&library).map(|hip| serde_json::to_string(&hip).unwrap_or_default()),
            _ => Err(Missing::Unsupported),
        }
    }
}

/// `hsa_agent_t`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Handle {
    handle: u64,
}

type AgentInfo = unsafe extern "C" fn(Handle, c_int, *mut c_void) -> c_int;
type OnAgent = unsafe extern "C" fn(Handle, *mut c_void) -> c_int;

unsafe fn hsa(library: &Library) -> Result<Hsa, Missing> {
    // SAFETY: nothing but `hsa_status_string` is called before `hsa_init` succeeded, and every pointer is to a local that
    // outlives its call.
    unsafe {
        let init: unsafe extern "C" fn() -> c_int = symbol(library, b"hsa_init\0")?;
        let iterate: unsafe extern "C" fn(OnAgent, *mut c_void) -> c_int = symbol(library, b"hsa_iterate_agents\0")?;
        let info: AgentInfo = symbol(library, b"hsa_agent_get_info\0")?;
        check_hsa(library, "hsa_init", init())?;
        let mut handles: Vec<Handle> = Vec::new();
        check_hsa(library, "hsa_iterate_agents", iterate(keep, ptr::from_mut(&mut handles).cast()))?;
        Ok(Hsa { agents: handles.into_iter().filter_map(|handle| agent(info, handle)).collect() })
    }
}

/// Keeps an agent that HSA lists. A list without an end is broken off, which HSA tells as an error.
unsafe extern "C" fn keep(handle: Handle, data: *mut c_void) -> c_int {
    const BREAK: c_int = 1;
    // SAFETY: `hsa` passes its own list, which lives until the last call.
    let handles = unsafe { &mut *data.cast::<Vec<Handle>>() };
    handles.push(handle);
    if handles.len() > MOST_AGENTS { BREAK } else { 0 }
}

/// What HSA tells of an agent, where that is a GPU.
unsafe fn agent(info: AgentInfo, handle: Handle) -> Option<Agent> {
    let get = |what| {
        let mut room = [0u64; INFO_ROOM / 8];
        // SAFETY: the handle is one that HSA listed, and the room is larger than any of its values, and aligned for it.
        let code = unsafe { info(handle, what, room.as_mut_ptr().cast()) };
        (code == 0).then(|| room.map(u64::to_ne_bytes).concat())
    };
    let number = |what| {
        let bytes = get(what)?;
        Some(u32::from_ne_bytes(bytes.first_chunk().copied()?))
    };
    let text = |what| Some(CStr::from_bytes_until_nul(&get(what)?).ok()?.to_string_lossy().trim().to_owned());
    if number(AGENT_DEVICE)? != DEVICE_GPU {
        return None;
    }
    let target = text(AGENT_NAME)?;
    let place = number(AGENT_BDFID).filter(|place| *place != 0);
    Some(Agent {
        name: text(AGENT_PRODUCT_NAME).filter(|name| !name.is_empty()).unwrap_or_else(|| "AMD GPU".to_owned()),
        target,
        pci: place.map(|place| pci_text(number(AGENT_DOMAIN).unwrap_or(0).into(), place.into())),
        integrated: get(AGENT_MEMORY_PROPERTIES).and_then(|flags| Some(flags.first()? & 1 == 1)),
    })
}

unsafe fn check_hsa(library: &Library, call: &str, code: c_int) -> Result<(), Missing> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: `hsa_status_string` may be called at any time and gives a text of the library's own.
    let words = unsafe {
        let status: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int = symbol(library, b"hsa_status_string\0")?;
        let mut words = ptr::null();
        let told = status(code, &mut words) == 0 && !words.is_null();
        told.then(|| CStr::from_ptr(words).to_string_lossy().into_owned())
    };
    let message = format!("{call}: {}", words.unwrap_or_default());
    Err(Missing::Exited { code: code.into(), message: message.trim_end_matches([':', ' ']).to_owned() })
}

unsafe fn hip(library: &Library) -> Result<Hip, Missing> {
    // SAFETY: HIP initialises itself at the first call that needs it; every pointer is to a local of the right type.
    unsafe {
        let runtime: unsafe extern "C" fn(*mut c_int) -> c_int = symbol(library, b"hipRuntimeGetVersion\0")?;
        let count: unsafe extern "C" fn(*mut c_int) -> c_int = symbol(library, b"hipGetDeviceCount\0")?;
        let (mut version, mut devices) = (0, 0);
        check("hipRuntimeGetVersion", runtime(&mut version))?;
        let status = count(&mut devices);
        let listed = if status == 0 { counted("hipGetDeviceCount", devices)? } else { 0 };
        let devices = (0..listed).map(|index| device(library, index)).collect::<Result<_, _>>()?;
        Ok(Hip { version, status, devices })
    }
}

unsafe fn device(library: &Library, index: c_int) -> Result<Device, Missing> {
    // SAFETY: see `hip`; texts are given their length and read up to a zero within it.
    unsafe {
        let get: unsafe extern "C" fn(*mut c_int, c_int) -> c_int = symbol(library, b"hipDeviceGet\0")?;
        let name: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int = symbol(library, b"hipDeviceGetName\0")?;
        let memory: unsafe extern "C" fn(*mut usize, c_int) -> c_int = symbol(library, b"hipDeviceTotalMem\0")?;
        let attribute: unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int =
            symbol(library, b"hipDeviceGetAttribute\0")?;
        let bus: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int = symbol(library, b"hipDeviceGetPCIBusId\0")?;
        let mut handle = 0;
        check("hipDeviceGet", get(&mut handle, index))?;
        let text = |ask: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int| {
            let mut bytes = [0u8; 256];
            let code = ask(bytes.as_mut_ptr().cast(), 255, handle);
            let text = CStr::from_bytes_until_nul(&bytes).ok().filter(|text| code == 0 && !text.is_empty());
            text.map(|text| text.to_string_lossy().into_owned())
        };
        let (mut memory_bytes, mut integrated) = (0, 0);
        check("hipDeviceTotalMem", memory(&mut memory_bytes, handle))?;
        let knows = attribute(&mut integrated, INTEGRATED, index) == 0;
        let (target, luid) = properties(library, index);
        Ok(Device {
            name: text(name).unwrap_or_else(|| "AMD GPU".to_owned()),
            target,
            pci: text(bus),
            luid,
            memory_bytes: memory_bytes as u64,
            integrated: knows && integrated == 1,
        })
    }
}

/// The gfx target and, on Windows, the LUID. The structure that holds them has changed with HIP 6, so the target is looked
/// for by what it is: a text of its own that begins with `gfx`.
unsafe fn properties(library: &Library, index: c_int) -> (Option<String>, Option<String>) {
    let mut room = [0u64; PROPERTIES_ROOM / 8];
    // SAFETY: both functions fill a structure that is smaller than the room.
    let newer = unsafe {
        type Properties = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
        let newer = symbol::<Properties>(library, b"hipGetDevicePropertiesR0600\0");
        let is_newer = newer.is_ok();
        let Ok(get) = newer.or_else(|_| symbol(library, b"hipGetDeviceProperties\0")) else { return (None, None) };
        if get(room.as_mut_ptr().cast(), index) != 0 {
            return (None, None);
        }
        is_newer
    };
    let bytes = room.map(u64::to_ne_bytes).concat();
    (target_in(&bytes), newer.then(|| luid_in(&bytes)).flatten())
}

fn target_in(bytes: &[u8]) -> Option<String> {
    let texts = bytes.split(|byte| *byte == 0).filter(|text| text.starts_with(b"gfx"));
    texts.filter_map(|text| std::str::from_utf8(text).ok()).find(|text| text.len() > 5).map(str::to_owned)
}

/// Windows' number of the adapter, behind name and UUID since HIP 6; 16 digits, the high part first.
fn luid_in(bytes: &[u8]) -> Option<String> {
    const LUID: usize = 256 + 16;
    let number = u64::from_le_bytes(*bytes.get(LUID..)?.first_chunk()?);
    (cfg!(windows) && number != 0).then(|| format!("{number:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_found_in_any_layout() {
        let named = [b"AMD gfx card".to_vec(), vec![0; 30]].concat();
        assert_eq!(target_in(&named), None);
        let whole = [named, b"gfx90a:xn+".to_vec(), vec![0; 30]].concat();
        assert_eq!(target_in(&whole).as_deref(), Some("gfx90a:xn+"));
    }
}
