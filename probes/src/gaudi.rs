//! Intel Gaudi, once Habana: its cards, the kernel driver habanalabs, the device nodes, and what HLML and `hl-smi` list.
//!
//! Looks for cards of vendor 1da3 on the bus, then for the node of each: `/dev/accel/accelN`, with older drivers `/dev/hlN`.
//! The management library (HLML) and `hl-smi` are asked only where a node may be opened, and for nothing that names a
//! machine: no serial numbers, no UUIDs. Driver, firmware and software must be of one release, so both versions are kept.
//! It cannot tell whether a computation would succeed, nor the version of the PyTorch plug-in: that is a Python package.
//! References: hlml.h; Gaudi documentation, "System Management Interface Tool", "System Verifications", "Multiple
//! Workloads on a Single Docker"; sysfs-driver-habanalabs of the kernel's documentation.

#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::accelerator::{self, READY, Words};
use crate::bus::{DEVICE_KIND, DEVICE_MEMORY, DEVICE_VENDOR};
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Command, Host, Missing, Query, Question};
use crate::ladder::{self, Climb, Rung, State};
use crate::search_path;
use crate::version::Version;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "habana-gaudi",
    keys: &[
        &GAUDI_CARD,
        &GAUDI_NODE,
        &GAUDI_DRIVER,
        &GAUDI_SOFTWARE,
        &SOFTWARE_MATCHES,
        &GAUDI_LIBRARY,
        &HLML_STATUS,
        &GAUDI_DEVICE,
        &MODULE_ID,
        &VISIBLE_MODULES,
    ],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

static GAUDI_CARD: Key = Key::new(
    "gaudi-card",
    Kind::Text,
    Scope::Host,
    "How far the best Gaudi card gets: `no-card`, `no-driver`, `no-node`, `no-access` or `ready`.",
);
static GAUDI_NODE: Key = Key::new("gaudi-node", Kind::Text, Scope::Host, "The device node of that Gaudi card.");
static GAUDI_DRIVER: Key =
    Key::new("gaudi-driver", Kind::Version, Scope::Host, "Version of the kernel driver habanalabs.");
static GAUDI_SOFTWARE: Key =
    Key::new("gaudi-software", Kind::Version, Scope::Host, "Release of the Intel Gaudi software, by `hl-smi`.");
static SOFTWARE_MATCHES: Key = Key::new(
    "gaudi-software-matches",
    Kind::Flag,
    Scope::Host,
    "Whether the kernel driver habanalabs and the Intel Gaudi software are of one release.",
);
static GAUDI_LIBRARY: Key = Key::new(
    "gaudi-library",
    Kind::Text,
    Scope::Host,
    "Path of `libSynapse.so`, the runtime that PyTorch uses on Gaudi cards.",
);
static HLML_STATUS: Key = Key::new(
    "hlml-status",
    Kind::Text,
    Scope::Host,
    "`working`, or what the management library of Gaudi cards (without it `hl-smi`) answered: `driver-not-loaded`, \
     `device-lost`, `error NUMBER`.",
);
static GAUDI_DEVICE: Key = Key::new(
    "habana-gaudi-device",
    Kind::Text,
    Scope::Device,
    "The card's name by HLML or `hl-smi`, such as `HL-225`.",
);
static MODULE_ID: Key = Key::new(
    "gaudi-module-id",
    Kind::Number,
    Scope::Device,
    "The card's place in its machine, which `HABANA_VISIBLE_MODULES` names.",
);
static VISIBLE_MODULES: Key = Key::new(
    "habana-visible-modules",
    Kind::Text,
    Scope::Host,
    "`HABANA_VISIBLE_MODULES`, where it is set: the module ids of the Gaudi cards that programs get.",
);

const WORDS: Words =
    Words { card: "a Gaudi card", module: "habanalabs", state: GAUDI_CARD.name, node: GAUDI_NODE.name };

/// What the child tells of HLML.
#[derive(Serialize, Deserialize)]
struct Hlml {
    driver: Option<String>,
    devices: Vec<Device>,
}

