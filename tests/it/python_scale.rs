//! Many Python environments with many packages: all are found, and each package once. How long it takes is measured by hand,
//! see docs/PERFORMANCE.md; a test that measures time fails on a busy machine.

#![cfg(unix)]

use std::process::Command;

use crate::tool::{Folder, json, root, tool};

#[test]
fn twenty_environments_with_three_hundred_packages_each_are_read() {
    let folder = Folder::new("python-scale");
    let made = Command::new(root().join("tests/tools/environments")).arg(&folder.0).status().unwrap();
    assert!(made.success());
    let mut command = tool(&["doctor", "--json", "--only", "pytorch"]);
    let diagnosis = json(command.env_clear().env("HOME", &folder.0));
    let environments = diagnosis["environments"].as_array().unwrap();
    let ours = environments.iter().filter(|one| one["path"].as_str().unwrap().starts_with("~/.virtualenvs/env-"));
    let packages: Vec<usize> = ours.map(|one| one["packages"].as_object().unwrap().len()).collect();
    // Seven frameworks and what belongs to them, and every third of the other names.
    assert_eq!(packages, [7 + 98; 20]);
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let with = |key: &str| facts.iter().filter(|fact| fact["key"] == key).count();
    assert_eq!((with("package-version"), with("package-lacks")), (20 * 105, 20 * 105));
}
