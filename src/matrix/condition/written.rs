//! Conditions as they are written.

use std::fmt;

use accelprobe_probes::fact::Kind;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Condition, Conditions, Term, Test, key, unknown_key};

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = Conditions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("conditions such as `{ environment = \"wsl2\", nvidia-driver = \">=580\" }`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Conditions, A::Error> {
        let mut conditions = Vec::new();
        while let Some(term) = map.next_key_seed(Name)? {
            let test = map.next_value_seed(Wanted(&term))?;
            conditions.push(Condition { term, test });
        }
        // Most rows about packages are about others than the one that is judged: that is looked at first.
        conditions.sort_by_key(|condition| !matches!(condition.term, Term::Package));
        Ok(Conditions(conditions))
    }
}

/// What a condition is about.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Term;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Term, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Term;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a fact")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Term, E> {
        if let Some(key) = key(name) {
            return Ok(Term::Fact(key));
        }
        if name == "package" {
            return Ok(Term::Package);
        }
        if let Some(package) = name.strip_prefix("beside-") {
            return Ok(Term::Beside(package.to_owned()));
        }
        let system = |ending: &str| {
            let id = name.strip_suffix(ending)?;
            let mut systems = accelprobe_probes::PROBES.iter().filter(|probe| probe.climb.is_some());
            systems.any(|probe| probe.name == id).then(|| id.to_owned())
        };
        match (system("-state"), system("-rung")) {
            (Some(system), _) => Ok(Term::State(system)),
            (_, Some(system)) => Ok(Term::Rung(system)),
            _ => Err(E::custom(unknown_key(name))),
        }
    }
}

/// What must hold of it.
struct Wanted<'t>(&'t Term);

impl Wanted<'_> {
    fn kind(&self) -> Kind {
        match self.0 {
            Term::Fact(key) => key.kind,
            Term::State(_) | Term::Rung(_) | Term::Package => Kind::Text,
            Term::Beside(_) => Kind::Version,
        }
    }

    /// Says what a condition on this must look like.
    fn mistake(&self) -> String {
        let name = self.0;
        match self.kind() {
            Kind::Version => format!("`{name}` is a version: expected a range such as \">=12.4\""),
            Kind::Flag => format!("`{name}` is yes or no: expected true or false"),
            Kind::Text | Kind::Set | Kind::Number => {
                format!("`{name}` is a text: expected a text or a list of texts")
            }
        }
    }

    /// One of the words that can be said of every fact.
    fn word(&self, text: &str) -> Option<Result<Test, String>> {
        let test = match text {
            "present" => Test::Present,
            "absent" => Test::Absent,
            "answered" => Test::Answered,
            "readable" => Test::Readable,
            _ => return None,
        };
        Some(match self.0 {
            Term::Package => Err("`package` is a name: expected one, such as \"torch\"".to_owned()),
            Term::State(_) | Term::Rung(_) => {
                Err(format!("`{}` is a state: expected one, such as \"working\"", self.0))
            }
            Term::Fact(_) | Term::Beside(_) => Ok(test),
        })
    }
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Test;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Test, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Test;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of texts, true or false")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Test, E> {
        if let Some(test) = self.word(text) {
            return test.map_err(E::custom);
        }
        match (self.kind(), text.strip_prefix("!=")) {
            (Kind::Version, _) => text.parse().map(Test::Within).map_err(E::custom),
            (Kind::Text, Some(other)) => Ok(Test::Not(other.to_owned())),
            (Kind::Text | Kind::Set | Kind::Number, _) => Ok(Test::OneOf(vec![text.to_owned()])),
            (Kind::Flag, _) => Err(E::custom(self.mistake())),
        }
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Test, E> {
        match self.kind() {
            Kind::Flag => Ok(Test::Is(flag)),
            _ => Err(E::custom(self.mistake())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Test, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        match self.kind() {
            Kind::Text | Kind::Set | Kind::Number => Ok(Test::OneOf(texts)),
            Kind::Version | Kind::Flag => Err(de::Error::custom(self.mistake())),
        }
    }
}
