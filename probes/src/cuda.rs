//! CUDA: the driver API, every copy of its library, the runtime and the toolkit.
//!
//! Asks the loader for `libcuda.so.1` (in WSL2 also `/usr/lib/wsl/lib`, on Windows System32) and tells which copy it would
//! take: a linker stub, a forward compatibility library or a Linux driver inside WSL2 in front of the right one are
//! common faults. `cuInit` is called only where the kernel driver is ready; otherwise the version is read from the file's
//! name. With `--deep` each device computes, in a child of its own. Toolkits are found by directory and `version.json`,
//! `nvcc` by the search path. It cannot tell which runtime a program takes.
//! References: CUDA driver API (`CUresult`, `cuDriverGetVersion`, `CUdevice_attribute`).

#[cfg(feature = "native")]
mod native;
mod packages;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{
    COMPUTE_CAPABILITY, DEVICE_KIND, DEVICE_LUID, DEVICE_MEMORY, DEVICE_UUID, DEVICE_VENDOR, PCI_ADDRESS,
};
use crate::compute;
use crate::environment::WSL_LIBRARY_FOLDER;
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Command, Host, Missing, Query, Question};
use crate::ladder::{self, Climb, Rung, State};
use crate::nvidia_driver::{Kernel, file_version, kernel, pci_address};
use crate::search_path;
use crate::version::Version;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "cuda",
    keys: &[
        &CUDA_DRIVER_API,
        &CUDA_LIBRARY,
        &LOADER_TAKES,
        &CUDA_STATUS,
        &CUDA_DEVICE,
        &CUDA_COMPUTE,
        &CUDA_VISIBLE_DEVICES,
        &CUDA_RUNTIME,
        &CUDA_RUNTIME_COPY,
        &CUDA_RUNTIME_SAYS,
        &CUDA_TOOLKIT,
        &NVCC,
    ],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

pub(crate) static CUDA_DRIVER_API: Key = Key::new(
    "cuda-driver-api",
    Kind::Version,
    Scope::Host,
    "The newest CUDA that the driver speaks; what `nvidia-smi` shows. Not the version of any toolkit.",
);
static CUDA_LIBRARY: Key = Key::new(
    "cuda-library",
    Kind::Text,
    Scope::Library,
    "A copy of the CUDA driver library: `driver`, `wsl`, `stub` (for linking only) or `compat` (forward compatibility).",
);
static LOADER_TAKES: Key =
    Key::new("cuda-library-taken", Kind::Text, Scope::Host, "The kind of the copy that the loader would take.");
static CUDA_STATUS: Key = Key::new(
    "cuda-status",
    Kind::Text,
    Scope::Host,
    "`working`, or what `cuInit` answered: `no-device`, `stub-library`, `driver-mismatch`, `compat-not-supported`, \
     `not-ready`, `error NUMBER`.",
);
static CUDA_DEVICE: Key = Key::new("cuda-device", Kind::Text, Scope::Device, "The device's name by CUDA.");
static CUDA_COMPUTE: Key = Key::new(
    "cuda-compute",
    Kind::Text,
    Scope::Device,
    "With `--deep`: whether a small computation through CUDA came out `right`, or what was wrong with it.",
);
static CUDA_VISIBLE_DEVICES: Key = Key::new(
    "cuda-visible-devices",
    Kind::Text,
    Scope::Host,
    "`CUDA_VISIBLE_DEVICES`, where it is set: empty or beginning with `-1` hides every device.",
);
static CUDA_RUNTIME: Key = Key::new(
    "cuda-runtime",
    Kind::Version,
    Scope::Host,
    "Version of a `libcudart` that the loader or a toolkit offers, by the name of its file.",
);
static CUDA_RUNTIME_COPY: Key = Key::new(
    "cuda-runtime-copy",
    Kind::Version,
    Scope::Library,
    "Version of a `libcudart` that a Python package brings, by that package.",
);
static CUDA_RUNTIME_SAYS: Key = Key::new(
    "cuda-runtime-says",
    Kind::Version,
    Scope::Library,
    "What such a `libcudart` tells of itself (`cudaRuntimeGetVersion`), as in `12.9`.",
);
static CUDA_TOOLKIT: Key = Key::new(
    "cuda-toolkit",
    Kind::Version,
    Scope::Host,
    "Version of an installed CUDA toolkit, by its `version.json`.",
);
static NVCC: Key = Key::new("nvcc", Kind::Version, Scope::Host, "Version of the `nvcc` on the search path.");

