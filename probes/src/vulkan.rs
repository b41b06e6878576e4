//! Vulkan: the loader, every driver (ICD) that a manifest names, and the devices that each lists.
//!
//! Looks for manifests where the loader does (the variables, then the configuration and data folders; on Windows the old
//! key and the display class of the registry), reads each manifest and the header of the library that it names, and then
//! asks every driver in a child of its own, with the loader's own variable pointing at that driver alone: one that
//! crashes costs one line. On Linux that child then asks wgpu as well, for the WebGPU probe: the driver is mapped already,
//! which is what costs time. One that dies is asked again for Vulkan alone, so that Vulkan is never blamed for WebGPU.
//! With `--deep` each device computes. Implicit layers are listed and not loaded. It cannot tell what
//! a layer would hide.
//! References: Vulkan loader, LoaderDriverInterface and LoaderInterfaceArchitecture; VkPhysicalDeviceType,
//! VkPhysicalDeviceIDProperties.

mod manifests;
#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{DEVICE_KIND, DEVICE_LUID, DEVICE_MEMORY, DEVICE_UUID, DEVICE_VENDOR, PCI_ID, vendor};
use crate::compute;
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::ladder::{Climb, Rung, State};
use crate::manifest::{self, Driver, NO_DEVICE, NO_KERNEL_DRIVER, OTHER_ARCHITECTURE, SOFTWARE};
use crate::parallel;
use crate::webgpu::Adapters;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "vulkan",
    keys: &[
        &VULKAN_LOADER,
        &VULKAN_LOADER_VERSION,
        &VULKAN_STATUS,
        &VULKAN_ICD,
        &VULKAN_ICD_LIBRARY,
        &VULKAN_DEVICE,
        &VULKAN_API,
        &VULKAN_DRIVER,
        &VULKAN_LAYERS,
        &VULKAN_COMPUTE,
    ],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 10,
};

static VULKAN_LOADER: Key =
    Key::new("vulkan-loader", Kind::Text, Scope::Host, "Path of the Vulkan loader that programs would get.");
static VULKAN_LOADER_VERSION: Key =
    Key::new("vulkan-loader-version", Kind::Version, Scope::Host, "The Vulkan version that the loader speaks.");
static VULKAN_STATUS: Key = Key::new(
    "vulkan-status",
    Kind::Text,
    Scope::Host,
    "What Vulkan answered a program: `working`, `incompatible-driver` (there is none) or `extension-not-present`. Told by a person.",
);
static VULKAN_ICD: Key = Key::new(
    "vulkan-icd",
    Kind::Text,
    Scope::Icd,
    "What a Vulkan driver lists: `hardware`, `software`, `no-device`; `other-architecture` or `no-kernel-driver` where it was not asked.",
);
static VULKAN_ICD_LIBRARY: Key =
    Key::new("vulkan-icd-library", Kind::Text, Scope::Icd, "The library that a Vulkan driver's manifest names.");
static VULKAN_DEVICE: Key = Key::new("vulkan-device", Kind::Text, Scope::Device, "The device's name by Vulkan.");
static VULKAN_API: Key =
    Key::new("vulkan-api", Kind::Version, Scope::Device, "The Vulkan version that the device's driver speaks.");
static VULKAN_DRIVER: Key = Key::new(
    "vulkan-driver",
    Kind::Text,
    Scope::Device,
    "Name and version of the device's Vulkan driver, in its own words.",
);
static VULKAN_LAYERS: Key =
    Key::new("vulkan-implicit-layers", Kind::Set, Scope::Host, "Layers that load unasked into every Vulkan program.");

static VULKAN_COMPUTE: Key = Key::new(
    "vulkan-compute",
    Kind::Text,
    Scope::Device,
    "With `--deep`: whether a small computation through Vulkan came out `right`, or what was wrong with it.",
);

/// The argument that makes a child ask nothing but Vulkan.
const ALONE: &str = "alone";

/// What the child tells of one driver.
#[derive(Serialize, Deserialize)]
pub(crate) struct Instance {
    /// The loader's version, `major.minor.patch`.
    loader: String,
    devices: Vec<Device>,
    /// What wgpu makes of the same driver, where the child asked it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webgpu: Option<Result<Adapters, Missing>>,
}

