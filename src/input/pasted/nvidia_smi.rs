//! `nvidia-smi`: its table and `-L`, what it says where it cannot start, and what the kernel's driver says of itself.

use super::lines::Lines;
use super::told::Told;

/// Reads a line of it, with those that belong to it.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    let Some(line) = lines.peek() else { return false };
    let (text, number) = (line.text.trim().to_owned(), line.number);
    if text.contains("NVIDIA-SMI") && text.contains("Driver Version:") {
        lines.skip();
        head(told, &text, number);
        rows(lines, told);
        return true;
    }
    if text.contains("Driver/library version mismatch") {
        lines.skip();
        told.machine("nvml-status", "driver-library-mismatch", number);
        return true;
    }
    if let Some(version) = text.strip_prefix("NVRM version:").and_then(module_version) {
        lines.skip();
        told.machine("nvidia-driver", version, number);
        return true;
    }
    // `-L`: GPU 0: NVIDIA A10 (UUID: GPU-…)
    if text.starts_with("GPU ") && text.contains("(UUID: GPU-") {
        told.list();
        while let Some(line) = lines.next_if(|line| line.contains("(UUID: ")) {
            let (text, number) = (line.text.trim(), line.number);
            if let Some((_, rest)) = text.split_once(": ").filter(|_| text.starts_with("GPU ")) {
                told.gpu(rest.split(" (UUID").next().unwrap_or_default(), number);
            }
        }
        return true;
    }
    false
}

/// `| NVIDIA-SMI 551.76    Driver Version: 551.76    CUDA Version: 12.4 |`. From 610 on it says `CUDA UMD Version`.
fn head(told: &mut Told, text: &str, line: usize) {
    let behind = |mark: &str| text.split_once(mark).and_then(|(_, rest)| rest.split_whitespace().next());
    if let Some(version) = behind("Driver Version:") {
        told.machine("nvidia-driver", version.trim_matches('|'), line);
    }
    if let Some(version) = behind("CUDA Version:").or_else(|| behind("CUDA UMD Version:")) {
        told.machine("cuda-driver-api", version.trim_matches('|'), line);
    }
}

/// The table's rows: `|   0  NVIDIA GeForce RTX 4090        Off |   00000000:01:00.0 Off | …`, and below it the memory.
fn rows(lines: &mut Lines<'_>, told: &mut Told) {
    told.list();
    while let Some(line) = lines.next_if(|line| matches!(line.trim().chars().next(), Some('|' | '+' | '=') | None)) {
        let text = line.text.trim();
        if text.contains("Processes:") {
            return;
        }
        let first = text.trim_start_matches('|').split('|').next().unwrap_or_default();
        let mut words = first.split_whitespace();
        let numbered = words.next().is_some_and(|word| word.parse::<u32>().is_ok());
        let mut name: Vec<&str> = words.collect();
        if numbered && name.len() >= 2 {
            // What stands last is the driver model or the persistence mode.
            name.pop();
            told.gpu(&name.join(" "), line.number);
        } else if let Some(memory) = memory(text) {
            told.of_gpu("memory", &memory, line.number);
        }
    }
}

/// `12288 MiB` of `1012MiB /  12288MiB`.
fn memory(text: &str) -> Option<String> {
    let (_, behind) = text.split_once("MiB / ")?;
    let (number, _) = behind.split_once("MiB")?;
    Some(format!("{} MiB", number.trim()))
}

/// `520.56.06` in `NVIDIA UNIX x86_64 Kernel Module  520.56.06  Thu Oct  6`.
fn module_version(text: &str) -> Option<&str> {
    let (_, behind) = text.split_once("Kernel Module")?;
    behind.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
}
