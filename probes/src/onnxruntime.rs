//! ONNX Runtime: every copy of it in Python environments and the one that the loader would take, its providers, and whether each
//! of these would load.
//!
//! Several packages hold the same Python module; what its build wrote down tells whose files are there. Its library is asked in
//! a child for its version and for the providers that it was built with. Whether a provider would load is another question,
//! answered by the headers of the provider's own library: where something that it needs is missing, a session computes on the
//! processor, and only a line of its log says so. The copy that Windows keeps in System32 for Windows ML is named and not asked.
//! It cannot tell which providers a program names, nor what that program has loaded before.
//! References: onnxruntime_c_api.h; ONNX Runtime's pages on execution providers; `preload_dlls` in `onnxruntime/__init__.py`.

mod climb;
#[cfg(feature = "native")]
mod model;
#[cfg(feature = "native")]
pub(crate) mod native;
mod providers;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::openvino;
use crate::python::environments::{Environment, environments};
use crate::python::packages::Package;
use crate::python::{PACKAGE_BUILD, PACKAGE_CUDA};
use crate::resolve::loadable;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "onnxruntime",
    keys: &[
        &LIBRARY,
        &VERSION,
        &PROVIDERS,
        &BUILD,
        &PACKAGE,
        &OVERWRITES,
        &FILES,
        &providers::PROVIDER,
        &providers::PACKAGE,
        &providers::PACKAGE_VERSION,
        &providers::CUDA,
        &providers::MISSING,
        &providers::TO_PRELOAD,
        &providers::WANTS_FIRST,
        &COMPUTE,
    ],
    ask,
    climb: Some(climb::climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

static LIBRARY: Key = Key::new(
    "onnxruntime-library",
    Kind::Text,
    Scope::Library,
    "Where a copy of ONNX Runtime comes from: a Python `package`, the `system`, or `windows` itself, whose copy is for Windows ML.",
);
static VERSION: Key =
    Key::new("onnxruntime-version", Kind::Version, Scope::Library, "The version that ONNX Runtime's library tells.");
static PROVIDERS: Key = Key::new(
    "onnxruntime-providers",
    Kind::Set,
    Scope::Library,
    "The providers that ONNX Runtime was built with; whether one would load is another fact.",
);
static BUILD: Key =
    Key::new("onnxruntime-build", Kind::Text, Scope::Library, "What ONNX Runtime's library tells of its build.");
static PACKAGE: Key = Key::new(
    "onnxruntime-package",
    Kind::Text,
    Scope::Library,
    "The Python package that a copy of ONNX Runtime belongs to, with its version and environment.",
);
static OVERWRITES: Key = Key::new(
    "onnxruntime-shares-folder",
    Kind::Set,
    Scope::Package,
    "Other ONNX Runtime packages with the same folder, whose files and its own overwrite each other; told of one of them.",
);
static FILES: Key = Key::new(
    "onnxruntime-files",
    Kind::Text,
    Scope::Package,
    "Whose files are in a folder that several packages share: the package's `own` or `others`, as they were installed last.",
);
static COMPUTE: Key = Key::new(
    "onnxruntime-compute",
    Kind::Text,
    Scope::Library,
    "What a small model gave through a provider, told of the provider's library or, for the processor, of ONNX Runtime's: `right`, \
     or `wrong: expected X, got Y`.",
);

/// The provider that every build has.
const CPU: &str = "CPUExecutionProvider";

/// The packages that hold the module `onnxruntime`, and what each computes on. Those for an accelerator stand first: they are
/// what somebody chose.
const PACKAGES: &[(&str, &str)] = &[
    ("onnxruntime-gpu", "cuda"),
    ("onnxruntime-training", "cuda"),
    ("onnxruntime-rocm", "rocm"),
    ("onnxruntime-migraphx", "rocm"),
    ("onnxruntime-openvino", "openvino"),
    ("onnxruntime-directml", "directml"),
    ("onnxruntime-windowsml", "directml"),
    ("onnxruntime-qnn", "qnn"),
    ("ort-nightly-gpu", "cuda"),
    ("ort-nightly-rocm", "rocm"),
    ("ort-nightly-directml", "directml"),
    ("onnxruntime", "cpu"),
    ("ort-nightly", "cpu"),
];

/// What the child tells of a library.
#[derive(Debug, Serialize, Deserialize)]
struct Runtime {
    version: String,
    providers: Vec<String>,
    build: Option<String>,
}

/// A folder `onnxruntime` in an environment, with the packages that put files into it.
struct Copy<'a> {
    host: &'a dyn Host,
    environment: &'a Environment,
    /// The package whose files are there, as far as can be told.
    holder: &'a Package,
    /// What `capi/build_and_package_info.py` says, and the question.
    written: (Result<String, Missing>, Question),
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    for environment in environments(host) {
        let ours: Vec<&Package> = PACKAGES.iter().filter_map(|(name, _)| environment.packages.get(*name)).collect();
        let mut ours: Vec<&Package> = ours.into_iter().filter(|package| !is_plugin(package)).collect();
        while let Some(first) = ours.first().copied() {
            let (here, elsewhere): (Vec<_>, Vec<_>) = ours.into_iter().partition(|package| package.site == first.site);
            ask_folder(host, &environment, &here, &mut facts);
            ours = elsewhere;
        }
    }
    ask_system(host, &mut facts);
    facts
}

