//! What could stand in the place of an installed package: derived facts, by which rules name the build that uses the GPU and
//! the command that puts it there.

use accelprobe_probes::fact::{Fact, Key, Kind, Origin, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::version::{Range, Version};

use super::{Outlook, Place, Planner, Wish, commands};
use crate::matrix::Product;

pub(crate) static GPU_BUILD: Key = Key::new(
    "package-gpu-build",
    Kind::Text,
    Scope::Package,
    "The build of the package that would use this machine's GPU: `PyTorch 2.15.0 with CUDA 13.2`. Missing where there is none.",
);

pub(crate) static REPAIR: Key = Key::new(
    "package-repair",
    Kind::Text,
    Scope::Package,
    "The command that puts the best build for this machine in the package's place, of the same release where it has one.",
);

/// The facts about every installed package of a product whose builds are known.
pub(crate) fn facts(planner: &Planner<'_, '_>) -> Vec<Fact> {
    let report = planner.case().ground.report;
    let mut known: Vec<(&Product, Option<Version>, Version, Outlook<'_>)> = Vec::new();
    let mut facts = Vec::new();
    for told in report.all("package-version") {
        let (Subject::Package { environment, name }, Ok(Value::Version(installed))) = (&told.subject, &told.value)
        else {
            continue;
        };
        let product = planner.case().matrix.product_of_package(name).filter(|product| !product.build.is_empty());
        let Some(product) = product else { continue };
        let place = Place::in_environment(report, environment);
        // Environments are many and much alike.
        let same = |(other, python, version, _): &(&Product, Option<Version>, Version, Outlook<'_>)| {
            std::ptr::eq(*other, product) && *python == place.python && version == installed
        };
        let at = match known.iter().position(same) {
            Some(at) => at,
            None => {
                let outlook = best(planner, product, installed, &place);
                known.push((product, place.python.clone(), installed.clone(), outlook));
                known.len() - 1
            }
        };
        let Some((.., outlook)) = known.get(at) else { continue };
        let mut add = |key: &'static Key, value: Result<Value, Missing>| {
            let origin = Origin::Given("by the builds of the product and this machine".into());
            facts.push(Fact { key, subject: told.subject.clone(), value, origin });
        };
        let on_gpu = outlook.gpu.first().filter(|plan| planner.hindered(plan.build, &[]).is_none());
        match on_gpu {
            Some(plan) if plan.is_doubtful() => {}
            Some(plan) => add(&GPU_BUILD, Ok(Value::Text(plan.title()))),
            None if planner.vendors().is_some() => add(&GPU_BUILD, Err(Missing::NotFound)),
            None => {}
        }
        let plan = on_gpu.or(outlook.cpu.as_ref());
        if let Some(plan) = plan {
            add(&REPAIR, Ok(Value::Text(commands::repair(report, environment, name, plan))));
        }
    }
    facts
}

/// The best of the installed release, or where that has none for the GPU, of all.
fn best<'a>(planner: &Planner<'_, 'a>, product: &'a Product, installed: &Version, place: &Place) -> Outlook<'a> {
    let system = planner.system_of(product);
    let same: Option<Range> =
        product.release(installed).and_then(|release| format!("=={}", release.version).parse().ok());
    if let Some(range) = &same {
        let outlook = planner.outlook(system, product, place, Wish { range: Some(range), ..Wish::default() });
        if !outlook.gpu.is_empty() {
            return outlook;
        }
    }
    planner.outlook(system, product, place, Wish::default())
}
