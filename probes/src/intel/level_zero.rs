//! Level Zero: the loader, the libraries of its drivers, and what each driver lists when it is asked alone.

use serde::{Deserialize, Serialize};

use super::PROBE;
use crate::bus::{DEVICE_KIND, DEVICE_MEMORY, DEVICE_UUID, DEVICE_VENDOR, DISPLAY_CLASS, PCI_ID, vendor};
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::manifest::{self, Driver, HARDWARE, NO_DEVICE, SOFTWARE};
use crate::nvidia_driver::file_version;
use crate::parallel;

pub(super) static LEVEL_ZERO_LOADER: Key =
    Key::new("level-zero-loader", Kind::Text, Scope::Host, "Path of the Level Zero loader that programs would get.");
pub(super) static LEVEL_ZERO_LOADER_VERSION: Key = Key::new(
    "level-zero-loader-version",
    Kind::Version,
    Scope::Host,
    "Version of the Level Zero loader, by the name of its file or in its own words.",
);
pub(super) static LEVEL_ZERO_DRIVER: Key = Key::new(
    "level-zero-driver",
    Kind::Text,
    Scope::Host,
    "Path of the Level Zero driver for Intel's GPUs, the one part of oneAPI that no toolkit brings.",
);
pub(super) static LEVEL_ZERO_ICD: Key = Key::new(
    "level-zero-icd",
    Kind::Text,
    Scope::Icd,
    "What a Level Zero driver lists when it is asked alone: `hardware`, `software` or `no-device`.",
);
pub(super) static LEVEL_ZERO_ICD_VERSION: Key = Key::new(
    "level-zero-icd-version",
    Kind::Version,
    Scope::Icd,
    "Version of a Level Zero driver that lists GPUs, read as Intel's driver packs it: `1.3.26241`.",
);
pub(super) static LEVEL_ZERO_DEVICE: Key =
    Key::new("level-zero-device", Kind::Text, Scope::Device, "The device's name by Level Zero.");
pub(super) static LEVEL_ZERO_TYPE: Key = Key::new(
    "level-zero-type",
    Kind::Text,
    Scope::Device,
    "What the device is to Level Zero: `gpu`, `npu`, `cpu`, `fpga` or `other`.",
);
pub(super) static LEVEL_ZERO_MASKED: Key = Key::new(
    "level-zero-masked",
    Kind::Flag,
    Scope::Host,
    "Whether a Level Zero driver lists GPUs only once `ZE_AFFINITY_MASK` is taken away.",
);
pub(super) static ZE_AFFINITY_MASK: Key = Key::new(
    "ze-affinity-mask",
    Kind::Text,
    Scope::Host,
    "`ZE_AFFINITY_MASK`, where it is set: the devices of Level Zero that programs get.",
);

