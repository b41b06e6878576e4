//! Files that the user named: what `--from` reads, other matrix folders, and the one file that `record` writes.

#![expect(clippy::disallowed_methods, reason = "these files are the user's own words, not the machine's")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use accelprobe_probes::fact::Report;
use accelprobe_probes::host::recording::Recording;

use crate::diagnosis;
use crate::matrix::{self, Matrix};

/// The largest input, in bytes.
const LIMIT: u64 = 64 << 20;

/// What a file turned out to be.
pub enum Input {
    /// Questions and answers of a machine.
    Recording(Box<Recording>),
    /// The facts of a diagnosis.
    Report(Report),
}

/// Reads a file, or standard input where it is `-`, and tells by its content what it is.
pub fn read(path: &Path) -> Result<Input, String> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let text = text(path).map_err(|error| format!("{name}: {error}"))?;
    parse(&text).map_err(|message| format!("{name}: {message}"))
}

/// Tells what a text is by its content, and reads it as that.
pub fn parse(text: &str) -> Result<Input, String> {
    let body = text.trim_start_matches('\u{feff}').trim_start();
    if body.starts_with('{') {
        return diagnosis::report_in(body).map(Input::Report);
    }
    let first_words = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let first_key = body.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    match first_key.map(first_words).as_deref() {
        Some("format" | "host" | "made" | "system" | "expected") => {
            Recording::parse(body).map(|recording| Input::Recording(Box::new(recording)))
        }
        Some("environment" | "complete" | "container" | "os") => Err(
            "this is a machine description, which this version cannot read yet: expected a recording or a diagnosis"
                .to_owned(),
        ),
        _ => Err("expected a recording (TOML that begins with `format = 1`) or a diagnosis in JSON".to_owned()),
    }
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
    String::from_utf8(bytes).map_err(|error| {
        let line = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .map_or(1, |valid| valid.iter().filter(|byte| **byte == b'\n').count() + 1);
        io::Error::other(format!("line {line}: not UTF-8 text"))
    })
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

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type()? {
            kind if kind.is_dir() => collect(&entry.path(), &format!("{prefix}{name}/"), files)?,
            _ if name.ends_with(".toml") => {
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
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{}: already there, and left as it is", path.display()),
        _ => format!("{}: {error}", path.display()),
    })
}
