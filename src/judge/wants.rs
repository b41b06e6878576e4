//! What the user means to use, and what the user asserts, judged by the matrix and by the machine.

use accelprobe_probes::fact::{Kind, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::ladder::{Rung, State};
use accelprobe_probes::version::{Range, Version};

use super::{Case, findings, recommend, vendor_title};
use crate::diagnosis::{Finding, Outcome, Requirement, Want};
use crate::matrix::{Gives, Remedy, Severity, Support, System, Table, Verdict};
use crate::spec::{Mistake, Part, Spec};

/// A want, judged.
pub(super) struct Judged<'a> {
    /// The system that is wanted.
    pub system: &'a System,
    /// How it turned out.
    pub want: Want,
    /// What is wrong, where something is.
    pub finding: Option<Finding>,
}

/// Judges a want. Fails on a name that is no system and no package of one.
pub(super) fn want<'a>(case: &Case<'a>, spec: &Spec) -> Result<Judged<'a>, Mistake> {
    let Some(system) = system(case, &spec.name) else { return Err(unknown_name(case, spec, false)) };
    let (verdict, detail, rule, finding) = by_matrix(case, system, spec);
    let because = rule.into_iter().collect();
    Ok(Judged { system, want: Want { spec: spec.text.clone(), verdict, detail, because }, finding })
}

type Turnout = (Outcome, String, Option<String>, Option<Finding>);

fn by_matrix(case: &Case<'_>, system: &System, spec: &Spec) -> Turnout {
    let Some(environment) = case.environment else {
        return (Outcome::Unknown, "the environment of this machine is not known".to_owned(), None, None);
    };
    let candidate = match candidate(case, system, spec) {
        Ok(candidate) => candidate,
        Err(why) => return (Outcome::Unknown, why, None, None),
    };
    let Some(statement) = statement(case, system, spec, candidate) else {
        let why = format!("the matrix says nothing of {} on {}", system.name, environment.title());
        return (Outcome::Unknown, why, None, None);
    };
    let rule = Some(statement.id.get_ref().clone());
    let words = statement.words(case.edition).unwrap_or_default();
    let seen = case.ground.climbs.get(&system.id).is_some_and(|climb| climb.state == State::Working);
    match statement.verdict(case.edition) {
        Verdict::Unsupported if seen => {
            (Outcome::Holds, format!("seen working, although the matrix says: {words}"), rule, None)
        }
        Verdict::Unsupported => {
            let version = spec.range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
            let gpu = if statement.part.as_deref() == Some("gpu") { " with the GPU" } else { "" };
            let message = format!("{}{version}{gpu} is not supported on {}: {words}", system.name, environment.title());
            let finding = unsupported(case, statement, spec, message.clone());
            (Outcome::Broken, message, rule, Some(finding))
        }
        Verdict::Unknown => (Outcome::Unknown, words.to_owned(), rule, None),
        Verdict::Supported | Verdict::Partial => by_machine(case, system, spec, statement, rule),
    }
}

/// The newest release in the wanted range; nothing where the matrix has no releases of it.
fn candidate<'a>(case: &Case<'a>, system: &System, spec: &Spec) -> Result<Option<&'a Version>, String> {
    let Some(product) = case.product(system, spec) else { return Ok(None) };
    let fits = |version: &&Version| spec.range.as_ref().is_none_or(|range| range.contains(version));
    let newest = product.release.iter().rev().map(|release| release.version.get_ref()).find(fits);
    match (newest, product.horizon(), &spec.range) {
        (None, Some(horizon), Some(range)) if range.bounds().all(|bound| bound > horizon) => {
            Err(format!("{} {range} is newer than this matrix, which ends at {horizon}", product.name))
        }
        (None, _, Some(range)) => Err(format!("no release of {} in {range} is known", product.name)),
        (newest, _, _) => Ok(newest),
    }
}

