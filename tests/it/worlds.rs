//! The program inside systems that look like WSL2, WSL1, containers and Linux, each a root of its own in a mount namespace.
//!
//! The drivers are stand-ins, because what is tested is what the program makes of where they lie and who shadows whom.

#![cfg(all(feature = "native", target_os = "linux"))]

mod windows_file;
pub mod world;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::world::World;
use crate::tool::{json, ran, root, system, tool, without_times};

const WSL2: &str = "5.15.167.4-microsoft-standard-WSL2";
const MOUNTED: &str = "/usr/lib/wsl/lib";
const STORE: &str = "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_1a2b3c";
/// Debian's folder of libraries, into which packages of Linux drivers go.
const MULTIARCH: &str = "/usr/lib/x86_64-linux-gnu";

/// WSL2 as it starts: its marks, its settings, `wslinfo`, interop, and a Windows 11 on its drives.
fn wsl2(name: &str, release: &str) -> Option<World> {
    let mut world = World::new(name, release)?;
    world.set("WSL_DISTRO_NAME", "Ubuntu");
    world.set("WSL_INTEROP", "/run/WSL/8_interop");
    world.directory("/run/WSL");
    world.file("/etc/wsl.conf", "[boot]\nsystemd=true\n[user]\ndefault=jane\n");
    world.file("/etc/ld.so.conf", format!("{MOUNTED}\n{MULTIARCH}\n"));
    world.program("2.6.1.0", "/usr/bin/wslinfo");
    world.format("WSLInterop");
    windows(&world, 22000, 2538);
    Some(world)
}

/// A Windows of this build, by its file.
fn windows(world: &World, build: u16, revision: u16) {
    world.file("/mnt/c/Windows/System32/ntoskrnl.exe", windows_file::with_version(build, revision));
}

/// What Windows mounts for Direct3D, behind the door to the GPU.
fn direct3d(world: &World) {
    world.file("/dev/dxg", "");
    for name in ["libdxcore.so", "libd3d12.so"] {
        world.standin("direct3d.c", &[], &format!("{MOUNTED}/{name}"));
    }
}

/// What an NVIDIA driver of Windows adds to it.
fn nvidia(world: &World) {
    world.directory(STORE);
    for (name, soname) in [
        ("libcuda.so.1.1", "libcuda.so.1"),
        ("libcuda.so.1", "libcuda.so.1"),
        ("libcuda.so", "libcuda.so.1"),
        ("libnvidia-ml.so.1", "libnvidia-ml.so.1"),
    ] {
        world.standin("wsl_nvidia.c", &[&format!("-Wl,-soname,{soname}")], &format!("{MOUNTED}/{name}"));
    }
    // It is not on the search path of root, ssh and services.
    world.program("580.88", &format!("{MOUNTED}/nvidia-smi"));
}

/// The doctor's word in a world: its exit code and its diagnosis.
fn doctor(world: &World, more: &[&str]) -> (i32, Value) {
    let ran = ran(world.command(&[&["doctor", "--json"], more].concat()).output().unwrap());
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err)))
}