#[derive(Serialize, Deserialize)]
struct Device {
    name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    kind: String,
    vendor: u32,
    /// The device's number by its vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<u32>,
    api: String,
    driver: Option<String>,
    /// `domain:bus:device.function`, hexadecimal.
    pci: Option<String>,
    /// 8-4-4-4-12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uuid: Option<String>,
    /// 16 hexadecimal digits, where the driver says that its number is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    luid: Option<String>,
    memory_bytes: u64,
}

/// The ids of the devices in a driver's list, each told by its PCI address and its name: the address under which every
/// API has the device, else its name by `api`. Equal cards without an address are told apart by their place among their like.
pub(crate) fn device_ids<'a>(api: &str, devices: impl Iterator<Item = (Option<&'a str>, &'a str)>) -> Vec<String> {
    let mut nameless: Vec<&str> = Vec::new();
    let id = |(pci, name): (Option<&'a str>, &'a str)| {
        if let Some(pci) = pci {
            return pci.to_owned();
        }
        nameless.push(name);
        match nameless.iter().filter(|other| **other == name).count() {
            1 => format!("{api}:{name}"),
            number => format!("{api}:{name} #{number}"),
        }
    };
    devices.map(id).collect()
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let loader = loader(host);
    let path = host.taken(&loader);
    let mut facts = vec![VULKAN_LOADER.host(path.clone().map(Value::Text), &loader)];
    facts.push(manifests::layers(host));
    let drivers = drivers(host);
    let Ok(path) = path else { return facts };
    facts.extend(parallel::facts(host, &drivers, |driver| ask_driver(host, driver, &path)));
    for driver in &drivers {
        let origin = Question::Read(driver.manifest.clone());
        let library = driver.library.clone().ok().map(Value::Text);
        facts.extend(library.map(|library| VULKAN_ICD_LIBRARY.of(subject_of(driver), library, &origin)));
    }
    facts
}

/// The question for the loader that programs would get.
pub(crate) fn loader(host: &dyn Host) -> Question {
    let name = match host.system().as_str() {
        "windows" => "vulkan-1.dll",
        "macos" => "libvulkan.1.dylib",
        _ => "libvulkan.so.1",
    };
    Question::Library(name.to_owned())
}

/// The registered drivers, in the order in which the loader reads them.
pub(crate) fn drivers(host: &dyn Host) -> Vec<Driver> {
    manifests::drivers(host)
}

/// The subject of facts about a driver.
pub(crate) fn subject_of(driver: &Driver) -> Subject {
    Subject::Icd(format!("vulkan:{}", driver.manifest))
}

/// Variables that show the loader one driver alone.
pub(crate) fn shown_alone(driver: &Driver) -> Vec<(String, String)> {
    let alone = |name: &str| (name.to_owned(), driver.manifest.clone());
    // The second name is for loaders before 1.3.207. Layers are other people's code and not what is asked about.
    let layers = ("VK_LOADER_LAYERS_DISABLE".to_owned(), "~implicit~".to_owned());
    vec![alone("VK_DRIVER_FILES"), alone("VK_ICD_FILENAMES"), layers]
}

/// What one driver told, and by which question. Two probes want to know; the host asks once.
pub(crate) struct Told {
    vulkan: (Result<Instance, Missing>, Question),
    /// Where the child that asked both died and Vulkan alone is well: how the first one died.
    died: Option<(Missing, Question)>,
}

impl Told {
    /// What WebGPU gets from this driver, and the question that settled it. Vulkan's failure is WebGPU's, too.
    pub(crate) fn webgpu(self) -> (Result<Adapters, Missing>, Question) {
        match (self.died, self.vulkan) {
            (Some((missing, question)), _) => (Err(missing), question),
            (None, (Err(missing), question)) => (Err(missing), question),
            // wgpu takes its adapters from this list.
            (None, (Ok(instance), question)) if instance.devices.is_empty() => (Ok(Adapters::none()), question),
            (None, (Ok(instance), question)) => (instance.webgpu.unwrap_or(Err(Missing::NotRecorded)), question),
        }
    }
}

