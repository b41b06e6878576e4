//! DirectML: the adapters of Direct3D, and whether DirectML makes a device on each of them.
//!
//! On Windows DXGI lists the adapters in the order in which programs number them, and DXCore those that cannot draw, such
//! as NPUs. In WSL2 DXCore lists what Windows shares through `/dev/dxg`. One child lists; then each adapter has a child of
//! its own that makes a Direct3D 12 device, and a DirectML device on it by the copy of the library that a program gets
//! which brings none. Software adapters are asked only where no other is. Every copy in the system folder and on the
//! search path is named with its version. It cannot tell of copies beside other programs; what Python packages bring is
//! told with them.
//! References: Microsoft's documentation of DirectML (version history), DXGI, DXCore and Direct3D 12; MicrosoftDocs/WSL,
//! gpu-compute.

#[cfg(feature = "native")]
mod native;

mod climb;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{
    ADAPTER_DRIVER, DEVICE_KIND, DEVICE_LUID, DEVICE_MEMORY, DEVICE_VENDOR, PCI_ID, UNIFIED_MEMORY, vendor,
};
use crate::environment::WSL_LIBRARY_FOLDER;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::image::Image;
use crate::manifest::SOFTWARE;
use crate::nvidia_driver::{NVIDIA_DRIVER, nvidia_number};
use crate::parallel;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "directml",
    keys: &[
        &DIRECTML_LIBRARY,
        &DIRECTML_VERSION,
        &DXG_ACCESS,
        &DIRECT3D_ADAPTERS,
        &DXGI_DEVICE,
        &DXCORE_DEVICE,
        &SHARED_MEMORY,
        &DIRECT3D_LEVEL,
        &DIRECTML_DEVICE,
        &DIRECTML_LEVEL,
    ],
    ask,
    climb: Some(climb::climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 10,
};

static DIRECTML_LIBRARY: Key = Key::new(
    "directml-library",
    Kind::Text,
    Scope::Host,
    "Path of the DirectML library that programs get which bring none of their own.",
);
static DIRECTML_VERSION: Key =
    Key::new("directml-version", Kind::Version, Scope::Library, "The file version of a copy of DirectML.");
static DXG_ACCESS: Key = Key::new(
    "dxg-access",
    Kind::Text,
    Scope::Host,
    "What this process may do with `/dev/dxg`, the door of WSL2 to the GPU of Windows: `rw`, `r`, `w` or `-`.",
);
static DIRECT3D_ADAPTERS: Key = Key::new(
    "direct3d-adapters",
    Kind::Number,
    Scope::Host,
    "How many adapters DXGI lists, or DXCore in WSL2, software among them.",
);
static DXGI_DEVICE: Key = Key::new("dxgi-device", Kind::Text, Scope::Device, "The adapter's name by DXGI.");
static DXCORE_DEVICE: Key = Key::new(
    "dxcore-device",
    Kind::Text,
    Scope::Device,
    "The adapter's name by DXCore: in WSL2, and of NPUs, which DXGI does not list.",
);
static SHARED_MEMORY: Key = Key::new(
    "shared-memory-bytes",
    Kind::Number,
    Scope::Device,
    "The machine's memory that the adapter may use at the most, in bytes.",
);
static DIRECT3D_LEVEL: Key = Key::new(
    "direct3d12-level",
    Kind::Text,
    Scope::Device,
    "The adapter's highest feature level of Direct3D 12, as in `12_1`, or `1_0_CORE` where it cannot draw.",
);
static DIRECTML_DEVICE: Key =
    Key::new("directml-device", Kind::Text, Scope::Device, "The adapter's name where DirectML made a device on it.");
static DIRECTML_LEVEL: Key = Key::new(
    "directml-level",
    Kind::Version,
    Scope::Device,
    "The highest feature level of DirectML on the adapter, as in `6.2`; it depends on the copy of the library.",
);

/// What the child tells of one adapter that is listed.
#[derive(Serialize, Deserialize)]
struct Adapter {
    name: String,
    /// 16 hexadecimal digits, the high part first.
    luid: String,
    vendor: u32,
    device: u32,
    memory_bytes: u64,
    shared_bytes: u64,
    software: bool,
    /// Whether it is part of the processor, where the list tells.
    integrated: Option<bool>,
    driver: Option<String>,
}

/// What the child tells of the devices that it made on one adapter.
#[derive(Serialize, Deserialize)]
struct Device {
    feature_level: String,
    unified_memory: Option<bool>,
    /// DirectML's feature level, where it was asked.
    directml: Option<Result<Option<String>, Missing>>,
}

