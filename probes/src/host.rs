//! The only door to a machine: a [`Host`] answers [`Question`]s.
//!
//! The live host answers from the machine, a recording from a file, and a probe cannot tell them apart. An answer is a
//! text or the reason why there is none; the reasons are never mixed up, because "the driver crashed" and "there is no
//! driver" call for opposite advice.

pub mod live;
pub mod memo;
pub mod recording;
pub mod redact;
pub(crate) mod shared;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use shared::Notes;

/// A machine under diagnosis, live or recorded.
pub trait Host: Send + Sync {
    /// Answers a question. Never panics, never fails in another way than by saying what is [`Missing`].
    fn ask(&self, question: &Question) -> Answer;

    /// Whether questions are asked one after the other: because all answers are there already, or because this machine has
    /// no room for more at once.
    fn asks_in_turn(&self) -> bool {
        false
    }

    /// What the probes that ask this host share; nothing where each works for itself.
    fn notes(&self) -> Option<&Notes> {
        None
    }
}

/// The text that answers a question, or why there is none.
pub type Answer = Result<String, Missing>;

/// What can be asked of a machine. A path is text with the asked machine's own separator, and `~` in front of one
/// stands for the home directory, which no answer ever spells out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// Operating system and processor architecture the tool was built for, as in `linux x86_64`.
    System,
    /// The text of a regular file, 1 MiB at the most.
    Read(String),
    /// The names in a directory, sorted, one a line; of a folder of Python packages those of their metadata alone.
    List(String),
    /// What stands at a path, in one line: `file`, `directory`, `char-device`, `fifo`, … then what this process may do
    /// with it (`rw`, `r`, `w` or `-`), then, for a character device, ` group=` and the group that may read and write it,
    /// then, for a link, ` -> ` and the path that it leads to in the end.
    Node(String),
    /// The header of an executable image (ELF or PE) as one line of JSON: see [`crate::image::Image`].
    Image(String),
    /// The GPU instruction sets for which a library holds code, one a line, none where it holds no such code: see
    /// [`crate::kernels`].
    Kernels(String),
    /// The copies of a library that the system's loader would find by name, in its order, one a line: the path, and
    /// behind ` -> ` the file that it leads to where that is another.
    Library(String),
    /// An environment variable, of those that matter here (see [`live::VARIABLES`]).
    Env(String),
    /// Windows registry: `HKLM\Key` lists the subkeys, `HKLM\Key@name` is one value, `HKLM\Key@*` all of them as
    /// `name=data` lines.
    Registry(String),
    /// What a tool prints on standard output.
    Run(Command),
    /// What our own child answers after it asked a vendor library.
    Native(Query),
    /// What the user told this run, by the option's name: `python` (paths, one a line) or `deep`.
    Told(String),
}

/// A tool to run. Everything it starts ends with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command {
    /// Path of the program; never looked up in the working directory.
    pub program: String,
    /// Arguments, none of them read by a shell.
    pub arguments: Vec<String>,
}

/// A question to a vendor library, asked in a child of our own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Query {
    /// Variables set for the child alone, such as the one that shows a loader a single driver.
    pub environment: Vec<(String, String)>,
    /// Name of the probe whose native half answers.
    pub probe: String,
    /// Arguments for it.
    pub arguments: Vec<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// It is not there.
    NotFound,
    /// It is there, and this process may not have it.
    Denied,
    /// This host cannot be asked that (no registry on Linux, no vendor library without the feature `native`).
    Unsupported,
    /// A tool or a library ended by its own decision, with this exit code and these words.
    Exited {
        /// Exit code of a tool, or error code of a library's call.
        code: i64,
        /// The first lines of what it said about it.
        message: String,
    },
    /// It killed the process it ran in: the signal or exception.
    Crashed(String),
    /// It did not answer within its time.
    TimedOut,
    /// It is there and cannot be used, or answered something that cannot be read: what is wrong, in words.
    Garbled(String),
    /// It could not be asked, for a reason that says nothing about it: no more processes, files or memory to be had.
    Unasked(String),
    /// The recording holds no answer to this question: neither "no" nor "yes".
    NotRecorded,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::NotFound => f.write_str("not found"),
            Missing::Denied => f.write_str("access denied"),
            Missing::Unsupported => f.write_str("cannot be asked here"),
            Missing::Exited { code, message } if message.is_empty() => write!(f, "ended with code {code}"),
            Missing::Exited { code, message } => write!(f, "ended with code {code}: {message}"),
            Missing::Crashed(how) => write!(f, "crashed with {how}"),
            Missing::TimedOut => f.write_str("did not answer in time"),
            Missing::Garbled(what) => f.write_str(what),
            Missing::Unasked(why) => write!(f, "could not be asked: {why}"),
            Missing::NotRecorded => f.write_str("not in the recording"),
        }
    }
}

impl Question {
    /// The kind of the question: the name of its section in a recording.
    pub fn kind(&self) -> &'static str {
        match self {
            Question::System => "system",
            Question::Read(_) => "read",
            Question::List(_) => "list",
            Question::Node(_) => "node",
            Question::Image(_) => "image",
            Question::Kernels(_) => "kernels",
            Question::Library(_) => "library",
            Question::Env(_) => "env",
            Question::Registry(_) => "registry",
            Question::Run(_) => "run",
            Question::Native(_) => "native",
            Question::Told(_) => "told",
        }
    }

    /// What is asked, without the kind: the key in a recording's section.
    pub fn text(&self) -> Cow<'_, str> {
        Cow::Owned(match self {
            Question::System => return Cow::Borrowed(""),
            Question::Read(text)
            | Question::List(text)
            | Question::Node(text)
            | Question::Image(text)
            | Question::Kernels(text)
            | Question::Library(text)
            | Question::Env(text)
            | Question::Registry(text)
            | Question::Told(text) => return Cow::Borrowed(text),
            Question::Run(command) => words(std::iter::once(&command.program).chain(&command.arguments)),
            Question::Native(query) => {
                let settings = query.environment.iter().map(|(name, value)| format!("{name}={value}"));
                let all: Vec<String> = settings
                    .chain(std::iter::once(query.probe.clone()))
                    .chain(query.arguments.iter().cloned())
                    .collect();
                words(all.iter())
            }
        })
    }
}

