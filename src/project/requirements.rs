//! Requirements files of pip.
//!
//! A line is a requirement, an option of the whole file, or the place of a package. What cannot be a requirement is an
//! error with its line, as it is for pip. References: pip's documentation of the requirements file format.

use super::{Build, Content, Dependency, Fault, Include, dependency};

/// Options with a value that say nothing of what is judged here.
const IGNORED: &[&str] =
    &["--trusted-host", "--no-binary", "--only-binary", "--use-feature", "--config-settings", "--global-option"];
/// Options with a value that do.
const TOLD: &[&str] = &[
    "-r",
    "--requirement",
    "-c",
    "--constraint",
    "-e",
    "--editable",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
];
/// Options without a value.
const FLAGS: &[&str] = &["--no-index", "--prefer-binary", "--require-hashes", "--pre", "--no-deps"];

/// What is said of a package whose name is not told.
const UNNAMED: &str =
    "a project is installed from its folder, and what it needs is not judged: name its pyproject.toml, too";

/// Reads one.
pub(super) fn parse(text: &str) -> Result<Content, Fault> {
    let mut content = Content::default();
    for (line, text) in lines(text) {
        let done = match text.starts_with('-') {
            true => option(&mut content, &text, line),
            false => requirement(&mut content, &text, line),
        };
        done.map_err(|message| Fault { line, message })?;
    }
    Ok(content)
}

/// A requirement, as it may also stand in conda's list for pip.
pub(super) fn line(content: &mut Content, text: &str, line: usize) -> Result<(), Fault> {
    let text = without_comment(text).trim();
    let done = match text.starts_with('-') {
        true => option(content, text, line),
        false => requirement(content, text, line),
    };
    done.map_err(|message| Fault { line, message })
}

/// Lines without comments, joined where a backslash ends them; each with the number of its first line.
fn lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (place, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let is_comment = line.trim_start().starts_with('#');
        let (body, goes_on) = match line.strip_suffix('\\') {
            Some(body) if !is_comment => (body, true),
            _ => (without_comment(line), false),
        };
        let (start, mut joined) = open.take().unwrap_or((place + 1, String::new()));
        joined.push_str(body);
        match goes_on {
            true => open = Some((start, joined)),
            false => lines.push((start, joined)),
        }
    }
    lines.extend(open);
    lines.into_iter().map(|(line, text)| (line, text.trim().to_owned())).filter(|(_, text)| !text.is_empty()).collect()
}

/// A comment begins the line or follows a space: an address may hold the sign.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']));
    let end = line.match_indices('#').map(|(at, _)| at).find(begins);
    line.get(..end.unwrap_or(line.len())).unwrap_or(line)
}

fn requirement(content: &mut Content, text: &str, line: usize) -> Result<(), String> {
    // Options such as `--hash` belong to how it is installed.
    let text = text.split(" -").next().unwrap_or_default().trim();
    let is_path = text.starts_with(['.', '/', '\\', '~']) || text.contains(":\\") || text.ends_with(".whl");
    let is_address = text.split('@').next().is_some_and(|before| before.contains("://")) || text.starts_with("file:");
    match is_path || is_address {
        true => located(content, text, line),
        false => content.dependencies.push(Dependency::parse(text, line)?),
    }
    Ok(())
}

/// A package by its place. What it needs in turn is its own business.
fn located(content: &mut Content, location: &str, line: usize) {
    let (location, marker) = location.split_once(" ;").unwrap_or((location, ""));
    match Dependency::at(location.trim(), line) {
        Some(mut found) => {
            marker.trim().clone_into(&mut found.marker);
            content.dependencies.push(found);
        }
        None => content.remark(line, UNNAMED),
    }
}

