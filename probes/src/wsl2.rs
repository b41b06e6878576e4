//! What WSL2 tells of itself, and of the Windows around it.
//!
//! Asks, inside WSL2 alone: the door to the GPU (`/dev/dxg`), the libraries that Windows mounts, `wslinfo`, whether programs
//! of Windows can be started, and Windows itself. Nothing in Linux tells the build of Windows, but the file of its kernel
//! does where the drives of Windows are mounted. Updates that only turn features on leave that file as it is, so several
//! builds of Windows can share one; there `ver` is run, and where nothing can be started the build stays unknown. It is a
//! probe of its own because a Windows that does not answer hangs what it mounts, and then nothing else should be lost.
//! A container is asked for the door and the libraries alone: nothing else of WSL reaches into it.
//! References: microsoft/WSL, `wslinfo`; MicrosoftDocs/WSL, wsl-config (`wsl.conf`); microsoft/WSL issue 5604.

pub(crate) mod settings;

use self::settings::Settings;
use crate::Probe;
use crate::environment::{self, WINDOWS_BUILD, WSL_LIBRARY_FOLDER, WSL_VERSION};
use crate::fact::{Fact, Key, Kind, Scope, Value, version};
use crate::host::{Command, Host, Missing, Question};
use crate::image::Image;
use crate::version::Version;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "wsl2",
    keys: &[
        &WSL_GPU,
        &WSL_LIBRARIES,
        &WSL_LIBRARIES_MISSING,
        &WSL_LOADER_CACHE,
        &WSL_GPU_OFF,
        &WSL_INTEROP,
        &WINDOWS_KERNEL,
    ],
    ask,
    climb: None,
    native: None,
    seconds: 5,
};

static WSL_GPU: Key = Key::new(
    "wsl-gpu",
    Kind::Flag,
    Scope::Host,
    "In WSL2: whether `/dev/dxg`, the door to the GPU of Windows, is there.",
);
static WSL_LIBRARIES: Key = Key::new(
    "wsl-libraries",
    Kind::Set,
    Scope::Host,
    "In WSL2: the libraries that Windows mounts at `/usr/lib/wsl/lib`.",
);
static WSL_LIBRARIES_MISSING: Key = Key::new(
    "wsl-libraries-missing",
    Kind::Set,
    Scope::Host,
    "In WSL2 with `/dev/dxg`: the libraries that Windows should mount beside it and does not, unless `/etc/wsl.conf` turns the \
     GPU off. Those of NVIDIA are expected where one of them is there.",
);
static WSL_LOADER_CACHE: Key = Key::new(
    "wsl-loader-cache",
    Kind::Flag,
    Scope::Host,
    "In WSL2: whether the loader keeps a list of libraries, `/etc/ld.so.cache`, into which WSL enters those of Windows. \
     Distributions such as NixOS and Alpine have none, and find them by other ways.",
);
static WSL_GPU_OFF: Key = Key::new(
    "wsl-gpu-off",
    Kind::Flag,
    Scope::Host,
    "In WSL2: whether `/etc/wsl.conf` turns the GPU off for the distribution (`enabled=false` in its section `[gpu]`).",
);
static WSL_INTEROP: Key =
    Key::new("wsl-interop", Kind::Flag, Scope::Host, "In WSL2: whether programs of Windows can be started from Linux.");
static WINDOWS_KERNEL: Key = Key::new(
    "windows-kernel",
    Kind::Version,
    Scope::Host,
    "In WSL2: version of the kernel of Windows by its file, as in `19041.3803`. The builds 19041 to 19045 of Windows share one \
     such number, as do 22621 to 22635, and 26100 to 26220.",
);

/// What Windows brings for Direct3D, and NVIDIA's driver for CUDA and NVML.
const OF_WINDOWS: [&str; 2] = ["libd3d12.so", "libdxcore.so"];
const OF_NVIDIA: [&str; 2] = ["libcuda.so.1", "libnvidia-ml.so.1"];
/// Kernels of Windows that more than one build has, and the builds.
const SHARED: [(u64, &str); 4] =
    [(18362, "18362 and 18363"), (19041, "19041 to 19045"), (22621, "22621 to 22635"), (26100, "26100 to 26220")];