/// Where this system has what DirectML needs.
struct Libraries {
    /// `dxgi` or `dxcore`.
    api: &'static str,
    list: String,
    direct3d: Option<String>,
    directml: Option<String>,
    /// Whether no library of NVIDIA is here to tell the number of its driver.
    nvidia_untold: bool,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    match host.system().as_str() {
        "windows" => ask_windows(host),
        "linux" => ask_wsl(host),
        _ => Vec::new(),
    }
}

fn ask_windows(host: &dyn Host) -> Vec<Fact> {
    let library = |name: &str| Question::Library(name.to_owned());
    let directml = library("DirectML.dll");
    let mut facts = vec![DIRECTML_LIBRARY.host(host.taken(&directml).map(Value::Text), &directml)];
    facts.extend(host.library("DirectML.dll").into_iter().map(|(path, _)| file_version(host, &path)));
    let list = library("dxgi.dll");
    let libraries = |api, list| Libraries {
        api,
        list,
        direct3d: host.taken(&library("d3d12.dll")).ok(),
        directml: host.taken(&directml).ok(),
        nvidia_untold: false,
    };
    let listed = match host.taken(&list) {
        Ok(path) => ask_adapters(host, &libraries("dxgi", path), &[], &mut facts),
        Err(missing) => {
            facts.push(DIRECT3D_ADAPTERS.host(missing, &list));
            Vec::new()
        }
    };
    if let Ok(path) = host.taken(&library("dxcore.dll")) {
        ask_adapters(host, &libraries("dxcore", path), &listed, &mut facts);
    }
    facts
}

fn ask_wsl(host: &dyn Host) -> Vec<Fact> {
    let door = Question::Node("/dev/dxg".to_owned());
    let access = host.ask(&door).map(|node| {
        let access = node.split(' ').nth(1).unwrap_or_default();
        Value::from(access)
    });
    let open = access.as_ref().is_ok_and(|access| access.to_string() == "rw");
    let is_there = access.is_ok();
    let mut facts = vec![DXG_ACCESS.host(access, &door)];
    if !is_there {
        return facts;
    }
    let names = host.list(WSL_LIBRARY_FOLDER);
    let mounted = |name: &str| names.iter().any(|has| has == name).then(|| format!("{WSL_LIBRARY_FOLDER}/{name}"));
    let directml = Question::Library("libdirectml.so".to_owned());
    let taken = host.taken(&directml).or_else(|missing| mounted("libdirectml.so").ok_or(missing));
    facts.push(DIRECTML_LIBRARY.host(taken.clone().map(Value::Text), &directml));
    match mounted("libdxcore.so") {
        Some(list) if open => {
            let libraries = Libraries {
                api: "dxcore",
                list,
                direct3d: mounted("libd3d12.so"),
                directml: taken.ok(),
                nvidia_untold: mounted("libnvidia-ml.so.1").is_none(),
            };
            ask_adapters(host, &libraries, &[], &mut facts);
        }
        Some(_) => facts.push(DIRECT3D_ADAPTERS.host(Missing::Denied, &door)),
        None => {
            let folder = Question::List(WSL_LIBRARY_FOLDER.to_owned());
            let missing = host.ask(&folder).err().unwrap_or(Missing::NotFound);
            facts.push(DIRECT3D_ADAPTERS.host(missing, &folder));
        }
    }
    facts
}

fn file_version(host: &dyn Host, path: &str) -> Fact {
    let question = Question::Image(path.to_owned());
    let image = host
        .ask(&question)
        .and_then(|header| serde_json::from_str::<Image>(&header).map_err(|error| Missing::Garbled(error.to_string())));
    let value = image.and_then(|image| version(&image.version.ok_or(Missing::NotFound)?));
    DIRECTML_VERSION.of(Subject::Library(path.to_owned()), value, &question)
}

