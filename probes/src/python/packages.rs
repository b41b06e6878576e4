//! The packages of an environment, read from the folders of their metadata and never imported.
//!
//! The name of such a folder holds name and version (`torch-2.6.0+cu124.dist-info`), so one listing tells all packages.
//! What a package requires stands in its `METADATA`, which is read for the packages that matter alone.
//! References: the specification of installed projects (`.dist-info`), PEP 503 (names), PEP 508 (requirements), setuptools
//! (`.egg-info`).

use std::collections::BTreeMap;

use super::requirement::Requirement;
use crate::host::{Host, Missing, Question};

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Name as PyPI spells it: lower case, with dashes.
    pub name: String,
    /// Version as its metadata has it; nothing where they name none.
    pub version: Option<String>,
    /// The folder of packages that it is in.
    pub site: String,
    /// The folder or file of its metadata.
    pub metadata: String,
}

/// All packages of an environment's folders by name. Of two copies the one that Python finds first counts.
pub(crate) fn packages(host: &dyn Host, sites: &[String]) -> BTreeMap<String, Package> {
    let separator = if host.is_windows() { '\\' } else { '/' };
    let mut found: BTreeMap<String, Package> = BTreeMap::new();
    for site in sites {
        for entry in host.list(site) {
            let Some((name, version)) = name_and_version(&entry) else { continue };
            let metadata = format!("{site}{separator}{entry}");
            found.entry(name.clone()).or_insert(Package { name, version, site: site.clone(), metadata });
        }
    }
    found
}

/// Name and version in the name of a metadata folder.
fn name_and_version(entry: &str) -> Option<(String, Option<String>)> {
    if let Some(stem) = entry.strip_suffix(".dist-info") {
        let (name, version) = stem.rsplit_once('-')?;
        return Some((normal(name), Some(version.to_owned())));
    }
    let stem = entry.strip_suffix(".egg-info")?;
    // `numpy-1.24.2-py3.11` or, of what is installed for development, the bare name.
    let mut parts = stem.splitn(3, '-');
    let name = normal(parts.next()?);
    Some((name, parts.next().map(str::to_owned)))
}

/// A name as PEP 503 compares it.
pub(crate) fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            other => normal.extend(other.to_lowercase()),
        }
    }
    normal
}

/// Whether a package is one that this tool judges: a framework, a runtime, or what those need of a vendor.
pub(crate) fn matters(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "ai-edge-litert",
        "coremltools",
        "ctranslate2",
        "cupy",
        "deepspeed",
        "dpctl",
        "flash-attn",
        "habana-torch-plugin",
        "jax",
        "jaxlib",
        "keras",
        "llama-cpp-python",
        "mlx",
        "mxnet",
        "numpy",
        "oneccl-bind-pt",
        "openvino",
        "optimum-habana",
        "optimum-intel",
        "sgl-kernel",
        "tf-keras",
        "torch",
        "torchaudio",
        "torchvision",
        "triton",
        "triton-windows",
        "vllm",
        "xformers",
    ];
    const FAMILIES: &[&str] = &[
        "bitsandbytes",
        "cuda-",
        "cupy-",
        "intel-extension-for-",
        "jax-",
        "nvidia-",
        "onnxruntime",
        "openvino-",
        "ort-nightly",
        "pytorch-triton",
        "tensorflow",
        "tensorrt",
        "tf-nightly",
        "tflite-",
        "torch-",
        "poptorch",
        "poplar",
        "intel-opencl-rt",
        "intel-sycl-rt",
        "intel-cmplr-lib-rt",
        "dpcpp",
        "rocm",
    ];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// The packages that a package requires on this machine and that are not in the environment, of those that matter: their
/// names, and beside each what is required of it, as pip takes it.
pub(crate) fn missing_requirements(
    host: &dyn Host,
    package: &Package,
    installed: &BTreeMap<String, Package>,
    python: &str,
) -> Result<Vec<(String, String)>, Missing> {
    let text = host.ask(&metadata_of(host, package))?;
    let system = host.ask(&Question::System).unwrap_or_default();
    let mut missing = Vec::new();
    // The headers end at the first empty line; behind it stands the description.
    let headers = text.lines().take_while(|line| !line.is_empty());
    for line in headers.filter_map(|line| line.strip_prefix("Requires-Dist:")) {
        let Some(requirement) = Requirement::parse(line) else { continue };
        let name = normal(requirement.name);
        let absent =
            matters(&name) && !installed.contains_key(&name) && !has_another_build(&name, installed, &package.name);
        let told = missing.iter().any(|(told, _)| *told == name);
        if absent && !told && requirement.applies(&system, python) {
            missing.push((name, requirement.specifier));
        }
    }
    Ok(missing)
}

