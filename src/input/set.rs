//! What if: `--set` replaces what is known of a machine, by the words of descriptions.
//!
//! What was said before stays. What a probe told stays as long as it still follows: another card, another driver, another
//! environment and another variable each make answers void that were given under the old one. They are then unknown.

use std::collections::BTreeSet;

use accelprobe_probes::fact::{Fact, Key, Origin, Report, Scope, Subject, Value};

use super::gpu::Gpu;
use super::outdated::{leave, leave_gpus, leave_package};
use super::value::{self, ABSENT, Given, given};
use super::{ACTIVE, libraries, names};

/// The origin of what is set.
pub const ORIGIN: &str = "by --set";

/// Replaces a fact, as in `environment=wsl2`, `gpu=NVIDIA GeForce RTX 4090`, `packages.torch=2.6.0+cu126`.
pub(super) fn set(report: &mut Report, setting: &str) -> Result<(), String> {
    let (name, text) = setting
        .split_once('=')
        .ok_or_else(|| format!("--set {setting}: expected KEY=VALUE, as in `environment=wsl2`"))?;
    let (name, text) = (name.trim(), text.trim());
    let done = match name.split_once('.') {
        None if name == "gpu" => set_gpu(report, text),
        None => names::of_machine(name)
            .or_else(|message| of_anything(name, message))
            .and_then(|key| fact(report, key, text)),
        Some(("facts", word)) => names::of_machine(word).and_then(|key| fact(report, key, text)),
        Some(("gpu", names::DRIVER)) => set_driver(report, text),
        Some(("gpu", word)) => names::of_gpu(word).and_then(|key| fact(report, key, text)),
        Some(("env", word)) => names::of_variable(word).and_then(|key| fact(report, key, text)),
        Some(("libraries", word)) => set_library(report, word, text),
        Some(("packages", word)) => set_package(report, word, text),
        Some((section, _)) => {
            let sections = names::SECTIONS.iter().map(|(name, _)| *name);
            Err(accelprobe_probes::unknown("section", section, sections))
        }
    };
    done.map_err(|message| format!("--set {name}: {message}"))
}

/// Any key will do where something has a fact of it.
fn of_anything(name: &str, message: String) -> Result<&'static Key, String> {
    accelprobe_probes::key(name).ok_or(message)
}

/// Replaces a fact of the machine, or of everything that it may be about.
fn fact(report: &mut Report, key: &'static Key, text: &str) -> Result<(), String> {
    let value = value::read(key, &Given::Text(text))?;
    let subjects = match key.scope {
        Scope::Host => vec![Subject::Host],
        _ => subjects(report, key),
    };
    if subjects.is_empty() {
        return Err("nothing here has such a fact, so there is nothing to replace".to_owned());
    }
    leave(report, key, &value);
    report.facts.retain(|fact| fact.key != key);
    let facts = subjects.into_iter().map(|subject| given(key, subject, value.clone(), ORIGIN));
    report.facts.extend(facts);
    Ok(())
}

/// What facts of a key are about here: all that has one, else every GPU that may have one.
fn subjects(report: &Report, key: &Key) -> Vec<Subject> {
    let own: Vec<Subject> = report.subjects(key.name).into_iter().cloned().collect();
    if !own.is_empty() || key.scope != Scope::Device {
        return own;
    }
    let maker = match key.name {
        "compute-capability" => Some("nvidia"),
        "gfx-target" => Some("amd"),
        _ => None,
    };
    let vendor = |subject: &Subject| report.about(subject, "device-vendor").map(Value::to_string);
    let fits = |subject: &&&Subject| match (maker, vendor(subject)) {
        (Some(maker), Some(vendor)) => maker == vendor,
        _ => true,
    };
    let software = Value::from("software");
    let is_gpu = |subject: &&&Subject| report.about(subject, "device-kind") != Some(&software);
    report.device_subjects().iter().filter(is_gpu).filter(fits).map(|subject| (*subject).clone()).collect()
}