/// From version 2 on, the package for Qualcomm's NPU is a plugin with a module of its own.
fn is_plugin(package: &Package) -> bool {
    let major = package.version.as_deref().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    package.name == "onnxruntime-qnn" && major.is_some_and(|major| major >= 2)
}

/// The packages that share one folder: one, where all is well.
fn ask_folder(host: &dyn Host, environment: &Environment, packages: &[&Package], facts: &mut Vec<Fact>) {
    let Some((first, others)) = packages.split_first() else { return };
    let separator = if host.is_windows() { '\\' } else { '/' };
    let module = format!("{}{separator}onnxruntime{separator}capi", first.site);
    let question = Question::Read(format!("{module}{separator}build_and_package_info.py"));
    let written = host.ask(&question);
    let name = written.as_deref().ok().and_then(|text| assigned(text, "package_name"));
    let named = packages.iter().find(|package| Some(&package.name) == name.as_ref());
    let copy = Copy { host, environment, holder: named.unwrap_or(first), written: (written, question) };
    let listed = Question::List(first.site.clone());
    if !others.is_empty() {
        let names = others.iter().map(|package| package.name.clone()).collect();
        facts.push(OVERWRITES.of(copy.subject(first), Value::Set(names), &listed));
        let own = if copy.holder.name == first.name { "own" } else { "others" };
        let whose = named.map(|_| Value::from(own)).ok_or(Missing::NotFound);
        facts.push(FILES.of(copy.subject(first), whose, &copy.written.1));
    }
    let cuda = copy.written.0.as_deref().ok().and_then(|text| assigned(text, "cuda_version"));
    let kind = PACKAGES.iter().find(|(name, _)| *name == copy.holder.name).map_or("cpu", |(_, kind)| kind);
    let kind = match (kind, &copy.written.0) {
        // This one was built for CUDA and without.
        ("cuda", Ok(_)) if copy.holder.name == "onnxruntime-training" && cuda.is_none() => "cpu",
        (kind, _) => kind,
    };
    let origin = if copy.written.0.is_ok() { &copy.written.1 } else { &listed };
    facts.push(PACKAGE_BUILD.of(copy.subject(copy.holder), Value::from(kind), origin));
    facts.extend(cuda.as_deref().map(|number| PACKAGE_CUDA.of(copy.subject(copy.holder), version(number), origin)));
    copy.ask_files(&module, cuda.as_deref(), facts);
}

/// The text in a line such as `cuda_version = '12.8'`.
fn assigned(text: &str, name: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='));
    let value = values.map(|value| value.trim().trim_matches(['\'', '"'])).next()?;
    (!value.is_empty() && value != "None").then(|| value.to_owned())
}

impl Copy<'_> {
    fn subject(&self, package: &Package) -> Subject {
        Subject::Package { environment: self.environment.root.clone(), name: package.name.clone() }
    }

    /// The libraries in the folder of the module.
    fn ask_files(&self, folder: &str, cuda: Option<&str>, facts: &mut Vec<Fact>) {
        let listed = Question::List(folder.to_owned());
        let names = self.host.ask(&listed).unwrap_or_default();
        let separator = if self.host.is_windows() { '\\' } else { '/' };
        let core = names.lines().find(|name| is_core(name)).map(|name| format!("{folder}{separator}{name}"));
        let mut available = Vec::new();
        if let Some(core) = &core {
            let subject = || Subject::Library(core.clone());
            let package = self.environment.title_of(self.holder);
            facts.push(LIBRARY.of(subject(), Value::from("package"), &listed));
            facts.push(PACKAGE.of(subject(), Value::Text(package), &listed));
            facts.extend(self.environment.facts_of_library(core));
            available = ask_library(self.host, core, facts);
        }
        let files = providers::ask(self, folder, &names, cuda, facts);
        if let Some(core) = &core {
            compute(self.host, core, &available, &files, facts);
        }
    }
}

