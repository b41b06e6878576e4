//! Which environment this is: native Windows, WSL1, WSL2, Linux, macOS, and whether it is inside a container.
//!
//! Asks `/proc/sys/kernel/osrelease` first (`uname(2)` can be faked, and is, by compatibility shims), then the marks that
//! WSL leaves where a custom kernel hides its name: `/run/WSL`, `wslinfo`, its variables. Those vanish under sudo, ssh and
//! services, so their absence proves nothing. `/dev/dxg` alone proves nothing either: Hyper-V guests can have it. A
//! container shares the kernel's name, hence "container in WSL2".
//! References: microsoft/WSL issues 4555; sindresorhus/is-wsl issue 13; git-credential-manager pull request 2064;
//! staralt/dxgkrnl-dkms issue 9.

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Value, version};
use crate::host::{Answer, Host, Missing, Question};
use crate::version::Version;
use crate::wsl2;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "environment",
    keys: &[
        &ENVIRONMENT,
        &CONTAINER,
        &CONTAINER_KIND,
        &OS,
        &ARCH,
        &MACHINE_ARCH,
        &KERNEL,
        &WINDOWS_BUILD,
        &WSL_VERSION,
    ],
    ask,
    climb: None,
    native: None,
    seconds: 5,
};

static ENVIRONMENT: Key = Key::new(
    "environment",
    Kind::Text,
    Scope::Host,
    "`windows`, `wsl2`, `wsl1`, `linux` or `macos`: where programs of this machine run.",
);
static CONTAINER: Key = Key::new("container", Kind::Flag, Scope::Host, "Whether this is inside a container.");
static CONTAINER_KIND: Key =
    Key::new("container-kind", Kind::Text, Scope::Host, "What made the container: `docker`, `podman`, `kubernetes`, …");
static OS: Key =
    Key::new("os", Kind::Text, Scope::Host, "Name and version of the operating system, as it calls itself.");
static ARCH: Key =
    Key::new("arch", Kind::Text, Scope::Host, "Processor architecture of this tool: `x86_64`, `aarch64`.");
static MACHINE_ARCH: Key = Key::new(
    "machine-arch",
    Kind::Text,
    Scope::Host,
    "On Windows the processor architecture of the machine itself, which may run programs of another one: `x86_64`, `aarch64`.",
);
static KERNEL: Key = Key::new("kernel", Kind::Version, Scope::Host, "Release of the kernel, by its own file.");
pub(crate) static WINDOWS_BUILD: Key = Key::new(
    "windows-build",
    Kind::Version,
    Scope::Host,
    "Build and update revision of Windows, as in `22631.3880`; in WSL of the Windows around it.",
);
pub(crate) static WSL_VERSION: Key = Key::new(
    "wsl-version",
    Kind::Version,
    Scope::Host,
    "Version of the package WSL, as `wsl --version` of Windows tells it: `2.4.13.0`; in WSL2 by `wslinfo`.",
);
/// Where Windows mounts its user-mode drivers in WSL2.
pub(crate) const WSL_LIBRARY_FOLDER: &str = "/usr/lib/wsl/lib";

fn ask(host: &dyn Host) -> Vec<Fact> {
    let system = host.ask(&Question::System).unwrap_or_default();
    let (os, arch) = system.split_once(' ').unwrap_or((&system, ""));
    let mut facts = vec![ARCH.host(Value::from(arch), &Question::System)];
    match os {
        "windows" => ask_windows(host, &mut facts),
        "macos" => ask_macos(host, &mut facts),
        _ => ask_linux(host, &mut facts),
    }
    facts
}

fn ask_linux(host: &dyn Host, facts: &mut Vec<Fact>) {
    let (release, asked) = kernel_release(host);
    let container = container(host);
    let (environment, origin) = linux_environment(host, &release, container.is_some(), asked.clone());
    if environment == Ok("wsl1") {
        facts.push(WINDOWS_BUILD.host(release.clone().and_then(|release| wsl1_build(&release)), &asked));
    }
    facts.insert(0, ENVIRONMENT.host(environment.map(Value::from), &origin));
    match container {
        Some((kind, mark)) => {
            facts.push(CONTAINER.host(Value::Flag(true), &mark));
            facts.push(CONTAINER_KIND.host(Value::Text(kind), &mark));
        }
        None => {
            let mark = Question::Node("/.dockerenv".to_owned());
            let unknown = host.ask(&mark).err().filter(|missing| *missing == Missing::NotRecorded);
            facts.push(CONTAINER.host(unknown.map_or(Ok(Value::Flag(false)), Err), &mark));
        }
    }
    facts.push(KERNEL.host(release.and_then(|release| version(&release)), &asked));
    facts.push(os_release(host));
}

