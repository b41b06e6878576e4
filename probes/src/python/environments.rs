//! Where Python environments are: the active one, those that the user names, those on the search path, and those that the
//! common tools keep in their folders.
//!
//! Nothing is run. An environment is told by its files: `pyvenv.cfg`, `conda-meta`, a folder `site-packages`.
//! References: PEP 405 (`pyvenv.cfg`), PEP 514 (registry of Windows), PEP 370 (packages of the user), the manuals of conda, uv,
//! pyenv and pipx for their folders, and Microsoft's for the Store's.

use super::packages::Package;
use super::{LIBRARY_ENVIRONMENT, LIBRARY_INTERPRETER};
use crate::fact::{Fact, Subject, Value, version};
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
    /// Its folders of packages in the order in which Python looks into them.
    pub sites: Vec<String>,
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
    pub(crate) fn facts_of_library(&self, path: &str) -> [Fact; 2] {
        let subject = || Subject::Library(path.to_owned());
        [
            LIBRARY_ENVIRONMENT.of(subject(), Value::from(self.role.word()), &self.origin),
            LIBRARY_INTERPRETER.of(subject(), Value::Text(self.interpreter.clone()), &self.origin),
        ]
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
        if found.len() >= MOST {
            break;
        }
        let known = found.iter().any(|environment| places.same(&environment.root, &candidate.root));
        if !known && let Some(environment) = places.environment(candidate) {
            found.push(environment);
        }
    }
    // What comes first is what a command would use, unless the user named it for this run alone.
    if !found.iter().any(|environment| environment.role == Role::Active) {
        let on_path = |environment: &&mut Environment| environment.origin == Question::Env("PATH".to_owned());
        if let Some(first) = found.iter_mut().find(on_path) {
            first.role = Role::Active;
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
    origin: Question,
}

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
                let role = if found.is_empty() { Role::Active } else { Role::Other };
                found.push(Candidate { root, kind: Some(kind), role, origin: Question::Env(variable.to_owned()) });
            }
        }
        let told = Question::Told("python".to_owned());
        for path in self.host.ask(&told).unwrap_or_default().lines() {
            let root = self.root_of(path).unwrap_or_else(|| path.to_owned());
            found.push(Candidate { root, kind: None, role: Role::Named, origin: told.clone() });
        }
        found.extend(self.on_search_path());
        let beside = self.join(".venv", "pyvenv.cfg");
        let origin = Question::Node(beside);
        if self.host.ask(&origin).is_ok() {
            found.push(Candidate { root: ".venv".to_owned(), kind: Some("venv"), role: Role::Other, origin });
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

    fn on_search_path(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        let origin = Question::Env("PATH".to_owned());
        let path = self.host.ask(&origin).unwrap_or_default();
        let separator = if self.windows { ';' } else { ':' };
        let mut seen: Vec<&str> = Vec::new();
        for folder in path.split(separator).filter(|folder| !folder.is_empty()) {
            if seen.contains(&folder) {
                continue;
            }
            seen.push(folder);
            let candidate = |root| Candidate { root, kind: None, role: Role::Other, origin: origin.clone() };
            if let Some(root) = folder.strip_suffix("/shims").filter(|root| root.ends_with("pyenv")) {
                // A script that chooses by a file: one version a line, or `system`.
                let chosen = self.host.read(&format!("{root}/version")).unwrap_or_default();
                found.extend(chosen.lines().map(|name| candidate(format!("{root}/versions/{}", name.trim()))));
                continue;
            }
            if self.windows && folder.to_lowercase().ends_with(r"\windowsapps") {
                // The aliases of the Store; what they start is found with the folders of tools.
                continue;
            }
            let names: &[&str] = if self.windows { &["python.exe"] } else { &["python3", "python"] };
            for name in names {
                let interpreter = self.join(folder, name);
                let Ok(node) = self.host.node(&interpreter) else { continue };
                // A link from elsewhere leads to the installation; one within an environment leads out of it.
                let own = self.root_of(&interpreter);
                let is_environment =
                    own.as_deref().is_some_and(|root| self.host.exists(&self.join(root, "pyvenv.cfg")));
                let target = node.split_once(" -> ").map(|(_, target)| target.to_owned());
                let root = match is_environment {
                    true => own,
                    false => target.and_then(|target| self.root_of(&target)).or(own),
                };
                found.extend(root.map(candidate));
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
                    found.push(Candidate { root, kind: Some("conda"), role: Role::Other, origin });
                }
            }
        }
        let listed = Question::Read(self.join("~", ".conda/environments.txt"));
        for root in self.host.ask(&listed).unwrap_or_default().lines().map(str::trim).filter(|root| !root.is_empty()) {
            let root = root.to_owned();
            found.push(Candidate { root, kind: Some("conda"), role: Role::Other, origin: listed.clone() });
        }
        for (parent, kind) in parents {
            let origin = Question::List(parent.clone());
            for name in self.host.ask(&origin).unwrap_or_default().lines().filter(|name| !name.starts_with('.')) {
                let root = self.join(&parent, name);
                found.push(Candidate { root, kind: Some(kind), role: Role::Other, origin: origin.clone() });
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
                        found.push(Candidate { root, kind: None, role: Role::Other, origin });
                    }
                }
            }
        }
        const STORE: &str = r"~\AppData\Local\Packages";
        for name in self.host.list(STORE).iter().filter(|name| name.starts_with("PythonSoftwareFoundation.Python.")) {
            let root = format!(r"{STORE}\{name}\LocalCache\local-packages");
            let origin = Question::List(STORE.to_owned());
            found.push(Candidate { root, kind: Some("store"), role: Role::Other, origin });
        }
        found
    }

    /// What is at a place; nothing where no Python is.
    fn environment(&self, candidate: Candidate) -> Option<Environment> {
        let Candidate { root, kind, role, origin } = candidate;
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
        // What the user named is answered for, whatever it is.
        let kind = if real || role == Role::Active { kind } else { "none" };
        (real || role != Role::Other).then_some(Environment { root, kind, role, interpreter, origin, version, sites })
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
        let named = |name: &String| name.strip_prefix("python3.").is_some_and(|rest| rest.parse::<u32>().is_ok());
        let mut names: Vec<String> = self.host.list(&self.join(root, "lib")).into_iter().filter(named).collect();
        let minor = |name: &String| name.strip_prefix("python3.").and_then(|rest| rest.parse::<u32>().ok());
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
                (Some(number), _) => version(number),
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
        let Some(folder) = folders.first() else { return Vec::new() };
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
            let new = !seen.contains(site) && self.host.ask(&Question::List(site.clone())).is_ok();
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
        if kind == "system" {
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
        assert_eq!((all[0].kind, all[0].version.0.as_ref().unwrap().to_string()), ("system", "3.11".to_owned()));
        assert_eq!(all[0].sites.len(), 2);
        assert_eq!((all[1].kind, all[1].version.0.as_ref().unwrap().to_string()), ("store", "3.12".to_owned()));
        assert!(all[1].interpreter.ends_with("python3.12.exe"));
    }

    #[test]
    fn reads_the_settings_of_an_environment() {
        assert_eq!(configured_version("home = /usr\nversion = 3.11.7\n").unwrap().to_string(), "3.11.7");
        assert_eq!(configured_version("version_info = 3.12.3.final.0").unwrap().to_string(), "3.12.3");
        assert!(configured_version("home = /usr").is_err());
        assert!(has_system_packages("include-system-site-packages = True"));
    }
}
