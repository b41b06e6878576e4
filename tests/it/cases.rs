//! Every machine description in fixtures/machines: the codes that a person expects, and nothing else. And the score by code:
//! `cargo test --test it cases_score -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use crate::tool::{root, run};

/// A machine, what a person expects of it, and what the doctor finds.
struct Machine {
    file: String,
    expected: BTreeSet<String>,
    /// Codes of any severity.
    found: BTreeSet<String>,
    /// Those of severity warning or error.
    alarms: BTreeSet<String>,
    /// What was printed where there is no diagnosis.
    unread: Option<String>,
}

impl Machine {
    fn judge(path: &PathBuf, edition: &str) -> Machine {
        let text = std::fs::read_to_string(path).unwrap();
        let told: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let expected = told.get("expected").and_then(toml::Value::as_array);
        let expected = expected.unwrap_or_else(|| panic!("{} does not say what is expected", path.display()));
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let ran = run(&["doctor", "--json", "--edition", edition, "--from", path.to_str().unwrap()]);
        let diagnosis: Option<Value> = serde_json::from_str(&ran.out).ok();
        let of = |severities: &[&str]| -> BTreeSet<String> {
            let findings = diagnosis.as_ref().and_then(|diagnosis| diagnosis["findings"].as_array());
            let findings = findings.into_iter().flatten();
            let told = findings.filter(|finding| severities.contains(&finding["severity"].as_str().unwrap()));
            told.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
        };
        Machine {
            file,
            expected: expected.iter().map(|code| code.as_str().unwrap().to_owned()).collect(),
            found: of(&["info", "warning", "error"]),
            alarms: of(&["warning", "error"]),
            unread: diagnosis.is_none().then_some(ran.err),
        }
    }

    fn missed(&self) -> Vec<&String> {
        self.expected.difference(&self.found).collect()
    }

    fn false_alarms(&self) -> Vec<&String> {
        self.alarms.difference(&self.expected).collect()
    }
}

fn machines(edition: &str) -> Vec<Machine> {
    let files = std::fs::read_dir(root().join("fixtures/machines")).unwrap().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    let share = files.len().div_ceil(4);
    let judge = |files: &[PathBuf]| files.iter().map(|path| Machine::judge(path, edition)).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let shares: Vec<_> = files.chunks(share).map(|files| scope.spawn(move || judge(files))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    })
}

/// Judged once for all tests of this file.
static DOCUMENTS: LazyLock<Vec<Machine>> = LazyLock::new(|| machines("documents"));
static CURRENT: LazyLock<Vec<Machine>> = LazyLock::new(|| machines("current"));

#[test]
fn cases_give_the_findings_that_are_expected_of_them() {
    let mut wrong = Vec::new();
    for (edition, machines) in [("documents", &*DOCUMENTS), ("current", &*CURRENT)] {
        for machine in machines {
            let (missed, false_alarms) = (machine.missed(), machine.false_alarms());
            if let Some(error) = &machine.unread {
                wrong.push(format!("{}: {error}", machine.file));
            } else if !missed.is_empty() || !false_alarms.is_empty() {
                let found = &machine.found;
                wrong.push(format!(
                    "{edition}: {}: missed {missed:?}, false alarms {false_alarms:?}, found {found:?}",
                    machine.file
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cases_are_named_after_what_is_expected_and_say_where_they_are_from() {
    for machine in &*DOCUMENTS {
        assert_eq!(machine.expected.is_empty(), machine.file.ends_with("-healthy"), "{}", machine.file);
        let named = machine.expected.iter().any(|code| machine.file.ends_with(&format!("-{code}")));
        assert!(named || machine.expected.is_empty(), "{} is not named after its code", machine.file);
        let path = root().join(format!("fixtures/machines/{}.toml", machine.file));
        let text = std::fs::read_to_string(path).unwrap();
        if machine.file.starts_with("case-") {
            assert!(text.starts_with("# "), "{}: what was wrong, and how it was settled", machine.file);
            assert!(text.contains("\nmade = \"written from a public report: https://"), "{}", machine.file);
        }
        for name in ["/home/", "/root", r"C:\Users"] {
            assert!(!text.contains(name), "{}: {name}", machine.file);
        }
    }
}

#[test]
fn cases_score() {
    for (edition, machines) in [("documents", &*DOCUMENTS), ("current", &*CURRENT)] {
        // By code, and `healthy` where nothing is to be found: found, of it as severity info, expected, false alarms.
        let mut score: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        for machine in machines.iter().filter(|machine| machine.file.starts_with("case-")) {
            for code in &machine.expected {
                let row = score.entry(code).or_default();
                row[0] += usize::from(machine.found.contains(code));
                row[1] += usize::from(machine.found.contains(code) && !machine.alarms.contains(code));
                row[2] += 1;
            }
            if machine.expected.is_empty() {
                let row = score.entry("healthy").or_default();
                row[0] += usize::from(machine.alarms.is_empty() && machine.unread.is_none());
                row[2] += 1;
            }
            for code in machine.false_alarms() {
                score.entry(code).or_default()[3] += 1;
            }
        }
        let line = |code: &str, row: [&dyn std::fmt::Display; 4]| {
            println!("{code:<34} {:>5} {:>8} {:>8} {:>12}", row[0], row[1], row[2], row[3]);
        };
        println!("edition {edition}");
        line("code", [&"found", &"as info", &"expected", &"false alarms"]);
        let mut sum = [0; 4];
        for (code, row) in &score {
            line(code, [&row[0], &row[1], &row[2], &row[3]]);
            for (sum, part) in sum.iter_mut().zip(row) {
                *sum += part;
            }
        }
        line("all", [&sum[0], &sum[1], &sum[2], &sum[3]]);
        println!();
        assert!(sum[2] >= 83, "cases are missing: {score:?}");
    }
}
