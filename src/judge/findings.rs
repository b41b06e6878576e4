//! Findings by the matrix's rules: each row whose `when` holds and whose `require` does not.

use accelprobe_probes::fact::{Fact, Key, Scope, Subject, Value};

use super::ground::Ground;
use super::known::Known;
use super::known::Spot;
use super::{Case, devices, plan};
use crate::diagnosis::{Consequence, Evidence, Finding};
use crate::matrix::condition::{self, Beyond, Conditions, Truth};
use crate::matrix::{Remedy, Row, Rule, Severity, template};

/// How many origins of one fact are shown as evidence.
const MOST_ORIGINS: usize = 4;

/// The findings of all rules, one for each rule and subject. A row about devices, drivers or packages is judged for each of
/// them; what another finding causes is told with that one.
pub(super) fn by_rules(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<(Subject, Finding)> = Vec::new();
    let mut judged = Judged::new(&case.ground);
    for rule in &case.matrix.rules {
        let first = findings.len();
        for row in &rule.row {
            for spot in judged.spots(row) {
                let of_rule = findings.get(first..).unwrap_or_default();
                if is_broken(&case.ground, row, spot) && !of_rule.iter().any(|(told, _)| told == spot.subject) {
                    findings.push((spot.subject.clone(), finding(case, rule, row, spot)));
                }
            }
        }
    }
    fold(findings, case)
}

/// Whether a row applies to a subject and does not hold.
pub(super) fn is_broken(ground: &Ground<'_>, row: &Row, spot: &Spot<'_>) -> bool {
    row.when.hold(ground, spot, Beyond::Unknown) == Truth::True
        && row.require.hold(ground, spot, Beyond::Unknown) == Truth::False
        && (row.except.0.is_empty() || row.except.hold(ground, spot, Beyond::Compared) != Truth::True)
}

/// Folds findings below those that cause them. A fault is as bad as the worst that follows from it.
fn fold(findings: Vec<(Subject, Finding)>, case: &Case<'_>) -> Vec<Finding> {
    let cause_of = |place: usize| {
        let (subject, finding) = findings.get(place)?;
        let rule = case.matrix.rules.iter().find(|rule| rule.id == finding.rule)?;
        let causes = |(at, (other, cause)): (usize, &(Subject, Finding))| {
            (at != place && rule.caused_by.contains(&cause.rule) && explains(other, subject)).then_some(at)
        };
        findings.iter().enumerate().find_map(causes)
    };
    // The first cause of all; rules that name each other as causes stay where they are.
    let root_of = |place: usize| {
        let mut root = place;
        for _ in 0..findings.len() {
            match cause_of(root) {
                Some(cause) => root = cause,
                None => return root,
            }
        }
        place
    };
    let roots: Vec<usize> = (0..findings.len()).map(root_of).collect();
    let mut folded: Vec<Finding> = findings.iter().map(|(_, finding)| finding.clone()).collect();
    for (place, root) in roots.iter().enumerate().filter(|(place, root)| place != *root) {
        let Some((_, finding)) = findings.get(place) else { continue };
        let consequence = Consequence {
            code: finding.code.clone(),
            rule: finding.rule.clone(),
            subject: finding.subject.clone(),
            message: finding.message.clone(),
        };
        if let Some(cause) = folded.get_mut(*root) {
            // What is no fault in itself (a console chip without its driver) makes none of what follows from it.
            if cause.severity > Severity::Info {
                cause.severity = cause.severity.max(finding.severity);
            }
            if !cause.consequences.contains(&consequence) {
                cause.consequences.push(consequence);
            }
        }
    }
    let causes = folded.into_iter().zip(roots).enumerate().filter(|(place, (_, root))| place == root);
    causes.map(|(_, (finding, _))| finding).collect()
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

/// What rows are judged for.
struct Judged<'g, 'a> {
    ground: &'g Ground<'a>,
    /// The subjects that have a fact under a key: hundreds of rows are judged for the same packages.
    spots: Vec<(Option<&'static Key>, Vec<Spot<'a>>)>,
}

impl<'g, 'a> Judged<'g, 'a> {
    fn new(ground: &'g Ground<'a>) -> Judged<'g, 'a> {
        static MACHINE: Subject = Subject::Host;
        Judged { ground, spots: vec![(None, vec![ground.spot(&MACHINE)])] }
    }

    /// The subjects of the narrowest fact that a row looks at; the machine where it looks at nothing narrower.
    fn spots(&mut self, row: &Row) -> &[Spot<'a>] {
        let key = row.judged_for();
        let place = self.spots.iter().position(|(own, _)| own.map(|key| key.name) == key.map(|key| key.name));
        let place = place.unwrap_or_else(|| {
            self.spots.push((key, key.map(|key| self.ground.spots(key)).unwrap_or_default()));
            self.spots.len() - 1
        });
        self.spots.get(place).map_or([].as_slice(), |(_, spots)| spots)
    }
}

fn finding(case: &Case<'_>, rule: &Rule, row: &Row, spot: &Spot<'_>) -> Finding {
    Finding {
        code: rule.code.clone(),
        severity: row.severity.unwrap_or(rule.severity),
        subject: shown(case.ground.report, spot.subject),
        message: fill(&rule.message, &case.ground, row, spot, ", "),
        evidence: evidence(&case.ground, row, spot),
        rule: rule.id.clone(),
        contradicted_by: Vec::new(),
        consequences: Vec::new(),
        sources: case.sources(rule.sources.iter().map(String::as_str)),
        remedy: Some(remedy(row.remedy.as_ref().unwrap_or(&rule.remedy), &case.ground, row, spot)),
    }
}

fn remedy(remedy: &Remedy, ground: &Ground<'_>, row: &Row, spot: &Spot<'_>) -> Remedy {
    // In a command the items of a set are arguments. What names something that is not known cannot be run, and neither may
    // what a shell would take for more than a word; commands that are facts are quoted by who makes them.
    let may_stand = |command: &str, name: &str| {
        let quoted = command.contains(&format!("'{{{name}}}'"));
        let plain =
            |c: char| c.is_ascii_alphanumeric() || "._+-=![]~:/@,% ".contains(c) || (quoted && "<>*".contains(c));
        let known = |fact: &Fact| {
            fact.value.as_ref().is_ok_and(|value| is_command(name) || value.to_string().chars().all(plain))
        };
        matches!(name, "subject" | "package" | "require") || told(name, ground, spot).is_some_and(known)
    };
    let whole =
        remedy.commands.iter().filter(|command| template::names(command).iter().all(|name| may_stand(command, name)));
    let commands = whole.map(|command| fill(command, ground, row, spot, " "));
    Remedy { text: fill(&remedy.text, ground, row, spot, ", "), commands: commands.collect() }
}

fn evidence(ground: &Ground<'_>, row: &Row, spot: &Spot<'_>) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = Vec::new();
    for key in row.require.keys().chain(row.when.keys()) {
        for fact in ground.facts(key, spot).take(MOST_ORIGINS) {
            let told = evidence_of(fact);
            if !evidence.contains(&told) {
                evidence.push(told);
            }
        }
    }
    let beside = [&row.require, &row.when].into_iter().flat_map(Conditions::beside);
    for fact in beside.filter_map(|name| ground.package_beside(spot.subject, name)) {
        evidence.push(Evidence { fact: fact.subject.to_string(), ..evidence_of(fact) });
    }
    evidence
}