#[derive(Serialize, Deserialize)]
struct Device {
    name: String,
    /// `domain:bus:device.function`, hexadecimal.
    pci: Option<String>,
    memory_bytes: Option<u64>,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    if host.system() != "linux" {
        return Vec::new();
    }
    let cards = accelerator::cards(
        host,
        |device| device.vendor == 0x1da3,
        |address, _| {
            let newer =
                accelerator::registered(host, address, "accel", "accel").map(|name| format!("/dev/accel/{name}"));
            newer.or_else(|| Some(format!("/dev/{}", accelerator::registered(host, address, "habanalabs", "hl")?)))
        },
    );
    let ready = cards.state == Ok(READY);
    let mut facts = vec![GAUDI_CARD.host(cards.state.map(Value::from), &cards.origin)];
    facts.extend(cards.node.map(|node| GAUDI_NODE.host(Value::Text(node), &cards.origin)));
    let module = Question::Read("/sys/module/habanalabs/version".to_owned());
    facts.extend(host.ask(&module).ok().map(|text| GAUDI_DRIVER.host(version(&text), &module)));
    let library = Question::Library("libSynapse.so".to_owned());
    let installed = Question::Node(SYNAPSE.to_owned());
    facts.push(match (host.taken(&library), host.ask(&installed)) {
        (Err(Missing::NotFound), Ok(_)) => GAUDI_LIBRARY.host(Value::from(SYNAPSE), &installed),
        (taken, _) => GAUDI_LIBRARY.host(taken.map(Value::Text), &library),
    });
    let visible = Question::Env("HABANA_VISIBLE_MODULES".to_owned());
    facts.extend(host.ask(&visible).ok().map(|value| VISIBLE_MODULES.host(Value::Text(value), &visible)));
    let tool = search_path::find(host, "hl-smi");
    if let Some(tool) = &tool {
        ask_software(host, tool, &mut facts);
    }
    if ready {
        ask_hlml(host, &mut facts);
        tool.into_iter().for_each(|tool| ask_tool(host, tool, &mut facts));
    }
    let first =
        |key: &Key| facts.iter().find_map(|fact| Some((fact.value.as_ref().ok()?, fact)).filter(|_| fact.key == key));
    if let (Some((Value::Version(driver), _)), Some((Value::Version(software), told))) =
        (first(&GAUDI_DRIVER), first(&GAUDI_SOFTWARE))
    {
        let (matches, origin) = (driver == software, told.origin.clone());
        facts.push(Fact { origin, ..SOFTWARE_MATCHES.host(Value::Flag(matches), &module) });
    }
    facts
}

/// Where the packages put the runtime; their configuration adds the folder to the loader's.
const SYNAPSE: &str = "/usr/lib/habanalabs/libSynapse.so";

/// The release that `hl-smi` belongs to; told without any card.
fn ask_software(host: &dyn Host, program: &str, facts: &mut Vec<Fact>) {
    let question = Question::Run(Command { program: program.to_owned(), arguments: vec!["-v".to_owned()] });
    let release = host.ask(&question).and_then(|text| release(&text));
    facts.push(GAUDI_SOFTWARE.host(release, &question));
}

/// `1.18.0` of a text with `hl-1.18.0-fw-53.1.1.1` in it.
fn release(text: &str) -> Result<Value, Missing> {
    let words = text.split(|c: char| c.is_whitespace() || c == '|');
    let release =
        words.filter_map(|word| word.strip_prefix("hl-")).find(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let release = release.map(|rest| rest.split('-').next().unwrap_or_default());
    release.map_or_else(|| Err(Missing::Garbled("no release in it".to_owned())), version)
}

fn ask_hlml(host: &dyn Host, facts: &mut Vec<Fact>) {
    let library = "/usr/lib/habanalabs/libhlml.so";
    let found = !host.library("libhlml.so").is_empty();
    if !found && !host.exists(library) {
        return;
    }
    let arguments = (!found).then(|| library.to_owned()).into_iter().collect();
    let question = Question::Native(Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments });
    let hlml = host
        .ask(&question)
        .and_then(|json| serde_json::from_str::<Hlml>(&json).map_err(|error| Missing::Garbled(error.to_string())));
    facts.push(HLML_STATUS.host(hlml.as_ref().map(|_| Value::from("working")).or_else(status), &question));
    let Ok(hlml) = hlml else { return };
    facts.extend(hlml.driver.map(|driver| GAUDI_DRIVER.host(version(&driver), &question)));
    for (number, device) in hlml.devices.into_iter().enumerate() {
        let id = device.pci.map_or_else(|| format!("habana-gaudi:{number}"), |pci| pci.to_lowercase());
        facts.push(GAUDI_DEVICE.of(Subject::Device(id.clone()), Value::Text(device.name), &question));
        facts.extend(describe(&id, device.memory_bytes, &question));
    }
}

