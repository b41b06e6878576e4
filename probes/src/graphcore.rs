//! Graphcore IPUs: cards on the bus, IPUs in the network, their kernel driver and device nodes, and the Poplar SDK.
//!
//! Looks for cards of vendor 1d95 and for `/dev/ipuN`. IPUs of a pod are reached over a network, so there the bus is empty
//! and a variable or a file of the V-IPU software names the partition. The SDK is the folder that its `enable.sh` leaves
//! in `POPLAR_SDK_ENABLED`, its version the end of that folder's name. `gc-info` is asked for the number of IPUs and
//! their architecture alone: its lists name hosts, users and serial numbers.
//! It cannot tell whether the partition's IPUs are free, nor anything of the simulated IPU Model.
//! References: Graphcore command line tools, "gc-info"; V-IPU user guide; Poplar SDK overview.

use crate::Probe;
use crate::accelerator::{self, NO_CARD, READY, Words};
use crate::bus::{DEVICE_KIND, DEVICE_VENDOR};
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Command, Host, Missing, Question};
use crate::ladder::{Climb, Rung, State};
use crate::search_path;

/// See the module.
pub static PROBE: Probe = Probe {
    name: "graphcore-poplar",
    keys: &[&IPU_CARD, &IPU_NODE, &IPU_DRIVER, &IPU_NETWORK, &POPLAR_SDK, &POPLAR_LIBRARY, &IPU_COUNT, &IPU_DEVICE],
    ask,
    climb: Some(climb),
    native: None,
    seconds: 10,
};

static IPU_CARD: Key = Key::new(
    "ipu-card",
    Kind::Text,
    Scope::Host,
    "How far the best IPU on the bus gets: `no-card`, `no-driver`, `no-node`, `no-access` or `ready`.",
);
static IPU_NODE: Key = Key::new("ipu-node", Kind::Text, Scope::Host, "The device node of that IPU.");
static IPU_DRIVER: Key =
    Key::new("ipu-driver", Kind::Version, Scope::Host, "Version of the kernel driver of IPU cards.");
static IPU_NETWORK: Key = Key::new(
    "ipu-network",
    Kind::Text,
    Scope::Host,
    "What names IPUs in the network: `IPUOF_VIPU_API_PARTITION_ID` or `IPUOF_CONFIG_PATH`.",
);
static POPLAR_SDK: Key = Key::new(
    "poplar-sdk",
    Kind::Version,
    Scope::Host,
    "Version of the Poplar SDK that is enabled, by the name of its folder.",
);
static POPLAR_LIBRARY: Key =
    Key::new("poplar-library", Kind::Text, Scope::Host, "Path of `libpoplar.so`, which every IPU program loads.");
static IPU_COUNT: Key =
    Key::new("ipu-count", Kind::Number, Scope::Host, "How many IPUs programs of this user get, by `gc-info`.");
static IPU_DEVICE: Key = Key::new(
    "graphcore-poplar-device",
    Kind::Text,
    Scope::Device,
    "The IPU's name by `gc-info`: its architecture, as in `IPU (ipu21)`.",
);

const WORDS: Words = Words { card: "an IPU", module: "ipu_driver", state: IPU_CARD.name, node: IPU_NODE.name };

/// More IPUs than are listed one by one.
const MOST_DEVICES: u64 = 256;

fn ask(host: &dyn Host) -> Vec<Fact> {
    if host.system() != "linux" {
        return Vec::new();
    }
    let cards = accelerator::cards(host, |device| device.vendor == 0x1d95, |_, place| Some(format!("/dev/ipu{place}")));
    let ready = cards.state == Ok(READY);
    let mut facts = vec![IPU_CARD.host(cards.state.map(Value::from), &cards.origin)];
    facts.extend(cards.node.map(|node| IPU_NODE.host(Value::Text(node), &cards.origin)));
    let module = Question::Read("/sys/module/ipu_driver/version".to_owned());
    facts.extend(host.ask(&module).ok().map(|text| IPU_DRIVER.host(version(&text), &module)));
    let network = ["IPUOF_VIPU_API_PARTITION_ID", "IPUOF_CONFIG_PATH"].into_iter().find_map(|name| {
        let question = Question::Env(name.to_owned());
        host.ask(&question)
            .ok()
            .filter(|value| !value.is_empty())
            .map(|_| IPU_NETWORK.host(Value::from(name), &question))
    });
    let networked = network.is_some();
    facts.extend(network);
    let enabled = Question::Env("POPLAR_SDK_ENABLED".to_owned());
    let folder = host.ask(&enabled).ok().filter(|folder| !folder.is_empty());
    facts.extend(folder.as_deref().map(|folder| POPLAR_SDK.host(sdk_version(folder), &enabled)));
    let library = Question::Library("libpoplar.so".to_owned());
    let inside = folder.map(|folder| Question::Node(format!("{}/lib/libpoplar.so", folder.trim_end_matches('/'))));
    let inside = inside.filter(|inside| host.ask(inside).is_ok());
    facts.push(match (host.taken(&library), inside) {
        (Err(Missing::NotFound), Some(inside)) => POPLAR_LIBRARY.host(Value::Text(inside.text().into_owned()), &inside),
        (taken, _) => POPLAR_LIBRARY.host(taken.map(Value::Text), &library),
    });
    if let (Some(tool), true) = (search_path::find(host, "gc-info"), ready || networked) {
        ask_tool(host, &tool, &cards.addresses, &mut facts);
    }
    facts
}

