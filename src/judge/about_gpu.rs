//! What is known of a GPU by itself, without a machine around it: which releases of drivers and toolkits serve it, and which
//! builds of packages hold code for it.
//!
//! The rules say it, the same that judge machines: a machine with such a GPU and such a release is made up and judged.

use std::collections::BTreeMap;

use accelprobe_probes::fact::{Fact, Key, Kind, Origin, Report, Scope, Subject, Value};

use super::derive::architectures::{self, Cover};
use super::findings::is_broken;
use super::ground::Ground;
use super::known::Known;
use crate::matrix::condition::{self, Beyond, Truth};
use crate::matrix::{Build, Environment, GpuFamily, Matrix, Product, Release, Row, Rule};

/// The facts by which a row is one about GPUs.
const OF_GPUS: &[&str] = &["compute-capability", "gfx-target"];
/// Where rules are asked about a GPU.
const ENVIRONMENTS: [Environment; 3] = [Environment::Linux, Environment::Wsl2, Environment::Windows];

/// Which releases of a product serve a GPU.
pub(crate) struct Serving<'a> {
    /// The product.
    pub product: &'a Product,
    /// The releases that no rule refuses, oldest first, with the environments where it is so.
    pub releases: Vec<(Environment, Vec<&'a Release>)>,
    /// The rules that were asked.
    pub rules: Vec<&'a Rule>,
}

/// The products whose releases differ in whether they serve a GPU.
pub(crate) fn serving<'a>(matrix: &'a Matrix, vendor: &str, family: &GpuFamily) -> Vec<Serving<'a>> {
    let of_product = |product: &'a Product| {
        let speaks_of = |row: &Row| {
            let keys = || row.when.keys().chain(row.require.keys()).map(|key| key.name);
            keys().any(|key| OF_GPUS.contains(&key)) && keys().any(|key| product.keys.iter().any(|one| one == key))
        };
        let rules: Vec<&Rule> = matrix.rules.iter().filter(|rule| rule.row.iter().any(speaks_of)).collect();
        let rows = || rules.iter().flat_map(|rule| &rule.row).filter(|row| speaks_of(row));
        let word = |environment: Environment, release: &Release| {
            let report = machine(vendor, family, product, release, environment);
            let climbs = BTreeMap::new();
            let ground = Ground::new(&report, &climbs, matrix);
            let subject = gpu();
            let spot = ground.spot(&subject);
            let applies = |row: &&Row| row.when.hold(&ground, &spot, Beyond::Compared) == Truth::True;
            match rows().any(|row| is_broken(&ground, row, &spot)) {
                true => Word::Refused,
                false if rows().any(|row| applies(&row)) => Word::Served,
                false => Word::Silent,
            }
        };
        let in_environment = |environment: Environment| {
            let words: Vec<Word> = product.release.iter().map(|release| word(environment, release)).collect();
            let first = words.iter().position(|word| *word == Word::Refused)?;
            // Of releases older than any that is refused, only those serve of which a rule says so.
            let served =
                |(place, word): (usize, &Word)| *word == Word::Served || *word == Word::Silent && place > first;
            let places = words.iter().enumerate().filter(|one| served(*one)).map(|(place, _)| place);
            let releases = places.filter_map(|place| product.release.get(place)).collect();
            Some((environment, releases))
        };
        let releases: Vec<_> = ENVIRONMENTS.into_iter().filter_map(in_environment).collect();
        (!releases.is_empty()).then_some(Serving { product, releases, rules })
    };
    matrix.products.iter().filter_map(of_product).collect()
}

/// A build that holds code for a GPU.
pub(crate) struct Holding<'a> {
    /// The product.
    pub product: &'a Product,
    /// The build.
    pub build: &'a Build,
    /// Whether it is PTX, which the driver has to translate.
    pub ptx: bool,
}

/// The builds that hold code for a GPU, the better of a product first.
pub(crate) fn holding<'a>(matrix: &'a Matrix, family: &GpuFamily) -> Vec<Holding<'a>> {
    let builds = matrix.products.iter().flat_map(|product| product.build.iter().map(move |build| (product, build)));
    let held = |(product, build): (&'a Product, &'a Build)| {
        let held = build.architectures.as_ref()?;
        let cover = match (&family.compute_capability, &family.gfx) {
            (Some(capability), _) => architectures::of_cuda(held, capability),
            (None, Some(gfx)) => architectures::of_rocm(held, gfx),
            (None, None) => Cover::Nothing,
        };
        match cover {
            Cover::Code => Some(Holding { product, build, ptx: false }),
            Cover::Ptx => Some(Holding { product, build, ptx: true }),
            Cover::Nothing => None,
        }
    };
    builds.filter_map(held).collect()
}

/// What rules say of a release and a GPU.
#[derive(PartialEq)]
enum Word {
    /// It does not serve it.
    Refused,
    /// It does.
    Served,
    /// Nothing.
    Silent,
}

fn gpu() -> Subject {
    Subject::Device("gpu".to_owned())
}

/// A machine with the GPU and one release of a product.
fn machine(vendor: &str, family: &GpuFamily, product: &Product, release: &Release, environment: Environment) -> Known {
    let mut facts = Vec::new();
    let mut tell = |key: &str, value: Option<Value>| {
        let fact = |(key, value): (&'static Key, Value)| {
            let subject = if key.scope == Scope::Device { gpu() } else { Subject::Host };
            Fact { key, subject, value: Ok(value), origin: Origin::Given("for the sake of the question".into()) }
        };
        facts.extend(condition::key(key).zip(value).map(fact));
    };
    tell("environment", Some(Value::from(environment.id())));
    tell("gpu-vendors", Some(Value::Set(vec![vendor.to_owned()])));
    tell("device-vendor", Some(Value::from(vendor)));
    tell("gpu-line", Some(Value::from(family.line.as_str())));
    tell("compute-capability", family.compute_capability.clone().map(Value::Version));
    tell("gfx-target", family.gfx.as_deref().map(Value::from));
    // A release of ROCm that is spoken of is installed.
    tell("gpu-software", (vendor == "amd").then(|| Value::Set(vec!["rocm".to_owned()])));
    tell("rocm-installations", (vendor == "amd").then(|| Value::Set(vec!["rocm".to_owned()])));
    let of_host =
        |key: &&String| condition::key(key).is_some_and(|key| key.scope == Scope::Host && key.kind == Kind::Version);
    for key in product.keys.iter().filter(of_host) {
        tell(key, Some(Value::Version(release.version.clone())));
    }
    Known::of(Report { probes: Vec::new(), facts })
}
