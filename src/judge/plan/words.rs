//! Plans, their doubts and what would make a refused build work, in words.

use accelprobe_probes::version::{Range, Version};

use super::{Doubt, Outlook, Plan, Refused};
use crate::matrix::condition::{Condition, Term, Test};
use crate::matrix::{Build, Matrix, Product, Release, Row};

/// What an owner of a machine can change, by the fact that carries its version.
const CHANGEABLE: &[(&str, &str)] = &[
    ("nvidia-driver", DRIVER),
    ("cuda-driver-api", SPEAKING),
    ("windows-build", "Windows build"),
    ("kernel", "kernel"),
    ("macos-version", "macOS"),
    ("rocm-version", "ROCm"),
    ("wsl-version", "WSL"),
];

const DRIVER: &str = "NVIDIA driver";
const SPEAKING: &str = "an NVIDIA driver for CUDA";

/// How many upgrades are named at most.
const MOST_UNLOCKS: usize = 2;

/// A build of a release by name: `PyTorch 2.15.0 with CUDA 13.2`.
pub(crate) fn title(product: &Product, release: &Release, build: &Build) -> String {
    let version = &release.version;
    let means = match (build.computes.as_str(), &build.cuda, &build.rocm) {
        ("cuda", Some(cuda), _) => format!("with CUDA {cuda}"),
        ("rocm", _, Some(rocm)) => format!("with ROCm {rocm}"),
        (computes, ..) => match computes {
            "cuda" => "with CUDA".to_owned(),
            "rocm" => "with ROCm".to_owned(),
            "xpu" => "with XPU".to_owned(),
            "directml" => "on DirectML".to_owned(),
            "metal" => "on the Apple GPU".to_owned(),
            "openvino" if product.id == "openvino" => return format!("{} {version}", product.name),
            "openvino" => "with OpenVINO".to_owned(),
            "cpu" => "on the processor".to_owned(),
            other => format!("with {other}"),
        },
    };
    format!("{} {version} {means}", product.name)
}

impl Plan<'_> {
    /// By name.
    pub(crate) fn title(&self) -> String {
        title(self.product, self.release, self.build)
    }

    /// By name, with the GPUs that it is for where there are others.
    pub(crate) fn title_for(&self) -> String {
        match self.only.as_slice() {
            [] => self.title(),
            only => format!("{} for {}", self.title(), only.join(", ")),
        }
    }

    /// What is not known, as half a sentence that goes with the plan; nothing where all is known.
    pub(crate) fn doubt(&self) -> Option<String> {
        let of = |python: bool| {
            let is_python = |doubt: &&Doubt<'_>| matches!(doubt, Doubt::Python(_) | Doubt::NewPython(_));
            let doubts = self.doubts.iter().filter(move |doubt| is_python(doubt) == python);
            doubts.map(Doubt::words).collect::<Vec<_>>().join(" and ")
        };
        let python = Some(of(true)).filter(|words| !words.is_empty()).map(|words| format!("for {words}"));
        let rest = Some(of(false)).filter(|words| !words.is_empty());
        let rest = rest.map(|words| format!("needs {words}, which is not known here"));
        let all: Vec<String> = [python, rest].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Whether the matrix is older than the Python for which this is.
    pub(crate) fn is_beyond(&self) -> bool {
        self.doubts.iter().any(|doubt| matches!(doubt, Doubt::NewPython(_)))
    }

    /// The same of what decides whether the GPU is used. A Python can be had.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubts.iter().any(|doubt| !matches!(doubt, Doubt::Python(_)))
    }
}

impl Doubt<'_> {
    /// What is needed.
    pub(super) fn words(&self) -> String {
        match self {
            Doubt::Python(words) | Doubt::NewPython(words) => words.clone(),
            Doubt::Code(held) => code(held),
            Doubt::Rule(row) => required(row),
        }
    }
}

/// The GPUs that code is for.
fn code(held: &[String]) -> String {
    let digits = |name: &str| name.strip_prefix("sm_").and_then(|digits| digits.parse::<u32>().ok());
    match held.iter().filter_map(|name| digits(name)).min() {
        Some(least) => format!("a GPU of compute capability {}.{} or newer", least / 10, least % 10),
        None => format!("a GPU with code in it ({})", held.join(", ")),
    }
}