fn ask(host: &dyn Host) -> Vec<Fact> {
    if !environment::is_wsl2(host) {
        return Vec::new();
    }
    let in_container = environment::container(host).is_some();
    let settings = Settings::of(host);
    let mut facts = Vec::new();
    ask_libraries(host, &settings, in_container, &mut facts);
    if !in_container {
        facts.push(WSL_GPU_OFF.host(settings.gpu_off().map(Value::Flag), &Settings::origin()));
        let interop = interop(host, &settings);
        let can_start = interop.value == Ok(Value::Flag(true));
        facts.push(interop);
        facts.push(wsl_version(host));
        ask_windows(host, &settings.drives(), can_start, &mut facts);
    }
    facts
}

fn ask_libraries(host: &dyn Host, settings: &Settings, in_container: bool, facts: &mut Vec<Fact>) {
    let door = Question::Node("/dev/dxg".to_owned());
    let there = match host.ask(&door) {
        Ok(_) | Err(Missing::Denied) => Ok(true),
        Err(Missing::NotFound) => Ok(false),
        Err(missing) => Err(missing),
    };
    facts.push(WSL_GPU.host(there.clone().map(Value::Flag), &door));
    let folder = Question::List(WSL_LIBRARY_FOLDER.to_owned());
    let names = host.ask(&folder);
    let set = |names: &str| Value::Set(names.lines().map(str::to_owned).collect());
    facts.push(WSL_LIBRARIES.host(names.as_deref().map(set).map_err(Clone::clone), &folder));
    let cache = Question::Node("/etc/ld.so.cache".to_owned());
    let has_cache = match host.ask(&cache) {
        Ok(_) => Ok(Value::Flag(true)),
        Err(Missing::NotFound) => Ok(Value::Flag(false)),
        Err(missing) => Err(missing),
    };
    facts.push(WSL_LOADER_CACHE.host(has_cache, &cache));
    if there == Ok(true) && !in_container && settings.gpu_off() != Ok(true) {
        let missing = match (settings.gpu_off(), names) {
            (Err(missing), _) => Err(missing),
            (_, Ok(names)) => Ok(missing_of(&names)),
            (_, Err(Missing::NotFound)) => Ok(missing_of("")),
            (_, Err(missing)) => Err(missing),
        };
        facts.push(WSL_LIBRARIES_MISSING.host(missing.map(Value::Set), &folder));
    }
}

/// Which libraries should be among these names and are not.
fn missing_of(names: &str) -> Vec<String> {
    let has = |name: &str| names.lines().any(|line| line == name);
    let has_nvidia = names
        .lines()
        .any(|name| ["libcuda", "libnv", "nvidia-smi", "nvcubins"].iter().any(|beginning| name.starts_with(beginning)));
    let of_nvidia = OF_NVIDIA.iter().filter(|_| has_nvidia);
    OF_WINDOWS.iter().chain(of_nvidia).filter(|name| !has(name)).map(|name| (*name).to_owned()).collect()
}

/// Whether programs of Windows can be started: the settings may forbid it, and the kernel must know their format.
fn interop(host: &dyn Host, settings: &Settings) -> Fact {
    const FORMATS: &str = "/proc/sys/fs/binfmt_misc";
    if settings.is_off("interop", "enabled") {
        return WSL_INTEROP.host(Value::Flag(false), &Settings::origin());
    }
    let list = Question::List(FORMATS.to_owned());
    let names = match host.ask(&list) {
        // An empty folder is a place where nobody mounted the list.
        Ok(names) if names.is_empty() => return WSL_INTEROP.host(Missing::NotFound, &list),
        Ok(names) => names,
        Err(missing) => return WSL_INTEROP.host(missing, &list),
    };
    // With systemd it bears a second name, `WSLInterop-late`.
    let Some(name) = names.lines().find(|name| name.starts_with("WSLInterop")) else {
        return WSL_INTEROP.host(Value::Flag(false), &list);
    };
    let file = Question::Read(format!("{FORMATS}/{name}"));
    let value = host.ask(&file).map(|text| Value::Flag(text.lines().next() == Some("enabled")));
    WSL_INTEROP.host(value, &file)
}

