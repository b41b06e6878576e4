//! What ggml prints when it starts: llama.cpp, whisper.cpp and what is built upon them.

use super::lines::Lines;
use super::told::Told;

/// Reads a line of it, with those that belong to it.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    let Some(line) = lines.peek() else { return false };
    let (text, number) = (line.text.trim().to_owned(), line.number);
    if is_count(&text, "ggml_cuda_init: found ", " CUDA devices")
        || is_count(&text, "ggml_cuda_init: found ", " ROCm devices")
    {
        lines.skip();
        told.list();
        let rocm = text.contains("ROCm");
        while let Some(line) = lines.next_if(|line| line.trim_start().starts_with("Device ") && line.contains(", ")) {
            device(told, line.text.trim(), rocm, line.number);
        }
        return true;
    }
    if is_count(&text, "ggml_vulkan: Found ", " Vulkan devices") {
        lines.skip();
        told.list();
        while let Some(line) = lines.next_if(|line| vulkan_device(line).is_some()) {
            if let Some((name, driver)) = vulkan_device(&line.text) {
                told.gpu(name, line.number);
                told.of_gpu("vulkan-device", name, line.number);
                told.of_gpu("vulkan-driver", driver, line.number);
            }
        }
        return true;
    }
    match built_for(&text) {
        Some(target) if target.contains("windows") || target == "x64" => told.system("windows", number),
        // It is what it was built for, in WSL2 as on Linux.
        Some(target) if target.contains("linux") => told.system("linux", number),
        _ => return false,
    }
    lines.skip();
    true
}

/// The target in `built with MSVC 19.29.30154.0 for x64`.
fn built_for(text: &str) -> Option<&str> {
    let (_, compiler) = text.split_once("built with")?;
    Some(compiler.split_once(" for ")?.1)
}

fn is_count(text: &str, before: &str, behind: &str) -> bool {
    let count = text.split_once(before).and_then(|(_, rest)| rest.split_once(behind)).map(|(count, _)| count);
    count.is_some_and(|count| count.parse::<u32>().is_ok())
}

/// `Device 0: NVIDIA GeForce RTX 3090, compute capability 8.6, VMM: yes`. Of AMD's cards it says the target in the same words.
fn device(told: &mut Told, text: &str, rocm: bool, line: usize) {
    let Some((_, rest)) = text.split_once(": ") else { return };
    let mut parts = rest.split(", ");
    told.gpu(parts.next().unwrap_or_default(), line);
    let capability = parts.find_map(|part| part.strip_prefix("compute capability "));
    if let Some(capability) = capability.filter(|_| !rocm) {
        told.of_gpu("compute-capability", capability, line);
    }
    if let Some(start) = rest.find("gfx").filter(|_| rocm) {
        let target = rest.get(start..).unwrap_or_default();
        let end = target.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(target.len());
        told.of_gpu("gfx", target.get(..end).unwrap_or_default(), line);
    }
}

/// Name and driver: `ggml_vulkan: 0 = NAME (DRIVER) | uma: 1 | …`, and before `Vulkan0: NAME (DRIVER) | …`.
fn vulkan_device(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (head, rest) = line.split_once(" = ").or_else(|| line.split_once(": "))?;
    if !(head.starts_with("ggml_vulkan: ") || head.starts_with("Vulkan"))
        || !head.ends_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let (device, _) = rest.split_once(" | ")?;
    let (name, driver) = device.rsplit_once(" (")?;
    Some((name, driver.strip_suffix(')')?))
}
