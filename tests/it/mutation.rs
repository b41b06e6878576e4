//! Whether the fixtures would notice a wrong number: each version in each row of a rule is moved to the release before it and
//! to the one behind it, and some fixture's diagnosis must change.
//!
//! All of it takes minutes: `ACCELPROBE_MUTATIONS=all cargo test --test it mutation -- --nocapture` tries every number, tells
//! those that no fixture notices, and writes the others to `noticed.txt`. Without the variable a sample of those is tried, which
//! must still be noticed. Whatever no fixture notices stands in docs/rules/ all the same, where a change of it shows.

use std::collections::BTreeSet;
use std::fmt::Write;

use accelprobe::judge::{Asked, judge};
use accelprobe::matrix::condition::{Conditions, Term, Test};
use accelprobe::matrix::{self, Matrix, Rule};
use accelprobe::spec::Spec;
use accelprobe_probes::fact::{Report, Value};
use accelprobe_probes::version::Version;

use crate::tool::root;

/// About one in so many numbers is tried where nobody asks for all.
const SAMPLE: usize = 8;

/// A fixture as it is judged.
struct Machine {
    report: Report,
    asked: Asked,
}

fn machines() -> Vec<Machine> {
    let one = |diagnosis: &serde_json::Value| {
        let report = accelprobe::diagnosis::report_in(&diagnosis.to_string()).unwrap();
        let wants = diagnosis["wants"].as_array().unwrap().iter();
        let wants = wants.map(|want| Spec::parse(want["spec"].as_str().unwrap()).unwrap()).collect();
        Machine { report, asked: Asked { wants, ..Asked::default() } }
    };
    crate::replay::diagnoses().iter().map(|(_, diagnosis)| one(diagnosis)).collect()
}

/// One number in a row: in which part of it, under which name, and the text of the range.
struct Number {
    row: usize,
    part: &'static str,
    key: String,
    range: String,
    bound: Version,
}

impl Number {
    /// The words by which it is listed.
    fn named(&self, rule: &Rule) -> String {
        let row = &rule.row[self.row];
        let words =
            |conditions: &Conditions| conditions.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        // By what the row says, as its place among the others may change.
        let (when, require) = (words(&row.when), words(&row.require));
        format!("{}: {} {} {} in: {when} -> {require}", rule.id, self.part, self.key, self.bound)
    }
}

/// All numbers of a rule.
fn numbers(rule: &Rule) -> Vec<Number> {
    let mut numbers = Vec::new();
    for (row, parts) in rule.row.iter().enumerate() {
        for (part, conditions) in [("when", &parts.when), ("except", &parts.except), ("require", &parts.require)] {
            for condition in &conditions.0 {
                let Test::Within(range) = &condition.test else { continue };
                let key = match &condition.term {
                    Term::Fact(key) => key.name.to_owned(),
                    Term::Beside(name) => format!("beside-{name}"),
                    _ => continue,
                };
                let bounds = range.bounds().cloned();
                numbers.extend(bounds.map(|bound| Number {
                    row,
                    part,
                    key: key.clone(),
                    range: range.text().to_owned(),
                    bound,
                }));
            }
        }
    }
    numbers
}

/// The releases around a version: the one before it and the one behind it, by the product that the number is of.
fn neighbours(matrix: &Matrix, rule: &Rule, number: &Number) -> Vec<Version> {
    let by_key = |key: &str| matrix.products.iter().find(|product| product.keys.iter().any(|one| one == key));
    let named = number.key.strip_prefix("beside-");
    let of_package = |name: &str| matrix.products.iter().find(|product| product.packages.iter().any(|one| one == name));
    let judged = || {
        let row = &rule.row[number.row];
        let names = row.when.0.iter().filter_map(|condition| match (&condition.term, &condition.test) {
            (Term::Package, Test::OneOf(names)) => names.first(),
            _ => None,
        });
        names.into_iter().find_map(|name| of_package(name))
    };
    let product = match number.key.as_str() {
        "package-version" => judged(),
        key => named.and_then(|name| of_package(name).or_else(|| by_key(name))).or_else(|| by_key(key)),
    };
    let capabilities = || {
        let families = matrix.gpus.iter().flat_map(|gpus| &gpus.family);
        families.filter_map(|family| family.compute_capability.clone()).collect::<BTreeSet<_>>()
    };
    let releases: BTreeSet<Version> = match product {
        Some(product) => product.release.iter().map(|release| release.version.clone()).collect(),
        None if number.key == "compute-capability" => capabilities(),
        None => BTreeSet::new(),
    };
    let before = releases.iter().rev().find(|release| **release < number.bound);
    let behind = releases.iter().find(|release| **release > number.bound && !release.starts_with(&number.bound));
    if !releases.is_empty() {
        return before.into_iter().chain(behind).cloned().collect();
    }
    // Of what has no list of releases the last number is made one less and one more.
    let mut parts: Vec<u64> = number.bound.text().split('.').map_while(|part| part.parse().ok()).collect();
    let mut moved = Vec::new();
    for by in [-1, 1] {
        let Some(last) = parts.last().copied().and_then(|last| last.checked_add_signed(by)) else { continue };
        let text = parts[..parts.len() - 1].iter().chain([&last]).map(u64::to_string).collect::<Vec<_>>().join(".");
        moved.extend(text.parse());
    }
    parts.clear();
    moved
}

