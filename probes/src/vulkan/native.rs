//! The child's side: Vulkan through the loader, with one driver; then the same driver through wgpu.

mod driver;

use std::ffi::{CStr, c_char};
use std::mem::ManuallyDrop;

use ash::vk;

use self::driver::Driver;
use super::{ALONE, Device, Instance, asks_both};
use crate::child::reason;
use crate::compute;
use crate::host::{Answer, Missing, Query};
use crate::manifest::SOFTWARE;
use crate::webgpu;

#[cfg(windows)]
const NAME: &str = "vulkan-1.dll";
#[cfg(not(windows))]
const NAME: &str = "libvulkan.so.1";

pub(super) fn answer(query: &Query) -> Answer {
    let mut arguments = query.arguments.iter().map(String::as_str);
    let computing = compute::is_asked(query).then(|| {
        arguments.next();
        arguments.next().and_then(|number| number.parse::<usize>().ok())
    });
    let path = arguments.next().unwrap_or(NAME);
    let alone = arguments.next() == Some(ALONE);
    // SAFETY: loading runs the initialisers of the loader and its driver; what they do is why this is a child. The calls
    // follow the Vulkan specification's order, and nothing is destroyed: the process ends at once after its answer.
    unsafe {
        let loaded = Loaded::open(path)?;
        let devices = loaded.devices()?;
        if let Some(number) = computing {
            let device = number.and_then(|number| devices.get(number)).ok_or(Missing::NotFound)?;
            let output = squares(&loaded.instance, *device).map_err(|(call, code)| missing(call, code))?;
            return Ok(compute::check(&output));
        }
        let devices: Vec<Device> =
            devices.into_iter().map(|device| tell(&loaded.instance, device, loaded.version)).collect();
        let both = !alone && asks_both(std::env::consts::OS) && !devices.is_empty();
        let webgpu = both.then(webgpu::native::beside_vulkan);
        Ok(serde_json::to_string(&Instance { loader: dotted(loaded.loader), devices, webgpu }).unwrap_or_default())
    }
}

/// The loader, with an instance.
struct Loaded {
    /// The version that the loader speaks.
    loader: u32,
    /// The version that was asked for.
    version: u32,
    instance: ash::Instance,
}

impl Loaded {
    unsafe fn open(path: &str) -> Result<Loaded, Missing> {
        let driver = Driver::load()?;
        // SAFETY: as in `answer`; the loader is never unloaded, so its functions stay where they are.
        unsafe {
            let entry = ash::Entry::load_from(path).map_err(|error| Missing::Garbled(reason(&error)))?;
            // What a driver does at its end must not come before the answer.
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
            let version = match loader >= vk::API_VERSION_1_1 {
                true => loader.min(vk::API_VERSION_1_3),
                false => vk::API_VERSION_1_0,
            };
            let application = vk::ApplicationInfo::default().application_name(c"accelprobe").api_version(version);
            let info = vk::InstanceCreateInfo::default()
                .application_info(&application)
                .enabled_extension_names(&wanted)
                .flags(flags);
            let instance = entry.create_instance(&info, None);
            if let Err(vk::Result::ERROR_INCOMPATIBLE_DRIVER) = instance {
                driver.why_passed_over(&info)?;
            }
            let instance = instance.map_err(|code| missing("vkCreateInstance", code))?;
            Ok(Loaded { loader, version, instance })
        }
    }

