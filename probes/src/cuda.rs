//! CUDA: the driver API, every copy of its library, the runtime and the toolkit.
//!
//! Asks the loader for `libcuda.so.1` (in WSL2 also `/usr/lib/wsl/lib`, on Windows System32) and tells which copy it would
//! take: a linker stub, a forward compatibility library or a Linux driver inside WSL2 in front of the right one are
//! common faults. `cuInit` is called only where the kernel driver is ready; otherwise the version is read from the file's
//! name. With `--deep` each device computes, in a child of its own. Toolkits are found by directory and `version.json`,
//! `nvcc` by the search path. It cannot tell which runtime a program takes.
//! References: CUDA driver API (`CUresult`, `cuDriverGetVersion`, `CUdevice_attribute`).

mod climb;
#[cfg(feature = "native")]
mod native;
mod packages;
pub(crate) mod toolkits;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{
    COMPUTE_CAPABILITY, DEVICE_KIND, DEVICE_LUID, DEVICE_MEMORY, DEVICE_UUID, DEVICE_VENDOR, PCI_ADDRESS,
};
use crate::compute;
use crate::environment::WSL_LIBRARY_FOLDER;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::nvidia_driver::{Kernel, kernel, pci_address};

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
    climb: Some(climb::climb),
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
     `not-ready`, `error NUMBER`; `driver-too-old`, where somebody says so of a program (CUDA runtime error 35).",
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
        toolkits::ask_runtime(host, &mut facts);
    }
    toolkits::ask_toolkits(host, &mut facts);
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
        facts.extend(compute::ask_each(host, &CUDA_COMPUTE, &computations));
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tells_stubs_and_compatibility_libraries_from_the_driver() {
        assert_eq!(kind_of("/usr/local/cuda/lib64/stubs/libcuda.so.1", ""), "stub");
        assert_eq!(kind_of("/usr/local/cuda/compat/libcuda.so.1", ""), "compat");
        assert_eq!(kind_of("/usr/lib/wsl/lib/libcuda.so.1", ""), "wsl");
        assert_eq!(kind_of("/lib/libcuda.so.1", "/lib/libcuda.so.550.163.01"), "driver");
    }
}
