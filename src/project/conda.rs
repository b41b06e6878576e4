//! Environment files of conda: the packages under `dependencies`, and under `pip` within them.
//!
//! Reads the part of YAML that such files are made of: keys at the left margin, lists of words with a dash, comments and
//! quotes. What stands under other keys is passed over. Anchors, texts of several lines and lists over several lines are
//! refused where a dependency is expected, with their line. References: conda's documentation of environment files.

mod package;

use super::{Content, Fault, dependency, requirements};

use package::package;

/// Reads one.
pub(super) fn parse(text: &str) -> Result<Content, Fault> {
    let lines = lines(text)?;
    let mut content = Content::default();
    let mut at = 0;
    let mut found = false;
    while let Some(line) = lines.get(at) {
        at += 1;
        // What stands deeper belongs to a key that does not matter here.
        if line.indent > 0 || line.text.starts_with("- ") || line.text == "-" {
            continue;
        }
        let Some((key, value)) = entry(line.text) else {
            return Err(line.fault("expected a key such as `dependencies:` here"));
        };
        if key != "dependencies" {
            continue;
        }
        found = true;
        match value {
            "" => at = items(&mut content, &lines, at)?,
            value => flow(value, line)?.into_iter().try_for_each(|one| package(&mut content, one, line))?,
        }
    }
    match found {
        true => Ok(content),
        false => Err(Fault { line: 1, message: "expected a list of packages under `dependencies:`".to_owned() }),
    }
}

/// A line that says something.
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

impl Line<'_> {
    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { line: self.number, message: message.into() }
    }
}

/// The lines that say something, without comments.
fn lines(text: &str) -> Result<Vec<Line<'_>>, Fault> {
    let mut lines = Vec::new();
    for (place, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let bare = without_comment(line).trim_end();
        let body = bare.trim_start_matches(' ');
        let line = Line { number: place + 1, indent: bare.len() - body.len(), text: body };
        if body.starts_with('\t') {
            return Err(line.fault("a tab stands where YAML allows blanks alone"));
        }
        if !(body.is_empty() || body == "---" || body == "..." || body.starts_with('%')) {
            lines.push(line);
        }
    }
    Ok(lines)
}

/// A comment begins the line or follows a blank, outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '#') if before.is_whitespace() => return line.get(..at).unwrap_or(line),
            // A quote within a word is an apostrophe.
            (None, '"' | '\'') if before.is_whitespace() || "[,:".contains(before) => quote = Some(c),
            _ => {}
        }
        before = c;
    }
    line
}

/// A key and its value.
fn entry(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':').filter(|(_, value)| value.is_empty() || value.starts_with(' '))?;
    let key = key.trim().trim_matches(['"', '\'']);
    (!key.is_empty()).then(|| (key, value.trim()))
}

/// The items of a list that begins at a line; where it ends.
fn items(content: &mut Content, lines: &[Line<'_>], mut at: usize) -> Result<usize, Fault> {
    let Some(first) = lines.get(at).filter(|line| is_item(line)) else { return Ok(at) };
    let indent = first.indent;
    while let Some(line) = lines.get(at).filter(|line| line.indent >= indent && (line.indent > 0 || is_item(line))) {
        if !is_item(line) || line.indent != indent {
            return Err(line.fault(format!("expected a package behind a dash in column {} here", indent + 1)));
        }
        at += 1;
        let value = line.text.get(1..).unwrap_or_default().trim();
        match entry(value) {
            Some(("pip", "")) => at = of_pip(content, lines, at, indent)?,
            Some(("pip", list)) => {
                for one in flow(list, line)? {
                    requirements::line(content, one, line.number)?;
                }
            }
            Some((key, _)) => return Err(line.fault(format!("expected a package or `pip:` here, found `{key}:`"))),
            None => package(content, word(value, line)?, line)?,
        }
    }
    Ok(at)
}

/// The list under `pip:`, which stands deeper than the dash in front of it.
fn of_pip(content: &mut Content, lines: &[Line<'_>], mut at: usize, outer: usize) -> Result<usize, Fault> {
    let Some(indent) = lines.get(at).filter(|line| is_item(line) && line.indent > outer).map(|line| line.indent) else {
        return Ok(at);
    };
    while let Some(line) = lines.get(at).filter(|line| line.indent > outer) {
        if !is_item(line) || line.indent != indent {
            return Err(line.fault(format!("expected a requirement behind a dash in column {} here", indent + 1)));
        }
        requirements::line(content, word(line.text.get(1..).unwrap_or_default().trim(), line)?, line.number)?;
        at += 1;
    }
    Ok(at)
}

fn is_item(line: &Line<'_>) -> bool {
    line.text == "-" || line.text.starts_with("- ")
}

/// A word as it stands, or between quotes.
fn word<'a>(text: &'a str, line: &Line<'_>) -> Result<&'a str, Fault> {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            let inner = inner.strip_suffix(quote).filter(|inner| !inner.contains([quote, '\\']));
            return inner.ok_or_else(|| line.fault(format!("this text does not end with its quote, `{quote}`")));
        }
    }
    match text.chars().next() {
        None => Err(line.fault("expected a package behind the dash")),
        Some('&' | '*' | '!' | '|' | '>' | '{' | '[' | '?' | '@' | '`') => {
            let told = dependency::short(text);
            Err(line
                .fault(format!("expected a package such as `pytorch>=2.6`, found `{told}`, which is not read here")))
        }
        Some(_) => Ok(text),
    }
}

