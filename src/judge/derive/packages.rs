//! What follows for a package: from its version and the builds of its product, and from the GPUs of the machine.

use accelprobe_probes::fact::{Fact, Key, Kind, Scope, Subject, Value};
use accelprobe_probes::version::Version;

use super::architectures::{self, Cover};
use super::{Known, fact, nvidia, system_of};
use crate::judge::devices;
use crate::matrix::{Build, Matrix};

pub(super) static WITH_CODE: Key = Key::new(
    "package-gpus-with-code",
    Kind::Set,
    Scope::Package,
    "The GPUs of this machine for which the package holds code, of the vendor that it was built for.",
);

pub(crate) static WITHOUT_CODE: Key = Key::new(
    "package-gpus-without-code",
    Kind::Set,
    Scope::Package,
    "The GPUs of this machine for which the package holds no code, of the vendor that it was built for.",
);

pub(super) static BY_NEW_PTX: Key = Key::new(
    "package-gpus-by-new-ptx",
    Kind::Set,
    Scope::Package,
    "The GPUs of this machine which only PTX of a newer CUDA than the driver's would serve, which that driver refuses.",
);

pub(crate) static TAKES_PYTHON: Key = Key::new(
    "package-takes-python",
    Kind::Flag,
    Scope::Package,
    "Whether this release of the package is for the Python of its environment.",
);

/// What a machine offers to packages.
#[derive(Clone)]
pub(crate) struct Machine {
    /// Its GPUs, software left out.
    gpus: Vec<Gpu>,
    /// `linux` (WSL2, too), `windows` or `macos`.
    system: Option<&'static str>,
    /// `x86_64` or `aarch64`.
    processor: Option<String>,
    /// The newest CUDA that its driver speaks.
    driver_api: Option<Version>,
}

/// A GPU as far as packages care.
#[derive(Clone)]
pub(crate) struct Gpu {
    pub(crate) vendor: String,
    /// As people know it, with its instruction set.
    pub(crate) shown: String,
    pub(crate) capability: Option<Version>,
    pub(crate) gfx: Option<String>,
    /// Whether it is part of a processor.
    integrated: bool,
}

impl Machine {
    /// The machine of a report in which each device has one subject.
    pub(crate) fn of(known: &Known) -> Machine {
        let of_nvidia = nvidia::gpus(known);
        let gpu = |subject: &Subject| {
            let capability = known.about(subject, "compute-capability").and_then(version).cloned();
            let gfx = known.text_about(subject, "gfx-target").map(str::to_owned);
            let Subject::Device(id) = subject else { return None };
            let name = devices::name(known, subject).unwrap_or_else(|| id.clone());
            let set = capability.as_ref().map(ToString::to_string).or_else(|| gfx.clone());
            let vendor = known.text_about(subject, "device-vendor")?;
            if vendor == "nvidia" && !of_nvidia.contains(&subject) {
                return None;
            }
            Some(Gpu {
                vendor: vendor.to_owned(),
                shown: set.map_or_else(|| name.clone(), |set| format!("{name} ({set})")),
                capability,
                gfx,
                integrated: known.text_about(subject, "gpu-line") == Some("integrated")
                    || devices::kind(known, subject).as_deref() == Some("integrated"),
            })
        };
        Machine {
            gpus: known.device_subjects().into_iter().filter_map(gpu).collect(),
            system: system_of(known),
            processor: Some(known.text("arch")).filter(|arch| !arch.is_empty()).map(str::to_owned),
            driver_api: known.version("cuda-driver-api").cloned(),
        }
    }

    /// The GPUs of a vendor that programs are meant to use: where there are cards, without those in the processor.
    pub(crate) fn gpus(&self, vendor: &str) -> Vec<Gpu> {
        let of_vendor = || self.gpus.iter().filter(|gpu| gpu.vendor == vendor);
        let cards = of_vendor().any(|gpu| !gpu.integrated);
        of_vendor().filter(|gpu| !(cards && gpu.integrated)).cloned().collect()
    }

    /// This machine with these GPUs alone.
    pub(crate) fn with(&self, gpus: Vec<Gpu>) -> Machine {
        Machine { gpus, ..self.clone() }
    }