/// Whether this is WSL2, in a container or not.
pub(crate) fn is_wsl2(host: &dyn Host) -> bool {
    let (release, origin) = kernel_release(host);
    host.system() == "linux" && linux_environment(host, &release, container(host).is_some(), origin).0 == Ok("wsl2")
}

/// The kernel's release as its own file tells it, and the question.
fn kernel_release(host: &dyn Host) -> (Answer, Question) {
    let osrelease = Question::Read("/proc/sys/kernel/osrelease".to_owned());
    let proc_version = Question::Read("/proc/version".to_owned());
    match (host.ask(&osrelease), host.ask(&proc_version)) {
        (Ok(release), _) => (Ok(release.trim().to_owned()), osrelease),
        (Err(_), Ok(text)) => (Ok(text.split_whitespace().nth(2).unwrap_or_default().to_owned()), proc_version),
        (Err(missing), Err(_)) => (Err(missing), osrelease),
    }
}

fn linux_environment(
    host: &dyn Host,
    release: &Answer,
    container: bool,
    origin: Question,
) -> (Result<&'static str, Missing>, Question) {
    let release = match release {
        Ok(release) => release,
        // Without the kernel's name only WSL's marks could tell; without them too, this is some Linux.
        Err(missing) => {
            return match wsl_mark(host) {
                Some(mark) if !container => (Ok("wsl2"), mark),
                _ if *missing == Missing::NotRecorded => (Err(missing.clone()), origin),
                _ => (Ok("linux"), origin),
            };
        }
    };
    let name = release.to_lowercase();
    if name.contains("microsoft") {
        // WSL1 calls itself 4.4.0-19041-Microsoft; WSL2 began with 4.19.
        let newer = release.parse::<Version>().is_ok_and(|kernel| (kernel.part(0), kernel.part(1)) >= (4, 19));
        let second = newer || name.contains("microsoft-standard") || name.contains("wsl2");
        return (Ok(if second { "wsl2" } else { "wsl1" }), origin);
    }
    if !container && let Some(mark) = wsl_mark(host) {
        return (Ok("wsl2"), mark);
    }
    let library = Question::Node(format!("{WSL_LIBRARY_FOLDER}/libdxcore.so"));
    if host.exists("/dev/dxg") && host.ask(&library).is_ok() {
        return (Ok("wsl2"), library);
    }
    (Ok("linux"), origin)
}

/// The build of Windows, which WSL1 bears in the name of its kernel: `4.4.0-17763-Microsoft`.
fn wsl1_build(release: &str) -> Result<Value, Missing> {
    let number = release.split('-').nth(1).ok_or(Missing::NotFound)?;
    wsl2::build_of(&number.parse().map_err(Missing::Garbled)?)
}

/// Something that only WSL leaves behind.
fn wsl_mark(host: &dyn Host) -> Option<Question> {
    let marks = [
        Question::Node("/run/WSL".to_owned()),
        Question::Node("/usr/bin/wslinfo".to_owned()),
        Question::Env("WSL_INTEROP".to_owned()),
        Question::Env("WSL_DISTRO_NAME".to_owned()),
    ];
    marks.into_iter().find(|mark| host.ask(mark).is_ok())
}

