//! `clinfo -l`: the tree of platforms and devices. And what programs say that find no platform.

use super::lines::Lines;
use super::told::Told;

/// Reads a line of it, with those that belong to it.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    let Some(line) = lines.peek() else { return false };
    let (text, number) = (line.text.trim().to_owned(), line.number);
    if text.contains("clGetPlatformIDs") && text.contains("-1001")
        || text == "Number of platforms                               0"
    {
        lines.skip();
        told.machine("opencl-platforms", "0", number);
        return true;
    }
    if !is_platform(&text) {
        return false;
    }
    told.list();
    let mut platforms = 0;
    while let Some(line) = lines.next_if(|line| is_platform(line.trim()) || device(line).is_some()) {
        match device(&line.text) {
            Some(name) if is_processor(name) => told.machine("cpu", name, line.number),
            Some(name) => {
                told.gpu(name, line.number);
                told.of_gpu("opencl-device", name, line.number);
            }
            None => platforms += 1,
        }
    }
    told.machine("opencl-platforms", platforms.to_string(), number);
    true
}

/// `Platform #0: NVIDIA CUDA`.
fn is_platform(line: &str) -> bool {
    let number = line.strip_prefix("Platform #").and_then(|rest| rest.split_once(':')).map(|(number, _)| number);
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The name in `` `-- Device #0: Quadro K620``.
fn device(line: &str) -> Option<&str> {
    let (tree, rest) = line.split_once("Device #")?;
    let (number, name) = rest.split_once(": ")?;
    (tree.chars().all(|c| " `-+|├└─".contains(c)) && number.parse::<u32>().is_ok()).then_some(name.trim())
}

/// Whether a device of OpenCL is the processor. Names of graphics inside of one name their own kind.
fn is_processor(name: &str) -> bool {
    let graphics = ["Graphics", "Radeon", "GPU", "Iris", "Arc"].iter().any(|word| name.contains(word));
    let processor = [
        "CPU",
        "Xeon",
        "Core(TM)",
        "Ryzen",
        "EPYC",
        "Processor",
        "pthread-",
        "cpu-",
        "Threadripper",
        "Pentium",
        "Celeron",
    ];
    !graphics && processor.iter().any(|word| name.contains(word))
}
