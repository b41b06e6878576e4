//! Rules on facts.

use std::sync::OnceLock;

use accelprobe_probes::fact::{Key, Scope};
use serde::{Deserialize, Serialize};

use super::Remedy;
use super::condition::Conditions;

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
    /// The finding's sentence; `{key}` stands for a fact, `{subject}` for what the finding is about, `{package}`
    /// for the name of the package that it is about, `{require}` for what its row requires.
    pub message: String,
    /// What to do.
    pub remedy: Remedy,
    /// The sources.
    pub sources: Vec<String>,
    /// Rules whose findings are the cause of this one's: where one of them has a finding, this one's is told as its
    /// consequence; of packages and environments, where it has one about the same.
    #[serde(default, rename = "caused-by")]
    pub caused_by: Vec<String>,
    /// The rows.
    pub row: Vec<Row>,
}

/// One row of a rule: where `when` holds and `except` does not, `require` must.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Whether the row applies.
    pub when: Conditions,
    /// Where the row does not apply although `when` holds. What is unknown makes no exception.
    #[serde(default)]
    pub except: Conditions,
    /// What must hold then.
    pub require: Conditions,
    /// How bad it is in this row, where that differs.
    pub severity: Option<Severity>,
    /// What to do in this row, where that differs.
    pub remedy: Option<Remedy>,
    /// What it is judged for; looked up once, because every recording asks.
    #[serde(skip)]
    judged_for: OnceLock<Option<&'static Key>>,
}

impl Row {
    /// The narrowest fact that the row looks at, for whose subjects it is judged; nothing where that is the machine.
    pub(crate) fn judged_for(&self) -> Option<&'static Key> {
        *self.judged_for.get_or_init(|| {
            let conditions = || [&self.when, &self.except, &self.require].into_iter();
            // What is part of something else is narrower than that.
            if conditions().any(Conditions::is_of_packages) {
                return accelprobe_probes::key("package-version");
            }
            if conditions().any(|conditions| conditions.beside().next().is_some()) {
                return accelprobe_probes::key("environment-role");
            }
            self.require.keys().chain(self.when.keys()).find(|key| key.scope != Scope::Host)
        })
    }
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
