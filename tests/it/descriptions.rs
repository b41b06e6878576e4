//! Machine descriptions: what is read, what is said about mistakes, and what `--set` makes of any machine.

use std::io::Write;
use std::process::Stdio;

use proptest::prelude::*;
use serde_json::Value;

use crate::tool::{Folder, Ran, codes, json, ran, root, run, system, tool};

/// The description in the documentation of the format, with everything that there is.
const WHOLE: &str = r#"# a laptop
environment = "windows"
complete = false
container = false
os = "Windows 11"
windows-build = "22631.3880"
kernel = "5.15.153.1"
wsl = "2.2.4.0"
python = "3.11"
arch = "x86_64"
want = ["tensorflow:gpu"]
host = "A laptop"
made = "by hand"
expected = []
[[gpu]]
name = "NVIDIA GeForce RTX 3050 Ti Laptop GPU"
driver = "531.18"
compute-capability = "8.6"
memory = "4 GiB"
[packages]
tensorflow = "2.11.0"
torch = { version = "2.2.2", build = "cpu", sees-gpu = false, architectures = ["sm_80"] }
onnxruntime-gpu = {}
[libraries]
cuda-toolkit = ["11.2", "12.4"]
cudnn = { version = "8.0.5", cuda = "11.0" }
tensorrt = "8.6.1"
[env]
CUDA_VISIBLE_DEVICES = "0"
[facts]
cpu = "AMD Ryzen 7 5800H"
memory-bytes = "16 GiB"
"#;

/// A run of `doctor` on a description from standard input.
fn doctor(description: &str, arguments: &[&str]) -> Ran {
    let mut command = tool(&["doctor", "--from", "-"]);
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(description.as_bytes()).unwrap();
    ran(child.wait_with_output().unwrap())
}

fn diagnosis(description: &str, arguments: &[&str]) -> Value {
    let ran = doctor(description, &[&["--json"], arguments].concat());
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}", ran.err))
}

/// The facts of a diagnosis as lines: key, subject, value, origin.
fn facts(diagnosis: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let facts = diagnosis["report"]["facts"].as_array().unwrap().iter();
    facts
        .map(|fact| {
            let value = fact.get("value").or(fact.get("missing")).unwrap();
            format!("{} | {} | {} | {}", text(&fact["key"]), text(&fact["subject"]), text(value), text(&fact["origin"]))
        })
        .collect()
}

fn has(facts: &[String], expected: &str) {
    assert!(facts.iter().any(|fact| fact.starts_with(expected)), "{expected} is not in\n{}", facts.join("\n"));
}

/// Whether any fact begins so.
fn holds(facts: &[String], beginning: &str) -> bool {
    facts.iter().any(|fact| fact.starts_with(beginning))
}

#[test]
fn everything_that_is_said_becomes_a_fact_with_its_line() {
    let facts = facts(&diagnosis(WHOLE, &[]));
    let gpu = "device gpu:NVIDIA GeForce RTX 3050 Ti Laptop GPU";
    for expected in [
        "environment | host | windows | given in line 2 of standard input",
        "wsl-version | host | 2.2.4.0 | given in line 8 of",
        &format!("device-name | {gpu} | NVIDIA GeForce RTX 3050 Ti Laptop GPU | given in line 16 of"),
        &format!("device-vendor | {gpu} | nvidia | given in line 16 of"),
        &format!("compute-capability | {gpu} | 8.6 | given in line 18 of"),
        &format!("device-memory-bytes | {gpu} | 4294967296 | given in line 19 of"),
        "nvidia-driver | host | 531.18 | given in line 17 of",
        "nvidia-kernel-driver | host | ready | given in line 17 of",
        "gpu-vendors | host | [\"nvidia\"] | given in line 16 of",
        "python | host | 3.11 | given in line 9 of",
        "environment-role | environment the active environment | active |",
        "environment-python | environment the active environment | 3.11 |",
        "environment-install | environment the active environment | py -m pip install |",
        "package-version | package tensorflow in the active environment | 2.11.0 | given in line 21 of",
        "package-build | package torch in the active environment | cpu | given in line 22 of",
        "package-sees-gpu | package torch in the active environment | false |",
        "package-version | package onnxruntime-gpu in the active environment | {",
        "cuda-toolkit | host | 11.2 | given in line 25 of",
        "cuda-toolkit | host | 12.4 | given in line 25 of",
        "cudnn-version | library cudnn | 8.0.5 |",
        "cudnn-cuda | library cudnn | 11.0 |",
        "tensorrt-kind | library tensorrt | full |",
        "cuda-visible-devices | host | 0 | given in line 29 of",
        "memory-bytes | host | 17179869184 | given in line 32 of",
    ] {
        has(&facts, expected);
    }
    assert!(!holds(&facts, "environment-packages"), "of a list that need not be all nothing is missing");
}

