//! What follows for the NVIDIA cards of a machine taken together: rules about drivers, runtimes and copies of libraries are
//! not judged for one card.
//!
//! References: NVIDIA's CUDA programming guide on `CUDA_VISIBLE_DEVICES`.

use accelprobe_probes::fact::{Fact, Key, Kind, Scope, Subject, Value};
use accelprobe_probes::version::Version;

use super::{Known, fact};

pub(super) static GPUS: Key = Key::new(
    "nvidia-gpus",
    Kind::Number,
    Scope::Host,
    "How many NVIDIA GPUs there are, whatever `CUDA_VISIBLE_DEVICES` hides of them.",
);

pub(super) static LINES: Key = Key::new(
    "nvidia-lines",
    Kind::Set,
    Scope::Host,
    "The lines of products that the NVIDIA GPUs belong to: `geforce`, `workstation`, `datacenter`, `jetson`.",
);

pub(super) static LOWEST: Key = Key::new(
    "lowest-capability",
    Kind::Version,
    Scope::Host,
    "The lowest compute capability among the NVIDIA GPUs; unknown where that of one is.",
);

pub(super) static HIGHEST: Key = Key::new(
    "highest-capability",
    Kind::Version,
    Scope::Host,
    "The highest compute capability among the NVIDIA GPUs; unknown where that of one is.",
);

pub(super) static CARD_MODULES: Key = Key::new(
    "nvidia-card-modules",
    Kind::Set,
    Scope::Host,
    "The kernel modules that hold the NVIDIA cards: `nvidia`, `nouveau`, …",
);

pub(super) static DEVICES_LEFT: Key = Key::new(
    "cuda-devices-left",
    Kind::Text,
    Scope::Host,
    "What `CUDA_VISIBLE_DEVICES` leaves of the NVIDIA GPUs: `listed`; `fewer` where it names one that does not exist, which ends \
     the list; `none` where the first does not.",
);

pub(super) static FORWARD_COMPATIBILITY: Key = Key::new(
    "forward-compatibility",
    Kind::Text,
    Scope::Host,
    "`in-use` where the loader takes CUDA's forward compatibility library and the cards allow it; else `not-seen`.",
);

/// The facts about all NVIDIA GPUs of a report in which each device has one subject.
pub(super) fn all(known: &Known) -> Vec<Fact> {
    let modules = named(cards(known).into_iter().filter_map(|card| known.text_about(card, "kernel-module")));
    let gpus = gpus(known);
    let mut derived = Vec::new();
    let mut add = |key: &'static Key, value: Value| {
        if known.about(&Subject::Host, key.name).is_none() {
            derived.push(fact(key, &Subject::Host, value, "by the NVIDIA GPUs of this machine"));
        }
    };
    if !modules.is_empty() {
        add(&CARD_MODULES, Value::Set(modules));
    }
    if gpus.is_empty() {
        return derived;
    }
    add(&GPUS, Value::Number(gpus.len() as u64));
    let lines = named(gpus.iter().filter_map(|gpu| known.text_about(gpu, "gpu-line")));
    if !lines.is_empty() {
        add(&LINES, Value::Set(lines));
    }
    let capability = |gpu: &&Subject| known.about(gpu, "compute-capability").and_then(version).cloned();
    let capabilities: Option<Vec<Version>> = gpus.iter().map(capability).collect();
    for (key, capability) in
        capabilities.iter().flat_map(|all| [(&LOWEST, all.iter().min()), (&HIGHEST, all.iter().max())])
    {
        if let Some(capability) = capability {
            add(key, Value::Version(capability.clone()));
        }
    }
    if let Some(visible) = known.text_about(&Subject::Host, "cuda-visible-devices") {
        add(&DEVICES_LEFT, Value::from(left(visible, gpus.len())));
    }
    derived
}

/// Whether programs get CUDA's forward compatibility library, by the facts that are told, those of packages among them.
pub(super) fn forward_compatibility(known: &Known) -> Option<Fact> {
    if known.version("nvidia-driver").is_none() && known.host(GPUS.name).is_none() {
        return None;
    }
    // A package for a newer major version of CUDA than the driver's sees a GPU by that library alone.
    let is_shown = |subject: &Subject| {
        let cuda = known.about(subject, "package-cuda").and_then(version);
        let newer = cuda.zip(known.version("cuda-driver-api")).is_some_and(|(cuda, api)| cuda.part(0) > api.part(0));
        newer && known.about(subject, "package-sees-gpu") == Some(&Value::Flag(true))
    };
    let is_used =
        known.text("cuda-library-taken") == "compat" || known.subjects("package-sees-gpu").into_iter().any(is_shown);
    let is_refused = || {
        let of_geforce =
            |lines: &Value| matches!(lines, Value::Set(lines) if lines.iter().any(|line| line == "geforce"));
        known.text("cuda-status") == "compat-not-supported" || known.host(LINES.name).is_some_and(of_geforce)
    };
    let state = if is_used && !is_refused() { "in-use" } else { "not-seen" };
    Some(fact(&FORWARD_COMPATIBILITY, &Subject::Host, Value::from(state), "by the CUDA library and what packages see"))
}

fn version(value: &Value) -> Option<&Version> {
    match value {
        Value::Version(version) => Some(version),
        _ => None,
    }
}

/// The NVIDIA GPUs that CUDA can be asked about: those that the driver lists, and where it lists none, all cards that are not
/// kept for a virtual machine. An old card that only draws the screen is no GPU to a driver that has dropped it.
pub(super) fn gpus(known: &Known) -> Vec<&Subject> {
    let cards = cards(known);
    let listed = |subject: &&Subject| {
        known.text_about(subject, "nvml-device").is_some() || known.text_about(subject, "cuda-device").is_some()
    };
    match cards.iter().copied().filter(listed).collect::<Vec<_>>() {
        listed if listed.is_empty() => cards,
        listed => listed,
    }
}

/// The NVIDIA cards that are not kept for a virtual machine.
fn cards(known: &Known) -> Vec<&Subject> {
    let is_card = |subject: &&Subject| {
        known.text_about(subject, "device-vendor") == Some("nvidia")
            && known.text_about(subject, "kernel-module").is_none_or(|module| !module.contains("vfio"))
    };
    known.device_subjects().into_iter().filter(is_card).collect()
}

/// Names in order, each once.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What a value of `CUDA_VISIBLE_DEVICES` leaves of so many GPUs. The list ends at the first entry that names none; which UUID
/// belongs to a GPU or to a part of one (MIG) is not known here, hence never held against it.
fn left(visible: &str, gpus: usize) -> &'static str {
    let names_one = |entry: &str| match entry.parse::<i64>() {
        Ok(number) => usize::try_from(number).is_ok_and(|number| number < gpus),
        Err(_) => ["GPU-", "MIG-"].iter().any(|mark| entry.starts_with(mark)),
    };
    match visible.split(',').map(str::trim).position(|entry| !names_one(entry)) {
        None => "listed",
        Some(0) => "none",
        Some(_) => "fewer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_visible_devices_ends_at_the_first_that_does_not_exist() {
        for (visible, left_of_two) in [
            ("", "none"),
            ("-1", "none"),
            ("2", "none"),
            ("NoDevFiles", "none"),
            ("0,1", "listed"),
            ("1, 0", "listed"),
            ("0,2", "fewer"),
            ("1,-1,0", "fewer"),
            ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "listed"),
            ("MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/2", "listed"),
        ] {
            assert_eq!(left(visible, 2), left_of_two, "{visible}");
        }
    }
}
