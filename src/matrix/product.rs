//! What has releases, and what can be installed of each.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use accelprobe_probes::version::{Range, Version};
use serde::Deserialize;

/// Something with releases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The file's name without its ending.
    #[serde(skip)]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who makes it.
    pub vendor: String,
    /// The Python distributions whose version this is.
    #[serde(default)]
    pub packages: Vec<String>,
    /// The facts that carry its version.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Where the list comes from.
    pub source: String,
    /// Its releases, oldest first.
    pub release: Vec<Release>,
    /// What can be installed of it, the better builds of a release first.
    #[serde(default)]
    pub build: Vec<Build>,
}

impl Product {
    /// The newest release that the matrix knows: beyond it nothing is known.
    pub fn horizon(&self) -> Option<&Version> {
        self.release.last().map(|release| &release.version)
    }

    /// A release by its number.
    pub fn release(&self, version: &Version) -> Option<&Release> {
        self.release.iter().find(|release| release.version == *version)
    }

    /// The builds that there are of a release.
    pub fn builds<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = &'a Build> {
        self.build.iter().filter(move |build| build.versions.contains(version))
    }

    /// The Python distribution that a build of this is.
    pub fn package_of<'a>(&'a self, build: &'a Build) -> &'a str {
        build.package.as_deref().or_else(|| self.packages.first().map(String::as_str)).unwrap_or(&self.id)
    }
}

/// A release.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// Its date, as exact as it is known.
    pub date: Option<String>,
    /// The Pythons that it is for.
    pub python: Option<Range>,
    /// Of an NVIDIA driver, the newest CUDA that it speaks.
    pub cuda: Option<Version>,
    /// The releases of other packages that belong to it, by name.
    #[serde(default)]
    pub beside: BTreeMap<String, Version>,
    /// What else is to be known of it.
    pub note: Option<String>,
}

/// What can be installed of some releases on some platforms.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The name that people use: `cu128`, `cpu`, `directml`.
    pub id: String,
    /// The releases that have it.
    pub versions: Range,
    /// The platforms that it is for: system and processor, as in `linux-x86_64`. WSL2 is Linux.
    pub on: Vec<String>,
    /// What it computes on, in the words of the fact `package-build`.
    pub computes: String,
    /// The CUDA that it was built for.
    pub cuda: Option<Version>,
    /// The cuDNN that it was built for.
    pub cudnn: Option<Version>,
    /// The ROCm that it was built for.
    pub rocm: Option<Version>,
    /// The instruction sets of GPUs for which it holds code; nothing where that is not known.
    pub architectures: Option<Vec<String>>,
    /// The Pythons that it is for, where they are fewer than the release's.
    pub python: Option<Range>,
    /// The Python distribution that it is, where it is not the product's first.
    pub package: Option<String>,
    /// Another distribution by whose presence in an environment an installed one is known to be this build.
    pub beside: Option<String>,
    /// The words behind `pip install`.
    pub install: String,
    /// The local version label by which an installed one is known, where it is not `+` and the id.
    pub label: Option<String>,
    /// What else who installs it should know: half a sentence that goes with the recommendation.
    pub note: Option<String>,
    /// The systems (`linux`, `windows`, `macos`) on which a plain `pip install` gives it.
    #[serde(default)]
    pub default: Vec<String>,
    /// Where this comes from.
    pub sources: Vec<String>,
    /// The places of the rules and of their rows that may refuse it; worked out once, because every machine asks.
    #[serde(skip)]
    pub(crate) judged_by: OnceLock<Vec<(usize, Vec<usize>)>>,
}

impl Build {
    /// Whether an installed version with this local label, as in `+cu128`, is this build.
    pub fn has_label(&self, label: &str) -> bool {
        match &self.label {
            Some(own) => own == label,
            None => label.strip_prefix('+') == Some(self.id.as_str()),
        }
    }
}
