//! What a package that brings no CUDA, cuDNN or TensorRT of its own would find of them: in its environment, by the loader, in
//! toolkits.
//!
//! Which of several copies a program gets depends on what it loads before and in which order it searches. So where any copy
//! fits, that one counts, and a mismatch is told where none does. What lies in other environments counts for none.
//! References: ONNX Runtime's and TensorFlow's installation pages; NVIDIA's guides to CUDA's compatibility and to cuDNN.

use std::collections::HashMap;

use accelprobe_probes::fact::{Fact, Key, Kind, Origin, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::version::Version;

use super::packages::{Machine, build_of, version};
use super::{Known, fact};
use crate::matrix::Matrix;

pub(super) static FINDS_CUDA: Key = Key::new(
    "package-finds-cuda",
    Kind::Version,
    Scope::Package,
    "The CUDA whose libraries a package would find, in its environment or outside: one that fits it, where there is one.",
);

pub(super) static CUDA_MATCH: Key = Key::new(
    "package-cuda-match",
    Kind::Text,
    Scope::Package,
    "Whether that CUDA `fits` what the package was built for, or is of an `other` release that does not.",
);

pub(super) static FINDS_CUDNN: Key = Key::new(
    "package-finds-cudnn",
    Kind::Version,
    Scope::Package,
    "The cuDNN that a package would find, in its environment or outside: one that fits it, where there is one.",
);

pub(super) static WANTS_CUDNN: Key = Key::new(
    "package-wants-cudnn",
    Kind::Version,
    Scope::Package,
    "The oldest cuDNN that serves a package, as exactly as its files or the matrix tell it.",
);

pub(super) static CUDNN_MATCH: Key = Key::new(
    "package-cudnn-match",
    Kind::Text,
    Scope::Package,
    "Whether that cuDNN `fits` what the package was built for, is `older`, or of an `other` major version.",
);

pub(super) static FINDS_TENSORRT: Key = Key::new(
    "package-finds-tensorrt",
    Kind::Version,
    Scope::Package,
    "The TensorRT that a package would find: that of its environment, else the one that the loader takes.",
);

/// The facts for all packages that are built for CUDA.
pub(super) fn all(known: &Known, matrix: &Matrix, machine: &Machine) -> Vec<Fact> {
    let mut around: HashMap<&str, Around<'_>> = HashMap::new();
    let mut derived = Vec::new();
    for subject in known.subjects("package-build") {
        let Subject::Package { environment, .. } = subject else { continue };
        if known.text_about(subject, "package-build") != Some("cuda") {
            continue;
        }
        let around = around.entry(environment).or_insert_with(|| Around::of(known, environment));
        let built_for = known.about(subject, "package-cuda").and_then(version);
        match (around.cuda(built_for), built_for) {
            (Some(found), Some(built_for)) => {
                let matches = if cuda_fits(built_for, found.version) { "fits" } else { "other" };
                derived.push(found.fact(&FINDS_CUDA, subject));
                derived.push(fact(&CUDA_MATCH, subject, Value::from(matches), "by both versions"));
            }
            (Some(found), None) => derived.push(found.fact(&FINDS_CUDA, subject)),
            // What nobody looked for is not missing.
            (None, _) if around.is_complete => derived.push(Fact {
                key: &FINDS_CUDA,
                subject: subject.clone(),
                value: Err(Missing::NotFound),
                origin: Origin::Given("by looking for it".into()),
            }),
            (None, _) => {}
        }
        let told = known.about(subject, "package-cudnn").and_then(version);
        // A package's own files often tell the major version alone.
        let exact =
            build_of(matrix, machine, subject, &|key| known.about(subject, key)).and_then(|build| build.cudnn.as_ref());
        let built_for = exact.filter(|exact| told.is_none_or(|told| exact.starts_with(told))).or(told);
        if let Some((built_for, found)) = built_for.and_then(|wanted| Some((wanted, around.cudnn(wanted)?))) {
            let matches = match () {
                () if found.version.part(0) != built_for.part(0) => "other",
                () if found.version < built_for => "older",
                () => "fits",
            };
            derived.push(fact(
                &WANTS_CUDNN,
                subject,
                Value::Version(built_for.clone()),
                "by the builds of the release",
            ));
            derived.push(found.fact(&FINDS_CUDNN, subject));
            derived.push(fact(&CUDNN_MATCH, subject, Value::from(matches), "by both versions"));
        }
        derived.extend(around.tensorrt.first().map(|found| found.fact(&FINDS_TENSORRT, subject)));
    }
    derived
}

/// Whether a CUDA's libraries serve a build. From CUDA 11.1 on, their names hold the major version alone.
fn cuda_fits(built_for: &Version, found: &Version) -> bool {
    let same_major = built_for.part(0) == found.part(0);
    let by_minor = built_for.part(0) < 11;
    same_major && (!by_minor || built_for.part(1) == found.part(1))
}

/// What there is around the packages of one environment, what counts first standing first.
struct Around<'a> {
    cuda: Vec<Found<'a>>,
    cudnn: Vec<Found<'a>>,
    tensorrt: Vec<Found<'a>>,
    /// Whether CUDA was looked for everywhere that the tool knows.
    is_complete: bool,
}

