//! How a library stands of which there are several copies: as its best one.

use crate::fact::{Fact, Key, Origin, Report, Subject, Value};
use crate::host::Missing;
use crate::ladder::{Climb, Rung, State};
use crate::python::ENVIRONMENT_ROLE;
use crate::python::environments::Role;
use crate::version::Version;

/// The copies of which a key tells, each by its path with the first of its facts.
pub(crate) fn firsts<'a>(report: &'a Report, key: &Key) -> Vec<(&'a str, &'a Fact)> {
    let mut copies: Vec<(&str, &Fact)> = Vec::new();
    for fact in report.all(key.name) {
        let Subject::Library(path) = &fact.subject else { continue };
        if !copies.iter().any(|(known, _)| known == path) {
            copies.push((path, fact));
        }
    }
    copies
}

/// The copy that the loader takes where it told its version, else one of the active Python environment, else the newest that
/// told, the first of equal ones.
pub(crate) fn best<'a>(report: &Report, copies: &[(&'a str, &'a Fact)], taken: &str) -> Option<(&'a str, &'a Version)> {
    let told = |(path, fact): &(&'a str, &'a Fact)| match &fact.value {
        Ok(Value::Version(version)) => Some((*path, version)),
        _ => None,
    };
    let answered = || copies.iter().filter_map(told);
    let active = report.all(ENVIRONMENT_ROLE.name).find_map(|fact| match (&fact.subject, &fact.value) {
        (Subject::Environment(folder), Ok(Value::Text(role))) if role == Role::Active.word() => Some(folder.as_str()),
        _ => None,
    });
    let within = |path: &str| {
        let below = active.and_then(|folder| path.strip_prefix(folder));
        below.is_some_and(|rest| rest.starts_with(['/', '\\']))
    };
    answered()
        .find(|(path, _)| *path == taken)
        .or_else(|| answered().find(|(path, _)| within(path)))
        .or_else(|| answered().rev().max_by_key(|(_, version)| *version))
}

/// Whether somebody said which version a copy is, so that nothing is known of its file.
pub(crate) fn is_given(copies: &[(&str, &Fact)], path: &str) -> bool {
    copies.iter().any(|(known, fact)| *known == path && matches!(fact.origin, Origin::Given(_)))
}

/// How a library stands of which no copy told its version.
pub(crate) fn failed(report: &Report, taken: &Key, copies: &[(&str, &Fact)]) -> Climb {
    if copies.is_empty() {
        return match report.all(taken.name).next().map(|fact| &fact.value) {
            Some(Err(Missing::NotFound)) => Climb::new(
                State::NotInstalled,
                Rung::Library,
                "neither the loader nor any folder that was looked at has a copy",
            ),
            Some(Err(missing)) => {
                Climb::none(State::Unknown, format!("whether there is a copy is not known: {missing}"))
            }
            _ => Climb::none(State::Unknown, "nobody asked whether there is a copy"),
        };
    }
    type Kind = fn(&Missing) -> bool;
    let failures: [(State, Kind); 5] = [
        (State::Crashed, |missing| matches!(missing, Missing::Crashed(_))),
        (State::TimedOut, |missing| matches!(missing, Missing::TimedOut)),
        (State::Broken, |missing| matches!(missing, Missing::Exited { .. })),
        (State::Broken, |missing| matches!(missing, Missing::Garbled(_) | Missing::NotFound)),
        (State::Blocked, |missing| matches!(missing, Missing::Denied)),
    ];
    let reasons = || copies.iter().filter_map(|(path, fact)| Some((*path, fact.value.as_ref().err()?)));
    for (state, wanted) in failures {
        if let Some((path, missing)) = reasons().find(|(_, missing)| wanted(missing)) {
            return Climb::new(state, Rung::Load, format!("{path}: {missing}"));
        }
    }
    let first = reasons().next().map(|(path, missing)| format!("{path}: {missing}"));
    Climb::none(State::Unknown, first.unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::{Kind as ValueKind, Scope, version};
    use crate::host::Question;

    static VERSION: Key = Key::new("x-version", ValueKind::Version, Scope::Library, "");
    static TAKEN: Key = Key::new("x-taken", ValueKind::Text, Scope::Host, "");

    fn report(copies: &[(&str, Result<&str, Missing>)]) -> Report {
        let fact = |(path, answer): &(&str, Result<&str, Missing>)| {
            let value = answer.clone().and_then(version);
            VERSION.of(Subject::Library((*path).to_owned()), value, &Question::System)
        };
        Report { probes: Vec::new(), facts: copies.iter().map(fact).collect() }
    }

    #[test]
    fn the_best_copy_is_the_one_taken_or_the_newest() {
        let report = report(&[
            ("/a", Ok("9.1")),
            ("/b", Ok("9.10")),
            ("/d", Ok("9.10")),
            ("/c", Err(Missing::TimedOut)),
            ("/c", Ok("9.20")),
        ]);
        let copies = firsts(&report, &VERSION);
        assert_eq!(copies.len(), 4);
        let path = |taken| best(&report, &copies, taken).unwrap().0;
        assert_eq!((path("/a"), path(""), path("/c")), ("/a", "/b", "/b"));
        let mut active = report.clone();
        let folder = Subject::Environment("/a".to_owned());
        active.facts.push(ENVIRONMENT_ROLE.of(folder, Value::from("active"), &Question::System));
        assert_eq!(best(&active, &copies, "").unwrap().0, "/b", "a file is no environment");
        active.facts.insert(0, VERSION.of(Subject::Library("/a/lib/x".into()), version("8"), &Question::System));
        assert_eq!(best(&active, &firsts(&active, &VERSION), "").unwrap().0, "/a/lib/x");
    }

    #[test]
    fn what_fails_is_told_with_its_reason_and_what_is_unknown_stays_so() {
        let crashed = || Missing::Crashed("signal 6 (SIGABRT)".to_owned());
        for (copies, state) in [
            (vec![("/a", Err(Missing::Unsupported)), ("/b", Err(crashed()))], State::Crashed),
            (vec![("/a", Err(Missing::TimedOut))], State::TimedOut),
            (vec![("/a", Err(Missing::Garbled("cut".into())))], State::Broken),
            (vec![("/a", Err(Missing::Denied))], State::Blocked),
            (vec![("/a", Err(Missing::NotRecorded))], State::Unknown),
            (vec![], State::Unknown),
        ] {
            let report = report(&copies);
            assert_eq!(failed(&report, &TAKEN, &firsts(&report, &VERSION)).state, state, "{copies:?}");
        }
        let mut report = Report::default();
        report.facts.push(TAKEN.host(Missing::NotFound, &Question::System));
        assert_eq!(failed(&report, &TAKEN, &[]).state, State::NotInstalled);
    }
}
