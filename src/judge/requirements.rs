//! What the user asserts, judged by the facts.

use accelprobe_probes::fact::{Kind, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::ladder::State;
use accelprobe_probes::version::{Range, Version};

use super::Case;
use super::plan::Planner;
use super::wants::{self, asks_for_cuda, outcome, system, unknown_name};
use crate::diagnosis::{Outcome, Requirement};
use crate::spec::{Mistake, Spec};

/// The parts of a system whose version is meant where a range stands behind its name, the first that it has.
const MAIN_VERSIONS: &[&str] = &["driver-api", "api", "package", "library", "rocm"];

/// Judges an assertion. Fails on a name that is neither a system nor a fact with a version.
pub(super) fn requirement<'a>(planner: &Planner<'_, 'a>, spec: &Spec) -> Result<Requirement, Mistake> {
    let case: &Case<'a> = planner.case();
    let done = |verdict, detail: String| Ok(Requirement { expr: spec.text.clone(), verdict, detail });
    let probed = system(case, &spec.name).and_then(|system| Some((system, case.ground.climbs.get(&system.id)?)));
    if let Some((system, climb)) = probed {
        if !spec.extras.is_empty() && system.packages.is_empty() {
            return Err(spec.unknown_name(format!("`{}` is no package: it has no extras", system.id)));
        }
        let found = outcome(climb.state, spec.part);
        if found != Outcome::Holds {
            let hint = match climb.state {
                // `onnxruntime-gpu` is not asked for by who would take the processor.
                State::SoftwareOnly if !asks_for_cuda(spec) => {
                    format!("; `{}` asks for an accelerator, `{}:cpu` would accept this", spec.name, spec.name)
                }
                _ => String::new(),
            };
            let state = climb.state.name().replace('-', " ");
            return done(found, format!("{} is {state}: {}{hint}", system.name, climb.detail));
        }
        let Some(range) = &spec.range else { return done(found, format!("{}: {}", climb.state, climb.detail)) };
        let version = MAIN_VERSIONS.iter().find_map(|part| climb.versions.get(*part));
        return match version.and_then(|version| version.parse::<Version>().ok()) {
            Some(version) => {
                let (verdict, detail) = within(&system.name, &version, range);
                done(verdict, detail)
            }
            None => done(Outcome::Unknown, format!("{} works, and its version is not known", system.name)),
        };
    }
    let fact = accelprobe_probes::key(&spec.name).filter(|key| key.kind == Kind::Version);
    if let Some(key) = fact {
        if spec.part.is_some() || !spec.extras.is_empty() {
            return Err(spec.unknown_name(format!("`{}` is a version: it has neither parts nor extras", key.name)));
        }
        let Some(Value::Version(version)) = case.ground.report.host(key.name) else {
            let missing = case.ground.report.all(key.name).find_map(|fact| fact.value.as_ref().err());
            return match missing {
                Some(Missing::NotFound) => done(Outcome::Broken, format!("{} is not here", key.name)),
                Some(missing) => done(Outcome::Unknown, format!("{}: {missing}", key.name)),
                None => done(Outcome::Unknown, format!("{} is not known", key.name)),
            };
        };
        return match &spec.range {
            Some(range) => {
                let (verdict, detail) = within(key.name, version, range);
                done(verdict, detail)
            }
            None => done(Outcome::Holds, format!("{} is {version}", key.name)),
        };
    }
    let Some(system) = system(case, &spec.name) else { return Err(unknown_name(case, spec, true)) };
    let turnout = wants::by_matrix(planner, system, spec);
    match turnout.verdict {
        Outcome::Holds => done(
            Outcome::Unknown,
            format!("{} could be used here ({}); whether it is installed was not probed", system.name, turnout.detail),
        ),
        other => done(other, turnout.detail),
    }
}

fn within(name: &str, version: &Version, range: &Range) -> (Outcome, String) {
    match range.contains(version) {
        true => (Outcome::Holds, format!("{name} is {version}")),
        false => (Outcome::Broken, format!("{name} is {version}, not {range}")),
    }
}
