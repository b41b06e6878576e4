//! Eighteen situations that other programs get wrong, each by its number: which findings it gives, and which exit code.
//!
//! Comments name who is wrong, and how, as measured on 2026-11-22.

use std::path::Path;

use serde_json::Value;

use crate::tool::{Folder, codes, root, run};

/// What the doctor said.
struct Said {
    code: i32,
    diagnosis: Value,
}

impl Said {
    /// Nothing is wrong, and nobody is warned of anything.
    fn fine(&self) -> &Said {
        self.finds(&[], 0)
    }

    /// These findings, of severity warning or above, and this exit code.
    fn finds(&self, expected: &[&str], code: i32) -> &Said {
        assert_eq!((codes(&self.diagnosis), self.code), (texts(expected), code), "{:#}", self.diagnosis["findings"]);
        self
    }

    /// The one finding of this code.
    fn finding(&self, code: &str) -> &Value {
        let all = self.diagnosis["findings"].as_array().unwrap();
        let mut found = all.iter().filter(|finding| finding["code"] == code);
        match (found.next(), found.next()) {
            (Some(one), None) => one,
            _ => panic!("not one {code} in {all:#?}"),
        }
    }

    /// A finding's message, remedy and commands hold these words, and none of those.
    fn says(&self, code: &str, words: &[&str], not: &[&str]) -> &Said {
        let finding = self.finding(code);
        let text = format!("{} {}", finding["message"], finding["remedy"]);
        for word in words {
            assert!(text.contains(word), "`{word}` is not in {text}");
        }
        for word in not {
            assert!(!text.contains(word), "`{word}` is in {text}");
        }
        self
    }

    /// The names of the devices that are no software.
    fn gpus(&self) -> Vec<String> {
        let devices = self.diagnosis["devices"].as_array().unwrap().iter();
        devices.filter(|device| device["kind"] != "software").map(|device| told(&device["name"])).collect()
    }

    fn state(&self, system: &str) -> String {
        told(&crate::tool::system(&self.diagnosis, system)["state"])
    }
}

fn texts(these: &[&str]) -> Vec<String> {
    these.iter().map(|text| (*text).to_owned()).collect()
}

