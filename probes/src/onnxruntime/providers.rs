//! The providers that come as libraries of their own: what each needs, and what of it would not be found.
//!
//! A library that the loader would not find may lie in another package of the same environment: then it is found once
//! `onnxruntime.preload_dlls()`, `import torch` or `import tensorrt` has loaded it.

use std::collections::BTreeSet;

use super::Copy;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Question};
use crate::nvidia_driver::{Kernel, kernel};
use crate::python::environments::Environment;
use crate::resolve::{Unresolved, is_of_a_driver, unresolved};

pub(super) static PROVIDER: Key = Key::new(
    "onnxruntime-provider",
    Kind::Text,
    Scope::Library,
    "The provider of ONNX Runtime that a library holds, as in `CUDAExecutionProvider`; `shared` for what the others need.",
);
pub(super) static PACKAGE: Key =
    Key::new("provider-package", Kind::Text, Scope::Library, "The Python package that brings a provider.");
pub(super) static PACKAGE_VERSION: Key = Key::new(
    "provider-package-version",
    Kind::Version,
    Scope::Library,
    "Version of the package that brings a provider.",
);
pub(super) static CUDA: Key = Key::new(
    "provider-cuda",
    Kind::Version,
    Scope::Library,
    "The CUDA that a provider was built for, by what its build wrote down or by the names of what it needs.",
);
pub(super) static MISSING: Key = Key::new(
    "provider-missing-libraries",
    Kind::Set,
    Scope::Library,
    "Libraries that a provider needs and that are nowhere to be found; a session then computes on the processor.",
);
pub(super) static TO_PRELOAD: Key = Key::new(
    "provider-libraries-to-preload",
    Kind::Set,
    Scope::Library,
    "Libraries that a provider needs and the loader would not find, but packages of the same environment hold.",
);
pub(super) static WANTS_FIRST: Key = Key::new(
    "provider-wants-first",
    Kind::Text,
    Scope::Library,
    "The first library that is nowhere to be found, and the file that needs it.",
);

/// A provider that computes elsewhere than on the processor.
pub(super) struct Accelerated {
    /// Its name.
    pub name: &'static str,
    /// The middle of its library's name; empty where it is part of ONNX Runtime's own.
    file: &'static str,
    /// Where it is part of ONNX Runtime's own library, the one of the system that it speaks to, which stands for it.
    pub built_in: &'static str,
    /// The system that must work for it; empty where none is known.
    pub below: &'static str,
}

impl Accelerated {
    /// Whether it is part of ONNX Runtime's own library.
    pub(super) fn is_built_in(&self) -> bool {
        self.file.is_empty()
    }
}

/// The providers that compute elsewhere than on the processor, in the order in which they are preferred.
pub(super) const ACCELERATED: &[Accelerated] = &[
    Accelerated { name: "CUDAExecutionProvider", file: "cuda", built_in: "", below: "cuda" },
    Accelerated { name: "TensorrtExecutionProvider", file: "tensorrt", built_in: "", below: "cuda" },
    Accelerated { name: "NvTensorRTRTXExecutionProvider", file: "nv_tensorrt_rtx", built_in: "", below: "cuda" },
    Accelerated { name: "MIGraphXExecutionProvider", file: "migraphx", built_in: "", below: "rocm" },
    Accelerated { name: "ROCMExecutionProvider", file: "rocm", built_in: "", below: "rocm" },
    Accelerated { name: "DmlExecutionProvider", file: "", built_in: "DirectML.dll", below: "directml" },
    Accelerated { name: "OpenVINOExecutionProvider", file: "openvino", built_in: "", below: "openvino" },
    Accelerated {
        name: "CoreMLExecutionProvider",
        file: "",
        built_in: "/System/Library/Frameworks/CoreML.framework/CoreML",
        below: "apple-coreml-mps",
    },
    Accelerated { name: "QNNExecutionProvider", file: "qnn", built_in: "", below: "" },
];

/// The provider that a library holds, by the middle of its name.
fn provider_of(middle: &str) -> &str {
    let known = ACCELERATED.iter().find(|provider| provider.file == middle);
    match (known, middle) {
        (Some(provider), _) => provider.name,
        (None, "dnnl") => "DnnlExecutionProvider",
        (None, "vitisai") => "VitisAIExecutionProvider",
        (None, other) => other,
    }
}

/// The libraries of providers among the files in a folder: name of the provider and path.
pub(super) fn ask(
    copy: &Copy<'_>,
    folder: &str,
    names: &str,
    cuda: Option<&str>,
    facts: &mut Vec<Fact>,
) -> Vec<(String, String)> {
    let separator = if copy.host.is_windows() { '\\' } else { '/' };
    let mut found = Vec::new();
    for name in names.lines() {
        let bare = name.strip_prefix("lib").unwrap_or(name);
        let stem = [".so", ".dll", ".dylib"].iter().find_map(|ending| bare.strip_suffix(ending));
        let Some(middle) = stem.and_then(|stem| stem.strip_prefix("onnxruntime_providers_")) else { continue };
        let path = format!("{folder}{separator}{name}");
        ask_one(copy, &path, provider_of(middle), cuda, facts);
        found.push((provider_of(middle).to_owned(), path));
    }
    found
}

