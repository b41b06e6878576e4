//! `rocminfo`: its agents, and what it says where it cannot start.

use super::lines::Lines;
use super::told::Told;

/// Reads a line of it, with those that belong to it.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    let Some(line) = lines.peek() else { return false };
    let (text, number) = (line.text.trim().to_owned(), line.number);
    let known = match () {
        () if text.contains("ROCk module is NOT loaded") => {
            told.machine("amdgpu-loaded", "false", number);
            true
        }
        () if text.starts_with("ROCk module") && text.contains("is loaded") => {
            told.machine("amdgpu-loaded", "true", number);
            true
        }
        () if text.contains("Unable to open /dev/kfd read-write: Permission denied") => {
            told.machine("rocm-kernel-driver", "no-access", number);
            told.machine("rocm-closed-node", "/dev/kfd", number);
            true
        }
        () if text.contains("Unable to open /dev/kfd read-write: No such file") => {
            told.machine("rocm-kernel-driver", "no-node", number);
            true
        }
        () if text.contains("kfd: skipped device") && text.contains("atomic") => {
            told.machine("kfd-skip-reason", "pcie-atomics", number);
            true
        }
        () => text == "HSA Agents" && agents(lines, told),
    };
    if known && lines.peek().is_some_and(|line| line.number == number) {
        lines.skip();
    }
    known
}

/// The agents: a block for each, of which the GPUs have a target as their name and a name behind `Marketing Name`.
fn agents(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    told.list();
    lines.skip();
    let mut target: Option<(String, usize)> = None;
    let mut name: Option<(String, usize)> = None;
    while let Some(line) = lines.next_if(|line| !line.contains("*** Done ***")) {
        let Some((word, value)) = line.text.split_once(':') else { continue };
        let (word, value, number) = (word.trim(), value.trim(), line.number);
        match word {
            "Name" if value.starts_with("gfx") => target = Some((value.to_owned(), number)),
            "Name" if !value.starts_with("amdgcn") => target = None,
            "Marketing Name" => name = Some((value.to_owned(), number)),
            "Device Type" if value == "GPU" => {
                if let (Some((name, line)), Some((target, at))) = (&name, &target) {
                    told.gpu(name, *line);
                    told.of_gpu("vendor", "amd", *at);
                    told.of_gpu("gfx", target, *at);
                }
            }
            _ => {}
        }
    }
    true
}
