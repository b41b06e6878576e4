//! Python environments and the packages in them that matter here.
//!
//! Looks at the active environment (`VIRTUAL_ENV`, `CONDA_PREFIX`, else the first interpreter on the search path), at those
//! that the user names with `--python`, and at those in the folders of pyenv, conda, uv, pipx and their like, in the registry of
//! Windows and of the Store. Versions come from `pyvenv.cfg` and file names, packages from the folders of their metadata. No
//! interpreter is run and nothing is imported. It cannot tell what a package does when it is imported, nor an environment that is
//! in none of these places.
//! References: PEP 405, PEP 503, PEP 508, PEP 514, the specification of installed projects.

pub(crate) mod environments;
mod installer;
pub mod marker;
pub(crate) mod packages;
mod requirement;

use std::sync::Arc;

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Question};
use crate::image::Image;

use environments::{Environment, Role, environments};
pub use installer::quoted;
use packages::{matters, missing_requirements};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "python",
    keys: &[
        &PYTHON,
        &PYTHON_PATH,
        &PYTHON_ARCH,
        &PYTHON_ENVIRONMENT,
        &PROJECT_PYTHON,
        &ENVIRONMENT_KIND,
        &ENVIRONMENT_ROLE,
        &ENVIRONMENT_PYTHON,
        &ENVIRONMENT_INTERPRETER,
        &ENVIRONMENT_INSTALL,
        &ENVIRONMENT_UNINSTALL,
        &ENVIRONMENT_MANAGED,
        &ENVIRONMENT_PACKAGES,
        &PACKAGE_VERSION,
        &PACKAGE_LACKS,
        &PACKAGE_LACKS_EXACTLY,
        &PACKAGE_BUILD,
        &PACKAGE_CUDA,
        &PACKAGE_CUDNN,
        &PACKAGE_ROCM,
        &PACKAGE_ARCHITECTURES,
        &PACKAGE_SEES_GPU,
        &PACKAGE_MISSING_LIBRARIES,
        &PACKAGE_WANTS_FIRST,
        &LIBRARY_ENVIRONMENT,
        &LIBRARY_INTERPRETER,
        &LIBRARY_INSTALL,
    ],
    ask,
    climb: None,
    native: None,
    seconds: 5,
};

static PYTHON: Key = Key::new("python", Kind::Version, Scope::Host, "Version of the active Python interpreter.");
static PYTHON_PATH: Key = Key::new("python-path", Kind::Text, Scope::Host, "Path of the active Python interpreter.");
static PYTHON_ARCH: Key = Key::new(
    "python-arch",
    Kind::Text,
    Scope::Host,
    "The processor that the active Python was built for, on Windows and macOS: `x86_64`, `aarch64`, `x86` (32 bit), or `universal`.",
);
static PYTHON_ENVIRONMENT: Key = Key::new(
    "python-environment",
    Kind::Text,
    Scope::Host,
    "What the active interpreter belongs to: `venv`, `conda`, `uv`, `pyenv`, `pipx`, `store` or `system`.",
);
static PROJECT_PYTHON: Key = Key::new(
    "project-python",
    Kind::Text,
    Scope::Host,
    "The versions of Python that a project asks for, as a range: `>=3.10,<3.13`. Read from the file that `-r` names, or told by a person.",
);
static ENVIRONMENT_KIND: Key = Key::new(
    "environment-kind",
    Kind::Text,
    Scope::Environment,
    "What made a Python environment: `venv`, `conda`, `uv`, `pyenv`, `pipx`, `store` or `system`; `none` where the user named a place without one.",
);
pub(crate) static ENVIRONMENT_ROLE: Key = Key::new(
    "environment-role",
    Kind::Text,
    Scope::Environment,
    "`active` where commands such as `python3` use it, `named` where the user named it, else `other`.",
);
static ENVIRONMENT_PYTHON: Key =
    Key::new("environment-python", Kind::Version, Scope::Environment, "Version of the environment's Python.");
static ENVIRONMENT_INTERPRETER: Key =
    Key::new("environment-interpreter", Kind::Text, Scope::Environment, "Path of the environment's interpreter.");
