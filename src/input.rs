//! Files that the user named: what `--from` reads, other matrix folders, and the one file that `record` writes.

#![expect(clippy::disallowed_methods, reason = "these files are the user's own words, not the machine's")]

mod description;
mod gpu;
mod implied;
mod libraries;
mod names;
mod outdated;
mod pasted;
mod problems;
mod schema;
mod set;
mod value;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use accelprobe_probes::fact::{Report, Subject, Value};
use accelprobe_probes::host::recording::Recording;
use toml::de::DeTable;

pub use description::Description;
use description::MOST_GPUS;
use problems::Problems;
pub use schema::schema;
pub use set::ORIGIN as SET;

use crate::diagnosis;
use crate::matrix::{self, Matrix};

/// The largest input, in bytes.
const LIMIT: u64 = 64 << 20;

/// How many files a folder with a matrix may hold, and how deep its folders may lie.
const MOST_FILES: usize = 10_000;
const DEEPEST: usize = 4;

/// The environment of a description's packages, in the place of a folder.
const ACTIVE: &str = "the active environment";

/// What a file turned out to be.
pub enum Input {
    /// Questions and answers of a machine.
    Recording(Box<Recording>),
    /// The facts of a diagnosis.
    Report(Report),
    /// What a person wrote down of a machine.
    Description(Box<Description>),
}

/// Reads a file, or standard input where it is `-`, and tells by its content what it is.
pub fn read(path: &Path) -> Result<Input, String> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let text = text(path).map_err(|error| format!("{name}: {error}"))?;
    parse(&text, &name)
}

/// Tells what a text is by its content, and reads it as that. Errors begin with its name.
pub fn parse(text: &str, name: &str) -> Result<Input, String> {
    let body = text.trim_start_matches('\u{feff}');
    let named = |message: String| format!("{name}: {message}");
    if body.trim_start().starts_with('{') {
        return diagnosis::report_in(body).map(Input::Report).map_err(named);
    }
    let recording = || Recording::parse(body).map(|recording| Input::Recording(Box::new(recording))).map_err(named);
    // A recording says so in its first lines, and need not be read twice.
    if top(body).any(|word| matches!(word, "format" | "system")) {
        return recording();
    }
    // What is shown of a diagnosis holds no folder of this machine.
    let short = Path::new(name).file_name().map_or_else(|| name.into(), |file| file.to_string_lossy());
    let pasted = || {
        let described = pasted::read(body, &short).map(|read| Input::Description(Box::new(read)));
        described.ok_or_else(|| named(EXPECTED.to_owned()))
    };
    let table = match DeTable::parse(body) {
        Ok(table) => table,
        Err(error) => {
            // A file that says nothing that we know is no faulty description, but something else.
            if !top(body).any(description::is_word) && !body.contains("[[gpu]]") {
                return pasted();
            }
            let mut problems = Problems::new(body, name);
            problems.add(error.span().unwrap_or_default(), error.message());
            return Err(problems.none().err().unwrap_or_default());
        }
    };
    let has = |word: &str| table.get_ref().keys().any(|key| key.get_ref() == word);
    match () {
        () if has("format") || has("system") => recording(),
        () if description::is_one(table.get_ref()) => {
            description::read(&table, body, name, &short).map(|read| Input::Description(Box::new(read)))
        }
        () => pasted(),
    }
}

const EXPECTED: &str = "expected a recording (TOML with `format = 1`), a diagnosis in JSON, a machine description (TOML with \
                        `environment = \"linux\"` or the like), or what a program such as nvidia-smi or collect_env printed";

/// The words before `=` at the top of a text in TOML, before its first section, as far as they are plain to see.
fn top(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once('=')?.0.trim()))
}

/// Replaces facts, as `--set` says, and adds what follows from what somebody said. `complete` is where a description says that
/// what is not listed is absent.
pub fn what_if(report: &mut Report, settings: &[String], complete: Option<&str>) -> Result<(), String> {
    for setting in settings {
        set::set(report, setting)?;
    }
    implied::add(report, complete);
    Ok(())
}

/// The folder of the active Python environment.
fn active(report: &Report) -> Option<String> {
    let active = Value::from("active");
    report.all("environment-role").find(|fact| fact.value.as_ref() == Ok(&active)).and_then(|fact| {
        match &fact.subject {
            Subject::Environment(folder) => Some(folder.clone()),
            _ => None,
        }
    })
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match path == Path::new("-") {
        true => io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes)?,
        false => fs::File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?,
    };
    if bytes.len() as u64 > LIMIT {
        return Err(io::Error::other(format!("larger than {LIMIT} bytes")));
    }
    // What PowerShell of Windows redirects into a file is UTF-16.
    if let Some(pairs) = bytes.strip_prefix(b"\xff\xfe") {
        let units = pairs.chunks_exact(2).filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
        return Ok(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect());
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .map_or(1, |valid| valid.iter().filter(|byte| **byte == b'\n').count() + 1);
        io::Error::other(format!("line {line}: not UTF-8 text"))
    })
}

/// The text of a file of a project, or of standard input where it is `-`.
pub fn text_of(path: &Path) -> Result<String, String> {
    text(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The matrix of a folder, or the one that the program was built with.
pub fn matrix(folder: Option<&Path>) -> Result<Matrix, String> {
    let loaded = match folder {
        None => matrix::embedded(),
        Some(folder) => {
            let mut files = Vec::new();
            collect(folder, "", &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
            if files.is_empty() {
                return Err(format!(
                    "{}: no matrix is here: expected sources.toml, systems/, rules/ and so on",
                    folder.display()
                ));
            }
            files.sort();
            matrix::load(&files)
        }
    };
    loaded.map_err(|problems| {
        let place = folder.map_or_else(|| "matrix".to_owned(), |folder| folder.display().to_string());
        let lines: Vec<String> = problems.iter().map(|problem| format!("{place}/{problem}")).collect();
        lines.join("\n")
    })
}

/// The files of a folder and of those in it. What is no regular file is passed over: it may never end.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    if prefix.matches('/').count() > DEEPEST {
        return Err(io::Error::other(format!("{prefix}: folders lie too deep for a matrix")));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match fs::metadata(entry.path()) {
            _ if files.len() >= MOST_FILES => return Err(io::Error::other("more files than a matrix has")),
            Ok(kind) if kind.is_dir() => collect(&entry.path(), &format!("{prefix}{name}/"), files)?,
            Ok(kind) if kind.is_file() && name.ends_with(".toml") => {
                let read = text(&entry.path());
                files.push((
                    format!("{prefix}{name}"),
                    read.map_err(|error| io::Error::other(format!("{prefix}{name}: {error}")))?,
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes a new file. One that is there is left as it is.
pub fn write_new(path: &Path, text: &str) -> Result<(), String> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| {
        // Half a file is none, and whoever finds it does not know that.
        file.write_all(text.as_bytes()).inspect_err(|_| _ = fs::remove_file(path))
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{}: already there, and left as it is", path.display()),
        _ => format!("{}: {error}", path.display()),
    })
}
