//! The matrix: what works with what, as data with sources.
//!
//! All of it is TOML below `matrix/`, embedded at build time; `--matrix DIR` reads another copy. A file that cannot be
//! read as what it should be is reported with file, line and column and what was expected there, and so is whatever does
//! not fit together: an unknown source, a condition on an unknown fact, an id used twice.

mod check;
pub mod condition;
mod parse;

use std::collections::BTreeMap;

use accelprobe_probes::version::{Range, Version};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use condition::Conditions;
pub use parse::{Problem, embedded, load};

/// Everything that is known about support.
#[derive(Debug, Default)]
pub struct Matrix {
    /// Sources by id.
    pub sources: BTreeMap<String, Source>,
    /// Systems in the order of the tables.
    pub systems: Vec<System>,
    /// What is explained rather than judged.
    pub topics: Vec<Topic>,
    /// What has releases.
    pub products: Vec<Product>,
    /// Rules on facts.
    pub rules: Vec<Rule>,
}

/// Where a statement comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Kebab-case id that statements name.
    pub id: String,
    /// Title of the page.
    pub title: String,
    /// Its address; the documents have none.
    pub url: Option<String>,
    /// Date of the page, as exact as it is known: `2026`, `2026-03` or `2026-03-11`.
    pub date: String,
    /// How the source knows.
    pub basis: Basis,
}

/// How a source knows what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A vendor or maintainer documents it.
    Documented,
    /// Somebody saw it.
    Observed,
    /// It follows from other statements.
    Inferred,
}

/// One system: a compute API, an accelerator's software or a framework.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct System {
    /// The file's name without its ending.
    #[serde(skip)]
    pub id: String,
    /// The row's label in the tables.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// The tables in which it is a row.
    pub tables: Vec<Table>,
    /// Its place among the rows.
    pub order: u32,
    /// The environments in which it can exist at all.
    pub exists_on: Vec<Environment>,
    /// The Python distributions that are this system.
    #[serde(default)]
    pub packages: Vec<String>,
    /// What is supported where.
    #[serde(default)]
    pub support: Vec<Support>,
    /// The hardware it runs on.
    #[serde(default)]
    pub hardware: Vec<Hardware>,
    /// The model formats it takes.
    #[serde(default)]
    pub format: Vec<Format>,
    /// Everything else that is said about it.
    #[serde(default)]
    pub note: Vec<Note>,
    /// What newer sources say about the claims of the documents.
    #[serde(default)]
    pub newer: Vec<Newer>,
    /// How to set it up, special cases first.
    #[serde(default)]
    pub setup: Vec<Setup>,
}

/// A comparison table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// GPU APIs, native Windows beside WSL2.
    Apis,
    /// Additional inference and acceleration APIs.
    Accelerators,
    /// Inference engines.
    Engines,
    /// Frameworks.
    Frameworks,
}

/// Where programs run, as statements name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    /// Native Windows.
    Windows,
    /// The second Windows Subsystem for Linux.
    Wsl2,
    /// The first one.
    Wsl1,
    /// Native Linux.
    Linux,
    /// macOS.
    Macos,
    /// Android.
    Android,
    /// iOS and iPadOS.
    Ios,
    /// Mobile devices of any kind.
    Mobile,
    /// Browsers.
    Web,
}

impl Environment {
    /// The name in data, on the command line and in JSON.
    pub fn id(self) -> &'static str {
        match self {
            Environment::Windows => "windows",
            Environment::Wsl2 => "wsl2",
            Environment::Wsl1 => "wsl1",
            Environment::Linux => "linux",
            Environment::Macos => "macos",
            Environment::Android => "android",
            Environment::Ios => "ios",
            Environment::Mobile => "mobile",
            Environment::Web => "web",
        }
    }

    /// The name in running text.
    pub fn title(self) -> &'static str {
        match self {
            Environment::Windows => "native Windows",
            Environment::Wsl2 => "WSL2",
            Environment::Wsl1 => "WSL1",
            Environment::Linux => "Linux",
            Environment::Macos => "macOS",
            Environment::Android => "Android",
            Environment::Ios => "iOS",
            Environment::Mobile => "mobile devices",
            Environment::Web => "the web",
        }
    }
}

/// What the matrix says of a system in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It works.
    Supported,
    /// It works in part; the note says how far.
    Partial,
    /// It does not.
    Unsupported,
    /// Nobody says.
    Unknown,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Partial => "partial",
            Verdict::Unsupported => "unsupported",
            Verdict::Unknown => "unknown",
        }
    }
}

