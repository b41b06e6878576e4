//! A requirement of a package, as far as it takes to say whether it concerns this machine.
//!
//! `nvidia-cudnn-cu12==9.1.0.70; platform_system == "Linux" and platform_machine == "x86_64"`: the name, and behind the
//! semicolon the marker. Versions of requirements are passed on and not compared here. What asks for an extra is not asked for, because
//! metadata do not say with which extras a package was installed.
//! Reference: the specification of dependency specifiers (PEP 508).

use super::marker::{self, Place};

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
        let (os, arch) = system.split_once(' ').unwrap_or((system, ""));
        let place = Place { os: Some(os), arch: Some(arch), python: Some(python) };
        marker::holds(self.marker, place) == Some(true)
    }
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
