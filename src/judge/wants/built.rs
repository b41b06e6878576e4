//! A want of something whose builds are known: whether one of them works here.

use super::{Turnout, cannot};
use crate::diagnosis::{Finding, Outcome};
use crate::judge::plan::{Outlook, Plan, Planner};
use crate::judge::{reasons, recommend, vendor_title};
use crate::matrix::{Product, Support, System};
use crate::spec::{Part, Spec};

/// Whether there is a build that works here.
pub(super) fn by_plan<'a>(
    planner: &Planner<'_, 'a>,
    findings: &[Finding],
    system: &'a System,
    product: &'a Product,
    spec: &Spec,
    statement: &Support,
) -> Turnout {
    let case = planner.case();
    let outlook = planner.wanted(system, product, spec);
    if planner.is_for_cpu(product, spec) {
        return match &outlook.cpu {
            Some(plan) => on_the_processor(plan, None),
            None => refused(planner, Some(system), spec, &outlook),
        };
    }
    let made_for = planner.made_for(product, spec);
    let must = spec.part == Some(Part::Gpu) || made_for.is_some();
    let Some(vendors) = planner.vendors() else {
        let unknown = "whether there is a GPU is not known";
        return match (&outlook.cpu, must) {
            (Some(plan), false) => on_the_processor(plan, Some(unknown)),
            (None, false) => refused(planner, Some(system), spec, &outlook),
            (_, true) => Turnout::new(Outcome::Unknown, unknown),
        };
    };
    // What is made for one vendor's GPUs alone is of no use without one.
    if let Some(vendor) = made_for.filter(|vendor| !vendors.contains(vendor)) {
        let message = format!("{} needs a GPU of {}, and none is on the bus", spec.text, vendor_title(vendor));
        let finding = cannot(case, statement, spec, format!("no-{vendor}-gpu"), message);
        return Turnout::broken(finding, Vec::new());
    }
    if let Some(plan) = outlook.gpu.first() {
        if let Some((api, why)) = planner.hindered(plan.build, findings) {
            let vendor = vendor_title(&api.vendor);
            let message = format!("{} cannot use the {vendor} GPU: {why}", system.name);
            let state = case.ground.climbs.get(&api.id).map_or("broken", |climb| climb.state.name());
            let finding = cannot(case, statement, spec, format!("{}-{state}", api.id), message);
            return Turnout::broken(finding, api.explained_by.clone());
        }
        if let Some(text) = recommend::installed(case, Some(spec), &outlook, &outlook.gpu, findings) {
            return Turnout::new(Outcome::Holds, text);
        }
        let titles: Vec<String> = outlook.gpu.iter().map(|plan| plan.title_for()).collect();
        let mut detail = titles.join("; ");
        if plan.only.is_empty() && !outlook.gpus.is_empty() {
            detail = format!("{detail}, on {}", outlook.gpus.join(", "));
        }
        if let Some(doubt) = plan.doubt() {
            detail = format!("{detail}; {doubt}");
        }
        let unknown = plan.is_beyond() || must && plan.is_doubtful();
        let verdict = if unknown { Outcome::Unknown } else { Outcome::Holds };
        return Turnout::new(verdict, detail);
    }
    let fixable = outlook.refused.iter().any(|refused| refused.build.computes != "cpu" && refused.could_be_had());
    match &outlook.cpu {
        Some(plan) if !must && !fixable => {
            let why = reasons::no_gpu(case, &outlook, &vendors);
            on_the_processor(plan, Some(&why))
        }
        _ if vendors.is_empty() && must => {
            let message = format!("{} has no GPU to use here: none is on the bus", system.name);
            Turnout::broken(cannot(case, statement, spec, "no-gpu".to_owned(), message), Vec::new())
        }
        _ => refused(planner, Some(system), spec, &outlook),
    }
}

/// A want that the processor will do for, and why it is no GPU.
fn on_the_processor(plan: &Plan<'_>, why: Option<&str>) -> Turnout {
    let parts = [Some(plan.title()), why.map(str::to_owned), plan.doubt().filter(|_| plan.is_beyond())];
    let verdict = if plan.is_beyond() { Outcome::Unknown } else { Outcome::Holds };
    Turnout::new(verdict, parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// A want for which there is no build that works.
pub(super) fn refused<'a>(
    planner: &Planner<'_, 'a>,
    system: Option<&'a System>,
    spec: &Spec,
    outlook: &Outlook<'a>,
) -> Turnout {
    let fault = reasons::fault(planner, system, spec, outlook);
    Turnout::broken(fault.finding, fault.causes)
}
