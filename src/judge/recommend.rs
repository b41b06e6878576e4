//! What can be set up on this machine: for each want, or for the frameworks where none is given, what has to be done first (the
//! first row of the system's set-ups whose conditions hold), else the best build that works here.

use accelprobe_probes::fact::{Subject, Value};
use accelprobe_probes::ladder::State;

use super::plan::{self, Commands, Outlook, Place, Plan, Planner};
use super::wants::Fault;
use super::{Case, findings, reasons};
use crate::diagnosis::{Finding, Outcome, Recommendation};
use crate::matrix::condition::{Beyond, Conditions, Truth};
use crate::matrix::{Environment, Gives, Product, Remedy, Setup, Severity, System, Table};
use crate::spec::{Part, Spec};

/// A want: its system, the words, how it turned out, and what is wrong with it.
pub(super) type Wanted<'a, 's> = (&'a System, &'s Spec, Outcome, Option<Finding>);

/// Recommendations for each framework.
pub(super) fn for_frameworks(planner: &Planner<'_, '_>, findings: &[Finding]) -> Vec<Recommendation> {
    let case = planner.case();
    let frameworks = case.matrix.systems.iter().filter(|system| system.tables.contains(&Table::Frameworks));
    frameworks
        .flat_map(|system| match (chosen(case, system), product(case, system)) {
            (Some(setup), _) if is_first(setup) => vec![by_setup(case, system, setup)],
            (_, Some(product)) => {
                let outlook =
                    planner.outlook(Some(system), product, &Place::active(case.ground.report), plan::Wish::default());
                by_outlook(planner, system, None, &outlook, findings)
            }
            (setup, None) => setup.map(|setup| by_setup(case, system, setup)).into_iter().collect(),
        })
        .collect()
}

/// Recommendations for the wants that can be helped.
pub(super) fn for_wants(
    planner: &Planner<'_, '_>,
    wanted: &[Wanted<'_, '_>],
    findings: &[Finding],
) -> Vec<Recommendation> {
    let of = |wanted: &Wanted<'_, '_>| {
        let want = Some(wanted.1.text.clone());
        let all = for_want(planner, wanted, findings).into_iter();
        all.map(move |one| Recommendation { want: want.clone(), ..one }).collect::<Vec<_>>()
    };
    wanted.iter().flat_map(of).collect()
}

fn for_want<'a>(
    planner: &Planner<'_, 'a>,
    (system, spec, verdict, finding): &Wanted<'a, '_>,
    findings: &[Finding],
) -> Vec<Recommendation> {
    let case = planner.case();
    let product = product(case, system);
    let setup = match (spec.part, product) {
        (Some(Part::Cpu), Some(_)) => None,
        (Some(Part::Cpu), None) => on_the_processor(case, system).or_else(|| chosen(case, system)),
        _ => chosen(case, system),
    };
    // What the matrix says no to has its own way out, unless the set-up for this very machine knows a better one.
    if let Some(finding) = finding
        && setup.is_none_or(|setup| setup.gives == Gives::Gpu)
        && (product.is_none() || system.support.iter().any(|support| support.id == finding.rule))
        && let Some(remedy) = finding.remedy.as_ref().filter(|remedy| !remedy.commands.is_empty())
    {
        return vec![Recommendation {
            gives: Gives::Move,
            text: remedy.text.clone(),
            commands: remedy.commands.clone(),
            because: vec![finding.rule.clone()],
            sources: finding.sources.clone(),
            ..empty(system)
        }];
    }
    // Who wants other releases than the newest gets them by name where they can be had.
    let newest = product.and_then(Product::horizon);
    let takes_newest = spec.range.as_ref().is_none_or(|range| newest.is_none_or(|newest| range.contains(newest)));
    let setup = setup.filter(|setup| takes_newest || !is_first(setup) || *verdict != Outcome::Holds);
    match (setup, product) {
        (Some(setup), _) if is_first(setup) => vec![by_setup(case, system, setup)],
        (_, Some(product)) => {
            let wanted = planner.wanted(system, product, spec);
            let open =
                || planner.outlook(Some(system), product, &Place::active(case.ground.report), plan::Wish::default());
            // In the place of what cannot be had, the best that can.
            let other = Some(()).filter(|()| *verdict == Outcome::Broken).map(|()| open());
            let other = other.filter(|other| !other.gpu.is_empty() || wanted.cpu.is_none());
            let mut all = by_outlook(planner, system, Some(spec), other.as_ref().unwrap_or(&wanted), findings);
            // Who is bound to a release may still have it without the GPU.
            let bound = other.is_some() && spec.part != Some(Part::Gpu) && planner.made_for(product, spec).is_none();
            if let Some(plan) = wanted.cpu.as_ref().filter(|_| bound) {
                let text = format!("or, as wanted but without the GPU: {}", plan.title());
                all.push(of_plan(planner, system, plan, Gives::Cpu, text));
            }
            all
        }
        (Some(setup), None) if takes_newest => vec![by_setup(case, system, setup)],
        _ => Vec::new(),
    }
}

