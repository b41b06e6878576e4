//! Vulkan: the loader, every driver (ICD) that a manifest names, and the devices that each lists.
//!
//! Looks for manifests where the loader does (the variables, then the configuration and data folders; on Windows the old
//! key and the display class of the registry), reads each manifest and the header of the library that it names, and then
//! asks every driver in a child of its own, with the loader's own variable pointing at that driver alone: one that
//! crashes costs one line. Implicit layers are listed and not loaded. It cannot tell what a layer would hide.
//! References: Vulkan loader, LoaderDriverInterface and LoaderInterfaceArchitecture; VkPhysicalDeviceType.

#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{DEVICE_KIND, DEVICE_MEMORY, DEVICE_VENDOR, DISPLAY_CLASS, vendor};
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::ladder::{Climb, Rung, State};
use crate::manifest::{self, Driver, HARDWARE, NO_DEVICE, NO_KERNEL_DRIVER, OTHER_ARCHITECTURE, SOFTWARE};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "vulkan",
    keys: &[
        &VULKAN_LOADER,
        &VULKAN_LOADER_VERSION,
        &VULKAN_ICD,
        &VULKAN_ICD_LIBRARY,
        &VULKAN_DEVICE,
        &VULKAN_API,
        &VULKAN_DRIVER,
        &VULKAN_LAYERS,
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

/// What the child tells of one driver.
#[derive(Serialize, Deserialize)]
struct Instance {
    /// The loader's version, `major.minor.patch`.
    loader: String,
    devices: Vec<Device>,
}

#[derive(Serialize, Deserialize)]
struct Device {
    name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    kind: String,
    vendor: u32,
    api: String,
    driver: Option<String>,
    /// `domain:bus:device.function`, hexadecimal.
    pci: Option<String>,
    memory_bytes: u64,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let loader = Question::Library(
        match host.system().as_str() {
            "windows" => "vulkan-1.dll",
            "macos" => "libvulkan.1.dylib",
            _ => "libvulkan.so.1",
        }
        .to_owned(),
    );
    let path = host.taken(&loader);
    let mut facts = vec![VULKAN_LOADER.host(path.clone().map(Value::Text), &loader)];
    facts.push(ask_layers(host));
    let drivers = drivers(host);
    let Ok(path) = path else { return facts };
    facts.extend(manifest::each(&drivers, |driver| ask_driver(host, driver, &path)));
    for driver in &drivers {
        let subject = Subject::Icd(format!("vulkan:{}", driver.manifest));
        let origin = Question::Read(driver.manifest.clone());
        let library = driver.library.clone().ok().map(Value::Text);
        facts.extend(library.map(|library| VULKAN_ICD_LIBRARY.of(subject, library, &origin)));
    }
    facts
}

fn ask_driver(host: &dyn Host, driver: &Driver, loader: &str) -> Vec<Fact> {
    let subject = Subject::Icd(format!("vulkan:{}", driver.manifest));
    let read = Question::Read(driver.manifest.clone());
    match driver.loadable(host) {
        Ok(Some(_)) => {}
        Ok(None) => return vec![VULKAN_ICD.of(subject, Value::from(OTHER_ARCHITECTURE), &read)],
        Err(missing) => return vec![VULKAN_ICD.of(subject, missing, &read)],
    }
    if driver.waits_for_nvidia(host) {
        return vec![VULKAN_ICD.of(subject, Value::from(NO_KERNEL_DRIVER), &read)];
    }
    let alone = |name: &str| (name.to_owned(), driver.manifest.clone());
    let question = Question::Native(Query {
        // The second name is for loaders before 1.3.207. Layers are other people's code and not what is asked about.
        environment: vec![
            alone("VK_DRIVER_FILES"),
            alone("VK_ICD_FILENAMES"),
            ("VK_LOADER_LAYERS_DISABLE".to_owned(), "~implicit~".to_owned()),
        ],
        probe: PROBE.name.to_owned(),
        arguments: vec![loader.to_owned()],
    });
    let instance = host
        .ask(&question)
        .and_then(|json| serde_json::from_str::<Instance>(&json).map_err(|error| Missing::Garbled(error.to_string())));
    let instance = match instance {
        Ok(instance) => instance,
        // Loaders that only found drivers without their device answer so, and say nothing worse with it.
        Err(Missing::Exited { code: -9, .. }) => {
            return vec![VULKAN_ICD.of(subject, Value::from(NO_DEVICE), &question)];
        }
        Err(missing) => return vec![VULKAN_ICD.of(subject, missing, &question)],
    };
    let state = match () {
        () if instance.devices.iter().any(|device| device.kind != SOFTWARE) => HARDWARE,
        () if instance.devices.is_empty() => NO_DEVICE,
        () => SOFTWARE,
    };
    let mut facts = vec![
        VULKAN_LOADER_VERSION.host(version(&instance.loader), &question),
        VULKAN_ICD.of(subject, Value::from(state), &question),
    ];
    for device in instance.devices {
        let id = device.pci.unwrap_or_else(|| format!("vulkan:{}", device.name));
        let subject = || Subject::Device(id.clone());
        facts.push(VULKAN_DEVICE.of(subject(), Value::Text(device.name), &question));
        if device.kind != SOFTWARE {
            facts.push(DEVICE_MEMORY.of(subject(), Value::Number(device.memory_bytes), &question));
        }
        facts.push(DEVICE_KIND.of(subject(), Value::Text(device.kind), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from(vendor(device.vendor)), &question));
        facts.push(VULKAN_API.of(subject(), version(&device.api), &question));
        facts.extend(device.driver.map(|driver| VULKAN_DRIVER.of(subject(), Value::Text(driver), &question)));
    }
    facts
}

/// The drivers in the order in which the loader reads them.
fn drivers(host: &dyn Host) -> Vec<Driver> {
    let listed = host.env("VK_DRIVER_FILES").or_else(|| host.env("VK_ICD_FILENAMES"));
    let mut manifests = match listed.filter(|listed| !listed.is_empty()) {
        Some(listed) => named_files(host, &listed),
        None => {
            let mut manifests = named_files(host, &host.env("VK_ADD_DRIVER_FILES").unwrap_or_default());
            manifests.extend(match host.is_windows() {
                true => registered(host),
                false => files_below(host, "icd.d"),
            });
            manifests
        }
    };
    let mut seen = Vec::new();
    manifests.retain(|manifest| {
        let new = !seen.contains(manifest);
        seen.push(manifest.clone());
        new
    });
    manifests
        .into_iter()
        .map(|manifest| {
            let library = host.read(&manifest).and_then(|text| library_path(&text));
            Driver { manifest, library }
        })
        .collect()
}

/// Files named one by one, or all manifests of a folder that is named.
fn named_files(host: &dyn Host, listed: &str) -> Vec<String> {
    let separator = if host.is_windows() { ';' } else { ':' };
    let named = listed.split(separator).filter(|path| !path.is_empty());
    named
        .flat_map(|path| match host.node(path) {
            Ok(node) if node.starts_with("directory") => manifests_in(host, path),
            _ => vec![path.to_owned()],
        })
        .collect()
}

fn manifests_in(host: &dyn Host, folder: &str) -> Vec<String> {
    let names = host.list(folder).into_iter().filter(|name| name.to_lowercase().ends_with(".json"));
    names.map(|name| format!("{folder}/{name}")).collect()
}

/// Manifests in the loader's folders: configuration before data, the user's before the system's.
fn files_below(host: &dyn Host, kind: &str) -> Vec<String> {
    let paths = |name: &str, otherwise: &str| {
        let value = host.env(name).filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.to_owned());
        value.split(':').map(str::to_owned).collect::<Vec<_>>()
    };
    let mut roots = paths("XDG_CONFIG_HOME", "~/.config");
    roots.extend(paths("XDG_CONFIG_DIRS", "/etc/xdg"));
    roots.extend(["/usr/local/etc".to_owned(), "/etc".to_owned()]);
    roots.extend(paths("XDG_DATA_HOME", "~/.local/share"));
    roots.extend(paths("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    if host.system() == "macos" {
        roots.extend(["/opt/homebrew/share".to_owned(), "/usr/local/share".to_owned()]);
    }
    roots.iter().flat_map(|root| manifests_in(host, &format!("{}/vulkan/{kind}", root.trim_end_matches('/')))).collect()
}

/// Manifests in the registry of Windows: the old key, where a value of 0 means "on", and the adapters of the display class.
fn registered(host: &dyn Host) -> Vec<String> {
    let old = host.registry(r"HKLM\SOFTWARE\Khronos\Vulkan\Drivers", "*").unwrap_or_default();
    let mut manifests: Vec<String> =
        old.lines().filter_map(|line| line.strip_suffix("=0")).map(str::to_owned).collect();
    let adapters = host.ask(&Question::Registry(DISPLAY_CLASS.to_owned())).unwrap_or_default();
    for adapter in adapters.lines() {
        let listed = host.registry(&format!(r"{DISPLAY_CLASS}\{adapter}"), "VulkanDriverName").unwrap_or_default();
        manifests.extend(listed.split(';').filter(|path| !path.is_empty()).map(str::to_owned));
    }
    manifests
}

/// `library_path` of a driver's manifest.
fn library_path(text: &str) -> Result<String, Missing> {
    let json: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Missing::Garbled(format!("its manifest is not JSON: {error}")))?;
    let path = json.get("ICD").and_then(|icd| icd.get("library_path")).and_then(serde_json::Value::as_str);
    match path {
        Some(path) if !path.is_empty() => Ok(path.to_owned()),
        _ => Err(Missing::Garbled("its manifest names no library".to_owned())),
    }
}

