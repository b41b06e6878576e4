//! PyTorch: in which Python environments it is, what each copy was built for, and whether its libraries would load.
//!
//! Reads `torch/version.py`, which the build writes, and the headers of its libraries, those of their GPU code included. Never
//! imports it. It cannot tell whether importing it fails for a reason of its own.
//! References: `torch/version.py` as tools/generate_torch_version.py of PyTorch writes it; the local labels of its wheels (`+cu128`,
//! `+rocm6.4`, `+xpu`, `+cpu`).

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Value, version};
use crate::framework::{self, Installed, ask_architectures, ask_libraries, installed};
use crate::host::{Host, Question};
use crate::python::{PACKAGE_BUILD, PACKAGE_CUDA, PACKAGE_ROCM};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "pytorch",
    keys: &[&BUILDS_EXTENSION],
    ask,
    climb: Some(|report| framework::climb(report, NAMES)),
    native: None,
    seconds: 5,
};

static BUILDS_EXTENSION: Key = Key::new(
    "builds-extension",
    Kind::Flag,
    Scope::Host,
    "Whether an extension of PyTorch is to be compiled here, as where a package is installed from source. People tell it, no \
     probe does.",
);

const NAMES: &[&str] = &["torch"];
/// The libraries through which everything else is loaded, on Linux, Windows and macOS.
const LIBRARIES: &[&str] = &[
    "libtorch_python.so",
    "libtorch_cuda.so",
    "libtorch_hip.so",
    "libtorch_xpu.so",
    "libtorch_cpu.so",
    "torch_python.dll",
    "torch_cuda.dll",
    "torch_cpu.dll",
];
/// The libraries that hold PyTorch's own code for GPUs. Builds for many GPUs put some of it into a second one (`BUILD_SPLIT_CUDA`).
const WITH_KERNELS: &[&str] = &[
    "libtorch_cuda.so",
    "libtorch_cuda_cu.so",
    "libtorch_hip.so",
    "torch_cuda.dll",
    "torch_cuda_cu.dll",
    "torch_hip.dll",
];
/// Of so many copies, the active one first, the code is looked at: a library that is not in memory yet takes a disk up to a second.
const MOST_READ: usize = 4;

fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (number, copy) in installed(host, NAMES).iter().enumerate() {
        facts.extend(ask_copy(host, copy));
        if number < MOST_READ {
            facts.extend(ask_architectures(host, copy, "torch/lib", WITH_KERNELS));
        }
    }
    facts
}

fn ask_copy(host: &dyn Host, copy: &Installed) -> Vec<Fact> {
    let question = Question::Read(copy.path(host, "torch/version.py"));
    let label = copy.package.version.as_deref().and_then(|version| Some(version.split_once('+')?.1));
    let metal = host.system() == "macos";
    // Only metadata may be there; the label of the wheel then tells as much.
    let (build, origin) = match host.ask(&question) {
        Ok(text) => (Build::written(&text), question),
        Err(_) => (Build::labelled(label), Question::List(copy.package.site.clone())),
    };
    let kind = if metal && build.kind == "cpu" { "metal" } else { build.kind };
    let mut facts = vec![PACKAGE_BUILD.of(copy.subject(), Value::from(kind), &origin)];
    facts.extend(build.cuda.map(|text| PACKAGE_CUDA.of(copy.subject(), version(&text), &origin)));
    facts.extend(build.rocm.map(|text| PACKAGE_ROCM.of(copy.subject(), version(&text), &origin)));
    facts.extend(ask_libraries(host, copy, "torch/lib", LIBRARIES, &["torch/lib"]));
    facts
}

/// What a copy was built for.
#[derive(Debug, PartialEq, Eq)]
struct Build {
    kind: &'static str,
    cuda: Option<String>,
    rocm: Option<String>,
}

