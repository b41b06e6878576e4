//! One build of one release, tried on a machine: a package is made of it that is not there, and the rules judge it.

use accelprobe_probes::fact::{Fact, Key, Origin, Scope, Subject, Value};
use accelprobe_probes::version::Range;

use super::{Doubt, Place, Planner, Reason, words};
use crate::judge::derive::{self, Gpu, Machine};
use crate::judge::findings;
use crate::judge::ground::Ground;
use crate::judge::known::Spot;
use crate::matrix::condition::{Beyond, Conditions, Truth};
use crate::matrix::{Build, Product, Release, Row, Rule, Severity, Support};

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

/// Whether a row judges packages that are not there yet: one that ends in an error. What stands beside a package is the
/// installer's to put right, and what its release says of Pythons is known without a rule.
fn judges(rule: &Rule, row: &Row) -> bool {
    let parts = [&row.when, &row.except, &row.require];
    row.severity.unwrap_or(rule.severity) == Severity::Error
        && parts.iter().any(|conditions| conditions.is_of_packages())
        && parts.iter().all(|conditions| conditions.beside().next().is_none())
        && !row.require.keys().any(|key| *key == derive::TAKES_PYTHON)
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
        let facts = self.facts(&machine.with(gpus.to_vec()), &subject);
        let ground = self.planner.case.ground.suppose(&subject, &facts);
        let spot = ground.spot(&subject);
        let rules = &self.planner.case.matrix.rules;
        for (place, rows) in self.judged_by(&subject) {
            let Some(rule) = rules.get(*place) else { continue };
            judge(rule, rows.iter().filter_map(|row| rule.row.get(*row)), &ground, &spot, &mut tried);
        }
        self.code(&facts, gpus, &mut tried);
        tried
    }

    /// The rules and rows that may refuse the build, by their places: those that are about its package and what is always true of
    /// it.
    fn judged_by(&self, subject: &Subject) -> &'a [(usize, Vec<usize>)] {
        self.build.judged_by.get_or_init(|| {
            let (name, facts) = (self.product.package_of(self.build), self.of_build(subject));
            let may_refuse = |rule: &Rule, row: &Row| judges(rule, row) && row.when.may_hold_of(name, &facts);
            let rows_of = |rule: &Rule| {
                let rows = rule.row.iter().enumerate().filter(|(_, row)| may_refuse(rule, row));
                rows.map(|(place, _)| place).collect::<Vec<_>>()
            };
            let rules = self.planner.case.matrix.rules.iter().enumerate();
            rules.map(|(place, rule)| (place, rows_of(rule))).filter(|(_, rows)| !rows.is_empty()).collect()
        })
    }

    /// A statement about the product in this environment as the reason.
    pub(super) fn by_statement(&self, statement: &'a Support) -> Reason<'a> {
        let edition = self.planner.case.edition;
        Reason {
            code: statement.code.as_deref().unwrap_or("unsupported-here"),
            rule: &statement.id,
            caused_by: &[],
            message: format!("{}: {}", self.title(), statement.words(edition).unwrap_or("not supported here")),
            keys: accelprobe_probes::key("environment").into_iter().collect(),
            change: None,
            sources: &statement.sources,
        }
    }

    /// Whether the release and the build are for the Python of the place.
    fn python(&self, tried: &mut Tried<'a>) {
        let ranges = [self.release.python.as_ref(), self.build.python.as_ref()];
        let ranges: Vec<&Range> = ranges.into_iter().flatten().collect();
        let words = || words::pythons(self.planner.case.matrix, &ranges);
        match &self.place.python {
            None if ranges.is_empty() => {}
            None => tried.doubts.push(Doubt::Python(words())),
            Some(python) if ranges.iter().all(|range| range.contains(python)) => {}
            Some(python) if self.planner.case.matrix.is_beyond("environment-python", python) => {
                let told = format!("{} as far as this matrix goes, and Python {python} is newer than it", words());
                tried.doubts.push(Doubt::NewPython(told));
            }
            Some(python) => {
                let (name, release) = (&self.product.name, &self.release.version);
                let key = if self.place.environment.is_empty() { "python" } else { "environment-python" };
                tried.for_good = false;
                tried.reasons.push(Reason {
                    code: "python-version-unsupported",
                    rule: &self.product.id,
                    caused_by: &[],
                    message: format!("{name} {release} is for {}, and this is Python {python}", words()),
                    keys: accelprobe_probes::key(key).into_iter().collect(),
                    change: Some(words()),
                    sources: &self.build.sources,
                });
            }
        }
    }

    /// Whether it holds code for the GPUs, where no rule says so.
    fn code(&self, facts: &[Fact], gpus: &[Gpu], tried: &mut Tried<'a>) {
        let (code, instructions) = match self.build.computes.as_str() {
            "cuda" => ("arch-not-in-wheel", "compute-capability"),
            // Under the variable a GPU runs the code of another.
            "rocm" if self.planner.case.ground.report.host("hsa-override-gfx-version").is_some() => return,
            "rocm" => ("rocm-gfx-not-in-build", "gfx-target"),
            _ => return,
        };
        let without = facts.iter().find(|fact| *fact.key == derive::WITHOUT_CODE).map(|fact| &fact.value);
        if let Some(Ok(Value::Set(names))) = without
            && !names.is_empty()
            && tried.works()
        {
            tried.reasons.push(Reason {
                code,
                rule: &self.product.id,
                caused_by: &[],
                message: format!("{} holds no code for {}", self.title(), names.join(", ")),
                keys: accelprobe_probes::key(instructions).into_iter().collect(),
                change: None,
                sources: &self.build.sources,
            });
        }
        let unknown =
            |gpu: &Gpu| if code == "arch-not-in-wheel" { gpu.capability.is_none() } else { gpu.gfx.is_none() };
        if let Some(held) = &self.build.architectures
            && (gpus.is_empty() || gpus.iter().any(unknown))
        {
            tried.doubts.push(Doubt::Code(held));
        }
    }

    fn title(&self) -> String {
        words::title(self.product, self.release, self.build)
    }

    /// All that is to be known of the package, which is where somebody means to use it.
    fn facts(&self, machine: &Machine, subject: &Subject) -> Vec<Fact> {
        let version = Value::Version(self.release.version.clone());
        let mut facts = self.of_build(subject);
        facts.extend(accelprobe_probes::key("package-version").map(|key| made(key, subject, version)));
        let derived = derive::on_gpus(machine, subject, facts.iter());
        facts.extend(derived);
        let folder = Subject::Environment(self.place.environment.clone());
        let python = self.place.python.clone().map(Value::Version);
        for (key, value) in [("environment-role", Some(Value::from("active"))), ("environment-python", python)] {
            facts.extend(accelprobe_probes::key(key).zip(value).map(|(key, value)| made(key, &folder, value)));
        }
        facts
    }

    /// What is true of the build in every release.
    fn of_build(&self, subject: &Subject) -> Vec<Fact> {
        let build = self.build;
        let known = |key: &str, value: Option<Value>| Some(made(accelprobe_probes::key(key)?, subject, value?));
        let facts = [
            known("package-build", Some(Value::Text(build.computes.clone()))),
            known("package-cuda", build.cuda.clone().map(Value::Version)),
            known("package-cudnn", build.cudnn.clone().map(Value::Version)),
            known("package-rocm", build.rocm.clone().map(Value::Version)),
            known("package-architectures", build.architectures.clone().map(Value::Set)),
        ];
        facts.into_iter().flatten().collect()
    }
}

