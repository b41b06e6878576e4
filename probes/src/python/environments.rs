//! Where Python environments are: the active one, those that the user names, those on the search path, and those that the
//! common tools keep in their folders.
//!
//! Nothing is run. An environment is told by its files: `pyvenv.cfg`, `conda-meta`, a folder `site-packages`.
//! References: PEP 405 (`pyvenv.cfg`), PEP 514 (registry of Windows), PEP 370 (packages of the user), the manuals of conda, uv,
//! pyenv and pipx for their folders, and Microsoft's for the Store's.

mod layout;
mod places;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::installer::Installer;
use super::packages::Package;
use super::{LIBRARY_ENVIRONMENT, LIBRARY_INSTALL, LIBRARY_INTERPRETER};
use crate::fact::{Fact, Subject, Value};
use crate::host::{Host, Missing, Question};

/// A Python environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// Its folder, by which it is named.
    pub root: String,
    /// What made it: `venv`, `conda`, `uv`, `pyenv`, `pipx`, `store` or `system`; `none` where the user named a place without one.
    pub kind: &'static str,
    /// How it came to be looked at.
    pub role: Role,
    /// The interpreter's path.
    pub interpreter: String,
    /// The question that showed that it is there.
    pub origin: Question,
    /// Its version, and the question that told.
    pub version: (Result<Value, Missing>, Question),
    /// Its folders of packages in the order in which Python looks into them, those that cannot be read included.
    pub sites: Vec<String>,
    /// What installs packages into it.
    pub installer: Installer,
    /// Its packages by name.
    pub packages: BTreeMap<String, Package>,
}

/// How an environment came to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A command such as `python3` would use it.
    Active,
    /// The user named it.
    Named,
    /// It is on the search path, in the working directory or in a tool's folder.
    Other,
}

impl Role {
    /// The word for it in facts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Active => "active",
            Role::Named => "named",
            Role::Other => "other",
        }
    }
}

impl Environment {
    /// What rules need to know of the environment that a library is in.
    pub(crate) fn facts_of_library(&self, path: &str) -> [Fact; 3] {
        let subject = || Subject::Library(path.to_owned());
        [
            LIBRARY_ENVIRONMENT.of(subject(), Value::from(self.role.word()), &self.origin),
            LIBRARY_INTERPRETER.of(subject(), Value::Text(self.interpreter.clone()), &self.origin),
            LIBRARY_INSTALL.of(subject(), Value::Text(self.install()), &self.origin),
        ]
    }

    /// The command that installs packages here, up to their names.
    pub(crate) fn install(&self) -> String {
        self.installer.install(&self.interpreter)
    }

    /// A package of this environment as people name it: name, version and environment.
    pub(crate) fn title_of(&self, package: &Package) -> String {
        match &package.version {
            Some(version) => format!("{} {version} in {}", package.name, self.root),
            None => format!("{} in {}", package.name, self.root),
        }
    }
}

/// As many environments are looked at; a machine with more has them in a tool's folder of old ones.
const MOST: usize = 64;

/// All environments, the active one first, each once.
pub(crate) fn environments(host: &dyn Host) -> Vec<Arc<Environment>> {
    match host.notes() {
        Some(notes) => notes.environments.get_or_init(|| find(host)).clone(),
        None => find(host),
    }
}

fn find(host: &dyn Host) -> Vec<Arc<Environment>> {
    let places = Places { host, windows: host.is_windows() };
    let mut found: Vec<Environment> = Vec::new();
    for candidate in places.candidates() {
        // What comes first is what a command would use, whether or not the user named it, too.
        let active = candidate.used && !found.iter().any(|environment| environment.role == Role::Active);
        let known = found.iter_mut().find(|environment| places.same(&environment.root, &candidate.root));
        if let Some(known) = known {
            if active && known.kind != "none" {
                known.role = Role::Active;
            }
            continue;
        }
        if found.len() >= MOST {
            break;
        }
        if let Some(mut environment) = places.environment(candidate) {
            if active {
                environment.role = Role::Active;
            }
            found.push(environment);
        }
    }
    found.sort_by_key(|environment| environment.role != Role::Active);
    found.into_iter().map(Arc::new).collect()
}

/// A place where an environment may be.
struct Candidate {
    root: String,
    kind: Option<&'static str>,
    role: Role,
    /// Whether a command would use it, where nothing of the kind comes before.
    used: bool,
    origin: Question,
}

