//! On native Windows: whether WSL is there, and which distributions of Linux.
//!
//! Windows keeps all of it in the registry: the installer of WSL its version, the services that run it, and of each user the
//! distributions. `wsl.exe` is asked where an older WSL leaves no version behind, and never where none is installed: Windows
//! has a `wsl.exe` then, too, which offers to install it and waits for a key.
//! References: MicrosoftDocs/WSL, WSL/install.md; patrickwu.space, 2020-07-19, "WSL-related Registry".

use crate::Probe;
use crate::environment::WSL_VERSION;
use crate::fact::{Fact, Key, Kind, Scope, Value};
use crate::host::{Command, Host, Missing, Question};
use crate::version::Version;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "wsl",
    keys: &[&INSTALLED, &KERNEL, &DISTRIBUTIONS, &DEFAULT, &GENERATION],
    ask,
    climb: None,
    native: None,
    seconds: 10,
};

static INSTALLED: Key =
    Key::new("wsl-installed", Kind::Flag, Scope::Host, "On native Windows: whether WSL is installed.");
static KERNEL: Key = Key::new(
    "wsl-kernel",
    Kind::Version,
    Scope::Host,
    "On native Windows: the Linux kernel that WSL2 brings, where `wsl --version` had to be asked.",
);
static DISTRIBUTIONS: Key = Key::new(
    "wsl-distributions",
    Kind::Set,
    Scope::Host,
    "On native Windows: the user's distributions of Linux, without those in which programs such as Docker Desktop hide their own.",
);
static DEFAULT: Key =
    Key::new("wsl-default", Kind::Text, Scope::Host, "On native Windows: the distribution that a plain `wsl` starts.");
static GENERATION: Key = Key::new(
    "wsl-default-generation",
    Kind::Text,
    Scope::Host,
    "On native Windows: whether the default distribution runs in WSL `1` or `2`.",
);

/// What the installer of WSL leaves behind.
const INSTALLER: &str = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Lxss\MSI";
/// The services that run it: that of the package, and that of the older one which is a part of Windows.
const SERVICES: &[&str] = &[
    r"HKLM\SYSTEM\CurrentControlSet\Services\WslService@ImagePath",
    r"HKLM\SYSTEM\CurrentControlSet\Services\LxssManager@ImagePath",
];
/// The distributions of the user, each a key by its GUID.
const LISTED: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Lxss";
/// Beginnings of the names of distributions that are no place to work in.
const INTERNAL: &[&str] = &["docker-desktop", "podman-machine", "rancher-desktop"];

fn ask(host: &dyn Host) -> Vec<Fact> {
    if host.system() != "windows" {
        return Vec::new();
    }
    let mut facts = Vec::new();
    ask_package(host, &mut facts);
    ask_distributions(host, &mut facts);
    facts
}

fn ask_package(host: &dyn Host, facts: &mut Vec<Fact>) {
    let package = Question::Registry(format!("{INSTALLER}@Version"));
    let told = host.ask(&package);
    if let Ok(text) = &told {
        facts.push(INSTALLED.host(Value::Flag(true), &package));
        facts.push(WSL_VERSION.host(crate::fact::version(text.trim()), &package));
        return;
    }
    let services = SERVICES.iter().map(|service| Question::Registry((*service).to_owned()));
    let answers: Vec<_> = services.map(|service| (host.ask(&service), service)).collect();
    match answers.iter().find(|(answer, _)| answer.is_ok()) {
        Some((_, service)) => {
            facts.push(INSTALLED.host(Value::Flag(true), service));
            ask_program(host, facts);
        }
        None => {
            // Only what was looked for and is not there is absent.
            let all = std::iter::once((&told, &package)).chain(answers.iter().map(|(answer, asked)| (answer, asked)));
            let unknown = all.into_iter().find_map(|(answer, asked)| match answer {
                Err(missing) if *missing != Missing::NotFound => Some((missing.clone(), asked)),
                _ => None,
            });
            facts.push(match unknown {
                Some((missing, asked)) => INSTALLED.host(missing, asked),
                None => INSTALLED.host(Value::Flag(false), &package),
            });
        }
    }
}

/// Asks WSL itself.
fn ask_program(host: &dyn Host, facts: &mut Vec<Fact>) {
    let question = Question::Run(Command { program: program(host), arguments: vec!["--version".to_owned()] });
    let told = host.ask(&question);
    let (package, kernel) = match told {
        Ok(text) => {
            let mut versions = versions(&text).into_iter();
            let garbled = || Missing::Garbled("no version".to_owned());
            (versions.next().ok_or_else(garbled), versions.next().ok_or_else(garbled))
        }
        Err(missing) => (Err(missing.clone()), Err(missing)),
    };
    facts.push(WSL_VERSION.host(package.map(Value::Version), &question));
    facts.push(KERNEL.host(kernel.map(Value::Version), &question));
}

