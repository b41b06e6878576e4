//! TensorFlow Lite, now LiteRT: where it is in Python environments and on the system, and what besides the processor it could use.
//!
//! Looks into the packages `ai-edge-litert`, `tflite-runtime` and TensorFlow's own of each environment, and for the C library that
//! the loader would take. LiteRT's library is asked in a child which accelerators it registers, the C library for its version; the
//! older packages hold it inside a Python module, which is not imported, so their headers tell. What a GPU accelerator or an
//! NPU's dispatch library needs and would not find is told by headers, too. It cannot tell which operators a delegate takes over.
//! References: litert/c/litert_environment.h and litert_accelerator.h; tensorflow/lite/c/c_api.h; LiteRT's migration guide.

mod climb;
#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::python::environments::{Environment, environments};
use crate::python::packages::Package;
use crate::python::{PACKAGE_BUILD, PACKAGE_MISSING_LIBRARIES, PACKAGE_WANTS_FIRST};
use crate::resolve::{is_of_a_driver, loadable, unresolved};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "tflite",
    keys: &[&LIBRARY, &PACKAGE, &VERSION, &ACCELERATORS, &DELEGATE, &DELEGATE_LACKS],
    ask,
    climb: Some(climb::climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 10,
};

static LIBRARY: Key = Key::new(
    "tflite-library",
    Kind::Text,
    Scope::Library,
    "What holds a copy of TensorFlow Lite: `litert` (its library), `python-module` or `c-library`.",
);
static PACKAGE: Key = Key::new(
    "tflite-package",
    Kind::Text,
    Scope::Library,
    "The Python package that a copy of TensorFlow Lite belongs to, with its version and environment.",
);
static VERSION: Key =
    Key::new("tflite-version", Kind::Version, Scope::Library, "The version that TensorFlow Lite's C library tells.");
static ACCELERATORS: Key = Key::new(
    "tflite-accelerators",
    Kind::Set,
    Scope::Library,
    "What LiteRT registers to compute with, in its own words; a GPU's name there does not mean that a GPU is there.",
);
static DELEGATE: Key = Key::new(
    "tflite-delegate",
    Kind::Text,
    Scope::Library,
    "What a library beside TensorFlow Lite computes with: `webgpu`, `opencl`, `vulkan`, `metal`, or `npu` and its vendor.",
);
static DELEGATE_LACKS: Key = Key::new(
    "tflite-delegate-lacks",
    Kind::Set,
    Scope::Library,
    "Libraries that a delegate needs and that would not be found; empty where it would load.",
);

/// The module with the interpreter, by package: folder below the packages, and how its file's name begins.
const MODULES: &[(&str, &str, &str)] = &[
    ("ai-edge-litert", "ai_edge_litert", "_pywrap_litert_interpreter_wrapper"),
    ("tflite-runtime", "tflite_runtime", "_pywrap_tensorflow_interpreter_wrapper"),
    ("tensorflow", "tensorflow/lite/python/interpreter_wrapper", "_pywrap_tensorflow_interpreter_wrapper"),
    ("tensorflow-cpu", "tensorflow/lite/python/interpreter_wrapper", "_pywrap_tensorflow_interpreter_wrapper"),
    ("tensorflow-intel", "tensorflow/lite/python/interpreter_wrapper", "_pywrap_tensorflow_interpreter_wrapper"),
];

/// What the child tells: the version where it is a C library, the accelerators where it is LiteRT.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Runtime {
    version: Option<String>,
    accelerators: Vec<String>,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    for environment in environments(host) {
        for (name, folder, module) in MODULES {
            if let Some(package) = environment.packages.get(*name) {
                ask_package(host, &environment, package, folder, module, &mut facts);
            }
        }
    }
    ask_system(host, &mut facts);
    facts
}

