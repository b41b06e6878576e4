//! OpenCL: the loader, every driver that it would load, and the platforms and devices that each lists.
//!
//! Looks for `.icd` files where the loader does (on Windows the old key and the display class of the registry, and where
//! both are empty it asks the loader what else that knows), reads each and the header of the library that it names, and asks
//! every driver in a child of its own, which shows the loader a folder with that one driver. PoCL and other CPU
//! implementations are told apart by their device type. With `--deep` each device compiles and computes, again in a child
//! of its own. It cannot tell what a loader's layers would change.
//! References: OpenCL ICD loader (`OCL_ICD_VENDORS`, `OPENCL_VENDOR_PATH`), cl_khr_icd; `cl_device_type`;
//! cl_khr_pci_bus_info, cl_khr_device_uuid, cl_amd_device_attribute_query.

#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{DEVICE_KIND, DEVICE_LUID, DEVICE_MEMORY, DEVICE_UUID, DEVICE_VENDOR, DISPLAY_CLASS, vendor};
use crate::compute;
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::ladder::{Climb, Rung, State};
use crate::manifest::{self, Driver, HARDWARE, NO_DEVICE, NO_KERNEL_DRIVER, OTHER_ARCHITECTURE, SOFTWARE};
use crate::parallel;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "opencl",
    keys: &[
        &OPENCL_LOADER,
        &OPENCL_PLATFORMS,
        &OPENCL_ICD,
        &OPENCL_PLATFORM,
        &OPENCL_DEVICE,
        &OPENCL_COMPUTE,
        &OPENCL_VERSION,
        &OPENCL_DRIVER,
    ],
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
static OPENCL_PLATFORMS: Key = Key::new(
    "opencl-platforms",
    Kind::Number,
    Scope::Host,
    "How many OpenCL platforms a program found; 0 where it was answered -1001 (CL_PLATFORM_NOT_FOUND_KHR). Told by a person.",
);
static OPENCL_ICD: Key = Key::new(
    "opencl-icd",
    Kind::Text,
    Scope::Icd,
    "What an OpenCL driver lists: `hardware`, `software`, `no-device`; `other-architecture` or `no-kernel-driver` where it was not asked.",
);
static OPENCL_PLATFORM: Key =
    Key::new("opencl-platform", Kind::Text, Scope::Icd, "Name and version of the platform that the driver offers.");
static OPENCL_DEVICE: Key = Key::new("opencl-device", Kind::Text, Scope::Device, "The device's name by OpenCL.");
static OPENCL_COMPUTE: Key = Key::new(
    "opencl-compute",
    Kind::Text,
    Scope::Device,
    "With `--deep`: whether a small computation through OpenCL came out `right`, or what was wrong with it.",
);
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
    #[serde(default)]
    uuid: Option<String>,
    #[serde(default)]
    luid: Option<String>,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let loader = Question::Library(if host.is_windows() { "OpenCL.dll" } else { "libOpenCL.so.1" }.to_owned());
    let path = host.taken(&loader);
    let mut facts = vec![OPENCL_LOADER.host(path.clone().map(Value::Text), &loader)];
    let Ok(path) = path else { return facts };
    let drivers = drivers(host);
    if drivers.is_empty() && host.is_windows() {
        facts.extend(ask_loader(host, &path));
    }
    facts.extend(parallel::facts(host, &drivers, |driver| ask_driver(host, driver, &path)));
    facts
}

/// Asks the loader of Windows itself where no driver is registered: it knows more places than the registry (packages of
/// the store, or another system below this one). What finds nothing either is no driver, and nothing is told of it.
fn ask_loader(host: &dyn Host, loader: &str) -> Vec<Fact> {
    let stands_for_all = Driver { manifest: loader.to_owned(), library: Ok(loader.to_owned()) };
    let facts = ask_driver(host, &stands_for_all, loader);
    match facts.iter().any(|fact| *fact.key == OPENCL_PLATFORM) {
        true => facts,
        false => Vec::new(),
    }
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
        arguments: vec![library.clone()],
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
    let mut computations = Vec::new();
    for (id, place, device) in named(&platforms) {
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
        for (key, value) in [(&DEVICE_UUID, &device.uuid), (&DEVICE_LUID, &device.luid)] {
            facts.extend(value.clone().map(|value| key.of(subject(), Value::Text(value), &question)));
        }
        computations.push((subject(), computation(loader, place, &library, host.is_windows())));
    }
    if host.is_deep() {
        facts.extend(compute::ask_each(host, &OPENCL_COMPUTE, &computations));
    }
    facts
}

