//! Which of the devices that the APIs list are one.
//!
//! One card has as many ids as there are APIs that do not tell its PCI address. What is one is found in three steps, each
//! for what the one before left apart: by the numbers that only one card can have (PCI address, UUID, LUID); by name and
//! vendor; and, where the bus lists every card of the machine, by vendor alone, if the counts agree. Two devices that one
//! API lists are two, and so two equal cards stay two: the first of an API goes to the first that is still free, the second
//! to the second.

use std::collections::BTreeSet;

use accelprobe_probes::fact::{Fact, Key, Origin, Report, Subject, Value};
use accelprobe_probes::host::Question;

use super::devices::listings;

/// The report with one subject for each device, which all facts about it then share: the device's id. The devices follow
/// one another in the order in which they were found, and of each the best source of a key stands first.
pub(super) fn joined(report: &Report) -> Report {
    let groups = groups(report);
    let (of_devices, mut facts): (Vec<&Fact>, Vec<&Fact>) =
        report.facts.iter().partition(|fact| matches!(fact.subject, Subject::Device(_)));
    let mut all: Vec<Fact> = facts.drain(..).cloned().collect();
    for group in &groups {
        let about = |fact: &&Fact| matches!(&fact.subject, Subject::Device(id) if group.ids.contains(&id.as_str()));
        let mut own: Vec<&Fact> = of_devices.iter().copied().filter(about).collect();
        own.sort_by_key(|fact| trust(fact));
        let subject = Subject::Device(group.id().to_owned());
        all.extend(own.into_iter().map(|fact| Fact { subject: subject.clone(), ..fact.clone() }));
    }
    Report { probes: report.probes.clone(), facts: all }
}

/// Who is believed first where sources differ about a device. The vendor's own compute API knows what it computes on; Vulkan
/// and DXGI must tell a GPU's kind and memory, and their drivers are tested for it; NVML tells of the whole card where
/// CUDA tells of the part that one gets; OpenCL has no word for "integrated" and its memory is what the driver allows.
fn trust(fact: &Fact) -> usize {
    const ORDER: &[&str] = &["cuda", "rocm", "vulkan", "directml"];
    const LAST: &[&str] = &["nvidia-driver", "opencl"];
    let place = |list: &[&str], probe: &str| list.iter().position(|name| *name == probe);
    match &fact.origin {
        Origin::Given(_) => 0,
        Origin::Asked(Question::Native(query)) => match (place(ORDER, &query.probe), place(LAST, &query.probe)) {
            (Some(place), _) => 1 + place,
            (_, Some(place)) => 2 + ORDER.len() + place,
            _ => 1 + ORDER.len(),
        },
        Origin::Asked(_) => 1 + ORDER.len(),
    }
}

/// Whether the source of a fact is one of those that know an integrated GPU when they see one.
pub(super) fn knows_kinds(fact: &Fact) -> bool {
    trust(fact) <= 4
}

/// One device, as far as it is put together.
#[derive(Clone, Default)]
struct Group<'a> {
    /// The ids under which it is listed, in order of appearance.
    ids: Vec<&'a str>,
    /// Its PCI address.
    address: Option<&'a str>,
    /// The address of the card that it is a part of.
    part_of: Option<&'a str>,
    uuids: BTreeSet<&'a str>,
    luids: BTreeSet<&'a str>,
    /// Numbers of vendor and device.
    models: BTreeSet<&'a str>,
    vendors: BTreeSet<&'a str>,
    /// The APIs that list it, each with the name that it has there.
    listed: BTreeSet<(&'static str, &'a str)>,
    /// Whether it is software; nothing that is hardware is.
    software: bool,
    /// Whether somebody says that it is a GPU.
    gpu: bool,
}

