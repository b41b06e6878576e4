//! Level Zero's real loader, and stand-ins for what no ordinary machine has: Intel's driver, Gaudi cards, IPUs.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use accelprobe_probes::host::live::Live;
use accelprobe_probes::host::{Answer, Host, Missing, Query, Question};
use serde_json::{Value, json};

use crate::real_drivers::library;
use crate::tool::{Folder, PROGRAM, codes, json, lacks, ran, system, tool};

const HEADER: &str = "/usr/include/level_zero/ze_api.h";

/// The version of a package of this machine.
fn package(name: &str) -> Option<String> {
    let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", name]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn facts<'a>(diagnosis: &'a Value, key: &str) -> Vec<&'a Value> {
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    facts.iter().filter(|fact| fact["key"] == key).collect()
}

#[test]
fn the_loader_without_a_driver_answers_as_its_header_says() {
    let Some(installed) = package("libze1") else { return lacks("Level Zero's loader (package libze1)") };
    if Path::new("/dev/dri").exists() || Path::new("/usr/lib/x86_64-linux-gnu/libze_intel_gpu.so.1").exists() {
        return lacks("a machine without an Intel GPU and its Level Zero driver");
    }
    let ran = ran(tool(&["doctor", "--json", "--trace", "--only", "intel-extensions"]).output().unwrap());
    let diagnosis: Value = serde_json::from_str(&ran.out).unwrap();
    let told = facts(&diagnosis, "level-zero-loader-version")[0]["value"].as_str().unwrap().to_owned();
    let minor = |version: &str| version.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(minor(&told), minor(&installed), "the file says {told}, the package {installed}");
    assert_eq!(facts(&diagnosis, "level-zero-icd")[0]["value"], "no-device");
    let Ok(header) = std::fs::read_to_string(HEADER) else { return lacks("Level Zero's headers (package libze-dev)") };
    let (_, code) = header.split_once("ZE_RESULT_ERROR_UNINITIALIZED = 0x").unwrap();
    let code = i64::from_str_radix(&code[..8], 16).unwrap();
    assert!(ran.err.contains(&format!("code {code}: zeInit")), "{}", ran.err);
    let intel = system(&diagnosis, "intel-extensions");
    assert_eq!(intel["state"], "not-installed", "{intel}");
    assert_eq!((ran.code, codes(&diagnosis)), (0, Vec::new()));
}

/// A folder with a driver for the real loader to find by its name.
fn level_zero_driver(folder: &Folder, flags: &[&str]) -> bool {
    if !Path::new(HEADER).exists() || package("libze1").is_none() {
        lacks("Level Zero's loader and headers (packages libze1 and libze-dev)");
        return false;
    }
    library("level_zero_driver.c", flags, &folder.path("libze_intel_gpu.so.1"))
}

#[test]
fn a_driver_behind_the_real_loader_lists_its_gpu() {
    let folder = Folder::new("level-zero");
    if !level_zero_driver(&folder, &[]) {
        return;
    }
    let diagnosis = json(
        tool(&["doctor", "--json", "--only", "intel-extensions"])
            .env("LD_LIBRARY_PATH", &folder.0)
            .env_remove("ZE_AFFINITY_MASK")
            .env_remove("ONEAPI_DEVICE_SELECTOR"),
    );
    let intel = system(&diagnosis, "intel-extensions");
    assert_eq!((&intel["state"], &intel["rung"]), (&json!("working"), &json!("enumerate")), "{intel}");
    assert_eq!(intel["versions"]["driver"], "1.3.27642");
    assert_eq!(intel["devices"], json!(["0000:4d:00.0"]));
    let device = diagnosis["devices"].as_array().unwrap().iter().find(|device| device["id"] == "0000:4d:00.0").unwrap();
    assert_eq!(device["name"], "Stand-in Graphics");
    assert_eq!((&device["kind"], &device["vendor"]), (&json!("discrete"), &json!("intel")));
    assert_eq!((&device["memory_bytes"], &device["seen_by"]), (&json!(16u64 << 30), &json!(["level-zero"])));
    let uuid = facts(&diagnosis, "device-uuid")[0]["value"].as_str().unwrap().to_owned();
    assert!(uuid.starts_with("00000000-0000-0000-0000-"), "a stand-in, not {uuid}");
    let hidden = json(
        tool(&["doctor", "--json", "--only", "intel-extensions"])
            .env("LD_LIBRARY_PATH", &folder.0)
            .env("ONEAPI_DEVICE_SELECTOR", "opencl:cpu"),
    );
    assert_eq!(system(&hidden, "intel-extensions")["state"], "masked");
    assert_eq!(codes(&hidden), ["visible-devices-hidden"]);
}

