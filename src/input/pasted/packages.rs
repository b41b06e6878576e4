//! Lists of Python packages: of pip, conda and uv, in a list of their own or in `collect_env`.

use super::lines::Lines;
use super::told::Told;

/// Reads a line of such a list, or a table of them.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    match lines.next_if(is_table) {
        Some(_) => table(lines, told),
        None => lines.read_one(|text, number| line(told, text, number)),
    }
}

fn line(told: &mut Told, text: &str, number: usize) -> bool {
    if let Some((_, rest)) = text.strip_prefix("[pip").and_then(|rest| rest.split_once(']')) {
        return pinned(told, rest.trim(), number);
    }
    if let Some(rest) = text.strip_prefix("[conda]") {
        return conda(told, rest.trim(), number);
    }
    if text.contains("==") {
        return pinned(told, text, number);
    }
    if let Some(built_for) = capabilities(text) {
        told.of_package("torch", "architectures", &built_for, number);
        return true;
    }
    if let Some((name, version)) = row(text).filter(|_| is_alone(text)) {
        told.package(name, version, number);
        return true;
    }
    false
}

/// The first word of a text.
pub(super) fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// `torch==2.6.0+cu126`, and nothing else on the line.
fn pinned(told: &mut Told, text: &str, line: usize) -> bool {
    let Some((name, version)) = text.split_once("==") else { return false };
    if !is_name(name) || !is_version(version) {
        return false;
    }
    told.package(name, version, line);
    true
}

/// `torch    2.5.1    pypi_0    pypi`. What conda names after itself is no package of Python, but of PyTorch it tells the build.
fn conda(told: &mut Told, text: &str, line: usize) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [name, version, rest @ ..] = words.as_slice() else { return text.starts_with("Could not collect") };
    if !is_name(name) || !is_version(version) {
        return false;
    }
    match (*name, rest) {
        ("pytorch", [build, ..]) => {
            told.package("torch", version, line);
            if let Some(cuda) = build.split('_').find_map(|part| part.strip_prefix("cuda")) {
                told.of_package("torch", "cuda", cuda, line);
            } else if build.contains("cpu") {
                told.of_package("torch", "build", "cpu", line);
            }
        }
        _ => told.package(name, version, line),
    }
    told.machine("python-environment", "conda", line);
    true
}

/// Whether a list with a column for names and one for versions begins: `Package    Version`.
fn is_table(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.next() == Some("Package") && words.next() == Some("Version")
}

fn table(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    _ = lines.next_if(|line| line.trim_start().starts_with("---"));
    while let Some(line) = lines.next_if(|line| row(line).is_some()) {
        if let Some((name, version)) = row(&line.text) {
            told.package(name, version, line.number);
        }
    }
    true
}

/// What PyTorch says it is built for: `The current PyTorch install supports CUDA capabilities sm_50 sm_60.`, as a set.
fn capabilities(text: &str) -> Option<String> {
    let (_, list) = text.split_once("PyTorch install supports CUDA capabilities ")?;
    let targets: Vec<&str> = list.trim_end_matches('.').split_whitespace().collect();
    let good = |target: &&str| target.starts_with("sm_") || target.starts_with("compute_");
    (!targets.is_empty() && targets.iter().all(good)).then(|| targets.join(","))
}

/// Whether a row stands without its table's head: two words, in columns, of which the second one can be nothing but a version.
fn is_alone(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let version = words.nth(1).unwrap_or_default();
    words.next().is_none() && line.trim().contains("  ") && version.matches('.').count() >= 2
}

fn row(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?);
    (is_name(name) && is_version(version)).then_some((name, version))
}

fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty()
        && text.len() < 100
        && text.chars().all(good)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn is_version(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "+.!-_".contains(c);
    text.starts_with(|c: char| c.is_ascii_digit()) && text.len() < 80 && text.chars().all(good)
}
