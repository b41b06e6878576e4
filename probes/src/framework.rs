//! What TensorFlow, PyTorch and JAX have in common: a package in a Python environment, built for an API below it.
//!
//! A framework is never imported: that runs its code and takes seconds. It is told by its files: its metadata, what its build
//! wrote down, and whether what its libraries need would be found. Then it stands as the API stands that it was built for.

use std::sync::Arc;

use crate::fact::{Fact, Origin, Report, Subject, Value};
use crate::host::{Host, Missing, Question};
use crate::ladder::{Climb, Rung, State};
use crate::python::environments::{Environment, environments};
use crate::python::packages::Package;
use crate::python::{
    ENVIRONMENT_PACKAGES, ENVIRONMENT_ROLE, PACKAGE_ARCHITECTURES, PACKAGE_MISSING_LIBRARIES, PACKAGE_VERSION,
    PACKAGE_WANTS_FIRST,
};
use crate::resolve::{is_of_a_driver, unresolved};

/// A framework's package where it is installed.
pub(crate) struct Installed {
    /// The environment that has it.
    pub environment: Arc<Environment>,
    /// The framework's package.
    pub package: Package,
}

impl Installed {
    /// What facts about the package are about.
    pub(crate) fn subject(&self) -> Subject {
        Subject::Package { environment: self.environment.root.clone(), name: self.package.name.clone() }
    }

    /// A path below the folder of packages, written with `/`, with the machine's separator.
    pub(crate) fn path(&self, host: &dyn Host, below: &str) -> String {
        match host.is_windows() {
            true => format!(r"{}\{}", self.package.site, below.replace('/', r"\")),
            false => format!("{}/{below}", self.package.site),
        }
    }
}

/// Every copy of a package, by the first of its names that an environment has, the active environment first.
pub(crate) fn installed(host: &dyn Host, names: &[&str]) -> Vec<Installed> {
    let mut found = Vec::new();
    for environment in environments(host) {
        let package = names.iter().find_map(|name| environment.packages.get(*name)).cloned();
        found.extend(package.map(|package| Installed { environment, package }));
    }
    found
}

/// What the libraries of a package need and would not find: of those files in a folder that are there. `beside` are folders
/// below the packages that the package adds to the search of Windows itself.
pub(crate) fn ask_libraries(
    host: &dyn Host,
    installed: &Installed,
    folder: &str,
    files: &[&str],
    beside: &[&str],
) -> Vec<Fact> {
    let folder = installed.path(host, folder);
    let listed = Question::List(folder.clone());
    let there = host.ask(&listed).unwrap_or_default();
    let beside: Vec<String> = beside.iter().map(|below| installed.path(host, below)).collect();
    let separator = if host.is_windows() { '\\' } else { '/' };
    let mut missing = Vec::new();
    for file in files.iter().filter(|file| there.lines().any(|name| name == **file)) {
        // A library that cannot be read is no reason to call what it needs missing.
        missing.extend(unresolved(host, &format!("{folder}{separator}{file}"), &beside).unwrap_or_default());
    }
    missing.retain(|one| !is_of_a_driver(&one.name));
    let mut names: Vec<String> = missing.iter().map(|one| one.name.clone()).collect();
    names.sort();
    names.dedup();
    let Some(first) = missing.first() else { return Vec::new() };
    let wants = format!("`{}`, needed by `{}`", first.name, first.wanted_by);
    let origin = Question::Image(first.wanted_by.clone());
    vec![
        PACKAGE_MISSING_LIBRARIES.of(installed.subject(), Value::Set(names), &origin),
        PACKAGE_WANTS_FIRST.of(installed.subject(), Value::Text(wants), &origin),
    ]
}

/// For which GPUs those libraries in a folder of a package that are there hold code, all together.
pub(crate) fn ask_architectures(host: &dyn Host, installed: &Installed, folder: &str, files: &[&str]) -> Option<Fact> {
    let folder = installed.path(host, folder);
    let there = host.ask(&Question::List(folder.clone())).unwrap_or_default();
    let separator = if host.is_windows() { '\\' } else { '/' };
    let mut all: Vec<String> = Vec::new();
    let mut origin = None;
    for file in files.iter().filter(|file| there.lines().any(|name| name == **file)) {
        let question = Question::Kernels(format!("{folder}{separator}{file}"));
        let targets = match host.ask(&question) {
            Ok(targets) => targets,
            // Of a library that cannot be read nobody knows what it lacks.
            Err(missing) => return Some(PACKAGE_ARCHITECTURES.of(installed.subject(), missing, &question)),
        };
        for target in targets.lines().filter(|target| !target.is_empty()) {
            if !all.iter().any(|known| known == target) {
                all.push(target.to_owned());
            }
        }
        origin.get_or_insert(question);
    }
    let origin = origin.filter(|_| !all.is_empty())?;
    Some(PACKAGE_ARCHITECTURES.of(installed.subject(), Value::Set(all), &origin))
}

/// How a framework stands: the copy in the environment that comes first, by the API that it was built for.
pub(crate) fn climb(report: &Report, names: &[&str]) -> Climb {
    if report.asked("python").is_some_and(|asked| asked.missing.is_some()) {
        return Climb::none(State::Unknown, "the Python environments could not be looked at");
    }
    let copies = || {
        let subjects = report.subjects(PACKAGE_VERSION.name).into_iter();
        subjects.filter(|subject| matches!(subject, Subject::Package { name, .. } if names.contains(&name.as_str())))
    };
    // Environments stand in the order in which they count; of several names in one, the first of ours.
    let Some(subject) = copies().next() else {
        if let Some((folder, missing)) = closed(report) {
            let detail = format!("whether {folder} has it is not known: {missing}");
            return Climb::none(State::Unknown, detail);
        }
        return match report.all("environment-packages").next() {
            Some(_) => Climb::new(State::NotInstalled, Rung::Library, "in no Python environment that was looked at"),
            None => match report.all("python").next().map(|fact| &fact.value) {
                Some(Err(Missing::NotFound)) => {
                    Climb::new(State::NotInstalled, Rung::Library, "there is no Python here")
                }
                Some(Ok(_)) => Climb::none(State::Unknown, "whether the active Python environment has it is not known"),
                _ => Climb::none(State::Unknown, "no Python environment is known"),
            },
        };
    };
    let Subject::Package { environment, name } = subject else {
        return Climb::none(State::Unknown, "no Python environment is known");
    };
    let text = |key: &str| report.about(subject, key).map(Value::to_string);
    let version = text("package-version").unwrap_or_default();
    let copy = format!("{name} {version} in {environment}");
    let climb = match text("package-wants-first") {
        Some(first) => Climb::new(State::Broken, Rung::Load, format!("{copy}: {first}, would not be found")),
        None => by_build(report, &copy, &text("package-build").unwrap_or_default()),
    };
    climb
        .with("package", (!version.is_empty()).then_some(version))
        .with("cuda", text("package-cuda"))
        .with("cudnn", text("package-cudnn"))
        .with("rocm", text("package-rocm"))
}

/// The first package of these names that any environment has: name, version and environment in words, its version, and whether
/// somebody said so, so that nothing is known of its files.
pub(crate) struct Packaged<'a> {
    pub copy: String,
    pub version: Option<&'a Value>,
    pub given: bool,
}

/// Looks for such a package.
pub(crate) fn packaged(report: &Report, named: impl Fn(&str) -> bool) -> Option<Packaged<'_>> {
    report.all(PACKAGE_VERSION.name).find_map(|fact| match &fact.subject {
        Subject::Package { environment, name } if named(name) => {
            let version = fact.value.as_ref().ok();
            let number = version.map(|version| format!(" {version}")).unwrap_or_default();
            let given = matches!(fact.origin, Origin::Given(_));
            Some(Packaged { copy: format!("{name}{number} in {environment}"), version, given })
        }
        _ => None,
    })
}