/// What made the container that this is, and the mark that shows it.
pub(crate) fn container(host: &dyn Host) -> Option<(String, Question)> {
    let node = |path: &str, kind: &str| {
        let mark = Question::Node(path.to_owned());
        host.ask(&mark).is_ok().then(|| (kind.to_owned(), mark))
    };
    // systemd calls WSL a container, too.
    let named = |mark: Question| {
        let kind = host.ask(&mark).ok()?.trim().to_owned();
        (!kind.is_empty() && kind != "wsl").then_some((kind, mark))
    };
    let in_cluster = || {
        let mark = Question::Env("KUBERNETES_SERVICE_HOST".to_owned());
        host.ask(&mark).is_ok().then(|| ("kubernetes".to_owned(), mark))
    };
    let by_group = || {
        let mark = Question::Read("/proc/1/cgroup".to_owned());
        let groups = host.ask(&mark).ok()?;
        let kinds = [("kubepods", "kubernetes"), ("/docker", "docker"), ("/lxc", "lxc"), ("libpod", "podman")];
        let (_, kind) = kinds.iter().find(|(sign, _)| groups.contains(sign))?;
        Some(((*kind).to_owned(), mark))
    };
    in_cluster()
        .or_else(|| node("/.dockerenv", "docker"))
        .or_else(|| node("/run/.containerenv", "podman"))
        .or_else(|| named(Question::Env("container".to_owned())))
        .or_else(|| named(Question::Read("/run/systemd/container".to_owned())))
        .or_else(by_group)
}

fn os_release(host: &dyn Host) -> Fact {
    let mut last = None;
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let question = Question::Read(path.to_owned());
        match host.ask(&question) {
            Ok(text) => return OS.host(pretty_name(&text), &question),
            Err(missing) => last = last.or(Some(OS.host(missing, &question))),
        }
    }
    last.unwrap_or_else(|| OS.host(Missing::NotFound, &Question::System))
}

/// `PRETTY_NAME` of os-release(5), or the name without it.
fn pretty_name(text: &str) -> Result<Value, Missing> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(Value::from(line.trim().trim_matches(['"', '\''])))
    };
    value("PRETTY_NAME").or_else(|| value("NAME")).ok_or_else(|| Missing::Garbled("no PRETTY_NAME".to_owned()))
}

fn ask_windows(host: &dyn Host, facts: &mut Vec<Fact>) {
    const KEY: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
    let origin = Question::Registry(format!("{KEY}@CurrentBuildNumber"));
    let value = |name: &str| host.registry(KEY, name);
    facts.insert(0, ENVIRONMENT.host(Value::from("windows"), &Question::System));
    facts.push(CONTAINER.host(Value::Flag(false), &Question::System));
    facts.push(machine(host));
    let build = host.ask(&origin);
    let number = build.as_deref().ok().and_then(|build| build.trim().parse::<u32>().ok());
    // The registry keeps calling itself Windows 10; 11 began with build 22000.
    let name = value("ProductName").unwrap_or_else(|| "Windows".to_owned());
    let name = if number >= Some(22_000) { name.replace("Windows 10", "Windows 11") } else { name };
    let edition = value("DisplayVersion").map(|edition| format!(" {edition}")).unwrap_or_default();
    facts.push(OS.host(Value::Text(format!("{name}{edition}")), &origin));
    let full = build.map(|build| match value("UBR") {
        Some(revision) => format!("{}.{revision}", build.trim()),
        None => build.trim().to_owned(),
    });
    facts.push(WINDOWS_BUILD.host(full.and_then(|full| version(&full)), &origin));
}

/// The machine's own architecture. What a program is told of itself is that of the emulated one.
fn machine(host: &dyn Host) -> Fact {
    const KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment@PROCESSOR_ARCHITECTURE";
    let origin = Question::Registry(KEY.to_owned());
    let name = host.ask(&origin).map(|name| match name.trim() {
        "AMD64" => "x86_64".to_owned(),
        "ARM64" => "aarch64".to_owned(),
        other => other.to_lowercase(),
    });
    MACHINE_ARCH.host(name.map(Value::Text), &origin)
}

