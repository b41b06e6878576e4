//! What descriptions and `--set` say about libraries outside of Python: a word for each, and the facts that it gives.

use accelprobe_probes::fact::{Fact, Key, Scope, Subject, Value};
use accelprobe_probes::host::Missing;

use super::value::{self, Given};

/// A library that can be told.
pub(super) struct Library {
    /// The word for it.
    pub name: &'static str,
    /// The fact that its version is.
    version: &'static str,
    /// The facts that are missing where it is not there.
    absent: &'static [&'static str],
    /// In a few words.
    pub doc: &'static str,
}

/// All of them.
pub(super) const LIBRARIES: &[Library] = &[
    library("cuda-toolkit", "cuda-toolkit", &["cuda-toolkit"], "The CUDA toolkit."),
    library("cuda-runtime", "cuda-runtime", &["cuda-runtime"], "The CUDA runtime, `libcudart`."),
    library("nvcc", "nvcc", &["nvcc"], "The compiler of the CUDA toolkit on the search path."),
    library("cudnn", "cudnn-version", &["cudnn-taken"], "The cuDNN that the loader finds."),
    library("tensorrt", "tensorrt-version", &["tensorrt-taken"], "The TensorRT that the loader finds."),
    library(
        "rocm",
        "rocm-version",
        &["rocm-version", "hip-library", "hsa-library"],
        "The ROCm or HIP SDK that programs get.",
    ),
    library("hip", "hip-version", &["hip-version"], "The HIP runtime that programs get."),
    library("oneapi", "oneapi-compiler", &["oneapi-compiler"], "The compiler and runtime of oneAPI."),
    library("level-zero", "level-zero-loader-version", &["level-zero-loader"], "The Level Zero loader."),
    library("directml", "directml-version", &["directml-library"], "The DirectML that programs get."),
    library("vulkan", "vulkan-loader-version", &["vulkan-loader"], "The Vulkan loader."),
    library("gaudi", "gaudi-software", &["gaudi-software", "gaudi-library"], "The Intel Gaudi software."),
    library("poplar", "poplar-sdk", &["poplar-sdk", "poplar-library"], "The Poplar SDK."),
];

const fn library(
    name: &'static str,
    version: &'static str,
    absent: &'static [&'static str],
    doc: &'static str,
) -> Library {
    Library { name, version, absent, doc }
}

/// The library of a word.
pub(super) fn named(word: &str) -> Result<&'static Library, String> {
    let names = LIBRARIES.iter().map(|library| library.name);
    let hint = match accelprobe_probes::key(word) {
        Some(key) if key.scope == Scope::Host => "; other facts about the machine go into `[facts]`",
        _ => "",
    };
    let found = LIBRARIES.iter().find(|library| library.name == word);
    found.ok_or_else(|| format!("{}{hint}", accelprobe_probes::unknown("library", word, names)))
}

/// Whether a fact about one library on disk can be told.
pub(super) fn has(key: &Key) -> bool {
    LIBRARIES.iter().any(|library| library.part(key.name).is_some() || library.version == key.name)
}

impl Library {
    /// The key of its version.
    pub(super) fn key(&self) -> Result<&'static Key, String> {
        accelprobe_probes::key(self.version).ok_or_else(|| accelprobe_probes::unknown_key(self.version))
    }

    /// What its facts are about: the machine, or the one copy that is meant.
    fn subject(&self, key: &Key) -> Subject {
        if key.scope == Scope::Library { Subject::Library(self.name.to_owned()) } else { Subject::Host }
    }

    /// The words that a table about it may hold beside `version`: `cuda` for `cudnn-cuda`.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, &'static Key)> {
        accelprobe_probes::keys()
            .filter_map(|key| Some((self.part(key.name)?, key)).filter(|_| key.scope == Scope::Library))
    }

    fn part(&self, key: &'static str) -> Option<&'static str> {
        let part = key.strip_prefix(self.name)?.strip_prefix('-')?;
        (part != "version" && accelprobe_probes::key(key).is_some_and(|key| key.scope == Scope::Library))
            .then_some(part)
    }

    /// The fact that it has this version.
    pub(super) fn has_version(&self, told: &Given<'_>, origin: &str) -> Result<Fact, String> {
        let key = self.key()?;
        value::fact(key, self.subject(key), told, origin)
    }

    /// The fact of one of its parts.
    pub(super) fn has_part(&self, word: &str, told: &Given<'_>, origin: &str) -> Result<Fact, String> {
        let found = self.parts().find(|(part, _)| *part == word).map(|(_, key)| key);
        let names = || self.parts().map(|(part, _)| part).chain(["version"]);
        let key =
            found.ok_or_else(|| accelprobe_probes::unknown(&format!("property of {}", self.name), word, names()))?;
        value::fact(key, self.subject(key), told, origin)
    }

    /// What follows of a copy that is there, without having been said: a TensorRT that is told is the whole one.
    pub(super) fn implied(&self, origin: &str) -> Vec<Fact> {
        let kind = accelprobe_probes::key("tensorrt-kind").filter(|_| self.name == "tensorrt");
        kind.map(|key| value::given(key, self.subject(key), Ok(Value::from("full")), origin)).into_iter().collect()
    }

    /// The facts that it is not there.
    pub(super) fn is_absent(&self, origin: &str) -> Vec<Fact> {
        let keys = self.absent.iter().filter_map(|name| accelprobe_probes::key(name));
        keys.map(|key| value::given(key, Subject::Host, Err(Missing::NotFound), origin)).collect()
    }

    /// Whether a fact tells of it.
    pub(super) fn is_told_by(&self, fact: &Fact) -> bool {
        fact.key.name == self.version || self.absent.contains(&fact.key.name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use accelprobe_probes::fact::Kind;

    #[test]
    fn every_word_stands_for_facts() {
        for library in LIBRARIES {
            assert_eq!(library.key().unwrap().kind, Kind::Version, "{}", library.name);
            assert_eq!(library.is_absent("x").len(), library.absent.len(), "{}", library.name);
        }
        let cudnn: Vec<&str> = named("cudnn").unwrap().parts().map(|(part, _)| part).collect();
        assert!(cudnn.contains(&"cuda") && !cudnn.contains(&"taken"), "{cudnn:?}");
        assert!(named("cudn").err().unwrap().contains("did you mean `cudnn`?"));
        assert!(named("kernel").err().unwrap().contains("[facts]"));
    }
}
