//! How ONNX Runtime stands: by the copy that comes first, and by what its best provider can do here.

use super::providers::{ACCELERATED, Accelerated, PACKAGE_VERSION, PROVIDER, TO_PRELOAD, WANTS_FIRST};
use super::{COMPUTE, LIBRARY, PACKAGE, PROVIDERS, VERSION};
use crate::fact::{Report, Subject, Value};
use crate::framework::packaged;
use crate::host::Missing;
use crate::ladder::{Climb, Rung, State};

pub(super) fn climb(report: &Report) -> Climb {
    if report.asked("python").is_some_and(|asked| asked.missing.is_some()) {
        return Climb::none(State::Unknown, "the Python environments could not be looked at");
    }
    let of = |kind: &str| {
        let mut libraries = report.all(LIBRARY.name);
        libraries.find(|fact| fact.value == Ok(Value::from(kind))).map(|fact| &fact.subject)
    };
    // Packages stand in the order of their environments, the active one first.
    let Some(library) = of("package").or_else(|| of("system")) else { return without_library(report, of("windows")) };
    let copy = match report.about(library, PACKAGE.name) {
        Some(package) => package.to_string(),
        None => path_of(library).to_owned(),
    };
    let asked = report.all(VERSION.name).find(|fact| fact.subject == *library).map(|fact| &fact.value);
    let climb = match asked {
        None => Climb::none(State::Unknown, format!("{copy}: its library was not asked")),
        Some(Err(missing)) => failed(path_of(library), missing),
        Some(Ok(_)) => by_providers(report, library, &copy),
    };
    let package = report.about(library, PACKAGE.name).map(Value::to_string);
    let package = package.as_deref().and_then(|package| package.split(' ').nth(1)).filter(|part| *part != "in");
    climb.with("package", package).with("library", report.about(library, VERSION.name))
}

fn path_of(library: &Subject) -> &str {
    match library {
        Subject::Library(path) => path,
        _ => "",
    }
}

/// Where no library was found there may still be a package: older ones have it inside their Python module.
fn without_library(report: &Report, windows: Option<&Subject>) -> Climb {
    let ours = |name: &str| super::PACKAGES.iter().any(|(ours, _)| *ours == name);
    if let Some(package) = packaged(report, ours) {
        let detail = format!("{}: no library of its own that could be asked", package.copy);
        return Climb::none(State::Unknown, detail).with("package", package.version);
    }
    let system = report.all(LIBRARY.name).find_map(|fact| fact.value.as_ref().err());
    match (system, windows) {
        (Some(missing), _) => Climb::none(State::Unknown, format!("its library could not be looked for: {missing}")),
        (None, Some(windows)) => {
            let windows = path_of(windows);
            let detail = format!(
                "only {windows}, which is for Windows ML; a program that loads it by its bare name gets an old copy"
            );
            Climb::new(State::NotInstalled, Rung::Library, detail)
        }
        (None, None) => Climb::new(State::NotInstalled, Rung::Library, "neither a Python package nor a library"),
    }
}

/// A library that did not answer.
fn failed(library: &str, missing: &Missing) -> Climb {
    match missing {
        Missing::Crashed(how) => {
            Climb::new(State::Crashed, Rung::Load, format!("{library} killed its process with {how}"))
        }
        Missing::TimedOut => Climb::new(State::TimedOut, Rung::Load, format!("{library} did not answer in time")),
        Missing::Unsupported | Missing::NotRecorded | Missing::Unasked(_) => {
            Climb::none(State::Unknown, format!("{library} could not be asked: {missing}"))
        }
        Missing::Denied => Climb::new(State::Blocked, Rung::Load, format!("{library}: {missing}")),
        missing => Climb::new(State::Broken, Rung::Load, format!("{library}: {missing}")),
    }
}

