//! The diagnosis: one value, of which every output is a rendering, and its form in JSON.

use std::collections::BTreeMap;

use accelprobe_probes::fact::Report;
use accelprobe_probes::ladder::{Rung, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::{Edition, Gives, Remedy, Severity, Verdict};
use crate::project::Kind as ProjectKind;
use crate::sides::Sides;

/// The format number of the JSON. It changes when a key is removed or changes its meaning; new keys may come.
pub const FORMAT: u32 = 1;

/// What was found out about a machine, and what follows from it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// Format of this document: 1.
    pub format: u32,
    /// The program that made it.
    pub tool: Tool,
    /// Whose statements it judges by.
    pub edition: Edition,
    /// The machine.
    pub host: HostSummary,
    /// Its accelerators, each once, and software that stands in for them.
    pub devices: Vec<Device>,
    /// The compute APIs and frameworks.
    pub systems: Vec<System>,
    /// Python environments that were looked at.
    pub environments: Vec<PythonEnvironment>,
    /// What is wrong or worth knowing, the worst first.
    pub findings: Vec<Finding>,
    /// What can be set up here, and how.
    pub recommendations: Vec<Recommendation>,
    /// What the user means to use, judged.
    pub wants: Vec<Want>,
    /// The files of a project from which wants were read.
    pub projects: Vec<ProjectFile>,
    /// What the user asserts, judged.
    pub requirements: Vec<Requirement>,
    /// Native Windows beside WSL2, where the machine is one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sides: Option<Sides>,
    /// What was understood of a text that somebody pasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// The facts.
    pub report: Report,
}

/// What was understood of a text that somebody pasted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reading {
    /// Lines that are not empty.
    pub lines: usize,
    /// The first and the last line of each part that was not understood.
    pub unread: Vec<(usize, usize)>,
}

/// The program.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tool {
    /// `accelprobe`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The machine in short.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HostSummary {
    /// `windows`, `wsl2`, `wsl1`, `linux` or `macos`; nothing where it is not known.
    pub environment: Option<String>,
    /// Whether it is inside a container; nothing where it is not known.
    pub container: Option<bool>,
    /// Name and version of the operating system.
    pub os: Option<String>,
    /// Processor architecture.
    pub arch: Option<String>,
    /// Release of the kernel, or build of Windows.
    pub kernel: Option<String>,
    /// Processor.
    pub cpu: Option<String>,
    /// Number of logical processors.
    pub cores: Option<u64>,
    /// Main memory in bytes.
    pub memory_bytes: Option<u64>,
    /// The active Python.
    pub python: Option<String>,
    /// What is known of WSL; nothing outside it.
    pub wsl: Option<Wsl>,
}

/// What is known of WSL.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Wsl {
    /// 1 or 2.
    pub version: u8,
    /// Whether /dev/dxg is there.
    pub gpu: Option<bool>,
    /// Version of the package WSL.
    pub package: Option<String>,
    /// Build of the Windows around it.
    pub windows: Option<String>,
    /// Whether programs of Windows can be started.
    pub interop: Option<bool>,
}

/// An accelerator, or software that stands in for one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Device {
    /// PCI address where there is one, else what an API lists it under.
    pub id: String,
    /// Who made it.
    pub vendor: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// `discrete`, `integrated`, `software`, `virtual` or `other`.
    pub kind: Option<String>,
    /// Its driver, in its own words.
    pub driver: Option<String>,
    /// NVIDIA's number for its instruction set.
    pub compute_capability: Option<String>,
    /// AMD's name for its instruction set.
    pub gfx: Option<String>,
    /// Its memory in bytes; of an integrated one what it may use of the machine's, if an API tells.
    pub memory_bytes: Option<u64>,
    /// The APIs that list it.
    pub seen_by: Vec<String>,
}

/// How a system stands here.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct System {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name where there is little room.
    pub label: String,
    /// Its state.
    pub state: State,
    /// The rung of the ladder that it reached, or that broke.
    pub rung: Option<Rung>,
    /// Versions of its parts.
    pub versions: BTreeMap<String, String>,
    /// What the matrix says of it in this environment.
    pub support: Support,
    /// One sentence.
    pub detail: String,
    /// The devices that it lists, by id.
    pub devices: Vec<String>,
    /// How long asking took, in milliseconds; nothing in a replay.
    pub duration_ms: Option<u64>,
}

/// What the matrix says of a system in this environment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Support {
    /// By the documents; `unknown` where they are silent.
    pub documents: Verdict,
    /// By the newest cited statement.
    pub current: Verdict,
    /// In words.
    pub note: Option<String>,
    /// Newer statements that contradict the documents here.
    pub contradicted_by: Vec<Citation>,
}

