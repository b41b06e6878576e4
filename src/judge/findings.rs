//! Findings by the matrix's rules: each row whose `when` holds and whose `require` does not.

use accelprobe_probes::fact::{Fact, Report, Scope, Subject, Value};

use super::{Case, devices};
use crate::diagnosis::{Evidence, Finding};
use crate::matrix::condition::{Ground, Truth};
use crate::matrix::{Remedy, Row, Rule, template};

/// How many origins of one fact are shown as evidence.
const MOST_ORIGINS: usize = 4;

/// The findings of all rules, one for each rule and subject. A row about devices or drivers is judged for each of them;
/// what another finding causes is left out.
pub(super) fn by_rules(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<(Subject, Finding)> = Vec::new();
    for rule in &case.matrix.rules {
        for row in &rule.row {
            for subject in subjects(case.ground.report, row) {
                let told = findings.iter().any(|(told, finding)| finding.rule == rule.id && *told == subject);
                let broken = || {
                    row.when.hold(&case.ground, &subject) == Truth::True
                        && row.require.hold(&case.ground, &subject) == Truth::False
                };
                if !told && broken() {
                    let finding = finding(case, rule, row, &subject);
                    findings.push((subject, finding));
                }
            }
        }
    }
    let fired: Vec<(Subject, String)> =
        findings.iter().map(|(subject, finding)| (subject.clone(), finding.rule.clone())).collect();
    let caused = |subject: &Subject, id: &str| {
        let rule = case.matrix.rules.iter().find(|rule| rule.id == id);
        let causes = rule.map(|rule| rule.unless.as_slice()).unwrap_or_default();
        fired.iter().any(|(other, fired)| causes.contains(fired) && explains(other, subject))
    };
    findings.retain(|(subject, finding)| !caused(subject, &finding.rule));
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// Whether what is wrong with one subject may cause what is wrong with another. What happens in one Python environment explains
/// nothing in the next.
fn explains(cause: &Subject, other: &Subject) -> bool {
    match (cause, other) {
        (Subject::Package { .. }, Subject::Package { .. }) | (Subject::Environment(_), Subject::Environment(_)) => {
            cause == other
        }
        (Subject::Package { environment, .. }, Subject::Environment(folder))
        | (Subject::Environment(folder), Subject::Package { environment, .. }) => environment == folder,
        _ => true,
    }
}

/// What a row is judged for: the subjects of the narrowest fact that it requires.
fn subjects(report: &Report, row: &Row) -> Vec<Subject> {
    let keys = || row.require.keys().chain(row.when.keys());
    // What is part of something else is narrower than that.
    let narrow = keys().find(|key| key.scope == Scope::Package).or_else(|| keys().find(|key| key.scope != Scope::Host));
    match narrow {
        Some(key) => report.subjects(key.name).into_iter().cloned().collect(),
        None => vec![Subject::Host],
    }
}

fn finding(case: &Case<'_>, rule: &Rule, row: &Row, subject: &Subject) -> Finding {
    Finding {
        code: rule.code.clone(),
        severity: row.severity.unwrap_or(rule.severity),
        subject: shown(case.ground.report, subject),
        message: fill(&rule.message, &case.ground, subject, ", "),
        evidence: evidence(&case.ground, row, subject),
        rule: rule.id.clone(),
        contradicted_by: Vec::new(),
        sources: case.sources(rule.sources.iter().map(|source| source.get_ref().as_str())),
        remedy: Some(remedy(row.remedy.as_ref().unwrap_or(&rule.remedy), &case.ground, subject)),
    }
}

fn remedy(remedy: &Remedy, ground: &Ground<'_>, subject: &Subject) -> Remedy {
    // In a command the items of a set are arguments.
    let commands = remedy.commands.iter().map(|command| fill(command, ground, subject, " "));
    Remedy { text: fill(&remedy.text, ground, subject, ", "), commands: commands.collect() }
}

fn evidence(ground: &Ground<'_>, row: &Row, subject: &Subject) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = Vec::new();
    for key in row.require.keys().chain(row.when.keys()) {
        for fact in ground.facts(key, subject).into_iter().take(MOST_ORIGINS) {
            let told = evidence_of(fact);
            if !evidence.contains(&told) {
                evidence.push(told);
            }
        }
    }
    evidence
}

/// A fact as evidence.
pub(super) fn evidence_of(fact: &Fact) -> Evidence {
    Evidence { fact: fact.key.name.to_owned(), value: value_of(fact), origin: fact.origin.to_string() }
}

fn value_of(fact: &Fact) -> String {
    match &fact.value {
        Ok(value) if value.to_string().is_empty() => "(empty)".to_owned(),
        Ok(value) => value.to_string(),
        Err(missing) => missing.to_string(),
    }
}

/// A subject as people know it.
fn shown(report: &Report, subject: &Subject) -> String {
    match subject {
        Subject::Host => "this machine".to_owned(),
        Subject::Icd(id) => id.split_once(':').map_or(id.as_str(), |(_, manifest)| manifest).to_owned(),
        Subject::Device(id) => devices::shown(report, subject, id),
        Subject::Library(path) => path.clone(),
        Subject::Environment(folder) => folder.clone(),
        Subject::Package { environment, name } => format!("{name} in {environment}"),
    }
}

/// A text with facts in the place of `{key}`, the subject in that of `{subject}`, and the bare name of a package in that of
/// `{package}`. The items of a set stand apart by `between`.
fn fill(text: &str, ground: &Ground<'_>, subject: &Subject, between: &str) -> String {
    template::fill(text, |name| {
        match (name, subject) {
            ("subject", _) => return shown(ground.report, subject),
            ("package", Subject::Package { name, .. }) => return name.clone(),
            _ => {}
        }
        let own = accelprobe_probes::key(name).map(|key| ground.facts(key, subject)).unwrap_or_default();
        // What is known of the subject counts before what is known of others.
        let facts = if own.is_empty() { ground.report.all(name).collect() } else { own };
        match facts.iter().find(|fact| fact.value.is_ok()).or(facts.first()) {
            Some(Fact { value: Ok(Value::Set(items)), .. }) if !items.is_empty() => items.join(between),
            Some(fact) => value_of(fact),
            None => "unknown".to_owned(),
        }
    })
}
