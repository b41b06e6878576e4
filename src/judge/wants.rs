//! What the user means to use, judged by the matrix, by the builds that there are and by the machine.

mod built;
mod unbuilt;

use accelprobe_probes::fact::Kind;
use accelprobe_probes::ladder::{Rung, State};
use accelprobe_probes::version::Version;

use super::plan::{self, Place, Planner};
use super::{Case, findings, recommend};
use crate::diagnosis::{Finding, Outcome, Want};
use crate::matrix::{Product, Severity, Support, System, Verdict};
use crate::spec::{Mistake, Part, Spec};

pub(super) use unbuilt::asks_for_cuda;

/// A want, judged.
pub(super) struct Judged<'a> {
    /// The system that is wanted; none where it is a package that is no system.
    pub system: Option<&'a System>,
    /// How it turned out.
    pub want: Want,
    /// What is wrong, where something is.
    pub fault: Option<Fault>,
}

/// What is wrong with a want.
pub(super) struct Fault {
    /// As a finding.
    pub finding: Finding,
    /// The rules whose findings are its cause: beside those it is no finding of its own.
    pub causes: Vec<String>,
}

/// How a want turns out.
pub(super) struct Turnout {
    pub verdict: Outcome,
    pub detail: String,
    because: Option<String>,
    fault: Option<Fault>,
}

impl Turnout {
    fn new(verdict: Outcome, detail: impl Into<String>) -> Turnout {
        Turnout { verdict, detail: detail.into(), because: None, fault: None }
    }

    fn broken(finding: Finding, causes: Vec<String>) -> Turnout {
        let fault = Some(Fault { causes, finding: finding.clone() });
        Turnout { fault, ..Turnout::new(Outcome::Broken, finding.message) }
    }
}

/// Judges a want. Fails on a name that is no system and no package that is known.
pub(super) fn want<'a>(planner: &Planner<'_, 'a>, findings: &[Finding], spec: &Spec) -> Result<Judged<'a>, Mistake> {
    let case = planner.case();
    let system = system(case, &spec.name);
    let turnout = match (system, case.matrix.product_of_package(&spec.name)) {
        (Some(system), _) => by_matrix(planner, findings, system, spec),
        (None, Some(product)) => by_builds(planner, product, spec),
        (None, None) => return Err(unknown_name(case, spec, false)),
    };
    let because = turnout.because.into_iter().collect();
    let origin = spec.origin.clone();
    let want = Want { spec: spec.text.clone(), verdict: turnout.verdict, detail: turnout.detail, because, origin };
    Ok(Judged { system, want, fault: turnout.fault })
}

/// How a package turns out that is no system: by its builds alone.
fn by_builds<'a>(planner: &Planner<'_, 'a>, product: &'a Product, spec: &Spec) -> Turnout {
    let place = Place::active(planner.case().ground.report);
    let outlook = planner.outlook(None, product, &place, plan::wish(spec));
    match outlook.gpu.first().or(outlook.cpu.as_ref()) {
        Some(plan) => {
            let detail = [Some(plan.title_for()), plan.doubt()].into_iter().flatten().collect::<Vec<_>>().join("; ");
            Turnout::new(Outcome::Holds, detail)
        }
        None => built::refused(planner, None, spec, &outlook),
    }
}

/// How the use of a system turns out, by what the matrix says of it and then by this machine.
pub(super) fn by_matrix<'a>(
    planner: &Planner<'_, 'a>,
    findings: &[Finding],
    system: &'a System,
    spec: &Spec,
) -> Turnout {
    let case = planner.case();
    let Some(environment) = case.environment else {
        return Turnout::new(Outcome::Unknown, "the environment of this machine is not known");
    };
    let candidate = match candidate(case, system, spec) {
        Ok(candidate) => candidate,
        Err(why) => return Turnout::new(Outcome::Unknown, why),
    };
    let Some(statement) = statement(case, system, spec.part, candidate) else {
        let why = format!("the matrix says nothing of {} on {}", system.name, environment.title());
        return Turnout::new(Outcome::Unknown, why);
    };
    let words = statement.words(case.edition).unwrap_or_default();
    let seen = case.ground.climbs.get(&system.id).is_some_and(|climb| climb.state == State::Working);
    let turnout = match statement.verdict(case.edition) {
        Verdict::Unsupported if seen => {
            Turnout::new(Outcome::Holds, format!("seen working, although the matrix says: {words}"))
        }
        Verdict::Unsupported => {
            let version = spec.range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
            let gpu = if statement.part.as_deref() == Some("gpu") { " with the GPU" } else { "" };
            let message = format!("{}{version}{gpu} is not supported on {}: {words}", system.name, environment.title());
            Turnout::broken(unsupported(case, statement, spec, message), Vec::new())
        }
        Verdict::Unknown => Turnout::new(Outcome::Unknown, words),
        Verdict::Supported | Verdict::Partial => by_machine(planner, findings, system, spec, statement),
    };
    Turnout { because: Some(statement.id.clone()), ..turnout }
}

/// The newest release in the wanted range; nothing where the matrix has no releases of it.
fn candidate<'a>(case: &Case<'a>, system: &System, spec: &Spec) -> Result<Option<&'a Version>, String> {
    let Some(product) = case.product(system, spec) else { return Ok(None) };
    let fits = |version: &&Version| spec.range.as_ref().is_none_or(|range| range.contains(version));
    let newest = product.release.iter().rev().map(|release| &release.version).find(fits);
    match (newest, product.horizon(), &spec.range) {
        (None, Some(horizon), Some(range)) if range.bounds().all(|bound| bound > horizon) => {
            Err(format!("{} {range} is newer than this matrix, which ends at {horizon}", product.name))
        }
        (None, _, Some(range)) => Err(format!("no release of {} in {range} is known", product.name)),
        (newest, _, _) => Ok(newest),
    }
}

