//! Every recording in fixtures/ through the program: the codes that a person expects, and nothing else.

use std::path::PathBuf;
use std::sync::LazyLock;

use accelprobe_probes::host::recording::Recording;

use crate::tool::{codes, json, root, system, tool};

/// All recordings.
pub fn fixtures() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("fixtures")).unwrap().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    files
}

/// The diagnosis of every recording and every machine description, made once.
pub fn diagnoses() -> &'static [(PathBuf, serde_json::Value)] {
    static DIAGNOSES: LazyLock<Vec<(PathBuf, serde_json::Value)>> = LazyLock::new(|| {
        let machines = std::fs::read_dir(root().join("fixtures/machines")).unwrap().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> =
            machines.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
        files.sort();
        let judged = |path: PathBuf| {
            let diagnosis = json(&mut tool(&["doctor", "--json", "--from", path.to_str().unwrap()]));
            (path, diagnosis)
        };
        fixtures().into_iter().chain(files).map(judged).collect()
    });
    &DIAGNOSES
}

#[test]
fn every_fixture_gives_the_findings_that_are_expected_of_it() {
    let mut wrong = Vec::new();
    for path in fixtures() {
        let recording = Recording::parse(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut expected =
            recording.expected.unwrap_or_else(|| panic!("{} does not say what is expected", path.display()));
        expected.sort();
        let diagnosis = json(&mut tool(&["doctor", "--json", "--from", path.to_str().unwrap()]));
        let found = codes(&diagnosis);
        if found != expected {
            wrong.push(format!("{}: expected {expected:?}, found {found:?}", path.display()));
        }
        // A recording that lacks an answer would let a fault through as unknown.
        for id in ["cuda", "vulkan", "opencl", "rocm"] {
            assert_ne!(system(&diagnosis, id)["state"], "unknown", "{}: {id}", path.display());
        }
        let healthy = path.file_stem().unwrap().to_string_lossy().ends_with("healthy");
        assert_eq!(healthy, expected.is_empty(), "the name says what is expected: {}", path.display());
        assert_ne!(recording.host, "");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_broken_is_never_without_a_finding() {
    for path in fixtures() {
        let diagnosis = json(&mut tool(&["doctor", "--json", "--from", path.to_str().unwrap()]));
        let sick = |system: &&serde_json::Value| {
            ["broken", "crashed", "timed-out"].contains(&system["state"].as_str().unwrap())
        };
        let systems = diagnosis["systems"].as_array().unwrap();
        if let Some(system) = systems.iter().find(sick) {
            assert_ne!(diagnosis["findings"].as_array().unwrap().len(), 0, "{}: {system}", path.display());
        }
    }
}

#[test]
fn fixtures_hold_no_names() {
    for path in fixtures() {
        let text = std::fs::read_to_string(&path).unwrap();
        for sign in ["/home/", "/root", r"C:\Users\"] {
            let named = text.lines().find(|line| line.contains(sign) && !line.contains(&format!("{sign}user")));
            assert_eq!(named, None, "{}", path.display());
        }
    }
}