    unsafe fn devices(&self) -> Result<Vec<vk::PhysicalDevice>, Missing> {
        // SAFETY: the instance is never destroyed.
        match unsafe { self.instance.enumerate_physical_devices() } {
            Ok(devices) => Ok(devices),
            // What a loader answers whose only driver finds no device of its own.
            Err(vk::Result::ERROR_INITIALIZATION_FAILED | vk::Result::ERROR_INCOMPATIBLE_DRIVER) => Ok(Vec::new()),
            Err(code) => Err(missing("vkEnumeratePhysicalDevices", code)),
        }
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
        let mut ids = vk::PhysicalDeviceIDProperties::default();
        let second = version >= vk::API_VERSION_1_1 && properties.api_version >= vk::API_VERSION_1_1;
        let has_driver =
            second && (properties.api_version >= vk::API_VERSION_1_2 || has(ash::khr::driver_properties::NAME));
        let has_bus = second && has(ash::ext::pci_bus_info::NAME);
        if second {
            let mut all = vk::PhysicalDeviceProperties2::default().push_next(&mut ids);
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
            device: Some(properties.device_id),
            api: dotted(properties.api_version),
            driver: has_driver
                .then(|| format!("{} {}", text(&driver.driver_name), text(&driver.driver_info)).trim().to_owned()),
            pci: has_bus.then(pci),
            uuid: (second && ids.device_uuid != [0; 16]).then(|| dashed(ids.device_uuid)),
            luid: (ids.device_luid_valid == vk::TRUE).then(|| format!("{:016x}", u64::from_le_bytes(ids.device_luid))),
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
        characters.iter().flat_map(|character| character.to_ne_bytes()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A UUID as it is written: 8-4-4-4-12.
fn dashed(uuid: [u8; 16]) -> String {
    let mut text = format!("{:032x}", u128::from_be_bytes(uuid));
    for place in [20, 16, 12, 8] {
        text.insert(place, '-');
    }
    text
}

fn dotted(version: u32) -> String {
    format!("{}.{}.{}", vk::api_version_major(version), vk::api_version_minor(version), vk::api_version_patch(version))
}

fn missing(call: &str, code: vk::Result) -> Missing {
    Missing::Exited { code: code.as_raw().into(), message: format!("{call}: {code}") }
}

/// A SPIR-V module for `GLCompute` that squares each number of the buffer at set 0, binding 0, and adds its index, in groups
/// of 64; each line with the instruction that it encodes.
#[rustfmt::skip]
const SHADER: &[u32] = &[
    0x0723_0203, 0x0001_0000, 0, 22, 0, // SPIR-V 1.0; ids below 22
    0x0002_0011, 1, // OpCapability Shader
    0x0003_000e, 0, 1, // OpMemoryModel Logical GLSL450
    0x0006_000f, 5, 1, 0x6e69_616d, 0, 2, // OpEntryPoint GLCompute %main "main" %id
    0x0006_0010, 1, 17, 64, 1, 1, // OpExecutionMode %main LocalSize 64 1 1
    0x0004_0047, 2, 11, 28, // OpDecorate %id BuiltIn GlobalInvocationId
    0x0004_0047, 3, 6, 4, // OpDecorate %array ArrayStride 4
    0x0005_0048, 4, 0, 35, 0, // OpMemberDecorate %block 0 Offset 0
    0x0003_0047, 4, 3, // OpDecorate %block BufferBlock
    0x0004_0047, 5, 34, 0, // OpDecorate %buffer DescriptorSet 0
    0x0004_0047, 5, 33, 0, // OpDecorate %buffer Binding 0
    0x0002_0013, 6, // %void = OpTypeVoid
    0x0003_0021, 7, 6, // %function = OpTypeFunction %void
    0x0004_0015, 8, 32, 0, // %uint = OpTypeInt 32 0
    0x0004_0017, 9, 8, 3, // %uint3 = OpTypeVector %uint 3
    0x0004_0020, 10, 1, 9, // %to_id = OpTypePointer Input %uint3
    0x0004_0020, 11, 1, 8, // %to_x = OpTypePointer Input %uint
    0x0003_001d, 3, 8, // %array = OpTypeRuntimeArray %uint
    0x0003_001e, 4, 3, // %block = OpTypeStruct %array
    0x0004_0020, 12, 2, 4, // %to_block = OpTypePointer Uniform %block
    0x0004_0020, 13, 2, 8, // %to_uint = OpTypePointer Uniform %uint
    0x0004_002b, 8, 14, 0, // %zero = OpConstant %uint 0
    0x0004_003b, 10, 2, 1, // %id = OpVariable %to_id Input
    0x0004_003b, 12, 5, 2, // %buffer = OpVariable %to_block Uniform
    0x0005_0036, 6, 1, 0, 7, // %main = OpFunction %void None %function
    0x0002_00f8, 15, // %start = OpLabel
    0x0005_0041, 11, 16, 2, 14, // %x = OpAccessChain %to_x %id %zero
    0x0004_003d, 8, 17, 16, // %i = OpLoad %uint %x
    0x0006_0041, 13, 18, 5, 14, 17, // %place = OpAccessChain %to_uint %buffer %zero %i
    0x0004_003d, 8, 19, 18, // %n = OpLoad %uint %place
    0x0005_0084, 8, 20, 19, 19, // %square = OpIMul %uint %n %n
    0x0005_0080, 8, 21, 20, 17, // %sum = OpIAdd %uint %square %i
    0x0003_003e, 18, 21, // OpStore %place %sum
    0x0001_00fd, // OpReturn
    0x0001_0038, // OpFunctionEnd
];
/// Invocations in a group of the shader.
const GROUP: u32 = 64;

type Failed = (&'static str, vk::Result);

/// What a device makes of the numbers, or the call that failed.
unsafe fn squares(instance: &ash::Instance, physical: vk::PhysicalDevice) -> Result<Vec<u32>, Failed> {
    // SAFETY: every handle is made here from the one before it and used as the specification wants it; the pointers in the
    // structures outlive their calls; the mapped range is as long as the buffer, and is read after the fence.
    unsafe {
        let failed = |call: &'static str| move |code| (call, code);
        let families = instance.get_physical_device_queue_family_properties(physical);
        let family = families.iter().position(|family| family.queue_flags.contains(vk::QueueFlags::COMPUTE));
        let family = family.and_then(|family| u32::try_from(family).ok());
        let family = family.ok_or(("a queue that computes", vk::Result::ERROR_FEATURE_NOT_PRESENT))?;
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
        let extensions = instance.enumerate_device_extension_properties(physical).unwrap_or_default();
        // A device that is Vulkan only in part insists that its user knows.
        let partial = ash::khr::portability_subset::NAME;
        let partial = extensions.iter().find(|extension| named(extension, partial)).map(|_| partial.as_ptr());
        let wanted: Vec<*const c_char> = partial.into_iter().collect();
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&wanted);
        let device = instance.create_device(physical, &info, None).map_err(failed("vkCreateDevice"))?;
        let queue = device.get_device_queue(family, 0);

        let input = compute::input();
        let size = size_of_val(input.as_slice()) as u64;
        let info = vk::BufferCreateInfo::default().size(size).usage(vk::BufferUsageFlags::STORAGE_BUFFER);
        let buffer = device.create_buffer(&info, None).map_err(failed("vkCreateBuffer"))?;
        let needs = device.get_buffer_memory_requirements(buffer);
        let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        let memory = instance.get_physical_device_memory_properties(physical);
        let fits = |(kind, flags): &(u32, vk::MemoryPropertyFlags)| {
            needs.memory_type_bits & (1 << kind) != 0 && flags.contains(wanted)
        };
        let kinds = memory.memory_types.iter().take(memory.memory_type_count as usize);
        let kind = (0u32..).zip(kinds.map(|kind| kind.property_flags)).find(fits);
        let (kind, _) = kind.ok_or(("memory that the host sees", vk::Result::ERROR_FEATURE_NOT_PRESENT))?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        let memory = device.allocate_memory(&info, None).map_err(failed("vkAllocateMemory"))?;
        device.bind_buffer_memory(buffer, memory, 0).map_err(failed("vkBindBufferMemory"))?;
        let mapped = device.map_memory(memory, 0, size, vk::MemoryMapFlags::empty()).map_err(failed("vkMapMemory"))?;
        let numbers = mapped.cast::<u32>();
        for (place, number) in input.iter().enumerate() {
            numbers.add(place).write(*number);
        }

        let binding = vk::DescriptorSetLayoutBinding::default()
            .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
            .descriptor_count(1)
            .stage_flags(vk::ShaderStageFlags::COMPUTE);
        let bindings = [binding];
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let layout = device.create_descriptor_set_layout(&info, None).map_err(failed("vkCreateDescriptorSetLayout"))?;
        let layouts = [layout];
        let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
        let pipeline_layout = device.create_pipeline_layout(&info, None).map_err(failed("vkCreatePipelineLayout"))?;
        let info = vk::ShaderModuleCreateInfo::default().code(SHADER);
        let module = device.create_shader_module(&info, None).map_err(failed("vkCreateShaderModule"))?;
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main");
        let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(pipeline_layout);
        let pipelines = device
            .create_compute_pipelines(vk::PipelineCache::null(), &[info], None)
            .map_err(|(_, code)| ("vkCreateComputePipelines", code))?;
        let pipeline = pipelines.first().copied().unwrap_or_default();

        let sizes = [vk::DescriptorPoolSize::default().ty(vk::DescriptorType::STORAGE_BUFFER).descriptor_count(1)];
        let info = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&sizes);
        let pool = device.create_descriptor_pool(&info, None).map_err(failed("vkCreateDescriptorPool"))?;
        let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
        let sets = device.allocate_descriptor_sets(&info).map_err(failed("vkAllocateDescriptorSets"))?;
        let whole = [vk::DescriptorBufferInfo::default().buffer(buffer).range(vk::WHOLE_SIZE)];
        let write = vk::WriteDescriptorSet::default()
            .dst_set(sets.first().copied().unwrap_or_default())
            .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
            .buffer_info(&whole);
        device.update_descriptor_sets(&[write], &[]);

        let info = vk::CommandPoolCreateInfo::default().queue_family_index(family);
        let pool = device.create_command_pool(&info, None).map_err(failed("vkCreateCommandPool"))?;
        let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
        let commands = device.allocate_command_buffers(&info).map_err(failed("vkAllocateCommandBuffers"))?;
        let command = commands.first().copied().unwrap_or_default();
        let once = vk::CommandBufferBeginInfo::default().flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        device.begin_command_buffer(command, &once).map_err(failed("vkBeginCommandBuffer"))?;
        device.cmd_bind_pipeline(command, vk::PipelineBindPoint::COMPUTE, pipeline);
        device.cmd_bind_descriptor_sets(command, vk::PipelineBindPoint::COMPUTE, pipeline_layout, 0, &sets, &[]);
        device.cmd_dispatch(command, input.len() as u32 / GROUP, 1, 1);
        // What the shader wrote must reach the host, which a fence alone does not promise.
        let barrier = vk::MemoryBarrier::default()
            .src_access_mask(vk::AccessFlags::SHADER_WRITE)
            .dst_access_mask(vk::AccessFlags::HOST_READ);
        let (from, to) = (vk::PipelineStageFlags::COMPUTE_SHADER, vk::PipelineStageFlags::HOST);
        device.cmd_pipeline_barrier(command, from, to, vk::DependencyFlags::empty(), &[barrier], &[], &[]);
        device.end_command_buffer(command).map_err(failed("vkEndCommandBuffer"))?;
        let fence = device.create_fence(&vk::FenceCreateInfo::default(), None).map_err(failed("vkCreateFence"))?;
        let submit = vk::SubmitInfo::default().command_buffers(&commands);
        device.queue_submit(queue, &[submit], fence).map_err(failed("vkQueueSubmit"))?;
        // Without a limit: the child has one.
        device.wait_for_fences(&[fence], true, u64::MAX).map_err(failed("vkWaitForFences"))?;
        Ok((0..input.len()).map(|place| numbers.add(place).read()).collect())
    }
}
