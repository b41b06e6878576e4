//! The NVIDIA driver: its half in the kernel, its half beside the programs, and whether the two fit.
//!
//! Asks sysfs, procfs, the file names of the user-mode libraries, NVML and `nvidia-smi`, and keeps all answers: a kernel
//! module of one version beside a library of another is a well-known broken state (NVML 18, "reboot"). NVML and
//! `nvidia-smi` are asked only where the kernel driver is ready, because without it they make `/dev/nvidiactl` as root
//! and run a setuid helper as a user. In WSL2 there is no kernel module: the driver is that of Windows behind `/dev/dxg`.
//! References: NVML API, NVIDIA's `nvmlReturn_t`; the driver's README on `/proc/driver/nvidia`.

mod containers;
mod module;
#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{COMPUTE_CAPABILITY, DEVICE_KIND, DEVICE_MEMORY, DEVICE_UUID, DEVICE_VENDOR, DISPLAY_CLASS};
use crate::cuda::{CUDA_DRIVER_API, kind_of};
use crate::environment::WSL_LIBRARY_FOLDER;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Answer, Command, Host, Missing, Query, Question};
use crate::parallel;
use crate::search_path;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "nvidia-driver",
    keys: &[
        &NVIDIA_KERNEL,
        &NVIDIA_DRIVER,
        &NVIDIA_LIBRARY,
        &DRIVER_MATCHES,
        &module::FLAVOUR,
        &module::UVM_NODE,
        &module::MODULE_FILE,
        &module::SECURE_BOOT,
        &NVML_STATUS,
        &NVML_DEVICE,
        &DRIVER_MODEL,
        &NVIDIA_SMI,
        &SMI_STATUS,
        &containers::ENGINE,
        &containers::TOOLKIT,
        &containers::VISIBLE,
        &containers::CAPABILITIES,
    ],
    ask,
    climb: None,
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

static NVIDIA_KERNEL: Key = Key::new(
    "nvidia-kernel-driver",
    Kind::Text,
    Scope::Host,
    "`ready`; `no-node` or `no-access` where the driver is loaded and its device node is missing or closed; `not-loaded`.",
);
pub(crate) static NVIDIA_DRIVER: Key = Key::new(
    "nvidia-driver",
    Kind::Version,
    Scope::Host,
    "Version of the NVIDIA driver; in WSL2 and on Windows the number of the Windows driver.",
);
static NVIDIA_LIBRARY: Key = Key::new(
    "nvidia-library",
    Kind::Version,
    Scope::Library,
    "Version of a user-mode library of the NVIDIA driver, by the name of its file.",
);
static DRIVER_MATCHES: Key = Key::new(
    "nvidia-library-matches",
    Kind::Flag,
    Scope::Host,
    "Whether the kernel module and the user-mode library that the loader takes are of one version.",
);
static NVML_STATUS: Key = Key::new(
    "nvml-status",
    Kind::Text,
    Scope::Host,
    "`working`, or what initialising NVML answered: `driver-library-mismatch`, `driver-not-loaded`, `no-permission`, \
     `blocked`, `error NUMBER`.",
);
static NVML_DEVICE: Key = Key::new("nvml-device", Kind::Text, Scope::Device, "The device's name by NVML.");
static DRIVER_MODEL: Key = Key::new(
    "driver-model",
    Kind::Text,
    Scope::Device,
    "On Windows: `wddm` where an NVIDIA GPU is driven as one for displays, `tcc` or `mcdm` where for computing alone, without Direct3D.",
);
static NVIDIA_SMI: Key =
    Key::new("nvidia-smi", Kind::Text, Scope::Host, "Path of `nvidia-smi`. It proves nothing by being absent.");
static SMI_STATUS: Key = Key::new(
    "nvidia-smi-status",
    Kind::Text,
    Scope::Host,
    "`working`, or how `nvidia-smi` ended: `crashed`, `timed-out`, `garbled` (without an answer), `error NUMBER`.",
);