/// `3.3.0` of a folder such as `…/poplar-ubuntu_20_04-3.3.0+7857-b67b751185`.
fn sdk_version(folder: &str) -> Result<Value, Missing> {
    let parts = folder.rsplit(['/', '-']);
    let release = parts.filter_map(|part| part.split_once('+')).map(|(release, _)| release);
    let release = release.filter(|release| release.contains('.')).find_map(|release| version(release).ok());
    release.ok_or_else(|| Missing::Garbled(format!("`{folder}` names no version")))
}

fn ask_tool(host: &dyn Host, program: &str, addresses: &[String], facts: &mut Vec<Fact>) {
    let run =
        |argument: &str| Question::Run(Command { program: program.to_owned(), arguments: vec![argument.to_owned()] });
    let question = run("--ipu-count");
    let count = host.ask(&question).and_then(|text| {
        let number = text.split_whitespace().find_map(|word| word.parse::<u64>().ok());
        number.ok_or_else(|| Missing::Garbled("`gc-info --ipu-count` printed no number".to_owned()))
    });
    facts.push(IPU_COUNT.host(count.clone().map(Value::Number), &question));
    let count = count.unwrap_or(0).min(MOST_DEVICES);
    if count == 0 {
        return;
    }
    let architecture = host.ask(&run("--ipu-arch")).ok();
    let architecture =
        architecture.and_then(|text| text.split_whitespace().find(|word| word.starts_with("ipu")).map(str::to_owned));
    let name = architecture.map_or_else(|| "IPU".to_owned(), |architecture| format!("IPU ({architecture})"));
    let on_bus = u64::try_from(addresses.len()) == Ok(count);
    for place in 0..count {
        // IPUs of the network have no address; where the numbers agree, these are the cards of the bus.
        let address = usize::try_from(place).ok().and_then(|place| addresses.get(place)).filter(|_| on_bus);
        let id = address.cloned().unwrap_or_else(|| format!("graphcore-poplar:{place}"));
        let subject = || Subject::Device(id.clone());
        facts.push(IPU_DEVICE.of(subject(), Value::Text(name.clone()), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from("graphcore"), &question));
        facts.push(DEVICE_KIND.of(subject(), Value::from("discrete"), &question));
    }
}

fn climb(report: &Report) -> Climb {
    let library = report.text(POPLAR_LIBRARY.name);
    let installed = (!library.is_empty()).then_some(library);
    let networked = report.text(IPU_NETWORK.name);
    let by_bus = accelerator::climb(report, &WORDS, installed);
    let climb = match by_bus {
        Some(_) if !networked.is_empty() && report.text(IPU_CARD.name) == NO_CARD => climb_ready(report, library),
        Some(climb) => climb,
        None => climb_ready(report, library),
    };
    climb.with("driver", report.version(IPU_DRIVER.name)).with("sdk", report.version(POPLAR_SDK.name))
}

