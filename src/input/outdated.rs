//! What no longer follows once something else is said of a machine: answers that were given about another card, under another
//! driver, in another environment or under another variable. They are dropped, and so unknown.

use std::collections::BTreeSet;

use accelprobe_probes::PROBES;
use accelprobe_probes::fact::{Fact, Key, Origin, Report, Subject, Value};
use accelprobe_probes::host::{Missing, Question};

use super::names;
use super::set::ORIGIN;

/// Drops what no longer follows once a key has another value.
pub(super) fn leave(report: &mut Report, key: &Key, value: &Result<Value, Missing>) {
    match key.name {
        "environment" => leave_environment(report),
        "nvidia-driver" => leave_nvidia_driver(report),
        "python" => leave_python(report, value),
        "windows-build" => drop_keys(report, &["windows-kernel"]),
        "cuda-visible-devices" => leave_answers(report, &["cuda", "rocm"]),
        "hip-visible-devices" | "rocr-visible-devices" | "hsa-override-gfx-version" | "hsa-enable-dxg-detection" => {
            leave_answers(report, &["rocm"]);
        }
        "gpu-device-ordinal" => leave_answers(report, &["opencl"]),
        "oneapi-device-selector" | "ze-affinity-mask" => {
            leave_answers(report, &["intel-extensions"]);
            drop_keys(report, &["oneapi-device-selector-hides-gpus"]);
        }
        "habana-visible-modules" => leave_answers(report, &["habana-gaudi"]),
        _ => {}
    }
    if key.name.ends_with("-visible-devices") || key.name == "oneapi-device-selector" {
        drop_keys(report, &["rocm-hidden-by", "rocm-wrong-device"]);
    }
}

/// Drops what was true of the environment that was probed and need not be of the one that is asked about: all but the hardware
/// and what somebody said.
fn leave_environment(report: &mut Report) {
    const HARDWARE: &[&str] = &["machine", "bus"];
    // Which driver of Windows holds an adapter is no matter of hardware.
    const OF_WINDOWS: &[&str] = &["kernel-module", "adapter-driver"];
    const OF_SYSTEM: &[&str] = &["os", "kernel"];
    let stays = |fact: &Fact| {
        let hardware = PROBES.iter().any(|probe| HARDWARE.contains(&probe.name) && probe.keys.contains(&fact.key));
        match &fact.origin {
            // The name of the system that is left is no longer its name.
            Origin::Given(by) => by == ORIGIN || !OF_SYSTEM.contains(&fact.key.name),
            // What an API told of a device is that environment's word for it.
            Origin::Asked(Question::Native(query)) => query.probe == "machine",
            Origin::Asked(_) => (hardware && !OF_WINDOWS.contains(&fact.key.name)) || fact.key.name == "arch",
        }
    };
    report.facts.retain(stays);
    report.probes.retain(|asked| HARDWARE.contains(&asked.name.as_str()));
}

/// Drops what was told under another NVIDIA driver. What a stub or a compatibility library is does not change with it, nor that
/// a device node is closed.
fn leave_nvidia_driver(report: &mut Report) {
    let apart = |fact: &Fact| {
        let word = fact.value.as_ref().map(Value::to_string).unwrap_or_default();
        match fact.key.name {
            "cuda-library" | "cuda-library-taken" => ["stub", "compat"].contains(&word.as_str()),
            "nvidia-kernel-driver" => ["no-node", "no-access"].contains(&word.as_str()),
            _ => false,
        }
    };
    const OF_THE_DRIVER: &[&str] = &[
        "nvidia-driver",
        "nvidia-kernel-driver",
        "nvidia-library",
        "nvidia-library-matches",
        "cuda-driver-api",
        "cuda-library",
        "cuda-library-taken",
    ];
    leave_answers(report, &["nvidia-driver", "cuda"]);
    report.facts.retain(|fact| is_given(fact) || apart(fact) || !OF_THE_DRIVER.contains(&fact.key.name));
    for api in ["vulkan", "webgpu", "opencl", "directml"] {
        if has_nvidia(report, api) {
            leave_api(report, api);
        }
    }
    leave_runtimes(report);
}

/// Whether an API lists a device of NVIDIA, or has a driver of it.
fn has_nvidia(report: &Report, api: &str) -> bool {
    let Some(probe) = PROBES.iter().find(|probe| probe.name == api) else { return false };
    report.facts.iter().filter(|fact| probe.keys.contains(&fact.key)).any(|fact| match &fact.subject {
        Subject::Device(_) => report.about(&fact.subject, "device-vendor") == Some(&Value::from("nvidia")),
        Subject::Icd(manifest) => manifest.to_lowercase().contains("nvidia"),
        _ => false,
    })
}