static ENVIRONMENT_INSTALL: Key = Key::new(
    "environment-install",
    Kind::Text,
    Scope::Environment,
    "The command that installs packages into the environment, up to their names: its pip, or uv where uv made it without one.",
);
static ENVIRONMENT_UNINSTALL: Key = Key::new(
    "environment-uninstall",
    Kind::Text,
    Scope::Environment,
    "The command that removes packages from the environment, up to their names.",
);
static ENVIRONMENT_MANAGED: Key = Key::new(
    "environment-managed",
    Kind::Flag,
    Scope::Environment,
    "Whether the environment is the system's own and pip refuses to install into it (PEP 668).",
);
pub(crate) static ENVIRONMENT_PACKAGES: Key = Key::new(
    "environment-packages",
    Kind::Set,
    Scope::Environment,
    "Names of the packages in the environment that matter here: frameworks, runtimes and what those need of a vendor.",
);
pub(crate) static PACKAGE_VERSION: Key =
    Key::new("package-version", Kind::Version, Scope::Package, "Version of an installed package, by its metadata.");
static PACKAGE_LACKS: Key = Key::new(
    "package-lacks",
    Kind::Set,
    Scope::Package,
    "Packages that a package requires on this machine, by its metadata, and that its environment does not have.",
);
static PACKAGE_LACKS_EXACTLY: Key = Key::new(
    "package-lacks-exactly",
    Kind::Set,
    Scope::Package,
    "The same with the versions that are required, each as a word of a shell: `nvidia-cudnn-cu12==9.1.0.70`.",
);
pub(crate) static PACKAGE_BUILD: Key = Key::new(
    "package-build",
    Kind::Text,
    Scope::Package,
    "What a framework or a runtime was built to compute on: `cuda`, `rocm`, `xpu`, `directml`, `metal`, `openvino`, `qnn` or `cpu`.",
);
pub(crate) static PACKAGE_CUDA: Key =
    Key::new("package-cuda", Kind::Version, Scope::Package, "The CUDA that a package was built for.");
pub(crate) static PACKAGE_CUDNN: Key =
    Key::new("package-cudnn", Kind::Version, Scope::Package, "The cuDNN that a package was built for.");
pub(crate) static PACKAGE_ROCM: Key =
    Key::new("package-rocm", Kind::Version, Scope::Package, "The ROCm that a package was built for.");
pub(crate) static PACKAGE_ARCHITECTURES: Key = Key::new(
    "package-architectures",
    Kind::Set,
    Scope::Package,
    "The instruction sets of GPUs for which a package holds code: `sm_86`, `compute_90` (PTX), `gfx1100`.",
);
static PACKAGE_SEES_GPU: Key = Key::new(
    "package-sees-gpu",
    Kind::Flag,
    Scope::Package,
    "Whether a package said itself that it can use a GPU: what `torch.cuda.is_available()` and its like answered. Told by a person.",
);
pub(crate) static PACKAGE_MISSING_LIBRARIES: Key = Key::new(
    "package-missing-libraries",
    Kind::Set,
    Scope::Package,
    "Libraries that a package's own need and that a loader would not find.",
);
pub(crate) static PACKAGE_WANTS_FIRST: Key = Key::new(
    "package-wants-first",
    Kind::Text,
    Scope::Package,
    "The first library that would not be found, and the file that needs it.",
);
pub(crate) static LIBRARY_ENVIRONMENT: Key = Key::new(
    "library-environment",
    Kind::Text,
    Scope::Library,
    "How the Python environment of a library came to be looked at: `active`, `named` or `other`.",
);
pub(crate) static LIBRARY_INTERPRETER: Key = Key::new(
    "library-interpreter",
    Kind::Text,
    Scope::Library,
    "Path of the interpreter of the Python environment that a library is in.",
);
pub(crate) static LIBRARY_INSTALL: Key = Key::new(
    "library-install",
    Kind::Text,
    Scope::Library,
    "The command that installs packages into the Python environment of a library, up to their names.",
);