/// A rule with one number moved.
fn moved(text: &str, rule: &Rule, number: &Number, to: &Version) -> Option<Rule> {
    let mut table: toml::Table = text.parse().unwrap();
    let row = table.get_mut("row")?.as_array_mut()?.get_mut(number.row)?.as_table_mut()?;
    let value = row.get_mut(number.part)?.as_table_mut()?.get_mut(&number.key)?;
    let was = value.as_str()?.to_owned();
    assert_eq!(was.trim(), number.range);
    // A bound may be the beginning of another one: signs and commas stand around it.
    let conditions: Vec<String> = was
        .split(',')
        .map(|condition| {
            let bound = condition.trim().trim_start_matches(['<', '>', '=', '!']).trim().trim_end_matches(".*");
            match bound == number.bound.text() || bound == number.bound.text().trim_end_matches(".*") {
                true => condition.replace(bound, to.text()),
                false => condition.to_owned(),
            }
        })
        .collect();
    *value = toml::Value::String(conditions.join(","));
    let read: Rule = table.try_into().ok()?;
    Some(Rule { id: rule.id.clone(), area: rule.area.clone(), ..read })
}

/// What is said of a machine by one rule.
fn told(machine: &Machine, matrix: &Matrix) -> String {
    let diagnosis = judge(machine.report.clone(), matrix, &machine.asked).unwrap();
    let mut told = String::new();
    for finding in &diagnosis.findings {
        _ = writeln!(told, "{} {:?} {} {}", finding.rule, finding.severity, finding.subject, finding.message);
    }
    let wants = diagnosis.wants.iter().map(|want| format!("{} {:?}", want.spec, want.verdict));
    let recommended = diagnosis.recommendations.iter().map(|one| format!("{} {:?}", one.text, one.commands));
    wants.chain(recommended).for_each(|line| _ = writeln!(told, "{line}"));
    told
}

/// Whether a machine may notice that a number moved: something there has a version between both. Builds that are only thought
/// of have every version that builds have, so of rules about packages every machine may.
fn may_notice(machine: &Machine, rule: &Rule, number: &Number, to: &Version) -> bool {
    let row = &rule.row[number.row];
    if row.when.is_of_packages() || row.require.is_of_packages() || accelprobe_probes::key(&number.key).is_none() {
        return true;
    }
    let (low, high) = (to.min(&number.bound), to.max(&number.bound));
    machine.report.all(&number.key).any(|fact| match &fact.value {
        // The beginning of a bound may be meant: 12.8.1 is a 12.8.
        Ok(Value::Version(version)) => version >= low && (version <= high || version.starts_with(high)),
        _ => false,
    })
}

/// The numbers that some fixture notices, one a line.
fn noticed_before() -> BTreeSet<String> {
    let list = std::fs::read_to_string(root().join("tests/it/noticed.txt")).unwrap_or_default();
    list.lines().map(str::to_owned).collect()
}

#[test]
fn a_wrong_number_is_noticed() {
    let all = std::env::var_os("ACCELPROBE_MUTATIONS").is_some();
    let before = noticed_before();
    let machines = machines();
    let mut matrix = matrix::embedded().unwrap();
    let rules = matrix.set_rules(Vec::new());
    let (mut count, mut tried, mut noticed, mut unnoticed) = (0, 0, BTreeSet::new(), BTreeSet::new());
    for rule in &rules {
        let path = root().join(format!("matrix/rules/{}/{}.toml", rule.area, rule.id));
        let text = std::fs::read_to_string(path).unwrap();
        let read = || -> Rule { toml::from_str(&text).unwrap() };
        matrix.set_rules(vec![Rule { id: rule.id.clone(), area: rule.area.clone(), ..read() }]);
        let mut said: Vec<Option<String>> = machines.iter().map(|_| None).collect();
        for number in numbers(rule) {
            let name = number.named(rule);
            count += 1;
            // Where not all are tried, some of those are that were noticed when all were.
            if !(all || before.contains(&name) && count % SAMPLE == 0) {
                continue;
            }
            tried += 1;
            let is_noticed = neighbours(&matrix, rule, &number).iter().any(|to| {
                let Some(mutant) = moved(&text, rule, &number, to) else { return false };
                let concerned: Vec<usize> =
                    (0..machines.len()).filter(|place| may_notice(&machines[*place], rule, &number, to)).collect();
                for place in &concerned {
                    said[*place].get_or_insert_with(|| told(&machines[*place], &matrix));
                }
                let own = matrix.set_rules(vec![mutant]);
                let differs = concerned.iter().any(|place| Some(told(&machines[*place], &matrix)) != said[*place]);
                matrix.set_rules(own);
                differs
            });
            match is_noticed {
                true => noticed.insert(name),
                false => unnoticed.insert(name),
            };
        }
    }
    println!("{tried} of {count} numbers tried, {} noticed by a fixture", noticed.len());
    if all {
        unnoticed.iter().for_each(|name| println!("unnoticed: {name}"));
        let list: Vec<&str> = noticed.iter().map(String::as_str).collect();
        std::fs::write(root().join("tests/it/noticed.txt"), list.join("\n") + "\n").unwrap();
    }
    let lost: Vec<&String> = unnoticed.intersection(&before).collect();
    assert!(lost.is_empty(), "no fixture notices another version here any more: {lost:#?}");
}
