//! Facts that follow from other facts and from the matrix: the instruction set of a card by its name, the CUDA of a package
//! by its version, and which of this machine's GPUs a package holds code for.
//!
//! What a probe or a person told stands: only what nobody told is derived.

pub(super) mod architectures;
mod companions;
mod devices;
mod neighbours;
mod nvidia;
mod packages;
mod software;
mod stand_in;

use accelprobe_probes::fact::{Fact, Key, Origin, Subject, Value};

use super::known::Known;
use super::project;
use crate::matrix::Matrix;

pub(super) use packages::{Gpu, Machine, TAKES_PYTHON, WITHOUT_CODE, on_gpus};

/// The keys of all facts that are derived and that no probe tells.
pub(crate) static KEYS: &[&Key] = &[
    &devices::GPU_LINE,
    &nvidia::CARD_MODULES,
    &nvidia::DEVICES_LEFT,
    &nvidia::FORWARD_COMPATIBILITY,
    &nvidia::GPUS,
    &nvidia::HIGHEST,
    &nvidia::LINES,
    &nvidia::LOWEST,
    &packages::WITH_CODE,
    &packages::WITHOUT_CODE,
    &packages::BY_NEW_PTX,
    &packages::TAKES_PYTHON,
    &super::plan::installed::GPU_BUILD,
    &super::plan::installed::REPAIR,
    &companions::FINDS_CUDA,
    &companions::CUDA_MATCH,
    &companions::FINDS_CUDNN,
    &companions::CUDNN_MATCH,
    &companions::FINDS_TENSORRT,
    &companions::WANTS_CUDNN,
    &neighbours::MADE_FOR,
    &neighbours::MEETS,
    &neighbours::PAIRS,
    &software::GPU_SOFTWARE,
    &stand_in::GFX_OVERRIDE,
    &stand_in::PACKAGE_GFX_OVERRIDE,
    &project::TAKES_PYTHON,
];

/// The system of a machine as packages see it: `linux` (WSL2, too), `windows` or `macos`.
pub(super) fn system_of(known: &Known) -> Option<&'static str> {
    match known.text("environment") {
        "linux" | "wsl2" | "wsl1" => Some("linux"),
        "windows" => Some("windows"),
        "macos" => Some("macos"),
        _ => None,
    }
}

/// Adds what follows from a report to it.
pub(super) fn derive(known: &mut Known, matrix: &Matrix) {
    known.extend(devices::by_name(known, matrix));
    known.extend(devices::driver_api(known, matrix));
    known.extend(nvidia::all(known));
    let machine = Machine::of(known);
    known.extend(neighbours::all(known, matrix, &machine));
    known.extend(packages::all(known, matrix, &machine));
    known.extend(nvidia::forward_compatibility(known));
    known.extend(companions::all(known, matrix, &machine));
    known.extend(software::installed(known));
    known.extend(project::takes_python(known));
    known.extend(stand_in::of_devices(known, matrix));
    known.extend(stand_in::of_packages(known, matrix));
}

/// A derived fact. `how` completes "given".
fn fact(key: &'static Key, subject: &Subject, value: Value, how: &'static str) -> Fact {
    Fact { key, subject: subject.clone(), value: Ok(value), origin: Origin::Given(how.into()) }
}
