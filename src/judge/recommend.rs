//! What can be set up on this machine: for each want, or for the frameworks where none is given, the first row of the
//! system's set-ups whose conditions hold.

use accelprobe_probes::fact::{Subject, Value};
use accelprobe_probes::ladder::State;
use accelprobe_probes::version::Range;

use super::Case;
use crate::diagnosis::{Finding, Outcome, Recommendation};
use crate::matrix::condition::Truth;
use crate::matrix::{Environment, Gives, Product, Setup, System, Table};
use crate::spec::{Part, Spec};

/// A want: its system, the words, how it turned out, and what is wrong with it.
pub(super) type Wanted<'a> = (&'a System, &'a Spec, Outcome, Option<Finding>);

/// A recommendation for each want, or for each framework.
pub(super) fn all(case: &Case<'_>, wanted: &[Wanted<'_>]) -> Vec<Recommendation> {
    if wanted.is_empty() {
        let frameworks = case.matrix.systems.iter().filter(|system| system.tables.contains(&Table::Frameworks));
        return frameworks.filter_map(|system| set_up(case, system)).collect();
    }
    wanted.iter().filter_map(|wanted| for_want(case, wanted)).collect()
}

fn for_want(case: &Case<'_>, (system, spec, verdict, finding): &Wanted<'_>) -> Option<Recommendation> {
    // What cannot be had here has its own way out.
    if let Some(finding) = finding
        && let Some(remedy) = finding.remedy.as_ref().filter(|remedy| !remedy.commands.is_empty())
    {
        return Some(Recommendation {
            system: system.id.clone(),
            gives: Gives::Move,
            text: remedy.text.clone(),
            commands: remedy.commands.clone(),
            because: vec![finding.rule.clone()],
            sources: finding.sources.clone(),
        });
    }
    let set_up = set_up(case, system)?;
    // The set-ups are for the newest release. Who wants others gets them by name where they can be had, else nothing.
    let product = case.matrix.product(&spec.name).or_else(|| case.matrix.product(&system.id));
    let newest = product.and_then(Product::horizon);
    let takes_newest = |range: &Range| newest.is_none_or(|newest| range.contains(newest));
    match &spec.range {
        Some(range) if !takes_newest(range) && *verdict == Outcome::Holds => {
            let program = if case.environment == Some(Environment::Windows) { "py" } else { "python3" };
            let package = system.packages.iter().find(|package| **package == spec.name).or(system.packages.first())?;
            let extras = if spec.extras.is_empty() { String::new() } else { format!("[{}]", spec.extras.join(",")) };
            let text =
                format!("{} in the versions that are wanted, as far as this Python has wheels of them", system.name);
            let commands = in_an_environment(case, &[format!("{program} -m pip install \"{package}{extras}{range}\"")]);
            let gives = if spec.part == Some(Part::Cpu) { Gives::Cpu } else { set_up.gives };
            let gives = if gives == Gives::Move { Gives::Gpu } else { gives };
            Some(Recommendation { gives, text, commands, ..set_up })
        }
        Some(range) if !takes_newest(range) => None,
        _ => Some(set_up),
    }
}

/// The first set-up of a system whose conditions hold.
pub(super) fn chosen<'a>(case: &Case<'_>, system: &'a System) -> Option<&'a Setup> {
    system.setup.iter().find(|setup| setup.when.hold(&case.ground, &Subject::Host) == Truth::True)
}

fn set_up(case: &Case<'_>, system: &System) -> Option<Recommendation> {
    let setup = chosen(case, system)?;
    let vendors = case.ground.report.host("gpu-vendors");
    let nvidia = matches!(vendors, Some(Value::Set(vendors)) if vendors.iter().any(|vendor| vendor == "nvidia"));
    let cuda = case.ground.climbs.get("cuda").map(|climb| climb.state);
    let first_cuda = nvidia
        && setup.gives == Gives::Gpu
        && !matches!(cuda, None | Some(State::Working | State::Unknown | State::NotApplicable));
    let doubt = match () {
        () if vendors.is_none() && setup.gives == Gives::Cpu => "; whether this machine has a GPU is not known",
        () if first_cuda => "; CUDA has to work here first, see above",
        () => "",
    };
    Some(Recommendation {
        system: system.id.clone(),
        gives: setup.gives,
        text: format!("{}{doubt}", setup.text),
        commands: in_an_environment(case, &setup.commands),
        because: vec![setup.id.get_ref().clone()],
        sources: case.sources(setup.sources.iter().map(|source| source.get_ref().as_str())),
    })
}

/// The commands with a virtual environment made first, where they would install into the system's own Python: Debian's
/// and Ubuntu's refuse that (PEP 668), and elsewhere it is a bad idea.
fn in_an_environment(case: &Case<'_>, commands: &[String]) -> Vec<String> {
    const INSTALL: &str = "python3 -m pip install";
    if case.environment == Some(Environment::Windows) && case.ground.report.text("python-environment") != "system" {
        // The launcher `py` goes past an environment that is active.
        let active = case.ground.report.host("python-environment").is_some();
        let inside =
            |command: &String| if active { command.replace("py -m pip", "python -m pip") } else { command.clone() };
        return commands.iter().map(inside).collect();
    }
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