fn describe(id: &str, memory_bytes: Option<u64>, question: &Question) -> Vec<Fact> {
    let subject = || Subject::Device(id.to_owned());
    let mut facts = vec![
        DEVICE_VENDOR.of(subject(), Value::from("habana"), question),
        DEVICE_KIND.of(subject(), Value::from("discrete"), question),
    ];
    facts.extend(memory_bytes.map(|bytes| DEVICE_MEMORY.of(subject(), Value::Number(bytes), question)));
    facts
}

/// HLML's error numbers in words; what is no error number stays missing.
fn status(missing: &Missing) -> Result<Value, Missing> {
    let Missing::Exited { code, .. } = missing else { return Err(missing.clone()) };
    Ok(match code {
        9 => Value::from("driver-not-loaded"),
        15 => Value::from("device-lost"),
        code => Value::Text(format!("error {code}")),
    })
}

/// The cards by `hl-smi`, which alone tells their module ids.
fn ask_tool(host: &dyn Host, program: String, facts: &mut Vec<Fact>) {
    let columns = "index,name,bus_id,driver_version,memory.total,module_id";
    let arguments = ["-Q", columns, "-f", "csv"].map(str::to_owned).to_vec();
    let question = Question::Run(Command { program, arguments });
    let table = host.ask(&question);
    if facts.iter().all(|fact| *fact.key != HLML_STATUS) {
        // Without the library the tool is the only one to say how asking the cards went.
        let status = table.as_ref().map(|_| Value::from("working")).or_else(|missing| match missing {
            Missing::Exited { code, .. } => Ok(Value::Text(format!("error {code}"))),
            other => Err(other.clone()),
        });
        facts.push(HLML_STATUS.host(status, &question));
    }
    let table = table.unwrap_or_default();
    let mut lines = table.lines().map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    let head = lines.next().unwrap_or_default();
    for line in lines {
        // Units stand in brackets behind a column's name.
        let place = |name: &str| head.iter().position(|column| column.split([' ', '[']).next() == Some(name));
        let cell = |name: &str| place(name).and_then(|place| line.get(place)).filter(|cell| !cell.is_empty());
        let Some(name) = cell("name") else { continue };
        let id = match (cell("bus_id"), cell("index")) {
            (Some(address), _) => address.to_lowercase(),
            (None, index) => format!("habana-gaudi:{}", index.unwrap_or(&"0")),
        };
        let subject = || Subject::Device(id.clone());
        facts.push(GAUDI_DEVICE.of(subject(), Value::from(*name), &question));
        let driver = cell("driver_version").and_then(|text| version(text).ok());
        if !facts.iter().any(|fact| *fact.key == GAUDI_DRIVER) {
            facts.extend(driver.map(|driver| GAUDI_DRIVER.host(driver, &question)));
        }
        let mebibytes = cell("memory.total").and_then(|cell| cell.split(' ').next()?.parse::<u64>().ok());
        facts.extend(describe(&id, mebibytes.and_then(|mebibytes| mebibytes.checked_mul(1 << 20)), &question));
        let module = cell("module_id").and_then(|cell| cell.parse().ok());
        facts.extend(module.map(|module| MODULE_ID.of(subject(), Value::Number(module), &question)));
    }
}

fn climb(report: &Report) -> Climb {
    let library = report.text(GAUDI_LIBRARY.name);
    let software = report.version(GAUDI_SOFTWARE.name);
    let installed = match (library.is_empty(), software) {
        (false, _) => Some(library),
        (true, Some(_)) => Some("hl-smi"),
        (true, None) => None,
    };
    let climb = accelerator::climb(report, &WORDS, installed).unwrap_or_else(|| climb_ready(report, library));
    climb.with("driver", report.version(GAUDI_DRIVER.name)).with("software", software.map(Version::text))
}

