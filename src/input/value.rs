//! From what somebody wrote to the value of a fact: of the right kind, and one that can be.

use accelprobe_probes::fact::{Fact, Key, Kind, Origin, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::nvidia_driver::nvidia_number;
use accelprobe_probes::version::Version;
use toml::de::DeValue;

/// A value as somebody wrote it.
pub(super) enum Given<'a> {
    /// In a description.
    Toml(&'a DeValue<'a>),
    /// On the command line.
    Text(&'a str),
}

/// The word for what is known not to be there.
pub(super) const ABSENT: &str = "absent";

/// A fact that somebody told.
pub(super) fn fact(key: &'static Key, subject: Subject, told: &Given<'_>, origin: &str) -> Result<Fact, String> {
    Ok(given(key, subject, read(key, told)?, origin))
}

/// A fact that somebody told, by its value.
pub(super) fn given(key: &'static Key, subject: Subject, value: Result<Value, Missing>, origin: &str) -> Fact {
    Fact { key, subject, value, origin: Origin::Given(origin.to_owned().into()) }
}

/// Reads the value of a key, or that it is absent. The error says what was expected.
pub(super) fn read(key: &Key, told: &Given<'_>) -> Result<Result<Value, Missing>, String> {
    // Every machine is something.
    let absent = |text: &str| text.trim() == ABSENT && key.name != "environment";
    let value = match told {
        Given::Text(text) if absent(text) => None,
        Given::Toml(DeValue::String(text)) if absent(text) => None,
        Given::Text(text) => Some(of_text(key, text)?),
        Given::Toml(value) => Some(of_toml(key, value)?),
    };
    value.map(|value| possible(key, value)).transpose().map(|value| value.ok_or(Missing::NotFound))
}

fn of_text(key: &Key, text: &str) -> Result<Value, String> {
    match key.kind {
        Kind::Number if key.name.ends_with("-bytes") => size(text).map(Value::Number),
        Kind::Version if text.trim().is_empty() => Err("expected a version, and this is empty".to_owned()),
        _ => key.parse(text.trim()),
    }
}

fn of_toml(key: &Key, value: &DeValue<'_>) -> Result<Value, String> {
    let expected = |what: &str| Err(format!("expected {what}, found {}", described(value)));
    match (key.kind, value) {
        (Kind::Version | Kind::Text, DeValue::String(text)) => of_text(key, text),
        (Kind::Version, DeValue::Integer(_) | DeValue::Float(_)) => {
            let written = number(value).unwrap_or_default();
            Err(format!("expected a version in quotes, because a number would make 3.10 into 3.1: write \"{written}\""))
        }
        (Kind::Version, _) => expected("a version in quotes"),
        (Kind::Text, _) => expected("a text in quotes"),
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
        (Kind::Flag, _) => expected("true or false"),
        (Kind::Number, DeValue::Integer(integer)) => {
            let digits = integer.as_str().replace('_', "");
            let number = u64::from_str_radix(&digits, integer.radix());
            number.map(Value::Number).map_err(|_| format!("`{digits}` is no number from 0 on"))
        }
        (Kind::Number, DeValue::String(text)) if key.name.ends_with("-bytes") => of_text(key, text),
        (Kind::Number, _) if key.name.ends_with("-bytes") => {
            expected("a number of bytes, or a size such as \"24 GiB\"")
        }
        (Kind::Number, _) => expected("a whole number"),
        (Kind::Set, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                other => Err(format!("expected a list of texts, found {} in it", described(other))),
            });
            Ok(Value::Set(texts.collect::<Result<_, _>>()?))
        }
        (Kind::Set, _) => expected("a list of texts, as in [\"a\", \"b\"]"),
    }
}

/// What stands in a file, in words.
pub(super) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() <= 40 => format!("the text {:?}", text.as_ref()),
        DeValue::String(_) => "a text".to_owned(),
        DeValue::Integer(_) | DeValue::Float(_) => format!("the number {}", number(value).unwrap_or_default()),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(integer) => Some(integer.as_str().to_owned()),
        DeValue::Float(float) => Some(float.as_str().to_owned()),
        _ => None,
    }
}