/// What the matrix says of a version of a system in this environment; of a part of it where one is meant.
pub(super) fn statement<'a>(
    case: &Case<'_>,
    system: &'a System,
    part: Option<Part>,
    candidate: Option<&Version>,
) -> Option<&'a Support> {
    let environment = case.environment?;
    let applies = |support: &&Support| match (&support.versions, candidate) {
        (None, _) => true,
        (Some(range), Some(version)) => range.contains(version),
        (Some(range), None) => range.is_open_above(),
    };
    let here = || system.support.iter().filter(|support| support.environment == environment).filter(applies);
    let on_cpu = || here().find(|support| support.part.as_deref() == Some("cpu"));
    let general = || here().find(|support| support.is_general());
    match part {
        // What runs on a GPU in an environment runs on the processor, too, unless a statement of its own says otherwise.
        Some(Part::Cpu) => {
            on_cpu().or_else(|| general().filter(|support| support.part.is_none() || !refuses(case, support)))
        }
        _ => general(),
    }
}

fn refuses(case: &Case<'_>, statement: &Support) -> bool {
    statement.verdict(case.edition) == Verdict::Unsupported
}

fn unsupported(case: &Case<'_>, statement: &Support, spec: &Spec, message: String) -> Finding {
    let documents = (!statement.claims.is_empty()).then_some("documents");
    let others =
        statement.sources.iter().map(String::as_str).filter(|source| *source != "documents" || documents.is_none());
    Finding {
        code: statement.code.clone().unwrap_or_else(|| "unsupported-here".to_owned()),
        severity: Severity::Error,
        subject: spec.text.clone(),
        message,
        evidence: case.ground.report.all("environment").map(findings::evidence_of).collect(),
        rule: statement.id.clone(),
        contradicted_by: case.contradictions(statement),
        consequences: Vec::new(),
        sources: case.sources(documents.into_iter().chain(others)),
        remedy: statement.remedy.clone(),
    }
}

/// The matrix says yes; whether this machine does is another question.
fn by_machine<'a>(
    planner: &Planner<'_, 'a>,
    findings: &[Finding],
    system: &'a System,
    spec: &Spec,
    statement: &Support,
) -> Turnout {
    let case = planner.case();
    // What pip installs can be had whether or not a copy is here already.
    if let Some(climb) = case.ground.climbs.get(&system.id).filter(|_| system.packages.is_empty()) {
        let verdict = outcome(climb.state, spec.part);
        if verdict == Outcome::Broken {
            // Without the hardware nothing can be installed, and the code says so.
            let no_hardware = climb.rung == Some(Rung::Bus) && matches!(system.vendor.as_str(), "nvidia" | "amd");
            let code = match no_hardware {
                true => format!("no-{}-gpu", system.vendor),
                false => format!("{}-{}", system.id, climb.state),
            };
            let message = format!("{} cannot be used: {}", system.name, climb.detail);
            let told = Turnout::broken(cannot(case, statement, spec, code, message), system.explained_by.clone());
            return Turnout { detail: format!("{}: {}", climb.state, climb.detail), ..told };
        }
        return match verdict {
            Outcome::Unknown if climb.state == State::Unknown => Turnout::new(verdict, &climb.detail),
            _ => Turnout::new(verdict, format!("{}: {}", climb.state, climb.detail)),
        };
    }
    if let Some(fault) = recommend::hindrance(case, system, spec) {
        return Turnout::broken(fault.finding, fault.causes);
    }
    match case.product(system, spec).filter(|product| !product.build.is_empty()) {
        Some(product) => built::by_plan(planner, findings, system, product, spec, statement),
        None if spec.part == Some(Part::Cpu) => Turnout::new(Outcome::Holds, "on the processor"),
        None => unbuilt::by_gpu(case, system, spec, statement),
    }
}

fn cannot(case: &Case<'_>, statement: &Support, spec: &Spec, code: String, message: String) -> Finding {
    let evidence = case.ground.report.all("gpu-vendors").map(findings::evidence_of).collect();
    Finding { code, evidence, remedy: None, contradicted_by: Vec::new(), ..unsupported(case, statement, spec, message) }
}

/// What a state means for who needs the system.
pub(super) fn outcome(state: State, part: Option<Part>) -> Outcome {
    match state {
        State::Working => Outcome::Holds,
        State::SoftwareOnly if part == Some(Part::Cpu) => Outcome::Holds,
        State::SoftwareOnly | State::Masked | State::Blocked | State::Broken | State::Crashed | State::NotInstalled => {
            Outcome::Broken
        }
        State::NotApplicable => Outcome::NotApplicable,
        State::TimedOut | State::Unknown => Outcome::Unknown,
    }
}

/// The system of an id or of a package.
pub(super) fn system<'a>(case: &Case<'a>, name: &str) -> Option<&'a System> {
    let named = |system: &&System| system.id == name || system.packages.iter().any(|package| package == name);
    case.matrix.systems.iter().find(named)
}

pub(super) fn unknown_name(case: &Case<'_>, spec: &Spec, facts: bool) -> Mistake {
    let systems = case.matrix.systems.iter().flat_map(|system| std::iter::once(&system.id).chain(&system.packages));
    let versions = accelprobe_probes::keys().filter(|key| facts && key.kind == Kind::Version).map(|key| key.name);
    let products = case.matrix.products.iter().filter(|product| !facts && !product.build.is_empty());
    let packages = products.flat_map(|product| &product.packages);
    let known = systems.chain(packages).map(String::as_str).chain(versions);
    spec.unknown_name(accelprobe_probes::unknown("system or package", &spec.name, known))
}
