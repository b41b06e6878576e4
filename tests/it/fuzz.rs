//! The fuzzer's targets on the corpus: what the fuzzer found of interest, and every input that once failed.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::collections::BTreeSet;

use targets::TARGETS;

use crate::tool::root;

#[test]
fn every_input_of_the_corpus_is_survived() {
    for target in TARGETS {
        let folder = root().join("tests/fuzz/corpus").join(target.name);
        let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            let survived = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(survived.is_ok(), "{}", input.display());
        }
    }
}

#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap().parse().unwrap();
    let programs = manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap());
    assert_eq!(programs.collect::<BTreeSet<_>>(), TARGETS.iter().map(|target| target.name).collect());
}