fn climb_ready(report: &Report, library: &str) -> Climb {
    let status = match report.all(HLML_STATUS.name).next().map(|fact| &fact.value) {
        None if library.is_empty() => {
            let detail = "the driver habanalabs is ready, and the Intel Gaudi software is not installed";
            return Climb::new(State::NotInstalled, Rung::Library, detail);
        }
        None => return Climb::none(State::Unknown, "neither HLML (libhlml.so) nor hl-smi is here to list the cards"),
        Some(Ok(status)) => status.to_string(),
        Some(Err(Missing::Crashed(how))) => {
            return Climb::new(State::Crashed, Rung::Initialise, format!("HLML killed its process with {how}"));
        }
        Some(Err(Missing::TimedOut)) => {
            return Climb::new(State::TimedOut, Rung::Initialise, "HLML did not answer in time");
        }
        Some(Err(Missing::Garbled(what))) => {
            return Climb::new(State::Broken, Rung::Load, format!("HLML: {what}"));
        }
        Some(Err(missing)) => return Climb::none(State::Unknown, format!("HLML could not be asked: {missing}")),
    };
    let subjects = report.subjects(GAUDI_DEVICE.name).into_iter();
    let named = subjects.filter_map(|subject| Some((subject, report.about(subject, GAUDI_DEVICE.name)?.to_string())));
    let names = ladder::names(named);
    if status != "working" {
        return Climb::new(State::Broken, Rung::Initialise, format!("HLML answers: {status}"));
    }
    if names.is_empty() {
        return Climb::new(State::Broken, Rung::Enumerate, "the driver habanalabs is ready, and HLML lists no card");
    }
    if library.is_empty() {
        let detail = format!("{names} listed, and the runtime libSynapse.so is not installed");
        return Climb::new(State::NotInstalled, Rung::Library, detail);
    }
    match report.host(VISIBLE_MODULES.name).map(Value::to_string).filter(|visible| hides_all(report, visible)) {
        Some(visible) => Climb::new(
            State::Masked,
            Rung::Enumerate,
            format!("HABANA_VISIBLE_MODULES is \"{visible}\", which leaves no card"),
        ),
        None => Climb::new(State::Working, Rung::Enumerate, names),
    }
}

