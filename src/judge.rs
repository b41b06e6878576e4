//! From facts and matrix to a diagnosis. Asks nothing of the machine and cannot fail, but for a want or a requirement that
//! names nothing known.

pub(crate) mod about_gpu;
pub(crate) mod derive;
mod devices;
mod findings;
pub(crate) mod ground;
mod join;
pub(crate) mod known;
mod plan;
mod project;
mod reasons;
mod recommend;
mod requirements;
mod systems;
mod wants;
mod wsl;

use std::collections::BTreeMap;

use std::borrow::Cow;

use accelprobe_probes::fact::{Report, Subject, Value};
use accelprobe_probes::ladder::Climb;

use crate::diagnosis::{
    Citation, Consequence, Diagnosis, FORMAT, Finding, HostSummary, PythonEnvironment, SourceRef, Tool, Wsl,
};
use crate::matrix::{Edition, Environment, Matrix, Product, Relation, Row, Setup, Severity, Support, System};
use crate::project::Project;
use crate::spec::{Mistake, Spec};

use ground::Ground;
use known::Known;
use plan::Planner;
use wants::Fault;

pub(crate) use devices::vendor_title;

/// What the user asked beside "what is here".
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Whose statements count.
    pub edition: Edition,
    /// What the user means to use.
    pub wants: Vec<Spec>,
    /// What a project asks for.
    pub project: Project,
    /// What the user asserts.
    pub requirements: Vec<Spec>,
}

/// Judges a machine by its facts.
pub fn judge(report: Report, matrix: &Matrix, asked: &Asked) -> Result<Diagnosis, Mistake> {
    let environment = environment(&report);
    // What is judged is one subject for each device; what is told is what was asked.
    let mut joined = join::joined(&report);
    project::add_facts(&asked.project, &mut joined);
    let told = joined.facts.len();
    let mut joined = Known::of(joined);
    derive::derive(&mut joined, matrix);
    let climbs = systems::climbs(&with_builds(&report, &joined, told), matrix, environment);
    let of_project = project::wanted(&asked.project, matrix, &joined)?;
    // What could stand in the place of a package is known when everything else is.
    if joined.all("package-version").next().is_some() {
        let instead = plan::installed::facts(&Planner::new(&Case::new(&joined, &climbs, matrix, asked, environment)));
        joined.extend(instead);
    }
    let case = Case::new(&joined, &climbs, matrix, asked, environment);
    let by_rules = findings::by_rules(&case);
    let mut findings = by_rules.clone();
    let planner = Planner::new(&case);
    let mut wanted = Vec::new();
    let mut wants = Vec::new();
    for spec in asked.wants.iter().chain(&of_project.specs) {
        let mut judged = wants::want(&planner, &by_rules, spec)?;
        // One way out is told, that for this very machine.
        let remedy = judged.fault.as_mut().and_then(|fault| fault.finding.remedy.as_mut());
        if let (Some(remedy), Some(system)) = (remedy, judged.system)
            && let Some(own) = recommend::way_out(&case, system, spec)
        {
            *remedy = own;
        }
        let mut want = judged.want;
        let cause = judged.fault.as_ref().and_then(|fault| tell(&mut findings, fault, judged.system, matrix));
        if let Some(cause) = &cause {
            want.detail.clone_from(&cause.message);
            want.because.push(cause.rule.clone());
        }
        // Where the cause has its own remedy, no other advice comes before it.
        if let (None, Some(system)) = (&cause, judged.system) {
            wanted.push((system, spec, want.verdict, judged.fault.map(|fault| fault.finding)));
        }
        wants.push(want);
    }
    wants.extend(of_project.told);
    let requirements = asked
        .requirements
        .iter()
        .map(|spec| requirements::requirement(&planner, &by_rules, spec))
        .collect::<Result<_, _>>()?;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut recommendations = match asked.wants.is_empty() && asked.project.files.is_empty() {
        true => recommend::for_frameworks(&planner, &by_rules),
        false => recommend::for_wants(&planner, &wanted, &by_rules),
    };
    wsl::name_distribution(&joined, &mut findings, &mut recommendations);
    Ok(Diagnosis {
        format: FORMAT,
        tool: Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        edition: asked.edition,
        host: summary(&report, environment),
        devices: devices::all(&joined),
        systems: systems::all(&case),
        environments: environments(&report),
        findings,
        recommendations,
        wants,
        projects: of_project.files,
        requirements,
        sides: None,
        reading: None,
        report,
    })
}

