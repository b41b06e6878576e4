//! Forms of issue trackers: a heading or a bullet that asks, and what a person wrote behind or below it.

use super::lines::Lines;
use super::packages::first_word;
use super::system;
use super::told::{Told, is_value};

/// Reads a question of a form, with its answer.
pub(super) fn read(lines: &mut Lines<'_>, told: &mut Told) -> bool {
    let Some(line) = lines.peek() else { return false };
    let text = line.text.trim().trim_start_matches(['-', '*', '#', '•']).trim().replace("**", "");
    let (question, answer) = text.split_once(':').unwrap_or((&text, ""));
    let Some(field) = field(question) else { return false };
    let (mut answer, mut number) = (answer.trim().to_owned(), line.number);
    // A question without a colon is a heading, as in "### Python version".
    if answer.is_empty() && !line.text.trim_start().starts_with('#') && !text.ends_with(':') {
        return false;
    }
    lines.skip();
    if answer.is_empty() {
        while lines.next_if(|line| line.trim().is_empty()).is_some() {}
        let Some(below) = lines.next_if(|line| !line.trim_start().starts_with('#')) else { return true };
        (answer, number) = (below.text.trim().to_owned(), below.number);
    }
    if !is_value(&answer) {
        return true;
    }
    match field {
        Field::Os => system(told, &answer, number),
        Field::Python => versions(&answer).take(1).for_each(|version| told.machine("python", version, number)),
        Field::Package(name) => {
            // `v2.11.0-rc2-15-g6290819256d 2.11.0`: what git says, then the version.
            if let Some(version) = versions(&answer).last() {
                told.package(name, version, number);
            }
        }
        Field::Cuda => cuda(told, &answer, number),
        Field::Gpu => {
            told.list();
            for name in answer.split([',', ';', '/']) {
                let model = without_size(name.split(" (").next().unwrap_or_default());
                told.gpu(model, number);
            }
        }
    }
    true
}

/// What a question asks for.
enum Field {
    Os,
    Python,
    Package(&'static str),
    Cuda,
    Gpu,
}

fn field(question: &str) -> Option<Field> {
    let question = question.trim().to_lowercase();
    Some(match question.as_str() {
        "os platform and distribution" | "operating system" | "operating systems" | "os" => Field::Os,
        "python version" => Field::Python,
        "tensorflow version" | "tensorflow version (use command below)" | "tensorflow version (you are using)" => {
            Field::Package("tensorflow")
        }
        "onnx runtime version" | "onnxruntime version" => Field::Package("onnxruntime"),
        "cuda/cudnn version" | "cuda version" => Field::Cuda,
        "gpu model and memory" | "gpu model" | "gpu" => Field::Gpu,
        _ => return None,
    })
}

/// `Windows 11 Home 22H2, OS build 22621.819`, `Ubuntu 22.04 (WSL2)`.
fn system(told: &mut Told, answer: &str, line: usize) {
    let lower = answer.to_lowercase();
    if lower.contains("wsl2") || lower.contains("wsl 2") {
        told.system("wsl2", line);
    } else if lower.contains("windows") {
        system::os(told, answer.split(',').next().unwrap_or(answer), line);
        if let Some((_, build)) = lower.split_once("build ") {
            told.machine("windows-build", first_word(build).trim_end_matches([',', ')']), line);
        }
    } else if ["linux", "ubuntu", "debian", "fedora", "arch", "centos", "red hat", "suse"]
        .iter()
        .any(|name| lower.contains(name))
    {
        system::os(told, answer, line);
    } else if lower.contains("macos") {
        told.system("macos", line);
    }
}

/// `CUDA Runtime API v11.2 / CUDA Driver API v12.0 / cuDNN 8.1.0`, `11.2 / 8.1`, `cuda_11.2, cudnn 8.1`.
fn cuda(told: &mut Told, answer: &str, line: usize) {
    for (place, part) in answer.split(['/', ',']).enumerate() {
        let lower = part.to_lowercase();
        let Some(version) = versions(part).next() else { continue };
        match () {
            () if lower.contains("driver") => {}
            () if lower.contains("cudnn") || (place == 1 && !lower.contains("cuda")) => {
                told.library("cudnn", version, line)
            }
            () if place == 0 || lower.contains("cuda") => told.library("cuda-toolkit", version, line),
            () => {}
        }
    }
}

/// The versions in a text: numbers with a point in between, or a number behind a `v`.
fn versions(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".+-".contains(c)));
    let bare =
        words.map(|word| word.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches(['.', '-', '+']));
    bare.filter(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
}

/// `RTX 4080` of `RTX 4080 16GB` and `RTX 4080 16 GB`.
fn without_size(name: &str) -> &str {
    let bare = name.trim();
    let Some(number) = ["GB", "gb", "GiB", "G"].iter().find_map(|unit| bare.strip_suffix(unit)) else { return bare };
    let rest = number.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if rest.len() < number.trim_end().len() && (rest.is_empty() || rest.ends_with(' ')) {
        rest.trim_end()
    } else {
        bare
    }
}
