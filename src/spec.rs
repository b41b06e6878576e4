//! What users write: `--want torch>=2.6`, `--require "cuda>=12.4"`. Mistakes are shown with a caret under them.

use std::fmt;

use accelprobe_probes::version::Range;

/// A name, what part of it, and which versions: `jax[cuda12]>=0.4`, `tensorflow:gpu`, `opencl:cpu`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// As it was written.
    pub text: String,
    /// What is meant, in lower case.
    pub name: String,
    /// Extras in brackets.
    pub extras: Vec<String>,
    /// What stands behind the colon.
    pub part: Option<Part>,
    /// Which versions; all where none are named.
    pub range: Option<Range>,
    /// Which build, by its label: `cu126`, `cpu`; nothing where none is named.
    pub build: Option<String>,
    /// Where it stands, where a file of a project asks for it: `line 3 of requirements.txt`.
    pub origin: Option<String>,
}

/// What must compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A GPU or another accelerator.
    Gpu,
    /// A processor will do.
    Cpu,
}

/// A mistake in a text, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// As it was written; nothing where it stands in a file.
    text: Option<String>,
    /// Offset in characters.
    place: usize,
    message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { text, place, message } = self;
        match text {
            Some(text) => write!(f, "{message}\n\n    {text}\n    {:place$}^", ""),
            None => f.write_str(message),
        }
    }
}

impl Mistake {
    /// A mistake in a file, which the message names.
    pub fn new(message: String) -> Mistake {
        Mistake { text: None, place: 0, message }
    }
}

impl Mistake {
    /// What is wrong, without the text and its place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// As long may one be.
const LONGEST: usize = 1_000;

impl Spec {
    /// Reads one. The name is not looked up here.
    pub fn parse(text: &str) -> Result<Spec, Mistake> {
        let at = |offset: usize, message: &str| Mistake {
            text: Some(text.to_owned()),
            place: text.get(..offset).unwrap_or(text).chars().count(),
            message: message.to_owned(),
        };
        if text.len() > LONGEST {
            return Err(Mistake::new(format!("longer than {LONGEST} characters")));
        }
        let lead = text.len() - text.trim_start().len();
        let rest = text.get(lead..).unwrap_or_default();
        let name_end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
        let name = rest.get(..name_end).unwrap_or_default();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(at(lead, "expected a name such as `cuda`, `vulkan` or `torch` here"));
        }
        // Python packages are the same by every separator (PEP 503).
        let normal = name.to_lowercase().replace(['_', '.'], "-");
        let mut cursor = lead + name_end;
        let mut extras = Vec::new();
        let tail = |cursor: usize| text.get(cursor..).unwrap_or_default();
        if tail(cursor).starts_with('[') {
            let Some(end) = tail(cursor).find(']') else { return Err(at(cursor, "this bracket is never closed")) };
            let inner = tail(cursor).get(1..end).unwrap_or_default();
            extras = inner.split(',').map(|extra| extra.trim().to_owned()).filter(|extra| !extra.is_empty()).collect();
            cursor += end + 1;
        }
        let mut part = None;
        if let Some(behind) = tail(cursor).strip_prefix(':') {
            let end = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
            part = Some(match behind.get(..end).unwrap_or_default() {
                "gpu" => Part::Gpu,
                "cpu" => Part::Cpu,
                _ => return Err(at(cursor + 1, "expected `gpu` or `cpu` here")),
            });
            cursor += 1 + end;
        }
        let conditions = tail(cursor);
        let blank = conditions.len() - conditions.trim_start().len();
        if conditions.trim().is_empty() {
            return Ok(Spec { text: text.trim().to_owned(), name: normal, extras, part, ..Spec::default() });
        }
        let mut offset = cursor + blank;
        for condition in conditions.trim_start().split(',') {
            if let Err(message) = condition.trim().parse::<Range>() {
                let indent = condition.len() - condition.trim_start().len();
                let signs = [">=", "<=", "==", "!=", "~=", ">", "<"];
                let operator =
                    signs.iter().find(|sign| condition.trim_start().starts_with(**sign)).map_or(0, |sign| sign.len());
                return Err(at(offset + indent + operator, &message));
            }
            offset += condition.len() + 1;
        }
        let range: Range = conditions.parse().map_err(|message: String| at(cursor + blank, &message))?;
        let build = range.bounds().find_map(|version| version.label()).map(str::to_lowercase);
        let text = text.trim().to_owned();
        Ok(Spec { text, name: normal, extras, part, range: Some(range), build, origin: None })
    }

    /// The name with everything behind it, as it may be written.
    pub fn words(&self) -> String {
        let extras = if self.extras.is_empty() { String::new() } else { format!("[{}]", self.extras.join(",")) };
        let part = match self.part {
            Some(Part::Gpu) => ":gpu",
            Some(Part::Cpu) => ":cpu",
            None => "",
        };
        let range = self.range.as_ref().map(Range::text).unwrap_or_default();
        format!("{}{extras}{part}{range}", self.name)
    }

    /// A mistake that is the name itself.
    pub fn unknown_name(&self, message: String) -> Mistake {
        Mistake { text: Some(self.text.clone()), place: 0, message }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let spec = Spec::parse("cuda>=12.4, <13").unwrap();
        assert_eq!((spec.name.as_str(), spec.part, spec.range.unwrap().text()), ("cuda", None, ">=12.4, <13"));
        let spec = Spec::parse("jax[cuda12, k8s] >= 0.4").unwrap();
        assert_eq!(
            (spec.name.as_str(), spec.extras, spec.range.unwrap().text()),
            ("jax", vec!["cuda12".into(), "k8s".into()], ">= 0.4")
        );
        assert_eq!(Spec::parse("opencl:cpu").unwrap().part, Some(Part::Cpu));
        assert_eq!(Spec::parse("TensorFlow:gpu>=2.11").unwrap().name, "tensorflow");
        assert_eq!(Spec::parse("torch==2.6.*").unwrap().range.unwrap().text(), "==2.6.*");
        let spec = Spec::parse("torch==2.6.0+cu126").unwrap();
        assert_eq!((spec.build.as_deref(), spec.words()), (Some("cu126"), spec.text));
    }

    #[test]
    fn a_mistake_has_its_place() {
        for (text, place) in [
            ("cuda>>12", 5),
            ("cuda>=x", 6),
            ("cuda 12.4", 5),
            (">=12", 0),
            ("opencl:tpu", 7),
            ("jax[cuda", 3),
            ("cuda>=12, 13", 10),
            ("", 0),
            ("!!!", 0),
        ] {
            assert_eq!(Spec::parse(text).unwrap_err().place, place, "{text}: {}", Spec::parse(text).unwrap_err());
        }
    }
}
