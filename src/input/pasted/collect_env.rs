//! `collect_env` of PyTorch and of what copied it: vLLM, SGLang, IPEX. One `name: value` a line; names and order changed over
//! the years, so each line stands for itself.

use super::lines::Lines;
use super::told::{Told, is_value};
use super::{packages, system};

/// Reads a line of it, with those that belong to it.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    if lines.next_if(is_heading).is_some() {
        return true;
    }
    let Some((name, value, number)) = field(lines) else { return false };
    match name.as_str() {
        "PyTorch version" | "PyTorch" | "torch version" => told.package("torch", &value, number),
        "CUDA used to build PyTorch" => told.of_package("torch", "cuda", &value, number),
        "ROCM used to build PyTorch" => built_with_rocm(told, &value, number),
        "XPU used to build PyTorch" => told.of_package("torch", "build", "xpu", number),
        "Is CUDA available" | "CUDA available" => told.of_package("torch", "sees-gpu", &value.to_lowercase(), number),
        "OS" => system::os(told, &value, number),
        "Python version" | "Python" => python(told, &value, number),
        "Python platform" => system::platform(told, &value, number),
        // It is what `nvcc` says.
        "CUDA runtime version" => told.library("nvcc", &value, number),
        "NVCC" => told.library("nvcc", value.rsplit_once('V').map_or("", |(_, version)| version), number),
        "Nvidia driver version" | "CUDA Driver Version" | "NVIDIA driver version" => driver(told, &value, number),
        "GPU models and configuration" => return gpus(lines, told, &value, number),
        "cuDNN version" => return cudnn(lines, told, &value, number),
        "HIP runtime version" => hip(told, &value, number),
        "CPU" if is_value(&value) => told.machine("cpu", value, number),
        "Model name" => told.machine("cpu", value, number),
        "Architecture" => system::architecture(told, &value, number),
        "vLLM Version" => told.package("vllm", packages::first_word(&value), number),
        "sglang" => told.package("sglang", &value, number),
        name => {
            let known = match name.strip_prefix("GPU ") {
                Some(which) => one_gpu(told, which, &value, number),
                None => IGNORED.iter().any(|word| name.starts_with(word)),
            };
            if !known {
                return false;
            }
        }
    }
    lines.skip();
    true
}

/// How lines begin that tell nothing of what is judged here: compilers, and what `lscpu` says of the processor.
const IGNORED: &[&str] = &[
    "Address sizes",
    "BIOS",
    "BogoMIPS",
    "Byte Order",
    "CMake version",
    "CPU MHz",
    "CPU family",
    "CPU max MHz",
    "CPU min MHz",
    "CPU op-mode",
    "CPU(s)",
    "CUDA_MODULE_LOADING set to",
    "Clang version",
    "Core(s) per",
    "Flags",
    "Frequency boost",
    "GCC version",
    "Hypervisor",
    "Is XNNPACK",
    "Is debug build",
    "L1",
    "L2",
    "L3",
    "Libc version",
    "MIOpen runtime version",
    "Model",
    "NUMA node",
    "On-line CPU(s)",
    "Socket(s)",
    "Stepping",
    "Thread(s) per",
    "Vendor ID",
    "Virtualization",
    "Vulnerability",
    "ROCM Version",
    "Neuron SDK Version",
    "Versions of relevant libraries",
    "vLLM Build Flags",
    "CUDA Archs",
];

/// Its first line, and what newer ones put around the names of their parts.
fn is_heading(line: &str) -> bool {
    const TITLES: &[&str] = &[
        "Collecting environment information...",
        "System Info",
        "PyTorch Info",
        "Python Environment",
        "CUDA / GPU Info",
        "CPU Info",
        "Versions of relevant libraries",
        "vLLM Info",
        "Environment Variables",
    ];
    let line = line.trim();
    TITLES.contains(&line) || (line.len() > 5 && line.chars().all(|c| c == '='))
}

/// Name and value of the next line, and its number. Newer ones align the colons.
fn field(lines: &Lines<'_>) -> Option<(String, String, usize)> {
    let line = lines.peek()?;
    let (name, value) = line.text.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned(), line.number))
}

