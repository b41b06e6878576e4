//! The kernel's half of the NVIDIA driver on Linux: which flavour is loaded, and where none is, what may keep it out.
//!
//! Asks the line that the loaded module tells of itself, the node of unified memory, the usual folders of modules, and the
//! firmware's variable for Secure Boot. What keeps a module out is asked only where the driver is installed and its module not
//! loaded. It cannot tell whether a module is signed with a key that the firmware trusts; the kernel's log does.
//! References: NVIDIA's driver installation guide (kernel modules); the UEFI specification (variable `SecureBoot`).

use super::Kernel;
use crate::fact::{Fact, Key, Kind, Scope, Value};
use crate::host::{Host, Missing, Question};

pub(super) static FLAVOUR: Key = Key::new(
    "nvidia-kernel-flavour",
    Kind::Text,
    Scope::Host,
    "Which NVIDIA kernel modules are loaded: `open` or `proprietary`.",
);
pub(super) static UVM_NODE: Key = Key::new(
    "nvidia-uvm-node",
    Kind::Flag,
    Scope::Host,
    "Whether `/dev/nvidia-uvm` is there, without which CUDA does not start.",
);
pub(super) static MODULE_FILE: Key = Key::new(
    "nvidia-module-file",
    Kind::Text,
    Scope::Host,
    "Path of the NVIDIA kernel module for the running kernel, asked where the driver is installed and its module not loaded.",
);
pub(super) static SECURE_BOOT: Key = Key::new(
    "secure-boot",
    Kind::Flag,
    Scope::Host,
    "Whether the firmware's Secure Boot is on, asked where the NVIDIA driver is installed and its module not loaded.",
);

/// What the loaded module tells of itself.
pub(super) const TOLD: &str = "/proc/driver/nvidia/version";

pub(super) fn ask(host: &dyn Host, kernel: Kernel, is_installed: bool) -> Vec<Fact> {
    if host.system() != "linux" || host.exists("/dev/dxg") {
        return Vec::new();
    }
    let told = Question::Read(TOLD.to_owned());
    let flavour = host.ask(&told).ok().and_then(|text| flavour(&text));
    let mut facts: Vec<Fact> = flavour.map(|flavour| FLAVOUR.host(Value::from(flavour), &told)).into_iter().collect();
    match kernel {
        // Boards with an integrated GPU have no such node.
        Kernel::Ready if !host.exists("/dev/nvmap") => facts.push(uvm_node(host)),
        Kernel::Absent if is_installed => facts.extend([module_file(host), secure_boot(host)]),
        _ => {}
    }
    facts
}

/// The flavour in a line such as `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06`.
fn flavour(text: &str) -> Option<&'static str> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:") && line.contains("Kernel Module"))?;
    Some(if line.contains("Open Kernel Module") { "open" } else { "proprietary" })
}

fn uvm_node(host: &dyn Host) -> Fact {
    let node = Question::Node("/dev/nvidia-uvm".to_owned());
    let there = match host.ask(&node) {
        Ok(_) | Err(Missing::Denied) => Ok(Value::Flag(true)),
        Err(Missing::NotFound) => Ok(Value::Flag(false)),
        Err(missing) => Err(missing),
    };
    UVM_NODE.host(there, &node)
}

/// Where distributions, DKMS and NVIDIA's own installer put modules, below the folder of a kernel.
const FOLDERS: &[&str] = &[
    "updates/dkms",
    "updates",
    "extra",
    "extra/nvidia",
    "extramodules",
    "kernel/drivers/video",
    "kernel/drivers/video/nvidia",
];