#[test]
fn what_is_not_described_is_unknown_unless_the_description_is_complete() {
    let open = "environment = \"linux\"\n";
    let told = diagnosis(open, &[]);
    let odd = |told: &Value| -> Vec<String> {
        let systems = told["systems"].as_array().unwrap().iter();
        let odd = systems.filter(|one| !["unknown", "not-applicable"].contains(&one["state"].as_str().unwrap()));
        odd.map(|one| format!("{} {}", one["id"], one["state"])).collect()
    };
    assert_eq!(odd(&told), [""; 0]);
    assert_eq!(told["findings"].as_array().unwrap().len(), 0);
    for environment in ["linux", "wsl2", "wsl1", "windows", "macos"] {
        let told = diagnosis(&format!("environment = \"{environment}\"\ncomplete = true\n"), &[]);
        for one in told["systems"].as_array().unwrap() {
            // Core ML comes with macOS and is no library that a description lists; WebGPU has ways beside Vulkan there.
            let open = match environment {
                "macos" => ["apple-coreml-mps", "webgpu", "opencl", "vulkan"].contains(&one["id"].as_str().unwrap()),
                "windows" | "wsl1" => one["id"] == "webgpu",
                _ => false,
            };
            let state = one["state"].as_str().unwrap();
            assert!(open || ["not-installed", "not-applicable"].contains(&state), "{environment}: {one}");
        }
        let expected = if environment == "wsl1" { vec!["wsl1-not-wsl2"] } else { vec![] };
        assert_eq!(codes(&told), expected, "{environment}");
    }
}

#[test]
fn a_gpu_with_its_driver_is_no_fault() {
    for environment in ["linux", "wsl2", "windows"] {
        for complete in ["", "complete = true\n"] {
            for gpu in [
                "name = \"NVIDIA GeForce RTX 4090\"\ndriver = \"580.65.06\"",
                "name = \"AMD Radeon RX 7900 XTX\"",
                "name = \"Intel Arc A770\"\ndriver = \"32.0.101.5590\"",
                "vendor = \"nvidia\"",
            ] {
                let text = format!("environment = \"{environment}\"\n{complete}python = \"3.12\"\n[[gpu]]\n{gpu}\n");
                // Where a complete description lists no driver, there is none.
                if complete.is_empty() || gpu.contains("driver") || !gpu.contains("nvidia") {
                    assert_eq!(codes(&diagnosis(&text, &[])), [""; 0], "{text}");
                }
            }
        }
    }
    let without = "environment = \"windows\"\ncomplete = true\n[[gpu]]\nname = \"NVIDIA GeForce RTX 4090\"\n";
    assert_eq!(codes(&diagnosis(without, &[])), ["nvidia-driver-missing"]);
}

