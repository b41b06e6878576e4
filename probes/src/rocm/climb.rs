//! How far ROCm gets, by the facts.

use super::kernel::NO_GROUP;
use super::{
    AMDGPU_DRIVER, AMDGPU_LOADED, CLOSED_NODE, HIDDEN_BY, HIP_LIBRARY, HIP_STATUS, HIP_VERSION, HSA_LIBRARY,
    HSA_STATUS, HSA_VERSION, INSTALLATIONS, KFD_GPUS, NODE_GROUP, ROCDXG, ROCM_DEVICE, ROCM_KERNEL, ROCM_VERSION,
};
use crate::fact::{Key, Report, Subject, Value};
use crate::host::Missing;
use crate::ladder::{self, Climb, Rung, State};

pub(super) fn climb(report: &Report) -> Climb {
    let asked = || report.all(HSA_STATUS.name).chain(report.all(HIP_STATUS.name)).next().is_some();
    let climb = match report.text("environment") {
        _ if report.host(HIDDEN_BY.name).is_some() && !asked() => masked(report),
        "windows" => on_windows(report),
        _ => on_linux(report),
    };
    climb
        .with("rocm", report.version(ROCM_VERSION.name))
        .with("hip", report.version(HIP_VERSION.name))
        .with("hsa", report.version(HSA_VERSION.name))
        .with("kernel-driver", report.version(AMDGPU_DRIVER.name))
}

/// The library that a detail names: HIP, or HSA where there is no HIP.
fn library(report: &Report) -> Option<String> {
    report.host(HIP_LIBRARY.name).or_else(|| report.host(HSA_LIBRARY.name)).map(Value::to_string)
}

/// Whether a library is known not to be here.
fn is_absent(report: &Report, library: &Key) -> bool {
    report.all(library.name).any(|fact| fact.value == Err(Missing::NotFound))
}

/// Whether the hardware shows a GPU of AMD.
fn on_bus(report: &Report) -> Option<bool> {
    match report.host("gpu-vendors") {
        Some(Value::Set(vendors)) => Some(vendors.iter().any(|vendor| vendor == "amd")),
        _ => None,
    }
}

fn on_linux(report: &Report) -> Climb {
    let library = library(report);
    let in_kernel = matches!(report.host(KFD_GPUS.name), Some(Value::Set(gpus)) if !gpus.is_empty());
    match on_bus(report) {
        _ if in_kernel || report.all(HSA_STATUS.name).chain(report.all(HIP_STATUS.name)).next().is_some() => {}
        Some(true) => {}
        Some(false) => {
            let detail = match library {
                Some(library) => format!("no AMD GPU on the bus, for which {library} is installed"),
                None => "no AMD GPU on the bus".to_owned(),
            };
            return Climb::new(State::NotInstalled, Rung::Bus, detail);
        }
        None => return Climb::none(State::Unknown, "neither the bus nor the driver could be asked"),
    }
    if report.text("environment") == "wsl2" {
        return in_wsl(report, library);
    }
    // What is not there and was not meant to be is no fault.
    let absent = |rung, detail: &str| match &library {
        Some(library) => Climb::new(State::Broken, rung, format!("{library} is here, and {detail}")),
        None => Climb::new(State::NotInstalled, rung, detail),
    };
    let bound = report.all("kernel-module").any(|fact| fact.value == Ok(Value::from("amdgpu")));
    let missing = match report.all(ROCM_KERNEL.name).next().map(|fact| &fact.value) {
        Some(Ok(_)) => None,
        Some(Err(missing)) => Some(missing.to_string()),
        None if is_absent(report, &HIP_LIBRARY) && is_absent(report, &HSA_LIBRARY) => {
            return Climb::new(State::NotInstalled, Rung::Library, "no ROCm is installed");
        }
        None => Some("not asked".to_owned()),
    };
    if let Some(missing) = missing {
        return Climb::none(State::Unknown, format!("whether AMD's compute driver is loaded: {missing}"));
    }
    if matches!(report.host(KFD_GPUS.name), Some(Value::Set(gpus)) if gpus.is_empty())
        && matches!(report.text(ROCM_KERNEL.name), "ready" | "no-access")
    {
        return absent(Rung::KernelDriver, "the kernel's compute driver (KFD) takes no GPU of this machine");
    }
    match report.text(ROCM_KERNEL.name) {
        "not-loaded" if !bound && !report.is(AMDGPU_LOADED.name) => {
            absent(Rung::KernelDriver, "an AMD GPU is on the bus without its kernel driver, amdgpu")
        }
        "not-loaded" | "no-node" if library.is_none() => {
            Climb::new(State::NotInstalled, Rung::Library, "an AMD GPU has its kernel driver, and no ROCm is installed")
        }
        "no-node" | "not-loaded" if report.is("container") => Climb::new(
            State::Blocked,
            Rung::DeviceNode,
            "the host drives an AMD GPU, and this container was started without /dev/kfd and its render node",
        ),
        "no-node" | "not-loaded" => absent(Rung::DeviceNode, "/dev/kfd or the GPU's render node is not there"),
        state => match library {
            None => Climb::new(State::NotInstalled, Rung::Library, without_library(report, state)),
            Some(_) if state == "no-access" => Climb::new(State::Blocked, Rung::DeviceNode, closed(report)),
            Some(library) => asked(report, &library),
        },
    }
}

