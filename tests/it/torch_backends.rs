//! What is recommended of PyTorch by the number of the NVIDIA driver, beside what uv picks: tests/data/torch-backends.tsv, which
//! tests/tools/torch-backends writes with both at hand. Here the numbers are tried at which either answer changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::tool::{root, tool};

/// A line of the file: what is wanted on a system, and what from which driver on.
struct Line<'a> {
    system: &'a str,
    want: &'a str,
    ours: Vec<(&'a str, &'a str)>,
}

#[test]
fn recommendations_of_pytorch_follow_the_driver_as_told_beside_uv() {
    let text = std::fs::read_to_string(root().join("tests/data/torch-backends.tsv")).unwrap();
    let lines: Vec<Line<'_>> = text.lines().filter(|line| !line.starts_with('#')).map(line).collect();
    assert!(lines.len() > 60, "{} lines", lines.len());
    // One question for each system and driver, with all wants for which something changes there.
    let mut asked: BTreeMap<(&str, &str), Vec<(&str, &str)>> = BTreeMap::new();
    for line in &lines {
        for (driver, expected) in &line.ours {
            asked.entry((line.system, driver)).or_default().push((line.want, expected));
        }
    }
    let mut wrong = BTreeSet::new();
    for ((system, driver), wants) in asked {
        let recommended = recommended(system, driver, &wants);
        for (want, expected) in wants {
            let found = recommended.get(want).map_or("nothing", String::as_str);
            if found != expected {
                wrong.insert(format!("{system}, driver {driver}, {want}: expected {expected}, found {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn line(line: &str) -> Line<'_> {
    let parts: Vec<&str> = line.split('\t').collect();
    let [system, want, uv, own] = parts.as_slice() else { panic!("four columns: {line}") };
    let answers = if own.is_empty() { uv } else { own };
    Line { system, want, ours: answers.split(' ').map(|change| change.split_once('=').unwrap()).collect() }
}

/// Version and build by want, for a card of compute capability 8.0.
fn recommended(system: &str, driver: &str, wants: &[(&str, &str)]) -> BTreeMap<String, String> {
    let machine = format!(
        "environment = \"{system}\"\narch = \"x86_64\"\n\
         [[gpu]]\nname = \"NVIDIA card\"\ncompute-capability = \"8.0\"\ndriver = \"{driver}\"\n"
    );
    let flags = wants.iter().flat_map(|(want, _)| ["--want", want]);
    let arguments: Vec<&str> = ["doctor", "--json", "--from", "-"].into_iter().chain(flags).collect();
    let mut child = tool(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(machine.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    let diagnosis: Value = serde_json::from_slice(&out).unwrap();
    let recommendations = diagnosis["recommendations"].as_array().unwrap();
    let best = |want: &str| {
        let own = || recommendations.iter().filter(|one| one["want"] == want && one["version"].is_string());
        // Beside the release that is wanted another one may be named, which uses the GPU.
        let named = |one: &&Value| want.ends_with(&format!("=={}", one["version"].as_str().unwrap()));
        let one = own().find(named).or_else(|| own().next())?;
        Some((want.to_owned(), format!("{}+{}", one["version"].as_str()?, one["build"].as_str()?)))
    };
    wants.iter().filter_map(|(want, _)| best(want)).collect()
}
