//! Which build of a product is the best that works here: releases newest first, of each release its builds in the order of
//! the data, first those for the GPUs of the machine, then those for the processor. A build works where no rule of severity
//! error is broken by it, for every GPU of the vendor. The rules are the same that judge what is installed: the planner makes
//! a package that is not there and asks them.
//!
//! What is not known refuses nothing; it is a doubt that goes with the plan. Whatever was refused on the way keeps its reasons.

mod commands;
pub(super) mod installed;
mod trial;
mod words;

use std::collections::HashSet;

use accelprobe_probes::fact::{Key, Subject, Value};
use accelprobe_probes::ladder::{Climb, Rung, State};
use accelprobe_probes::version::{Range, Version};

use super::derive::{Gpu, Machine};
use super::known::Known;
use super::{Case, causes_of, wants};
use crate::diagnosis::Finding;
use crate::matrix::{Build, Product, Release, Row, Rule, Severity, Support, System, Verdict};
use crate::spec::{Part, Spec};
use trial::{Trial, Tried};

pub(super) use commands::{Commands, install, with_python};
pub(super) use words::required;

/// The GPU builds that a vendor's GPUs can use, the best first: what they compute on, and the system that must work for it.
const APIS: &[(&str, &[(&str, &str)])] = &[
    ("nvidia", &[("cuda", "cuda"), ("directml", "directml")]),
    ("amd", &[("rocm", "rocm"), ("directml", "directml")]),
    ("intel", &[("xpu", "intel-extensions"), ("openvino", "openvino"), ("directml", "directml")]),
    ("qualcomm", &[("qnn", "qnn"), ("directml", "directml")]),
    ("apple", &[("metal", "apple-coreml-mps")]),
];

/// What somebody wants of a product.
#[derive(Clone, Copy, Default)]
pub(super) struct Wish<'s> {
    /// The releases; all where none are named.
    pub range: Option<&'s Range>,
    /// Extras such as `cuda12`, by which some packages name their builds.
    pub extras: &'s [String],
    /// The package that is named, where several are builds of one product.
    pub package: Option<&'s str>,
    /// The label of the build that is named, as an index of a project may name it.
    pub build: Option<&'s str>,
}

/// What a want wishes of a product.
pub(super) fn wish(spec: &Spec) -> Wish<'_> {
    Wish { range: spec.range.as_ref(), extras: &spec.extras, package: Some(&spec.name), build: spec.build.as_deref() }
}

impl Wish<'_> {
    /// Whether everything will do.
    pub(super) fn is_open(&self, product: &Product) -> bool {
        self.range.is_none() && product.build.iter().all(|build| self.takes(product, build))
    }

    /// Whether a build of a product is what is wished.
    fn takes(&self, product: &Product, build: &Build) -> bool {
        let name = product.package_of(build);
        // A name such as `onnxruntime` is that of the product; `onnxruntime-gpu` is that of some of its builds.
        let named = self.package.is_none_or(|package| {
            package == name
                || product.packages.first().is_some_and(|first| first == package)
                || !product.build.iter().any(|one| product.package_of(one) == package)
        });
        // Of the extras those count by which a build of the product is named.
        let own = commands::extras(&build.install);
        let counts =
            |extra: &&String| product.build.iter().any(|one| commands::extras(&one.install).contains(&extra.as_str()));
        let extras = self.extras.iter().filter(counts).all(|extra| own.contains(&extra.as_str()));
        // `==2.6.0+cu124` names a build, too.
        let mut bounds = self.range.into_iter().flat_map(Range::bounds);
        let label = bounds.find_map(|bound| bound.text().find('+').and_then(|at| bound.text().get(at..)));
        // An index that is none of the product's says nothing of it.
        let of_index = self.build.map(|label| format!("+{label}"));
        let of_index = of_index.filter(|label| product.build.iter().any(|one| one.has_label(label)));
        named
            && extras
            && label.is_none_or(|label| build.has_label(label))
            && of_index.is_none_or(|label| build.has_label(&label))
    }
}

