//! The kernel's half: `amdgpu`, the topology of its compute driver (KFD), and who may open the nodes.

use super::{AMDGPU_DRIVER, AMDGPU_LOADED, CLOSED_NODE, KFD_GPUS, NODE_GROUP, RENDER_NODE, ROCM_KERNEL, pci_text};
use crate::bus::{DEVICE_KIND, DEVICE_MEMORY, DEVICE_VENDOR, GFX_TARGET};
use crate::fact::{Fact, Subject, Value, version};
use crate::host::{Host, Missing, Question};

/// The node through which HSA reaches the kernel.
pub(super) const KFD: &str = "/dev/kfd";
/// The door of WSL2, where there is no KFD.
const DXG: &str = "/dev/dxg";
const MODULE: &str = "/sys/module/amdgpu";
const NODES: &str = "/sys/class/kfd/kfd/topology/nodes";

/// Stands for the group of a node that no group may open.
pub(super) const NO_GROUP: &str = "none";

/// What the libraries would meet.
pub(super) struct Kernel {
    /// Whether the nodes may be opened.
    pub(super) ready: bool,
    /// Whether the way leads through WSL2's paravirtual GPU.
    pub(super) in_wsl: bool,
    /// How many GPUs KFD offers, where that is known.
    pub(super) gpus: Option<usize>,
}

/// How a node stands, with the group that may open it.
enum Node {
    Open,
    Closed(Option<String>),
    Absent,
    Unknown(Missing),
}

/// One GPU of the topology.
struct Gpu {
    address: String,
    render: Option<String>,
}

/// Looks at the driver and its nodes without opening one.
pub(super) fn ask(host: &dyn Host, facts: &mut Vec<Fact>) -> Kernel {
    let kfd = Question::Node(KFD.to_owned());
    let by_node = look(host, KFD);
    if matches!(by_node, Node::Absent) && host.exists(DXG) {
        let ready = matches!(look(host, DXG), Node::Open);
        let door = Question::Node(DXG.to_owned());
        facts.push(ROCM_KERNEL.host(Value::from(if ready { "ready" } else { "no-access" }), &door));
        if !ready {
            facts.push(CLOSED_NODE.host(Value::from(DXG), &door));
        }
        return Kernel { ready, in_wsl: true, gpus: None };
    }
    let loaded = ask_module(host, facts);
    let gpus = ask_topology(host, facts);
    let known = gpus.as_ref().ok().map(Vec::len);
    let listed = Question::List(NODES.to_owned());
    let addresses = |gpus: &Vec<Gpu>| Value::Set(gpus.iter().map(|gpu| gpu.address.clone()).collect());
    facts.push(KFD_GPUS.host(gpus.as_ref().map(addresses).map_err(Missing::clone), &listed));
    let by_render = ask_render_nodes(host, &gpus.unwrap_or_default(), facts);
    let (state, node) = match (by_node, by_render) {
        (Node::Open, None | Some((_, Node::Open))) => (Ok("ready"), kfd),
        (Node::Open, Some((node, Node::Closed(group)))) => (Ok("no-access"), closed(&node, group, facts)),
        (Node::Open, Some((node, Node::Absent))) => (Ok("no-node"), Question::Node(node)),
        (Node::Open, Some((node, Node::Unknown(missing)))) => (Err(missing), Question::Node(node)),
        (Node::Closed(group), _) => (Ok("no-access"), closed(KFD, group, facts)),
        (Node::Absent, _) if loaded => (Ok("no-node"), kfd),
        (Node::Absent, _) => (Ok("not-loaded"), kfd),
        (Node::Unknown(missing), _) => (Err(missing), kfd),
    };
    facts.push(ROCM_KERNEL.host(state.clone().map(Value::from), &node));
    Kernel { ready: state == Ok("ready"), in_wsl: false, gpus: known }
}