/// Whether an environment has another package with the module that is required. Metadata name one of several builds; who has
/// another chose it, and both would overwrite each other. On Windows `tensorflow` is a shell around the build that it requires.
fn has_another_build(name: &str, installed: &BTreeMap<String, Package>, wanted_by: &str) -> bool {
    const OF_ONNX_RUNTIME: &[&str] = &[
        "onnxruntime",
        "onnxruntime-directml",
        "onnxruntime-gpu",
        "onnxruntime-migraphx",
        "onnxruntime-openvino",
        "onnxruntime-qnn",
        "onnxruntime-rocm",
        "onnxruntime-training",
        "onnxruntime-windowsml",
        "ort-nightly",
        "ort-nightly-directml",
        "ort-nightly-gpu",
    ];
    const OF_TENSORFLOW: &[&str] = &[
        "tensorflow",
        "tensorflow-cpu",
        "tensorflow-gpu",
        "tensorflow-intel",
        "tensorflow-macos",
        "tensorflow-rocm",
        "tf-nightly",
    ];
    const OF_TRITON: &[&str] = &["triton", "triton-rocm", "triton-windows", "pytorch-triton", "pytorch-triton-rocm"];
    let mut of_name = [OF_ONNX_RUNTIME, OF_TENSORFLOW, OF_TRITON].into_iter().filter(|builds| builds.contains(&name));
    of_name.any(|builds| builds.iter().any(|build| *build != wanted_by && installed.contains_key(*build)))
}

/// Where a package's metadata are written.
pub(crate) fn metadata_of(host: &dyn Host, package: &Package) -> Question {
    let separator = if host.is_windows() { '\\' } else { '/' };
    let file = if package.metadata.ends_with(".dist-info") { "METADATA" } else { "PKG-INFO" };
    Question::Read(format!("{}{separator}{file}", package.metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_versions_off_metadata_folders() {
        for (entry, name, version) in [
            ("torch-2.6.0+cu124.dist-info", "torch", Some("2.6.0+cu124")),
            ("nvidia_cudnn_cu12-9.1.0.70.dist-info", "nvidia-cudnn-cu12", Some("9.1.0.70")),
            ("jax_cuda12_plugin-0.5.0.dist-info", "jax-cuda12-plugin", Some("0.5.0")),
            ("numpy-1.24.2.egg-info", "numpy", Some("1.24.2")),
            ("typing_extensions-4.4.0-py3.11.egg-info", "typing-extensions", Some("4.4.0")),
            ("mine.egg-info", "mine", None),
        ] {
            assert_eq!(name_and_version(entry), Some((name.to_owned(), version.map(str::to_owned))), "{entry}");
        }
        for entry in ["torch", "torch-2.6.0", "x.dist-info", "__pycache__", ""] {
            assert_eq!(name_and_version(entry), None, "{entry}");
        }
        assert_eq!(normal("Foo__Bar.-baz"), "foo-bar-baz");
    }

    #[test]
    fn another_build_of_a_module_stands_for_the_one_that_is_required() {
        let site = "/s".to_owned();
        let package =
            |name: &str| Package { name: name.to_owned(), version: None, site: site.clone(), metadata: site.clone() };
        let installed = ["onnxruntime-gpu", "tensorflow-text"].map(|name| (name.to_owned(), package(name))).into();
        assert!(has_another_build("onnxruntime", &installed, "onnxruntime-genai"));
        assert!(!has_another_build("onnxruntime", &installed, "onnxruntime-gpu"));
        for name in ["tensorflow", "triton", "numpy"] {
            assert!(!has_another_build(name, &installed, "other"), "{name}");
        }
    }

    #[test]
    fn what_matters_is_told_by_name_and_family() {
        for name in ["torch", "onnxruntime-gpu", "nvidia-cublas-cu12", "tensorrt-cu12-libs", "tflite-runtime"] {
            assert!(matters(name), "{name}");
        }
        for name in ["requests", "pip", "torchmetrics", "rope"] {
            assert!(!matters(name), "{name}");
        }
    }
}