/// Checks environment, container, every finding (`info` among them) and the exit code, that a recording tells the same, and in
/// WSL2 that no advice installs a Linux driver. Returns the diagnosis.
fn expect(world: &World, environment: (&str, bool), findings: &[&str], exit: i32) -> Value {
    let (code, diagnosis) = doctor(world, &[]);
    let host = &diagnosis["host"];
    assert_eq!((host["environment"].as_str(), host["container"].as_bool()), (Some(environment.0), Some(environment.1)));
    let mut told: Vec<String> = diagnosis["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| format!("{} {}", finding["severity"].as_str().unwrap(), finding["code"].as_str().unwrap()))
        .collect();
    told.sort();
    assert_eq!((told, code), (findings.iter().map(|text| (*text).to_owned()).collect(), exit), "{diagnosis:#}");
    let recorded = ran(world.command(&["record", "--output", "/tmp/machine.toml"]).output().unwrap());
    assert_eq!(recorded.code, 0, "{}", recorded.err);
    let recording = world.inside("/tmp/machine.toml");
    let text = std::fs::read_to_string(&recording).unwrap();
    assert!(!text.contains("jane"), "who uses the machine is nobody's business: {text}");
    assert_eq!(without_times(judged(&recording, &[])), without_times(diagnosis.clone()), "a recording tells the same");
    if environment.0 == "wsl2" {
        advice_is_harmless(&recording);
    }
    std::fs::remove_file(recording).unwrap();
    diagnosis
}

/// The doctor's word of a recorded or described machine.
fn judged(machine: &Path, more: &[&str]) -> Value {
    json(tool(&["doctor", "--json", "--from"]).arg(machine).args(more))
}

/// Fails where this machine is told to install a Linux driver, whoever wants whatever by whichever edition.
fn advice_is_harmless(machine: &Path) {
    let wants = ["torch", "tensorflow:gpu", "jax", "onnxruntime-gpu", "tensorrt"].map(|want| ["--want", want]);
    no_linux_driver(&judged(machine, &[]));
    for edition in ["documents", "current"] {
        no_linux_driver(&judged(machine, &[&["--edition", edition], wants.concat().as_slice()].concat()));
    }
}

/// Fails where a command or a text in a diagnosis installs a Linux driver.
fn no_linux_driver(diagnosis: &Value) {
    let mut texts = Vec::new();
    for part in ["findings", "recommendations", "wants"] {
        advice(&diagnosis[part], &mut texts);
    }
    let harmful: Vec<&String> = texts.iter().filter(|text| installs_linux_driver(text)).collect();
    assert!(harmful.is_empty(), "{harmful:#?}");
}

/// Every text of a command or of advice, at whatever depth.
fn advice(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| advice(item, texts)),
        Value::Object(fields) => {
            let told = |name: &str| !["evidence", "sources"].contains(&name);
            fields.iter().filter(|(name, _)| told(name)).for_each(|(_, value)| advice(value, texts));
        }
        Value::String(text) => texts.push(text.clone()),
        _ => {}
    }
}

fn installs_linux_driver(text: &str) -> bool {
    const PACKAGES: &[&str] = &[
        "nvidia-driver",
        "nvidia-open",
        "nvidia-kernel",
        "cuda-drivers",
        "libcuda1",
        "libnvidia-",
        "nvidia-smi",
        "dkms",
        "install cuda",
        "nvidia-cuda-toolkit",
    ];
    let text = text.to_lowercase().replace("--no-dkms", "");
    let installs = [" install ", "apt-get -y", "dnf ", "zypper ", "pacman -s"].iter().any(|verb| text.contains(verb));
    let is_removal = text.contains(" remove ") || text.contains(" purge ");
    let by_package = installs && !is_removal && PACKAGES.iter().any(|package| text.contains(package));
    by_package || text.contains("ubuntu-drivers") || text.contains(".run") || text.contains("akmod")
}

fn value<'a>(diagnosis: &'a Value, key: &str) -> &'a Value {
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let told = facts.iter().find(|fact| fact["key"] == key && !fact["value"].is_null());
    told.map_or(&Value::Null, |fact| &fact["value"])
}

#[test]
fn advice_that_installs_a_linux_driver_is_known_as_such() {
    for text in [
        "sudo apt install nvidia-driver-580",
        "sudo apt-get install -y cuda-drivers",
        "sudo ubuntu-drivers install",
        "sudo sh NVIDIA-Linux-x86_64-580.65.06.run",
        "sudo apt-get install amdgpu-dkms",
        "sudo apt-get install nvidia-cuda-toolkit",
    ] {
        assert!(installs_linux_driver(text), "{text}");
    }
    for text in [
        "sudo apt-get remove --purge 'nvidia-driver*' libcuda1",
        "python3 -m pip install torch --index-url https://download.pytorch.org/whl/cu126",
        "sudo amdgpu-install --usecase=wsl,rocm --no-dkms",
    ] {
        assert!(!installs_linux_driver(text), "{text}");
    }
}