/// What one rule says of a package.
fn judge<'a>(
    rule: &'a Rule,
    rows: impl Iterator<Item = &'a Row>,
    ground: &Ground<'_>,
    spot: &Spot<'_>,
    tried: &mut Tried<'a>,
) {
    // Versions compare plainly: a newer driver does what an older one did.
    let holds = |conditions: &Conditions| conditions.hold(ground, spot, Beyond::Compared);
    let (mut held, mut open, mut likely) = (false, None, None);
    for row in rows {
        let applies = holds(&row.when);
        if applies == Truth::False || (!row.except.0.is_empty() && holds(&row.except) == Truth::True) {
            continue;
        }
        let of_machine = row.require.keys().all(|key| key.scope == Scope::Host);
        match (applies, holds(&row.require)) {
            // What the machine does not meet is refused even where the row may not apply: nobody is sent into the unknown.
            (_, Truth::False) if applies == Truth::True || of_machine => {
                let of_release = row.when.keys().chain(row.require.keys()).any(|key| key.name == "package-version");
                tried.for_good &= !of_release;
                tried.reasons.push(Reason {
                    code: &rule.code,
                    rule: &rule.id,
                    caused_by: &rule.caused_by,
                    message: findings::fill(&rule.message, ground, row, spot, ", "),
                    keys: row.require.keys().filter(|key| key.scope == Scope::Host).collect(),
                    change: words::change(row),
                    sources: &rule.sources,
                });
                return;
            }
            (Truth::True, Truth::True) => held = true,
            // What only an installed copy can tell is no doubt about one that is not there.
            (_, Truth::Unknown) if of_machine => {
                let place = if applies == Truth::True { &mut open } else { &mut likely };
                place.get_or_insert(row);
            }
            _ => {}
        }
    }
    // What one row is satisfied with, another need not ask again.
    if let Some(open) = open.filter(|_| !held) {
        tried.doubts.push(Doubt::Rule(likely.unwrap_or(open)));
    }
}

fn made(key: &'static Key, subject: &Subject, value: Value) -> Fact {
    let origin = Origin::Given("by the builds of the release".into());
    Fact { key, subject: subject.clone(), value: Ok(value), origin }
}
