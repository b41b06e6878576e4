//! cuDNN: every copy of it, what each says of itself, and which of its libraries are missing.
//!
//! Looks where the loader would, in CUDA toolkits, NVIDIA's folder on Windows, conda environments and Python packages. Since
//! version 8 the front library opens the others by name while it runs, and ends the process where it does not find them;
//! so these are looked for before a copy is asked. `cudnnGetVersion` maps one of them, touches no device, and runs in a child
//! for each copy. It cannot tell which copy a program takes that brings its own, nor whether a copy computes.
//! References: cuDNN Backend API (`cudnnGetVersion`, `cudnnGetCudartVersion`, sub-libraries); cuDNN Frontend, library
//! configurations (`GRAPH_JIT_ONLY`).

#[cfg(feature = "native")]
mod native;
mod parts;
mod places;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::copies::climb::{best, failed, firsts, is_given};
use crate::copies::{Copy, Place, copies, cuda_of_package, folder_of, is_of_the_driver, loadable, name_of, taken};
use crate::fact::{Fact, Key, Kind, Report, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Query, Question};
use crate::ladder::{Climb, Rung, State};
use crate::parallel;
use crate::resolve::unresolved;
use crate::version::Version;

use parts::Parts;
use places::{LINUX, WINDOWS, folders, major_of};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "cudnn",
    keys: &[
        &CUDNN_TAKEN,
        &CUDNN_VERSION,
        &CUDNN_CUDA,
        &CUDNN_PLACE,
        &CUDNN_KIND,
        &CUDNN_LACKS,
        &CUDNN_MIXED,
        &CUDNN_MISSING_LIBRARIES,
        &CUDNN_SHADOWED_BY,
    ],
    ask,
    climb: Some(climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 20,
};

static CUDNN_TAKEN: Key = Key::new(
    "cudnn-taken",
    Kind::Text,
    Scope::Host,
    "Path of the newest cuDNN's copy that the loader would take first.",
);
static CUDNN_VERSION: Key = Key::new(
    "cudnn-version",
    Kind::Version,
    Scope::Library,
    "Version of a copy of cuDNN by its own function; where that was not asked, by its package or its file's name.",
);
static CUDNN_CUDA: Key = Key::new(
    "cudnn-cuda",
    Kind::Version,
    Scope::Library,
    "The CUDA that a copy of cuDNN was built with, by its own function or its package's name.",
);
static CUDNN_PLACE: Key = Key::new(
    "cudnn-place",
    Kind::Text,
    Scope::Library,
    "What a copy of cuDNN belongs to: `loader` (found by name), `toolkit`, `folder`, `conda`, `package` (one that is there to \
     bring it) or `bundled` (another package).",
);
static CUDNN_KIND: Key = Key::new(
    "cudnn-kind",
    Kind::Text,
    Scope::Library,
    "`full`; `jit`, which has no precompiled engines on purpose; or `single`, one library as up to version 7.",
);
static CUDNN_LACKS: Key = Key::new(
    "cudnn-lacks",
    Kind::Set,
    Scope::Library,
    "Libraries of a copy of cuDNN that are neither beside its front library nor found by the loader.",
);
static CUDNN_MIXED: Key = Key::new(
    "cudnn-mixed",
    Kind::Set,
    Scope::Library,
    "Libraries of a copy of cuDNN that are of another version than its front library, by the names of their files.",
);
static CUDNN_MISSING_LIBRARIES: Key = Key::new(
    "cudnn-missing-libraries",
    Kind::Set,
    Scope::Library,
    "Libraries other than its own that a copy of cuDNN needs and that the loader would not find; programs may load them \
     beforehand.",
);
static CUDNN_SHADOWED_BY: Key = Key::new(
    "cudnn-shadowed-by",
    Kind::Text,
    Scope::Library,
    "An older copy of the same major version that `LD_LIBRARY_PATH` puts in front of a package's.",
);

/// What a child tells of one copy.
#[derive(Serialize, Deserialize)]
struct Told {
    /// `cudnnGetVersion`.
    version: u64,
    /// `cudnnGetCudartVersion`: 1000 × major + 10 × minor.
    cuda: Option<u64>,
}

