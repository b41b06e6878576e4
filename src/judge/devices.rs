//! One list of devices, each once, with the APIs that list it, out of a report in which [`join`](super::join) gave each
//! device one subject.

use std::sync::LazyLock;

use accelprobe_probes::fact::{Fact, Key, Scope, Subject, Value};

use super::join;
use super::known::Known;
use crate::diagnosis::Device;

/// The facts by which APIs name a device, `API-device`, with the API; the registry of Windows comes last.
pub(super) fn listings() -> impl Iterator<Item = (&'static Key, &'static str)> {
    static ALL: LazyLock<Vec<(&Key, &str)>> = LazyLock::new(|| {
        let of_device = || accelprobe_probes::keys().filter(|key| key.scope == Scope::Device);
        let by_api = of_device().filter_map(|key| Some((key, key.name.strip_suffix("-device")?)));
        by_api.chain(of_device().filter(|key| key.name == "adapter-name").map(|key| (key, "windows"))).collect()
    });
    ALL.iter().copied()
}

/// All devices in the order in which they were found.
pub(super) fn all(joined: &Known) -> Vec<Device> {
    joined.device_subjects().into_iter().map(|subject| one(joined, subject)).collect()
}

fn one(report: &Known, subject: &Subject) -> Device {
    let text = |key: &str| report.about(subject, key).map(Value::to_string);
    let vendor = text("device-vendor");
    let id = match subject {
        Subject::Device(id) => id.clone(),
        _ => String::new(),
    };
    let by_number = || {
        let number = text("pci-id")?;
        Some(format!(
            "{} device {number}",
            vendor.as_deref().filter(|vendor| *vendor != "other").map_or("unknown", vendor_title)
        ))
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
        name: name(report, subject).or_else(by_number),
        kind: kind(report, subject).or_else(by_bus),
        driver: nvidia()
            .or_else(|| text("vulkan-driver"))
            .or_else(|| text("opencl-driver"))
            .or_else(|| text("kernel-module")),
        compute_capability: text("compute-capability"),
        gfx: text("gfx-target"),
        memory_bytes: report.number(subject, "device-memory-bytes"),
        seen_by: listings().filter(|(key, _)| text(key.name).is_some()).map(|(_, api)| api.to_owned()).collect(),
        vendor,
    }
}

/// A device's name, by the best source that has one.
pub(super) fn name(report: &Known, subject: &Subject) -> Option<String> {
    let is_name = |fact: &&Fact| fact.key.name == "device-name" || listings().any(|(key, _)| *key == *fact.key);
    let names = report.facts_about(subject).filter(is_name);
    names.filter_map(|fact| fact.value.as_ref().ok()).map(Value::to_string).next()
}

/// What kind of device it is. One that a source which knows calls integrated is so whatever others say: runtimes that were
/// made for cards call an integrated GPU discrete until somebody teaches them, and no card is called integrated. Else the
/// best source's word counts, if it says more than "other".
pub(super) fn kind(report: &Known, subject: &Subject) -> Option<String> {
    let facts = || report.told(subject, "device-kind");
    let words = |wanted: &dyn Fn(&Fact, &str) -> bool| {
        let words = facts().filter_map(|fact| Some((fact, fact.value.as_ref().ok()?.to_string())));
        words.filter(|(fact, word)| wanted(fact, word)).map(|(_, word)| word).next()
    };
    words(&|fact, word| word == "integrated" && join::knows_kinds(fact))
        .or_else(|| words(&|_, word| word != "other"))
        .or_else(|| words(&|_, _| true))
}

/// A device as people know it: its name, and its id where that says more.
pub(super) fn shown(report: &Known, subject: &Subject, id: &str) -> String {
    match name(report, subject) {
        Some(name) => match id.split_once(':') {
            Some((_, rest)) if rest.starts_with(&name) => rest.to_owned(),
            _ => format!("{name} ({id})"),
        },
        None => id.to_owned(),
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