fn module_file(host: &dyn Host) -> Fact {
    let release = Question::Read("/proc/sys/kernel/osrelease".to_owned());
    let kernel = match host.ask(&release) {
        Ok(release) => format!("/lib/modules/{}", release.trim()),
        Err(missing) => return MODULE_FILE.host(missing, &release),
    };
    // Ubuntu has one folder for each branch of the driver, as in `kernel/nvidia-550srv`.
    let branches = host.list(&format!("{kernel}/kernel")).into_iter().filter(|name| name.starts_with("nvidia-"));
    let folders =
        FOLDERS.iter().map(|folder| (*folder).to_owned()).chain(branches.map(|name| format!("kernel/{name}")));
    let mut first = None;
    for folder in folders {
        let listed = Question::List(format!("{kernel}/{folder}"));
        let names = host.ask(&listed);
        if let Some(name) = names.iter().flat_map(|names| names.lines()).find(|name| is_module(name)) {
            return MODULE_FILE.host(Value::Text(format!("{kernel}/{folder}/{name}")), &listed);
        }
        first = first.or(names.err().map(|missing| (missing, listed)));
    }
    match first {
        Some((missing @ Missing::NotRecorded, listed)) => MODULE_FILE.host(missing, &listed),
        _ => MODULE_FILE.host(Missing::NotFound, &Question::List(kernel)),
    }
}

/// `nvidia.ko`, packed or not, or Debian's `nvidia-current.ko`.
fn is_module(name: &str) -> bool {
    let (stem, ending) = name.split_once(".ko").unwrap_or((name, "?"));
    matches!(ending, "" | ".xz" | ".zst" | ".gz")
        && (stem == "nvidia" || stem.starts_with("nvidia-current"))
        && !stem.contains("-current-")
}

/// The firmware's variable: four bytes of attributes, then 1 where Secure Boot is on.
fn secure_boot(host: &dyn Host) -> Fact {
    const VARIABLE: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let question = Question::Read(VARIABLE.to_owned());
    let is_on = host.ask(&question).and_then(|bytes| match bytes.as_bytes() {
        [_, _, _, _, state] => Ok(Value::Flag(*state == 1)),
        _ => Err(Missing::Garbled(format!("{} bytes, where five are expected", bytes.len()))),
    });
    SECURE_BOOT.host(is_on, &question)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;

    fn report(answers: Vec<(Question, &str)>) -> Report {
        Report { probes: Vec::new(), facts: ask(&super::super::linux(answers), Kernel::Absent, true) }
    }

    #[test]
    fn tells_the_flavours_apart() {
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n";
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n";
        assert_eq!((flavour(open), flavour(closed), flavour("")), (Some("open"), Some("proprietary"), None));
    }

    #[test]
    fn finds_the_module_of_the_running_kernel_and_the_state_of_secure_boot() {
        let release = || (Question::Read("/proc/sys/kernel/osrelease".into()), "6.8.0-45-generic\n");
        let variable =
            Question::Read("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c".into());
        let built = report(vec![
            release(),
            (Question::List("/lib/modules/6.8.0-45-generic/updates/dkms".into()), "nvidia-drm.ko.zst\nnvidia.ko.zst"),
            (variable, "\u{6}\0\0\0\u{1}"),
        ]);
        let path = "/lib/modules/6.8.0-45-generic/updates/dkms/nvidia.ko.zst";
        assert_eq!(built.host("nvidia-module-file"), Some(&Value::from(path)));
        assert_eq!(built.host("secure-boot"), Some(&Value::Flag(true)));
        let prebuilt = report(vec![
            release(),
            (Question::List("/lib/modules/6.8.0-45-generic/kernel".into()), "drivers\nnvidia-550"),
            (Question::List("/lib/modules/6.8.0-45-generic/kernel/nvidia-550".into()), "nvidia.ko"),
        ]);
        let path = "/lib/modules/6.8.0-45-generic/kernel/nvidia-550/nvidia.ko";
        assert_eq!(prebuilt.host("nvidia-module-file"), Some(&Value::from(path)));
        let missing = report(vec![release()]);
        assert_eq!(missing.all("nvidia-module-file").next().unwrap().value, Err(Missing::NotFound));
    }

    #[test]
    fn a_module_has_one_of_a_few_names() {
        for (name, is) in [
            ("nvidia.ko", true),
            ("nvidia.ko.xz", true),
            ("nvidia-current.ko", true),
            ("nvidia-current-drm.ko", false),
            ("nvidia-uvm.ko", false),
            ("nvidiafb.ko", false),
            ("nvidia", false),
        ] {
            assert_eq!(is_module(name), is, "{name}");
        }
    }
}
