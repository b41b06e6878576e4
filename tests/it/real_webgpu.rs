//! WebGPU and the computations of `--deep` against Mesa's CPU renderer, and against that renderer with one fault.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::real_drivers::{LAVAPIPE, doctor, has_lavapipe, library};
use crate::tool::{Folder, codes, json, system, tool};

/// The values that a diagnosis has under a key, in the order of its facts.
fn told(diagnosis: &Value, key: &str) -> Vec<Value> {
    let facts = diagnosis["report"]["facts"].as_array().unwrap().iter();
    let with_key = facts.filter(|fact| fact["key"] == key);
    with_key.map(|fact| fact.get("value").or(fact.get("missing")).unwrap().clone()).collect()
}

/// How a system stands: its state and its rung.
fn stands(diagnosis: &Value, id: &str) -> (String, String) {
    let system = system(diagnosis, id);
    let text = |key: &str| system[key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("rung"))
}

fn of(state: &str, rung: &str) -> (String, String) {
    (state.to_owned(), rung.to_owned())
}

#[test]
fn webgpu_gets_the_device_that_vulkan_lists() {
    if !has_lavapipe() {
        return;
    }
    let diagnosis = doctor();
    assert_eq!(told(&diagnosis, "webgpu-device"), told(&diagnosis, "vulkan-device"));
    assert_eq!(told(&diagnosis, "webgpu-driver"), told(&diagnosis, "vulkan-driver"));
    let devices = diagnosis["devices"].as_array().unwrap();
    let seen: Vec<&Value> = devices.iter().filter(|device| device["seen_by"].to_string().contains("webgpu")).collect();
    assert_eq!(seen.len(), told(&diagnosis, "vulkan-device").len(), "one device for both: {devices:#?}");
    assert!(seen.iter().all(|device| device["seen_by"].to_string().contains("vulkan")), "{devices:#?}");
    assert!(system(&diagnosis, "webgpu")["versions"]["wgpu"].as_str().unwrap().starts_with("30."));
}

#[test]
fn deep_computes_and_is_right() {
    if !has_lavapipe() {
        return;
    }
    let only = |deep: &[&str]| {
        let arguments = [&["doctor", "--json", "--only", "vulkan", "--only", "webgpu"], deep].concat();
        json(tool(&arguments).env("VK_DRIVER_FILES", LAVAPIPE))
    };
    let deep = only(&["--deep"]);
    for id in ["vulkan", "webgpu"] {
        assert_eq!(told(&deep, &format!("{id}-compute")), ["right"]);
        assert_eq!(stands(&deep, id), of("software-only", "compute"));
    }
    let shallow = only(&[]);
    for id in ["vulkan", "webgpu"] {
        assert_eq!(told(&shallow, &format!("{id}-compute")), Vec::<Value>::new());
        assert_eq!(stands(&shallow, id), of("software-only", "enumerate"));
    }
}

/// The manifest of a driver that is the CPU renderer with a fault; nothing where there is no compiler.
fn faulty(folder: &Folder, fault: &str) -> Option<PathBuf> {
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(LAVAPIPE).unwrap()).unwrap();
    let driver = format!("-DDRIVER=\"{}\"", manifest["ICD"]["library_path"].as_str().unwrap());
    let file = folder.path(&format!("lib{fault}.so"));
    if !library("vulkan_wrapper.c", &[&format!("-DFAULT={fault}"), &driver, "-ldl"], &file) {
        return None;
    }
    let path = file.display();
    let text =
        format!(r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{path}", "api_version": "1.1.0"}}}}"#);
    Some(folder.write(&format!("{fault}.json"), &text))
}

fn with_fault(fault: &str, arguments: &[&str]) -> Option<Value> {
    if !has_lavapipe() {
        return None;
    }
    let folder = Folder::new(&format!("webgpu-{fault}"));
    let manifest = faulty(&folder, fault)?;
    let arguments = [&["doctor", "--json", "--only", "vulkan", "--only", "webgpu"], arguments].concat();
    Some(json(tool(&arguments).env("VK_DRIVER_FILES", &manifest)))
}

#[test]
fn a_driver_that_dies_of_wgpu_is_no_fault_of_vulkan() {
    let Some(diagnosis) = with_fault("CRASH_SECOND", &[]) else { return };
    assert_eq!(stands(&diagnosis, "vulkan"), of("software-only", "enumerate"));
    assert_eq!(stands(&diagnosis, "webgpu"), of("crashed", "initialise"));
    assert_eq!(told(&diagnosis, "webgpu-backend")[0]["crashed"], "signal 11 (SIGSEGV)");
    assert_eq!(codes(&diagnosis), ["webgpu-backend-failed"]);
}

#[test]
fn a_driver_that_hangs_in_wgpu_costs_neither_vulkan_nor_all_its_time() {
    let start = Instant::now();
    let Some(diagnosis) = with_fault("HANG_SECOND", &["--timeout", "2"]) else { return };
    assert!(start.elapsed() < Duration::from_secs(6), "took {:?}", start.elapsed());
    assert_eq!(stands(&diagnosis, "vulkan"), of("software-only", "enumerate"));
    assert_eq!(stands(&diagnosis, "webgpu"), of("timed-out", "initialise"));
    assert_eq!(codes(&diagnosis), ["webgpu-backend-failed"]);
}

#[test]
fn a_driver_that_computes_nothing_is_broken_and_not_working() {
    let Some(diagnosis) = with_fault("DO_NOTHING", &["--deep"]) else { return };
    for id in ["vulkan", "webgpu"] {
        assert_eq!(told(&diagnosis, &format!("{id}-compute")), ["wrong: expected 4, got 2"]);
        assert_eq!(stands(&diagnosis, id), of("broken", "compute"));
    }
    assert_eq!(codes(&diagnosis), ["compute-wrong"]);
}