/// What was asked, and of packages what follows from their versions: how a framework stands depends on its build. `told` is how
/// many facts of `joined` are not derived.
fn with_builds<'a>(report: &'a Report, joined: &Known, told: usize) -> Cow<'a, Report> {
    let derived = joined.facts.iter().skip(told).filter(|fact| matches!(fact.subject, Subject::Package { .. }));
    let derived: Vec<_> = derived.filter(|fact| accelprobe_probes::key(fact.key.name).is_some()).cloned().collect();
    match derived.is_empty() {
        true => Cow::Borrowed(report),
        false => {
            let mut all = report.clone();
            all.facts.extend(derived);
            Cow::Owned(all)
        }
    }
}

/// Adds a want's finding to those of the rules. Where a rule has found the cause, or says the same by its code, that finding
/// becomes an error, has the want as its consequence, and is returned. What is wrong with a package explains nothing of others.
fn tell(findings: &mut Vec<Finding>, fault: &Fault, system: Option<&System>, matrix: &Matrix) -> Option<Finding> {
    let wanted = &fault.finding;
    let causes = causes_of(matrix, &fault.causes);
    let is_of_wanted = |told: &Finding| {
        let of_packages = |row: &Row| row.when.is_of_packages() || row.require.is_of_packages();
        let of = |name: &String| told.subject.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(" in "));
        let rule = matrix.rules.iter().find(|rule| rule.id == told.rule);
        rule.is_some_and(|rule| {
            !rule.row.iter().any(of_packages) || system.into_iter().flat_map(|system| &system.packages).any(of)
        })
    };
    let explains = |told: &&mut Finding| {
        is_of_wanted(told)
            && (told.code == wanted.code || (told.severity > Severity::Info && causes.contains(&told.rule.as_str())))
    };
    if let Some(cause) = findings.iter_mut().find(explains) {
        cause.severity = Severity::Error;
        cause.consequences.push(Consequence {
            code: wanted.code.clone(),
            rule: wanted.rule.clone(),
            subject: wanted.subject.clone(),
            message: wanted.message.clone(),
        });
        return Some(cause.clone());
    }
    findings.push(wanted.clone());
    None
}

/// These rules, and all whose findings are the cause of theirs.
pub(crate) fn causes_of<'a>(matrix: &'a Matrix, rules: &'a [String]) -> Vec<&'a str> {
    let mut causes: Vec<&str> = Vec::new();
    let mut open: Vec<&str> = rules.iter().map(String::as_str).collect();
    while let Some(rule) = open.pop() {
        if !causes.contains(&rule) {
            causes.push(rule);
            let rule = matrix.rules.iter().find(|one| one.id == rule);
            open.extend(rule.into_iter().flat_map(|rule| &rule.caused_by).map(String::as_str));
        }
    }
    causes
}

/// Everything that a judgement may look at.
struct Case<'a> {
    ground: Ground<'a>,
    matrix: &'a Matrix,
    edition: Edition,
    environment: Option<Environment>,
}

