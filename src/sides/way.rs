//! What it takes to get to the other side: the first row of matrix/topics/wsl.toml that fits this machine, and before it what
//! is wrong on the other side and would keep its GPU from it.

use crate::diagnosis::Diagnosis;
use crate::judge;
use crate::matrix::{Matrix, Remedy, Severity, template};

/// The topic whose set-ups lead from one side to the other.
const TOPIC: &str = "wsl";

/// The way from the side of `here` to that of `there`.
pub(super) fn to_other_side(here: &Diagnosis, there: &Diagnosis, matrix: &Matrix) -> Option<Remedy> {
    let topic = matrix.topics.iter().find(|topic| topic.id == TOPIC)?;
    let way = judge::first_setup(&here.report, matrix, &topic.setup)?;
    let told = |key: &str| here.report.host(key).map(ToString::to_string).unwrap_or_default();
    let mut text = template::fill(&way.text, told);
    let mut commands: Vec<String> = way.commands.iter().map(|command| template::fill(command, told)).collect();
    // What is wrong with the machine there has its own remedy, which comes first.
    let first = there.findings.iter().find(|finding| finding.severity == Severity::Error);
    if let Some((finding, remedy)) = first.and_then(|finding| Some((finding, finding.remedy.as_ref()?))) {
        text = format!("{}: {}; then: {text}", finding.message, remedy.text);
        commands.splice(0..0, remedy.commands.iter().cloned());
    }
    Some(Remedy { text, commands })
}