#[test]
fn states_follow_from_what_is_described() {
    let machine = |more: &str| {
        format!(
            "environment = \"linux\"\n{more}\n[[gpu]]\nname = \"NVIDIA GeForce RTX 4090\"\ndriver = \"550.54.14\"\n[packages]\n\
             torch = {{ version = \"2.6.0\", build = \"cuda\" }}\n"
        )
    };
    let told = diagnosis(&machine(""), &[]);
    assert_eq!(system(&told, "cuda")["state"], "unknown");
    assert!(system(&told, "pytorch")["detail"].as_str().unwrap().contains("built for CUDA"));
    assert_eq!(system(&told, "rocm")["detail"], "no AMD GPU on the bus");
    assert_eq!(system(&told, "jax")["state"], "unknown");
    let told = diagnosis(&machine("complete = true"), &[]);
    assert_eq!(system(&told, "jax")["state"], "not-installed");
    for (value, state, found) in [
        ("-1", "masked", vec!["visible-devices-hidden"]),
        ("", "masked", vec!["visible-devices-hidden"]),
        ("1", "masked", vec!["visible-devices-hidden"]),
        ("0", "unknown", vec![]),
        ("GPU-1f2e", "unknown", vec![]),
    ] {
        let told = diagnosis(&format!("{}[env]\nCUDA_VISIBLE_DEVICES = \"{value}\"\n", machine("")), &[]);
        assert_eq!(system(&told, "cuda")["state"], state, "{value}");
        assert_eq!(codes(&told), found, "{value}");
    }
    let amd = "environment = \"linux\"\n[[gpu]]\nname = \"AMD Instinct MI250X\"\n[env]\nROCR_VISIBLE_DEVICES = \"\"\n";
    assert_eq!(system(&diagnosis(amd, &[]), "rocm")["state"], "masked");
}