    /// Whether a build is for this platform, as far as that is known.
    pub(crate) fn takes(&self, build: &Build) -> bool {
        build.on.iter().any(|platform| {
            let (system, processor) = platform.split_once('-').unwrap_or((platform, ""));
            self.system.is_none_or(|own| own == system) && self.processor.as_deref().is_none_or(|own| own == processor)
        })
    }
}

/// The derived facts about all packages of a report.
pub(super) fn all(known: &Known, matrix: &Matrix, machine: &Machine) -> Vec<Fact> {
    let python = |subject: &Subject| match subject {
        Subject::Package { environment, .. } => {
            known.about(&Subject::Environment(environment.clone()), "environment-python").and_then(version)
        }
        _ => None,
    };
    // What conda built is for other Pythons than the wheels.
    let by_conda = |subject: &Subject| match subject {
        Subject::Package { environment, .. } => {
            let kind = known.about(&Subject::Environment(environment.clone()), "environment-kind");
            kind.is_some_and(|kind| *kind == Value::from("conda"))
        }
        _ => false,
    };
    let of = |subject: &Subject| {
        let python = python(subject).filter(|_| !by_conda(subject));
        of_package(matrix, machine, python, subject, &known.facts_about(subject).collect::<Vec<_>>())
    };
    let packages = known.all_subjects().filter(|subject| matches!(subject, Subject::Package { .. }));
    packages.flat_map(of).collect()
}

/// The derived facts about one package, from its own facts and the Python of its environment.
fn of_package(
    matrix: &Matrix,
    machine: &Machine,
    python: Option<&Version>,
    subject: &Subject,
    own: &[&Fact],
) -> Vec<Fact> {
    let Subject::Package { name, .. } = subject else { return Vec::new() };
    let value = |key: &str| first_value(own.iter().copied(), key);
    let installed = value("package-version").and_then(version);
    let product = matrix.product_of_package(name);
    let release = product.zip(installed).and_then(|(product, installed)| product.release(installed));
    let mut derived = Vec::new();
    let python = python.filter(|python| !matrix.is_beyond("environment-python", python));
    if let (Some(range), Some(python)) = (release.and_then(|release| release.python.as_ref()), python) {
        derived.push(fact(
            &TAKES_PYTHON,
            subject,
            Value::Flag(range.contains(python)),
            "by the metadata of the release",
        ));
    }
    let build = build_of(matrix, machine, subject, &value);
    let mut add = |name: &str, told: Option<Value>| {
        if let (Some(key), Some(told)) = (accelprobe_probes::key(name), told)
            && value(key.name).is_none()
        {
            derived.push(fact(key, subject, told, "by the builds of the release"));
        }
    };
    if let Some(build) = build {
        add("package-build", Some(Value::Text(build.computes.clone())));
        add("package-cuda", build.cuda.clone().map(Value::Version));
        add("package-cudnn", build.cudnn.clone().map(Value::Version));
        add("package-rocm", build.rocm.clone().map(Value::Version));
        add("package-architectures", build.architectures.clone().map(Value::Set));
    }
    let on_gpus = on_gpus(machine, subject, own.iter().copied().chain(&derived));
    derived.extend(on_gpus);
    derived
}

/// The derived facts about a package and the GPUs, from all that is to be known of it alone.
pub(crate) fn on_gpus<'f>(
    machine: &Machine,
    subject: &Subject,
    own: impl Iterator<Item = &'f Fact> + Clone,
) -> Vec<Fact> {
    let told = |key: &str| first_value(own.clone(), key);
    let computes = match told("package-build") {
        Some(Value::Text(computes)) => Some(computes.as_str()),
        _ => None,
    };
    match told("package-architectures") {
        Some(Value::Set(held)) if !held.is_empty() => {
            served(machine, computes, held, told("package-cuda").and_then(version), subject)
        }
        _ => Vec::new(),
    }
}

/// The first value under a key among the few facts about a package.
fn first_value<'f>(facts: impl Iterator<Item = &'f Fact>, key: &str) -> Option<&'f Value> {
    facts.filter(|fact| fact.key.name == key).find_map(|fact| fact.value.as_ref().ok())
}

