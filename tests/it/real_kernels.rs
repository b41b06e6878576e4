//! For which GPUs real libraries hold code, against what NVIDIA's and LLVM's own tools say of the same files.
//!
//! Looks below the folder in ACCELPROBE_PYTHON_LIBRARIES, a Python environment with wheels in it. What is not there is said and
//! passed over, or fails where ACCELPROBE_REAL_DRIVERS is `required`.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::path::{Path, PathBuf};
use std::time::Duration;

use accelprobe_probes::host::live::Live;
use accelprobe_probes::host::{Answer, Host, Question};

use crate::tool::{PROGRAM, lacks};

const FOLDER: &str = "ACCELPROBE_PYTHON_LIBRARIES";

/// Files below `site-packages`, and the sets that `cuobjdump -elf FILE` and `cuobjdump -ptx FILE` (13.5.37) list as `arch =`; PTX
/// for `sm_121` is `compute_121` here. Releases: nvidia-cudnn-jit-cu12 9.27.0.42, tensorrt-lean-cu12-libs 11.4.0.106,
/// nvidia-cuda-runtime-cu12 12.9.79. cuobjdump says that the last one holds no code.
const LIBRARIES: &[(&str, &str, &str)] = &[
    (
        "nvidia_cudnn_jit_cu12-9.27.0.42.dist-info",
        "nvidia/cudnn_jit/lib/libcudnn_engines_runtime_compiled.so.9",
        "sm_75 sm_80 sm_86 sm_90a sm_100f sm_120f sm_121 compute_121",
    ),
    (
        "tensorrt_lean_cu12_libs-11.4.0.106.dist-info",
        "tensorrt_lean_libs/libnvinfer_lean.so.11",
        "sm_75 sm_80 sm_86 sm_89 sm_90 sm_90a sm_100 sm_100f sm_103 sm_120 sm_120f compute_52 compute_80 compute_86",
    ),
    (
        "tensorrt_lean_cu12_libs-11.4.0.106.dist-info",
        "tensorrt_lean_libs/libnvinfer_vc_plugin.so.11",
        "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120",
    ),
    ("nvidia_cuda_runtime_cu12-12.9.79.dist-info", "nvidia/cuda_runtime/lib/libcudart.so.12", ""),
];

/// Debian's librocrand1 5.3.3, and the targets in the bundle's list as `strings` shows them.
const ROCRAND: (&str, &str) =
    ("/usr/lib/x86_64-linux-gnu/librocrand.so.1.1", "gfx1030 gfx803 gfx900 gfx906 gfx908 gfx90a");

fn kernels(file: &Path) -> Answer {
    let host = Live::new(PathBuf::from(PROGRAM), Duration::from_secs(10), None, Vec::new());
    let answer = host.ask(&Question::Kernels(file.to_str().unwrap().to_owned()));
    answer.map(|lines| lines.replace('\n', " "))
}

#[test]
fn the_sets_of_cuda_libraries_equal_those_of_cuobjdump() {
    let Some(folder) = std::env::var_os(FOLDER) else { return lacks(FOLDER) };
    let libraries = Path::new(&folder).join("lib");
    let versions = std::fs::read_dir(libraries).unwrap().flatten();
    let site = versions.map(|version| version.path().join("site-packages")).find(|site| site.is_dir()).unwrap();
    for (release, file, expected) in LIBRARIES {
        match site.join(release).is_dir() {
            true => assert_eq!(kernels(&site.join(file)).as_deref(), Ok(*expected), "{file}"),
            false => lacks(release),
        }
    }
}

#[test]
fn the_set_of_a_hip_library_equals_its_bundle_s_list() {
    let (file, expected) = ROCRAND;
    match Path::new(file).exists() {
        true => assert_eq!(kernels(Path::new(file)).as_deref(), Ok(expected)),
        false => lacks("rocRAND (package librocrand1)"),
    }
}
