//! How one system stands on one side, in few words.

use accelprobe_probes::fact::Value;
use accelprobe_probes::ladder::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnosis::{self, Citation, Diagnosis, Recommendation};
use crate::judge::{causes_of, vendor_title};
use crate::matrix::{Edition, Gives, Matrix, Severity, System, Verdict};

/// How a system stands on a side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cell {
    /// In one word.
    pub standing: Standing,
    /// In a sentence, empty where the word says it all.
    pub text: String,
    /// Newer statements that contradict the documents on this side.
    pub contradicted_by: Vec<Citation>,
}

/// How a system stands on a side, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It was seen working.
    Works,
    /// It can be set up.
    Possible,
    /// It works, or can be set up, in part: on the processor alone, or with what is named.
    Partial,
    /// It is there and fails.
    Broken,
    /// It is not to be had.
    No,
    /// Nobody can say.
    Unknown,
}

impl Standing {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Works => "works",
            Standing::Possible => "possible",
            Standing::Partial => "partly",
            Standing::Broken => "broken",
            Standing::No => "no",
            Standing::Unknown => "not known",
        }
    }
}

/// How a system stands on the side of a diagnosis.
pub(super) fn cell(diagnosis: &Diagnosis, system: &System, matrix: &Matrix) -> Cell {
    let Some(found) = diagnosis.systems.iter().find(|found| found.id == system.id) else {
        return of(Standing::Unknown, "");
    };
    let told = |standing| of(standing, &found.detail);
    match found.state {
        State::Working => told(Standing::Works),
        State::SoftwareOnly => told(Standing::Partial),
        State::Masked | State::Blocked | State::Broken | State::Crashed | State::TimedOut => told(Standing::Broken),
        State::NotApplicable => of(Standing::No, "does not exist there"),
        State::NotInstalled | State::Unknown => untold(diagnosis, system, found, matrix),
    }
}

/// How a system stands that was not seen: by what is missing or wrong on this side, else by the data.
fn untold(diagnosis: &Diagnosis, system: &System, found: &diagnosis::System, matrix: &Matrix) -> Cell {
    if let Some(vendor) = missing_vendor(diagnosis, system) {
        return of(Standing::No, &format!("no GPU of {} here", vendor_title(vendor)));
    }
    let causes = causes_of(matrix, &system.explained_by);
    let explains =
        |finding: &&diagnosis::Finding| finding.severity == Severity::Error && causes.contains(&finding.rule.as_str());
    if let Some(finding) = diagnosis.findings.iter().find(explains) {
        return of(Standing::No, &finding.message);
    }
    Cell { contradicted_by: found.support.contradicted_by.clone(), ..by_data(diagnosis, system, found) }
}

/// How a system stands that nothing keeps from this side: by what can be set up, or by what is said of it.
fn by_data(diagnosis: &Diagnosis, system: &System, found: &diagnosis::System) -> Cell {
    let words = found.support.note.as_deref().unwrap_or_default();
    let verdict = by_edition(diagnosis.edition, &found.support);
    match diagnosis.recommendations.iter().find(|one| one.system == system.id) {
        // What has to be done first may be for the other side.
        Some(recommendation) if recommendation.gives == Gives::Prepare && verdict == Verdict::Unsupported => {
            of(Standing::No, words)
        }
        Some(recommendation) => recommended(recommendation, words),
        None => match verdict {
            Verdict::Supported => of(Standing::Possible, words),
            Verdict::Partial => of(Standing::Partial, words),
            Verdict::Unsupported => of(Standing::No, words),
            Verdict::Unknown => of(Standing::Unknown, words),
        },
    }
}

/// The verdict of an edition; where the documents say nothing, the newest statement speaks.
fn by_edition(edition: Edition, support: &diagnosis::Support) -> Verdict {
    match (edition, support.documents) {
        (Edition::Documents, told) if told != Verdict::Unknown => told,
        _ => support.current,
    }
}

/// What can be set up, without what else is to be known of it.
fn recommended(recommendation: &Recommendation, words: &str) -> Cell {
    let first = recommendation.text.split(';').next().unwrap_or_default();
    match recommendation.gives {
        Gives::Gpu => of(Standing::Possible, first),
        Gives::Cpu => of(Standing::Partial, first),
        Gives::Prepare => of(Standing::Possible, &format!("first: {}", lower(&recommendation.text))),
        Gives::Move => of(Standing::No, if words.is_empty() { first } else { words }),
    }
}

/// The vendor for whose hardware alone a system is made, where none of that is here.
fn missing_vendor<'s>(diagnosis: &Diagnosis, system: &'s System) -> Option<&'s str> {
    let made_for = match (system.id.as_str(), system.vendor.as_str()) {
        ("intel-extensions", vendor) | (_, vendor @ ("nvidia" | "amd" | "graphcore" | "habana")) => vendor,
        _ => return None,
    };
    let Some(Value::Set(vendors)) = diagnosis.report.host("gpu-vendors") else { return None };
    let on_bus = vendors.iter().any(|vendor| vendor == made_for);
    let listed = diagnosis.devices.iter().any(|device| device.vendor.as_deref() == Some(made_for));
    (!on_bus && !listed).then_some(made_for)
}

fn of(standing: Standing, text: &str) -> Cell {
    Cell { standing, text: text.to_owned(), contradicted_by: Vec::new() }
}

/// A sentence that goes on behind other words.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
