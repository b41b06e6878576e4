//! GPUs by name: what instruction set a card has whose driver was not asked.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::OnceLock;

use accelprobe_probes::version::Version;
use serde::Deserialize;

/// The GPUs of a vendor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpus {
    /// The vendor, in the words of the fact `device-vendor`; the file has its name.
    pub vendor: String,
    /// Its GPUs by instruction set and line.
    pub family: Vec<GpuFamily>,
    #[serde(skip)]
    models: OnceLock<Models>,
}

/// The models of a vendor by their words.
#[derive(Debug)]
struct Models {
    /// The place of the family of each.
    places: HashMap<String, usize>,
    /// How many words the longest has.
    most_words: usize,
}

impl Models {
    fn of(families: &[GpuFamily]) -> Models {
        let mut models = Models { places: HashMap::new(), most_words: 0 };
        for (place, family) in families.iter().enumerate() {
            for model in family.names.iter().map(|model| words(model)) {
                models.most_words = models.most_words.max(model.matches(' ').count());
                models.places.entry(model).or_insert(place);
            }
        }
        models
    }
}

/// GPUs of one instruction set and one line of products.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GpuFamily {
    /// NVIDIA's number for the instruction set.
    pub compute_capability: Option<Version>,
    /// AMD's name for the instruction set.
    pub gfx: Option<String>,
    /// AMD's target whose code these GPUs run, too, where `HSA_OVERRIDE_GFX_VERSION` names it.
    pub stand_in: Option<String>,
    /// The architecture's name.
    pub architecture: String,
    /// The line of products: `geforce`, `workstation`, `datacenter`, `jetson`, `radeon`, `instinct`, `integrated`, …
    pub line: String,
    /// Model names, without the vendor's and without what vendors append to them.
    pub names: Vec<String>,
    /// Device numbers on the PCI bus, four hexadecimal digits each.
    #[serde(default)]
    pub pci: Vec<String>,
    /// Where this comes from.
    pub sources: Vec<String>,
}

impl Gpus {
    /// The family of a device's name: the one with the longest model name that stands in it as whole words. `RTX 3050 Ti
    /// Laptop GPU` is a `RTX 3050 Ti` and no `RTX 3050`.
    pub fn by_name(&self, name: &str) -> Option<&GpuFamily> {
        let models = self.models.get_or_init(|| Models::of(&self.family));
        let name = words(name);
        let blanks: Vec<usize> = name.match_indices(' ').map(|(at, _)| at).collect();
        let parts = blanks.iter().enumerate().flat_map(|(place, start)| {
            let ends = blanks.iter().skip(place + 1).take(models.most_words);
            ends.filter_map(|end| name.get(*start..=*end))
        });
        let found = parts.filter_map(|part| Some((part.len(), *models.places.get(part)?)));
        // Of two that are equally long the first counts.
        let longest = found.max_by_key(|(length, place)| (*length, Reverse(*place)));
        longest.and_then(|(_, place)| self.family.get(place))
    }

    /// The family of a device number on the PCI bus.
    pub fn by_pci(&self, device: &str) -> Option<&GpuFamily> {
        self.family.iter().find(|family| family.pci.iter().any(|number| number == device))
    }
}

/// A name as its words in lower case, each between two blanks: names differ in dashes, marks and brackets.
fn words(name: &str) -> String {
    let name = name.to_lowercase().replace("(tm)", " ").replace("(r)", " ");
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut all = String::from(" ");
    for word in words {
        all.push_str(word);
        all.push(' ');
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_wins_and_words_stay_whole() {
        let gpus: Gpus = toml::from_str(
            "vendor = \"nvidia\"\n\
             family = [\n\
             { compute-capability = \"8.6\", architecture = \"Ampere\", line = \"geforce\", names = [\"GeForce RTX 3050\"], sources = [] },\n\
             { compute-capability = \"8.7\", architecture = \"x\", line = \"x\", names = [\"GeForce RTX 3050 Ti\", \"A10\"], sources = [] },\n\
             { compute-capability = \"8.0\", architecture = \"Ampere\", line = \"datacenter\", names = [\"A100\"], sources = [] },\n\
             ]",
        )
        .unwrap();
        let of =
            |name: &str| gpus.by_name(name).and_then(|found| found.compute_capability.clone()).map(|cc| cc.to_string());
        assert_eq!(of("NVIDIA GeForce RTX 3050 Ti Laptop GPU").as_deref(), Some("8.7"));
        assert_eq!(of("NVIDIA GeForce RTX(TM) 3050").as_deref(), Some("8.6"));
        assert_eq!(of("NVIDIA A100-SXM4-80GB").as_deref(), Some("8.0"));
        assert_eq!(of("NVIDIA A10").as_deref(), Some("8.7"));
        assert_eq!(of("GeForce RTX 30500"), None);
    }
}
