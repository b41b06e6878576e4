//! cuDNN and TensorRT by NVIDIA's own packages: what the libraries say, and what half of one does.
//!
//! ACCELPROBE_PYTHON_LIBRARIES names the folder that tests/tools/python-libraries made. Where it is not set a test says so and
//! passes; where ACCELPROBE_REAL_DRIVERS is `required` it fails.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tool::{Folder, json, system, tool};

/// The folder that looks like a virtual environment.
fn environment() -> Option<PathBuf> {
    let folder = std::env::var_os("ACCELPROBE_PYTHON_LIBRARIES").map(PathBuf::from);
    if folder.is_none() {
        let required = std::env::var("ACCELPROBE_REAL_DRIVERS").as_deref() == Ok("required");
        assert!(!required, "required on this machine: ACCELPROBE_PYTHON_LIBRARIES");
        _ = writeln!(
            std::io::stderr(),
            "SKIPPED for lack of NVIDIA's Python packages (ACCELPROBE_PYTHON_LIBRARIES, see tests/tools/python-libraries)"
        );
    }
    folder
}

fn site(environment: &Path) -> PathBuf {
    let lib = std::fs::read_dir(environment.join("lib")).unwrap().flatten().next().unwrap();
    lib.path().join("site-packages")
}

/// A doctor of these two alone, in a home of its own, so that no other environment is looked at.
fn doctor(home: &Folder, settings: &[(&str, &Path)], arguments: &[&str]) -> Value {
    let mut command = tool(&["doctor", "--json", "--only", "cudnn", "--only", "tensorrt"]);
    command.args(arguments).env("HOME", &home.0).env("PATH", "/nonexistent").env_remove("LD_LIBRARY_PATH");
    json(command.envs(settings.iter().copied()))
}

fn fact<'a>(diagnosis: &'a Value, key: &str, library: &str) -> &'a Value {
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let about = |fact: &&Value| fact["key"] == key && fact["subject"].as_str().unwrap().ends_with(library);
    facts.iter().find(about).unwrap_or_else(|| panic!("no {key} of {library} in {facts:#?}"))
}

/// The version of an installed package, by its metadata.
fn package(site: &Path, name: &str) -> String {
    let names = std::fs::read_dir(site).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let start = format!("{name}-");
    let version = |entry: String| entry.strip_prefix(&start)?.strip_suffix(".dist-info").map(str::to_owned);
    names.filter_map(version).next().unwrap_or_else(|| panic!("{name} is not in {}", site.display()))
}

fn device_nodes() -> BTreeSet<String> {
    let names = std::fs::read_dir("/dev").unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("nvidia")).collect()
}

#[test]
fn copies_in_packages_say_the_versions_of_their_packages() {
    let Some(environment) = environment() else { return };
    let site = site(&environment);
    let (home, before) = (Folder::new("cudnn-home"), device_nodes());
    let diagnosis = doctor(&home, &[], &["--python", environment.to_str().unwrap()]);
    assert_eq!(device_nodes(), before, "no device node appears");
    assert_eq!(std::fs::read_dir(&home.0).unwrap().count(), 0, "nothing is written into the home directory");
    for (key, library, name) in [
        ("cudnn-version", "cudnn_jit/lib/libcudnn.so.9", "nvidia_cudnn_jit_cu12"),
        ("tensorrt-version", "libnvinfer_lean.so.11", "tensorrt_lean_cu12_libs"),
        ("tensorrt-version", "libnvinfer_dispatch.so.11", "tensorrt_dispatch_cu12_libs"),
    ] {
        let said = fact(&diagnosis, key, library);
        assert!(said["origin"].as_str().unwrap().starts_with("native "), "by its own function: {said}");
        let told = package(&site, name);
        assert!(told.starts_with(&format!("{}.", said["value"].as_str().unwrap())), "{said} of {told}");
        if key == "tensorrt-version" {
            let build = fact(&diagnosis, "tensorrt-build", library)["value"].as_u64().unwrap();
            assert!(told.ends_with(&format!(".{build}")), "build {build} of {told}");
        }
    }
    assert_eq!(fact(&diagnosis, "cudnn-cuda", "libcudnn.so.9")["value"], "12.9");
    assert_eq!(fact(&diagnosis, "cudnn-kind", "libcudnn.so.9")["value"], "jit");
    assert_eq!(fact(&diagnosis, "cudnn-lacks", "libcudnn.so.9")["value"], serde_json::json!([]));
    assert_eq!(fact(&diagnosis, "tensorrt-kind", "libnvinfer_lean.so.11")["value"], "lean");
    for id in ["cudnn", "tensorrt"] {
        assert_eq!(
            (&system(&diagnosis, id)["state"], &system(&diagnosis, id)["rung"]),
            (&"working".into(), &"load".into())
        );
    }
    // The folder holds single wheels without what they require; that is told, and nothing of these two.
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    let codes: Vec<&str> = findings.map(|finding| finding["code"].as_str().unwrap()).collect();
    assert!(codes.iter().all(|code| *code == "package-requirement-missing"), "{codes:?}");
}

