//! What Intel's extensions stand on: Intel's GPUs and NPUs, Level Zero with its drivers, SYCL and oneAPI.
//!
//! Looks for Intel GPUs on the bus, the kernel driver (i915 or xe) and the render node of each; in WSL2 and on Windows the
//! display adapters. Then for the Level Zero loader and each driver library: by name, by `ZE_ENABLE_ALT_DRIVERS`, on
//! Windows by the registry. Each driver is asked in a child of its own, the loader being shown that one alone. Where
//! `ZE_AFFINITY_MASK` is set and a driver lists nothing, it is asked once more without the mask.
//! `ONEAPI_DEVICE_SELECTOR` binds SYCL programs, not Level Zero, so it is read and not tried. The Python packages are
//! other probes' business. It cannot tell which SYCL runtime a program would load.
//! References: Level Zero specification, core API (`ze_result_t`, `ze_device_properties_t`) and its loader's environment
//! variables; DPC++ "EnvironmentVariables".

mod level_zero;
#[cfg(feature = "native")]
mod native;

use crate::Probe;
use crate::accelerator::{self, READY, Words};
use crate::bus::DISPLAY_CLASS;
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Question};
use crate::ladder::{self, Climb, Rung, State};
use crate::nvidia_driver::file_version;
use crate::version::Version;
use level_zero::{LEVEL_ZERO_DEVICE, LEVEL_ZERO_ICD, LEVEL_ZERO_MASKED};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "intel-extensions",
    keys: &[
        &INTEL_GPU,
        &INTEL_GPU_NODE,
        &INTEL_NPU,
        &INTEL_NPU_NODE,
        &level_zero::LEVEL_ZERO_LOADER,
        &level_zero::LEVEL_ZERO_LOADER_VERSION,
        &level_zero::LEVEL_ZERO_DRIVER,
        &LEVEL_ZERO_ICD,
        &level_zero::LEVEL_ZERO_ICD_VERSION,
        &LEVEL_ZERO_DEVICE,
        &level_zero::LEVEL_ZERO_TYPE,
        &LEVEL_ZERO_MASKED,
        &level_zero::ZE_AFFINITY_MASK,
        &SELECTOR,
        &SELECTOR_HIDES,
        &SYCL_RUNTIME,
        &ONEAPI_COMPILER,
    ],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

static INTEL_GPU: Key = Key::new(
    "intel-gpu",
    Kind::Text,
    Scope::Host,
    "How far the best Intel GPU gets: `no-card`, `no-driver`, `no-node`, `no-access` or `ready`.",
);
static INTEL_GPU_NODE: Key =
    Key::new("intel-gpu-node", Kind::Text, Scope::Host, "The render node of that Intel GPU; in WSL2 `/dev/dxg`.");
static INTEL_NPU: Key = Key::new(
    "intel-npu",
    Kind::Text,
    Scope::Host,
    "How far Intel's NPU gets: `no-card`, `no-driver`, `no-node`, `no-access` or `ready`.",
);
static INTEL_NPU_NODE: Key = Key::new("intel-npu-node", Kind::Text, Scope::Host, "The device node of Intel's NPU.");
static SELECTOR: Key = Key::new(
    "oneapi-device-selector",
    Kind::Text,
    Scope::Host,
    "`ONEAPI_DEVICE_SELECTOR`, where it is set: the devices that SYCL programs get.",
);
static SELECTOR_HIDES: Key = Key::new(
    "oneapi-device-selector-hides-gpus",
    Kind::Flag,
    Scope::Host,
    "Whether `ONEAPI_DEVICE_SELECTOR` keeps the GPUs of Level Zero from SYCL programs.",
);
static SYCL_RUNTIME: Key = Key::new(
    "sycl-runtime",
    Kind::Version,
    Scope::Library,
    "Version of a SYCL runtime that the loader finds, by the name of its file.",
);
static ONEAPI_COMPILER: Key = Key::new(
    "oneapi-compiler",
    Kind::Version,
    Scope::Host,
    "Version of an installed oneAPI compiler and runtime, by the name of its folder.",
);

const WORDS: Words =
    Words { card: "an Intel GPU", module: "i915 or xe", state: INTEL_GPU.name, node: INTEL_GPU_NODE.name };

/// Intel's number on the PCI bus.
const INTEL: u32 = 0x8086;

fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = match host.system().as_str() {
        "linux" => ask_linux(host),
        "windows" => vec![adapters(host)],
        _ => return Vec::new(),
    };
    let gpu = facts.iter().any(|fact| *fact.key == INTEL_GPU && fact.value == Ok(Value::from(READY)));
    let selector = Question::Env("ONEAPI_DEVICE_SELECTOR".to_owned());
    if let Some(value) = host.ask(&selector).ok().filter(|value| !value.trim().is_empty()) {
        facts.push(SELECTOR_HIDES.host(Value::Flag(hides_gpus(&value)), &selector));
        facts.push(SELECTOR.host(Value::Text(value), &selector));
    }
    facts.extend(level_zero::ask(host, gpu));
    ask_sycl(host, &mut facts);
    facts
}

fn ask_linux(host: &dyn Host) -> Vec<Fact> {
    let gpu = accelerator::cards(
        host,
        |device| device.vendor == INTEL && device.is_gpu(),
        |address, _| Some(format!("/dev/dri/{}", accelerator::registered(host, address, "drm", "renderD")?)),
    );
    let npu = accelerator::cards(
        host,
        |device| device.vendor == INTEL && !device.is_gpu() && device.computes(),
        |address, _| Some(format!("/dev/accel/{}", accelerator::registered(host, address, "accel", "accel")?)),
    );
    let mut facts = Vec::new();
    let packages = Question::List("/usr/lib/wsl/drivers".to_owned());
    let paravirtual = host.exists("/dev/dxg")
        && host.ask(&packages).is_ok_and(|packages| packages.lines().any(|package| package.starts_with("iigd")));
    if paravirtual {
        let node = Question::Node("/dev/dxg".to_owned());
        facts.push(INTEL_GPU.host(accelerator::access(host, "/dev/dxg").map(Value::from), &packages));
        facts.push(INTEL_GPU_NODE.host(Value::from("/dev/dxg"), &node));
    } else {
        facts.push(INTEL_GPU.host(gpu.state.map(Value::from), &gpu.origin));
        facts.extend(gpu.node.map(|node| INTEL_GPU_NODE.host(Value::Text(node), &gpu.origin)));
    }
    facts.push(INTEL_NPU.host(npu.state.map(Value::from), &npu.origin));
    facts.extend(npu.node.map(|node| INTEL_NPU_NODE.host(Value::Text(node), &npu.origin)));
    facts
}

/// Windows: an adapter of Intel has its driver where the registry names one; the card and its driver come together.
fn adapters(host: &dyn Host) -> Fact {
    let class = Question::Registry(DISPLAY_CLASS.to_owned());
    let adapters = host.ask(&class);
    let intel = |adapter: &str| {
        let hardware = host.registry(&format!(r"{DISPLAY_CLASS}\{adapter}"), "MatchingDeviceId");
        hardware.is_some_and(|hardware| hardware.to_uppercase().contains("VEN_8086"))
    };
    let state = adapters.map(|adapters| match adapters.lines().any(intel) {
        true => Value::from(READY),
        false => Value::from(accelerator::NO_CARD),
    });
    INTEL_GPU.host(state, &class)
}

/// SYCL's runtimes by the loader, and the compilers of oneAPI by their folders.
fn ask_sycl(host: &dyn Host, facts: &mut Vec<Fact>) {
    for number in ["9", "8", "7"] {
        let name = if host.is_windows() { format!("sycl{number}.dll") } else { format!("libsycl.so.{number}") };
        let question = Question::Library(name);
        for line in host.ask(&question).unwrap_or_default().lines() {
            let (path, file) = line.split_once(" -> ").unwrap_or((line, line));
            let told = file_version(file).map_or_else(|| version(number), Ok);
            facts.push(SYCL_RUNTIME.of(Subject::Library(path.to_owned()), told, &question));
        }
    }
    let (separator, usual) = match host.is_windows() {
        true => ('\\', r"C:\Program Files (x86)\Intel\oneAPI"),
        false => ('/', "/opt/intel/oneapi"),
    };
    let root = host.env("ONEAPI_ROOT").filter(|root| !root.is_empty()).unwrap_or_else(|| usual.to_owned());
    let question = Question::List(format!("{}{separator}compiler", root.trim_end_matches(separator)));
    let names = host.ask(&question).unwrap_or_default();
    let mut releases: Vec<Version> = names.lines().filter_map(|name| name.parse().ok()).collect();
    releases.sort();
    facts.extend(releases.into_iter().rev().map(|release| ONEAPI_COMPILER.host(Value::Version(release), &question)));
}

