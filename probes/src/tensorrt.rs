//! TensorRT: every copy of its runtimes, full, lean, dispatch and for RTX, and what each says of itself.
//!
//! Looks where the loader would, in the folders that archives make, conda environments and Python packages. What a copy needs is
//! read from headers first; then `getInferLibVersion` is asked in a child for each copy. Loading makes no device node and starts no
//! program; some copies map the driver's library, and none initialises it (seen with 11.4 lean and dispatch and RTX 1.7). It cannot
//! tell whether an engine loads, nor for which GPUs the parts that build engines are there.
//! References: NvInferRuntime.h and NvInferRuntimeBase.h; TensorRT Installation Guide; TensorRT for RTX.

#[cfg(feature = "native")]
mod native;
mod places;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::copies::climb::{best, failed, firsts, is_given};
use crate::copies::{
    Copy, Place, brought_by_packages, copies, cuda_of_package, is_of_the_driver, loadable, name_of, taken,
};
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::image::Image;
use crate::ladder::{Climb, Rung, State};
use crate::parallel;
use crate::resolve::unresolved;

use places::{LINUX, WINDOWS, folders, kind_of, parts};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "tensorrt",
    keys: &[
        &TENSORRT_TAKEN,
        &TENSORRT_VERSION,
        &TENSORRT_BUILD,
        &TENSORRT_KIND,
        &TENSORRT_PLACE,
        &TENSORRT_CUDA,
        &TENSORRT_CUDNN,
        &TENSORRT_PARTS,
        &TENSORRT_MISSING_LIBRARIES,
    ],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

static TENSORRT_TAKEN: Key = Key::new(
    "tensorrt-taken",
    Kind::Text,
    Scope::Host,
    "Path of the newest full TensorRT's copy that the loader would take first.",
);
static TENSORRT_VERSION: Key = Key::new(
    "tensorrt-version",
    Kind::Version,
    Scope::Library,
    "Version of a copy of TensorRT by its own function; where that was not asked, by its package or its file's name.",
);
static TENSORRT_BUILD: Key = Key::new(
    "tensorrt-build",
    Kind::Number,
    Scope::Library,
    "Number of the build of a copy of TensorRT: the fourth number in its package's version.",
);
static TENSORRT_KIND: Key = Key::new(
    "tensorrt-kind",
    Kind::Text,
    Scope::Library,
    "`full` builds and runs engines; `lean` only runs them; `dispatch` picks a lean runtime; `rtx` is TensorRT for RTX.",
);
static TENSORRT_PLACE: Key = Key::new(
    "tensorrt-place",
    Kind::Text,
    Scope::Library,
    "What a copy of TensorRT belongs to: `loader` (found by name), `folder`, `conda`, `package` (one that is there to bring \
     it) or `bundled` (another package).",
);
static TENSORRT_CUDA: Key = Key::new(
    "tensorrt-cuda",
    Kind::Version,
    Scope::Library,
    "The CUDA that a copy of TensorRT is for, by its package's name or the libraries that it needs.",
);
static TENSORRT_CUDNN: Key = Key::new(
    "tensorrt-cudnn",
    Kind::Version,
    Scope::Library,
    "The cuDNN that a copy of TensorRT needs, by the libraries that it names.",
);
static TENSORRT_PARTS: Key = Key::new(
    "tensorrt-parts",
    Kind::Set,
    Scope::Library,
    "What lies beside a copy of TensorRT: `plugin`, `onnx-parser`, `lean-plugin`.",
);
static TENSORRT_MISSING_LIBRARIES: Key = Key::new(
    "tensorrt-missing-libraries",
    Kind::Set,
    Scope::Library,
    "Libraries that a copy of TensorRT needs and that the loader would not find.",
);

