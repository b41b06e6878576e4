//! The one driver that this child is about, looked at without the loader: a loader passes over what it cannot use, and tells
//! nobody why.

#![expect(clippy::disallowed_methods, reason = "the child reads the manifest that its parent has read before")]

use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;

use ash::vk;
use libloading::Library;

use crate::child::reason;
use crate::host::Missing;
use crate::vendor_library::symbol;
use crate::vulkan::manifests::library_path;

/// The driver's library, in use until this process ends.
pub(super) struct Driver(Option<ManuallyDrop<Library>>);

type Function = unsafe extern "system" fn();
type Lookup = unsafe extern "system" fn(vk::Instance, *const c_char) -> Option<Function>;
type Create =
    unsafe extern "system" fn(*const vk::InstanceCreateInfo<'_>, *const c_void, *mut vk::Instance) -> vk::Result;
type Negotiate = unsafe extern "system" fn(*mut u32) -> c_int;

/// The version of the interface between loader and driver that both sides of this file speak.
const INTERFACE: u32 = 5;

impl Driver {
    /// Loads the driver's library as the loader will. From then on the loader finds it in memory, so this costs nothing.
    pub(super) fn load() -> Result<Driver, Missing> {
        let Some(path) = cfg!(unix).then(shown).flatten() else { return Ok(Driver(None)) };
        // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
        let library = unsafe { Library::new(&path) }
            .map_err(|error| Missing::Garbled(format!("its library does not load: {}", reason(&error))))?;
        Ok(Driver(Some(ManuallyDrop::new(library))))
    }

    /// Why the loader found nothing that it could use: the driver's own word for it, where that is not the one of drivers
    /// that are here without their device.
    ///
    /// # Safety
    /// `info` must be as `vkCreateInstance` wants it.
    pub(super) unsafe fn why_passed_over(&self, info: &vk::InstanceCreateInfo<'_>) -> Result<(), Missing> {
        let Some(library) = &self.0 else { return Ok(()) };
        // SAFETY: the functions have the types of the interface between loader and driver, and are called in its order; the
        // number and the instance are locals that outlive their calls.
        unsafe {
            let lookup: Lookup = symbol(library, b"vk_icdGetInstanceProcAddr\0")
                .map_err(|_| Missing::Garbled("its library is no Vulkan driver".to_owned()))?;
            if let Ok(negotiate) = symbol::<Negotiate>(library, b"vk_icdNegotiateLoaderICDInterfaceVersion\0") {
                negotiate(&mut INTERFACE.clone());
            }
            let Some(create) = lookup(vk::Instance::null(), c"vkCreateInstance".as_ptr()) else {
                return Err(Missing::Garbled("its library is no Vulkan driver".to_owned()));
            };
            let create: Create = std::mem::transmute::<Function, Create>(create);
            let mut instance = vk::Instance::null();
            match create(info, std::ptr::null(), &mut instance) {
                vk::Result::SUCCESS
                | vk::Result::ERROR_INCOMPATIBLE_DRIVER
                | vk::Result::ERROR_INITIALIZATION_FAILED => Ok(()),
                code => Err(super::missing("vkCreateInstance", code)),
            }
        }
    }
}

/// The library of the driver that the loader is shown alone, as the loader asks for it.
fn shown() -> Option<String> {
    let manifest = std::env::var("VK_ICD_FILENAMES").ok()?;
    let library = library_path(&std::fs::read_to_string(&manifest).ok()?).ok()?;
    match library.contains('/') {
        true => Some(Path::new(&manifest).parent()?.join(library).to_str()?.to_owned()),
        false => Some(library),
    }
}
