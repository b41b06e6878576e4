//! How far DirectML gets, by its facts.

use super::{DIRECT3D_ADAPTERS, DIRECT3D_LEVEL, DIRECTML_DEVICE, DIRECTML_LEVEL, DIRECTML_LIBRARY, DXG_ACCESS};
use crate::fact::{Fact, Key, Report, Value};
use crate::host::Missing;
use crate::ladder::{Climb, Rung, State};
use crate::manifest::SOFTWARE;

/// What Direct3D answers where an adapter is too old for it: DXGI_ERROR_UNSUPPORTED.
const UNSUPPORTED: i64 = 0x887a_0004_u32.cast_signed() as i64;

pub(super) fn climb(report: &Report) -> Climb {
    let level = report.all(DIRECTML_LEVEL.name).find_map(|fact| fact.value.as_ref().ok());
    let library = report.text(DIRECTML_LIBRARY.name);
    let mut copies = report.all(super::DIRECTML_VERSION.name);
    let taken = copies.find(|copy| copy.subject.to_string() == format!("library {library}"));
    reached(report).with("level", level).with("library", taken.and_then(|copy| copy.value.as_ref().ok()))
}

fn reached(report: &Report) -> Climb {
    if let Some(climb) = at_the_door(report) {
        return climb;
    }
    let unknown = |what: &str, missing: &Missing| Climb::none(State::Unknown, format!("{what}: {missing}"));
    match first(report, &DIRECTML_LIBRARY) {
        None => return Climb::none(State::Unknown, "DirectML was not asked about"),
        Some(Err(Missing::NotFound)) => {
            let detail = "no DirectML library where programs look; Python packages and others may bring their own";
            return Climb::new(State::NotInstalled, Rung::Library, detail);
        }
        Some(Err(missing)) => return unknown("its library could not be looked for", missing),
        Some(Ok(_)) => {}
    }
    let listed = match first(report, &DIRECT3D_ADAPTERS) {
        Some(Ok(Value::Number(listed))) => *listed,
        Some(Err(Missing::NotFound)) => {
            return Climb::new(State::NotInstalled, Rung::Library, "no library here lists the adapters of Direct3D");
        }
        Some(Err(missing)) => {
            return failed(missing, "listing the adapters of Direct3D")
                .unwrap_or_else(|| unknown("its adapters", missing));
        }
        _ => return Climb::none(State::Unknown, "its adapters were not asked about"),
    };
    on_adapters(report, listed)
}

/// Where WSL2 has no way to the GPU of Windows.
fn at_the_door(report: &Report) -> Option<Climb> {
    match first(report, &DXG_ACCESS)? {
        Err(Missing::NotFound) => Some(Climb::new(State::NotInstalled, Rung::DeviceNode, "no /dev/dxg")),
        Err(missing) => Some(Climb::none(State::Unknown, format!("/dev/dxg: {missing}"))),
        Ok(Value::Text(access)) if access != "rw" => {
            Some(Climb::new(State::Blocked, Rung::DeviceNode, "/dev/dxg may not be opened for reading and writing"))
        }
        Ok(_) => None,
    }
}

/// As the best adapter stands.
fn on_adapters(report: &Report, listed: u64) -> Climb {
    let is_software = |fact: &Fact| report.about(&fact.subject, "device-kind") == Some(&Value::from(SOFTWARE));
    let names = |software: bool| {
        let devices = report.all(DIRECTML_DEVICE.name).filter(|fact| is_software(fact) == software);
        let names: Vec<String> = devices.filter_map(|fact| Some(fact.value.as_ref().ok()?.to_string())).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = names(false) {
        return Climb::new(State::Working, Rung::Enumerate, names);
    }
    let failure = |key: &'static Key, call: &str| {
        let facts = report.all(key.name).filter(|fact| !is_software(fact));
        facts.filter_map(|fact| fact.value.as_ref().err().map(|missing| (fact, missing))).find_map(|(fact, missing)| {
            let name = report.about(&fact.subject, "dxgi-device").or(report.about(&fact.subject, "dxcore-device"));
            let name = name.map_or_else(|| fact.subject.to_string(), ToString::to_string);
            failed(missing, &format!("{call} on {name}"))
        })
    };
    let failure = failure(&DIRECTML_LEVEL, "DirectML").or_else(|| failure(&DIRECT3D_LEVEL, "Direct3D 12"));
    if let Some(failure) = failure {
        return failure;
    }
    if let Some(names) = names(true) {
        return Climb::new(State::SoftwareOnly, Rung::Enumerate, format!("{names} (a CPU renderer, not a GPU)"));
    }
    let asked = report.all(DIRECT3D_LEVEL.name).find_map(|fact| fact.value.as_ref().err());
    match asked {
        Some(Missing::Exited { code: UNSUPPORTED, .. }) => {
            Climb::new(State::NotInstalled, Rung::Enumerate, "no adapter here has Direct3D 12")
        }
        Some(missing) => Climb::none(State::Unknown, format!("its adapters: {missing}")),
        None if listed == 0 => Climb::new(State::NotInstalled, Rung::Enumerate, "no adapter is listed"),
        None => Climb::new(State::NotInstalled, Rung::Library, "Direct3D 12 is not here"),
    }
}

/// The end of a call that failed by its own fault; nothing where it says no more than that something is absent.
fn failed(missing: &Missing, what: &str) -> Option<Climb> {
    let state = match missing {
        Missing::Crashed(_) => State::Crashed,
        Missing::TimedOut => State::TimedOut,
        Missing::Exited { code: UNSUPPORTED, message } if message.starts_with("D3D12CreateDevice") => return None,
        Missing::Exited { .. } => State::Broken,
        Missing::Garbled(_) => return Some(Climb::new(State::Broken, Rung::Load, format!("{what}: {missing}"))),
        _ => return None,
    };
    Some(Climb::new(state, Rung::Initialise, format!("{what}: {missing}")))
}

fn first<'a>(report: &'a Report, key: &'static Key) -> Option<&'a Result<Value, Missing>> {
    report.all(key.name).next().map(|fact| &fact.value)
}
