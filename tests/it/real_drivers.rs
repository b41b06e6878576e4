//! The probes against real drivers, and against stand-ins only for what a machine without a GPU cannot have.
//!
//! Where a driver is not installed its test says so and passes; where ACCELPROBE_REAL_DRIVERS is `required` it fails.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::tool::{Folder, codes, json, lacks, ran, root, system, tool};

/// The manifest of Mesa's CPU renderer.
pub const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/// What the doctor says of this machine.
pub fn doctor() -> Value {
    json(&mut tool(&["doctor", "--json"]))
}

/// What another program prints, where it is installed.
fn peer(program: &str, arguments: &[&str]) -> Option<String> {
    let folder = Folder::new(program);
    let output = Command::new(program).args(arguments).env("HOME", &folder.0).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether Mesa's CPU renderer is here; says so where it is not.
pub fn has_lavapipe() -> bool {
    let has = Path::new(LAVAPIPE).exists();
    if !has {
        lacks("Mesa's lavapipe (package mesa-vulkan-drivers)");
    }
    has
}

fn values<'a>(text: &'a str, name: &str) -> BTreeSet<&'a str> {
    let named = |line: &'a str| line.trim().split_once(['=', ' ']).filter(|(key, _)| key.trim() == name);
    text.lines().filter_map(named).map(|(_, value)| value.trim().trim_start_matches('=').trim()).collect()
}

#[test]
fn vulkan_devices_equal_those_of_vulkaninfo() {
    let Some(summary) = peer("vulkaninfo", &["--summary"]) else { return lacks("vulkaninfo (package vulkan-tools)") };
    if !has_lavapipe() {
        return;
    }
    let diagnosis = doctor();
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let told = |key: &str| -> BTreeSet<String> {
        let with_key = facts.iter().filter(|fact| fact["key"] == key);
        with_key.filter_map(|fact| fact["value"].as_str()).map(str::to_owned).collect()
    };
    let theirs = |name: &str| -> BTreeSet<String> { values(&summary, name).into_iter().map(str::to_owned).collect() };
    assert!(!theirs("deviceName").is_empty(), "{summary}");
    assert_eq!(told("vulkan-device"), theirs("deviceName"));
    assert_eq!(
        told("vulkan-api"),
        theirs("apiVersion").iter().map(|api| api.split(' ').next().unwrap().to_owned()).collect()
    );
    let drivers: BTreeSet<String> =
        theirs("driverName").iter().zip(&theirs("driverInfo")).map(|(name, info)| format!("{name} {info}")).collect();
    assert_eq!(told("vulkan-driver"), drivers);
    let instance = summary.lines().find_map(|line| line.strip_prefix("Vulkan Instance Version:")).unwrap().trim();
    assert_eq!(told("vulkan-loader-version"), [instance.to_owned()].into());
}

#[test]
fn opencl_devices_equal_those_of_clinfo() {
    let Some(listed) = peer("clinfo", &["--raw"]) else { return lacks("clinfo") };
    if !Path::new("/etc/OpenCL/vendors/pocl.icd").exists() {
        return lacks("PoCL (package pocl-opencl-icd)");
    }
    let diagnosis = doctor();
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    for (key, theirs) in [("opencl-device", "CL_DEVICE_NAME"), ("opencl-driver", "CL_DRIVER_VERSION")] {
        let ours: BTreeSet<&str> =
            facts.iter().filter(|fact| fact["key"] == key).filter_map(|fact| fact["value"].as_str()).collect();
        // Raw lines read `[P0/0] CL_DEVICE_NAME   the name`.
        let lines = listed.lines().filter_map(|line| line.split_once(theirs));
        let theirs: BTreeSet<&str> = lines.map(|(_, value)| value.trim()).filter(|value| !value.is_empty()).collect();
        assert_eq!(ours, theirs, "{key}");
    }
    assert_eq!(system(&diagnosis, "opencl")["state"], "software-only");
}