/// How the NVIDIA kernel driver stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Its device may be opened.
    Ready,
    /// Loaded, and its device node is not there.
    NoNode,
    /// Loaded, and this process may not open its device node.
    NoAccess,
    /// Not loaded.
    Absent,
}

/// The node through which every NVIDIA library finds its driver.
const NODE: &str = "/dev/nvidiactl";

/// Looks at the kernel driver without touching it.
pub(crate) fn kernel(host: &dyn Host) -> Kernel {
    match host.system().as_str() {
        "windows" if !host.library("nvcuda.dll").is_empty() || !host.library("nvml.dll").is_empty() => Kernel::Ready,
        "windows" | "macos" => Kernel::Absent,
        _ if host.exists("/dev/dxg") && windows_brings_libcuda(host) => Kernel::Ready,
        _ => {
            let loaded = host.exists("/sys/module/nvidia") || host.exists("/proc/driver/nvidia/version");
            // Boards with an integrated GPU have another node.
            let board = host.node("/dev/nvmap");
            match (loaded || board.is_ok(), host.node(NODE).or(board)) {
                (false, Err(_)) => Kernel::Absent,
                // A node without its driver is a leftover, unless /sys is hidden and the node is all there is to see.
                (false, Ok(_)) if host.exists("/sys/module") => Kernel::Absent,
                (_, Ok(node)) if node.split(' ').nth(1) == Some("rw") => Kernel::Ready,
                (_, Ok(_)) => Kernel::NoAccess,
                (true, Err(_)) => Kernel::NoNode,
            }
        }
    }
}

/// Whether the driver of Windows is here: where WSL2 mounts it, or, in a container, wherever a library of the loader leads
/// into its driver store.
fn windows_brings_libcuda(host: &dyn Host) -> bool {
    let mounted = || host.exists(&format!("{WSL_LIBRARY_FOLDER}/libcuda.so.1"));
    mounted() || host.library("libcuda.so.1").iter().any(|(path, file)| kind_of(path, file) == "wsl")
}

/// What the child tells of NVML.
#[derive(Serialize, Deserialize)]
struct Nvml {
    driver: Option<String>,
    cuda: Option<(i32, i32)>,
    devices: Vec<NvmlDevice>,
}

#[derive(Serialize, Deserialize)]
struct NvmlDevice {
    name: String,
    /// `domain:bus:device.function`, hexadecimal.
    pci: Option<String>,
    capability: Option<(i32, i32)>,
    /// Absent where the device shares the machine's memory, or where it is not told.
    memory_bytes: Option<u64>,
    /// Whether NVML keeps the size to itself, as it does of a card in parts (MIG) from an ordinary user.
    #[serde(default)]
    memory_hidden: bool,
    /// Without the `GPU-` in front.
    #[serde(default)]
    uuid: Option<String>,
    /// How Windows drives it; elsewhere there is one way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let kernel = kernel(host);
    let origin = match host.is_windows() {
        true => Question::Library("nvcuda.dll".to_owned()),
        false if host.exists("/dev/dxg") => Question::Node(format!("{WSL_LIBRARY_FOLDER}/libcuda.so.1")),
        false => Question::Node(NODE.to_owned()),
    };
    let mut facts = vec![NVIDIA_KERNEL.host(kernel_fact(host, kernel), &origin)];
    let in_kernel = ask_kernel(host, &mut facts);
    let libraries = ask_libraries(host, &mut facts);
    if let (Some(Value::Version(module)), Some((library, question))) = (&in_kernel, libraries) {
        facts.push(DRIVER_MATCHES.host(Value::Flag(*module == library), &question));
    }
    let is_installed = facts.iter().any(|fact| *fact.key == NVIDIA_LIBRARY);
    facts.extend(module::ask(host, kernel, is_installed));
    facts.extend(containers::ask(host, kernel));
    let smi = nvidia_smi(host);
    if kernel == Kernel::Ready {
        let ask_smi = || smi.as_deref().map(|path| ask_nvidia_smi(host, path)).unwrap_or_default();
        let (by_smi, ()) = parallel::both(host, ask_smi, || ask_nvml(host, &mut facts));
        facts.extend(by_smi);
    }
    let path = Question::Env("PATH".to_owned());
    let unknown = host.ask(&path).err().filter(|missing| *missing == Missing::NotRecorded);
    facts.push(NVIDIA_SMI.host(smi.map(Value::Text).ok_or(unknown.unwrap_or(Missing::NotFound)), &path));
    if !facts.iter().any(|fact| *fact.key == NVIDIA_DRIVER) {
        let module = Question::Read("/sys/module/nvidia/version".to_owned());
        let missing = host.ask(&module).err().unwrap_or(Missing::NotFound);
        let missing = if host.is_windows() { Missing::NotFound } else { missing };
        facts.push(NVIDIA_DRIVER.host(missing, &module));
    }
    facts
}

