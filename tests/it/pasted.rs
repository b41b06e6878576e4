//! Texts that people paste: what is read of them, and that nothing is made up where they are cut, quoted or garbled.

use std::collections::BTreeSet;

use accelprobe::input::{self, Input};
use accelprobe::judge::{Asked, judge};
use accelprobe::matrix::{self, Matrix};
use accelprobe_probes::fact::Report;
use proptest::prelude::*;
use serde_json::Value;

use crate::tool::{codes, json, root, run, tool};

thread_local! {
    static MATRIX: Matrix = matrix::embedded().unwrap();
}

/// The texts of a folder by name, with the finding codes that their names promise: those behind the last known part.
fn texts() -> Vec<(String, String)> {
    let files = std::fs::read_dir(root().join("fixtures/pasted")).unwrap().flatten().map(|entry| entry.path());
    let mut texts: Vec<_> = files
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    texts.sort();
    assert!(!texts.is_empty());
    texts
}

fn path(name: &str) -> String {
    root().join(format!("fixtures/pasted/{name}.txt")).display().to_string()
}

/// Codes of severity warning or error; nothing where a text tells of no machine.
fn alarms(text: &str) -> BTreeSet<String> {
    let Ok(Input::Description(description)) = input::parse(text, "report.txt") else { return BTreeSet::new() };
    let (facts, complete) = description.into_facts();
    let mut report = Report { probes: Vec::new(), facts };
    input::what_if(&mut report, &[], complete.as_deref()).unwrap();
    let diagnosis = MATRIX.with(|matrix| judge(report, matrix, &Asked::default()).unwrap());
    codes(&serde_json::to_value(&diagnosis).unwrap()).into_iter().collect()
}

#[test]
fn each_text_gives_the_findings_of_its_name_and_no_other() {
    for (name, text) in texts() {
        let found = alarms(&text);
        match name.ends_with("-healthy") {
            true => assert_eq!(found, BTreeSet::new(), "{name}"),
            false => {
                let all = json(&mut tool(&["doctor", "--json", "--from", &path(&name)]));
                let told = all["findings"].as_array().unwrap().iter();
                let told: Vec<&str> = told.map(|finding| finding["code"].as_str().unwrap()).collect();
                assert!(told.iter().any(|code| name.ends_with(code)), "{name}: {told:?}");
                assert!(found.iter().all(|code| name.ends_with(code)), "{name}: {found:?}");
            }
        }
    }
}

/// The facts that a text tells: line, key, subject, value.
fn told(name: &str) -> Vec<String> {
    let diagnosis = json(&mut tool(&["doctor", "--json", "--from", &path(name)]));
    let facts = diagnosis["report"]["facts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = |fact: &Value| {
        let origin = fact["origin"].as_str()?.strip_prefix("given in line ")?;
        Some(origin.strip_suffix(&format!(" of {name}.txt"))?.to_owned())
    };
    let words = |fact: &Value| {
        Some(format!("{} {} {} {}", line(fact)?, text(&fact["key"]), text(&fact["subject"]), text(&fact["value"])))
    };
    facts.filter_map(words).collect()
}

#[test]
fn facts_are_read_with_their_lines() {
    for (name, expected) in [
        (
            "wsl2-rtx4070-collect-env-healthy",
            &[
                "25 environment host wsl2",
                "8 os host Ubuntu 24.04.2 LTS",
                "25 kernel host 6.6.87.2-microsoft-standard-WSL2",
                "24 python host 3.12.3",
                "37 nvidia-driver host 576.88",
                "39 cudnn-version library cudnn 9.8.0",
                "18 package-cuda package torch in the active environment 12.8",
                "30 package-sees-gpu package torch in the active environment true",
                "34 device-name device gpu:NVIDIA GeForce RTX 4070 NVIDIA GeForce RTX 4070",
                "35 device-name device gpu:NVIDIA GeForce RTX 4070 #2 NVIDIA GeForce RTX 4070",
            ][..],
        ),
        (
            "windows-rtx3060-nvidia-smi-healthy",
            &[
                "1 environment host windows",
                "1 windows-build host 22631.4890",
                "6 nvidia-driver host 566.36",
                "6 cuda-driver-api host 12.7",
                "12 device-name device gpu:NVIDIA GeForce RTX 3060 NVIDIA GeForce RTX 3060",
                "13 device-memory-bytes device gpu:NVIDIA GeForce RTX 3060 12884901888",
                "28 package-version package torch in the active environment 2.6.0+cu126",
            ],
        ),
        (
            "linux-rx7900xtx-rocminfo-healthy",
            &[
                "2 kernel host 6.8.0-60-generic",
                "2 arch host x86_64",
                "4 amdgpu-loaded host true",
                "24 device-name device gpu:Radeon RX 7900 XTX Radeon RX 7900 XTX",
                "22 gfx-target device gpu:Radeon RX 7900 XTX gfx1100",
                "33 opencl-device device gpu:Radeon RX 7900 XTX gfx1100",
            ],
        ),
        (
            "windows-tensorflow-form-tf-windows-gt-2.10",
            &[
                "11 os host Windows 11 Pro 23H2",
                "11 windows-build host 22631.3007",
                "7 package-version package tensorflow in the active environment 2.15.0",
                "19 cuda-toolkit host 12.2",
                "19 cudnn-version library cudnn 8.9",
                "23 device-name device gpu:NVIDIA GeForce RTX 4080 NVIDIA GeForce RTX 4080",
            ],
        ),
    ] {
        let told = told(name);
        for fact in expected {
            assert!(told.contains(&(*fact).to_owned()), "{name}: {fact} is not in {told:#?}");
        }
    }
}

#[test]
fn what_is_not_understood_is_said_with_its_lines() {
    let name = "windows-tensorflow-form-tf-windows-gt-2.10";
    let diagnosis = json(&mut tool(&["doctor", "--json", "--from", &path(name)]));
    assert_eq!(
        diagnosis["reading"],
        serde_json::json!({ "lines": 14, "unread": [[1, 1], [3, 3], [25, 25], [27, 27]] })
    );
    let said = run(&["doctor", "--from", &path(name)]).out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("of 14 lines 4 are not understood: 1, 3, 25, 27"), "{said}");
}

#[test]
fn a_text_without_any_machine_is_refused() {
    let said = input::parse("Dear all,\nit does not work.\n", "mail.txt").err().unwrap();
    assert!(said.starts_with("mail.txt: expected a recording"), "{said}");
}

#[test]
fn a_healthy_text_stays_healthy_wherever_it_is_cut() {
    for (name, text) in texts().into_iter().filter(|(name, _)| name.ends_with("-healthy")) {
        // Each end of a line and each place in lines of versions; every byte of every text is the fuzzer's work.
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)).step_by(7) {
            assert_eq!(
                alarms(&text[..end]),
                BTreeSet::new(),
                "{name} up to byte {end}: {:?}",
                text[..end].lines().last()
            );
        }
        for line in 0..text.lines().count() {
            let less: Vec<&str> =
                text.lines().enumerate().filter(|(at, _)| *at != line).map(|(_, line)| line).collect();
            assert_eq!(alarms(&less.join("\r\n")), BTreeSet::new(), "{name} without line {}", line + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_text_is_too_garbled(which in any::<prop::sample::Index>(), places in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..20)) {
        let texts = texts();
        let mut letters: Vec<char> = which.get(&texts).1.chars().collect();
        for (place, letter) in places {
            *place.get_mut(&mut letters) = letter;
        }
        _ = alarms(&letters.into_iter().collect::<String>());
    }
}