impl<'a> Case<'a> {
    fn new(
        report: &'a Known,
        climbs: &'a BTreeMap<String, Climb>,
        matrix: &'a Matrix,
        asked: &Asked,
        environment: Option<Environment>,
    ) -> Case<'a> {
        Case { ground: Ground::new(report, climbs, matrix), matrix, edition: asked.edition, environment }
    }

    /// The releases of what is wanted: by the word itself, by the system, or by one of its packages.
    fn product(&self, system: &System, spec: &Spec) -> Option<&'a Product> {
        let names =
            [spec.name.as_str(), system.id.as_str()].into_iter().chain(system.packages.iter().map(String::as_str));
        names.into_iter().find_map(|name| self.matrix.product(name))
    }

    /// The sources of these ids.
    fn sources<'b>(&self, ids: impl IntoIterator<Item = &'b str>) -> Vec<SourceRef> {
        let found = ids.into_iter().filter_map(|id| self.matrix.sources.get(id));
        found
            .map(|source| SourceRef { title: source.title.clone(), url: source.url.clone(), date: source.date.clone() })
            .collect()
    }

    /// Newer statements that contradict what the documents say of an environment; none where the newest verdict on it is
    /// the same, and the contradiction is about another environment.
    fn contradictions(&self, statement: &Support) -> Vec<Citation> {
        if statement.documents == Some(statement.current) {
            return Vec::new();
        }
        let newer = self.matrix.newer_about(&statement.claims).filter(|newer| newer.relation == Relation::Contradicts);
        newer
            .filter_map(|newer| {
                let source = self.matrix.sources.get(&newer.source)?;
                Some(Citation {
                    text: newer.text.clone(),
                    title: source.title.clone(),
                    url: source.url.clone(),
                    date: source.date.clone(),
                })
            })
            .collect()
    }
}

/// The first of these set-ups whose conditions hold on a machine.
pub(crate) fn first_setup<'s>(report: &Report, matrix: &Matrix, setups: &'s [Setup]) -> Option<&'s Setup> {
    let (known, climbs) = (Known::of(report.clone()), BTreeMap::new());
    let case = Case::new(&known, &climbs, matrix, &Asked::default(), environment(report));
    setups.iter().find(|setup| recommend::fits(&case, setup))
}

/// The environment that the facts tell.
fn environment(report: &Report) -> Option<Environment> {
    use Environment::{Linux, Macos, Windows, Wsl1, Wsl2};
    let told = report.text("environment");
    [Windows, Wsl2, Wsl1, Linux, Macos].into_iter().find(|environment| environment.id() == told)
}

fn summary(report: &Report, environment: Option<Environment>) -> HostSummary {
    let text = |key: &str| report.host(key).map(Value::to_string).filter(|text| !text.is_empty());
    let number = |key: &str| report.number(&Subject::Host, key);
    let flag = |key: &str| match report.host(key) {
        Some(Value::Flag(flag)) => Some(*flag),
        _ => None,
    };
    let wsl = |version| {
        let (package, windows) = (text("wsl-version"), text("windows-build"));
        Some(Wsl { version, gpu: flag("wsl-gpu"), package, windows, interop: flag("wsl-interop") })
    };
    HostSummary {
        environment: environment.map(|environment| environment.id().to_owned()),
        container: flag("container"),
        os: text("os"),
        arch: text("arch"),
        kernel: if environment == Some(Environment::Windows) { text("windows-build") } else { text("kernel") },
        cpu: text("cpu"),
        cores: number("cpu-cores"),
        memory_bytes: number("memory-bytes"),
        python: text("python"),
        wsl: match environment {
            Some(Environment::Wsl1) => wsl(1),
            Some(Environment::Wsl2) => wsl(2),
            _ => None,
        },
    }
}

/// The Python environments with their packages, in the order in which they were found.
fn environments(report: &Report) -> Vec<PythonEnvironment> {
    let packages = |folder: &str| {
        let versions = report.all("package-version").filter_map(|fact| match &fact.subject {
            Subject::Package { environment, name } if environment == folder => {
                let version = fact.value.as_ref().map_or_else(|_| "unknown".to_owned(), Value::to_string);
                Some((name.clone(), version))
            }
            _ => None,
        });
        versions.collect()
    };
    let one = |subject: &Subject| {
        let Subject::Environment(folder) = subject else { return None };
        let text = |key: &str| report.about(subject, key).map(Value::to_string);
        Some(PythonEnvironment {
            path: text("environment-interpreter").unwrap_or_else(|| folder.clone()),
            python: text("environment-python"),
            kind: text("environment-kind").unwrap_or_else(|| "unknown".to_owned()),
            role: text("environment-role").unwrap_or_default(),
            packages: packages(folder),
        })
    };
    report.subjects("environment-kind").into_iter().filter_map(one).collect()
}