#[test]
fn a_level_zero_driver_that_crashes_costs_itself() {
    let folder = Folder::new("level-zero-crash");
    if !level_zero_driver(&folder, &["-DFAULT=CRASH"]) {
        return;
    }
    let diagnosis = json(
        tool(&["doctor", "--json", "--only", "intel-extensions"])
            .env("LD_LIBRARY_PATH", &folder.0)
            .env_remove("ZE_ENABLE_ALT_DRIVERS"),
    );
    assert_eq!(system(&diagnosis, "intel-extensions")["state"], "crashed");
    assert_eq!(codes(&diagnosis), ["level-zero-icd-failed"]);
}

fn ask(probe: &str, argument: &Path) -> Answer {
    let host = Live::new(PathBuf::from(PROGRAM), Duration::from_secs(20), None, Vec::new());
    let arguments = vec![argument.display().to_string()];
    let answer = host.ask(&Question::Native(Query { environment: Vec::new(), probe: probe.to_owned(), arguments }));
    host.finish();
    answer
}

#[test]
fn hlml_is_asked_as_its_header_declares_it() {
    let folder = Folder::new("hlml");
    let file = folder.path("libhlml.so");
    if !library("hlml.c", &[], &file) {
        return;
    }
    let told: Value = serde_json::from_str(&ask("habana-gaudi", &file).unwrap()).unwrap();
    let card = |pci: &str| json!({"name": "HL-225", "pci": pci, "memory_bytes": 96u64 << 30});
    assert_eq!(told, json!({"driver": "1.18.0-ee698fb", "devices": [card("0000:33:00.0"), card("0000:9A:00.0")]}));
    library("hlml.c", &["-DFAULT=LOST"], &file);
    assert!(matches!(ask("habana-gaudi", &file), Err(Missing::Exited { code: 15, .. })));
    library("hlml.c", &["-DFAULT=CRASH"], &file);
    assert_eq!(ask("habana-gaudi", &file), Err(Missing::Crashed("signal 11 (SIGSEGV)".into())));
    assert!(matches!(ask("habana-gaudi", &folder.path("none.so")), Err(Missing::Garbled(_))));
}

/// A program that anybody may run.
fn script(folder: &Folder, name: &str, text: &str) {
    let path = folder.write(name, &format!("#!/bin/sh\n{text}"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn without_a_gaudi_card_its_tool_is_asked_for_its_version_alone() {
    let folder = Folder::new("hl-smi");
    script(
        &folder,
        "hl-smi",
        &format!("echo \"$*\" >> {}\necho 'HL-SMI Version: hl-1.18.0-fw-53.1.1.1'\n", folder.path("asked").display()),
    );
    let diagnosis = json(tool(&["doctor", "--json", "--only", "habana-gaudi"]).env("PATH", &folder.0));
    let gaudi = system(&diagnosis, "habana-gaudi");
    assert_eq!((&gaudi["state"], &gaudi["rung"]), (&json!("not-installed"), &json!("bus")), "{gaudi}");
    assert_eq!(gaudi["versions"]["software"], "1.18.0");
    assert_eq!(std::fs::read_to_string(folder.path("asked")).unwrap(), "-v\n");
    assert_eq!(codes(&diagnosis), Vec::<String>::new());
}

#[test]
fn the_tool_of_an_enabled_sdk_counts_the_ipus_of_a_partition() {
    let folder = Folder::new("poplar-ubuntu_20_04-3.3.0+7857-b67b751185");
    folder.write("lib/libpoplar.so", "");
    let asked = folder.path("asked");
    let tell = |count: &str| {
        let text = format!(
            "echo \"$*\" >> {}\ncase $1 in --ipu-count) {count};; --ipu-arch) echo ipu2;; esac\n",
            asked.display()
        );
        script(&folder, "bin/gc-info", &text);
    };
    let doctor = |partition: Option<&str>| {
        let mut doctor = tool(&["doctor", "--json", "--only", "graphcore-poplar"]);
        doctor.env("PATH", folder.path("bin")).env("POPLAR_SDK_ENABLED", &folder.0);
        partition.map(|partition| doctor.env("IPUOF_VIPU_API_PARTITION_ID", partition));
        json(&mut doctor)
    };
    tell("echo 4");
    assert_eq!(system(&doctor(None), "graphcore-poplar")["state"], "not-installed");
    assert!(!asked.exists(), "nothing names an IPU, so nobody is asked");
    let diagnosis = doctor(Some("p1"));
    let poplar = system(&diagnosis, "graphcore-poplar");
    assert_eq!((&poplar["state"], &poplar["detail"]), (&json!("working"), &json!("4 × IPU (ipu2)")), "{poplar}");
    assert_eq!(poplar["devices"].as_array().unwrap().len(), 4);
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "--ipu-count\n--ipu-arch\n");
    tell("kill -SEGV $$");
    let diagnosis = doctor(Some("p1"));
    assert_eq!(system(&diagnosis, "graphcore-poplar")["state"], "crashed");
    assert_eq!(codes(&diagnosis), ["ipu-not-found"]);
}
