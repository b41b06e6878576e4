//! The doctor's runs over the corpus, and what must hold of each.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::corpus::{Case, Corpus, Expected, shown};
use super::single::{self, Machine, Single};
use crate::tool::{Folder, json, system, tool, without_times};

/// How many runs go on at a time: most of the time is spent waiting for what hangs.
const AT_ONCE: usize = 6;
/// Seconds that a child gets where something hangs: more than a healthy driver takes on a busy machine.
const TIME: u64 = 3;

/// What the doctor said of every case, by its id.
pub fn all(corpus: &Corpus) -> BTreeMap<String, String> {
    let healthy = Healthy::new(corpus);
    let mut batches: BTreeMap<(&str, usize, &str), Vec<&Case>> = BTreeMap::new();
    for case in &corpus.cases {
        let alone = case.batch == 0 || single::of(case.api).is_some();
        let alone = if alone { case.id.as_str() } else { "" };
        batches.entry((case.api, case.batch, alone)).or_default().push(case);
    }
    let waiting = Mutex::new(batches.into_values().collect::<Vec<_>>());
    let told = Mutex::new(BTreeMap::new());
    let wrong = Mutex::new(Vec::new());
    // Several of those that take memory at a time would be more than some machines have.
    let hungry = Mutex::new(());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cases) = { waiting.lock().unwrap().pop() } {
                    let takes_memory = cases.iter().any(|case| case.id.contains("/hunger-"));
                    let _alone = takes_memory.then(|| hungry.lock().unwrap());
                    let (outcomes, complaints) = run(corpus, &cases, &healthy);
                    told.lock().unwrap().extend(outcomes);
                    wrong.lock().unwrap().extend(complaints);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    told.into_inner().unwrap()
}

/// The machines, and what the doctor says on them without any fault.
struct Healthy {
    /// By the API of which there is one; the machine as it is has no name.
    machines: BTreeMap<&'static str, Machine>,
    told: BTreeMap<&'static str, Value>,
}

impl Healthy {
    fn new(corpus: &Corpus) -> Healthy {
        let mut healthy = Healthy { machines: BTreeMap::new(), told: BTreeMap::new() };
        let told = json(tool(&["doctor", "--json"]).envs(shown(&[], &corpus.folder)));
        healthy.told.insert("", told);
        for single in single::SINGLES {
            healthy.machines.insert(single.api, Machine::new(corpus, single));
            let folder = single::healthy(corpus, single);
            let told = json(&mut healthy.doctor(corpus, single, &folder));
            healthy.told.insert(single.api, told);
        }
        healthy
    }

    /// The doctor on a machine with the libraries of a folder.
    fn doctor(&self, corpus: &Corpus, single: &Single, folder: &Path) -> Command {
        let mut doctor = self.machines[single.api].command(&["doctor", "--json"]);
        doctor.envs(shown(&[], &corpus.folder)).envs(single::shown(folder));
        doctor
    }
}

/// One run of the doctor with these faulty drivers beside the healthy ones: what it says of each, and what is wrong with that.
fn run(corpus: &Corpus, cases: &[&Case], healthy: &Healthy) -> (Vec<(String, String)>, Vec<String>) {
    let name = cases[0].id.replace('/', "-");
    let single = single::of(cases[0].api);
    let temporary = Folder::new(&format!("faults-tmp-{name}"));
    let hangs = cases.iter().any(|case| case.expected == Expected::TimedOut);
    let mut doctor = match single {
        Some(single) => healthy.doctor(corpus, single, &single::folder_of(corpus, cases[0])),
        None => tool(&["doctor", "--json"]),
    };
    if hangs {
        doctor.args(["--timeout", &TIME.to_string()]);
    }
    if single.is_none() {
        doctor.envs(shown(cases, &corpus.folder));
    }
    doctor.env("TMPDIR", &temporary.0);
    let begin = Instant::now();
    let child = doctor.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let ended = child.wait_with_output().unwrap();
    let took = begin.elapsed();
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    let Ok(diagnosis) = serde_json::from_str::<Value>(&out) else {
        return (Vec::new(), vec![format!("{name}: standard output is no JSON: {out}")]);
    };

    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            wrong.push(format!("{name}: {what}"))
        }
    };
    let words = String::from_utf8_lossy(&ended.stderr);
    must(words.is_empty(), format!("a driver's words in the doctor's: {words}"));
    let errors = diagnosis["findings"].as_array().unwrap().iter().any(|finding| finding["severity"] == "error");
    must(ended.status.code() == Some(i32::from(errors)), format!("it ends with {}", ended.status));
    let limit = if hangs { Duration::from_secs(3 * TIME + 2) } else { Duration::from_secs(45) };
    must(took < limit, format!("it took {took:?}"));
    let healthy = &healthy.told[single.map_or("", |single| single.api)];
    let changed = what_changed(cases[0].api, healthy, &diagnosis, &corpus.folder);
    must(changed.is_empty(), format!("other things change: {changed:#?}"));
    let left = left_behind(id, &corpus.folder);
    must(left.is_empty(), format!("processes that are left: {left:?}"));
    let files: Vec<_> = std::fs::read_dir(&temporary.0).unwrap().flatten().map(|entry| entry.path()).collect();
    must(files.is_empty(), format!("files that are left: {files:?}"));
    let mut outcomes = Vec::new();
    for case in cases {
        match outcome(case, &diagnosis) {
            Ok(outcome) => outcomes.push((case.id.clone(), outcome)),
            Err(what) => wrong.push(format!("{}: {what}", case.id)),
        }
    }
    (outcomes, wrong)
}

