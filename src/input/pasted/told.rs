//! What the readers found, until it becomes facts.

use accelprobe_probes::fact::{Fact, Key, Subject};

use crate::input::gpu::Gpu;
use crate::input::value::{self, Given, given};
use crate::input::{ACTIVE, MOST_GPUS, libraries, names};

/// What a text tells of a machine, each with its line.
#[derive(Default)]
pub(super) struct Told {
    /// Words for facts about the machine, what is told of it, and the line.
    machine: Vec<(String, String, usize)>,
    /// The system by the word that says most of it, and the line.
    system: Option<(&'static str, usize)>,
    variables: Vec<(String, String, usize)>,
    libraries: Vec<(&'static str, String, usize)>,
    /// Name of a package, the word for a fact about it, what is told, and the line.
    packages: Vec<(String, &'static str, String, usize)>,
    /// One list for each program that lists GPUs.
    lists: Vec<Vec<Card>>,
}

/// A GPU in a list: words and what is told, its name first.
#[derive(Default)]
struct Card {
    told: Vec<(&'static str, String, usize)>,
    /// The last other list in which it was found again, counted from 1.
    seen_in: usize,
}

impl Card {
    fn has(&self, word: &str) -> Option<&str> {
        self.told.iter().find(|(own, ..)| *own == word).map(|(_, value, _)| value.as_str())
    }
}

/// What programs print where they know nothing.
const NOTHING: &[&str] = &[
    "",
    "n/a",
    "none",
    "could not collect",
    "no cuda",
    "unknown",
    "not found",
    "not set",
    "[n/a]",
    "not available",
    "null",
];

/// Whether a value is one at all.
pub(super) fn is_value(text: &str) -> bool {
    !NOTHING.contains(&text.trim().to_lowercase().as_str())
}

impl Told {
    /// A fact about the machine.
    pub(super) fn machine(&mut self, word: &str, value: impl Into<String>, line: usize) {
        self.machine.push((word.to_owned(), value.into(), line));
    }

    /// Which system it is: `windows`, `wsl2`, `wsl1`, `linux` or `macos`. What is WSL calls itself Linux in other lines, and Windows
    /// is named beside it.
    pub(super) fn system(&mut self, word: &'static str, line: usize) {
        const RANKS: [&str; 5] = ["linux", "macos", "windows", "wsl1", "wsl2"];
        let rank = |word: &str| RANKS.iter().position(|own| *own == word);
        if self.system.is_none_or(|(before, _)| rank(before) < rank(word)) {
            self.system = Some((word, line));
        }
    }

    /// A variable of the environment.
    pub(super) fn variable(&mut self, name: &str, value: &str, line: usize) {
        self.variables.push((name.to_owned(), value.to_owned(), line));
    }

    /// A library outside of Python.
    pub(super) fn library(&mut self, name: &'static str, version: &str, line: usize) {
        if is_value(version) {
            self.libraries.push((name, version.to_owned(), line));
        }
    }

    /// A package and its version.
    pub(super) fn package(&mut self, name: &str, version: &str, line: usize) {
        self.of_package(name, "version", version, line);
    }

    /// A fact about a package.
    pub(super) fn of_package(&mut self, name: &str, word: &'static str, value: &str, line: usize) {
        if let Some(name) = names::package(name).filter(|_| is_value(value)) {
            self.packages.push((name, word, value.to_owned(), line));
        }
    }

    /// A program begins to list GPUs.
    pub(super) fn list(&mut self) {
        if self.lists.last().is_none_or(|list| !list.is_empty()) {
            self.lists.push(Vec::new());
        }
    }

    /// The next GPU of a list.
    pub(super) fn gpu(&mut self, name: &str, line: usize) {
        if !is_value(name) {
            return;
        }
        if self.lists.is_empty() {
            self.list();
        }
        if let Some(list) = self.lists.last_mut().filter(|list| list.len() < MOST_GPUS) {
            list.push(Card { told: vec![("name", name.trim().to_owned(), line)], seen_in: 0 });
        }
    }

    /// Something about the last GPU of the last list.
    pub(super) fn of_gpu(&mut self, word: &'static str, value: &str, line: usize) {
        if let Some(card) = self.lists.last_mut().and_then(|list| list.last_mut()).filter(|_| is_value(value)) {
            card.told.push((word, value.to_owned(), line));
        }
    }

    /// Something about each GPU of the last list.
    pub(super) fn of_gpus(&mut self, word: &'static str, value: &str, line: usize) {
        for card in self.lists.last_mut().into_iter().flatten().filter(|_| is_value(value)) {
            card.told.push((word, value.to_owned(), line));
        }
    }

    /// Whether there is a machine in the text: a single word may be chance.
    pub(super) fn describes(&self) -> bool {
        !(self.machine.is_empty() && self.packages.is_empty() && self.lists.is_empty() && self.libraries.is_empty())
    }

    /// The facts, each with its line of the text of this name. What no fact can be is left out.
    pub(super) fn facts(self, name: &str) -> Vec<Fact> {
        let mut facts = Facts { facts: Vec::new(), name };
        if let Some((word, line)) = self.system {
            facts.add(names::of_machine("environment").ok(), Subject::Host, word, line);
        }
        for (word, value, line) in &self.machine {
            facts.add(names::of_machine(word).ok(), Subject::Host, value, *line);
        }
        for (variable, value, line) in &self.variables {
            facts.add(names::of_variable(variable).ok(), Subject::Host, value, *line);
        }
        for (word, version, line) in &self.libraries {
            facts.library(word, version, *line);
        }
        for (package, word, value, line) in &self.packages {
            let subject = Subject::Package { environment: ACTIVE.to_owned(), name: package.clone() };
            facts.add(names::of_package(word).ok(), subject, value, *line);
        }
        for card in merged(self.lists) {
            facts.gpu(&card);
        }
        facts.facts
    }
}

/// One list of GPUs out of several: the longest, with what the others say of the same cards, and with cards of other makers.
fn merged(lists: Vec<Vec<Card>>) -> Vec<Card> {
    let mut lists = lists;
    // The first of the longest: later ones are often shorter.
    let longest = lists.iter().enumerate().max_by_key(|(at, list)| (list.len(), usize::MAX - at)).map(|(at, _)| at);
    let Some(longest) = longest else { return Vec::new() };
    let mut cards = lists.swap_remove(longest);
    let vendor = |card: &Card| {
        card.has("vendor")
            .map(str::to_owned)
            .or_else(|| card.has("name").and_then(crate::input::gpu::vendor).map(str::to_owned))
    };
    for (number, list) in (1..).zip(lists) {
        for card in list {
            let same = cards.iter().position(|own| own.seen_in < number && is_same(own, &card));
            let new = vendor(&card).is_some() && !cards.iter().any(|own| vendor(own) == vendor(&card));
            match same.and_then(|at| cards.get_mut(at)) {
                Some(own) => {
                    own.seen_in = number;
                    own.told.extend(card.told);
                }
                None if new => cards.push(Card { seen_in: number, ..card }),
                None => {}
            }
        }
    }
    cards
}

/// Whether two lists mean the same card, by what of their names is not cut off or left out. OpenCL names AMD's cards by their
/// target.
fn is_same(one: &Card, other: &Card) -> bool {
    if one.has("gfx").is_some_and(|gfx| other.has("name") == Some(gfx)) {
        return true;
    }
    let name = |card: &Card| {
        let lower = card.has("name").unwrap_or_default().to_lowercase();
        lower.trim_start_matches("nvidia ").trim_end_matches(['.', ' ']).to_owned()
    };
    let (one, other) = (name(one), name(other));
    one.starts_with(&other) || other.starts_with(&one)
}

struct Facts<'a> {
    facts: Vec<Fact>,
    name: &'a str,
}

impl Facts<'_> {
    fn origin(&self, line: usize) -> String {
        format!("in line {line} of {}", self.name)
    }

    /// Adds a fact where it is one and nobody said it before.
    fn add(&mut self, key: Option<&'static Key>, subject: Subject, value: &str, line: usize) {
        let told = |key: &&'static Key| !self.facts.iter().any(|fact| fact.key == *key && fact.subject == subject);
        if let Some(key) = key.filter(told)
            && let Ok(value) = value::read(key, &Given::Text(value))
        {
            let origin = self.origin(line);
            self.facts.push(given(key, subject, value, &origin));
        }
    }

    fn library(&mut self, word: &str, version: &str, line: usize) {
        let origin = self.origin(line);
        let Ok(library) = libraries::named(word) else { return };
        if self.facts.iter().any(|fact| library.is_told_by(fact)) {
            return;
        }
        if version == value::ABSENT {
            self.facts.extend(library.is_absent(&origin));
        } else if let Ok(fact) = library.has_version(&Given::Text(version), &origin) {
            self.facts.push(fact);
            self.facts.extend(library.implied(&origin));
        }
    }

    fn gpu(&mut self, card: &Card) {
        let mut gpu = Gpu { told: Vec::new() };
        let mut driver = None;
        for (word, value, line) in &card.told {
            if *word == names::DRIVER {
                driver.get_or_insert((value, *line));
                continue;
            }
            if let Ok(key) = names::of_gpu(word)
                && !gpu.told.iter().any(|(own, ..)| *own == key)
                && let Ok(value) = value::read(key, &Given::Text(value))
            {
                gpu.told.push((key, value, self.origin(*line)));
            }
        }
        let line = card.told.first().map_or(0, |(.., line)| *line);
        if gpu.name().is_none() || gpu.contradiction().is_some() {
            return;
        }
        let facts = gpu.facts(&self.facts, &self.origin(line));
        let subject = facts.first().map(|fact| fact.subject.clone());
        self.facts.extend(facts);
        if let (Some((version, line)), Some(subject)) = (driver, subject) {
            match gpu.vendor() {
                Some("nvidia") => self.add(accelprobe_probes::key("nvidia-driver"), Subject::Host, version, line),
                Some(_) => self.add(accelprobe_probes::key("adapter-driver"), subject, version, line),
                None => {}
            }
        }
    }
}
