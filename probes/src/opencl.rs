//! OpenCL: the loader, every driver that it would load, and the platforms and devices that each lists.
//!
//! Looks for `.icd` files where the loader does (on Windows the old key and the display class of the registry), reads
//! each and the header of the library that it names, and asks every driver in a child of its own, which shows the loader
//! a folder with that one driver. PoCL and other CPU implementations are told apart by their device type. It cannot tell
//! what a loader's layers would change.
//! References: OpenCL ICD loader (`OCL_ICD_VENDORS`, `OPENCL_VENDOR_PATH`), cl_khr_icd; `cl_device_type`.

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
    name: "opencl",
    keys: &[&OPENCL_LOADER, &OPENCL_ICD, &OPENCL_PLATFORM, &OPENCL_DEVICE, &OPENCL_VERSION, &OPENCL_DRIVER],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 10,
};

static OPENCL_LOADER: Key =
    Key::new("opencl-loader", Kind::Text, Scope::Host, "Path of the OpenCL loader that programs would get.");
static OPENCL_ICD: Key = Key::new(
    "opencl-icd",
    Kind::Text,
    Scope::Icd,
    "What an OpenCL driver lists: `hardware`, `software`, `no-device`; `other-architecture` or `no-kernel-driver` where it was not asked.",
);
static OPENCL_PLATFORM: Key =
    Key::new("opencl-platform", Kind::Text, Scope::Icd, "Name and version of the platform that the driver offers.");
static OPENCL_DEVICE: Key = Key::new("opencl-device", Kind::Text, Scope::Device, "The device's name by OpenCL.");
static OPENCL_VERSION: Key =
    Key::new("opencl-version", Kind::Version, Scope::Device, "The OpenCL version that the device speaks.");
static OPENCL_DRIVER: Key =
    Key::new("opencl-driver", Kind::Text, Scope::Device, "Version of the device's OpenCL driver, in its own words.");

/// What the child tells of a platform.
#[derive(Serialize, Deserialize)]
struct Platform {
    name: String,
    version: String,
    devices: Vec<Device>,
}

#[derive(Serialize, Deserialize)]
struct Device {
    name: String,
    /// `discrete`, `integrated`, `software` or `other`.
    kind: String,
    vendor: u32,
    /// As in `OpenCL 3.0 PoCL HSTR: …`.
    version: String,
    driver: String,
    pci: Option<String>,
    memory_bytes: u64,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let loader = Question::Library(if host.is_windows() { "OpenCL.dll" } else { "libOpenCL.so.1" }.to_owned());
    let path = host.taken(&loader);
    let mut facts = vec![OPENCL_LOADER.host(path.clone().map(Value::Text), &loader)];
    let Ok(path) = path else { return facts };
    let drivers = drivers(host);
    facts.extend(manifest::each(&drivers, |driver| ask_driver(host, driver, &path)));
    facts
}

fn ask_driver(host: &dyn Host, driver: &Driver, loader: &str) -> Vec<Fact> {
    let subject = || Subject::Icd(format!("opencl:{}", driver.manifest));
    let read = Question::Read(driver.manifest.clone());
    let library = match driver.loadable(host) {
        Ok(Some(library)) => library,
        Ok(None) => return vec![OPENCL_ICD.of(subject(), Value::from(OTHER_ARCHITECTURE), &read)],
        Err(missing) => return vec![OPENCL_ICD.of(subject(), missing, &read)],
    };
    if driver.waits_for_nvidia(host) {
        return vec![OPENCL_ICD.of(subject(), Value::from(NO_KERNEL_DRIVER), &read)];
    }
    let question = Question::Native(Query {
        environment: vec![("OPENCL_DYLIB_PATH".to_owned(), loader.to_owned())],
        probe: PROBE.name.to_owned(),
        arguments: vec![library],
    });
    let platforms = host.ask(&question).and_then(|json| {
        serde_json::from_str::<Vec<Platform>>(&json).map_err(|error| Missing::Garbled(error.to_string()))
    });
    let platforms = match platforms {
        Ok(platforms) => platforms,
        Err(missing) => return vec![OPENCL_ICD.of(subject(), missing, &question)],
    };
    let devices = || platforms.iter().flat_map(|platform| &platform.devices);
    let state = match () {
        () if devices().any(|device| device.kind != SOFTWARE) => HARDWARE,
        () if devices().next().is_none() => NO_DEVICE,
        () => SOFTWARE,
    };
    let mut facts = vec![OPENCL_ICD.of(subject(), Value::from(state), &question)];
    for platform in &platforms {
        let name = format!("{}, {}", platform.name, platform.version);
        facts.push(OPENCL_PLATFORM.of(subject(), Value::Text(name), &question));
    }
    for device in devices() {
        let id = device.pci.clone().unwrap_or_else(|| format!("opencl:{}", device.name));
        let subject = || Subject::Device(id.clone());
        facts.push(OPENCL_DEVICE.of(subject(), Value::Text(device.name.clone()), &question));
        facts.push(DEVICE_KIND.of(subject(), Value::Text(device.kind.clone()), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from(vendor(device.vendor)), &question));
        // A CPU's share of the main memory is what is free of it just now.
        if device.kind != SOFTWARE {
            facts.push(DEVICE_MEMORY.of(subject(), Value::Number(device.memory_bytes), &question));
        }
        facts.push(OPENCL_VERSION.of(subject(), opencl_version(&device.version), &question));
        facts.push(OPENCL_DRIVER.of(subject(), Value::Text(device.driver.clone()), &question));
    }
    facts
}

