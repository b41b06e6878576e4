//! What the program is made of is known: tests/tools/sbom lists it, and the program itself holds nothing else.

#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::tool::{PROGRAM, root};

/// The packages of Cargo.lock, each with its checksum where it has one.
fn locked() -> BTreeMap<String, Option<String>> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let packages = table["package"].as_array().unwrap().iter();
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let named = |package: &toml::Value| {
        format!("{}-{}", text(package, "name").unwrap_or_default(), text(package, "version").unwrap_or_default())
    };
    packages.map(|package| (named(package), text(package, "checksum"))).collect()
}

/// What deny.toml keeps out: packages that speak to a network.
fn denied() -> Vec<String> {
    let rules: toml::Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let denied = rules["bans"]["deny"].as_array().unwrap().iter();
    denied.map(|rule| rule["crate"].as_str().unwrap().to_owned()).collect()
}

/// The packages of which the program tells that their code is in it: by the source files that it names where it panics.
fn built_in() -> BTreeSet<String> {
    let program = std::fs::read(PROGRAM).unwrap();
    let text = String::from_utf8_lossy(&program);
    let behind = text.split("/registry/src/").skip(1);
    behind.filter_map(|rest| rest.split('/').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_bill_of_materials_names_all_that_is_built_in() {
    let listed = Command::new(root().join("tests/tools/sbom")).env("CARGO_NET_OFFLINE", "true").output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let bill: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(bill["metadata"]["component"]["name"], "accelprobe");
    let locked = locked();
    let mut named = BTreeSet::new();
    for part in bill["components"].as_array().unwrap() {
        let name = format!("{}-{}", text(&part["name"]), text(&part["version"]));
        let checksum = part["hashes"][0]["content"].as_str().map(str::to_owned);
        assert_eq!(locked.get(&name), Some(&checksum), "{name}");
        let licence = text(&part["licenses"][0]["expression"]);
        assert!(!licence.is_empty() && !licence.contains('/'), "{name}: {licence}");
        named.insert(name);
    }
    assert!(denied().len() > 5);
    for name in denied() {
        assert!(!named.iter().any(|package| package.rsplit_once('-').is_some_and(|(bare, _)| bare == name)), "{name}");
    }
    // What is built for a test holds the same as what is released, when both are built with the same features.
    if cfg!(feature = "native") {
        let built_in = built_in();
        let known: BTreeSet<&String> = built_in.iter().filter(|name| locked.contains_key(*name)).collect();
        assert!(known.len() > 20, "{known:?}");
        let unnamed: Vec<&&String> = known.iter().filter(|name| !named.contains(**name)).collect();
        assert!(unnamed.is_empty(), "{unnamed:?}");
    }
}
