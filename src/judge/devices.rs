//! One list of devices, each once, with the APIs that list it. The PCI address joins what several APIs say of one card.

use accelprobe_probes::fact::{Report, Scope, Subject, Value};

use crate::diagnosis::Device;

/// The facts by which APIs name a device, `API-device`, with the API; the registry of Windows comes last.
fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_device = accelprobe_probes::keys().filter(|key| key.scope == Scope::Device);
    let apis = of_device.filter_map(|key| Some((key.name, key.name.strip_suffix("-device")?)));
    apis.chain([("adapter-name", "windows")])
}

/// All devices in the order in which they were found.
pub(super) fn all(report: &Report) -> Vec<Device> {
    let mut subjects: Vec<&Subject> = Vec::new();
    for fact in &report.facts {
        if matches!(fact.subject, Subject::Device(_)) && !subjects.contains(&&fact.subject) {
            subjects.push(&fact.subject);
        }
    }
    let mut devices: Vec<Device> = subjects.into_iter().map(|subject| one(report, subject)).collect();
    join_adapters(&mut devices);
    devices
}

/// Windows lists its adapters without their address. One whose name an API tells, too, is that API's device; of two equal
/// cards each takes up one adapter.
fn join_adapters(devices: &mut Vec<Device>) {
    let is_adapter = |device: &Device| device.id.starts_with("adapter:");
    let (adapters, mut rest): (Vec<Device>, Vec<Device>) = devices.drain(..).partition(is_adapter);
    let mut alone = Vec::new();
    for adapter in adapters {
        let same =
            |device: &&mut Device| device.name == adapter.name && !device.seen_by.contains(&"windows".to_owned());
        match rest.iter_mut().find(same) {
            Some(device) => device.seen_by.extend(adapter.seen_by),
            None => alone.push(adapter),
        }
    }
    devices.extend(alone);
    devices.append(&mut rest);
}

fn one(report: &Report, subject: &Subject) -> Device {
    let text = |key: &str| report.about(subject, key).map(Value::to_string);
    let vendor = text("device-vendor");
    let id = match subject {
        Subject::Device(id) => id.clone(),
        _ => String::new(),
    };
    let by_number = || {
        let number = text("pci-id")?;
        Some(format!("{} device {number}", vendor.as_deref().map_or("unknown", vendor_title)))
    };
    let nvidia = || {
        (vendor.as_deref() == Some("nvidia"))
            .then(|| report.version("nvidia-driver").map(ToString::to_string))
            .flatten()
    };
    let by_bus = || match vendor.as_deref() {
        Some("virtual" | "microsoft") => Some("virtual".to_owned()),
        _ => None,
    };
    Device {
        id,
        name: names().find_map(|(key, _)| text(key)).or_else(by_number),
        kind: text("device-kind").or_else(by_bus),
        driver: nvidia()
            .or_else(|| text("vulkan-driver"))
            .or_else(|| text("opencl-driver"))
            .or_else(|| text("kernel-module")),
        compute_capability: text("compute-capability"),
        gfx: text("gfx-target"),
        memory_bytes: report.number(subject, "device-memory-bytes"),
        seen_by: names().filter(|(key, _)| text(key).is_some()).map(|(_, api)| api.to_owned()).collect(),
        vendor,
    }
}

/// A vendor's name as it writes itself.
pub(crate) fn vendor_title(vendor: &str) -> &str {
    match vendor {
        "nvidia" => "NVIDIA",
        "amd" => "AMD",
        "intel" => "Intel",
        "apple" => "Apple",
        "microsoft" => "Microsoft",
        "habana" => "Habana",
        "graphcore" => "Graphcore",
        "mesa" => "Mesa",
        "qualcomm" => "Qualcomm",
        other => other,
    }
}