fn python(told: &mut Told, value: &str, line: usize) {
    let version = packages::first_word(value);
    if version.starts_with(|c: char| c.is_ascii_digit()) {
        told.machine("python", version, line);
        if value.to_lowercase().contains("conda") {
            told.machine("python-environment", "conda", line);
        }
    }
}

fn built_with_rocm(told: &mut Told, value: &str, line: usize) {
    if is_value(value) {
        let version = value.split('-').next().unwrap_or_default();
        told.of_package("torch", "build", "rocm", line);
        told.of_package("torch", "rocm", version, line);
    }
}

fn hip(told: &mut Told, value: &str, line: usize) {
    if is_value(value) {
        told.machine("hip-version", value.split('-').next().unwrap_or_default(), line);
    }
}

fn driver(told: &mut Told, value: &str, line: usize) {
    // SGLang lists that of each GPU.
    let first = value.split([',', ' ']).next().unwrap_or_default();
    if is_value(first) {
        told.machine("nvidia-driver", first, line);
    }
}

/// The GPUs, on the line of the name or below it, one a line.
fn gpus(lines: &mut Lines<'_>, told: &mut Told, value: &str, number: usize) -> bool {
    lines.skip();
    told.list();
    if !value.is_empty() {
        gpu(told, value, number);
    }
    while let Some(line) = lines.next_if(is_gpu) {
        gpu(told, &line.text, line.number);
    }
    true
}

fn is_gpu(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix("GPU ").and_then(|rest| rest.split_once(':'));
    rest.is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

/// `GPU 0: NVIDIA A10`, or the name that HIP says, with the target behind it: `AMD Instinct MI300X (gfx942:sramecc+:xnack-)`.
fn gpu(told: &mut Told, text: &str, line: usize) {
    let text = text.trim();
    let name = if is_gpu(text) { text.split_once(':').map_or(text, |(_, name)| name.trim()) } else { text };
    // Where there are several of MIG, their lines stand below a card.
    let name = name.split(" (UUID").next().unwrap_or_default();
    match name.split_once(" (gfx").and_then(|(name, target)| Some((name, target.strip_suffix(')')?))) {
        Some((name, target)) => {
            told.gpu(name, line);
            told.of_gpu("gfx", &format!("gfx{}", target.split(':').next().unwrap_or_default()), line);
        }
        None => told.gpu(name, line),
    }
}

/// SGLang: `GPU 0,1: NVIDIA H100 80GB HBM3`, `GPU 0,1 Compute Capability: 9.0`.
fn one_gpu(told: &mut Told, which: &str, value: &str, line: usize) -> bool {
    let (numbers, word) = which.split_once(' ').unwrap_or((which, ""));
    let count = numbers.split(',').count();
    if !numbers.split(',').all(|number| number.parse::<u32>().is_ok()) || count > 64 {
        return false;
    }
    match word {
        "" => {
            if numbers.starts_with('0') {
                told.list();
            }
            (0..count).for_each(|_| gpu(told, value, line));
            true
        }
        "Compute Capability" => {
            told.of_gpus("compute-capability", value, line);
            true
        }
        _ => false,
    }
}

/// The version that PyTorch says (`90100`, or a file's), or the files of cuDNN on disk, the first of them below.
fn cudnn(lines: &mut Lines<'_>, told: &mut Told, value: &str, number: usize) -> bool {
    lines.skip();
    let mut found = of_file(value).map(|version| (version.to_owned(), number));
    while let Some(line) =
        lines.next_if(|line| line.trim_start().starts_with(['/', 'C', 'D']) && line.contains("cudnn"))
    {
        if found.is_none() {
            found = of_file(&line.text).map(|version| (version.to_owned(), line.number));
        }
    }
    if let Some((version, line)) = found {
        told.library("cudnn", &version, line);
    }
    true
}

/// `9.5.1` in `/usr/lib/x86_64-linux-gnu/libcudnn.so.9.5.1`.
fn of_file(path: &str) -> Option<&str> {
    path.split_once(".so.").map(|(_, version)| version.trim()).filter(|version| version.contains('.'))
}
