//! Nothing is run or loaded from the working directory, and children get no more variables than drivers read.

use std::path::Path;
use std::process::Command;

use crate::real_drivers::library;
use crate::tool::{Folder, PROGRAM, json, root, tool};

const LIBRARIES: &[&str] = &[
    "libOpenCL.so.1",
    "libSynapse.so",
    "libamdhip64.so.6",
    "libcuda.so.1",
    "libcudart.so.12",
    "libcudnn.so.9",
    "libhsa-runtime64.so.1",
    "libnvidia-ml.so.1",
    "libnvinfer.so.10",
    "libonnxruntime.so.1",
    "libopenvino_c.so",
    "libvulkan.so.1",
    "libze_loader.so.1",
];
const PROGRAMS: &[&str] = &[
    "accelprobe",
    "conda",
    "gc-info",
    "hl-smi",
    "nvcc",
    "nvidia-smi",
    "python",
    "python3",
    "rocminfo",
    "wsl.exe",
    "wslinfo",
];

/// A folder with libraries and programs of everybody's names, which leave a mark; the same in a folder below it.
fn planted(name: &str) -> Option<Folder> {
    let folder = Folder::new(name);
    let mark = format!("-DMARK=\"{}\"", folder.path("mark").display());
    if !library("left_a_mark.c", &[&mark], &folder.path("library")) {
        return None;
    }
    let source = root().join("tests/it/standins/left_a_mark.c");
    let mut build = Command::new("cc");
    build.args(["-O1", "-DPROGRAM", &mark, "-o"]).arg(folder.path("program")).arg(source);
    assert!(build.status().unwrap().success());
    std::fs::create_dir(folder.path("below")).unwrap();
    for (names, file) in [(LIBRARIES, "library"), (PROGRAMS, "program")] {
        for name in names {
            std::fs::copy(folder.path(file), folder.path(name)).unwrap();
            std::fs::copy(folder.path(file), folder.path("below").join(name)).unwrap();
        }
    }
    Some(folder)
}

#[test]
fn nothing_is_taken_from_the_working_directory() {
    let Some(folder) = planted("planted") else { return };
    let mark = folder.path("mark");
    let is_marked = || std::fs::remove_file(&mark).is_ok();
    assert!(
        Command::new(folder.path("nvidia-smi")).status().unwrap().success() && is_marked(),
        "a program leaves its mark"
    );
    let loads = |path: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "LD_PRELOAD=libcuda.so.1 /bin/true"]).env("LD_LIBRARY_PATH", path).current_dir(&folder.0);
        command.output().unwrap().status.success() && is_marked()
    };
    assert!(loads("."), "a library leaves its mark");
    let path = std::env::var("PATH").unwrap();
    for libraries in ["", ":", ".", "below", "./below:"] {
        let mut doctor = tool(&["doctor", "--json", "--deep"]);
        let path = format!(".::below:./below:{path}:");
        json(doctor.current_dir(&folder.0).env("PATH", path).env("LD_LIBRARY_PATH", libraries));
        assert!(!is_marked(), "LD_LIBRARY_PATH={libraries:?}");
    }
    // Neither is this program, when it is called by a name that it has there, too.
    let shell = Path::new("/bin/bash");
    if shell.exists() {
        let mut doctor = Command::new(shell);
        doctor.args(["-c", "exec -a accelprobe \"$0\" doctor --json", PROGRAM]).current_dir(&folder.0);
        json(&mut doctor);
        assert!(!is_marked());
    }
}

#[test]
fn children_get_no_secrets_of_the_environment() {
    const SECRETS: &[&str] = &[
        "AWS_SECRET_ACCESS_KEY",
        "DATABASE_URL",
        "GITHUB_TOKEN",
        "HF_TOKEN",
        "NVIDIA_API_KEY",
        "PIP_INDEX_URL",
        "SECRET_TOKEN",
        "SSH_AUTH_SOCK",
        "WANDB_API_KEY",
    ];
    let folder = Folder::new("children-environment");
    let mut command = vec!["env".to_owned(), "VK_PLANTED=told".to_owned()];
    command.extend(SECRETS.iter().map(|name| format!("{name}=hunter2-{name}")));
    command.extend([PROGRAM, "doctor", "--json", "--deep"].map(str::to_owned));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let Some(calls) = super::calls("execve", &["-v"], &command, &folder) else { return };
    let children: Vec<&str> = calls.lines().filter(|call| call.contains("\"__answer\"")).collect();
    assert!(!children.is_empty(), "children are started");
    for child in children {
        assert!(child.contains("VK_PLANTED=told"), "what drivers read is there: {child}");
        assert!(!child.contains("hunter2"), "{child}");
    }
}
