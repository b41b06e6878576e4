//! Installations of ROCm and the HIP SDK, and the libraries that programs would get.

use super::{
    DXG_DETECTION, HIP_LIBRARY, HIP_VERSION, HSA_LIBRARY, HSA_ORIGIN, HSA_VERSION, INSTALLATIONS, ROCDXG, ROCM_LIBRARY,
    ROCM_VERSION,
};
use crate::fact::{Fact, Key, Subject, Value, version};
use crate::host::{Host, Missing, Question};
use crate::nvidia_driver::file_version;
use crate::version::Version;

const HSA: &[&str] = &["libhsa-runtime64.so.1"];
const HIP: &[&str] = &["libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"];
const HIP_ON_WINDOWS: &[&str] = &["amdhip64_7.dll", "amdhip64_6.dll", "amdhip64.dll"];
const SMI: &[&str] = &["librocm_smi64.so.7", "librocm_smi64.so.6", "librocm_smi64.so.5", "librocm_smi64.so.1"];
const ROCDXG_NAME: &str = "librocdxg.so";

/// What was found.
pub(super) struct Installed {
    /// The HSA runtime that programs would get.
    pub(super) hsa: Option<String>,
    /// The HIP runtime that programs would get.
    pub(super) hip: Option<String>,
    /// Whether this ROCm knows the way through WSL2's paravirtual GPU.
    pub(super) knows_wsl: bool,
}

/// One copy of a library.
struct Copy {
    path: String,
    /// The file that the path leads to.
    file: String,
    found_by: Question,
}

pub(super) fn ask(host: &dyn Host, facts: &mut Vec<Fact>) -> Installed {
    let roots = ask_installations(host, facts);
    if host.is_windows() {
        let hip = ask_library(host, HIP_ON_WINDOWS, &roots, &HIP_LIBRARY, &HIP_VERSION, facts);
        return Installed { hsa: None, hip: hip.map(|copy| copy.path), knows_wsl: false };
    }
    if host.system() != "linux" {
        return Installed { hsa: None, hip: None, knows_wsl: false };
    }
    let hip = ask_library(host, HIP, &roots, &HIP_LIBRARY, &HIP_VERSION, facts);
    let hsa = ask_library(host, HSA, &roots, &HSA_LIBRARY, &HSA_VERSION, facts);
    let own = hsa.as_ref().is_some_and(|copy| {
        let inside = |path: &str| path.starts_with("/opt/rocm") || roots.iter().any(|root| path.starts_with(root));
        inside(&copy.path) || inside(&copy.file)
    });
    if let Some(copy) = &hsa {
        let origin = if own { "rocm" } else { "distribution" };
        facts.push(HSA_ORIGIN.host(Value::from(origin), &copy.found_by));
    }
    for copy in SMI.iter().flat_map(|name| copies(host, name, &roots)) {
        facts.extend(library_fact(&copy));
    }
    let mut knows_wsl = own;
    if host.exists("/dev/dxg") {
        let found = copies(host, ROCDXG_NAME, &roots).into_iter().next();
        knows_wsl |= found.is_some();
        let question = Question::Library(ROCDXG_NAME.to_owned());
        let path = found.map(|copy| Value::Text(copy.path)).ok_or(missing(host, &question));
        facts.push(ROCDXG.host(path, &question));
        let variable = Question::Env("HSA_ENABLE_DXG_DETECTION".to_owned());
        facts.push(DXG_DETECTION.host(host.ask(&variable).map(Value::Text), &variable));
    }
    Installed { hsa: hsa.map(|copy| copy.path), hip: hip.map(|copy| copy.path), knows_wsl }
}

