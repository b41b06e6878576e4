//! What follows from the packages beside a package: what JAX computes on by its plugins, whether packages that go together are
//! of one release, and which packages of ONNX Runtime share a folder.
//!
//! References: JAX's installation page and `jax_plugins`; microsoft/onnxruntime issue 27944.

use std::cmp::Ordering;

use accelprobe_probes::fact::{Fact, Key, Kind, Origin, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::version::Version;

use super::packages::{Machine, version};
use super::{Known, fact};
use crate::matrix::{Matrix, Product};

pub(super) static MADE_FOR: Key = Key::new(
    "package-made-for",
    Kind::Text,
    Scope::Package,
    "The release of another package that this one is made for: `torch 2.6.0` of torchvision 0.21.0, `jaxlib 0.5.1` of JAX's plugins.",
);

pub(super) static MEETS: Key = Key::new(
    "package-meets",
    Kind::Text,
    Scope::Package,
    "The release of that other package that is beside it, as in `torch 2.5.1`.",
);

pub(super) static PAIRS: Key = Key::new(
    "package-pairs",
    Kind::Text,
    Scope::Package,
    "Whether the release of the other package that is beside it is the `same` as it is made for, `older` or `newer`.",
);

/// The derived facts about all packages of a report.
pub(super) fn all(known: &Known, matrix: &Matrix, machine: &Machine) -> Vec<Fact> {
    let has_companions = |product: &&Product| product.release.iter().any(|release| !release.beside.is_empty());
    let families: Vec<&Product> = matrix.products.iter().filter(has_companions).collect();
    let mut derived = Vec::new();
    for subject in known.subjects("package-version") {
        let Subject::Package { environment, name } = subject else { continue };
        let beside = |name: &str| {
            let beside = Subject::Package { environment: environment.clone(), name: name.to_owned() };
            known.about(&beside, "package-version")
        };
        let Some(installed) = known.about(subject, "package-version").and_then(version) else { continue };
        let jaxlib = (name == "jax").then(|| beside("jaxlib")).flatten().and_then(version);
        let built_in = jaxlib.map(|jaxlib| with_cuda_inside(subject, jaxlib)).unwrap_or_default();
        if known.about(subject, "package-build").is_none() && !built_in.is_empty() {
            derived.extend(built_in);
        } else if known.about(subject, "package-build").is_none() {
            derived.extend(by_plugin(matrix, machine, subject, installed, &|name| beside(name).is_some()));
        }
        let pair = match name.as_str() {
            "jax" => of_one_number("jaxlib", installed, &beside),
            name if name.starts_with("jax-cuda") => of_one_number("jaxlib", installed, &beside),
            name => of_a_family(&families, name, installed, &beside),
        };
        derived.extend(pair.map(|pair| pair.facts(subject)).unwrap_or_default());
    }
    derived.extend(shared_folders(known, matrix));
    derived
}

/// Two packages that must go together.
struct Pair {
    made_for: String,
    meets: String,
    order: Ordering,
}

impl Pair {
    fn facts(self, subject: &Subject) -> Vec<Fact> {
        let pairs = match self.order {
            Ordering::Equal => "same",
            Ordering::Less => "older",
            Ordering::Greater => "newer",
        };
        let how = "by the releases of both";
        vec![
            fact(&MADE_FOR, subject, Value::Text(self.made_for), how),
            fact(&MEETS, subject, Value::Text(self.meets), how),
            fact(&PAIRS, subject, Value::from(pairs), how),
        ]
    }
}

/// A package beside one that must have the same number.
fn of_one_number<'a>(name: &str, own: &Version, beside: &dyn Fn(&str) -> Option<&'a Value>) -> Option<Pair> {
    let meets = beside(name).and_then(version)?;
    Some(Pair { made_for: format!("{name} {own}"), meets: format!("{name} {meets}"), order: meets.cmp(own) })
}

/// A package beside the one whose releases say which of it belongs to them, series by series.
fn of_a_family<'a>(
    families: &[&Product],
    name: &str,
    own: &Version,
    beside: &dyn Fn(&str) -> Option<&'a Value>,
) -> Option<Pair> {
    let is_family = |product: &&Product| product.release.iter().any(|release| release.beside.contains_key(name));
    let product = families.iter().copied().find(is_family)?;
    let head = product.packages.first()?;
    let meets = beside(head).and_then(version)?;
    // What somebody built from source between two releases is of neither.
    if !is_released(own) || !is_released(meets) {
        return None;
    }
    let same_series = |one: &Version, other: &Version| one.part(0) == other.part(0) && one.part(1) == other.part(1);
    let releases = || product.release.iter().filter_map(|release| Some((&release.version, release.beside.get(name)?)));
    // A release that names none, as the newest do of what is no longer made, says nothing.
    releases().find(|(version, _)| same_series(version, meets))?;
    let made_for = || releases().filter(|(_, belongs)| same_series(belongs, own)).map(|(version, _)| version);
    let nearest = made_for().find(|version| same_series(version, meets)).or_else(|| made_for().next_back())?;
    let order = if same_series(nearest, meets) { Ordering::Equal } else { meets.cmp(nearest) };
    Some(Pair { made_for: format!("{head} {nearest}"), meets: format!("{head} {meets}"), order })
}

/// Whether a version is that of a release, rather than `2.7.0a0+git295f2ed`: numbers, and behind a plus what it was built for.
fn is_released(version: &Version) -> bool {
    let (number, label) = version.text().split_once('+').unwrap_or((version.text(), "cpu"));
    let number = number.split(".post").next().unwrap_or_default();
    number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && ["cu", "cpu", "rocm", "xpu"].iter().any(|build| label.starts_with(build))
}