/// Whose statements are judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Edition {
    /// The documents that the project was asked to encode.
    #[default]
    Documents,
    /// The newest cited statement.
    Current,
}

/// One statement: in this environment, for these versions, this verdict.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Support {
    /// Rule id, unique over the matrix; it never changes.
    pub id: Spanned<String>,
    /// Where.
    pub environment: Environment,
    /// For which versions of the system; all where none are named.
    pub versions: Option<Spanned<Range>>,
    /// For which use alone: `gpu`, `cpu`, or another system's id.
    pub part: Option<String>,
    /// What the documents say; nothing where they are silent.
    pub documents: Option<Verdict>,
    /// What the newest cited statement says.
    pub current: Verdict,
    /// The documents' words for it, in ours.
    pub note: Option<String>,
    /// The newest statement's words, where it differs or says "partial".
    pub current_note: Option<String>,
    /// By what means.
    #[serde(default)]
    pub via: Vec<String>,
    /// The finding's code where somebody wants what is unsupported here.
    pub code: Option<String>,
    /// The claims of the documents that this encodes.
    #[serde(default)]
    pub claims: Vec<Spanned<String>>,
    /// The sources behind `current`.
    #[serde(default)]
    pub sources: Vec<Spanned<String>>,
    /// What to do instead.
    pub remedy: Option<Remedy>,
}

impl Support {
    /// The verdict of an edition; where the documents are silent, the newest statement speaks.
    pub fn verdict(&self, edition: Edition) -> Verdict {
        match edition {
            Edition::Documents => self.documents.unwrap_or(self.current),
            Edition::Current => self.current,
        }
    }

    /// The words of an edition.
    pub fn words(&self, edition: Edition) -> Option<&str> {
        let documents = self.note.as_deref();
        let current = self.current_note.as_deref();
        match edition {
            Edition::Documents if self.documents.is_some() => documents.or(current),
            _ => current.or(documents),
        }
    }

    /// Whether this speaks of the system as a whole, or of its use of the GPU.
    pub fn is_general(&self) -> bool {
        matches!(self.part.as_deref(), None | Some("gpu"))
    }
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// In words.
    pub text: String,
    /// Commands that can be pasted.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// Hardware that a system runs on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// In words, as a table cell.
    pub text: String,
    /// By vendor.
    #[serde(default)]
    pub vendors: Vec<String>,
    /// The documents' claims.
    #[serde(default)]
    pub claims: Vec<Spanned<String>>,
}

/// Model formats that a system takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// In words, as a table cell.
    pub text: String,
    /// By name.
    pub formats: Vec<String>,
    /// In this environment alone.
    pub environment: Option<Environment>,
    /// The documents' claims.
    #[serde(default)]
    pub claims: Vec<Spanned<String>>,
}

/// Something else that is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// In words.
    pub text: String,
    /// What kind of statement.
    pub kind: NoteKind,
    /// The table column it belongs to.
    pub column: Option<Column>,
    /// In this environment alone.
    pub environment: Option<Environment>,
    /// The documents' claims.
    #[serde(default)]
    pub claims: Vec<Spanned<String>>,
}

/// What kind of statement a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Advice.
    Guidance,
    /// What it is like.
    Characteristic,
    /// How it is installed.
    Installation,
    /// What a word means.
    Definition,
    /// An example.
    Example,
    /// What is talked about.
    Scope,
    /// What it is called.
    Name,
}

/// A column of the documents' tables that is made of notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// "Key points".
    KeyPoints,
    /// "Optimised for".
    OptimisedFor,
}

/// What a newer source says about claims of the documents.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newer {
    /// Its id.
    pub id: Spanned<String>,
    /// How it stands to the claims.
    pub relation: Relation,
    /// The claims, wherever in the matrix they stand.
    pub claims: Vec<Spanned<String>>,
    /// What it says.
    pub text: String,
    /// The version or date from which it holds.
    pub since: Option<String>,
    /// Where it says so.
    pub source: Spanned<String>,
}

/// How a newer statement stands to the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// It says the same.
    Agrees,
    /// It says more.
    Refines,
    /// It says otherwise.
    Contradicts,
}