impl<'a> Group<'a> {
    fn of(report: &'a Report, id: &'a str) -> Group<'a> {
        let about = |fact: &&Fact| matches!(&fact.subject, Subject::Device(own) if own == id);
        let own: Vec<&Fact> = report.facts.iter().filter(about).collect();
        let texts = |key: &str| -> BTreeSet<&'a str> {
            own.iter().filter(|fact| fact.key.name == key).filter_map(|fact| text(&fact.value)).collect()
        };
        let address = Some(id).filter(|id| is_address(id));
        // WebGPU lists a card once for each API below it.
        let backends = texts("webgpu-api");
        let backend = |api: &'static str| match api {
            "webgpu" if backends.contains("dx12") => "webgpu over dx12",
            api => api,
        };
        let listed = |(key, api): (&'static Key, &'static str)| {
            let api = backend(api);
            texts(key.name).into_iter().map(move |name| (api, name))
        };
        let kinds = texts("device-kind");
        Group {
            ids: vec![id],
            address,
            part_of: texts("pci-address").into_iter().find(|told| is_address(told) && address.is_none()),
            uuids: texts("device-uuid"),
            luids: texts("device-luid"),
            models: texts("pci-id"),
            vendors: texts("device-vendor").into_iter().filter(|vendor| *vendor != "other").collect(),
            listed: listings().flat_map(listed).collect(),
            software: kinds.contains("software"),
            gpu: ["discrete", "integrated", "virtual"].iter().any(|kind| kinds.contains(kind)),
        }
    }

    /// The id that stands for all: the PCI address, else the first of an API, else that of an adapter of Windows.
    fn id(&self) -> &'a str {
        let by_api = || self.ids.iter().copied().find(|id| !id.starts_with("adapter:"));
        self.address.or_else(by_api).or_else(|| self.ids.first().copied()).unwrap_or_default()
    }

    fn absorb(&mut self, other: Group<'a>) {
        self.ids.extend(other.ids);
        self.address = self.address.or(other.address);
        self.part_of = self.part_of.or(other.part_of);
        self.uuids.extend(other.uuids);
        self.luids.extend(other.luids);
        self.models.extend(other.models);
        self.vendors.extend(other.vendors);
        self.listed.extend(other.listed);
        self.software |= other.software;
        self.gpu |= other.gpu;
    }

    /// Whether the two cannot be one: they differ in something of which a device has one.
    fn differs(&self, other: &Group<'_>) -> bool {
        let apart = |own: &BTreeSet<&str>, others: &BTreeSet<&str>| {
            !own.is_empty() && !others.is_empty() && own.is_disjoint(others)
        };
        let places = (self.address.or(self.part_of), other.address.or(other.part_of));
        matches!(places, (Some(own), Some(others)) if own != others || self.part_of.is_some() || other.part_of.is_some())
            || apart(&self.luids, &other.luids)
            || apart(&self.models, &other.models)
            || self.software != other.software
    }

    fn is_listed_by(&self, api: &str) -> bool {
        self.listed.iter().any(|(own, _)| *own == api)
    }

    fn shares_an_api(&self, other: &Group<'_>) -> bool {
        self.listed.iter().any(|(api, _)| other.is_listed_by(api))
    }

    /// By the numbers of one card. A LUID is Windows' own and holds even where an API lists the card once for each of two
    /// drivers, as Vulkan does with that of the vendor and Mesa's over Direct3D, under two names; linked cards share one
    /// under the same name. A UUID is what a driver makes up, and so it never joins what one API tells apart.
    fn has_number_of(&self, other: &Group<'_>) -> bool {
        let by_uuid = || !self.uuids.is_disjoint(&other.uuids) && !self.shares_an_api(other);
        let by_luid = || !self.luids.is_disjoint(&other.luids) && self.listed.is_disjoint(&other.listed);
        !self.differs(other) && (by_uuid() || by_luid())
    }

    /// By name, vendor and whether it is software.
    fn has_name_of(&self, other: &Group<'_>) -> bool {
        let named = |name: &str| other.listed.iter().any(|(_, others)| *others == name);
        !self.differs(other)
            && !self.shares_an_api(other)
            && self.listed.iter().any(|(_, name)| named(name))
            && (self.vendors.is_empty() || other.vendors.is_empty() || !self.vendors.is_disjoint(&other.vendors))
    }
}

