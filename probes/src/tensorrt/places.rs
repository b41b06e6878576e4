//! Where copies of TensorRT may be, by which names, and what lies beside them.

use crate::copies::{Below, Copy, Place, Searched, folder_of, in_environments, join, name_of};
use crate::host::Host;

/// The runtimes' names, the full ones and the newest first.
pub(super) const LINUX: &[&str] = &[
    "libnvinfer.so.11",
    "libnvinfer.so.10",
    "libnvinfer.so.8",
    "libnvinfer.so.7",
    "libnvinfer_lean.so.11",
    "libnvinfer_lean.so.10",
    "libnvinfer_lean.so.8",
    "libnvinfer_dispatch.so.11",
    "libnvinfer_dispatch.so.10",
    "libnvinfer_dispatch.so.8",
    "libtensorrt_rtx.so.1",
];
pub(super) const WINDOWS: &[&str] = &[
    "nvinfer_11.dll",
    "nvinfer_10.dll",
    "nvinfer.dll",
    "nvinfer_lean_11.dll",
    "nvinfer_lean_10.dll",
    "nvinfer_lean.dll",
    "nvinfer_dispatch_11.dll",
    "nvinfer_dispatch_10.dll",
    "nvinfer_dispatch.dll",
];
/// What kind of runtime a file is, by its name in lower case; nothing where it is none.
pub(super) fn kind_of(name: &str) -> Option<&'static str> {
    const LINUX: [(&str, &str); 4] = [
        ("libnvinfer.so.", "full"),
        ("libnvinfer_lean.so.", "lean"),
        ("libnvinfer_dispatch.so.", "dispatch"),
        ("libtensorrt_rtx.so.", "rtx"),
    ];
    const WINDOWS: [(&str, &str); 4] =
        [("tensorrt_rtx", "rtx"), ("nvinfer_dispatch", "dispatch"), ("nvinfer_lean", "lean"), ("nvinfer", "full")];
    let is_number = |text: &str| text.split('_').all(|part| part.parse::<u32>().is_ok());
    match name.strip_suffix(".dll") {
        None => LINUX.iter().find(|(start, _)| name.strip_prefix(start).is_some_and(is_number)).map(|(_, kind)| *kind),
        Some(stem) => WINDOWS
            .iter()
            .find(|(start, _)| {
                let rest = stem.strip_prefix(start);
                rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(is_number))
            })
            .map(|(_, kind)| *kind),
    }
}

/// The folders in which copies may be.
pub(super) fn folders(host: &dyn Host) -> Vec<Searched> {
    const BELOW: &[Below] = &[
        Below {
            folder: "tensorrt_libs",
            packages: &["tensorrt-cu13-libs", "tensorrt-cu12-libs", "tensorrt-cu11-libs", "tensorrt-libs"],
        },
        Below {
            folder: "tensorrt_lean_libs",
            packages: &[
                "tensorrt-lean-cu13-libs",
                "tensorrt-lean-cu12-libs",
                "tensorrt-lean-cu11-libs",
                "tensorrt-lean-libs",
            ],
        },
        Below {
            folder: "tensorrt_dispatch_libs",
            packages: &[
                "tensorrt-dispatch-cu13-libs",
                "tensorrt-dispatch-cu12-libs",
                "tensorrt-dispatch-cu11-libs",
                "tensorrt-dispatch-libs",
            ],
        },
        Below { folder: "tensorrt_rtx_libs", packages: &["tensorrt-rtx-cu13-libs", "tensorrt-rtx-cu12-libs"] },
        // Up to 8.5 the libraries lie beside the Python module.
        Below { folder: "tensorrt", packages: &["tensorrt", "nvidia-tensorrt"] },
    ];
    // Archives are unpacked where somebody likes; these are the places that the installation guides use.
    let (parents, libraries): (&[&str], &[&str]) = match host.is_windows() {
        true => (
            &[
                "C:\\",
                "~",
                r"C:\Program Files",
                r"C:\Program Files\NVIDIA GPU Computing Toolkit",
                r"C:\Program Files\NVIDIA",
            ],
            &["lib", "bin"],
        ),
        false => (&["/opt", "/usr/local", "~"], &["lib"]),
    };
    let mut folders = Vec::new();
    for parent in parents {
        for name in host.list(parent).iter().filter(|name| name.to_lowercase().starts_with("tensorrt")) {
            let root = join(host, parent, name);
            let paths = libraries.iter().map(|below| join(host, &root, below));
            folders.extend(paths.map(|path| Searched::new(path, Place::Folder)));
        }
    }
    folders.extend(in_environments(host, BELOW));
    folders
}

/// What lies beside a copy and is of the same major version.
pub(super) fn parts(host: &dyn Host, copy: &Copy, kind: &str) -> Vec<String> {
    let name = name_of(&copy.path);
    let stem = match kind {
        "lean" => "nvinfer_lean",
        "dispatch" => "nvinfer_dispatch",
        "rtx" => "tensorrt_rtx",
        _ => "nvinfer",
    };
    let offered: &[(&str, &str)] = match kind {
        "full" => {
            &[("plugin", "nvinfer_plugin"), ("onnx-parser", "nvonnxparser"), ("lean-plugin", "nvinfer_vc_plugin")]
        }
        "lean" => &[("lean-plugin", "nvinfer_vc_plugin")],
        "rtx" => &[("onnx-parser", "tensorrt_onnxparser_rtx")],
        _ => &[],
    };
    let there = |other: &str| host.exists(&join(host, folder_of(&copy.path), &name.replacen(stem, other, 1)));
    offered.iter().filter(|(_, other)| there(other)).map(|(part, _)| (*part).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_is_told_by_the_name_of_its_file() {
        for (name, kind) in [
            ("libnvinfer.so.10", Some("full")),
            ("libnvinfer.so.10.13.0", None),
            ("libnvinfer_plugin.so.10", None),
            ("libnvinfer_lean.so.11", Some("lean")),
            ("libnvinfer_dispatch.so.11", Some("dispatch")),
            ("libtensorrt_rtx.so.1", Some("rtx")),
            ("nvinfer.dll", Some("full")),
            ("nvinfer_10.dll", Some("full")),
            ("nvinfer_lean_11.dll", Some("lean")),
            ("nvinfer_plugin_10.dll", None),
            ("nvinfer_builder_resource_10.dll", None),
            ("tensorrt_rtx_1_7.dll", Some("rtx")),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
