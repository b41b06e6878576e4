//! What the fuzzer does with bytes, one function for each kind of foreign text. Beyond "it does not panic" each says what must
//! hold of the result. docs/FUZZING.md says how they are run; the tests run all of them on the corpus with every build.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use accelprobe::input::{self, Input};
use accelprobe::judge::{Asked, judge};
use accelprobe::matrix::{self, Matrix};
use accelprobe::project;
use accelprobe::render;
use accelprobe::spec::Spec;
use accelprobe_probes::child::record;
use accelprobe_probes::fact::Report;
#[cfg(unix)]
use accelprobe_probes::host::live::loader_cache::LoaderCache;
use accelprobe_probes::host::recording::Recording;
use accelprobe_probes::host::redact::Redactor;
use accelprobe_probes::host::{Answer, Host, Missing, Question};
use accelprobe_probes::image::Image;
use accelprobe_probes::kernels::kernels;
use accelprobe_probes::python::marker;
use accelprobe_probes::version::{Range, Version};
use accelprobe_probes::{fact, replay};

/// A target.
pub struct Target {
    /// Name of the target and of its folder in the corpus.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "answers", run: answers },
    Target { name: "recording", run: recording },
    Target { name: "diagnosis", run: diagnosis },
    Target { name: "description", run: description },
    Target { name: "pasted", run: pasted },
    Target { name: "settings", run: settings },
    Target { name: "project", run: a_project },
    Target { name: "matrix", run: a_matrix },
    Target { name: "words", run: words },
    Target { name: "metadata", run: metadata },
    Target { name: "image", run: image },
    Target { name: "child", run: child },
    Target { name: "redact", run: redact },
];

/// The matrix that the program was built with.
static MATRIX: LazyLock<Matrix> = LazyLock::new(|| matrix::embedded().expect("the matrix is sound"));

/// The recordings of `fixtures/`, in the order of their names.
static RECORDINGS: LazyLock<Vec<Recording>> = LazyLock::new(|| {
    let parsed = files("fixtures").into_iter().filter_map(|(_, text)| Recording::parse(&text).ok());
    parsed.collect()
});

/// The files below a folder of the repository that hold text, in the order of their names.
fn files(folder: &str) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = top.ancestors().find(|folder| folder.join("fixtures").is_dir()).expect("the repository");
    let mut found = Vec::new();
    let mut left = vec![top.join(folder)];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => left.push(path),
                path => {
                    let below = path.strip_prefix(top.join(folder)).expect("below it").display().to_string();
                    found.extend(std::fs::read_to_string(&path).ok().map(|text| (below.replace('\\', "/"), text)));
                }
            }
        }
    }
    found.sort();
    found
}

/// A recorded machine on which answers are changed: whatever a machine says, no probe and no rule may fall over it.
fn answers(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let recording = &RECORDINGS[bytes.number() % RECORDINGS.len()];
    let changes = std::iter::from_fn(|| (!bytes.0.is_empty()).then(|| Change::read(&mut bytes))).take(4).collect();
    let altered = Altered { recording, changes, asked: Mutex::default() };
    shown(replay(&altered, |_| true));
}

/// A recording as a file.
fn recording(bytes: &[u8]) {
    let Ok(recording) = Recording::parse(&text(bytes)) else { return };
    let written = recording.to_toml();
    let again = Recording::parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    let (once, twice) = (replay(&recording, |_| true), replay(&again, |_| true));
    assert_eq!(without_times(&once), without_times(&twice), "what is written is what was read");
    shown(once);
}

/// A diagnosis in JSON.
fn diagnosis(bytes: &[u8]) {
    read(&format!("{{{}", text(bytes)));
}

/// What a person wrote of a machine.
fn description(bytes: &[u8]) {
    read(&text(bytes));
}

/// What somebody pasted. Where a text is none, a first line that is one makes it so.
fn pasted(bytes: &[u8]) {
    let text = text(bytes);
    read(&text);
    read(&format!("Collecting environment information...\nPyTorch version: 2.6.0\n{text}\n"));
}

/// What-ifs on a recorded machine: its number, then `--set`, `--want` and `--require`, one a line.
fn settings(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut report = replay(&RECORDINGS[bytes.number() % RECORDINGS.len()], |_| true);
    let text = text(bytes.0);
    let lines: Vec<&str> = text.lines().take(6).collect();
    let behind = |flag: &str| lines.iter().filter_map(|line| line.strip_prefix(flag)).map(str::to_owned).collect();
    let set: Vec<String> = behind("set ");
    let specs = |flag| -> Vec<Spec> {
        let specs: Vec<String> = behind(flag);
        specs.iter().filter_map(|spec| Spec::parse(spec).ok()).collect()
    };
    let asked = Asked { wants: specs("want "), requirements: specs("require "), ..Asked::default() };
    if input::what_if(&mut report, &set, None).is_ok() {
        judged(report, &asked);
    }
}