/// The items of a list in brackets, on one line.
fn flow<'a>(text: &'a str, line: &Line<'_>) -> Result<Vec<&'a str>, Fault> {
    let inner = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let inner =
        inner.ok_or_else(|| line.fault("expected a list with one package a line, or in brackets on one line"))?;
    let mut items = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        // A comma between quotes belongs to the versions.
        let body = quote.and_then(|quote| rest.get(1..)?.find(quote)).map_or(0, |end| end + 2);
        let end = rest.get(body..).and_then(|behind| behind.find(',')).map_or(rest.len(), |end| body + end);
        items.push(word(rest.get(..end).unwrap_or_default().trim(), line)?);
        rest = rest.get(end + 1..).unwrap_or_default().trim();
    }
    Ok(items)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::project::{Build, Dependency, Versions, versions};

    fn told(text: &str) -> Vec<String> {
        let one = |one: &Dependency| {
            let range = match &one.versions {
                Versions::Within(range) => range.text(),
                _ => "",
            };
            format!("{} {}{range}", one.place.line, one.name)
        };
        parse(text).unwrap().dependencies.iter().map(one).collect()
    }

    #[test]
    fn a_file_as_people_write_it() {
        let text = "---\n# an environment\nname: ml   # its name\nchannels:\n- pytorch\n- nvidia\nvariables:\n  NOTE: |\n    dependencies:\n\
                    dependencies:\n  - python=3.11\n  - pytorch::pytorch=2.5.1\n  - pytorch-cuda=12.1\n  - 'numpy<2'\n  - pip\n  - pip:\n    - jax[cuda12]>=0.4  # pip's\n    - -r more.txt\n\
                    prefix: /somewhere\n";
        assert_eq!(told(text), ["12 torch==2.5.1.*", "14 numpy<2", "15 pip", "17 jax>=0.4"]);
        let content = parse(text).unwrap();
        assert_eq!(content.python.unwrap().versions, versions::conda("=3.11"));
        assert_eq!(content.builds, [Build { label: "cu121".to_owned(), marker: String::new() }]);
        assert_eq!(content.includes.len(), 1);
        assert_eq!(told("dependencies: [pytorch, \"numpy>=1.26,<2\"]\n"), ["1 torch", "1 numpy>=1.26,<2"]);
        assert_eq!(told("dependencies:\n- pip:\n  - torch\n- jax\nname: x\n"), ["3 torch", "4 jax"]);
        assert_eq!(told("dependencies:\nname: x\n"), [""; 0]);
    }

    #[test]
    fn what_is_outside_has_its_line() {
        for (text, line, says) in [
            ("name: x\n", 1, "under `dependencies:`"),
            ("dependencies:\n\t- torch\n", 2, "a tab"),
            ("dependencies:\n  - &a torch\n", 2, "not read here"),
            ("dependencies:\n  - pytorch\n    - numpy\n", 3, "behind a dash in column 3"),
            ("dependencies:\n  - conda:\n    - x\n", 2, "found `conda:`"),
            ("dependencies: pytorch\n", 1, "one package a line"),
            ("dependencies: [\n  pytorch]\n", 1, "one package a line"),
            ("dependencies:\n  - 'torch\n", 2, "does not end with its quote"),
            ("dependencies:\n  -\n", 2, "behind the dash"),
            ("dependencies:\n  - pip:\n    - torch 2\n", 3, "expected versions"),
            ("what is this\n", 1, "expected a key"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.message.contains(says), "{text}: {}", fault.message);
        }
    }
}