fn closed(node: &str, group: Option<String>, facts: &mut Vec<Fact>) -> Question {
    let question = Question::Node(node.to_owned());
    facts.push(CLOSED_NODE.host(Value::from(node), &question));
    facts.push(NODE_GROUP.host(group.map(Value::Text).ok_or(Missing::NotFound), &question));
    question
}

/// Whether `amdgpu` is loaded, and the version of AMD's own.
fn ask_module(host: &dyn Host, facts: &mut Vec<Fact>) -> bool {
    let folder = Question::Node(MODULE.to_owned());
    let state = Question::Read(format!("{MODULE}/initstate"));
    let loaded = match host.ask(&folder) {
        // A module that is on its way in or out is of no use yet or any more; a built-in one has no state.
        Ok(_) => Ok(!matches!(host.ask(&state).as_deref().map(str::trim), Ok("coming" | "going"))),
        Err(Missing::NotFound) if host.exists("/sys/module") => Ok(false),
        Err(Missing::NotFound) => Err(Missing::Garbled("/sys is not mounted here".to_owned())),
        Err(missing) => Err(missing),
    };
    facts.push(AMDGPU_LOADED.host(loaded.clone().map(Value::Flag), &folder));
    let number = Question::Read(format!("{MODULE}/version"));
    facts.push(AMDGPU_DRIVER.host(host.ask(&number).and_then(|text| version(&text)), &number));
    loaded.unwrap_or(false)
}

/// The GPUs that KFD offers, each with its facts. Where a device cgroup denies them, reading one is denied, too.
fn ask_topology(host: &dyn Host, facts: &mut Vec<Fact>) -> Result<Vec<Gpu>, Missing> {
    let names = host.ask(&Question::List(NODES.to_owned()))?;
    let mut gpus = Vec::new();
    let mut denied = None;
    for name in names.lines() {
        let question = Question::Read(format!("{NODES}/{name}/properties"));
        let text = match host.ask(&question) {
            Ok(text) => text,
            Err(missing) => {
                denied = Some(missing);
                continue;
            }
        };
        let value = |name: &str| property(&text, name).unwrap_or(0);
        // A node without SIMD units is a processor.
        if value("simd_count") == 0 {
            continue;
        }
        let address = pci_text(value("domain"), value("location_id"));
        let subject = || Subject::Device(address.clone());
        facts.push(DEVICE_VENDOR.of(subject(), Value::from("amd"), &question));
        let target = gfx_target(value("gfx_target_version"));
        if let Some(kind) = kind(value("cpu_cores_count"), target.as_deref()) {
            facts.push(DEVICE_KIND.of(subject(), Value::from(kind), &question));
        }
        facts.extend(target.map(|target| GFX_TARGET.of(subject(), Value::Text(target), &question)));
        facts.extend(memory(host, name, subject()));
        let minor = property(&text, "drm_render_minor").filter(|minor| *minor > 0);
        let render = minor.map(|minor| format!("/dev/dri/renderD{minor}"));
        // A card in several partitions is several nodes of one address.
        if !gpus.iter().any(|gpu: &Gpu| gpu.address == address) {
            gpus.push(Gpu { address, render });
        }
    }
    match denied {
        Some(missing) if gpus.is_empty() => Err(missing),
        _ => Ok(gpus),
    }
}

/// A GPU's own memory: its banks of the kinds "frame buffer", public and private.
fn memory(host: &dyn Host, node: &str, subject: Subject) -> Option<Fact> {
    let folder = Question::List(format!("{NODES}/{node}/mem_banks"));
    let banks = host.ask(&folder).ok()?;
    let sizes = banks.lines().filter_map(|bank| {
        let text = host.read(&format!("{NODES}/{node}/mem_banks/{bank}/properties")).ok()?;
        let own = matches!(property(&text, "heap_type"), Some(1 | 2));
        property(&text, "size_in_bytes").filter(|_| own)
    });
    let bytes = sizes.fold(0, u64::saturating_add);
    (bytes > 0).then(|| DEVICE_MEMORY.of(subject, Value::Number(bytes), &folder))
}

