//! The child frame against everything that a driver may do, by the queries that are compiled in for that.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use accelprobe_probes::child::SELF_TEST;
use accelprobe_probes::host::live::Live;
use accelprobe_probes::host::{Answer, Host, Missing, Query, Question};

use crate::tool::PROGRAM;

/// How long a child may take in these tests; shorter than the shortest default, longer than a loaded machine needs.
const TIME: Duration = Duration::from_secs(2);

fn host(time: Duration) -> Arc<Live> {
    Arc::new(Live::new(PathBuf::from(PROGRAM), Duration::from_secs(20), Some(time), Vec::new()))
}

fn ask(host: &dyn Host, kind: &str) -> Answer {
    host.ask(&Question::Native(Query {
        environment: Vec::new(),
        probe: SELF_TEST.to_owned(),
        arguments: vec![kind.to_owned()],
    }))
}

#[test]
fn every_way_to_die_is_told_apart() {
    let host = host(TIME);
    let start = Instant::now();
    let kinds = ["fine", "crash", "abort", "exit", "panic", "hang", "noise", "late-crash", "half", "grandchild"];
    // All at once: none may spoil another's answer.
    let answers: Vec<Answer> = thread::scope(|scope| {
        let asked: Vec<_> = kinds.iter().map(|kind| scope.spawn(|| ask(&*host, kind))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    host.finish();
    let of = |kind: &str| answers[kinds.iter().position(|known| *known == kind).unwrap()].clone();
    for kind in ["fine", "noise", "late-crash", "grandchild"] {
        assert_eq!(of(kind), Ok(kind.to_owned()));
    }
    let crashed = |kind: &str| matches!(of(kind), Err(Missing::Crashed(_)));
    assert!(crashed("crash") && crashed("abort"), "{:?} {:?}", of("crash"), of("abort"));
    if cfg!(unix) {
        assert_eq!(of("crash"), Err(Missing::Crashed("signal 11 (SIGSEGV)".into())));
        assert_eq!(of("abort"), Err(Missing::Crashed("signal 6 (SIGABRT)".into())));
    }
    let exited = Err(Missing::Crashed("exit code 0, before it answered".into()));
    assert_eq!(of("exit"), exited, "exit code 0 proves nothing");
    assert_eq!(of("half"), Err(Missing::Garbled("half an answer, then exit code 0".into())));
    assert!(matches!(of("panic"), Err(Missing::Garbled(_))));
    assert_eq!(of("hang"), Err(Missing::TimedOut));
    assert!(start.elapsed() < TIME + Duration::from_secs(3), "the hanging child held the others up");
    assert_eq!(left_behind(), Vec::<String>::new());
}

#[test]
fn the_deadline_of_the_run_ends_every_child() {
    let live = Live::new(PathBuf::from(PROGRAM), Duration::from_millis(300), None, Vec::new());
    let start = Instant::now();
    assert_eq!(ask(&live, "hang"), Err(Missing::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(2));
    live.finish();
}

#[test]
fn a_child_that_cannot_be_started_is_not_a_missing_library() {
    let live = Live::new(PathBuf::from("/no/such/program"), TIME, None, Vec::new());
    assert!(matches!(ask(&live, "fine"), Err(Missing::Unasked(_))));
    live.finish();
}

#[test]
fn a_probe_without_a_native_half_says_so() {
    let host = host(TIME);
    let query = Query { environment: Vec::new(), probe: "environment".into(), arguments: Vec::new() };
    assert_eq!(host.ask(&Question::Native(query)), Err(Missing::Unsupported));
    host.finish();
}

/// Processes of this run that are still there, by the mark that every child carries.
fn left_behind() -> Vec<String> {
    let mark = format!("ACCELPROBE_RUN=run-{}", std::process::id());
    let marked = || {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter(|process| process.file_name().to_string_lossy().parse::<u32>().is_ok())
            .filter(|process| {
                let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
            })
            .filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok())
            .filter(|line| line.contains("grandchild") || line.contains("hang"))
            .collect::<Vec<_>>()
    };
    // What was just killed takes a moment to go, and other tests of this process have children of their own.
    for _ in 0..50 {
        if marked().is_empty() {
            return Vec::new();
        }
        thread::sleep(Duration::from_millis(20));
    }
    marked()
}