/// What a child tells of one copy.
#[derive(Serialize, Deserialize)]
struct Told {
    /// `getInferLibVersion`: of TensorRT for RTX, and from 10 on, 10000 × major + 100 × minor + patch.
    version: i32,
    /// `getInferLibMajorVersion`, `…Minor…` and `…Patch…`, where the library has them.
    parts: Option<[i32; 3]>,
    /// `getInferLibBuildVersion`, where the library has it.
    build: Option<i32>,
}

/// As many copies are asked; a machine with more has them many times over in environments.
const MOST_COPIES: usize = 32;

fn ask(host: &dyn Host) -> Vec<Fact> {
    let names = match host.system().as_str() {
        "windows" => WINDOWS,
        "linux" => LINUX,
        _ => return Vec::new(),
    };
    let full: Vec<&str> = names.iter().copied().filter(|name| kind_of(name) == Some("full")).collect();
    // Other major versions have other names, so the newest counts.
    let (first, origin) = taken(host, &full);
    let mut facts = vec![TENSORRT_TAKEN.host(first.map(Value::Text), &origin)];
    let mut found = copies(host, names, &folders(host), |name| kind_of(name).is_some());
    found.truncate(MOST_COPIES);
    facts.extend(parallel::facts(host, &found, |copy| ask_copy(host, copy)));
    facts
}

fn ask_copy(host: &dyn Host, copy: &Copy) -> Vec<Fact> {
    let subject = || Subject::Library(copy.path.clone());
    let header = Question::Image(copy.path.clone());
    let kind = kind_of(&name_of(&copy.path).to_lowercase()).unwrap_or("full");
    let named = vec![
        TENSORRT_KIND.of(subject(), Value::from(kind), &copy.origin),
        TENSORRT_PLACE.of(subject(), Value::from(copy.place.name()), &copy.origin),
    ];
    let image = match loadable(host, &copy.path) {
        Ok(Some(image)) => image,
        Ok(None) => return Vec::new(),
        Err(missing) => {
            return std::iter::once(TENSORRT_VERSION.of(subject(), missing, &header)).chain(named).collect();
        }
    };
    let missing = unresolved(host, &copy.path, &[]).unwrap_or_default();
    // What other packages bring, the Python module loads first.
    let mut brought = Vec::new();
    let mut lost: Vec<String> = Vec::new();
    for one in missing {
        match copy.site.as_deref().and_then(|site| brought_by_packages(host, site, &one.name)) {
            Some(path) => brought.push(path),
            None => lost.push(one.name),
        }
    }
    lost.sort();
    let mut facts = ask_version(host, copy, &lost, brought);
    facts.extend(named);
    facts.extend(wants(copy, &image, &header));
    let parts = parts(host, copy, kind);
    facts.push(TENSORRT_PARTS.of(subject(), Value::Set(parts), &copy.origin));
    if !lost.is_empty() {
        facts.push(TENSORRT_MISSING_LIBRARIES.of(subject(), Value::Set(lost), &header));
    }
    facts
}

/// The version, by the library itself or by what is written about it.
fn ask_version(host: &dyn Host, copy: &Copy, lost: &[String], brought: Vec<String>) -> Vec<Fact> {
    let subject = || Subject::Library(copy.path.clone());
    let arguments = std::iter::once(copy.path.clone()).chain(brought).collect();
    let question = Question::Native(Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments });
    let (told, origin) = match (lost.iter().find(|name| !is_of_the_driver(name)), lost.first()) {
        (Some(name), _) => {
            let why = Missing::Garbled(format!("it needs `{name}`, which is not found"));
            (Err(why), Question::Image(copy.path.clone()))
        }
        (None, Some(name)) => {
            let why = Missing::Unasked(format!("it needs `{name}` of the NVIDIA driver, which is not here"));
            (Err(why), Question::Image(copy.path.clone()))
        }
        (None, None) => (
            host.ask(&question).and_then(|json| {
                serde_json::from_str::<Told>(&json).map_err(|error| Missing::Garbled(error.to_string()))
            }),
            question,
        ),
    };
    match told {
        Ok(told) => {
            let mut facts = vec![TENSORRT_VERSION.of(subject(), version(&release(&told)), &origin)];
            let build = told.build.and_then(|build| u64::try_from(build).ok());
            facts.extend(build.map(|build| TENSORRT_BUILD.of(subject(), Value::Number(build), &origin)));
            facts
        }
        Err(missing) => {
            let mut facts = vec![TENSORRT_VERSION.of(subject(), missing, &origin)];
            let (known, by) = copy.written();
            facts.extend(known.map(|known| TENSORRT_VERSION.of(subject(), known, &by)));
            facts
        }
    }
}