/// `OpenCL<space>major.minor<space>…`, the form that the specification prescribes.
fn opencl_version(text: &str) -> Result<Value, Missing> {
    version(text.strip_prefix("OpenCL ").unwrap_or(text))
}

/// The drivers that the loader would load.
pub(crate) fn drivers(host: &dyn Host) -> Vec<Driver> {
    if host.is_windows() {
        return registered(host)
            .into_iter()
            .map(|library| Driver { manifest: library.clone(), library: Ok(library) })
            .collect();
    }
    let vendors =
        host.env("OCL_ICD_VENDORS").or_else(|| host.env("OPENCL_VENDOR_PATH")).filter(|path| !path.is_empty());
    let vendors = vendors.unwrap_or_else(|| "/etc/OpenCL/vendors".to_owned());
    let vendors = vendors.trim_end_matches('/');
    let manifests = match vendors.ends_with(".icd") {
        true => vec![vendors.to_owned()],
        false => {
            let names = host.list(vendors).into_iter().filter(|name| name.ends_with(".icd"));
            names.map(|name| format!("{vendors}/{name}")).collect()
        }
    };
    let from_files = manifests.into_iter().map(|manifest| {
        let library = host.read(&manifest).and_then(|text| match text.lines().next().map(str::trim) {
            Some(line) if !line.is_empty() => Ok(line.to_owned()),
            _ => Err(Missing::Garbled("it names no library".to_owned())),
        });
        Driver { manifest, library }
    });
    let listed = host.env("OCL_ICD_FILENAMES").unwrap_or_default();
    let by_name = listed.split(':').filter(|name| !name.is_empty());
    let by_name = by_name.map(|name| Driver { manifest: name.to_owned(), library: Ok(name.to_owned()) });
    from_files.chain(by_name.collect::<Vec<_>>()).collect()
}

/// Libraries in the registry of Windows: the old key, where a value of 0 means "on", and the adapters of the display class.
fn registered(host: &dyn Host) -> Vec<String> {
    let old = host.registry(r"HKLM\SOFTWARE\Khronos\OpenCL\Vendors", "*").unwrap_or_default();
    let mut libraries: Vec<String> =
        old.lines().filter_map(|line| line.strip_suffix("=0")).map(str::to_owned).collect();
    let adapters = host.ask(&Question::Registry(DISPLAY_CLASS.to_owned())).unwrap_or_default();
    for adapter in adapters.lines() {
        let listed = host.registry(&format!(r"{DISPLAY_CLASS}\{adapter}"), "OpenCLDriverName").unwrap_or_default();
        libraries.extend(listed.split(';').filter(|path| !path.is_empty()).map(str::to_owned));
    }
    libraries.sort();
    libraries.dedup();
    libraries
}

fn climb(report: &Report) -> Climb {
    let loader = report.all(OPENCL_LOADER.name).next().map(|fact| &fact.value);
    let climb = match loader {
        None => Climb::none(State::Unknown, "OpenCL was not asked about"),
        Some(Err(Missing::NotFound)) => Climb::new(State::NotInstalled, Rung::Library, "no OpenCL loader"),
        Some(Err(missing)) => Climb::none(State::Unknown, format!("the loader could not be looked for: {missing}")),
        Some(Ok(_)) if report.all(OPENCL_ICD.name).next().is_none() => {
            Climb::new(State::NotInstalled, Rung::Library, "the loader is here, and no driver is registered with it")
        }
        Some(Ok(_)) => manifest::climb(report, &OPENCL_ICD, &OPENCL_DEVICE, "on the CPU, not a GPU"),
    };
    let version = report.all(OPENCL_VERSION.name).find_map(|fact| fact.value.as_ref().ok());
    let driver = report.all(OPENCL_DRIVER.name).find_map(|fact| fact.value.as_ref().ok());
    climb
        .with("api", version.map(Value::to_string).map(|text| text.split(' ').next().unwrap_or_default().to_owned()))
        .with("driver", driver)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    #[test]
    fn reads_the_version_that_a_device_tells() {
        assert_eq!(opencl_version("OpenCL 3.0 PoCL HSTR: x").unwrap().to_string(), "3.0 PoCL HSTR: x");
        assert!(opencl_version("").is_err());
    }

    #[test]
    fn drivers_come_from_files_and_from_the_variable() {
        let host = Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("linux x86_64".to_owned())),
                (Question::List("/etc/OpenCL/vendors".into()), Ok("a.icd\nb.icd\nnotes.txt".into())),
                (Question::Read("/etc/OpenCL/vendors/a.icd".into()), Ok("libpocl.so.2.9.0\n".into())),
                (Question::Read("/etc/OpenCL/vendors/b.icd".into()), Ok("\n".into())),
                (Question::Env("OCL_ICD_FILENAMES".into()), Ok("/opt/libintelocl.so".into())),
            ],
        );
        let found: Vec<_> = drivers(&host).into_iter().map(|driver| driver.library).collect();
        let nameless = Err(Missing::Garbled("it names no library".into()));
        assert_eq!(found, [Ok("libpocl.so.2.9.0".to_owned()), nameless, Ok("/opt/libintelocl.so".to_owned())]);
    }
}