impl fmt::Display for Question {
    /// Kind and text, as in `read /proc/version`; [`Question::from_str`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        match text.is_empty() {
            true => f.write_str(self.kind()),
            false => write!(f, "{} {text}", self.kind()),
        }
    }
}

impl FromStr for Question {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (kind, text) = line.split_once(' ').unwrap_or((line, ""));
        let owned = text.to_owned();
        Ok(match kind {
            "system" => Question::System,
            "read" => Question::Read(owned),
            "list" => Question::List(owned),
            "node" => Question::Node(owned),
            "image" => Question::Image(owned),
            "kernels" => Question::Kernels(owned),
            "library" => Question::Library(owned),
            "env" => Question::Env(owned),
            "registry" => Question::Registry(owned),
            "told" => Question::Told(owned),
            "run" => {
                let mut words = split_words(text).into_iter();
                let program = words.next().ok_or("`run` needs a program")?;
                Question::Run(Command { program, arguments: words.collect() })
            }
            "native" => {
                let mut environment = Vec::new();
                let mut words = split_words(text).into_iter();
                let probe = loop {
                    let word = words.next().ok_or("`native` needs the name of a probe")?;
                    match word.split_once('=') {
                        Some((name, value)) => environment.push((name.to_owned(), value.to_owned())),
                        None => break word,
                    }
                };
                Question::Native(Query { environment, probe, arguments: words.collect() })
            }
            _ => return Err(format!("`{kind}` is no kind of question")),
        })
    }
}

impl Serialize for Question {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What probes ask for again and again, said once.
impl dyn Host + '_ {
    /// The text of a file.
    pub fn read(&self, path: &str) -> Answer {
        self.ask(&Question::Read(path.to_owned()))
    }

    /// The names in a directory; an empty list where there is none.
    pub fn list(&self, path: &str) -> Vec<String> {
        let names = self.ask(&Question::List(path.to_owned())).unwrap_or_default();
        names.lines().map(str::to_owned).collect()
    }

    /// What stands at a path, see [`Question::Node`].
    pub fn node(&self, path: &str) -> Answer {
        self.ask(&Question::Node(path.to_owned()))
    }

    /// Whether something stands at a path.
    pub fn exists(&self, path: &str) -> bool {
        self.node(path).is_ok()
    }

    /// The value of an environment variable that is set.
    pub fn env(&self, name: &str) -> Option<String> {
        self.ask(&Question::Env(name.to_owned())).ok()
    }

    /// The copies of a library in the loader's order: the path, and the file it leads to.
    pub fn library(&self, name: &str) -> Vec<(String, String)> {
        let copies = self.ask(&Question::Library(name.to_owned())).unwrap_or_default();
        copies
            .lines()
            .map(|line| match line.split_once(" -> ") {
                Some((path, file)) => (path.to_owned(), file.to_owned()),
                None => (line.to_owned(), line.to_owned()),
            })
            .collect()
    }

    /// The copy of a library that the loader would take.
    pub fn taken(&self, library: &Question) -> Answer {
        let copies = self.ask(library)?;
        let first = copies.lines().next().unwrap_or_default();
        Ok(first.split_once(" -> ").map_or(first, |(path, _)| path).to_owned())
    }

    /// A value of the Windows registry.
    pub fn registry(&self, key: &str, value: &str) -> Option<String> {
        self.ask(&Question::Registry(format!("{key}@{value}"))).ok()
    }

    /// Whether small computations are wanted, by `--deep`.
    pub fn is_deep(&self) -> bool {
        self.ask(&Question::Told("deep".to_owned())).is_ok()
    }

    /// Operating system of the asked machine: `linux`, `windows` or `macos`.
    pub fn system(&self) -> String {
        let system = self.ask(&Question::System).unwrap_or_default();
        system.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Whether paths and libraries of the asked machine are those of Windows.
    pub fn is_windows(&self) -> bool {
        self.ask(&Question::System).is_ok_and(|system| system.split(' ').next() == Some("windows"))
    }
}

fn words<'a>(words: impl Iterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = words
        .map(|word| match word.is_empty() || word.contains([' ', '\'']) {
            true => format!("'{}'", word.replace('\'', r"'\''")),
            false => word.clone(),
        })
        .collect();
    quoted.join(" ")
}

fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut started) = (false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => (quoted, started) = (!quoted, true),
            '\\' if !quoted && characters.clone().next() == Some('\'') => {
                word.extend(characters.next());
                started = true;
            }
            ' ' if !quoted => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            other => word.push(other),
        }
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_back_from_its_text() {
        for question in [
            Question::System,
            Question::Read("/proc/sys/kernel/osrelease".into()),
            Question::Registry(r"HKLM\SOFTWARE\Khronos\Vulkan\Drivers@*".into()),
            Question::Run(Command {
                program: r"C:\Program Files\x.exe".into(),
                arguments: vec!["--a=b".into(), "it's".into(), String::new()],
            }),
            Question::Native(Query {
                environment: vec![("VK_DRIVER_FILES".into(), "/usr/share/a b.json".into())],
                probe: "vulkan".into(),
                arguments: vec!["libvulkan.so.1".into()],
            }),
        ] {
            assert_eq!(question.to_string().parse::<Question>().unwrap(), question);
        }
    }
}