/// A size such as `24 GiB`, in bytes.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: &[(&str, u64)] = &[
        ("tib", 1 << 40),
        ("gib", 1 << 30),
        ("mib", 1 << 20),
        ("kib", 1 << 10),
        ("tb", 1_000_000_000_000),
        ("gb", 1_000_000_000),
        ("mb", 1_000_000),
        ("kb", 1_000),
        ("b", 1),
        ("", 1),
    ];
    let lower = text.trim().to_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (digits, unit) = lower.split_at(end);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, bytes)| *bytes);
    let bytes = unit.zip(digits.parse::<f64>().ok()).map(|(unit, number)| number * unit as f64);
    match bytes {
        // Sizes are far below the numbers that a float cannot hold.
        Some(bytes) if (0.0..1e18).contains(&bytes) => Ok(bytes as u64),
        _ => Err(format!("`{text}` is no size: expected a number of bytes, or one with a unit such as `24 GiB`")),
    }
}

/// The words that a text may be, by key.
const WORDS: &[(&str, &[&str])] = &[
    ("environment", &["windows", "wsl2", "wsl1", "linux", "macos"]),
    ("arch", &["x86_64", "aarch64", "x86", "arm", "riscv64", "powerpc64", "loongarch64", "s390x"]),
    (
        "device-vendor",
        &[
            "nvidia",
            "amd",
            "intel",
            "apple",
            "qualcomm",
            "microsoft",
            "arm",
            "habana",
            "graphcore",
            "mesa",
            "virtual",
            "other",
        ],
    ),
    ("device-kind", &["discrete", "integrated", "virtual", "software", "other"]),
    ("python-environment", &["venv", "conda", "uv", "pyenv", "pipx", "store", "system"]),
    ("package-build", &["cuda", "rocm", "xpu", "directml", "metal", "openvino", "qnn", "cpu", "unknown"]),
    ("nvidia-kernel-driver", &["ready", "no-node", "no-access", "not-loaded"]),
    ("rocm-kernel-driver", &["ready", "no-node", "no-access", "not-loaded"]),
    ("cuda-library-taken", &["driver", "wsl", "stub", "compat"]),
];

/// Other spellings of such words.
const SPELLINGS: &[(&str, &str)] = &[("amd64", "x86_64"), ("x64", "x86_64"), ("arm64", "aarch64"), ("i686", "x86")];

/// The words that a fact may be; nothing where it may be any text.
pub(super) fn words(key: &Key) -> Option<&'static [&'static str]> {
    WORDS.iter().find(|(name, _)| *name == key.name).map(|(_, words)| *words)
}

/// The value in its usual form, or why it cannot be.
fn possible(key: &Key, value: Value) -> Result<Value, String> {
    match value {
        Value::Text(text) if words(key).is_some() => {
            let known = words(key).unwrap_or_default();
            let lower = text.to_lowercase();
            let usual = SPELLINGS.iter().find(|(own, _)| *own == lower).map_or(lower.as_str(), |(_, usual)| usual);
            match known.iter().find(|word| **word == usual) {
                Some(word) => Ok(Value::from(*word)),
                None => {
                    let unknown = accelprobe_probes::unknown(&key.name.replace('-', " "), &text, known.iter().copied());
                    Err(format!("{unknown}; expected one of {}", known.join(", ")))
                }
            }
        }
        Value::Text(text) => text_of(key, text).map(Value::Text),
        Value::Version(version) => version_of(key, version).map(Value::Version),
        Value::Number(bytes) if key.name.ends_with("memory-bytes") && !(1 << 20..1 << 50).contains(&bytes) => {
            Err(format!("{bytes} bytes are no memory of a machine: write a size such as \"24 GiB\""))
        }
        value => Ok(value),
    }
}

fn text_of(key: &Key, text: String) -> Result<String, String> {
    let hexadecimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match key.name {
        "gfx-target" => {
            let lower = text.to_lowercase();
            let bare = lower.split(':').next().unwrap_or_default();
            let good = bare.strip_prefix("gfx").is_some_and(|rest| (3..=4).contains(&rest.len()) && hexadecimal(rest));
            if good { Ok(bare.to_owned()) } else { Err(format!("`{text}` is no gfx target such as `gfx1100`")) }
        }
        "pci-id" => {
            let lower = text.to_lowercase();
            let good = lower.split_once(':').is_some_and(|(vendor, device)| {
                [vendor, device].iter().all(|part| part.len() == 4 && hexadecimal(part))
            });
            if good {
                Ok(lower)
            } else {
                Err(format!("`{text}` is no PCI number of vendor and device such as `10de:2684`"))
            }
        }
        "device-name" if text.trim().is_empty() => Err("expected the name of a GPU, and this is empty".to_owned()),
        "device-name" => Ok(text.trim().to_owned()),
        _ => Ok(text),
    }
}