/// As many copies are asked; a machine with more has them many times over in environments.
const MOST_COPIES: usize = 32;

fn ask(host: &dyn Host) -> Vec<Fact> {
    let names = match host.system().as_str() {
        "windows" => WINDOWS,
        "linux" => LINUX,
        _ => return Vec::new(),
    };
    // Other major versions have other names, so the newest counts.
    let (first, origin) = taken(host, names);
    let mut facts = vec![CUDNN_TAKEN.host(first.map(Value::Text), &origin)];
    let mut found = copies(host, names, &folders(host), |name| major_of(name).is_some());
    found.truncate(MOST_COPIES);
    facts.extend(parallel::facts(host, &found, |copy| ask_copy(host, copy)));
    facts.extend(shadows(host, &found, &facts));
    facts
}

fn ask_copy(host: &dyn Host, copy: &Copy) -> Vec<Fact> {
    let subject = || Subject::Library(copy.path.clone());
    let header = Question::Image(copy.path.clone());
    let place = CUDNN_PLACE.of(subject(), Value::from(copy.place.name()), &copy.origin);
    match loadable(host, &copy.path) {
        Ok(Some(_)) => {}
        Ok(None) => return Vec::new(),
        Err(missing) => return vec![CUDNN_VERSION.of(subject(), missing, &header), place],
    }
    let major = major_of(&name_of(&copy.path).to_lowercase()).unwrap_or_default();
    let parts = Parts::of(host, &copy.path, major);
    let mut facts = ask_version(host, copy, &parts);
    let known = facts.iter().find_map(|fact| match (&fact.value, *fact.key == CUDNN_VERSION) {
        (Ok(Value::Version(version)), true) => Some(version.clone()),
        _ => None,
    });
    facts.push(place);
    facts.push(CUDNN_KIND.of(subject(), Value::from(parts.kind()), &copy.origin));
    facts.push(CUDNN_LACKS.of(subject(), Value::Set(parts.missing(known.as_ref())), &copy.origin));
    let (mixed, wants) = (parts.mixed(&copy.file), wants(host, &parts));
    if !mixed.is_empty() {
        facts.push(CUDNN_MIXED.of(subject(), Value::Set(mixed), &copy.origin));
    }
    if !wants.is_empty() {
        facts.push(CUDNN_MISSING_LIBRARIES.of(subject(), Value::Set(wants), &header));
    }
    facts
}

/// The version and the CUDA of a copy, by the library itself or by what is written about it.
fn ask_version(host: &dyn Host, copy: &Copy, parts: &Parts) -> Vec<Fact> {
    let subject = || Subject::Library(copy.path.clone());
    let header = Question::Image(copy.path.clone());
    let query = Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments: vec![copy.path.clone()] };
    let (told, origin) = match (parts.base_missing(), lost(host, copy)) {
        // The front library would end the process, so nothing is asked of it.
        (Some(part), _) => {
            (Err(Missing::Unasked(format!("it lacks `{part}`, without which it ends its process"))), header)
        }
        (None, Some(name)) => (Err(Missing::Garbled(format!("it needs `{name}`, which is not found"))), header),
        (None, None) => {
            let question = Question::Native(query);
            let told = host.ask(&question).and_then(|json| {
                serde_json::from_str::<Told>(&json).map_err(|error| Missing::Garbled(error.to_string()))
            });
            (told, question)
        }
    };
    let mut facts = Vec::new();
    let mut built_with = None;
    match told {
        Ok(told) => {
            facts.push(CUDNN_VERSION.of(subject(), version(&release(told.version)), &origin));
            let cuda = told.cuda.filter(|cuda| *cuda > 0);
            built_with = cuda.map(|cuda| (format!("{}.{}", cuda / 1000, cuda % 1000 / 10), origin));
        }
        Err(missing) => {
            facts.push(CUDNN_VERSION.of(subject(), missing, &origin));
            let (known, by) = copy.written();
            facts.extend(known.map(|known| CUDNN_VERSION.of(subject(), known, &by)));
        }
    }
    if let (None, Place::Package(package)) = (&built_with, &copy.place) {
        let number = cuda_of_package(&package.name);
        built_with = number.map(|number| (number.to_owned(), Question::List(package.site.clone())));
    }
    facts.extend(built_with.map(|(number, origin)| CUDNN_CUDA.of(subject(), version(&number), &origin)));
    facts
}