fn kernel_fact(host: &dyn Host, kernel: Kernel) -> Result<Value, Missing> {
    let unknown =
        host.node("/sys/module/nvidia") == Err(Missing::NotRecorded) && host.node(NODE) == Err(Missing::NotRecorded);
    match kernel {
        Kernel::Absent if unknown && host.system() == "linux" => Err(Missing::NotRecorded),
        Kernel::Ready => Ok(Value::from("ready")),
        Kernel::NoNode => Ok(Value::from("no-node")),
        Kernel::NoAccess => Ok(Value::from("no-access")),
        Kernel::Absent => Ok(Value::from("not-loaded")),
    }
}

/// The version that the kernel's half tells of itself.
fn ask_kernel(host: &dyn Host, facts: &mut Vec<Fact>) -> Option<Value> {
    let module = Question::Read("/sys/module/nvidia/version".to_owned());
    let proc = Question::Read(module::TOLD.to_owned());
    // Boards tell the number of their system (L4T), as in 35.4.1, which is none of a driver.
    let of_driver = |value: &Result<Value, Missing>| match value {
        Ok(Value::Version(version)) => version.part(0) >= OLDEST_DRIVER,
        _ => true,
    };
    let by_module = host.ask(&module).ok().map(|text| version(&text)).filter(of_driver);
    let by_proc = host.ask(&proc).ok().map(|text| proc_version(&text)).filter(of_driver);
    let first = by_module.clone().or(by_proc.clone()).and_then(Result::ok);
    facts.extend(by_module.map(|value| NVIDIA_DRIVER.host(value, &module)));
    facts.extend(by_proc.map(|value| NVIDIA_DRIVER.host(value, &proc)));
    facts.extend(windows_driver(host));
    first
}

/// The version in a line such as `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build …`.
fn proc_version(text: &str) -> Result<Value, Missing> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:")).unwrap_or_default();
    line.split_whitespace()
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .map_or_else(|| Err(Missing::Garbled("no version in it".to_owned())), version)
}

/// NVIDIA's number out of the one that Windows gives the adapter's driver.
fn windows_driver(host: &dyn Host) -> Option<Fact> {
    if !host.is_windows() {
        return None;
    }
    host.list_registry(DISPLAY_CLASS).into_iter().find_map(|adapter| {
        let key = format!(r"{DISPLAY_CLASS}\{adapter}");
        host.registry(&key, "MatchingDeviceId").filter(|id| id.to_uppercase().contains("VEN_10DE"))?;
        // Windows has a driver of its own for every adapter, whose number is not NVIDIA's.
        host.registry(&key, "ProviderName").filter(|provider| provider.to_uppercase().contains("NVIDIA"))?;
        let number = nvidia_number(&host.registry(&key, "DriverVersion")?)?;
        Some(NVIDIA_DRIVER.host(version(&number), &Question::Registry(format!("{key}@DriverVersion"))))
    })
}

/// `580.88` of `32.0.15.8088`: the last five digits, a point before the last two.
pub fn nvidia_number(windows: &str) -> Option<String> {
    let digits: String = windows.rsplit('.').take(2).collect::<Vec<_>>().into_iter().rev().collect();
    let digits = digits.get(digits.len().checked_sub(5)?..)?;
    Some(format!("{}.{}", digits.get(..3)?, digits.get(3..)?))
}

