//! One requirement in the words of pip: `jax[cuda12]>=0.4; sys_platform == "linux"`, or the place of a package's file.
//!
//! References: the specification of dependency specifiers (PEP 508), that of file names of wheels.

use super::{Build, Dependency, Place, Role, Versions, versions};

/// As long may a requirement be, without its hashes.
const LONGEST: usize = 10_000;

impl Dependency {
    /// A package by its name alone.
    pub(super) fn named(name: &str, line: usize) -> Dependency {
        Dependency {
            name: normal(name),
            extras: Vec::new(),
            part: None,
            versions: Versions::Any,
            builds: Vec::new(),
            marker: String::new(),
            role: Role::Needed,
            from: None,
            place: Place::at(line),
        }
    }

    /// Reads what PEP 508 allows.
    pub(super) fn parse(text: &str, line: usize) -> Result<Dependency, String> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(format!("`{}` is longer than {LONGEST} characters", short(text)));
        }
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(format!("expected the name of a package such as `torch` here, found `{}`", short(text)));
        }
        let mut found = Dependency::named(name, line);
        if let Some(behind) = rest.trim_start().strip_prefix('[') {
            let (extras, behind) = behind.split_once(']').ok_or("the bracket behind the name is never closed")?;
            found.extras = extras.split(',').map(|extra| normal(extra.trim())).filter(|one| !one.is_empty()).collect();
            rest = behind;
        }
        rest = rest.trim();
        if let Some(location) = rest.strip_prefix('@') {
            // A semicolon may stand in an address; one that begins a marker has a space in front.
            let (location, marker) = location.split_once(" ;").unwrap_or((location, ""));
            marker.trim().clone_into(&mut found.marker);
            found.take_from(location.trim());
            return Ok(found);
        }
        let (conditions, marker) = rest.split_once(';').unwrap_or((rest, ""));
        marker.trim().clone_into(&mut found.marker);
        let conditions = conditions.trim();
        // Older metadata have the versions in parentheses.
        let bare = conditions.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(conditions);
        if !bare.is_empty() && !bare.trim_start().starts_with(['<', '>', '=', '!', '~']) {
            let told = short(bare);
            return Err(format!("expected versions such as `>=2.6`, or a marker behind `;`, found `{told}`"));
        }
        found.take(versions::pep440(bare));
        Ok(found)
    }

    /// Reads the place of a package: an address, a path, a wheel. Nothing where it does not say which package that is.
    pub(super) fn at(location: &str, line: usize) -> Option<Dependency> {
        let fragment = location.split_once('#').map_or("", |(_, fragment)| fragment);
        let egg = fragment.split('&').find_map(|one| one.strip_prefix("egg="));
        let mut found = match egg {
            Some(egg) => Dependency::parse(egg, line).ok()?,
            None => Dependency::named(wheel(location)?.0, line),
        };
        found.take_from(location);
        Some(found)
    }

    /// Takes the versions that are asked for, and the build where the version names it.
    pub(super) fn take(&mut self, versions: Versions) {
        if let Versions::Within(range) = &versions {
            let label = range.bounds().find_map(|version| version.label()).map(str::to_lowercase);
            self.builds.extend(label.map(|label| Build { label, marker: String::new() }));
        }
        self.versions = versions;
    }

    fn take_from(&mut self, location: &str) {
        match wheel(location) {
            Some((_, version)) => self.take(versions::pep440(&format!("=={version}"))),
            None => {
                let is_repository = ["git+", "hg+", "svn+", "bzr+"].iter().any(|kind| location.starts_with(kind));
                self.from = Some(if is_repository { "a repository" } else { "a file" });
            }
        }
    }
}

/// A name in the form in which names are compared (PEP 503).
pub(super) fn normal(name: &str) -> String {
    let mut normal = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.extend(c.to_lowercase()),
        }
    }
    normal
}

/// Name and version of a wheel, by the last part of its address.
fn wheel(location: &str) -> Option<(&str, String)> {
    let path = location.split(['#', '?']).next().unwrap_or_default();
    let file = path.rsplit(['/', '\\']).next().unwrap_or_default().strip_suffix(".whl")?;
    let mut parts = file.split('-');
    let (name, version) = (parts.next()?, parts.next()?);
    // Behind them stand the Python, its ABI and the platform.
    (parts.count() >= 3).then(|| (name, version.replace("%2B", "+").replace("%2b", "+")))
}