fn told(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn judge(file: &Path, more: &[&str]) -> Said {
    let mut arguments = vec!["doctor", "--json", "--from", file.to_str().unwrap()];
    arguments.extend(more);
    let ran = run(&arguments);
    let diagnosis = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    Said { code: ran.code, diagnosis }
}

/// A recording in fixtures/.
fn recorded(name: &str, more: &[&str]) -> Said {
    judge(&root().join(format!("fixtures/{name}.toml")), more)
}

/// A recording with other answers in it: lines that begin with the first are replaced by the second.
fn changed(name: &str, changes: &[(&str, &str)]) -> Said {
    let text = std::fs::read_to_string(root().join(format!("fixtures/{name}.toml"))).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (begins, now) in changes {
        let at = lines.iter().position(|line| line.starts_with(begins));
        let at = at.unwrap_or_else(|| panic!("no line begins with {begins} in {name}"));
        // An answer of several lines goes as a whole.
        if lines[at].ends_with("'''") && lines[at].matches("'''").count() == 1 {
            let end = lines[at + 1..].iter().position(|line| line.ends_with("'''")).unwrap();
            lines.drain(at + 1..=at + 1 + end);
        }
        lines[at] = (*now).to_owned();
    }
    let folder = Folder::new(&format!("golden-{name}"));
    judge(&folder.write("changed.toml", &lines.join("\n")), &[])
}

/// A machine in words.
fn described(name: &str, text: &str, more: &[&str]) -> Said {
    let folder = Folder::new(&format!("golden-{name}"));
    judge(&folder.write("machine.toml", text), more)
}

/// A machine with Linux, one NVIDIA card, its driver and a torch.
fn with_torch(name: &str, gpu: &str, driver: &str, torch: &str) -> Said {
    let text = format!(
        "environment = \"linux\"\narch = \"x86_64\"\npython = \"3.12\"\n\
         [[gpu]]\nname = \"{gpu}\"\ndriver = \"{driver}\"\n[packages]\ntorch = \"{torch}\"\n"
    );
    described(name, &text, &[])
}

// 1 with live drivers, and 2 and 13 with live environments, are in golden_live.rs.
// env-doctor, collect_env, uv and llmfit wait for ever for a hung nvidia-smi; cuda-doctor waits 30 seconds, then advises a
// new driver.
#[test]
fn golden_01_hung_nvidia_smi() {
    let line = "\"/usr/bin/nvidia-smi --query-gpu";
    let hung = "\"/usr/bin/nvidia-smi --query-gpu=driver_version --format=csv,noheader\" = { missing = \"timed-out\" }";
    let said = changed("linux-rtx4090-healthy", &[(line, hung)]);
    said.fine();
    assert_eq!((said.gpus(), said.state("cuda")), (texts(&["NVIDIA GeForce RTX 4090"]), "working".to_owned()));
}

// fastfetch, clinfo and vulkaninfo die of one bad driver, or hang with it, and show nothing of the good one.
#[test]
fn golden_01_recorded_drivers_that_crash_and_hang() {
    recorded("linux-rx7900-vulkan-icd-failed", &[]).finds(&["vulkan-icd-failed"], 1);
    recorded("linux-arc-a770-opencl-icd-failed", &[]).finds(&["opencl-icd-failed"], 1);
    let crashed = recorded("linux-rtx4090-cuda-crashes-cuda-init-failed", &[]);
    crashed.finds(&["cuda-init-failed"], 1);
    assert_eq!(crashed.state("cuda"), "crashed");
}

// env-doctor says "torch is NOT installed" and exits 0.
#[test]
fn golden_02_torch_without_cudnn() {
    let said = recorded("linux-rtx4090-torch-cuda-lib-missing", &[]);
    said.finds(&["cuda-lib-missing"], 1).says("cuda-lib-missing", &["libcudnn.so.9", "nvidia-cudnn-cu12"], &[]);
}

// env-doctor and cuda-doctor advise to install the driver that is running.
#[test]
fn golden_03_nvml_without_nvidia_smi() {
    let gone = "\"/usr/bin/nvidia-smi\" = { missing = \"not-found\" }";
    let said = changed("linux-rtx4090-healthy", &[("\"/usr/bin/nvidia-smi\" =", gone)]);
    said.fine();
    assert_eq!((said.gpus(), said.state("cuda")), (texts(&["NVIDIA GeForce RTX 4090"]), "working".to_owned()));
}

// env-doctor: "No NVIDIA Driver detected … check nouveau".
#[test]
fn golden_03_module_and_library_of_different_versions() {
    let words = ["sudo reboot", "nothing to install"];
    let said = recorded("linux-rtx4090-nvml-driver-library-mismatch", &[]);
    said.finds(&["nvml-driver-library-mismatch"], 1).says("nvml-driver-library-mismatch", &words, &["apt"]);
}

// env-doctor calls both a critical conflict of versions and an architecture mismatch, for every card of that generation.
#[test]
fn golden_04_minor_versions_of_cuda_and_of_capabilities_are_compatible() {
    with_torch("04", "NVIDIA GeForce RTX 4090", "550.54.14", "2.7.0+cu128").fine();
    with_torch("04-newest-12", "NVIDIA GeForce RTX 4090", "525.60.13", "2.9.0+cu129").fine();
}

// env-doctor sees it and exits 0; cuda-doctor exits 0 whatever it sees.
#[test]
fn golden_05_driver_of_another_major_version() {
    let said = with_torch("05", "NVIDIA GeForce RTX 4090", "535.183.01", "2.9.0+cu130");
    said.finds(&["driver-too-old"], 1).says("driver-too-old", &["580", "535.183.01"], &[]);
    assert_eq!(said.finding("driver-too-old")["severity"], "error");
}

// cuda-doctor: "usable with warnings". env-doctor advises a nightly build, which has even less for that card.
#[test]
fn golden_06_card_that_the_build_left_behind() {
    let said = with_torch("06", "NVIDIA GeForce GTX 1080 Ti", "570.124.06", "2.8.0+cu128");
    said.finds(&["arch-not-in-wheel"], 1).says("arch-not-in-wheel", &["GTX 1080 Ti", "cu126"], &["nightly"]);
}

// env-doctor judges the first card alone: "COMPATIBLE".
#[test]
fn golden_06_every_card_is_judged() {
    let two = |first: &str, second: &str| {
        format!(
            "environment = \"linux\"\narch = \"x86_64\"\npython = \"3.12\"\n\
             [[gpu]]\nname = \"{first}\"\ndriver = \"570.124.06\"\n[[gpu]]\nname = \"{second}\"\ndriver = \"570.124.06\"\n\
             [packages]\ntorch = \"2.8.0+cu128\"\n"
        )
    };
    let (new, old) = ("NVIDIA H100 PCIe", "NVIDIA GeForce GTX 1080 Ti");
    for text in [two(new, old), two(old, new)] {
        // The other card can be used, so it is a warning.
        let said = described("06-two", &text, &[]);
        said.finds(&["arch-not-in-wheel"], 0);
        let message = told(&said.finding("arch-not-in-wheel")["message"]);
        assert!(message.contains("GTX 1080 Ti") && !message.contains("H100"), "{message}");
        assert_eq!(said.gpus().len(), 2);
    }
}

// cuda-doctor looks at no architecture; uv picks by the driver alone.
#[test]
fn golden_07_card_newer_than_the_build() {
    let said = with_torch("07", "NVIDIA GeForce RTX 5090", "570.124.06", "2.6.0+cu124");
    said.finds(&["arch-not-in-wheel"], 1).says("arch-not-in-wheel", &["RTX 5090", "/whl/cu12"], &["/whl/cu124"]);
}

// env-doctor counts no GPU where the memory is not told.
#[test]
fn golden_08_unified_memory() {
    let text = "environment = \"linux\"\narch = \"aarch64\"\npython = \"3.12\"\n\
                [[gpu]]\nname = \"NVIDIA GB10\"\ndriver = \"580.95.05\"\n[packages]\ntorch = \"2.9.0+cu130\"\n";
    let said = described("08", text, &[]);
    said.fine();
    assert_eq!(said.gpus(), texts(&["NVIDIA GB10"]));
    let jetson = recorded("linux-jetson-orin-healthy", &[]);
    jetson.fine();
    assert_eq!((jetson.gpus(), jetson.state("cuda")), (texts(&["Orin"]), "working".to_owned()));
}

// gpu-doctor reads gfx90a as gfx90; rocmate cannot read it at all.
#[test]
fn golden_09_gfx_targets_are_read_whole() {
    for (name, gfx) in
        [("linux-mi250x-gfx90a-rocm-healthy", "gfx90a"), ("linux-strix-halo-gfx1151-rocm-healthy", "gfx1151")]
    {
        let said = recorded(name, &[]);
        said.fine();
        let devices = said.diagnosis["devices"].as_array().unwrap();
        assert!(devices.iter().any(|device| device["gfx"] == gfx), "{devices:#?}");
    }
}

// env-doctor exits 2 on a healthy machine, because its tables are ten months old.
#[test]
fn golden_10_newer_than_the_data() {
    let text = "environment = \"linux\"\narch = \"x86_64\"\npython = \"3.99\"\n\
                [[gpu]]\nname = \"NVIDIA GeForce RTX 9999\"\ndriver = \"999.10\"\n\
                [packages]\ntorch = \"9.9.0+cu999\"\ntensorflow = \"9.9.0\"\njax = \"9.9.0\"\n";
    described("10", text, &[]).fine();
    let set = ["--set", "nvidia-driver=999.10", "--set", "cuda-driver-api=99.9"];
    recorded("linux-rtx4090-frameworks-healthy", &set).fine();
}

// env-doctor: an error, and the advice to install the driver in Windows again.
#[test]
fn golden_11_wsl2_without_nvidia_smi_on_the_path() {
    let said = recorded("wsl2-rtx3060-healthy", &[]);
    said.fine();
    assert_eq!(said.state("cuda"), "working");
}

// env-doctor: "WSL1 detected, CUDA is not supported".
#[test]
fn golden_11_wsl2_with_a_kernel_of_another_name() {
    let said = recorded("wsl2-custom-kernel-rtx3060-healthy", &[]);
    said.fine();
    assert_eq!(said.diagnosis["host"]["environment"], "wsl2");
}

// env-doctor takes a stray library for such a driver while CUDA works; rocm-cli declares all of WSL out of its scope.
#[test]
fn golden_11_wsl1_a_linux_driver_and_a_container_in_wsl2() {
    recorded("wsl1-wsl1-not-wsl2", &[]).finds(&["wsl1-not-wsl2"], 0).says(
        "wsl1-not-wsl2",
        &["--set-version Ubuntu 2"],
        &[],
    );
    let driver = recorded("wsl2-rtx3060-wsl-linux-driver-installed", &[]);
    driver.finds(&["wsl-linux-driver-installed"], 1);
    driver.says("wsl-linux-driver-installed", &["remove"], &["install the driver"]);
    recorded("wsl2-container-rtx3060-healthy", &[]).fine();
}

// fastfetch lists llvmpipe among the GPUs.
#[test]
fn golden_12_software_is_no_gpu() {
    let said = recorded("linux-no-gpu-healthy", &[]);
    said.fine();
    assert_eq!((said.gpus(), said.state("vulkan")), (Vec::new(), "software-only".to_owned()));
    let devices = said.diagnosis["devices"].as_array().unwrap();
    assert!(devices.iter().all(|device| device["kind"] == "software"), "{devices:#?}");
    for system in ["vulkan", "opencl"] {
        assert_eq!(recorded("linux-no-gpu-healthy", &["--require", system]).code, 1, "{system}");
    }
}

// No other doctor looks at ONNX Runtime.
#[test]
fn golden_14_onnxruntime_twice() {
    recorded("linux-h200-ort-duplicate-packages", &[]).finds(&["ort-duplicate-packages"], 1);
    let text = "environment = \"linux\"\n[[gpu]]\nname = \"NVIDIA H200\"\ndriver = \"580.95.05\"\n\
                [packages]\nonnxruntime = \"1.23.2\"\nonnxruntime-gpu = \"1.23.2\"\n";
    let said = described("14", text, &[]);
    assert_eq!(codes(&said.diagnosis), texts(&["ort-duplicate-packages"]));
}

#[test]
fn golden_14_cuda_provider_that_would_not_load() {
    for (name, file) in [
        ("linux-rtx4090-onnxruntime-cuda-lib-missing", ".so."),
        ("windows-rtx3060-onnxruntime-cuda-lib-missing", ".dll"),
    ] {
        let said = recorded(name, &[]);
        said.finds(&["cuda-lib-missing"], 1).says("cuda-lib-missing", &[file, "compute on the processor"], &[]);
    }
}

// Those that ask CUDA under the variable see no GPU, and advise to install a driver; env-doctor and cuda-doctor do not read it.
#[test]
fn golden_15_visible_devices() {
    recorded("linux-rtx4090-visible-devices-hidden", &[]).finds(&["visible-devices-hidden"], 0).says(
        "visible-devices-hidden",
        &["unset CUDA_VISIBLE_DEVICES"],
        &["driver"],
    );
    for value in ["-1", "7"] {
        let line = format!("\"CUDA_VISIBLE_DEVICES\" = \"{value}\"");
        let said = changed("linux-rtx4090-visible-devices-hidden", &[("\"CUDA_VISIBLE_DEVICES\" =", &line)]);
        said.finds(&["visible-devices-hidden"], 0).says("visible-devices-hidden", &[value], &[]);
    }
    for value in ["", "-1", "2"] {
        let text = format!(
            "environment = \"windows\"\n[[gpu]]\nname = \"NVIDIA GeForce RTX 3050 Ti Laptop GPU\"\ndriver = \"531.18\"\n\
             [env]\nCUDA_VISIBLE_DEVICES = \"{value}\"\n"
        );
        described("15", &text, &[]).finds(&["visible-devices-hidden"], 0);
    }
}

// env-doctor prints "Manual verification needed" as the command for TensorFlow, and for JAX the one that installs no CUDA.
#[test]
fn golden_16_tensorflow_and_jax_on_native_windows() {
    for (package, code) in
        [("tensorflow = \"2.16.1\"", "tf-windows-gt-2.10"), ("jax = \"0.4.30\"", "jax-windows-no-cuda")]
    {
        let text = format!(
            "environment = \"windows\"\nos = \"Windows 11\"\nwindows-build = \"22631.3880\"\narch = \"x86_64\"\n\
             python = \"3.11\"\n[[gpu]]\nname = \"NVIDIA GeForce RTX 4090\"\ndriver = \"560.94\"\n[packages]\n{package}\n"
        );
        let said = described("16", &text, &[]);
        assert_eq!(codes(&said.diagnosis), texts(&[code]), "{:#}", said.diagnosis["findings"]);
        said.says(code, &["wsl --install"], &[]);
        // Wanted on such a machine it is the same, and so where nothing is installed yet.
        let wanted = format!("{}:gpu", package.split(' ').next().unwrap());
        let bare = text.replace(&format!("[packages]\n{package}\n"), "");
        for text in [&text, &bare] {
            let said = described("16-want", text, &["--want", &wanted]);
            assert_eq!((said.code, &said.diagnosis["wants"][0]["verdict"]), (1, &"broken".into()));
            said.finds(&[code], 1).says(code, &["wsl --install"], &[]);
        }
    }
}

// rapids doctor ends in a traceback on every machine without a GPU.
#[test]
fn golden_17_no_gpu_at_all() {
    recorded("linux-no-gpu-healthy", &[]).fine();
    recorded("linux-no-gpu-frameworks-healthy", &[]).fine();
    let file = root().join("fixtures/linux-no-gpu-healthy.toml");
    let ran = run(&["doctor", "--from", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.lines().count() < 60, "{}", ran.out);
    assert!(ran.out.contains("NOTHING WRONG") && ran.out.contains("No error and no warning"), "{}", ran.out);
}

// rocmate tells root to join groups, and takes no notice of a user's first group.
#[test]
fn golden_18_closed_kfd() {
    for (group, joins) in [("render", true), ("video", true), ("root", false)] {
        let line = format!("\"/dev/kfd\" = \"char-device - group={group}\"");
        let said = changed("linux-rx7900xtx-rocm-kfd-permission", &[("\"/dev/kfd\" =", &line)]);
        said.finds(&["rocm-kfd-permission"], 1);
        let join = format!("usermod -aG {group}");
        let (with, without): (&[&str], &[&str]) = if joins { (&[&join], &[]) } else { (&[], &["usermod"]) };
        said.says("rocm-kfd-permission", with, without).says("rocm-kfd-permission", &["/dev/kfd", group], &[]);
    }
}
