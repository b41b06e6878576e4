//! Which environment variables a child gets: those that drivers, loaders and their systems read, so that it sees what a program
//! would see. All others stay here, because they hold people's secrets.

use std::ffi::OsString;

/// Variables that begin so. Each is a name space of a vendor, a loader or a system.
const BEGINNINGS: &[&str] = &[
    "ACCELPROBE_",
    "AMD_",
    "CL_",
    "COMMONPROGRAM",
    "CUDA_",
    "CUDNN_",
    "D3D12_",
    "DRI_",
    "DXCORE_",
    "DYLD_",
    "EGL_",
    "GALLIUM_",
    "GC_",
    "GLIBC_TUNABLES",
    "GPU_",
    "HABANA_",
    "HIP",
    "HLML_",
    "HSA_",
    "HSAKMT_",
    "IGC_",
    "INTEL_",
    "IPU",
    "KMP_",
    "LD_",
    "LIBGL_",
    "LP_",
    "MALLOC_",
    "MESA_",
    "METAL_",
    "MTL_",
    "MVK_",
    "NEO",
    "NVIDIA_",
    "NV_",
    "OCL_",
    "OMP_",
    "ONEAPI_",
    "ONNXRUNTIME_",
    "OPENCL_",
    "OPENVINO_",
    "ORT_",
    "OV_",
    "POCL_",
    "POPLAR_",
    "PROCESSOR_",
    "PROGRAM",
    "RADV_",
    "ROC",
    "RUSTICL_",
    "SYCL_",
    "TBB_",
    "TENSORRT_",
    "TF_",
    "TFLITE_",
    "TRT_",
    "UR_",
    "VK_",
    "VN_",
    "WGPU_",
    "WINE",
    "WSL",
    "XLA_",
    "ZE",
    "__EGL_",
    "__GL_",
    "__NV_",
    "__VK_",
];

/// Variables of these names.
const NAMES: &[&str] = &[
    "ALLUSERSPROFILE",
    "COMSPEC",
    "CONDA_PREFIX",
    "DISPLAY",
    "DRIVERDATA",
    "HOMEDRIVE",
    "HOMEPATH",
    "LANG",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATH",
    "PATHEXT",
    "PUBLIC",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TZ",
    "USERPROFILE",
    "VIRTUAL_ENV",
    "WAYLAND_DISPLAY",
    "WINDIR",
    "XAUTHORITY",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_DIRS",
    "container",
];

/// What no variable of those name spaces holds that a driver reads.
const SECRETS: &[&str] = &["TOKEN", "SECRET", "PASSW", "CREDENTIAL", "API_KEY", "APIKEY", "ACCESS_KEY", "AUTH"];

/// The variables of this process that a child gets.
pub(super) fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_inherited))
}

fn is_inherited(name: &str) -> bool {
    // Windows spells its own in any case.
    let upper = name.to_uppercase();
    let listed = NAMES.iter().any(|listed| listed.eq_ignore_ascii_case(name));
    let begins = || BEGINNINGS.iter().any(|beginning| upper.starts_with(beginning));
    listed || begins() && !SECRETS.iter().any(|secret| upper.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::live::VARIABLES;

    #[test]
    fn what_is_read_for_answers_is_inherited_where_drivers_read_it() {
        // Folders of ours and of tools alone: children have their own, and drivers read none of them.
        let ours = ["KUBERNETES_SERVICE_HOST", "XDG_CONFIG_HOME", "XDG_DATA_HOME"];
        for name in VARIABLES.iter().filter(|name| !ours.contains(name)) {
            assert!(is_inherited(name), "{name}");
        }
    }

    #[test]
    fn secrets_stay_here() {
        for name in [
            "SECRET_TOKEN",
            "HF_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "NVIDIA_API_KEY",
            "INTEL_AUTH",
            "GITHUB_TOKEN",
            "SSH_AUTH_SOCK",
            "HISTFILE",
            "MAIL",
            "DATABASE_URL",
            "PIP_INDEX_URL",
        ] {
            assert!(!is_inherited(name), "{name}");
        }
        assert!(is_inherited("SystemRoot") && is_inherited("ProgramFiles(x86)") && is_inherited("container"));
    }
}