/// The driver of the GPUs: NVIDIA's is one for all of them.
fn set_driver(report: &mut Report, text: &str) -> Result<(), String> {
    let nvidia = report.all("device-vendor").any(|fact| fact.value == Ok(Value::from("nvidia")));
    let name = if nvidia { "nvidia-driver" } else { "adapter-driver" };
    accelprobe_probes::key(name).map_or(Ok(()), |key| fact(report, key, text))
}

/// Puts a GPU in the place of all that are there; several settings of this kind name several GPUs.
fn set_gpu(report: &mut Report, name: &str) -> Result<(), String> {
    let key = names::of_gpu("name")?;
    let set_before = report.all(key.name).any(is_set);
    if name.is_empty() || name == ABSENT {
        leave_gpus(report, None);
        let vendors = names::of_machine("gpu-vendors")?;
        report.facts.push(given(vendors, Subject::Host, Ok(Value::Set(Vec::new())), ORIGIN));
        return Ok(());
    }
    let told = value::read(key, &Given::Text(name))?;
    let gpu = Gpu { told: vec![(key, told, ORIGIN.to_owned())] };
    if !set_before {
        leave_gpus(report, gpu.vendor());
    }
    let facts = gpu.facts(&report.facts, ORIGIN);
    report.facts.extend(facts);
    Ok(())
}

fn set_library(report: &mut Report, word: &str, text: &str) -> Result<(), String> {
    let (word, part) = word.split_once('.').map_or((word, None), |(word, part)| (word, Some(part)));
    let library = libraries::named(word)?;
    let told = Given::Text(text);
    if let Some(part) = part {
        let fact = library.has_part(part, &told, ORIGIN)?;
        report.facts.retain(|other| other.key != fact.key || other.subject != fact.subject);
        report.facts.push(fact);
        return Ok(());
    }
    let version = library.has_version(&told, ORIGIN)?;
    let key = library.key()?;
    // Of the copies that a probe found, whatever else is known is known of another version.
    let copies: BTreeSet<Subject> = report.subjects(key.name).into_iter().cloned().collect();
    report.facts.retain(|fact| {
        let of_copy = key.scope == Scope::Library && copies.contains(&fact.subject);
        !of_copy && !library.is_told_by(fact)
    });
    match version.value {
        Ok(_) => {
            report.facts.push(version);
            report.facts.extend(library.implied(ORIGIN));
        }
        Err(_) => report.facts.extend(library.is_absent(ORIGIN)),
    }
    Ok(())
}

/// Replaces a package of the active environment by one of another version, of which no more is known; or one of its facts, where
/// a point and the word for it stand behind the name.
fn set_package(report: &mut Report, word: &str, text: &str) -> Result<(), String> {
    let field = word.rsplit_once('.').and_then(|(name, field)| Some((name, names::of_package(field).ok()?)));
    let (name, key) = match field {
        Some((name, key)) => (name, key),
        None => (word, names::of_package("version")?),
    };
    let name = names::package(name).ok_or_else(|| format!("`{name}` is no name of a Python package"))?;
    let told = value::read(key, &Given::Text(text))?;
    let environment = super::active(report).unwrap_or_else(|| ACTIVE.to_owned());
    let subject = Subject::Package { environment: environment.clone(), name: name.clone() };
    if key.name != "package-version" {
        report.facts.retain(|fact| fact.key != key || fact.subject != subject);
        report.facts.push(given(key, subject, told, ORIGIN));
        return Ok(());
    }
    leave_package(report, &environment, &name);
    let there = told.is_ok();
    for fact in &mut report.facts {
        if let (Subject::Environment(folder), "environment-packages", Ok(Value::Set(names))) =
            (&fact.subject, fact.key.name, &mut fact.value)
            && *folder == environment
        {
            names.retain(|own| *own != name);
            names.extend(there.then(|| name.clone()));
            names.sort();
        }
    }
    if there {
        report.facts.push(given(key, subject, told, ORIGIN));
    }
    Ok(())
}

fn is_set(fact: &Fact) -> bool {
    fact.origin == Origin::Given(ORIGIN.into())
}