/// The program of WSL by its full path: Windows looks for a bare name beside the program that starts it first.
pub fn program(host: &dyn Host) -> String {
    let root = host.env("SystemRoot").unwrap_or_else(|| r"C:\Windows".to_owned());
    format!(r"{root}\System32\wsl.exe")
}

/// The version at the end of each line of `wsl --version`, whose words are in the language of Windows: first that of WSL, then
/// that of its kernel.
fn versions(text: &str) -> Vec<Version> {
    let last = |line: &str| {
        let word = line.split_whitespace().next_back()?;
        word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.parse().ok())?
    };
    text.lines().filter_map(last).collect()
}

fn ask_distributions(host: &dyn Host, facts: &mut Vec<Fact>) {
    let question = Question::Registry(LISTED.to_owned());
    let keys = match host.ask(&question) {
        Ok(keys) => keys,
        // Who never had a distribution has no such key.
        Err(Missing::NotFound) => String::new(),
        Err(missing) => return facts.push(DISTRIBUTIONS.host(missing, &question)),
    };
    let of = |key: &str, value: &str| host.registry(&format!(r"{LISTED}\{key}"), value);
    let mut names: Vec<String> = keys.lines().filter_map(|key| of(key, "DistributionName")).collect();
    names.retain(|name| !INTERNAL.iter().any(|beginning| name.starts_with(beginning)));
    names.sort();
    facts.push(DISTRIBUTIONS.host(Value::Set(names), &question));
    let default = Question::Registry(format!("{LISTED}@DefaultDistribution"));
    if let Ok(key) = host.ask(&default)
        && let Some(name) = of(key.trim(), "DistributionName")
    {
        facts.push(DEFAULT.host(Value::Text(name), &default));
        if let Some(generation) = of(key.trim(), "Version") {
            facts.push(GENERATION.host(Value::Text(generation), &default));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::recording::Recording;

    fn report(answers: &[(&str, &str)]) -> Report {
        let told = answers.iter().map(|(key, value)| (Question::Registry((*key).to_owned()), Ok((*value).to_owned())));
        let package = format!("{INSTALLER}@Version");
        let keys = [package.as_str(), LISTED].into_iter().chain(SERVICES.iter().copied());
        let missing = keys.map(|key| (Question::Registry(key.to_owned()), Err(Missing::NotFound)));
        let system = [(Question::System, Ok("windows x86_64".to_owned()))];
        let missing = missing
            .into_iter()
            .filter(|(key, _)| !answers.iter().any(|(told, _)| key == &Question::Registry((*told).to_owned())));
        let host = Recording::of(String::new(), "test", system.into_iter().chain(missing).chain(told));
        Report { probes: Vec::new(), facts: ask(&host) }
    }

    #[test]
    fn what_is_nowhere_in_the_registry_is_not_installed() {
        let report = report(&[]);
        assert_eq!(report.host("wsl-installed"), Some(&Value::Flag(false)));
        assert_eq!(report.host("wsl-distributions"), Some(&Value::Set(Vec::new())));
        assert_eq!(report.host("wsl-default"), None);
    }

    #[test]
    fn the_default_distribution_and_its_generation_are_found_by_their_key() {
        let package = format!("{INSTALLER}@Version");
        let of = |rest: &str| format!(r"{LISTED}{rest}");
        let (list, default) = (of(""), of("@DefaultDistribution"));
        let (name, generation) = (of(r"\{b}@DistributionName"), of(r"\{b}@Version"));
        let other = of(r"\{a}@DistributionName");
        let report = report(&[
            (&package, "2.4.13.0"),
            (&list, "{a}\n{b}"),
            (&default, "{b}"),
            (&name, "Ubuntu-24.04"),
            (&generation, "2"),
            (&other, "docker-desktop-data"),
        ]);
        assert_eq!(report.version("wsl-version").map(Version::text), Some("2.4.13.0"));
        assert_eq!(report.host("wsl-distributions"), Some(&Value::Set(vec!["Ubuntu-24.04".into()])));
        assert_eq!((report.text("wsl-default"), report.text("wsl-default-generation")), ("Ubuntu-24.04", "2"));
    }

    #[test]
    fn versions_are_read_in_any_language() {
        let german = "WSL-Version: 2.0.14.0\r\nKernelversion: 5.15.133.1-1\r\nWSLg-Version: 1.0.59\r\n";
        let read: Vec<String> = versions(german).iter().map(ToString::to_string).collect();
        assert_eq!(read.get(..2), Some(["2.0.14.0".to_owned(), "5.15.133.1-1".to_owned()].as_slice()));
        assert!(versions("Copyright (c) Microsoft Corporation\r\n").is_empty());
    }
}