/// What the child tells of the driver API.
#[derive(Serialize, Deserialize)]
struct Driver {
    /// `cuDriverGetVersion`: 1000 × major + 10 × minor.
    version: i32,
    devices: Vec<Device>,
}

#[derive(Serialize, Deserialize)]
struct Device {
    name: String,
    pci: Option<String>,
    capability: Option<(i32, i32)>,
    memory_bytes: u64,
    integrated: bool,
    /// Of a part of a card, the part's own.
    #[serde(default)]
    uuid: Option<String>,
    #[serde(default)]
    luid: Option<String>,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    let copies = ask_copies(host, &mut facts);
    let visible = Question::Env("CUDA_VISIBLE_DEVICES".to_owned());
    facts.extend(host.ask(&visible).ok().map(|value| CUDA_VISIBLE_DEVICES.host(Value::Text(value), &visible)));
    if kernel(host) == Kernel::Ready && copies {
        ask_driver(host, &mut facts);
    }
    if !host.is_windows() {
        ask_runtime(host, &mut facts);
    }
    ask_toolkits(host, &mut facts);
    facts.extend(packages::ask(host));
    facts
}

/// Every copy of the driver's library; whether there is one.
fn ask_copies(host: &dyn Host, facts: &mut Vec<Fact>) -> bool {
    let question = Question::Library(library_name(host).to_owned());
    let mut copies = host.library(library_name(host));
    let taken = copies.first().map(|(path, file)| kind_of(path, file));
    for extra in [format!("{WSL_LIBRARY_FOLDER}/libcuda.so.1"), "/usr/local/cuda/compat/libcuda.so.1".to_owned()] {
        if !host.is_windows() && host.exists(&extra) && !copies.iter().any(|(path, _)| *path == extra) {
            copies.push((extra.clone(), extra));
        }
    }
    let answer = host.ask(&question).err().unwrap_or(Missing::NotFound);
    facts.push(LOADER_TAKES.host(taken.map(Value::from).ok_or(answer), &question));
    for (path, file) in &copies {
        facts.push(CUDA_LIBRARY.of(Subject::Library(path.clone()), Value::from(kind_of(path, file)), &question));
    }
    !copies.is_empty()
}

/// The name by which programs ask for the CUDA driver library.
fn library_name(host: &dyn Host) -> &'static str {
    if host.is_windows() { "nvcuda.dll" } else { "libcuda.so.1" }
}

/// What kind of copy a CUDA driver library is, by its path and the file that it leads to.
pub(crate) fn kind_of(path: &str, file: &str) -> &'static str {
    let within = |folder: &str| path.contains(folder) || file.contains(folder);
    match () {
        () if within("/stubs/") => "stub",
        () if within("/compat/") => "compat",
        () if within(WSL_LIBRARY_FOLDER) || within("/usr/lib/wsl/drivers") => "wsl",
        () => "driver",
    }
}

