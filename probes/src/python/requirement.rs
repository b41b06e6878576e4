//! A requirement of a package, as far as it takes to say whether it concerns this machine.
//!
//! `nvidia-cudnn-cu12==9.1.0.70; platform_system == "Linux" and platform_machine == "x86_64"`: the name, and behind the
//! semicolon the marker. Versions of requirements are passed on and not compared here. What asks for an extra is not asked for, because
//! metadata do not say with which extras a package was installed.
//! Reference: the specification of dependency specifiers (PEP 508).

use std::cmp::Ordering;

use crate::version::Version;

/// A requirement: a package's name and when it is required.
pub(crate) struct Requirement<'a> {
    /// As it is written.
    pub name: &'a str,
    /// The name with extras and versions, as pip takes it in one word.
    pub specifier: String,
    marker: &'a str,
}

impl<'a> Requirement<'a> {
    /// Reads one; nothing where no name stands in front.
    pub(crate) fn parse(text: &'a str) -> Option<Requirement<'a>> {
        let (required, marker) = text.split_once(';').unwrap_or((text, ""));
        let required = required.trim();
        let end = required.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(required.len());
        let name = required.get(..end).filter(|name| !name.is_empty())?;
        // Older metadata have the versions in parentheses.
        let specifier = required.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')')).collect();
        Some(Requirement { name, specifier, marker: marker.trim() })
    }

    /// Whether it is required on a system such as `linux x86_64` by this version of Python. A marker that is not understood
    /// requires nothing: a false alarm would be worse.
    pub(crate) fn applies(&self, system: &str, python: &str) -> bool {
        if self.marker.is_empty() {
            return true;
        }
        let mut marker = Marker { words: words(self.marker), at: 0, depth: 0, system, python };
        let truth = marker.any();
        truth == Some(true) && marker.at == marker.words.len()
    }
}

/// As many parentheses are read in one marker.
const DEEPEST: usize = 32;

struct Marker<'a> {
    words: Vec<&'a str>,
    at: usize,
    /// How many parentheses were opened.
    depth: usize,
    system: &'a str,
    python: &'a str,
}

impl<'a> Marker<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at) == Some(&word);
        self.at += usize::from(there);
        there
    }

    fn any(&mut self) -> Option<bool> {
        let mut truth = self.all()?;
        while self.take("or") {
            let right = self.all()?;
            truth |= right;
        }
        Some(truth)
    }

    fn all(&mut self) -> Option<bool> {
        let mut truth = self.one()?;
        while self.take("and") {
            let right = self.one()?;
            truth &= right;
        }
        Some(truth)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            self.depth += 1;
            // Deeper than any real marker; a stack has an end.
            let truth = if self.depth > DEEPEST { None } else { self.any() };
            return truth.filter(|_| self.take(")"));
        }
        let left = self.next()?;
        let operator = match self.next()? {
            "not" if self.take("in") => "not in",
            other => other,
        };
        let right = self.next()?;
        if left == "extra" || right == "extra" {
            return Some(false);
        }
        let is_version = [left, right].iter().any(|word| matches!(*word, "python_version" | "python_full_version"));
        let (left, right) = (self.value(left)?, self.value(right)?);
        match operator {
            "in" => return Some(right.contains(&left)),
            "not in" => return Some(!right.contains(&left)),
            _ => {}
        }
        let order = match is_version {
            true => left.parse::<Version>().ok()?.cmp(&right.parse::<Version>().ok()?),
            false => left.cmp(&right),
        };
        Some(match operator {
            "==" | "===" => order == Ordering::Equal,
            "!=" => order != Ordering::Equal,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            _ => return None,
        })
    }

    fn value(&self, word: &str) -> Option<String> {
        let (os, arch) = self.system.split_once(' ')?;
        if let Some(text) = word.strip_prefix(['\'', '"']) {
            return Some(text.trim_end_matches(['\'', '"']).to_owned());
        }
        let value = match (word, os) {
            ("platform_system", "windows") => "Windows",
            ("platform_system", "macos") => "Darwin",
            ("platform_system", _) => "Linux",
            ("sys_platform", "windows") => "win32",
            ("sys_platform", "macos") => "darwin",
            ("sys_platform", _) => "linux",
            ("os_name", "windows") => "nt",
            ("os_name", _) => "posix",
            ("platform_machine", "windows") if arch == "x86_64" => "AMD64",
            ("platform_machine", "macos") if arch == "aarch64" => "arm64",
            ("platform_machine", _) => arch,
            ("platform_python_implementation", _) => "CPython",
            ("implementation_name", _) => "cpython",
            ("python_version", _) => {
                let mut parts = self.python.split('.');
                return Some(format!("{}.{}", parts.next()?, parts.next()?));
            }
            ("python_full_version", _) => self.python,
            _ => return None,
        };
        Some(value.to_owned())
    }
}

/// Names, texts in quotes, operators and parentheses.
fn words(marker: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = marker.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '(' | ')' => 1,
            '\'' | '"' => {
                let body = rest.get(1..).unwrap_or_default();
                body.find(first).map_or(rest.len(), |end| end + 2)
            }
            '<' | '>' | '=' | '!' | '~' => rest.find(|c: char| !"<>=!~".contains(c)).unwrap_or(rest.len()),
            _ => rest.find(|c: char| c.is_whitespace() || "()<>=!~'\"".contains(c)).unwrap_or(rest.len()),
        };
        words.push(rest.get(..end).unwrap_or_default());
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_says_where_something_is_required() {
        for (text, linux, windows) in [
            ("numpy", true, true),
            (
                "nvidia-cudnn-cu12==9.1.0.70 ; platform_system == \"Linux\" and platform_machine == \"x86_64\"",
                true,
                false,
            ),
            ("triton==3.2.0; (platform_system == 'Linux' and platform_machine == 'x86_64')", true, false),
            ("jax[cuda12]>=0.5; extra == \"cuda\"", false, false),
            ("a; sys_platform == 'win32' or python_version < '3.12'", true, true),
            ("a; sys_platform == 'win32' and python_version >= '3.12'", false, false),
            ("a; python_version >= '3.9'", true, true),
            ("a; 'linux' in sys_platform", true, false),
            ("a; sys_platform not in 'linux darwin'", false, true),
            ("a; os_name == 'nt' # what is this", false, false),
            ("a; unheard_of == 'x'", false, false),
            ("a; ((((", false, false),
        ] {
            let requirement = Requirement::parse(text).unwrap();
            assert_eq!(requirement.applies("linux x86_64", "3.11.7"), linux, "{text}");
            assert_eq!(requirement.applies("windows x86_64", "3.11.7"), windows, "{text}");
        }
        for (text, specifier) in [("numpy (<2.0,>=1.26)", "numpy<2.0,>=1.26"), ("a[b] == 1 ; x", "a[b]==1"), ("c", "c")]
        {
            assert_eq!(Requirement::parse(text).unwrap().specifier, specifier);
        }
        assert!(Requirement::parse(" ; x").is_none());
        let deep = format!("a; {}", "(".repeat(100_000));
        assert!(!Requirement::parse(&deep).unwrap().applies("linux x86_64", "3.11"));
    }
}