fn ask(host: &dyn Host) -> Vec<Fact> {
    let all = environments(host);
    let mut facts = ask_active(host, all.first().map(Arc::as_ref));
    for environment in &all {
        ask_environment(host, environment, &mut facts);
    }
    facts
}

/// The facts about the interpreter that a command would use.
fn ask_active(host: &dyn Host, first: Option<&Environment>) -> Vec<Fact> {
    match first.filter(|environment| environment.role == Role::Active) {
        Some(active) => {
            let mut facts = vec![
                PYTHON.host(active.version.0.clone(), &active.version.1),
                PYTHON_PATH.host(Value::Text(active.interpreter.clone()), &active.origin),
                PYTHON_ENVIRONMENT.host(Value::from(active.kind), &active.origin),
            ];
            facts.extend(ask_processor(host, active));
            facts
        }
        None => {
            let path = Question::Env("PATH".to_owned());
            let missing = host.ask(&path).err().filter(|missing| *missing == Missing::NotRecorded);
            vec![PYTHON.host(missing.unwrap_or(Missing::NotFound), &path)]
        }
    }
}

/// The processor that the interpreter was built for, where systems run programs of another one unasked.
fn ask_processor(host: &dyn Host, active: &Environment) -> Option<Fact> {
    let emulates = matches!(host.system().as_str(), "windows" | "macos");
    // The interpreter of the Store is no file that can be read.
    let question = Question::Image(active.interpreter.clone());
    (emulates && active.kind != "store").then(|| {
        let image = host
            .ask(&question)
            .and_then(|json| serde_json::from_str::<Image>(&json).map_err(|error| Missing::Garbled(error.to_string())));
        PYTHON_ARCH.host(image.map(|image| Value::Text(image.machine)), &question)
    })
}

/// Whether distributions keep pip out of their own Python, by the file that says so.
fn ask_managed(host: &dyn Host, environment: &Environment) -> Option<(Result<Value, Missing>, Question)> {
    let Ok(Value::Version(python)) = &environment.version.0 else { return None };
    if environment.kind != "system" || host.is_windows() {
        return None;
    }
    let library = format!("{}/lib/python{}.{}", environment.root.trim_end_matches('/'), python.part(0), python.part(1));
    let mark = Question::Node(format!("{library}/EXTERNALLY-MANAGED"));
    let told = match host.ask(&mark) {
        Ok(_) | Err(Missing::Denied) => Ok(Value::Flag(true)),
        Err(Missing::NotFound) => Ok(Value::Flag(false)),
        Err(missing) => Err(missing),
    };
    Some((told, mark))
}