/// Every device with all its ids. A card whose parts are devices is none itself: what is known of it is known of each part.
fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut ids: Vec<&str> = Vec::new();
    for fact in &report.facts {
        if let Subject::Device(id) = &fact.subject
            && !ids.contains(&id.as_str())
        {
            ids.push(id);
        }
    }
    let apart = ids.into_iter().map(|id| Group::of(report, id)).collect();
    let by_number = merge(apart, |left, right| left.has_number_of(right));
    let by_name = merge(by_number, |left, right| left.has_name_of(right));
    let joined = join_to_bus(by_name);
    let (parts, wholes): (Vec<Group<'_>>, Vec<Group<'_>>) =
        joined.into_iter().partition(|group| group.part_of.is_some());
    let mut devices = Vec::new();
    for whole in wholes {
        let own = || parts.iter().filter(|part| part.part_of == whole.address);
        if whole.address.is_none() || own().next().is_none() {
            devices.push(whole);
            continue;
        }
        devices.extend(own().map(|part| Group { ids: [&part.ids[..], &whole.ids[..]].concat(), ..part.clone() }));
    }
    let listed = |part: &&Group<'_>| !devices.iter().any(|device| device.id() == part.id());
    let alone: Vec<Group<'_>> = parts.iter().filter(listed).cloned().collect();
    devices.extend(alone);
    devices
}

/// Joins each to the first before it that is the same, until nothing more is.
fn merge<'a>(mut groups: Vec<Group<'a>>, same: impl Fn(&Group<'_>, &Group<'_>) -> bool) -> Vec<Group<'a>> {
    loop {
        let before = groups.len();
        let mut kept: Vec<Group<'a>> = Vec::new();
        for group in groups {
            match kept.iter_mut().find(|kept| same(kept, &group)) {
                Some(kept) => kept.absorb(group),
                None => kept.push(group),
            }
        }
        if kept.len() == before {
            return kept;
        }
        groups = kept;
    }
}

/// A bus tells every card with its vendor, and no name. Where an API that tells no address lists as many GPUs of a vendor as
/// the bus has cards of it beside those that the API's own addresses name, they are these cards.
fn join_to_bus(mut groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let apis: BTreeSet<&str> = groups.iter().flat_map(|group| group.listed.iter().map(|(api, _)| *api)).collect();
    let vendors: BTreeSet<&str> = groups.iter().flat_map(|group| group.vendors.iter().copied()).collect();
    for (api, vendor) in apis.iter().flat_map(|api| vendors.iter().map(move |vendor| (*api, *vendor))) {
        let of_vendor = |group: &&Group<'_>| group.vendors.contains(vendor) && group.part_of.is_none();
        let card = |group: &&Group<'_>| !group.models.is_empty() && group.address.is_some() && !group.is_listed_by(api);
        let lost = |group: &&Group<'_>| group.gpu && group.address.is_none() && group.is_listed_by(api);
        let of_vendor = |wanted: &dyn Fn(&&Group<'_>) -> bool| -> Vec<Group<'_>> {
            groups.iter().filter(of_vendor).filter(wanted).cloned().collect()
        };
        let (mut cards, lost) = (of_vendor(&card), of_vendor(&lost));
        if cards.len() != lost.len() {
            continue;
        }
        // An API may list them in another order than the bus, and then the numbers of the models tell.
        let mut pairs: BTreeSet<(String, String)> = BTreeSet::new();
        for lost in lost {
            let Some(place) = cards.iter().position(|card| !card.differs(&lost)) else { continue };
            pairs.insert((cards.remove(place).id().to_owned(), lost.id().to_owned()));
        }
        let paired = |card: &Group<'_>, lost: &Group<'_>| pairs.contains(&(card.id().to_owned(), lost.id().to_owned()));
        groups = merge(groups, |left, right| {
            (paired(left, right) || paired(right, left)) && !left.differs(right) && !left.shares_an_api(right)
        });
    }
    groups
}

/// Whether a text is a PCI address, `dddd:bb:dd.f`; domains of virtual machines may have more digits.
fn is_address(text: &str) -> bool {
    let digits = |part: &str, least: usize| part.len() >= least && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some((domain, rest)) = text.split_once(':') else { return false };
    let Some((bus, rest)) = rest.split_once(':') else { return false };
    let Some((slot, function)) = rest.split_once('.') else { return false };
    digits(domain, 4) && digits(bus, 2) && digits(slot, 2) && digits(function, 1)
}

fn text<E>(value: &Result<Value, E>) -> Option<&str> {
    match value {
        Ok(Value::Text(text)) => Some(text),
        _ => None,
    }
}