/// Where a package is to be installed.
#[derive(Clone)]
pub(super) struct Place {
    /// The folder of the Python environment; empty where none is known.
    pub environment: String,
    /// Its Python.
    pub python: Option<Version>,
}

impl Place {
    /// The environment that is active, else wherever the machine's Python is.
    pub(super) fn active(report: &Known) -> Place {
        let active = report.all("environment-role").find(|fact| fact.value == Ok(Value::from("active")));
        match active.map(|fact| &fact.subject) {
            Some(Subject::Environment(folder)) => Place::in_environment(report, folder),
            _ => Place { environment: String::new(), python: report.version("python").cloned() },
        }
    }

    /// An environment by its folder.
    pub(super) fn in_environment(report: &Known, folder: &str) -> Place {
        let python = report.about(&Subject::Environment(folder.to_owned()), "environment-python");
        let python = match python {
            Some(Value::Version(python)) => Some(python.clone()),
            _ => None,
        };
        Place { environment: folder.to_owned(), python }
    }
}

/// What can be had of a product.
pub(super) struct Outlook<'a> {
    /// The product.
    pub product: &'a Product,
    /// With a GPU: one plan for all GPUs, or where no build serves all of them one for each that is served.
    pub gpu: Vec<Plan<'a>>,
    /// The newest on the processor.
    pub cpu: Option<Plan<'a>>,
    /// What was refused, each build once, with its newest release; the better first.
    pub refused: Vec<Refused<'a>>,
    /// Statements by which an API that this machine's GPUs could use is not to be had here.
    pub barred: Vec<(&'a System, &'a Support)>,
    /// The GPUs that were planned for, as people know them.
    pub gpus: Vec<String>,
}

/// A build of a release that works here.
#[derive(Clone)]
pub(super) struct Plan<'a> {
    /// The product.
    pub product: &'a Product,
    /// The release.
    pub release: &'a Release,
    /// The build.
    pub build: &'a Build,
    /// The GPUs that it is for, where there are others.
    pub only: Vec<String>,
    /// What is not known and matters.
    pub doubts: Vec<Doubt<'a>>,
}

/// A build of a release that does not work here.
pub(super) struct Refused<'a> {
    /// The release.
    pub release: &'a Release,
    /// The build.
    pub build: &'a Build,
    /// Why, all of it.
    pub reasons: Vec<Reason<'a>>,
}

/// Why a build does not work here.
#[derive(Clone)]
pub(super) struct Reason<'a> {
    /// The code of a finding that says so.
    pub code: &'a str,
    /// The rule, statement or product behind it.
    pub rule: &'a str,
    /// Rules whose findings are the cause of it.
    pub caused_by: &'a [String],
    /// One sentence.
    pub message: String,
    /// The facts behind it.
    pub keys: Vec<&'static Key>,
    /// What the owner of the machine would have to change for it to go away; nothing where nothing helps.
    pub change: Option<String>,
    /// Who says so.
    pub sources: &'a [String],
}

