//! The side that was not looked at: what both share, in the other environment.

use accelprobe_probes::fact::{Report, Value};
use toml::Table;

use super::Side;
use crate::diagnosis::{Device, Diagnosis};
use crate::input::{self, Input};

/// The facts of the other side, as somebody would describe it who knows this one.
pub(super) fn report(diagnosis: &Diagnosis, there: Side) -> Option<Report> {
    let text = toml::to_string(&described(diagnosis, there)).ok()?;
    let Ok(Input::Description(description)) = input::parse(&text, "the other side") else { return None };
    let (facts, complete) = description.into_facts();
    let mut report = Report { probes: Vec::new(), facts };
    input::what_if(&mut report, &[], complete.as_deref()).ok()?;
    Some(report)
}

/// The machine in the words of descriptions. Both sides have the GPUs, the driver of Windows and Windows itself; Python and
/// all libraries are each side's own.
fn described(diagnosis: &Diagnosis, there: Side) -> Table {
    let report = &diagnosis.report;
    let mut machine = Table::new();
    let mut say = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            machine.insert(word.to_owned(), value.into());
        }
    };
    say("environment", Some(there.id().to_owned()));
    // A Windows for ARM runs programs for x86, and its WSL2 does not.
    let machine_arch = Some(report.text("machine-arch").to_owned()).filter(|arch| !arch.is_empty());
    say("arch", machine_arch.or_else(|| diagnosis.host.arch.clone()));
    for key in ["windows-build", "wsl-version", "nvidia-driver"] {
        say(key, report.version(key).map(|version| version.text().to_owned()));
    }
    if let Some(Value::Set(vendors)) = report.host("gpu-vendors") {
        // What software pretends to be, and the adapter that WSL shows on the bus, is nobody's GPU.
        let is_gpu = |device: &&Device| {
            device.kind.as_deref() != Some("software")
                && device.vendor.as_ref().is_some_and(|own| vendors.contains(own))
        };
        let gpus: Vec<toml::Value> = diagnosis.devices.iter().filter(is_gpu).map(|gpu| self::gpu(gpu).into()).collect();
        if vendors.is_empty() || !gpus.is_empty() {
            machine.insert("gpu".to_owned(), gpus.into());
        }
    }
    machine
}

fn gpu(device: &Device) -> Table {
    let words = [
        ("name", &device.name),
        ("vendor", &device.vendor),
        ("compute-capability", &device.compute_capability),
        ("gfx", &device.gfx),
        ("device-kind", &device.kind),
    ];
    let told = words.into_iter().filter_map(|(word, value)| Some((word.to_owned(), value.clone()?.into())));
    told.collect()
}