/// Files of a project: the first line names the file, and every file that it names holds the same text.
fn a_project(bytes: &[u8]) {
    let text = text(bytes);
    let (name, text) = text.split_once('\n').unwrap_or(("requirements.txt", &text));
    let Ok(project) = project::read(&[name.into()], &|_| Ok(text.to_owned())) else { return };
    let asked = Asked { project, ..Asked::default() };
    judged(replay(&RECORDINGS[text.len() % RECORDINGS.len()], |_| true), &asked);
}

/// A small matrix, one file of each kind and the shortest rules, with one of its files changed. All of it takes too long.
fn a_matrix(bytes: &[u8]) {
    const KEPT: &[&str] =
        &["sources.toml", "codes.toml", "systems/jax.toml", "products/jax.toml", "gpus/intel.toml", "topics/wsl.toml"];
    static FILES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let (kept, mut rest): (Vec<_>, Vec<_>) =
            files("matrix").into_iter().partition(|(name, _)| KEPT.contains(&name.as_str()));
        rest.retain(|(name, _)| name.starts_with("rules/"));
        rest.sort_by_key(|(_, text)| text.len());
        rest.truncate(10);
        [kept, rest].concat()
    });
    let mut bytes = Bytes(bytes);
    let number = bytes.number() % FILES.len();
    let change = Change::read(&mut bytes);
    let mut files = FILES.clone();
    if let Ok(text) = change.applied(&files[number].1) {
        files[number].1 = text;
    }
    match matrix::load(&files) {
        Ok(matrix) => {
            let report = replay(&RECORDINGS[number % RECORDINGS.len()], |_| true);
            _ = judge(report, &matrix, &Asked::default());
        }
        Err(problems) => assert!(problems.iter().all(|problem| !problem.to_string().is_empty())),
    }
}

/// Single words: versions, ranges, what is wanted and required, markers, questions, facts.
fn words(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(version) = text.parse::<Version>() {
        assert_eq!(version.to_string().parse::<Version>().as_ref(), Ok(&version), "a version is read as it is written");
    }
    if let Ok(range) = text.parse::<Range>() {
        let version: Version = "2.6.0".parse().expect("a version");
        assert_eq!(
            range.to_string().parse::<Range>().map(|range| range.contains(&version)),
            Ok(range.contains(&version))
        );
    }
    _ = Spec::parse(&text).map(|spec| spec.words()).map_err(|mistake| mistake.to_string());
    _ = marker::holds(&text, marker::Place { os: Some("linux"), arch: Some("x86_64"), python: Some("3.12.1") });
    _ = render::explain::view(&MATRIX, &text).map(|view| view.markdown());
    _ = fact::version(&text);
    if let Ok(question) = text.parse::<Question>() {
        assert_eq!(question.to_string().parse::<Question>(), Ok(question), "a question is read as it is written");
    }
}

/// A Python environment in which all metadata of packages, and all other files, hold the same text.
fn metadata(bytes: &[u8]) {
    struct Everywhere<'a>(&'a Recording, &'a str);
    impl Host for Everywhere<'_> {
        fn ask(&self, question: &Question) -> Answer {
            match (self.0.ask(question), question) {
                (Ok(_), Question::Read(_)) => Ok(self.1.to_owned()),
                (answer, _) => answer,
            }
        }
        fn asks_in_turn(&self) -> bool {
            true
        }
    }
    let mut bytes = Bytes(bytes);
    let recording = &RECORDINGS[bytes.number() % RECORDINGS.len()];
    shown(replay(&Everywhere(recording, &text(bytes.0)), |_| true));
}

/// Libraries and programs for any system, and the cache of the loader.
fn image(bytes: &[u8]) {
    _ = Image::read(bytes, bytes.len() as u64);
    _ = kernels(bytes);
    #[cfg(unix)]
    if let Some(cache) = LoaderCache::parse(bytes) {
        _ = cache.paths("libcuda.so.1");
    }
}

/// What comes out of a child, in whatever pieces.
fn child(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let piece = 1 + bytes.number() % 300;
    let mut kept = Vec::new();
    for read in bytes.0.chunks(piece) {
        kept.extend_from_slice(read);
        if record::is_complete(&mut kept) {
            assert!(record::answer_in(&kept).is_some());
        }
    }
    let at_once = record::answer_in(bytes.0);
    assert_eq!(record::answer_in(&kept), at_once, "pieces make no difference");
    if let Some(answer) = at_once {
        assert_eq!(record::answer_in(&record::of(&answer)), Some(answer));
    }
}