impl Candidate {
    /// One that no command uses by itself.
    fn other(root: String, kind: Option<&'static str>, origin: Question) -> Candidate {
        Candidate { root, kind, role: Role::Other, used: false, origin }
    }
}

struct Places<'a> {
    host: &'a dyn Host,
    windows: bool,
}

impl Places<'_> {
    fn join(&self, folder: &str, rest: &str) -> String {
        match self.windows {
            true => [folder.trim_end_matches('\\'), r"\", &rest.replace('/', r"\")].concat(),
            false => [folder.trim_end_matches('/'), "/", rest].concat(),
        }
    }

    fn same(&self, left: &str, right: &str) -> bool {
        let real = |path: &str| {
            let node = self.host.node(path).ok();
            let target = node.as_deref().and_then(|node| Some(node.split_once(" -> ")?.1.to_owned()));
            target.unwrap_or_else(|| path.trim_end_matches(['/', '\\']).to_owned())
        };
        match self.windows {
            true => left.eq_ignore_ascii_case(right) || real(left).eq_ignore_ascii_case(&real(right)),
            false => left == right || real(left) == real(right),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    pub(super) fn host(system: &str, answers: &[(&str, &str)]) -> Recording {
        let mut all = vec![(Question::System, Ok(system.to_owned()))];
        all.extend(answers.iter().map(|(question, answer)| (question.parse().unwrap(), Ok((*answer).to_owned()))));
        let mut recording = Recording::of(String::new(), "test", all);
        recording.complete = true;
        recording
    }

    fn shown(host: &Recording) -> Vec<(String, &'static str, Role, String)> {
        let version = |environment: &Environment| {
            environment.version.0.as_ref().map_or_else(ToString::to_string, ToString::to_string)
        };
        let all = environments(host);
        all.iter().map(|one| (one.root.clone(), one.kind, one.role, version(one))).collect()
    }

    #[test]
    fn the_active_environment_comes_first_and_each_comes_once() {
        let host = host(
            "linux x86_64",
            &[
                ("env VIRTUAL_ENV", "~/project/.venv"),
                ("env PATH", "~/project/.venv/bin:/usr/bin:/bin"),
                ("read ~/project/.venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.12.3\n"),
                ("list ~/project/.venv/lib", "python3.12"),
                ("list ~/project/.venv/lib/python3.12/site-packages", "torch-2.6.0.dist-info"),
                ("node ~/project/.venv/bin/python3", "file r -> /usr/bin/python3.12"),
                ("node ~/project/.venv/pyvenv.cfg", "file rw"),
                ("node .venv/pyvenv.cfg", "file rw"),
                ("read .venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.12.3\n"),
                ("node .venv", "directory rw -> ~/project/.venv"),
                ("node /usr/bin/python3", "file r -> /usr/bin/python3.12"),
                ("node /bin/python3", "file r -> /usr/bin/python3.12"),
                ("list /usr/lib", "python3\npython3.11\npython3.12"),
                ("list /usr/lib/python3/dist-packages", "numpy-1.26.4.dist-info"),
            ],
        );
        let expected = [
            ("~/project/.venv".to_owned(), "venv", Role::Active, "3.12.3".to_owned()),
            ("/usr".to_owned(), "system", Role::Other, "3.12".to_owned()),
        ];
        assert_eq!(shown(&host), expected);
        let all = environments(&host);
        assert_eq!(all[0].sites, ["~/project/.venv/lib/python3.12/site-packages"]);
        assert_eq!(all[1].sites, ["/usr/lib/python3/dist-packages"]);
    }

    #[test]
    fn environments_of_tools_and_named_ones_are_found() {
        let host = host(
            "linux x86_64",
            &[
                ("env PATH", "~/.pyenv/shims:/usr/bin"),
                ("read ~/.pyenv/version", "3.11.7\n"),
                ("list ~/.pyenv/versions", "3.10.13\n3.11.7"),
                ("list ~/.pyenv/versions/3.11.7/lib", "python3.11"),
                ("list ~/.pyenv/versions/3.10.13/lib", "python3.10"),
                ("list ~/miniconda3/conda-meta", "python-3.12.2-h1.json\nhistory"),
                ("list ~/miniconda3/lib", "python3.12"),
                ("list ~/miniconda3/envs", "ml"),
                ("list ~/miniconda3/envs/ml/conda-meta", "python-3.10.1-h1.json"),
                ("list ~/.local/share/pipx/venvs", "nvitop"),
                ("read ~/.local/share/pipx/venvs/nvitop/pyvenv.cfg", "version_info = 3.11.7.final.0"),
                ("told python", "/srv/e/bin/python3"),
                ("read /srv/e/pyvenv.cfg", "version = 3.13.0"),
            ],
        );
        let found = shown(&host);
        let told: Vec<(&str, &str, Role, &str)> =
            found.iter().map(|(root, kind, role, version)| (root.as_str(), *kind, *role, version.as_str())).collect();
        assert_eq!(
            told,
            [
                ("~/.pyenv/versions/3.11.7", "pyenv", Role::Active, "3.11.7"),
                ("/srv/e", "venv", Role::Named, "3.13.0"),
                ("~/miniconda3", "conda", Role::Other, "3.12.2"),
                ("~/.pyenv/versions/3.10.13", "pyenv", Role::Other, "3.10.13"),
                ("~/.local/share/pipx/venvs/nvitop", "pipx", Role::Other, "3.11.7"),
                ("~/miniconda3/envs/ml", "conda", Role::Other, "3.10.1"),
            ]
        );
    }

    #[test]
    fn windows_has_the_registry_and_the_store() {
        let host = host(
            "windows x86_64",
            &[
                ("env PATH", r"C:\Windows;~\AppData\Local\Microsoft\WindowsApps"),
                (r"registry HKCU\SOFTWARE\Python", "PythonCore"),
                (r"registry HKCU\SOFTWARE\Python\PythonCore", "3.11"),
                (
                    r"registry HKCU\SOFTWARE\Python\PythonCore\3.11\InstallPath@",
                    r"~\AppData\Local\Programs\Python\Python311\",
                ),
                (r"node ~\AppData\Local\Programs\Python\Python311\Lib\site-packages", "directory rw"),
                (r"list ~\AppData\Local\Programs\Python\Python311\Lib\site-packages", "pip-24.0.dist-info"),
                (r"list ~\AppData\Roaming\Python\Python311\site-packages", "torch-2.6.0.dist-info"),
                (r"list ~\AppData\Local\Packages", "PythonSoftwareFoundation.Python.3.12_qbz5n2kfra8p0\nOther"),
                (
                    r"list ~\AppData\Local\Packages\PythonSoftwareFoundation.Python.3.12_qbz5n2kfra8p0\LocalCache\local-packages",
                    "Python312",
                ),
                (
                    r"list ~\AppData\Local\Packages\PythonSoftwareFoundation.Python.3.12_qbz5n2kfra8p0\LocalCache\local-packages\Python312\site-packages",
                    "numpy-2.0.0.dist-info",
                ),
            ],
        );
        let all = environments(&host);
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!((all[1].kind, all[1].version.0.as_ref().unwrap().to_string()), ("system", "3.11".to_owned()));
        assert_eq!(all[1].sites.len(), 2);
        assert_eq!((all[0].kind, all[0].version.0.as_ref().unwrap().to_string()), ("store", "3.12".to_owned()));
        assert!(all[0].interpreter.ends_with("python3.12.exe"));
    }

    #[test]
    fn a_variable_for_what_is_gone_leaves_the_search_path_to_decide() {
        let mut answers = vec![
            ("env VIRTUAL_ENV", "/gone"),
            ("env CONDA_PREFIX", "/also-gone"),
            ("env PATH", "/gone/bin:/usr/bin:/opt/py/bin"),
            ("node /usr/bin/python3", "file r -> /usr/bin/python3.12"),
            ("list /usr/lib", "python3.12"),
            ("node /opt/py/bin/python3", "file r"),
        ];
        let active = |answers: &[(&str, &str)]| {
            let all = shown(&host("linux x86_64", answers));
            let used: Vec<_> = all.iter().filter(|one| one.2 == Role::Active).map(|one| one.0.clone()).collect();
            (used, all.len())
        };
        assert_eq!(active(&answers), (vec!["/usr".to_owned()], 2));
        // Who names what a command uses anyway makes nothing else be used.
        answers.push(("told python", "/usr/bin/python3"));
        assert_eq!(active(&answers), (vec!["/usr".to_owned()], 2));
        answers.push(("list /also-gone/conda-meta", "python-3.12.2-h1.json"));
        assert_eq!(active(&answers), (vec!["/also-gone".to_owned()], 3));
    }

    #[test]
    fn a_variable_for_what_must_not_be_looked_at_is_kept() {
        let mut all = vec![
            (Question::System, Ok("linux x86_64".to_owned())),
            (Question::Env("VIRTUAL_ENV".to_owned()), Ok("/closed".to_owned())),
        ];
        for question in ["read /closed/pyvenv.cfg", "list /closed/lib"] {
            all.push((question.parse().unwrap(), Err(Missing::Denied)));
        }
        let mut host = Recording::of(String::new(), "test", all);
        host.complete = true;
        let all = environments(&host);
        assert_eq!((all[0].role, all[0].kind), (Role::Active, "venv"));
        assert_eq!(all[0].sites, ["/closed/lib"], "it may hold anything");
    }

    #[test]
    fn a_named_path_is_taken_as_it_is_meant() {
        let answers = [
            ("env PATH", "~/.pyenv/shims"),
            ("read .python-version", "3.12\n"),
            ("read ~/.pyenv/version", "3.11.7\n"),
            ("list ~/.pyenv/versions", "3.11.7\n3.12.10\n3.12.9"),
            ("list ~/.pyenv/versions/3.12.10/lib", "python3.12"),
            ("node ~/.local/bin/python3.13", "file r -> ~/.local/share/uv/python/cpython-3.13.0-linux/bin/python3.13"),
            ("list ~/.local/share/uv/python/cpython-3.13.0-linux/lib", "python3.13t"),
            ("node /e/pyvenv.cfg", "file r"),
            ("read /e/pyvenv.cfg", "version = 3.11.2\n"),
            ("node /e/bin", "directory r"),
            ("node /etc/passwd", "file r"),
        ];
        for (told, root, kind) in [
            ("~/.local/bin/python3.13", "~/.local/share/uv/python/cpython-3.13.0-linux", "uv"),
            ("/e/bin", "/e", "venv"),
            ("/e/", "/e", "venv"),
            ("/e/bin/python3.11", "/e", "venv"),
            ("/etc/passwd", "/etc/passwd", "none"),
            ("~/.pyenv/shims/python3", "~/.pyenv/versions/3.12.10", "pyenv"),
        ] {
            let answers = [&answers[..], &[("told python", told)]].concat();
            let all = environments(&host("linux x86_64", &answers));
            assert_eq!((all[0].root.as_str(), all[0].role), ("~/.pyenv/versions/3.12.10", Role::Active));
            assert!(all.iter().any(|one| (one.root.as_str(), one.kind) == (root, kind)), "{told}: {all:?}");
        }
        let answers = [
            ("told python", "C:/e/Scripts/python.exe"),
            (r"read C:\e\pyvenv.cfg", "version = 3.11.2"),
            (r"node C:\e\pyvenv.cfg", "file r"),
        ];
        assert_eq!(environments(&host("windows x86_64", &answers))[0].root, r"C:\e");
    }

    #[test]
    fn the_alias_of_the_store_is_what_a_command_starts() {
        let packages =
            r"~\AppData\Local\Packages\PythonSoftwareFoundation.Python.3.12_qbz5n2kfra8p0\LocalCache\local-packages";
        let listed = format!("list {packages}");
        let answers = [
            ("env PATH", r"C:\Windows;~\AppData\Local\Microsoft\WindowsApps\"),
            (r"list ~\AppData\Local\Packages", "PythonSoftwareFoundation.Python.3.12_qbz5n2kfra8p0"),
            (&listed, "Python312"),
        ];
        let all = environments(&host("windows x86_64", &answers));
        assert_eq!((all.len(), all[0].kind, all[0].role), (1, "store", Role::Active));
    }

    #[test]
    fn packages_of_debian_are_for_its_own_python_and_uv_installs_where_it_left_pip_out() {
        let mut answers = vec![
            ("env VIRTUAL_ENV", "/e"),
            (
                "read /e/pyvenv.cfg",
                "home = /opt/py/bin\nuv = 0.9\nversion_info = 3.13.0\ninclude-system-site-packages = true",
            ),
            ("list /e/lib", "python3.13t"),
            ("list /e/lib/python3.13t/site-packages", "torch-2.9.0.dist-info"),
            ("list /opt/py/lib/python3.13t/site-packages", ""),
            ("list /usr/local/lib/python3.13t/dist-packages", ""),
        ];
        let first = |answers: &[(&str, &str)]| environments(&host("linux x86_64", answers)).swap_remove(0);
        let one = first(&answers);
        assert_eq!(one.sites, ["/e/lib/python3.13t/site-packages", "/opt/py/lib/python3.13t/site-packages"]);
        assert_eq!(one.install(), "uv pip install --python /e/bin/python3");
        answers[4].1 = "pip-25.0.dist-info";
        assert_eq!(first(&answers).install(), "/e/bin/python3 -m pip install");
    }
}