/// What JAX computes on by the label of a jaxlib that holds its CUDA itself, as up to 0.4.29: `0.4.13+cuda12.cudnn89`.
fn with_cuda_inside(subject: &Subject, jaxlib: &Version) -> Vec<Fact> {
    let Some((_, label)) = jaxlib.text().split_once("+cuda") else { return Vec::new() };
    let (cuda, cudnn) = label.split_once(".cudnn").unwrap_or((label, ""));
    let number = |digits: &str| match digits.split_at_checked(1) {
        Some((major, minor)) if !minor.is_empty() => format!("{major}.{minor}").parse().ok(),
        _ => digits.parse().ok(),
    };
    let values = [
        ("package-build", Some(Value::from("cuda"))),
        ("package-cuda", cuda.parse().ok().map(Value::Version)),
        ("package-cudnn", number(cudnn).map(Value::Version)),
    ];
    let told = values.into_iter().filter_map(|(name, value)| accelprobe_probes::key(name).zip(value));
    told.map(|(key, value)| fact(key, subject, value, "by the label of jaxlib")).collect()
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
    let how = "by what is installed beside it";
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

/// The packages of ONNX Runtime that share a folder, in environments of which a person told: told of the first for an
/// accelerator. Elsewhere a probe looks at their files.
fn shared_folders(known: &Known, matrix: &Matrix) -> Vec<Fact> {
    let key = accelprobe_probes::key("onnxruntime-shares-folder");
    let Some((key, product)) = key.zip(matrix.product("onnxruntime")) else { return Vec::new() };
    let mut derived = Vec::new();
    for role in known.all("environment-role") {
        let (Subject::Environment(folder), Origin::Given(_)) = (&role.subject, &role.origin) else { continue };
        let subject = |name: &String| Subject::Package { environment: folder.clone(), name: name.clone() };
        // One that is there may be of a version that nobody told.
        let is_there = |name: &&String| {
            known.told(&subject(name), "package-version").any(|fact| fact.value != Err(Missing::NotFound))
        };
        let mut names: Vec<&String> = product.packages.iter().filter(is_there).collect();
        // The plain one is what others bring along.
        names.sort_by_key(|name| *name == &product.id);
        if let Some((first, others)) = names.split_first().filter(|(_, others)| !others.is_empty()) {
            let others = Value::Set(others.iter().map(|name| (*name).clone()).collect());
            derived.push(fact(key, &subject(first), others, "by the packages of the environment"));
        }
    }
    derived
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use accelprobe_probes::fact::Report;

    use super::*;

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
        let known = Known::of(Report { probes: Vec::new(), facts });
        let facts = all(&known, &crate::matrix::embedded().unwrap(), &Machine::of(&known));
        Report { probes: Vec::new(), facts }
    }

    #[test]
    fn a_plugin_tells_what_jax_computes_on() {
        let report = derived(&[("jax", "0.8.0"), ("jaxlib", "0.8.0"), ("jax-cuda13-plugin", "0.8.0")]);
        assert_eq!(report.about(&subject("jax"), "package-build").unwrap().to_string(), "cuda");
        assert_eq!(report.about(&subject("jax"), "package-cuda").unwrap().to_string(), "13.0");
        assert_eq!(report.about(&subject("jax"), "package-pairs").unwrap().to_string(), "same");
        let report = derived(&[("jax", "0.8.0"), ("jaxlib", "0.8.1")]);
        assert!(report.about(&subject("jax"), "package-build").is_none());
        assert_eq!(report.about(&subject("jax"), "package-pairs").unwrap().to_string(), "newer");
    }

    #[test]
    fn a_jaxlib_may_hold_cuda_itself() {
        let report = derived(&[("jax", "0.4.13"), ("jaxlib", "0.4.13+cuda12.cudnn89")]);
        let told = |key| report.about(&subject("jax"), key).unwrap().to_string();
        assert_eq!(
            [told("package-build"), told("package-cuda"), told("package-cudnn")],
            ["cuda".to_owned(), "12".to_owned(), "8.9".to_owned()]
        );
    }

    #[test]
    fn a_package_is_made_for_a_series_of_another() {
        let told = |torch: &str, name: &str, number: &str| {
            let report = derived(&[("torch", torch), (name, number)]);
            ["package-made-for", "package-pairs"].map(|key| report.about(&subject(name), key).map(ToString::to_string))
        };
        assert_eq!(told("2.6.0+cu124", "torchvision", "0.21.0"), [Some("torch 2.6.0".into()), Some("same".into())]);
        assert_eq!(told("2.5.1", "torchvision", "0.21.0"), [Some("torch 2.6.0".into()), Some("older".into())]);
        assert_eq!(told("2.7.0a0+git295f2ed", "torchvision", "0.21.0"), [None, None]);
        // One release of torchvision serves two of PyTorch; the newest name no torchaudio.
        assert_eq!(told("2.15.0", "torchvision", "0.29.1")[1].as_deref(), Some("same"));
        assert_eq!(told("2.13.0", "torchaudio", "2.11.0"), [None, None]);
    }

    #[test]
    fn packages_of_one_module_share_its_folder() {
        let report = derived(&[("onnxruntime", "1.23.2"), ("onnxruntime-gpu", "1.23.2")]);
        let others = report.about(&subject("onnxruntime-gpu"), "onnxruntime-shares-folder").unwrap();
        assert_eq!(others, &Value::Set(vec!["onnxruntime".into()]));
        assert!(derived(&[("onnxruntime-gpu", "1.23.2")]).facts.is_empty());
    }
}