/// `11.4.0` of 110400 and `8.6.1` of 8601. TensorRT for RTX begins at 1 and counts as 10 does, which its parts tell.
fn release(told: &Told) -> String {
    match told.parts {
        Some([major, minor, patch]) => format!("{major}.{minor}.{patch}"),
        None => {
            let unit = if told.version >= 100_000 { 10_000 } else { 1_000 };
            format!("{}.{}.{}", told.version / unit, told.version % unit / 100, told.version % 100)
        }
    }
}

/// The CUDA and cuDNN that a copy is for.
fn wants(copy: &Copy, image: &Image, header: &Question) -> Vec<Fact> {
    let subject = || Subject::Library(copy.path.clone());
    let mut facts = Vec::new();
    let by_package = match &copy.place {
        Place::Package(package) => {
            cuda_of_package(&package.name).map(|number| (number.to_owned(), Question::List(package.site.clone())))
        }
        _ => None,
    };
    let needs = |starts: &[&str]| image.needed.iter().find_map(|name| number_in(name, starts));
    let by_header = || needs(&["cudart", "cublas", "cublasLt"]).map(|number| (number, header.clone()));
    facts.extend(
        by_package.or_else(by_header).map(|(number, origin)| TENSORRT_CUDA.of(subject(), version(&number), &origin)),
    );
    facts.extend(needs(&["cudnn"]).map(|number| TENSORRT_CUDNN.of(subject(), version(&number), header)));
    facts
}

/// The number in the name of a needed library: `12` of `libcublas.so.12` and of `cublas64_12.dll`, `11.0` of `cudart64_110.dll`.
fn number_in(name: &str, starts: &[&str]) -> Option<String> {
    starts.iter().find_map(|start| {
        if let Some(number) = name.strip_prefix(&format!("lib{start}.so.")) {
            return Some(number.to_owned());
        }
        let digits = name.strip_prefix(&format!("{start}64_"))?.strip_suffix(".dll")?;
        match digits.len() {
            // Up to CUDA 11 the name of the runtime holds the minor version, too.
            3 => Some(format!("{}.{}", digits.get(..2)?, digits.get(2..)?)),
            _ => Some(digits.to_owned()),
        }
    })
}

