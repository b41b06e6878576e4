//! Asks a machine which compute APIs it has. Knows no rule, prints nothing.
//!
//! A [`Host`] answers questions, a [`Probe`] turns the answers into facts, and all facts together are the
//! [`Report`]. See docs/ARCHITECTURE.md for the way through the files.

mod accelerator;
pub mod apple;
pub mod bus;
pub mod child;
mod compute;
mod copies;
pub mod cuda;
pub mod cudnn;
pub mod directml;
pub mod environment;
pub mod fact;
mod framework;
pub mod gaudi;
pub mod graphcore;
pub mod host;
pub mod image;
pub mod intel;
pub mod jax;
pub mod kernels;
pub mod ladder;
pub mod machine;
mod manifest;
pub mod nvidia_driver;
pub mod onnxruntime;
pub mod opencl;
pub mod openvino;
mod parallel;
pub mod python;
pub mod pytorch;
pub mod quick_hash;
mod resolve;
pub mod rocm;
mod search_path;
pub mod tensorflow;
pub mod tensorrt;
pub mod tflite;
#[cfg(feature = "native")]
mod vendor_library;
pub mod version;
pub mod vulkan;
pub mod webgpu;
pub mod windows;
pub mod wsl;
pub mod wsl2;

use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use fact::{Asked, Fact, Key, Report};
use host::shared::Shared;
use host::{Answer, Host, Missing, Query};
use ladder::Climb;
use quick_hash::QuickHash;

/// One probe: what it asks, which facts it finds, and how far its system gets.
pub struct Probe {
    /// Name of the API or of the part of the machine; the id of its system where it has one.
    pub name: &'static str,
    /// The keys of the facts that it finds.
    pub keys: &'static [&'static Key],
    /// Asks the host and returns facts. What went wrong is a fact too.
    pub ask: fn(&dyn Host) -> Vec<Fact>,
    /// How its system stands, by the facts alone; nothing where the probe is of no system.
    pub climb: Option<fn(&Report) -> Climb>,
    /// What its child asks a vendor library; runs only in the child.
    pub native: Option<fn(&Query) -> Answer>,
    /// How long one of its children may take, in seconds.
    pub seconds: u64,
}

/// All probes, in the order in which their facts stand in a report.
pub static PROBES: &[&Probe] = &[
    &environment::PROBE,
    &windows::PROBE,
    &wsl::PROBE,
    &wsl2::PROBE,
    &machine::PROBE,
    &bus::PROBE,
    &nvidia_driver::PROBE,
    &cuda::PROBE,
    &cudnn::PROBE,
    &tensorrt::PROBE,
    &vulkan::PROBE,
    &webgpu::PROBE,
    &opencl::PROBE,
    &rocm::PROBE,
    &intel::PROBE,
    &gaudi::PROBE,
    &graphcore::PROBE,
    &directml::PROBE,
    &apple::PROBE,
    &python::PROBE,
    &pytorch::PROBE,
    &tensorflow::PROBE,
    &jax::PROBE,
    &onnxruntime::PROBE,
    &openvino::PROBE,
    &tflite::PROBE,
];

