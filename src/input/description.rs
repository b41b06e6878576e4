//! Machine descriptions: a machine that a person wrote down in TOML, as facts.
//!
//! The words of a description are those of `--set`. What is wrong in one is told with line and column, all of it at once.

use std::ops::Range;

use accelprobe_probes::fact::{Fact, Key, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::gpu::Gpu;
use super::libraries::{self, Library};
use super::problems::Problems;
use super::value::{self, ABSENT, Given, described, given};
use super::{ACTIVE, names};
use crate::diagnosis::Reading;
use crate::spec::Spec;

/// As many GPUs may one machine have: the largest have a few dozen.
pub(super) const MOST_GPUS: usize = 256;
/// As many words may stand in one section, packages among them.
const MOST_WORDS: usize = 4_000;

/// A machine as somebody described it.
#[derive(Debug, Default)]
pub struct Description {
    /// What was said, each with its line.
    facts: Vec<Fact>,
    /// Where it is said that what is not listed is absent; nothing where that is not so.
    complete: Option<String>,
    /// What is to be used on it.
    pub wants: Vec<Spec>,
    /// How much of a text was understood, where it is one that somebody pasted.
    pub reading: Option<Reading>,
}

impl Description {
    /// A machine of which these facts are told in a pasted text.
    pub(super) fn pasted(facts: Vec<Fact>, reading: Reading) -> Description {
        Description { facts, reading: Some(reading), ..Description::default() }
    }

    /// What was said, and where it is said that what is not listed is absent.
    pub fn into_facts(self) -> (Vec<Fact>, Option<String>) {
        (self.facts, self.complete)
    }
}

/// Whether a table of TOML is a description, rather than something else: by any of the words at its top.
pub(super) fn is_one(table: &DeTable<'_>) -> bool {
    table.keys().any(|key| is_word(key.get_ref()))
}

/// Whether a word stands at the top of descriptions.
pub(super) fn is_word(word: &str) -> bool {
    let about = names::ABOUT.iter().chain(names::SECTIONS).map(|(word, _)| *word);
    about.chain(names::machine_words()).any(|known| known == word)
}

/// Reads a description. `file` stands in errors, `short` in the origins of facts.
pub(super) fn read(table: &Spanned<DeTable<'_>>, text: &str, file: &str, short: &str) -> Result<Description, String> {
    let mut reader = Reader { problems: Problems::new(text, file), short, read: Description::default() };
    reader.machine(table.get_ref());
    reader.problems.none().map(|()| reader.read)
}

type Place = Range<usize>;

struct Reader<'a> {
    problems: Problems<'a>,
    short: &'a str,
    read: Description,
}