fn option(content: &mut Content, text: &str, line: usize) -> Result<(), String> {
    let (name, value) = split(text);
    let value = value.trim().trim_matches(['"', '\'']);
    match name {
        name if FLAGS.contains(&name) || IGNORED.contains(&name) => return Ok(()),
        name if !TOLD.contains(&name) => return Err(format!("`{name}` is no option of a requirements file")),
        _ if value.is_empty() => return Err(format!("expected a value behind `{name}`")),
        "-r" | "--requirement" | "-c" | "--constraint" if value.contains("://") => {
            content.remark(line, format!("what stands at {} is not read", dependency::public(value)));
        }
        "-r" | "--requirement" | "-c" | "--constraint" => {
            let constraint = name.ends_with('c') || name.ends_with("constraint");
            content.includes.push(Include { path: value.to_owned(), line, constraint });
        }
        "-e" | "--editable" => located(content, value, line),
        _ => index(content, name, value, line),
    }
    Ok(())
}

/// An index, which may be that of one build.
pub(super) fn index(content: &mut Content, name: &str, address: &str, line: usize) {
    if let Some(label) = dependency::label(address) {
        content.builds.push(Build { label, marker: String::new() });
    }
    let only = matches!(name, "-i" | "--index-url");
    let place = dependency::public(address);
    // PyPI itself is where packages come from anyway.
    if !(only && place.starts_with("https://pypi.")) {
        let also = if only { "" } else { "also " };
        content.remark(line, format!("packages are {also}taken from {place}"));
    }
}

/// The name of an option and its value: `-r base.txt`, `-rbase.txt`, `--requirement=base.txt`.
fn split(text: &str) -> (&str, &str) {
    if text.starts_with("--") {
        return text.split_once(|c: char| c == '=' || c.is_whitespace()).unwrap_or((text, ""));
    }
    let end = text.char_indices().nth(2).map_or(text.len(), |(end, _)| end);
    let (name, value) = text.split_at(end);
    (name, value.strip_prefix('=').unwrap_or(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_people_write_it() {
        let content = parse(concat!(
            "\u{feff}# what we need\n",
            "-r base.txt\n",
            "-cconstraints.txt # limits\n",
            "--extra-index-url https://download.pytorch.org/whl/cu126\n",
            "--index-url=https://user:secret@example.org/simple\n",
            "torch==2.6.0 \\\n",
            "    --hash=sha256:aa \\\n",
            "    --hash=sha256:bb\n",
            "\n",
            "jax[cuda12]>=0.4; sys_platform == 'linux'   # on servers\n",
            "git+https://github.com/x/y#egg=tensorflow\n",
            "-e .[dev]\n",
            "--require-hashes\n",
        ))
        .unwrap();
        let told: Vec<(&str, usize)> =
            content.dependencies.iter().map(|one| (one.name.as_str(), one.place.line)).collect();
        assert_eq!(told, [("torch", 6), ("jax", 10), ("tensorflow", 11)]);
        let includes: Vec<(&str, bool)> =
            content.includes.iter().map(|one| (one.path.as_str(), one.constraint)).collect();
        assert_eq!(includes, [("base.txt", false), ("constraints.txt", true)]);
        assert_eq!(content.builds, [Build { label: "cu126".to_owned(), marker: String::new() }]);
        let remarks: Vec<&str> = content.remarks.iter().map(|remark| remark.text.as_str()).collect();
        assert_eq!(
            remarks,
            [
                "packages are also taken from https://download.pytorch.org/whl/cu126",
                "packages are taken from https://example.org/simple",
                UNNAMED,
            ]
        );
    }

    #[test]
    fn a_mistake_has_its_line_and_what_was_expected() {
        for (text, line, says) in [
            ("torch\nCUDA does not work\n", 2, "expected versions such as `>=2.6`"),
            ("torch \\\n  == 2.6\n--no-such-option\n", 3, "`--no-such-option` is no option"),
            ("-r\n", 1, "expected a value behind `-r`"),
            ("<html>\n", 1, "expected the name of a package"),
            ("torch[gpu\n", 1, "never closed"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.message.contains(says), "{text}: {}", fault.message);
        }
    }
}