/// Systems that stand otherwise than without the faulty driver, and facts that are not told any more.
fn what_changed(api: &str, healthy: &Value, diagnosis: &Value, folder: &Path) -> Vec<String> {
    let (healthy, diagnosis) = (without_times(healthy.clone()), without_times(diagnosis.clone()));
    let single = single::of(api);
    let touched: &[&str] = match (api, single) {
        (_, Some(single)) => &[single.system],
        // wgpu has its adapters by Vulkan.
        ("vulkan", _) => &["vulkan", "webgpu"],
        _ => &[api],
    };
    let is_own =
        |fact: &&Value| single.is_some_and(|single| fact["origin"].as_str().unwrap().starts_with(single.origin));
    let all = |of: &Value| -> Vec<String> {
        let systems = of["systems"].as_array().unwrap().iter();
        let systems = systems.filter(|system| !touched.iter().any(|id| system["id"] == *id));
        let facts = of["report"]["facts"].as_array().unwrap().iter();
        let facts = facts.filter(|fact| !is_own(fact)).map(|fact| told(fact, folder));
        systems.map(Value::to_string).chain(facts).collect()
    };
    let (before, now) = (all(&healthy), all(&diagnosis));
    let lost: Vec<String> = before.iter().filter(|before| !now.contains(before)).cloned().collect();
    let instead =
        now.into_iter().filter(|now| !lost.is_empty() && !before.contains(now)).map(|now| format!("now {now}"));
    let instead: Vec<String> = instead.collect();
    [lost, instead].concat()
}

/// A fact in one line, with the names of files that this run alone has without their folder.
fn told(fact: &Value, folder: &Path) -> String {
    // Stand-ins of UUIDs have numbers by the order in which they come.
    let value = if fact["key"] == "device-uuid" { &Value::Null } else { &fact["value"] };
    let text = format!("{} of {}: {value} {}", fact["key"], fact["subject"], fact["missing"]);
    let here = folder.display().to_string();
    let mut parts = text.split(&here);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (path, rest) = part.split_at(part.find(['"', ' ', ':']).unwrap_or(part.len()));
        text + path.rsplit('/').next().unwrap_or_default() + rest
    })
}