#[test]
fn every_mistake_is_told_with_its_line_and_what_was_expected() {
    let with = |line: &str| format!("environment = \"linux\"\n{line}\n");
    for (text, expected) in [
        (with("enviroment = \"linux\""), "standard input:2:1: unknown word `enviroment`; did you mean `environment`?"),
        (
            with("python = 3.11"),
            "standard input:2:10: expected a version in quotes, because a number would make 3.10 into 3.1: write \"3.11\"",
        ),
        (with("python = \"three\""), "standard input:2:10: `three` is not a version"),
        (with("arch = \"x86-64\""), "2:8: unknown arch `x86-64`; did you mean `x86_64`?"),
        (with("container = \"yes\""), "2:13: expected true or false, found the text \"yes\""),
        (with("complete = 1"), "2:12: expected true or false, found the number 1"),
        (with("os = 11"), "2:6: expected a text in quotes, found the number 11"),
        (with("want = \"torch\""), "2:8: expected a list of texts, as in [\"a\", \"b\"], found the text \"torch\""),
        (with("want = [\"torch>>2\"]"), "2:9: expected a version such as `12.4` after `>`, found `>2`"),
        (with("expected = [1]"), "2:13: expected a text in quotes, found the number 1"),
        (with("driver = \"550.54\""), "2:1: `driver` is about one GPU: it goes into a `[[gpu]]` table"),
        (with("cudnn = \"9.1\""), "2:1: `cudnn` is about a library: it goes into `[libraries]`"),
        (with("CUDA_VISIBLE_DEVICES = \"0\""), "2:1: `CUDA_VISIBLE_DEVICES` is a variable: it goes into `[env]`"),
        (with("gpu = \"RTX 4090\""), "2:7: expected `[[gpu]]` with its `name` below, found the text \"RTX 4090\""),
        (with("packages = [\"torch\"]"), "2:12: expected the section `[packages]`, found a list"),
        (with("[[gpu]]\nmemory = \"24 GiB\""), "2:1: a `[[gpu]]` needs its `name`, or at least its `vendor`"),
        (with("[[gpu]]\nname = \"RTX 4090\"\nmemory = \"24 gibibytes\""), "4:10: `24 gibibytes` is no size"),
        (with("[[gpu]]\nname = \"RTX 4090\"\nmemory = 24"), "4:10: 24 bytes are no memory of a machine"),
        (
            with("[[gpu]]\nname = \"RTX 4090\"\nvendr = \"nvidia\""),
            "4:1: unknown property of a GPU `vendr`; did you mean `vendor`?",
        ),
        (
            with("[[gpu]]\nname = \"RTX 4090\"\nvendor = \"nvida\""),
            "4:10: unknown device vendor `nvida`; did you mean `nvidia`?",
        ),
        (
            with("[[gpu]]\nname = \"RTX 4090\"\ngfx = \"gfx1100\""),
            "only AMD's GPUs have a gfx target, and this one is by NVIDIA",
        ),
        (
            with("[[gpu]]\nname = \"RX 7900 XTX\"\ncompute-capability = \"8.9\""),
            "only NVIDIA's GPUs have a compute capability",
        ),
        (
            with("[[gpu]]\nname = \"RTX 4090\"\ncompute-capability = \"89\""),
            "4:22: `89` is no compute capability such as `8.6`",
        ),
        (
            with("[[gpu]]\nname = \"G200\"\ndriver = \"1.2\""),
            "4:1: whose driver this is is not known: say the `vendor` of the GPU, too",
        ),
        (
            with(
                "[[gpu]]\nname = \"RTX 4090\"\ndriver = \"550.54\"\n[[gpu]]\nname = \"RTX 3090\"\ndriver = \"535.54\"",
            ),
            "7:10: NVIDIA has one driver for all its GPUs, and another version of it is given in line 4 of standard input",
        ),
        (with("[packages]\n\"no name\" = \"1\""), "3:1: `no name` is no name of a Python package"),
        (with("[packages]\ntorch = true"), "3:9: expected a version in quotes, found true"),
        (with("[packages]\ntorch = \"absent\""), "3:9: a package that is not there is left out"),
        (
            with("[packages]\ntorch = { verson = \"2\" }"),
            "3:11: unknown property of a package `verson`; did you mean `version`?",
        ),
        (with("[packages]\ntorch = { build = \"gpu\" }"), "3:19: unknown package build `gpu`"),
        (with("[libraries]\ncudn = \"9\""), "3:1: unknown library `cudn`; did you mean `cudnn`?"),
        (with("[libraries]\ncudnn = \"8905\""), "3:9: `8905` is no version of cuDNN such as `9.1.0`"),
        (
            with("[libraries]\ncudnn = { versio = \"9\" }"),
            "3:11: unknown property of cudnn `versio`; did you mean `version`?",
        ),
        (
            with("[env]\nCUDA_VISIBLE = \"0\""),
            "3:1: unknown variable `CUDA_VISIBLE`; did you mean `CUDA_VISIBLE_DEVICES`?",
        ),
        (with("[env]\nCUDA_VISIBLE_DEVICES = 0"), "3:24: expected a text in quotes, found the number 0"),
        (with("[facts]\nnvidia-drivr = \"550\""), "3:1: unknown fact `nvidia-drivr`; did you mean `nvidia-driver`?"),
        (with("[facts]\ncuda-device = \"x\""), "3:1: `cuda-device` is about one GPU"),
        (with("[facts]\ncpu-cores = -1"), "3:13: `-1` is no number from 0 on"),
        (with("[facts]\nos = \"x\"\n\n[facts.more]\n"), "unknown fact `more`"),
        (with("os = \"x\"\n[facts]\nos = \"y\""), "4:1: `os` is given in line 2 of standard input already"),
        (with("environment = \"linux\""), "standard input:2:1: duplicate key"),
        (
            "environment = \"moon\"".to_owned(),
            "1:15: unknown environment `moon`; expected one of windows, wsl2, wsl1, linux, macos",
        ),
        ("environment = \"absent\"".to_owned(), "1:15: unknown environment `absent`"),
        ("os = \"Windows 11\"".to_owned(), "1:1: a description says at least its `environment`"),
        ("environment = \"linux\npython = \"3.11\"".to_owned(), "standard input:1:"),
        ("[[gpu]]\nname = \"RTX 4090\nenvironment = \"linux\"".to_owned(), "standard input:2:"),
        ("[package]\nname = \"x\"".to_owned(), "standard input: expected a recording"),
        ("nothing of the kind".to_owned(), "standard input: expected a recording"),
        (String::new(), "standard input: expected a recording"),
    ] {
        let ran = doctor(&text, &[]);
        assert_eq!(ran.code, 2, "{text}\n{}", ran.out);
        assert!(ran.err.contains(expected), "{text}\nshould say\n{expected}\nand says\n{}", ran.err);
    }
}