/// The user-mode libraries by the names of their files; returns the version that the loader would take.
fn ask_libraries(host: &dyn Host, facts: &mut Vec<Fact>) -> Option<(crate::version::Version, Question)> {
    let mut first = None;
    if host.is_windows() {
        return None;
    }
    for name in ["libnvidia-ml.so.1", "libcuda.so.1"] {
        let question = Question::Library(name.to_owned());
        for (path, file) in host.library(name) {
            let Some(Value::Version(version)) = file_version(&file) else { continue };
            // Boards and WSL2 number their files by the interface, as in `libcuda.so.1.1`.
            if version.part(0) < OLDEST_DRIVER {
                continue;
            }
            if first.is_none() && !file.contains("/compat/") {
                first = Some((version.clone(), question.clone()));
            }
            facts.push(NVIDIA_LIBRARY.of(Subject::Library(path), version, &question));
        }
    }
    first
}

/// The oldest major version of an NVIDIA driver that names its files by it.
const OLDEST_DRIVER: u64 = 100;

/// The version behind `.so.` in a file's name, where it has at least two parts: `libcuda.so.1` has none.
pub(crate) fn file_version(file: &str) -> Option<Value> {
    let (_, tail) = file.rsplit_once(".so.")?;
    tail.contains('.').then(|| version(tail).ok()).flatten()
}

fn nvidia_smi(host: &dyn Host) -> Option<String> {
    let in_wsl = format!("{WSL_LIBRARY_FOLDER}/nvidia-smi");
    search_path::find(host, "nvidia-smi").or_else(|| host.exists(&in_wsl).then_some(in_wsl))
}

/// What `nvidia-smi` says in the place of an answer where the driver has no card.
const NO_CARD: &str = "No devices";

fn ask_nvidia_smi(host: &dyn Host, path: &str) -> Vec<Fact> {
    let question = Question::Run(Command {
        program: path.to_owned(),
        arguments: vec!["--query-gpu=driver_version".to_owned(), "--format=csv,noheader".to_owned()],
    });
    let answer = host.ask(&question);
    let told = |text: &String| version(text.lines().next().unwrap_or_default()).is_ok();
    let status = match &answer {
        Ok(text) if told(text) || text.starts_with(NO_CARD) => Ok(Value::from("working")),
        Ok(_) => Ok(Value::from("garbled")),
        Err(Missing::Crashed(_)) => Ok(Value::from("crashed")),
        Err(Missing::TimedOut) => Ok(Value::from("timed-out")),
        Err(Missing::Exited { code, .. }) => Ok(Value::Text(format!("error {code}"))),
        Err(missing) => Err(missing.clone()),
    };
    let version = answer.and_then(|text| version(text.lines().next().unwrap_or_default()));
    vec![NVIDIA_DRIVER.host(version, &question), SMI_STATUS.host(status, &question)]
}

fn ask_nvml(host: &dyn Host, facts: &mut Vec<Fact>) {
    let in_wsl = format!("{WSL_LIBRARY_FOLDER}/libnvidia-ml.so.1");
    let arguments = host.exists(&in_wsl).then_some(in_wsl).into_iter().collect();
    let question = Question::Native(Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments });
    let nvml = host.ask(&question).and_then(|json| parse(&json));
    facts.push(NVML_STATUS.host(nvml.as_ref().map(|_| Value::from("working")).or_else(status), &question));
    let nvml = match nvml {
        Ok(nvml) => nvml,
        Err(missing) => return facts.push(NVIDIA_DRIVER.host(missing, &question)),
    };
    facts.extend(nvml.driver.map(|driver| NVIDIA_DRIVER.host(version(&driver), &question)));
    facts.extend(nvml.cuda.map(|(major, minor)| CUDA_DRIVER_API.host(version(&format!("{major}.{minor}")), &question)));
    for (number, device) in nvml.devices.into_iter().enumerate() {
        let id = device.pci.as_deref().and_then(pci_address).unwrap_or_else(|| format!("nvml:{number}"));
        let subject = || Subject::Device(id.clone());
        facts.push(NVML_DEVICE.of(subject(), Value::Text(device.name), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from("nvidia"), &question));
        let kind = match device.memory_bytes {
            Some(_) => Some("discrete"),
            None if device.memory_hidden => None,
            None => Some("integrated"),
        };
        facts.extend(kind.map(|kind| DEVICE_KIND.of(subject(), Value::from(kind), &question)));
        facts.extend(device.model.map(|model| DRIVER_MODEL.of(subject(), Value::Text(model), &question)));
        facts.extend(device.uuid.map(|uuid| DEVICE_UUID.of(subject(), Value::Text(uuid), &question)));
        facts.extend(device.memory_bytes.map(|bytes| DEVICE_MEMORY.of(subject(), Value::Number(bytes), &question)));
        facts.extend(
            device.capability.map(|(major, minor)| {
                COMPUTE_CAPABILITY.of(subject(), version(&format!("{major}.{minor}")), &question)
            }),
        );
    }
}

