//! The names by which descriptions and `--set` say things: keys of facts, and shorter words for some of them.

use accelprobe_probes::fact::{Key, Scope};

use super::libraries;

/// Words at the top of a description that are no facts.
pub(super) const ABOUT: &[(&str, &str)] = &[
    ("complete", "Whether what is not listed is absent; otherwise it is unknown."),
    ("host", "What the machine is, in a person's words."),
    ("made", "Where the description comes from, with its link."),
    ("expected", "The finding codes that a person who knows the machine expects."),
    ("want", "What is to be used on it, as after `--want`."),
];

/// Sections of a description.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("gpu", "Its GPUs, one table each."),
    ("packages", "The packages of the active Python environment."),
    ("libraries", "What is installed outside of Python."),
    ("env", "Environment variables."),
    ("facts", "Any other fact about the machine, by its key."),
];

/// The driver of a GPU: NVIDIA has one for all its GPUs, so this is no key of its own.
pub(super) const DRIVER: &str = "driver";

/// Shorter words for facts, with what they stand for.
const SHORT: &[(&str, &str)] = &[("wsl", "wsl-version")];
const SHORT_OF_GPUS: &[(&str, &str)] = &[
    ("name", "device-name"),
    ("vendor", "device-vendor"),
    ("gfx", "gfx-target"),
    ("memory", "device-memory-bytes"),
    ("pci", "pci-id"),
];

/// The fact about the machine that a word stands for.
pub(super) fn of_machine(word: &str) -> Result<&'static Key, String> {
    let key = accelprobe_probes::key(long(SHORT, word));
    match key {
        Some(key) if key.scope == Scope::Host => Ok(key),
        Some(key) => Err(format!("`{word}` is {}", home(key))),
        None if word == DRIVER || SHORT_OF_GPUS.iter().any(|(own, _)| *own == word) => {
            Err(format!("`{word}` is {OF_A_GPU}"))
        }
        None if libraries::named(word).is_ok() => Err(format!("`{word}` is {OF_A_LIBRARY}")),
        None if variables().any(|variable| variable == word) => {
            Err(format!("`{word}` is a variable: it goes into `[env]`"))
        }
        None => Err(accelprobe_probes::unknown("fact", word, machine_words())),
    }
}

/// All words for facts about the machine.
pub(super) fn machine_words() -> impl Iterator<Item = &'static str> {
    words(SHORT, Scope::Host)
}

/// The fact about a GPU that a word stands for.
pub(super) fn of_gpu(word: &str) -> Result<&'static Key, String> {
    match accelprobe_probes::key(long(SHORT_OF_GPUS, word)) {
        Some(key) if key.scope == Scope::Device => Ok(key),
        Some(key) => Err(format!("`{word}` is {}, not about a GPU", home(key))),
        None => Err(accelprobe_probes::unknown("property of a GPU", word, gpu_words().chain([DRIVER]))),
    }
}

/// All words for facts about a GPU, without `driver`.
pub(super) fn gpu_words() -> impl Iterator<Item = &'static str> {
    words(SHORT_OF_GPUS, Scope::Device)
}

/// The fact about a package that a word stands for: `cuda` for `package-cuda`.
pub(super) fn of_package(word: &str) -> Result<&'static Key, String> {
    let known = |name: &str| accelprobe_probes::key(name).filter(|key| key.scope == Scope::Package);
    known(&format!("package-{word}"))
        .or_else(|| known(word))
        .ok_or_else(|| accelprobe_probes::unknown("property of a package", word, package_words()))
}

/// All words for facts about a package.
pub(super) fn package_words() -> impl Iterator<Item = &'static str> {
    let keys = accelprobe_probes::keys().filter(|key| key.scope == Scope::Package);
    keys.map(|key| key.name.strip_prefix("package-").unwrap_or(key.name))
}

/// The fact about an environment variable.
pub(super) fn of_variable(name: &str) -> Result<&'static Key, String> {
    let mut keys = accelprobe_probes::keys();
    let found = keys.find(|key| key.scope == Scope::Host && key.variable() == Some(name));
    found.ok_or_else(|| accelprobe_probes::unknown("variable", name, variables()))
}