/// Every device of a driver with its id, and where the driver lists it: the numbers of platform and device. The id is the
/// PCI address, unless two devices tell the same: they are parts of one card, or the driver leaves the domain out. Then, and
/// without one, it is the name, which is what the driver's other children on Windows tell, too.
fn named(platforms: &[Platform]) -> Vec<(String, (usize, usize), &Device)> {
    let in_platform =
        |(number, platform): (usize, &'_ Platform)| (0..platform.devices.len()).map(move |place| (number, place));
    let places = platforms.iter().enumerate().flat_map(in_platform);
    let devices = platforms.iter().flat_map(|platform| &platform.devices);
    let all: Vec<((usize, usize), &Device)> = places.zip(devices).collect();
    let mut named: Vec<(String, (usize, usize), &Device)> = Vec::new();
    for (place, device) in &all {
        let alone = |pci: &&String| all.iter().filter(|(_, other)| other.pci.as_ref() == Some(*pci)).count() == 1;
        let by_name = || {
            let equal = named.iter().filter(|(_, _, other)| other.name == device.name).count();
            let number = if equal == 0 { String::new() } else { format!(" #{}", equal + 1) };
            format!("opencl:{}{number}", device.name)
        };
        let id = device.pci.as_ref().filter(alone).cloned().unwrap_or_else(by_name);
        named.push((id, *place, device));
    }
    named
}

/// Asks for a computation on a driver's device. On Windows every child sees every driver, so there the driver's library
/// does not belong to the question, and no device computes twice.
fn computation(loader: &str, (platform, device): (usize, usize), library: &str, on_windows: bool) -> Question {
    let mut arguments = vec![compute::WORD.to_owned(), platform.to_string(), device.to_string()];
    arguments.extend((!on_windows).then(|| library.to_owned()));
    Question::Native(Query {
        environment: vec![("OPENCL_DYLIB_PATH".to_owned(), loader.to_owned())],
        probe: PROBE.name.to_owned(),
        arguments,
    })
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
        Some(Ok(_)) => {
            let listed = manifest::climb(report, &OPENCL_ICD, &OPENCL_DEVICE, "on the CPU, not a GPU");
            compute::climb(listed, report, &OPENCL_COMPUTE, &OPENCL_DEVICE)
        }
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
    fn equal_cards_stay_two_and_a_shared_address_names_none() {
        let device = |name: &str, pci: Option<&str>| Device {
            name: name.to_owned(),
            kind: "discrete".to_owned(),
            vendor: 0x1002,
            version: String::new(),
            driver: String::new(),
            pci: pci.map(str::to_owned),
            memory_bytes: 0,
            uuid: None,
            luid: None,
        };
        let platform = |devices| Platform { name: String::new(), version: String::new(), devices };
        let ids =
            |platforms: &[Platform]| named(platforms).into_iter().map(|(id, place, _)| (id, place)).collect::<Vec<_>>();
        let first = platform(vec![device("x", None), device("y", Some("0000:01:00.0"))]);
        let second = platform(vec![device("x", None)]);
        let expected = [("opencl:x", (0, 0)), ("0000:01:00.0", (0, 1)), ("opencl:x #2", (1, 0))];
        assert_eq!(ids(&[first, second]), expected.map(|(id, place)| (id.to_owned(), place)));
        let parts = platform(vec![device("z", Some("0000:00:00.0")), device("z", Some("0000:00:00.0"))]);
        assert_eq!(ids(&[parts]), [("opencl:z".to_owned(), (0, 0)), ("opencl:z #2".to_owned(), (0, 1))]);
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