/// Asks one driver; or says what is to be said of it without asking.
pub(crate) fn tell(host: &dyn Host, driver: &Driver, loader: &str) -> Result<Told, (Result<Value, Missing>, Question)> {
    let read = Question::Read(driver.manifest.clone());
    match driver.loadable(host) {
        Ok(Some(_)) if driver.waits_for_nvidia(host) => Err((Ok(Value::from(NO_KERNEL_DRIVER)), read)),
        Ok(Some(_)) => Ok(told(host, driver, loader)),
        Ok(None) => Err((Ok(Value::from(OTHER_ARCHITECTURE)), read)),
        Err(missing) => Err((Err(missing), read)),
    }
}

fn told(host: &dyn Host, driver: &Driver, loader: &str) -> Told {
    let ask = |arguments: &[&str]| {
        let question = query(driver, arguments);
        let parse = |json: String| serde_json::from_str(&json).map_err(|error| Missing::Garbled(error.to_string()));
        (host.ask(&question).and_then(parse), question)
    };
    let both = ask(&[loader]);
    let crashed = matches!(both.0, Err(Missing::Crashed(_)));
    if !crashed || !asks_both(&host.system()) {
        return Told { vulkan: both, died: None };
    }
    match ask(&[loader, ALONE]) {
        (Err(Missing::NotRecorded), _) => Told { vulkan: both, died: None },
        vulkan => {
            let died = both.0.err().filter(|_| vulkan.0.is_ok()).map(|missing| (missing, both.1));
            Told { vulkan, died }
        }
    }
}

/// Whether a driver's child asks wgpu, too: where wgpu gets its adapters from Vulkan alone.
pub(crate) fn asks_both(system: &str) -> bool {
    !matches!(system, "windows" | "macos")
}

fn query(driver: &Driver, arguments: &[&str]) -> Question {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Question::Native(Query { environment: shown_alone(driver), probe: PROBE.name.to_owned(), arguments })
}

fn ask_driver(host: &dyn Host, driver: &Driver, loader: &str) -> Vec<Fact> {
    let subject = subject_of(driver);
    let (instance, question) = match tell(host, driver, loader) {
        Ok(told) => told.vulkan,
        Err((value, read)) => return vec![VULKAN_ICD.of(subject, value, &read)],
    };
    let instance = match instance {
        Ok(instance) => instance,
        Err(missing) => return vec![VULKAN_ICD.of(subject, without_devices(missing), &question)],
    };
    let state = manifest::listed(instance.devices.iter().map(|device| device.kind.as_str()));
    let mut facts = vec![
        VULKAN_LOADER_VERSION.host(version(&instance.loader), &question),
        VULKAN_ICD.of(subject, Value::from(state), &question),
    ];
    let mut computations = Vec::new();
    let listed = instance.devices.iter().map(|device| (device.pci.as_deref(), device.name.as_str()));
    let ids = device_ids("vulkan", listed);
    for (number, (device, id)) in instance.devices.into_iter().zip(ids).enumerate() {
        let subject = || Subject::Device(id.clone());
        let hardware = device.kind != SOFTWARE;
        facts.push(VULKAN_DEVICE.of(subject(), Value::Text(device.name), &question));
        if hardware {
            let number = device.device.map(|number| format!("{:04x}:{number:04x}", device.vendor));
            let texts = [(&PCI_ID, number), (&DEVICE_UUID, device.uuid), (&DEVICE_LUID, device.luid)];
            let texts =
                texts.into_iter().filter_map(|(key, text)| Some(key.of(subject(), Value::Text(text?), &question)));
            facts.push(DEVICE_MEMORY.of(subject(), Value::Number(device.memory_bytes), &question));
            facts.extend(texts);
        }
        facts.push(DEVICE_KIND.of(subject(), Value::Text(device.kind), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from(vendor(device.vendor)), &question));
        facts.push(VULKAN_API.of(subject(), version(&device.api), &question));
        facts.extend(device.driver.map(|driver| VULKAN_DRIVER.of(subject(), Value::Text(driver), &question)));
        computations.push((subject(), query(driver, &[compute::WORD, &number.to_string(), loader])));
    }
    if host.is_deep() {
        facts.extend(compute::ask_each(host, &VULKAN_COMPUTE, &computations));
    }
    facts
}

/// What is said of a driver that gave no list: loaders that only found drivers without their device answer with
/// VK_ERROR_INCOMPATIBLE_DRIVER, and mean nothing worse by it.
pub(crate) fn without_devices(missing: Missing) -> Result<Value, Missing> {
    match missing {
        Missing::Exited { code: -9, .. } => Ok(Value::from(NO_DEVICE)),
        missing => Err(missing),
    }
}