fn by_providers(report: &Report, library: &Subject, copy: &str) -> Climb {
    let Some(Value::Set(available)) = report.about(library, PROVIDERS.name) else {
        return Climb::none(State::Unknown, format!("{copy}: its providers are not known"));
    };
    let accelerated = ACCELERATED.iter().filter(|provider| available.iter().any(|name| name == provider.name));
    let mut obstacles = Vec::new();
    let mut unknown = false;
    for provider in accelerated {
        match stands(report, library, provider, copy) {
            Stands::Usable(climb) => return climb,
            Stands::Unknown(why) => {
                unknown = true;
                obstacles.push(why);
            }
            Stands::Obstructed(why) => obstacles.push(why),
        }
    }
    let on_cpu = computed(report, library);
    match (obstacles.first(), on_cpu) {
        (_, Some(Err(wrong))) => {
            Climb::new(State::Broken, Rung::Compute, format!("{copy} computes {wrong} on the processor"))
        }
        (None, Some(Ok(()))) => Climb::new(
            State::SoftwareOnly,
            Rung::Compute,
            format!("{copy} computes on the processor alone; a small model came out right"),
        ),
        (None, None) => {
            Climb::new(State::SoftwareOnly, Rung::Initialise, format!("{copy} computes on the processor alone"))
        }
        (Some(why), _) if unknown => Climb::none(State::Unknown, format!("{copy}: {why}")),
        (Some(why), _) => {
            Climb::new(State::SoftwareOnly, Rung::Initialise, format!("{copy} computes on the processor: {why}"))
        }
    }
}

/// How a provider stands.
enum Stands {
    Usable(Climb),
    Obstructed(String),
    Unknown(String),
}

fn stands(report: &Report, library: &Subject, provider: &Accelerated, copy: &str) -> Stands {
    let name = provider.name;
    // The one beside this very library: other environments have their own.
    let folder = |path: &str| path.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder).to_owned();
    let here = folder(path_of(library));
    let file = report.all(PROVIDER.name).find_map(|fact| {
        let ours = fact.value == Ok(Value::from(name)) && folder(path_of(&fact.subject)) == here;
        ours.then_some(&fact.subject)
    });
    if file.is_none() && !provider.is_built_in() {
        // Beside a copy of the system's no files were looked for.
        return match report.about(library, PACKAGE.name) {
            Some(_) => Stands::Obstructed(format!("the library of {name} is not there")),
            None => Stands::Unknown(format!("where the library of {name} is is not known")),
        };
    }
    let about = |key| file.and_then(|file| report.about(file, key)).map(Value::to_string);
    if let Some(first) = about(WANTS_FIRST.name) {
        return Stands::Obstructed(format!("{name} would not load, for lack of {first}"));
    }
    let below = crate::PROBES.iter().find(|probe| probe.name == provider.below).and_then(|probe| probe.climb);
    let Some(below) = below.map(|climb| climb(report)) else {
        return Stands::Obstructed(format!("whether {name} has something to compute on is not asked here"));
    };
    match below.state {
        State::Working => {}
        State::Unknown | State::TimedOut => {
            return Stands::Unknown(format!("whether {name} works is not known: {}", below.detail));
        }
        _ => return Stands::Obstructed(format!("{name} has nothing to compute on: {}", below.detail)),
    }
    let built_in = Subject::Library(provider.built_in.to_owned());
    match computed(report, file.unwrap_or(&built_in)) {
        Some(Err(wrong)) => {
            return Stands::Usable(Climb::new(
                State::Broken,
                Rung::Compute,
                format!("{copy}: {name} computes {wrong}"),
            ));
        }
        Some(Ok(())) => {
            let detail = format!("{copy} with {name}; a small model came out right");
            return Stands::Usable(Climb::new(State::Working, Rung::Compute, detail));
        }
        None => {}
    }
    let how = match about(TO_PRELOAD.name) {
        Some(_) if preloads(about(PACKAGE_VERSION.name).as_deref()) => {
            ", once `onnxruntime.preload_dlls()` or `import torch` has loaded what it needs"
        }
        Some(_) => ", once `import torch` has loaded what it needs",
        None => "",
    };
    Stands::Usable(Climb::new(State::Working, Rung::Initialise, format!("{copy} with {name}{how}")))
}