fn ask_environment(host: &dyn Host, environment: &Environment, facts: &mut Vec<Fact>) {
    let subject = || Subject::Environment(environment.root.clone());
    let origin = &environment.origin;
    facts.push(ENVIRONMENT_KIND.of(subject(), Value::from(environment.kind), origin));
    facts.push(ENVIRONMENT_ROLE.of(subject(), Value::from(environment.role.word()), origin));
    facts.push(ENVIRONMENT_PYTHON.of(subject(), environment.version.0.clone(), &environment.version.1));
    if environment.kind == "none" {
        return facts.push(ENVIRONMENT_INTERPRETER.of(subject(), Missing::NotFound, origin));
    }
    let interpreter = &environment.interpreter;
    facts.push(ENVIRONMENT_INTERPRETER.of(subject(), Value::Text(interpreter.clone()), origin));
    facts.push(ENVIRONMENT_INSTALL.of(subject(), Value::Text(environment.install()), origin));
    let uninstall = environment.installer.uninstall(interpreter);
    facts.push(ENVIRONMENT_UNINSTALL.of(subject(), Value::Text(uninstall), origin));
    let managed = ask_managed(host, environment);
    facts.extend(managed.map(|(managed, mark)| ENVIRONMENT_MANAGED.of(subject(), managed, &mark)));
    let installed = &environment.packages;
    let python = environment.version.0.as_ref().map(ToString::to_string).unwrap_or_default();
    let ours: Vec<_> = installed.values().filter(|package| matters(&package.name)).collect();
    let site = environment.sites.first().map_or_else(|| origin.clone(), |site| Question::List(site.clone()));
    let names: Vec<String> = ours.iter().map(|package| package.name.clone()).collect();
    // Where a folder cannot be read, nothing is said to be missing from it.
    let closed = environment.sites.iter().map(|site| Question::List(site.clone())).find_map(|site| {
        let missing = host.ask(&site).err()?;
        Some((missing, site))
    });
    facts.push(match closed.filter(|_| names.is_empty()) {
        Some((missing, site)) => ENVIRONMENT_PACKAGES.of(subject(), missing, &site),
        None => ENVIRONMENT_PACKAGES.of(subject(), Value::Set(names), &site),
    });
    for package in ours {
        let subject = || Subject::Package { environment: environment.root.clone(), name: package.name.clone() };
        let listed = Question::List(package.site.clone());
        let number = package.version.as_deref().map_or(Err(Missing::NotFound), version);
        facts.push(PACKAGE_VERSION.of(subject(), number, &listed));
        let lacks = missing_requirements(host, package, installed, &python).unwrap_or_default();
        if !lacks.is_empty() {
            let metadata = packages::metadata_of(host, package);
            let (names, specifiers): (Vec<String>, Vec<String>) = lacks.into_iter().unzip();
            let words = specifiers.iter().map(|specifier| quoted(specifier, host.is_windows())).collect();
            facts.push(PACKAGE_LACKS.of(subject(), Value::Set(names), &metadata));
            facts.push(PACKAGE_LACKS_EXACTLY.of(subject(), Value::Set(words), &metadata));
        }
    }
}

