//! WebGPU outside the browser: what a program gets that uses wgpu, by backend.
//!
//! On Linux wgpu's adapters come from Vulkan. They are asked about in the very child in which the Vulkan probe asks each
//! driver, because loading a driver twice costs more than everything else here. On Windows Direct3D 12 and Vulkan are asked
//! in a child each, on macOS Metal is. A driver that dies of wgpu and of nothing else is WebGPU's failure, not Vulkan's.
//! With `--deep` a WGSL shader squares numbers on every adapter.
//! OpenGL, which wgpu can use in the last resort, is not asked: it brings no WebGPU that is whole. It cannot tell what a
//! browser does, which has a list of drivers that it refuses. wgpu hides drivers that call themselves non-conformant (dzn
//! in WSL2), so they are no device here. Direct3D tells addresses by model: two equal cards are one device.
//! References: wgpu, `Instance::enumerate_adapters` and `AdapterInfo`; the WebGPU and WGSL specifications.

#[cfg(feature = "native")]
pub(crate) mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{DEVICE_KIND, DEVICE_VENDOR, PCI_ID, vendor};
use crate::compute;
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::ladder::{Climb, Rung, State};
use crate::manifest::{self, Driver, SOFTWARE};
use crate::vulkan;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "webgpu",
    keys: &[
        &WEBGPU_LOADER,
        &WEBGPU_BACKEND,
        &WEBGPU_DEVICE,
        &WEBGPU_API,
        &WEBGPU_DRIVER,
        &WGPU_VERSION,
        &WEBGPU_COMPUTE,
    ],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 10,
};

static WEBGPU_LOADER: Key = Key::new(
    "webgpu-loader",
    Kind::Text,
    Scope::Host,
    "Path of the Vulkan loader, where WebGPU reaches GPUs by nothing else.",
);
static WEBGPU_BACKEND: Key = Key::new(
    "webgpu-backend",
    Kind::Text,
    Scope::Icd,
    "What WebGPU gets from a Vulkan driver, from Direct3D 12 or from Metal, in the words of `vulkan-icd`.",
);
static WEBGPU_DEVICE: Key = Key::new("webgpu-device", Kind::Text, Scope::Device, "The device's name by WebGPU.");
static WEBGPU_API: Key = Key::new(
    "webgpu-api",
    Kind::Text,
    Scope::Device,
    "The API through which WebGPU has the device: `vulkan`, `dx12` or `metal`.",
);
static WEBGPU_DRIVER: Key = Key::new(
    "webgpu-driver",
    Kind::Text,
    Scope::Device,
    "Name and version of the driver behind the device, as WebGPU is told it.",
);
static WGPU_VERSION: Key =
    Key::new("wgpu-version", Kind::Version, Scope::Host, "The release of wgpu by which WebGPU was asked about.");
static WEBGPU_COMPUTE: Key = Key::new(
    "webgpu-compute",
    Kind::Text,
    Scope::Device,
    "With `--deep`: whether a WebGPU compute shader squared numbers `right` on the device, or `wrong` and how.",
);

/// What wgpu tells of one backend.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adapters {
    /// The release of wgpu that was asked; nothing where it need not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wgpu: Option<String>,
    adapters: Vec<Adapter>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Adapter {
    name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    kind: String,
    vendor: u32,
    device: u32,
    /// Name and version, as far as the backend tells them.
    driver: Option<String>,
    /// `domain:bus:device.function`, hexadecimal.
    pci: Option<String>,
}

impl Adapters {
    /// What follows from a backend without a device.
    pub(crate) fn none() -> Adapters {
        Adapters::default()
    }
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    match host.system().as_str() {
        "windows" => {
            let mut facts = ask_backend(host, "dx12");
            // Without its loader there is nothing to ask of Vulkan.
            if host.ask(&vulkan::loader(host)) != Err(Missing::NotFound) {
                facts.extend(ask_backend(host, "vulkan"));
            }
            facts
        }
        "macos" => ask_backend(host, "metal"),
        _ => ask_vulkan(host),
    }
}