/// The build that an installed package is, by what is known of it.
pub(super) fn build_of<'a, 'f>(
    matrix: &'a Matrix,
    machine: &Machine,
    subject: &Subject,
    value: &dyn Fn(&str) -> Option<&'f Value>,
) -> Option<&'a Build> {
    let Subject::Package { name, .. } = subject else { return None };
    let installed = value("package-version").and_then(version)?;
    let product = matrix.product_of_package(name)?;
    let told = Told {
        label: label(installed),
        computes: value("package-build").map(ToString::to_string),
        cuda: value("package-cuda").and_then(version),
        rocm: value("package-rocm").and_then(version),
    };
    let fits =
        |build: &&Build| product.package_of(build) == name && machine.takes(build) && told.is(build, machine.system);
    // Of several, what people get counts before what only a command with pins would give.
    let builds = product.build.iter().filter(|build| build.versions.contains(installed));
    builds.filter(fits).min_by_key(|build| build.default.is_empty() && build.beside.is_none())
}

/// What is known of an installed package that tells which build it is.
struct Told<'a> {
    label: Option<&'a str>,
    computes: Option<String>,
    cuda: Option<&'a Version>,
    rocm: Option<&'a Version>,
}

impl Told<'_> {
    fn is(&self, build: &Build, system: Option<&str>) -> bool {
        if let Some(label) = self.label {
            return build.has_label(label);
        }
        let agrees = self.computes.as_ref().is_none_or(|computes| *computes == build.computes)
            && self.cuda.is_none_or(|cuda| build.cuda.as_ref().is_some_and(|own| are_of_one_release(cuda, own)))
            && self.rocm.is_none_or(|rocm| build.rocm.as_ref().is_some_and(|own| are_of_one_release(rocm, own)));
        // Where nothing else tells, it is what a plain installation gives.
        let told = self.cuda.is_some() || self.rocm.is_some();
        agrees && (told || system.is_some_and(|system| build.default.iter().any(|default| default == system)))
    }
}

/// Whether one version is the other, told more or less exactly: `12` and `12.9`.
fn are_of_one_release(one: &Version, other: &Version) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// The local label of a version: `+cu128` of `2.7.0+cu128`. Other labels than those of builds (`+git1234`) count, too: such a
/// package is no build that is known.
fn label(version: &Version) -> Option<&str> {
    let text = version.text();
    text.find('+').and_then(|at| text.get(at..))
}

/// Which GPUs a package serves.
fn served(
    machine: &Machine,
    computes: Option<&str>,
    held: &[String],
    cuda: Option<&Version>,
    subject: &Subject,
) -> Vec<Fact> {
    let (mut with, mut without, mut by_new_ptx) = (Vec::new(), Vec::new(), Vec::new());
    let mut unknown = false;
    for gpu in &machine.gpus {
        let cover = match (computes, gpu.vendor.as_str(), &gpu.capability, &gpu.gfx) {
            (Some("cuda"), "nvidia", Some(capability), _) => architectures::of_cuda(held, capability),
            (Some("rocm"), "amd", _, Some(gfx)) => architectures::of_rocm(held, gfx),
            (Some("cuda"), "nvidia", ..) | (Some("rocm"), "amd", ..) => {
                unknown = true;
                continue;
            }
            _ => continue,
        };
        match cover {
            Cover::Code => with.push(gpu.shown.clone()),
            Cover::Nothing => without.push(gpu.shown.clone()),
            Cover::Ptx => {
                with.push(gpu.shown.clone());
                // A driver translates PTX of its own CUDA and of older ones.
                if cuda.zip(machine.driver_api.as_ref()).is_some_and(|(cuda, driver)| cuda > driver) {
                    by_new_ptx.push(gpu.shown.clone());
                }
            }
        }
    }
    if with.is_empty() && without.is_empty() {
        return Vec::new();
    }
    let how = "by the GPUs and what the package holds";
    let mut facts = vec![fact(&WITHOUT_CODE, subject, Value::Set(without), how)];
    // That there is none must not be said while one GPU is unknown.
    if !(unknown && with.is_empty()) {
        facts.push(fact(&WITH_CODE, subject, Value::Set(with), how));
    }
    facts.push(fact(&BY_NEW_PTX, subject, Value::Set(by_new_ptx), how));
    facts
}

pub(super) fn version(value: &Value) -> Option<&Version> {
    match value {
        Value::Version(version) => Some(version),
        _ => None,
    }
}