/// A version that was found, and by what.
#[derive(Clone, Copy)]
struct Found<'a> {
    version: &'a Version,
    origin: &'a Origin,
}

impl<'a> Found<'a> {
    fn of(fact: &'a Fact) -> Option<Found<'a>> {
        let version = fact.value.as_ref().ok().and_then(version)?;
        Some(Found { version, origin: &fact.origin })
    }

    fn fact(self, key: &'static Key, subject: &Subject) -> Fact {
        let value = Ok(Value::Version(self.version.clone()));
        Fact { key, subject: subject.clone(), value, origin: self.origin.clone() }
    }
}

impl<'a> Around<'a> {
    fn of(known: &'a Known, environment: &str) -> Around<'a> {
        let facts = |key: &'static str| known.all(key);
        let beside = |key: &'static str, is_it: fn(&str) -> bool| {
            let ours = move |fact: &&Fact| match &fact.subject {
                Subject::Package { environment: other, name } => other == environment && is_it(name),
                _ => false,
            };
            known.all(key).filter(ours)
        };
        let others: Vec<&str> = known
            .subjects("environment-role")
            .into_iter()
            .filter_map(|subject| match subject {
                Subject::Environment(folder) if folder != environment => Some(folder.as_str()),
                _ => None,
            })
            .collect();
        // The folder of an environment may lie in that of another.
        let elsewhere = |fact: &&Fact| match &fact.subject {
            Subject::Library(path) => {
                !path.starts_with(environment) && others.iter().any(|folder| path.starts_with(folder))
            }
            _ => false,
        };
        let taken = |key: &str| known.host(key).map(ToString::to_string);
        let libraries = |key: &'static str, taken: Option<String>| {
            let mut found: Vec<&Fact> = known.all(key).filter(|fact| !elsewhere(fact)).collect();
            found.sort_by_key(
                |fact| !matches!(&fact.subject, Subject::Library(path) if Some(path.as_str()) == taken.as_deref()),
            );
            found
        };
        let runtimes = beside("package-version", |name| name.starts_with("nvidia-cuda-runtime"));
        let torch = beside("package-cuda", |name| name == "torch");
        let cudnn = beside("package-version", |name| name.starts_with("nvidia-cudnn-cu"));
        let tensorrt = beside("package-version", is_tensorrt);
        let host = facts("cuda-runtime").chain(facts("cuda-toolkit"));
        let asked = |probe: &str| known.asked(probe).is_some_and(|asked| asked.missing.is_none());
        // What a person lists of a machine need not be all.
        let own = Subject::Environment(environment.to_owned());
        let looked =
            known.all("environment-role").any(|fact| fact.subject == own && matches!(fact.origin, Origin::Asked(_)));
        let absent = |key: &'static str| facts(key).any(|fact| fact.value == Err(Missing::NotFound));
        Around {
            cuda: runtimes.chain(host).chain(torch).filter_map(Found::of).collect(),
            cudnn: cudnn.chain(libraries("cudnn-version", taken("cudnn-taken"))).filter_map(Found::of).collect(),
            tensorrt: tensorrt
                .chain(libraries("tensorrt-version", taken("tensorrt-taken")))
                .filter_map(Found::of)
                .collect(),
            is_complete: (looked && asked("cuda")) || (absent("cuda-toolkit") && absent("cuda-runtime")),
        }
    }

