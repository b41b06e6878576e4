//! The child's side: Vulkan through the loader, with one driver.

use std::ffi::{CStr, c_char};
use std::mem::ManuallyDrop;

use ash::vk;

use super::{Device, Instance};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};
use crate::manifest::SOFTWARE;

#[cfg(windows)]
const NAME: &str = "vulkan-1.dll";
#[cfg(not(windows))]
const NAME: &str = "libvulkan.so.1";

pub(super) fn answer(query: &Query) -> Answer {
    let path = query.arguments.first().map_or(NAME, String::as_str);
    // SAFETY: loading runs the initialisers of the loader and its driver; what they do is why this is a child. The calls
    // follow the Vulkan specification's order, and nothing is destroyed: the process ends at once after its answer.
    unsafe {
        let entry = ash::Entry::load_from(path).map_err(|error| Missing::Garbled(reason(&error)))?;
        // Never unloaded: what a driver does at its end must not come before the answer.
        let entry = ManuallyDrop::new(entry);
        let loader = entry.try_enumerate_instance_version().ok().flatten().unwrap_or(vk::API_VERSION_1_0);
        let extensions = entry.enumerate_instance_extension_properties(None).unwrap_or_default();
        let portable = extensions.iter().any(|extension| named(extension, ash::khr::portability_enumeration::NAME));
        let wanted: Vec<*const c_char> =
            if portable { vec![ash::khr::portability_enumeration::NAME.as_ptr()] } else { Vec::new() };
        let flags = match portable {
            true => vk::InstanceCreateFlags::ENUMERATE_PORTABILITY_KHR,
            false => vk::InstanceCreateFlags::empty(),
        };
        // A loader of 1.0 refuses every other number; later ones take what is asked for.
        let version = if loader >= vk::API_VERSION_1_1 { loader.min(vk::API_VERSION_1_3) } else { vk::API_VERSION_1_0 };
        let application = vk::ApplicationInfo::default().application_name(c"accelprobe").api_version(version);
        let info = vk::InstanceCreateInfo::default()
            .application_info(&application)
            .enabled_extension_names(&wanted)
            .flags(flags);
        let instance = entry.create_instance(&info, None).map_err(|code| missing("vkCreateInstance", code))?;
        let devices = match instance.enumerate_physical_devices() {
            Ok(devices) => devices,
            // What a loader answers whose only driver finds no device of its own.
            Err(vk::Result::ERROR_INITIALIZATION_FAILED | vk::Result::ERROR_INCOMPATIBLE_DRIVER) => Vec::new(),
            Err(code) => return Err(missing("vkEnumeratePhysicalDevices", code)),
        };
        let devices = devices.into_iter().map(|device| tell(&instance, device, version)).collect();
        Ok(serde_json::to_string(&Instance { loader: dotted(loader), devices }).unwrap_or_default())
    }
}

unsafe fn tell(instance: &ash::Instance, device: vk::PhysicalDevice, version: u32) -> Device {
    // SAFETY: the device belongs to the instance. `get_physical_device_properties2` is asked only of an instance and a
    // device of 1.1, and structures are chained only where the device has the version or extension that defines them.
    unsafe {
        let properties = instance.get_physical_device_properties(device);
        let memory = instance.get_physical_device_memory_properties(device);
        let heaps = memory.memory_heaps.iter().take(memory.memory_heap_count as usize);
        let memory_bytes =
            heaps.filter(|heap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL)).map(|heap| heap.size);
        let extensions = instance.enumerate_device_extension_properties(device).unwrap_or_default();
        let has = |name: &CStr| extensions.iter().any(|extension| named(extension, name));
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut bus = vk::PhysicalDevicePCIBusInfoPropertiesEXT::default();
        let second = version >= vk::API_VERSION_1_1 && properties.api_version >= vk::API_VERSION_1_1;
        let has_driver =
            second && (properties.api_version >= vk::API_VERSION_1_2 || has(ash::khr::driver_properties::NAME));
        let has_bus = second && has(ash::ext::pci_bus_info::NAME);
        if second {
            let mut all = vk::PhysicalDeviceProperties2::default();
            if has_driver {
                all = all.push_next(&mut driver);
            }
            if has_bus {
                all = all.push_next(&mut bus);
            }
            instance.get_physical_device_properties2(device, &mut all);
        }
        let name = text(&properties.device_name);
        let software = properties.device_type == vk::PhysicalDeviceType::CPU || name.contains("Basic Render");
        let kind = match properties.device_type {
            _ if software => SOFTWARE,
            vk::PhysicalDeviceType::DISCRETE_GPU => "discrete",
            vk::PhysicalDeviceType::INTEGRATED_GPU => "integrated",
            vk::PhysicalDeviceType::VIRTUAL_GPU => "virtual",
            _ => "other",
        };
        let pci =
            || format!("{:04x}:{:02x}:{:02x}.{:x}", bus.pci_domain, bus.pci_bus, bus.pci_device, bus.pci_function);
        Device {
            name,
            kind: kind.to_owned(),
            vendor: properties.vendor_id,
            api: dotted(properties.api_version),
            driver: has_driver
                .then(|| format!("{} {}", text(&driver.driver_name), text(&driver.driver_info)).trim().to_owned()),
            pci: has_bus.then(pci),
            memory_bytes: memory_bytes.fold(0, u64::saturating_add),
        }
    }
}

fn named(extension: &vk::ExtensionProperties, name: &CStr) -> bool {
    extension.extension_name_as_c_str() == Ok(name)
}

/// A text of fixed size; one without a terminator is taken whole.
fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> =
        characters.iter().map(|character| character.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn dotted(version: u32) -> String {
    format!("{}.{}.{}", vk::api_version_major(version), vk::api_version_minor(version), vk::api_version_patch(version))
}

fn missing(call: &str, code: vk::Result) -> Missing {
    Missing::Exited { code: code.as_raw().into(), message: format!("{call}: {code}") }
}