fn ask_macos(host: &dyn Host, facts: &mut Vec<Fact>) {
    let origin = Question::Read("/System/Library/CoreServices/SystemVersion.plist".to_owned());
    facts.insert(0, ENVIRONMENT.host(Value::from("macos"), &Question::System));
    facts.push(CONTAINER.host(Value::Flag(false), &Question::System));
    let name = host.ask(&origin).and_then(|plist| {
        let version = plist
            .split_once("<key>ProductVersion</key>")
            .and_then(|(_, rest)| Some(rest.split_once("<string>")?.1.split_once("</string>")?.0.trim().to_owned()));
        version.map(|version| Value::Text(format!("macOS {version}"))).ok_or(Missing::Garbled("no version".to_owned()))
    });
    facts.push(OS.host(name, &origin));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::recording::Recording;

    fn report(system: &str, answers: &[(Question, &str)]) -> Report {
        let answers = answers.iter().map(|(question, answer)| (question.clone(), Ok((*answer).to_owned())));
        let system = std::iter::once((Question::System, Ok(system.to_owned())));
        let host = Recording::of(String::new(), "test", system.chain(answers));
        Report { probes: Vec::new(), facts: ask(&host) }
    }

    fn release(text: &str) -> (Question, &str) {
        (Question::Read("/proc/sys/kernel/osrelease".into()), text)
    }

    fn node(path: &str) -> (Question, &'static str) {
        (Question::Node(path.into()), "char-device rw")
    }

    #[test]
    fn tells_the_environments_apart() {
        let custom = "6.6.36-zen";
        for (answers, environment, container) in [
            (vec![release("4.4.0-19041-Microsoft\n")], "wsl1", false),
            (vec![release("4.19.128-microsoft-standard\n")], "wsl2", false),
            (vec![release("5.15.167.4-microsoft-standard-WSL2\n")], "wsl2", false),
            (vec![release("6.6.87.2-microsoft-custom\n")], "wsl2", false),
            (vec![release(custom), node("/run/WSL")], "wsl2", false),
            (vec![release(custom), node("/usr/bin/wslinfo")], "wsl2", false),
            (vec![release(custom), (Question::Env("WSL_INTEROP".into()), "/run/WSL/1_interop")], "wsl2", false),
            (vec![release("5.15.167.4-microsoft-standard-WSL2"), node("/.dockerenv")], "wsl2", true),
            (
                vec![release(custom), node("/.dockerenv"), node("/dev/dxg"), node("/usr/lib/wsl/lib/libdxcore.so")],
                "wsl2",
                true,
            ),
            (vec![release("6.1.0-18-amd64")], "linux", false),
            (vec![release("6.1.0-18-amd64"), node("/dev/dxg")], "linux", false),
            (vec![release("6.1.0-18-amd64"), node("/run/.containerenv")], "linux", true),
            (vec![release("6.1.0-18-amd64"), (Question::Env("container".into()), "lxc")], "linux", true),
            (
                vec![
                    release("5.15.167.4-microsoft-standard-WSL2"),
                    (Question::Read("/run/systemd/container".into()), "wsl\n"),
                ],
                "wsl2",
                false,
            ),
            (
                vec![release("6.1.0"), (Question::Read("/proc/1/cgroup".into()), "0::/kubepods/burstable/pod1\n")],
                "linux",
                true,
            ),
        ] {
            let report = report("linux x86_64", &answers);
            assert_eq!((report.text("environment"), report.is("container")), (environment, container), "{answers:?}");
        }
    }

    #[test]
    fn wsl1_bears_the_build_of_windows_in_its_name_where_one_build_has_it() {
        let build =
            |name: &str| report("linux x86_64", &[release(name)]).version("windows-build").map(ToString::to_string);
        assert_eq!(build("4.4.0-17763-Microsoft\n").as_deref(), Some("17763"));
        assert_eq!(build("4.4.0-22000-Microsoft\n").as_deref(), Some("22000"));
        assert_eq!(build("4.4.0-19041-Microsoft\n"), None);
        assert_eq!(build("4.4.0-Microsoft\n"), None);
    }

    #[test]
    fn an_empty_recording_is_unknown_not_linux() {
        assert_eq!(report("linux x86_64", &[]).host("environment"), None);
    }

    #[test]
    fn windows_tells_its_build() {
        let value =
            |name: &str| Question::Registry(format!(r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion@{name}"));
        let report = report(
            "windows x86_64",
            &[
                (value("CurrentBuildNumber"), "22631"),
                (value("UBR"), "3880"),
                (value("ProductName"), "Windows 10 Pro"),
                (value("DisplayVersion"), "23H2"),
                (
                    Question::Registry(
                        r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment@PROCESSOR_ARCHITECTURE"
                            .into(),
                    ),
                    "ARM64",
                ),
            ],
        );
        assert_eq!(report.text("machine-arch"), "aarch64", "whatever this program was built for");
        assert_eq!(report.text("environment"), "windows");
        assert_eq!(report.text("os"), "Windows 11 Pro 23H2");
        assert_eq!(report.version("windows-build").map(Version::text), Some("22631.3880"));
    }
}