/// A statement with its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Citation {
    /// What it says.
    pub text: String,
    /// Title of the source.
    pub title: String,
    /// Address of the source.
    pub url: Option<String>,
    /// Date of the source.
    pub date: String,
}

/// A Python environment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PythonEnvironment {
    /// The interpreter.
    pub path: String,
    /// Its version.
    pub python: Option<String>,
    /// `venv`, `conda`, `uv`, `pyenv`, `pipx`, `store` or `system`; `none` where the user named a place without one,
    /// `unknown` where nobody told.
    pub kind: String,
    /// `active` where commands such as `python3` use it, `named` where `--python` names it, else `other`.
    pub role: String,
    /// The packages that matter, with their versions.
    pub packages: BTreeMap<String, String>,
}

/// Something wrong or worth knowing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// Its code, which scripts may rely on.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: String,
    /// One sentence.
    pub message: String,
    /// The facts behind it.
    pub evidence: Vec<Evidence>,
    /// The rule that gave it.
    pub rule: String,
    /// What newer sources say against the rule.
    pub contradicted_by: Vec<Citation>,
    /// Who says that it is a rule.
    pub sources: Vec<SourceRef>,
    /// What to do.
    pub remedy: Option<Remedy>,
    /// What else is wrong because of it, and needs no remedy of its own.
    pub consequences: Vec<Consequence>,
}

/// Something that is wrong because something else is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Consequence {
    /// Its code.
    pub code: String,
    /// The rule that gave it.
    pub rule: String,
    /// What it is about.
    pub subject: String,
    /// One sentence.
    pub message: String,
}

/// A fact behind a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// Name of the fact.
    pub fact: String,
    /// Its value, or what is missing.
    pub value: String,
    /// Where it comes from.
    pub origin: String,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceRef {
    /// Its title.
    pub title: String,
    /// Its address.
    pub url: Option<String>,
    /// Its date.
    pub date: String,
}

/// What can be set up.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Recommendation {
    /// The system that it sets up.
    pub system: String,
    /// What one gets.
    pub gives: Gives,
    /// In words.
    pub text: String,
    /// What is wanted that it is for, as the user wrote it.
    pub want: Option<String>,
    /// The GPUs that it is for, where no build serves all of them; else none are named.
    #[serde(rename = "for")]
    pub only: Vec<String>,
    /// The release, where it is a package.
    pub version: Option<String>,
    /// The build of the release: `cu128`, `cpu`.
    pub build: Option<String>,
    /// Commands that can be pasted, one after the other; with pip where there is a package to install.
    pub commands: Vec<String>,
    /// Commands that do the same with uv.
    pub uv: Vec<String>,
    /// What an upgrade would give: `with NVIDIA driver 580.65.06 or newer: PyTorch 2.15.0 with CUDA 13.2`.
    pub unlocks: Vec<String>,
    /// The rules or the product behind it.
    pub because: Vec<String>,
    /// The sources.
    pub sources: Vec<SourceRef>,
}

/// How a want or a requirement turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It can be had, or is so.
    Holds,
    /// It cannot be had, or is not so.
    Broken,
    /// Nobody can say.
    Unknown,
    /// It cannot exist here.
    NotApplicable,
}

impl Outcome {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Holds => "holds",
            Outcome::Broken => "broken",
            Outcome::Unknown => "unknown",
            Outcome::NotApplicable => "not applicable",
        }
    }
}

/// Something that the user means to use.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Want {
    /// As the user wrote it.
    pub spec: String,
    /// Whether it can be had here.
    pub verdict: Outcome,
    /// One sentence.
    pub detail: String,
    /// The rules behind it.
    pub because: Vec<String>,
    /// Where it stands, where a file of a project asks for it: `line 3 of requirements.txt`.
    pub origin: Option<String>,
}

/// A file of a project from which wants were read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProjectFile {
    /// Its name, without the folders in front.
    pub file: String,
    /// What it turned out to be.
    pub kind: ProjectKind,
    /// How many packages it asks for on this machine beside those that are judged.
    pub not_judged: usize,
    /// What is worth knowing of it, each with its line.
    pub remarks: Vec<String>,
}

/// Something that the user asserts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Requirement {
    /// As the user wrote it.
    pub expr: String,
    /// Whether it is so.
    pub verdict: Outcome,
    /// One sentence.
    pub detail: String,
}

/// The JSON Schema of the diagnosis.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Diagnosis);
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}

/// Reads the facts of a diagnosis in JSON; everything else in it is judged anew.
pub fn report_in(json: &str) -> Result<Report, String> {
    #[derive(Deserialize)]
    struct Stored {
        format: u32,
        report: Report,
    }
    let stored: Stored = serde_json::from_str(json).map_err(|error| error.to_string())?;
    match stored.format {
        FORMAT => Ok(stored.report),
        other => Err(format!("diagnosis of format {other}; this version reads format {FORMAT}")),
    }
}
