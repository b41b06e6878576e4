//! Drivers with one fault each beside healthy ones: the doctor says what is wrong with that one, and everything else is as if it
//! were not there. docs/FAULTS.md is written from these runs, and from what other programs made of the same drivers.

#![cfg(all(feature = "native", target_os = "linux"))]

mod corpus;
mod page;
mod runs;
mod single;

use std::path::{Path, PathBuf};

use self::corpus::{Case, Corpus};
use crate::real_drivers::has_lavapipe;
use crate::tool::{Folder, lacks};

/// The whole corpus in a folder; nothing where this machine cannot have it.
fn whole(folder: &Path) -> Option<Corpus> {
    if !has_lavapipe() {
        return None;
    }
    if !Path::new(corpus::POCL).exists() {
        lacks("PoCL (package pocl-opencl-icd)");
        return None;
    }
    let mut corpus = Corpus::new(folder);
    if !corpus::vulkan(&mut corpus) || !corpus::opencl(&mut corpus) {
        return None;
    }
    corpus::files(&mut corpus);
    single::all(&mut corpus).then_some(corpus)
}

#[test]
fn a_fault_of_one_driver_costs_that_driver_alone() {
    let folder = Folder::new("faults");
    let Some(corpus) = whole(&folder.0) else { return };
    let outcomes = runs::all(&corpus);
    page::check(&corpus.cases, &outcomes);
}

/// Writes the corpus into the folder that ACCELPROBE_FAULT_CORPUS names, with a list of what to show to whom: the case, then
/// variables. tests/tools/fault-peers asks for it.
#[test]
fn the_corpus_is_written_where_it_is_asked_for() {
    let Some(folder) = std::env::var_os("ACCELPROBE_FAULT_CORPUS").map(PathBuf::from) else { return };
    let Some(corpus) = whole(&folder) else { return };
    let line = |case: &Case| {
        let shown = match single::of(case.api) {
            Some(_) => single::shown(&single::folder_of(&corpus, case)),
            None => corpus::shown(&[case], &folder),
        };
        let variables = shown.into_iter().map(|(name, value)| format!("\t{name}={value}"));
        format!("{}{}\n", case.id, variables.collect::<String>())
    };
    let list: String = corpus.cases.iter().map(line).collect();
    std::fs::write(folder.join("list.tsv"), list).unwrap();
}