fn parse(json: &str) -> Result<Nvml, Missing> {
    serde_json::from_str(json).map_err(|error| Missing::Garbled(error.to_string()))
}

/// NVML's error numbers in words; what is no error number stays missing.
fn status(missing: &Missing) -> Result<Value, Missing> {
    let Missing::Exited { code, .. } = missing else { return Err(missing.clone()) };
    Ok(match code {
        4 => Value::from("no-permission"),
        9 => Value::from("driver-not-loaded"),
        17 => Value::from("blocked"),
        18 => Value::from("driver-library-mismatch"),
        code => Value::Text(format!("error {code}")),
    })
}

/// NVML's `00000000:01:00.0` in the kernel's form, `0000:01:00.0`.
pub(crate) fn pci_address(text: &str) -> Option<String> {
    let (domain, rest) = text.split_once(':')?;
    let domain = u32::from_str_radix(domain, 16).ok()?;
    Some(format!("{domain:04x}:{}", rest.to_lowercase()))
}

impl dyn Host + '_ {
    /// The subkeys of a key of the Windows registry.
    fn list_registry(&self, key: &str) -> Vec<String> {
        let names: Answer = self.ask(&Question::Registry(key.to_owned()));
        names.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// A Linux of which these answers are all that there is.
#[cfg(test)]
fn linux(answers: Vec<(Question, &str)>) -> crate::host::recording::Recording {
    let system = std::iter::once((Question::System, "linux x86_64"));
    let answers = system.chain(answers).map(|(question, answer)| (question, Ok(answer.to_owned())));
    let mut host = crate::host::recording::Recording::of(String::new(), "test", answers);
    host.complete = true;
    host
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_numbers_of_the_driver() {
        let proc = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root@x)\n";
        assert_eq!(proc_version(proc).unwrap().to_string(), "580.65.06");
        let old =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC 12.2.0";
        assert_eq!(proc_version(old).unwrap().to_string(), "535.183.01");
        assert!(proc_version("").is_err());
        assert_eq!(nvidia_number("32.0.15.8088").unwrap(), "580.88");
        assert_eq!(nvidia_number("31.0.15.5222").unwrap(), "552.22");
        assert_eq!(nvidia_number("1"), None);
    }

    #[test]
    fn reads_versions_of_file_names_and_pci_addresses() {
        assert_eq!(file_version("/usr/lib/libcuda.so.535.261.03").unwrap().to_string(), "535.261.03");
        assert_eq!(file_version("/usr/lib/libcuda.so.1"), None);
        assert_eq!(pci_address("00000000:0A:00.0").unwrap(), "0000:0a:00.0");
    }

    #[test]
    fn the_numbers_of_nvml_have_names() {
        let exited = |code| Missing::Exited { code, message: String::new() };
        assert_eq!(status(&exited(18)).unwrap(), Value::from("driver-library-mismatch"));
        assert_eq!(status(&exited(999)).unwrap(), Value::from("error 999"));
        assert_eq!(status(&Missing::TimedOut), Err(Missing::TimedOut));
    }
}
