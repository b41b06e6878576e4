//! A report in which facts are found by key and subject: rules ask for thousands of packages, and nobody searches a report for
//! each.

use std::collections::HashMap;
use std::ops::Deref;
use std::slice;

use accelprobe_probes::fact::{Fact, Key, Report, Scope, Subject, Value};
use accelprobe_probes::quick_hash::QuickHash;
use accelprobe_probes::version::Version;

use crate::matrix::condition;

/// See the module. What a report answers by a search, this answers by the same names without one.
#[derive(Default)]
pub(crate) struct Known {
    report: Report,
    /// Subjects are paths and names; once each has its number, nobody compares them again.
    numbers: HashMap<Subject, u32>,
    /// The places of the facts about each subject, by its number.
    subjects: Vec<Vec<u32>>,
    /// By the key's address: every key is a static.
    groups: HashMap<usize, Group, QuickHash>,
}

/// The facts under one key.
#[derive(Default)]
struct Group {
    /// The number of the subject and the place in the report, in the order of the report.
    entries: Vec<(u32, u32)>,
    /// Whether subjects are told of in the order of their numbers, as probes do it.
    in_turn: bool,
}

/// A subject for which conditions are judged, with the numbers of it and of the environment that it is in.
#[derive(Clone, Debug)]
pub(crate) struct Spot<'s> {
    pub(crate) subject: &'s Subject,
    own: Option<u32>,
    environment: Option<u32>,
}

impl Deref for Known {
    type Target = Report;

    fn deref(&self) -> &Report {
        &self.report
    }
}

impl Known {
    pub(crate) fn of(report: Report) -> Known {
        let mut known = Known { report: Report { probes: report.probes, facts: Vec::new() }, ..Known::default() };
        known.extend(report.facts);
        known
    }

    /// Adds facts behind those that are there.
    pub(crate) fn extend(&mut self, facts: impl IntoIterator<Item = Fact>) {
        let mut last = None;
        for fact in facts {
            let place = u32::try_from(self.report.facts.len()).unwrap_or(u32::MAX);
            let number = match last {
                // Probes tell one thing about a subject after the other.
                Some(number) if self.report.facts.last().is_some_and(|last| last.subject == fact.subject) => number,
                _ => self.number_for(&fact.subject),
            };
            last = Some(number);
            let group =
                self.groups.entry(address(fact.key)).or_insert_with(|| Group { entries: Vec::new(), in_turn: true });
            group.in_turn &= group.entries.last().is_none_or(|(before, _)| *before <= number);
            group.entries.push((number, place));
            if let Some(own) = self.subjects.get_mut(number as usize) {
                own.push(place);
            }
            self.report.facts.push(fact);
        }
    }

    fn number_for(&mut self, subject: &Subject) -> u32 {
        match self.numbers.get(subject) {
            Some(number) => *number,
            None => {
                let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
                self.numbers.insert(subject.clone(), next);
                self.subjects.push(Vec::new());
                next
            }
        }
    }

