//! Apple's Core ML and Metal Performance Shaders (MPS): the frameworks, the chip, and the GPUs that Metal takes.
//!
//! Asks the file of macOS for its version, `sysctl` for the chip and for Rosetta, the folder of frameworks, and
//! `system_profiler` for the GPUs and what Metal supports on them; its short form leaves out the serial numbers of
//! screens. No framework is loaded: their code lives in the system's shared cache, and the folder tells as much. It
//! cannot tell whether a model runs on the Neural Engine.
//! References: Apple's "Accelerated PyTorch training on Mac"; sysctl(8) and system_profiler(8) of macOS.

use serde_json::Value as Json;

use crate::Probe;
use crate::bus::{DEVICE_KIND, DEVICE_MEMORY, DEVICE_VENDOR, UNIFIED_MEMORY};
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Command, Host, Missing, Question};
use crate::ladder::{self, Climb, Rung, State};
use crate::version::Version;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "apple-coreml-mps",
    keys: &[&MACOS, &FRAMEWORKS, &CHIP, &APPLE_SILICON, &ROSETTA, &METAL_DEVICE, &METAL_SUPPORT, &MPS_DEVICE],
    ask,
    climb: Some(climb),
    native: None,
    seconds: 5,
};

static MACOS: Key = Key::new("macos-version", Kind::Version, Scope::Host, "The version of macOS, as in `14.5`.");
static FRAMEWORKS: Key = Key::new(
    "apple-frameworks",
    Kind::Set,
    Scope::Host,
    "Which of `CoreML`, `Metal`, `MetalPerformanceShaders` and `MetalPerformanceShadersGraph` macOS has.",
);
static CHIP: Key = Key::new("apple-chip", Kind::Text, Scope::Host, "The processor of a Mac, as in `Apple M2 Pro`.");
static APPLE_SILICON: Key = Key::new(
    "apple-silicon",
    Kind::Flag,
    Scope::Host,
    "Whether the Mac has a processor by Apple, even where this program is translated for it.",
);
static ROSETTA: Key = Key::new(
    "rosetta",
    Kind::Flag,
    Scope::Host,
    "Whether Rosetta translates this program, an x86_64 one on a processor by Apple.",
);
static METAL_DEVICE: Key =
    Key::new("metal-device", Kind::Text, Scope::Device, "The name of a Mac's GPU that Metal supports.");
static METAL_SUPPORT: Key = Key::new(
    "metal-support",
    Kind::Text,
    Scope::Device,
    "What Metal supports on a GPU, in the words of macOS, as in `metal3`.",
);
static MPS_DEVICE: Key = Key::new(
    "apple-coreml-mps-device",
    Kind::Text,
    Scope::Device,
    "The name of a GPU on which machine learning by MPS runs: by Apple or AMD, with macOS 12.3 or later.",
);

/// The macOS with which machine learning by MPS began.
const FIRST_MPS: (u64, u64) = (12, 3);

fn ask(host: &dyn Host) -> Vec<Fact> {
    if host.system() != "macos" {
        return Vec::new();
    }
    let plist = Question::Read("/System/Library/CoreServices/SystemVersion.plist".to_owned());
    let macos = host.ask(&plist).and_then(|text| product_version(&text));
    let has_mps = macos.as_ref().is_ok_and(|macos| match macos {
        Value::Version(macos) => (macos.part(0), macos.part(1)) >= FIRST_MPS,
        _ => false,
    });
    let mut facts = vec![MACOS.host(macos, &plist), frameworks(host)];
    let chip = sysctl("machdep.cpu.brand_string");
    facts.push(CHIP.host(host.ask(&chip).map(|chip| Value::from(chip.trim())), &chip));
    for (key, name) in [(&APPLE_SILICON, "hw.optional.arm64"), (&ROSETTA, "sysctl.proc_translated")] {
        let question = sysctl(name);
        facts.push(key.host(flag(host.ask(&question)), &question));
    }
    facts.extend(gpus(host, has_mps));
    facts
}

