//! What if: `--set` replaces what is known of a machine, by the words of descriptions.
//!
//! What was said before stays. What a probe told stays as long as it still follows: another card, another driver, another
//! environment and another variable each make answers void that were given under the old one. They are then unknown.

use std::collections::BTreeSet;

use accelprobe_probes::PROBES;
use accelprobe_probes::fact::{Fact, Key, Origin, Report, Scope, Subject, Value};
use accelprobe_probes::host::{Missing, Question};

use super::gpu::Gpu;
use super::value::{self, ABSENT, Given, given};
use super::{ACTIVE, libraries, names};

/// The origin of what is set.
pub const ORIGIN: &str = "by --set";

/// Replaces a fact, as in `environment=wsl2`, `gpu=NVIDIA GeForce RTX 4090`, `packages.torch=2.6.0+cu126`.
pub(super) fn set(report: &mut Report, setting: &str) -> Result<(), String> {
    let (name, text) = setting
        .split_once('=')
        .ok_or_else(|| format!("--set {setting}: expected KEY=VALUE, as in `environment=wsl2`"))?;
    let (name, text) = (name.trim(), text.trim());
    let done = match name.split_once('.') {
        None if name == "gpu" => set_gpu(report, text),
        None => names::of_machine(name)
            .or_else(|message| of_anything(name, message))
            .and_then(|key| fact(report, key, text)),
        Some(("facts", word)) => names::of_machine(word).and_then(|key| fact(report, key, text)),
        Some(("gpu", names::DRIVER)) => set_driver(report, text),
        Some(("gpu", word)) => names::of_gpu(word).and_then(|key| fact(report, key, text)),
        Some(("env", word)) => names::of_variable(word).and_then(|key| fact(report, key, text)),
        Some(("libraries", word)) => set_library(report, word, text),
        Some(("packages", word)) => set_package(report, word, text),
        Some((section, _)) => {
            let sections = names::SECTIONS.iter().map(|(name, _)| *name);
            Err(accelprobe_probes::unknown("section", section, sections))
        }
    };
    done.map_err(|message| format!("--set {name}: {message}"))
}

/// Any key will do where something has a fact of it.
fn of_anything(name: &str, message: String) -> Result<&'static Key, String> {
    accelprobe_probes::key(name).ok_or(message)
}

/// Replaces a fact of the machine, or of everything that it may be about.
fn fact(report: &mut Report, key: &'static Key, text: &str) -> Result<(), String> {
    let value = value::read(key, &Given::Text(text))?;
    let subjects = match key.scope {
        Scope::Host => vec![Subject::Host],
        _ => subjects(report, key),
    };
    if subjects.is_empty() {
        return Err("nothing here has such a fact, so there is nothing to replace".to_owned());
    }
    leave(report, key, &value);
    report.facts.retain(|fact| fact.key != key);
    let facts = subjects.into_iter().map(|subject| given(key, subject, value.clone(), ORIGIN));
    report.facts.extend(facts);
    Ok(())
}

/// What facts of a key are about here: all that has one, else every GPU that may have one.
fn subjects(report: &Report, key: &Key) -> Vec<Subject> {
    let own: Vec<Subject> = report.subjects(key.name).into_iter().cloned().collect();
    if !own.is_empty() || key.scope != Scope::Device {
        return own;
    }
    let maker = match key.name {
        "compute-capability" => Some("nvidia"),
        "gfx-target" => Some("amd"),
        _ => None,
    };
    let vendor = |subject: &Subject| report.about(subject, "device-vendor").map(Value::to_string);
    let fits = |subject: &&&Subject| match (maker, vendor(subject)) {
        (Some(maker), Some(vendor)) => maker == vendor,
        _ => true,
    };
    let software = Value::from("software");
    let is_gpu = |subject: &&&Subject| report.about(subject, "device-kind") != Some(&software);
    report.device_subjects().iter().filter(is_gpu).filter(fits).map(|subject| (*subject).clone()).collect()
}

/// The driver of the GPUs: NVIDIA's is one for all of them.
fn set_driver(report: &mut Report, text: &str) -> Result<(), String> {
    let nvidia = report.all("device-vendor").any(|fact| fact.value == Ok(Value::from("nvidia")));
    let name = if nvidia { "nvidia-driver" } else { "adapter-driver" };
    accelprobe_probes::key(name).map_or(Ok(()), |key| fact(report, key, text))
}

