//! How TensorFlow Lite stands: by the copy that comes first, and by what its delegates could compute with.

use super::{ACCELERATORS, DELEGATE, DELEGATE_LACKS, LIBRARY, PACKAGE, VERSION};
use crate::fact::{Report, Subject, Value};
use crate::framework::packaged;
use crate::host::Missing;
use crate::ladder::{Climb, Rung, State};

pub(super) fn climb(report: &Report) -> Climb {
    if report.asked("python").is_some_and(|asked| asked.missing.is_some()) {
        return Climb::none(State::Unknown, "the Python environments could not be looked at");
    }
    let Some(fact) = report.all(LIBRARY.name).next() else {
        let ours = |name: &str| super::MODULES.iter().any(|(ours, ..)| *ours == name);
        // TensorFlow brings a copy of its own, of which nothing is known without its files.
        if let Some(package) = packaged(report, ours).filter(|package| package.given) {
            let detail = format!("{}: whether it holds TensorFlow Lite was not asked", package.copy);
            return Climb::none(State::Unknown, detail).with("package", package.version);
        }
        return Climb::new(State::NotInstalled, Rung::Library, "neither a Python package nor a library");
    };
    let library = &fact.subject;
    let Subject::Library(path) = library else { return Climb::none(State::Unknown, "it is not known where it is") };
    let copy = report.about(library, PACKAGE.name).map_or_else(|| path.clone(), Value::to_string);
    let asked = report.all(ACCELERATORS.name).find(|fact| fact.subject == *library).map(|fact| &fact.value);
    let climb = match (&fact.value, asked) {
        (Err(missing), _) => Climb::none(State::Unknown, format!("its library could not be looked for: {missing}")),
        (Ok(_), Some(Ok(Value::Set(accelerators)))) => by_delegates(report, path, &copy, accelerators),
        (Ok(_), Some(Err(missing))) => failed(path, missing, &copy),
        (Ok(_), _) => by_header(report, &copy),
    };
    let package = report.about(library, PACKAGE.name).map(Value::to_string);
    let package = package.as_deref().and_then(|package| package.split(' ').nth(1)).filter(|part| *part != "in");
    climb.with("package", package).with("library", report.about(library, VERSION.name))
}

/// A copy inside a Python module, which is not imported.
fn by_header(report: &Report, copy: &str) -> Climb {
    let lacks = report.all("package-wants-first").find(|fact| match &fact.subject {
        Subject::Package { environment, name } => {
            copy.starts_with(&format!("{name} ")) && copy.ends_with(&format!(" in {environment}"))
        }
        _ => false,
    });
    match lacks.and_then(|fact| fact.value.as_ref().ok()) {
        Some(first) => Climb::new(State::Broken, Rung::Load, format!("{copy}: {first}, would not be found")),
        None => Climb::new(
            State::SoftwareOnly,
            Rung::Library,
            format!("{copy}, which computes on the processor (XNNPACK); told by its files, it was not imported"),
        ),
    }
}

fn failed(path: &str, missing: &Missing, copy: &str) -> Climb {
    match missing {
        Missing::Crashed(how) => {
            Climb::new(State::Crashed, Rung::Initialise, format!("{path} killed its process with {how}"))
        }
        Missing::TimedOut => Climb::new(State::TimedOut, Rung::Initialise, format!("{path} did not answer in time")),
        Missing::NotRecorded | Missing::Unasked(_) | Missing::Unsupported => {
            Climb::none(State::Unknown, format!("{copy} could not be asked: {missing}"))
        }
        Missing::Exited { .. } => Climb::new(State::Broken, Rung::Initialise, format!("{path}: {missing}")),
        Missing::Denied => Climb::new(State::Blocked, Rung::Load, format!("{path}: {missing}")),
        missing => Climb::new(State::Broken, Rung::Load, format!("{path}: {missing}")),
    }
}

/// A copy whose library answered: it works on a GPU where a delegate of it would load and has something to compute with.
fn by_delegates(report: &Report, path: &str, copy: &str, accelerators: &[String]) -> Climb {
    let folder = path.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder);
    let mut obstacle = None;
    for fact in report.all(DELEGATE.name) {
        let (Subject::Library(file), Ok(kind)) = (&fact.subject, &fact.value) else { continue };
        let loads =
            matches!(report.about(&fact.subject, DELEGATE_LACKS.name), Some(Value::Set(names)) if names.is_empty());
        // A GPU's name among what was registered shows that the accelerator was loaded.
        let registered = accelerators.iter().any(|name| name.to_lowercase().contains("gpu"));
        let kind = kind.to_string();
        let Some(systems) = systems_of(&kind).filter(|_| loads && registered && file.starts_with(folder)) else {
            continue;
        };
        let below = systems.iter().filter_map(|name| crate::PROBES.iter().find(|probe| probe.name == *name)?.climb);
        for climbed in below.map(|climb| climb(report)) {
            if climbed.state == State::Working {
                let detail =
                    format!("{copy}, whose GPU accelerator ({kind}) has something to compute with: {}", climbed.detail);
                return Climb::new(State::Working, Rung::Initialise, detail);
            }
            let state = climbed.state.name().replace('-', " ");
            obstacle
                .get_or_insert_with(|| format!("; its GPU accelerator ({kind}) has no GPU: {kind} is {state} here"));
        }
    }
    let detail = format!("{copy} computes on the processor (XNNPACK){}", obstacle.unwrap_or_default());
    Climb::new(State::SoftwareOnly, Rung::Initialise, detail)
}

/// The systems of which one must work for a kind of delegate; nothing of an NPU, which no probe here can ask about.
fn systems_of(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "webgpu" => Some(&["webgpu", "vulkan", "directml"]),
        "opencl" => Some(&["opencl"]),
        "vulkan" => Some(&["vulkan"]),
        "metal" => Some(&["apple-coreml-mps"]),
        _ => None,
    }
}
