//! Which build of a product is the best that works here: releases newest first, of each release its builds in the order of
//! the data, first those for the GPUs of the machine, then those for the processor. A build works where no rule of severity
//! error is broken by it, for every GPU of the vendor. The rules are the same that judge what is installed: the planner makes
//! a package that is not there and asks them.
//!
//! What is not known refuses nothing; it is a doubt that goes with the plan. Whatever was refused on the way keeps its reasons.

mod commands;
pub(super) mod installed;
mod search;
mod trial;
mod wish;
mod words;

use accelprobe_probes::fact::{Key, Value};
use accelprobe_probes::ladder::{Climb, Rung, State};

use super::derive::Machine;
use super::{Case, causes_of};
use crate::diagnosis::Finding;
use crate::matrix::{Build, Product, Release, Row, Severity, Support, System};
use crate::spec::{Part, Spec};

pub(super) use commands::{Commands, install, with_python};
pub(super) use wish::{Place, Wish, wish};
pub(super) use words::required;

/// The GPU builds that a vendor's GPUs can use, the best first: what they compute on, and the system that must work for it.
const APIS: &[(&str, &[(&str, &str)])] = &[
    ("nvidia", &[("cuda", "cuda"), ("directml", "directml")]),
    ("amd", &[("rocm", "rocm"), ("directml", "directml")]),
    ("intel", &[("xpu", "intel-extensions"), ("openvino", "openvino"), ("directml", "directml")]),
    ("qualcomm", &[("qnn", "qnn"), ("directml", "directml")]),
    ("apple", &[("metal", "apple-coreml-mps")]),
];

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
}

impl<'c, 'a> Planner<'c, 'a> {
    /// A planner for the machine of a case.
    pub(super) fn new(case: &'c Case<'a>) -> Planner<'c, 'a> {
        Planner { case, machine: Machine::of(case.ground.report) }
    }

    /// What can be had of a product in a place; `system` is what the matrix knows it as.
    pub(super) fn outlook(
        &self,
        system: Option<&'a System>,
        product: &'a Product,
        place: &Place,
        wish: Wish<'_>,
    ) -> Outlook<'a> {
        search::outlook(self, system, product, place, wish)
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