/// What is not known and decides whether a plan works.
#[derive(Clone)]
pub(super) enum Doubt<'a> {
    /// The Python: it must be one of these.
    Python(String),
    /// The Python, which is newer than this matrix: wheels were known for these.
    NewPython(String),
    /// The instruction set of a GPU; the build holds code for these.
    Code(&'a [String]),
    /// What a row of a rule requires.
    Rule(&'a Row),
}

/// Plans for one machine.
pub(super) struct Planner<'c, 'a> {
    case: &'c Case<'a>,
    machine: Machine,
    rules: Vec<(&'a Rule, Vec<&'a Row>)>,
}

impl<'c, 'a> Planner<'c, 'a> {
    /// A planner for the machine of a case.
    pub(super) fn new(case: &'c Case<'a>) -> Planner<'c, 'a> {
        Planner { case, machine: Machine::of(case.ground.report), rules: trial::rules(case.matrix) }
    }

    /// What can be had of a product in a place; `system` is what the matrix knows it as.
    pub(super) fn outlook(
        &self,
        system: Option<&'a System>,
        product: &'a Product,
        place: &Place,
        wish: Wish<'_>,
    ) -> Outlook<'a> {
        let mut search = Search {
            planner: self,
            system,
            product,
            place,
            wish,
            outlook: Outlook {
                product,
                gpu: Vec::new(),
                cpu: None,
                refused: Vec::new(),
                barred: Vec::new(),
                gpus: Vec::new(),
            },
        };
        search.gpus();
        // What has no build for the processor alone runs there with any.
        let own = product.build.iter().any(|build| build.computes == "cpu");
        let cpu = search.best(if own { "cpu" } else { "openvino" }, &[]);
        search.outlook.cpu = cpu.into_iter().next();
        search.outlook
    }

    /// The case that is planned for.
    pub(super) fn case(&self) -> &'c Case<'a> {
        self.case
    }

    /// The system that a product is.
    fn system_of(&self, product: &Product) -> Option<&'a System> {
        let of = |system: &&System| {
            system.id == product.id || system.packages.iter().any(|package| product.packages.contains(package))
        };
        self.case.matrix.systems.iter().find(of)
    }

    /// What can be had in the active environment of what is wanted.
    pub(super) fn wanted(&self, system: &'a System, product: &'a Product, spec: &Spec) -> Outlook<'a> {
        self.outlook(Some(system), product, &Place::active(self.case.ground.report), wish(spec))
    }

    /// The vendor for whose GPUs alone what is wanted is made; nothing where it runs without one.
    pub(super) fn made_for(&self, product: &'a Product, spec: &Spec) -> Option<&'static str> {
        let wish = wish(spec);
        let mut wished = product.build.iter().filter(|build| wish.takes(product, build)).peekable();
        let first = wished.peek()?.computes.as_str();
        let own = |apis: &[(&str, &str)]| apis.first().is_some_and(|(computes, _)| *computes == first);
        let vendor = APIS.iter().find(|(_, apis)| own(apis)).map(|(vendor, _)| *vendor)?;
        wished.all(|build| build.computes == first).then_some(vendor)
    }

    /// Whether what is wanted has nothing to do with a GPU: by its part, or as a package that is for the processor alone.
    pub(super) fn is_for_cpu(&self, product: &'a Product, spec: &Spec) -> bool {
        let wish = wish(spec);
        let mut wished = product.build.iter().filter(|build| wish.takes(product, build)).peekable();
        spec.part == Some(Part::Cpu) || (wished.peek().is_some() && wished.all(|build| build.computes == "cpu"))
    }

    /// The system that must work for a build to use its GPU.
    pub(super) fn api(&self, build: &Build) -> Option<&'a System> {
        let mut apis = APIS.iter().flat_map(|(_, apis)| apis.iter());
        let (_, api) = apis.find(|(computes, _)| *computes == build.computes)?;
        self.case.matrix.system(api)
    }

    /// What keeps a build from its GPU: the system that must work for it, and why it does not.
    pub(super) fn hindered(&self, build: &Build, findings: &[Finding]) -> Option<(&'a System, String)> {
        let api = self.api(build)?;
        let climb = self.case.ground.climbs.get(&api.id);
        if let Some(climb) = climb.filter(|climb| stands_in_the_way(&api.id, climb)) {
            return Some((api, format!("{} is {} ({})", api.name, climb.state, climb.detail)));
        }
        if climb.is_some_and(|climb| climb.state == State::Working) {
            return None;
        }
        let causes = causes_of(self.case.matrix, &api.explained_by);
        // What is wrong with one package stands in the way of no other.
        let of_packages = |id: &str| {
            let rule = self.case.matrix.rules.iter().find(|rule| rule.id == id);
            rule.is_some_and(|rule| {
                rule.row.iter().any(|row| row.require.is_of_packages() || row.when.is_of_packages())
            })
        };
        let explains = |finding: &&Finding| {
            let rule = finding.rule.as_str();
            finding.severity == Severity::Error && causes.contains(&rule) && !of_packages(rule)
        };
        findings.iter().find(explains).map(|finding| (api, finding.message.clone()))
    }

    /// The vendors of this machine's GPUs, the best served first; nothing where they are not known.
    pub(super) fn vendors(&self) -> Option<Vec<&'static str>> {
        let Some(Value::Set(here)) = self.case.ground.report.host("gpu-vendors") else { return None };
        let known = APIS.iter().map(|(vendor, _)| *vendor);
        Some(known.filter(|vendor| here.iter().any(|one| one == vendor)).collect())
    }
}