fn ask_driver(host: &dyn Host, facts: &mut Vec<Fact>) {
    let in_wsl = format!("{WSL_LIBRARY_FOLDER}/libcuda.so.1");
    let loader_finds_one = !host.library(library_name(host)).is_empty();
    let library: Option<String> = (!loader_finds_one && host.exists(&in_wsl)).then_some(in_wsl);
    let arguments = library.clone().into_iter().collect();
    let question = Question::Native(Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments });
    let driver = host
        .ask(&question)
        .and_then(|json| serde_json::from_str::<Driver>(&json).map_err(|error| Missing::Garbled(error.to_string())));
    facts.push(CUDA_STATUS.host(driver.as_ref().map(|_| Value::from("working")).or_else(status), &question));
    let Ok(driver) = driver else { return };
    let speaks = dotted(driver.version);
    facts.push(CUDA_DRIVER_API.host(version(&speaks), &question));
    let addresses: Vec<Option<String>> =
        driver.devices.iter().map(|device| device.pci.as_deref().and_then(pci_address)).collect();
    let mut computations = Vec::new();
    for (number, device) in driver.devices.into_iter().enumerate() {
        let address = addresses.get(number).cloned().flatten();
        let shared = address.is_some() && addresses.iter().filter(|other| **other == address).count() > 1;
        let (id, part_of) = match address {
            Some(address) if shared => (format!("cuda:{number}"), Some(address)),
            Some(address) => (address, None),
            None => (format!("cuda:{number}"), None),
        };
        let subject = || Subject::Device(id.clone());
        facts.push(CUDA_DEVICE.of(subject(), Value::Text(device.name), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from("nvidia"), &question));
        let kind = if device.integrated { "integrated" } else { "discrete" };
        facts.push(DEVICE_KIND.of(subject(), Value::from(kind), &question));
        facts.push(DEVICE_MEMORY.of(subject(), Value::Number(device.memory_bytes), &question));
        facts.extend(
            device.capability.map(|(major, minor)| {
                COMPUTE_CAPABILITY.of(subject(), version(&format!("{major}.{minor}")), &question)
            }),
        );
        for (key, value) in [(&PCI_ADDRESS, part_of), (&DEVICE_UUID, device.uuid), (&DEVICE_LUID, device.luid)] {
            facts.extend(value.map(|value| key.of(subject(), Value::Text(value), &question)));
        }
        computations.push((subject(), computation(number, library.as_deref())));
    }
    if host.is_deep() {
        facts.extend(compute::ask_each(host, &CUDA_COMPUTE, computations));
    }
}

/// Asks for a computation on the device of a number.
fn computation(number: usize, library: Option<&str>) -> Question {
    let words = [Some(compute::WORD.to_owned()), Some(number.to_string()), library.map(str::to_owned)];
    Question::Native(Query {
        environment: Vec::new(),
        probe: PROBE.name.to_owned(),
        arguments: words.into_iter().flatten().collect(),
    })
}