/// Whether a selector keeps every GPU of Level Zero from SYCL. Its terms are joined by semicolons, each `backend:devices`
/// with devices joined by commas; one behind `!` takes away, and where all do, the rest is let through.
pub fn hides_gpus(selector: &str) -> bool {
    let terms: Vec<(bool, bool)> = selector
        .to_lowercase()
        .split(';')
        .filter_map(|term| {
            let (taken, term) = term.trim().strip_prefix('!').map_or((false, term.trim()), |term| (true, term));
            let (backend, devices) = term.split_once(':')?;
            let fits = |device: &str| match device {
                "*" | "gpu" => true,
                // A number may be a GPU's; taking away one device leaves others.
                device => !taken && device.starts_with(|c: char| c.is_ascii_digit()),
            };
            Some((taken, matches!(backend, "*" | "level_zero") && devices.split(',').map(str::trim).any(fits)))
        })
        .collect();
    let let_through = terms.iter().any(|(taken, fits)| !taken && *fits) || terms.iter().all(|(taken, _)| *taken);
    !let_through || terms.iter().any(|(taken, fits)| *taken && *fits)
}

fn climb(report: &Report) -> Climb {
    let loader = report.text(level_zero::LEVEL_ZERO_LOADER.name);
    let driver = report.text(level_zero::LEVEL_ZERO_DRIVER.name);
    let installed = match (loader.is_empty(), driver.is_empty()) {
        (false, false) => Some(driver),
        _ => None,
    };
    let names = |wanted: &str| {
        let devices = report.subjects(LEVEL_ZERO_DEVICE.name).into_iter();
        let devices = devices
            .filter(|subject| report.about(subject, level_zero::LEVEL_ZERO_TYPE.name) == Some(&Value::from(wanted)));
        let name = |subject| Some((subject, report.about(subject, LEVEL_ZERO_DEVICE.name)?.to_string()));
        ladder::names(devices.filter_map(name))
    };
    let (gpus, processors) = (names("gpu"), names("cpu"));
    let climb = match (gpus.is_empty(), report.is(SELECTOR_HIDES.name)) {
        (false, true) => masked(report),
        (false, false) => Climb::new(State::Working, Rung::Enumerate, gpus),
        (true, _) => failure(report, &processors)
            .or_else(|| not_looked_at(report))
            .or_else(|| accelerator::climb(report, &WORDS, installed))
            .unwrap_or_else(|| climb_ready(report, loader, driver)),
    };
    let runtime = report.all(SYCL_RUNTIME.name).find_map(|fact| fact.value.as_ref().ok());
    climb
        .with("loader", report.version(level_zero::LEVEL_ZERO_LOADER_VERSION.name))
        .with("driver", report.all(level_zero::LEVEL_ZERO_ICD_VERSION.name).find_map(|fact| fact.value.as_ref().ok()))
        .with("sycl", runtime)
        .with("oneapi", report.version(ONEAPI_COMPILER.name))
}

/// What a driver did instead of listing a GPU, unless it merely found none.
fn failure(report: &Report, processors: &str) -> Option<Climb> {
    if !processors.is_empty() {
        let detail = format!("{} (the processor, not a GPU)", processors);
        return Some(Climb::new(State::SoftwareOnly, Rung::Enumerate, detail));
    }
    report.all(LEVEL_ZERO_ICD.name).find_map(|fact| {
        let path = crate::manifest::manifest_of(&fact.subject);
        let (state, rung) = match fact.value.as_ref().err()? {
            Missing::Crashed(_) => (State::Crashed, Rung::Initialise),
            Missing::TimedOut => (State::TimedOut, Rung::Initialise),
            Missing::Exited { .. } => (State::Broken, Rung::Initialise),
            Missing::Garbled(_) => (State::Broken, Rung::Load),
            _ => return None,
        };
        Some(Climb::new(state, rung, format!("{path}: {}", fact.value.as_ref().err()?)))
    })
}

/// What is known where nobody looked for a GPU of Intel.
fn not_looked_at(report: &Report) -> Option<Climb> {
    if report.all(INTEL_GPU.name).next().is_some() {
        return None;
    }
    let has_gpu =
        matches!(report.host("gpu-vendors"), Some(Value::Set(vendors)) if vendors.iter().any(|one| one == "intel"));
    let absent = report.all(level_zero::LEVEL_ZERO_LOADER.name).any(|fact| fact.value == Err(Missing::NotFound));
    match (has_gpu, absent) {
        (_, true) => Some(Climb::new(State::NotInstalled, Rung::Library, "Level Zero is not installed")),
        (true, false) if report.is(SELECTOR_HIDES.name) => Some(masked(report)),
        _ => None,
    }
}