/// The first library that the front library itself needs and would not find: it then cannot be loaded at all.
fn lost(host: &dyn Host, copy: &Copy) -> Option<String> {
    unresolved(host, &copy.path, &[]).unwrap_or_default().into_iter().map(|one| one.name).next()
}

/// What the other libraries need and would not find.
fn wants(host: &dyn Host, parts: &Parts) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for path in parts.beside() {
        let missing = unresolved(host, path, &[]).unwrap_or_default().into_iter().map(|one| one.name);
        names.extend(missing.filter(|name| !parts::is_one(name) && !is_of_the_driver(name)));
    }
    names.sort();
    names.dedup();
    names
}

/// `9.27.0` of 92700, `8.9.6` of 8906: from version 9 on, the major version counts ten thousands.
fn release(number: u64) -> String {
    let unit = if number >= 10_000 { 10_000 } else { 1_000 };
    format!("{}.{}.{}", number / unit, number % unit / 100, number % 100)
}

/// Copies in packages that an older one of the same major version comes before, because a variable names its folder.
fn shadows(host: &dyn Host, found: &[Copy], facts: &[Fact]) -> Vec<Fact> {
    let variable = Question::Env("LD_LIBRARY_PATH".to_owned());
    let listed = host.ask(&variable).unwrap_or_default();
    let version_of = |copy: &Copy| {
        facts.iter().find_map(|fact| match (&fact.subject, &fact.value) {
            (Subject::Library(path), Ok(Value::Version(version)))
                if *fact.key == CUDNN_VERSION && *path == copy.path =>
            {
                Some(version)
            }
            _ => None,
        })
    };
    let in_front = |copy: &&Copy| {
        let folder = folder_of(&copy.path);
        matches!(copy.place, Place::Loader) && listed.split(':').any(|named| named.trim_end_matches('/') == folder)
    };
    let first: Vec<(&Copy, &Version)> =
        found.iter().filter(in_front).filter_map(|copy| Some((copy, version_of(copy)?))).collect();
    let mut shadowed = Vec::new();
    for copy in found.iter().filter(|copy| matches!(copy.place, Place::Package(_))) {
        let Some(own) = version_of(copy) else { continue };
        let older = first.iter().find(|(_, version)| version.part(0) == own.part(0));
        if let Some((older, _)) = older.filter(|(_, version)| *version < own) {
            let subject = Subject::Library(copy.path.clone());
            shadowed.push(CUDNN_SHADOWED_BY.of(subject, Value::Text(older.path.clone()), &variable));
        }
    }
    shadowed
}

