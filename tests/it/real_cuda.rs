//! NVIDIA's CUDA runtimes out of their packages: what each tells of itself, and that nobody opens a driver to ask.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::path::PathBuf;

use serde_json::Value;

use crate::tool::{Folder, json, lacks, tool};

#[test]
fn runtimes_in_packages_tell_the_versions_of_their_packages() {
    let Some(environment) = std::env::var_os("ACCELPROBE_PYTHON_LIBRARIES").map(PathBuf::from) else {
        return lacks("NVIDIA's Python packages (ACCELPROBE_PYTHON_LIBRARIES, see tests/tools/python-libraries)");
    };
    let home = Folder::new("cuda-runtimes");
    let mut doctor = tool(&["doctor", "--json", "--only", "cuda", "--python", environment.to_str().unwrap()]);
    let diagnosis = json(doctor.env("HOME", &home.0).env("PATH", "/nonexistent"));
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let of = |key: &str, file: &str| -> Option<Value> {
        let about = |fact: &&Value| fact["key"] == key && fact["subject"].as_str().unwrap().ends_with(file);
        facts.iter().find(about).map(|fact| fact["value"].clone())
    };
    for file in ["libcudart.so.12", "libcudart.so.13"] {
        let package = of("cuda-runtime-copy", file).unwrap();
        let says = of("cuda-runtime-says", file).unwrap();
        // A package counts builds behind what the runtime tells of itself, which has no third number.
        let (package, says) = (package.as_str().unwrap(), says.as_str().unwrap());
        assert!(package.starts_with(&format!("{says}.")), "{file}: {says} of package {package}");
    }
    assert!(of("cuda-runtime-copy", "libcudart.so.11.0").is_some());
    if !std::path::Path::new("/dev/nvidiactl").exists() {
        assert_eq!(of("cuda-runtime-says", "libcudart.so.11.0"), None, "that one opens the driver to answer");
    }
}