/// Whether a fact is a command, or the end of one.
fn is_command(name: &str) -> bool {
    ["-install", "-uninstall", "-repair"].iter().any(|end| name.ends_with(end))
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
fn shown(report: &Known, subject: &Subject) -> String {
    match subject {
        Subject::Host => "this machine".to_owned(),
        Subject::Icd(id) => id.split_once(':').map_or(id.as_str(), |(_, manifest)| manifest).to_owned(),
        Subject::Device(id) => devices::shown(report, subject, id),
        Subject::Library(path) => path.clone(),
        Subject::Environment(folder) => folder.clone(),
        // What is only supposed is nowhere yet.
        Subject::Package { environment, name } if environment.is_empty() => name.clone(),
        Subject::Package { environment, name } => format!("{name} in {environment}"),
    }
}

/// A text with facts in the place of `{key}`, the subject in that of `{subject}`, the bare name of a package in that of
/// `{package}`, and what the row requires in that of `{require}`. The items of a set stand apart by `between`.
pub(super) fn fill(text: &str, ground: &Ground<'_>, row: &Row, spot: &Spot<'_>, between: &str) -> String {
    template::fill(text, |name| {
        match (name, spot.subject) {
            ("subject", _) => return shown(ground.report, spot.subject),
            ("package", Subject::Package { name, .. }) => return name.clone(),
            ("require", _) => return plan::required(row),
            _ => {}
        }
        match told(name, ground, spot) {
            Some(Fact { value: Ok(Value::Set(items)), .. }) if !items.is_empty() => items.join(between),
            Some(fact) => value_of(fact),
            None => "unknown".to_owned(),
        }
    })
}

/// What a name in a text stands for. What is known of the subject counts before what is known of others; of another package
/// nothing is said in its place.
fn told<'a>(name: &str, ground: &Ground<'a>, spot: &Spot<'_>) -> Option<&'a Fact> {
    let key = condition::key(name)?;
    let own: Vec<&Fact> = ground.facts(key, spot).collect();
    let of_package = key.scope == Scope::Package && matches!(spot.subject, Subject::Package { .. });
    let facts = if own.is_empty() && !of_package { ground.report.all(key.name).collect() } else { own };
    facts.iter().find(|fact| fact.value.is_ok()).or(facts.first()).copied()
}
