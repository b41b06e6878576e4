//! Cards on the PCI bus of Linux: does the kernel's driver hold them, and may this process open their device node.
//!
//! What Gaudi cards, IPUs and Intel's GPUs and NPUs have in common below their libraries. Nothing is opened: sysfs tells
//! the driver, access(2) the rest. A card that is kept for a virtual machine is passed over.
//! References: sysfs-bus-pci and the accel subsystem in the kernel's documentation.

use crate::bus::{PCI_FOLDER, PciDevice};
use crate::fact::{Report, Value};
use crate::host::{Host, Missing, Question};
use crate::ladder::{Climb, Rung, State};

/// There is no such card.
pub(crate) const NO_CARD: &str = "no-card";
/// A card is there, and no kernel driver holds it.
pub(crate) const NO_DRIVER: &str = "no-driver";
/// Its driver made no device node, or the node is not in this container.
pub(crate) const NO_NODE: &str = "no-node";
/// This process may not open the node.
pub(crate) const NO_ACCESS: &str = "no-access";
/// The node may be opened.
pub(crate) const READY: &str = "ready";

/// The states of a card, worst first.
const STATES: [&str; 5] = [NO_CARD, NO_DRIVER, NO_NODE, NO_ACCESS, READY];

/// The cards of one kind.
pub(crate) struct Cards {
    /// How far the best of them gets: one of the words above.
    pub state: Result<&'static str, Missing>,
    /// The device node of that one, where its place is known.
    pub node: Option<String>,
    /// The addresses of all of them.
    pub addresses: Vec<String>,
    /// The question that settled it.
    pub origin: Question,
}

/// Looks for cards that `wanted` tells, each with the node that `node` finds for its address and its place in the list.
pub(crate) fn cards(
    host: &dyn Host,
    wanted: impl Fn(&PciDevice) -> bool,
    node: impl Fn(&str, usize) -> Option<String>,
) -> Cards {
    let bus = Question::List(PCI_FOLDER.to_owned());
    let mut found = Cards { state: Ok(NO_CARD), node: None, addresses: Vec::new(), origin: bus.clone() };
    let listed = match host.ask(&bus) {
        Ok(listed) => listed,
        // A board without PCI has a /sys without it; a sandbox without /sys tells nothing.
        Err(Missing::NotFound) if host.exists("/sys/bus") => String::new(),
        Err(missing) => {
            found.state = Err(missing);
            return found;
        }
    };
    let rank = |state: &str| STATES.iter().position(|known| *known == state);
    for address in listed.lines() {
        let uevent = Question::Read(format!("{PCI_FOLDER}/{address}/uevent"));
        let Some(device) = host.ask(&uevent).ok().and_then(|text| PciDevice::parse(&text)) else { continue };
        if !wanted(&device) || device.is_given_away() {
            continue;
        }
        let path = node(address, found.addresses.len());
        found.addresses.push(address.to_owned());
        let (state, origin) = match (&device.driver, &path) {
            (None, _) => (Ok(NO_DRIVER), uevent),
            (Some(_), None) => (Ok(NO_NODE), uevent),
            (Some(_), Some(path)) => (access(host, path), Question::Node(path.clone())),
        };
        let better = match (&found.state, &state) {
            (Ok(known), Ok(state)) => rank(state) > rank(known),
            (Ok(known), Err(_)) => *known != READY,
            (Err(_), state) => *state == Ok(READY),
        };
        if better {
            found = Cards { state, node: path, origin, ..found };
        }
    }
    found
}

/// Whether a device node may be opened, without opening it.
pub(crate) fn access(host: &dyn Host, path: &str) -> Result<&'static str, Missing> {
    match host.node(path) {
        Ok(node) if node.split(' ').nth(1) == Some("rw") => Ok(READY),
        Ok(_) | Err(Missing::Denied) => Ok(NO_ACCESS),
        Err(Missing::NotFound) => Ok(NO_NODE),
        Err(missing) => Err(missing),
    }
}

