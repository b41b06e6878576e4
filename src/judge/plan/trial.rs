//! One build of one release, tried on a machine: a package is made of it that is not there, and the rules judge it.

use accelprobe_probes::fact::{Fact, Key, Origin, Scope, Subject, Value};

use super::{Doubt, Place, Planner, Reason};
use crate::judge::derive::{self, Gpu, Machine};
use crate::matrix::condition::{Beyond, Truth};
use crate::matrix::{Build, Matrix, Product, Release, Row, Rule, Severity};

/// What is tried.
pub(super) struct Trial<'t, 'c, 'a> {
    pub planner: &'t Planner<'c, 'a>,
    pub product: &'a Product,
    pub release: &'a Release,
    pub build: &'a Build,
    pub place: &'t Place,
}

/// What came of it.
pub(super) struct Tried<'a> {
    /// Why it does not work; empty where it does.
    pub reasons: Vec<Reason<'a>>,
    /// What is not known and matters.
    pub doubts: Vec<Doubt<'a>>,
    /// Whether every release with this build fails in the same way.
    pub for_good: bool,
}

impl<'a> Tried<'a> {
    pub(super) fn works(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(super) fn refused(reason: Reason<'a>) -> Tried<'a> {
        Tried { reasons: vec![reason], doubts: Vec::new(), for_good: false }
    }
}

/// The rows by which builds are judged: those about a package that end in an error. What stands beside a package is the
/// installer's to put right.
pub(super) fn rows(matrix: &Matrix) -> Vec<(&Rule, &Row)> {
    let judges = |rule: &Rule, row: &Row| {
        let parts = [&row.when, &row.except, &row.require];
        row.severity.unwrap_or(rule.severity) == Severity::Error
            && parts.iter().any(|conditions| conditions.is_of_packages())
            && parts.iter().all(|conditions| conditions.beside().next().is_none())
    };
    let all = matrix.rules.iter().flat_map(|rule| rule.row.iter().map(move |row| (rule, row)));
    all.filter(|(rule, row)| judges(rule, row)).collect()
}

impl<'a> Trial<'_, '_, 'a> {
    /// The build on a machine with these GPUs alone.
    pub(super) fn of(&self, machine: &Machine, gpus: &[Gpu]) -> Tried<'a> {
        let subject = Subject::Package {
            environment: self.place.environment.clone(),
            name: self.product.package_of(self.build).to_owned(),
        };
        let mut tried = Tried { reasons: Vec::new(), doubts: Vec::new(), for_good: true };
        self.python(&mut tried);
        let facts = self.facts(&machine.with(gpus.to_vec()), &subject, tried.works());
        self.code(&facts, gpus, &mut tried);
        let ground = self.planner.case.ground.suppose(&subject, &facts);
        for (rule, row) in &self.planner.rows {
            // What a release requires is compared plainly: a newer driver does what an older one did.
            let holds = |conditions: &crate::matrix::condition::Conditions| {
                conditions.hold(&ground, &subject, Beyond::Compared)
            };
            if holds(&row.when) != Truth::True || (!row.except.0.is_empty() && holds(&row.except) == Truth::True) {
                continue;
            }
            match holds(&row.require) {
                Truth::True => {}
                // What only an installed copy can tell is no doubt about one that is not there.
                Truth::Unknown if row.require.keys().any(|key| key.scope == Scope::Package) => {}
                Truth::Unknown => tried.doubts.push(Doubt::Rule(rule, row)),
                Truth::False => {
                    // A rule that says the same more exactly stands for what was found without it.
                    let keys = || row.require.keys().map(|key| key.name);
                    let same = |reason: &Reason<'a>| match reason {
                        Reason::Python(..) => keys().any(|key| key == derive::TAKES_PYTHON.name),
                        Reason::NoCode(_) => keys().any(|key| key.starts_with("package-gpus-")),
                        _ => false,
                    };
                    if keys().any(|key| key == derive::TAKES_PYTHON.name) {
                        continue;
                    }
                    tried.reasons.retain(|reason| !same(reason));
                    tried.reasons.push(Reason::Rule(rule, row));
                    let of_release = row.when.keys().chain(row.require.keys()).any(|key| key.name == "package-version");
                    tried.for_good &= !of_release;
                }
            }
        }
        tried
    }

    /// Whether the release and the build are for the Python of the place.
    fn python(&self, tried: &mut Tried<'a>) {
        let ranges = [self.release.python.as_ref(), self.build.python.as_ref()];
        for range in ranges.into_iter().flatten() {
            match &self.place.python {
                Some(python) if !range.contains(python) => {
                    tried.reasons.push(Reason::Python(range, python.clone()));
                    tried.for_good = false;
                }
                Some(_) => {}
                None => tried.doubts.push(Doubt::Python(range)),
            }
        }
    }

    /// Whether it holds code for the GPUs.
    fn code(&self, facts: &[Fact], gpus: &[Gpu], tried: &mut Tried<'a>) {
        for key in [&derive::WITHOUT_CODE, &derive::BY_NEW_PTX] {
            let told = facts.iter().find(|fact| *fact.key == *key).map(|fact| &fact.value);
            if let Some(Ok(Value::Set(names))) = told
                && !names.is_empty()
            {
                tried.reasons.push(Reason::NoCode(names.clone()));
            }
        }
        if let Some(held) = &self.build.architectures {
            let unknown = |gpu: &Gpu| match self.build.computes.as_str() {
                "cuda" => gpu.capability.is_none(),
                "rocm" => gpu.gfx.is_none(),
                _ => false,
            };
            if gpus.is_empty() || gpus.iter().any(unknown) {
                tried.doubts.push(Doubt::Code(held));
            }
        }
    }

    /// All that is to be known of the package.
    fn facts(&self, machine: &Machine, subject: &Subject, takes_python: bool) -> Vec<Fact> {
        let build = self.build;
        let known = |key: &str, value: Option<Value>| Some(made(accelprobe_probes::key(key)?, subject, value?));
        let version = self.release.version.clone();
        let mut facts: Vec<Fact> = [
            known("package-version", Some(Value::Version(version))),
            known("package-build", Some(Value::Text(build.computes.clone()))),
            known("package-cuda", build.cuda.clone().map(Value::Version)),
            known("package-cudnn", build.cudnn.clone().map(Value::Version)),
            known("package-rocm", build.rocm.clone().map(Value::Version)),
            known("package-architectures", build.architectures.clone().map(Value::Set)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.place.python.is_some() {
            facts.push(made(&derive::TAKES_PYTHON, subject, Value::Flag(takes_python)));
        }
        let own: Vec<&Fact> = facts.iter().collect();
        let derived = derive::of_package(self.planner.case.matrix, machine, None, subject, &own);
        facts.extend(derived);
        facts
    }
}

fn made(key: &'static Key, subject: &Subject, value: Value) -> Fact {
    let origin = Origin::Given("by the builds of the release".to_owned());
    Fact { key, subject: subject.clone(), value: Ok(value), origin }
}