fn ask_one(copy: &Copy<'_>, path: &str, provider: &str, cuda: Option<&str>, facts: &mut Vec<Fact>) {
    let subject = || Subject::Library(path.to_owned());
    let origin = Question::Image(path.to_owned());
    facts.push(PROVIDER.of(subject(), Value::from(provider), &origin));
    facts.push(PACKAGE.of(subject(), Value::Text(copy.holder.name.clone()), &origin));
    let number = copy.holder.version.as_deref();
    facts.extend(number.map(|number| PACKAGE_VERSION.of(subject(), version(number), &origin)));
    facts.extend(copy.environment.facts_of_library(path));
    // What a header does not tell is not missing.
    let Ok((lost, held)) = split(copy, path) else { return };
    let all = lost.iter().map(|one| one.name.as_str()).chain(held.iter().map(String::as_str));
    let number = cuda.map(str::to_owned).or_else(|| all.filter_map(cuda_in_name).next());
    facts.extend(number.map(|number| CUDA.of(subject(), version(&number), &origin)));
    let sorted = |names: BTreeSet<String>| Value::Set(names.into_iter().collect());
    facts.push(MISSING.of(subject(), sorted(lost.iter().map(|one| one.name.clone()).collect()), &origin));
    if !held.is_empty() {
        facts.push(TO_PRELOAD.of(subject(), sorted(held), &origin));
    }
    if let Some(first) = lost.first() {
        let wants = format!("`{}`, needed by `{}`", first.name, first.wanted_by);
        facts.push(WANTS_FIRST.of(subject(), Value::Text(wants), &Question::Image(first.wanted_by.clone())));
    }
}

/// What a provider needs and the loader would not find: what is nowhere, and what packages of the environment hold.
fn split(copy: &Copy<'_>, path: &str) -> Result<(Vec<Unresolved>, BTreeSet<String>), crate::host::Missing> {
    let mut lost: Vec<Unresolved> = Vec::new();
    let mut held = BTreeSet::new();
    let mut waiting = unresolved(copy.host, path, &[])?;
    let mut seen = BTreeSet::new();
    while !waiting.is_empty() {
        let mut next = Vec::new();
        for one in waiting {
            // What a driver brings is missing with it, and then that is what is told.
            if is_of_a_driver(&one.name) || !seen.insert(one.name.clone()) {
                continue;
            }
            match held_at(copy.host, copy.environment, &one.name) {
                Some(place) => {
                    next.extend(unresolved(copy.host, &place, &[]).unwrap_or_default());
                    held.insert(one.name);
                }
                None => lost.push(one),
            }
        }
        waiting = next;
    }
    Ok((lost, held))
}

/// Where packages of an environment hold a library.
fn held_at(host: &dyn Host, environment: &Environment, name: &str) -> Option<String> {
    let windows = host.is_windows();
    let join = |folder: &str, below: &str| match windows {
        true => format!(r"{folder}\{}", below.replace('/', r"\")),
        false => format!("{folder}/{below}"),
    };
    let mut folders = Vec::new();
    for site in &environment.sites {
        let nvidia = join(site, "nvidia");
        for component in host.list(&nvidia) {
            let below: &[&str] = if windows { &["bin", "bin/x86_64"] } else { &["lib"] };
            folders.extend(below.iter().map(|below| join(&nvidia, &format!("{component}/{below}"))));
        }
        folders.extend(["tensorrt_libs", "tensorrt", "torch/lib"].map(|below| join(site, below)));
    }
    let is_it = |listed: &String| if windows { listed.eq_ignore_ascii_case(name) } else { listed == name };
    let folder = folders.into_iter().find(|folder| host.list(folder).iter().any(is_it))?;
    Some(join(&folder, name))
}

/// The number in the names of libraries that CUDA counts with its own: `libcublas.so.12`, `cudart64_12.dll`.
fn cuda_in_name(name: &str) -> Option<String> {
    let counted =
        ["libcublas.so.", "libcublasLt.so.", "libcudart.so."].iter().find_map(|start| name.strip_prefix(start));
    let number = counted.or_else(|| {
        let rest = ["cublas64_", "cublasLt64_", "cudart64_"].iter().find_map(|start| name.strip_prefix(start));
        rest?.strip_suffix(".dll")
    })?;
    let major = number.split('.').next()?;
    // Up to CUDA 11 the name on Windows holds the minor version, too.
    let major = if major.len() == 3 { major.get(..2)? } else { major };
    major.bytes().all(|byte| byte.is_ascii_digit()).then(|| major.to_owned())
}

/// Whether a provider may be started: all that it needs is found by the loader, and its driver is ready.
pub(super) fn may_start(host: &dyn Host, provider: &str, library: &str, facts: &[Fact]) -> bool {
    let about = |fact: &&Fact| matches!(&fact.subject, Subject::Library(path) if path == library);
    let resolves = |key: &Key, fact: &Fact| match &fact.value {
        Ok(Value::Set(names)) => fact.key != key || names.is_empty(),
        _ => true,
    };
    let known = ACCELERATED.iter().find(|known| known.name == provider);
    facts.iter().filter(about).all(|fact| resolves(&MISSING, fact) && resolves(&TO_PRELOAD, fact))
        && (known.is_none_or(|known| known.below != "cuda") || kernel(host) == Kernel::Ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_libraries_tell_their_cuda() {
        for (name, cuda) in [
            ("libcublas.so.12", Some("12")),
            ("libcudart.so.11.0", Some("11")),
            ("cublasLt64_13.dll", Some("13")),
            ("cudart64_110.dll", Some("11")),
            ("libcudnn.so.9", None),
            ("libcurand.so.10", None),
        ] {
            assert_eq!(cuda_in_name(name).as_deref(), cuda, "{name}");
        }
        assert_eq!(provider_of("tensorrt"), "TensorrtExecutionProvider");
        assert_eq!(provider_of("shared"), "shared");
    }
}