/// Whether a file is ONNX Runtime's library itself: `libonnxruntime.so.1.32.0`, `libonnxruntime.1.22.0.dylib`,
/// `onnxruntime.dll`.
fn is_core(name: &str) -> bool {
    name.starts_with("libonnxruntime.so")
        || (name.starts_with("libonnxruntime.") && name.ends_with(".dylib"))
        || name.eq_ignore_ascii_case("onnxruntime.dll")
}

/// The copy that a program would get that asks the loader for it by name.
fn ask_system(host: &dyn Host, facts: &mut Vec<Fact>) {
    let name = match host.system().as_str() {
        "windows" => "onnxruntime.dll",
        "macos" => "libonnxruntime.dylib",
        _ => "libonnxruntime.so.1",
    };
    let question = Question::Library(name.to_owned());
    let path = match host.taken(&question) {
        Ok(path) => path,
        Err(Missing::NotFound) => return,
        Err(missing) => return facts.push(LIBRARY.of(Subject::Library(name.to_owned()), missing, &question)),
    };
    let subject = Subject::Library(path.clone());
    if path.to_lowercase().contains(r"\system32\") {
        return facts.push(LIBRARY.of(subject, Value::from("windows"), &question));
    }
    facts.push(LIBRARY.of(subject, Value::from("system"), &question));
    let available = ask_library(host, &path, facts);
    compute(host, &path, &available, &[], facts);
}

/// Asks a library for its version and its providers, which are returned.
fn ask_library(host: &dyn Host, path: &str, facts: &mut Vec<Fact>) -> Vec<String> {
    let subject = || Subject::Library(path.to_owned());
    // A cut library kills whoever maps it, so its header comes first.
    let header = Question::Image(path.to_owned());
    if let Err(missing) = loadable(host, path) {
        facts.push(VERSION.of(subject(), missing, &header));
        return Vec::new();
    }
    let question = query(Vec::new(), vec![path.to_owned()]);
    let runtime = host
        .ask(&question)
        .and_then(|json| serde_json::from_str::<Runtime>(&json).map_err(|error| Missing::Garbled(error.to_string())));
    match runtime {
        Ok(runtime) => {
            facts.push(VERSION.of(subject(), version(&runtime.version), &question));
            facts.push(PROVIDERS.of(subject(), Value::Set(runtime.providers.clone()), &question));
            facts.extend(runtime.build.map(|build| BUILD.of(subject(), Value::Text(build), &question)));
            runtime.providers
        }
        Err(missing) => {
            facts.push(VERSION.of(subject(), missing, &question));
            Vec::new()
        }
    }
}

/// Runs the model through each provider that would load, each in a child of its own. `files` are the libraries of providers, by
/// the provider's name.
fn compute(host: &dyn Host, core: &str, available: &[String], files: &[(String, String)], facts: &mut Vec<Fact>) {
    if !host.is_deep() {
        return;
    }
    for provider in available {
        let file = files.iter().find(|(name, _)| name == provider).map(|(_, file)| file.clone());
        let subject = match (provider.as_str(), file) {
            (CPU, _) => core.to_owned(),
            (_, Some(file)) => file,
            (name, None) => match providers::ACCELERATED.iter().find(|known| known.name == name) {
                Some(known) if known.is_built_in() => known.built_in.to_owned(),
                _ => continue,
            },
        };
        // What would not load has its own finding, and NVIDIA's libraries are left alone until their kernel driver is ready.
        if subject != core && !providers::may_start(host, provider, &subject, facts) {
            continue;
        }
        let environment = match provider.as_str() {
            "OpenVINOExecutionProvider" => openvino::opencl_to_show(host),
            _ => Vec::new(),
        };
        let question = query(environment, vec!["compute".to_owned(), core.to_owned(), provider.clone()]);
        let answer = host.ask(&question).and_then(|text| match text == "right" || text.starts_with("wrong: ") {
            true => Ok(Value::Text(text)),
            false => Err(Missing::Garbled(text)),
        });
        facts.push(COMPUTE.of(Subject::Library(subject), answer, &question));
    }
}

fn query(environment: Vec<(String, String)>, arguments: Vec<String>) -> Question {
    Question::Native(Query { environment, probe: PROBE.name.to_owned(), arguments })
}
