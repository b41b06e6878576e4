//! The numbers in the rules about NVIDIA: at each edge what is just not enough gives the finding, and what just is does not.

use std::process::Stdio;

use serde_json::Value;

use crate::tool::{PROGRAM, ran};

/// The codes that a machine in words gives, of any severity.
fn codes(machine: &str) -> Vec<String> {
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["doctor", "--json", "--from", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), machine.as_bytes()).unwrap();
    let ran = ran(child.wait_with_output().unwrap());
    let diagnosis: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.err));
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// That the first of two machines gives a code, and the second does not.
fn edge(code: &str, gives: &str, does_not: &str, wrong: &mut Vec<String>) {
    for (machine, expected) in [(gives, true), (does_not, false)] {
        let found = codes(machine);
        if found.iter().any(|found| found == code) != expected {
            wrong.push(format!("{code} {}: found {found:?} for\n{machine}", if expected { "missed" } else { "false" }));
        }
    }
}

fn machine(environment: &str, gpu: &str, driver: &str, rest: &str) -> String {
    format!("environment = \"{environment}\"\n[[gpu]]\nname = \"{gpu}\"\ndriver = \"{driver}\"\n{rest}\n")
}

#[test]
fn nvidia_edges_of_drivers_by_the_cuda_of_a_package() {
    let mut wrong = Vec::new();
    for (environment, cuda, too_old, enough) in [
        ("linux", "13.2", "575.57.08", "580.65.06"),
        ("windows", "13.0", "577.00", "580.88"),
        ("linux", "12.9", "525.60.11", "525.60.13"),
        ("wsl2", "12.1", "522.25", "527.41"),
        ("windows", "12.1", "528.24", "528.33"),
        ("linux", "11.8", "450.51.06", "450.80.02"),
        ("windows", "11.8", "451.82", "452.39"),
        ("linux", "11.0", "440.33", "450.36.06"),
        ("windows", "11.0", "446.14", "451.22"),
        ("linux", "10.2", "418.39", "440.33"),
        ("windows", "10.2", "441.20", "441.22"),
        ("linux", "10.1", "410.48", "418.39"),
        ("windows", "10.1", "417.71", "418.96"),
        ("linux", "10.0", "396.37", "410.48"),
        ("windows", "10.0", "399.24", "411.31"),
        ("linux", "9.2", "390.46", "396.26"),
        ("windows", "9.2", "391.35", "397.44"),
        ("linux", "9.1", "384.81", "390.46"),
        ("windows", "9.1", "388.71", "391.29"),
        ("linux", "9.0", "375.26", "384.81"),
        ("windows", "9.0", "382.53", "385.54"),
        ("linux", "8.0", "352.31", "367.48"),
        ("windows", "8.0", "368.81", "369.30"),
    ] {
        let package =
            format!("[packages]\nsome-package = {{ version = \"1.0\", build = \"cuda\", cuda = \"{cuda}\" }}");
        let with = |driver: &str| machine(environment, "NVIDIA TITAN Xp", driver, &package);
        edge("driver-too-old", &with(too_old), &with(enough), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nvidia_edges_of_drivers_by_the_card() {
    let mut wrong = Vec::new();
    for (code, gpu, gives, does_not) in [
        ("driver-too-old", "NVIDIA B200", "565.57.01", "570.26"),
        ("driver-too-old", "NVIDIA H100 PCIe", "510.47.03", "515.43.04"),
        ("driver-too-old", "NVIDIA GeForce RTX 4090", "515.48.07", "520.56.06"),
        ("driver-too-old", "NVIDIA GeForce RTX 3080", "450.80.02", "455.23"),
        ("driver-too-old", "NVIDIA A100-PCIE-40GB", "440.33", "450.36.06"),
        ("driver-too-old", "Tesla T4", "396.37", "410.48"),
        ("gpu-dropped-by-driver", "Tesla V100-PCIE-32GB", "590.44.01", "580.173.02"),
        ("gpu-dropped-by-driver", "NVIDIA GeForce GTX 980", "595.45.04", "580.126.18"),
        ("gpu-dropped-by-driver", "GeForce GTX 680", "495.29.05", "470.239.06"),
        ("gpu-dropped-by-driver", "GeForce GTX 480", "396.26", "390.46"),
    ] {
        let with = |driver: &str| machine("linux", gpu, driver, "");
        edge(code, &with(gives), &with(does_not), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nvidia_edges_of_toolkits() {
    let mut wrong = Vec::new();
    let with =
        |gpu: &str, driver: &str, nvcc: &str| machine("linux", gpu, driver, &format!("[libraries]\nnvcc = \"{nvcc}\""));
    for (gpu, gives, does_not) in [
        ("NVIDIA GeForce GTX 1080", "13.0", "12.9"),
        ("Tesla K80", "12.0", "11.8"),
        ("GeForce GTX 680", "11.0", "10.2"),
        ("NVIDIA GB10", "12.8", "12.9"),
        ("NVIDIA GB300", "12.8", "12.9"),
        ("NVIDIA Thor", "12.9", "13.0"),
        ("NVIDIA GeForce RTX 5090", "12.6", "12.8"),
        ("NVIDIA GeForce RTX 4090", "11.7", "11.8"),
        ("Orin", "11.4", "11.5"),
        ("NVIDIA GeForce RTX 3080", "11.0", "11.1"),
        ("NVIDIA A100-PCIE-40GB", "10.2", "11.0"),
        ("Tesla T4", "9.2", "10.0"),
    ] {
        edge("arch-not-in-toolkit", &with(gpu, "999", gives), &with(gpu, "999", does_not), &mut wrong);
    }
    for (driver, gives, does_not) in
        [("575.57.08", "13.0", "12.9"), ("520.61.05", "12.0", "11.8"), ("450.51.06", "11.1", "11.0")]
    {
        let card = "NVIDIA A100-PCIE-40GB";
        edge("driver-too-old", &with(card, driver, gives), &with(card, driver, does_not), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nvidia_edges_of_cudnn_and_tensorrt() {
    let mut wrong = Vec::new();
    for (code, gpu, driver, package, gives, does_not) in [
        ("cudnn-gpu-unsupported", "Tesla V100-PCIE-32GB", "580.95.05", "nvidia-cudnn-cu12", "9.11.0.98", "9.10.2.21"),
        ("tensorrt-gpu-unsupported", "Tesla V100-PCIE-32GB", "580.95.05", "tensorrt-cu12", "10.14.1.48", "10.13.3.9"),
        ("tensorrt-gpu-unsupported", "NVIDIA TITAN Xp", "580.95.05", "tensorrt", "10.0.1", "8.6.1"),
        ("driver-too-old", "Tesla T4", "530.30.02", "tensorrt-cu12", "11.0.0.114", "10.16.1.11"),
    ] {
        let with = |version: &str| machine("linux", gpu, driver, &format!("[packages]\n{package} = \"{version}\""));
        edge(code, &with(gives), &with(does_not), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nvidia_edges_of_nvidia_smi_in_wsl2() {
    let mut wrong = Vec::new();
    for (gives, does_not) in [("551.76", "551.61"), ("552.44", "553.09"), ("555.85", "555.99")] {
        let with = |driver: &str| machine("wsl2", "NVIDIA GeForce RTX 3060", driver, "");
        edge("wsl-nvidia-smi-segfault", &with(gives), &with(does_not), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
