//! The child's side: wgpu, one backend at a time.

use std::mem::ManuallyDrop;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use wgpu::{Backends, DeviceType, PollType};

use super::{Adapter, Adapters};
use crate::child::{reason, time_left};
use crate::compute;
use crate::host::{Answer, Missing, Query};
use crate::manifest::SOFTWARE;
use crate::vendor_library::{take_all_from_system, take_from_system};

/// The release of wgpu that Cargo.lock names; a test compares them.
const WGPU: &str = "30.0.1";
/// How long wgpu may take beside Vulkan. It takes two milliseconds.
const BESIDE: Duration = Duration::from_secs(3);

pub(super) fn answer(query: &Query) -> Answer {
    let mut arguments = query.arguments.iter().map(String::as_str);
    let computing = compute::is_asked(query).then(|| {
        arguments.next();
        arguments.next().and_then(|number| number.parse().ok())
    });
    let backend = match arguments.next() {
        Some("dx12") => Backends::DX12,
        Some("metal") => Backends::METAL,
        _ => Backends::VULKAN,
    };
    match computing {
        Some(number) => computed(backend, number.ok_or(Missing::NotFound)?),
        None => Ok(serde_json::to_string(&adapters(backend)?).unwrap_or_default()),
    }
}

/// What wgpu gets from the driver that this child has asked by Vulkan already. In a thread with less time than the child
/// has: what hangs here must not cost the answer that Vulkan gave.
pub(crate) fn beside_vulkan() -> Result<Adapters, Missing> {
    let (send, answer) = mpsc::channel();
    // Whoever waited may have left meanwhile.
    let asking = thread::Builder::new().spawn(move || _ = send.send(adapters(Backends::VULKAN)));
    asking.map_err(|error| Missing::Unasked(format!("no more threads could be started: {error}")))?;
    answer.recv_timeout(BESIDE.min(time_left() / 2)).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(Missing::TimedOut),
        RecvTimeoutError::Disconnected => Err(Missing::Garbled("wgpu panicked".to_owned())),
    })
}

fn adapters(backend: Backends) -> Result<Adapters, Missing> {
    let listed = list(backend)?;
    let adapters = listed.iter().map(|adapter| tell(adapter.get_info())).collect();
    Ok(Adapters { wgpu: Some(WGPU.to_owned()), adapters })
}

/// All adapters of a backend, as a program without a window gets them: no validation, no debugging, no variables of wgpu.
/// Never dropped: what a driver does at its end must not come before the answer.
fn list(backend: Backends) -> Result<ManuallyDrop<Vec<wgpu::Adapter>>, Missing> {
    match backend {
        Backends::DX12 => take_all_from_system(),
        _ => take_from_system(&["vulkan-1.dll"]),
    }
    let mut wanted = wgpu::InstanceDescriptor::new_without_display_handle();
    wanted.backends = backend;
    wanted.flags = wgpu::InstanceFlags::empty();
    let instance = ManuallyDrop::new(wgpu::Instance::new(wanted));
    if !is_up(&instance, backend) {
        return Err(Missing::Garbled("wgpu could not initialise this backend".to_owned()));
    }
    Ok(ManuallyDrop::new(pollster::block_on(instance.enumerate_adapters(backend))))
}

/// Whether a backend initialised; wgpu lists no adapters where it did not, and says nothing else about it.
fn is_up(instance: &wgpu::Instance, backend: Backends) -> bool {
    // SAFETY: the handles are looked at for being there, and neither kept nor used.
    unsafe {
        match backend {
            #[cfg(windows)]
            Backends::DX12 => instance.as_hal::<wgpu::hal::api::Dx12>().is_some(),
            #[cfg(target_os = "macos")]
            Backends::METAL => instance.as_hal::<wgpu::hal::api::Metal>().is_some(),
            #[cfg(not(target_os = "macos"))]
            Backends::VULKAN => instance.as_hal::<wgpu::hal::api::Vulkan>().is_some(),
            _ => false,
        }
    }
}

fn tell(info: wgpu::AdapterInfo) -> Adapter {
    let software = info.device_type == DeviceType::Cpu || info.name.contains("Basic Render");
    let kind = match info.device_type {
        _ if software => SOFTWARE,
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        _ => "other",
    };
    // wgpu writes a question mark where it is told nothing.
    let driver = [info.driver, info.driver_info].into_iter().filter(|part| !part.is_empty() && part != "?");
    let driver = driver.collect::<Vec<_>>().join(" ");
    Adapter {
        name: info.name,
        kind: kind.to_owned(),
        vendor: info.vendor,
        device: info.device,
        driver: Some(driver).filter(|driver| !driver.is_empty()),
        pci: Some(info.device_pci_bus_id).filter(|pci| !pci.is_empty()),
    }
}

/// Invocations in a group of the shader.
const GROUP: u32 = 64;
/// Squares each number of a buffer and adds its index.
const SHADER: &str = "
@group(0) @binding(0) var<storage, read_write> numbers: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    numbers[id.x] = numbers[id.x] * numbers[id.x] + id.x;
}
";

fn computed(backend: Backends, number: usize) -> Answer {
    let adapters = list(backend)?;
    let adapter = adapters.get(number).ok_or(Missing::NotFound)?;
    let wanted = wgpu::DeviceDescriptor { required_limits: wgpu::Limits::downlevel_defaults(), ..Default::default() };
    let opened = pollster::block_on(adapter.request_device(&wanted));
    let (device, queue) = opened.map_err(|error| Missing::Garbled(reason(&error)))?;
    let errors = Arc::new(Mutex::new(None));
    let first = Arc::clone(&errors);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| reason(&error));
    }));
    let output = squares(&device, &queue);
    // Nothing is dropped before the answer.
    std::mem::forget((device, queue));
    match errors.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(Missing::Garbled(error)),
        None => output.map(|output| compute::check(&output)),
    }
}

/// What the device makes of the numbers.
fn squares(device: &wgpu::Device, queue: &wgpu::Queue) -> Result<Vec<u32>, Missing> {
    let bytes: Vec<u8> = compute::input().into_iter().flat_map(u32::to_le_bytes).collect();
    let size = bytes.len() as u64;
    let buffer =
        |usage| device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    let storage = buffer(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC);
    let readable = buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ);
    queue.write_buffer(&storage, 0, &bytes);
    let source = wgpu::ShaderSource::Wgsl(SHADER.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let bound = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: storage.as_entire_binding() }],
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bound, &[]);
    pass.dispatch_workgroups(compute::LENGTH as u32 / GROUP, 1, 1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&storage, 0, &readable, 0, size);
    queue.submit([encoder.finish()]);
    let (send, mapped) = mpsc::channel();
    readable.map_async(wgpu::MapMode::Read, .., move |result| _ = send.send(result));
    // Without a limit: the child has one.
    device.poll(PollType::wait_indefinitely()).map_err(|error| Missing::Garbled(reason(&error)))?;
    match mapped.try_recv() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Missing::Garbled(reason(&error))),
        Err(_) => return Err(Missing::Garbled("the result was never handed over".to_owned())),
    }
    let view = readable.get_mapped_range(..).map_err(|error| Missing::Garbled(reason(&error)))?;
    let words = view.as_chunks::<4>().0;
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_release_that_is_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wgpu\"\nversion = \"{WGPU}\"")), "{WGPU}");
    }
}
