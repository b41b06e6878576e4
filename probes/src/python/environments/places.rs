//! Where to look: the variables, what the user named, the search path, the folders of tools, the registry of Windows.

use std::collections::HashSet;

use super::{Candidate, Places, Role};
use crate::host::Question;
use crate::version::Version;

/// Where the Store's Pythons keep packages, each in a folder named after itself.
const STORE: &str = r"~\AppData\Local\Packages";

impl Places<'_> {
    /// Every place, what a command would use first.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (variable, kind) in [("VIRTUAL_ENV", "venv"), ("CONDA_PREFIX", "conda")] {
            if let Some(root) = self.host.env(variable).filter(|root| !root.is_empty()) {
                let origin = Question::Env(variable.to_owned());
                found.push(Candidate { used: true, ..Candidate::other(self.written(&root), Some(kind), origin) });
            }
        }
        let told = Question::Told("python".to_owned());
        for path in self.host.ask(&told).unwrap_or_default().lines() {
            let root = self.root_of_named(&self.written(path));
            found.push(Candidate { role: Role::Named, ..Candidate::other(root, None, told.clone()) });
        }
        found.extend(self.on_search_path());
        let beside = self.join(".venv", "pyvenv.cfg");
        let origin = Question::Node(beside);
        if self.host.ask(&origin).is_ok() {
            found.push(Candidate::other(".venv".to_owned(), Some("venv"), origin));
        }
        found.extend(self.in_folders_of_tools());
        found.extend(self.registered());
        found
    }

    /// The folder of the environment to which an interpreter belongs; nothing where the path is no interpreter's.
    pub(super) fn root_of(&self, path: &str) -> Option<String> {
        let (folder, file) = path.rsplit_once(if self.windows { '\\' } else { '/' })?;
        if !file.to_lowercase().starts_with("py")
            || self.host.node(path).is_ok_and(|node| node.starts_with("directory"))
        {
            return None;
        }
        match self.windows {
            // An installation has its interpreter at the top, an environment in `Scripts`.
            true if folder.to_lowercase().ends_with(r"\scripts") => Some(folder.get(..folder.len() - 8)?.to_owned()),
            true => Some(folder.to_owned()),
            false => folder.strip_suffix("/bin").map(|root| if root.is_empty() { "/" } else { root }.to_owned()),
        }
    }

    /// The same where a link is followed: one from elsewhere leads to the installation; one within an environment leads out of it.
    fn root_behind(&self, interpreter: &str) -> Option<String> {
        let own = self.root_of(interpreter);
        if own.as_deref().is_some_and(|root| self.host.exists(&self.join(root, "pyvenv.cfg"))) {
            return own;
        }
        let node = self.host.node(interpreter).ok();
        let target = node.as_deref().and_then(|node| Some(node.split_once(" -> ")?.1));
        target.and_then(|target| self.root_of(target)).or(own)
    }

    /// What the user means by a path: an environment's folder, its folder of programs, or an interpreter.
    fn root_of_named(&self, path: &str) -> String {
        let separator = if self.windows { '\\' } else { '/' };
        let path = path.trim_end_matches(separator);
        if let Some((shims, _)) = path.rsplit_once(separator)
            && let Some(root) = self.root_of_shims(shims)
            && let Some(chosen) = self.chosen_by_pyenv(root).into_iter().next()
        {
            return chosen;
        }
        let programs = |folder: &str| match path.rsplit_once(separator) {
            Some((root, last)) if last.eq_ignore_ascii_case(folder) => {
                self.host.exists(&self.join(root, "pyvenv.cfg")).then(|| root.to_owned())
            }
            _ => None,
        };
        let folder = if self.windows { "scripts" } else { "bin" };
        self.root_behind(path).or_else(|| programs(folder)).unwrap_or_else(|| path.to_owned())
    }

    /// A path as this system writes it: Git's shell for Windows has the other slashes.
    fn written(&self, path: &str) -> String {
        if self.windows { path.replace('/', r"\") } else { path.to_owned() }
    }

    /// pyenv's folder, where this is the one of its scripts.
    fn root_of_shims<'a>(&self, folder: &'a str) -> Option<&'a str> {
        folder.trim_end_matches('/').strip_suffix("/shims").filter(|root| root.ends_with("pyenv"))
    }

    /// The installations that pyenv's scripts choose, by the first of its files that is there: one version a line, or `system`.
    fn chosen_by_pyenv(&self, root: &str) -> Vec<String> {
        let files = [".python-version".to_owned(), format!("{root}/version")];
        let text = files.iter().find_map(|file| self.host.read(file).ok()).unwrap_or_default();
        let parent = format!("{root}/versions");
        let installed = self.host.list(&parent);
        let names = text.lines().map(str::trim).filter(|name| !name.is_empty() && !name.starts_with('#'));
        let chosen = names.filter_map(|name| {
            if installed.is_empty() || installed.iter().any(|one| one == name) {
                return Some(name.to_owned());
            }
            // `3.12` is the newest of these.
            let newer = installed.iter().filter(|one| one.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')));
            newer.filter_map(|one| Some((one.parse::<Version>().ok()?, one))).max().map(|(_, one)| one.clone())
        });
        chosen.map(|name| format!("{parent}/{name}")).collect()
    }

    fn on_search_path(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        let origin = Question::Env("PATH".to_owned());
        let path = self.host.ask(&origin).unwrap_or_default();
        let separator = if self.windows { ';' } else { ':' };
        let mut seen = HashSet::new();
        for folder in path.split(separator).filter(|folder| !folder.is_empty()) {
            if !seen.insert(folder) {
                continue;
            }
            let candidate = |root| Candidate { used: true, ..Candidate::other(root, None, origin.clone()) };
            if let Some(root) = self.root_of_shims(folder) {
                found.extend(self.chosen_by_pyenv(root).into_iter().map(candidate));
                continue;
            }
            if self.windows && folder.trim_end_matches('\\').to_lowercase().ends_with(r"\windowsapps") {
                // The aliases of the Store, the newest of which a command starts as a rule.
                found.extend(self.of_the_store(&origin).into_iter().rev().map(|one| Candidate { used: true, ..one }));
                continue;
            }
            let names: &[&str] = if self.windows { &["python.exe"] } else { &["python3", "python"] };
            for name in names {
                let interpreter = self.join(&self.written(folder), name);
                if self.host.exists(&interpreter) {
                    found.extend(self.root_behind(&interpreter).map(candidate));
                }
            }
        }
        found
    }

    /// Environments in the folders where pyenv, conda, uv, pipx, virtualenvwrapper, Poetry and pipenv keep them.
    fn in_folders_of_tools(&self) -> Vec<Candidate> {
        const UNIX: &[(&str, &str)] = &[
            ("~/.pyenv/versions", "pyenv"),
            ("~/.local/share/uv/python", "uv"),
            ("~/.local/share/uv/tools", "uv"),
            ("~/.local/share/pipx/venvs", "pipx"),
            ("~/.local/pipx/venvs", "pipx"),
            ("~/.virtualenvs", "venv"),
            ("~/.venvs", "venv"),
            ("~/.local/share/virtualenvs", "venv"),
            ("~/.cache/pypoetry/virtualenvs", "venv"),
            ("~/.conda/envs", "conda"),
            ("/Library/Frameworks/Python.framework/Versions", "system"),
        ];
        const WINDOWS: &[(&str, &str)] = &[
            (r"~\.pyenv\pyenv-win\versions", "pyenv"),
            (r"~\AppData\Roaming\uv\python", "uv"),
            (r"~\AppData\Roaming\uv\tools", "uv"),
            (r"~\AppData\Local\pipx\pipx\venvs", "pipx"),
            (r"~\pipx\venvs", "pipx"),
            (r"~\Envs", "venv"),
            (r"~\.virtualenvs", "venv"),
            (r"~\AppData\Local\pypoetry\Cache\virtualenvs", "venv"),
            (r"~\.conda\envs", "conda"),
        ];
        const CONDA: &[&str] = &["miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba"];
        let named = if self.windows { WINDOWS } else { UNIX };
        let mut parents: Vec<(String, &'static str)> =
            named.iter().map(|(folder, kind)| ((*folder).to_owned(), *kind)).collect();
        let mut found = Vec::new();
        for home in if self.windows { ["~", r"C:\ProgramData"] } else { ["~", "/opt"] } {
            for name in CONDA.iter().chain(["conda"].iter().filter(|_| home == "/opt")) {
                let root = self.join(home, name);
                parents.push((self.join(&root, "envs"), "conda"));
                let origin = Question::List(self.join(&root, "conda-meta"));
                if self.host.ask(&origin).is_ok() {
                    found.push(Candidate::other(root, Some("conda"), origin));
                }
            }
        }
        let listed = Question::Read(self.join("~", ".conda/environments.txt"));
        for root in self.host.ask(&listed).unwrap_or_default().lines().map(str::trim).filter(|root| !root.is_empty()) {
            let root = root.to_owned();
            found.push(Candidate::other(root, Some("conda"), listed.clone()));
        }
        for (parent, kind) in parents {
            let origin = Question::List(parent.clone());
            for name in self.host.ask(&origin).unwrap_or_default().lines().filter(|name| !name.starts_with('.')) {
                let root = self.join(&parent, name);
                found.push(Candidate::other(root, Some(kind), origin.clone()));
            }
        }
        found
    }

    /// What installers wrote into the registry of Windows, and the Store's Pythons.
    fn registered(&self) -> Vec<Candidate> {
        if !self.windows {
            return Vec::new();
        }
        let mut found = Vec::new();
        let list = |key: &str| self.host.ask(&Question::Registry(key.to_owned())).unwrap_or_default();
        for hive in [r"HKCU\SOFTWARE\Python", r"HKLM\SOFTWARE\Python", r"HKLM\SOFTWARE\WOW6432Node\Python"] {
            for company in list(hive).lines() {
                for tag in list(&format!(r"{hive}\{company}")).lines() {
                    let origin = Question::Registry(format!(r"{hive}\{company}\{tag}\InstallPath@"));
                    if let Ok(root) = self.host.ask(&origin) {
                        let root = root.trim_end_matches('\\').to_owned();
                        found.push(Candidate::other(root, None, origin));
                    }
                }
            }
        }
        found.extend(self.of_the_store(&Question::List(STORE.to_owned())));
        found
    }

    fn of_the_store(&self, origin: &Question) -> Vec<Candidate> {
        let names =
            self.host.list(STORE).into_iter().filter(|name| name.starts_with("PythonSoftwareFoundation.Python."));
        let roots = names.map(|name| format!(r"{STORE}\{name}\LocalCache\local-packages"));
        roots.map(|root| Candidate::other(root, Some("store"), origin.clone())).collect()
    }
}
