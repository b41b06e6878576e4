//! How OpenVINO stands: by the copy that comes first.

use super::{CPU, DEVICE, FAULT, LIBRARY, PACKAGE, VERSION};
use crate::fact::{Report, Subject, Value};
use crate::framework::packaged;
use crate::host::Missing;
use crate::ladder::{Climb, Rung, State};

pub(super) fn climb(report: &Report) -> Climb {
    if report.asked("python").is_some_and(|asked| asked.missing.is_some()) {
        return Climb::none(State::Unknown, "the Python environments could not be looked at");
    }
    let Some(fact) = report.all(LIBRARY.name).next() else {
        if let Some(package) = packaged(report, |name| name == "openvino").filter(|package| package.given) {
            let detail = format!("{}: its library was not asked", package.copy);
            return Climb::none(State::Unknown, detail).with("package", package.version);
        }
        return Climb::new(State::NotInstalled, Rung::Library, "neither a Python package nor a library");
    };
    if let Err(missing) = &fact.value {
        return Climb::none(State::Unknown, format!("its library could not be looked for: {missing}"));
    }
    let library = &fact.subject;
    let path = match library {
        Subject::Library(path) => path.as_str(),
        _ => "",
    };
    let about = |key: &str| report.about(library, key).map(Value::to_string);
    let copy = about(PACKAGE.name).unwrap_or_else(|| path.to_owned());
    // The first answer counts; a second one without OpenCL only tells whose fault it is.
    let climb = match report.all(VERSION.name).find(|fact| fact.subject == *library).map(|fact| &fact.value) {
        None => Climb::none(State::Unknown, format!("{copy}: its library was not asked")),
        Some(Err(missing)) => failed(report, path, missing, about(FAULT.name).as_deref()),
        Some(Ok(_)) => {
            let names: Vec<String> =
                report.all(DEVICE.name).filter_map(|fact| fact.value.as_ref().ok().map(Value::to_string)).collect();
            match names.is_empty() {
                false => Climb::new(State::Working, Rung::Enumerate, format!("{copy}: {}", names.join(", "))),
                true => {
                    let cpu = about(CPU.name);
                    let alone =
                        cpu.map_or_else(|| "no device at all".to_owned(), |cpu| format!("the processor alone ({cpu})"));
                    Climb::new(State::SoftwareOnly, Rung::Enumerate, format!("{copy} lists {alone}"))
                }
            }
        }
    };
    let package = about(PACKAGE.name);
    let package = package.as_deref().and_then(|package| package.split(' ').nth(1)).filter(|part| *part != "in");
    climb.with("package", package).with("library", about(VERSION.name))
}

fn failed(report: &Report, path: &str, missing: &Missing, fault: Option<&str>) -> Climb {
    let why = match fault {
        Some("opencl") => format!("; it answers without OpenCL, so {} at fault", guilty(report)),
        _ => String::new(),
    };
    match missing {
        Missing::Crashed(how) => Climb::new(
            State::Crashed,
            Rung::Enumerate,
            format!("{path} killed its process with {how} while it listed devices{why}"),
        ),
        Missing::TimedOut => {
            Climb::new(State::TimedOut, Rung::Enumerate, format!("{path} did not list its devices in time{why}"))
        }
        Missing::Unsupported | Missing::NotRecorded | Missing::Unasked(_) => {
            Climb::none(State::Unknown, format!("{path} could not be asked: {missing}"))
        }
        Missing::Exited { .. } => Climb::new(State::Broken, Rung::Initialise, format!("{path}: {missing}")),
        Missing::Denied => Climb::new(State::Blocked, Rung::Load, format!("{path}: {missing}")),
        missing => Climb::new(State::Broken, Rung::Load, format!("{path}: {missing}")),
    }
}

/// The OpenCL drivers that fail by themselves, too.
fn guilty(report: &Report) -> String {
    let failing = report
        .all("opencl-icd")
        .filter(|fact| matches!(fact.value, Err(Missing::Crashed(_) | Missing::TimedOut | Missing::Exited { .. })));
    let names: Vec<&str> = failing.map(|fact| crate::manifest::manifest_of(&fact.subject)).collect();
    match names.as_slice() {
        [] => "an OpenCL driver is".to_owned(),
        [one] => format!("the OpenCL driver of {one} is"),
        several => format!("the OpenCL drivers of {} are", several.join(", ")),
    }
}