/// The environment in use or named whose packages could not be listed.
fn closed(report: &Report) -> Option<(&str, &Missing)> {
    report.all(ENVIRONMENT_PACKAGES.name).find_map(|fact| match (&fact.subject, &fact.value) {
        (Subject::Environment(folder), Err(missing)) if *missing != Missing::NotFound => {
            let role = report.about(&fact.subject, ENVIRONMENT_ROLE.name).map(Value::to_string);
            matches!(role.as_deref(), Some("active" | "named")).then_some((folder.as_str(), missing))
        }
        _ => None,
    })
}

fn by_build(report: &Report, copy: &str, build: &str) -> Climb {
    let on = |api: &str, title: &str| {
        let below = crate::PROBES.iter().find(|probe| probe.name == api).and_then(|probe| probe.climb);
        let Some(below) = below.map(|climb| climb(report)) else {
            return Climb::none(State::Unknown, format!("{copy}, built for {title}, which was not asked about"));
        };
        match below.state {
            State::Working => Climb::new(
                State::Working,
                Rung::Load,
                format!("{copy}, built for {title}, which works here; told by its files, it was not imported"),
            ),
            State::Unknown | State::TimedOut => Climb::none(
                State::Unknown,
                format!("{copy}, built for {title}, of which is not known whether it works: {}", below.detail),
            ),
            _ => Climb::new(
                State::SoftwareOnly,
                Rung::Load,
                format!("{copy}, built for {title}, computes on the processor here: {}", below.detail),
            ),
        }
    };
    match build {
        "cuda" => on("cuda", "CUDA"),
        "rocm" => on("rocm", "ROCm"),
        "xpu" => on("intel-extensions", "Intel GPUs"),
        "directml" => on("directml", "DirectML"),
        "metal" => on("apple-coreml-mps", "Metal"),
        "cpu" => Climb::new(State::SoftwareOnly, Rung::Load, format!("{copy}, a build for the processor alone")),
        _ => Climb::none(State::Unknown, format!("{copy}; what it was built for could not be read")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    #[test]
    fn of_packages_that_must_not_be_listed_nobody_says_that_they_are_not_there() {
        for (missing, state) in [(Missing::Denied, State::Unknown), (Missing::NotFound, State::NotInstalled)] {
            let mut host = Recording::of(
                String::new(),
                "test",
                [
                    (Question::System, Ok("linux x86_64".to_owned())),
                    (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
                    (Question::Read("/e/pyvenv.cfg".into()), Ok("version = 3.12.1".into())),
                    (Question::List("/e/lib".into()), Ok("python3.12".into())),
                    (Question::List("/e/lib/python3.12/site-packages".into()), Err(missing)),
                ],
            );
            host.complete = true;
            let facts = (crate::python::PROBE.ask)(&host);
            let climb = climb(&Report { probes: Vec::new(), facts }, &["torch"]);
            assert_eq!(climb.state, state, "{}", climb.detail);
        }
    }
}
