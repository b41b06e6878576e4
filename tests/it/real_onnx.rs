//! ONNX Runtime, OpenVINO and LiteRT as their wheels have them: versions, providers, devices, and a small model that runs.
//!
//! ACCELPROBE_PYTHON_LIBRARIES names a folder with them, as tests/tools/python-libraries makes it. Without it the tests say so and
//! pass; where ACCELPROBE_REAL_DRIVERS is `required` they fail.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::io::Write;
use std::process::Command;

use serde_json::Value;

use crate::tool::{Folder, json, root, system, tool};

fn libraries() -> Option<String> {
    let folder = std::env::var("ACCELPROBE_PYTHON_LIBRARIES").ok();
    if folder.is_none() {
        let what = "the wheels (ACCELPROBE_PYTHON_LIBRARIES, see tests/tools/python-libraries)";
        assert!(
            std::env::var("ACCELPROBE_REAL_DRIVERS").as_deref() != Ok("required"),
            "required on this machine: {what}"
        );
        _ = writeln!(std::io::stderr(), "SKIPPED for lack of {what}");
    }
    folder
}

fn facts<'a>(diagnosis: &'a Value, key: &str) -> Vec<&'a Value> {
    diagnosis["report"]["facts"].as_array().unwrap().iter().filter(|fact| fact["key"] == key).collect()
}

/// The version in the name of a package's metadata folder.
fn version_of(folder: &str, package: &str) -> String {
    let site = format!("{folder}/lib/python3.11/site-packages");
    let names = std::fs::read_dir(&site).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let start = format!("{package}-");
    let version = names.filter_map(|name| Some(name.strip_prefix(&start)?.strip_suffix(".dist-info")?.to_owned()));
    version.last().unwrap_or_else(|| panic!("{package} is not in {site}"))
}

#[test]
fn the_runtimes_of_the_wheels_answer_and_compute_right() {
    let Some(folder) = libraries() else { return };
    let diagnosis = json(&mut tool(&["doctor", "--json", "--deep", "--python", &folder]));
    for (id, package) in [("onnxruntime", "onnxruntime"), ("openvino", "openvino"), ("tflite", "ai_edge_litert")] {
        let found = system(&diagnosis, id);
        assert_eq!(found["state"], "software-only", "{found}");
        assert_eq!(found["versions"]["package"], version_of(&folder, package).as_str());
    }
    for id in ["onnxruntime", "openvino"] {
        let found = system(&diagnosis, id);
        assert_eq!(
            found["versions"]["library"], found["versions"]["package"],
            "the library's own version is the wheel's"
        );
    }
    let one = |key: &str| {
        let facts = facts(&diagnosis, key);
        assert_eq!(facts.len(), 1, "{key}: {facts:#?}");
        facts[0]["value"].clone()
    };
    assert_eq!(one("onnxruntime-compute"), "right", "the CPU provider");
    assert_eq!(system(&diagnosis, "onnxruntime")["rung"], "compute");
    let providers = one("onnxruntime-providers");
    assert!(providers.as_array().unwrap().contains(&"CPUExecutionProvider".into()), "{providers}");
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let name = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).unwrap().1.trim();
    assert_eq!(one("openvino-cpu"), name);
    let accelerators = one("tflite-accelerators");
    assert!(accelerators.as_array().unwrap().contains(&"CpuAccelerator".into()), "{accelerators}");
}

#[test]
fn an_opencl_driver_that_crashes_takes_openvino_along_and_nothing_else() {
    let Some(folder) = libraries() else { return };
    let drivers = Folder::new("openvino-opencl");
    let file = drivers.path("libcrash.so");
    let source = root().join("tests/it/standins/opencl_crash.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-w", "-o"]).args([&file, &source]).status();
    if !built.is_ok_and(|status| status.success()) {
        _ = writeln!(std::io::stderr(), "SKIPPED for lack of a C compiler");
        return;
    }
    let manifest = drivers.write("vendors/crash.icd", &format!("{}\n", file.display()));
    let vendors = manifest.parent().unwrap().display().to_string();
    let diagnosis = json(tool(&["doctor", "--json", "--deep", "--python", &folder]).env("OCL_ICD_VENDORS", vendors));
    let openvino = system(&diagnosis, "openvino");
    assert_eq!((&openvino["state"], &openvino["rung"]), (&"crashed".into(), &"enumerate".into()), "{openvino}");
    let detail = openvino["detail"].as_str().unwrap();
    assert!(detail.contains("SIGSEGV") && detail.contains("crash.icd"), "whose fault it is: {detail}");
    let version = &openvino["versions"]["library"];
    assert_eq!(*version, version_of(&folder, "openvino").as_str(), "asked again without OpenCL");
    for id in ["onnxruntime", "tflite"] {
        assert_eq!(system(&diagnosis, id)["state"], "software-only");
    }
    let findings = diagnosis["findings"].as_array().unwrap();
    let told = |code: &str| findings.iter().filter(|finding| finding["code"] == code).count();
    assert_eq!((told("opencl-icd-failed"), told("openvino-failed")), (1, 0), "one cause, one finding: {findings:#?}");
}
