//! The matrix: what works with what, as data with sources.
//!
//! All of it is TOML below `matrix/`, embedded at build time; `--matrix DIR` reads another copy. A file that cannot be
//! read as what it should be is reported with file, line and column and what was expected there, and so is whatever does
//! not fit together: an unknown source, a condition on an unknown fact, an id used twice.

mod check;
pub mod condition;
mod gpu;
mod parse;
mod product;
mod rule;
mod system;
pub(crate) mod template;

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use accelprobe_probes::version::Version;
use serde::{Deserialize, Serialize};

pub use gpu::{GpuFamily, Gpus};
pub use parse::{Problem, embedded, load};
pub use product::{Build, Product, Release};
pub use rule::{Row, Rule, Severity};
pub use system::{Column, Format, Gives, Hardware, Newer, Note, NoteKind, Relation, Setup, Support, System};

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
    /// GPUs by vendor.
    pub gpus: Vec<Gpus>,
    /// Rules on facts. Builds remember which of them are about them: `set_rules` puts others in their place.
    pub rules: Vec<Rule>,
    /// What the codes of findings mean.
    pub codes: BTreeMap<String, String>,
    /// The places of products by the facts and packages that carry their versions.
    named: OnceLock<HashMap<String, usize>>,
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
    /// What it takes to get there, special cases first.
    #[serde(default)]
    pub setup: Vec<Setup>,
}

impl Matrix {
    /// Puts other rules in the place of those that there are, and returns these.
    pub fn set_rules(&mut self, rules: Vec<Rule>) -> Vec<Rule> {
        for build in self.products.iter_mut().flat_map(|product| &mut product.build) {
            build.judged_by.take();
        }
        std::mem::replace(&mut self.rules, rules)
    }

    /// The system of an id.
    pub fn system(&self, id: &str) -> Option<&System> {
        self.systems.iter().find(|system| system.id == id)
    }

    /// The product of an id.
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    /// The product whose version a Python distribution has.
    pub fn product_of_package(&self, package: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.packages.iter().any(|own| own == package))
    }

    /// The newest release that is known of what a fact carries the version of, or of a package.
    pub fn horizon(&self, name: &str) -> Option<&Version> {
        let product = self.named.get_or_init(|| {
            let products = self.products.iter().enumerate();
            let names = |product: &Product| product.keys.iter().chain(&product.packages).cloned().collect::<Vec<_>>();
            products.flat_map(|(place, product)| names(product).into_iter().map(move |name| (name, place))).collect()
        });
        self.products.get(*product.get(name)?)?.horizon()
    }

    /// Whether a version of a package, or of what a fact carries the version of, is newer than any that the matrix knows and no
    /// later form of that: a Python 3.15.2 is what is known as 3.15.
    pub fn is_beyond(&self, name: &str, version: &Version) -> bool {
        self.horizon(name).is_some_and(|horizon| version > horizon && !version.starts_with(horizon))
    }

    /// The GPUs of a vendor.
    pub fn gpus(&self, vendor: &str) -> Option<&Gpus> {
        self.gpus.iter().find(|gpus| gpus.vendor == vendor)
    }

    /// All newer statements.
    pub fn newer(&self) -> impl Iterator<Item = &Newer> {
        self.systems.iter().flat_map(|system| &system.newer).chain(self.topics.iter().flat_map(|topic| &topic.newer))
    }

    /// The newer statements about any of these claims.
    pub fn newer_about<'a>(&'a self, claims: &'a [String]) -> impl Iterator<Item = &'a Newer> {
        self.newer().filter(|newer| newer.claims.iter().any(|claim| claims.contains(claim)))
    }

    /// All claims of the documents, in the order of the files; each stands in one place.
    pub fn claims(&self) -> impl Iterator<Item = &String> {
        self.systems.iter().flat_map(System::claims).chain(self.topics.iter().flat_map(Topic::claims))
    }
}

impl Topic {
    /// The claims of the documents that it holds.
    pub fn claims(&self) -> impl Iterator<Item = &String> {
        self.note.iter().flat_map(|note| &note.claims)
    }
}