/// The first name with this beginning and a number that a card's driver registered in a class of the kernel, such as `renderD128` in
/// `drm`.
pub(crate) fn registered(host: &dyn Host, address: &str, class: &str, beginning: &str) -> Option<String> {
    let numbered = |name: &String| {
        name.strip_prefix(beginning)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    host.list(&format!("{PCI_FOLDER}/{address}/{class}")).into_iter().find(numbered)
}

/// What a person calls the parts of a kind of card.
pub(crate) struct Words {
    /// The card with its article: `a Gaudi card`.
    pub card: &'static str,
    /// The kernel module.
    pub module: &'static str,
    /// The fact with the state of the cards.
    pub state: &'static str,
    /// The fact with their node.
    pub node: &'static str,
}

/// Where the climb ends below the library; nothing where a card is ready. `installed` is what of its software is here:
/// without any, a card that cannot be used is no fault.
pub(crate) fn climb(report: &Report, words: &Words, installed: Option<&str>) -> Option<Climb> {
    let Words { card, module, .. } = words;
    let noun = card.split_once(' ').map_or(*card, |(_, noun)| noun);
    let node = report.text(words.node);
    let node = if node.is_empty() { "its device node" } else { node };
    let state = match report.all(words.state).next().map(|fact| &fact.value) {
        Some(Ok(Value::Text(state))) => state.as_str(),
        Some(Err(missing)) => {
            return Some(Climb::none(State::Unknown, format!("whether {card} is here is not known: {missing}")));
        }
        _ => return Some(Climb::none(State::Unknown, format!("{card} was not looked for"))),
    };
    let without = match (state, installed) {
        (READY, _) => return None,
        (NO_CARD, Some(software)) => {
            (State::NotInstalled, Rung::Bus, format!("{software} is here, and no {noun} is on the bus"))
        }
        (NO_CARD, None) => (State::NotInstalled, Rung::Bus, format!("no {noun} on the bus")),
        (NO_DRIVER, None) => {
            (State::NotInstalled, Rung::KernelDriver, format!("{card} is on the bus, without its driver {module}"))
        }
        (_, None) => (State::NotInstalled, Rung::Library, format!("{card} is on the bus, without its software")),
        (NO_DRIVER, Some(_)) => (
            State::Broken,
            Rung::KernelDriver,
            format!("{card} is on the bus, and the kernel driver {module} does not hold it"),
        ),
        (NO_NODE, Some(_)) if report.is("container") => (
            State::Blocked,
            Rung::DeviceNode,
            format!("{card} is on the bus, and this container was started without {node}"),
        ),
        (NO_NODE, Some(_)) => {
            (State::Blocked, Rung::DeviceNode, format!("the driver {module} holds {card}, and {node} is not there"))
        }
        _ => (State::Blocked, Rung::DeviceNode, format!("this user may not open {node}")),
    };
    let (state, rung, detail) = without;
    Some(Climb::new(state, rung, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    fn found(driver: &str, node: Answer) -> Cards {
        let host = Recording::of(
            String::new(),
            "test",
            [
                (Question::List(PCI_FOLDER.into()), Ok("0000:00:02.0\n0000:33:00.0".into())),
                (
                    Question::Read(format!("{PCI_FOLDER}/0000:00:02.0/uevent")),
                    Ok("DRIVER=i915\nPCI_CLASS=30000\nPCI_ID=8086:4C8A\n".into()),
                ),
                (
                    Question::Read(format!("{PCI_FOLDER}/0000:33:00.0/uevent")),
                    Ok(format!("{driver}PCI_CLASS=120000\nPCI_ID=1DA3:1020\n")),
                ),
                (Question::Node("/dev/accel/accel0".into()), node),
            ],
        );
        cards(&host, |device| device.vendor == 0x1da3, |_, place| Some(format!("/dev/accel/accel{place}")))
    }

    #[test]
    fn a_card_is_as_far_as_its_driver_and_its_node() {
        let bound = "DRIVER=habanalabs\n";
        for (driver, node, state) in [
            (bound, Ok("char-device rw".into()), Ok(READY)),
            (bound, Ok("char-device -".into()), Ok(NO_ACCESS)),
            (bound, Err(Missing::NotFound), Ok(NO_NODE)),
            (bound, Err(Missing::NotRecorded), Err(Missing::NotRecorded)),
            ("", Ok("char-device rw".into()), Ok(NO_DRIVER)),
            ("DRIVER=vfio-pci\n", Ok("char-device rw".into()), Ok(NO_CARD)),
        ] {
            assert_eq!(found(driver, node).state, state, "{driver}");
        }
        assert_eq!(found(bound, Ok("char-device rw".into())).addresses, ["0000:33:00.0"]);
    }

    #[test]
    fn a_bus_that_cannot_be_asked_is_no_bus_without_a_card() {
        let host = Recording::of(String::new(), "test", []);
        assert_eq!(cards(&host, |_| true, |_, _| None).state, Err(Missing::NotRecorded));
    }
}