/// `12.4` of CUDA's 12040: 1000 × major + 10 × minor.
fn dotted(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// The error numbers of the driver API in words; what is no error number stays missing.
fn status(missing: &Missing) -> Result<Value, Missing> {
    let Missing::Exited { code, .. } = missing else { return Err(missing.clone()) };
    Ok(match code {
        34 => Value::from("stub-library"),
        100 => Value::from("no-device"),
        802 => Value::from("not-ready"),
        803 => Value::from("driver-mismatch"),
        804 => Value::from("compat-not-supported"),
        code => Value::Text(format!("error {code}")),
    })
}

fn ask_runtime(host: &dyn Host, facts: &mut Vec<Fact>) {
    for name in ["libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"] {
        let question = Question::Library(name.to_owned());
        for (_, file) in host.library(name) {
            facts.extend(file_version(&file).map(|version| CUDA_RUNTIME.host(version, &question)));
        }
    }
}

/// The folders of toolkits: first those that variables name, which builds use, then the installed ones, the newest first.
pub(crate) fn toolkits(host: &dyn Host) -> Vec<String> {
    let mut roots: Vec<String> = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(|name| host.env(name)).collect();
    let separator = if host.is_windows() { '\\' } else { '/' };
    let parent = match host.is_windows() {
        true => r"C:\Program Files\NVIDIA GPU Computing Toolkit\CUDA",
        false => "/usr/local",
    };
    let named = |name: &String| if host.is_windows() { name.starts_with('v') } else { name.starts_with("cuda") };
    let mut installed: Vec<String> =
        host.list(parent).into_iter().filter(named).map(|name| format!("{parent}{separator}{name}")).collect();
    let number = |root: &String| root.rsplit(['-', 'v']).next().and_then(|number| number.parse::<Version>().ok());
    installed.sort_by_key(|root| std::cmp::Reverse(number(root)));
    roots.extend(installed);
    for root in &mut roots {
        root.truncate(root.trim_end_matches(separator).len());
    }
    roots
}

fn ask_toolkits(host: &dyn Host, facts: &mut Vec<Fact>) {
    let roots = toolkits(host);
    let separator = if host.is_windows() { '\\' } else { '/' };
    let mut seen: Vec<Value> = Vec::new();
    for root in &roots {
        ask_runtimes_of(host, root, facts);
    }
    for root in roots {
        for (file, read) in
            [("version.json", json_version as fn(&str) -> Result<Value, Missing>), ("version.txt", txt_version)]
        {
            let question = Question::Read(format!("{root}{separator}{file}"));
            let Ok(text) = host.ask(&question) else { continue };
            let value = read(&text);
            // `/usr/local/cuda` is a link to one of its siblings.
            if let Ok(known) = &value {
                if seen.contains(known) {
                    break;
                }
                seen.push(known.clone());
            }
            facts.push(CUDA_TOOLKIT.host(value, &question));
            break;
        }
    }
    if let Some(program) = search_path::find(host, "nvcc") {
        let question = Question::Run(Command { program, arguments: vec!["--version".to_owned()] });
        let version = host.ask(&question).and_then(|text| nvcc_version(&text));
        facts.push(NVCC.host(version, &question));
    }
}

/// The runtimes in a toolkit's own folders, by the names of their files.
fn ask_runtimes_of(host: &dyn Host, root: &str, facts: &mut Vec<Fact>) {
    let folders = if host.is_windows() { ["bin", r"bin\x64"] } else { ["lib64", "lib"] };
    let separator = if host.is_windows() { '\\' } else { '/' };
    for folder in folders {
        let question = Question::List(format!("{root}{separator}{folder}"));
        for name in host.ask(&question).unwrap_or_default().lines() {
            let Some(value) = runtime_version(name) else { continue };
            let told = facts.iter().any(|fact| *fact.key == CUDA_RUNTIME && fact.value.as_ref() == Ok(&value));
            if !told {
                facts.push(CUDA_RUNTIME.host(value, &question));
            }
        }
    }
}

/// `12.4.127` of `libcudart.so.12.4.127`, `12` of `cudart64_12.dll`, `11.0` of `cudart64_110.dll`.
fn runtime_version(name: &str) -> Option<Value> {
    if name.starts_with("libcudart.so.") {
        return file_version(name);
    }
    let digits = name.strip_prefix("cudart64_")?.strip_suffix(".dll")?;
    // Up to CUDA 11 the name holds the minor version, too.
    let text = match digits.len() {
        3 => format!("{}.{}", digits.get(..2)?, digits.get(2..)?),
        _ => digits.to_owned(),
    };
    version(&text).ok()
}

/// `{"cuda": {"version": "12.4.1"}, …}`
fn json_version(text: &str) -> Result<Value, Missing> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| Missing::Garbled(error.to_string()))?;
    let part = |name: &str| json.get(name)?.get("version")?.as_str();
    part("cuda")
        .or_else(|| part("cuda_nvcc"))
        .map_or_else(|| Err(Missing::Garbled("no version in it".to_owned())), version)
}

/// `CUDA Version 10.2.89`
fn txt_version(text: &str) -> Result<Value, Missing> {
    version(text.trim().strip_prefix("CUDA Version").unwrap_or_default())
}

/// `Cuda compilation tools, release 12.4, V12.4.131`
fn nvcc_version(text: &str) -> Result<Value, Missing> {
    let release = text.split_once("release ").map(|(_, rest)| rest.split(',').next().unwrap_or_default());
    version(release.unwrap_or_default())
}