fn wsl_version(host: &dyn Host) -> Fact {
    let program = Question::Node("/usr/bin/wslinfo".to_owned());
    if let Err(missing) = host.ask(&program) {
        return WSL_VERSION.host(missing, &program);
    }
    let arguments = vec!["--wsl-version".to_owned()];
    let question = Question::Run(Command { program: "/usr/bin/wslinfo".to_owned(), arguments });
    WSL_VERSION.host(host.ask(&question).and_then(|text| version(text.trim())), &question)
}

/// The kernel of Windows, and its build where one or the other way tells it.
fn ask_windows(host: &dyn Host, drives: &str, can_start: bool, facts: &mut Vec<Fact>) {
    let system = format!("{drives}c/Windows/System32");
    let file = Question::Image(format!("{system}/ntoskrnl.exe"));
    let kernel = host.ask(&file).and_then(|header| kernel_version(&header));
    let build = match &kernel {
        Ok(Value::Version(kernel)) => build_of(kernel),
        Ok(other) => Err(Missing::Garbled(other.to_string())),
        Err(missing) => Err(missing.clone()),
    };
    facts.push(WINDOWS_KERNEL.host(kernel.clone(), &file));
    if build.is_ok() || kernel.is_err() || !can_start {
        facts.push(WINDOWS_BUILD.host(build, &file));
        return;
    }
    // Without what a person has set to run with every command line.
    let arguments = vec!["/d".to_owned(), "/c".to_owned(), "ver".to_owned()];
    let ver = Question::Run(Command { program: format!("{system}/cmd.exe"), arguments });
    match host.ask(&ver).and_then(|text| told_by_ver(&text)) {
        Ok(told) => facts.push(WINDOWS_BUILD.host(told, &ver)),
        Err(_) => facts.push(WINDOWS_BUILD.host(build, &file)),
    }
}

/// The build of a Windows whose kernel has this version, unless several have it.
pub(crate) fn build_of(kernel: &Version) -> Result<Value, Missing> {
    match builds_of(kernel.part(0)) {
        None => Ok(Value::Version(kernel.clone())),
        Some(builds) => {
            Err(Missing::Garbled(format!("the kernel of Windows is {kernel}, and the builds {builds} have it")))
        }
    }
}

/// The builds that share the kernel of a number; nothing where a kernel is that of one build.
fn builds_of(kernel: u64) -> Option<&'static str> {
    let newest = SHARED.iter().map(|(number, _)| *number).max().unwrap_or_default();
    let shared = SHARED.iter().find(|(number, _)| *number == kernel).map(|(_, builds)| *builds);
    // What later builds will share nobody knows yet.
    shared.or((kernel > newest).then_some("of that and later numbers"))
}

/// `19041.3803` of a header that bears `10.0.19041.3803`.
fn kernel_version(header: &str) -> Result<Value, Missing> {
    let image: Image = serde_json::from_str(header).map_err(|error| Missing::Garbled(error.to_string()))?;
    let full = image.version.ok_or(Missing::NotFound)?;
    let build = full.strip_prefix("10.0.");
    build.map_or_else(|| Err(Missing::Garbled(format!("a kernel of version {full}"))), version)
}