/// How TensorRT stands: as the copy that the loader takes where that answers, else as the newest full one that does, else as
/// the newest of any kind.
fn climb(report: &Report) -> Climb {
    let taken = report.text(TENSORRT_TAKEN.name);
    let copies = firsts(report, &TENSORRT_VERSION);
    let about = |path: &str, key: &Key| report.about(&Subject::Library(path.to_owned()), key.name);
    let is_full = |path: &str| about(path, &TENSORRT_KIND).is_some_and(|kind| kind.to_string() == "full");
    let full: Vec<(&str, &Fact)> = copies.iter().filter(|(path, _)| is_full(path)).copied().collect();
    let Some((path, number)) = best(report, &full, taken).or_else(|| best(report, &copies, "")) else {
        let driver = copies.iter().find(|(path, _)| {
            matches!(about(path, &TENSORRT_MISSING_LIBRARIES), Some(Value::Set(names)) if names.iter().all(|name| is_of_the_driver(name)))
        });
        return match driver {
            Some((path, _)) => Climb::new(
                State::Broken,
                Rung::Load,
                format!("{path} needs the library of the NVIDIA driver, which is not here"),
            ),
            None => failed(report, &TENSORRT_TAKEN, &copies),
        };
    };
    let kind = about(path, &TENSORRT_KIND).map(Value::to_string).unwrap_or_default();
    let kind = match kind.as_str() {
        "lean" => ", the lean runtime",
        "dispatch" => ", the dispatch runtime",
        "rtx" => ", TensorRT for RTX",
        _ => "",
    };
    let cuda = about(path, &TENSORRT_CUDA);
    let built = cuda.map(|cuda| format!(" for CUDA {cuda}")).unwrap_or_default();
    if is_given(&copies, path) {
        let detail = format!("{number}{built}, by what somebody said; whether it loads was not asked");
        return Climb::none(State::Unknown, detail).with("library", Some(number)).with("cuda", cuda);
    }
    let others = copies.iter().filter(|(_, fact)| fact.value.is_ok()).count() - 1;
    let more = if others > 0 { format!("; {others} more") } else { String::new() };
    Climb::new(State::Working, Rung::Load, format!("{number}{built}{kind}, in {path}{more}"))
        .with("library", Some(number))
        .with("cuda", cuda)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    fn report(system: &str, answers: Vec<(Question, Result<String, Missing>)>) -> Report {
        let system = std::iter::once((Question::System, Ok(system.to_owned())));
        let mut recording = Recording::of(String::new(), "test", system.chain(answers));
        recording.complete = true;
        Report { probes: Vec::new(), facts: ask(&recording) }
    }

    fn image(format: &str, needed: &[&str]) -> Result<String, Missing> {
        let image = serde_json::json!({"format": format, "bits": 64, "machine": "x86_64", "needed": needed,
            "complete": true});
        Ok(image.to_string())
    }

    fn native(path: &str) -> Question {
        Question::Native(Query {
            environment: Vec::new(),
            probe: "tensorrt".to_owned(),
            arguments: vec![path.to_owned()],
        })
    }

    #[test]
    fn a_number_is_a_release() {
        let release = |version, parts| release(&Told { version, parts, build: None });
        assert_eq!(release(110_400, Some([11, 4, 0])), "11.4.0");
        assert_eq!(release(100_600, None), "10.6.0");
        assert_eq!(release(8601, None), "8.6.1");
        assert_eq!(release(10_701, Some([1, 7, 1])), "1.7.1");
    }

    #[test]
    fn a_needed_library_tells_its_number() {
        for (name, number) in [
            ("libcublas.so.12", Some("12")),
            ("cublas64_12.dll", Some("12")),
            ("cudart64_110.dll", Some("11.0")),
            ("libcudnn.so.8", None),
        ] {
            assert_eq!(number_in(name, &["cudart", "cublas"]).as_deref(), number, "{name}");
        }
    }

    #[test]
    fn a_full_copy_counts_before_a_newer_lean_one() {
        const FULL: &str = r"C:\TensorRT-10.6.0.26\lib\nvinfer_10.dll";
        const LEAN: &str = r"C:\bin\nvinfer_lean_11.dll";
        let report = report(
            "windows x86_64",
            vec![
                (Question::List("C:\\".into()), Ok("TensorRT-10.6.0.26\nWindows".into())),
                (Question::List(r"C:\TensorRT-10.6.0.26\lib".into()), Ok("nvinfer_10.dll\nnvinfer_10.lib".into())),
                (Question::Node(FULL.into()), Ok("file r".into())),
                (Question::Node(r"C:\TensorRT-10.6.0.26\lib\nvonnxparser_10.dll".into()), Ok("file r".into())),
                (Question::Image(FULL.into()), image("pe", &["KERNEL32.dll", "cublas64_12.dll"])),
                (Question::Library("cublas64_12.dll".into()), Ok(r"C:\CUDA\bin\cublas64_12.dll".into())),
                (Question::Image(r"C:\CUDA\bin\cublas64_12.dll".into()), image("pe", &[])),
                (native(FULL), Ok(r#"{"version":100600,"parts":null,"build":26}"#.into())),
                (Question::Library("nvinfer_lean_11.dll".into()), Ok(LEAN.into())),
                (Question::Image(LEAN.into()), image("pe", &[])),
                (native(LEAN), Ok(r#"{"version":110400,"parts":[11,4,0],"build":106}"#.into())),
            ],
        );
        let climb = climb(&report);
        assert_eq!((climb.state, climb.rung), (State::Working, Some(Rung::Load)));
        assert_eq!(climb.versions.get("library").unwrap(), "10.6.0");
        assert_eq!(climb.versions.get("cuda").unwrap(), "12");
        let parts = report.about(&Subject::Library(FULL.into()), "tensorrt-parts").unwrap();
        assert_eq!(parts.to_string(), "onnx-parser");
        assert_eq!(report.number(&Subject::Library(LEAN.into()), "tensorrt-build"), Some(106));
        assert!(report.all("tensorrt-taken").all(|fact| fact.value == Err(Missing::NotFound)));
    }

    #[test]
    fn what_other_packages_bring_is_loaded_first() {
        const SITE: &str = "/e/lib/python3.11/site-packages";
        let path = format!("{SITE}/tensorrt_libs/libnvinfer.so.8");
        let cublas = format!("{SITE}/nvidia/cublas/lib/libcublas.so.12");
        let question = Question::Native(Query {
            environment: Vec::new(),
            probe: "tensorrt".to_owned(),
            arguments: vec![path.clone(), cublas],
        });
        let report = report(
            "linux x86_64",
            vec![
                (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
                (Question::Read("/e/pyvenv.cfg".into()), Ok("home = /usr/bin\nversion = 3.11.7\n".into())),
                (Question::List("/e/lib".into()), Ok("python3.11".into())),
                (Question::List(SITE.into()), Ok("nvidia\ntensorrt_libs\ntensorrt_libs-8.6.1.dist-info".into())),
                (Question::List(format!("{SITE}/tensorrt_libs")), Ok("libnvinfer.so.8".into())),
                (Question::List(format!("{SITE}/nvidia")), Ok("cublas".into())),
                (Question::List(format!("{SITE}/nvidia/cublas/lib")), Ok("libcublas.so.12".into())),
                (Question::Node(path.clone()), Ok("file r".into())),
                (Question::Image(path), image("elf", &["libcublas.so.12"])),
                (question, Ok(r#"{"version":8601,"parts":null,"build":null}"#.into())),
            ],
        );
        let climb = climb(&report);
        assert_eq!((climb.state, climb.versions.get("library").unwrap().as_str()), (State::Working, "8.6.1"));
        assert!(report.all("tensorrt-missing-libraries").next().is_none());
    }

    #[test]
    fn what_a_copy_lacks_decides_how_it_stands() {
        const PATH: &str = "/usr/lib/x86_64-linux-gnu/libnvinfer.so.8";
        for (needed, state, words) in [
            ("libcudnn.so.8", State::Broken, "it needs `libcudnn.so.8`"),
            ("libcuda.so.1", State::Broken, "the library of the NVIDIA driver"),
        ] {
            let report = report(
                "linux x86_64",
                vec![
                    (Question::Library("libnvinfer.so.8".into()), Ok(format!("{PATH} -> {PATH}.6.1"))),
                    (Question::Image(PATH.into()), image("elf", &[needed])),
                ],
            );
            let climb = climb(&report);
            assert_eq!((climb.state, climb.rung), (state, Some(Rung::Load)));
            assert!(climb.detail.contains(words), "{}", climb.detail);
            let version = report.about(&Subject::Library(PATH.into()), "tensorrt-version").unwrap();
            assert_eq!(version.to_string(), "8.6.1");
        }
        assert_eq!(climb(&report("linux x86_64", Vec::new())).state, State::NotInstalled);
        assert_eq!(climb(&report("macos aarch64", Vec::new())).state, State::Unknown);
    }
}