fn climb(report: &Report) -> Climb {
    let on_bus = match report.host("gpu-vendors") {
        Some(Value::Set(vendors)) => Some(vendors.iter().any(|vendor| vendor == "nvidia")),
        _ => None,
    };
    let library = report.all(NVIDIA_LIBRARY).find_map(|fact| match &fact.subject {
        Subject::Library(path) if path.contains("libcuda") => fact.value.as_ref().ok(),
        _ => None,
    });
    let present = report.subjects(CUDA_LIBRARY.name).first().map(|subject| match subject {
        Subject::Library(path) => path.clone(),
        _ => String::new(),
    });
    let climb = match report.text("nvidia-kernel-driver") {
        "ready" => climb_ready(report, present.as_deref()),
        "no-node" if report.is("container") => Climb::new(
            State::Blocked,
            Rung::DeviceNode,
            "the NVIDIA driver runs on the host, and this container was started without /dev/nvidiactl",
        ),
        "no-node" => Climb::new(
            State::Blocked,
            Rung::DeviceNode,
            "the NVIDIA driver is loaded, and /dev/nvidiactl is not there yet; the first use by root makes it",
        ),
        "no-access" => Climb::new(State::Blocked, Rung::DeviceNode, "this user may not open /dev/nvidiactl"),
        "not-loaded" if report.text("environment") == "wsl2" && on_bus == Some(true) => Climb::new(
            State::NotInstalled,
            Rung::KernelDriver,
            "Windows has an NVIDIA driver package, and it mounts no libcuda here",
        ),
        "not-loaded" => match (present, on_bus) {
            (Some(path), Some(false)) => Climb::new(
                State::Broken,
                Rung::KernelDriver,
                format!("{path} is here, without an NVIDIA kernel driver and without an NVIDIA GPU on the bus"),
            ),
            (Some(path), _) => Climb::new(
                State::Broken,
                Rung::KernelDriver,
                format!("{path} is here, and no NVIDIA kernel driver is loaded"),
            ),
            (None, Some(true)) => Climb::new(
                State::NotInstalled,
                Rung::KernelDriver,
                "an NVIDIA GPU is on the bus, and its driver is not installed",
            ),
            (None, Some(false)) => Climb::new(State::NotInstalled, Rung::Bus, "no NVIDIA GPU on the bus"),
            (None, None) => Climb::none(State::Unknown, "neither the bus nor the driver could be asked"),
        },
        _ => Climb::none(State::Unknown, "whether the NVIDIA kernel driver is loaded is not known"),
    };
    climb
        .with("driver", report.version("nvidia-driver"))
        .with("library", library)
        .with("driver-api", report.version(CUDA_DRIVER_API.name))
        .with("toolkit", report.version(CUDA_TOOLKIT.name))
        .with("runtime", report.version(CUDA_RUNTIME.name))
        .with("nvcc", report.version(NVCC.name))
}

const NVIDIA_LIBRARY: &str = "nvidia-library";