/// The product of a system whose builds are known.
fn product<'a>(case: &Case<'a>, system: &System) -> Option<&'a Product> {
    let names = std::iter::once(&system.id).chain(&system.packages);
    let mut products =
        names.filter_map(|name| case.matrix.product_of_package(name).or_else(|| case.matrix.product(name)));
    products.find(|product| !product.build.is_empty())
}

/// What can be had, as recommendations: one, or one for each group of GPUs.
fn by_outlook<'a>(
    planner: &Planner<'_, 'a>,
    system: &System,
    spec: Option<&Spec>,
    outlook: &Outlook<'a>,
    findings: &[Finding],
) -> Vec<Recommendation> {
    let case = planner.case();
    let on_cpu = spec.is_some_and(|spec| planner.is_for_cpu(outlook.product, spec));
    let gpu = if on_cpu { [].as_slice() } else { outlook.gpu.as_slice() };
    let unlocks = if on_cpu { Vec::new() } else { outlook.unlocks() };
    if let Some(text) = installed(case, spec, outlook, gpu, findings) {
        let gives = if gpu.is_empty() { Gives::Cpu } else { Gives::Gpu };
        return vec![Recommendation { gives, text, unlocks, ..empty(system) }];
    }
    if gpu.is_empty() {
        let Some(plan) = &outlook.cpu else { return Vec::new() };
        let why = match planner.vendors() {
            _ if on_cpu => None,
            None => Some("whether this machine has a GPU is not known".to_owned()),
            Some(vendors) if vendors.is_empty() => None,
            Some(vendors) => Some(reasons::no_gpu(case, outlook, &vendors)),
        };
        let text = [Some(plan.title()), why, plan.build.note.clone(), plan.doubt()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; ");
        let other = spec.filter(|spec| !on_cpu && !plan::wish(spec).is_open(outlook.product)).and_then(|_| {
            let place = Place::active(case.ground.report);
            planner.outlook(None, outlook.product, &place, plan::Wish::default()).gpu.into_iter().next()
        });
        let other = other.map(|plan| format!("or instead: {}", plan.title_for()));
        // Newer statements may know a way that this edition does not judge by.
        let barred = outlook.barred.first().filter(|_| !on_cpu);
        let newer = barred.into_iter().flat_map(|(_, support)| case.contradictions(support));
        let newer = newer.map(|newer| {
            let (text, title, date) = (newer.text, newer.title, newer.date);
            format!("newer than the documents (`--edition current` judges by it): {text} ({title}, {date})")
        });
        let relative = relative(planner).filter(|_| !on_cpu);
        let unlocks = other.into_iter().chain(unlocks).chain(relative).chain(newer).collect();
        return vec![Recommendation { unlocks, ..of_plan(planner, system, plan, Gives::Cpu, text) }];
    }
    let several = gpu.len() > 1;
    let mut all: Vec<Recommendation> = gpu
        .iter()
        .map(|plan| {
            let hindered = planner.hindered(plan.build, findings);
            let waits = hindered.map(|(api, _)| format!("{} has to work here first, see above", api.name));
            // What works already needs nothing more.
            let works = planner.api(plan.build).and_then(|api| case.ground.climbs.get(&api.id));
            let works = works.is_some_and(|climb| climb.state == State::Working);
            let note = plan.build.note.clone().filter(|_| !works);
            let parts = [Some(plan.title_for()), note, plan.doubt(), waits];
            let text = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
            let only = if several || !plan.only.is_empty() { plan.only.clone() } else { Vec::new() };
            Recommendation { only, ..of_plan(planner, system, plan, Gives::Gpu, text) }
        })
        .collect();
    if let Some(first) = all.first_mut() {
        first.unlocks = unlocks;
    }
    all
}

/// The variable by which AMD's GPUs here run the code of a near relative.
fn relative(planner: &Planner<'_, '_>) -> Option<String> {
    let case = planner.case();
    if case.environment != Some(Environment::Linux) || case.ground.report.host("hsa-override-gfx-version").is_some() {
        return None;
    }
    let value = case.ground.report.all("gfx-override").find_map(|fact| fact.value.as_ref().ok())?;
    Some(format!(
        "with `export HSA_OVERRIDE_GFX_VERSION={value}`: the GPU runs as its near relative, as users report; AMD does not support \
         that. Ask again with `--set env.HSA_OVERRIDE_GFX_VERSION={value}`"
    ))
}

fn of_plan(planner: &Planner<'_, '_>, system: &System, plan: &Plan<'_>, gives: Gives, text: String) -> Recommendation {
    let case = planner.case();
    let Commands { pip, uv } = plan::install(case, plan);
    Recommendation {
        gives,
        text,
        commands: pip,
        uv,
        version: Some(plan.release.version.to_string()),
        build: Some(plan.build.id.clone()),
        because: vec![plan.product.id.clone()],
        sources: case.sources(plan.build.sources.iter().map(String::as_str)),
        ..empty(system)
    }
}

fn empty(system: &System) -> Recommendation {
    Recommendation {
        system: system.id.clone(),
        gives: Gives::Gpu,
        text: String::new(),
        want: None,
        only: Vec::new(),
        version: None,
        build: None,
        commands: Vec::new(),
        uv: Vec::new(),
        unlocks: Vec::new(),
        because: Vec::new(),
        sources: Vec::new(),
    }
}

/// What is installed in the active environment and works, in words; nothing where something else would be better.
pub(super) fn installed(
    case: &Case<'_>,
    spec: Option<&Spec>,
    outlook: &Outlook<'_>,
    gpu: &[Plan<'_>],
    findings: &[Finding],
) -> Option<String> {
    let report = case.ground.report;
    report.all("package-version").next()?;
    let folder = Place::active(report).environment;
    let product = outlook.product;
    let names = product.packages.iter().map(String::as_str);
    let mut here = names.chain(product.build.iter().filter_map(|build| build.package.as_deref())).filter_map(|name| {
        let subject = Subject::Package { environment: folder.clone(), name: name.to_owned() };
        match report.about(&subject, "package-version") {
            Some(Value::Version(version)) => Some((subject, name, version)),
            _ => None,
        }
    });
    let (subject, name, version) = here.next()?;
    let wanted = spec.and_then(|spec| spec.range.as_ref()).is_none_or(|range| range.contains(version));
    let computes = report.about(&subject, "package-build").map(ToString::to_string);
    let best = gpu.first().map(|plan| plan.build.computes.as_str());
    // A build for the processor is no match for one that uses the GPU; one that is not known may be as good.
    let good = match (computes.as_deref(), best) {
        (Some(own), Some(best)) => own == best,
        (None, Some(_)) | (_, None) => true,
    };
    let told = format!("{name} in {folder}");
    let wrong = findings.iter().any(|finding| finding.subject == told && finding.severity > Severity::Info);
    let without = case.ground.report.about(&subject, "package-gpus-without-code");
    let complete = !matches!(without, Some(Value::Set(gpus)) if !gpus.is_empty());
    (wanted && good && !wrong && complete).then(|| format!("{name} {version} is installed in {folder} and fits"))
}

/// What hinders a want by the set-ups: something that has to be done first.
pub(super) fn hindrance(case: &Case<'_>, system: &System, spec: &Spec) -> Option<Fault> {
    let setup = chosen(case, system).filter(|setup| setup.gives == Gives::Prepare)?;
    let code = setup.code.as_deref()?;
    let needed = setup.needs.as_deref().and_then(|needed| case.matrix.system(needed));
    // The processor needs no driver; and what works needs no other, whatever its number says or does not say.
    let works = |system: &System| case.ground.climbs.get(&system.id).is_some_and(|climb| climb.state == State::Working);
    if needed.is_some_and(|needed| spec.part == Some(Part::Cpu) || works(needed)) {
        return None;
    }
    let commands = setup.commands.clone();
    let remedy = (!commands.is_empty()).then(|| Remedy { text: setup.text.clone(), commands });
    let evidence = setup.when.keys().flat_map(|key| case.ground.report.all(key.name).take(1));
    let finding = Finding {
        code: code.to_owned(),
        severity: Severity::Error,
        subject: spec.text.clone(),
        message: format!("{} cannot be set up as things are: {}", system.name, setup.text),
        evidence: evidence.map(findings::evidence_of).collect(),
        rule: setup.id.clone(),
        contradicted_by: Vec::new(),
        consequences: Vec::new(),
        sources: case.sources(setup.sources.iter().map(|source| source.as_str())),
        remedy,
    };
    Some(Fault { finding, causes: needed.map(|needed| needed.explained_by.clone()).unwrap_or_default() })
}

/// The move to another system that this machine's set-up asks for, as a remedy.
pub(super) fn way_out(case: &Case<'_>, system: &System, spec: &Spec) -> Option<Remedy> {
    let setup = chosen(case, system).filter(|setup| setup.gives == Gives::Move && spec.part != Some(Part::Cpu))?;
    Some(Remedy { text: setup.text.clone(), commands: setup.commands.clone() })
}

/// Whether a set-up is about what has to be done before anything can be installed.
fn is_first(setup: &Setup) -> bool {
    matches!(setup.gives, Gives::Move | Gives::Prepare)
}

/// The set-up that asks for no GPU.
fn on_the_processor<'a>(case: &Case<'_>, system: &'a System) -> Option<&'a Setup> {
    const GPU: &[&str] = &["gpu-vendors", "nvidia-driver", "compute-capability"];
    let plain = |setup: &&Setup| setup.gives == Gives::Cpu && !setup.when.keys().any(|key| GPU.contains(&key.name));
    system.setup.iter().filter(plain).find(|setup| fits(case, setup))
}

/// The first set-up of a system whose conditions hold.
fn chosen<'a>(case: &Case<'_>, system: &'a System) -> Option<&'a Setup> {
    system.setup.iter().find(|setup| fits(case, setup))
}

pub(super) fn fits(case: &Case<'_>, setup: &Setup) -> bool {
    let here = case.ground.spot(&Subject::Host);
    let holds = |conditions: &Conditions| conditions.hold(&case.ground, &here, Beyond::Compared) == Truth::True;
    holds(&setup.when) && (setup.except.0.is_empty() || !holds(&setup.except))
}

fn by_setup(case: &Case<'_>, system: &System, setup: &Setup) -> Recommendation {
    Recommendation {
        gives: setup.gives,
        text: setup.text.clone(),
        commands: setup.commands.clone(),
        because: vec![setup.id.clone()],
        sources: case.sources(setup.sources.iter().map(|source| source.as_str())),
        ..empty(system)
    }
}
