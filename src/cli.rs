//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::diagnosis;
use crate::input;
use crate::matrix::{Edition, Severity, Table};
use crate::render::Format;

/// Says which compute APIs really work on this machine (CUDA, Vulkan, OpenCL, ...), which machine learning frameworks
/// can use them, and what to do about the rest. It changes nothing and needs no network.
#[derive(Debug, Parser)]
#[command(name = "accelprobe", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `doctor` where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `doctor`.
    #[command(flatten)]
    pub doctor: Doctor,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Probe this machine, judge, explain and recommend
    Doctor(Box<Doctor>),
    /// Probe this machine and tell the facts, without judgement
    Probe(Probe),
    /// Show what is supported where: the comparison tables
    Matrix(ShowMatrix),
    /// Explain a rule, a finding's code, a system, a topic, a product or a GPU, with its sources
    Explain(Explain),
    /// Write a recording of this machine, without names or serial numbers, for a bug report
    Record(Record),
    /// Print the JSON Schema of the diagnosis, or of machine descriptions
    Schema {
        /// Of what
        #[arg(long, value_enum, default_value_t, value_name = "DOCUMENT")]
        of: Document,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// A document with a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// What `doctor --json` prints
    #[default]
    Diagnosis,
    /// What `--from` reads: a machine, written by hand
    Description,
}

impl Document {
    /// Its JSON Schema.
    pub fn schema(self) -> String {
        match self {
            Document::Diagnosis => diagnosis::schema(),
            Document::Description => input::schema(),
        }
    }
}

/// Options of `doctor`.
#[derive(Debug, Default, Args)]
pub struct Doctor {
    /// How to show the result
    #[command(flatten)]
    pub output: Output,
    /// What to look at
    #[command(flatten)]
    pub source: Source,
    /// What you mean to use: `tensorflow`, `torch>=2.6`, `jax[cuda12]` (may be given several times)
    #[arg(long, value_name = "SPEC")]
    pub want: Vec<String>,
    /// Read what you mean to use from a project: a requirements.txt, a pyproject.toml or an environment.yml of conda (may be
    /// given several times)
    #[arg(short, long, value_name = "FILE")]
    pub requirements: Vec<PathBuf>,
    /// What must hold, for scripts: `cuda>=12.4`, `vulkan`, `opencl:cpu`, `python>=3.10` (may be given several times)
    #[arg(long, value_name = "EXPR")]
    pub require: Vec<String>,
    /// On Windows: look at WSL2 as well, in this distribution or the default one, with the Linux build of accelprobe that lies
    /// beside this program or is on the search path there
    #[arg(long, value_name = "DISTRO", num_args = 0..=1, default_missing_value = "", conflicts_with = "from")]
    pub wsl: Option<String>,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, default_value_t, value_name = "SEVERITY")]
    pub fail_on: FailOn,
    /// Judge by the documents that this tool encodes, or by the newest statements
    #[arg(long, value_enum, default_value_t)]
    pub edition: Edition,
    /// Read the matrix from this folder
    #[arg(long, value_name = "DIR")]
    pub matrix: Option<PathBuf>,
}

/// How to show a result.
#[derive(Debug, Default, Args)]
pub struct Output {
    /// How to show the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl Output {
    /// The format that is meant.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// What to look at.
#[derive(Debug, Default, Args)]
pub struct Source {
    /// Judge a recording, a machine description, a diagnosis in JSON or what somebody pasted of collect_env, nvidia-smi and the
    /// like instead of this machine; `-` is standard input. `doctor` puts two beside each other where one is of native Windows and the other of WSL2
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// What if: replace a fact, as in `environment=wsl2`, `gpu=NVIDIA GeForce RTX 4090` or `packages.torch=2.6.0+cu126`
    /// (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Probe these systems alone
    #[arg(long, value_name = "SYSTEM", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Do not probe these systems
    #[arg(long, value_name = "SYSTEM", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// How to look at this machine
    #[command(flatten)]
    pub look: Look,
    /// Tell every question, its answer and its time on standard error
    #[arg(long)]
    pub trace: bool,
}

/// How to look at this machine.
#[derive(Debug, Default, Args)]
pub struct Look {
    /// Also look at this Python interpreter or environment (may be given several times)
    #[arg(long, value_name = "PATH")]
    pub python: Vec<PathBuf>,
    /// Also run a small computation on every device that is listed, and check its result
    #[arg(long)]
    pub deep: bool,
    /// How long one driver may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<f64>,
}

/// Options of `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// The systems to probe; all where none is named
    #[arg(value_name = "SYSTEM")]
    pub systems: Vec<String>,
    /// How to show the result
    #[command(flatten)]
    pub output: Output,
    /// What to look at
    #[command(flatten)]
    pub source: Source,
}

/// Options of `matrix`.
#[derive(Debug, Args)]
pub struct ShowMatrix {
    /// Which table
    #[arg(long, value_enum, default_value_t)]
    pub table: WhichTable,
    /// Whose statements the cells tell
    #[arg(long, value_enum, default_value_t)]
    pub edition: Edition,
    /// How to show the result
    #[command(flatten)]
    pub output: Output,
    /// Read the matrix from this folder
    #[arg(long, value_name = "DIR")]
    pub matrix: Option<PathBuf>,
}

/// A table, or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WhichTable {
    /// GPU APIs, native Windows beside WSL2
    Apis,
    /// Additional inference and acceleration APIs
    Accelerators,
    /// Inference engines
    Engines,
    /// Frameworks
    Frameworks,
    /// All of them
    #[default]
    All,
}

impl WhichTable {
    /// The tables that are meant.
    pub fn tables(self) -> &'static [Table] {
        match self {
            WhichTable::Apis => &[Table::Apis],
            WhichTable::Accelerators => &[Table::Accelerators],
            WhichTable::Engines => &[Table::Engines],
            WhichTable::Frameworks => &[Table::Frameworks],
            WhichTable::All => &[Table::Apis, Table::Accelerators, Table::Engines, Table::Frameworks],
        }
    }
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A rule, a finding's code, a system, a topic, a product (`torch`, `nvidia-driver`) or a GPU (`RTX 4090`, `gfx1100`); all names
    /// but those of GPUs where none is given
    pub name: Option<String>,
    /// How to show the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Read the matrix from this folder
    #[arg(long, value_name = "DIR")]
    pub matrix: Option<PathBuf>,
}

/// Options of `record`.
#[derive(Debug, Args)]
pub struct Record {
    /// Write to this file, which must not be there yet; standard output otherwise
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What the machine is, in your words
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub host: String,
    /// How to look at this machine
    #[command(flatten)]
    pub look: Look,
}

/// The least severity that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors
    #[default]
    Error,
    /// Errors and warnings
    Warning,
    /// Nothing: findings never change the exit code
    Never,
}

impl FailOn {
    /// Whether a finding of this severity counts.
    pub fn counts(self, severity: Severity) -> bool {
        match self {
            FailOn::Error => severity >= Severity::Error,
            FailOn::Warning => severity >= Severity::Warning,
            FailOn::Never => false,
        }
    }
}

/// Seconds from a hundredth to an hour.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds between 0.01 and 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