/// Every installation with its version; returns their folders, the one that programs get first.
fn ask_installations(host: &dyn Host, facts: &mut Vec<Fact>) -> Vec<String> {
    let (variable, parent) = match host.is_windows() {
        true => ("HIP_PATH", r"C:\Program Files\AMD\ROCm"),
        false => ("ROCM_PATH", "/opt"),
    };
    let mut roots: Vec<(String, String)> = Vec::new();
    for folder in candidates(host, variable, parent) {
        let Ok(node) = host.node(&folder) else { continue };
        // `/opt/rocm` is by custom a link to one of its siblings.
        let real = node.split_once(" -> ").map_or(folder.as_str(), |(_, target)| target).to_owned();
        if roots.iter().any(|(_, known)| *known == real) {
            continue;
        }
        let (version, origin) = match version_of(host, &folder) {
            Some(told) => told,
            None if has_libraries(host, &folder) => match version_in_name(&real) {
                Some(version) => (Ok(version), Question::Node(folder.clone())),
                None => (Err(Missing::NotFound), Question::Node(folder.clone())),
            },
            None => continue,
        };
        let told = facts.iter().any(|fact| *fact.key == ROCM_VERSION && fact.value == version);
        if !told && version != Err(Missing::NotFound) {
            facts.push(ROCM_VERSION.host(version, &origin));
        }
        roots.push((folder, real));
    }
    let roots: Vec<String> = roots.into_iter().map(|(folder, _)| folder).collect();
    let listed = Question::List(parent.to_owned());
    let value = match roots.is_empty() {
        true => Err(missing(host, &listed)),
        false => Ok(Value::Set(roots.clone())),
    };
    facts.push(INSTALLATIONS.host(value, &listed));
    roots
}

/// Folders that may hold an installation: what the variable names, the one in use, then the newest.
fn candidates(host: &dyn Host, variable: &str, parent: &str) -> Vec<String> {
    let separator = if host.is_windows() { '\\' } else { '/' };
    let below = |parent: &str, wanted: fn(&str) -> bool| {
        let names = host.list(parent).into_iter().filter(|name| wanted(name));
        let mut folders: Vec<String> = names.map(|name| format!("{parent}{separator}{name}")).collect();
        folders.sort_by_key(|folder| std::cmp::Reverse(number_in(folder)));
        folders
    };
    let named = host.env(variable).map(|root| root.trim_end_matches(separator).to_owned());
    let mut all: Vec<String> = named.into_iter().filter(|root| !root.is_empty()).collect();
    if host.is_windows() {
        all.extend(below(parent, |name| name.starts_with(|c: char| c.is_ascii_digit())));
    } else {
        all.extend(["/opt/rocm".to_owned(), "/opt/rocm/core".to_owned()]);
        all.extend(below(parent, |name| name.starts_with("rocm-")));
        // Since 7.9 releases lie side by side below `/opt/rocm`.
        all.extend(below("/opt/rocm", |name| name.starts_with("core-")));
    }
    all
}

/// The version by the installation's own file, as in `6.3.3-74`.
fn version_of(host: &dyn Host, root: &str) -> Option<(Result<Value, Missing>, Question)> {
    let files = match host.is_windows() {
        true => [r"\.info\version", r"\.info\version-dev"],
        false => ["/.info/version", "/.info/version-dev"],
    };
    files.into_iter().find_map(|file| {
        let question = Question::Read(format!("{root}{file}"));
        let text = host.ask(&question).ok()?;
        Some((version(&text), question))
    })
}

fn has_libraries(host: &dyn Host, root: &str) -> bool {
    match host.is_windows() {
        true => host.list(&format!(r"{root}\bin")).iter().any(|name| name.ends_with(".dll")),
        false => HSA.iter().chain(HIP).any(|name| host.exists(&format!("{root}/lib/{name}"))),
    }
}

/// `6.3.3` of `/opt/rocm-6.3.3`, `6.4` of `C:\Program Files\AMD\ROCm\6.4`.
fn version_in_name(folder: &str) -> Option<Value> {
    number_in(folder).map(Value::Version)
}