fn ask_package(
    host: &dyn Host,
    environment: &Environment,
    package: &Package,
    folder: &str,
    module: &str,
    facts: &mut Vec<Fact>,
) {
    let (separator, folder) = match host.is_windows() {
        true => ('\\', folder.replace('/', r"\")),
        false => ('/', folder.to_owned()),
    };
    let folder = format!("{}{separator}{folder}", package.site);
    let listed = Question::List(folder.clone());
    let names = host.list(&folder);
    let is_litert = |name: &&String| matches!(name.as_str(), "libLiteRt.so" | "libLiteRt.dll" | "libLiteRt.dylib");
    let litert = names.iter().find(is_litert);
    let is_module = |name: &&String| name.starts_with(module) && [".so", ".pyd"].iter().any(|end| name.ends_with(end));
    let Some((file, kind)) = litert
        .map(|name| (name, "litert"))
        .or_else(|| names.iter().find(is_module).map(|name| (name, "python-module")))
    else {
        return;
    };
    let path = format!("{folder}{separator}{file}");
    let subject = || Subject::Library(path.clone());
    facts.push(LIBRARY.of(subject(), Value::from(kind), &listed));
    facts.push(PACKAGE.of(subject(), Value::Text(environment.title_of(package)), &listed));
    facts.extend(environment.facts_of_library(&path));
    match kind {
        "litert" => {
            // By their bare names LiteRT looks for its accelerators where the loader does; Python tells it its own folder.
            let variables = match host.system().as_str() {
                "linux" => vec![("LD_LIBRARY_PATH".to_owned(), folder.clone())],
                _ => Vec::new(),
            };
            ask_library(host, &path, variables, facts);
            ask_delegates(host, &folder, separator, &names, facts);
        }
        _ => facts.extend(ask_module(host, environment, package, &path)),
    }
}

/// What a Python module needs and would not find.
fn ask_module(host: &dyn Host, environment: &Environment, package: &Package, path: &str) -> Vec<Fact> {
    let missing = unresolved(host, path, &[]).unwrap_or_default();
    let Some(first) = missing.first() else { return Vec::new() };
    let subject = || Subject::Package { environment: environment.root.clone(), name: package.name.clone() };
    let origin = Question::Image(first.wanted_by.clone());
    let wants = format!("`{}`, needed by `{}`", first.name, first.wanted_by);
    let names = missing.iter().map(|one| one.name.clone()).collect();
    // TensorFlow's own probe tells what that was built for.
    let built = (package.name == "tflite-runtime").then(|| PACKAGE_BUILD.of(subject(), Value::from("cpu"), &origin));
    let mut facts: Vec<Fact> = built.into_iter().collect();
    facts.extend([
        PACKAGE_MISSING_LIBRARIES.of(subject(), Value::Set(names), &origin),
        PACKAGE_WANTS_FIRST.of(subject(), Value::Text(wants), &origin),
    ]);
    facts
}

/// The GPU accelerators beside LiteRT, and the dispatch libraries of NPUs below it.
fn ask_delegates(host: &dyn Host, folder: &str, separator: char, names: &[String], facts: &mut Vec<Fact>) {
    let mut found: Vec<(String, String)> = Vec::new();
    for (kind, part) in [("webgpu", "WebGpu"), ("opencl", "OpenCl"), ("vulkan", "Vulkan"), ("metal", "Metal")] {
        let start = format!("libLiteRt{part}Accelerator.");
        let file = names.iter().find(|name| name.starts_with(&start));
        found.extend(file.map(|name| (format!("{folder}{separator}{name}"), kind.to_owned())));
    }
    let vendors = format!("{folder}{separator}vendors");
    for vendor in host.list(&vendors) {
        let dispatch = format!("{vendors}{separator}{vendor}{separator}dispatch");
        let files = host.list(&dispatch).into_iter().filter(|name| name.starts_with("libLiteRtDispatch_"));
        found.extend(files.map(|name| (format!("{dispatch}{separator}{name}"), format!("npu {vendor}"))));
    }
    for (path, kind) in found {
        let subject = || Subject::Library(path.clone());
        let origin = Question::Image(path.clone());
        facts.push(DELEGATE.of(subject(), Value::Text(kind), &origin));
        let lacks = unresolved(host, &path, &[]).map(|missing| {
            let names = missing.into_iter().map(|one| one.name).filter(|name| !is_of_a_driver(name));
            Value::Set(names.collect())
        });
        facts.push(DELEGATE_LACKS.of(subject(), lacks, &origin));
    }
}

/// The C library that a program would get that asks the loader for it by name.
fn ask_system(host: &dyn Host, facts: &mut Vec<Fact>) {
    let name = match host.system().as_str() {
        "windows" => "tensorflowlite_c.dll",
        "macos" => "libtensorflowlite_c.dylib",
        _ => "libtensorflowlite_c.so",
    };
    let question = Question::Library(name.to_owned());
    match host.taken(&question) {
        Ok(path) => {
            facts.push(LIBRARY.of(Subject::Library(path.clone()), Value::from("c-library"), &question));
            ask_library(host, &path, Vec::new(), facts);
        }
        Err(Missing::NotFound) => {}
        Err(missing) => facts.push(LIBRARY.of(Subject::Library(name.to_owned()), missing, &question)),
    }
}

fn ask_library(host: &dyn Host, path: &str, environment: Vec<(String, String)>, facts: &mut Vec<Fact>) {
    let subject = || Subject::Library(path.to_owned());
    if let Err(missing) = loadable(host, path) {
        return facts.push(ACCELERATORS.of(subject(), missing, &Question::Image(path.to_owned())));
    }
    let question =
        Question::Native(Query { environment, probe: PROBE.name.to_owned(), arguments: vec![path.to_owned()] });
    let runtime = host
        .ask(&question)
        .and_then(|json| serde_json::from_str::<Runtime>(&json).map_err(|error| Missing::Garbled(error.to_string())));
    match runtime {
        Ok(runtime) => {
            facts.extend(runtime.version.map(|number| VERSION.of(subject(), version(&number), &question)));
            facts.push(ACCELERATORS.of(subject(), Value::Set(runtime.accelerators), &question));
        }
        Err(missing) => facts.push(ACCELERATORS.of(subject(), missing, &question)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::Answer;
    use crate::host::recording::Recording;
    use crate::ladder::State;

    const SITE: &str = "/e/lib/python3.11/site-packages";

    fn climbed(metadata: &str, more: Vec<(Question, Answer)>) -> (State, String) {
        let answers = [
            (Question::System, Ok("linux x86_64".to_owned())),
            (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
            (Question::Read("/e/pyvenv.cfg".into()), Ok("version = 3.11.7".into())),
            (Question::List("/e/lib".into()), Ok("python3.11".into())),
            (Question::List(SITE.into()), Ok(metadata.into())),
        ];
        let mut host = Recording::of(String::new(), "test", answers.into_iter().chain(more));
        host.complete = true;
        let facts = [(crate::python::PROBE.ask)(&host), ask(&host)].concat();
        let climb = climb::climb(&Report { probes: Vec::new(), facts });
        (climb.state, climb.detail)
    }

    fn image(needed: &str) -> Answer {
        Ok(format!(r#"{{"format":"elf","bits":64,"machine":"x86_64","needed":[{needed}],"complete":true}}"#))
    }

    fn litert(answer: Answer) -> (State, String) {
        let folder = format!("{SITE}/ai_edge_litert");
        climbed(
            "ai_edge_litert\nai_edge_litert-2.3.0.dist-info",
            vec![
                (Question::List(folder.clone()), Ok("libLiteRt.so\nlibLiteRtWebGpuAccelerator.so".into())),
                (Question::Image(format!("{folder}/libLiteRt.so")), image("")),
                (Question::Image(format!("{folder}/libLiteRtWebGpuAccelerator.so")), image("")),
                (format!("native LD_LIBRARY_PATH={folder} tflite {folder}/libLiteRt.so").parse().unwrap(), answer),
            ],
        )
    }

    #[test]
    fn litert_without_a_gpu_computes_on_the_processor() {
        let answer = r#"{"version":null,"accelerators":["GPU WebGPU","CpuAccelerator"]}"#;
        let (state, detail) = litert(Ok(answer.into()));
        assert_eq!(state, State::SoftwareOnly, "{detail}");
        assert_eq!(litert(Err(Missing::Crashed("signal 6".into()))).0, State::Crashed);
        assert_eq!(litert(Err(Missing::NotRecorded)).0, State::Unknown);
    }

    #[test]
    fn a_python_module_is_told_by_its_header() {
        let folder = format!("{SITE}/tflite_runtime");
        let module = |needed: &str| {
            climbed(
                "tflite_runtime\ntflite_runtime-2.14.0.dist-info",
                vec![
                    (Question::List(folder.clone()), Ok("_pywrap_tensorflow_interpreter_wrapper.so".into())),
                    (Question::Image(format!("{folder}/_pywrap_tensorflow_interpreter_wrapper.so")), image(needed)),
                ],
            )
        };
        assert_eq!(module("").0, State::SoftwareOnly);
        assert_eq!(module(r#""libflatbuffers.so.2""#).0, State::Broken);
        assert_eq!(climbed("pip-23.0.dist-info", Vec::new()).0, State::NotInstalled);
    }
}
