//! What a project asks for, as wants: which of its packages are judged, which markers hold on this machine, and whether its
//! Python fits.

use std::collections::BTreeSet;

use accelprobe_probes::fact::{Fact, Key, Kind, Origin, Report, Scope, Subject, Value};
use accelprobe_probes::python::marker::{self, Place};
use accelprobe_probes::version::{Range, Version};

use super::derive::system_of;
use super::known::Known;
use crate::diagnosis::{Outcome, ProjectFile, Want};
use crate::matrix::Matrix;
use crate::project::{Build, Dependency, File, Kind as FileKind, Project, Role, Versions};
use crate::spec::{Mistake, Part, Spec};

pub(super) static TAKES_PYTHON: Key = Key::new(
    "project-takes-python",
    Kind::Flag,
    Scope::Host,
    "Whether the active Python is one that the project asks for.",
);

/// The fact that is the active Python.
const PYTHON: &str = "python";
/// The fact that a project asks for a Python.
const ASKED_PYTHON: &str = "project-python";
/// The rule that judges whether it fits.
const RULE: &str = "project-takes-python";
/// Packages that come along with another one: what is said of that is said of them.
const COMPANIONS: &[(&str, &str)] = &[("jaxlib", "jax"), ("tensorflow-intel", "tensorflow")];
/// Packages that stand for an extra of another one, as lists of everything that is installed have them.
const EXTRAS: &[(&str, &str, &str)] = &[("jax-cuda12-plugin", "jax", "cuda12"), ("jax-cuda13-plugin", "jax", "cuda13")];
/// What frameworks bring of NVIDIA's.
const BROUGHT: &str = "nvidia-";

/// What follows from a project on a machine.
#[derive(Default)]
pub(super) struct Wanted {
    /// What is to be judged.
    pub specs: Vec<Spec>,
    /// What is told beside that: what nobody can judge, and whether the Python fits.
    pub told: Vec<Want>,
    /// What is said of each file.
    pub files: Vec<ProjectFile>,
}

/// The wants of a project. Fails where the versions of a package that is judged make no sense.
pub(super) fn wanted(project: &Project, matrix: &Matrix, report: &Known) -> Result<Wanted, Mistake> {
    let mut wanted = Wanted::default();
    let asked: Vec<Asked<'_>> = project.files.iter().flat_map(|file| asked(file, matrix, report)).collect();
    let mut names: Vec<&str> = Vec::new();
    for one in asked.iter().filter(|one| one.known && one.dependency.role == Role::Needed) {
        if !names.contains(&one.dependency.name.as_str()) {
            names.push(&one.dependency.name);
        }
    }
    let others = |name: &str| names.iter().any(|other| !other.starts_with(BROUGHT) && *other != name);
    let comes_along = |name: &str| {
        let with_another = COMPANIONS.iter().any(|(one, other)| *one == name && names.contains(other));
        with_another || name.starts_with(BROUGHT) && others(name)
    };
    let judged: Vec<&str> = names.iter().copied().filter(|name| !comes_along(name)).collect();
    for name in &judged {
        match package(name, &asked)? {
            Turnout::Wanted(spec) => wanted.specs.push(spec),
            Turnout::Doubtful(want) => wanted.told.push(want),
            Turnout::Elsewhere => {}
        }
    }
    for file in &project.files {
        wanted.told.extend(python(file, report));
        wanted.files.push(summary(file, &judged, &asked));
    }
    Ok(wanted)
}

/// The facts that a project adds to those of a machine: the Python that it asks for, and the one that conda will install.
pub(super) fn add_facts(project: &Project, report: &mut Report) {
    // What conda installs is what the rest is for.
    let (conda, others): (Vec<&File>, _) = project.files.iter().partition(|file| file.kind == FileKind::Conda);
    for file in conda.into_iter().chain(others) {
        let Some((python, range)) = range_of_python(file) else { continue };
        let version = report.version(PYTHON);
        let fits = version.map(|version| range.contains(version));
        let (key, value) = match file.kind {
            FileKind::Conda if fits == Some(true) => continue,
            FileKind::Conda => {
                // It will be an environment of its own. Which Python conda installs is certain only where one is named.
                report.facts.retain(|fact| fact.key.name != PYTHON);
                let active = report.facts.iter_mut().filter(|fact| fact.key.name == "environment-role");
                active.for_each(|fact| fact.value = fact.value.clone().map(|_| Value::from("other")));
                (PYTHON, pinned(range).map(Value::Version))
            }
            _ => (ASKED_PYTHON, Some(Value::Text(range.text().to_owned()))),
        };
        let origin = Origin::Given(format!("in {}", python.place).into());
        let fact = |(key, value)| Fact { key, subject: Subject::Host, value: Ok(value), origin };
        report.facts.extend(accelprobe_probes::key(key).zip(value).map(fact));
    }
}

