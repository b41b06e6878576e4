//! Where Python environments are: the active one, those that the user names, those on the search path, and those that the
//! common tools keep in their folders.
//!
//! Nothing is run. An environment is told by its files: `pyvenv.cfg`, `conda-meta`, a folder `site-packages`.
//! References: PEP 405 (`pyvenv.cfg`), PEP 514 (registry of Windows), PEP 370 (packages of the user), the manuals of conda, uv,
//! pyenv and pipx for their folders, and Microsoft's for the Store's.

use std::collections::HashSet;

use super::installer::Installer;
use super::packages::Package;
use super::{LIBRARY_ENVIRONMENT, LIBRARY_INSTALL, LIBRARY_INTERPRETER};
use crate::fact::{Fact, Subject, Value, version};
use crate::host::{Host, Missing, Question};
use crate::version::Version;

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
pub(crate) fn environments(host: &dyn Host) -> Vec<Environment> {
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
    found
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

/// Where the Store's Pythons keep packages, each in a folder named after itself.
const STORE: &str = r"~\AppData\Local\Packages";

struct Places<'a> {
    host: &'a dyn Host,
    windows: bool,
}

impl Places<'_> {
    fn join(&self, folder: &str, rest: &str) -> String {
        match self.windows {
            true => format!(r"{}\{}", folder.trim_end_matches('\\'), rest.replace('/', r"\")),
            false => format!("{}/{rest}", folder.trim_end_matches('/')),
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

    fn candidates(&self) -> Vec<Candidate> {
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
    fn root_of(&self, path: &str) -> Option<String> {
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

    /// What is at a place; nothing where no Python is.
    fn environment(&self, candidate: Candidate) -> Option<Environment> {
        let Candidate { root, kind, role, used, origin } = candidate;
        let config = Question::Read(self.join(&root, "pyvenv.cfg"));
        let settings = self.host.ask(&config);
        let is_conda = settings.is_err() && self.host.ask(&Question::List(self.join(&root, "conda-meta"))).is_ok();
        let kind = match (kind, &settings) {
            (Some("conda") | None, Ok(_)) => "venv",
            (Some(kind @ ("venv" | "conda")), Err(_)) => {
                if is_conda {
                    "conda"
                } else {
                    kind
                }
            }
            (Some(kind), _) => kind,
            (None, Err(_)) if is_conda => "conda",
            (None, Err(_)) if root.contains("pyenv") => "pyenv",
            (None, Err(_)) if self.is_below_uv(&root) => "uv",
            (None, Err(_)) => "system",
        };
        let folders = self.library_folders(&root, kind);
        let version = self.version(&root, kind, settings.as_deref().ok(), &config, &folders);
        let sites = self.sites(&root, kind, settings.as_deref().ok(), &folders);
        let interpreter = self.interpreter(&root, kind, &folders);
        // A folder in a tool's place is an environment only where it looks like one.
        let real = settings.is_ok() || is_conda || !folders.is_empty() || self.host.exists(&interpreter);
        // Of a variable's folder that must not be looked at nobody knows; one that is gone is nobody's environment.
        let hidden = used && settings.as_ref().is_err_and(|missing| *missing == Missing::Denied);
        // What the user named is answered for, whatever it is.
        let kind = if real || hidden { kind } else { "none" };
        let installer = self.installer(settings.as_deref().ok(), &sites);
        (real || hidden || role == Role::Named).then_some(Environment {
            root,
            kind,
            role,
            interpreter,
            origin,
            version,
            sites,
            installer,
        })
    }

    /// uv leaves pip out of what it makes, unless it is told otherwise.
    fn installer(&self, settings: Option<&str>, sites: &[String]) -> Installer {
        let by_uv = settings.is_some_and(|settings| setting(settings, "uv").is_some());
        let has_pip = || sites.iter().any(|site| self.host.list(site).iter().any(|name| name.starts_with("pip-")));
        Installer { by_uv: by_uv && !has_pip(), windows: self.windows }
    }

    fn is_below_uv(&self, root: &str) -> bool {
        root.replace('\\', "/").contains("/uv/python/")
    }

    /// The names of the folders `python3.N` in `lib`, or on Windows and in the Store what stands for them.
    fn library_folders(&self, root: &str, kind: &str) -> Vec<String> {
        if kind == "store" {
            return self.host.list(root).into_iter().filter(|name| name.starts_with("Python3")).collect();
        }
        if self.windows {
            return self
                .host
                .exists(&self.join(root, "Lib/site-packages"))
                .then(|| "Lib".to_owned())
                .into_iter()
                .collect();
        }
        // A build without the global lock has a `t` behind the number.
        let minor = |name: &String| name.strip_prefix("python3.")?.trim_end_matches('t').parse::<u32>().ok();
        let mut names: Vec<String> =
            self.host.list(&self.join(root, "lib")).into_iter().filter(|name| minor(name).is_some()).collect();
        names.sort_by_key(|name| std::cmp::Reverse(minor(name)));
        // The system's own Python is one of several that may have folders there; its link says which.
        if kind == "system"
            && let Ok(node) = self.host.node(&self.join(root, "bin/python3"))
            && let Some(file) = node.rsplit(['/', ' ']).next()
            && let Some(place) = names.iter().position(|name| name == file)
        {
            names.swap(0, place);
        }
        names
    }

    fn interpreter(&self, root: &str, kind: &str, folders: &[String]) -> String {
        let bare = folders.first().and_then(|name| name.strip_prefix("Python3")).unwrap_or_default();
        match (self.windows, kind) {
            (true, "store") => format!(r"~\AppData\Local\Microsoft\WindowsApps\python3.{bare}.exe"),
            (true, "venv" | "pipx") => self.join(root, "Scripts/python.exe"),
            (true, "uv") if !self.is_below_uv(root) => self.join(root, "Scripts/python.exe"),
            (true, _) => self.join(root, "python.exe"),
            (false, _) => self.join(root, "bin/python3"),
        }
    }

    fn version(
        &self,
        root: &str,
        kind: &str,
        settings: Option<&str>,
        config: &Question,
        folders: &[String],
    ) -> (Result<Value, Missing>, Question) {
        if let Some(settings) = settings {
            return (configured_version(settings), config.clone());
        }
        if kind == "conda" {
            let records = Question::List(self.join(root, "conda-meta"));
            let found = self.host.ask(&records).and_then(|names| {
                let record = names.lines().find_map(|name| {
                    name.strip_prefix("python-").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                });
                let number = record.map(|record| record.split('-').next().unwrap_or_default());
                number.map_or(Err(Missing::NotFound), version)
            });
            return (found, records);
        }
        let node = Question::Node(self.interpreter(root, kind, folders));
        let target = self.host.ask(&node).ok().and_then(|node| Some(node.split_once(" -> ")?.1.to_owned()));
        let of_path = |path: &str| super::version_in_name(path);
        let by_name = of_path(&self.join(root, "bin/python3")).or_else(|_| of_path(&self.join(root, "python.exe")));
        let by_name = by_name.or_else(|missing| target.as_deref().map_or(Err(missing), of_path));
        // The folder of its library tells the version as far as the second number.
        let by_folder = |missing| match folders.first() {
            Some(name) => match (name.strip_prefix("python"), name.strip_prefix("Python3")) {
                (Some(number), _) => version(number.trim_end_matches('t')),
                (_, Some(minor)) => version(&format!("3.{minor}")),
                _ => Err(missing),
            },
            None => Err(missing),
        };
        (by_name.or_else(by_folder), node)
    }

    fn sites(&self, root: &str, kind: &str, settings: Option<&str>, folders: &[String]) -> Vec<String> {
        if kind == "store" {
            return folders.iter().map(|name| self.join(root, &format!("{name}/site-packages"))).collect();
        }
        let Some(folder) = folders.first() else {
            // What must not be looked at may hold anything.
            let lib = self.join(root, "lib");
            let closed = !self.windows && self.host.ask(&Question::List(lib.clone())) == Err(Missing::Denied);
            return closed.then_some(lib).into_iter().collect();
        };
        let mut sites = Vec::new();
        let own_alone = settings.is_some_and(|settings| !has_system_packages(settings));
        if !own_alone {
            sites.extend(self.sites_of_the_user(root, folder));
        }
        sites.extend(self.sites_below(root, folder, kind));
        if let Some(settings) = settings.filter(|_| !own_alone)
            && let Some(base) = setting(settings, "home").and_then(|bin| self.root_of(&self.join(bin, "python.exe")))
        {
            sites.extend(self.sites_below(&base, folder, "system"));
        }
        let mut seen = Vec::new();
        sites.retain(|site| {
            let listed = self.host.ask(&Question::List(site.clone()));
            let there = !matches!(listed, Err(Missing::NotFound | Missing::NotRecorded));
            let new = there && !seen.contains(site);
            seen.push(site.clone());
            new
        });
        sites
    }

    fn sites_of_the_user(&self, root: &str, folder: &str) -> Vec<String> {
        match self.windows {
            false => vec![format!("~/.local/lib/{folder}/site-packages")],
            // Its name holds the version, as that of the installation does.
            true => {
                let name = root.rsplit('\\').next().unwrap_or_default();
                vec![format!(r"~\AppData\Roaming\Python\{name}\site-packages")]
            }
        }
    }

    fn sites_below(&self, root: &str, folder: &str, kind: &str) -> Vec<String> {
        if self.windows {
            return vec![self.join(root, "Lib/site-packages")];
        }
        let below = |lib: &str, name: &str| self.join(root, &format!("{lib}/{folder}/{name}"));
        let mut sites = vec![below("lib", "site-packages"), below("lib64", "site-packages")];
        if kind == "system" && root == "/usr" {
            // Debian and Ubuntu keep what pip installs apart from what the system installs.
            sites.insert(0, format!("/usr/local/lib/{folder}/dist-packages"));
            sites.push(below("lib", "dist-packages"));
            sites.push(self.join(root, "lib/python3/dist-packages"));
        }
        sites
    }
}

/// A setting of `pyvenv.cfg`.
fn setting<'a>(settings: &'a str, wanted: &str) -> Option<&'a str> {
    let pairs = settings.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

fn has_system_packages(settings: &str) -> bool {
    setting(settings, "include-system-site-packages").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// `version = 3.11.7`, or `version_info = 3.11.7.final.0` as virtualenv and uv write it.
fn configured_version(settings: &str) -> Result<Value, Missing> {
    let text = setting(settings, "version").or_else(|| setting(settings, "version_info"));
    // Three numbers are the version; what follows is the kind of release.
    let numbers = |text: &str| text.split('.').take(3).collect::<Vec<_>>().join(".");
    text.map_or_else(|| Err(Missing::Garbled("no version in pyvenv.cfg".to_owned())), |text| version(&numbers(text)))
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

    #[test]
    fn reads_the_settings_of_an_environment() {
        assert_eq!(configured_version("home = /usr\nversion = 3.11.7\n").unwrap().to_string(), "3.11.7");
        assert_eq!(configured_version("version_info = 3.12.3.final.0").unwrap().to_string(), "3.12.3");
        assert!(configured_version("home = /usr").is_err());
        assert!(has_system_packages("include-system-site-packages = True"));
    }
}