struct Search<'p, 'c, 'a, 's> {
    planner: &'p Planner<'c, 'a>,
    system: Option<&'a System>,
    product: &'a Product,
    place: &'s Place,
    wish: Wish<'s>,
    outlook: Outlook<'a>,
}

impl<'a> Search<'_, '_, 'a, '_> {
    /// The plans for the GPUs of the first vendor for whose GPUs there are any.
    fn gpus(&mut self) {
        for vendor in self.planner.vendors().unwrap_or_default() {
            let gpus = self.planner.machine.gpus(vendor);
            let names: Vec<String> = gpus.iter().map(|gpu| gpu.shown.clone()).collect();
            let apis = APIS.iter().find(|(known, _)| *known == vendor).map_or([].as_slice(), |(_, apis)| *apis);
            for (computes, api) in apis {
                let here = |build: &&Build| build.computes == *computes && self.planner.machine.takes(build);
                if !self.product.build.iter().any(|build| here(&build)) {
                    continue;
                }
                if let Some(barred) = self.barred(api) {
                    self.outlook.barred.extend(barred);
                    continue;
                }
                let plans = self.best(computes, &gpus);
                if !plans.is_empty() {
                    self.outlook.gpu = plans;
                    self.outlook.gpus = names;
                    return;
                }
                // What a newer driver would do is no reason to take something else.
                if self.outlook.refused.iter().any(|refused| refused.could_be_had()) {
                    break;
                }
            }
            if self.outlook.gpus.is_empty() {
                self.outlook.gpus = names;
            }
        }
    }

    /// Whether an API is not to be had in this environment, and by which statement; what works is to be had.
    fn barred(&self, api: &str) -> Option<Option<(&'a System, &'a Support)>> {
        let case = self.planner.case;
        let (system, environment) = (case.matrix.system(api)?, case.environment?);
        if !system.exists_on.contains(&environment) {
            return Some(None);
        }
        if case.ground.climbs.get(api).is_some_and(|climb| climb.state == State::Working) {
            return None;
        }
        let refuses = |support: &&Support| support.verdict(case.edition) == Verdict::Unsupported;
        let here = |support: &&Support| support.environment == environment;
        // The product may have a statement of its own about the API.
        let own = self.system.into_iter().flat_map(|own| own.support.iter().map(move |support| (own, support)));
        let own = own.filter(|(_, support)| support.part.as_deref() == Some(api) && support.versions.is_none());
        if let Some((own, support)) = own.into_iter().find(|(_, support)| here(support)) {
            return refuses(&support).then_some(Some((own, support)));
        }
        let mut general = system.support.iter().filter(here).filter(|support| support.is_general());
        general.next().filter(refuses).map(|support| Some((system, support)))
    }

    /// The newest plan that serves all of these GPUs, or one for each group that is served.
    fn best(&mut self, computes: &str, gpus: &[Gpu]) -> Vec<Plan<'a>> {
        let (planner, product) = (self.planner, self.product);
        let groups = groups(gpus);
        let mut found: Vec<Option<Plan<'a>>> = vec![None; groups.len()];
        // Builds that no release makes work.
        let mut dead: HashSet<*const Build> = HashSet::new();
        for release in product.release.iter().rev() {
            let version = &release.version;
            if self.wish.range.is_some_and(|range| !range.contains(version)) {
                continue;
            }
            for build in product.builds(version) {
                if build.computes != computes || !planner.machine.takes(build) || !self.wish.takes(product, build) {
                    continue;
                }
                if dead.contains(&std::ptr::from_ref(build)) {
                    continue;
                }
                let trial = Trial { planner, product, release, build, place: self.place };
                let statement = self.statement(version, computes);
                let tried: Vec<Tried<'a>> = match statement {
                    Some(statement) => vec![Tried::refused(trial.by_statement(statement))],
                    None => groups.iter().map(|group| trial.of(&planner.machine, group)).collect(),
                };
                if tried.iter().all(Tried::works) {
                    let doubts = tried.into_iter().flat_map(|tried| tried.doubts).collect();
                    return vec![Plan { product, release, build, only: Vec::new(), doubts: distinct(doubts) }];
                }
                if tried.iter().all(|tried| !tried.works() && tried.for_good) {
                    dead.insert(std::ptr::from_ref(build));
                }
                let mut reasons = Vec::new();
                for (place, tried) in tried.into_iter().enumerate() {
                    if !tried.works() {
                        reasons.extend(tried.reasons);
                    } else if let (Some(open @ None), Some(group)) = (found.get_mut(place), groups.get(place)) {
                        let only = group.iter().map(|gpu| gpu.shown.clone()).collect();
                        *open = Some(Plan { product, release, build, only, doubts: distinct(tried.doubts) });
                    }
                }
                if !self.outlook.refused.iter().any(|refused| std::ptr::eq(refused.build, build)) {
                    self.outlook.refused.push(Refused { release, build, reasons });
                }
            }
        }
        let mut plans: Vec<Plan<'a>> = Vec::new();
        for plan in found.into_iter().flatten() {
            let same =
                |one: &&mut Plan<'a>| std::ptr::eq(one.build, plan.build) && std::ptr::eq(one.release, plan.release);
            match plans.iter_mut().find(same) {
                Some(told) => told.only.extend(plan.only),
                None => plans.push(plan),
            }
        }
        plans
    }

    /// A statement that the product does not work in this environment in this version.
    fn statement(&self, version: &Version, computes: &str) -> Option<&'a Support> {
        let case = self.planner.case;
        let part = if computes == "cpu" { Some(Part::Cpu) } else { None };
        let statement = wants::statement(case, self.system?, part, Some(version))?;
        (statement.verdict(case.edition) == Verdict::Unsupported).then_some(statement)
    }
}