/// How each GPU's render node stands, and the best of them: one open node is enough to compute.
fn ask_render_nodes(host: &dyn Host, gpus: &[Gpu], facts: &mut Vec<Fact>) -> Option<(String, Node)> {
    let mut best: Option<(String, Node)> = None;
    for gpu in gpus {
        let Some(path) = &gpu.render else { continue };
        let node = look(host, path);
        let (rank, told) = match &node {
            Node::Open => (3, Ok("open")),
            Node::Closed(_) => (2, Ok("no-access")),
            Node::Absent => (0, Ok("no-node")),
            Node::Unknown(missing) => (1, Err(missing.clone())),
        };
        let subject = Subject::Device(gpu.address.clone());
        facts.push(RENDER_NODE.of(subject, told.map(Value::from), &Question::Node(path.clone())));
        let better = best.as_ref().is_none_or(|(_, best)| match best {
            Node::Open => false,
            Node::Closed(_) => rank > 2,
            Node::Unknown(_) => rank > 1,
            Node::Absent => rank > 0,
        });
        if better {
            best = Some((path.clone(), node));
        }
    }
    best
}

fn look(host: &dyn Host, path: &str) -> Node {
    match host.node(path) {
        Ok(node) if node.split(' ').nth(1) == Some("rw") => Node::Open,
        Ok(node) => Node::Closed(Some(group(&node).unwrap_or_else(|| NO_GROUP.to_owned()))),
        Err(Missing::NotFound) => Node::Absent,
        Err(Missing::Denied) => Node::Closed(None),
        Err(missing) => Node::Unknown(missing),
    }
}

/// The group in an answer such as `char-device - group=render`.
fn group(node: &str) -> Option<String> {
    let words = node.split_once(" -> ").map_or(node, |(words, _)| words);
    words.split(' ').find_map(|word| word.strip_prefix("group=")).map(str::to_owned)
}

