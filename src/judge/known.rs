//! Facts by key and subject: rules ask for thousands of packages, and nobody searches a report for each.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use accelprobe_probes::fact::{Fact, Key, Scope, Subject, Value};

/// The facts of a report, or some of them.
pub(crate) struct Known<'a> {
    facts: Vec<&'a Fact>,
    /// The number of each fact's subject.
    number_of: Vec<u32>,
    /// Subjects are paths and names; once each has its number, nobody compares them again.
    numbers: HashMap<&'a Subject, u32>,
    by_key: Chains<usize>,
    by_subject: Chains<(usize, u32)>,
}

/// A subject for which conditions are judged, with the numbers under which its facts are known and those of what it is part
/// of, the machine last.
#[derive(Clone, Debug)]
pub(crate) struct Spot<'s> {
    pub(crate) subject: &'s Subject,
    parts: [Option<u32>; 3],
}

impl<'a> Known<'a> {
    pub(crate) fn of(facts: impl IntoIterator<Item = &'a Fact>) -> Known<'a> {
        let mut known = Known {
            facts: Vec::new(),
            number_of: Vec::new(),
            numbers: HashMap::new(),
            by_key: Chains::default(),
            by_subject: Chains::default(),
        };
        let mut last: Option<(&Subject, u32)> = None;
        for fact in facts {
            let number = match last {
                // Probes tell one thing about a subject after the other.
                Some((subject, number)) if *subject == fact.subject => number,
                _ => {
                    let next = u32::try_from(known.numbers.len()).unwrap_or(u32::MAX);
                    *known.numbers.entry(&fact.subject).or_insert(next)
                }
            };
            last = Some((&fact.subject, number));
            known.by_key.push(address(fact.key));
            known.by_subject.push((address(fact.key), number));
            known.number_of.push(number);
            known.facts.push(fact);
        }
        known
    }

    /// The first value under a key about one subject.
    pub(crate) fn value(&self, key: &str, subject: &Subject) -> Option<&'a Value> {
        let (key, number) = (crate::matrix::condition::key(key)?, *self.numbers.get(subject)?);
        self.found(self.by_subject.first((address(key), number))).find_map(|fact| fact.value.as_ref().ok())
    }

    /// The same, where it is a text.
    pub(crate) fn text(&self, key: &str, subject: &Subject) -> Option<&'a str> {
        match self.value(key, subject) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Where facts that count for a subject are found.
    pub(crate) fn spot<'s>(&self, subject: &'s Subject) -> Spot<'s> {
        let number = |subject: &Subject| self.numbers.get(subject).copied();
        let environment = match subject {
            Subject::Package { environment, .. } => number(&Subject::Environment(environment.clone())),
            _ => None,
        };
        Spot { subject, parts: [number(subject), environment, number(&Subject::Host)] }
    }

    /// The facts under a key that count where a subject is judged, in the order of trust: its own, then those about what it is
    /// part of. Where the machine is judged, those about everything on it count.
    pub(crate) fn facts(&self, key: &Key, spot: &Spot<'_>) -> Found<'_, 'a> {
        if key.scope != Scope::Host && *spot.subject == Subject::Host {
            return Found {
                known: self,
                next: &self.by_key.next,
                starts: [self.by_key.first(address(key)), None, None],
            };
        }
        let [own, environment, host] = spot.parts;
        let parts = match key.scope {
            Scope::Host => [None, None, host],
            // The machine's number stands for itself, too.
            _ if own == host => [None, None, host],
            _ => [own, environment, host],
        };
        let starts = parts.map(|part| self.by_subject.first((address(key), part?)));
        Found { known: self, next: &self.by_subject.next, starts }
    }

    /// The facts under a key about one subject alone.
    pub(crate) fn about(&self, key: &Key, subject: &Subject) -> Found<'_, 'a> {
        let first = self.numbers.get(subject).and_then(|number| self.by_subject.first((address(key), *number)));
        self.found(first)
    }

    /// The subjects that have a fact under a key, each once, in order of appearance.
    pub(crate) fn spots(&self, key: &Key) -> Vec<Spot<'a>> {
        let mut spots = Vec::new();
        let mut next = self.by_key.first(address(key));
        while let Some(place) = next {
            let number = self.number_of.get(place as usize).copied().unwrap_or_default();
            // A subject's first fact under the key stands for it.
            if self.by_subject.first((address(key), number)) == Some(place) {
                spots.extend(self.facts.get(place as usize).map(|fact| self.spot(&fact.subject)));
            }
            next = self.by_key.next.get(place as usize).copied().filter(|next| *next != END);
        }
        spots
    }

    fn found(&self, first: Option<u32>) -> Found<'_, 'a> {
        Found { known: self, next: &self.by_subject.next, starts: [first, None, None] }
    }
}

/// Facts that were asked for, in the order of trust.
#[derive(Clone)]
pub(crate) struct Found<'k, 'a> {
    known: &'k Known<'a>,
    next: &'k [u32],
    /// Where the chains that are left begin.
    starts: [Option<u32>; 3],
}

impl<'a> Iterator for Found<'_, 'a> {
    type Item = &'a Fact;

    fn next(&mut self) -> Option<&'a Fact> {
        let start = self.starts.iter_mut().find(|start| start.is_some())?;
        let place = (*start)? as usize;
        *start = self.next.get(place).copied().filter(|next| *next != END);
        self.known.facts.get(place).copied()
    }
}

/// For each key the places that were pushed under it, in order: where the first is, and behind each place the next.
struct Chains<K> {
    ends: HashMap<K, (u32, u32), BuildHasherDefault<OfNumbers>>,
    next: Vec<u32>,
}

/// Behind the last place.
const END: u32 = u32::MAX;

impl<K> Default for Chains<K> {
    fn default() -> Self {
        Chains { ends: HashMap::default(), next: Vec::new() }
    }
}

impl<K: Hash + Eq> Chains<K> {
    /// Pushes the next place.
    fn push(&mut self, key: K) {
        let place = u32::try_from(self.next.len()).unwrap_or(END);
        self.next.push(END);
        let (_, last) = self.ends.entry(key).or_insert((place, place));
        if let Some(before) = self.next.get_mut(*last as usize).filter(|_| *last != place) {
            *before = place;
        }
        *last = place;
    }

    fn first(&self, key: K) -> Option<u32> {
        self.ends.get(&key).map(|(first, _)| *first)
    }
}

/// Every key is a static, so its address tells it from all others.
fn address(key: &Key) -> usize {
    std::ptr::from_ref(key).addr()
}

/// A hash of numbers that nobody outside chooses.
#[derive(Default)]
struct OfNumbers(u64);

impl Hasher for OfNumbers {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // The upper bits of a product are the mixed ones, and tables take the lower.
        self.0.rotate_left(32)
    }
}
