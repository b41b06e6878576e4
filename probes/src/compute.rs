//! The small computation of `--deep`: numbers are squared on a device, and the result is looked at.
//!
//! That a driver lists a device does not say that the device computes. What each API does for it stands in its
//! `native.rs`; here are the numbers, the verdict on them, and the last rung of the ladder.

use crate::fact::{Fact, Key, Report, Subject, Value};
use crate::host::Missing;
use crate::ladder::{Climb, Rung, State};
use crate::manifest::SOFTWARE;

/// The argument that asks a child for the computation; behind it stands the device's number.
pub(crate) const ARGUMENT: &str = "compute";
/// The verdict on a result without fault.
pub(crate) const RIGHT: &str = "right";

/// How many numbers are squared: four groups of 64.
#[cfg(feature = "native")]
pub(crate) const COUNT: u32 = 256;

/// The numbers that a device is given. None is its own square, so that a device that does nothing is found out.
#[cfg(feature = "native")]
pub(crate) fn numbers() -> impl Iterator<Item = u32> {
    (0..COUNT).map(|place| place + 3)
}

/// The verdict on what a device made of [`numbers`].
#[cfg(feature = "native")]
pub(crate) fn verdict(results: &[u32]) -> String {
    let expected = numbers().map(|number| number * number);
    let mut results = results.iter().copied();
    for expected in expected {
        match results.next() {
            Some(result) if result == expected => {}
            Some(result) => return format!("wrong: expected {expected}, got {result}"),
            None => return format!("wrong: expected {expected}, got nothing"),
        }
    }
    RIGHT.to_owned()
}

/// A climb that ended with devices, after the look at what they computed. Software devices count where there is no other:
/// a GPU that computes is not made worse by a renderer on the CPU.
pub(crate) fn climb(climb: Climb, report: &Report, key: &'static Key) -> Climb {
    if !matches!(climb.state, State::Working | State::SoftwareOnly) {
        return climb;
    }
    let counts = |subject: &Subject| {
        let software = matches!(report.about(subject, "device-kind"), Some(Value::Text(kind)) if kind == SOFTWARE);
        software == (climb.state == State::SoftwareOnly)
    };
    let facts: Vec<&Fact> = report.all(key.name).filter(|fact| counts(&fact.subject)).collect();
    let failed = facts.iter().find_map(|fact| Some((failure(&fact.value)?, *fact)));
    if let Some(((state, how), fact)) = failed {
        let name = match &fact.subject {
            Subject::Device(id) => id.as_str(),
            _ => "",
        };
        return Climb { versions: climb.versions, ..Climb::new(state, Rung::Compute, format!("{name}: {how}")) };
    }
    let right = |fact: &&Fact| matches!(&fact.value, Ok(Value::Text(verdict)) if verdict == RIGHT);
    match !facts.is_empty() && facts.iter().all(right) {
        true => Climb { rung: Some(Rung::Compute), ..climb },
        // Not asked, or not of every device: no statement about computing.
        false => climb,
    }
}

/// What a computation that went wrong makes of its system; nothing where it was right or never ran.
fn failure(value: &Result<Value, Missing>) -> Option<(State, String)> {
    match value {
        Ok(Value::Text(verdict)) if verdict == RIGHT => None,
        Ok(verdict) => Some((State::Broken, format!("its computation is {verdict}"))),
        Err(missing @ Missing::Crashed(_)) => Some((State::Crashed, format!("its computation {missing}"))),
        Err(missing @ Missing::TimedOut) => Some((State::TimedOut, format!("its computation {missing}"))),
        Err(missing @ (Missing::Exited { .. } | Missing::Garbled(_) | Missing::NotFound | Missing::Denied)) => {
            Some((State::Broken, format!("its computation failed: {missing}")))
        }
        Err(Missing::Unsupported | Missing::Unasked(_) | Missing::NotRecorded) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::DEVICE_KIND;
    use crate::fact::{Kind, Scope};
    use crate::host::Question;

    static COMPUTED: Key = Key::new("computed", Kind::Text, Scope::Device, "For the test.");

    fn after(state: State, results: &[(&str, Result<&str, Missing>)]) -> (State, Option<Rung>) {
        let mut report = Report::default();
        for (place, (kind, result)) in results.iter().enumerate() {
            let subject = Subject::Device(place.to_string());
            report.facts.push(DEVICE_KIND.of(subject.clone(), Value::from(*kind), &Question::System));
            report.facts.push(COMPUTED.of(subject, result.clone().map(Value::from), &Question::System));
        }
        let climb = climb(Climb::new(state, Rung::Enumerate, "devices"), &report, &COMPUTED);
        (climb.state, climb.rung)
    }

    #[test]
    fn only_a_right_result_is_the_last_rung() {
        let computed = Some(Rung::Compute);
        let working = |result| after(State::Working, &[("discrete", result)]);
        assert_eq!(working(Ok("right")), (State::Working, computed));
        assert_eq!(working(Ok("wrong: expected 9, got 3")), (State::Broken, computed));
        assert_eq!(working(Err(Missing::Crashed("signal 11".into()))), (State::Crashed, computed));
        assert_eq!(working(Err(Missing::TimedOut)), (State::TimedOut, computed));
        let lost = Missing::Exited { code: -4, message: "vkQueueSubmit".into() };
        assert_eq!(working(Err(lost)), (State::Broken, computed));
        assert_eq!(working(Err(Missing::NotRecorded)), (State::Working, Some(Rung::Enumerate)));
        assert_eq!(after(State::Working, &[]), (State::Working, Some(Rung::Enumerate)));
        assert_eq!(after(State::NotInstalled, &[]), (State::NotInstalled, Some(Rung::Enumerate)));
    }

    #[test]
    fn every_device_counts_and_software_only_where_there_is_no_other() {
        let wrong = || Ok("wrong: expected 9, got 3");
        let both = |gpu, cpu| after(State::Working, &[("discrete", gpu), ("software", cpu)]);
        assert_eq!(both(Ok("right"), wrong()), (State::Working, Some(Rung::Compute)));
        assert_eq!(both(wrong(), Ok("right")), (State::Broken, Some(Rung::Compute)));
        let cards = [("discrete", Ok("right")), ("discrete", wrong())];
        assert_eq!(after(State::Working, &cards), (State::Broken, Some(Rung::Compute)));
        let unknown = [("discrete", Ok("right")), ("discrete", Err(Missing::NotRecorded))];
        assert_eq!(after(State::Working, &unknown), (State::Working, Some(Rung::Enumerate)));
        let software = |result| after(State::SoftwareOnly, &[("software", result)]);
        assert_eq!(software(Ok("right")), (State::SoftwareOnly, Some(Rung::Compute)));
        assert_eq!(software(wrong()), (State::Broken, Some(Rung::Compute)));
    }

    #[cfg(feature = "native")]
    #[test]
    fn the_verdict_names_the_first_fault() {
        let mut results: Vec<u32> = numbers().map(|number| number * number).collect();
        assert_eq!(verdict(&results), RIGHT);
        assert_eq!(verdict(&results[..255]), format!("wrong: expected {}, got nothing", 258 * 258));
        results[1] = 4;
        assert_eq!(verdict(&results), "wrong: expected 16, got 4");
        assert_eq!(verdict(&numbers().collect::<Vec<_>>()), "wrong: expected 9, got 3");
    }
}