/// Lists the adapters but for those that are known by their LUID already, and asks each. Returns the LUIDs that it found.
fn ask_adapters(host: &dyn Host, libraries: &Libraries, known: &[String], facts: &mut Vec<Fact>) -> Vec<String> {
    let question = native(vec![libraries.api.to_owned(), libraries.list.clone()]);
    let adapters: Result<Vec<Adapter>, Missing> = host.ask(&question).and_then(|json| parse(&json));
    if known.is_empty() {
        let count = adapters.as_ref().map(|adapters| Value::Number(adapters.len() as u64)).map_err(Clone::clone);
        facts.push(DIRECT3D_ADAPTERS.host(count, &question));
    }
    let adapters = adapters.unwrap_or_default();
    let luids = adapters.iter().map(|adapter| adapter.luid.clone()).collect();
    let hardware = adapters.iter().any(|adapter| !adapter.software);
    let numbered: Vec<(usize, Adapter)> =
        adapters.into_iter().enumerate().filter(|(_, adapter)| !known.contains(&adapter.luid)).collect();
    for (number, adapter) in &numbered {
        let subject = || Subject::Device(format!("{}:{number}", libraries.api));
        let name = if libraries.api == "dxgi" { &DXGI_DEVICE } else { &DXCORE_DEVICE };
        facts.push(name.of(subject(), Value::from(adapter.name.as_str()), &question));
        facts.push(DEVICE_LUID.of(subject(), Value::from(adapter.luid.as_str()), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from(vendor(adapter.vendor)), &question));
        let id = format!("{:04x}:{:04x}", adapter.vendor, adapter.device);
        facts.push(PCI_ID.of(subject(), Value::Text(id), &question));
        let kind = match adapter.integrated {
            _ if adapter.software => Some(SOFTWARE),
            Some(true) => Some("integrated"),
            Some(false) => Some("discrete"),
            None => None,
        };
        facts.extend(kind.map(|kind| DEVICE_KIND.of(subject(), Value::from(kind), &question)));
        for (key, bytes) in [(&DEVICE_MEMORY, adapter.memory_bytes), (&SHARED_MEMORY, adapter.shared_bytes)] {
            if !adapter.software && bytes > 0 {
                facts.push(key.of(subject(), Value::Number(bytes), &question));
            }
        }
        let driver = adapter.driver.as_deref();
        facts.extend(driver.map(|driver| ADAPTER_DRIVER.of(subject(), version(driver), &question)));
        // In WSL2 NVML tells NVIDIA's number; where Windows brings none, it follows from the one that Windows has.
        if libraries.nvidia_untold && vendor(adapter.vendor) == "nvidia" {
            let number = driver.and_then(nvidia_number);
            facts.extend(number.map(|number| NVIDIA_DRIVER.host(version(&number), &question)));
        }
    }
    facts.extend(parallel::facts(host, &numbered, |(number, adapter)| {
        match adapter.software && (hardware || !known.is_empty()) {
            true => Vec::new(),
            false => ask_device(host, libraries, *number, adapter),
        }
    }));
    luids
}

/// Asks one adapter for its devices.
fn ask_device(host: &dyn Host, libraries: &Libraries, number: usize, adapter: &Adapter) -> Vec<Fact> {
    let Some(direct3d) = &libraries.direct3d else { return Vec::new() };
    let subject = || Subject::Device(format!("{}:{number}", libraries.api));
    let alone = vec![libraries.api.to_owned(), libraries.list.clone(), adapter.luid.clone(), direct3d.clone()];
    let question = native(alone.iter().chain(&libraries.directml).cloned().collect());
    let answer = |question: &Question| host.ask(question).and_then(|json| parse::<Device>(&json));
    let mut facts = Vec::new();
    let (device, question) = match answer(&question) {
        // What killed the child may have been either; without DirectML it shows.
        Err(missing @ (Missing::Crashed(_) | Missing::TimedOut)) if libraries.directml.is_some() => {
            let without = native(alone);
            let device = answer(&without);
            if device.is_ok() {
                facts.push(DIRECTML_LEVEL.of(subject(), missing, &question));
            }
            (device, without)
        }
        device => (device, question),
    };
    let device = match device {
        Ok(device) => device,
        Err(missing) => {
            facts.push(DIRECT3D_LEVEL.of(subject(), missing, &question));
            return facts;
        }
    };
    facts.push(DIRECT3D_LEVEL.of(subject(), Value::Text(device.feature_level.clone()), &question));
    // DXGI does not say what kind an adapter is. One that computes and cannot draw is neither.
    let kind = match device.unified_memory {
        _ if adapter.software || adapter.integrated.is_some() => None,
        _ if device.feature_level.starts_with("1_0") => Some("other"),
        Some(true) => Some("integrated"),
        Some(false) => Some("discrete"),
        None => None,
    };
    facts.extend(kind.map(|kind| DEVICE_KIND.of(subject(), Value::from(kind), &question)));
    let unified = device.unified_memory.filter(|_| !adapter.software);
    facts.extend(unified.map(|unified| UNIFIED_MEMORY.of(subject(), Value::Flag(unified), &question)));
    match device.directml {
        None => {}
        Some(Err(missing)) => facts.push(DIRECTML_LEVEL.of(subject(), missing, &question)),
        Some(Ok(level)) => {
            facts.push(DIRECTML_DEVICE.of(subject(), Value::from(adapter.name.as_str()), &question));
            facts.extend(level.map(|level| DIRECTML_LEVEL.of(subject(), version(&level), &question)));
        }
    }
    facts
}

fn native(arguments: Vec<String>) -> Question {
    Question::Native(Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments })
}

fn parse<T: for<'a> Deserialize<'a>>(json: &str) -> Result<T, Missing> {
    serde_json::from_str(json).map_err(|error| Missing::Garbled(error.to_string()))
}