/// Whether a version has the function that loads libraries beforehand: 1.21 or newer.
fn preloads(version: Option<&str>) -> bool {
    let mut parts = version.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (1, 21)
}

/// Whether a library computed right; nothing where it was not asked to or did not come that far.
fn computed(report: &Report, library: &Subject) -> Option<Result<(), String>> {
    let result = report.about(library, COMPUTE.name)?.to_string();
    Some(if result == "right" { Ok(()) } else { Err(result) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::Question;
    use crate::host::recording::Recording;

    const SITE: &str = "/e/lib/python3.11/site-packages";
    const CAPI: &str = "/e/lib/python3.11/site-packages/onnxruntime/capi";

    fn image(needed: &[&str]) -> String {
        serde_json::json!({"format": "elf", "bits": 64, "machine": "x86_64", "needed": needed, "complete": true})
            .to_string()
    }

    /// A machine with ONNX Runtime for CUDA and these other packages, and with CUDA working where `gpu` says so.
    fn report(metadata: &str, more: Vec<(Question, String)>, gpu: bool) -> Report {
        let library = format!("{CAPI}/libonnxruntime.so.1.23.2");
        let providers = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"];
        let runtime = serde_json::json!({"version": "1.23.2", "providers": providers, "build": null}).to_string();
        let answers = [
            (Question::System, "linux x86_64".to_owned()),
            (Question::Env("VIRTUAL_ENV".into()), "/e".into()),
            (Question::Read("/e/pyvenv.cfg".into()), "version = 3.11.7".into()),
            (Question::List("/e/lib".into()), "python3.11".into()),
            (Question::List(SITE.into()), metadata.into()),
            (
                Question::Read(format!("{CAPI}/build_and_package_info.py")),
                "package_name = 'onnxruntime-gpu'\n__version__ = '1.23.2'\ncuda_version = '12.8'\n".into(),
            ),
            (
                Question::List(CAPI.into()),
                "libonnxruntime.so.1.23.2\nlibonnxruntime_providers_cuda.so\nlibonnxruntime_providers_shared.so".into(),
            ),
            (Question::Image(library.clone()), image(&[])),
            (Question::Image(format!("{CAPI}/libonnxruntime_providers_shared.so")), image(&[])),
            (
                Question::Image(format!("{CAPI}/libonnxruntime_providers_cuda.so")),
                image(&["libcuda.so.1", "libcublas.so.12", "libcudnn.so.9"]),
            ),
            (format!("native onnxruntime {library}").parse().unwrap(), runtime),
        ];
        let answers = answers.into_iter().chain(more).map(|(question, answer)| (question, Ok(answer)));
        let mut host = Recording::of(String::new(), "test", answers);
        host.complete = true;
        let mut facts = [(crate::python::PROBE.ask)(&host), super::super::ask(&host)].concat();
        if gpu {
            let told = [
                ("nvidia-kernel-driver", Subject::Host, "ready"),
                ("cuda-library", Subject::Library("/lib/libcuda.so.1".into()), "driver"),
                ("cuda-status", Subject::Host, "working"),
                ("cuda-device", Subject::Device("0000:01:00.0".into()), "NVIDIA GeForce RTX 4090"),
            ];
            facts.extend(told.map(|(key, subject, text)| {
                crate::key(key).unwrap().of(subject, Value::from(text), &Question::System)
            }));
        }
        Report { probes: Vec::new(), facts }
    }

    fn cuda() -> Subject {
        Subject::Library(format!("{CAPI}/libonnxruntime_providers_cuda.so"))
    }

    #[test]
    fn what_is_missing_is_named_and_the_driver_is_another_matter() {
        let report = report("onnxruntime\nonnxruntime_gpu-1.23.2.dist-info", Vec::new(), true);
        let missing = Value::Set(vec!["libcublas.so.12".into(), "libcudnn.so.9".into()]);
        assert_eq!(report.about(&cuda(), "provider-missing-libraries").unwrap(), &missing);
        assert_eq!(report.about(&cuda(), "provider-cuda").unwrap().to_string(), "12.8");
        let climb = climb(&report);
        assert_eq!((climb.state, climb.rung), (State::SoftwareOnly, Some(Rung::Initialise)), "{}", climb.detail);
        assert!(
            climb.detail.contains("libcublas.so.12") && climb.detail.contains("providers_cuda"),
            "{}",
            climb.detail
        );
        assert_eq!(climb.versions.get("package").unwrap(), "1.23.2");
        assert_eq!(climb.versions.get("library").unwrap(), "1.23.2");
    }

    #[test]
    fn what_packages_hold_is_loaded_beforehand() {
        let held = |name: &str, file: &str| {
            let folder = format!("{SITE}/nvidia/{name}/lib");
            vec![
                (Question::List(folder.clone()), file.to_owned()),
                (Question::Image(format!("{folder}/{file}")), image(&[])),
            ]
        };
        let mut more = vec![(Question::List(format!("{SITE}/nvidia")), "cublas\ncudnn".to_owned())];
        more.extend(held("cublas", "libcublas.so.12"));
        more.extend(held("cudnn", "libcudnn.so.9"));
        let metadata = "onnxruntime\nonnxruntime_gpu-1.23.2.dist-info";
        let told = report(metadata, more.clone(), true);
        assert_eq!(told.about(&cuda(), "provider-missing-libraries").unwrap(), &Value::Set(Vec::new()));
        let held = Value::Set(vec!["libcublas.so.12".into(), "libcudnn.so.9".into()]);
        assert_eq!(told.about(&cuda(), "provider-libraries-to-preload").unwrap(), &held);
        let climbed = climb(&told);
        assert_eq!(climbed.state, State::Working, "{}", climbed.detail);
        assert!(climbed.detail.contains("preload_dlls()"), "{}", climbed.detail);
        let without_gpu = climb(&report(metadata, more, false));
        assert_ne!(without_gpu.state, State::Working, "{}", without_gpu.detail);
    }

    #[test]
    fn packages_of_one_folder_are_told_once() {
        let metadata = "onnxruntime\nonnxruntime-1.23.2.dist-info\nonnxruntime_gpu-1.23.2.dist-info\nonnxruntime_qnn-2.7.0.dist-info";
        let report = report(metadata, Vec::new(), true);
        let told: Vec<_> = report.all("onnxruntime-shares-folder").collect();
        assert_eq!(told.len(), 1, "the plugin for Qualcomm's NPU has a folder of its own");
        let first = told.first().unwrap();
        assert_eq!(first.value, Ok(Value::Set(vec!["onnxruntime".into()])));
        assert_eq!(first.subject, Subject::Package { environment: "/e".into(), name: "onnxruntime-gpu".into() });
    }

    #[test]
    fn windows_own_copy_is_no_installation() {
        let path = r"C:\Windows\System32\onnxruntime.dll";
        let told = |answer: crate::host::Answer| {
            let question = Question::Library("onnxruntime.dll".into());
            let system = (Question::System, Ok("windows x86_64".to_owned()));
            let mut host = Recording::of(String::new(), "test", [system, (question, answer)]);
            host.complete = true;
            climb(&Report { probes: Vec::new(), facts: super::super::ask(&host) })
        };
        let found = told(Ok(path.into()));
        assert_eq!(found.state, State::NotInstalled);
        assert!(found.detail.contains(path), "{}", found.detail);
        assert_eq!(told(Err(Missing::NotFound)).state, State::NotInstalled);
        assert_eq!(told(Err(Missing::NotRecorded)).state, State::Unknown);
    }

    #[test]
    fn older_versions_have_nothing_that_loads_beforehand() {
        assert!(preloads(Some("1.21.0")) && preloads(Some("1.32.0")) && preloads(Some("2.0")));
        assert!(!preloads(Some("1.20.2")) && !preloads(None));
    }
}
