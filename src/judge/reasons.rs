//! Why no build of what is wanted works here, as a finding, and what would work instead.

use accelprobe_probes::fact::Scope;

use super::plan::{self, Outlook, Place, Planner, Reason, Refused, Wish};
use super::wants::Fault;
use super::{Case, findings, vendor_title};
use crate::diagnosis::{Evidence, Finding};
use crate::matrix::{Product, Remedy, Severity, System};
use crate::spec::Spec;

/// Why a product runs on the processor alone.
pub(super) fn no_gpu(case: &Case<'_>, outlook: &Outlook<'_>, vendors: &[&str]) -> String {
    if vendors.is_empty() {
        return "there is no GPU here".to_owned();
    }
    if let Some((system, support)) = outlook.barred.first() {
        let environment = case.environment.map_or("here", |environment| environment.title());
        let words = support.words(case.edition).unwrap_or("not supported");
        return format!("{} on {environment}: {words}", system.name);
    }
    match outlook.refused.iter().find(|refused| refused.build.computes != "cpu") {
        Some(refused) => why(case, outlook.product, refused),
        None => {
            let titles: Vec<&str> = vendors.iter().map(|vendor| vendor_title(vendor)).collect();
            format!("no build of it is for this GPU ({})", titles.join(", "))
        }
    }
}

/// The want as a finding: the reason against the best build that was refused, and what would work.
pub(super) fn fault<'a>(planner: &Planner<'_, 'a>, system: &'a System, spec: &Spec, outlook: &Outlook<'a>) -> Fault {
    let case = planner.case();
    let product = outlook.product;
    let on_gpu = || outlook.refused.iter().filter(|refused| refused.build.computes != "cpu");
    let refused = on_gpu().find(|refused| refused.could_be_had()).or_else(|| on_gpu().next());
    let refused = refused.or_else(|| outlook.refused.first());
    let reason = refused.and_then(|refused| refused.reasons.first());
    let barred = outlook.barred.first().filter(|_| reason.is_none());
    let (code, rule, sources): (&str, &str, Vec<&str>) = match (reason, barred) {
        (Some(Reason::Rule(rule, _)), _) => {
            (&rule.code, &rule.id, rule.sources.iter().map(|source| source.as_str()).collect())
        }
        (Some(Reason::Statement(support)), _) | (None, Some((_, support))) => (
            support.code.as_deref().unwrap_or("unsupported-here"),
            &support.id,
            support.sources.iter().map(|source| source.as_str()).collect(),
        ),
        (Some(Reason::Python(..)), _) => ("python-version-unsupported", &product.id, of_builds(product, refused)),
        (Some(Reason::NoCode(_)), _) => {
            let code = match refused.map(|refused| refused.build.computes.as_str()) {
                Some("rocm") => "rocm-gfx-not-in-build",
                _ => "arch-not-in-wheel",
            };
            (code, &product.id, of_builds(product, refused))
        }
        (None, None) => ("platform-no-wheel", &product.id, vec![&product.source]),
    };
    let range = spec.range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
    let because = match (refused, barred) {
        (Some(refused), _) => why(case, product, refused),
        (None, Some((system, support))) => {
            format!("{}: {}", system.name, support.words(case.edition).unwrap_or("not supported here"))
        }
        (None, None) => format!("no wheel of it is for {}", platform(case)),
    };
    let causes = match reason {
        Some(Reason::Rule(rule, _)) => std::iter::once(&rule.id).chain(&rule.caused_by).cloned().collect(),
        _ => Vec::new(),
    };
    let finding = Finding {
        code: code.to_owned(),
        severity: Severity::Error,
        subject: spec.text.clone(),
        message: format!("{}{range} cannot be used here: {because}", product.name),
        evidence: reason.map(|reason| evidence(case, reason)).unwrap_or_default(),
        rule: rule.to_owned(),
        contradicted_by: barred.map(|(_, support)| case.contradictions(support)).unwrap_or_default(),
        consequences: Vec::new(),
        sources: case.sources(sources),
        remedy: remedy(planner, system, spec, outlook),
    };
    Fault { finding, causes }
}

fn of_builds<'a>(product: &'a Product, refused: Option<&Refused<'a>>) -> Vec<&'a str> {
    match refused {
        Some(refused) => refused.build.sources.iter().map(String::as_str).collect(),
        None => vec![&product.source],
    }
}

/// The first reason against a build, in words.
fn why(case: &Case<'_>, product: &Product, refused: &Refused<'_>) -> String {
    let title = plan::title(product, refused.release, refused.build);
    match refused.reasons.first() {
        Some(Reason::Python(range, own)) => {
            let release = &refused.release.version;
            format!("{} {release} is for Python {}, and this is {own}", product.name, range.words())
        }
        Some(Reason::NoCode(gpus)) => format!("{title} holds no code for {}", gpus.join(", ")),
        Some(reason @ Reason::Rule(_, row)) => {
            let told = evidence(case, reason);
            let found: Vec<String> = told.iter().map(|fact| format!("{} is {}", fact.fact, fact.value)).collect();
            let found = if found.is_empty() { String::new() } else { format!(", and {}", found.join(", ")) };
            format!("{title} needs {}{found}", plan::required(row))
        }
        Some(Reason::Statement(support)) => {
            format!("{title}: {}", support.words(case.edition).unwrap_or("not supported here"))
        }
        None => title,
    }
}

fn evidence(case: &Case<'_>, reason: &Reason<'_>) -> Vec<Evidence> {
    let report = case.ground.report;
    let of = |key: &str| report.all(key).take(1).map(findings::evidence_of).collect::<Vec<_>>();
    match reason {
        Reason::Python(..) => {
            let inside = of("environment-python");
            if inside.is_empty() { of("python") } else { inside }
        }
        Reason::NoCode(_) => [of("compute-capability"), of("gfx-target")].concat(),
        Reason::Rule(_, row) => {
            row.require.keys().filter(|key| key.scope == Scope::Host).flat_map(|key| of(key.name)).collect()
        }
        Reason::Statement(_) => of("environment"),
    }
}

fn platform(case: &Case<'_>) -> String {
    let environment = case.environment.map_or("this system", |environment| environment.title());
    match case.ground.report.text("arch") {
        "" => environment.to_owned(),
        arch => format!("{environment} on {arch}"),
    }
}

/// What would work: other releases as things are, these releases after an upgrade.
fn remedy<'a>(planner: &Planner<'_, 'a>, system: &'a System, spec: &Spec, outlook: &Outlook<'a>) -> Option<Remedy> {
    let case = planner.case();
    let product = outlook.product;
    let wish = plan::wish(spec);
    let other = (!wish.is_open(product))
        .then(|| planner.outlook(Some(system), product, &Place::active(case.ground.report), Wish::default()));
    let instead = other.as_ref().and_then(|other| other.gpu.first());
    let mut parts: Vec<String> =
        instead.map(|plan| format!("{} works as things are", plan.title_for())).into_iter().collect();
    parts.extend(outlook.unlocks());
    if parts.is_empty() {
        return None;
    }
    let commands = instead.map(|plan| plan::install(case, plan).pip).unwrap_or_default();
    let mut text = parts.join("; ");
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    Some(Remedy { text, commands })
}
