//! What conditions are judged on: the facts, how the systems stand by them, and the newest releases that are known.

use std::collections::BTreeMap;
use std::slice;

use accelprobe_probes::fact::{Fact, Key, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::ladder::Climb;
use accelprobe_probes::version::Version;

use super::known::{Found, Known, Spot};
use crate::matrix::Matrix;

/// See the module.
pub(crate) struct Ground<'a> {
    /// The facts.
    pub(crate) report: &'a Known,
    /// The systems that were probed, by id.
    pub(crate) climbs: &'a BTreeMap<String, Climb>,
    matrix: &'a Matrix,
    /// A package that is supposed to be there, with its facts.
    supposed: Option<(&'a Subject, &'a [Fact])>,
}

impl<'a> Ground<'a> {
    /// The ground that facts, climbs and the releases of a matrix make.
    pub(crate) fn new(report: &'a Known, climbs: &'a BTreeMap<String, Climb>, matrix: &'a Matrix) -> Ground<'a> {
        Ground { report, climbs, matrix, supposed: None }
    }

    /// The same ground with a package on it that may not be there. These facts are all that is known of it; those of its
    /// environment among them come before what is known of that.
    pub(crate) fn suppose<'b>(&self, package: &'b Subject, facts: &'b [Fact]) -> Ground<'b>
    where
        'a: 'b,
    {
        Ground { report: self.report, climbs: self.climbs, matrix: self.matrix, supposed: Some((package, facts)) }
    }

    /// Where the facts that count for a subject are found.
    pub(crate) fn spot<'s>(&self, subject: &'s Subject) -> Spot<'s> {
        self.report.spot(subject)
    }

    /// The subjects that have a fact under a key, each once, in order of appearance.
    pub(crate) fn spots(&self, key: &Key) -> Vec<Spot<'a>> {
        self.report.spots(key)
    }

    /// The facts under a key that count where a subject is judged, in the order of trust.
    pub(crate) fn facts(&self, key: &'static Key, spot: &Spot<'_>) -> Facts<'a> {
        if let Some((package, facts)) = self.supposed
            && matches!(key.scope, Scope::Package | Scope::Environment)
            && package == spot.subject
        {
            let supposed = Facts::Supposed(facts.iter(), key);
            if key.scope == Scope::Package || supposed.clone().next().is_some() {
                return supposed;
            }
        }
        Facts::Known(self.report.facts(key, spot))
    }

    /// Whether a version under a key is newer than any that the matrix knows.
    pub(crate) fn is_beyond(&self, key: &Key, subject: &Subject, version: &Version) -> bool {
        match subject {
            Subject::Package { name, .. } if key.name == "package-version" => self.is_newer_than_known(name, version),
            _ => self.is_newer_than_known(key.name, version),
        }
    }

    /// Whether a version is newer than any that the matrix knows of what has this name.
    pub(crate) fn is_newer_than_known(&self, name: &str, version: &Version) -> bool {
        self.matrix.is_beyond(name, version)
    }

    /// The version of a package in an environment, or why there is none; nothing where that is not known.
    pub(crate) fn beside(&self, environment: &str, name: &str) -> Option<Result<&'a Version, Missing>> {
        if let Some(fact) = self.version_of(environment, name) {
            return Some(match &fact.value {
                Ok(Value::Version(version)) => Ok(version),
                Ok(_) => Err(Missing::Unsupported),
                Err(missing) => Err(missing.clone()),
            });
        }
        let mut listed = self.report.told(&Subject::Environment(environment.to_owned()), "environment-packages");
        listed.any(|fact| fact.value.is_ok()).then_some(Err(Missing::NotFound))
    }

    /// What is told of the version of a package in the environment of a subject.
    pub(crate) fn package_beside(&self, subject: &Subject, name: &str) -> Option<&'a Fact> {
        let (Subject::Package { environment, .. } | Subject::Environment(environment)) = subject else { return None };
        self.version_of(environment, name)
    }

    fn version_of(&self, environment: &str, name: &str) -> Option<&'a Fact> {
        let subject = Subject::Package { environment: environment.to_owned(), name: name.to_owned() };
        self.report.told(&subject, "package-version").next()
    }
}

/// Facts that were asked for, in the order of trust.
#[derive(Clone)]
pub(crate) enum Facts<'a> {
    /// Of what is known.
    Known(Found<'a>),
    /// Those under a key of what is supposed.
    Supposed(slice::Iter<'a, Fact>, &'static Key),
}

impl<'a> Iterator for Facts<'a> {
    type Item = &'a Fact;

    fn next(&mut self) -> Option<&'a Fact> {
        match self {
            Facts::Known(found) => found.next(),
            Facts::Supposed(facts, key) => facts.find(|fact| std::ptr::eq(fact.key, *key)),
        }
    }
}