    /// Where facts that count for a subject are found.
    pub(crate) fn spot<'s>(&self, subject: &'s Subject) -> Spot<'s> {
        let environment = match subject {
            Subject::Package { environment, .. } => {
                self.numbers.get(&Subject::Environment(environment.clone())).copied()
            }
            _ => None,
        };
        Spot { subject, own: self.numbers.get(subject).copied(), environment }
    }

    /// The facts under a key that count where a subject is judged, in the order of trust: those of the machine for every
    /// subject, those of an environment for the packages in it; where the machine is judged, those of everything on it.
    pub(crate) fn facts(&self, key: &Key, spot: &Spot<'_>) -> Found<'_> {
        let number = match (key.scope, spot.subject) {
            (Scope::Host, _) | (_, Subject::Host) => return self.under(key),
            (Scope::Environment, Subject::Package { .. }) => spot.environment,
            _ => spot.own,
        };
        self.of_number(key, number)
    }

    /// All facts under a key.
    fn under(&self, key: &Key) -> Found<'_> {
        let group = self.groups.get(&address(key));
        let entries = group.map_or([].as_slice(), |group| group.entries.as_slice()).iter();
        Found { facts: &self.report.facts, entries, of: None }
    }

    fn of_number(&self, key: &Key, number: Option<u32>) -> Found<'_> {
        let entries = match (self.groups.get(&address(key)), number) {
            (Some(group), Some(number)) if group.in_turn => {
                let start = group.entries.partition_point(|(own, _)| *own < number);
                let end = group.entries.partition_point(|(own, _)| *own <= number);
                group.entries.get(start..end).unwrap_or_default()
            }
            (Some(group), Some(_)) => group.entries.as_slice(),
            _ => [].as_slice(),
        };
        Found { facts: &self.report.facts, entries: entries.iter(), of: number }
    }

    /// The subjects that have a fact under a key, each once, in order of appearance.
    pub(crate) fn spots(&self, key: &Key) -> Vec<Spot<'_>> {
        let Some(group) = self.groups.get(&address(key)) else { return Vec::new() };
        let mut seen = vec![false; self.subjects.len()];
        let mut spots = Vec::new();
        for (number, place) in &group.entries {
            let is_new = seen.get_mut(*number as usize).is_some_and(|seen| !std::mem::replace(seen, true));
            if let Some(fact) = self.report.facts.get(*place as usize).filter(|_| is_new) {
                spots.push(self.spot(&fact.subject));
            }
        }
        spots
    }

    /// All facts under a name, in the order of trust.
    pub(crate) fn all(&self, key: &str) -> Found<'_> {
        match condition::key(key) {
            Some(key) => self.under(key),
            None => Found { facts: &[], entries: [].iter(), of: None },
        }
    }

    /// The subjects that have a fact under a name, each once, in order of appearance.
    pub(crate) fn subjects(&self, key: &str) -> Vec<&Subject> {
        let key = condition::key(key);
        key.map(|key| self.spots(key)).unwrap_or_default().into_iter().map(|spot| spot.subject).collect()
    }

    /// All subjects, in order of appearance.
    pub(crate) fn all_subjects(&self) -> impl Iterator<Item = &Subject> {
        let first = |own: &Vec<u32>| Some(&self.report.facts.get(*own.first()? as usize)?.subject);
        self.subjects.iter().filter_map(first)
    }

    /// The devices of which anything is told, in order of appearance.
    pub(crate) fn device_subjects(&self) -> Vec<&Subject> {
        self.all_subjects().filter(|subject| matches!(subject, Subject::Device(_))).collect()
    }

    /// All facts about a subject.
    pub(crate) fn facts_about(&self, subject: &Subject) -> impl Iterator<Item = &Fact> + Clone {
        let own = self.numbers.get(subject).and_then(|number| self.subjects.get(*number as usize));
        own.into_iter().flatten().filter_map(|place| self.report.facts.get(*place as usize))
    }

    /// The facts under a name about one subject alone.
    pub(crate) fn told(&self, subject: &Subject, key: &str) -> Found<'_> {
        match condition::key(key) {
            // All facts under such a key are about the machine.
            Some(key) if key.scope == Scope::Host && *subject == Subject::Host => self.under(key),
            Some(key) => self.of_number(key, self.numbers.get(subject).copied()),
            None => Found { facts: &[], entries: [].iter(), of: None },
        }
    }

    /// The best value under a name about one subject.
    pub(crate) fn about(&self, subject: &Subject, key: &str) -> Option<&Value> {
        self.told(subject, key).find_map(|fact| fact.value.as_ref().ok())
    }

    /// The text under a name about a subject.
    pub(crate) fn text_about(&self, subject: &Subject, key: &str) -> Option<&str> {
        match self.about(subject, key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The best value under a name about the machine.
    pub(crate) fn host(&self, key: &str) -> Option<&Value> {
        self.about(&Subject::Host, key)
    }

    /// The machine's text under a name, empty where there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.text_about(&Subject::Host, key).unwrap_or_default()
    }

    /// The machine's version under a name.
    pub(crate) fn version(&self, key: &str) -> Option<&Version> {
        match self.host(key) {
            Some(Value::Version(version)) => Some(version),
            _ => None,
        }
    }
}