fn climb_ready(report: &Report, library: Option<&str>) -> Climb {
    let Some(library) = library else {
        return Climb::new(State::Broken, Rung::Library, "the NVIDIA kernel driver is ready, and libcuda is not found");
    };
    let Some(status) = report.all(CUDA_STATUS.name).next() else {
        return Climb::none(State::Unknown, "the driver library was not asked");
    };
    let status = match &status.value {
        Ok(status) => status.to_string(),
        Err(Missing::Crashed(how)) => {
            return Climb::new(State::Crashed, Rung::Initialise, format!("{library} killed its process with {how}"));
        }
        Err(Missing::TimedOut) => {
            return Climb::new(State::TimedOut, Rung::Initialise, format!("{library} did not answer in time"));
        }
        Err(missing @ (Missing::Unsupported | Missing::NotRecorded)) => {
            return Climb::none(State::Unknown, format!("{library} could not be asked: {missing}"));
        }
        Err(missing) => return Climb::new(State::Broken, Rung::Load, format!("{library}: {missing}")),
    };
    let named = report.all(CUDA_DEVICE.name);
    let names = ladder::names(named.filter_map(|fact| Some((&fact.subject, fact.value.as_ref().ok()?.to_string()))));
    if report.text("nvml-status") == "blocked" {
        let detail = "the operating system keeps this process from the GPU (NVML error 17)";
        return Climb::new(State::Blocked, Rung::DeviceNode, detail);
    }
    if status == "working" && !names.is_empty() {
        let listed = Climb::new(State::Working, Rung::Enumerate, names);
        return compute::climb(listed, report, &CUDA_COMPUTE, &CUDA_DEVICE);
    }
    let visible = report.host(CUDA_VISIBLE_DEVICES.name).map(Value::to_string);
    // The list ends at its first wrong entry. NVML does not heed it and tells how many devices there are.
    let cards = report.all("nvml-device").filter(|fact| fact.value.is_ok()).count();
    let hides = |visible: &String| {
        let first = visible.split(',').next().unwrap_or_default().trim();
        match first.parse::<usize>() {
            Ok(index) => cards > 0 && index >= cards,
            Err(_) => first.is_empty() || first.starts_with('-') || cards > 0,
        }
    };
    let visible = visible.filter(hides);
    match (status.as_str(), visible) {
        ("working" | "no-device", Some(visible)) => Climb::new(
            State::Masked,
            Rung::Enumerate,
            format!("CUDA_VISIBLE_DEVICES is \"{visible}\", which leaves no device"),
        ),
        ("working" | "no-device", None) => {
            Climb::new(State::Broken, Rung::Initialise, "cuInit finds no device (CUDA error 100)")
        }
        (other, _) => Climb::new(State::Broken, Rung::Initialise, format!("cuInit of {library} answers: {other}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_versions_that_toolkits_tell() {
        let json = r#"{"cuda": {"name": "CUDA SDK", "version": "12.4.1"}, "cuda_nvcc": {"version": "12.4.131"}}"#;
        assert_eq!(json_version(json).unwrap().to_string(), "12.4.1");
        assert!(json_version("{}").is_err() && json_version("[1]").is_err() && json_version("x").is_err());
        assert_eq!(txt_version("CUDA Version 10.2.89\n").unwrap().to_string(), "10.2.89");
        let nvcc = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 11.8, V11.8.89\n";
        assert_eq!(nvcc_version(nvcc).unwrap().to_string(), "11.8");
        assert!(nvcc_version("command not found").is_err());
    }

    #[test]
    fn reads_the_version_of_a_runtime_off_its_name() {
        let read = |name| runtime_version(name).map(|version| version.to_string());
        assert_eq!(read("libcudart.so.12.4.127").as_deref(), Some("12.4.127"));
        assert_eq!(read("cudart64_13.dll").as_deref(), Some("13"));
        assert_eq!(read("cudart64_110.dll").as_deref(), Some("11.0"));
        assert_eq!((read("libcudart.so.12"), read("libcublas.so.12.4"), read("cudart64_.dll")), (None, None, None));
    }

    #[test]
    fn a_toolkit_tells_its_runtime() {
        use crate::host::recording::Recording;
        let host = Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("windows x86_64".to_owned())),
                (Question::Env("CUDA_PATH".into()), Ok(r"C:\CUDA\v13.0\".into())),
                (Question::Read(r"C:\CUDA\v13.0\version.json".into()), Ok(r#"{"cuda":{"version":"13.0.2"}}"#.into())),
                (Question::List(r"C:\CUDA\v13.0\bin\x64".into()), Ok("cublas64_13.dll\ncudart64_13.dll".into())),
            ],
        );
        let report = Report { probes: Vec::new(), facts: ask(&host) };
        assert_eq!(report.version("cuda-toolkit").unwrap().text(), "13.0.2");
        assert_eq!(report.version("cuda-runtime").unwrap().text(), "13");
    }

    #[test]
    fn tells_stubs_and_compatibility_libraries_from_the_driver() {
        assert_eq!(kind_of("/usr/local/cuda/lib64/stubs/libcuda.so.1", ""), "stub");
        assert_eq!(kind_of("/usr/local/cuda/compat/libcuda.so.1", ""), "compat");
        assert_eq!(kind_of("/usr/lib/wsl/lib/libcuda.so.1", ""), "wsl");
        assert_eq!(kind_of("/lib/libcuda.so.1", "/lib/libcuda.so.550.163.01"), "driver");
    }
}