fn product_version(plist: &str) -> Result<Value, Missing> {
    let text = plist
        .split_once("<key>ProductVersion</key>")
        .and_then(|(_, rest)| Some(rest.split_once("<string>")?.1.split_once("</string>")?.0));
    version(text.ok_or_else(|| Missing::Garbled("no ProductVersion".to_owned()))?)
}

fn frameworks(host: &dyn Host) -> Fact {
    let question = |name: &str| Question::Node(format!("/System/Library/Frameworks/{name}.framework"));
    let mut found = Vec::new();
    for name in ["CoreML", "Metal", "MetalPerformanceShaders", "MetalPerformanceShadersGraph"] {
        match host.ask(&question(name)) {
            Ok(_) => found.push(name.to_owned()),
            Err(Missing::NotFound) => {}
            Err(missing) => return FRAMEWORKS.host(missing, &question(name)),
        }
    }
    FRAMEWORKS.host(Value::Set(found), &question("CoreML"))
}

fn sysctl(name: &str) -> Question {
    Question::Run(Command { program: "/usr/sbin/sysctl".to_owned(), arguments: vec!["-n".to_owned(), name.to_owned()] })
}

/// A number of sysctl as yes or no. Macs with a processor by Intel do not know these names.
fn flag(answer: Result<String, Missing>) -> Result<Value, Missing> {
    match answer {
        Ok(number) => Ok(Value::Flag(number.trim() == "1")),
        Err(Missing::Exited { message, .. }) if message.contains("unknown oid") => Ok(Value::Flag(false)),
        Err(missing) => Err(missing),
    }
}

/// The GPUs that Metal supports, by `system_profiler`.
fn gpus(host: &dyn Host, has_mps: bool) -> Vec<Fact> {
    let arguments = ["SPDisplaysDataType", "-json", "-detailLevel", "mini"].map(str::to_owned).to_vec();
    let question = Question::Run(Command { program: "/usr/sbin/system_profiler".to_owned(), arguments });
    let listed = host.ask(&question).and_then(|text| {
        let json: Json = serde_json::from_str(&text).map_err(|error| Missing::Garbled(error.to_string()))?;
        let gpus = json.get("SPDisplaysDataType").and_then(Json::as_array).cloned();
        gpus.ok_or_else(|| Missing::Garbled("no SPDisplaysDataType".to_owned()))
    });
    let mut facts = Vec::new();
    let gpus = match listed {
        Ok(gpus) => gpus,
        Err(missing) => return vec![METAL_DEVICE.host(missing, &question)],
    };
    for (number, gpu) in gpus.iter().enumerate() {
        let text = |name: &str| gpu.get(name).and_then(Json::as_str);
        // The name of the entry has changed with the versions of Metal.
        let support = ["spdisplays_mtlgpufamilysupport", "spdisplays_metalfamily", "spdisplays_metal"];
        let Some(support) = support.iter().find_map(|name| text(name)).filter(|said| !said.contains("notsupported"))
        else {
            continue;
        };
        let subject = || Subject::Device(format!("metal:{number}"));
        let name = text("sppci_model").or(text("_name")).unwrap_or("GPU");
        let maker = maker(text("spdisplays_vendor").unwrap_or_default(), name);
        facts.push(METAL_DEVICE.of(subject(), Value::from(name), &question));
        let support = support.trim_start_matches("spdisplays_");
        facts.push(METAL_SUPPORT.of(subject(), Value::from(support), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from(maker), &question));
        let built_in = text("sppci_bus").is_some_and(|bus| bus.contains("builtin"));
        let kind = if built_in || maker == "apple" { "integrated" } else { "discrete" };
        facts.push(DEVICE_KIND.of(subject(), Value::from(kind), &question));
        facts.push(UNIFIED_MEMORY.of(subject(), Value::Flag(kind == "integrated"), &question));
        let memory = text("spdisplays_vram").and_then(bytes).filter(|_| kind == "discrete");
        facts.extend(memory.map(|memory| DEVICE_MEMORY.of(subject(), Value::Number(memory), &question)));
        if has_mps && matches!(maker, "apple" | "amd") {
            facts.push(MPS_DEVICE.of(subject(), Value::from(name), &question));
        }
    }
    if facts.is_empty() {
        facts.push(METAL_DEVICE.host(Missing::NotFound, &question));
    }
    facts
}

