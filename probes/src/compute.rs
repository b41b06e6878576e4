//! The small computation of `--deep`, the same for every API: 256 numbers, each squared in place, with its index added.
//!
//! Each computation is a [`Question::Native`] of its own, whose first argument is [`WORD`]: a child for each device, with
//! its own deadline. Its answer says whether every number came back right; what ended without one stays missing, with its
//! reason. The numbers are whole, so right is exact on every device.

use std::time::Duration;

use crate::fact::{Fact, Key, Report, Subject, Value};
use crate::host::{Host, Missing, Query, Question};
use crate::ladder::{Climb, Rung, State};
use crate::manifest::SOFTWARE;
use crate::parallel;

/// The first argument of a query that computes.
pub(crate) const WORD: &str = "compute";
/// How long one computation may take: drivers compile before they compute, and the first time takes longest.
pub(crate) const TIME: Duration = Duration::from_secs(30);
/// How many numbers are computed.
#[cfg(feature = "native")]
pub(crate) const LENGTH: usize = 256;

/// What the child answers where every number is right.
const RIGHT: &str = "right";
/// What its answer begins with where one is wrong.
const WRONG: &str = "wrong: ";

/// Whether a query computes.
pub(crate) fn is_asked(query: &Query) -> bool {
    query.arguments.first().is_some_and(|word| word == WORD)
}

/// The numbers that go in. None of them is its own result, so a device that does nothing is found out.
#[cfg(feature = "native")]
pub(crate) fn input() -> Vec<u32> {
    (0..LENGTH as u32).map(|index| 3 * index + 2).collect()
}

/// The child's answer: whether the numbers that came out are right.
#[cfg(feature = "native")]
pub(crate) fn check(output: &[u32]) -> String {
    let expected = (0u32..).zip(input()).map(|(index, number)| number * number + index);
    let mut output = output.iter();
    let wrong = expected.map(|expected| (expected, output.next())).find(|(expected, got)| *got != Some(expected));
    match wrong {
        Some((expected, Some(got))) => format!("{WRONG}expected {expected}, got {got}"),
        Some((expected, None)) => format!("{WRONG}expected {expected}, got nothing"),
        None => RIGHT.to_owned(),
    }
}

/// One fact for each device, all asked at once. Where one card is listed by two drivers, the worse of them comes first and
/// so counts.
pub(crate) fn ask_each(host: &dyn Host, key: &'static Key, devices: &[(Subject, Question)]) -> Vec<Fact> {
    let mut facts = parallel::each(host, devices, |(subject, question)| {
        let answer = host.ask(question).and_then(|text| match text == RIGHT || text.starts_with(WRONG) {
            true => Ok(Value::Text(text)),
            false => Err(Missing::Garbled(text)),
        });
        key.of(subject.clone(), answer, question)
    });
    facts.sort_by_key(Outcome::of);
    facts.dedup();
    facts
}

/// How a computation went, the worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Wrong,
    Crashed,
    TimedOut,
    Failed,
    Right,
    /// It was not tried, which says nothing about the device.
    Untried,
}

impl Outcome {
    fn of(fact: &Fact) -> Outcome {
        match &fact.value {
            Ok(value) if *value == Value::from(RIGHT) => Outcome::Right,
            Ok(_) => Outcome::Wrong,
            Err(Missing::Crashed(_)) => Outcome::Crashed,
            Err(Missing::TimedOut) => Outcome::TimedOut,
            Err(Missing::Exited { .. } | Missing::Garbled(_) | Missing::NotFound | Missing::Denied) => Outcome::Failed,
            Err(Missing::Unsupported | Missing::Unasked(_) | Missing::NotRecorded) => Outcome::Untried,
        }
    }
}