fn version_of(key: &Key, version: Version) -> Result<Version, String> {
    let text = version.text().to_owned();
    let major = version.part(0);
    let no = |what: &str, example: &str| Err(format!("`{text}` is no {what} such as `{example}`"));
    match key.name {
        "python" if !(2..=9).contains(&major) => no("version of Python", "3.11"),
        "compute-capability" if !(1..=20).contains(&major) || !text.contains('.') => no("compute capability", "8.6"),
        // In the form of Windows, and as people read it off the device manager.
        "nvidia-driver" => match nvidia_number(&text).filter(|_| text.split('.').count() == 4) {
            Some(number) => number.parse(),
            None if !(70..=9999).contains(&major) => no("version of an NVIDIA driver", "580.65.06"),
            None => Ok(version),
        },
        "windows-build" => {
            let build: Version = text.strip_prefix("10.0.").unwrap_or(&text).parse()?;
            if build.part(0) < 6000 { no("build of Windows", "22631.3880") } else { Ok(build) }
        }
        "wsl-version" if !text.contains('.') => Err(format!(
            "`{text}` is no version of WSL such as `2.4.13.0`; that it is WSL {text} is for `environment` to say"
        )),
        "cuda-toolkit" | "cuda-runtime" | "nvcc" | "cuda-driver-api" | "package-cuda" if !(1..=99).contains(&major) => {
            no("version of CUDA", "12.4")
        }
        "cudnn-version" | "package-cudnn" if !(1..=99).contains(&major) => no("version of cuDNN", "9.1.0"),
        _ => Ok(version),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(key: &str, text: &str) -> Result<String, String> {
        let key = accelprobe_probes::key(key).unwrap();
        read(key, &Given::Text(text)).map(|value| value.map_or("absent".to_owned(), |value| value.to_string()))
    }

    #[test]
    fn values_take_their_usual_form() {
        for (key, text, expected) in [
            ("arch", "AMD64", "x86_64"),
            ("environment", "wsl2", "wsl2"),
            ("nvidia-driver", "31.0.15.3118", "531.18"),
            ("nvidia-driver", "580.65.06", "580.65.06"),
            ("nvidia-driver", "absent", "absent"),
            ("windows-build", "10.0.22631.3880", "22631.3880"),
            ("gfx-target", "gfx90a:sramecc+:xnack-", "gfx90a"),
            ("pci-id", "10DE:2684", "10de:2684"),
            ("device-memory-bytes", "24 GiB", "25769803776"),
            ("device-memory-bytes", "1.5GB", "1500000000"),
            ("gpu-vendors", "", "none"),
            ("cuda-visible-devices", "", ""),
        ] {
            assert_eq!(told(key, text).as_deref(), Ok(expected), "{key}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_was_expected() {
        for (key, text, expected) in [
            ("environment", "moon", "expected one of windows, wsl2, wsl1, linux, macos"),
            ("arch", "x86-64", "did you mean `x86_64`?"),
            ("python", "311", "such as `3.11`"),
            ("python", "three", "must begin with a number"),
            ("compute-capability", "86", "such as `8.6`"),
            ("nvidia-driver", "12.4", "such as `580.65.06`"),
            ("windows-build", "22H2", "such as `22631.3880`"),
            ("wsl-version", "2", "`environment`"),
            ("cudnn-version", "8905", "such as `9.1.0`"),
            ("gfx-target", "1100", "such as `gfx1100`"),
            ("pci-id", "0000:01:00.0", "such as `10de:2684`"),
            ("device-memory-bytes", "24", "\"24 GiB\""),
            ("device-memory-bytes", "a lot", "`24 GiB`"),
            ("container", "maybe", "neither `true` nor `false`"),
        ] {
            let message = told(key, text).unwrap_err();
            assert!(message.contains(expected), "{message}\nshould say\n{expected}");
        }
    }
}