fn ask_layers(host: &dyn Host) -> Fact {
    let mut layers: Vec<String> = match host.is_windows() {
        true => {
            let keys = host.registry(r"HKLM\SOFTWARE\Khronos\Vulkan\ImplicitLayers", "*").unwrap_or_default();
            keys.lines().filter_map(|line| line.strip_suffix("=0")).map(str::to_owned).collect()
        }
        false => files_below(host, "implicit_layer.d"),
    };
    for layer in &mut layers {
        let name = host.read(layer).ok().and_then(|text| layer_name(&text));
        *layer = name.unwrap_or_else(|| layer.clone());
    }
    layers.sort();
    layers.dedup();
    let origin = match host.is_windows() {
        true => Question::Registry(r"HKLM\SOFTWARE\Khronos\Vulkan\ImplicitLayers@*".to_owned()),
        false => Question::List("/usr/share/vulkan/implicit_layer.d".to_owned()),
    };
    let value = match host.ask(&origin) {
        Err(Missing::NotRecorded) if layers.is_empty() => Err(Missing::NotRecorded),
        _ => Ok(Value::Set(layers)),
    };
    VULKAN_LAYERS.host(value, &origin)
}

fn layer_name(text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let layer = json.get("layer").or_else(|| json.get("layers")?.get(0))?;
    layer.get("name")?.as_str().map(str::to_owned)
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
        Some(Ok(_)) => manifest::climb(report, &VULKAN_ICD, &VULKAN_DEVICE, "a CPU renderer, not a GPU"),
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

    #[test]
    fn reads_a_manifest_and_says_what_is_wrong_with_one() {
        assert_eq!(library_path(r#"{"ICD": {"library_path": "libx.so", "api_version": "1.3.0"}}"#).unwrap(), "libx.so");
        for text in ["", "{", "[]", r#"{"ICD": {}}"#, r#"{"ICD": {"library_path": 5}}"#, &"[".repeat(100_000)] {
            assert!(matches!(library_path(text), Err(Missing::Garbled(_))));
        }
        assert_eq!(
            layer_name(r#"{"layer": {"name": "VK_LAYER_MESA_device_select"}}"#).unwrap(),
            "VK_LAYER_MESA_device_select"
        );
    }

    fn host(driver: Answer) -> Recording {
        let manifest = "/usr/share/vulkan/icd.d/x.json";
        let image = r#"{"format":"elf","bits":64,"machine":"x86_64","complete":true}"#;
        let query = format!(
            "native VK_DRIVER_FILES={manifest} VK_ICD_FILENAMES={manifest} VK_LOADER_LAYERS_DISABLE=~implicit~ vulkan /usr/lib/libvulkan.so.1"
        );
        Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("linux x86_64".to_owned())),
                (
                    Question::Library("libvulkan.so.1".into()),
                    Ok("/usr/lib/libvulkan.so.1 -> /usr/lib/libvulkan.so.1.3.239".into()),
                ),
                (Question::List("/usr/share/vulkan/icd.d".into()), Ok("readme\nx.json".into())),
                (Question::Read(manifest.into()), Ok(r#"{"ICD": {"library_path": "/usr/lib/libx.so"}}"#.into())),
                (Question::Image("/usr/lib/libx.so".into()), Ok(image.into())),
                (query.parse().unwrap(), driver),
            ],
        )
    }

    fn climbed(driver: Answer) -> (State, Option<Rung>) {
        let climb = climb(&Report { probes: Vec::new(), facts: ask(&host(driver)) });
        (climb.state, climb.rung)
    }

    #[test]
    fn every_end_of_a_driver_has_its_state() {
        let devices = |kind: &str| {
            let device = format!(
                r#"{{"name":"X","kind":"{kind}","vendor":4318,"api":"1.3.1","driver":null,"pci":"0000:01:00.0","memory_bytes":1}}"#
            );
            Ok(format!(r#"{{"loader":"1.3.239","devices":[{device}]}}"#))
        };
        assert_eq!(climbed(devices("discrete")), (State::Working, Some(Rung::Enumerate)));
        assert_eq!(climbed(devices("software")), (State::SoftwareOnly, Some(Rung::Enumerate)));
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
}