#[test]
fn all_mistakes_are_told_at_once_each_below_its_line() {
    let ran = doctor("environment = \"linux\"\npython = 3.11\n[packages]\ntorch = 2\n", &[]);
    let expected = "error: standard input:2:10: expected a version in quotes, because a number would make 3.10 into 3.1: write \
                    \"3.11\"\n\n    2 | python = 3.11\n      |          ^^^^\n\nstandard input:4:9: expected a version in \
                    quotes, because a number would make 3.10 into 3.1: write \"2\"\n\n    4 | torch = 2\n      |         ^\n";
    assert_eq!(ran.err.trim_end(), expected.trim_end());
}

#[test]
fn inputs_are_told_apart_by_what_they_hold() {
    let folder = Folder::new("descriptions");
    let recording = std::fs::read_to_string(root().join("fixtures/linux-no-gpu-healthy.toml")).unwrap();
    let description = "\u{feff}\r\n# comment\r\n\r\nenvironment = \"linux\"\r\npython = \"3.99\"\r\n";
    let diagnosis =
        run(&["doctor", "--json", "--from", root().join("fixtures/wsl1-wsl1-not-wsl2.toml").to_str().unwrap()]);
    // The keys of a recording in another order, and one of them in quotes.
    let turned = "\"system\" = \"linux x86_64\"\nhost = \"x\"\nmade = \"live\"\nformat = 1\n";
    for (name, text, python) in [
        ("recording.json", recording.as_str(), None),
        ("machine.json", description, Some("3.99")),
        ("diagnosis.toml", diagnosis.out.as_str(), None),
        ("turned.json", turned, None),
    ] {
        let path = folder.write(name, text);
        let told = json(&mut tool(&["doctor", "--json", "--from", path.to_str().unwrap()]));
        match python {
            Some(python) => assert_eq!(told["host"]["python"], python, "{name}"),
            None => assert_ne!(told["host"]["python"], "3.99", "{name}"),
        }
        let origins = told["report"]["facts"].to_string();
        assert_eq!(origins.contains("given in line 5 of machine.json"), python.is_some(), "{name}");
        // The folder may be named after its owner.
        assert!(!origins.contains(folder.0.to_str().unwrap()), "{name}");
    }
}

#[test]
fn wants_of_a_description_stand_before_those_of_the_command_line() {
    let told = diagnosis("environment = \"linux\"\nwant = [\"torch\"]\n", &["--want", "jax"]);
    let wants: Vec<&str> =
        told["wants"].as_array().unwrap().iter().map(|want| want["spec"].as_str().unwrap()).collect();
    assert_eq!(wants, ["torch", "jax"]);
}

