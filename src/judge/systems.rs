//! How every system of the matrix stands on this machine, and what the matrix says of it here.

use std::collections::{BTreeMap, HashSet};

use accelprobe_probes::fact::{Fact, Origin, Report, Scope, Subject};
use accelprobe_probes::host::Missing;
use accelprobe_probes::ladder::{Climb, State};

use super::Case;
use crate::diagnosis::{self, Support};
use crate::input;
use crate::matrix::{Environment, Matrix, System, Verdict};

/// How far each probed system gets, by id.
pub(super) fn climbs(report: &Report, matrix: &Matrix, environment: Option<Environment>) -> BTreeMap<String, Climb> {
    let mut climbs = BTreeMap::new();
    let told: HashSet<&str> = report.facts.iter().map(|fact| fact.key.name).collect();
    let described = |fact: &Fact| matches!(&fact.origin, Origin::Given(how) if how != input::SET);
    let untold = if report.all("environment").next().is_some_and(described) { "not described" } else { "not asked" };
    for probe in accelprobe_probes::PROBES {
        let Some(climb) = probe.climb else { continue };
        let climb = match report.asked(probe.name).map(|asked| &asked.missing) {
            None if probe.keys.iter().any(|key| told.contains(key.name)) => climb(report),
            None => Climb::none(State::Unknown, untold),
            Some(None) => climb(report),
            Some(Some(Missing::TimedOut)) => Climb::none(State::TimedOut, "asking did not end in time"),
            Some(Some(missing)) => Climb::none(State::Unknown, missing.to_string()),
        };
        climbs.insert(probe.name.to_owned(), applicable(climb, matrix.system(probe.name), environment));
    }
    climbs
}

/// What cannot exist here is said so, unless it was seen: what a machine does outranks what a table says.
fn applicable(climb: Climb, system: Option<&System>, environment: Option<Environment>) -> Climb {
    let (Some(system), Some(environment)) = (system, environment) else { return climb };
    let absent = matches!(climb.state, State::NotInstalled | State::Unknown);
    match absent && !system.exists_on.contains(&environment) {
        true => Climb { versions: climb.versions, ..not_applicable(system, environment) },
        false => climb,
    }
}

fn not_applicable(system: &System, environment: Environment) -> Climb {
    let home: Vec<&str> = system.exists_on.iter().map(|environment| environment.title()).collect();
    Climb::none(State::NotApplicable, format!("does not exist on {}, only on {}", environment.title(), home.join(", ")))
}

/// Every system of the matrix.
pub(super) fn all(case: &Case<'_>) -> Vec<diagnosis::System> {
    case.matrix.systems.iter().map(|system| one(case, system)).collect()
}

fn one(case: &Case<'_>, system: &System) -> diagnosis::System {
    let climb = match (case.ground.climbs.get(&system.id), case.environment) {
        (Some(climb), _) => climb.clone(),
        (None, Some(environment)) if !system.exists_on.contains(&environment) => not_applicable(system, environment),
        (None, _) => Climb::none(State::Unknown, "this version of accelprobe does not look for it"),
    };
    let report = case.ground.report;
    let devices = report.subjects(device_key(&system.id)).into_iter().filter_map(|subject| match subject {
        Subject::Device(id) => Some(id.clone()),
        _ => None,
    });
    diagnosis::System {
        id: system.id.clone(),
        name: system.name.clone(),
        label: system.short_name().to_owned(),
        state: climb.state,
        rung: climb.rung,
        versions: climb.versions,
        support: support(case, system, climb.state),
        detail: climb.detail,
        devices: devices.collect(),
        duration_ms: report.asked(&system.id).and_then(|asked| asked.duration_ms),
    }
}

/// The fact by which a system lists its devices: `ID-device`, or the one of its probe where its API has another name.
fn device_key(system: &str) -> &'static str {
    let own = accelprobe_probes::PROBES.iter().filter(|probe| probe.name == system).flat_map(|probe| probe.keys);
    let names = || own.clone().filter(|key| key.scope == Scope::Device && key.name.ends_with("-device"));
    let exact = names().find(|key| key.name.strip_suffix("-device") == Some(system));
    exact.or_else(|| names().next()).map_or("", |key| key.name)
}

fn support(case: &Case<'_>, system: &System, state: State) -> Support {
    let unknown =
        Support { documents: Verdict::Unknown, current: Verdict::Unknown, note: None, contradicted_by: Vec::new() };
    let Some(environment) = case.environment else { return unknown };
    let here = || system.support.iter().filter(|support| support.environment == environment && support.is_general());
    // Where versions differ, the newest is what one gets.
    let newest =
        |support: &&crate::matrix::Support| support.versions.as_ref().is_none_or(|range| range.is_open_above());
    let Some(statement) = here().find(newest).or_else(|| here().next()) else { return unknown };
    let seen = state == State::Working && statement.verdict(case.edition) == Verdict::Unsupported;
    let words = statement.words(case.edition).map(str::to_owned);
    Support {
        documents: statement.documents.unwrap_or(Verdict::Unknown),
        current: statement.current,
        note: match (seen, words) {
            (true, words) => Some(format!("seen working, although the matrix says: {}", words.unwrap_or_default())),
            (false, words) => words,
        },
        contradicted_by: case.contradictions(statement),
    }
}