/// A number of a `properties` file: lines of a name and a number.
fn property(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `gfx90a` of 90010: decimal pairs, of which the name writes minor version and stepping in hexadecimal.
fn gfx_target(number: u64) -> Option<String> {
    let (major, minor, stepping) = (number / 10000, number / 100 % 100, number % 100);
    (major > 0 && minor < 16 && stepping < 16).then(|| format!("gfx{major}{minor:x}{stepping:x}"))
}

/// Targets that are parts of processors. Newer kernels list them like cards, without a processor's cores.
const INTEGRATED: &[&str] = &[
    "gfx801", "gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1037", "gfx1103",
    "gfx1150", "gfx1151", "gfx1152", "gfx1153",
];
/// Targets that are cards and parts of processors alike.
const EITHER: &[&str] = &["gfx940", "gfx942"];

fn kind(cores: u64, target: Option<&str>) -> Option<&'static str> {
    match target {
        _ if cores > 0 => Some("integrated"),
        Some(target) if INTEGRATED.contains(&target) => Some("integrated"),
        Some(target) if !EITHER.contains(&target) => Some("discrete"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    #[test]
    fn gfx_targets_are_read_whole() {
        for (number, name) in [
            (90010, Some("gfx90a")),
            (90012, Some("gfx90c")),
            (90402, Some("gfx942")),
            (100306, Some("gfx1036")),
            (110000, Some("gfx1100")),
            (110501, Some("gfx1151")),
            (120001, Some("gfx1201")),
            (80003, Some("gfx803")),
            (0, None),
            (110_099, None),
        ] {
            assert_eq!(gfx_target(number).as_deref(), name, "{number}");
        }
    }

    #[test]
    fn the_group_stands_between_access_and_target() {
        assert_eq!(group("char-device - group=render -> /dev/x").as_deref(), Some("render"));
        assert_eq!(group("char-device rw -> /dev/group=x"), None);
    }

    fn asked(answers: Vec<(Question, Answer)>) -> (Kernel, Report) {
        let system = std::iter::once((Question::System, Ok("linux x86_64".to_owned())));
        let mut host = Recording::of(String::new(), "test", system.chain(answers));
        host.complete = true;
        let mut facts = Vec::new();
        let kernel = ask(&host, &mut facts);
        (kernel, Report { probes: Vec::new(), facts })
    }

    fn card(kfd: Answer, render: Answer) -> Vec<(Question, Answer)> {
        let file = |path: &str| Question::Read(format!("{NODES}/{path}"));
        let bank = "heap_type 1\nsize_in_bytes 25753026560\nflags 0\n";
        let properties = "cpu_cores_count 0\nsimd_count 192\ngfx_target_version 110000\nvendor_id 4098\n\
                          location_id 768\ndomain 0\ndrm_render_minor 128\n";
        vec![
            (Question::Node(KFD.into()), kfd),
            (Question::Node("/dev/dri/renderD128".into()), render),
            (Question::Node("/sys/module".into()), Ok("directory r".into())),
            (Question::Node(MODULE.into()), Ok("directory r".into())),
            (Question::List(NODES.into()), Ok("0\n1".into())),
            (file("0/properties"), Ok("cpu_cores_count 32\nsimd_count 0\n".into())),
            (file("1/properties"), Ok(properties.into())),
            (Question::List(format!("{NODES}/1/mem_banks")), Ok("0\n1".into())),
            (file("1/mem_banks/0/properties"), Ok(bank.into())),
            (file("1/mem_banks/1/properties"), Ok("heap_type 0\nsize_in_bytes 99\n".into())),
        ]
    }

    #[test]
    fn a_card_of_the_topology_is_the_one_of_the_bus() {
        let open = || Ok("char-device rw group=render".to_owned());
        let (kernel, report) = asked(card(open(), open()));
        assert!(kernel.ready && kernel.gpus == Some(1));
        let card = Subject::Device("0000:03:00.0".into());
        assert_eq!(report.about(&card, "gfx-target"), Some(&Value::from("gfx1100")));
        assert_eq!(report.about(&card, "device-kind"), Some(&Value::from("discrete")));
        assert_eq!(report.number(&card, "device-memory-bytes"), Some(25_753_026_560));
        assert_eq!(report.text("rocm-kernel-driver"), "ready");
    }

    #[test]
    fn a_closed_node_names_its_group_and_a_closed_render_node_counts() {
        let open = || Ok("char-device rw group=render".to_owned());
        let shut = || Ok("char-device - group=render".to_owned());
        let absent = || Err(Missing::NotFound);
        for (kfd, render, state, node) in [
            (shut(), shut(), "no-access", KFD),
            (open(), shut(), "no-access", "/dev/dri/renderD128"),
            (open(), absent(), "no-node", ""),
            (absent(), absent(), "no-node", ""),
        ] {
            let (kernel, report) = asked(card(kfd, render));
            assert!(!kernel.ready);
            assert_eq!((report.text("rocm-kernel-driver"), report.text("rocm-closed-node")), (state, node));
            assert_eq!(report.text("rocm-node-group"), if node.is_empty() { "" } else { "render" });
        }
    }

    #[test]
    fn a_cgroup_that_hides_the_gpus_leaves_them_unknown() {
        let mut answers = card(Ok("char-device rw".into()), Ok("char-device rw".into()));
        for (question, answer) in &mut answers {
            if question.text().ends_with("1/properties") {
                *answer = Err(Missing::Denied);
            }
        }
        let (kernel, report) = asked(answers);
        assert_eq!(kernel.gpus, None);
        assert_eq!(report.all("kfd-gpus").next().map(|fact| &fact.value), Some(&Err(Missing::Denied)));
    }

    #[test]
    fn integrated_gpus_are_told_by_cores_or_target() {
        assert_eq!(kind(8, Some("gfx902")), Some("integrated"));
        assert_eq!(kind(0, Some("gfx1151")), Some("integrated"));
        assert_eq!((kind(0, Some("gfx90a")), kind(0, Some("gfx942")), kind(0, None)), (Some("discrete"), None, None));
    }
}
