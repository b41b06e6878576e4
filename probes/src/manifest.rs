//! What Vulkan and OpenCL drivers have in common: a file names a library, and each driver is asked in a child alone.

use crate::fact::{Fact, Key, Report, Subject, Value};
use crate::host::{Host, Missing, Question};
use crate::image::Image;
use crate::ladder::{self, Climb, Rung, State};
use crate::nvidia_driver::{self, Kernel};

/// One driver as a manifest or the registry names it.
pub(crate) struct Driver {
    /// The manifest, or what stands for it.
    pub manifest: String,
    /// The library that it names, as written there; or what is wrong with the manifest.
    pub library: Result<String, Missing>,
}

impl Driver {
    /// The library as a path that can be loaded, after a look at its header; nothing where it is for programs of another
    /// architecture, which every loader passes over; or why it cannot be loaded.
    pub(crate) fn loadable(&self, host: &dyn Host) -> Result<Option<String>, Missing> {
        let name = self.library.clone()?;
        let path = match name.contains(['/', '\\']) {
            false => match host.library(&name).into_iter().next() {
                Some((path, _)) => path,
                None if self.is_for_32_bits() => return Ok(None),
                None => return Err(missing_library(host, &name)),
            },
            true if name.starts_with(['/', '~', '\\']) || name.get(1..2) == Some(":") => name.clone(),
            true => match self.manifest.rsplit_once(['/', '\\']) {
                Some((folder, _)) if host.is_windows() => {
                    let name = name.replace('/', r"\");
                    format!(r"{folder}\{}", name.strip_prefix(r".\").unwrap_or(&name))
                }
                Some((folder, _)) => format!("{folder}/{name}"),
                None => name.clone(),
            },
        };
        let header = match host.ask(&Question::Image(path.clone())) {
            Ok(header) => header,
            Err(Missing::NotFound) if self.is_for_32_bits() => return Ok(None),
            Err(Missing::NotFound) => return Err(missing_library(host, &name)),
            Err(Missing::Garbled(what)) => return Err(Missing::Garbled(format!("its library `{path}`: {what}"))),
            Err(missing) => return Err(missing),
        };
        let system = host.ask(&Question::System).unwrap_or_default();
        let (_, architecture) = system.split_once(' ').unwrap_or_default();
        let image: Image = serde_json::from_str(&header).map_err(|error| Missing::Garbled(error.to_string()))?;
        match image.complete {
            false => Err(Missing::Garbled(format!("its library `{path}` is cut short"))),
            true => Ok(image.is_for(architecture).then_some(path)),
        }
    }

    /// Whether the manifest's name says that it is for 32-bit programs, as Mesa's do where both kinds are installed.
    fn is_for_32_bits(&self) -> bool {
        let name = file_name(&self.manifest);
        ["i386", "i486", "i586", "i686", "armhf"].iter().any(|mark| name.contains(mark))
    }

    /// Whether asking this driver would touch the NVIDIA kernel driver where there is none to touch: its user-mode
    /// libraries then make device nodes as root and run a setuid helper as anybody else.
    pub(crate) fn waits_for_nvidia(&self, host: &dyn Host) -> bool {
        let name = self.library.as_deref().unwrap_or_default();
        let file = file_name(name).to_lowercase();
        let theirs = file.contains("nvidia") || file.starts_with("nvoglv") || file.starts_with("nvopencl");
        theirs && nvidia_driver::kernel(host) != Kernel::Ready
    }
}

/// The last part of a path, whichever system wrote it.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

fn missing_library(host: &dyn Host, name: &str) -> Missing {
    // In a recording that lacks the question, nothing is known of the library.
    match host.ask(&Question::Library(name.to_owned())) {
        Err(Missing::NotRecorded) if !name.contains(['/', '\\']) => Missing::NotRecorded,
        _ => Missing::Garbled(format!("its library `{name}` is not found")),
    }
}

/// What a driver is called that lists devices of these kinds.
pub(crate) fn listed<'a>(kinds: impl Iterator<Item = &'a str>) -> &'static str {
    kinds.fold(NO_DEVICE, |so_far, kind| match (so_far, kind) {
        (HARDWARE, _) => HARDWARE,
        (_, SOFTWARE) => SOFTWARE,
        _ => HARDWARE,
    })
}

/// What a driver turned out to be, as its fact says it.
pub(crate) const HARDWARE: &str = "hardware";
/// It lists software devices alone.
pub(crate) const SOFTWARE: &str = "software";
/// It works and has no device here.
pub(crate) const NO_DEVICE: &str = "no-device";
/// It is for programs of another architecture; loaders pass over it.
pub(crate) const OTHER_ARCHITECTURE: &str = "other-architecture";
/// It was not asked, because the kernel driver that it needs is not there.
pub(crate) const NO_KERNEL_DRIVER: &str = "no-kernel-driver";

/// How an API stands whose drivers were asked one by one: as its best driver.
pub(crate) fn climb(report: &Report, icd: &'static Key, device: &'static Key, software_detail: &str) -> Climb {
    type Kind = fn(&Missing) -> bool;
    let drivers: Vec<&Fact> = report.all(icd.name).collect();
    let is_software = |subject: &Subject| report.about(subject, "device-kind") == Some(&Value::from(SOFTWARE));
    let devices = report
        .all(device.name)
        .filter_map(|fact| Some((&fact.subject, fact.value.as_ref().ok()?.to_string())))
        .filter(|(subject, _)| !is_software(subject) || !drivers.iter().any(|driver| is(driver, HARDWARE)));
    let names = ladder::names(devices);
    let failed = |wanted: Kind| {
        drivers.iter().find_map(|driver| {
            let missing = driver.value.as_ref().err().filter(|missing| wanted(missing))?;
            Some(format!("{}: {missing}", manifest_of(&driver.subject)))
        })
    };
    if drivers.iter().any(|driver| is(driver, HARDWARE)) {
        return Climb::new(State::Working, Rung::Enumerate, names);
    }
    let failures: [(State, Rung, Kind); 5] = [
        (State::Crashed, Rung::Initialise, |missing| matches!(missing, Missing::Crashed(_))),
        (State::TimedOut, Rung::Initialise, |missing| matches!(missing, Missing::TimedOut)),
        (State::Broken, Rung::Initialise, |missing| matches!(missing, Missing::Exited { .. })),
        (State::Broken, Rung::Load, |missing| matches!(missing, Missing::Garbled(_) | Missing::NotFound)),
        (State::Blocked, Rung::Load, |missing| matches!(missing, Missing::Denied)),
    ];
    let failure = failures.into_iter().find_map(|(state, rung, wanted)| Some(Climb::new(state, rung, failed(wanted)?)));
    if drivers.iter().any(|driver| is(driver, SOFTWARE)) {
        // A failed driver beside a software device is told by its own finding.
        return Climb::new(State::SoftwareOnly, Rung::Enumerate, format!("{names} ({software_detail})"));
    }
    if let Some(failure) = failure {
        return failure;
    }
    match drivers.iter().find_map(|driver| driver.value.as_ref().err()) {
        Some(missing) => Climb::none(State::Unknown, format!("its drivers: {missing}")),
        None if drivers.iter().any(|driver| is(driver, NO_KERNEL_DRIVER)) => Climb::new(
            State::Broken,
            Rung::KernelDriver,
            "its driver waits for the NVIDIA kernel driver, which is not loaded",
        ),
        None => Climb::new(State::NotInstalled, Rung::Enumerate, "its drivers find no device of theirs"),
    }
}

fn is(fact: &Fact, state: &str) -> bool {
    matches!(&fact.value, Ok(Value::Text(text)) if text == state)
}

/// The manifest that a driver's subject names, without its API.
pub(crate) fn manifest_of(subject: &Subject) -> &str {
    match subject {
        Subject::Icd(id) => id.split_once(':').map_or(id.as_str(), |(_, manifest)| manifest),
        _ => "",
    }
}
