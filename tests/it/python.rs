//! Python environments on disk: what packages need and would not find, named with who wants it and who would bring it.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tool::{Folder, json, tool};

/// Builds a library that needs the named ones, of which there are none on this machine; false where there is no compiler.
fn library(to: &Path, needed: &[&str], search: &str, scratch: &Folder) -> bool {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let source = scratch.write("empty.c", "int accelprobe_test;\n");
    let mut build = Command::new("cc");
    build.args(["-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"]);
    build.arg(format!("-Wl,-rpath,{search}")).arg("-o").arg(to).arg(&source);
    for name in needed {
        // The linker needs one to name; what stands in the header is its own name.
        let stub = scratch.path(name);
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-nostdlib", &format!("-Wl,-soname,{name}"), "-o"])
            .args([&stub, &source])
            .status();
        match made {
            Ok(status) => assert!(status.success(), "the stub does not build"),
            Err(_) => return false,
        }
        build.arg(&stub);
    }
    assert!(build.status().unwrap().success(), "the library does not build");
    true
}

fn metadata(site: &str, folder: &Folder, name: &str, version: &str, requires: &[&str]) {
    let stem = name.replace('-', "_");
    let requires: String = requires.iter().map(|one| format!("Requires-Dist: {one}\n")).collect();
    let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\nA description\n");
    folder.write(&format!("{site}/{stem}-{version}.dist-info/METADATA"), &text);
}

const SITE: &str = "venv/lib/python3.11/site-packages";

/// An environment with PyTorch and ONNX Runtime for CUDA, and without the cuDNN that both need.
fn without_cudnn(folder: &Folder, scratch: &Folder) -> bool {
    folder.write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.7\n");
    metadata(
        SITE,
        folder,
        "torch",
        "2.6.0+cu124",
        &["nvidia-cudnn-cu12==9.1.0.70; platform_system == \"Linux\"", "filelock"],
    );
    metadata(SITE, folder, "onnxruntime-gpu", "1.26.0", &["flatbuffers"]);
    folder.write(&format!("{SITE}/torch/version.py"), "__version__ = '2.6.0+cu124'\ncuda = '12.4'\nhip = None\n");
    let capi = format!("{SITE}/onnxruntime/capi");
    let info = "package_name = 'onnxruntime-gpu'\n__version__ = '1.26.0'\ncuda_version = '12.8'\n";
    folder.write(&format!("{capi}/build_and_package_info.py"), info);
    let torch = folder.path(&format!("{SITE}/torch/lib/libtorch_cuda.so"));
    let provider = folder.path(&format!("{capi}/libonnxruntime_providers_cuda.so"));
    library(&torch, &["libcudnn.so.9"], "$ORIGIN/../../nvidia/cudnn/lib", scratch)
        && library(&provider, &["libcudnn.so.9", "libcuda.so.1"], "$ORIGIN", scratch)
}

fn findings(folder: &Folder, set: &[&str]) -> Vec<Value> {
    let environment = folder.path("venv").display().to_string();
    let mut arguments = vec!["doctor", "--json", "--only", "python", "--only", "pytorch", "--only", "onnxruntime"];
    arguments.extend(["--only", "bus", "--python", &environment]);
    for value in set {
        arguments.extend(["--set", *value]);
    }
    let diagnosis = json(&mut tool(&arguments));
    let all = diagnosis["findings"].as_array().unwrap().clone();
    let mut told: Vec<Value> = all.into_iter().filter(|finding| finding.to_string().contains(&environment)).collect();
    // Rules stand in the order of their files; packages stand first here.
    told.sort_by_key(|finding| finding["subject"].as_str().unwrap().starts_with('/'));
    told
}

