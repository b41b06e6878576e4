//! TensorFlow: in which Python environments it is, what each copy was built for, and whether its libraries would load.
//!
//! Reads `tensorflow/python/platform/build_info.py`, which the build writes, and the headers of its libraries. Never imports it. It
//! cannot tell which of the libraries that TensorFlow opens by name while it runs it would find.
//! References: tensorflow/tools/build_info/gen_build_info.py; `tf.sysconfig.get_build_info`.

use crate::Probe;
use crate::fact::{Fact, Value, version};
use crate::framework::{self, Installed, ask_libraries, installed};
use crate::host::{Host, Question};
use crate::python::{PACKAGE_ARCHITECTURES, PACKAGE_BUILD, PACKAGE_CUDA, PACKAGE_CUDNN};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "tensorflow",
    keys: &[],
    ask,
    climb: Some(|report| framework::climb(report, NAMES)),
    native: None,
    seconds: 5,
};

const NAMES: &[&str] = &[
    "tensorflow",
    "tensorflow-gpu",
    "tensorflow-cpu",
    "tensorflow-intel",
    "tensorflow-rocm",
    "tensorflow-macos",
    "tf-nightly",
];
/// The libraries through which everything else is loaded.
const LIBRARIES: &[&str] = &["libtensorflow_cc.so.2", "libtensorflow_framework.so.2", "_pywrap_tensorflow_internal.so"];

fn ask(host: &dyn Host) -> Vec<Fact> {
    installed(host, NAMES).iter().flat_map(|copy| ask_copy(host, copy)).collect()
}

fn ask_copy(host: &dyn Host, copy: &Installed) -> Vec<Fact> {
    let question = Question::Read(copy.path(host, "tensorflow/python/platform/build_info.py"));
    let subject = || copy.subject();
    let mut facts = Vec::new();
    match host.ask(&question) {
        Ok(text) => {
            let metal = copy.environment.packages.contains_key("tensorflow-metal");
            let directml = copy.environment.packages.contains_key("tensorflow-directml-plugin");
            let kind = match () {
                () if is_true(&text, "is_cuda_build") => "cuda",
                () if is_true(&text, "is_rocm_build") => "rocm",
                // A plugin adds a device to a build for the processor.
                () if directml => "directml",
                () if metal => "metal",
                () => "cpu",
            };
            facts.push(PACKAGE_BUILD.of(subject(), Value::from(kind), &question));
            for (name, key) in [("cuda_version", &PACKAGE_CUDA), ("cudnn_version", &PACKAGE_CUDNN)] {
                facts.extend(number(&text, name).map(|number| key.of(subject(), version(&number), &question)));
            }
            let capabilities = list(&text, "cuda_compute_capabilities");
            if !capabilities.is_empty() {
                facts.push(PACKAGE_ARCHITECTURES.of(subject(), Value::Set(capabilities), &question));
            }
        }
        Err(_) if matches!(copy.package.name.as_str(), "tensorflow-cpu" | "tensorflow-intel") => {
            facts.push(PACKAGE_BUILD.of(subject(), Value::from("cpu"), &Question::List(copy.package.site.clone())));
        }
        Err(missing) => facts.push(PACKAGE_BUILD.of(subject(), missing, &question)),
    }
    facts.extend(ask_libraries(host, copy, "tensorflow", LIBRARIES, &[]));
    facts
}

/// The text behind a name in quotes, up to the next name.
fn behind<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    ['\'', '"'].iter().find_map(|quote| {
        let (_, rest) = text.split_once(&format!("{quote}{name}{quote}"))?;
        Some(rest.trim_start_matches([',', ':', ' ', '\n']))
    })
}

fn is_true(text: &str, name: &str) -> bool {
    behind(text, name).is_some_and(|rest| rest.starts_with("True"))
}

/// A version such as `'12.5.1'`; on Windows `64_112` and `64_8` stand for 11.2 and 8.
fn number(text: &str, name: &str) -> Option<String> {
    let rest = behind(text, name)?.strip_prefix(['\'', '"'])?;
    let value = rest.split(['\'', '"']).next()?;
    let bare = value.strip_prefix("64_").unwrap_or(value);
    match (bare.len(), bare.bytes().all(|byte| byte.is_ascii_digit())) {
        (0, _) => None,
        (3, true) => Some(format!("{}.{}", bare.get(..2)?, bare.get(2..)?)),
        _ => Some(bare.to_owned()),
    }
}

/// A list such as `['sm_60', 'compute_90']`.
fn list(text: &str, name: &str) -> Vec<String> {
    let items = behind(text, name).and_then(|rest| rest.strip_prefix('[')).and_then(|rest| rest.split(']').next());
    let items = items.unwrap_or_default().split(',').map(|item| item.trim().trim_matches(['\'', '"']).to_owned());
    items.filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_build_wrote_down() {
        let linux = "import collections\n\nbuild_info = collections.OrderedDict([('cpu_compiler', '/usr/bin/clang'), \
            ('cuda_compute_capabilities', ['sm_60', 'sm_70', 'compute_90']), ('cuda_version', '12.5.1'), \
            ('cudnn_version', '9'), ('is_cuda_build', True), ('is_rocm_build', False)])\n";
        assert!(is_true(linux, "is_cuda_build") && !is_true(linux, "is_rocm_build"));
        assert_eq!(number(linux, "cuda_version").as_deref(), Some("12.5.1"));
        assert_eq!(number(linux, "cudnn_version").as_deref(), Some("9"));
        assert_eq!(list(linux, "cuda_compute_capabilities"), ["sm_60", "sm_70", "compute_90"]);
        let windows =
            "build_info = collections.OrderedDict([(\"cuda_version\", \"64_112\"), (\"cudnn_version\", \"64_8\")])";
        assert_eq!(number(windows, "cuda_version").as_deref(), Some("11.2"));
        assert_eq!(number(windows, "cudnn_version").as_deref(), Some("8"));
        assert_eq!(number("", "cuda_version"), None);
        assert!(list("'cuda_compute_capabilities', [", "cuda_compute_capabilities").is_empty());
    }
}