#[test]
fn wsl2_with_its_gpu_is_healthy_and_knows_its_windows() {
    let Some(world) = wsl2("gpu", WSL2) else { return };
    direct3d(&world);
    nvidia(&world);
    let diagnosis = expect(&world, ("wsl2", false), &[], 0);
    for (key, expected) in [
        ("windows-build", "22000.2538"),
        ("windows-kernel", "22000.2538"),
        ("wsl-version", "2.6.1.0"),
        ("kernel", WSL2),
        ("cuda-library-taken", "wsl"),
        ("cuda-status", "working"),
        ("nvidia-driver", "580.88"),
        ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"),
        ("nvidia-smi-status", "working"),
        ("dxcore-device", "Stand-in GPU"),
    ] {
        assert_eq!(value(&diagnosis, key), expected, "{key}");
    }
    assert_eq!((value(&diagnosis, "wsl-gpu"), value(&diagnosis, "wsl-interop")), (&true.into(), &true.into()));
    assert_eq!(system(&diagnosis, "cuda")["state"], "working");
    let mut texts = Vec::new();
    advice(&diagnosis["recommendations"], &mut texts);
    assert!(texts.iter().any(|text| text.contains("pip install")), "advice is found where it is looked for");
    let told = &diagnosis["host"]["wsl"];
    assert_eq!((&told["package"], &told["windows"]), (&"2.6.1.0".into(), &"22000.2538".into()));
}

#[test]
fn a_windows_that_does_not_answer_costs_its_own_facts_alone() {
    let Some(world) = wsl2("hung", WSL2) else { return };
    direct3d(&world);
    nvidia(&world);
    windows(&world, 22621, 4169);
    world.hanging_program("/mnt/c/Windows/System32/cmd.exe");
    world.hanging_program("/usr/bin/wslinfo");
    let start = Instant::now();
    let (code, diagnosis) = doctor(&world, &["--timeout", "1"]);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!((code, &diagnosis["findings"]), (0, &Value::Array(Vec::new())));
    assert_eq!((value(&diagnosis, "windows-build"), value(&diagnosis, "wsl-version")), (&Value::Null, &Value::Null));
    assert_eq!(
        (value(&diagnosis, "windows-kernel"), value(&diagnosis, "nvidia-driver")),
        (&"22621.4169".into(), &"580.88".into())
    );
}