#[test]
fn rusticl_lists_what_clinfo_lists_and_computes_right() {
    let Ok(manifest) = std::fs::read_to_string("/etc/OpenCL/vendors/rusticl.icd") else {
        return lacks("rusticl (package mesa-opencl-icd)");
    };
    let folder = Folder::new("rusticl");
    folder.write("vendors/rusticl.icd", &manifest);
    // Its CPU device is off unless it is asked for.
    let settings = [("OCL_ICD_VENDORS", folder.path("vendors")), ("RUSTICL_ENABLE", "llvmpipe".into())];
    let mut clinfo = Command::new("clinfo");
    let Ok(listed) = clinfo.arg("--raw").envs(settings.clone()).env("HOME", &folder.0).output() else {
        return lacks("clinfo");
    };
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let theirs = |key: &str| {
        let line = listed.lines().find_map(|line| Some(line.split_once(key)?.1.trim().to_owned()));
        line.unwrap_or_else(|| panic!("no {key} in {listed}"))
    };
    let diagnosis = json(tool(&["doctor", "--json", "--only", "opencl", "--deep"]).envs(settings));
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let ours = |key: &str| facts.iter().find(|fact| fact["key"] == key).unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(ours("opencl-device")["value"], theirs("CL_DEVICE_NAME"));
    assert_eq!(ours("opencl-driver")["value"], theirs("CL_DRIVER_VERSION"));
    assert_eq!(ours("opencl-compute")["value"], "right");
    let opencl = system(&diagnosis, "opencl");
    assert_eq!((&opencl["state"], &opencl["rung"]), (&"software-only".into(), &"compute".into()));
}

#[test]
fn a_machine_with_cpu_drivers_alone_is_healthy_and_has_no_gpu() {
    if !has_lavapipe() {
        return;
    }
    if Path::new("/dev/dri").exists() || Path::new("/proc/driver/nvidia").exists() {
        return lacks("a machine without a GPU");
    }
    let ran = ran(tool(&["doctor", "--json"]).output().unwrap());
    let diagnosis: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, codes(&diagnosis)), (0, Vec::new()), "{}", ran.out);
    let vulkan = system(&diagnosis, "vulkan");
    assert_eq!((&vulkan["state"], &vulkan["rung"]), (&"software-only".into(), &"enumerate".into()));
    let cuda = system(&diagnosis, "cuda");
    assert_eq!((&cuda["state"], &cuda["rung"]), (&"not-installed".into(), &"bus".into()));
    let devices = diagnosis["devices"].as_array().unwrap();
    let llvmpipe = devices.iter().find(|device| device["name"].as_str().unwrap().starts_with("llvmpipe")).unwrap();
    assert_eq!(llvmpipe["kind"], "software");
    for (require, code, says) in [
        ("vulkan", 1, "not a GPU"),
        ("vulkan:cpu", 0, "holds"),
        ("cuda>=12.4", 1, "no NVIDIA GPU on the bus"),
        ("cuda>>12", 2, "^"),
    ] {
        let ran = crate::tool::ran(tool(&["doctor", "--require", require]).output().unwrap());
        let said = (ran.out + &ran.err).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ran.code, code, "{require}: {said}");
        assert!(said.contains(says), "{require}: {said}");
    }
}