/// How cuDNN stands: as the copy that the loader takes where that answers and is whole, else as the newest such copy.
fn climb(report: &Report) -> Climb {
    let taken = report.text(CUDNN_TAKEN.name);
    let copies = firsts(report, &CUDNN_VERSION);
    let about = |path: &str, key: &Key| report.about(&Subject::Library(path.to_owned()), key.name);
    let fault = |path: &str| {
        let names = |key| about(path, key).map(Value::to_string).filter(|names| names != "none");
        let lacks = names(&CUDNN_LACKS).map(|names| format!("{path} lacks {names}"));
        lacks.or_else(|| names(&CUDNN_MIXED).map(|names| format!("{path} is of another version than {names}")))
    };
    let whole: Vec<(&str, &Fact)> = copies.iter().filter(|(path, _)| fault(path).is_none()).copied().collect();
    let Some((path, number)) = best(report, &whole, taken) else {
        let climb = failed(report, &CUDNN_TAKEN, &copies);
        let first = copies.iter().find_map(|(path, _)| fault(path));
        return match first.filter(|_| climb.state == State::Unknown) {
            Some(first) => Climb::new(State::Broken, Rung::Load, first),
            None => climb,
        };
    };
    let cuda = about(path, &CUDNN_CUDA);
    let built = cuda.map(|cuda| format!(" for CUDA {cuda}")).unwrap_or_default();
    if is_given(&copies, path) {
        let detail = format!("{number}{built}, by what somebody said; whether it loads was not asked");
        return Climb::none(State::Unknown, detail).with("library", Some(number)).with("cuda", cuda);
    }
    let loader = match taken {
        "" => ", not on the loader's path".to_owned(),
        taken if taken == path => ", which the loader takes first".to_owned(),
        taken => format!("; the loader takes {taken} first"),
    };
    Climb::new(State::Working, Rung::Load, format!("{number}{built} in {path}{loader}"))
        .with("library", Some(number))
        .with("cuda", cuda)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    const IMAGE: &str = r#"{"format":"elf","bits":64,"machine":"x86_64","complete":true}"#;
    const SITE: &str = "/e/lib/python3.11/site-packages";

    fn host(answers: Vec<(Question, Result<String, Missing>)>) -> Recording {
        let system = std::iter::once((Question::System, Ok("linux x86_64".to_owned())));
        let mut recording = Recording::of(String::new(), "test", system.chain(answers));
        recording.complete = true;
        recording
    }

    /// A copy in a folder, with its front library and these parts.
    fn copy(folder: &str, parts: &[&str], answer: Result<&str, Missing>) -> Vec<(Question, Result<String, Missing>)> {
        let front = format!("{folder}/libcudnn.so.9");
        let native = Question::Native(Query {
            environment: Vec::new(),
            probe: "cudnn".to_owned(),
            arguments: vec![front.clone()],
        });
        let mut answers: Vec<(Question, Result<String, Missing>)> = parts
            .iter()
            .map(|part| (Question::Node(format!("{folder}/libcudnn_{part}.so.9")), Ok("file r".to_owned())))
            .collect();
        answers.push((Question::Node(front.clone()), Ok("file r".to_owned())));
        answers.push((Question::Image(front), Ok(IMAGE.to_owned())));
        answers.push((native, answer.map(str::to_owned)));
        answers
    }

    fn wheel(answer: Result<&str, Missing>) -> Vec<(Question, Result<String, Missing>)> {
        let folder = format!("{SITE}/nvidia/cudnn_jit/lib");
        let mut answers = copy(&folder, &["graph", "engines_runtime_compiled"], answer);
        answers.extend([
            (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
            (Question::Read("/e/pyvenv.cfg".into()), Ok("home = /usr/bin\nversion = 3.11.7\n".into())),
            (Question::List("/e/lib".into()), Ok("python3.11".into())),
            (Question::List(SITE.into()), Ok("nvidia\nnvidia_cudnn_jit_cu12-9.27.0.42.dist-info".into())),
            (Question::List(folder), Ok("libcudnn.so.9\nlibcudnn_graph.so.9".into())),
        ]);
        answers
    }

    fn report(answers: Vec<(Question, Result<String, Missing>)>) -> Report {
        Report { probes: Vec::new(), facts: ask(&host(answers)) }
    }

    const FULL: &[&str] =
        &["graph", "ops", "cnn", "adv", "engines_precompiled", "engines_runtime_compiled", "heuristic"];

    #[test]
    fn a_number_is_a_release() {
        for (number, text) in [(92700, "9.27.0"), (90100, "9.1.0"), (8906, "8.9.6"), (7605, "7.6.5")] {
            assert_eq!(release(number), text);
        }
    }

    #[test]
    fn a_wheel_tells_its_version_and_lacks_nothing() {
        let report = report(wheel(Ok(r#"{"version":92700,"cuda":12090}"#)));
        let climb = climb(&report);
        assert_eq!((climb.state, climb.rung), (State::Working, Some(Rung::Load)));
        assert_eq!(climb.versions.get("library").unwrap(), "9.27.0");
        assert_eq!(climb.versions.get("cuda").unwrap(), "12.9");
        assert!(climb.detail.ends_with("not on the loader's path"), "{}", climb.detail);
        let subject = Subject::Library(format!("{SITE}/nvidia/cudnn_jit/lib/libcudnn.so.9"));
        assert_eq!(report.about(&subject, "cudnn-place").unwrap().to_string(), "package");
        assert_eq!(report.about(&subject, "cudnn-kind").unwrap().to_string(), "jit");
        assert_eq!(report.about(&subject, "cudnn-lacks").unwrap(), &Value::Set(Vec::new()));
    }

    #[test]
    fn a_wheel_that_cannot_be_asked_is_known_by_its_package() {
        let report = report(wheel(Err(Missing::Unsupported)));
        assert_eq!(climb(&report).state, State::Unknown);
        let subject = Subject::Library(format!("{SITE}/nvidia/cudnn_jit/lib/libcudnn.so.9"));
        assert_eq!(report.about(&subject, "cudnn-version").unwrap().to_string(), "9.27.0.42");
        assert_eq!(report.about(&subject, "cudnn-cuda").unwrap().to_string(), "12");
    }

    #[test]
    fn half_a_copy_is_not_asked_and_names_what_it_lacks() {
        // Asking it would give an answer here, so the test would see it.
        let mut answers = copy("/opt/half", &[], Ok(r#"{"version":92700,"cuda":12090}"#));
        answers.push((Question::Library("libcudnn.so.9".into()), Ok("/opt/half/libcudnn.so.9".into())));
        let report = report(answers);
        let climb = climb(&report);
        assert_eq!((climb.state, climb.rung), (State::Broken, Some(Rung::Load)));
        assert!(climb.detail.contains("libcudnn_graph.so.9"), "{}", climb.detail);
        assert!(report.facts.iter().all(|fact| *fact.key != CUDNN_VERSION || fact.value.is_err()));
    }

    #[test]
    fn the_copy_that_the_loader_takes_counts_where_it_is_whole() {
        let loader = |folder: &str| (Question::Library("libcudnn.so.9".into()), Ok(format!("{folder}/libcudnn.so.9")));
        let mut answers = wheel(Ok(r#"{"version":92700,"cuda":12090}"#));
        answers.extend(copy("/opt/cudnn", FULL, Ok(r#"{"version":91002,"cuda":12090}"#)));
        answers.push(loader("/opt/cudnn"));
        let told = report(answers.clone());
        assert_eq!(climb(&told).versions.get("library").unwrap(), "9.10.2");
        assert!(told.all("cudnn-shadowed-by").next().is_none(), "no variable puts it in front");
        answers.push((Question::Env("LD_LIBRARY_PATH".into()), Ok("/opt/cudnn/:/opt/other".into())));
        assert_eq!(report(answers).all("cudnn-shadowed-by").count(), 1);
        let mut answers = wheel(Ok(r#"{"version":92700,"cuda":12090}"#));
        answers.extend(copy("/opt/cudnn", &["graph", "ops"], Ok(r#"{"version":91002,"cuda":12090}"#)));
        answers.push(loader("/opt/cudnn"));
        let climb = climb(&report(answers));
        assert_eq!(climb.versions.get("library").unwrap(), "9.27.0");
        assert!(climb.detail.ends_with("; the loader takes /opt/cudnn/libcudnn.so.9 first"), "{}", climb.detail);
    }

    #[test]
    fn a_crash_is_told_as_one_and_no_copy_is_no_fault() {
        let mut answers = copy("/opt/cudnn", FULL, Err(Missing::Crashed("signal 6 (SIGABRT)".into())));
        answers.push((Question::Library("libcudnn.so.9".into()), Ok("/opt/cudnn/libcudnn.so.9".into())));
        assert_eq!(climb(&report(answers)).state, State::Crashed);
        assert_eq!(climb(&report(Vec::new())).state, State::NotInstalled);
        assert_eq!(climb(&Report::default()).state, State::Unknown);
    }
}