fn climb(report: &Report) -> Climb {
    let loader = report.all(VULKAN_LOADER.name).next().map(|fact| &fact.value);
    let climb = match loader {
        None => Climb::none(State::Unknown, "Vulkan was not asked about"),
        Some(Err(Missing::NotFound)) => Climb::new(State::NotInstalled, Rung::Library, "no Vulkan loader"),
        Some(Err(missing)) => Climb::none(State::Unknown, format!("the loader could not be looked for: {missing}")),
        Some(Ok(_)) if report.all(VULKAN_ICD.name).next().is_none() => Climb::new(
            State::NotInstalled,
            Rung::Library,
            "the loader is here, and no driver (ICD) is registered with it",
        ),
        Some(Ok(_)) => compute::climb(
            manifest::climb(report, &VULKAN_ICD, &VULKAN_DEVICE, "a CPU renderer, not a GPU"),
            report,
            &VULKAN_COMPUTE,
            &VULKAN_DEVICE,
        ),
    };
    let api = report.all(VULKAN_API.name).find_map(|fact| fact.value.as_ref().ok());
    climb.with("loader", report.version(VULKAN_LOADER_VERSION.name)).with("api", api)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::Answer;
    use crate::host::recording::Recording;
    use crate::webgpu;

    fn host(driver: Answer, alone: Option<Answer>) -> Recording {
        let manifest = "/usr/share/vulkan/icd.d/x.json";
        let image = r#"{"format":"elf","bits":64,"machine":"x86_64","complete":true}"#;
        let query = |more: &str| -> Question {
            let shown = format!("VK_DRIVER_FILES={manifest} VK_ICD_FILENAMES={manifest}");
            let text =
                format!("native {shown} VK_LOADER_LAYERS_DISABLE=~implicit~ vulkan /usr/lib/libvulkan.so.1{more}");
            text.parse().unwrap()
        };
        let answers = [
            (Question::System, Ok("linux x86_64".to_owned())),
            (
                Question::Library("libvulkan.so.1".into()),
                Ok("/usr/lib/libvulkan.so.1 -> /usr/lib/libvulkan.so.1.3.239".into()),
            ),
            (Question::List("/usr/share/vulkan/icd.d".into()), Ok("readme\nx.json".into())),
            (Question::Read(manifest.into()), Ok(r#"{"ICD": {"library_path": "/usr/lib/libx.so"}}"#.into())),
            (Question::Image("/usr/lib/libx.so".into()), Ok(image.into())),
            (query(""), driver),
        ];
        let alone = alone.map(|alone| (query(" alone"), alone));
        Recording::of(String::new(), "test", answers.into_iter().chain(alone))
    }

    fn climbed(driver: Answer) -> (State, Option<Rung>) {
        let climb = climb(&Report { probes: Vec::new(), facts: ask(&host(driver, None)) });
        (climb.state, climb.rung)
    }

    fn devices(kind: &str, more: &str) -> Answer {
        let device = format!(
            r#"{{"name":"X","kind":"{kind}","vendor":4318,"api":"1.3.1","driver":null,"pci":"0000:01:00.0","memory_bytes":1}}"#
        );
        Ok(format!(r#"{{"loader":"1.3.239","devices":[{device}]{more}}}"#))
    }

    #[test]
    fn equal_cards_without_an_address_stay_two() {
        let listed = [(None, "A"), (Some("0000:01:00.0"), "A"), (None, "B"), (None, "A")];
        let ids = device_ids("vulkan", listed.into_iter());
        assert_eq!(ids, ["vulkan:A", "0000:01:00.0", "vulkan:B", "vulkan:A #2"]);
    }

    #[test]
    fn every_end_of_a_driver_has_its_state() {
        assert_eq!(climbed(devices("discrete", "")), (State::Working, Some(Rung::Enumerate)));
        assert_eq!(climbed(devices("software", "")), (State::SoftwareOnly, Some(Rung::Enumerate)));
        assert_eq!(
            climbed(Ok(r#"{"loader":"1.3.239","devices":[]}"#.into())),
            (State::NotInstalled, Some(Rung::Enumerate))
        );
        assert_eq!(climbed(Err(Missing::Crashed("signal 11".into()))), (State::Crashed, Some(Rung::Initialise)));
        assert_eq!(climbed(Err(Missing::TimedOut)), (State::TimedOut, Some(Rung::Initialise)));
        assert_eq!(climbed(Err(Missing::Denied)), (State::Blocked, Some(Rung::Load)));
        assert_eq!(climbed(Err(Missing::NotRecorded)), (State::Unknown, None));
        let exited = |code| Err(Missing::Exited { code, message: "vkCreateInstance".into() });
        assert_eq!(climbed(exited(-1)), (State::Broken, Some(Rung::Initialise)));
        assert_eq!(climbed(exited(-9)), (State::NotInstalled, Some(Rung::Enumerate)));
    }

    /// What both probes make of a driver: how they stand.
    fn both(driver: Answer, alone: Option<Answer>) -> [State; 2] {
        let host = host(driver, alone);
        let facts = [ask(&host), (webgpu::PROBE.ask)(&host)].concat();
        let report = Report { probes: Vec::new(), facts };
        [climb(&report).state, webgpu::PROBE.climb.unwrap()(&report).state]
    }

    #[test]
    fn what_wgpu_does_is_told_of_webgpu_alone() {
        use State::{Broken, Crashed, NotInstalled, SoftwareOnly, TimedOut, Unknown, Working};
        let crash = || Err(Missing::Crashed("signal 11".into()));
        let with = |webgpu: &str| devices("discrete", &format!(r#","webgpu":{webgpu}"#));
        let adapter = |kind: &str| {
            let adapter = format!(
                r#"{{"name":"X","kind":"{kind}","vendor":4318,"device":9860,"driver":null,"pci":"0000:01:00.0"}}"#
            );
            with(&format!(r#"{{"Ok":{{"wgpu":"30.0.1","adapters":[{adapter}]}}}}"#))
        };
        assert_eq!(both(adapter("discrete"), None), [Working, Working]);
        assert_eq!(both(with(r#"{"Ok":{"adapters":[]}}"#), None), [Working, NotInstalled]);
        assert_eq!(both(with(r#"{"Err":"timed-out"}"#), None), [Working, TimedOut]);
        assert_eq!(both(with(r#"{"Err":{"garbled":"wgpu panicked"}}"#), None), [Working, Broken]);
        assert_eq!(both(devices("discrete", ""), None), [Working, Unknown], "from before wgpu was asked");
        assert_eq!(both(crash(), Some(devices("discrete", ""))), [Working, Crashed]);
        assert_eq!(both(crash(), Some(devices("software", ""))), [SoftwareOnly, Crashed]);
        assert_eq!(both(crash(), Some(crash())), [Crashed, Crashed]);
        assert_eq!(both(crash(), None), [Crashed, Crashed]);
        assert_eq!(both(Err(Missing::TimedOut), None), [TimedOut, TimedOut]);
        assert_eq!(both(Ok(r#"{"loader":"1.3.239","devices":[]}"#.into()), None), [NotInstalled, NotInstalled]);
    }

    #[test]
    fn a_device_is_one_for_both_and_has_its_numbers() {
        let device = r#"{"name":"X","kind":"discrete","vendor":4318,"device":9860,"api":"1.3.1","driver":null,"pci":null,
            "uuid":"00000000-0000-4000-8000-000000000001","luid":"0000000000012345","memory_bytes":1}"#;
        let adapter = r#"{"name":"X","kind":"discrete","vendor":4318,"device":9860,"driver":"NVIDIA 1","pci":null}"#;
        let webgpu = format!(r#"{{"Ok":{{"wgpu":"30.0.1","adapters":[{adapter}]}}}}"#);
        let host = host(Ok(format!(r#"{{"loader":"1.3.239","devices":[{device}],"webgpu":{webgpu}}}"#)), None);
        let report = Report { probes: Vec::new(), facts: [ask(&host), (webgpu::PROBE.ask)(&host)].concat() };
        let subject = Subject::Device("vulkan:X".into());
        for (key, value) in [
            ("pci-id", "10de:2684"),
            ("device-uuid", "00000000-0000-4000-8000-000000000001"),
            ("device-luid", "0000000000012345"),
            ("webgpu-device", "X"),
            ("webgpu-api", "vulkan"),
            ("webgpu-driver", "NVIDIA 1"),
        ] {
            assert_eq!(report.about(&subject, key), Some(&Value::from(value)), "{key}");
        }
    }
}