/// Who made a GPU, by what `system_profiler` calls its vendor: `sppci_vendor_amd`, `Intel`, `NVIDIA (0x10de)`.
fn maker(vendor: &str, name: &str) -> &'static str {
    let said = format!("{vendor} {name}").to_lowercase();
    ["apple", "amd", "intel", "nvidia"].into_iter().find(|maker| said.contains(maker)).unwrap_or("other")
}

/// A size such as `8 GB` or `1536 MB`.
fn bytes(size: &str) -> Option<u64> {
    let (number, unit) = size.split_once(' ')?;
    let unit = match unit {
        "GB" => 1 << 30,
        "MB" => 1 << 20,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn climb(report: &Report) -> Climb {
    reached(report).with("macos", report.version(MACOS.name))
}

fn reached(report: &Report) -> Climb {
    let unknown = |missing: &Missing| Climb::none(State::Unknown, missing.to_string());
    let names = |key: &Key| {
        ladder::names(
            report.all(key.name).filter_map(|fact| Some((&fact.subject, fact.value.as_ref().ok()?.to_string()))),
        )
    };
    match report.all(FRAMEWORKS.name).next().map(|fact| &fact.value) {
        None if matches!(report.text("environment"), "macos" | "") => {
            return Climb::none(State::Unknown, "Core ML was not asked about");
        }
        None => return Climb::none(State::NotInstalled, "this is not macOS"),
        Some(Err(missing)) => return unknown(missing),
        Some(Ok(Value::Set(found))) if !found.iter().any(|name| name == "CoreML") => {
            return Climb::new(State::NotInstalled, Rung::Library, "this macOS has no Core ML");
        }
        Some(Ok(_)) => {}
    }
    let usable = names(&MPS_DEVICE);
    if !usable.is_empty() {
        return Climb::new(State::Working, Rung::Enumerate, format!("Metal supports {usable}"));
    }
    let is_old = |macos: &Version| (macos.part(0), macos.part(1)) < FIRST_MPS;
    if let Some(macos) = report.version(MACOS.name).filter(|macos| is_old(macos)) {
        let detail =
            format!("macOS {macos} is older than 12.3, with which machine learning by MPS began; Core ML is here");
        return Climb::new(State::NotInstalled, Rung::Library, detail);
    }
    let supported = names(&METAL_DEVICE);
    match report.all(METAL_DEVICE.name).find_map(|fact| fact.value.as_ref().err()) {
        Some(Missing::NotFound) => Climb::new(State::NotInstalled, Rung::Enumerate, "no GPU here that Metal supports"),
        Some(missing) => unknown(missing),
        None if supported.is_empty() => Climb::none(State::Unknown, "its GPUs were not asked about"),
        None => {
            let detail = format!("MPS needs a GPU by Apple or AMD, and this one is {supported}; Core ML is here");
            Climb::new(State::NotInstalled, Rung::Enumerate, detail)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    const M2: &str = r#"{"SPDisplaysDataType": [{"_name": "Apple M2 Pro", "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
        "spdisplays_vendor": "sppci_vendor_Apple", "sppci_bus": "spdisplays_builtin", "sppci_model": "Apple M2 Pro"}]}"#;
    const TWO: &str = r#"{"SPDisplaysDataType": [
        {"_name": "kHW_IntelUHDGraphics630Item", "spdisplays_metalfamily": "spdisplays_mtlgpufamilymac2",
         "spdisplays_vendor": "Intel", "sppci_bus": "spdisplays_builtin", "sppci_model": "Intel UHD Graphics 630",
         "spdisplays_vram": "1536 MB"},
        {"_name": "kHW_AMDRadeonPro5300MItem", "spdisplays_metalfamily": "spdisplays_mtlgpufamilymac2",
         "spdisplays_vendor": "sppci_vendor_amd", "sppci_bus": "spdisplays_pcie_device",
         "sppci_model": "AMD Radeon Pro 5300M", "spdisplays_vram": "4 GB"},
        {"_name": "NVIDIA GeForce 9400M", "spdisplays_metal": "spdisplays_notsupported"}]}"#;

    fn report(macos: &str, arm: Answer, gpus: Answer) -> Report {
        let plist = format!("<plist><dict><key>ProductVersion</key>\n<string>{macos}</string></dict></plist>");
        let framework = |name: &str| Question::Node(format!("/System/Library/Frameworks/{name}.framework"));
        let profiler = "run /usr/sbin/system_profiler SPDisplaysDataType -json -detailLevel mini".parse().unwrap();
        let absent = || Err(Missing::NotFound);
        let host = Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("macos aarch64".to_owned())),
                (Question::Read("/System/Library/CoreServices/SystemVersion.plist".into()), Ok(plist)),
                (framework("CoreML"), Ok("directory r".into())),
                (framework("Metal"), Ok("directory r".into())),
                (framework("MetalPerformanceShaders"), Ok("directory r".into())),
                (framework("MetalPerformanceShadersGraph"), absent()),
                (sysctl("hw.optional.arm64"), arm.clone()),
                (sysctl("sysctl.proc_translated"), arm),
                (profiler, gpus),
            ],
        );
        Report { probes: Vec::new(), facts: ask(&host) }
    }

    fn unknown_oid() -> Answer {
        Err(Missing::Exited { code: 1, message: "sysctl: unknown oid 'hw.optional.arm64'".into() })
    }

    #[test]
    fn apple_silicon_works_with_a_macos_that_has_mps() {
        let of_today = report("14.5", Ok("1\n".into()), Ok(M2.into()));
        let reached = climb(&of_today);
        assert_eq!((reached.state, reached.rung), (State::Working, Some(Rung::Enumerate)));
        assert_eq!(reached.detail, "Metal supports Apple M2 Pro");
        assert!(of_today.is("apple-silicon") && of_today.is("rosetta"));
        let gpu = Subject::Device("metal:0".into());
        assert_eq!(of_today.about(&gpu, "unified-memory"), Some(&Value::Flag(true)));
        let older = climb(&report("12.2.1", Ok("1".into()), Ok(M2.into())));
        assert_eq!((older.state, older.rung), (State::NotInstalled, Some(Rung::Library)));
    }

    #[test]
    fn of_two_gpus_the_one_by_amd_counts() {
        let report = report("13.6", unknown_oid(), Ok(TWO.into()));
        assert_eq!(report.host("apple-silicon"), Some(&Value::Flag(false)));
        assert_eq!(report.all("metal-device").count(), 2);
        let card = Subject::Device("metal:1".into());
        assert_eq!(report.about(&card, "apple-coreml-mps-device"), Some(&Value::from("AMD Radeon Pro 5300M")));
        assert_eq!(report.number(&card, "device-memory-bytes"), Some(4 << 30));
        assert_eq!(report.subjects("apple-coreml-mps-device"), [&card]);
    }

    #[test]
    fn what_could_not_be_asked_is_unknown() {
        for missing in [Missing::TimedOut, Missing::NotRecorded, Missing::Garbled("x".into())] {
            let climb = climb(&report("14.5", Ok("1".into()), Err(missing)));
            assert_eq!(climb.state, State::Unknown);
        }
        let none = climb(&report("14.5", Ok("1".into()), Ok(r#"{"SPDisplaysDataType": []}"#.into())));
        assert_eq!((none.state, none.rung), (State::NotInstalled, Some(Rung::Enumerate)));
    }
}