impl Build {
    /// By lines such as `cuda: Optional[str] = '12.4'` and `hip = None`.
    fn written(text: &str) -> Build {
        let value = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with([':', '='])))?;
            let value = line.split_once('=')?.1.trim().trim_matches(['\'', '"']);
            (value != "None" && !value.is_empty()).then(|| value.to_owned())
        };
        let (cuda, rocm, xpu) = (value("cuda"), value("rocm").or_else(|| value("hip")), value("xpu"));
        let kind = match (&cuda, &rocm, &xpu) {
            (Some(_), _, _) => "cuda",
            (None, Some(_), _) => "rocm",
            (None, None, Some(_)) => "xpu",
            (None, None, None) => "cpu",
        };
        Build { kind, cuda, rocm }
    }

    /// By the label of a wheel. Wheels of PyPI have none; those for Linux are built for CUDA, which the label does not say.
    fn labelled(label: Option<&str>) -> Build {
        let none = |kind| Build { kind, cuda: None, rocm: None };
        match label {
            Some("cpu") => none("cpu"),
            Some("xpu") => none("xpu"),
            Some(label) => match (label.strip_prefix("cu"), label.strip_prefix("rocm")) {
                (Some(digits), _) if digits.len() >= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let (major, minor) = digits.split_at(digits.len() - 1);
                    Build { kind: "cuda", cuda: Some(format!("{major}.{minor}")), rocm: None }
                }
                (_, Some(number)) => Build { kind: "rocm", cuda: None, rocm: Some(number.to_owned()) },
                _ => none("unknown"),
            },
            None => none("unknown"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::recording::Recording;
    use crate::host::{Answer, Missing};
    use crate::python::PACKAGE_ARCHITECTURES;

    #[test]
    fn reads_what_a_build_wrote_down() {
        let cuda = "from typing import Optional\n\n__version__ = '2.6.0+cu124'\ndebug = False\n\
            cuda: Optional[str] = '12.4'\ngit_version = 'x'\nhip: Optional[str] = None\nxpu: Optional[str] = None\n";
        assert_eq!(Build::written(cuda), Build { kind: "cuda", cuda: Some("12.4".into()), rocm: None });
        let rocm = "cuda: Optional[str] = None\nhip: Optional[str] = '6.2.41133-dd7f95766'\n";
        assert_eq!(Build::written(rocm).kind, "rocm");
        assert_eq!(Build::written("cuda = None\nxpu: Optional[str] = '20250101'\n").kind, "xpu");
        assert_eq!(Build::written("").kind, "cpu");
    }

    #[test]
    fn tells_for_which_gpus_a_copy_holds_code() {
        let site = r"C:\e\Lib\site-packages";
        let at = |file: &str| Question::Kernels(format!(r"{site}\torch\lib\{file}"));
        let ask_about = |second: Answer| {
            let mut host = Recording::of(
                String::new(),
                "test",
                [
                    (Question::System, Ok("windows x86_64".to_owned())),
                    (Question::Env("VIRTUAL_ENV".into()), Ok(r"C:\e".into())),
                    (Question::Read(r"C:\e\pyvenv.cfg".into()), Ok("version = 3.11.9".into())),
                    (Question::Node(site.into()), Ok("directory rw".into())),
                    (Question::List(site.into()), Ok("torch\ntorch-1.13.1+cu117.dist-info".into())),
                    (
                        Question::List(format!(r"{site}\torch\lib")),
                        Ok("torch_cuda.dll\ntorch_cuda_cpp.dll\ntorch_cuda_cu.dll".into()),
                    ),
                    (at("torch_cuda.dll"), Ok("sm_86".to_owned())),
                    (at("torch_cuda_cu.dll"), second),
                ],
            );
            host.complete = true;
            let report = Report { probes: Vec::new(), facts: ask(&host) };
            let fact = report.all(PACKAGE_ARCHITECTURES.name).next().map(|fact| fact.value.clone());
            fact.expect("both libraries are there")
        };
        let both = ["sm_86", "sm_37", "compute_37"].map(str::to_owned).to_vec();
        assert_eq!(ask_about(Ok("sm_37\nsm_86\ncompute_37".into())), Ok(Value::Set(both)));
        // A part is no answer.
        assert_eq!(ask_about(Err(Missing::TimedOut)), Err(Missing::TimedOut));
    }

    #[test]
    fn a_label_tells_where_only_metadata_are() {
        for (label, kind, cuda) in [
            (Some("cu124"), "cuda", Some("12.4")),
            (Some("cu118"), "cuda", Some("11.8")),
            (Some("cu92"), "unknown", None),
            (Some("rocm6.4"), "rocm", None),
            (Some("cpu"), "cpu", None),
            (Some("git1234"), "unknown", None),
            (None, "unknown", None),
        ] {
            let build = Build::labelled(label);
            assert_eq!((build.kind, build.cuda.as_deref()), (kind, cuda), "{label:?}");
        }
    }
}
