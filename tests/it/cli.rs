//! The command line: exit codes, both streams, and what is said about mistakes.

use std::io::Read;
use std::process::Stdio;

use crate::tool::{Folder, json, root, run, system, tool};

/// A recording of a healthy machine without a GPU: what these tests judge, so that they say the same everywhere.
fn fixture() -> String {
    root().join("fixtures/linux-no-gpu-healthy.toml").display().to_string()
}

fn doctor(arguments: &[&str]) -> crate::tool::Ran {
    run(&[&["doctor", "--from", &fixture()], arguments].concat())
}

#[test]
fn exit_codes_are_as_promised() {
    for (arguments, code) in [
        (vec![], 0),
        (vec!["--require", "opencl:cpu"], 0),
        (vec!["--require", "vulkan"], 1),
        (vec!["--require", "cuda>=12.4"], 1),
        (vec!["--require", "tensorflow:gpu"], 1),
        (vec!["--require", "pytorch"], 1),
        (vec!["--skip", "cuda", "--require", "cuda"], 3),
        (vec!["--skip", "cuda", "--require", "cuda", "--require", "vulkan"], 1),
        (vec!["--require", "python>=3.10"], 0),
        (vec!["--require", "python>=3.99"], 1),
        (vec!["--require", "directml"], 1),
        (vec!["--want", "tensorflow"], 0),
        (vec!["--want", "tensorflow:gpu"], 1),
        (vec!["--want", "tensorflow:gpu", "--fail-on", "never"], 0),
        (vec!["--want", "tensorflow>=99"], 0),
        (vec!["--set", "environment=windows", "--want", "jax"], 1),
        (vec!["--require", "nonsense"], 2),
        (vec!["--require", "cuda>>12"], 2),
        (vec!["--require", "cuda>=12.4 foo"], 2),
        (vec!["--require", "python:gpu"], 2),
        (vec!["--require", "cuda[foo]"], 2),
        (vec!["--want", "tensorflow>=2.11:gpu"], 2),
        (vec!["--want", ""], 2),
        (vec!["--set", "environment=moon"], 2),
        (vec!["--set", "nothing"], 2),
        (vec!["--only", "cudda"], 2),
        (vec!["--no-such-option"], 2),
        (vec!["--timeout", "0"], 2),
        (vec!["--python", "no/such/python"], 2),
        (vec!["--deep"], 2),
    ] {
        let ran = doctor(&arguments);
        assert_eq!(ran.code, code, "{arguments:?}\n{}\n{}", ran.out, ran.err);
        assert_eq!(ran.code == 2, ran.out.is_empty(), "stdout holds the result and nothing else: {arguments:?}");
        assert_eq!(ran.code == 2, !ran.err.is_empty(), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_mistake_gets_a_caret_and_the_nearest_name() {
    assert_eq!(
        doctor(&["--require", "cuda>>12"]).err,
        "error: --require: expected a version such as `12.4` after `>`, found `>12`\n\n    cuda>>12\n         ^\n"
    );
    assert!(doctor(&["--require", "vulcan"]).err.contains("did you mean `vulkan`?\n\n    vulcan\n    ^"));
    assert!(doctor(&["--set", "nvidia-drivr=550"]).err.contains("did you mean `nvidia-driver`?"));
    assert!(doctor(&["--require", "cuda 12.4"]).err.contains("write `>=12.4`, `==12.4` or `12.4.*`"));
    assert!(run(&["explain", "tensorflw"]).err.contains("did you mean `tensorflow`?"));
}

#[test]
fn wants_on_windows_and_in_wsl2_are_answered_with_rule_sources_and_commands() {
    let flat = |ran: crate::tool::Ran| ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let tensorflow = flat(doctor(&["--set", "environment=windows", "--want", "tensorflow>=2.11"]));
    for said in [
        "tf-windows-gt-2.10",
        "not supported on native Windows",
        "wsl --install",
        "tensorflow[and-cuda]",
        "rule tensorflow-windows-gpu-from-2-11; The documents",
    ] {
        assert!(tensorflow.contains(said), "{said} is not in {tensorflow}");
    }
    let older = doctor(&["--set", "environment=windows", "--want", "tensorflow<2.11"]);
    assert_eq!(older.code, 0, "2.10 still could: {}", older.out);
    let jax = flat(doctor(&["--set", "environment=windows", "--want", "jax"]));
    assert!(jax.contains("jax-windows-no-cuda") && jax.contains("wsl --install"), "{jax}");
    let rocm = flat(doctor(&["--set", "environment=wsl2", "--want", "rocm"]));
    assert!(rocm.contains("not supported on WSL2") && rocm.contains("newer than the documents: AMD"), "{rocm}");
    let current = doctor(&["--set", "environment=wsl2", "--want", "rocm", "--edition", "current"]);
    assert!(!current.out.contains("rocm-wsl2-unsupported"), "{}", current.out);
}

#[test]
fn a_want_holds_only_where_it_can_be_had() {
    let rtx = "linux-rtx4090-healthy.toml";
    for (fixture, settings, want, verdict, code) in [
        ("linux-no-gpu-healthy.toml", vec![], "torch", "holds", ""),
        ("linux-no-gpu-healthy.toml", vec![], "torch:cpu", "holds", ""),
        ("linux-no-gpu-healthy.toml", vec![], "torch:gpu", "broken", "no-gpu"),
        ("linux-no-gpu-healthy.toml", vec![], "jax[cuda12]", "broken", "no-nvidia-gpu"),
        ("linux-no-gpu-healthy.toml", vec![], "onnxruntime-gpu", "broken", "no-nvidia-gpu"),
        ("linux-no-gpu-healthy.toml", vec![], "tensorrt", "broken", "no-nvidia-gpu"),
        ("linux-no-gpu-healthy.toml", vec![], "rocm", "broken", "no-amd-gpu"),
        ("linux-no-gpu-healthy.toml", vec![], "vulkan", "broken", "vulkan-software-only"),
        ("linux-no-gpu-healthy.toml", vec![], "vulkan:cpu", "holds", ""),
        ("linux-no-gpu-healthy.toml", vec![], "torch>=99", "unknown", ""),
        (rtx, vec![], "torch", "holds", ""),
        (rtx, vec![], "jax[cuda12]", "holds", ""),
        (rtx, vec![], "openvino", "holds", ""),
        (rtx, vec!["nvidia-driver=390.157"], "torch", "broken", "driver-too-old"),
        (rtx, vec!["python=3.14"], "tensorflow", "broken", "python-version-unsupported"),
        (rtx, vec!["python=3.99"], "tensorflow", "unknown", ""),
        (rtx, vec!["compute-capability=3.5"], "torch:gpu", "broken", "arch-not-in-wheel"),
        (rtx, vec!["compute-capability=3.5"], "torch", "holds", ""),
        (rtx, vec!["nvidia-driver=535.183.01"], "jax[cuda13]", "broken", "driver-too-old"),
        (rtx, vec!["nvidia-driver=535.183.01"], "onnxruntime-gpu>=1.27", "broken", "driver-too-old"),
        (rtx, vec!["nvidia-driver=470.57.02"], "torch:cpu", "holds", ""),
        ("linux-rtx4090-nvidia-module-not-loaded.toml", vec![], "torch:gpu", "broken", "nvidia-module-not-loaded"),
        ("linux-rtx4090-nvidia-driver-missing.toml", vec![], "torch:gpu", "broken", "nvidia-driver-missing"),
        ("linux-rtx4090-cuda-init-failed.toml", vec![], "torch", "broken", "cuda-init-failed"),
        ("linux-jetson-orin-healthy.toml", vec![], "torch", "holds", ""),
        ("wsl2-container-rtx3060-healthy.toml", vec![], "torch:gpu", "holds", ""),
        ("windows-rtx3060-healthy.toml", vec![], "onnxruntime_gpu", "holds", ""),
        ("windows-rtx3060-healthy.toml", vec![], "tensorflow<2.11", "holds", ""),
        ("windows-rtx3060-healthy.toml", vec![], "tensorflow", "broken", "tf-windows-gt-2.10"),
        ("wsl2-rtx3060-healthy.toml", vec![], "tensorflow", "holds", ""),
        ("wsl2-rtx3060-healthy.toml", vec![], "directml", "broken", "directml-outside-windows"),
        ("wsl1-wsl1-not-wsl2.toml", vec![], "tensorflow:gpu", "broken", "wsl1-not-wsl2"),
    ] {
        let fixture = root().join("fixtures").join(fixture);
        let mut command = tool(&["doctor", "--json", "--from", fixture.to_str().unwrap(), "--want", want]);
        settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        let diagnosis = crate::tool::json(&mut command);
        let found = &diagnosis["wants"][0];
        assert_eq!(found["verdict"], verdict, "{want} on {}: {found}", fixture.display());
        let codes = crate::tool::codes(&diagnosis);
        assert!(
            code.is_empty() || codes.iter().any(|found| found == code),
            "{want} on {}: {codes:?}",
            fixture.display()
        );
    }
}

#[test]
fn commands_are_for_the_versions_that_are_wanted() {
    let commands = |fixture: &str, want: &str| {
        let fixture = root().join("fixtures").join(fixture);
        let mut command = tool(&["doctor", "--json", "--from", fixture.to_str().unwrap(), "--want", want]);
        crate::tool::json(&mut command)["recommendations"].to_string()
    };
    assert!(commands("linux-no-gpu-healthy.toml", "torch==2.3.*").contains("torch==2.3.1 torchvision==0.18.1"));
    assert!(!commands("windows-rtx3060-healthy.toml", "torch:cpu").contains("/whl/cu"));
    assert!(commands("windows-rtx3060-healthy.toml", "tensorflow<2.11").contains("tensorflow==2.10.1"));
    assert!(
        commands("linux-no-gpu-healthy.toml", "pytorch==2.3.*").contains("torch==2.3.1"),
        "by the system's name, too"
    );
    assert_eq!(commands("linux-no-gpu-healthy.toml", "torch>=99"), "[]");
    assert!(commands("linux-rtx4090-healthy.toml", "torch>=2").contains("/whl/cu"));
}

#[test]
fn inside_wsl2_no_advice_installs_a_linux_driver() {
    for want in ["tensorflow", "pytorch", "jax", "onnxruntime", "cuda"] {
        for vendor in ["nvidia", "amd", "intel"] {
            let vendor = format!("gpu-vendors={vendor}");
            let ran = doctor(&["--set", "environment=wsl2", "--set", &vendor, "--want", want]);
            for forbidden in ["nvidia-driver-", "cuda-drivers", "install nvidia-driver", "ubuntu-drivers"] {
                let advice = ran.out.lines().filter(|line| line.contains("install"));
                assert!(!advice.into_iter().any(|line| line.contains(forbidden)), "{want} {vendor}: {}", ran.out);
            }
        }
    }
}

#[test]
fn output_is_plain_in_a_pipe_and_80_columns_wide() {
    for arguments in [vec!["doctor", "--from"], vec!["probe", "--from"]] {
        let fixture = fixture();
        let ran = run(&[arguments.as_slice(), &[fixture.as_str()]].concat());
        assert!(!ran.out.contains('\u{1b}'), "no colour in a pipe");
        let wide = ran.out.lines().filter(|line| !line.trim_start().starts_with('$')).find(|line| {
            // A word is not broken, however long it is.
            line.chars().count() > 80 && line.split_whitespace().count() > 1
        });
        assert_eq!(wide, None);
    }
    let colourful = tool(&["doctor", "--from", &fixture()]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8_lossy(&colourful.stdout).contains('\u{1b}'), "colour where it is asked for");
}

#[test]
fn a_closed_pipe_is_no_error() {
    for arguments in [&["matrix"][..], &["schema"], &["doctor", "--help"], &["explain"]] {
        let mut child = tool(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn unreadable_input_is_named() {
    let folder = Folder::new("input");
    for (name, text, says) in [
        ("empty.toml", "", "expected a recording"),
        ("prose.txt", "CUDA does not work, please help\n", "expected a recording"),
        ("cut.json", "{\"format\": 1, \"report\": {", "EOF"),
        ("other.json", "{\"format\": 7, \"report\": {\"probes\": [], \"facts\": []}}", "format 7"),
        (
            "wrong.toml",
            "format = 1\nhost = \"x\"\nmade = \"live\"\nsystem = \"linux x86_64\"\n[read]\n\"/a\" = 5\n",
            "line 6",
        ),
        (
            "machine.toml",
            "environment = \"windows\"\npython = 3.11\n",
            "machine.toml:2:10: expected a version in quotes",
        ),
        (
            "fact.json",
            "{\"format\":1,\"report\":{\"probes\":[],\"facts\":[{\"key\":\"nvidia-drivr\",\"subject\":\"host\",\"value\":\"1\",\"origin\":\"system\"}]}}",
            "did you mean `nvidia-driver`",
        ),
    ] {
        let path = folder.write(name, text);
        let ran = run(&["doctor", "--from", path.to_str().unwrap()]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}");
        assert!(ran.err.contains(name) && ran.err.contains(says), "{name}: {}", ran.err);
    }
    assert!(run(&["doctor", "--from", "/no/such/file"]).err.contains("/no/such/file"));
    std::fs::write(folder.path("binary"), b"format\xff").unwrap();
    assert!(run(&["doctor", "--from", folder.path("binary").to_str().unwrap()]).err.contains("not UTF-8"));
}

#[test]
fn a_broken_matrix_is_2_and_named_with_its_place() {
    let folder = Folder::new("matrix");
    folder.write("sources.toml", "[[source]]\nid = \"a\"\ntitle = \"A\"\ndate = \"soon\"\nbasis = \"documented\"\n");
    folder.write("systems/cuda.toml", "name = \"CUDA\"\n");
    let ran = run(&["matrix", "--matrix", folder.0.to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("systems/cuda.toml:1:1: missing field"), "{}", ran.err);
    let empty = Folder::new("no-matrix");
    assert!(run(&["matrix", "--matrix", empty.0.to_str().unwrap()]).err.contains("no matrix is here"));
}

#[test]
fn every_command_shows_what_it_is_for() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["doctor", "--help"],
        &["matrix", "--json"],
        &["matrix", "--table", "engines", "--format", "markdown"],
        &["explain", "rocm"],
        &["explain", "inference-engines"],
        &["explain", "nvml-driver-library-mismatch"],
        &["explain", "tensorflow-windows-gpu-from-2-11"],
        &["explain", "wsl"],
        &["completions", "bash"],
        &["man"],
        &["schema"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        assert!(ran.out.len() > 15, "{arguments:?}: {}", ran.out);
    }
    let names = run(&["explain"]).out;
    for name in names.lines() {
        assert_eq!(run(&["explain", name]).code, 0, "{name}");
    }
}

#[test]
fn probes_can_be_chosen() {
    let ran = run(&["probe", "--from", &fixture(), "opencl", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let asked: Vec<&str> =
        value["report"]["probes"].as_array().unwrap().iter().map(|probe| probe["name"].as_str().unwrap()).collect();
    assert_eq!(asked, ["environment", "windows", "wsl", "wsl2", "machine", "bus", "opencl", "python"]);
    // A framework brings along what it stands on.
    let frameworks = root().join("fixtures/linux-rtx4090-frameworks-healthy.toml");
    let alone = json(&mut tool(&["doctor", "--json", "--from", frameworks.to_str().unwrap(), "--only", "pytorch"]));
    assert_eq!(system(&alone, "pytorch")["state"], "working");
    let skipped = doctor(&["--skip", "vulkan,webgpu,opencl", "--json"]);
    assert!(!skipped.out.contains("llvmpipe"));
}