/// Whether the Python fits that a project asks for.
pub(super) fn takes_python(report: &Known) -> Option<Fact> {
    let asked = report.all(ASKED_PYTHON).next()?;
    let range: Range = report.text(ASKED_PYTHON).parse().ok()?;
    let takes = range.contains(report.version(PYTHON)?);
    Some(Fact {
        key: &TAKES_PYTHON,
        subject: Subject::Host,
        value: Ok(Value::Flag(takes)),
        origin: asked.origin.clone(),
    })
}

fn range_of_python(file: &File) -> Option<(&Dependency, &Range)> {
    match file.content.python.as_ref()? {
        python @ Dependency { versions: Versions::Within(range), .. } => Some((python, range)),
        _ => None,
    }
}

/// The one version that a range names: `==3.11.*`.
fn pinned(range: &Range) -> Option<Version> {
    let mut bounds = range.bounds();
    let version = bounds.next().filter(|_| range.text().starts_with("=="))?;
    bounds.next().is_none().then(|| version.clone())
}

/// A package as a file asks for it on this machine.
struct Asked<'a> {
    file: &'a File,
    dependency: &'a Dependency,
    /// Whether it is one that this tool judges.
    known: bool,
    /// Whether its marker holds here.
    holds: Option<bool>,
    /// The build that is asked for here.
    build: Option<&'a str>,
}

fn asked<'a>(file: &'a File, matrix: &Matrix, report: &Known) -> Vec<Asked<'a>> {
    let python = report.version(PYTHON).map(Version::text);
    let arch = Some(report.text("arch")).filter(|arch| !arch.is_empty());
    let place = Place { os: system_of(report), arch, python };
    let here =
        |builds: &'a [Build]| builds.iter().filter(move |build| marker::holds(&build.marker, place) == Some(true));
    let of_index: BTreeSet<&str> = here(&file.content.builds).map(|build| build.label.as_str()).collect();
    let one = |dependency: &'a Dependency| {
        let name = dependency.name.as_str();
        let is_known = |system: &crate::matrix::System| {
            let by_conda = file.kind == FileKind::Conda && system.id == name;
            by_conda || system.packages.iter().any(|package| package == name)
        };
        // PyTorch alone has an index for each build. Where two are named, nothing says which one it comes from.
        let by_index = of_index.first().copied().filter(|_| name == "torch" && of_index.len() == 1);
        Asked {
            file,
            dependency,
            known: matrix.systems.iter().any(is_known),
            holds: marker::holds(&dependency.marker, place),
            build: here(&dependency.builds).next().map(|build| build.label.as_str()).or(by_index),
        }
    };
    file.content.dependencies.iter().map(one).collect()
}

/// What becomes of a package that is asked for.
enum Turnout {
    Wanted(Spec),
    Doubtful(Want),
    /// It is asked for on other machines.
    Elsewhere,
}

