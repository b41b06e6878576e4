//! GPUs that somebody names: who made them, and what follows for the machine.

use accelprobe_probes::bus;
use accelprobe_probes::fact::{Fact, Key, Subject, Value};
use accelprobe_probes::host::Missing;

use super::names;
use super::value::given;
use crate::judge::vendor_title;

/// Words of names that tell a vendor. The vendor's own name comes first: there are "AMD" in names of machines with other GPUs,
/// but no card is named after two vendors.
const WORDS: &[(&str, &[&str])] = &[
    (
        "nvidia",
        &["nvidia", "geforce", "quadro", "tesla", "titan", "rtx", "gtx", "jetson", "tegra", "orin", "nvs", "grid"],
    ),
    ("amd", &["amd", "ati", "radeon", "instinct", "firepro", "vega"]),
    ("intel", &["intel", "arc", "iris", "uhd"]),
    ("apple", &["apple"]),
    ("qualcomm", &["qualcomm", "adreno"]),
];
/// Beginnings of NVIDIA's and AMD's model numbers, which are names by themselves: `H100`, `GB200`, `RX 7900`, `MI300X`.
const MODELS: &[(&str, &[&str])] =
    &[("nvidia", &["a", "b", "gb", "gh", "h", "l", "k", "p", "v", "t"]), ("amd", &["rx", "mi"])];

/// Who made a GPU, by its name, as far as its words tell.
pub(super) fn vendor(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let by_word = WORDS.iter().find(|(_, known)| words().any(|word| known.contains(&word)));
    let first = words().next().unwrap_or_default();
    let end = first.find(|c: char| c.is_ascii_digit()).unwrap_or(first.len());
    let (letters, digits) = first.split_at(end);
    // `RX 7900 XTX` has its number apart.
    let is_model = |own: &str| own == letters && (digits.len() >= 2 || own == "rx" || digits == "4");
    let by_model = || MODELS.iter().find(|(_, known)| known.iter().any(|own| is_model(own)));
    by_word.or_else(by_model).map(|(vendor, _)| *vendor)
}

/// Who made a GPU, by the number of its vendor on the PCI bus.
fn vendor_of_pci(id: &str) -> Option<&'static str> {
    let number = u32::from_str_radix(id.split(':').next()?, 16).ok()?;
    Some(bus::vendor(number)).filter(|vendor| *vendor != "other")
}

/// What is said of one GPU, without its driver.
pub(super) struct Gpu {
    /// Keys and values, the name among them, each with where it was said.
    pub told: Vec<(&'static Key, Result<Value, Missing>, String)>,
}

impl Gpu {
    fn text(&self, key: &str) -> Option<&str> {
        self.told.iter().find_map(|(own, value, _)| match value {
            Ok(Value::Text(text)) if own.name == key => Some(text.as_str()),
            _ => None,
        })
    }

    fn has(&self, key: &str) -> bool {
        self.told.iter().any(|(own, value, _)| own.name == key && value.is_ok())
    }

    /// Who made it: as is said, or by its numbers or its name.
    pub(super) fn vendor(&self) -> Option<&str> {
        let by_pci = || self.text("pci-id").and_then(vendor_of_pci);
        self.text("device-vendor").or_else(by_pci).or_else(|| self.text("device-name").and_then(vendor))
    }

    /// Its name; without one, that of its vendor.
    pub(super) fn name(&self) -> Option<String> {
        let by_vendor = || Some(format!("{} GPU", vendor_title(self.vendor()?)));
        self.text("device-name").map(str::to_owned).or_else(by_vendor)
    }

    /// What cannot be true together.
    pub(super) fn contradiction(&self) -> Option<String> {
        let vendor = self.vendor()?;
        let of_another = |key: &str, own: &str| self.has(key) && vendor != own && vendor != "other";
        match () {
            () if of_another("compute-capability", "nvidia") => Some(format!(
                "only NVIDIA's GPUs have a compute capability, and this one is by {}",
                vendor_title(vendor)
            )),
            () if of_another("gfx-target", "amd") => {
                Some(format!("only AMD's GPUs have a gfx target, and this one is by {}", vendor_title(vendor)))
            }
            () => None,
        }
    }

    /// The facts about it, with a subject that no other GPU has; `origin` is where it was said that it is there.
    pub(super) fn facts(&self, before: &[Fact], origin: &str) -> Vec<Fact> {
        let name = self.name().unwrap_or_default();
        let taken = |id: &str| before.iter().any(|fact| matches!(&fact.subject, Subject::Device(own) if own == id));
        let numbered =
            |number: usize| if number == 1 { format!("gpu:{name}") } else { format!("gpu:{name} #{number}") };
        let id = (1..).map(numbered).find(|id| !taken(id)).unwrap_or_default();
        let subject = || Subject::Device(id.clone());
        let told = self.told.iter().map(|(key, value, origin)| given(key, subject(), value.clone(), origin));
        let mut facts: Vec<Fact> = told.collect();
        let mut imply = |word: &str, value: Option<Value>| {
            if let (Ok(key), Some(value)) = (names::of_gpu(word), value)
                && !facts.iter().any(|fact| fact.key == key)
            {
                facts.push(given(key, subject(), Ok(value), origin));
            }
        };
        imply("name", Some(Value::Text(name.clone())));
        imply("vendor", self.vendor().map(Value::from));
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_vendor() {
        for (name, expected) in [
            ("NVIDIA GeForce RTX 4090", Some("nvidia")),
            ("GTX 1660 Ti", Some("nvidia")),
            ("Tesla V100-SXM2-16GB", Some("nvidia")),
            ("A100-SXM4-80GB", Some("nvidia")),
            ("H200", Some("nvidia")),
            ("L4", Some("nvidia")),
            ("GB10", Some("nvidia")),
            ("AMD Radeon(TM) Graphics", Some("amd")),
            ("Radeon 8060S", Some("amd")),
            ("RX 7900 XTX", Some("amd")),
            ("MI300X", Some("amd")),
            ("AMD Instinct MI250X", Some("amd")),
            ("Intel(R) Iris(R) Xe Graphics", Some("intel")),
            ("Arc A770", Some("intel")),
            ("Apple M2 Pro", Some("apple")),
            ("Qualcomm Adreno X1-85", Some("qualcomm")),
            ("Matrox G200", None),
            ("Archimedes", None),
            ("", None),
        ] {
            assert_eq!(vendor(name), expected, "{name}");
        }
    }
}
