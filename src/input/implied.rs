//! What follows from what somebody said of a machine: in a description, or with `--set`.
//!
//! What was said, or told by a probe, stands; only what nobody told is added here, with the origin of what it follows from. A
//! list of GPUs is taken to be all of them. Anything else that was not said is unknown, unless the description says that it is
//! complete: then it is absent.

use accelprobe_probes::fact::{Asked, Fact, Key, Origin, Report, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::{PROBES, intel, rocm};

use super::libraries::LIBRARIES;
use super::value::given;
use super::{ACTIVE, names};

/// Adds what follows to a report, and the probes that are spoken of to those that were asked. `complete` is where it is said
/// that what is not listed is absent.
pub(super) fn add(report: &mut Report, complete: Option<&str>) {
    if !report.facts.iter().any(|fact| origin(fact).is_some()) {
        return;
    }
    let mut implied = Implied { report, complete: complete.is_some() };
    implied.gpus();
    implied.nvidia();
    implied.variables();
    implied.python();
    if let Some(origin) = complete {
        implied.absent(origin);
    }
    implied.probes();
}

struct Implied<'a> {
    report: &'a mut Report,
    complete: bool,
}

impl Implied<'_> {
    /// What somebody said about the machine under a key: the value, or that there is none, and where it was said.
    fn said(&self, key: &str) -> Option<(Result<Value, Missing>, String)> {
        let mut said = self.report.all(key).filter(|fact| fact.subject == Subject::Host);
        said.find_map(|fact| Some((fact.value.clone(), origin(fact)?.to_owned())))
    }

    /// Adds a fact where there is none of its key and subject.
    fn imply(&mut self, key: &str, subject: Subject, value: Result<Value, Missing>, origin: &str) {
        let told = self.report.facts.iter().any(|fact| fact.key.name == key && fact.subject == subject);
        if let Some(key) = accelprobe_probes::key(key).filter(|_| !told) {
            self.report.facts.push(given(key, subject, value, origin));
        }
    }

    fn imply_of_host(&mut self, key: &str, value: impl Into<Result<Value, Missing>>, origin: &str) {
        self.imply(key, Subject::Host, value.into(), origin);
    }

    /// The vendors of the GPUs that somebody named. Where one has no vendor, the data may know it by its name.
    fn gpus(&mut self) {
        let named = self.report.all("device-name").filter(|fact| origin(fact).is_some());
        let gpus: Vec<(Subject, String)> =
            named.filter_map(|fact| Some((fact.subject.clone(), origin(fact)?.to_owned()))).collect();
        let vendor = |subject: &Subject| self.report.about(subject, "device-vendor").map(Value::to_string);
        let vendors: Option<Vec<String>> = gpus.iter().map(|(subject, _)| vendor(subject)).collect();
        if let (Some(mut vendors), Some((_, origin))) = (vendors, gpus.first()) {
            vendors.retain(|vendor| ["nvidia", "amd", "intel", "apple", "qualcomm"].contains(&vendor.as_str()));
            vendors.sort();
            vendors.dedup();
            self.imply_of_host("gpu-vendors", Value::Set(vendors), origin);
        }
        if let Some((Ok(Value::Set(vendors)), origin)) = self.said("gpu-vendors")
            && !vendors.iter().any(|vendor| vendor == "intel")
        {
            self.imply_of_host("intel-gpu", Value::from("no-card"), &origin);
        }
    }

    /// A driver that is there is loaded as well, unless something else is said.
    fn nvidia(&mut self) {
        match self.said("nvidia-driver") {
            Some((Ok(_), origin)) => self.imply_of_host("nvidia-kernel-driver", Value::from("ready"), &origin),
            Some((Err(Missing::NotFound), origin)) => self.no_nvidia_driver(&origin),
            _ => {}
        }
    }

    fn no_nvidia_driver(&mut self, origin: &str) {
        self.imply_of_host("nvidia-driver", Missing::NotFound, origin);
        self.imply_of_host("nvidia-kernel-driver", Value::from("not-loaded"), origin);
        self.imply_of_host("cuda-library-taken", Missing::NotFound, origin);
    }

    /// What variables hide.
    fn variables(&mut self) {
        let value = |name: &'static str| match self.said(names::of_variable(name).ok()?.name)? {
            (Ok(value), origin) => Some((name, value.to_string(), origin)),
            (Err(_), _) => None,
        };
        let set: Vec<(&str, String, String)> = names::variables().filter_map(value).collect();
        if let Some((_, value, origin)) = set.iter().find(|(name, ..)| *name == "ONEAPI_DEVICE_SELECTOR") {
            let hides = Value::Flag(intel::hides_gpus(value));
            self.imply_of_host("oneapi-device-selector-hides-gpus", hides, origin);
        }
        let of_amd = |fact: &&Fact| fact.value == Ok(Value::from("amd"));
        let gpus = self.report.all("device-vendor").filter(of_amd).count();
        let pairs: Vec<(&str, &str)> = set.iter().map(|(name, value, _)| (*name, value.as_str())).collect();
        if gpus > 0 && !pairs.is_empty() {
            for fact in rocm::by_variables(&pairs, gpus) {
                let name = fact.value.as_ref().map(Value::to_string).unwrap_or_default();
                let origin = set.iter().find(|(own, ..)| *own == name).map(|(.., origin)| origin.as_str());
                self.imply(fact.key.name, fact.subject, fact.value, origin.unwrap_or_default());
            }
        }
    }

    /// The environment of the packages that somebody named, or of the Python.
    fn python(&mut self) {
        let ours =
            |fact: &&Fact| matches!(&fact.subject, Subject::Package { environment, .. } if environment == ACTIVE);
        let mut packages: Vec<String> = Vec::new();
        let mut first = None;
        for fact in self.report.facts.iter().filter(ours) {
            if let Subject::Package { name, .. } = &fact.subject
                && !packages.contains(name)
            {
                packages.push(name.clone());
            }
            first = first.or_else(|| origin(fact).map(str::to_owned));
        }
        let python = match self.said("python") {
            Some((Ok(version), origin)) => Some((version, origin)),
            _ => None,
        };
        let Some(origin) = python.as_ref().map(|(_, origin)| origin.clone()).or(first) else { return };
        if super::active(self.report).is_some_and(|active| active != ACTIVE) {
            return;
        }
        let subject = || Subject::Environment(ACTIVE.to_owned());
        let kind = self.said("python-environment").and_then(|(kind, _)| kind.ok());
        // One that is active has its own `python`; outside of any, Windows has a launcher, and others number their Pythons.
        let program = match (&kind, self.report.text("environment")) {
            (Some(kind), _) if *kind != Value::from("system") => "python",
            (_, "windows") => "py",
            _ => "python3",
        };
        let unsaid = || Missing::Unasked("not told".to_owned());
        self.imply("environment-kind", subject(), kind.ok_or_else(unsaid), &origin);
        self.imply("environment-role", subject(), Ok(Value::from("active")), &origin);
        self.imply("environment-python", subject(), python.map(|(version, _)| version).ok_or_else(unsaid), &origin);
        for (key, verb) in [("environment-install", "install"), ("environment-uninstall", "uninstall -y")] {
            self.imply(key, subject(), Ok(Value::Text(format!("{program} -m pip {verb}"))), &origin);
        }
        // Of a list that need not be all nobody may conclude what is missing.
        if self.complete {
            packages.sort();
            self.imply("environment-packages", subject(), Ok(Value::Set(packages)), &origin);
        }
    }

    /// What a complete description does not list is not there.
    fn absent(&mut self, origin: &str) {
        let environment = self.report.text("environment").to_owned();
        self.imply_of_host("container", Value::Flag(false), origin);
        if !self.report.facts.iter().any(|fact| fact.key.name == "device-name") {
            self.imply_of_host("gpu-vendors", Value::Set(Vec::new()), origin);
            self.imply_of_host("intel-gpu", Value::from("no-card"), origin);
        }
        if self.report.version("nvidia-driver").is_none() && self.report.text("nvidia-kernel-driver").is_empty() {
            self.no_nvidia_driver(origin);
        }
        for (key, value) in [("gaudi-card", "no-card"), ("ipu-card", "no-card"), ("intel-npu", "no-card")] {
            self.imply_of_host(key, Value::from(value), origin);
        }
        for library in LIBRARIES {
            // macOS has its own way to the GPU.
            let told = self.report.facts.iter().any(|fact| library.is_told_by(fact));
            let brought = environment == "macos" && library.name == "vulkan";
            if !told && !brought {
                self.report.facts.extend(library.is_absent(origin));
            }
        }
        if environment != "macos" {
            self.imply_of_host("opencl-loader", Missing::NotFound, origin);
        }
        // On Windows and macOS WebGPU has more ways than Vulkan.
        if matches!(environment.as_str(), "linux" | "wsl2") && self.report.version("vulkan-loader-version").is_none() {
            self.imply_of_host("webgpu-loader", Missing::NotFound, origin);
        }
        if super::active(self.report).is_none() {
            self.imply_of_host("python", Missing::NotFound, origin);
        }
    }

    /// The probes of which anything was said, or, where all was said, all.
    fn probes(&mut self) {
        let said: Vec<&Fact> = self.report.facts.iter().filter(|fact| origin(fact).is_some()).collect();
        let has = |key: &Key| said.iter().any(|fact| fact.key == key);
        let scoped = |scope: Scope| said.iter().any(|fact| fact.key.scope == scope);
        let gpus = said.iter().any(|fact| fact.key.name == "gpu-vendors");
        let package = |beginnings: &[&str]| {
            said.iter().any(|fact| match &fact.subject {
                Subject::Package { name, .. } => beginnings.iter().any(|beginning| name.starts_with(beginning)),
                _ => false,
            })
        };
        let spoken_of = |name: &str| match name {
            "cuda" | "rocm" => gpus,
            "pytorch" | "tensorflow" | "jax" => scoped(Scope::Package) || scoped(Scope::Environment),
            "onnxruntime" => package(&["onnxruntime", "ort-nightly"]),
            "openvino" => package(&["openvino"]),
            "tflite" => package(&["ai-edge-litert", "tflite-runtime", "tensorflow"]),
            _ => false,
        };
        let mut asked: Vec<Asked> = Vec::new();
        for probe in PROBES {
            let before = self.report.asked(probe.name).cloned();
            let told = || self.complete || probe.keys.iter().any(|key| has(key)) || spoken_of(probe.name);
            let new = || Asked { name: probe.name.to_owned(), duration_ms: None, missing: None };
            asked.extend(before.or_else(|| told().then(new)));
        }
        self.report.probes = asked;
    }
}

/// Where somebody said a fact; nothing where a probe told it.
fn origin(fact: &Fact) -> Option<&str> {
    match &fact.origin {
        Origin::Given(place) => Some(place),
        Origin::Asked(_) => None,
    }
}