#[test]
fn settings_have_the_same_words_and_count_before_what_follows() {
    let set = |settings: &[&str]| {
        let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        facts(&diagnosis(
            "environment = \"linux\"\n[[gpu]]\nname = \"Intel Arc A770\"\n[packages]\ntorch = \"2.2.2\"\n",
            &arguments,
        ))
    };
    let gpu = "device gpu:NVIDIA GeForce RTX 4090";
    let told = set(&["gpu=NVIDIA GeForce RTX 4090", "gpu=NVIDIA GeForce RTX 4090", "nvidia-driver=535.183.01"]);
    for expected in [
        &format!("device-name | {gpu} | NVIDIA GeForce RTX 4090 | given by --set"),
        &format!("device-name | {gpu} #2 | NVIDIA GeForce RTX 4090 | given by --set"),
        "gpu-vendors | host | [\"nvidia\"] | given by --set",
        "nvidia-kernel-driver | host | ready | given by --set",
    ] {
        has(&told, expected);
    }
    assert!(!told.join("\n").contains("Arc"));
    let told = set(&["gpu=absent"]);
    has(&told, "gpu-vendors | host | [] | given by --set");
    assert!(!holds(&told, "device-name"));
    let told = set(&[
        "environment=windows",
        "python=3.10",
        "packages.torch=2.6.0+cu126",
        "packages.numpy=2.1",
        "packages.torch.sees-gpu=true",
    ]);
    for expected in [
        "environment | host | windows",
        "environment-python | environment the active environment | 3.10 | given by --set",
        "environment-install | environment the active environment | py -m pip install",
        "package-version | package torch in the active environment | 2.6.0+cu126 | given by --set",
        "package-version | package numpy in the active environment | 2.1",
        "package-sees-gpu | package torch in the active environment | true",
    ] {
        has(&told, expected);
    }
    assert!(!told.join("\n").contains("2.2.2"));
    assert!(!holds(&set(&["packages.torch=absent"]), "package-version"));
    let told = set(&[
        "libraries.cudnn=8.9",
        "libraries.cudnn.cuda=12",
        "env.CUDA_VISIBLE_DEVICES=-1",
        "facts.cpu=x",
        "gpu.memory=8 GiB",
    ]);
    for expected in [
        "cudnn-version | library cudnn | 8.9 |",
        "cudnn-cuda | library cudnn | 12 |",
        "cuda-visible-devices | host | -1 |",
        "cpu | host | x |",
        "device-memory-bytes | device gpu:Intel Arc A770 | 8589934592 |",
    ] {
        has(&told, expected);
    }
    has(&set(&["gpu.driver=32.0.101.5590"]), "adapter-driver | device gpu:Intel Arc A770 | 32.0.101.5590");
}

#[test]
fn a_wrong_setting_is_told_as_well_as_a_wrong_line() {
    for (setting, expected) in [
        ("nothing", "--set nothing: expected KEY=VALUE"),
        ("nvidia-drivr=550", "--set nvidia-drivr: unknown fact `nvidia-drivr`; did you mean `nvidia-driver`?"),
        ("environment=moon", "--set environment: unknown environment `moon`; expected one of windows, wsl2"),
        ("packges.torch=2", "unknown section `packges`; did you mean `packages`?"),
        ("packages.torch=new", "--set packages.torch: `new` is not a version"),
        ("packages.a b=1", "`a b` is no name of a Python package"),
        ("libraries.cudn=9", "did you mean `cudnn`?"),
        ("env.PATH=/bin", "unknown variable `PATH`"),
        ("gpu.vendr=amd", "did you mean `vendor`?"),
        ("gpu.compute-capability=89", "such as `8.6`"),
        ("compute-capability=8.9", "nothing here has such a fact"),
        ("python=311", "such as `3.11`"),
    ] {
        let ran = doctor("environment = \"linux\"\n", &["--set", setting]);
        assert_eq!(ran.code, 2, "{setting}\n{}", ran.out);
        assert!(ran.err.contains(expected), "{setting}\nshould say\n{expected}\nand says\n{}", ran.err);
    }
}

