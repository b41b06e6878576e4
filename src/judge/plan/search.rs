//! The search: releases newest first, of each release its builds in the order of the data, until one serves every GPU.

use accelprobe_probes::ladder::State;
use accelprobe_probes::version::Version;

use super::trial::{Trial, Tried};
use super::{APIS, Doubt, Outlook, Place, Plan, Planner, Refused, Wish};
use crate::judge::derive::Gpu;
use crate::judge::wants;
use crate::matrix::{Build, Product, Support, System, Verdict};
use crate::spec::Part;

/// What can be had of a product in a place.
pub(super) fn outlook<'a>(
    planner: &Planner<'_, 'a>,
    system: Option<&'a System>,
    product: &'a Product,
    place: &Place,
    wish: Wish<'_>,
) -> Outlook<'a> {
    let outlook =
        Outlook { product, gpu: Vec::new(), cpu: None, refused: Vec::new(), barred: Vec::new(), gpus: Vec::new() };
    let mut search = Search { planner, system, product, place, wish, outlook };
    search.gpus();
    // What has no build for the processor alone runs there with any.
    let own = product.build.iter().any(|build| build.computes == "cpu");
    let cpu = search.best(if own { "cpu" } else { "openvino" }, &[]);
    search.outlook.cpu = cpu.into_iter().next();
    search.outlook
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
        let wanted = |build: &&Build| {
            build.computes == computes && planner.machine.takes(build) && self.wish.takes(product, build)
        };
        // Builds that some release may make work.
        let mut open: Vec<&Build> = product.build.iter().filter(wanted).collect();
        for release in product.release.iter().rev() {
            let version = &release.version;
            if self.wish.range.is_some_and(|range| !range.contains(version)) {
                continue;
            }
            let here: Vec<&Build> = open.iter().copied().filter(|build| build.versions.contains(version)).collect();
            for build in here {
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
                    open.retain(|one| !std::ptr::eq(*one, build));
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