/// The number in `Microsoft Windows [Version 10.0.19045.3803]`, whatever the language.
fn told_by_ver(text: &str) -> Result<Value, Missing> {
    let (_, rest) = text.split_once("10.0.").ok_or_else(|| Missing::Garbled("no version in it".to_owned()))?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    version(rest.get(..end).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::recording::Recording;

    fn report(answers: Vec<(Question, &str)>) -> Report {
        let fixed = [
            (Question::System, "linux x86_64"),
            (Question::Read("/proc/sys/kernel/osrelease".into()), "5.15.167.4-microsoft-standard-WSL2"),
        ];
        let answers = fixed.into_iter().chain(answers).map(|(question, answer)| (question, Ok(answer.to_owned())));
        let mut host = Recording::of(String::new(), "test", answers);
        host.complete = true;
        Report { probes: Vec::new(), facts: ask(&host) }
    }

    fn kernel(drives: &str, build: &str) -> (Question, String) {
        let header = format!(r#"{{"format":"pe","bits":64,"machine":"x86_64","version":"{build}","complete":true}}"#);
        (Question::Image(format!("{drives}/c/Windows/System32/ntoskrnl.exe")), header)
    }

    fn interop() -> [(Question, &'static str); 2] {
        let folder = "/proc/sys/fs/binfmt_misc";
        [
            (Question::List(folder.into()), "WSLInterop\nregister\nstatus"),
            (Question::Read(format!("{folder}/WSLInterop")), "enabled\ninterpreter /init\nflags: PF\n"),
        ]
    }

    fn ver(text: &str) -> (Question, &str) {
        let arguments = ["/d", "/c", "ver"].map(str::to_owned).to_vec();
        (Question::Run(Command { program: "/mnt/c/Windows/System32/cmd.exe".into(), arguments }), text)
    }

    #[test]
    fn the_file_of_the_kernel_tells_the_build_where_no_other_build_has_it() {
        let (question, header) = kernel("/mnt", "10.0.22000.2538");
        let told = report(vec![(question, &header)]);
        assert_eq!(told.host("windows-build").unwrap().to_string(), "22000.2538");
        let (question, header) = kernel("/windows", "10.0.21343.1000");
        let settings = (Settings::origin(), "[user]\n[automount]\nroot = \"/windows/\" # moved\n");
        let told = report(vec![settings, (question, &header)]);
        assert_eq!(told.host("windows-build").unwrap().to_string(), "21343.1000");
    }

    #[test]
    fn a_kernel_of_several_builds_leaves_the_build_to_ver_or_unknown() {
        for build in ["10.0.19041.3803", "10.0.22621.4169", "10.0.26100.2605", "10.0.29999.1"] {
            let (question, header) = kernel("/mnt", build);
            let told = report(vec![(question, &header)]);
            assert_eq!(told.host("windows-kernel").unwrap().to_string(), build.get(5..).unwrap());
            let why = &told.all("windows-build").next().unwrap().value;
            assert!(matches!(why, Err(Missing::Garbled(why)) if why.contains("builds")), "{why:?}");
        }
        let (question, header) = kernel("/mnt", "10.0.19041.3803");
        let text = "\r\nMicrosoft Windows [Versi\u{fffd}n 10.0.19045.3803]\r\n";
        let mut answers = vec![(question, header.as_str()), ver(text)];
        answers.extend(interop());
        assert_eq!(report(answers).host("windows-build").unwrap().to_string(), "19045.3803");
    }

    #[test]
    fn interop_is_on_where_the_kernel_knows_the_format_and_nobody_forbids_it() {
        let told = |more: Vec<(Question, &'static str)>| report(more).host("wsl-interop").map(ToString::to_string);
        let folder = || Question::List("/proc/sys/fs/binfmt_misc".into());
        let off = (Settings::origin(), "[interop]\nenabled = false\n");
        assert_eq!(told(interop().to_vec()).as_deref(), Some("yes"));
        assert_eq!(told([interop().to_vec(), vec![off]].concat()).as_deref(), Some("no"));
        assert_eq!(told(vec![(folder(), "register\nstatus")]).as_deref(), Some("no"));
        assert_eq!(told(vec![(folder(), "")]), None);
    }

    #[test]
    fn what_windows_should_mount_is_missed_unless_it_is_not_meant_to() {
        let told = |names: &'static str, settings: &'static str| {
            let answers = vec![
                (Question::Node("/dev/dxg".into()), "char-device rw"),
                (Question::List(WSL_LIBRARY_FOLDER.into()), names),
                (Settings::origin(), settings),
            ];
            report(answers).host("wsl-libraries-missing").map(ToString::to_string)
        };
        let direct3d = "libd3d12.so\nlibdxcore.so";
        assert_eq!(told(direct3d, "").as_deref(), Some("none"));
        assert_eq!(told("libcuda.so.1\nlibd3d12.so\nlibdxcore.so", "").as_deref(), Some("libnvidia-ml.so.1"));
        assert_eq!(told("", "").as_deref(), Some("libd3d12.so, libdxcore.so"));
        assert_eq!(told("", "[gpu]\nenabled = false\n"), None);
    }
}