fn climb_ready(report: &Report, library: &str) -> Climb {
    let count = report.all(IPU_COUNT.name).next().map(|fact| &fact.value);
    match (library.is_empty(), count) {
        (true, _) => Climb::new(
            State::NotInstalled,
            Rung::Library,
            "IPUs are named, and the Poplar SDK is not enabled: no libpoplar.so, and POPLAR_SDK_ENABLED leads to none",
        ),
        (false, None) => Climb::none(State::Unknown, format!("{library} is here, without gc-info to list the IPUs")),
        (false, Some(Ok(Value::Number(0)))) => Climb::new(
            State::Broken,
            Rung::Enumerate,
            match report.text(IPU_NETWORK.name) {
                "" => "gc-info lists no IPU although one is on the bus".to_owned(),
                name => format!("gc-info lists no IPU of the partition that {name} names"),
            },
        ),
        (false, Some(Ok(count))) => {
            let name = report.all(IPU_DEVICE.name).find_map(|fact| fact.value.as_ref().ok());
            Climb::new(
                State::Working,
                Rung::Enumerate,
                format!("{count} × {}", name.map_or_else(|| "IPU".to_owned(), Value::to_string)),
            )
        }
        (false, Some(Err(Missing::Crashed(how)))) => {
            Climb::new(State::Crashed, Rung::Enumerate, format!("gc-info was ended by {how}"))
        }
        (false, Some(Err(Missing::TimedOut))) => {
            Climb::new(State::TimedOut, Rung::Enumerate, "gc-info did not answer in time")
        }
        (false, Some(Err(missing @ (Missing::Exited { .. } | Missing::Garbled(_))))) => {
            Climb::new(State::Broken, Rung::Enumerate, format!("gc-info {missing}"))
        }
        (false, Some(Err(missing))) => Climb::none(State::Unknown, format!("gc-info could not be asked: {missing}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    fn facts(more: Vec<(Question, Answer)>) -> Report {
        let sdk = "/opt/gc/poplar-ubuntu_20_04-3.3.0+7857-b67b751185";
        let answers = vec![
            (Question::System, Ok("linux x86_64".to_owned())),
            (Question::List("/sys/bus/pci/devices".into()), Ok(String::new())),
            (Question::Env("POPLAR_SDK_ENABLED".into()), Ok(sdk.into())),
            (Question::Library("libpoplar.so".into()), Err(Missing::NotFound)),
            (Question::Node(format!("{sdk}/lib/libpoplar.so")), Ok("file r".into())),
            (Question::Env("PATH".into()), Ok(format!("{sdk}/bin"))),
            (Question::Node(format!("{sdk}/bin/gc-info")), Ok("file r".into())),
        ];
        let host = Recording::of(String::new(), "test", answers.into_iter().chain(more));
        Report { probes: Vec::new(), facts: ask(&host) }
    }

    fn pod(count: Answer) -> Report {
        let tool = "run /opt/gc/poplar-ubuntu_20_04-3.3.0+7857-b67b751185/bin/gc-info";
        facts(vec![
            (Question::Env("IPUOF_VIPU_API_PARTITION_ID".into()), Ok("p1".into())),
            (format!("{tool} --ipu-count").parse().unwrap(), count),
            (format!("{tool} --ipu-arch").parse().unwrap(), Ok("ipu2\n".into())),
        ])
    }

    #[test]
    fn reads_the_version_of_an_sdk_off_its_folder() {
        let read = |folder| sdk_version(folder).map(|version| version.to_string());
        assert_eq!(
            read("/opt/poplar_sdk-ubuntu_20_04-3.3.0+1403-208993bbb7/poplar-ubuntu_20_04-3.3.0+7857-b67b").unwrap(),
            "3.3.0"
        );
        assert_eq!(read("/opt/gc/poplar-ubuntu_18_04-2.5.1+4748-e94d646535/").unwrap(), "2.5.1");
        assert!(read("/opt/poplar").is_err());
    }

    #[test]
    fn ipus_of_the_network_need_no_bus() {
        let report = pod(Ok("4\n".into()));
        assert_eq!(report.version("poplar-sdk").unwrap().text(), "3.3.0");
        assert_eq!(report.subjects("graphcore-poplar-device").len(), 4);
        let climb = climb(&report);
        assert_eq!((climb.state, climb.rung), (State::Working, Some(Rung::Enumerate)), "{}", climb.detail);
        assert_eq!(climb.detail, "4 × IPU (ipu2)");
    }

    #[test]
    fn an_ipu_stands_as_its_tool_answers() {
        for (count, state) in [
            (Ok("0\n".into()), State::Broken),
            (Ok("no devices\n".into()), State::Broken),
            (Err(Missing::Exited { code: 1, message: String::new() }), State::Broken),
            (Err(Missing::Crashed("signal 6".into())), State::Crashed),
            (Err(Missing::TimedOut), State::TimedOut),
            (Err(Missing::NotRecorded), State::Unknown),
        ] {
            assert_eq!(climb(&pod(count.clone())).state, state, "{count:?}");
        }
    }

    #[test]
    fn an_sdk_without_an_ipu_is_no_fault_and_asks_no_tool() {
        let report = facts(Vec::new());
        assert_eq!(report.all("ipu-count").count(), 0);
        let climb = climb(&report);
        assert_eq!((climb.state, climb.rung), (State::NotInstalled, Some(Rung::Bus)), "{}", climb.detail);
    }
}