/// Facts that were asked for, in the order of trust.
#[derive(Clone)]
pub(crate) struct Found<'k> {
    facts: &'k [Fact],
    entries: slice::Iter<'k, (u32, u32)>,
    /// The number of the subject that they must be about.
    of: Option<u32>,
}

impl<'k> Iterator for Found<'k> {
    type Item = &'k Fact;

    fn next(&mut self) -> Option<&'k Fact> {
        let of = self.of;
        let (_, place) = self.entries.find(|(number, _)| of.is_none_or(|of| of == *number))?;
        self.facts.get(*place as usize)
    }
}

fn address(key: &Key) -> usize {
    std::ptr::from_ref(key).addr()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use accelprobe_probes::fact::Origin;
    use accelprobe_probes::host::Missing;

    use super::*;

    fn fact(key: &str, subject: Subject, value: &str) -> Fact {
        let key = condition::key(key).unwrap();
        Fact { key, subject, value: key.parse(value).map_err(Missing::Garbled), origin: Origin::Given("test".into()) }
    }

    fn package(environment: &str, name: &str) -> Subject {
        Subject::Package { environment: environment.into(), name: name.into() }
    }

    fn report() -> Report {
        let environment = |folder: &str| Subject::Environment(folder.into());
        let facts = vec![
            fact("environment-role", environment("/e"), "active"),
            fact("package-version", package("/e", "torch"), "2.6.0"),
            fact("environment-role", environment("/f"), "other"),
            fact("package-version", package("/f", "torch"), "2.5.0"),
            fact("nvidia-driver", Subject::Host, "580.1"),
            fact("package-version", package("/e", "numpy"), "not a version"),
            // Not in turn: the first subject again.
            fact("package-build", package("/f", "torch"), "cpu"),
            fact("package-build", package("/e", "torch"), "cuda"),
            fact("environment-role", environment("/e"), "named"),
            fact("nvidia-driver", Subject::Host, "535.1"),
        ];
        Report { probes: Vec::new(), facts }
    }

    #[test]
    fn the_same_is_found_as_by_a_search() {
        let (known, report) = (Known::of(report()), report());
        for key in report.facts.iter().map(|fact| fact.key.name).chain(["cuda-device"]) {
            assert!(known.all(key).eq(report.all(key)), "{key}");
            assert_eq!(known.subjects(key), report.subjects(key), "{key}");
            for subject in known.all_subjects().chain([&package("/g", "torch")]) {
                assert_eq!(known.about(subject, key), report.about(subject, key), "{key} of {subject}");
            }
        }
        assert_eq!(known.version("nvidia-driver"), report.version("nvidia-driver"));
    }

    #[test]
    fn what_is_told_of_the_whole_counts_for_its_parts() {
        let known = Known::of(report());
        let told = |key: &str, subject: &Subject| -> Vec<String> {
            let facts = known.facts(condition::key(key).unwrap(), &known.spot(subject));
            facts.filter_map(|fact| fact.value.as_ref().ok()).map(ToString::to_string).collect()
        };
        assert_eq!(told("nvidia-driver", &package("/e", "torch")), ["580.1", "535.1"]);
        assert_eq!(told("environment-role", &package("/e", "numpy")), ["active", "named"]);
        assert_eq!(told("environment-role", &package("/f", "torch")), ["other"]);
        assert_eq!(told("package-version", &package("/e", "numpy")), [""; 0]);
        assert_eq!(told("package-version", &Subject::Environment("/e".into())), [""; 0]);
        assert_eq!(told("package-version", &Subject::Host), ["2.6.0", "2.5.0"]);
        assert_eq!(told("package-build", &package("/e", "torch")), ["cuda"]);
    }
}
