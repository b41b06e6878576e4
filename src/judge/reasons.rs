//! Why no build of what is wanted works here, as a finding, and what would work instead.

use accelprobe_probes::version::Version;

use super::plan::{self, Outlook, Place, Plan, Planner, Reason, Refused, Wish};
use super::wants::Fault;
use super::{Case, findings, vendor_title};
use crate::diagnosis::Finding;
use crate::matrix::{Release, Remedy, Severity, System};
use crate::spec::Spec;

/// Why a product runs on the processor alone.
pub(super) fn no_gpu(case: &Case<'_>, outlook: &Outlook<'_>, vendors: &[&str]) -> String {
    if vendors.is_empty() {
        return "there is no GPU here".to_owned();
    }
    let on_gpu = || outlook.refused.iter().filter(|refused| refused.build.computes != "cpu");
    let lacks_code = |refused: &Refused<'_>| {
        refused.reason().is_some_and(|reason| matches!(reason.code, "arch-not-in-wheel" | "rocm-gfx-not-in-build"))
    };
    if on_gpu().next().is_some() && on_gpu().all(lacks_code) {
        return format!("no GPU build of it holds code for {}", outlook.gpus.join(", "));
    }
    if let Some(reason) = on_gpu().next().and_then(Refused::reason) {
        return reason.message.clone();
    }
    if let Some((system, support)) = outlook.barred.first() {
        let environment = case.environment.map_or("here", |environment| environment.title());
        let words = support.words(case.edition).unwrap_or("not supported");
        return format!("{} on {environment}: {words}", system.name);
    }
    let titles: Vec<&str> = vendors.iter().map(|vendor| vendor_title(vendor)).collect();
    format!("no build of it is for this GPU ({})", titles.join(", "))
}

/// The want as a finding: the reason against the best build that was refused, and what would work.
pub(super) fn fault<'a>(
    planner: &Planner<'_, 'a>,
    system: Option<&'a System>,
    spec: &Spec,
    outlook: &Outlook<'a>,
) -> Fault {
    let case = planner.case();
    let product = outlook.product;
    let on_gpu = || outlook.refused.iter().filter(|refused| refused.build.computes != "cpu");
    let refused = on_gpu().find(|refused| refused.could_be_had()).or_else(|| on_gpu().next());
    let reason = refused.or_else(|| outlook.refused.first()).and_then(Refused::reason);
    let barred = outlook.barred.first().map(|(system, support)| Reason {
        code: support.code.as_deref().unwrap_or("unsupported-here"),
        rule: &support.id,
        caused_by: &[],
        message: format!("{}: {}", system.name, support.words(case.edition).unwrap_or("not supported here")),
        keys: accelprobe_probes::key("environment").into_iter().collect(),
        change: None,
        sources: &support.sources,
    });
    let no_wheel = || Reason {
        code: "platform-no-wheel",
        rule: &product.id,
        caused_by: &[],
        message: format!("no wheel of it is for {}", platform(case)),
        keys: ["environment", "arch"].into_iter().filter_map(accelprobe_probes::key).collect(),
        change: None,
        sources: std::slice::from_ref(&product.source),
    };
    let python = || without_python(case, outlook, spec);
    let reason = reason.cloned().or_else(python).or(barred).unwrap_or_else(no_wheel);
    let range = spec.range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
    let evidence = reason.keys.iter().flat_map(|key| case.ground.report.all(key.name).take(1));
    let finding = Finding {
        code: reason.code.to_owned(),
        severity: Severity::Error,
        subject: spec.text.clone(),
        message: format!("{}{range} cannot be used here: {}", product.name, reason.message),
        evidence: evidence.map(findings::evidence_of).collect(),
        rule: reason.rule.to_owned(),
        contradicted_by: outlook.barred.iter().flat_map(|(_, support)| case.contradictions(support)).collect(),
        consequences: Vec::new(),
        sources: case.sources(reason.sources.iter().map(String::as_str)),
        remedy: remedy(planner, system, spec, outlook),
    };
    let causes = std::iter::once(reason.rule.to_owned()).chain(reason.caused_by.iter().cloned()).collect();
    Fault { finding, causes }
}

/// That no release which is wanted has wheels for this Python: so it is whatever else stands in the way.
fn without_python<'a>(case: &Case<'a>, outlook: &Outlook<'a>, spec: &Spec) -> Option<Reason<'a>> {
    let python = Place::active(case.ground.report).python?;
    let wanted = |release: &&Release| spec.range.as_ref().is_none_or(|range| range.contains(&release.version));
    let mut releases = outlook.product.release.iter().filter(wanted).peekable();
    let newest = releases.peek().and_then(|_| outlook.product.release.iter().rev().find(wanted))?;
    let fits = |release: &Release| release.python.as_ref().is_none_or(|range| range.contains(&python));
    if releases.any(fits) {
        return None;
    }
    let rule =
        case.matrix.rules.iter().find(|rule| rule.code == "python-version-unsupported" && rule.area == "packages")?;
    let range = newest.python.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(Reason {
        code: &rule.code,
        rule: &rule.id,
        caused_by: &rule.caused_by,
        message: format!("{} {} is for Python {range}, and this is {python}", outlook.product.name, newest.version),
        keys: accelprobe_probes::key("python").into_iter().collect(),
        change: None,
        sources: std::slice::from_ref(&outlook.product.source),
    })
}

fn platform(case: &Case<'_>) -> String {
    let environment = case.environment.map_or("this system", |environment| environment.title());
    match case.ground.report.text("arch") {
        "" => environment.to_owned(),
        arch => format!("{environment} on {arch}"),
    }
}

/// What would work: other releases as things are, these releases after an upgrade.
fn remedy<'a>(
    planner: &Planner<'_, 'a>,
    system: Option<&'a System>,
    spec: &Spec,
    outlook: &Outlook<'a>,
) -> Option<Remedy> {
    let case = planner.case();
    let product = outlook.product;
    let wish = plan::wish(spec);
    let other = (!wish.is_open(product))
        .then(|| planner.outlook(system, product, &Place::active(case.ground.report), Wish::default()));
    let instead = other.as_ref().and_then(|other| other.gpu.first());
    let mut parts: Vec<String> =
        instead.map(|plan| format!("{} works as things are", plan.title_for())).into_iter().collect();
    parts.extend(outlook.unlocks());
    if parts.is_empty() {
        let mut barred = outlook.barred.iter();
        return barred.find_map(|(_, support)| support.remedy.clone());
    }
    // Another Python is the one upgrade that a command brings without harm to anything else.
    let commands = match instead {
        Some(plan) => plan::install(case, plan).pip,
        None => outlook.refused.iter().find_map(|refused| with_its_python(case, outlook, refused)).unwrap_or_default(),
    };
    let mut text = parts.join("; ");
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    Some(Remedy { text, commands })
}

/// The commands for what is refused for its Python alone: uv brings the newest that it takes.
fn with_its_python(case: &Case<'_>, outlook: &Outlook<'_>, refused: &Refused<'_>) -> Option<Vec<String>> {
    let Refused { release, build, reasons } = refused;
    if reasons.is_empty() || reasons.iter().any(|reason| reason.code != "python-version-unsupported") {
        return None;
    }
    let takes =
        |python: &&Version| [&release.python, &build.python].into_iter().flatten().all(|range| range.contains(python));
    let pythons = case.matrix.product("python")?.release.iter().rev().map(|release| &release.version);
    let python = pythons.into_iter().find(takes)?;
    let plan = Plan { product: outlook.product, release, build, only: Vec::new(), doubts: Vec::new() };
    Some(plan::with_python(case, &plan, python))
}
