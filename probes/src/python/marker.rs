//! Whether what stands behind the semicolon of a requirement holds: `platform_system == "Linux" and python_version < "3.12"`.
//!
//! A marker is true, false, or not known: because a name in it is unheard of, because the machine's processor or Python is
//! not known, or because it is no marker at all. What asks for an extra does not hold: nobody says with which extras
//! something was installed.
//! Reference: the specification of dependency specifiers (PEP 508).

use std::cmp::Ordering;

use crate::version::{Range, Version};

/// A machine as markers see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// `linux`, `windows` or `macos`.
    pub os: Option<&'a str>,
    /// Its processor: `x86_64`, `aarch64`.
    pub arch: Option<&'a str>,
    /// The version of its Python.
    pub python: Option<&'a str>,
}

/// Whether a marker holds on a machine; nothing where that is not known. An empty marker holds.
pub fn holds(marker: &str, place: Place<'_>) -> Option<bool> {
    let mut marker = Marker { words: words(marker), at: 0, depth: 0, place };
    if marker.words.is_empty() {
        return Some(true);
    }
    let truth = marker.any()?;
    truth.filter(|_| marker.at == marker.words.len())
}

/// As many parentheses are read in one marker.
const DEEPEST: usize = 32;

/// True, false or not known.
type Truth = Option<bool>;

struct Marker<'a> {
    words: Vec<&'a str>,
    at: usize,
    /// How many parentheses were opened.
    depth: usize,
    place: Place<'a>,
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

    /// Nothing where the words are no marker.
    fn any(&mut self) -> Option<Truth> {
        let mut truth = self.all()?;
        while self.take("or") {
            truth = match (truth, self.all()?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (None, _) | (_, None) => None,
                (Some(false), Some(false)) => Some(false),
            };
        }
        Some(truth)
    }

    fn all(&mut self) -> Option<Truth> {
        let mut truth = self.one()?;
        while self.take("and") {
            truth = match (truth, self.one()?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (None, _) | (_, None) => None,
                (Some(true), Some(true)) => Some(true),
            };
        }
        Some(truth)
    }

    fn one(&mut self) -> Option<Truth> {
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
        const OPERATORS: &[&str] = &["in", "not in", "==", "===", "!=", "<", "<=", ">", ">=", "~="];
        if !OPERATORS.contains(&operator) {
            return None;
        }
        if left == "extra" || right == "extra" {
            return Some(Some(false));
        }
        let of_python = |word: &str| matches!(word, "python_version" | "python_full_version");
        let Some((left_value, right_value)) = self.value(left).zip(self.value(right)) else { return Some(None) };
        Some(match operator {
            "in" => Some(right_value.contains(&left_value)),
            "not in" => Some(!right_value.contains(&left_value)),
            _ if of_python(left) => by_version(&left_value, operator, &right_value),
            _ if of_python(right) => by_version(&right_value, turned(operator), &left_value),
            _ => by_order(operator, left_value.cmp(&right_value)),
        })
    }

    fn value(&self, word: &str) -> Option<String> {
        if let Some(text) = word.strip_prefix(['\'', '"']) {
            return Some(text.trim_end_matches(['\'', '"']).to_owned());
        }
        let Place { os, arch, python } = self.place;
        let value = match (word, os) {
            ("platform_python_implementation", _) => "CPython",
            ("implementation_name", _) => "cpython",
            ("python_version", _) => {
                let mut parts = python?.split('.');
                return Some(format!("{}.{}", parts.next()?, parts.next()?));
            }
            ("python_full_version", _) => python?,
            ("platform_system", Some("windows")) => "Windows",
            ("platform_system", Some("macos")) => "Darwin",
            ("platform_system", Some(_)) => "Linux",
            ("sys_platform", Some("windows")) => "win32",
            ("sys_platform", Some("macos")) => "darwin",
            ("sys_platform", Some(_)) => "linux",
            ("os_name", Some("windows")) => "nt",
            ("os_name", Some(_)) => "posix",
            ("platform_machine", Some("windows")) if arch == Some("x86_64") => "AMD64",
            ("platform_machine", Some("windows")) if arch == Some("aarch64") => "ARM64",
            ("platform_machine", Some("macos")) if arch == Some("aarch64") => "arm64",
            ("platform_machine", Some(_)) => arch?,
            _ => return None,
        };
        Some(value.to_owned())
    }
}

fn by_order(operator: &str, order: Ordering) -> Truth {
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

fn by_version(version: &str, operator: &str, bound: &str) -> Truth {
    let version: Version = version.parse().ok()?;
    let range: Range = match (operator, bound.rsplit_once('.')) {
        ("~=", Some((prefix, _))) => format!(">={bound},=={prefix}.*").parse().ok()?,
        ("===", _) => format!("=={bound}").parse().ok()?,
        _ => format!("{operator}{bound}").parse().ok()?,
    };
    Some(range.contains(&version))
}

/// The operator that says the same with both sides exchanged.
fn turned(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
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
mod tests {
    use super::*;

    const LINUX: Place<'_> = Place { os: Some("linux"), arch: Some("x86_64"), python: Some("3.11.7") };
    const MAC: Place<'_> = Place { os: Some("macos"), arch: Some("aarch64"), python: Some("3.9") };
    const NOWHERE: Place<'_> = Place { os: None, arch: None, python: None };

    #[test]
    fn a_marker_holds_or_not_or_nobody_knows() {
        for (marker, linux, mac, nowhere) in [
            ("", Some(true), Some(true), Some(true)),
            ("sys_platform == 'linux'", Some(true), Some(false), None),
            ("python_version >= '3.10'", Some(true), Some(false), None),
            ("'3.10' <= python_version", Some(true), Some(false), None),
            ("python_version ~= '3.9'", Some(true), Some(true), None),
            ("python_full_version == '3.11.*'", Some(true), Some(false), None),
            ("python_version in '3.9, 3.10'", Some(false), Some(true), None),
            ("platform_machine == 'arm64' or unheard_of == 'x'", None, Some(true), None),
            ("platform_machine == 'arm64' and unheard_of == 'x'", Some(false), None, None),
            ("extra == 'gpu'", Some(false), Some(false), Some(false)),
            ("(os_name == 'posix' and (sys_platform != 'darwin'))", Some(true), Some(false), None),
            ("os_name == 'posix' what", None, None, None),
            ("os_name is 'posix'", None, None, None),
            ("((((", None, None, None),
            ("'", None, None, None),
        ] {
            let found = [LINUX, MAC, NOWHERE].map(|place| holds(marker, place));
            assert_eq!(found, [linux, mac, nowhere], "{marker}");
        }
        assert_eq!(holds(&"(".repeat(100_000), LINUX), None);
    }
}