    /// The CUDA that a build would get: its own release, else one that fits, else any.
    fn cuda(&self, built_for: Option<&Version>) -> Option<Found<'a>> {
        let Some(built_for) = built_for else { return self.cuda.first().copied() };
        let same = |found: &&Found<'_>| {
            found.version.part(0) == built_for.part(0) && found.version.part(1) == built_for.part(1)
        };
        let fits = |found: &&Found<'_>| cuda_fits(built_for, found.version);
        let all = || self.cuda.iter();
        all().find(same).or_else(|| all().find(fits)).or_else(|| all().next()).copied()
    }

    /// The cuDNN that a build would get: one that fits, else the newest of its major version, else any.
    fn cudnn(&self, built_for: &Version) -> Option<Found<'a>> {
        let same_major = || self.cudnn.iter().filter(|found| found.version.part(0) == built_for.part(0));
        let fits = same_major().find(|found| found.version >= built_for);
        fits.or_else(|| same_major().max_by_key(|found| found.version)).or(self.cudnn.first()).copied()
    }
}

/// Whether a package brings the full TensorRT.
fn is_tensorrt(name: &str) -> bool {
    matches!(name, "tensorrt" | "tensorrt-libs" | "tensorrt-cu11" | "tensorrt-cu12" | "tensorrt-cu13")
        || (name.starts_with("tensorrt-cu") && name.ends_with("-libs"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use accelprobe_probes::fact::Report;

    use super::*;

    fn fact_of(key: &str, subject: Subject, value: &str) -> Fact {
        let key = accelprobe_probes::key(key).unwrap();
        let value = match key.kind {
            Kind::Version => Value::Version(value.parse().unwrap()),
            _ => Value::from(value),
        };
        Fact { key, subject, value: Ok(value), origin: Origin::Given("test".into()) }
    }

    fn package(environment: &str, name: &str) -> Subject {
        Subject::Package { environment: environment.into(), name: name.into() }
    }

    /// What a package that is built for CUDA gets, by its CUDA and cuDNN and what else there is.
    fn told(cuda: &str, cudnn: &str, others: Vec<Fact>) -> impl Fn(&'static str) -> Option<String> {
        let own = package("/e", "onnxruntime-gpu");
        let mut facts = vec![
            fact_of("package-build", own.clone(), "cuda"),
            fact_of("package-cuda", own.clone(), cuda),
            fact_of("package-cudnn", own.clone(), cudnn),
        ];
        facts.extend(others);
        let known = Known::of(Report { probes: Vec::new(), facts });
        let facts = all(&known, &Matrix::default(), &Machine::of(&known));
        let report = Report { probes: Vec::new(), facts };
        move |key| report.about(&own, key).map(ToString::to_string)
    }

    #[test]
    fn a_copy_that_fits_counts_wherever_it_lies() {
        let host = |version: &str| fact_of("cuda-toolkit", Subject::Host, version);
        let of = told("11.8", "8.9", vec![host("12.4"), host("11.4")]);
        assert_eq!((of("package-finds-cuda"), of("package-cuda-match")), (Some("11.4".into()), Some("fits".into())));
        let of = told("11.8", "8.9", vec![host("12.4")]);
        assert_eq!(of("package-cuda-match").as_deref(), Some("other"));
        let beside = fact_of("package-version", package("/e", "nvidia-cuda-runtime-cu11"), "11.8.89");
        assert_eq!(told("11.8", "8.9", vec![host("12.4"), beside])("package-cuda-match").as_deref(), Some("fits"));
        // Up to CUDA 10 the libraries' names hold the minor version, too.
        assert_eq!(told("10.1", "7.6", vec![host("10.2")])("package-cuda-match").as_deref(), Some("other"));
    }

    #[test]
    fn what_nobody_looked_for_is_not_missing() {
        let none = told("12.5", "9.3", vec![]);
        assert_eq!((none("package-finds-cuda"), none("package-cuda-match")), (None, None));
        assert_eq!(none("package-cudnn-match"), None);
    }

    #[test]
    fn a_cudnn_is_judged_by_major_version_and_age_and_not_by_other_environments() {
        let library = |path: &str, version: &str| fact_of("cudnn-version", Subject::Library(path.into()), version);
        let matches = |others| told("11.2", "8.1", others)("package-cudnn-match");
        assert_eq!(matches(vec![library("/usr/lib/libcudnn.so.8", "8.0.5")]).as_deref(), Some("older"));
        assert_eq!(matches(vec![library("/usr/lib/libcudnn.so.8", "8.1.0")]).as_deref(), Some("fits"));
        assert_eq!(matches(vec![library("/usr/lib/libcudnn.so.9", "9.1.0")]).as_deref(), Some("other"));
        let role = fact_of("environment-role", Subject::Environment("/f".into()), "other");
        assert_eq!(matches(vec![role, library("/f/lib/libcudnn.so.9", "9.1.0")]), None);
    }
}
