//! What says which system this is: `uname`, `/proc/version`, `ver`, and how programs name systems.

use super::lines::Lines;
use super::told::Told;
use crate::input::names;

/// Reads a line of these.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    lines.read_one(|text, number| line(told, text, number))
}

fn line(told: &mut Told, text: &str, number: usize) -> bool {
    // Microsoft Windows [Version 10.0.19043.1586]
    if let Some((_, rest)) = text.split_once("Windows [Version 10.0.") {
        return windows(told, rest.split(']').next().unwrap_or_default(), number);
    }
    if let Some(rest) = text.strip_prefix("Linux version ") {
        return kernel(told, rest.split_whitespace().next().unwrap_or_default(), number);
    }
    if let Some(rest) = text.strip_prefix("Linux ") {
        return uname(told, rest, number);
    }
    if let Some(rest) = text.trim_start_matches("$ ").strip_prefix("Python 3.") {
        return banner(told, rest, number);
    }
    if let Some((name, value)) = text.split_once('=').filter(|(name, _)| names::of_variable(name).is_ok()) {
        told.variable(name, value.trim_matches('"'), number);
        return true;
    }
    if is_apple_chip(text) {
        told.system("macos", number);
        told.machine("apple-chip", text, number);
        told.machine("apple-silicon", "true", number);
        told.list();
        told.gpu(text, number);
        return true;
    }
    false
}

/// `uname -a`, behind its first word: the name of the machine, the kernel's version, when it was built, the processor.
fn uname(told: &mut Told, rest: &str, line: usize) -> bool {
    let mut words = rest.split_whitespace();
    let version = words.nth(1).unwrap_or_default();
    if !rest.contains('#') || !kernel(told, version, line) {
        return false;
    }
    if let Some(arch) = words.find(|word| matches!(*word, "x86_64" | "aarch64")) {
        architecture(told, arch, line);
    }
    true
}

/// What Python says when it starts, behind `Python 3.`: `12.9 | packaged by Anaconda, Inc. | (main, …) [GCC 11.2.0] on linux`, or
/// its version alone.
fn banner(told: &mut Told, rest: &str, line: usize) -> bool {
    let version = rest.split_whitespace().next().unwrap_or_default();
    if !version.chars().all(|c| c.is_ascii_digit() || c == '.') || !version.contains('.') {
        return false;
    }
    told.machine("python", format!("3.{version}"), line);
    if rest.to_lowercase().contains("conda") {
        told.machine("python-environment", "conda", line);
    }
    match rest.rsplit_once(" on ").map(|(_, system)| system) {
        Some("linux") => told.system("linux", line),
        Some("win32") => told.system("windows", line),
        Some("darwin") => told.system("macos", line),
        _ => {}
    }
    true
}

/// `Apple M2 Pro`, which is processor and GPU.
fn is_apple_chip(text: &str) -> bool {
    let number = text.strip_prefix("Apple M").map(|rest| rest.split(' ').next().unwrap_or_default());
    number.is_some_and(|number| number.parse::<u8>().is_ok()) && text.len() < 20
}

/// `Ubuntu 24.04.1 LTS (x86_64)`, `Microsoft Windows 11 Pro (10.0.22631 64-bit)`, `macOS 15.3.1 (arm64)`.
pub(super) fn os(told: &mut Told, value: &str, line: usize) {
    if !super::told::is_value(value) {
        return;
    }
    let (name, inner) = value.split_once(" (").unwrap_or((value, ""));
    let inner = inner.rsplit('(').next().unwrap_or_default().trim_end_matches(')');
    let name = name.trim();
    told.machine("os", name.strip_prefix("Microsoft ").unwrap_or(name), line);
    architecture(told, inner, line);
    if name.contains("Windows") {
        let build = inner.strip_prefix("10.0.").and_then(|rest| rest.split([' ', '.']).next());
        windows(told, build.unwrap_or_default(), line);
    } else if let Some(version) = name.strip_prefix("macOS ").or_else(|| name.strip_prefix("Mac OSX ")) {
        told.system("macos", line);
        told.machine("macos-version", version, line);
    } else {
        told.system("linux", line);
    }
}

/// `Linux-5.15.167.4-microsoft-standard-WSL2-x86_64-with-glibc2.39`, `Windows-10-10.0.19045-SP0`, `macOS-15.3.1-arm64-arm-64bit`.
pub(super) fn platform(told: &mut Told, value: &str, line: usize) {
    if let Some(rest) = value.strip_prefix("Linux-") {
        let end =
            ["-x86_64", "-aarch64", "-with-"].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
        kernel(told, rest.get(..end).unwrap_or_default(), line);
        architecture(told, if rest.contains("aarch64") { "aarch64" } else { "x86_64" }, line);
    } else if let Some(rest) = value.strip_prefix("Windows-") {
        let build = rest.split('-').find_map(|part| part.strip_prefix("10.0."));
        windows(told, build.unwrap_or_default(), line);
    } else if value.starts_with("macOS-") || value.starts_with("Darwin-") {
        told.system("macos", line);
        // It is that of Python, which Rosetta runs on Apple's chips, too.
        told.machine("python-arch", if value.contains("arm64") { "aarch64" } else { "x86_64" }, line);
    }
}

/// The processor's kind, by any of its names.
pub(super) fn architecture(told: &mut Told, value: &str, line: usize) {
    let arch = match value {
        "x86_64" | "amd64" | "AMD64" => "x86_64",
        "aarch64" | "arm64" | "ARM64" => "aarch64",
        _ => return,
    };
    told.machine("arch", arch, line);
}

fn windows(told: &mut Told, build: &str, line: usize) -> bool {
    told.system("windows", line);
    if build.starts_with(|c: char| c.is_ascii_digit()) {
        told.machine("windows-build", build, line);
    }
    true
}

/// A version of the kernel says whether it is WSL's.
fn kernel(told: &mut Told, version: &str, line: usize) -> bool {
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let lower = version.to_lowercase();
    told.system(
        match () {
            // WSL1 has no kernel of its own, and says the number of Windows' one.
            () if lower.ends_with("-microsoft") && version.starts_with("4.4.") => "wsl1",
            () if lower.contains("microsoft") || lower.contains("wsl2") => "wsl2",
            () => "linux",
        },
        line,
    );
    told.machine("kernel", version, line);
    true
}
