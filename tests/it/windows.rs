//! What only Windows has: where it looks for libraries and programs, and its registry. Stand-ins come from the folder that
//! ACCELPROBE_STANDINS names; tests/tools/wine builds them, arranges a Windows under Wine and runs what is ignored here.

#![cfg(all(feature = "native", windows))]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::tool::{Folder, PROGRAM, codes, json, lacks, ran, root, run, system, tool};

/// Libraries of the system that probes ask, and what those bring in. Not among them is what this program is linked to,
/// such as `dxgi.dll`: Windows itself looks for that beside a program before anything of ours runs.
const LIBRARIES: &[&str] = &[
    "DirectML.dll",
    "OpenCL.dll",
    "amdhip64.dll",
    "amdhip64_6.dll",
    "d3d12.dll",
    "d3dcompiler_47.dll",
    "dxcore.dll",
    "nvcuda.dll",
    "nvml.dll",
    "vulkan-1.dll",
    "ze_loader.dll",
];

/// A stand-in by its name, or the word that there is none.
fn stand_in(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ACCELPROBE_STANDINS").map(PathBuf::from);
    let file = folder.map(|folder| folder.join(name)).filter(|file| file.exists());
    if file.is_none() {
        lacks("stand-ins for Windows (tests/tools/wine builds them)");
    }
    file
}

/// A folder with a library of every name that a system library has, and programs; each leaves a mark where it is taken.
fn planted(name: &str) -> Option<Folder> {
    let (library, program) = (stand_in("planted.dll")?, stand_in("planted.exe")?);
    let folder = Folder::new(name);
    for name in LIBRARIES {
        std::fs::copy(&library, folder.path(name)).unwrap();
    }
    for name in ["nvidia-smi.exe", "nvcc.exe", "hl-smi.exe", "hipInfo.exe", "rocminfo.exe", "python.exe", "wsl.exe"] {
        std::fs::copy(&program, folder.path(name)).unwrap();
    }
    Some(folder)
}

/// What of the folder was loaded or run, and is no longer known of.
fn taken(folder: &Folder) -> Vec<String> {
    let names = std::fs::read_dir(&folder.0).unwrap().flatten();
    let mut names: Vec<String> = names.filter_map(|entry| Some(entry.file_name().to_str()?.to_owned())).collect();
    names.retain(|name| name.ends_with(".taken"));
    names.sort();
    names.iter().for_each(|name| std::fs::remove_file(folder.path(name)).unwrap());
    names
}

/// The search path of this process behind more entries.
fn search_path(first: &[&str]) -> String {
    let own = std::env::var("PATH").unwrap();
    first.iter().copied().chain([own.as_str()]).collect::<Vec<_>>().join(";")
}

fn fact<'a>(diagnosis: &'a Value, key: &str) -> Vec<&'a Value> {
    let facts = diagnosis["report"]["facts"].as_array().unwrap().iter();
    facts.filter(|fact| fact["key"] == key).map(|fact| &fact["value"]).collect()
}

#[test]
fn nothing_is_taken_from_the_working_directory() {
    let Some(folder) = planted("planted") else { return };
    assert!(Command::new(folder.path("nvidia-smi.exe")).status().unwrap().success());
    assert_eq!(taken(&folder), ["nvidia-smi.exe.taken"], "a mark is left");
    let linked = ["dbghelp.dll", "dxgi.dll", "pdh.dll"].map(|name| folder.path(name));
    linked.iter().for_each(|file| _ = std::fs::copy(folder.path("nvml.dll"), file).unwrap());
    let mut doctor = tool(&["doctor", "--json", "--deep"]);
    json(doctor.current_dir(&folder.0).env("PATH", search_path(&["", "."])));
    assert_eq!(taken(&folder), [""; 0]);
    linked.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    // What a person downloads and starts where it lies has strangers beside it.
    let beside = folder.path("accelprobe.exe");
    std::fs::copy(PROGRAM, &beside).unwrap();
    json(Command::new(&beside).args(["doctor", "--json", "--deep"]).current_dir(&folder.0));
    assert_eq!(taken(&folder), [""; 0]);
}

#[test]
fn the_search_path_is_searched_for_libraries_and_programs() {
    let Some(folder) = planted("search-path") else { return };
    if Path::new(r"C:\windows\System32\nvml.dll").exists() {
        return lacks("a Windows without NVIDIA's driver");
    }
    let mut doctor = tool(&["doctor", "--json"]);
    // Below Wine a folder of the machine around it has no drive in front.
    let folder_with_drive = std::path::absolute(&folder.0).unwrap();
    json(doctor.env("PATH", search_path(&[folder_with_drive.to_str().unwrap()])));
    let taken = taken(&folder);
    assert!(taken.contains(&"nvml.dll.taken".to_owned()), "{taken:?}");
    assert!(taken.contains(&"nvidia-smi.exe.taken".to_owned()), "{taken:?}");
}