fn number_in(folder: &str) -> Option<Version> {
    folder.rsplit(['/', '\\', '-']).next()?.parse().ok()
}

/// The copies of a library: those of the loader first, in its order, then those of the installations.
fn copies(host: &dyn Host, name: &str, roots: &[String]) -> Vec<Copy> {
    let inside = roots.iter().map(|root| match host.is_windows() {
        true => format!(r"{root}\bin\{name}"),
        false => format!("{root}/lib/{name}"),
    });
    let mut all: Vec<Copy> = Vec::new();
    for wanted in std::iter::once(name.to_owned()).chain(inside) {
        for (path, file) in host.library(&wanted) {
            if !all.iter().any(|copy| copy.file == file) {
                all.push(Copy { path, file, found_by: Question::Library(wanted.clone()) });
            }
        }
    }
    all
}

/// All copies of a library under its names, newest name first; returns the one that programs would get.
fn ask_library(
    host: &dyn Host,
    names: &[&str],
    roots: &[String],
    path: &'static Key,
    number: &'static Key,
    facts: &mut Vec<Fact>,
) -> Option<Copy> {
    let found: Vec<Copy> = names.iter().flat_map(|name| copies(host, name, roots)).collect();
    let first = Question::Library(names.first().copied().unwrap_or_default().to_owned());
    facts.extend(found.iter().filter_map(library_fact));
    let Some(taken) = found.into_iter().next() else {
        facts.push(path.host(missing(host, &first), &first));
        return None;
    };
    facts.push(path.host(Value::Text(taken.path.clone()), &taken.found_by));
    facts.extend(version_by_name(&taken.file).map(|version| number.host(version, &taken.found_by)));
    Some(taken)
}

fn library_fact(copy: &Copy) -> Option<Fact> {
    let version = version_by_name(&copy.file)?;
    Some(ROCM_LIBRARY.of(Subject::Library(copy.path.clone()), version, &copy.found_by))
}

/// `5.2.21153` of `libamdhip64.so.5.2.21153`, `6` of `amdhip64_6.dll`.
fn version_by_name(file: &str) -> Option<Value> {
    let on_windows = || {
        let name = file.rsplit('\\').next()?.strip_prefix("amdhip64_")?.strip_suffix(".dll")?;
        version(name).ok()
    };
    file_version(file).or_else(on_windows)
}

