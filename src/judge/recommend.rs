//! What can be set up on this machine: for each want, or for the frameworks where none is given, the first row of the
//! system's set-ups whose conditions hold.

use accelprobe_probes::fact::{Subject, Value};

use super::Case;
use crate::diagnosis::{Outcome, Recommendation};
use crate::matrix::condition::Truth;
use crate::matrix::{Environment, Gives, Setup, System, Table};
use crate::spec::Spec;

/// A recommendation for each want, or for each framework.
pub(super) fn all(case: &Case<'_>, wanted: &[(&System, &Spec, Outcome)]) -> Vec<Recommendation> {
    if wanted.is_empty() {
        let frameworks = case.matrix.systems.iter().filter(|system| system.tables.contains(&Table::Frameworks));
        return frameworks.filter_map(|system| one(case, system, None)).collect();
    }
    wanted.iter().filter_map(|(system, spec, verdict)| one(case, system, Some((spec, *verdict)))).collect()
}

fn one(case: &Case<'_>, system: &System, wanted: Option<(&Spec, Outcome)>) -> Option<Recommendation> {
    let holds = |setup: &&Setup| setup.when.hold(&case.ground, &Subject::Host) == Truth::True;
    let setup = system.setup.iter().find(holds)?;
    let because = vec![setup.id.get_ref().clone()];
    let sources = case.sources(setup.sources.iter().map(|source| source.get_ref().as_str()));
    // Who wants older versions than the newest, and can have them here, need not go elsewhere for the newest.
    if let Some((spec, Outcome::Holds)) = wanted
        && setup.gives == Gives::Move
        && spec.range.is_some()
    {
        let program = if case.environment == Some(Environment::Windows) { "py" } else { "python3" };
        let text = format!("{} in the versions that work here", system.name);
        let commands = vec![format!("{program} -m pip install \"{}\"", spec.text)];
        return Some(Recommendation { system: system.id.clone(), gives: Gives::Gpu, text, commands, because, sources });
    }
    Some(Recommendation {
        system: system.id.clone(),
        gives: setup.gives,
        text: setup.text.clone(),
        commands: in_an_environment(case, &setup.commands),
        because,
        sources,
    })
}

/// The commands with a virtual environment made first, where they would install into the system's own Python: Debian's
/// and Ubuntu's refuse that (PEP 668), and elsewhere it is a bad idea.
fn in_an_environment(case: &Case<'_>, commands: &[String]) -> Vec<String> {
    const INSTALL: &str = "python3 -m pip install";
    let of_the_system =
        matches!(case.ground.report.host("python-environment"), Some(Value::Text(kind)) if kind == "system");
    let unix = matches!(case.environment, Some(Environment::Linux | Environment::Wsl2 | Environment::Macos));
    if !of_the_system || !unix || !commands.iter().any(|command| command.starts_with(INSTALL)) {
        return commands.to_vec();
    }
    let mut all = vec!["python3 -m venv ~/.venvs/ml && . ~/.venvs/ml/bin/activate".to_owned()];
    all.extend(commands.iter().cloned());
    all
}
