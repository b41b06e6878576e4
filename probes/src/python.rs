//! The active Python: which interpreter a command such as `python3 -m pip` would use, and its version.
//!
//! Asks for an activated environment first (`VIRTUAL_ENV`, `CONDA_PREFIX`), then the search path. Versions are read from
//! `pyvenv.cfg` and from file names; the interpreter is never run and nothing is imported.
//! References: PEP 405 (`pyvenv.cfg`), PEP 668 (`EXTERNALLY-MANAGED`).

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Value, version};
use crate::host::{Host, Missing, Question};
use crate::search_path;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "python",
    keys: &[&PYTHON, &PYTHON_PATH, &PYTHON_ENVIRONMENT],
    ask,
    climb: None,
    native: None,
    seconds: 5,
};

static PYTHON: Key = Key::new("python", Kind::Version, Scope::Host, "Version of the active Python interpreter.");
static PYTHON_PATH: Key = Key::new("python-path", Kind::Text, Scope::Host, "Path of the active Python interpreter.");
static PYTHON_ENVIRONMENT: Key = Key::new(
    "python-environment",
    Kind::Text,
    Scope::Host,
    "What the active interpreter belongs to: `venv`, `conda` or `system`.",
);

fn ask(host: &dyn Host) -> Vec<Fact> {
    for (variable, kind) in [("VIRTUAL_ENV", "venv"), ("CONDA_PREFIX", "conda")] {
        let question = Question::Env(variable.to_owned());
        if let Some(root) = host.ask(&question).ok().filter(|root| !root.is_empty()) {
            let (version, origin) = environment_version(host, &root, kind);
            return vec![
                PYTHON.host(version, &origin),
                PYTHON_PATH.host(Value::Text(interpreter(host, &root, kind)), &question),
                PYTHON_ENVIRONMENT.host(Value::from(kind), &question),
            ];
        }
    }
    let path = Question::Env("PATH".to_owned());
    let names = if host.is_windows() { ["python", "py"] } else { ["python3", "python"] };
    let Some(found) = names.into_iter().find_map(|name| search_path::find(host, name)) else {
        let missing = host.ask(&path).err().filter(|missing| *missing == Missing::NotRecorded);
        return vec![PYTHON.host(missing.unwrap_or(Missing::NotFound), &path)];
    };
    let node = Question::Node(found.clone());
    let target = host.ask(&node).ok().and_then(|node| Some(node.split_once(" -> ")?.1.to_owned()));
    let version = match found.split_once("/shims/") {
        // pyenv puts a script in front of its interpreters and keeps the choice in a file.
        Some((root, _)) => {
            host.read(&format!("{root}/version")).and_then(|text| version(text.lines().next().unwrap_or_default()))
        }
        None => version_in_name(target.as_deref().unwrap_or(&found)),
    };
    vec![
        PYTHON.host(version, &node),
        PYTHON_PATH.host(Value::Text(found), &path),
        PYTHON_ENVIRONMENT.host(Value::from("system"), &path),
    ]
}

fn interpreter(host: &dyn Host, root: &str, kind: &str) -> String {
    match (host.is_windows(), kind) {
        (true, "conda") => format!(r"{root}\python.exe"),
        (true, _) => format!(r"{root}\Scripts\python.exe"),
        (false, _) => format!("{root}/bin/python3"),
    }
}

fn environment_version(host: &dyn Host, root: &str, kind: &str) -> (Result<Value, Missing>, Question) {
    if kind == "conda" {
        let records = Question::List(format!("{root}/conda-meta"));
        let found = host.ask(&records).and_then(|names| {
            let record = names.lines().find_map(|name| {
                name.strip_prefix("python-").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
            let number = record.map(|record| record.split('-').next().unwrap_or_default());
            number.map_or(Err(Missing::NotFound), version)
        });
        return (found, records);
    }
    let config = Question::Read(format!("{root}/pyvenv.cfg"));
    let found = host.ask(&config).and_then(|text| pyvenv_version(&text));
    (found, config)
}

/// `version = 3.11.7`, or `version_info = 3.11.7.final.0` as virtualenv writes it.
fn pyvenv_version(text: &str) -> Result<Value, Missing> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut values =
        pairs.filter(|(name, _)| matches!(name.trim(), "version" | "version_info")).map(|(_, value)| value.trim());
    values.next().map_or_else(|| Err(Missing::Garbled("no version in pyvenv.cfg".to_owned())), version)
}

/// `3.11` of `/usr/bin/python3.11`, `3.12.1` of `~/.pyenv/versions/3.12.1/bin/python3`, `3.11` of `…\Python311\python.exe`.
fn version_in_name(path: &str) -> Result<Value, Missing> {
    let (folder, file) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
    let exact = folder.split(['/', '\\']).rev().find(|part| part.split('.').count() >= 3 && version(part).is_ok());
    let by_folder = exact.map(str::to_owned);
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

    #[test]
    fn reads_versions_without_running_anything() {
        for (path, expected) in [
            ("/usr/bin/python3.11", "3.11"),
            ("~/.pyenv/versions/3.12.1/bin/python3.12", "3.12.1"),
            (r"C:\Users\user\AppData\Local\Programs\Python\Python311\python.exe", "3.11"),
        ] {
            assert_eq!(version_in_name(path).unwrap().to_string(), expected);
        }
        assert!(version_in_name("/usr/bin/python3").is_err());
        assert!(version_in_name("/opt/tool/1.2.3/bin/python3").is_err());
        assert_eq!(version_in_name("/opt/tool/1.2.3/bin/python3.11").unwrap().to_string(), "3.11");
        assert_eq!(pyvenv_version("home = /usr\nversion = 3.11.7\n").unwrap().to_string(), "3.11.7");
        assert_eq!(pyvenv_version("version_info = 3.12.3.final.0").unwrap().to_string(), "3.12.3.final.0");
        assert!(pyvenv_version("home = /usr").is_err());
    }
}