/// The environment variables with a fact of their own: those that decide what APIs show.
pub(super) fn variables() -> impl Iterator<Item = &'static str> {
    accelprobe_probes::keys().filter(|key| key.scope == Scope::Host).filter_map(Key::variable)
}

/// How a package's name is spelled where names are compared (PEP 503), if it is one.
pub(super) fn package(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let good = name.chars().all(plain) && ends(name.chars().next()) && ends(name.chars().last());
    let parts = || name.split(['-', '_', '.']).filter(|part| !part.is_empty()).map(str::to_lowercase);
    good.then(|| parts().collect::<Vec<_>>().join("-"))
}

fn long<'a>(short: &[(&str, &'a str)], word: &'a str) -> &'a str {
    short.iter().find(|(own, _)| *own == word).map_or(word, |(_, long)| long)
}

fn words(short: &'static [(&str, &str)], scope: Scope) -> impl Iterator<Item = &'static str> {
    let keys = accelprobe_probes::keys().filter(move |key| key.scope == scope).map(|key| key.name);
    short.iter().map(|(word, _)| *word).chain(keys)
}

const OF_A_GPU: &str = "about one GPU: it goes into a `[[gpu]]` table, or after `gpu.` in `--set`";
const OF_A_LIBRARY: &str = "about a library: it goes into `[libraries]`, or after `libraries.` in `--set`";

/// Where a fact goes that was put in another place.
fn home(key: &Key) -> &'static str {
    match key.scope {
        Scope::Host => "about the machine",
        Scope::Device => OF_A_GPU,
        Scope::Package => "about one package: it goes into a table of `[packages]`, as in `torch = { … }`",
        Scope::Library if libraries::has(key) => OF_A_LIBRARY,
        Scope::Library | Scope::Icd => "about one file, which a description does not name: only a recording tells it",
        Scope::Environment => "about one Python environment, and follows from `python` and `[packages]`",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_short_word_stands_for_a_fact() {
        assert!(SHORT.iter().all(|(word, _)| of_machine(word).is_ok()));
        assert!(SHORT_OF_GPUS.iter().all(|(word, _)| of_gpu(word).is_ok()));
        assert!(package_words().all(|word| of_package(word).is_ok()));
        let taken = |word: &&str| ABOUT.iter().chain(SECTIONS).any(|(own, _)| own == word);
        assert_eq!(machine_words().find(taken), None);
    }

    #[test]
    fn variables_are_told_by_their_names() {
        let known: Vec<&str> = variables().collect();
        for name in ["CUDA_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION", "ZE_AFFINITY_MASK"] {
            assert!(known.contains(&name), "{known:?}");
            assert_eq!(of_variable(name).unwrap().variable(), Some(name));
        }
        assert!(known.iter().all(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')), "{known:?}");
        assert!(of_variable("PATH").is_err());
    }

    #[test]
    fn packages_are_the_same_by_every_separator() {
        assert_eq!(package("Jax_CUDA12.plugin").unwrap(), "jax-cuda12-plugin");
        assert_eq!((package("a b"), package(""), package("-x")), (None, None, None));
    }

    #[test]
    fn a_fact_in_the_wrong_place_is_told_its_place() {
        assert!(of_machine("compute-capability").unwrap_err().contains("[[gpu]]"));
        assert!(of_machine("driver").unwrap_err().contains("[[gpu]]"));
        assert!(of_machine("cudnn").unwrap_err().contains("[libraries]"));
        assert!(of_machine("CUDA_VISIBLE_DEVICES").unwrap_err().contains("[env]"));
        assert!(of_machine("cudnn-version").unwrap_err().contains("[libraries]"));
        assert!(of_machine("package-cuda").unwrap_err().contains("[packages]"));
        assert!(of_machine("vulkan-icd").unwrap_err().contains("recording"));
        assert!(of_gpu("python").unwrap_err().contains("about the machine"));
        assert!(of_gpu("vendr").unwrap_err().contains("did you mean `vendor`?"));
    }
}