/// Whether no number of the list is the module id of a card. Without known ids a list with a number in it may be right.
fn hides_all(report: &Report, visible: &str) -> bool {
    let ids: Vec<u64> = report
        .all(MODULE_ID.name)
        .filter_map(|fact| match fact.value {
            Ok(Value::Number(id)) => Some(id),
            _ => None,
        })
        .collect();
    let named: Vec<u64> = visible.split(',').filter_map(|id| id.trim().parse().ok()).collect();
    let all = visible.trim().eq_ignore_ascii_case("all");
    !all && !visible.trim().is_empty() && !named.iter().any(|id| ids.is_empty() || ids.contains(id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Origin;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    const TABLE: &str = "index, module_id, name, bus_id, driver_version, memory.total [MiB]\n\
                         0, 5, HL-225, 0000:33:00.0, 1.18.0-ee698fb, 98304 MiB\n\
                         1, 4, HL-225, 0000:9A:00.0, 1.18.0-ee698fb, 98304 MiB\n";

    fn facts(hlml: Answer, more: Vec<(Question, Answer)>) -> Report {
        let pci = |rest: &str| format!("/sys/bus/pci/devices{rest}");
        let found = |path: &str| (Question::Node(path.into()), Ok("file r".to_owned()));
        let answers = vec![
            (Question::System, Ok("linux x86_64".to_owned())),
            (Question::List(pci("")), Ok("0000:33:00.0".into())),
            (
                Question::Read(pci("/0000:33:00.0/uevent")),
                Ok("DRIVER=habanalabs\nPCI_CLASS=120000\nPCI_ID=1DA3:1020\n".into()),
            ),
            (Question::List(pci("/0000:33:00.0/accel")), Ok("accel0\naccel_controlD0".into())),
            (Question::Node("/dev/accel/accel0".into()), Ok("char-device rw".into())),
            (Question::Read("/sys/module/habanalabs/version".into()), Ok("1.18.0-ee698fb\n".into())),
            (Question::Library("libSynapse.so".into()), Ok("/usr/lib/habanalabs/libSynapse.so".into())),
            (Question::Library("libhlml.so".into()), Ok("/usr/lib/habanalabs/libhlml.so".into())),
            ("native habana-gaudi".parse().unwrap(), hlml),
            (Question::Env("PATH".into()), Ok("/usr/bin".into())),
            found("/usr/bin/hl-smi"),
            ("run /usr/bin/hl-smi -v".parse().unwrap(), Ok("| HL-SMI Version:   hl-1.18.0-fw-53.1.1.1  |".into())),
            (
                "run /usr/bin/hl-smi -Q index,name,bus_id,driver_version,memory.total,module_id -f csv"
                    .parse()
                    .unwrap(),
                Ok(TABLE.into()),
            ),
        ];
        let host = Recording::of(String::new(), "test", answers.into_iter().chain(more));
        Report { probes: Vec::new(), facts: ask(&host) }
    }

    #[test]
    fn reads_the_release_out_of_what_the_tool_prints() {
        let read = |text| release(text).map(|release| release.to_string());
        assert_eq!(read("HL-SMI Version: hl-1.17.0-fw-51.3.0").unwrap(), "1.17.0");
        assert_eq!(read("| HL-SMI Version:    hl-1.18.0-fw-53.1.1.1|").unwrap(), "1.18.0");
        assert!(read("hl-smi: command not found").is_err() && read("").is_err());
    }

    #[test]
    fn the_tool_tells_what_the_library_does_not() {
        let exited = Err(Missing::Exited { code: 9, message: "hlml_init".into() });
        let report = facts(exited, Vec::new());
        assert_eq!(report.host("hlml-status"), Some(&Value::from("driver-not-loaded")));
        let card = Subject::Device("0000:9a:00.0".into());
        assert_eq!(report.number(&card, "gaudi-module-id"), Some(4));
        assert_eq!(report.number(&card, "device-memory-bytes"), Some(98304 << 20));
        assert_eq!(report.host("gaudi-software-matches"), Some(&Value::Flag(true)));
    }

    #[test]
    fn a_card_stands_as_its_library_answers() {
        let listed = r#"{"driver":"1.18.0-ee698fb","devices":[{"name":"HL-225","pci":"0000:33:00.0","memory_bytes":103079215104}]}"#;
        for (answer, state, rung) in [
            (Ok(listed.to_owned()), State::Working, Rung::Enumerate),
            (Err(Missing::Crashed("signal 11".into())), State::Crashed, Rung::Initialise),
            (Err(Missing::TimedOut), State::TimedOut, Rung::Initialise),
            (Err(Missing::Exited { code: 15, message: String::new() }), State::Broken, Rung::Initialise),
            (Err(Missing::Garbled("no symbol".into())), State::Broken, Rung::Load),
        ] {
            let climb = climb(&facts(answer, Vec::new()));
            assert_eq!((climb.state, climb.rung), (state, Some(rung)), "{}", climb.detail);
        }
        assert_eq!(climb(&facts(Err(Missing::Unsupported), Vec::new())).state, State::Unknown);
        assert_eq!(climb(&Report::default()).state, State::Unknown);
    }

    #[test]
    fn modules_of_another_machine_hide_every_card() {
        let listed = r#"{"driver":null,"devices":[{"name":"HL-225","pci":"0000:33:00.0","memory_bytes":null}]}"#;
        for (visible, state) in
            [("0,1", State::Masked), ("4,5", State::Working), ("all", State::Working), ("", State::Working)]
        {
            let set = (Question::Env("HABANA_VISIBLE_MODULES".into()), Ok(visible.to_owned()));
            assert_eq!(climb(&facts(Ok(listed.to_owned()), vec![set])).state, state, "{visible}");
        }
    }

    #[test]
    fn what_is_wrong_below_the_library_is_told_first() {
        for (card, installed, state, rung) in [
            ("no-card", true, State::NotInstalled, Rung::Bus),
            ("no-driver", true, State::Broken, Rung::KernelDriver),
            ("no-driver", false, State::NotInstalled, Rung::KernelDriver),
            ("no-node", true, State::Blocked, Rung::DeviceNode),
            ("no-access", true, State::Blocked, Rung::DeviceNode),
            ("no-access", false, State::NotInstalled, Rung::Library),
            ("ready", false, State::NotInstalled, Rung::Library),
        ] {
            let given = |key: &'static Key, value: &str| Fact {
                key,
                subject: Subject::Host,
                value: Ok(Value::from(value)),
                origin: Origin::Given("test".into()),
            };
            let mut facts = vec![given(&GAUDI_CARD, card)];
            facts.extend(installed.then(|| given(&GAUDI_LIBRARY, SYNAPSE)));
            let climb = climb(&Report { probes: Vec::new(), facts });
            assert_eq!((climb.state, climb.rung), (state, Some(rung)), "{card} {installed}: {}", climb.detail);
        }
    }
}
