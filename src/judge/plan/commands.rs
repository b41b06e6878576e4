//! The commands that install a build, for pip and for uv, into the Python environment that is active or into a new one.

use accelprobe_probes::fact::{Subject, Value};
use accelprobe_probes::python::quoted;
use accelprobe_probes::version::Version;

use super::{Place, Plan};
use crate::judge::Case;
use crate::judge::known::Known;
use crate::matrix::Environment;

/// Commands that can be pasted, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commands {
    /// With pip; with uv where the environment has no pip.
    pub pip: Vec<String>,
    /// With uv.
    pub uv: Vec<String>,
}

/// The commands that install a plan into the active environment. A system's own Python gets a virtual environment beside it:
/// Debian's and Ubuntu's refuse packages (PEP 668), and elsewhere it is a bad idea.
pub(crate) fn install(case: &Case<'_>, plan: &Plan<'_>) -> Commands {
    let environment = Place::active(case.ground.report).environment;
    let mut packages = plan.product.packages.iter().chain(plan.build.package.as_ref());
    let here = |name: &str| is_installed(case.ground.report, &environment, name);
    // Beside a copy of another build the index alone changes nothing: the version must name the build.
    let over = packages.any(|name| here(name));
    into_active(case, &words(plan, over.then_some(&here)))
}

fn is_installed(report: &Known, environment: &str, name: &str) -> bool {
    // On most machines no package at all is known.
    let any = report.all("package-version").next().is_some();
    let subject = || Subject::Package { environment: environment.to_owned(), name: name.to_owned() };
    any && report.about(&subject(), "package-version").is_some()
}

/// The commands that install these words into the active environment.
pub(crate) fn into_active(case: &Case<'_>, words: &str) -> Commands {
    let report = case.ground.report;
    let windows = case.environment == Some(Environment::Windows);
    let place = Place::active(report);
    let folder = Subject::Environment(place.environment.clone());
    let text = |key: &str| report.about(&folder, key).map(Value::to_string);
    let kind = text("environment-kind").unwrap_or_else(|| report.text("python-environment").to_owned());
    let in_new = |uv: &str| match windows {
        true => vec![format!("{uv} ml"), r"ml\Scripts\activate".to_owned()],
        false => vec![format!("{uv} ~/.venvs/ml && . ~/.venvs/ml/bin/activate")],
    };
    let then = |mut first: Vec<String>, command: String| {
        first.push(command);
        first
    };
    let by_uv_alone = then(in_new("uv venv"), format!("uv pip install {words}"));
    match (kind.as_str(), windows) {
        ("system", false) => Commands {
            pip: then(in_new("python3 -m venv"), format!("python3 -m pip install {words}")),
            uv: by_uv_alone,
        },
        ("system", true) => Commands { pip: vec![format!("py -m pip install {words}")], uv: by_uv_alone },
        ("" | "none", _) if place.environment.is_empty() => {
            let python = if windows { "py" } else { "python3" };
            Commands { pip: vec![format!("{python} -m pip install {words}")], uv: by_uv_alone }
        }
        _ => {
            let uv = match (kind.as_str(), text("environment-interpreter")) {
                ("venv" | "uv" | "conda" | "", _) | (_, None) => format!("uv pip install {words}"),
                (_, Some(interpreter)) => {
                    format!("uv pip install --python {} {words}", quoted(&interpreter, windows))
                }
            };
            let python = if windows { "python" } else { "python3" };
            let install = text("environment-install").unwrap_or_else(|| format!("{python} -m pip install"));
            Commands { pip: vec![format!("{install} {words}")], uv: vec![uv] }
        }
    }
}

/// The commands that install a plan into a new environment with another Python, which uv brings.
pub(crate) fn with_python(case: &Case<'_>, plan: &Plan<'_>, python: &Version) -> Vec<String> {
    let activate = match case.environment {
        Some(Environment::Windows) => vec![format!("uv venv --python {python} ml"), r"ml\Scripts\activate".to_owned()],
        _ => vec![format!("uv venv --python {python} ~/.venvs/ml && . ~/.venvs/ml/bin/activate")],
    };
    activate.into_iter().chain([format!("uv pip install {}", words(plan, None))]).collect()
}