/// A package, in all the lines that ask for it.
fn package(name: &str, asked: &[Asked<'_>]) -> Result<Turnout, Mistake> {
    let mine = || asked.iter().filter(|one| one.dependency.name == name && one.dependency.role == Role::Needed);
    let here: Vec<&Asked<'_>> = mine().filter(|one| one.holds == Some(true)).collect();
    let origin = || {
        let lines: Vec<String> = here.iter().map(|one| one.dependency.place.to_string()).collect();
        lines.join(" and ")
    };
    let doubtful = |text: String, detail: String, origin: String| {
        Turnout::Doubtful(Want {
            spec: text,
            verdict: Outcome::Unknown,
            detail,
            because: Vec::new(),
            origin: Some(origin),
        })
    };
    if here.is_empty() {
        let Some(one) = mine().find(|one| one.holds.is_none()) else { return Ok(Turnout::Elsewhere) };
        let detail = format!("whether `{}` holds on this machine is not known", one.dependency.marker);
        return Ok(doubtful(name.to_owned(), detail, one.dependency.place.to_string()));
    }
    let limits = asked.iter().filter(|one| one.dependency.role == Role::Constraint && one.dependency.name == name);
    let mut ranges: Vec<&str> = Vec::new();
    for one in here.iter().copied().chain(limits.filter(|one| one.holds == Some(true))) {
        match &one.dependency.versions {
            Versions::Any => {}
            Versions::Within(range) if ranges.contains(&range.text()) => {}
            Versions::Within(range) => ranges.push(range.text()),
            Versions::Several(text) => {
                let detail = format!("several ranges of versions (`{text}`) are not judged");
                return Ok(doubtful(name.to_owned(), detail, one.dependency.place.to_string()));
            }
            Versions::Wrong(message) => {
                let place = &one.dependency.place;
                return Err(Mistake::new(format!("{}:{}: `{name}`: {message}", place.file, place.line)));
            }
        }
    }
    let range: Option<Range> = ranges.join(",").parse().ok().filter(|_| !ranges.is_empty());
    let mut extras: Vec<String> = Vec::new();
    let by_package = EXTRAS.iter().filter(|(package, of, _)| {
        let is_asked = |one: &Asked<'_>| one.dependency.name == *package && one.holds == Some(true);
        *of == name && asked.iter().any(is_asked)
    });
    let named = here.iter().flat_map(|one| &one.dependency.extras).map(String::as_str);
    for extra in named.chain(by_package.map(|(.., extra)| *extra)) {
        if !extras.iter().any(|told| told == extra) {
            extras.push(extra.to_owned());
        }
    }
    let build = here.iter().find_map(|one| one.build).map(str::to_owned);
    let part = here.iter().find_map(|one| one.dependency.part);
    let part = part.or(if build.as_deref() == Some("cpu") { Some(Part::Cpu) } else { None });
    let mut spec = Spec { name: name.to_owned(), extras, part, range, build, ..Spec::default() };
    spec.text = spec.words();
    let named = spec.build.iter().filter(|build| !spec.text.ends_with(build.as_str()));
    spec.origin = Some(named.fold(origin(), |origin, build| format!("{origin}, build {build}")));
    Ok(Turnout::Wanted(spec))
}

/// Whether the Python fits. What conda installs is no matter of the machine's.
fn python(file: &File, report: &Known) -> Option<Want> {
    let (python, range) = range_of_python(file).filter(|_| file.kind != FileKind::Conda)?;
    let (verdict, detail) = match report.version(PYTHON) {
        Some(version) if range.contains(version) => (Outcome::Holds, format!("the active Python is {version}")),
        Some(version) => (Outcome::Broken, format!("the active Python is {version}")),
        None => (Outcome::Unknown, "the active Python is not known".to_owned()),
    };
    Some(Want {
        spec: format!("python{range}"),
        verdict,
        detail,
        because: vec![RULE.to_owned()],
        origin: Some(python.place.to_string()),
    })
}

/// A package as `--want` takes it.
fn words(dependency: &Dependency) -> String {
    let range = match &dependency.versions {
        Versions::Within(range) => Some(range.clone()),
        _ => None,
    };
    let (name, extras) = (dependency.name.clone(), dependency.extras.clone());
    Spec { name, extras, part: dependency.part, range, ..Spec::default() }.words()
}

fn summary(file: &File, judged: &[&str], asked: &[Asked<'_>]) -> ProjectFile {
    let mine = || asked.iter().filter(|one| std::ptr::eq(one.file, file));
    let mut remarks: Vec<String> =
        file.content.remarks.iter().map(|remark| format!("{}: {}", remark.place, remark.text)).collect();
    for one in mine().filter(|one| one.known) {
        let Dependency { name, place, marker, role, from, versions, .. } = one.dependency;
        let told = match (role, one.holds, from) {
            (Role::Needed, Some(false), _) => format!("`{name}` is not asked for on this machine (`{marker}`)"),
            (Role::Needed, _, Some(from)) if *versions == Versions::Any => {
                format!("`{name}` comes from {from}, and which version that is is not known")
            }
            (Role::Optional(asked), Some(true) | None, _) => {
                format!("{asked} asks for `{}`, which `--want` judges", words(one.dependency))
            }
            _ => continue,
        };
        remarks.push(format!("{place}: {told}"));
    }
    let here = |one: &&Asked<'_>| one.dependency.role == Role::Needed && one.holds != Some(false);
    let others: BTreeSet<&str> = mine().filter(here).map(|one| one.dependency.name.as_str()).collect();
    let not_judged = others.iter().filter(|name| !judged.contains(name)).count();
    ProjectFile { file: file.name.clone(), kind: file.kind, not_judged, remarks }
}
