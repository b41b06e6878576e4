//! Where copies of cuDNN may be, and by which names.

use crate::copies::{Below, Place, Searched, in_environments, join};
use crate::cuda::toolkits::toolkits;
use crate::host::Host;

/// The front library's names, the newest first.
pub(super) const LINUX: &[&str] = &["libcudnn.so.9", "libcudnn.so.8", "libcudnn.so.7"];
pub(super) const WINDOWS: &[&str] = &["cudnn64_9.dll", "cudnn64_8.dll", "cudnn64_7.dll"];
/// The folders in which copies may be.
pub(super) fn folders(host: &dyn Host) -> Vec<Searched> {
    const WHEELS: &[&str] = &["nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "nvidia-cudnn-cu11"];
    const JIT: &[&str] = &["nvidia-cudnn-jit-cu13", "nvidia-cudnn-jit-cu12"];
    let (in_toolkits, below): (&[&str], &[Below]) = match host.is_windows() {
        true => (
            &["bin", "bin/x64"],
            &[
                Below { folder: "nvidia/cudnn/bin", packages: WHEELS },
                Below { folder: "nvidia/cudnn/bin/x64", packages: WHEELS },
                Below { folder: "nvidia/cudnn/bin/x86_64", packages: WHEELS },
                Below { folder: "nvidia/cudnn_jit/bin", packages: JIT },
                Below { folder: "torch/lib", packages: &[] },
            ],
        ),
        false => (
            &["lib64", "lib"],
            &[
                Below { folder: "nvidia/cudnn/lib", packages: WHEELS },
                Below { folder: "nvidia/cudnn_jit/lib", packages: JIT },
                Below { folder: "torch/lib", packages: &[] },
            ],
        ),
    };
    let mut folders = Vec::new();
    for root in toolkits(host) {
        let below = in_toolkits.iter().map(|below| join(host, &root, below));
        folders.extend(below.map(|path| Searched::new(path, Place::Toolkit)));
    }
    if host.is_windows() {
        folders.extend(installed(host).into_iter().map(|path| Searched::new(path, Place::Folder)));
    }
    folders.extend(in_environments(host, below));
    folders
}

/// Where NVIDIA's installer for Windows puts cuDNN: `v9.8\bin\12.8`, later with `x64` below that.
fn installed(host: &dyn Host) -> Vec<String> {
    const PARENT: &str = r"C:\Program Files\NVIDIA\CUDNN";
    let mut folders = Vec::new();
    for release in host.list(PARENT).iter().filter(|name| name.starts_with('v')) {
        let bin = format!(r"{PARENT}\{release}\bin");
        let versions = host.list(&bin).into_iter().filter(|name| name.starts_with(|c: char| c.is_ascii_digit()));
        let below: Vec<String> = versions.map(|version| format!(r"{bin}\{version}")).collect();
        folders.extend(below.iter().map(|folder| format!(r"{folder}\x64")));
        folders.extend(below);
        folders.push(bin);
    }
    folders
}

/// The major version in the name of a front library, which stands in lower case.
pub(super) fn major_of(name: &str) -> Option<u32> {
    let linux = name.strip_prefix("libcudnn.so.");
    linux.or_else(|| name.strip_prefix("cudnn64_")?.strip_suffix(".dll"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_library_has_a_number_alone() {
        for (name, major) in [
            ("libcudnn.so.9", Some(9)),
            ("libcudnn.so.9.1.0", None),
            ("libcudnn_ops.so.9", None),
            ("libcudnn.so", None),
            ("cudnn64_8.dll", Some(8)),
            ("cudnn_ops64_9.dll", None),
        ] {
            assert_eq!(major_of(name), major, "{name}");
        }
    }
}