/// The one command that puts a plan in the place of what is installed in an environment.
pub(crate) fn repair(report: &Known, environment: &str, installed: &str, plan: &Plan<'_>) -> String {
    let folder = Subject::Environment(environment.to_owned());
    let text = |key: &str| report.about(&folder, key).map(Value::to_string);
    let here = |name: &str| is_installed(report, environment, name);
    let python = if report.text("environment") == "windows" { "python" } else { "python3" };
    let pip = |key: &str, verb: &str| text(key).unwrap_or_else(|| format!("{python} -m pip {verb}"));
    let install = format!("{} {}", pip("environment-install", "install"), words(plan, Some(&here)));
    // Packages that hold the same files cannot stand beside each other.
    match plan.product.package_of(plan.build) == installed {
        true => install,
        false => format!("{} {installed} && {install}", pip("environment-uninstall", "uninstall -y")),
    }
}

/// The words behind `pip install`: what the data has, with the release where it is not the newest. Over a copy of another build
/// (`over` tells what is installed beside it) they name the very build by its label: pip takes one number for another.
fn words(plan: &Plan<'_>, over: Option<&dyn Fn(&str) -> bool>) -> String {
    let newest = plan.product.horizon().is_some_and(|newest| *newest == plan.release.version);
    // Only packages from an index of their own carry the label of their build.
    let label = match (&plan.build.label, over) {
        (_, None) => String::new(),
        _ if !plan.build.install.contains("--index-url") => String::new(),
        (Some(label), Some(_)) => label.clone(),
        (None, Some(_)) => format!("+{}", plan.build.id),
    };
    let pinned = split(&plan.build.install).into_iter().enumerate().map(|(place, word)| {
        let name = word.split('[').next().unwrap_or_default().to_owned();
        if word.contains(['<', '>', '=', '!']) {
            return word;
        }
        // Other packages, such as torch-directml, have numbers of their own.
        let own = place == 0 && plan.product.packages.contains(&name);
        match plan.release.beside.get(&name) {
            None if own && (!newest || over.is_some()) => format!("{word}=={}{label}", plan.release.version),
            Some(version) if over.is_some_and(|is_installed| is_installed(&name)) => {
                format!("{word}=={version}{label}")
            }
            Some(version) if !newest => format!("{word}=={version}"),
            _ => word,
        }
    });
    pinned.map(|word| quote(&word)).collect::<Vec<_>>().join(" ")
}

/// The extras of the first word: `cuda13` of `jax[cuda13]`.
pub(super) fn extras(install: &str) -> Vec<&str> {
    let Some((_, behind)) = install.split_once('[') else { return Vec::new() };
    let Some((inner, _)) = behind.split_once(']') else { return Vec::new() };
    inner.split(',').map(str::trim).collect()
}

/// Words as a shell takes them apart.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') if word.is_empty() => {}
            (None, ' ') => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A word in quotes that every shell knows, where one would expand it.
fn quote(word: &str) -> String {
    if word.contains(['[', ']', '<', '>', '*', '!', ';', '&', '|', '(', ')', ' ']) {
        return format!("\"{word}\"");
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_apart_and_quoted_as_shells_do() {
        assert_eq!(
            split(r#"'jax[cuda13]'  torch "numpy<2" --index-url x"#),
            ["jax[cuda13]", "torch", "numpy<2", "--index-url", "x"]
        );
        assert_eq!(quote("jax[cuda13]==0.10.2"), "\"jax[cuda13]==0.10.2\"");
        assert_eq!(quote("torch==2.6.0"), "torch==2.6.0");
        assert_eq!(extras("'jax[cuda13,k8s]' numpy"), ["cuda13", "k8s"]);
        assert!(extras("torch").is_empty());
    }
}
