//! `rocminfo`: its agents, and what it says where it cannot start.

use super::lines::Lines;
use super::told::Told;

/// Reads a line of it, with those that belong to it.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    match lines.next_if(|line| line.trim() == "HSA Agents") {
        Some(_) => agents(lines, told),
        None => lines.read_one(|text, number| line(told, text, number)),
    }
}

fn line(told: &mut Told, text: &str, number: usize) -> bool {
    let facts: &[(&str, &str)] = match () {
        () if text.contains("ROCk module is NOT loaded") => &[("amdgpu-loaded", "false")],
        () if text.starts_with("ROCk module") && text.contains("is loaded") => &[("amdgpu-loaded", "true")],
        () if text.contains("Unable to open /dev/kfd read-write: Permission denied") => {
            &[("rocm-kernel-driver", "no-access"), ("rocm-closed-node", "/dev/kfd")]
        }
        () if text.contains("Unable to open /dev/kfd read-write: No such file") => &[("rocm-kernel-driver", "no-node")],
        () if text.contains("kfd: skipped device") && text.contains("atomic") => &[("kfd-skip-reason", "pcie-atomics")],
        () => return false,
    };
    facts.iter().for_each(|(word, value)| told.machine(word, *value, number));
    true
}

/// The agents: a block for each, of which the GPUs have a target as their name and a name behind `Marketing Name`.
fn agents(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    told.list();
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
