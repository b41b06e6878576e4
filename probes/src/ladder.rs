//! The state of a system and the ladder on which it is found.
//!
//! A probe turns answers into facts; its `climb` turns facts into a [`Climb`]. That second step asks nothing, so the
//! same code says how far a system gets on a live machine, in a recording and in what somebody said with `--set`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fact::Subject;

/// How a system stands on a machine. A closed set; no state is ever put for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Initialised through its own API with at least one accelerator, or, for a library, loaded and its version read.
    Working,
    /// Works, on a software implementation alone. Never called a GPU.
    SoftwareOnly,
    /// Hidden by an environment variable, which is named.
    Masked,
    /// Stopped by a permission, a device node, a cgroup or a container boundary, which is named.
    Blocked,
    /// Present and failing; the file and the code are named.
    Broken,
    /// Its library killed the child; the signal and the file are named.
    Crashed,
    /// Its library did not answer in time. Not the same as "no GPU".
    TimedOut,
    /// Nothing of it is here.
    NotInstalled,
    /// It cannot exist in this environment.
    NotApplicable,
    /// It could not be established; why is said.
    Unknown,
}

/// A step of the ladder, from the hardware upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// The hardware is on the bus.
    Bus,
    /// The kernel has a driver for it.
    KernelDriver,
    /// Its device node is there and may be opened.
    DeviceNode,
    /// The user-mode library or loader is there.
    Library,
    /// The library loads.
    Load,
    /// The API initialises.
    Initialise,
    /// The API lists a device.
    Enumerate,
    /// A small computation ran and was right.
    Compute,
}

/// How far a system got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Climb {
    /// How it stands.
    pub state: State,
    /// The highest rung reached where it works, else the first that broke; nothing where no rung was tried.
    pub rung: Option<Rung>,
    /// One sentence without a final period: what was found, by name.
    pub detail: String,
    /// Versions of its parts, such as `loader`, `driver`, `toolkit`.
    pub versions: BTreeMap<String, String>,
}

impl Climb {
    /// A climb that ended at a rung.
    pub fn new(state: State, rung: Rung, detail: impl Into<String>) -> Climb {
        Climb { state, rung: Some(rung), detail: detail.into(), versions: BTreeMap::new() }
    }

    /// A climb that never began.
    pub fn none(state: State, detail: impl Into<String>) -> Climb {
        Climb { state, rung: None, detail: detail.into(), versions: BTreeMap::new() }
    }

    /// Adds the version of a part, where it is known.
    #[must_use]
    pub fn with(mut self, part: &str, version: Option<impl fmt::Display>) -> Climb {
        if let Some(version) = version {
            self.versions.insert(part.to_owned(), version.to_string());
        }
        self
    }
}

impl State {
    /// The state's name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            State::Working => "working",
            State::SoftwareOnly => "software-only",
            State::Masked => "masked",
            State::Blocked => "blocked",
            State::Broken => "broken",
            State::Crashed => "crashed",
            State::TimedOut => "timed-out",
            State::NotInstalled => "not-installed",
            State::NotApplicable => "not-applicable",
            State::Unknown => "unknown",
        }
    }
}

impl Rung {
    /// The rung's name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Bus => "bus",
            Rung::KernelDriver => "kernel-driver",
            Rung::DeviceNode => "device-node",
            Rung::Library => "library",
            Rung::Load => "load",
            Rung::Initialise => "initialise",
            Rung::Enumerate => "enumerate",
            Rung::Compute => "compute",
        }
    }
}

/// The names of the devices that a system lists, for its detail: each device once however many drivers list it, and equal
/// names as one with their number, because eight cards of one model are the rule where there are eight.
pub(crate) fn names<'a>(devices: impl Iterator<Item = (&'a Subject, String)>) -> String {
    let mut listed: Vec<(&Subject, String)> = Vec::new();
    for device in devices {
        if !listed.contains(&device) {
            listed.push(device);
        }
    }
    let mut names: Vec<(&str, usize)> = Vec::new();
    for (_, name) in &listed {
        match names.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    let one = |(name, count): (&str, usize)| if count == 1 { name.to_owned() } else { format!("{count} × {name}") };
    names.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_told_once_with_their_number() {
        let subject = |id: &str| Subject::Device(id.to_owned());
        let (a, b, c) = (subject("a"), subject("b"), subject("c"));
        let listed = [(&a, "MI300X"), (&b, "MI300X"), (&c, "W6800"), (&a, "MI300X")];
        let listed = listed.into_iter().map(|(subject, name)| (subject, name.to_owned()));
        assert_eq!(names(listed), "2 × MI300X, W6800");
        assert_eq!(names(std::iter::empty()), "");
    }
}
