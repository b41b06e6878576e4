//! What follows from the packages beside a package: what JAX computes on by its plugins, whether the parts of JAX are of one
//! release, and which packages of ONNX Runtime share a folder.
//!
//! References: JAX's installation page and `jax_plugins`; microsoft/onnxruntime issue 27944.

use accelprobe_probes::fact::{Fact, Key, Kind, Report, Scope, Subject, Value};
use accelprobe_probes::version::Version;

use super::packages::{Machine, version};
use super::{Known, fact};
use crate::matrix::Matrix;

pub(super) static JAXLIB_MATCH: Key = Key::new(
    "package-jaxlib-match",
    Kind::Text,
    Scope::Package,
    "Of JAX and its plugins: whether the jaxlib beside it is of the `same` release, `older` or `newer`.",
);

/// The derived facts about all packages of a report.
pub(super) fn all(report: &Report, matrix: &Matrix) -> Vec<Fact> {
    let known = Known::of(&report.facts);
    let machine = Machine::of(report);
    let mut derived = Vec::new();
    for subject in report.subjects("package-version") {
        let Subject::Package { environment, name } = subject else { continue };
        let beside = |name: &str| {
            let beside = Subject::Package { environment: environment.clone(), name: name.to_owned() };
            report.about(&beside, "package-version")
        };
        let Some(installed) = known.value("package-version", subject).and_then(version) else { continue };
        if known.value("package-build", subject).is_none() {
            derived.extend(by_plugin(matrix, &machine, subject, installed, &|name| beside(name).is_some()));
        }
        if name == "jax" || name.starts_with("jax-cuda") {
            let jaxlib = beside("jaxlib").and_then(version);
            derived.extend(
                jaxlib
                    .map(|jaxlib| match jaxlib.cmp(installed) {
                        std::cmp::Ordering::Equal => "same",
                        std::cmp::Ordering::Less => "older",
                        std::cmp::Ordering::Greater => "newer",
                    })
                    .map(|matches| fact(&JAXLIB_MATCH, subject, Value::from(matches), "both versions")),
            );
        }
    }
    derived.extend(shared_folders(report, matrix));
    derived
}

/// What a package computes on by a plugin that is installed beside it.
fn by_plugin(
    matrix: &Matrix,
    machine: &Machine,
    subject: &Subject,
    installed: &Version,
    is_there: &dyn Fn(&str) -> bool,
) -> Vec<Fact> {
    let Subject::Package { name, .. } = subject else { return Vec::new() };
    let Some(product) = matrix.product_of_package(name) else { return Vec::new() };
    let build = product.build.iter().find(|build| {
        build.versions.contains(installed)
            && product.package_of(build) == name
            && machine.takes(build)
            && build.beside.as_deref().is_some_and(is_there)
    });
    let Some(build) = build else { return Vec::new() };
    let how = "what is installed beside it";
    let mut derived = Vec::new();
    let mut add = |name: &str, value: Option<Value>| {
        let key = accelprobe_probes::key(name).zip(value);
        derived.extend(key.map(|(key, value)| fact(key, subject, value, how)));
    };
    add("package-build", Some(Value::Text(build.computes.clone())));
    add("package-cuda", build.cuda.clone().map(Value::Version));
    add("package-rocm", build.rocm.clone().map(Value::Version));
    derived
}

/// The packages of ONNX Runtime that share a folder, where no probe looked at their files: told of the first for an
/// accelerator.
fn shared_folders(report: &Report, matrix: &Matrix) -> Vec<Fact> {
    let key = accelprobe_probes::key("onnxruntime-shares-folder").filter(|_| report.asked("onnxruntime").is_none());
    let Some((key, product)) = key.zip(matrix.product("onnxruntime")) else { return Vec::new() };
    let mut derived = Vec::new();
    for environment in report.subjects("environment-role") {
        let Subject::Environment(folder) = environment else { continue };
        let subject = |name: &String| Subject::Package { environment: folder.clone(), name: name.clone() };
        let is_there = |name: &&String| report.about(&subject(name), "package-version").is_some();
        let mut names: Vec<&String> = product.packages.iter().filter(is_there).collect();
        // The plain one is what others bring along.
        names.sort_by_key(|name| *name == &product.id);
        if let Some((first, others)) = names.split_first().filter(|(_, others)| !others.is_empty()) {
            let others = Value::Set(others.iter().map(|name| (*name).clone()).collect());
            derived.push(fact(key, &subject(first), others, "the packages of the environment"));
        }
    }
    derived
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use accelprobe_probes::fact::Origin;

    fn subject(name: &str) -> Subject {
        Subject::Package { environment: "/e".into(), name: name.into() }
    }

    fn derived(packages: &[(&str, &str)]) -> Report {
        let fact_of = |key: &str, subject: Subject, value: Value| Fact {
            key: accelprobe_probes::key(key).unwrap(),
            subject,
            value: Ok(value),
            origin: Origin::Given("test".into()),
        };
        let mut facts = vec![
            fact_of("environment", Subject::Host, Value::from("linux")),
            fact_of("environment-role", Subject::Environment("/e".into()), Value::from("active")),
        ];
        facts.extend(
            packages.iter().map(|(name, number)| {
                fact_of("package-version", subject(name), Value::Version(number.parse().unwrap()))
            }),
        );
        let report = Report { probes: Vec::new(), facts };
        let facts = all(&report, &crate::matrix::embedded().unwrap());
        Report { probes: Vec::new(), facts }
    }

    #[test]
    fn a_plugin_tells_what_jax_computes_on() {
        let report = derived(&[("jax", "0.8.0"), ("jaxlib", "0.8.0"), ("jax-cuda13-plugin", "0.8.0")]);
        assert_eq!(report.about(&subject("jax"), "package-build").unwrap().to_string(), "cuda");
        assert_eq!(report.about(&subject("jax"), "package-cuda").unwrap().to_string(), "13.0");
        assert_eq!(report.about(&subject("jax"), "package-jaxlib-match").unwrap().to_string(), "same");
        let report = derived(&[("jax", "0.8.0"), ("jaxlib", "0.8.1")]);
        assert!(report.about(&subject("jax"), "package-build").is_none());
        assert_eq!(report.about(&subject("jax"), "package-jaxlib-match").unwrap().to_string(), "newer");
    }

    #[test]
    fn packages_of_one_module_share_its_folder() {
        let report = derived(&[("onnxruntime", "1.23.2"), ("onnxruntime-gpu", "1.23.2")]);
        let others = report.about(&subject("onnxruntime-gpu"), "onnxruntime-shares-folder").unwrap();
        assert_eq!(others, &Value::Set(vec!["onnxruntime".into()]));
        assert!(derived(&[("onnxruntime-gpu", "1.23.2")]).facts.is_empty());
    }
}
