//! A package in conda's words: its match specification.
//!
//! Reference: conda's documentation of match specifications.

use super::Line;
use crate::project::{Build, Content, Dependency, Fault, Place, Versions, dependency, versions};
use crate::spec::Part;

/// Packages that conda calls otherwise than pip, and what they compute on.
const NAMES: &[(&str, &str, Option<Part>)] = &[
    ("pytorch", "torch", None),
    ("pytorch-gpu", "torch", Some(Part::Gpu)),
    ("pytorch-cpu", "torch", Some(Part::Cpu)),
    ("tensorflow-gpu", "tensorflow", Some(Part::Gpu)),
    ("tensorflow-cpu", "tensorflow", Some(Part::Cpu)),
    ("onnxruntime-novec", "onnxruntime", None),
    // CUDA itself, as conda brings it.
    ("cudatoolkit", "cuda", None),
    ("cuda-toolkit", "cuda", None),
    ("cuda-version", "cuda", None),
    ("cuda-runtime", "cuda", None),
    ("cuda-nvcc", "cuda", None),
    ("cuda", "cuda", None),
];

/// A match specification: `conda-forge::pytorch>=2.6=*cuda*`, `pytorch=2.6`, `python 3.12.*`,
/// `pytorch[version='>=2.6', build=*cuda*]`.
pub(super) fn package(content: &mut Content, text: &str, line: &Line<'_>) -> Result<(), Fault> {
    let text = text.rsplit("::").next().unwrap_or(text).trim();
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        let told = dependency::short(text);
        return Err(line.fault(format!("expected a package such as `pytorch>=2.6` here, found `{told}`")));
    }
    let name = name.to_lowercase();
    let (told, build) = conditions(rest);
    let known = NAMES.iter().find(|(conda, ..)| *conda == name);
    let mut found = Dependency::named(known.map_or(name.as_str(), |(_, ours, _)| ours), line.number);
    found.part = known.and_then(|(.., part)| *part);
    let label = label(&build);
    match (name.as_str(), &found.versions) {
        ("python", _) => {
            found.take(told);
            content.python = Some(found);
            return Ok(());
        }
        // These two are no packages to use: they say which build of PyTorch is meant.
        ("cpuonly", _) => content.builds.push(Build { label: "cpu".to_owned(), marker: String::new() }),
        ("pytorch-cuda", _) => {
            if let Versions::Within(range) = &told
                && let Some(version) = range.bounds().next()
            {
                let label = format!("cu{}{}", version.part(0), version.part(1));
                content.builds.push(Build { label, marker: String::new() });
            }
        }
        _ => {
            found.take(told);
            found.part = found.part.or(if build.contains("cuda") { Some(Part::Gpu) } else { None });
            found.builds.extend(label.map(|label| Build { label, marker: String::new() }));
            found.place = Place::at(line.number);
            content.dependencies.push(found);
        }
    }
    Ok(())
}

/// Versions and build behind a name.
fn conditions(rest: &str) -> (Versions, String) {
    if let Some(inner) = rest.trim().strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or(inner);
        let field = |name: &str| {
            let behind = inner.split_once(&format!("{name}="))?.1;
            Some(match behind.chars().next() {
                Some(quote @ ('"' | '\'')) => behind.split(quote).nth(1).unwrap_or_default(),
                _ => behind.split(',').next().unwrap_or_default(),
            })
        };
        let versions = field("version").map_or(Versions::Any, versions::conda);
        return (versions, field("build").unwrap_or_default().to_lowercase());
    }
    // With one sign of equality in front, a build may follow behind another; then the version is exact.
    let rest = rest.trim();
    if let Some(exact) = rest.strip_prefix('=').filter(|rest| !rest.starts_with('='))
        && let Some((version, build)) = exact.split_once('=')
    {
        return (versions::conda(version), build.to_lowercase());
    }
    let mut words = rest.split_whitespace();
    let first = words.next().unwrap_or_default();
    // `>= 2.6` is one condition, `2.6 *cuda*` a version and a build.
    let apart = first.ends_with(['<', '>', '=', ',', '~']);
    let version = if apart { format!("{first}{}", words.next().unwrap_or_default()) } else { first.to_owned() };
    (versions::conda(&version), words.next().unwrap_or_default().to_lowercase())
}

/// The label that a build of conda's goes by elsewhere: `py3.11_cuda12.1_cudnn8_0` and `cuda121*` are `cu121`.
fn label(build: &str) -> Option<String> {
    if build.contains("cpu") {
        return Some("cpu".to_owned());
    }
    let (_, behind) = build.split_once("cuda")?;
    let digits: String = behind.chars().take_while(|c| c.is_ascii_digit() || *c == '.').filter(|c| *c != '.').collect();
    (digits.len() >= 3).then(|| format!("cu{digits}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(one: &Dependency) -> String {
        let range = match &one.versions {
            Versions::Within(range) => range.text(),
            _ => "",
        };
        let build = one.builds.first().map_or("", |build| &build.label);
        let part = match one.part {
            Some(Part::Gpu) => "gpu",
            Some(Part::Cpu) => "cpu",
            None => "",
        };
        format!("{}{range}|{part}|{build}", one.name)
    }

    #[test]
    fn specifications_of_conda() {
        for (text, expected) in [
            ("pytorch=2.6", "torch==2.6.*||"),
            ("pytorch=2.6.0=py3.11_cuda12.4_cudnn9.1.0_0", "torch==2.6.0|gpu|cu124"),
            ("pytorch=*=*cuda*", "torch|gpu|"),
            ("pytorch 2.6.* cuda126*", "torch==2.6.*|gpu|cu126"),
            ("pytorch >= 2.6", "torch>=2.6||"),
            ("pytorch=2.6=cpu_generic*", "torch==2.6||cpu"),
            ("conda-forge/linux-64::pytorch-gpu", "torch|gpu|"),
            ("pytorch[version='>=2.6,<3', build=*cuda*]", "torch>=2.6,<3|gpu|"),
            ("cudatoolkit=11.8", "cuda==11.8.*||"),
            ("_libgcc_mutex=0.1=main", "-libgcc-mutex==0.1||"),
        ] {
            let mut content = Content::default();
            package(&mut content, text, &Line { number: 2, indent: 2, text }).unwrap();
            let found: Vec<String> = content.dependencies.iter().map(told).collect();
            assert_eq!(found, [expected], "{text}");
        }
    }
}