/// Asks the probes that `wanted` names, each in a thread of its own, until the time is up. A probe that has not answered
/// by then is abandoned and reported as timed out.
pub fn collect(host: &Arc<dyn Host>, time: Duration, wanted: impl Fn(&str) -> bool) -> Report {
    let host = &Arc::new(Shared::new(Arc::clone(host)));
    let deadline = Instant::now() + time;
    let (send, answers) = mpsc::channel();
    let asked: Vec<&Probe> = PROBES.iter().copied().filter(|probe| wanted(probe.name)).collect();
    // The last ones ask drivers and take longest, so they start first.
    let mut rounds: Vec<Vec<(usize, &Probe)>> = asked.iter().copied().enumerate().rev().map(|one| vec![one]).collect();
    if host.asks_in_turn() {
        rounds = vec![rounds.concat()];
    }
    for round in rounds {
        let ask = {
            let (send, host) = (send.clone(), Arc::clone(host));
            move || {
                for (place, probe) in round {
                    let start = Instant::now();
                    // A probe that panics takes nothing with it. Whoever waited may have left at the deadline.
                    if let Ok(facts) = panic::catch_unwind(AssertUnwindSafe(|| (probe.ask)(&*host))) {
                        _ = send.send((place, facts, start.elapsed()));
                    }
                }
            }
        };
        // Where no more threads may be started, one probe waits for the other.
        if thread::Builder::new().spawn(ask.clone()).is_err() {
            ask();
        }
    }
    drop(send);
    let mut found: Vec<Option<(Vec<Fact>, Duration)>> = asked.iter().map(|_| None).collect();
    while let Ok((place, facts, taken)) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some(slot) = found.get_mut(place) {
            *slot = Some((facts, taken));
        }
    }
    let in_time = Instant::now() < deadline;
    let mut report = Report::default();
    for (probe, found) in asked.into_iter().zip(found) {
        let (facts, taken, missing) = match found {
            Some((facts, taken)) => (facts, Some(taken), None),
            None if in_time => (Vec::new(), None, Some(no_facts())),
            None => (Vec::new(), None, Some(Missing::TimedOut)),
        };
        let duration_ms = taken.map(|taken| u64::try_from(taken.as_millis()).unwrap_or(u64::MAX));
        report.probes.push(Asked { name: probe.name.to_owned(), duration_ms, missing });
        report.facts.extend(facts);
    }
    report
}

/// Asks the same probes of a host that has all answers already, one after the other in this thread.
pub fn replay(host: &dyn Host, wanted: impl Fn(&str) -> bool) -> Report {
    let host = Shared::new(host);
    let mut report = Report::default();
    for probe in PROBES.iter().filter(|probe| wanted(probe.name)) {
        // As in a thread of its own, a probe that panics takes nothing with it.
        let facts = panic::catch_unwind(AssertUnwindSafe(|| (probe.ask)(&host)));
        let missing = facts.is_err().then(no_facts);
        report.probes.push(Asked { name: probe.name.to_owned(), duration_ms: None, missing });
        report.facts.extend(facts.unwrap_or_default());
    }
    report
}

fn no_facts() -> Missing {
    Missing::Garbled("the probe ended without facts".to_owned())
}

/// The key of a name.
pub fn key(name: &str) -> Option<&'static Key> {
    // There are hundreds, and every condition of the matrix names one.
    static BY_NAME: LazyLock<HashMap<&str, &Key, QuickHash>> =
        LazyLock::new(|| keys().map(|key| (key.name, key)).collect());
    BY_NAME.get(name).copied()
}

/// All keys of all probes.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    PROBES.iter().flat_map(|probe| probe.keys.iter().copied())
}

/// Says that a name is no key, with the nearest one that is.
pub fn unknown_key(name: &str) -> String {
    unknown("fact", name, keys().map(|key| key.name))
}

/// Says that a name is none of those known, with the nearest one that is.
pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|known| (distance(name, known), known)).min();
    match nearest {
        Some((distance, nearest)) if distance * 2 <= nearest.len().max(name.len()) => {
            format!("unknown {what} `{name}`; did you mean `{nearest}`?")
        }
        _ => format!("unknown {what} `{name}`"),
    }
}

/// The number of letters to insert, remove or change to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((right, above), diagonal) in to.iter().zip(row.iter().skip(1)).zip(&row) {
            let before = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(left != *right)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let mut names: Vec<&str> = keys().map(|key| key.name).collect();
        for name in &names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "each key is listed by one probe");
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_right_one() {
        assert_eq!(unknown_key("nvidia-drivr"), "unknown fact `nvidia-drivr`; did you mean `nvidia-driver`?");
        assert_eq!(unknown_key("zzzzzzzzzzzzzzzzzz"), "unknown fact `zzzzzzzzzzzzzzzzzz`");
    }
}
