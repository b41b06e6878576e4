//! The situations of golden.rs that need live children: drivers that misbehave, tools that hang, environments on disk.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::real_drivers::{LAVAPIPE, faulty, has_lavapipe, library};
use crate::tool::{Folder, codes, lacks, ran, system, tool};

/// Exit code and diagnosis of a doctor with these variables.
fn doctor(arguments: &[&str], settings: &[(&str, String)]) -> (i32, Value) {
    let mut command = tool(&["doctor", "--json", "--timeout", "2"]);
    let ran = ran(command.args(arguments).envs(settings.iter().cloned()).output().unwrap());
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err)))
}

/// A program that does what these lines of shell say.
fn program(folder: &Folder, name: &str, lines: &str) {
    let file = folder.write(name, &format!("#!/bin/sh\n{lines}\n"));
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

// One crashing driver ends fastfetch, clinfo and vulkaninfo without a line; one hanging driver hangs them, and llmfit.
#[test]
fn golden_01_one_bad_vulkan_driver_beside_a_good_one() {
    let folder = Folder::new("golden-vulkan");
    if !has_lavapipe() || !library("vulkan_icd.c", &["-DFAULT=CRASH"], &folder.path("try.so")) {
        return;
    }
    for (fault, expected, code) in [
        ("crash", "vulkan-icd-failed", 1),
        ("hang", "vulkan-icd-failed", 1),
        ("exit", "vulkan-icd-failed", 1),
        ("noise", "", 0),
    ] {
        let drivers = format!("{}:{LAVAPIPE}", faulty(&folder, fault).display());
        let start = Instant::now();
        let (exit, diagnosis) = doctor(&["--only", "vulkan"], &[("VK_DRIVER_FILES", drivers)]);
        assert!(start.elapsed() < Duration::from_secs(8), "{fault}: {:?}", start.elapsed());
        assert_eq!((codes(&diagnosis).concat().as_str(), exit), (expected, code), "{fault}: {diagnosis:#}");
        let vulkan = system(&diagnosis, "vulkan");
        assert_eq!(vulkan["state"], "software-only", "{fault}: the good driver is still there: {vulkan:#}");
    }
}

#[test]
fn golden_01_an_opencl_driver_that_crashes() {
    let folder = Folder::new("golden-opencl");
    let file = folder.path("libcrash.so");
    if !library("opencl_crash.c", &[], &file) {
        return;
    }
    let good = std::fs::read_to_string("/etc/OpenCL/vendors/pocl.icd");
    let Ok(good) = good else { return lacks("PoCL (package pocl-opencl-icd)") };
    folder.write("vendors/crash.icd", &format!("{}\n", file.display()));
    folder.write("vendors/good.icd", &good);
    let vendors = folder.path("vendors").display().to_string();
    let (exit, diagnosis) = doctor(&["--only", "opencl"], &[("OCL_ICD_VENDORS", vendors)]);
    assert_eq!((codes(&diagnosis), exit), (vec!["opencl-icd-failed".to_owned()], 1), "{diagnosis:#}");
    assert_eq!(system(&diagnosis, "opencl")["state"], "software-only", "PoCL is still there");
}

// env-doctor, collect_env, uv, llmfit and `rapids debug` hang; cuda-doctor leaves its child behind.
#[test]
fn golden_01_a_hung_nvidia_smi_on_the_path() {
    let folder = Folder::new("golden-smi");
    program(&folder, "nvidia-smi", "exec sleep 600");
    let path = std::env::var("PATH").unwrap_or_default();
    let usual = doctor(&[], &[]);
    let start = Instant::now();
    let hung = doctor(&[], &[("PATH", format!("{}:{path}", folder.0.display()))]);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!((hung.0, codes(&hung.1)), (usual.0, codes(&usual.1)), "it proves nothing, neither by being there");
}

/// An environment with a torch that writes a file when it is imported, and then ends the program.
fn with_torch(folder: &Folder, name: &str, torch: bool) {
    folder.write(&format!("{name}/pyvenv.cfg"), "home = /usr/bin\nversion = 3.12.3\n");
    let imported = folder.path("imported");
    program(folder, &format!("{name}/bin/python3"), &format!("touch {}; exit 139", imported.display()));
    if torch {
        let site = format!("{name}/lib/python3.12/site-packages");
        folder.write(&format!("{site}/torch/__init__.py"), "import os\nopen('imported', 'w')\nos.abort()\n");
        let version = "__version__ = '2.7.1+cpu'\ncuda = None\nhip = None\n";
        folder.write(&format!("{site}/torch/version.py"), version);
        let metadata = "Metadata-Version: 2.1\nName: torch\nVersion: 2.7.1+cpu\n";
        folder.write(&format!("{site}/torch-2.7.1+cpu.dist-info/METADATA"), metadata);
    }
}

// env-doctor, cuda-doctor, gpu-doctor and collect_env import it, and die with it.
#[test]
fn golden_02_a_torch_that_would_crash_is_not_imported() {
    let folder = Folder::new("golden-crashing-torch");
    with_torch(&folder, "venv", true);
    let environment = folder.path("venv").display().to_string();
    let (exit, diagnosis) = doctor(&["--only", "pytorch", "--python", &environment], &[]);
    assert_eq!((codes(&diagnosis), exit), (Vec::new(), 0), "{diagnosis:#}");
    let environments = diagnosis["environments"].to_string();
    assert!(environments.contains("\"torch\":\"2.7.1+cpu\""), "{environments}");
    assert!(!folder.path("imported").exists(), "nothing was run");
}

// env-doctor run by uvx sees its own environment alone, and says "torch is NOT installed".
#[test]
fn golden_13_torch_in_another_environment_than_the_active_one() {
    let folder = Folder::new("golden-two-environments");
    with_torch(&folder, "active", false);
    with_torch(&folder, "other", true);
    let bin = |name: &str| folder.path(&format!("{name}/bin")).display().to_string();
    let settings = [
        ("VIRTUAL_ENV", folder.path("active").display().to_string()),
        ("PATH", format!("{}:{}:/usr/bin:/bin", bin("active"), bin("other"))),
    ];
    let (exit, diagnosis) = doctor(&["--only", "pytorch"], &settings);
    assert_eq!((codes(&diagnosis), exit), (Vec::new(), 0), "{diagnosis:#}");
    let environments = diagnosis["environments"].as_array().unwrap();
    let place = |name: &str| {
        let ends = format!("/{name}/bin/python3");
        let found = environments.iter().find(|one| one["path"].as_str().unwrap().ends_with(&ends));
        found.unwrap_or_else(|| panic!("no {name} in {environments:#?}"))
    };
    assert_eq!((&place("active")["role"], &place("active")["packages"]["torch"]), (&"active".into(), &Value::Null));
    assert_eq!((&place("other")["role"], &place("other")["packages"]["torch"]), (&"other".into(), &"2.7.1+cpu".into()));
    assert!(!folder.path("imported").exists(), "nothing was run");
}