#[test]
fn another_card_driver_or_package_makes_old_answers_void() {
    let with = |fixture: &str, settings: &[&str]| {
        let path = root().join("fixtures").join(fixture);
        let mut command = tool(&["doctor", "--json", "--from", path.to_str().unwrap()]);
        settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        json(&mut command)
    };
    // The machine has no NVIDIA GPU: its answers about that say nothing about one that has.
    let told = with("linux-no-gpu-healthy.toml", &["nvidia-driver=535.183.01", "gpu=NVIDIA GeForce RTX 4090"]);
    assert_eq!(codes(&told), [""; 0], "{}", told["findings"]);
    assert_eq!(system(&told, "cuda")["state"], "unknown");
    assert_eq!(system(&told, "vulkan")["state"], "unknown");
    assert_eq!(told["devices"].as_array().unwrap().len(), 1, "{}", told["devices"]);
    // Another driver: nobody asked CUDA under it, and the card is what it was.
    let told = with("linux-rtx4090-vulkan-healthy.toml", &["nvidia-driver=450.80.02"]);
    assert_eq!(system(&told, "cuda")["state"], "unknown");
    assert_eq!(system(&told, "vulkan")["state"], "unknown");
    let devices = told["devices"].as_array().unwrap();
    assert_eq!((devices.len(), &devices[0]["compute_capability"]), (1, &Value::from("8.9")), "{devices:?}");
    assert!(devices[0]["name"].as_str().unwrap().contains("4090"), "{devices:?}");
    assert_eq!(devices[0]["seen_by"].as_array().unwrap().len(), 0);
    // A driver that lies broken here is not the one that is asked about.
    let told = with("linux-rtx4090-nvml-driver-library-mismatch.toml", &["nvidia-driver=580.65.06"]);
    assert_eq!(codes(&told), [""; 0]);
    // A closed node stays closed.
    let told = with("linux-rtx4090-nvidia-node-permission.toml", &["nvidia-driver=580.65.06"]);
    assert_eq!(codes(&told), ["nvidia-node-permission"]);
    let told = with("linux-rx7900xtx-rocm-kfd-missing.toml", &["gpu=AMD Radeon RX 6800 XT"]);
    assert_eq!(codes(&told), [""; 0]);
    assert_eq!(told["devices"].as_array().unwrap().len(), 1);
    // What a card's variable hides follows from the variable that is set.
    let told = with("linux-rtx4090-visible-devices-hidden.toml", &["env.CUDA_VISIBLE_DEVICES=0"]);
    assert_eq!(codes(&told), [""; 0]);
    let told = with("linux-rtx4090-healthy.toml", &["env.CUDA_VISIBLE_DEVICES=-1"]);
    assert_eq!(codes(&told), ["visible-devices-hidden"]);
    // Of another version of a package its files say nothing.
    let told = with("linux-rtx4090-torch-cuda-lib-missing.toml", &["packages.torch=2.6.0"]);
    assert_eq!(codes(&told), [""; 0], "{}", told["findings"]);
    let told = with("linux-h200-ort-duplicate-packages.toml", &["gpu=absent"]);
    assert_eq!(told["devices"].as_array().unwrap().len(), 0);
}