/// An AMD GPU that is ready for a ROCm that nobody installed.
fn without_library(report: &Report, state: &str) -> String {
    let targets: Vec<String> =
        report.all("gfx-target").filter_map(|fact| fact.value.as_ref().ok().map(Value::to_string)).collect();
    let gpu = match targets.first() {
        Some(target) => format!("the kernel offers a GPU of {target} for compute"),
        None => "the kernel's compute driver is here".to_owned(),
    };
    let closed = match state {
        "no-access" => format!("; {}", closed(report)),
        _ => String::new(),
    };
    format!("{gpu}, and no library of ROCm is installed{closed}")
}

/// Which node is closed, and to whom it is open.
fn closed(report: &Report) -> String {
    let node = report.text(CLOSED_NODE.name);
    match report.text(NODE_GROUP.name) {
        "" | NO_GROUP => format!("this user may not open {node}"),
        group => format!("this user may not open {node}, which is open to the group {group}"),
    }
}

fn in_wsl(report: &Report, library: Option<String>) -> Climb {
    let Some(library) = library else {
        return Climb::new(State::NotInstalled, Rung::Library, "no library of ROCm is installed in this WSL2");
    };
    match report.text(ROCM_KERNEL.name) {
        "ready" => {}
        "no-access" => return Climb::new(State::Blocked, Rung::DeviceNode, closed(report)),
        _ => return Climb::new(State::NotInstalled, Rung::DeviceNode, "/dev/dxg is not there"),
    }
    if report.all(HSA_STATUS.name).chain(report.all(HIP_STATUS.name)).next().is_none() {
        let bridge = report.all(ROCDXG.name).next().map(|fact| &fact.value);
        return match bridge {
            Some(Err(Missing::NotFound)) => Climb::new(
                State::NotInstalled,
                Rung::Library,
                format!("{library} is here, and librocdxg.so, through which ROCm reaches the GPU in WSL2, is not"),
            ),
            _ => Climb::none(State::Unknown, format!("{library} was not asked")),
        };
    }
    asked(report, &library)
}

fn on_windows(report: &Report) -> Climb {
    let Some(library) = library(report) else {
        return match (on_bus(report), is_absent(report, &HIP_LIBRARY)) {
            (Some(false), _) => Climb::new(State::NotInstalled, Rung::Bus, "no AMD GPU among the display adapters"),
            (_, true) => Climb::new(State::NotInstalled, Rung::Library, "no HIP runtime (amdhip64*.dll) is installed"),
            _ => Climb::none(State::Unknown, "the HIP runtime could not be looked for"),
        };
    };
    let climb = asked(report, &library);
    let found_none = climb.state == State::Broken && report.text(HIP_STATUS.name) == "no-device";
    // The display driver brings HIP for all its GPUs, also for those that HIP does not know.
    match found_none && (report.host(INSTALLATIONS.name).is_none() || on_bus(report) == Some(false)) {
        true => Climb { state: State::NotInstalled, ..climb },
        false => climb,
    }
}