/// A system's climb one rung further: by what its devices computed, where they were asked to. Where it has accelerators,
/// these decide; a software device beside them that fails has its own finding.
pub(crate) fn climb(climb: Climb, report: &Report, key: &'static Key, device: &'static Key) -> Climb {
    let listed = matches!(climb.state, State::Working | State::SoftwareOnly) && climb.rung == Some(Rung::Enumerate);
    let is_software = |fact: &&Fact| matches!(report.about(&fact.subject, "device-kind"), Some(Value::Text(kind)) if kind == SOFTWARE);
    let counts = |fact: &&Fact| climb.state == State::SoftwareOnly || !is_software(fact);
    let computed: Vec<&Fact> = report.all(key.name).filter(counts).collect();
    let Some(worst) = computed.iter().copied().min_by_key(|fact| Outcome::of(fact)).filter(|_| listed) else {
        return climb;
    };
    let name = |fact: &Fact| {
        report.about(&fact.subject, device.name).map_or_else(|| fact.subject.to_string(), Value::to_string)
    };
    let ended = |state, detail: String| Climb { state, rung: Some(Rung::Compute), detail, ..climb.clone() };
    let missed = |state, missing| ended(state, format!("computing on {}: {missing}", name(worst)));
    match (Outcome::of(worst), &worst.value) {
        (Outcome::Right | Outcome::Untried, _) => {
            let untried = computed.iter().find(|fact| Outcome::of(fact) == Outcome::Untried);
            match untried.and_then(|fact| Some((fact, fact.value.as_ref().err()?))) {
                Some((fact, missing)) => {
                    let detail = format!("{}; computing on {}: {missing}", climb.detail, name(fact));
                    Climb { detail, ..climb }
                }
                None => ended(climb.state, format!("{}; a small computation came out right", climb.detail)),
            }
        }
        (Outcome::Crashed, Err(missing)) => missed(State::Crashed, missing),
        (Outcome::TimedOut, Err(missing)) => missed(State::TimedOut, missing),
        (_, Err(missing)) => missed(State::Broken, missing),
        (_, Ok(wrong)) => ended(State::Broken, format!("{} computes {wrong}", name(worst))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::{Kind, Scope};
    use crate::host::recording::Recording;

    static KEY: Key = Key::new("test-compute", Kind::Text, Scope::Device, "A test.");
    static DEVICE: Key = Key::new("test-device", Kind::Text, Scope::Device, "A test.");

    fn fact(id: &str, answer: Result<&str, Missing>) -> Fact {
        KEY.of(Subject::Device(id.into()), answer.map(Value::from), &Question::System)
    }

    fn climbed(state: State, facts: Vec<Fact>) -> Climb {
        let named = |id: &str| DEVICE.of(Subject::Device(id.into()), Value::from(id), &Question::System);
        let software =
            crate::bus::DEVICE_KIND.of(Subject::Device("cpu".into()), Value::from(SOFTWARE), &Question::System);
        let facts = [facts, vec![named("a"), named("b"), named("cpu"), software]].concat();
        let report = Report { probes: Vec::new(), facts };
        climb(Climb::new(state, Rung::Enumerate, "a, b"), &report, &KEY, &DEVICE)
    }

    #[cfg(feature = "native")]
    #[test]
    fn every_number_counts() {
        let mut output: Vec<u32> = (0u32..).zip(input()).map(|(index, number)| number * number + index).collect();
        assert_eq!(check(&output), "right");
        *output.last_mut().unwrap() = 7;
        assert_eq!(check(&output), "wrong: expected 588544, got 7");
        assert!(check(&input()).starts_with("wrong: expected 4, got 2"), "a device that does nothing");
        assert_eq!(check(&[4]), "wrong: expected 26, got nothing");
    }

    #[test]
    fn a_system_is_as_good_as_its_worst_accelerator() {
        use State::{Broken, Crashed, SoftwareOnly, TimedOut, Working};
        let right = || Ok("right");
        let wrong = || Ok("wrong: expected 4, got 2");
        let crash = || Err(Missing::Crashed("signal 11 (SIGSEGV)".into()));
        for (before, a, b, cpu, state, rung) in [
            (Working, right(), right(), right(), Working, Rung::Compute),
            (Working, right(), wrong(), right(), Broken, Rung::Compute),
            (Working, wrong(), crash(), right(), Broken, Rung::Compute),
            (Working, right(), crash(), right(), Crashed, Rung::Compute),
            (Working, Err(Missing::TimedOut), right(), right(), TimedOut, Rung::Compute),
            (Working, right(), Err(Missing::NotRecorded), right(), Working, Rung::Enumerate),
            (Working, right(), right(), wrong(), Working, Rung::Compute),
            (SoftwareOnly, right(), right(), wrong(), Broken, Rung::Compute),
        ] {
            let climb = climbed(before, vec![fact("a", a), fact("b", b), fact("cpu", cpu)]);
            assert_eq!((climb.state, climb.rung), (state, Some(rung)), "{}", climb.detail);
        }
        let untried = climbed(Working, vec![fact("a", right()), fact("b", Err(Missing::Unasked("no room".into())))]);
        assert_eq!(untried.detail, "a, b; computing on b: could not be asked: no room");
        let plain = climbed(Working, Vec::new());
        assert_eq!((plain.state, plain.rung, plain.detail.as_str()), (Working, Some(Rung::Enumerate), "a, b"));
        let masked = climbed(State::Masked, vec![fact("a", wrong())]);
        assert_eq!(masked.state, State::Masked, "what did not get that far stays where it is");
    }

    #[test]
    fn the_worse_driver_of_a_card_comes_first() {
        let question = |device: &str| {
            let arguments = vec![WORD.to_owned(), device.to_owned()];
            Question::Native(Query { environment: Vec::new(), probe: "test".to_owned(), arguments })
        };
        let host = Recording::of(
            String::new(),
            "test",
            [
                (question("0"), Ok("right".to_owned())),
                (question("1"), Ok("wrong: expected 4, got 2".to_owned())),
                (question("2"), Ok("fine".to_owned())),
            ],
        );
        let card = || Subject::Device("0000:01:00.0".into());
        let asked = ["0", "1", "2", "1"].map(|device| (card(), question(device)));
        let facts = ask_each(&host, &KEY, &asked);
        let values: Vec<_> = facts.into_iter().map(|fact| fact.value).collect();
        let garbled = Err(Missing::Garbled("fine".into()));
        assert_eq!(values, [Ok(Value::from("wrong: expected 4, got 2")), garbled, Ok(Value::from("right"))]);
    }
}