#[test]
fn half_a_copy_is_named_and_not_loaded() {
    let Some(environment) = environment() else { return };
    let whole = site(&environment).join("nvidia/cudnn_jit/lib");
    let (home, folder) = (Folder::new("half-home"), Folder::new("half-cudnn"));
    std::fs::copy(whole.join("libcudnn.so.9"), folder.path("libcudnn.so.9")).unwrap();
    let settings = [("LD_LIBRARY_PATH", folder.0.as_path())];
    let diagnosis = doctor(&home, &settings, &[]);
    let cudnn = system(&diagnosis, "cudnn");
    assert_eq!((&cudnn["state"], &cudnn["rung"]), (&"broken".into(), &"load".into()));
    assert!(cudnn["detail"].as_str().unwrap().contains("libcudnn_graph.so.9"), "{cudnn}");
    let version = fact(&diagnosis, "cudnn-version", "libcudnn.so.9");
    assert!(version["missing"]["unasked"].is_string(), "it would end its process: {version}");
    assert_eq!(diagnosis["findings"][0]["code"], "cudnn-incomplete");
    // With the part that tells the version it answers, and still lacks the rest.
    std::os::unix::fs::symlink(whole.join("libcudnn_graph.so.9"), folder.path("libcudnn_graph.so.9")).unwrap();
    let diagnosis = doctor(&home, &settings, &[]);
    assert!(fact(&diagnosis, "cudnn-version", "libcudnn.so.9")["value"].is_string());
    assert_eq!(system(&diagnosis, "cudnn")["state"], "broken");
}

#[test]
fn a_toolkit_on_the_loaders_path_is_what_the_loader_takes() {
    let Some(environment) = environment() else { return };
    let (home, toolkit) = (Folder::new("toolkit-home"), Folder::new("cuda-toolkit"));
    std::fs::create_dir(toolkit.path("lib64")).unwrap();
    for name in ["libcudnn.so.9", "libcudnn_graph.so.9", "libcudnn_engines_runtime_compiled.so.9"] {
        let file = site(&environment).join("nvidia/cudnn_jit/lib").join(name);
        std::fs::hard_link(&file, toolkit.path("lib64").join(name))
            .or_else(|_| std::fs::copy(&file, toolkit.path("lib64").join(name)).map(|_| ()))
            .unwrap();
    }
    let lib64 = toolkit.path("lib64");
    let front = lib64.join("libcudnn.so.9").display().to_string();
    let by_loader = doctor(&home, &[("LD_LIBRARY_PATH", lib64.as_path())], &[]);
    assert_eq!(fact(&by_loader, "cudnn-taken", "host")["value"], *front);
    assert_eq!(fact(&by_loader, "cudnn-place", &front)["value"], "loader");
    let cudnn = system(&by_loader, "cudnn");
    assert!(cudnn["detail"].as_str().unwrap().ends_with("which the loader takes first"), "{cudnn}");
    let by_variable = doctor(&home, &[("CUDA_HOME", toolkit.0.as_path())], &[]);
    assert_eq!(fact(&by_variable, "cudnn-place", &front)["value"], "toolkit");
    assert_eq!(fact(&by_variable, "cudnn-taken", "host")["missing"], "not-found");
}

#[test]
fn a_cut_library_is_told_by_its_header() {
    let Some(environment) = environment() else { return };
    let (home, folder) = (Folder::new("cut-home"), Folder::new("cut-tensorrt"));
    let whole = std::fs::read(site(&environment).join("tensorrt_dispatch_libs/libnvinfer_dispatch.so.11")).unwrap();
    std::fs::write(folder.path("libnvinfer_dispatch.so.11"), &whole[..whole.len() / 2]).unwrap();
    let diagnosis = doctor(&home, &[("LD_LIBRARY_PATH", folder.0.as_path())], &[]);
    let tensorrt = system(&diagnosis, "tensorrt");
    assert_eq!((&tensorrt["state"], &tensorrt["rung"]), (&"broken".into(), &"load".into()));
    assert!(tensorrt["detail"].as_str().unwrap().ends_with("the file is cut short"), "{tensorrt}");
    assert_eq!(diagnosis["findings"][0]["code"], "tensorrt-failed");
}
