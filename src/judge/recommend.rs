//! What can be set up on this machine: for each want, or for the frameworks where none is given, the first row of the
//! system's set-ups whose conditions hold.

use accelprobe_probes::fact::{Subject, Value};
use accelprobe_probes::ladder::State;
use accelprobe_probes::version::Range;

use super::Case;
use crate::diagnosis::{Finding, Outcome, Recommendation};
use crate::matrix::condition::{Beyond, Truth};
use crate::matrix::{Environment, Gives, Product, Setup, System, Table};
use crate::spec::{Part, Spec};

/// A want: its system, the words, how it turned out, and what is wrong with it.
pub(super) type Wanted<'a> = (&'a System, &'a Spec, Outcome, Option<Finding>);

/// A recommendation for each framework.
pub(super) fn for_frameworks(case: &Case<'_>) -> Vec<Recommendation> {
    let frameworks = case.matrix.systems.iter().filter(|system| system.tables.contains(&Table::Frameworks));
    frameworks.filter_map(|system| Some(recommendation(case, system, chosen(case, system)?))).collect()
}

/// A recommendation for each want that can be helped.
pub(super) fn for_wants(case: &Case<'_>, wanted: &[Wanted<'_>]) -> Vec<Recommendation> {
    wanted.iter().filter_map(|wanted| for_want(case, wanted)).collect()
}

fn for_want(case: &Case<'_>, (system, spec, verdict, finding): &Wanted<'_>) -> Option<Recommendation> {
    let setup = match spec.part {
        Some(Part::Cpu) => on_the_processor(case, system).or_else(|| chosen(case, system)),
        _ => chosen(case, system),
    };
    // What cannot be had here has its own way out, unless the set-up for this very machine knows a better one.
    if let Some(finding) = finding
        && setup.is_none_or(|setup| setup.gives == Gives::Gpu)
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
    let setup = setup?;
    let set_up = recommendation(case, system, setup);
    // The set-ups are for the newest release. Who wants others gets them by name where they can be had, else nothing.
    let newest = case.product(system, spec).and_then(Product::horizon);
    let takes_newest = |range: &Range| newest.is_none_or(|newest| range.contains(newest));
    match &spec.range {
        Some(range) if !takes_newest(range) && *verdict == Outcome::Holds => {
            let package = system.packages.iter().find(|package| **package == spec.name).or(system.packages.first())?;
            let extras = if spec.extras.is_empty() { String::new() } else { format!("[{}]", spec.extras.join(",")) };
            let wanted = format!("\"{package}{extras}{range}\"");
            let commands = match setup.gives {
                // Elsewhere it would be the newest; the versions that are wanted can be had here.
                Gives::Move | Gives::Prepare => {
                    let program = if case.environment == Some(Environment::Windows) { "py" } else { "python3" };
                    vec![format!("{program} -m pip install {wanted}")]
                }
                Gives::Gpu | Gives::Cpu => {
                    setup.commands.iter().map(|command| with_package(command, system, &wanted)).collect()
                }
            };
            let text = format!("{} in the versions that are wanted, as far as there are wheels of them", system.name);
            let gives = if setup.gives == Gives::Cpu { Gives::Cpu } else { Gives::Gpu };
            Some(Recommendation { gives, text, commands: in_an_environment(case, &commands), ..set_up })
        }
        Some(range) if !takes_newest(range) => None,
        _ => Some(set_up),
    }
}

/// A command with the first package of a system in it replaced; index and everything else stay.
fn with_package(command: &str, system: &System, wanted: &str) -> String {
    let is_package = |word: &str| {
        let name = word.trim_matches(['\'', '"']);
        let name = name.split(['[', '<', '>', '=', '!']).next().unwrap_or_default();
        system.packages.iter().any(|package| package == name)
    };
    let mut replaced = false;
    let words = command.split(' ').map(|word| match !replaced && is_package(word) {
        true => {
            replaced = true;
            wanted
        }
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The set-up that asks for no GPU.
fn on_the_processor<'a>(case: &Case<'_>, system: &'a System) -> Option<&'a Setup> {
    const GPU: &[&str] = &["gpu-vendors", "nvidia-driver", "compute-capability"];
    let plain = |setup: &&Setup| setup.gives == Gives::Cpu && !setup.when.keys().any(|key| GPU.contains(&key.name));
    system.setup.iter().filter(plain).find(|setup| fits(case, setup))
}

/// The first set-up of a system whose conditions hold.
pub(super) fn chosen<'a>(case: &Case<'_>, system: &'a System) -> Option<&'a Setup> {
    system.setup.iter().find(|setup| fits(case, setup))
}

fn fits(case: &Case<'_>, setup: &Setup) -> bool {
    setup.when.hold(&case.ground, &Subject::Host, Beyond::Compared) == Truth::True
}

fn recommendation(case: &Case<'_>, system: &System, setup: &Setup) -> Recommendation {
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
    Recommendation {
        system: system.id.clone(),
        gives: setup.gives,
        text: format!("{}{doubt}", setup.text),
        commands: in_an_environment(case, &setup.commands),
        because: vec![setup.id.get_ref().clone()],
        sources: case.sources(setup.sources.iter().map(|source| source.get_ref().as_str())),
    }
}

/// Whether the environment that is active has no pip of its own, but uv, which finds that environment by itself.
fn active_is_without_pip(case: &Case<'_>) -> bool {
    let report = case.ground.report;
    let active = report.all("environment-role").find(|fact| fact.value == Ok(Value::from("active")));
    let install = active.and_then(|fact| report.about(&fact.subject, "environment-install"));
    install.is_some_and(|command| command.to_string().starts_with("uv pip install"))
}

/// The commands with a virtual environment made first, where they would install into the system's own Python: Debian's
/// and Ubuntu's refuse that (PEP 668), and elsewhere it is a bad idea.
fn in_an_environment(case: &Case<'_>, commands: &[String]) -> Vec<String> {
    const INSTALL: &str = "python3 -m pip install";
    if active_is_without_pip(case) {
        let by_uv = |command: &String| match command.split_once(" -m pip install ") {
            Some(("python3" | "python" | "py", packages)) => format!("uv pip install {packages}"),
            _ => command.clone(),
        };
        return commands.iter().map(by_uv).collect();
    }
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
