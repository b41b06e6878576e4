//! A recording: a map from question to answer in one TOML file that a person can read, redact and edit.
//!
//! It holds exactly what was asked. A question that it does not hold is [`Missing::NotRecorded`], which is neither
//! "not found" nor a pass.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Answer, Host, Missing, Question};

/// The format number that this version writes and reads.
pub const FORMAT: u32 = 1;

/// A recorded machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Format of the file: [`FORMAT`].
    pub format: u32,
    /// What the machine is, in a person's words.
    pub host: String,
    /// How the recording came about: `live`, or whose public report it was written from.
    pub made: String,
    /// The finding codes that a person who knows the machine expects; empty on a healthy one, absent where nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<String>>,
    /// Operating system and architecture, the answer to [`Question::System`].
    pub system: String,
    /// Whether the machine holds nothing else: a file, a variable, a registry key or a tool that is not listed is then
    /// not found instead of not recorded. For recordings that are written by hand; what a library would answer stays
    /// unknown all the same.
    #[serde(default, skip_serializing_if = "is_false")]
    pub complete: bool,
    /// One section for each other kind of question.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    read: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    list: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    node: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    image: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    kernels: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    library: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    registry: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    run: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    native: Section,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: Section,
}

type Section = BTreeMap<String, Recorded>;

/// An answer as it stands in a recording: a text, or `{ missing = … }`.
#[derive(Clone, Debug)]
struct Recorded(Answer);

impl Recording {
    /// A recording of what a host was asked.
    pub fn of(host: String, made: &str, heard: impl IntoIterator<Item = (Question, Answer)>) -> Recording {
        let mut recording = Recording { format: FORMAT, host, made: made.to_owned(), ..Recording::default() };
        for (question, answer) in heard {
            match recording.section_mut(&question) {
                Some(section) => _ = section.insert(question.text().into_owned(), Recorded(answer)),
                None => recording.system = answer.unwrap_or_default(),
            }
        }
        recording
    }

    /// Reads a recording. The error names line and column and what was expected there.
    pub fn parse(text: &str) -> Result<Recording, String> {
        let recording: Recording = toml::from_str(text).map_err(|error| error.to_string())?;
        match recording.format {
            FORMAT => Ok(recording),
            other => Err(format!("recording of format {other}; this version reads format {FORMAT}")),
        }
    }

    /// The recording as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }

    fn section(&self, question: &Question) -> Option<&Section> {
        Some(match question {
            Question::System => return None,
            Question::Read(_) => &self.read,
            Question::List(_) => &self.list,
            Question::Node(_) => &self.node,
            Question::Image(_) => &self.image,
            Question::Kernels(_) => &self.kernels,
            Question::Library(_) => &self.library,
            Question::Env(_) => &self.env,
            Question::Registry(_) => &self.registry,
            Question::Run(_) => &self.run,
            Question::Native(_) => &self.native,
            Question::Told(_) => &self.told,
        })
    }

    fn section_mut(&mut self, question: &Question) -> Option<&mut Section> {
        Some(match question {
            Question::System => return None,
            Question::Read(_) => &mut self.read,
            Question::List(_) => &mut self.list,
            Question::Node(_) => &mut self.node,
            Question::Image(_) => &mut self.image,
            Question::Kernels(_) => &mut self.kernels,
            Question::Library(_) => &mut self.library,
            Question::Env(_) => &mut self.env,
            Question::Registry(_) => &mut self.registry,
            Question::Run(_) => &mut self.run,
            Question::Native(_) => &mut self.native,
            Question::Told(_) => &mut self.told,
        })
    }
}

impl Host for Recording {
    fn ask(&self, question: &Question) -> Answer {
        let otherwise = match question {
            // What a run was told is all in its recording.
            Question::Told(_) => Missing::NotFound,
            Question::Native(_) => Missing::NotRecorded,
            _ if self.complete => Missing::NotFound,
            _ => Missing::NotRecorded,
        };
        match self.section(question) {
            None => Ok(self.system.clone()),
            Some(section) => section.get(&*question.text()).map_or(Err(otherwise), |found| found.0.clone()),
        }
    }

    fn asks_in_turn(&self) -> bool {
        true
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Serialize for Recorded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(text) => serializer.serialize_str(text),
            Err(missing) => serializer.collect_map([("missing", missing)]),
        }
    }
}

impl<'de> Deserialize<'de> for Recorded {
    /// Written by hand, because an untagged enum would lose what was wrong.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Recorded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or `{ missing = \"not-found\" }` and the like")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Recorded, E> {
                Ok(Recorded(Ok(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Recorded, A::Error> {
                let mut missing = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "missing" => missing = Some(map.next_value()?),
                        other => return Err(de::Error::unknown_field(other, &["missing"])),
                    }
                }
                missing.map(|why| Recorded(Err(why))).ok_or_else(|| de::Error::missing_field("missing"))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_answered_and_the_rest_is_not() {
        let heard = [
            (Question::System, Ok("linux x86_64".to_owned())),
            (Question::Read("/a".into()), Ok("one\ntwo\\ '''three'''\n".to_owned())),
            (Question::Read("/b".into()), Err(Missing::NotFound)),
            (Question::Node("/c".into()), Err(Missing::Exited { code: -3, message: "no".into() })),
            (Question::List("/d".into()), Err(Missing::Crashed("signal 11 (SIGSEGV)".into()))),
        ];
        let written = Recording::of("a machine".into(), "live", heard.clone()).to_toml();
        let read = Recording::parse(&written).unwrap();
        for (question, answer) in heard {
            assert_eq!(read.ask(&question), answer, "{question} in\n{written}");
        }
        assert_eq!(read.ask(&Question::Read("/never".into())), Err(Missing::NotRecorded));
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let head = "format = 1\nhost = \"x\"\nmade = \"live\"\nsystem = \"linux x86_64\"\n";
        for (tail, expected) in [
            ("[read]\n\"/a\" = 5\n", "line 6"),
            ("[read]\n\"/a\" = { missing = \"nowhere\" }\n", "not-found"),
            ("[reed]\n", "reed"),
        ] {
            let message = Recording::parse(&format!("{head}{tail}")).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(Recording::parse(&head.replace("= 1", "= 9")).unwrap_err().contains("format 9"));
    }
}