#[test]
#[ignore = "a Windows that tests/tools/wine arranges: with a display, Mesa and PoCL below it, build 19045.3803"]
fn the_arranged_windows_is_told_as_it_is() {
    let diagnosis = json(&mut tool(&["doctor", "--json"]));
    assert_eq!(diagnosis["host"]["environment"], "windows");
    assert_eq!(diagnosis["host"]["os"], "Windows 10 Pro 22H2");
    assert_eq!(fact(&diagnosis, "windows-build"), ["19045.3803"]);
    assert_eq!(fact(&diagnosis, "dxgi-device").len(), 1, "{:#}", diagnosis["report"]);
    for (id, device) in [("vulkan", "llvmpipe"), ("opencl", "on the CPU")] {
        let told = system(&diagnosis, id);
        assert_eq!(told["state"], "software-only", "{told:#}");
        assert!(told["detail"].as_str().unwrap().contains(device), "{told:#}");
    }
    let directml = system(&diagnosis, "directml");
    assert_eq!(directml["state"], "not-installed", "{directml:#}");
    assert!(
        directml["detail"].as_str().unwrap().starts_with("no DirectML library where programs look"),
        "{directml:#}"
    );
    // Microsoft's own library, where a program would find it.
    let Some(folder) = std::env::var_os("DIRECTML") else { return lacks("DirectML.dll") };
    let path = search_path(&[folder.to_str().unwrap()]);
    let diagnosis = json(tool(&["doctor", "--json", "--only", "directml"]).env("PATH", path));
    let directml = system(&diagnosis, "directml");
    assert_eq!(directml["state"], "working", "{directml:#}");
    assert_eq!(directml["versions"]["library"], "1.13.1.0", "{directml:#}");
}

#[test]
#[ignore = "a Windows that tests/tools/wine arranges: with stand-ins for nvml.dll and nvcuda.dll in System32"]
fn stand_ins_in_the_system_folder_are_devices_of_nvidia() {
    let diagnosis = json(&mut tool(&["doctor", "--json", "--deep", "--only", "cuda"]));
    let cuda = system(&diagnosis, "cuda");
    assert_eq!((&cuda["state"], &cuda["rung"]), (&"working".into(), &"compute".into()), "{cuda:#}");
    assert_eq!(fact(&diagnosis, "nvidia-driver"), ["551.61"]);
    assert_eq!(fact(&diagnosis, "cuda-driver-api"), ["12.4", "12.4"]);
    let devices = diagnosis["devices"].as_array().unwrap().iter();
    let cards: Vec<&Value> = devices.filter(|device| device["id"] == "0000:07:00.0").collect();
    let [card] = cards.as_slice() else { panic!("{:#}", diagnosis["devices"]) };
    assert_eq!(card["name"], "NVIDIA A100-SXM4-40GB");
    assert_eq!((&card["driver"], &card["compute_capability"]), (&"551.61".into(), &"8.0".into()), "{card:#}");
    assert_eq!(codes(&diagnosis), [""; 0], "{:#}", diagnosis["findings"]);
}

#[test]
#[ignore = "a Windows that tests/tools/wine arranges: with a stand-in for wsl.exe in System32"]
fn the_other_side_is_looked_at_through_wsl() {
    let folder = Folder::new("wsl");
    let recording = root().join("fixtures/wsl2-rtx3060-healthy.toml").display().to_string();
    let told = run(&["doctor", "--json", "--from", &recording]);
    folder.write("told.json", &told.out);
    let doctor = |distribution: &str| {
        let mut doctor = tool(&["doctor", "--json", "--only", "cuda", "--wsl", distribution]);
        ran(doctor.env("ACCELPROBE_WSL_TELLS", folder.path("told.json")).output().unwrap())
    };
    let both: Value = serde_json::from_str(&doctor("Ubuntu-24.04").out).unwrap();
    let sides = &both["sides"];
    assert_eq!((&sides["windows_seen"], &sides["wsl2_seen"]), (&true.into(), &true.into()));
    assert_eq!(sides["other"]["host"]["environment"], "wsl2");
    let rows = sides["rows"].as_array().unwrap();
    let cuda = rows.iter().find(|row| row["system"] == "cuda").unwrap();
    assert_eq!(cuda["wsl2"]["standing"], "works", "{cuda:#}");
    let refused = doctor("Debian");
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(refused.err.contains("There is no distribution with the supplied name."), "{}", refused.err);
}