/// Why a question has no answer that helps; what answers and does not hold it has none of it.
fn missing(host: &dyn Host, question: &Question) -> Missing {
    host.ask(question).err().unwrap_or(Missing::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    fn asked(system: &str, answers: Vec<(Question, &str)>) -> (Installed, Report) {
        let heard = answers.into_iter().map(|(question, answer)| (question, Answer::Ok(answer.to_owned())));
        let system = std::iter::once((Question::System, Ok(system.to_owned())));
        let mut host = Recording::of(String::new(), "test", system.chain(heard));
        host.complete = true;
        let mut facts = Vec::new();
        let installed = ask(&host, &mut facts);
        (installed, Report { probes: Vec::new(), facts })
    }

    fn versions(report: &Report) -> Vec<String> {
        report.all("rocm-version").filter_map(|fact| fact.value.as_ref().ok().map(Value::to_string)).collect()
    }

    #[test]
    fn every_installation_is_told_once_and_the_one_in_use_first() {
        let (installed, report) = asked(
            "linux x86_64",
            vec![
                (Question::List("/opt".into()), "rocm\nrocm-6.10.0\nrocm-6.3.3"),
                (Question::Node("/opt/rocm".into()), "directory r -> /opt/rocm-6.3.3"),
                (Question::Node("/opt/rocm-6.3.3".into()), "directory r"),
                (Question::Node("/opt/rocm-6.10.0".into()), "directory r"),
                (Question::Read("/opt/rocm/.info/version".into()), "6.3.3-74\n"),
                (Question::Read("/opt/rocm-6.10.0/.info/version".into()), "6.10.0-1\n"),
                (
                    Question::Library("/opt/rocm/lib/libamdhip64.so.6".into()),
                    "/opt/rocm/lib/libamdhip64.so.6 -> /opt/rocm-6.3.3/lib/libamdhip64.so.6.3.60303",
                ),
            ],
        );
        assert_eq!(versions(&report), ["6.3.3-74", "6.10.0-1"]);
        assert_eq!(installed.hip.as_deref(), Some("/opt/rocm/lib/libamdhip64.so.6"));
        assert_eq!(report.version("hip-version").map(Version::text), Some("6.3.60303"));
        assert_eq!(installed.hsa, None);
    }

    #[test]
    fn the_layout_since_7_9_is_read() {
        let (_, report) = asked(
            "linux x86_64",
            vec![
                (Question::List("/opt".into()), "rocm"),
                (Question::List("/opt/rocm".into()), "core\ncore-7.14\ncore-10.0"),
                (Question::Node("/opt/rocm".into()), "directory r"),
                (Question::Node("/opt/rocm/core".into()), "directory r -> /opt/rocm/core-10.0"),
                (Question::Node("/opt/rocm/core-10.0".into()), "directory r"),
                (Question::Node("/opt/rocm/core-7.14".into()), "directory r"),
                (Question::Read("/opt/rocm/core/.info/version".into()), "10.0.0\n"),
                (Question::Read("/opt/rocm/core-7.14/.info/version".into()), "7.14.1\n"),
            ],
        );
        assert_eq!(versions(&report), ["10.0.0", "7.14.1"]);
        let folders = ["/opt/rocm/core", "/opt/rocm/core-7.14"].map(str::to_owned);
        assert_eq!(report.host("rocm-installations"), Some(&Value::Set(folders.into())));
    }

    #[test]
    fn libraries_of_the_distribution_are_no_installation() {
        let library =
            "/lib/x86_64-linux-gnu/libhsa-runtime64.so.1 -> /usr/lib/x86_64-linux-gnu/libhsa-runtime64.so.1.5.0";
        let (installed, report) = asked(
            "linux x86_64",
            vec![
                (Question::List("/opt".into()), "containerd"),
                (Question::Library("libhsa-runtime64.so.1".into()), library),
            ],
        );
        assert!(!installed.knows_wsl && installed.hsa.is_some());
        assert_eq!(report.text("hsa-library-origin"), "distribution");
        assert_eq!(report.version("hsa-version").map(Version::text), Some("1.5.0"));
        let installations = report.all("rocm-installations").next().map(|fact| &fact.value);
        assert_eq!(installations, Some(&Err(Missing::NotFound)));
    }

    #[test]
    fn the_hip_sdk_of_windows_tells_its_version_by_its_folder() {
        let parent = r"C:\Program Files\AMD\ROCm";
        let (installed, report) = asked(
            "windows x86_64",
            vec![
                (Question::Env("HIP_PATH".into()), r"C:\Program Files\AMD\ROCm\6.4\"),
                (Question::List(parent.into()), "6.2\n6.4"),
                (Question::Node(format!(r"{parent}\6.4")), "directory r"),
                (Question::Node(format!(r"{parent}\6.2")), "directory r"),
                (Question::List(format!(r"{parent}\6.4\bin")), "amd_comgr_3.dll\nrocblas.dll"),
                (Question::List(format!(r"{parent}\6.2\bin")), "rocblas.dll"),
                (Question::Library("amdhip64_6.dll".into()), r"C:\Windows\System32\amdhip64_6.dll"),
            ],
        );
        assert_eq!(versions(&report), ["6.4", "6.2"]);
        assert_eq!(installed.hip.as_deref(), Some(r"C:\Windows\System32\amdhip64_6.dll"));
        assert_eq!(report.version("hip-version").map(Version::text), Some("6"));
    }
}
