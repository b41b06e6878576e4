//! A want of something whose builds the matrix does not know: whether the machine has what it needs.

use accelprobe_probes::fact::Value;
use accelprobe_probes::ladder::State;

use super::{Turnout, cannot, outcome};
use crate::diagnosis::Outcome;
use crate::judge::{Case, vendor_title};
use crate::matrix::{Support, System, Table};
use crate::spec::{Part, Spec};

/// Whether the words ask for CUDA by a package or an extra that exists for nothing else.
pub(in crate::judge) fn asks_for_cuda(spec: &Spec) -> bool {
    spec.name.ends_with("-gpu") || spec.extras.iter().any(|extra| extra.starts_with("cuda") || extra == "and-cuda")
}

/// Whether a system computes without any accelerator, too.
fn has_cpu_form(system: &System) -> bool {
    system.tables.contains(&Table::Frameworks) || matches!(system.id.as_str(), "openvino" | "tflite")
}

/// Whether the machine has the GPU that a system needs whose builds the matrix does not know.
pub(super) fn by_gpu(case: &Case<'_>, system: &System, spec: &Spec, statement: &Support) -> Turnout {
    let words = statement.words(case.edition).map_or_else(|| "supported here".to_owned(), str::to_owned);
    let cuda_alone = asks_for_cuda(spec);
    let must = spec.part == Some(Part::Gpu) || cuda_alone || !has_cpu_form(system);
    let fails = |code: String, message: String, causes: &[String]| {
        Turnout::broken(cannot(case, statement, spec, code, message), causes.to_vec())
    };
    let Some(Value::Set(vendors)) = case.ground.report.host("gpu-vendors") else {
        return match must {
            true => Turnout::new(Outcome::Unknown, "whether there is a GPU is not known"),
            false => Turnout::new(Outcome::Holds, format!("{words}; whether there is a GPU is not known")),
        };
    };
    let has = |vendor: &str| vendors.iter().any(|one| one == vendor);
    // What is made for one vendor's cards alone is of no use without one.
    let needed = if cuda_alone { "nvidia" } else { system.vendor.as_str() };
    if matches!(needed, "nvidia" | "amd") && !has(needed) {
        let message = format!("{} needs a GPU of {}, and none is on the bus", spec.text, vendor_title(needed));
        return fails(format!("no-{needed}-gpu"), message, &[]);
    }
    if vendors.is_empty() {
        let message = format!("{} has no GPU to use here: none is on the bus", system.name);
        return match must {
            true => fails("no-gpu".to_owned(), message, &[]),
            false => Turnout::new(Outcome::Holds, "on the processor: there is no GPU here"),
        };
    }
    let uses_cuda = system.vendor == "nvidia" || system.tables.contains(&Table::Frameworks);
    if uses_cuda && has("nvidia") {
        return match case.ground.climbs.get("cuda") {
            Some(cuda) if cuda.state == State::Working => {
                Turnout::new(Outcome::Holds, format!("with CUDA on {}", cuda.detail))
            }
            Some(cuda) if outcome(cuda.state, None) == Outcome::Broken => {
                let message =
                    format!("{} cannot use the NVIDIA GPU: CUDA is {} ({})", system.name, cuda.state, cuda.detail);
                let causes = case.matrix.system("cuda").map(|cuda| cuda.explained_by.as_slice()).unwrap_or_default();
                fails(format!("cuda-{}", cuda.state), message, causes)
            }
            _ => Turnout::new(Outcome::Unknown, "whether CUDA works here is not known"),
        };
    }
    match must {
        true => Turnout::new(Outcome::Unknown, format!("{words}; whether this GPU works with it was not probed")),
        false => Turnout::new(Outcome::Holds, words),
    }
}