/// The Pythons that are in all of these ranges, by the releases that are known.
pub(super) fn pythons(matrix: &Matrix, ranges: &[&Range]) -> String {
    let known = matrix.product("python").map(|python| python.release.as_slice()).unwrap_or_default();
    let minor = |version: &Version| (version.part(0), version.part(1));
    let mut fit: Vec<(u64, u64)> = known
        .iter()
        .filter(|release| ranges.iter().all(|range| range.contains(&release.version)))
        .map(|release| minor(&release.version))
        .collect();
    fit.dedup();
    match (fit.first(), fit.last(), ranges) {
        (_, _, [range]) => format!("Python {}", range.words()),
        (Some(first), Some(last), _) if first == last => format!("Python {}.{}", first.0, first.1),
        (Some(first), Some(last), _) => format!("Python {}.{} to {}.{}", first.0, first.1, last.0, last.1),
        _ => "a Python that there is none of".to_owned(),
    }
}

/// What a row requires.
pub(crate) fn required(row: &Row) -> String {
    let words = row.require.0.iter().map(|condition| changeable(condition).unwrap_or_else(|| condition.to_string()));
    words.collect::<Vec<_>>().join(" and ")
}

fn changeable(condition: &Condition) -> Option<String> {
    let (Term::Fact(key), Test::Within(range)) = (&condition.term, &condition.test) else { return None };
    let (_, name) = CHANGEABLE.iter().find(|(known, _)| *known == key.name)?;
    Some(named(name, range))
}

fn named(name: &str, range: &Range) -> String {
    format!("{name} {}", range.words())
}

/// What an owner would have to change for a row to hold; nothing where nothing would help.
pub(super) fn change(row: &Row) -> Option<String> {
    let words: Option<Vec<String>> = row.require.0.iter().map(changeable).collect();
    words.map(|words| words.join(" and "))
}

impl Refused<'_> {
    /// What an owner would have to change to have it: all of it.
    pub(crate) fn needs(&self) -> Option<String> {
        let mut all: Vec<String> = Vec::new();
        for reason in &self.reasons {
            let change = reason.change.clone()?;
            if !all.contains(&change) {
                all.push(change);
            }
        }
        // The number of a driver says more than the CUDA that it speaks.
        if all.iter().any(|change| change.starts_with(DRIVER)) {
            all.retain(|change| !change.starts_with(SPEAKING));
        }
        (!all.is_empty()).then(|| all.join(" and "))
    }
}

impl Outlook<'_> {
    /// What an upgrade of driver, system or Python would give beyond what can be had: `with NVIDIA driver 580.65.06 or newer:
    /// PyTorch 2.15.0 with CUDA 13.2`.
    pub(crate) fn unlocks(&self) -> Vec<String> {
        let taken = self.gpu.iter().map(|plan| &plan.release.version).min();
        let newer = |refused: &&Refused<'_>| taken.is_none_or(|taken| &refused.release.version > taken);
        // Of what the same kind of change gives, the first is the best; a driver that is less new may be had sooner.
        let kinds = |needs: &str| {
            CHANGEABLE
                .iter()
                .map(|(_, name)| *name)
                .chain(["Python"])
                .filter(|name| needs.contains(name))
                .collect::<Vec<_>>()
        };
        let mut told: Vec<(Vec<&str>, String)> = Vec::new();
        let mut unlocks = Vec::new();
        for refused in self.refused.iter().filter(newer) {
            let Some(needs) = refused.needs() else { continue };
            let kinds = kinds(&needs);
            let another =
                |(same, other): &(Vec<&str>, String)| *same != kinds || (kinds == [DRIVER] && *other != needs);
            if told.iter().all(another) {
                unlocks.push(format!("with {needs}: {}", title(self.product, refused.release, refused.build)));
                told.push((kinds, needs));
            }
        }
        unlocks.truncate(MOST_UNLOCKS);
        unlocks
    }
}