/// Names of people and machines never leave, whatever stands around them.
fn redact(bytes: &[u8]) {
    let text = text(bytes);
    let owned = |name: &str| Some(name.to_owned());
    for home in ["/srv/people/mariposa", r"D:\people\mariposa"] {
        let redactor = Redactor::new(owned(home), vec!["mariposa".to_owned()], owned("quixote.example.org"));
        let once = redactor.hide(&text);
        // Nobody hides twice; it must do no harm.
        for hidden in [&once, &redactor.hide(&once)] {
            for name in [home, "mariposa", "quixote.example.org"] {
                let mut words = hidden.split(|c: char| !c.is_alphanumeric() && !name.contains(c));
                assert!(words.all(|word| word != name), "{name} in {hidden}");
            }
        }
    }
}

/// Reads what `--from` was given, and judges it.
fn read(text: &str) {
    let mut asked = Asked::default();
    let (mut report, complete) = match input::parse(text, "file.toml") {
        Ok(Input::Recording(recording)) => (replay(&*recording, |_| true), None),
        Ok(Input::Report(report)) => (report, None),
        Ok(Input::Description(description)) => {
            asked.wants.clone_from(&description.wants);
            let (facts, complete) = description.into_facts();
            (Report { probes: Vec::new(), facts }, complete)
        }
        Err(message) => return assert!(message.contains("file.toml"), "{message}"),
    };
    if input::what_if(&mut report, &[], complete.as_deref()).is_ok() {
        judged(report, &asked);
    }
}

/// Judges what nobody asked more of.
fn shown(report: Report) {
    judged(report, &Asked::default());
}

/// Judges and shows in every format: nothing but letters reaches a terminal, and the JSON says the same facts.
fn judged(report: Report, asked: &Asked) {
    let Ok(diagnosis) = judge(report, &MATRIX, asked) else { return };
    let view = render::doctor::view(&diagnosis);
    for shown in [view.terminal(80, false), view.markdown()] {
        let control = shown.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "in {shown}");
    }
    let json = serde_json::to_string(&diagnosis).expect("JSON");
    let again = accelprobe::diagnosis::report_in(&json).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, diagnosis.report);
}

/// The facts of a report.
fn without_times(report: &Report) -> Vec<String> {
    report.facts.iter().map(|fact| format!("{fact:?}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes that are taken one after the other.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(count.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// A number in two bytes.
    fn number(&mut self) -> usize {
        self.take(2).iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
    }
}

/// What becomes of one answer.
struct Change {
    /// Which one, counted over different questions that have a text as an answer.
    which: usize,
    how: usize,
    place: usize,
    text: String,
}

impl Change {
    fn read(bytes: &mut Bytes<'_>) -> Change {
        let (which, how, place, length) = (bytes.number(), bytes.number(), bytes.number(), bytes.number());
        Change { which, how, place, text: text(bytes.take(length)) }
    }

    fn applied(&self, answer: &str) -> Answer {
        let place = (0..=self.place % (answer.len() + 1)).rev().find(|at| answer.is_char_boundary(*at)).unwrap_or(0);
        let (before, behind) = answer.split_at(place);
        let line = |text: &str| text.find('\n').map_or(text.len(), |at| at + 1);
        Ok(match self.how % 10 {
            0 => self.text.clone(),
            1 => format!("{before}{}{behind}", self.text),
            2 => before.to_owned(),
            3 => format!("{before}{}{}", self.text, &behind[line(behind)..]),
            4 => format!("{before}{}{behind}", &behind[..line(behind)].repeat(1 + self.text.len() % 8)),
            5 => return Err(Missing::NotFound),
            6 => return Err(Missing::Denied),
            7 => return Err(Missing::TimedOut),
            8 => return Err(Missing::Crashed(self.text.clone())),
            _ => return Err(Missing::Garbled(self.text.clone())),
        })
    }
}

/// A recording on which some answers are changed.
struct Altered<'a> {
    recording: &'a Recording,
    changes: Vec<Change>,
    /// Questions with an answer, as they were first asked.
    asked: Mutex<(Vec<Question>, BTreeSet<Question>)>,
}

impl Host for Altered<'_> {
    fn ask(&self, question: &Question) -> Answer {
        let answer = self.recording.ask(question)?;
        let mut asked = self.asked.lock().expect("nobody panicked");
        if asked.1.insert(question.clone()) {
            asked.0.push(question.clone());
        }
        let place = asked.0.iter().position(|known| known == question);
        match self.changes.iter().find(|change| Some(change.which) == place) {
            Some(change) => change.applied(&answer),
            None => Ok(answer),
        }
    }

    fn asks_in_turn(&self) -> bool {
        true
    }
}