/// A manifest of a driver with a fault, beside the healthy one.
pub fn faulty(folder: &Folder, fault: &str) -> PathBuf {
    let file = folder.path(&format!("lib{fault}.so"));
    library("vulkan_icd.c", &[&format!("-DFAULT={}", fault.to_uppercase())], &file);
    let path = file.display();
    let manifest =
        format!(r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{path}", "api_version": "1.1.0"}}}}"#);
    folder.write(&format!("{fault}.json"), &manifest)
}

#[test]
fn a_faulty_driver_costs_one_line_and_no_other_result() {
    let folder = Folder::new("faulty-drivers");
    if !has_lavapipe() || !library("vulkan_icd.c", &["-DFAULT=CRASH"], &folder.path("try.so")) {
        return;
    }
    let mut manifests: Vec<String> =
        ["crash", "hang", "noise", "exit"].iter().map(|fault| faulty(&folder, fault).display().to_string()).collect();
    manifests.push(folder.write("text.json", "this is not JSON").display().to_string());
    manifests.push(folder.write("gone.json", r#"{"ICD": {"library_path": "/no/such/lib.so"}}"#).display().to_string());
    let half = std::fs::read(folder.path("libcrash.so")).unwrap();
    std::fs::write(folder.path("cut.so"), &half[..half.len() / 8]).unwrap();
    manifests.push(folder.write("cut.json", r#"{"ICD": {"library_path": "./cut.so"}}"#).display().to_string());
    manifests.push(LAVAPIPE.to_owned());
    let start = Instant::now();
    let diagnosis = json(tool(&["doctor", "--json", "--timeout", "2"]).env("VK_DRIVER_FILES", manifests.join(":")));
    assert!(start.elapsed() < Duration::from_secs(8), "took {:?}", start.elapsed());
    let vulkan = system(&diagnosis, "vulkan");
    assert_eq!(vulkan["state"], "software-only", "the healthy driver is still there: {vulkan}");
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let icd = |name: &str| {
        let ends = format!("/{name}.json");
        let fact =
            facts.iter().find(|fact| fact["key"] == "vulkan-icd" && fact["subject"].as_str().unwrap().ends_with(&ends));
        fact.unwrap_or_else(|| panic!("nothing of {name}")).clone()
    };
    assert_eq!(icd("crash")["missing"]["crashed"], "signal 11 (SIGSEGV)");
    assert_eq!(icd("hang")["missing"], "timed-out");
    assert_eq!(icd("noise")["value"], "no-device");
    assert_eq!(icd("exit")["missing"]["crashed"], "exit code 0, before it answered");
    assert!(icd("text")["missing"]["garbled"].as_str().unwrap().contains("not JSON"));
    assert!(icd("gone")["missing"]["garbled"].as_str().unwrap().contains("not found"));
    let cut = icd("cut")["missing"]["garbled"].as_str().unwrap().to_owned();
    assert!(cut.contains("cut short") || cut.contains("damaged"), "{cut}");
    assert_eq!(icd("lvp_icd.x86_64")["value"], "software");
    let findings = diagnosis["findings"].as_array().unwrap();
    let told = |code: &str| findings.iter().filter(|finding| finding["code"] == code).count();
    assert_eq!((told("vulkan-icd-failed"), told("vulkan-icd-broken")), (3, 3), "one line for each: {findings:#?}");
}

#[test]
fn who_ends_the_doctor_ends_its_children_and_its_folder() {
    let folder = Folder::new("interrupt");
    if !has_lavapipe() || !library("vulkan_icd.c", &["-DFAULT=HANG"], &folder.path("try.so")) {
        return;
    }
    let manifest = faulty(&folder, "hang");
    let temporary = Folder::new("interrupt-tmp");
    let mut doctor = tool(&["doctor", "--only", "vulkan"])
        .env("VK_DRIVER_FILES", &manifest)
        .env("TMPDIR", &temporary.0)
        .spawn()
        .unwrap();
    let mark = format!("ACCELPROBE_RUN=run-{}", doctor.id());
    let children = |with: &str| {
        let environment = |process: std::fs::DirEntry| std::fs::read(process.path().join("environ")).ok();
        let processes = std::fs::read_dir("/proc").unwrap().flatten().filter_map(environment);
        let texts = processes.map(|environment| String::from_utf8_lossy(&environment).into_owned());
        texts.filter(|environment| environment.contains(&mark) && environment.contains(with)).count()
    };
    // Other children come and go; the one that hangs stays.
    let until = Instant::now() + Duration::from_secs(8);
    while children("VK_ICD_FILENAMES=") == 0 {
        assert!(Instant::now() < until, "the hanging driver is asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = Command::new("kill").args(["-TERM", &doctor.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let left = || (children(""), std::fs::read_dir(&temporary.0).unwrap().count());
    let until = Instant::now() + Duration::from_secs(5);
    while left() != (0, 0) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(left(), (0, 0), "children and files that are left");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&doctor.wait().unwrap()), Some(15));
}

#[test]
fn nvidia_libraries_without_their_kernel_driver_are_read_and_not_initialised() {
    let Ok(libraries) = std::env::var("ACCELPROBE_NVIDIA_LIBRARIES") else {
        return lacks("NVIDIA's libraries (ACCELPROBE_NVIDIA_LIBRARIES, see tests/tools/nvidia-libraries)");
    };
    let file = std::fs::read_dir(&libraries).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let version = file
        .filter_map(|name| name.strip_prefix("libcuda.so.").map(str::to_owned))
        .find(|rest| rest.contains('.'))
        .unwrap();
    let home = Folder::new("nvidia-home");
    let nodes = || {
        let names = std::fs::read_dir("/dev").unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("nvidia")).collect::<BTreeSet<_>>()
    };
    let before = nodes();
    let diagnosis = json(tool(&["doctor", "--json"]).env("LD_LIBRARY_PATH", &libraries).env("HOME", &home.0));
    assert_eq!(nodes(), before, "no device node appears");
    assert_eq!(std::fs::read_dir(&home.0).unwrap().count(), 0, "nothing is written into the home directory");
    let cuda = system(&diagnosis, "cuda");
    assert_eq!((&cuda["state"], &cuda["rung"]), (&"broken".into(), &"kernel-driver".into()));
    assert_eq!(cuda["versions"]["library"], version);
    assert_eq!(codes(&diagnosis), Vec::<String>::new(), "nobody wants CUDA here: no error and no warning");
}

#[test]
fn a_cuda_library_is_not_even_loaded_where_no_kernel_driver_is() {
    let folder = Folder::new("libcuda");
    let file = folder.path("libcuda.so.550.163.01");
    if !library("libcuda.c", &["-Wl,-soname,libcuda.so.1"], &file) {
        return;
    }
    if Path::new("/proc/driver/nvidia").exists() {
        return lacks("a machine without an NVIDIA driver");
    }
    std::os::unix::fs::symlink(&file, folder.path("libcuda.so.1")).unwrap();
    let touched = folder.path("touched");
    let diagnosis =
        json(tool(&["doctor", "--json"]).env("LD_LIBRARY_PATH", &folder.0).env("ACCELPROBE_TOUCHED", &touched));
    assert!(!touched.exists(), "the library was loaded");
    assert_eq!(system(&diagnosis, "cuda")["versions"]["library"], "550.163.01");
}

#[test]
fn drivers_write_nothing_into_the_home_directory() {
    let home = Folder::new("home");
    let temporary = Folder::new("tmp");
    let ran = ran(tool(&["doctor", "--json"]).env("HOME", &home.0).env("TMPDIR", &temporary.0).output().unwrap());
    assert!(ran.code < 2, "{}", ran.err);
    for folder in [&home, &temporary] {
        let left: Vec<_> = std::fs::read_dir(&folder.0).unwrap().flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Builds a library out of C, or says that there is no compiler.
pub fn library(source: &str, flags: &[&str], to: &Path) -> bool {
    let source = root().join("tests/it/standins").join(source);
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-w"]).args(flags).arg("-o").arg(to).arg(source).status();
    match built {
        Ok(status) => {
            assert!(status.success(), "the stand-in does not build");
            true
        }
        Err(_) => {
            lacks("a C compiler");
            false
        }
    }
}
