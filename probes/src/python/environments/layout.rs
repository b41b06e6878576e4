//! What is at a place: the kind of environment, its interpreter and version, and its folders of packages.

use super::{Candidate, Environment, Places, Role};
use crate::fact::{Value, version};
use crate::host::{Missing, Question};
use crate::python::installer::Installer;
use crate::python::packages::packages;
use crate::python::version_in_name;

impl Places<'_> {
    /// What is at a place; nothing where no Python is.
    pub(super) fn environment(&self, candidate: Candidate) -> Option<Environment> {
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
        let packages = packages(self.host, &sites);
        (real || hidden || role == Role::Named).then_some(Environment {
            root,
            kind,
            role,
            interpreter,
            origin,
            version,
            sites,
            installer,
            packages,
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
        let of_path = |path: &str| version_in_name(path);
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_settings_of_an_environment() {
        assert_eq!(configured_version("home = /usr\nversion = 3.11.7\n").unwrap().to_string(), "3.11.7");
        assert_eq!(configured_version("version_info = 3.12.3.final.0").unwrap().to_string(), "3.12.3");
        assert!(configured_version("home = /usr").is_err());
        assert!(has_system_packages("include-system-site-packages = True"));
    }
}