fn masked(report: &Report) -> Climb {
    let detail = format!("ONEAPI_DEVICE_SELECTOR is \"{}\", which leaves SYCL no GPU", report.text(SELECTOR.name));
    Climb::new(State::Masked, Rung::Enumerate, detail)
}

fn climb_ready(report: &Report, loader: &str, driver: &str) -> Climb {
    if loader.is_empty() {
        let looked = report.all(level_zero::LEVEL_ZERO_LOADER.name).next().map(|fact| &fact.value);
        return match looked {
            Some(Err(Missing::NotFound)) => {
                Climb::new(State::NotInstalled, Rung::Library, "an Intel GPU is ready, and Level Zero is not installed")
            }
            _ => Climb::none(State::Unknown, "whether Level Zero is installed is not known"),
        };
    }
    if driver.is_empty() {
        let detail = format!("{loader} is here, and no Level Zero driver for GPUs (libze_intel_gpu.so.1)");
        return Climb::new(State::NotInstalled, Rung::Library, detail);
    }
    if report.is(LEVEL_ZERO_MASKED.name) {
        let mask = report.text(level_zero::ZE_AFFINITY_MASK.name);
        return Climb::new(
            State::Masked,
            Rung::Enumerate,
            format!("ZE_AFFINITY_MASK is \"{mask}\", which leaves no GPU"),
        );
    }
    match report.all(LEVEL_ZERO_ICD.name).find_map(|fact| fact.value.as_ref().err()) {
        Some(missing) => Climb::none(State::Unknown, format!("{driver} could not be asked: {missing}")),
        None => Climb::new(
            State::Broken,
            Rung::Initialise,
            format!("{driver} finds no GPU that it supports (ZE_RESULT_ERROR_UNINITIALIZED or an empty list)"),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    const LOADER: &str = "/usr/lib/libze_loader.so.1";
    const DRIVER: &str = "/usr/lib/libze_intel_gpu.so.1";
    const GPU: &str = r#"{"loader":"1.16.1","version":17001466,"devices":[{"name":"Intel(R) UHD Graphics 770","kind":"gpu","integrated":true,"vendor":32902,"device":18048,"uuid":"86808046-0c00-0000-0002-000000000000","pci":"0000:00:02.0","memory_bytes":1}]}"#;

    fn report(node: &str, driver: Answer, more: Vec<(Question, Answer)>) -> Report {
        let pci = "/sys/bus/pci/devices";
        let image = r#"{"format":"elf","bits":64,"machine":"x86_64","complete":true}"#;
        let answers = vec![
            (Question::System, Ok("linux x86_64".to_owned())),
            (Question::List(pci.into()), Ok("0000:00:02.0\n0000:00:0b.0".into())),
            (
                Question::Read(format!("{pci}/0000:00:02.0/uevent")),
                Ok("DRIVER=i915\nPCI_CLASS=30000\nPCI_ID=8086:4680\n".into()),
            ),
            (
                Question::Read(format!("{pci}/0000:00:0b.0/uevent")),
                Ok("DRIVER=intel_vpu\nPCI_CLASS=120000\nPCI_ID=8086:7D1D\n".into()),
            ),
            (Question::List(format!("{pci}/0000:00:02.0/drm")), Ok("card1\nrenderD128".into())),
            (Question::List(format!("{pci}/0000:00:0b.0/accel")), Ok("accel0".into())),
            (Question::Node("/dev/dri/renderD128".into()), Ok(format!("char-device {node}"))),
            (Question::Node("/dev/accel/accel0".into()), Ok("char-device -".into())),
            (Question::Library("libze_loader.so.1".into()), Ok(format!("{LOADER} -> {LOADER}.16.1"))),
            (Question::Library("libze_intel_gpu.so.1".into()), Ok(DRIVER.into())),
            (Question::Image(DRIVER.into()), Ok(image.into())),
            (alone(""), driver),
        ];
        let host = Recording::of(String::new(), "test", answers.into_iter().chain(more));
        Report { probes: Vec::new(), facts: ask(&host) }
    }

    fn alone(more: &str) -> Question {
        format!("native ZE_ENABLE_ALT_DRIVERS={DRIVER} {more}intel-extensions {LOADER}").parse().unwrap()
    }

    fn uninitialised() -> Answer {
        Err(Missing::Exited { code: 0x7800_0001, message: "zeInit".into() })
    }

    #[test]
    fn reads_what_a_driver_lists() {
        let report = report("rw", Ok(GPU.into()), Vec::new());
        let gpu = Subject::Device("0000:00:02.0".into());
        for (key, value) in [
            ("level-zero-device", "Intel(R) UHD Graphics 770"),
            ("level-zero-type", "gpu"),
            ("device-kind", "integrated"),
            ("device-vendor", "intel"),
            ("pci-id", "8086:4680"),
        ] {
            assert_eq!(report.about(&gpu, key), Some(&Value::from(value)), "{key}");
        }
        assert_eq!(report.version("level-zero-loader-version").unwrap().text(), "1.16.1");
        assert_eq!((report.text("intel-npu"), report.text("intel-npu-node")), ("no-access", "/dev/accel/accel0"));
        let climb = climb(&report);
        assert_eq!(climb.state, State::Working);
        assert_eq!(climb.versions.get("driver").map(String::as_str), Some("1.3.27642"));
    }

    #[test]
    fn a_gpu_stands_as_its_driver_answers() {
        let cpu = r#"{"loader":null,"version":1,"devices":[{"name":"x","kind":"cpu","integrated":false,"vendor":1,"device":1,"uuid":null,"pci":null,"memory_bytes":null}]}"#;
        for (node, answer, state, rung) in [
            ("rw", Ok(GPU), State::Working, Rung::Enumerate),
            ("rw", Ok(cpu), State::SoftwareOnly, Rung::Enumerate),
            ("rw", uninitialised().as_deref().map_err(Clone::clone), State::Broken, Rung::Initialise),
            ("-", uninitialised().as_deref().map_err(Clone::clone), State::Blocked, Rung::DeviceNode),
            ("rw", Err(Missing::Crashed("signal 11".into())), State::Crashed, Rung::Initialise),
            ("rw", Err(Missing::TimedOut), State::TimedOut, Rung::Initialise),
            ("rw", Err(Missing::Exited { code: 0x7000_0001, message: String::new() }), State::Broken, Rung::Initialise),
            ("rw", Err(Missing::Garbled("no zeInit".into())), State::Broken, Rung::Load),
        ] {
            let climb = climb(&report(node, answer.map(str::to_owned), Vec::new()));
            assert_eq!((climb.state, climb.rung), (state, Some(rung)), "{}", climb.detail);
        }
        assert_eq!(climb(&report("rw", Err(Missing::NotRecorded), Vec::new())).state, State::Unknown);
        assert_eq!(climb(&Report::default()).state, State::Unknown);
    }

    #[test]
    fn a_mask_is_named_where_the_driver_lists_gpus_without_it() {
        let mask = || (Question::Env("ZE_AFFINITY_MASK".into()), Ok("3".to_owned()));
        for (bare, state) in [(Ok(GPU.to_owned()), State::Masked), (uninitialised(), State::Broken)] {
            let more = vec![mask(), (alone("ZE_AFFINITY_MASK= "), bare)];
            assert_eq!(climb(&report("rw", uninitialised(), more)).state, state);
        }
        let selector = vec![(Question::Env("ONEAPI_DEVICE_SELECTOR".into()), Ok("opencl:cpu".to_owned()))];
        assert_eq!(climb(&report("rw", Ok(GPU.into()), selector)).state, State::Masked);
    }

    #[test]
    fn a_selector_lets_gpus_through_or_not() {
        for selector in
            ["*:*", "level_zero:gpu", "level_zero:0", "LEVEL_ZERO:*", "opencl:cpu;level_zero:1", "!opencl:*", "!*:cpu"]
        {
            assert!(!hides_gpus(selector), "{selector}");
        }
        for selector in ["opencl:*", "*:cpu", "cuda:gpu", "!level_zero:*", "*:*;!*:gpu", "nonsense:"] {
            assert!(hides_gpus(selector), "{selector}");
        }
    }

    #[test]
    fn a_desktop_without_oneapi_has_it_not_installed() {
        let more = vec![
            (Question::Library("libze_loader.so.1".into()), Err(Missing::NotFound)),
            (Question::Library("libze_intel_gpu.so.1".into()), Err(Missing::NotFound)),
        ];
        for node in ["rw", "-"] {
            let climb = climb(&report(node, Err(Missing::NotRecorded), more.clone()));
            assert_eq!((climb.state, climb.rung), (State::NotInstalled, Some(Rung::Library)), "{}", climb.detail);
        }
    }
}
