//! WebGPU outside the browser: what a program gets that uses wgpu, by backend.
//!
//! On Linux wgpu's adapters come from Vulkan. They are asked about in the very child in which the Vulkan probe asks each
//! driver, because loading a driver twice costs more than everything else here. On Windows Direct3D 12 and Vulkan are asked
//! in a child each, on macOS Metal is. A driver that dies of wgpu and of nothing else is WebGPU's failure, not Vulkan's.
//! With `--deep` each adapter computes.
//! OpenGL, which wgpu can use in the last resort, is not asked: it brings no WebGPU that is whole. It cannot tell what a
//! browser does, which has a list of drivers that it refuses. wgpu hides drivers that call themselves non-conformant (dzn
//! in WSL2), so they are no device here. Direct3D tells addresses by model: two equal cards are one device.
//! References: wgpu, `Instance::enumerate_adapters` and `AdapterInfo`; the WebGPU and WGSL specifications.

#[cfg(feature = "native")]
pub(crate) mod native;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::bus::{DEVICE_KIND, DEVICE_VENDOR, PCI_ID, vendor};
use crate::compute;
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::ladder::{Climb, Rung, State};
use crate::manifest::{self, Driver, SOFTWARE};
use crate::parallel;
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
    "With `--deep`: whether a small computation through WebGPU came out `right`, or what was wrong with it.",
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
    facts.extend(parallel::facts(host, &vulkan::drivers(host), |driver| {
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
    let question = query(None, &[backend]);
    let adapters = host
        .ask(&question)
        .and_then(|json| serde_json::from_str(&json).map_err(|error| Missing::Garbled(error.to_string())));
    tell(host, Subject::Icd(format!("webgpu:{backend}")), backend, None, adapters, &question)
}

fn query(driver: Option<&Driver>, arguments: &[&str]) -> Question {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let environment = driver.map(vulkan::shown_alone).unwrap_or_default();
    Question::Native(Query { environment, probe: PROBE.name.to_owned(), arguments })
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
    let mut computations = Vec::new();
    // Through Vulkan they are the devices that Vulkan lists.
    let api = if backend == "vulkan" { "vulkan" } else { "webgpu" };
    let listed = adapters.iter().map(|adapter| (adapter.pci.as_deref(), adapter.name.as_str()));
    let ids = vulkan::device_ids(api, listed);
    for (number, (adapter, id)) in adapters.into_iter().zip(ids).enumerate() {
        let subject = || Subject::Device(id.clone());
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
        computations.push((subject(), query(driver, &[compute::WORD, &number.to_string(), backend])));
    }
    if host.is_deep() {
        facts.extend(compute::ask_each(host, &WEBGPU_COMPUTE, &computations));
    }
    facts
}

fn climb(report: &Report) -> Climb {
    let loader = report.all(WEBGPU_LOADER.name).next().map(|fact| &fact.value);
    let climb = match (report.all(WEBGPU_BACKEND.name).next(), loader) {
        (Some(_), _) => compute::climb(
            manifest::climb(&each_once(report), &WEBGPU_BACKEND, &WEBGPU_DEVICE, "rendered on the CPU, not by a GPU"),
            report,
            &WEBGPU_COMPUTE,
            &WEBGPU_DEVICE,
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

/// The same report where a card that two backends list is a device of the first alone.
fn each_once(report: &Report) -> Cow<'_, Report> {
    let mut backends = report.all(WEBGPU_API.name);
    let Some(first) = backends.next() else { return Cow::Borrowed(report) };
    if backends.all(|fact| fact.value == first.value) {
        return Cow::Borrowed(report);
    }
    let of_first = |subject: &Subject| {
        report.all(WEBGPU_API.name).any(|fact| fact.subject == *subject && fact.value == first.value)
    };
    let named = |wanted: &Fact| {
        report.all(WEBGPU_DEVICE.name).any(|fact| fact.value == wanted.value && of_first(&fact.subject))
    };
    let again = |fact: &Fact| *fact.key == WEBGPU_DEVICE && !of_first(&fact.subject) && named(fact);
    let facts = report.facts.iter().filter(|fact| !again(fact)).cloned();
    Cow::Owned(Report { probes: report.probes.clone(), facts: facts.collect() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    fn report(answers: Vec<(&str, Answer)>) -> Report {
        let answers = answers.into_iter().map(|(question, answer)| (question.parse().unwrap(), answer));
        Report { probes: Vec::new(), facts: ask(&Recording::of(String::new(), "test", answers)) }
    }

    fn one(name: &str, kind: &str, pci: &str) -> Answer {
        let adapter =
            format!(r#"{{"name":"{name}","kind":"{kind}","vendor":4318,"device":9504,"driver":"1","pci":{pci}}}"#);
        Ok(format!(r#"{{"wgpu":"30.0.1","adapters":[{adapter}]}}"#))
    }

    #[test]
    fn windows_has_two_backends_and_macos_one() {
        let library = "library vulkan-1.dll";
        let windows = |vulkan: Answer| {
            let dx12 = ("native webgpu dx12", one("RTX", "discrete", r#""0000:01:00.0""#));
            let path = (library, Ok(r"C:\Windows\System32\vulkan-1.dll".to_owned()));
            report(vec![("system", Ok("windows x86_64".into())), dx12, path, ("native webgpu vulkan", vulkan)])
        };
        let good = windows(one("RTX", "discrete", r#""0000:01:00.0""#));
        let card = Subject::Device("0000:01:00.0".into());
        assert_eq!(good.subjects("webgpu-device"), [&card]);
        let apis: Vec<String> = good.all("webgpu-api").map(|fact| fact.value.clone().unwrap().to_string()).collect();
        assert_eq!(apis, ["dx12", "vulkan"]);
        assert_eq!(climb(&good).state, State::Working);
        assert_eq!(climb(&good).versions.get("wgpu").map(String::as_str), Some("30.0.1"));
        // Without addresses each backend lists it under an id of its own.
        let apart = report(vec![
            ("system", Ok("windows x86_64".into())),
            ("native webgpu dx12", one("RTX", "discrete", "null")),
            (library, Ok(r"C:\Windows\System32\vulkan-1.dll".to_owned())),
            ("native webgpu vulkan", one("RTX", "discrete", "null")),
        ]);
        assert_eq!((apart.subjects("webgpu-device").len(), climb(&apart).detail.as_str()), (2, "RTX"));
        let half = windows(Err(Missing::Crashed("0xc0000005".into())));
        assert_eq!(climb(&half).state, State::Working, "one backend is enough");
        let warp = report(vec![
            ("system", Ok("windows x86_64".into())),
            ("native webgpu dx12", one("Microsoft Basic Render Driver", "software", "null")),
            (library, Err(Missing::NotFound)),
        ]);
        assert_eq!(climb(&warp).state, State::SoftwareOnly);
        assert_eq!(warp.all("webgpu-backend").count(), 1, "Vulkan is not asked without its loader");
        let mac =
            vec![("system", Ok("macos aarch64".into())), ("native webgpu metal", one("M1", "integrated", "null"))];
        assert_eq!(climb(&report(mac)).state, State::Working);
    }

    #[test]
    fn without_vulkan_nothing_is_installed_on_linux() {
        let linux = |loader: Answer| {
            let facts = report(vec![("system", Ok("linux x86_64".into())), ("library libvulkan.so.1", loader)]);
            let climb = climb(&facts);
            (climb.state, climb.rung)
        };
        assert_eq!(linux(Err(Missing::NotFound)), (State::NotInstalled, Some(Rung::Library)));
        assert_eq!(linux(Ok("/usr/lib/libvulkan.so.1".into())), (State::NotInstalled, Some(Rung::Library)));
        assert_eq!(linux(Err(Missing::NotRecorded)), (State::Unknown, None));
    }
}