fn masked(report: &Report) -> Climb {
    let detail = format!("{} is set so that it leaves no device", report.text(HIDDEN_BY.name));
    Climb::new(State::Masked, Rung::Enumerate, detail)
}

/// What the libraries answered.
fn asked(report: &Report, library: &str) -> Climb {
    let mut devices: Vec<&Subject> = Vec::new();
    let mut names: Vec<(&Subject, String)> = Vec::new();
    for fact in report.all(ROCM_DEVICE.name) {
        let Ok(name) = &fact.value else { continue };
        if devices.contains(&&fact.subject) {
            continue;
        }
        devices.push(&fact.subject);
        let name = match report.about(&fact.subject, "gfx-target") {
            Some(target) => format!("{name} ({target})"),
            None => name.to_string(),
        };
        names.push((&fact.subject, name));
    }
    if !names.is_empty() {
        return Climb::new(State::Working, Rung::Enumerate, ladder::names(names.into_iter()));
    }
    if report.host(HIDDEN_BY.name).is_some() {
        return masked(report);
    }
    let mut best: Option<Climb> = None;
    for (status, path) in [(&HIP_STATUS, &HIP_LIBRARY), (&HSA_STATUS, &HSA_LIBRARY)] {
        let Some(fact) = report.all(status.name).next() else { continue };
        let path = report.host(path.name).map_or_else(|| library.to_owned(), Value::to_string);
        let climb = match &fact.value {
            Ok(told) => answered(report, status, &told.to_string(), &path),
            Err(missing) => failed(missing, &path),
        };
        // HSA stands below HIP: what keeps it from the GPU keeps HIP from it, too.
        let lower = best.as_ref().is_none_or(|best| known(&climb) && (!known(best) || climb.rung <= best.rung));
        if lower {
            best = Some(climb);
        }
    }
    best.unwrap_or_else(|| Climb::none(State::Unknown, format!("{library} was not asked")))
}

fn known(climb: &Climb) -> bool {
    !matches!(climb.state, State::Unknown | State::Working)
}

/// An API that answered without listing a device for HIP.
fn answered(report: &Report, status: &Key, told: &str, path: &str) -> Climb {
    let denied = report.all(KFD_GPUS.name).any(|fact| fact.value == Err(Missing::Denied));
    match told {
        "no-device" if denied => Climb::new(
            State::Blocked,
            Rung::DeviceNode,
            "the operating system keeps this process from the GPU (a device cgroup: reading it in sysfs is denied)",
        ),
        "no-device" => Climb::new(State::Broken, Rung::Enumerate, format!("{path} finds no GPU")),
        // HIP decides whether the whole works; HSA alone that lists a GPU says no more than that it does.
        "working" => Climb::new(State::Working, Rung::Enumerate, format!("{path} lists a GPU")),
        other if *status == HSA_STATUS => {
            Climb::new(State::Broken, Rung::Initialise, format!("hsa_init of {path} answers: {other}"))
        }
        other => Climb::new(State::Broken, Rung::Initialise, format!("hipGetDeviceCount of {path} answers: {other}")),
    }
}

