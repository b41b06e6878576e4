//! What follows from a device's name: its instruction set and line of products. And the CUDA that a driver speaks.

use accelprobe_probes::fact::{Fact, Key, Kind, Scope, Subject, Value};

use super::{Known, fact};
use crate::judge::devices::listings;
use crate::matrix::Matrix;

pub(super) static GPU_LINE: Key = Key::new(
    "gpu-line",
    Kind::Text,
    Scope::Device,
    "The line of products that the device belongs to, by its name: `geforce`, `workstation`, `datacenter`, `jetson`, `radeon`, `instinct`, …",
);

/// The facts about devices that follow from their names.
pub(super) fn by_name(known: &Known, matrix: &Matrix) -> Vec<Fact> {
    let mut derived = Vec::new();
    for subject in known.device_subjects() {
        let Some(vendor) = known.text_about(subject, "device-vendor") else { continue };
        let Some(gpus) = matrix.gpus(vendor) else { continue };
        // `10de:2684`: the second number is the device's.
        let pci = known.text_about(subject, "pci-id").and_then(|id| id.split_once(':')).map(|(_, device)| device);
        let names = listings().filter_map(|(key, _)| known.text_about(subject, key.name));
        let mut names = names.chain(known.text_about(subject, "device-name"));
        let family = pci.and_then(|device| gpus.by_pci(device)).or_else(|| names.find_map(|name| gpus.by_name(name)));
        let Some(family) = family else { continue };
        let mut add = |key: Option<&'static Key>, value: Option<Value>| {
            if let (Some(key), Some(value)) = (key, value)
                && known.about(subject, key.name).is_none()
            {
                derived.push(fact(key, subject, value, "by the name of the device"));
            }
        };
        add(Some(&GPU_LINE), Some(Value::Text(family.line.clone())));
        add(accelprobe_probes::key("compute-capability"), family.compute_capability.clone().map(Value::Version));
        add(accelprobe_probes::key("gfx-target"), family.gfx.clone().map(Value::Text));
    }
    derived
}

/// The newest CUDA that the driver speaks, by the driver's number, where the driver was not asked.
pub(super) fn driver_api(known: &Known, matrix: &Matrix) -> Option<Fact> {
    let driver = known.version("nvidia-driver")?;
    if known.version("cuda-driver-api").is_some() {
        return None;
    }
    let product = matrix.product("nvidia-driver")?;
    if product.horizon().is_none_or(|horizon| driver > horizon) {
        return None;
    }
    // A number of Windows lies a little above that of its branch: 566 belongs to 565.
    let mut older = product.release.iter().rev().filter(|release| release.version <= *driver);
    let cuda = older.find_map(|release| release.cuda.clone())?;
    let key = accelprobe_probes::key("cuda-driver-api")?;
    Some(fact(key, &Subject::Host, Value::Version(cuda), "by the number of the driver"))
}