impl Reader<'_> {
    fn machine(&mut self, table: &DeTable<'_>) {
        if table.len() > MOST_WORDS {
            return self.problems.add(0..0, format!("expected no more than {MOST_WORDS} words, found {}", table.len()));
        }
        for (word, key, value) in in_order(table) {
            match (word, value.get_ref()) {
                ("complete", DeValue::Boolean(complete)) => {
                    self.read.complete = complete.then(|| self.origin(&key));
                }
                ("complete", other) => self.expected("true or false", other, value.span()),
                ("host" | "made", DeValue::String(_)) => {}
                ("host" | "made", other) => self.expected("a text in quotes", other, value.span()),
                ("expected", _) => _ = self.texts(value),
                ("want", _) => self.wants(value),
                ("gpu", _) => self.gpus(value),
                ("packages" | "libraries" | "env" | "facts", DeValue::Table(section)) => self.section(word, section),
                ("packages" | "libraries" | "env" | "facts", other) => {
                    self.expected(&format!("the section `[{word}]`"), other, value.span());
                }
                _ => self.fact(word, key, value, true),
            }
        }
        if !table.keys().any(|key| key.get_ref() == "environment") {
            self.problems
                .add(0..0, "a description says at least its `environment`: windows, wsl2, wsl1, linux or macos");
        }
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        if table.len() > MOST_WORDS {
            let message = format!("expected no more than {MOST_WORDS} words in `[{section}]`, found {}", table.len());
            let first = in_order(table).into_iter().next().map_or(0..0, |(_, place, _)| place);
            return self.problems.add(first, message);
        }
        for (word, key, value) in in_order(table) {
            match section {
                "packages" => self.package(word, key, value),
                "libraries" => self.library(word, key, value),
                "env" => self.variable(word, key, value),
                _ => self.fact(word, key, value, false),
            }
        }
    }

    /// A fact about the machine, at the top of the description or in its section.
    fn fact(&mut self, word: &str, place: Place, value: &Spanned<DeValue<'_>>, at_the_top: bool) {
        match names::of_machine(word) {
            Ok(key) => self.told(key, Subject::Host, place, value),
            // At the top there are more words than facts.
            Err(message) if at_the_top && message.starts_with("unknown") => {
                let about = names::ABOUT.iter().chain(names::SECTIONS).map(|(word, _)| *word);
                let known = about.chain(names::machine_words());
                self.problems.add(place, accelprobe_probes::unknown("word", word, known));
            }
            Err(message) => self.problems.add(place, message),
        }
    }

    fn variable(&mut self, name: &str, place: Place, value: &Spanned<DeValue<'_>>) {
        match names::of_variable(name) {
            Ok(key) => self.told(key, Subject::Host, place, value),
            Err(message) => self.problems.add(place, message),
        }
    }

    fn told(&mut self, key: &'static Key, subject: Subject, place: Place, value: &Spanned<DeValue<'_>>) {
        let origin = self.origin(&place);
        match value::fact(key, subject, &Given::Toml(value.get_ref()), &origin) {
            Ok(fact) => self.add(fact, place),
            Err(message) => self.problems.add(value.span(), message),
        }
    }

    /// Adds a fact that has not been said before.
    fn add(&mut self, fact: Fact, place: Place) {
        let same = |other: &&Fact| other.key == fact.key && other.subject == fact.subject;
        match self.read.facts.iter().find(same) {
            Some(other) => self.problems.add(place, format!("`{}` is {} already", fact.key.name, other.origin)),
            None => self.read.facts.push(fact),
        }
    }

    fn library(&mut self, word: &str, place: Place, value: &Spanned<DeValue<'_>>) {
        let library = match libraries::named(word) {
            Ok(library) => library,
            Err(message) => return self.problems.add(place, message),
        };
        let origin = self.origin(&place);
        match value.get_ref() {
            DeValue::String(text) if text.trim() == ABSENT => self.read.facts.extend(library.is_absent(&origin)),
            DeValue::Table(table) => self.parts_of_library(library, &place, table),
            // Of several the first is what programs find.
            DeValue::Array(versions) => {
                for version in versions.iter() {
                    match library.has_version(&Given::Toml(version.get_ref()), &origin) {
                        Ok(fact) => self.read.facts.push(fact),
                        Err(message) => self.problems.add(version.span(), message),
                    }
                }
            }
            version => match library.has_version(&Given::Toml(version), &origin) {
                Ok(fact) => self.add(fact, place),
                Err(message) => self.problems.add(value.span(), message),
            },
        }
        if self.read.facts.iter().any(|fact| fact.value.is_ok() && library.is_told_by(fact)) {
            let implied = library.implied(&origin);
            let untold = |fact: &Fact| !self.read.facts.iter().any(|told| told.key == fact.key);
            let implied: Vec<Fact> = implied.into_iter().filter(untold).collect();
            self.read.facts.extend(implied);
        }
    }

    fn parts_of_library(&mut self, library: &Library, place: &Place, table: &DeTable<'_>) {
        let origin = self.origin(place);
        for (word, key, value) in in_order(table) {
            let told = Given::Toml(value.get_ref());
            let fact = match word {
                "version" => library.has_version(&told, &origin),
                _ => library.has_part(word, &told, &origin),
            };
            match fact {
                Ok(fact) => self.add(fact, key),
                Err(message) if message.starts_with("unknown") => self.problems.add(key, message),
                Err(message) => self.problems.add(value.span(), message),
            }
        }
    }

    fn package(&mut self, word: &str, place: Place, value: &Spanned<DeValue<'_>>) {
        let Some(name) = names::package(word) else {
            return self.problems.add(place, format!("`{word}` is no name of a Python package"));
        };
        let subject = || Subject::Package { environment: ACTIVE.to_owned(), name: name.clone() };
        match (value.get_ref(), names::of_package("version")) {
            (DeValue::Table(table), Ok(version)) => {
                for (word, key, value) in in_order(table) {
                    match names::of_package(word) {
                        Ok(fact) => self.told(fact, subject(), key, value),
                        Err(message) => self.problems.add(key, message),
                    }
                }
                if !table.keys().any(|key| key.get_ref() == "version") {
                    let untold = Err(Missing::Unasked("its version is not told".to_owned()));
                    let fact = given(version, subject(), untold, &self.origin(&place));
                    self.read.facts.push(fact);
                }
            }
            (DeValue::String(text), _) if text.trim() == ABSENT => self.problems.add(
                value.span(),
                "a package that is not there is left out; with `complete = true` at the top, what is not listed is absent",
            ),
            (_, Ok(version)) => self.told(version, subject(), place, value),
            (_, Err(message)) => self.problems.add(place, message),
        }
    }

    fn gpus(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::Array(gpus) = value.get_ref() else {
            return self.expected("`[[gpu]]` with its `name` below", value.get_ref(), value.span());
        };
        if gpus.is_empty()
            && let Ok(vendors) = names::of_machine("gpu-vendors")
        {
            let none = given(vendors, Subject::Host, Ok(Value::Set(Vec::new())), &self.origin(&value.span()));
            self.add(none, value.span());
        }
        if gpus.len() > MOST_GPUS {
            return self
                .problems
                .add(value.span(), format!("expected no more than {MOST_GPUS} GPUs, found {}", gpus.len()));
        }
        for gpu in gpus.iter() {
            match gpu.get_ref() {
                DeValue::Table(table) => self.gpu(table, gpu.span()),
                other => self.expected("`[[gpu]]` with its `name` below", other, gpu.span()),
            }
        }
    }

    fn gpu(&mut self, table: &DeTable<'_>, place: Place) {
        let mut gpu = Gpu { told: Vec::new() };
        let mut driver = None;
        let before = self.problems.count();
        for (word, key, value) in in_order(table) {
            if word == names::DRIVER {
                driver = Some((key, value));
                continue;
            }
            match names::of_gpu(word).map(|fact| (fact, value::read(fact, &Given::Toml(value.get_ref())))) {
                Ok((fact, Ok(told))) => gpu.told.push((fact, told, self.origin(&key))),
                Ok((_, Err(message))) => self.problems.add(value.span(), message),
                Err(message) => self.problems.add(key, message),
            }
        }
        // What is missing may be what could not be read.
        if self.problems.count() > before {
            return;
        }
        if gpu.name().is_none() {
            return self.problems.add(place, "a `[[gpu]]` needs its `name`, or at least its `vendor`");
        }
        if let Some(message) = gpu.contradiction() {
            return self.problems.add(place, message);
        }
        // Where the GPU is named is where it is said that it is there.
        let named = in_order(table).into_iter().find(|(word, ..)| *word == "name").map_or(place, |(_, key, _)| key);
        let facts = gpu.facts(&self.read.facts, &self.origin(&named));
        let subject = facts.first().map(|fact| fact.subject.clone());
        self.read.facts.extend(facts);
        if let (Some((key, value)), Some(subject)) = (driver, subject) {
            self.driver(gpu.vendor(), subject, key, value);
        }
    }

    /// NVIDIA has one driver for all its GPUs; others have one for each.
    fn driver(&mut self, vendor: Option<&str>, subject: Subject, place: Place, value: &Spanned<DeValue<'_>>) {
        let (name, subject) = match vendor {
            Some("nvidia") => ("nvidia-driver", Subject::Host),
            Some(_) => ("adapter-driver", subject),
            None => {
                return self.problems.add(place, "whose driver this is is not known: say the `vendor` of the GPU, too");
            }
        };
        let Some(key) = accelprobe_probes::key(name) else { return };
        let origin = self.origin(&place);
        match value::fact(key, subject, &Given::Toml(value.get_ref()), &origin) {
            Ok(fact) => {
                let other = self.read.facts.iter().find(|other| other.key == key && other.key.scope == Scope::Host);
                match other.map(|other| (other.value == fact.value, other.origin.to_string())) {
                    None => self.read.facts.push(fact),
                    Some((true, _)) => {}
                    Some((false, first)) => self.problems.add(
                        value.span(),
                        format!("NVIDIA has one driver for all its GPUs, and another version of it is {first}"),
                    ),
                }
            }
            Err(message) => self.problems.add(value.span(), message),
        }
    }

    fn wants(&mut self, value: &Spanned<DeValue<'_>>) {
        for (text, place) in self.texts(value) {
            match Spec::parse(&text) {
                Ok(spec) => self.read.wants.push(spec),
                Err(mistake) => self.problems.add(place, mistake.message()),
            }
        }
    }

    fn texts(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(String, Place)> {
        let DeValue::Array(items) = value.get_ref() else {
            self.expected("a list of texts, as in [\"a\", \"b\"]", value.get_ref(), value.span());
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.to_string(), item.span())),
                other => self.expected("a text in quotes", other, item.span()),
            }
        }
        texts
    }

    fn expected(&mut self, what: &str, found: &DeValue<'_>, place: Place) {
        self.problems.add(place, format!("expected {what}, found {}", described(found)));
    }

    fn origin(&self, place: &Place) -> String {
        format!("in line {} of {}", self.problems.line(place.start), self.short)
    }
}

/// The entries of a table as they stand in the file.
fn in_order<'a, 'b>(table: &'a DeTable<'b>) -> Vec<(&'a str, Place, &'a Spanned<DeValue<'b>>)> {
    let mut entries: Vec<_> = table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
    entries.sort_by_key(|(_, place, _)| place.start);
    entries
}
