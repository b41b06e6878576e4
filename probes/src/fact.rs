//! Facts: named, typed, with the question that they answer; and the report that holds them all.
//!
//! A fact either has a value or says what is missing. The same key and subject from two origins is normal: a kernel
//! module that says 570 beside a library that says 580 is a well-known broken state, so both are kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::host::{Missing, Question};
use crate::version::Version;

/// The name of a fact, what kind of value it has, and what it means. A static in the file of the probe that finds it.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Kebab-case, unique over all probes; the matrix refers to it.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: Kind,
    /// What such a fact is about.
    pub scope: Scope,
    /// One sentence for the reference of facts.
    pub doc: &'static str,
}

/// The kind of a fact's value, which decides what a condition of the matrix may say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A version, compared by ranges.
    Version,
    /// A text, compared exactly.
    Text,
    /// A whole number; bytes where it is a size.
    Number,
    /// Yes or no.
    Flag,
    /// A set of texts.
    Set,
}

/// What a key's facts are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The machine.
    Host,
    /// One device.
    Device,
    /// One driver that an API's loader finds.
    Icd,
    /// One library on disk.
    Library,
    /// One Python environment.
    Environment,
    /// One package in a Python environment.
    Package,
}

impl Key {
    /// A key; the form in which probes declare theirs.
    pub const fn new(name: &'static str, kind: Kind, scope: Scope, doc: &'static str) -> Key {
        Key { name, kind, scope, doc }
    }

    /// A fact about the machine under this key.
    pub fn host(&'static self, value: impl Into<Result<Value, Missing>>, origin: &Question) -> Fact {
        self.of(Subject::Host, value, origin)
    }

    /// A fact about a subject under this key.
    pub fn of(&'static self, subject: Subject, value: impl Into<Result<Value, Missing>>, origin: &Question) -> Fact {
        Fact { key: self, subject, value: value.into(), origin: Origin::Asked(origin.clone()) }
    }

    /// The environment variable whose value such a fact is: its name in lower case with dashes is the key's, and its own name
    /// stands first in what the key means.
    pub fn variable(&self) -> Option<&'static str> {
        let (variable, _) = self.doc.strip_prefix('`')?.split_once('`')?;
        (variable.to_lowercase().replace('_', "-") == self.name && variable != self.name).then_some(variable)
    }

    /// Reads a text as a value of this key's kind, as `--set` and recordings need it.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        match self.kind {
            Kind::Version => text.parse().map(Value::Version),
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Number => text.parse().map(Value::Number).map_err(|_| format!("`{text}` is not a whole number")),
            Kind::Flag => text.parse().map(Value::Flag).map_err(|_| format!("`{text}` is neither `true` nor `false`")),
            Kind::Set => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(Value::Set(items.map(str::to_owned).collect()))
            }
        }
    }
}

/// A fact's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// See [`Kind::Version`].
    Version(Version),
    /// See [`Kind::Text`].
    Text(String),
    /// See [`Kind::Number`].
    Number(u64),
    /// See [`Kind::Flag`].
    Flag(bool),
    /// See [`Kind::Set`].
    Set(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Version(version) => version.fmt(f),
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => number.fmt(f),
            Value::Flag(true) => f.write_str("yes"),
            Value::Flag(false) => f.write_str("no"),
            Value::Set(items) if items.is_empty() => f.write_str("none"),
            Value::Set(items) => f.write_str(&items.join(", ")),
        }
    }
}

impl From<Version> for Result<Value, Missing> {
    fn from(version: Version) -> Self {
        Ok(Value::Version(version))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<Value> for Result<Value, Missing> {
    fn from(value: Value) -> Self {
        Ok(value)
    }
}

impl From<Missing> for Result<Value, Missing> {
    fn from(missing: Missing) -> Self {
        Err(missing)
    }
}

/// A version out of a text, or the text as what could not be read.
pub fn version(text: &str) -> Result<Value, Missing> {
    text.parse().map(Value::Version).map_err(Missing::Garbled)
}

/// What a fact is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The machine.
    Host,
    /// A device by its id: the PCI address where there is one, else `api:number`.
    Device(String),
    /// A driver: `vulkan` or `opencl`, a colon, and its manifest.
    Icd(String),
    /// A library on disk, by its path.
    Library(String),
    /// A Python environment, by its folder.
    Environment(String),
    /// A package in a Python environment.
    Package {
        /// The folder of the environment.
        environment: String,
        /// The package's name as PyPI spells it: lower case, with dashes.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Host => f.write_str("host"),
            Subject::Device(id) => write!(f, "device {id}"),
            Subject::Icd(id) => write!(f, "icd {id}"),
            Subject::Library(path) => write!(f, "library {path}"),
            Subject::Environment(folder) => write!(f, "environment {folder}"),
            Subject::Package { environment, name } => write!(f, "package {name} in {environment}"),
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == "host" => Ok(Subject::Host),
            Some(("device", id)) => Ok(Subject::Device(id.to_owned())),
            Some(("icd", id)) => Ok(Subject::Icd(id.to_owned())),
            Some(("library", path)) => Ok(Subject::Library(path.to_owned())),
            Some(("environment", folder)) => Ok(Subject::Environment(folder.to_owned())),
            Some(("package", package)) if package.contains(" in ") => {
                let (name, environment) = package.split_once(" in ").unwrap_or((package, ""));
                Ok(Subject::Package { environment: environment.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is no subject: expected `host`, `device ID`, `icd ID`, `library PATH`, `environment FOLDER` or \
                 `package NAME in FOLDER`"
            )),
        }
    }
}

/// Where a fact comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The question that it answers.
    Asked(Question),
    /// Somebody said so: the words that tell where, such as `--set`.
    Given(Cow<'static, str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Asked(question) => question.fmt(f),
            Origin::Given(place) => write!(f, "given {place}"),
        }
    }
}

