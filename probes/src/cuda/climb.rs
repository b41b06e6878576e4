//! How far CUDA gets, by its facts and those of the driver.

use super::{
    CUDA_COMPUTE, CUDA_DEVICE, CUDA_DRIVER_API, CUDA_LIBRARY, CUDA_RUNTIME, CUDA_STATUS, CUDA_TOOLKIT,
    CUDA_VISIBLE_DEVICES, LOADER_TAKES, NVCC,
};
use crate::compute;
use crate::fact::{Report, Subject, Value};
use crate::host::Missing;
use crate::ladder::{self, Climb, Rung, State};

pub(super) fn climb(report: &Report) -> Climb {
    let on_bus = match report.host("gpu-vendors") {
        Some(Value::Set(vendors)) => Some(vendors.iter().any(|vendor| vendor == "nvidia")),
        _ => None,
    };
    let library = report.all(NVIDIA_LIBRARY).find_map(|fact| match &fact.subject {
        Subject::Library(path) if path.contains("libcuda") => fact.value.as_ref().ok(),
        _ => None,
    });
    let present = report.subjects(CUDA_LIBRARY.name).first().map(|subject| match subject {
        Subject::Library(path) => path.clone(),
        _ => String::new(),
    });
    let climb = match report.text("nvidia-kernel-driver") {
        "ready" => climb_ready(report, present.as_deref()),
        "no-node" if report.is("container") => Climb::new(
            State::Blocked,
            Rung::DeviceNode,
            "the NVIDIA driver runs on the host, and this container was started without /dev/nvidiactl",
        ),
        "no-node" => Climb::new(
            State::Blocked,
            Rung::DeviceNode,
            "the NVIDIA driver is loaded, and /dev/nvidiactl is not there yet; the first use by root makes it",
        ),
        "no-access" => Climb::new(State::Blocked, Rung::DeviceNode, "this user may not open /dev/nvidiactl"),
        "not-loaded" if report.text("environment") == "wsl2" && on_bus == Some(true) => Climb::new(
            State::NotInstalled,
            Rung::KernelDriver,
            "Windows has an NVIDIA driver package, and it mounts no libcuda here",
        ),
        "not-loaded" => match (present, on_bus) {
            (Some(path), Some(false)) => Climb::new(
                State::Broken,
                Rung::KernelDriver,
                format!("{path} is here, without an NVIDIA kernel driver and without an NVIDIA GPU on the bus"),
            ),
            (Some(path), _) => Climb::new(
                State::Broken,
                Rung::KernelDriver,
                format!("{path} is here, and no NVIDIA kernel driver is loaded"),
            ),
            (None, Some(true)) => Climb::new(
                State::NotInstalled,
                Rung::KernelDriver,
                "an NVIDIA GPU is on the bus, and its driver is not installed",
            ),
            (None, Some(false)) => Climb::new(State::NotInstalled, Rung::Bus, "no NVIDIA GPU on the bus"),
            (None, None) => Climb::none(State::Unknown, "neither the bus nor the driver could be asked"),
        },
        "" if on_bus == Some(false) && report.all("nvidia-kernel-driver").next().is_none() => {
            Climb::new(State::NotInstalled, Rung::Bus, "no NVIDIA GPU on the bus")
        }
        "" if on_bus == Some(true) && hidden(report).is_some() => masked(report),
        _ => Climb::none(State::Unknown, "whether the NVIDIA kernel driver is loaded is not known"),
    };
    climb
        .with("driver", report.version("nvidia-driver"))
        .with("library", library)
        .with("driver-api", report.version(CUDA_DRIVER_API.name))
        .with("toolkit", report.version(CUDA_TOOLKIT.name))
        .with("runtime", report.version(CUDA_RUNTIME.name))
        .with("nvcc", report.version(NVCC.name))
}

const NVIDIA_LIBRARY: &str = "nvidia-library";

