//! OpenVINO: every copy of it in Python environments and in Intel's folders, and the devices that each lists.
//!
//! Looks for its C library in the package `openvino` of each environment, where `INTEL_OPENVINO_DIR` points, in
//! `/opt/intel/openvino*` and where the loader looks, and asks each copy in a child. To list devices it loads every OpenCL driver,
//! and a faulty one takes it along. So where it dies or does not answer, a second child asks it without OpenCL: if it then
//! answers, the fault is not its own. NVIDIA's OpenCL driver is hidden from it while NVIDIA's kernel driver is not ready. It cannot
//! tell how fast a device is, nor which model it would refuse.
//! References: openvino/c/ov_core.h; OpenVINO's pages on device properties; ocl-icd (`OCL_ICD_VENDORS`).

mod climb;
#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{DEVICE_KIND, DEVICE_VENDOR};
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::nvidia_driver::pci_address;
use crate::opencl;
use crate::python::environments::environments;
use crate::resolve::loadable;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "openvino",
    keys: &[&LIBRARY, &PACKAGE, &VERSION, &FAULT, &CPU, &DEVICE],
    ask,
    climb: Some(climb::climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

static LIBRARY: Key = Key::new(
    "openvino-library",
    Kind::Text,
    Scope::Library,
    "Where a copy of OpenVINO comes from: a Python `package` or the `system`.",
);
static PACKAGE: Key = Key::new(
    "openvino-package",
    Kind::Text,
    Scope::Library,
    "The Python package that a copy of OpenVINO belongs to, with its version and environment.",
);
static VERSION: Key =
    Key::new("openvino-version", Kind::Version, Scope::Library, "The version that OpenVINO's library tells.");
static FAULT: Key = Key::new(
    "openvino-fault",
    Kind::Text,
    Scope::Library,
    "What keeps OpenVINO from answering: `opencl` where it answers once it sees no OpenCL driver, `openvino` where it does not even then.",
);
static CPU: Key = Key::new(
    "openvino-cpu",
    Kind::Text,
    Scope::Library,
    "The processor's name by OpenVINO, which lists it as a device, too.",
);
static DEVICE: Key =
    Key::new("openvino-device", Kind::Text, Scope::Device, "The GPU's or NPU's name by OpenVINO, and its name there.");

/// No folder: where it stands for that of OpenCL's drivers there are none.
const NOWHERE: &str = "/nonexistent";

/// What the child tells of a library.
#[derive(Debug, Serialize, Deserialize)]
struct Runtime {
    version: String,
    devices: Vec<Device>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Device {
    /// `CPU`, `GPU`, `GPU.1`, `NPU`.
    id: String,
    /// `FULL_DEVICE_NAME`.
    name: String,
    /// `DEVICE_TYPE`: `integrated` or `discrete`.
    kind: Option<String>,
    /// `domain:bus:device.function`, hexadecimal.
    pci: Option<String>,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    let shown = opencl_to_show(host);
    for library in libraries(host, &mut facts) {
        ask_library(host, &library, &shown, &mut facts);
    }
    facts
}

/// The C library of every copy, those of packages first, in the order of their environments.
fn libraries(host: &dyn Host, facts: &mut Vec<Fact>) -> Vec<String> {
    let separator = if host.is_windows() { '\\' } else { '/' };
    let mut found: Vec<String> = Vec::new();
    let in_folder = |folder: &str| {
        let name = host.list(folder).into_iter().find(|name| is_library(name))?;
        Some(format!("{folder}{separator}{name}"))
    };
    for environment in environments(host) {
        let Some(package) = environment.packages.get("openvino") else { continue };
        let folder = format!("{}{separator}openvino{separator}libs", package.site);
        let origin = Question::List(folder.clone());
        let Some(path) = in_folder(&folder).filter(|path| !found.contains(path)) else { continue };
        let subject = || Subject::Library(path.clone());
        facts.push(LIBRARY.of(subject(), Value::from("package"), &origin));
        facts.push(PACKAGE.of(subject(), Value::Text(environment.title_of(package)), &origin));
        facts.extend(environment.facts_of_library(&path));
        found.push(path);
    }
    let (folders, name): (&[&str], _) = match host.system().as_str() {
        "windows" => (&[r"runtime\bin\intel64\Release"], "openvino_c.dll"),
        "macos" => (&["runtime/lib/arm64/Release", "runtime/lib/intel64/Release"], "libopenvino_c.dylib"),
        _ => (&["runtime/lib/intel64", "runtime/lib/aarch64"], "libopenvino_c.so"),
    };
    let mut roots: Vec<String> = host.env("INTEL_OPENVINO_DIR").into_iter().collect();
    let parent = if host.is_windows() { r"C:\Program Files (x86)\Intel" } else { "/opt/intel" };
    let installed = host.list(parent).into_iter().filter(|name| name.starts_with("openvino"));
    roots.extend(installed.map(|name| format!("{parent}{separator}{name}")));
    let mut others: Vec<(String, Question)> = Vec::new();
    for folder in roots.iter().flat_map(|root| folders.iter().map(move |below| format!("{root}{separator}{below}"))) {
        others.extend(in_folder(&folder).map(|path| (path, Question::List(folder))));
    }
    let question = Question::Library(name.to_owned());
    match host.taken(&question) {
        Ok(path) => others.push((path, question)),
        Err(Missing::NotFound) => {}
        Err(missing) => facts.push(LIBRARY.of(Subject::Library(name.to_owned()), missing, &question)),
    }
    for (path, origin) in others {
        if !found.contains(&path) {
            facts.push(LIBRARY.of(Subject::Library(path.clone()), Value::from("system"), &origin));
            found.push(path);
        }
    }
    found
}

/// Whether a file is OpenVINO's C library: `libopenvino_c.so.2641`, `libopenvino_c.so`, `libopenvino_c.2641.dylib`,
/// `openvino_c.dll`.
fn is_library(name: &str) -> bool {
    name.starts_with("libopenvino_c.") || name.eq_ignore_ascii_case("openvino_c.dll")
}

fn ask_library(host: &dyn Host, path: &str, shown: &[(String, String)], facts: &mut Vec<Fact>) {
    let subject = || Subject::Library(path.to_owned());
    if let Err(missing) = loadable(host, path) {
        return facts.push(VERSION.of(subject(), missing, &Question::Image(path.to_owned())));
    }
    let asked = |environment: Vec<(String, String)>| {
        let question =
            Question::Native(Query { environment, probe: PROBE.name.to_owned(), arguments: vec![path.to_owned()] });
        let runtime = host.ask(&question).and_then(|json| {
            serde_json::from_str::<Runtime>(&json).map_err(|error| Missing::Garbled(error.to_string()))
        });
        (runtime, question)
    };
    let (runtime, question) = asked(shown.to_vec());
    let missing = match runtime {
        Ok(runtime) => return tell(path, runtime, &question, facts),
        Err(missing) => missing,
    };
    let killed = matches!(missing, Missing::Crashed(_) | Missing::TimedOut);
    facts.push(VERSION.of(subject(), missing, &question));
    // On Windows the drivers stand in the registry, which cannot be hidden.
    if !killed || host.is_windows() {
        return;
    }
    let (alone, again) = asked(hidden(NOWHERE));
    let fault = if alone.is_ok() { "opencl" } else { "openvino" };
    facts.push(FAULT.of(subject(), Value::from(fault), &again));
    if let Ok(runtime) = alone {
        tell(path, runtime, &again, facts);
    }
}

fn tell(path: &str, runtime: Runtime, question: &Question, facts: &mut Vec<Fact>) {
    let subject = Subject::Library(path.to_owned());
    // `2026.4.1-22982-e213a147257-releases/2026/4`: behind the number stands the build.
    let number = runtime.version.split('-').next().unwrap_or_default();
    facts.push(VERSION.of(subject.clone(), version(number), question));
    for device in runtime.devices {
        if device.id == "CPU" {
            facts.push(CPU.of(subject.clone(), Value::Text(device.name), question));
            continue;
        }
        let is_gpu = device.id.starts_with("GPU");
        if !is_gpu && !device.id.starts_with("NPU") {
            continue;
        }
        let id = device.pci.as_deref().and_then(pci_address).unwrap_or_else(|| format!("openvino:{}", device.id));
        let device_subject = || Subject::Device(id.clone());
        facts.push(DEVICE.of(device_subject(), Value::Text(device.name), question));
        facts.push(DEVICE_VENDOR.of(device_subject(), Value::from("intel"), question));
        let kind = match (is_gpu, device.kind.as_deref()) {
            (true, Some("discrete")) => "discrete",
            (true, Some("integrated")) => "integrated",
            _ => "other",
        };
        facts.push(DEVICE_KIND.of(device_subject(), Value::from(kind), question));
    }
}

/// The variables that keep NVIDIA's OpenCL driver from OpenVINO while NVIDIA's kernel driver is not ready: starting that one makes
/// device nodes. Intel's own stays visible, where its file says whose it is.
pub(crate) fn opencl_to_show(host: &dyn Host) -> Vec<(String, String)> {
    let drivers = if host.system() == "linux" { opencl::drivers(host) } else { Vec::new() };
    let (waiting, others): (Vec<_>, Vec<_>) = drivers.iter().partition(|driver| driver.waits_for_nvidia(host));
    let intel = others.iter().find(|driver| driver.manifest.to_lowercase().contains("intel"));
    match waiting.is_empty() {
        true => Vec::new(),
        false => hidden(intel.map_or(NOWHERE, |driver| &driver.manifest)),
    }
}

/// The variables that show OpenCL's loader one driver's file, or nothing.
fn hidden(manifest: &str) -> Vec<(String, String)> {
    [("OCL_ICD_VENDORS", manifest), ("OCL_ICD_FILENAMES", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::Answer;
    use crate::host::recording::Recording;
    use crate::ladder::{Rung, State};

    const LIBS: &str = "/e/lib/python3.11/site-packages/openvino/libs";

    fn report(answer: Answer, without_opencl: Answer) -> Report {
        let site = "/e/lib/python3.11/site-packages";
        let library = format!("{LIBS}/libopenvino_c.so.2641");
        let image = r#"{"format":"elf","bits":64,"machine":"x86_64","complete":true}"#;
        let question = |variables: &str| format!("native {variables}openvino {library}").parse().unwrap();
        let mut host = Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("linux x86_64".to_owned())),
                (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
                (Question::Read("/e/pyvenv.cfg".into()), Ok("version = 3.11.7".into())),
                (Question::List("/e/lib".into()), Ok("python3.11".into())),
                (Question::List(site.into()), Ok("openvino\nopenvino-2026.4.1.dist-info".into())),
                (Question::List(LIBS.into()), Ok("libopenvino.so.2641\nlibopenvino_c.so.2641".into())),
                (Question::Image(library.clone()), Ok(image.into())),
                (question(""), answer),
                (question("OCL_ICD_VENDORS=/nonexistent OCL_ICD_FILENAMES= "), without_opencl),
            ],
        );
        host.complete = true;
        let facts = [(crate::python::PROBE.ask)(&host), ask(&host)].concat();
        Report { probes: Vec::new(), facts }
    }

    fn devices(list: &str) -> Answer {
        Ok(format!(r#"{{"version":"2026.4.1-22982-e213a147257-releases/2026/4","devices":[{list}]}}"#))
    }

    const PROCESSOR: &str = r#"{"id":"CPU","name":"Intel(R) Xeon(R)","kind":null,"pci":null}"#;
    const ARC: &str =
        r#"{"id":"GPU","name":"Intel(R) Arc(TM) A770 Graphics (dGPU)","kind":"discrete","pci":"0000:03:00.0"}"#;

    fn none() -> Answer {
        Err(Missing::NotRecorded)
    }

    #[test]
    fn a_processor_alone_is_no_accelerator() {
        let told = report(devices(PROCESSOR), none());
        let climbed = climb::climb(&told);
        assert_eq!((climbed.state, climbed.rung), (State::SoftwareOnly, Some(Rung::Enumerate)), "{}", climbed.detail);
        assert_eq!(climbed.versions.get("library").unwrap(), "2026.4.1");
        assert_eq!(climbed.versions.get("package").unwrap(), "2026.4.1");
        assert_eq!(told.all("openvino-device").count(), 0);
        assert_eq!(told.all("openvino-cpu").count(), 1);
        let told = report(devices(&format!("{PROCESSOR},{ARC}")), none());
        assert_eq!(climb::climb(&told).state, State::Working);
        let card = Subject::Device("0000:03:00.0".into());
        assert_eq!(told.about(&card, "device-kind").unwrap().to_string(), "discrete");
    }

    #[test]
    fn whose_fault_it_is_shows_without_opencl() {
        let crash = || Err(Missing::Crashed("signal 11 (SIGSEGV)".into()));
        for (alone, fault) in [(devices(PROCESSOR), "opencl"), (crash(), "openvino")] {
            let told = report(crash(), alone);
            let climbed = climb::climb(&told);
            assert_eq!(climbed.state, State::Crashed);
            assert_eq!(climbed.detail.contains("OpenCL"), fault == "opencl", "{}", climbed.detail);
            assert_eq!(told.all("openvino-fault").next().unwrap().value, Ok(Value::from(fault)));
        }
        let broken = Err(Missing::Garbled("libtbb.so.12: cannot open shared object file".into()));
        assert_eq!(climb::climb(&report(broken, none())).state, State::Broken);
        assert_eq!(climb::climb(&report(none(), none())).state, State::Unknown);
    }
}
