//! How far ROCm gets, by the facts.

use super::{
    AMDGPU_DRIVER, AMDGPU_LOADED, CLOSED_NODE, HIDDEN_BY, HIP_LIBRARY, HIP_STATUS, HIP_VERSION, HSA_LIBRARY,
    HSA_STATUS, HSA_VERSION, INSTALLATIONS, KFD_GPUS, NODE_GROUP, ROCDXG, ROCM_DEVICE, ROCM_KERNEL, ROCM_VERSION,
};
use crate::fact::{Key, Report, Subject, Value};
use crate::host::Missing;
use crate::ladder::{Climb, Rung, State};

pub(super) fn climb(report: &Report) -> Climb {
    let climb = match report.text("environment") {
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
        "" => format!("this user may not open {node}"),
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
        let known = report.all(HIP_LIBRARY.name).any(|fact| fact.value == Err(Missing::NotFound));
        return match (on_bus(report), known) {
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

/// What the libraries answered.
fn asked(report: &Report, library: &str) -> Climb {
    let mut devices: Vec<&Subject> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for fact in report.all(ROCM_DEVICE.name) {
        let Ok(name) = &fact.value else { continue };
        if devices.contains(&&fact.subject) {
            continue;
        }
        devices.push(&fact.subject);
        names.push(match report.about(&fact.subject, "gfx-target") {
            Some(target) => format!("{name} ({target})"),
            None => name.to_string(),
        });
    }
    if !names.is_empty() {
        return Climb::new(State::Working, Rung::Enumerate, names.join(", "));
    }
    if let Some(variable) = report.host(HIDDEN_BY.name) {
        let detail = format!("{variable} is set so that it leaves no device");
        return Climb::new(State::Masked, Rung::Enumerate, detail);
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