fn climb_ready(report: &Report, library: Option<&str>) -> Climb {
    let sought = report.all(LOADER_TAKES.name).next().is_some_and(|taken| taken.value.is_err());
    if report.all(CUDA_STATUS.name).next().is_none() && !sought {
        let unknown = "the NVIDIA driver is here; whether CUDA starts with it was not asked";
        return hidden(report).unwrap_or_else(|| Climb::none(State::Unknown, unknown));
    }
    let taken = report.all(LOADER_TAKES.name).next().map(|fact| &fact.value);
    if let (None, Some(Err(Missing::Unasked(why)))) = (library, taken) {
        return Climb::none(State::Unknown, format!("libcuda could not be looked for: {why}"));
    }
    let Some(library) = library else {
        return Climb::new(State::Broken, Rung::Library, "the NVIDIA kernel driver is ready, and libcuda is not found");
    };
    let Some(status) = report.all(CUDA_STATUS.name).next() else {
        return Climb::none(State::Unknown, "the driver library was not asked");
    };
    let status = match &status.value {
        Ok(status) => status.to_string(),
        Err(Missing::Crashed(how)) => {
            return Climb::new(State::Crashed, Rung::Initialise, format!("{library} killed its process with {how}"));
        }
        Err(Missing::TimedOut) => {
            return Climb::new(State::TimedOut, Rung::Initialise, format!("{library} did not answer in time"));
        }
        Err(missing @ (Missing::Unsupported | Missing::NotRecorded | Missing::Unasked(_))) => {
            return Climb::none(State::Unknown, format!("{library} could not be asked: {missing}"));
        }
        Err(missing) => return Climb::new(State::Broken, Rung::Load, format!("{library}: {missing}")),
    };
    let named = report.all(CUDA_DEVICE.name);
    let names = ladder::names(named.filter_map(|fact| Some((&fact.subject, fact.value.as_ref().ok()?.to_string()))));
    if report.text("nvml-status") == "blocked" {
        let detail = "the operating system keeps this process from the GPU (NVML error 17)";
        return Climb::new(State::Blocked, Rung::DeviceNode, detail);
    }
    if status == "working" && !names.is_empty() {
        let listed = Climb::new(State::Working, Rung::Enumerate, names);
        return compute::climb(listed, report, &CUDA_COMPUTE, &CUDA_DEVICE);
    }
    let visible = report.host(CUDA_VISIBLE_DEVICES.name).map(Value::to_string);
    // The list ends at its first wrong entry. NVML does not heed it and tells how many devices there are.
    let cards = report.all("nvml-device").filter(|fact| fact.value.is_ok()).count();
    let hides = |visible: &String| {
        let first = visible.split(',').next().unwrap_or_default().trim();
        match first.parse::<usize>() {
            Ok(index) => cards > 0 && index >= cards,
            Err(_) => first.is_empty() || first.starts_with('-') || cards > 0,
        }
    };
    let visible = visible.filter(hides);
    match (status.as_str(), visible) {
        ("working" | "no-device", Some(_)) => masked(report),
        ("working" | "no-device", None) => {
            Climb::new(State::Broken, Rung::Initialise, "cuInit finds no device (CUDA error 100)")
        }
        (other, _) => Climb::new(State::Broken, Rung::Initialise, format!("cuInit of {library} answers: {other}")),
    }
}

fn masked(report: &Report) -> Climb {
    let visible = report.text(CUDA_VISIBLE_DEVICES.name);
    let detail = format!("CUDA_VISIBLE_DEVICES is \"{visible}\", which leaves no device");
    Climb::new(State::Masked, Rung::Enumerate, detail)
}

/// Masked, where the variable leaves none of the NVIDIA GPUs that somebody named, although nobody asked CUDA.
fn hidden(report: &Report) -> Option<Climb> {
    let Some(Value::Text(visible)) = report.host(CUDA_VISIBLE_DEVICES.name) else { return None };
    let of_nvidia = |subject: &&&Subject| report.about(subject, "device-vendor") == Some(&Value::from("nvidia"));
    let cards = report.subjects("device-name").iter().filter(of_nvidia).count();
    leaves_none(visible, cards).then(|| masked(report))
}

/// Whether a list of visible devices leaves none of so many; where their number is not known, whether it leaves none at all.
/// The list ends at its first wrong entry. What is no number may be right.
fn leaves_none(visible: &str, cards: usize) -> bool {
    let first = visible.split(',').next().unwrap_or_default().trim();
    match first.parse::<usize>() {
        Ok(index) => cards > 0 && index >= cards,
        Err(_) => first.is_empty() || first.starts_with('-'),
    }
}