/// One thing known, or known to be missing, about a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What is told.
    pub key: &'static Key,
    /// About what.
    pub subject: Subject,
    /// The value, or why there is none.
    pub value: Result<Value, Missing>,
    /// Who said so.
    pub origin: Origin,
}

impl Serialize for Fact {
    /// A fact has either `value` or `missing`, so that what is unknown is visible without reading code.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("key", self.key.name)?;
        map.serialize_entry("subject", &self.subject.to_string())?;
        match &self.value {
            Ok(value) => map.serialize_entry("value", value)?,
            Err(missing) => map.serialize_entry("missing", missing)?,
        }
        map.serialize_entry("origin", &self.origin.to_string())?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;

        let raw = FactShape::deserialize(deserializer)?;
        let key = crate::key(&raw.key).ok_or_else(|| D::Error::custom(crate::unknown_key(&raw.key)))?;
        let value = match (raw.value, raw.missing) {
            (Some(value), None) => Ok(value.of_kind(key).map_err(D::Error::custom)?),
            (None, Some(missing)) => Err(missing),
            _ => return Err(D::Error::custom("a fact has either `value` or `missing`")),
        };
        let origin = match raw.origin.strip_prefix("given ") {
            Some(place) => Origin::Given(place.to_owned().into()),
            None => Origin::Asked(raw.origin.parse().map_err(D::Error::custom)?),
        };
        Ok(Fact { key, subject: raw.subject.parse().map_err(D::Error::custom)?, value, origin })
    }
}

/// A fact as it stands in JSON.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Fact")]
struct FactShape {
    /// Name of the fact, see docs/facts.md.
    key: String,
    /// `host`, `device ID`, `icd API:MANIFEST`, `library PATH`, `environment FOLDER` or `package NAME in FOLDER`.
    subject: String,
    /// What is known.
    value: Option<ValueShape>,
    /// Why nothing is known.
    missing: Option<Missing>,
    /// The question that was asked, or `given` and who said so.
    origin: String,
}

/// A value as it stands in JSON.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Value")]
enum ValueShape {
    Flag(bool),
    Number(u64),
    Set(Vec<String>),
    Text(String),
}

impl ValueShape {
    fn of_kind(self, key: &Key) -> Result<Value, String> {
        match (key.kind, self) {
            (Kind::Flag, ValueShape::Flag(flag)) => Ok(Value::Flag(flag)),
            (Kind::Number, ValueShape::Number(number)) => Ok(Value::Number(number)),
            (Kind::Set, ValueShape::Set(items)) => Ok(Value::Set(items)),
            (Kind::Text | Kind::Version, ValueShape::Text(text)) => key.parse(&text),
            (kind, _) => Err(format!("`{}` has a value of the kind {kind:?}", key.name)),
        }
    }
}

/// Everything that was found out about a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The probes that were asked, in their fixed order.
    pub probes: Vec<Asked>,
    /// What they found, in the same order.
    #[schemars(with = "Vec<FactShape>")]
    pub facts: Vec<Fact>,
}

/// How asking one probe went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Name of the probe.
    pub name: String,
    /// How long it took in milliseconds; nothing in a replay.
    pub duration_ms: Option<u64>,
    /// Why the probe as a whole has no facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

impl Report {
    /// All facts under a name, in the order of trust: a probe names its best source first.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Fact> {
        self.facts.iter().filter(move |fact| fact.key.name == key)
    }

    /// The best value under a name about one subject.
    pub fn about(&self, subject: &Subject, key: &str) -> Option<&Value> {
        self.facts
            .iter()
            .filter(|fact| fact.key.name == key && fact.subject == *subject)
            .find_map(|fact| fact.value.as_ref().ok())
    }

    /// The best value under a name about the machine.
    pub fn host(&self, key: &str) -> Option<&Value> {
        self.about(&Subject::Host, key)
    }

    /// The machine's text under a name, empty where there is none.
    pub fn text(&self, key: &str) -> &str {
        match self.host(key) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// The machine's version under a name.
    pub fn version(&self, key: &str) -> Option<&Version> {
        match self.host(key) {
            Some(Value::Version(version)) => Some(version),
            _ => None,
        }
    }

    /// Whether the machine has `true` under a name.
    pub fn is(&self, key: &str) -> bool {
        matches!(self.host(key), Some(Value::Flag(true)))
    }

    /// The number under a name about a subject.
    pub fn number(&self, subject: &Subject, key: &str) -> Option<u64> {
        match self.about(subject, key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The subjects that have a fact under a name, each once, in order of appearance.
    pub fn subjects(&self, key: &str) -> Vec<&Subject> {
        let mut seen = HashSet::new();
        let named = self.facts.iter().filter(|fact| fact.key.name == key).map(|fact| &fact.subject);
        named.filter(|subject| seen.insert(*subject)).collect()
    }

    /// The devices of which anything is told, each once, in order of appearance.
    pub fn device_subjects(&self) -> Vec<&Subject> {
        let mut seen = HashSet::new();
        let of_devices = self.facts.iter().map(|fact| &fact.subject);
        of_devices.filter(|subject| matches!(subject, Subject::Device(_)) && seen.insert(*subject)).collect()
    }

    /// How asking a probe went; nothing where it was not asked.
    pub fn asked(&self, probe: &str) -> Option<&Asked> {
        self.probes.iter().find(|asked| asked.name == probe)
    }
}