#[test]
fn every_machine_takes_every_kind_of_setting() {
    let settings = [
        "gpu=NVIDIA H100",
        "nvidia-driver=absent",
        "python=3.12",
        "packages.onnxruntime-gpu=1.20.1",
        "libraries.cudnn=9.1",
        "libraries.rocm=absent",
        "env.HIP_VISIBLE_DEVICES=0",
        "environment=wsl2",
        "container=true",
    ];
    for path in crate::replay::fixtures() {
        let mut command = tool(&["doctor", "--json", "--from", path.to_str().unwrap()]);
        settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        let told = json(&mut command);
        assert_eq!(told["host"]["environment"], "wsl2");
        assert_eq!(
            told["devices"].as_array().unwrap().iter().filter(|gpu| gpu["vendor"] == "nvidia").count(),
            1,
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_schema_takes_what_the_program_takes() {
    let schema: Value = serde_json::from_str(&run(&["schema", "--of", "description"]).out).unwrap();
    let problems = |text: &str| {
        let table: toml::Table = toml::from_str(text).unwrap();
        let mut problems = Vec::new();
        crate::schema::check(&schema, &schema, &serde_json::to_value(table).unwrap(), "", &mut problems);
        problems
    };
    assert_eq!(problems(WHOLE), [""; 0]);
    for wrong in [
        "os = \"x\"",
        "environment = \"moon\"",
        "environment = \"linux\"\npython = 3.11",
        "environment = \"linux\"\nenviroment = \"linux\"",
        "environment = \"linux\"\n[[gpu]]\nvendr = \"amd\"",
        "environment = \"linux\"\n[packages]\ntorch = { verson = \"2\" }",
        "environment = \"linux\"\n[libraries]\ncudn = \"9\"",
        "environment = \"linux\"\n[env]\nPATH = \"/bin\"",
    ] {
        assert_ne!(problems(wrong), [""; 0], "{wrong}");
    }
}

/// A fenced block of a document: its language and its text.
fn blocks(document: &str) -> Vec<(&str, String)> {
    let parts: Vec<&str> = document.split("```").skip(1).step_by(2).collect();
    parts
        .iter()
        .map(|part| part.split_once('\n').unwrap())
        .map(|(language, text)| (language, text.to_owned()))
        .collect()
}

#[test]
fn the_examples_in_the_documentation_are_true() {
    let folder = Folder::new("description-examples");
    let document = std::fs::read_to_string(root().join("docs/DESCRIPTIONS.md")).unwrap();
    let in_folder = |words: &[&str]| ran(tool(words).current_dir(&folder.0).output().unwrap());
    let (mut accepted, mut commands) = (0, 0);
    let all = blocks(&document);
    for (place, (language, text)) in all.iter().enumerate() {
        match *language {
            "toml" => {
                folder.write("machine.toml", text);
                let told = in_folder(&["doctor", "--from", "machine.toml"]);
                match all.get(place + 1) {
                    Some(("text", expected)) => assert_eq!(told.err.trim_end(), expected.trim_end()),
                    _ => {
                        assert!(told.code < 2, "{text}\n{}", told.err);
                        accepted += 1;
                    }
                }
            }
            "sh" => {
                for line in text.lines().filter(|line| !line.contains('<')) {
                    let words: Vec<String> =
                        line.split('"').enumerate().fold(vec![String::new()], |mut words, (odd, part)| {
                            let pieces: Vec<&str> = if odd % 2 == 1 { vec![part] } else { part.split(' ').collect() };
                            for (number, piece) in pieces.iter().enumerate() {
                                if number > 0 {
                                    words.push(String::new());
                                }
                                words.last_mut().unwrap().push_str(piece);
                            }
                            words
                        });
                    let words: Vec<&str> = words.iter().map(String::as_str).skip(1).collect();
                    let told = in_folder(&words);
                    assert!(told.code < 2, "{line}\n{}", told.err);
                    commands += 1;
                }
            }
            _ => {}
        }
    }
    assert!(accepted >= 5 && commands >= 8, "{accepted} {commands}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_text_takes_the_program_down(
        lines in proptest::collection::vec(
            prop_oneof![
                "[a-z\\-]{0,12} = (\"[ -~]{0,12}\"|[0-9.]{1,4}|true|\\[\\]|\\{\\})",
                "\\[{1,2}(gpu|packages|libraries|env|facts|x)\\]{1,2}",
                "(name|vendor|driver|torch|cudnn|python|os|complete|want) = (\"[ -~é]{0,12}\"|[0-9.]{1,4}|true|\\[\\]|\\{ version = [\"0-9]{1,3} \\})",
                "\\PC{0,20}",
            ],
            0..12,
        ),
    ) {
        let text = format!("environment = \"linux\"\n{}", lines.join("\n"));
        if let Ok(accelprobe::input::Input::Description(description)) = accelprobe::input::parse(&text, "x.toml") {
            let (facts, complete) = description.into_facts();
            let mut report = accelprobe_probes::fact::Report { probes: Vec::new(), facts };
            accelprobe::input::what_if(&mut report, &[], complete.as_deref()).unwrap();
        }
        _ = accelprobe::input::parse(&lines.join("\n"), "x.toml");
    }
}