#[test]
fn no_recorded_or_described_wsl2_is_told_to_install_a_linux_driver() {
    let mut count = 0;
    for folder in ["fixtures", "fixtures/machines"] {
        for file in std::fs::read_dir(root().join(folder)).unwrap().flatten().map(|entry| entry.path()) {
            if !file.file_name().unwrap().to_string_lossy().contains("wsl2") {
                continue;
            }
            advice_is_harmless(&file);
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn wsl2_knows_the_build_of_windows_10_by_ver_or_not_at_all() {
    let Some(world) = wsl2("windows-10", WSL2) else { return };
    direct3d(&world);
    windows(&world, 19041, 3803);
    let diagnosis = expect(&world, ("wsl2", false), &[], 0);
    assert_eq!(
        (value(&diagnosis, "windows-kernel"), value(&diagnosis, "windows-build")),
        (&"19041.3803".into(), &Value::Null)
    );
    world.program("\\nMicrosoft Windows [Version 10.0.19045.3803]", "/mnt/c/Windows/System32/cmd.exe");
    let diagnosis = expect(&world, ("wsl2", false), &[], 0);
    assert_eq!(value(&diagnosis, "windows-build"), "19045.3803");
    // Where nothing of Windows may be started, nothing is.
    world.file("/etc/wsl.conf", "[interop]\nenabled=false\n");
    let diagnosis = expect(&world, ("wsl2", false), &[], 0);
    assert_eq!((value(&diagnosis, "wsl-interop"), value(&diagnosis, "windows-build")), (&false.into(), &Value::Null));
}

#[test]
fn wsl2_finds_its_windows_where_the_settings_mount_it() {
    let Some(world) = wsl2("moved", WSL2) else { return };
    std::fs::rename(world.inside("/mnt"), world.inside("/windows")).unwrap();
    world.file("/etc/wsl.conf", "[user]\ndefault=jane\n[automount]\nroot = \"/windows/\"\n");
    let diagnosis = expect(&world, ("wsl2", false), &["info wsl-kernel-too-old"], 0);
    assert_eq!(value(&diagnosis, "windows-build"), "22000.2538");
}

#[test]
fn wsl2_without_what_windows_should_mount() {
    let Some(world) = wsl2("no-libraries", WSL2) else { return };
    world.file("/dev/dxg", "");
    world.directory(MOUNTED);
    let diagnosis = expect(&world, ("wsl2", false), &["warning wsl-libraries-missing"], 0);
    assert_eq!(value(&diagnosis, "wsl-libraries-missing"), &Value::from(vec!["libd3d12.so", "libdxcore.so"]));
    // Who turned the GPU off misses nothing.
    world.file("/etc/wsl.conf", "[gpu]\nenabled=false\n");
    expect(&world, ("wsl2", false), &["info wsl-gpu-turned-off"], 0);
    // Windows has an NVIDIA card, and its driver brings no libcuda.
    let Some(world) = wsl2("no-libcuda", WSL2) else { return };
    direct3d(&world);
    world.directory(STORE);
    let diagnosis = expect(&world, ("wsl2", false), &["error wsl-libcuda-missing"], 1);
    assert_eq!(value(&diagnosis, "nvidia-driver"), "580.88", "by DXCore, where no NVML is");
}

#[test]
fn wsl2_whose_loader_does_not_look_where_windows_mounts() {
    let Some(world) = wsl2("no-ldconfig", WSL2) else { return };
    direct3d(&world);
    nvidia(&world);
    world.file("/etc/ld.so.conf", format!("{MULTIARCH}\n"));
    let diagnosis = expect(&world, ("wsl2", false), &["warning wsl-libcuda-not-found"], 0);
    assert_eq!(value(&diagnosis, "cuda-library-taken"), &Value::Null);
    // A distribution whose loader keeps no such list has ways of its own.
    world.without_loader_cache();
    expect(&world, ("wsl2", false), &[], 0);
}

#[test]
fn wsl2_without_the_door_to_the_gpu() {
    let Some(world) = wsl2("no-door", WSL2) else { return };
    let diagnosis = expect(&world, ("wsl2", false), &["info wsl-kernel-too-old"], 0);
    assert_eq!(value(&diagnosis, "wsl-gpu"), &Value::from(false));
    // The build of Windows tells why, where it is one that shares no GPU.
    windows(&world, 19041, 1237);
    world.program("Microsoft Windows [Version 10.0.19043.1237]", "/mnt/c/Windows/System32/cmd.exe");
    expect(&world, ("wsl2", false), &["error wsl-windows-build-too-old"], 1);
    let Some(world) = wsl2("old-kernel", "5.4.72-microsoft-standard-WSL2") else { return };
    expect(&world, ("wsl2", false), &["warning wsl-kernel-too-old"], 0);
}

#[test]
fn wsl2_with_a_kernel_that_hides_its_name() {
    let Some(mut world) = wsl2("custom", "6.6.36-custom") else { return };
    direct3d(&world);
    nvidia(&world);
    expect(&world, ("wsl2", false), &[], 0);
    // Under sudo, ssh and services the variables are gone.
    world.unset();
    expect(&world, ("wsl2", false), &[], 0);
}

#[test]
fn wsl2_with_a_linux_driver_inside() {
    let Some(world) = wsl2("linux-driver", WSL2) else { return };
    direct3d(&world);
    nvidia(&world);
    let file = format!("{MULTIARCH}/libcuda.so.550.163.01");
    world.standin("wsl_nvidia.c", &["-DALONE", "-Wl,-soname,libcuda.so.1"], &file);
    world.link(&format!("{MULTIARCH}/libcuda.so.1"), "libcuda.so.550.163.01");
    // Behind the library of Windows it does no harm.
    let diagnosis = expect(&world, ("wsl2", false), &[], 0);
    assert_eq!(value(&diagnosis, "cuda-library-taken"), "wsl");
    world.file("/etc/ld.so.conf", format!("{MULTIARCH}\n{MOUNTED}\n"));
    let diagnosis = expect(&world, ("wsl2", false), &["error wsl-linux-driver-installed"], 1);
    assert_eq!(value(&diagnosis, "cuda-library-taken"), "driver");
}

#[test]
fn wsl1_has_no_gpu() {
    let Some(mut world) = World::new("wsl1", "4.4.0-19041-Microsoft") else { return };
    world.set("WSL_DISTRO_NAME", "Ubuntu");
    let diagnosis = expect(&world, ("wsl1", false), &["warning wsl1-not-wsl2"], 0);
    assert_eq!(value(&diagnosis, "windows-build"), &Value::Null, "five builds have that kernel");
    // A Windows that is too old for a GPU in WSL2 comes first.
    let Some(world) = World::new("wsl1-old", "4.4.0-17763-Microsoft") else { return };
    let diagnosis = expect(&world, ("wsl1", false), &["warning wsl1-not-wsl2"], 0);
    assert_eq!(value(&diagnosis, "windows-build"), "17763");
    let remedy = &diagnosis["findings"][0]["remedy"]["commands"];
    assert_eq!(remedy[0], "Start-Process ms-settings:windowsupdate", "{remedy}");
}

/// A container in WSL2: the kernel's name is WSL's, and nothing else of WSL reaches in.
fn container(name: &str) -> Option<World> {
    let world = World::new(name, WSL2)?;
    world.file("/.dockerenv", "");
    Some(world)
}

#[test]
fn containers_in_wsl2_with_and_without_the_gpu() {
    let Some(world) = container("container") else { return };
    expect(&world, ("wsl2", true), &[], 0);
    world.file("/dev/dxg", "");
    expect(&world, ("wsl2", true), &["warning container-no-gpu"], 0);
    // By hand, and nobody told the loader.
    let Some(mut world) = container("container-by-hand") else { return };
    direct3d(&world);
    nvidia(&world);
    expect(&world, ("wsl2", true), &["warning wsl-libcuda-not-found"], 0);
    world.set("LD_LIBRARY_PATH", MOUNTED);
    expect(&world, ("wsl2", true), &[], 0);
    // By NVIDIA's container toolkit: files of the driver store under the names that the loader knows.
    let Some(world) = container("container-toolkit") else { return };
    world.file("/dev/dxg", "");
    for name in ["libcuda.so.1", "libnvidia-ml.so.1"] {
        world.standin("wsl_nvidia.c", &[&format!("-Wl,-soname,{name}")], &format!("{STORE}/{name}"));
        world.link(&format!("{MULTIARCH}/{name}"), &format!("{STORE}/{name}"));
    }
    world.file("/etc/ld.so.conf", format!("{MULTIARCH}\n"));
    let diagnosis = expect(&world, ("wsl2", true), &[], 0);
    assert_eq!(value(&diagnosis, "cuda-library-taken"), "wsl");
    assert_eq!(system(&diagnosis, "cuda")["state"], "working");
}

#[test]
fn linux_and_a_container_without_gpu_on_it() {
    let Some(world) = World::new("linux", "6.1.0-18-amd64") else { return };
    expect(&world, ("linux", false), &[], 0);
    world.file("/dev/dxg", "");
    expect(&world, ("linux", false), &[], 0);
    let Some(mut world) = World::new("linux-container", "6.1.0-18-amd64") else { return };
    world.file("/run/.containerenv", "");
    expect(&world, ("linux", true), &[], 0);
    world.set("NVIDIA_VISIBLE_DEVICES", "all");
    expect(&world, ("linux", true), &["info container-no-gpu"], 0);
}
