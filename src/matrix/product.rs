//! What has releases.

use accelprobe_probes::version::Version;
use serde::Deserialize;
use toml::Spanned;

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
    /// The facts that carry its version.
    pub keys: Vec<String>,
    /// Where the list comes from.
    pub source: Spanned<String>,
    /// Its releases, oldest first.
    pub release: Vec<Release>,
}

impl Product {
    /// The newest release that the matrix knows: beyond it nothing is known.
    pub fn horizon(&self) -> Option<&Version> {
        self.release.last().map(|release| release.version.as_ref())
    }
}

/// A release.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its version.
    pub version: Spanned<Version>,
    /// Its date, as exact as it is known.
    pub date: Option<String>,
}