fn statement<'a>(case: &Case<'_>, system: &'a System, spec: &Spec, candidate: Option<&Version>) -> Option<&'a Support> {
    let environment = case.environment?;
    let applies = |support: &&Support| match (&support.versions, candidate) {
        (None, _) => true,
        (Some(range), Some(version)) => range.get_ref().contains(version),
        (Some(range), None) => range.get_ref().is_open_above(),
    };
    let here = || system.support.iter().filter(|support| support.environment == environment).filter(applies);
    let on_cpu = || here().find(|support| support.part.as_deref() == Some("cpu"));
    let general = || here().find(|support| support.is_general());
    match spec.part {
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
    let others = statement
        .sources
        .iter()
        .map(|source| source.get_ref().as_str())
        .filter(|source| *source != "documents" || documents.is_none());
    Finding {
        code: statement.code.clone().unwrap_or_else(|| "unsupported-here".to_owned()),
        severity: Severity::Error,
        subject: spec.text.clone(),
        message,
        evidence: case.ground.report.all("environment").map(findings::evidence_of).collect(),
        rule: statement.id.get_ref().clone(),
        contradicted_by: case.contradictions(statement),
        sources: case.sources(documents.into_iter().chain(others)),
        remedy: statement.remedy.clone(),
        consequences: Vec::new(),
    }
}

/// The matrix says yes; whether this machine does is another question.
fn by_machine(case: &Case<'_>, system: &System, spec: &Spec, statement: &Support, rule: Option<String>) -> Turnout {
    // What pip installs can be had whether or not a copy is here already.
    let climb = case.ground.climbs.get(&system.id).filter(|_| system.packages.is_empty());
    if let Some(climb) = climb {
        let outcome = outcome(climb.state, spec.part);
        let detail = match outcome {
            Outcome::Unknown if climb.state == State::Unknown => climb.detail.clone(),
            _ => format!("{}: {}", climb.state, climb.detail),
        };
        // Without the hardware nothing can be installed, and the code says so.
        let no_hardware = climb.rung == Some(Rung::Bus) && matches!(system.vendor.as_str(), "nvidia" | "amd");
        let finding = (outcome == Outcome::Broken).then(|| {
            cannot(
                case,
                statement,
                spec,
                match no_hardware {
                    true => format!("no-{}-gpu", system.vendor),
                    false => format!("{}-{}", system.id, climb.state),
                },
                format!("{} cannot be used: {}", system.name, climb.detail),
            )
        });
        return (outcome, detail, rule, finding);
    }
    if let Some(turnout) = by_setup(case, system, spec, statement, rule.clone()) {
        return turnout;
    }
    if spec.part == Some(Part::Cpu) {
        return (Outcome::Holds, "on the processor".to_owned(), rule, None);
    }
    by_gpu(case, system, spec, statement, rule)
}

/// What has to be done before a system can be set up here makes a want fail: a driver that is too old, a Python without
/// wheels. Nothing where no set-up says so.
fn by_setup(
    case: &Case<'_>,
    system: &System,
    spec: &Spec,
    statement: &Support,
    rule: Option<String>,
) -> Option<Turnout> {
    let setup = recommend::chosen(case, system).filter(|setup| setup.gives == Gives::Prepare)?;
    let cuda_works = case.ground.climbs.get("cuda").is_some_and(|climb| climb.state == State::Working);
    let about = |key: &str| setup.when.keys().any(|one| one.name == key);
    let no_driver = case.ground.report.host("nvidia-driver").is_none();
    let for_cpu = spec.part == Some(Part::Cpu);
    let code = match () {
        () if about("python") => "python-version-unsupported",
        // What works needs no other driver, whatever its number says or does not say.
        () if about("nvidia-driver") && no_driver && cuda_works => return None,
        () if about("nvidia-driver") && no_driver && !for_cpu => "nvidia-driver-missing",
        () if about("nvidia-driver") && !for_cpu => "driver-too-old",
        () => return None,
    };
    let message = format!("{} cannot be set up as things are: {}", system.name, setup.text);
    let commands = setup.commands.clone();
    let remedy = (!commands.is_empty()).then(|| Remedy { text: setup.text.clone(), commands });
    let finding = Finding {
        rule: setup.id.get_ref().clone(),
        evidence: setup
            .when
            .keys()
            .flat_map(|key| case.ground.report.all(key.name).take(1))
            .map(findings::evidence_of)
            .collect(),
        sources: case.sources(setup.sources.iter().map(|source| source.get_ref().as_str())),
        remedy,
        ..cannot(case, statement, spec, code.to_owned(), message.clone())
    };
    Some((Outcome::Broken, message, rule, Some(finding)))
}

/// What the set-up for this machine offers to who wants a system.
enum Offered {
    /// Computing on the GPU.
    Gpu,
    /// Computing on the processor; why.
    Cpu(String),
    /// Less than is wanted; what.
    Older(String),
}

fn offered(case: &Case<'_>, system: &System, spec: &Spec) -> Offered {
    let Some(setup) = recommend::chosen(case, system) else { return Offered::Gpu };
    if setup.gives == Gives::Cpu {
        return Offered::Cpu(setup.text.clone());
    }
    let older = || Offered::Older(format!("the set-up for this machine is older: {}", setup.text));
    // `jax[cuda13]` where the set-up has `jax[cuda12]`.
    let number = |text: &str| {
        let digits: String = text.split_once("[cuda")?.1.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let wanted = number(&spec.text);
    let has = setup.commands.iter().find_map(|command| number(command));
    if wanted.zip(has).is_some_and(|(wanted, has)| wanted > has) {
        return older();
    }
    // A range all of whose releases lie beyond a bound such as `<1.27` of the set-up.
    let pin = setup.commands.iter().find_map(|command| {
        let bound: String =
            command.split_once('<')?.1.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        bound.parse::<Version>().ok()
    });
    match (pin, &spec.range, case.product(system, spec)) {
        (Some(pin), Some(range), Some(product)) => {
            let mut releases = product.release.iter().map(|release| release.version.get_ref());
            let fits = releases.any(|version| range.contains(version) && *version < pin);
            if fits { Offered::Gpu } else { older() }
        }
        _ => Offered::Gpu,
    }
}

/// Whether the words ask for CUDA by a package or an extra that exists for nothing else.
fn asks_for_cuda(spec: &Spec) -> bool {
    spec.name.ends_with("-gpu") || spec.extras.iter().any(|extra| extra.starts_with("cuda") || extra == "and-cuda")
}

/// Whether a system computes without any accelerator, too.
fn has_cpu_form(system: &System) -> bool {
    system.tables.contains(&Table::Frameworks) || matches!(system.id.as_str(), "openvino" | "tflite")
}

/// Whether the machine has the GPU that a system needs, as far as that is known without a probe of the system.
fn by_gpu(case: &Case<'_>, system: &System, spec: &Spec, statement: &Support, rule: Option<String>) -> Turnout {
    let words = statement.words(case.edition).map_or_else(|| "supported here".to_owned(), str::to_owned);
    let cuda_alone = asks_for_cuda(spec);
    let must = spec.part == Some(Part::Gpu) || cuda_alone || !has_cpu_form(system);
    let fails = |code: String, message: String, rule: Option<String>| {
        let finding = cannot(case, statement, spec, code, message.clone());
        (Outcome::Broken, message, rule, Some(finding))
    };
    let Some(Value::Set(vendors)) = case.ground.report.host("gpu-vendors") else {
        return match must {
            true => (Outcome::Unknown, "whether there is a GPU is not known".to_owned(), rule, None),
            false => (Outcome::Holds, format!("{words}; whether there is a GPU is not known"), rule, None),
        };
    };
    let has = |vendor: &str| vendors.iter().any(|one| one == vendor);
    // What is made for one vendor's cards alone is of no use without one.
    let needed = if cuda_alone { "nvidia" } else { system.vendor.as_str() };
    if matches!(needed, "nvidia" | "amd") && !has(needed) {
        let message = format!("{} needs a GPU of {}, and none is on the bus", spec.text, vendor_title(needed));
        return fails(format!("no-{needed}-gpu"), message, rule);
    }
    if vendors.is_empty() {
        let message = format!("{} has no GPU to use here: none is on the bus", system.name);
        return match must {
            true => fails("no-gpu".to_owned(), message, rule),
            false => (Outcome::Holds, "on the processor: there is no GPU here".to_owned(), rule, None),
        };
    }
    let uses_cuda = system.vendor == "nvidia" || system.tables.contains(&Table::Frameworks);
    if uses_cuda && has("nvidia") {
        return match case.ground.climbs.get("cuda") {
            Some(cuda) if cuda.state == State::Working => match offered(case, system, spec) {
                Offered::Gpu => (Outcome::Holds, format!("with CUDA on {}", cuda.detail), rule, None),
                Offered::Cpu(text) if must => fails("no-gpu-build".to_owned(), text, rule),
                Offered::Cpu(text) => (Outcome::Holds, format!("on the processor: {text}"), rule, None),
                Offered::Older(text) => (Outcome::Unknown, text, rule, None),
            },
            Some(cuda) if outcome(cuda.state, None) == Outcome::Broken => {
                let message =
                    format!("{} cannot use the NVIDIA GPU: CUDA is {} ({})", system.name, cuda.state, cuda.detail);
                fails(format!("cuda-{}", cuda.state), message, rule)
            }
            _ => (Outcome::Unknown, "whether CUDA works here is not known".to_owned(), rule, None),
        };
    }
    if let Offered::Cpu(text) = offered(case, system, spec)
        && !must
    {
        return (Outcome::Holds, format!("on the processor: {text}"), rule, None);
    }
    match must {
        true => (Outcome::Unknown, format!("{words}; whether this GPU works with it was not probed"), rule, None),
        false => (Outcome::Holds, words, rule, None),
    }
}

fn cannot(case: &Case<'_>, statement: &Support, spec: &Spec, code: String, message: String) -> Finding {
    let evidence = case.ground.report.all("gpu-vendors").map(findings::evidence_of).collect();
    Finding { code, evidence, remedy: None, contradicted_by: Vec::new(), ..unsupported(case, statement, spec, message) }
}

/// What a state means for who needs the system.
fn outcome(state: State, part: Option<Part>) -> Outcome {
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

/// The parts of a system whose version is meant where a range stands behind its name, the first that it has.
const MAIN_VERSIONS: &[&str] = &["driver-api", "api", "package", "library", "rocm"];

/// Judges an assertion. Fails on a name that is neither a system nor a fact with a version.
pub(super) fn requirement(case: &Case<'_>, spec: &Spec) -> Result<Requirement, Mistake> {
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
    match by_matrix(case, system, spec) {
        (Outcome::Broken, detail, ..) => done(Outcome::Broken, detail),
        (Outcome::Holds, detail, ..) => done(
            Outcome::Unknown,
            format!("{} could be used here ({detail}); whether it is installed was not probed", system.name),
        ),
        (other, detail, ..) => done(other, detail),
    }
}

fn within(name: &str, version: &Version, range: &Range) -> (Outcome, String) {
    match range.contains(version) {
        true => (Outcome::Holds, format!("{name} is {version}")),
        false => (Outcome::Broken, format!("{name} is {version}, not {range}")),
    }
}

/// The system of an id or of a package.
fn system<'a>(case: &Case<'a>, name: &str) -> Option<&'a System> {
    let named = |system: &&System| system.id == name || system.packages.iter().any(|package| package == name);
    case.matrix.systems.iter().find(named)
}

fn unknown_name(case: &Case<'_>, spec: &Spec, facts: bool) -> Mistake {
    let systems = case.matrix.systems.iter().flat_map(|system| std::iter::once(&system.id).chain(&system.packages));
    let versions = accelprobe_probes::keys().filter(|key| facts && key.kind == Kind::Version).map(|key| key.name);
    let known = systems.map(String::as_str).chain(versions);
    spec.unknown_name(accelprobe_probes::unknown("system or package", &spec.name, known))
}