/// Puts a GPU in the place of all that are there; several settings of this kind name several GPUs.
fn set_gpu(report: &mut Report, name: &str) -> Result<(), String> {
    let key = names::of_gpu("name")?;
    let set_before = report.all(key.name).any(|fact| is_set(fact));
    if name.is_empty() || name == ABSENT {
        leave_gpus(report, None);
        let vendors = names::of_machine("gpu-vendors")?;
        report.facts.push(given(vendors, Subject::Host, Ok(Value::Set(Vec::new())), ORIGIN));
        return Ok(());
    }
    let told = value::read(key, &Given::Text(name))?;
    let gpu = Gpu { told: vec![(key, told, ORIGIN.to_owned())] };
    if !set_before {
        leave_gpus(report, gpu.vendor());
    }
    let facts = gpu.facts(&report.facts, ORIGIN);
    report.facts.extend(facts);
    Ok(())
}

fn set_library(report: &mut Report, word: &str, text: &str) -> Result<(), String> {
    let (word, part) = word.split_once('.').map_or((word, None), |(word, part)| (word, Some(part)));
    let library = libraries::named(word)?;
    let told = Given::Text(text);
    if let Some(part) = part {
        let fact = library.has_part(part, &told, ORIGIN)?;
        report.facts.retain(|other| other.key != fact.key || other.subject != fact.subject);
        report.facts.push(fact);
        return Ok(());
    }
    let version = library.has_version(&told, ORIGIN)?;
    let key = library.key()?;
    // Of the copies that a probe found, whatever else is known is known of another version.
    let copies: BTreeSet<Subject> = report.subjects(key.name).into_iter().cloned().collect();
    report.facts.retain(|fact| {
        let of_copy = key.scope == Scope::Library && copies.contains(&fact.subject);
        !of_copy && !library.is_told_by(fact)
    });
    match version.value {
        Ok(_) => {
            report.facts.push(version);
            report.facts.extend(library.implied(ORIGIN));
        }
        Err(_) => report.facts.extend(library.is_absent(ORIGIN)),
    }
    Ok(())
}

/// Replaces a package of the active environment by one of another version, of which no more is known; or one of its facts, where
/// a point and the word for it stand behind the name.
fn set_package(report: &mut Report, word: &str, text: &str) -> Result<(), String> {
    let field = word.rsplit_once('.').and_then(|(name, field)| Some((name, names::of_package(field).ok()?)));
    let (name, key) = match field {
        Some((name, key)) => (name, key),
        None => (word, names::of_package("version")?),
    };
    let name = names::package(name).ok_or_else(|| format!("`{name}` is no name of a Python package"))?;
    let told = value::read(key, &Given::Text(text))?;
    let environment = super::active(report).unwrap_or_else(|| ACTIVE.to_owned());
    let subject = Subject::Package { environment: environment.clone(), name: name.clone() };
    if key.name != "package-version" {
        report.facts.retain(|fact| fact.key != key || fact.subject != subject);
        report.facts.push(given(key, subject, told, ORIGIN));
        return Ok(());
    }
    leave_package(report, &environment, &name);
    let there = told.is_ok();
    for fact in &mut report.facts {
        if let (Subject::Environment(folder), "environment-packages", Ok(Value::Set(names))) =
            (&fact.subject, fact.key.name, &mut fact.value)
            && *folder == environment
        {
            names.retain(|own| *own != name);
            names.extend(there.then(|| name.clone()));
            names.sort();
        }
    }
    if there {
        report.facts.push(given(key, subject, told, ORIGIN));
    }
    Ok(())
}

/// Drops what no longer follows once a key has another value.
fn leave(report: &mut Report, key: &Key, value: &Result<Value, Missing>) {
    match key.name {
        "environment" => leave_environment(report),
        "nvidia-driver" => leave_nvidia_driver(report),
        "python" => leave_python(report, value),
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
    let stays = |fact: &Fact| {
        let hardware = PROBES.iter().any(|probe| HARDWARE.contains(&probe.name) && probe.keys.contains(&fact.key));
        match &fact.origin {
            Origin::Given(_) => true,
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
fn leave_gpus(report: &mut Report, vendor: Option<&str>) {
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
            fact.origin = Origin::Given(ORIGIN.to_owned());
        }
    }
}

/// Drops what was read of a package's files and of the libraries that it brings, and what others lacked in its environment.
fn leave_package(report: &mut Report, environment: &str, name: &str) {
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
            name.starts_with(beginning)
                && PROBES.iter().any(|known| known.name == *probe && known.keys.iter().any(|own| *own == key))
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
            (Subject::Device(_), Some(key)) if fact.key.name.ends_with("-device") && fact.value.is_ok() => {
                if named.insert(fact.subject.clone()) {
                    facts.push(Fact { key, ..fact });
                }
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

fn is_set(fact: &Fact) -> bool {
    fact.origin == Origin::Given(ORIGIN.to_owned())
}