/// What the doctor says of a case's driver, which must be what is expected.
fn outcome(case: &Case, diagnosis: &Value) -> Result<String, String> {
    let name = case.file.file_name().unwrap().to_str().unwrap();
    if case.expected == Expected::NotStarted {
        let started = Path::new(&format!("{}.started", case.file.display())).exists();
        return if started { Err("it was started".to_owned()) } else { Ok("never started".to_owned()) };
    }
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let single = single::of(case.api);
    let key = single.map_or_else(|| format!("{}-icd", case.api), |single| single.key.to_owned());
    // There is one of these facts where there is one library.
    let ends = if single.is_some() { String::new() } else { format!("/{name}") };
    let fact = facts.iter().find(|fact| fact["key"] == key && fact["subject"].as_str().unwrap().ends_with(&ends));
    if case.expected == Expected::Nothing && fact.is_none() {
        return Ok("an empty folder".to_owned());
    }
    let fact = fact.ok_or("nothing is told of it")?;
    let missing = &fact["missing"];
    let crashed = missing["crashed"].as_str();
    let garbled = missing["garbled"].as_str();
    let code = missing["exited"]["code"].as_i64();
    let value = fact["value"].as_str().unwrap_or_default();
    let is_broken = single.is_some_and(|single| system(diagnosis, single.system)["state"] == "broken");
    let is_code = |code: i64| match code {
        // A few have names.
        _ if value.is_empty() => false,
        _ if value.contains("error") => value == format!("error {code}") || value == format!("error {code:#x}"),
        _ => value != "working",
    };
    let as_expected = match &case.expected {
        Expected::Works => matches!(value, "software" | "working" | "1.20.0" | "12.4"),
        // CUDA's library has no code for it where it counts none.
        Expected::NoDevice => value == "no-device" || (value == "working" && is_broken),
        Expected::OtherArchitecture => fact["value"] == "other-architecture",
        Expected::Crashed(how) => crashed == Some(how) || value == "crashed",
        Expected::Died => crashed.is_some(),
        Expected::Nothing | Expected::NotStarted => false,
        Expected::TimedOut => missing == "timed-out" || value == "timed-out",
        Expected::Code(expected) => code == Some(*expected) || is_code(*expected),
        Expected::Broken(words) => garbled.is_some_and(|what| what.contains(words)) || value == "garbled",
    };
    if !as_expected {
        return Err(format!("expected {:?} and not {fact}", case.expected));
    }
    let is_wrong = !matches!(case.expected, Expected::Works | Expected::NoDevice | Expected::OtherArchitecture);
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    let named = findings.filter(|finding| finding["message"].as_str().unwrap().contains(&ends));
    // wgpu has less time than the driver, and needs more of it on a busy machine.
    let named: Vec<_> = named.filter(|finding| finding["code"] != "webgpu-backend-failed").collect();
    let says = || {
        format!("{} {}", system(diagnosis, single.map_or("", |single| single.system))["detail"], diagnosis["findings"])
    };
    // The kernel's driver speaks for NVML's own errors, HIP for HSA below it, and nothing that is wanted needs `nvcc`.
    let is_named = match case.api {
        "nvml" => matches!(case.expected, Expected::Crashed(_) | Expected::TimedOut),
        "hsa" | "nvcc" => false,
        // No device is not the library's fault.
        "libcuda" => case.expected != Expected::Code(100),
        _ => single.is_some(),
    };
    let name = name.split('.').next().unwrap();
    if is_named && is_wrong && !says().contains(name) {
        return Err(format!("nothing names its file: {}", says()));
    }
    if single.is_none() && named.len() != usize::from(is_wrong) {
        return Err(format!("these findings name its file: {named:#?}"));
    }
    Ok(match (&case.expected, crashed, garbled, code) {
        (Expected::Works, ..) => "works".to_owned(),
        (Expected::NoDevice, ..) => "no device".to_owned(),
        (Expected::OtherArchitecture, ..) => "other architecture".to_owned(),
        (_, Some(how), ..) => format!("crashed: {how}"),
        (Expected::Broken(_), _, None, _) => "broken: no answer".to_owned(),
        (_, _, Some(what), _) if what.contains("is not a version") => "broken: no answer".to_owned(),
        (_, _, Some(what), _) => format!("broken: {}", without_folders(what)),
        (.., Some(_)) => "broken, with the code".to_owned(),
        (Expected::Code(_), ..) if value.contains("error") => "broken, with the code".to_owned(),
        (Expected::Code(_), ..) => format!("broken: {value}"),
        (Expected::Crashed(_), ..) => "crashed".to_owned(),
        _ => "timed out".to_owned(),
    })
}

/// A text with file names in the place of paths.
fn without_folders(text: &str) -> String {
    let short = |word: &str| match word.rsplit_once('/') {
        Some((before, name)) if before.contains('/') => {
            let quote = if word.starts_with('`') { "`" } else { "" };
            format!("{quote}{name}")
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// Processes of a run that are still there: by its mark, and orphans with a mark of ours alone by their name.
fn left_behind(run: u32, folder: &Path) -> Vec<String> {
    let mark = format!("ACCELPROBE_RUN=run-{run}");
    let here = folder.display().to_string();
    let left = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let text = |path: &Path, what: &str| std::fs::read(path.join(what)).unwrap_or_default();
        let is_left = |path: &std::path::PathBuf| match text(path, "environ") {
            environment if environment.is_empty() => text(path, "cmdline").starts_with(here.as_bytes()),
            environment => environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()),
        };
        let left = processes.filter(is_left);
        left.map(|path| String::from_utf8_lossy(&text(&path, "cmdline")).into_owned()).collect::<Vec<_>>()
    };
    // What was just killed takes a moment to go.
    for _ in 0..100 {
        if left().is_empty() {
            return Vec::new();
        }
        thread::sleep(Duration::from_millis(20));
    }
    left()
}
