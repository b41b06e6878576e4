//! ROCm's own libraries without a GPU, against what their packages say; and against a stand-in with one.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::real_drivers::library;
use crate::tool::{Folder, json, lacks, ran, root, system, tool};

const HIP: &str = "/usr/lib/x86_64-linux-gnu/libamdhip64.so.5";
const HSA: &str = "/usr/lib/x86_64-linux-gnu/libhsa-runtime64.so.1";

/// What the child answers about a library.
fn answer(api: &str, path: &str) -> Value {
    let ran = ran(tool(&["__answer", "rocm", api, path]).output().unwrap());
    let (_, answer) = ran.out.split_once("accelprobe-answer ").unwrap_or_else(|| panic!("{} {}", ran.out, ran.err));
    serde_json::from_str(answer.lines().next().unwrap()).unwrap()
}

/// The JSON in an answer.
fn told(answer: &Value) -> Value {
    serde_json::from_str(answer["Ok"].as_str().unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

/// The version that the package manager has of a package.
fn package(name: &str) -> Option<String> {
    let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", name]).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn has_a_gpu() -> bool {
    Path::new("/dev/kfd").exists()
}

#[test]
fn hip_tells_the_version_of_its_package_and_finds_no_device() {
    let Some(package) = package("libamdhip64-5") else { return lacks("HIP (package libamdhip64-5)") };
    if has_a_gpu() {
        return lacks("a machine without an AMD GPU");
    }
    let hip = told(&answer("hip", HIP));
    let version = hip["version"].as_i64().unwrap();
    let release = format!("{}.{}", version / 10_000_000, version / 100_000 % 100);
    assert!(package.starts_with(&format!("{release}.")), "{release} of {package}");
    assert_eq!((&hip["status"], hip["devices"].as_array().unwrap().len()), (&100.into(), 0));
    // The file's name holds the same number.
    let file = std::fs::canonicalize(HIP).unwrap();
    assert!(file.to_str().unwrap().ends_with(&format!(".so.{release}.{}", version % 100_000)), "{file:?}");
}

#[test]
fn hsa_without_its_kernel_driver_is_out_of_resources() {
    if package("libhsa-runtime64-1").is_none() {
        return lacks("HSA (package libhsa-runtime64-1)");
    }
    if has_a_gpu() {
        return lacks("a machine without an AMD GPU");
    }
    let answer = answer("hsa", HSA);
    let exited = &answer["Err"]["exited"];
    assert_eq!(exited["code"], 0x1008, "{answer}");
    assert!(exited["message"].as_str().unwrap().starts_with("hsa_init: HSA_STATUS_ERROR_OUT_OF_RESOURCES"));
}

#[test]
fn without_a_card_the_libraries_are_read_by_name_and_nobody_is_warned() {
    let (Some(_), Some(_), Some(_)) =
        (package("libamdhip64-5"), package("libhsa-runtime64-1"), package("librocm-smi64-1"))
    else {
        return lacks("HIP, HSA and ROCm SMI (packages libamdhip64-5, libhsa-runtime64-1, librocm-smi64-1)");
    };
    if has_a_gpu() {
        return lacks("a machine without an AMD GPU");
    }
    let diagnosis = json(&mut tool(&["doctor", "--json"]));
    let rocm = system(&diagnosis, "rocm");
    assert_eq!((&rocm["state"], &rocm["rung"]), (&"not-installed".into(), &"bus".into()), "{rocm}");
    for (part, path) in [("hip", HIP), ("hsa", HSA)] {
        let file = std::fs::canonicalize(path).unwrap();
        let version = rocm["versions"][part].as_str().unwrap();
        assert!(file.to_str().unwrap().ends_with(&format!(".{version}")), "{version} of {file:?}");
    }
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    assert!(
        facts
            .iter()
            .any(|fact| fact["key"] == "rocm-library" && fact["subject"].as_str().unwrap().contains("librocm_smi64"))
    );
    assert!(!facts.iter().any(|fact| fact["origin"].as_str().unwrap().starts_with("native rocm")), "none was loaded");
    let findings = diagnosis["findings"].as_array().unwrap();
    assert!(!findings.iter().any(|finding| finding["code"].as_str().unwrap().contains("rocm")), "{findings:#?}");
}

#[test]
fn a_gpu_of_a_stand_in_is_read_whole() {
    let folder = Folder::new("rocm-standin");
    for flags in [&[][..], &["-DOLD"]] {
        let file = folder.path("librocm.so");
        if !library("rocm.c", flags, &file) {
            return;
        }
        let path = file.to_str().unwrap();
        let hsa = told(&answer("hsa", path));
        let agents = hsa["agents"].as_array().unwrap();
        assert_eq!(agents.len(), 1, "a processor is no GPU: {hsa}");
        assert_eq!((&agents[0]["target"], &agents[0]["pci"]), (&"gfx90a".into(), &"0003:c1:02.1".into()));
        assert_eq!((&agents[0]["name"], &agents[0]["integrated"]), (&"AMD Instinct MI250X".into(), &Value::Null));
        let hip = told(&answer("hip", path));
        let device = &hip["devices"][0];
        assert_eq!(device["target"], "gfx90a:sramecc+:xnack-", "{hip}");
        assert_eq!((&device["pci"], &device["integrated"]), (&"0003:c1:02.1".into(), &false.into()));
        assert_eq!(device["memory_bytes"], 68_702_699_520_u64);
    }
}

#[test]
fn a_closed_node_names_its_group_and_nobody_joins_one_inside_a_container() {
    let remedy = |name: &str| {
        let path = root().join("fixtures").join(name);
        let diagnosis = json(&mut tool(&["doctor", "--json", "--from", path.to_str().unwrap()]));
        let finding = &diagnosis["findings"][0];
        assert_eq!(finding["code"], "rocm-kfd-permission");
        let commands = finding["remedy"]["commands"].as_array().unwrap();
        let commands: Vec<String> = commands.iter().map(|command| command.as_str().unwrap().to_owned()).collect();
        (finding["message"].as_str().unwrap().to_owned(), commands.join("\n"))
    };
    let (message, commands) = remedy("linux-rx7900xtx-rocm-kfd-permission.toml");
    assert!(message.contains("/dev/kfd") && message.contains("render"), "{message}");
    assert_eq!(commands, "sudo usermod -aG render,video \"$USER\"");
    // Who is root inside a container is told how to start it, not to join a group.
    let (_, commands) = remedy("linux-container-rx7900xtx-rocm-kfd-permission.toml");
    assert!(commands.contains("--group-add") && !commands.contains("usermod"), "{commands}");
}
