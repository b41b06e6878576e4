//! docs/FAULTS.md: fault by fault what the doctor says, and beside it what other programs do.

use std::collections::BTreeMap;

use super::corpus::{Case, Expected};
use crate::generated;
use crate::tool::root;

/// Who else is asked about the drivers of an API, by their name in the list of what they did.
fn peers(api: &str) -> &'static [&'static str] {
    match api {
        "vulkan" => &["vulkaninfo", "fastfetch"],
        "opencl" => &["clinfo", "fastfetch"],
        "nvml" | "nvidia-smi" => &["env-doctor"],
        _ => &[],
    }
}

const APIS: &[(&str, &str)] = &[
    ("vulkan", "Vulkan drivers"),
    ("opencl", "OpenCL drivers"),
    ("nvml", "NVML (libnvidia-ml)"),
    ("libcuda", "CUDA's driver library (libcuda)"),
    ("nvidia-smi", "nvidia-smi"),
    ("nvcc", "nvcc"),
    ("hip", "HIP (libamdhip64)"),
    ("hsa", "HSA (libhsa-runtime64)"),
    ("onnxruntime", "ONNX Runtime (libonnxruntime)"),
    ("rocminfo", "rocminfo"),
    ("wsl.exe", "wsl.exe, outside of Windows"),
];

/// What other programs made of the corpus, as tests/tools/fault-peers measured it.
struct Measured {
    /// Lines on versions and date.
    head: Vec<String>,
    outcomes: BTreeMap<(String, String), String>,
}

fn measured() -> Measured {
    let text = std::fs::read_to_string(root().join("tests/data/fault-peers.tsv")).unwrap_or_default();
    let mut measured = Measured { head: Vec::new(), outcomes: BTreeMap::new() };
    for line in text.lines() {
        match (line.strip_prefix("# "), line.split('\t').collect::<Vec<_>>().as_slice()) {
            (Some(head), _) => measured.head.push(head.to_owned()),
            (None, [id, peer, outcome]) => {
                _ = measured.outcomes.insert(((*id).to_owned(), (*peer).to_owned()), (*outcome).to_owned());
            }
            _ => panic!("tests/data/fault-peers.tsv: {line}"),
        }
    }
    measured
}

/// Compares docs/FAULTS.md with what this run and the other programs gave.
pub fn check(cases: &[Case], outcomes: &BTreeMap<String, String>) {
    let measured = measured();
    let lost: Vec<&String> = cases
        .iter()
        .filter(|case| {
            let has = |peer: &&str| measured.outcomes.contains_key(&(case.id.clone(), (*peer).to_owned()));
            !peers(case.api).iter().all(has)
        })
        .map(|case| &case.id)
        .collect();
    assert!(lost.is_empty(), "run tests/tools/fault-peers, which has not seen {lost:?}");
    let mut page = format!(
        "# Faults\n\nDrivers with one fault each, beside a healthy one, and what becomes of it. The tests build {} of them, run the \
         doctor over each and write this page. In every run standard output held the diagnosis and nothing else, the exit code was \
         as promised, every other driver and every other system was told as without the fault, the run was over within its time, \
         and no process and no file was left.\n\n\
         In the columns of other programs \"right\" means that the healthy driver is told, and that nothing of the faulty one's noise \
         is in the output. fastfetch tells no driver that runs on a processor; there it means that its JSON has its parts. For \
         env-doctor it means that it finds the NVIDIA driver by any way that it has: with a faulty NVML nvidia-smi is healthy, and the \
         other way round. A process that is left holds the output open for whoever reads it to its end.\n\n\
         Windows has no part in this page. There the frame around a child is tested by the faults that are compiled into the \
         program itself: crash, abort, exit, panic, hang, noise, a late crash, half an answer, a process left (tests/it/isolation.rs).\n",
        cases.len()
    );
    for head in &measured.head {
        page.push_str(&format!("\n- {head}"));
    }
    page.push('\n');
    for (api, title) in APIS {
        let of_api = || cases.iter().filter(|case| case.api == *api);
        if of_api().all(|case| case.expected == Expected::NotStarted) {
            let count = of_api().count();
            page.push_str(&format!(
                "\n## {title}\n\nNever started: {count} faulty ones on the search path left no mark.\n"
            ));
            continue;
        }
        let peers = peers(api);
        let heads: String = peers.iter().map(|peer| format!(" {peer} |")).collect();
        page.push_str(&format!("\n## {title}\n\n| fault | when | accelprobe |{heads}\n| --- | --- | --- |"));
        page.push_str(&" --- |".repeat(peers.len()));
        page.push('\n');
        rows(api, cases, outcomes, &measured).iter().for_each(|row| page.push_str(row));
    }
    generated::check(&root().join("docs/FAULTS.md"), &page);
}

/// A fault, and how it ends with the doctor and with the others.
type Row<'a> = (&'a str, Vec<&'a str>);

/// A row for each fault and outcome; what ends alike stands together.
fn rows(api: &str, cases: &[Case], outcomes: &BTreeMap<String, String>, measured: &Measured) -> Vec<String> {
    let mut rows: Vec<(Row<'_>, Vec<&str>)> = Vec::new();
    for case in cases.iter().filter(|case| case.api == api) {
        let theirs = peers(api).iter().map(|peer| &measured.outcomes[&(case.id.clone(), (*peer).to_owned())]);
        let ends = std::iter::once(&outcomes[&case.id]).chain(theirs).map(String::as_str).collect();
        let key = (case.fault, ends);
        match rows.iter_mut().find(|(known, _)| *known == key) {
            Some((_, variants)) => variants.push(&case.variant),
            None => rows.push((key, vec![&case.variant])),
        }
    }
    let text = |((fault, ends), variants): (Row<'_>, Vec<&str>)| {
        let cells: String = ends.iter().map(|end| format!(" {} |", end.replace('|', "\\|"))).collect();
        format!("| {fault} | {} |{cells}\n", listed(&variants))
    };
    rows.into_iter().map(text).collect()
}

/// Moments as they are; numbers in order, and where three follow each other the first and the last.
fn listed(variants: &[&str]) -> String {
    let Ok(mut numbers) = variants.iter().map(|variant| variant.parse()).collect::<Result<Vec<i64>, _>>() else {
        return variants.join(", ");
    };
    numbers.sort_by_key(|number| (number.abs(), *number));
    let mut runs: Vec<Vec<i64>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| (number - last).abs() == 1) => run.push(number),
            _ => runs.push(vec![number]),
        }
    }
    let text = |run: Vec<i64>| match run.as_slice() {
        [first, _, .., last] => format!("{first} to {last}"),
        run => run.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
    };
    runs.into_iter().map(text).collect::<Vec<_>>().join(", ")
}