/// Drops the GPUs that were there, and every answer about them. A driver stays where the new one may use it.
pub(super) fn leave_gpus(report: &mut Report, vendor: Option<&str>) {
    let other_accelerators: BTreeSet<Subject> = ["habana-gaudi-device", "graphcore-poplar-device"]
        .into_iter()
        .flat_map(|key| report.subjects(key))
        .cloned()
        .collect();
    let keeps_driver = vendor.is_none_or(|vendor| vendor == "nvidia") && report.version("nvidia-driver").is_some();
    if !keeps_driver {
        leave_nvidia_driver(report);
    }
    report.facts.retain(|fact| match &fact.subject {
        Subject::Device(_) => other_accelerators.contains(&fact.subject),
        _ => true,
    });
    for api in ["vulkan", "webgpu", "opencl", "directml"] {
        leave_api(report, api);
    }
    leave_answers(report, &["cuda", "rocm", "intel-extensions"]);
    leave_runtimes(report);
    drop_keys(
        report,
        &[
            "gpu-vendors",
            "nvml-status",
            "rocm-kernel-driver",
            "amdgpu-loaded",
            "kfd-gpus",
            "rocm-closed-node",
            "rocm-node-group",
            "rocm-hidden-by",
            "rocm-wrong-device",
            "intel-gpu",
            "intel-gpu-node",
            "wsl-libraries",
            "wsl-libraries-missing",
        ],
    );
    // In the place of GPUs that somebody named stand the new ones.
    report.facts.retain(|fact| {
        let listed = matches!(fact.subject, Subject::Device(_)) && !other_accelerators.contains(&fact.subject);
        !listed && fact.key.name != "gpu-vendors"
    });
}

/// The Python of the active environment is the one that is set.
fn leave_python(report: &mut Report, value: &Result<Value, Missing>) {
    let environment = super::active(report).map(Subject::Environment);
    for fact in &mut report.facts {
        if fact.key.name == "environment-python" && Some(&fact.subject) == environment.as_ref() {
            fact.value.clone_from(value);
            fact.origin = Origin::Given(ORIGIN.into());
        }
    }
}

/// Drops what was read of a package's files and of the libraries that it brings, and what others lacked in its environment.
pub(super) fn leave_package(report: &mut Report, environment: &str, name: &str) {
    const BRINGS: &[(&str, &str)] = &[
        ("nvidia-cudnn", "cudnn"),
        ("nvidia-cuda", "cuda"),
        ("tensorrt", "tensorrt"),
        ("onnxruntime", "onnxruntime"),
        ("ort-nightly", "onnxruntime"),
        ("openvino", "openvino"),
        ("ai-edge-litert", "tflite"),
        ("tflite-runtime", "tflite"),
        ("tensorflow", "tflite"),
    ];
    let brought = |key: &Key| {
        let of = |(beginning, probe): &&(&str, &str)| {
            name.starts_with(beginning) && PROBES.iter().any(|known| known.name == *probe && known.keys.contains(&key))
        };
        BRINGS.iter().any(|entry| of(&entry))
    };
    let within = |path: &str| path.strip_prefix(environment).is_some_and(|rest| rest.starts_with(['/', '\\']));
    report.facts.retain(|fact| match &fact.subject {
        Subject::Package { environment: folder, name: own } if folder == environment => {
            own != name && !fact.key.name.starts_with("package-lacks")
        }
        Subject::Library(path) => !(within(path) && brought(fact.key)),
        _ => true,
    });
}

/// Drops everything that an API told, which it tells anew with other GPUs or another driver.
fn leave_api(report: &mut Report, api: &str) {
    leave_answers(report, &[api]);
    let Some(probe) = PROBES.iter().find(|probe| probe.name == api) else { return };
    report.facts.retain(|fact| is_given(fact) || !probe.keys.contains(&fact.key));
    report.probes.retain(|asked| asked.name != api);
}

/// Drops what runtimes told of devices and of computing.
fn leave_runtimes(report: &mut Report) {
    drop_keys(
        report,
        &["onnxruntime-compute", "openvino-version", "openvino-fault", "openvino-device", "tflite-accelerators"],
    );
}

/// Drops what vendor libraries answered to these probes. What they told of the hardware itself stays, and the name of each GPU
/// without being listed; software devices go.
fn leave_answers(report: &mut Report, probes: &[&str]) {
    const HARDWARE: &[&str] = &[
        "device-vendor",
        "device-kind",
        "device-memory-bytes",
        "unified-memory",
        "compute-capability",
        "gfx-target",
        "device-uuid",
        "device-luid",
        "pci-id",
        "pci-address",
    ];
    let answered = |fact: &Fact| matches!(&fact.origin, Origin::Asked(Question::Native(query)) if probes.contains(&query.probe.as_str()));
    let software = Value::from("software");
    let is_software = |report: &Report, subject: &Subject| report.about(subject, "device-kind") == Some(&software);
    let gone: BTreeSet<Subject> = report
        .facts
        .iter()
        .filter(|fact| answered(fact) && is_software(report, &fact.subject))
        .map(|fact| fact.subject.clone())
        .collect();
    let name_key = names::of_gpu("name").ok();
    let mut named: BTreeSet<Subject> = report.subjects("device-name").into_iter().cloned().collect();
    let mut facts = Vec::new();
    for fact in report.facts.drain(..) {
        match (&fact.subject, name_key) {
            _ if !answered(&fact) => facts.push(fact),
            (subject, _) if gone.contains(subject) => {}
            (Subject::Device(_), _) if HARDWARE.contains(&fact.key.name) => facts.push(fact),
            (Subject::Device(_), Some(key))
                if fact.key.name.ends_with("-device") && fact.value.is_ok() && named.insert(fact.subject.clone()) =>
            {
                facts.push(Fact { key, ..fact });
            }
            _ => {}
        }
    }
    report.facts = facts;
}

fn drop_keys(report: &mut Report, keys: &[&str]) {
    report.facts.retain(|fact| is_given(fact) || !keys.contains(&fact.key.name));
}

fn is_given(fact: &Fact) -> bool {
    matches!(fact.origin, Origin::Given(_))
}