/// `3.11` of `/usr/bin/python3.11`, `3.12.1` of `~/.pyenv/versions/3.12.1/bin/python3`, `3.11` of `…\Python311\python.exe`.
fn version_in_name(path: &str) -> Result<Value, Missing> {
    let (folder, file) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
    let parts = || folder.split(['/', '\\']).rev();
    let exact = parts().find(|part| part.split('.').count() >= 3 && version(part).is_ok()).map(str::to_owned);
    // uv names its folders `cpython-3.12.4-linux-x86_64-gnu`.
    let by_uv = || parts().find_map(|part| Some(part.strip_prefix("cpython-")?.split('-').next()?.to_owned()));
    let by_folder = exact.or_else(by_uv);
    let by_file =
        || file.strip_prefix("python").filter(|rest| rest.contains('.') && version(rest).is_ok()).map(str::to_owned);
    let by_windows = || {
        let digits = folder.rsplit(['/', '\\']).next()?.strip_prefix("Python")?.split('-').next()?;
        (digits.len() >= 2)
            .then(|| digits.get(..1).zip(digits.get(1..)).map(|(major, minor)| format!("{major}.{minor}")))
            .flatten()
    };
    // A folder's number is a Python's only where it agrees with the file's, or where the file has none and it may be one.
    let agrees = |exact: &String| by_file().map_or(exact.starts_with("3."), |short| exact.starts_with(&short));
    let found = by_folder.filter(agrees).or_else(by_file).or_else(by_windows);
    found.map_or_else(|| Err(Missing::Garbled(format!("no version in the name `{path}`"))), |text| version(&text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::recording::Recording;

    #[test]
    fn reads_versions_without_running_anything() {
        for (path, expected) in [
            ("/usr/bin/python3.11", "3.11"),
            ("~/.pyenv/versions/3.12.1/bin/python3.12", "3.12.1"),
            ("~/.local/share/uv/python/cpython-3.12.4-linux-x86_64-gnu/bin/python3.12", "3.12.4"),
            (r"C:\Users\user\AppData\Local\Programs\Python\Python311\python.exe", "3.11"),
        ] {
            assert_eq!(version_in_name(path).unwrap().to_string(), expected);
        }
        assert!(version_in_name("/usr/bin/python3").is_err());
        assert!(version_in_name("/opt/tool/1.2.3/bin/python3").is_err());
        assert_eq!(version_in_name("/opt/tool/1.2.3/bin/python3.11").unwrap().to_string(), "3.11");
    }

    #[test]
    fn a_python_that_the_system_keeps_for_itself_is_told() {
        let told = |mark: bool| {
            let mut answers = vec![
                (Question::System, Ok("linux x86_64".to_owned())),
                (Question::Env("PATH".into()), Ok("/usr/bin".into())),
                (Question::Node("/usr/bin/python3".into()), Ok("file r -> /usr/bin/python3.12".into())),
                (Question::List("/usr/lib".into()), Ok("python3\npython3.12".into())),
            ];
            if mark {
                answers.push((Question::Node("/usr/lib/python3.12/EXTERNALLY-MANAGED".into()), Ok("file r".into())));
            }
            let mut host = Recording::of(String::new(), "test", answers);
            host.complete = true;
            let report = Report { probes: Vec::new(), facts: ask(&host) };
            report.about(&Subject::Environment("/usr".into()), "environment-managed").cloned()
        };
        assert_eq!(told(true), Some(Value::Flag(true)));
        assert_eq!(told(false), Some(Value::Flag(false)));
    }

    #[test]
    fn the_processor_of_the_interpreter_is_told_where_others_are_emulated() {
        let told = |system: &str| {
            let image = r#"{"format":"mach-o","bits":64,"machine":"x86_64","complete":true}"#;
            let mut host = Recording::of(
                String::new(),
                "test",
                [
                    (Question::System, Ok(system.to_owned())),
                    (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
                    (Question::Read("/e/pyvenv.cfg".into()), Ok("version = 3.12.3".into())),
                    (Question::Image("/e/bin/python3".into()), Ok(image.into())),
                ],
            );
            host.complete = true;
            Report { probes: Vec::new(), facts: ask(&host) }.text("python-arch").to_owned()
        };
        assert_eq!(told("macos aarch64"), "x86_64");
        assert_eq!(told("linux x86_64"), "");
    }

    #[test]
    fn tells_what_a_package_requires_and_its_environment_lacks() {
        let site = "/e/lib/python3.12/site-packages";
        let metadata = "Metadata-Version: 2.1\nName: torch\n\
            Requires-Dist: filelock\n\
            Requires-Dist: nvidia-cublas-cu12==12.4.5.8; platform_system == \"Linux\"\n\
            Requires-Dist: nvidia-cudnn-cu12==9.1.0.70; platform_system == \"Linux\" and platform_machine == \"x86_64\"\n\
            Requires-Dist: triton==3.2.0; platform_system == \"Windows\"\n\n\
            Requires-Dist: nvidia-nccl-cu12 is only talked about here\n";
        let mut host = Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("linux x86_64".to_owned())),
                (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
                (Question::Read("/e/pyvenv.cfg".into()), Ok("version = 3.12.3".into())),
                (Question::List("/e/lib".into()), Ok("python3.12".into())),
                (
                    Question::List(site.into()),
                    Ok("filelock-3.0.dist-info\nnvidia_cublas_cu12-12.4.5.8.dist-info\ntorch\ntorch-2.6.0+cu124.dist-info"
                        .into()),
                ),
                (Question::Read(format!("{site}/torch-2.6.0+cu124.dist-info/METADATA")), Ok(metadata.into())),
            ],
        );
        host.complete = true;
        let report = Report { probes: Vec::new(), facts: ask(&host) };
        let torch = Subject::Package { environment: "/e".into(), name: "torch".into() };
        assert_eq!(report.about(&torch, "package-version").unwrap().to_string(), "2.6.0+cu124");
        assert_eq!(report.about(&torch, "package-lacks").unwrap(), &Value::Set(vec!["nvidia-cudnn-cu12".into()]));
        let exactly = Value::Set(vec!["nvidia-cudnn-cu12==9.1.0.70".into()]);
        assert_eq!(report.about(&torch, "package-lacks-exactly").unwrap(), &exactly);
        let environment = Subject::Environment("/e".into());
        let names = Value::Set(vec!["nvidia-cublas-cu12".into(), "torch".into()]);
        assert_eq!(report.about(&environment, "environment-packages").unwrap(), &names);
        assert_eq!(report.text("python-environment"), "venv");
    }
}