/// The build that an index is for, by the last part of its address that is one's label: `cu126`, `rocm6.4`, `cpu`.
pub(super) fn label(address: &str) -> Option<String> {
    let path = address.split(['#', '?']).next().unwrap_or_default();
    let is_label = |part: &&str| {
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
        matches!(*part, "cpu" | "xpu") || ["cu", "rocm"].iter().any(|api| part.strip_prefix(api).is_some_and(digits))
    };
    path.rsplit('/').find(is_label).map(str::to_owned)
}

/// An address without what may be a secret: user, password and query.
pub(super) fn public(address: &str) -> String {
    let bare = address.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => "a folder".to_owned(),
    }
}

/// The beginning of a text, for messages.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 40;
    let start: String = text.chars().take(MOST).collect();
    if start.len() < text.len() { format!("{start}...") } else { start }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(found: &Dependency) -> String {
        let range = match &found.versions {
            Versions::Any => String::new(),
            Versions::Within(range) => range.text().to_owned(),
            other => format!("{other:?}"),
        };
        let builds: Vec<&str> = found.builds.iter().map(|build| build.label.as_str()).collect();
        let from = found.from.unwrap_or_default();
        format!("{}[{}]{range}|{}|{}|{from}", found.name, found.extras.join(","), builds.join(","), found.marker)
    }

    #[test]
    fn reads_what_pip_takes() {
        for (text, expected) in [
            ("torch", "torch[]|||"),
            ("Torch_Vision.Extra", "torch-vision-extra[]|||"),
            ("jax[cuda12, k8s] >= 0.4 ; sys_platform == 'linux'", "jax[cuda12,k8s]>=0.4||sys_platform == 'linux'|"),
            ("numpy (<2.0,>=1.26)", "numpy[]<2.0,>=1.26|||"),
            ("torch==2.6.0+cu126", "torch[]==2.6.0+cu126|cu126||"),
            (
                "torch @ https://download.pytorch.org/whl/cu121/torch-2.5.1%2Bcu121-cp311-cp311-linux_x86_64.whl ; os_name == 'posix'",
                "torch[]==2.5.1+cu121|cu121|os_name == 'posix'|",
            ),
            ("torch @ git+https://github.com/pytorch/pytorch@v2.6.0", "torch[]|||a repository"),
            ("torch @ file:///srv/torch", "torch[]|||a file"),
        ] {
            assert_eq!(told(&Dependency::parse(text, 1).unwrap()), expected, "{text}");
        }
        let long = format!("torch>=1{}", ",!=1.1".repeat(LONGEST / 6));
        for wrong in ["", &long, "==2", "CUDA does not work", "torch 2.6", "torch[gpu", "-x", "@ https://x"] {
            assert!(Dependency::parse(wrong, 1).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_may_name_its_package() {
        for (location, expected) in [
            ("./wheels/torch-2.6.0+cu126-cp311-cp311-linux_x86_64.whl", Some("torch[]==2.6.0+cu126|cu126||")),
            (r"C:\w\torch-2.6.0-cp311-cp311-win_amd64.whl", Some("torch[]==2.6.0|||")),
            ("git+https://github.com/jax-ml/jax#egg=jax[cuda]&subdirectory=x", Some("jax[cuda]|||a repository")),
            ("https://example.org/some.tar.gz", None),
            (".", None),
        ] {
            let found = Dependency::at(location, 1);
            assert_eq!(found.as_ref().map(told).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn an_address_says_the_build_and_keeps_its_secrets() {
        assert_eq!(label("https://download.pytorch.org/whl/nightly/cu128/").as_deref(), Some("cu128"));
        assert_eq!(label("https://download.pytorch.org/whl/rocm6.4").as_deref(), Some("rocm6.4"));
        assert_eq!(label("https://example.org/cute/cpuinfo"), None);
        assert_eq!(public("https://user:secret@example.org/simple?token=1"), "https://example.org/simple");
        assert_eq!(public("/home/somebody/wheels"), "a folder");
    }
}