/// The drivers of Vulkan, which its own probe asks about too.
fn ask_vulkan(host: &dyn Host) -> Vec<Fact> {
    let question = vulkan::loader(host);
    let path = host.taken(&question);
    let mut facts = vec![WEBGPU_LOADER.host(path.clone().map(Value::Text), &question)];
    let Ok(loader) = path else { return facts };
    facts.extend(manifest::each(&vulkan::drivers(host), |driver| {
        let subject = vulkan::subject_of(driver);
        match vulkan::tell(host, driver, &loader) {
            Ok(told) => {
                let (adapters, question) = told.webgpu();
                tell(host, subject, "vulkan", Some(driver), adapters, &question)
            }
            Err((value, read)) => vec![WEBGPU_BACKEND.of(subject, value, &read)],
        }
    }));
    facts
}

/// A backend in a child of its own.
fn ask_backend(host: &dyn Host, backend: &str) -> Vec<Fact> {
    let question = query(backend, None, &[]);
    let adapters = host
        .ask(&question)
        .and_then(|json| serde_json::from_str(&json).map_err(|error| Missing::Garbled(error.to_string())));
    tell(host, Subject::Icd(format!("webgpu:{backend}")), backend, None, adapters, &question)
}

fn query(backend: &str, driver: Option<&Driver>, more: &[&str]) -> Question {
    let arguments = std::iter::once(&backend).chain(more).map(|argument| (*argument).to_owned());
    let environment = driver.map(vulkan::shown_alone).unwrap_or_default();
    Question::Native(Query { environment, probe: PROBE.name.to_owned(), arguments: arguments.collect() })
}

fn tell(
    host: &dyn Host,
    subject: Subject,
    backend: &str,
    driver: Option<&Driver>,
    adapters: Result<Adapters, Missing>,
    question: &Question,
) -> Vec<Fact> {
    let Adapters { wgpu, adapters } = match adapters {
        Ok(adapters) => adapters,
        Err(missing) => return vec![WEBGPU_BACKEND.of(subject, vulkan::without_devices(missing), question)],
    };
    let state = manifest::listed(adapters.iter().map(|adapter| adapter.kind.as_str()));
    let mut facts = vec![WEBGPU_BACKEND.of(subject, Value::from(state), question)];
    facts.extend(wgpu.map(|wgpu| WGPU_VERSION.host(version(&wgpu), question)));
    for (number, adapter) in adapters.into_iter().enumerate() {
        let subject = || Subject::Device(vulkan::device_id(adapter.pci.as_deref(), &adapter.name));
        if adapter.kind != SOFTWARE {
            let number = format!("{:04x}:{:04x}", adapter.vendor, adapter.device);
            facts.push(PCI_ID.of(subject(), Value::Text(number), question));
        }
        facts.push(WEBGPU_DEVICE.of(subject(), Value::from(adapter.name.as_str()), question));
        facts.push(WEBGPU_API.of(subject(), Value::from(backend), question));
        facts.push(DEVICE_KIND.of(subject(), Value::from(adapter.kind.as_str()), question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from(vendor(adapter.vendor)), question));
        let driver_name = adapter.driver.as_deref().map(Value::from);
        facts.extend(driver_name.map(|name| WEBGPU_DRIVER.of(subject(), name, question)));
        if host.is_deep() {
            let question = query(backend, driver, &[compute::ARGUMENT, &number.to_string()]);
            facts.push(WEBGPU_COMPUTE.of(subject(), host.ask(&question).map(Value::Text), &question));
        }
    }
    facts
}

fn climb(report: &Report) -> Climb {
    let loader = report.all(WEBGPU_LOADER.name).next().map(|fact| &fact.value);
    let climb = match (report.all(WEBGPU_BACKEND.name).next(), loader) {
        (Some(_), _) => compute::climb(
            manifest::climb(report, &WEBGPU_BACKEND, &WEBGPU_DEVICE, "rendered on the CPU, not by a GPU"),
            report,
            &WEBGPU_COMPUTE,
        ),
        (None, Some(Err(Missing::NotFound))) => {
            Climb::new(State::NotInstalled, Rung::Library, "no Vulkan loader, by which WebGPU reaches a GPU here")
        }
        (None, Some(Err(missing))) => {
            Climb::none(State::Unknown, format!("the Vulkan loader could not be looked for: {missing}"))
        }
        (None, Some(Ok(_))) => Climb::new(
            State::NotInstalled,
            Rung::Library,
            "no driver is registered with the Vulkan loader, by which WebGPU reaches a GPU here",
        ),
        (None, None) => Climb::none(State::Unknown, "WebGPU was not asked about"),
    };
    climb.with("wgpu", report.version(WGPU_VERSION.name))
}
