//! How far DirectML gets, by its facts.

use super::{DIRECT3D_ADAPTERS, DIRECT3D_LEVEL, DIRECTML_DEVICE, DIRECTML_LEVEL, DIRECTML_LIBRARY, DXG_ACCESS};
use crate::fact::{Fact, Key, Report, Value};
use crate::host::Missing;
use crate::ladder::{self, Climb, Rung, State};
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
        let names =
            ladder::names(devices.filter_map(|fact| Some((&fact.subject, fact.value.as_ref().ok()?.to_string()))));
        (!names.is_empty()).then_some(names)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Subject;
    use crate::host::recording::Recording;
    use crate::host::{Answer, Question};

    const SYSTEM: &str = r"C:\Windows\System32";
    const GPU: &str = r#"{"name":"Arc","luid":"000000000000abcd","vendor":32902,"device":22176,"memory_bytes":8,"shared_bytes":9,"software":false,"integrated":null,"driver":"31.0.101.5590"}"#;
    const RENDER: &str = r#"{"name":"Microsoft Basic Render Driver","luid":"00000000000000ff","vendor":5140,"device":140,"memory_bytes":0,"shared_bytes":9,"software":true,"integrated":null,"driver":null}"#;

    fn library(name: &str) -> (Question, Answer) {
        (Question::Library(name.into()), Ok(format!(r"{SYSTEM}\{name}")))
    }

    fn native(words: &str) -> Question {
        format!("native directml {words}").parse().unwrap()
    }

    /// A Windows on which DXGI lists these adapters, and what the children of the first answer, with DirectML and without.
    fn windows(listed: &str, with: Answer, without: Answer) -> Report {
        let list = format!(r"dxgi {SYSTEM}\dxgi.dll");
        let luid = if listed.contains("Arc") { "000000000000abcd" } else { "00000000000000ff" };
        let alone = format!(r"{list} {luid} {SYSTEM}\d3d12.dll");
        let image = r#"{"format":"pe","bits":64,"machine":"x86_64","version":"1.8.0.0","complete":true}"#;
        let answers = [
            (Question::System, Ok("windows x86_64".to_owned())),
            library("DirectML.dll"),
            library("dxgi.dll"),
            library("d3d12.dll"),
            (Question::Image(format!(r"{SYSTEM}\DirectML.dll")), Ok(image.to_owned())),
            (native(&list), Ok(format!("[{listed}]"))),
            (native(&format!(r"{alone} {SYSTEM}\DirectML.dll")), with),
            (native(&alone), without),
        ];
        let host = Recording::of(String::new(), "test", answers);
        Report { probes: Vec::new(), facts: super::super::ask(&host) }
    }

    fn device(directml: &str) -> Answer {
        Ok(format!(r#"{{"feature_level":"12_1","unified_memory":false,"directml":{directml}}}"#))
    }

    #[test]
    fn a_device_on_hardware_is_working_and_one_on_software_is_not() {
        let arc = windows(&format!("{GPU},{RENDER}"), device(r#"{"Ok":"5.0"}"#), Err(Missing::NotRecorded));
        let reached = climb(&arc);
        assert_eq!((reached.state, reached.detail.as_str()), (State::Working, "Arc"));
        let versions: Vec<&str> = reached.versions.values().map(String::as_str).collect();
        assert_eq!(versions, ["5.0", "1.8.0.0"], "level and library");
        let gpu = Subject::Device("dxgi:0".into());
        for (key, value) in
            [("device-luid", "000000000000abcd"), ("device-kind", "discrete"), ("direct3d12-level", "12_1")]
        {
            assert_eq!(arc.about(&gpu, key), Some(&Value::from(value)), "{key}");
        }
        assert_eq!(arc.number(&Subject::Host, "direct3d-adapters"), Some(2));
        let render = climb(&windows(RENDER, device(r#"{"Ok":null}"#), Err(Missing::NotRecorded)));
        assert_eq!((render.state, render.rung), (State::SoftwareOnly, Some(Rung::Enumerate)));
    }

    #[test]
    fn every_end_of_a_device_has_its_state() {
        let exited = |code: u32, call: &str| Missing::Exited { code: code.cast_signed().into(), message: call.into() };
        let of = |with: Answer, without: Answer| {
            let climb = climb(&windows(GPU, with, without));
            (climb.state, climb.rung)
        };
        let crash = || Err(Missing::Crashed("exception 0xc0000005".into()));
        let alone = || device("null");
        assert_eq!(of(crash(), alone()), (State::Crashed, Some(Rung::Initialise)));
        assert_eq!(of(crash(), crash()), (State::Crashed, Some(Rung::Initialise)));
        assert_eq!(of(Err(Missing::TimedOut), alone()), (State::TimedOut, Some(Rung::Initialise)));
        assert_eq!(
            of(Err(exited(0x887a_0004, "D3D12CreateDevice: 0x887a0004")), alone()),
            (State::NotInstalled, Some(Rung::Enumerate)),
            "too old for Direct3D 12"
        );
        assert_eq!(
            of(Err(exited(0x887a_0005, "D3D12CreateDevice: 0x887a0005")), alone()),
            (State::Broken, Some(Rung::Initialise))
        );
        let refused = r#"{"Err":{"exited":{"code":-2005270524,"message":"DMLCreateDevice: 0x887a0004"}}}"#;
        assert_eq!(of(device(refused), alone()), (State::Broken, Some(Rung::Initialise)));
        assert_eq!(of(Err(Missing::NotRecorded), alone()), (State::Unknown, None));
        assert_eq!(of(Err(Missing::Garbled("x".into())), alone()), (State::Broken, Some(Rung::Load)));
    }

    #[test]
    fn wsl_has_a_door_that_may_be_closed() {
        let of = |door: Answer| {
            let host = Recording::of(
                String::new(),
                "test",
                [
                    (Question::System, Ok("linux x86_64".to_owned())),
                    (Question::Node("/dev/dxg".into()), door),
                    (Question::List("/usr/lib/wsl/lib".into()), Ok("libd3d12.so\nlibdxcore.so".to_owned())),
                    (Question::Library("libdirectml.so".into()), Err(Missing::NotFound)),
                ],
            );
            let climb = climb(&Report { probes: Vec::new(), facts: super::super::ask(&host) });
            (climb.state, climb.rung)
        };
        assert_eq!(of(Err(Missing::NotFound)), (State::NotInstalled, Some(Rung::DeviceNode)));
        assert_eq!(of(Ok("char-device -".into())), (State::Blocked, Some(Rung::DeviceNode)));
        assert_eq!(of(Ok("char-device rw".into())), (State::NotInstalled, Some(Rung::Library)));
        assert_eq!(of(Err(Missing::NotRecorded)), (State::Unknown, None));
    }
}
