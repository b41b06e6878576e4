//! How fast the matrix is read and recordings are judged: `cargo bench --bench speed`. docs/PERFORMANCE.md has results.
//!
//! With the name of a part and a number it does that part so many times and measures nothing, for tools that count
//! instructions: `load`, or `parse`, `collect`, `judge` or `whole` of every recording in `fixtures/`.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "it reads the repository, and measures nothing where it cannot"
)]

use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use accelprobe::judge::{Asked, judge};
use accelprobe::matrix::{self, Matrix};
use accelprobe_probes::fact::Report;
use accelprobe_probes::host::recording::Recording;

/// How long each measurement goes on.
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let fixtures = fixtures();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [part, times] = words.as_slice() {
        return repeat(part, times.parse().expect("a number of times"), &fixtures);
    }
    println!("{:.2} ms to read the matrix", median(rounds(|| _ = load())).as_secs_f64() * 1e3);

    let matrix = load();
    let mut spent = Spent::default();
    let recordings = |rounds: &[Duration]| (rounds.len() * fixtures.len()) as f64;
    let alone = rounds(|| spent.judge_all(&fixtures, &matrix));
    let of_one = |time: Duration| time.as_secs_f64() * 1e6 / recordings(&alone);
    println!(
        "{:.0} us for each of {} recordings: parse {:.0}, collect {:.0}, judge {:.0}",
        of_one(spent.parse + spent.collect + spent.judge),
        fixtures.len(),
        of_one(spent.parse),
        of_one(spent.collect),
        of_one(spent.judge),
    );
    for threads in [1, 2] {
        let start = Instant::now();
        let judged: f64 = thread::scope(|scope| {
            let judging = || recordings(&rounds(|| Spent::default().judge_all(&fixtures, &matrix)));
            let started: Vec<_> = (0..threads).map(|_| scope.spawn(judging)).collect();
            started.into_iter().map(|thread| thread.join().expect("judging does not panic")).sum()
        });
        println!("{:.0} recordings a second in {threads} threads", judged / start.elapsed().as_secs_f64());
    }
}

/// What each part took.
#[derive(Default)]
struct Spent {
    parse: Duration,
    collect: Duration,
    judge: Duration,
}

impl Spent {
    fn judge_all(&mut self, fixtures: &[String], matrix: &Matrix) {
        for text in fixtures {
            let start = Instant::now();
            let recording = parse(text);
            let parsed = Instant::now();
            let report = collect(&recording);
            let collected = Instant::now();
            judge_one(report, matrix);
            self.parse += parsed - start;
            self.collect += collected - parsed;
            self.judge += collected.elapsed();
        }
    }
}

/// Does one part so many times.
fn repeat(part: &str, times: usize, fixtures: &[String]) {
    let each = |work: &dyn Fn(&String)| (0..times).for_each(|_| fixtures.iter().for_each(work));
    match part {
        "load" => (0..times).for_each(|_| _ = black_box(load())),
        "parse" => each(&|text| _ = black_box(parse(text))),
        "collect" => {
            let recordings: Vec<_> = fixtures.iter().map(|text| parse(text)).collect();
            (0..times).for_each(|_| recordings.iter().for_each(|recording| _ = black_box(collect(recording))));
        }
        "judge" => {
            let matrix = load();
            let reports: Vec<Report> = fixtures.iter().map(|text| collect(&parse(text))).collect();
            (0..times).for_each(|_| reports.iter().for_each(|report| judge_one(report.clone(), &matrix)));
        }
        "whole" => {
            let matrix = load();
            each(&|text| judge_one(collect(&parse(text)), &matrix));
        }
        other => panic!("`{other}` is no part"),
    }
}

fn load() -> Matrix {
    matrix::embedded().unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn parse(text: &str) -> Recording {
    Recording::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn collect(recording: &Recording) -> Report {
    accelprobe_probes::replay(recording, |_| true)
}

fn judge_one(report: Report, matrix: &Matrix) {
    _ = black_box(judge(report, matrix, &Asked::default()));
}

/// The texts of all recordings.
fn fixtures() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = std::fs::read_dir(folder).expect("fixtures").flatten().map(|entry| entry.path());
    let recordings = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    recordings.map(|path| std::fs::read_to_string(path).expect("a recording")).collect()
}

/// Works until the time is up; how long it took each time.
fn rounds(mut work: impl FnMut()) -> Vec<Duration> {
    let end = Instant::now() + TIME;
    let mut taken = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        work();
        taken.push(start.elapsed());
    }
    taken
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