#[test]
fn a_missing_cudnn_is_named_with_who_wants_it_and_who_would_bring_it() {
    let (folder, scratch) = (Folder::new("without-cudnn"), Folder::new("without-cudnn-stubs"));
    if !without_cudnn(&folder, &scratch) {
        return;
    }
    let told = findings(&folder, &["gpu-vendors=nvidia"]);
    assert!(told.iter().all(|finding| finding["code"] == "cuda-lib-missing"), "one cause is told once: {told:#?}");
    let [torch, provider] = told.as_slice() else { panic!("one finding for each package: {told:#?}") };
    let interpreter = folder.path("venv/bin/python3").display().to_string();
    for (finding, wants, brings) in [
        (torch, "torch", format!("{interpreter} -m pip install nvidia-cudnn-cu12==9.1.0.70")),
        (provider, "onnxruntime-gpu", format!("{interpreter} -m pip install \"nvidia-cudnn-cu12>=9,<10\"")),
    ] {
        assert_eq!(finding["severity"], "error");
        let message = finding["message"].as_str().unwrap();
        assert!(message.contains("`libcudnn.so.9`") && message.contains(wants), "{message}");
        assert!(!message.contains("libcuda.so.1"), "the driver is another matter: {message}");
        assert!(finding["remedy"]["text"].as_str().unwrap().contains("nvidia-cudnn-cu12"));
        assert_eq!(finding["remedy"]["commands"][0].as_str().unwrap(), brings);
    }
}

#[test]
fn what_another_package_holds_is_loaded_beforehand() {
    let (folder, scratch) = (Folder::new("with-cudnn"), Folder::new("with-cudnn-stubs"));
    if !without_cudnn(&folder, &scratch) {
        return;
    }
    metadata(SITE, &folder, "nvidia-cudnn-cu12", "9.1.0.70", &[]);
    library(&folder.path(&format!("{SITE}/nvidia/cudnn/lib/libcudnn.so.9")), &[], "$ORIGIN", &scratch);
    let told = findings(&folder, &["gpu-vendors=nvidia"]);
    let [finding] = told.as_slice() else { panic!("PyTorch finds it by itself: {told:#?}") };
    assert_eq!((&finding["code"], &finding["severity"]), (&"onnxruntime-preload-first".into(), &"info".into()));
    assert!(finding["remedy"]["text"].as_str().unwrap().contains("onnxruntime.preload_dlls()"));
}

#[test]
fn without_an_nvidia_gpu_the_provider_is_worth_knowing_at_most() {
    let (folder, scratch) = (Folder::new("no-gpu"), Folder::new("no-gpu-stubs"));
    if !without_cudnn(&folder, &scratch) {
        return;
    }
    for finding in findings(&folder, &["gpu-vendors="]) {
        let of_torch = finding["subject"].as_str().unwrap().starts_with("torch");
        assert_eq!(finding["severity"], if of_torch { "error" } else { "info" }, "{finding:#}");
    }
}

#[test]
fn what_is_wrong_in_one_environment_explains_nothing_in_another() {
    let (folder, scratch) = (Folder::new("two-environments"), Folder::new("two-environments-stubs"));
    if !without_cudnn(&folder, &scratch) {
        return;
    }
    folder.write("venv2/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.7\n");
    let site = SITE.replace("venv/", "venv2/");
    metadata(&site, &folder, "torch", "2.6.0+cu124", &["nvidia-cudnn-cu12==9.1.0.70; platform_system == \"Linux\""]);
    let environments = ["venv", "venv2"].map(|name| folder.path(name).display().to_string());
    let mut arguments = vec!["doctor", "--json", "--only", "python", "--only", "pytorch"];
    arguments.extend(environments.iter().flat_map(|environment| ["--python", environment]));
    let diagnosis = json(&mut tool(&arguments));
    let findings = diagnosis["findings"].as_array().unwrap();
    let codes = |environment: &str| -> Vec<&str> {
        let subject = format!("torch in {environment}");
        let about = findings.iter().filter(|finding| finding["subject"] == subject.as_str());
        about.map(|finding| finding["code"].as_str().unwrap()).collect()
    };
    assert_eq!(codes(&environments[0]), ["cuda-lib-missing"], "its libraries tell what its metadata would tell again");
    assert_eq!(codes(&environments[1]), ["package-requirement-missing"]);
}