fn failed(missing: &Missing, path: &str) -> Climb {
    match missing {
        Missing::Crashed(how) => {
            Climb::new(State::Crashed, Rung::Initialise, format!("{path} killed its process with {how}"))
        }
        Missing::TimedOut => Climb::new(State::TimedOut, Rung::Initialise, format!("{path} did not answer in time")),
        Missing::Unsupported | Missing::NotRecorded | Missing::Unasked(_) => {
            Climb::none(State::Unknown, format!("{path} could not be asked: {missing}"))
        }
        Missing::Exited { .. } => Climb::new(State::Broken, Rung::Initialise, format!("{path}: {missing}")),
        _ => Climb::new(State::Broken, Rung::Load, format!("{path}: {missing}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Fact;
    use crate::host::Question;

    /// A report of facts about the machine, each `name` and a value, or why there is none.
    fn report(facts: &[(&str, Result<&str, Missing>)]) -> Report {
        let fact = |(name, told): &(&str, Result<&str, Missing>)| {
            let key = crate::key(name).unwrap();
            let value = told.clone().map(|text| key.parse(text).unwrap());
            let subject = match key.scope {
                crate::fact::Scope::Device => Subject::Device("0000:03:00.0".into()),
                _ => Subject::Host,
            };
            key.of(subject, value, &Question::System)
        };
        let facts: Vec<Fact> = facts.iter().map(fact).collect();
        Report { probes: Vec::new(), facts }
    }

    const CARD: [(&str, Result<&str, Missing>); 2] = [("environment", Ok("linux")), ("gpu-vendors", Ok("amd"))];
    const HIP: (&str, Result<&str, Missing>) = ("hip-library", Ok("libamdhip64.so.6"));
    const HSA: (&str, Result<&str, Missing>) = ("hsa-library", Ok("libhsa-runtime64.so.1"));
    const READY: (&str, Result<&str, Missing>) = ("rocm-kernel-driver", Ok("ready"));

    fn with(more: &[(&str, Result<&str, Missing>)]) -> Climb {
        climb(&report(&[&CARD, more].concat()))
    }

    #[track_caller]
    fn stands(climb: Climb, state: State, rung: Option<Rung>, words: &str) {
        assert_eq!((climb.state, climb.rung), (state, rung), "{}", climb.detail);
        assert!(climb.detail.contains(words), "{}", climb.detail);
    }

    #[test]
    fn a_machine_without_a_card_has_no_rocm_whatever_is_installed() {
        let none = ("gpu-vendors", Ok(""));
        stands(climb(&report(std::slice::from_ref(&none))), State::NotInstalled, Some(Rung::Bus), "no AMD GPU");
        stands(climb(&report(&[none, HIP])), State::NotInstalled, Some(Rung::Bus), "libamdhip64.so.6");
        stands(climb(&report(&[])), State::Unknown, None, "bus");
    }

    #[test]
    fn the_first_rung_that_breaks_is_told() {
        let kernel = |state| ("rocm-kernel-driver", Ok(state));
        let unloaded = ("amdgpu-loaded", Ok("false"));
        let loaded = ("amdgpu-loaded", Ok("true"));
        let skipped = ("kfd-gpus", Ok(""));
        let (node, group) = (("rocm-closed-node", Ok("/dev/kfd")), ("rocm-node-group", Ok("render")));
        let container = ("container", Ok("true"));
        let driver = Some(Rung::KernelDriver);
        stands(with(&[kernel("not-loaded"), unloaded.clone()]), State::NotInstalled, driver, "amdgpu");
        stands(with(&[kernel("not-loaded"), unloaded, HIP]), State::Broken, driver, "amdgpu");
        stands(with(&[READY, skipped.clone()]), State::NotInstalled, driver, "takes no GPU");
        stands(with(&[READY, skipped, HIP]), State::Broken, driver, "takes no GPU");
        let door = Some(Rung::DeviceNode);
        stands(with(&[kernel("no-node"), loaded.clone(), HIP]), State::Broken, door, "/dev/kfd");
        stands(with(&[kernel("no-node"), loaded.clone(), HIP, container]), State::Blocked, door, "container");
        stands(with(&[kernel("no-node"), loaded]), State::NotInstalled, Some(Rung::Library), "no ROCm");
        stands(
            with(&[kernel("no-access"), node, group, HIP]),
            State::Blocked,
            door,
            "/dev/kfd, which is open to the group render",
        );
        stands(with(&[READY]), State::NotInstalled, Some(Rung::Library), "no library");
        let hung = ("rocm-kernel-driver", Err(Missing::TimedOut));
        stands(with(&[hung, HIP]), State::Unknown, None, "did not answer");
    }

    #[test]
    fn what_the_libraries_answered_decides_behind_an_open_door() {
        let hip = |told| ("hip-status", told);
        let hsa = |told| ("hsa-status", told);
        let ready = |more: &[(&str, Result<&str, Missing>)]| with(&[&[READY, HIP, HSA], more].concat());
        let (works, device) = (hsa(Ok("working")), ("rocm-device", Ok("Radeon RX 7900 XTX")));
        let found = ready(&[hip(Ok("working")), works.clone(), device, ("gfx-target", Ok("gfx1100"))]);
        stands(found, State::Working, Some(Rung::Enumerate), "Radeon RX 7900 XTX (gfx1100)");
        let hidden = ("rocm-hidden-by", Ok("HIP_VISIBLE_DEVICES"));
        let masked = ready(&[hip(Ok("no-device")), works.clone(), hidden]);
        stands(masked, State::Masked, Some(Rung::Enumerate), "HIP_VISIBLE_DEVICES");
        let start = Some(Rung::Initialise);
        let none = || hip(Ok("no-device"));
        stands(ready(&[none(), hsa(Ok("error 0x1008"))]), State::Broken, start, "hsa_init of libhsa-runtime64.so.1");
        stands(ready(&[none(), hsa(Err(Missing::TimedOut))]), State::TimedOut, start, "libhsa-runtime64.so.1");
        let crash = Missing::Crashed("signal 11 (SIGSEGV)".into());
        stands(ready(&[hip(Err(crash)), works.clone()]), State::Crashed, start, "libamdhip64.so.6");
        let gone = Missing::Garbled("libamd_comgr.so.2 is missing".into());
        stands(ready(&[hip(Err(gone)), works.clone()]), State::Broken, Some(Rung::Load), "libamd_comgr.so.2");
        stands(ready(&[none(), hsa(Ok("no-device"))]), State::Broken, Some(Rung::Enumerate), "finds no GPU");
        let denied = ("kfd-gpus", Err(Missing::Denied));
        stands(ready(&[none(), hsa(Ok("no-device")), denied]), State::Blocked, Some(Rung::DeviceNode), "cgroup");
        let never = || Err(Missing::NotRecorded);
        stands(ready(&[hip(never()), hsa(never())]), State::Unknown, None, "not in the recording");
        stands(ready(&[]), State::Unknown, None, "not asked");
    }

    #[test]
    fn in_wsl2_the_bridge_counts_and_on_windows_the_installation() {
        let wsl = [("environment", Ok("wsl2")), ("gpu-vendors", Ok("amd")), READY];
        let on_wsl = |more: &[(&str, Result<&str, Missing>)]| climb(&report(&[&wsl, more].concat()));
        stands(on_wsl(&[]), State::NotInstalled, Some(Rung::Library), "WSL2");
        let without = on_wsl(&[HSA, ("rocdxg-library", Err(Missing::NotFound))]);
        stands(without, State::NotInstalled, Some(Rung::Library), "librocdxg.so");
        let windows = [("environment", Ok("windows")), ("gpu-vendors", Ok("amd"))];
        let on_windows = |more: &[(&str, Result<&str, Missing>)]| climb(&report(&[&windows, more].concat()));
        let none = on_windows(&[("hip-library", Err(Missing::NotFound))]);
        stands(none, State::NotInstalled, Some(Rung::Library), "amdhip64");
        let found_none = [HIP, ("hip-status", Ok("no-device"))];
        stands(on_windows(&found_none), State::NotInstalled, Some(Rung::Enumerate), "finds no GPU");
        let sdk = [&found_none[..], &[("rocm-installations", Ok(r"C:\Program Files\AMD\ROCm\6.4"))]].concat();
        stands(on_windows(&sdk), State::Broken, Some(Rung::Enumerate), "finds no GPU");
    }
}