impl<'a> Refused<'a> {
    /// What counts most against it: what nobody can change before what an upgrade would.
    pub(super) fn reason(&self) -> Option<&Reason<'a>> {
        self.reasons.iter().find(|reason| reason.change.is_none()).or(self.reasons.first())
    }

    /// Whether another driver, system or Python would make it work.
    pub(super) fn could_be_had(&self) -> bool {
        !self.reasons.is_empty() && self.reasons.iter().all(|reason| reason.change.is_some())
    }
}

/// Whether the state of an API keeps packages from the GPU. Those for ROCm bring all of it but the kernel's part.
fn stands_in_the_way(api: &str, climb: &Climb) -> bool {
    match climb.state {
        State::Masked | State::Blocked | State::Broken | State::Crashed => true,
        State::NotInstalled => {
            api == "cuda" || matches!(climb.rung, Some(Rung::Bus | Rung::KernelDriver | Rung::DeviceNode))
        }
        _ => false,
    }
}

/// GPUs of one instruction set stand together.
fn groups(gpus: &[Gpu]) -> Vec<Vec<Gpu>> {
    let mut groups: Vec<Vec<Gpu>> = Vec::new();
    for gpu in gpus {
        let same = |group: &&mut Vec<Gpu>| {
            group.first().is_some_and(|first| first.capability == gpu.capability && first.gfx == gpu.gfx)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(gpu.clone()),
            None => groups.push(vec![gpu.clone()]),
        }
    }
    if groups.is_empty() {
        groups.push(Vec::new());
    }
    groups
}

fn distinct<'a>(doubts: Vec<Doubt<'a>>) -> Vec<Doubt<'a>> {
    let mut kept: Vec<Doubt<'a>> = Vec::new();
    for doubt in doubts {
        if !kept.iter().any(|told| told.words() == doubt.words()) {
            kept.push(doubt);
        }
    }
    kept
}
