//! A system and all that is said of it: where it is supported, on what, with what, and how it is set up.

use accelprobe_probes::version::Range;
use serde::{Deserialize, Serialize};

use super::condition::Conditions;
use super::{Edition, Environment, Remedy, Table, Verdict};

/// One system: a compute API, an accelerator's software or a framework.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct System {
    /// The file's name without its ending.
    #[serde(skip)]
    pub id: String,
    /// The row's label in the tables.
    pub name: String,
    /// A shorter one for narrow columns.
    pub label: Option<String>,
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
    /// What has to be done before it can be set up, special cases first.
    #[serde(default)]
    pub setup: Vec<Setup>,
    /// The rules whose findings say why it does not work: what needs it is broken by them.
    #[serde(default)]
    pub explained_by: Vec<String>,
}

impl System {
    /// Its name where there is little room.
    pub fn short_name(&self) -> &str {
        self.label.as_ref().unwrap_or(&self.name)
    }

    /// The claims of the documents that it holds.
    pub fn claims(&self) -> impl Iterator<Item = &String> {
        let support = self.support.iter().flat_map(|support| &support.claims);
        let hardware = self.hardware.iter().flat_map(|hardware| &hardware.claims);
        let format = self.format.iter().flat_map(|format| &format.claims);
        support.chain(hardware).chain(format).chain(self.note.iter().flat_map(|note| &note.claims))
    }
}

/// One statement: in this environment, for these versions, this verdict.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Support {
    /// Rule id, unique over the matrix; it never changes.
    pub id: String,
    /// Where.
    pub environment: Environment,
    /// For which versions of the system; all where none are named.
    pub versions: Option<Range>,
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
    pub claims: Vec<String>,
    /// The sources behind `current`.
    #[serde(default)]
    pub sources: Vec<String>,
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
    pub claims: Vec<String>,
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
    pub claims: Vec<String>,
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
    pub claims: Vec<String>,
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
    pub id: String,
    /// How it stands to the claims.
    pub relation: Relation,
    /// The claims, wherever in the matrix they stand.
    pub claims: Vec<String>,
    /// What it says.
    pub text: String,
    /// The version or date from which it holds.
    pub since: Option<String>,
    /// Where it says so.
    pub source: String,
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
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setup {
    /// Rule id.
    pub id: String,
    /// The machine it is for; the first row of a system whose conditions hold is taken.
    pub when: Conditions,
    /// Where it is not meant although `when` holds. What is unknown makes no exception.
    #[serde(default)]
    pub except: Conditions,
    /// What one gets.
    pub gives: Gives,
    /// In words.
    pub text: String,
    /// Commands that can be pasted.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Of what has to be done first: the finding's code where somebody wants the system.
    pub code: Option<String>,
    /// The system that has to work first: what explains that it does not is the cause of this, too.
    pub needs: Option<String>,
    /// The sources.
    #[serde(default)]
    pub sources: Vec<String>,
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