/// What the child tells of one driver.
#[derive(Serialize, Deserialize)]
pub(super) struct Listing {
    /// The loader's version in its own words.
    pub loader: Option<String>,
    /// `driverVersion` of the driver.
    pub version: Option<u32>,
    pub devices: Vec<Device>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Device {
    pub name: String,
    /// `gpu`, `npu`, `cpu`, `fpga` or `other`.
    pub kind: String,
    pub integrated: bool,
    pub vendor: u32,
    pub device: u32,
    pub uuid: Option<String>,
    /// `domain:bus:device.function`, hexadecimal.
    pub pci: Option<String>,
    pub memory_bytes: Option<u64>,
}

/// `ZE_RESULT_ERROR_UNINITIALIZED`: the loader's answer where no driver has a device, for whatever reason.
const UNINITIALIZED: i64 = 0x7800_0001;

/// The loader, its drivers and their devices. Without a driver the loader alone is asked, which knows more names.
pub(super) fn ask(host: &dyn Host, gpu: bool) -> Vec<Fact> {
    let library = Question::Library(if host.is_windows() { "ze_loader.dll" } else { "libze_loader.so.1" }.to_owned());
    let loader = host.taken(&library);
    let mut facts = vec![LEVEL_ZERO_LOADER.host(loader.clone().map(Value::Text), &library)];
    let (drivers, missing) = drivers(host, &mut facts);
    if !facts.iter().any(|fact| *fact.key == LEVEL_ZERO_DRIVER) {
        let asked = Question::Library(GPU_DRIVERS.first().copied().unwrap_or_default().to_owned());
        facts.push(LEVEL_ZERO_DRIVER.host(missing, &asked));
    }
    let Ok(loader) = loader else { return facts };
    let file = host.library(&library.text()).into_iter().next().and_then(|(_, file)| file_version(&file));
    facts.extend(file.map(|version| LEVEL_ZERO_LOADER_VERSION.host(version, &library)));
    let mask = Question::Env("ZE_AFFINITY_MASK".to_owned());
    let mask_value = host.ask(&mask).ok().filter(|value| !value.trim().is_empty());
    let masked = mask_value.is_some() && gpu;
    facts.extend(mask_value.map(|value| ZE_AFFINITY_MASK.host(Value::Text(value), &mask)));
    if drivers.is_empty() {
        facts.extend(ask_one(host, &loader, &loader, Vec::new(), false));
        return facts;
    }
    facts.extend(parallel::facts(host, &drivers, |driver| {
        let subject = || Subject::Icd(format!("level-zero:{}", driver.manifest));
        let image = Question::Image(driver.manifest.clone());
        match driver.loadable(host) {
            Ok(Some(path)) => {
                let alone = vec![("ZE_ENABLE_ALT_DRIVERS".to_owned(), path)];
                ask_one(host, &loader, &driver.manifest, alone, masked)
            }
            Ok(None) => vec![LEVEL_ZERO_ICD.of(subject(), Value::from(manifest::OTHER_ARCHITECTURE), &image)],
            Err(missing) => vec![LEVEL_ZERO_ICD.of(subject(), missing, &image)],
        }
    }));
    facts
}

/// Libraries of drivers for GPUs; the second is for GPUs that the first gave up.
const GPU_DRIVERS: [&str; 2] = ["libze_intel_gpu.so.1", "libze_intel_gpu_legacy1.so.1"];
/// Libraries of drivers for NPUs, under the new name and the old one.
const NPU_DRIVERS: [&str; 2] = ["libze_intel_npu.so.1", "libze_intel_vpu.so.1"];

/// The drivers that the loader would load, and why there is none of a GPU.
fn drivers(host: &dyn Host, facts: &mut Vec<Fact>) -> (Vec<Driver>, Missing) {
    let mut drivers: Vec<Driver> = Vec::new();
    let mut missing = Missing::NotFound;
    let mut add = |path: String| {
        if !drivers.iter().any(|known| known.manifest == path) {
            drivers.push(Driver { manifest: path.clone(), library: Ok(path) });
        }
    };
    let mut told = |path: &str, question: &Question| {
        facts.push(LEVEL_ZERO_DRIVER.host(Value::from(path), question));
    };
    let alternatives = Question::Env("ZE_ENABLE_ALT_DRIVERS".to_owned());
    if let Some(listed) = host.ask(&alternatives).ok().filter(|listed| !listed.is_empty()) {
        for name in listed.split(',').filter(|name| !name.is_empty()) {
            let path = host.library(name).into_iter().next().map_or_else(|| name.to_owned(), |(path, _)| path);
            if !name.contains("npu") && !name.contains("vpu") {
                told(&path, &alternatives);
            }
            add(path);
        }
    } else if host.is_windows() {
        let adapters = host.ask(&Question::Registry(DISPLAY_CLASS.to_owned())).unwrap_or_default();
        for adapter in adapters.lines() {
            let question = Question::Registry(format!(r"{DISPLAY_CLASS}\{adapter}@LevelZeroDriverPath"));
            let listed = host.ask(&question).unwrap_or_default();
            for path in listed.split(';').filter(|path| !path.is_empty()) {
                told(path, &question);
                add(path.to_owned());
            }
        }
    } else {
        for name in GPU_DRIVERS.into_iter().chain(NPU_DRIVERS) {
            let question = Question::Library(name.to_owned());
            match host.taken(&question) {
                Ok(path) => {
                    if GPU_DRIVERS.contains(&name) {
                        told(&path, &question);
                    }
                    add(path);
                }
                Err(why) if why != Missing::NotFound => missing = why,
                Err(_) => {}
            }
        }
    }
    (drivers, missing)
}

fn ask_one(host: &dyn Host, loader: &str, path: &str, alone: Vec<(String, String)>, masked: bool) -> Vec<Fact> {
    let subject = || Subject::Icd(format!("level-zero:{path}"));
    let question = |more: Option<(String, String)>| {
        Question::Native(Query {
            environment: alone.iter().cloned().chain(more).collect(),
            probe: PROBE.name.to_owned(),
            arguments: vec![loader.to_owned()],
        })
    };
    let plain = question(None);
    let listing = match listing(host, &plain) {
        Err(missing) => return vec![LEVEL_ZERO_ICD.of(subject(), missing, &plain)],
        Ok(listing) => listing,
    };
    let mut facts = Vec::new();
    let state = match listing.devices.as_slice() {
        [] => NO_DEVICE,
        devices if devices.iter().all(|device| device.kind == "cpu") => SOFTWARE,
        _ => HARDWARE,
    };
    facts.push(LEVEL_ZERO_ICD.of(subject(), Value::from(state), &plain));
    facts.extend(listing.loader.map(|loader| LEVEL_ZERO_LOADER_VERSION.host(version(&loader), &plain)));
    let gpus = |listing: &[Device]| listing.iter().any(|device| device.kind == "gpu");
    if let Some(packed) = listing.version.filter(|_| gpus(&listing.devices)) {
        let text = format!("{}.{}.{}", packed >> 24, packed >> 16 & 0xff, packed & 0xffff);
        facts.push(LEVEL_ZERO_ICD_VERSION.of(subject(), version(&text), &plain));
    }
    if masked && !gpus(&listing.devices) {
        let bare = question(Some(("ZE_AFFINITY_MASK".to_owned(), String::new())));
        let hidden = self::listing(host, &bare).is_ok_and(|listing| gpus(&listing.devices));
        facts.push(LEVEL_ZERO_MASKED.host(Value::Flag(hidden), &bare));
    }
    for (number, device) in listing.devices.into_iter().enumerate() {
        let id = device.pci.clone().unwrap_or_else(|| format!("level-zero:{number}"));
        facts.extend(describe(&id, device, &plain));
    }
    facts
}

/// What a driver lists: nothing, where the loader answers that none of its drivers has a device.
fn listing(host: &dyn Host, question: &Question) -> Result<Listing, Missing> {
    match host.ask(question) {
        Ok(json) => serde_json::from_str(&json).map_err(|error| Missing::Garbled(error.to_string())),
        Err(Missing::Exited { code: UNINITIALIZED, .. }) => {
            Ok(Listing { loader: None, version: None, devices: Vec::new() })
        }
        Err(missing) => Err(missing),
    }
}

fn describe(id: &str, device: Device, question: &Question) -> Vec<Fact> {
    let subject = || Subject::Device(id.to_owned());
    let kind = match (device.kind.as_str(), device.integrated) {
        ("cpu", _) => SOFTWARE,
        ("gpu", true) => "integrated",
        ("gpu", false) => "discrete",
        _ => "other",
    };
    let mut facts = vec![
        LEVEL_ZERO_DEVICE.of(subject(), Value::Text(device.name), question),
        LEVEL_ZERO_TYPE.of(subject(), Value::Text(device.kind), question),
        DEVICE_KIND.of(subject(), Value::from(kind), question),
        DEVICE_VENDOR.of(subject(), Value::from(vendor(device.vendor)), question),
        PCI_ID.of(subject(), Value::Text(format!("{:04x}:{:04x}", device.vendor, device.device)), question),
    ];
    facts.extend(device.memory_bytes.map(|bytes| DEVICE_MEMORY.of(subject(), Value::Number(bytes), question)));
    facts.extend(device.uuid.map(|uuid| DEVICE_UUID.of(subject(), Value::Text(uuid), question)));
    facts
}