/// How to set a system up, where the conditions hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Rule id.
    pub id: Spanned<String>,
    /// The machine it is for; the first row of a system whose conditions hold is taken.
    pub when: Conditions,
    /// What one gets.
    pub gives: Gives,
    /// In words.
    pub text: String,
    /// Commands that can be pasted.
    #[serde(default)]
    pub commands: Vec<String>,
    /// The sources.
    #[serde(default)]
    pub sources: Vec<Spanned<String>>,
}

/// What a set-up gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gives {
    /// Computing on the GPU.
    Gpu,
    /// Computing on the processor.
    Cpu,
    /// The way to another environment.
    Move,
    /// What has to be done first.
    Prepare,
}

/// Something that is explained rather than judged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The file's name without its ending.
    #[serde(skip)]
    pub id: String,
    /// Its title.
    pub name: String,
    /// What is said.
    #[serde(default)]
    pub note: Vec<Note>,
    /// What newer sources say about it.
    #[serde(default)]
    pub newer: Vec<Newer>,
}

/// Something with releases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The file's name without its ending.
    #[serde(skip)]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// The facts that carry its version.
    pub keys: Vec<String>,
    /// Where the list comes from.
    pub source: Spanned<String>,
    /// Its releases, oldest first.
    pub release: Vec<Release>,
}

impl Product {
    /// The newest release that the matrix knows: beyond it nothing is known.
    pub fn horizon(&self) -> Option<&Version> {
        self.release.last().map(|release| release.version.as_ref())
    }
}

/// A release.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its version.
    pub version: Spanned<Version>,
    /// Its date, as exact as it is known.
    pub date: Option<String>,
}

/// A family of rows that answer one question about a machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The file's name without its ending.
    #[serde(skip)]
    pub id: String,
    /// The folder that the file is in.
    #[serde(skip)]
    pub area: String,
    /// One sentence: what must hold.
    pub title: String,
    /// Why it must.
    pub explain: String,
    /// The code of the finding where it does not.
    pub code: String,
    /// How bad that is.
    pub severity: Severity,
    /// The finding's sentence; `{key}` stands for a fact, `{subject}` for what the finding is about.
    pub message: String,
    /// What to do.
    pub remedy: Remedy,
    /// The sources.
    pub sources: Vec<Spanned<String>>,
    /// Rules whose findings are the cause of this one's: where one of them has a finding, this has none.
    #[serde(default)]
    pub unless: Vec<String>,
    /// The rows.
    pub row: Vec<Row>,
}

/// One row of a rule: where `when` holds, `require` must.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Whether the row applies.
    pub when: Conditions,
    /// What must hold then.
    pub require: Conditions,
    /// How bad it is in this row, where that differs.
    pub severity: Option<Severity>,
    /// What to do in this row, where that differs.
    pub remedy: Option<Remedy>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// It works, worse than this machine allows, or not for long.
    Warning,
    /// Something that is wanted or installed cannot work.
    Error,
}

impl Severity {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl Matrix {
    /// The system of an id.
    pub fn system(&self, id: &str) -> Option<&System> {
        self.systems.iter().find(|system| system.id == id)
    }

    /// The product of an id.
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    /// All newer statements.
    pub fn newer(&self) -> impl Iterator<Item = &Newer> {
        self.systems.iter().flat_map(|system| &system.newer).chain(self.topics.iter().flat_map(|topic| &topic.newer))
    }

    /// The newer statements about any of these claims.
    pub fn newer_about<'a>(&'a self, claims: &'a [Spanned<String>]) -> impl Iterator<Item = &'a Newer> {
        self.newer().filter(|newer| newer.claims.iter().any(|claim| claims.contains(claim)))
    }

    /// All claims of the documents, in the order of the files; each stands in one place.
    pub fn claims(&self) -> impl Iterator<Item = &Spanned<String>> {
        fn of_notes(notes: &[Note]) -> impl Iterator<Item = &Spanned<String>> {
            notes.iter().flat_map(|note| &note.claims)
        }
        let systems = self.systems.iter().flat_map(|system| {
            let support = system.support.iter().flat_map(|support| &support.claims);
            let hardware = system.hardware.iter().flat_map(|hardware| &hardware.claims);
            let format = system.format.iter().flat_map(|format| &format.claims);
            support.chain(hardware).chain(format).chain(of_notes(&system.note))
        });
        systems.chain(self.topics.iter().flat_map(|topic| of_notes(&topic.note)))
    }
}
