//! What a machine may do to files and to a process: none of it ends the program, holds it up, or makes it say what is not so.

#![cfg(all(feature = "native", target_os = "linux"))]

mod list;
mod named;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use self::list::Condition;
use crate::generated::check;
use crate::tool::{Folder, PROGRAM, codes, lacks, ran, root};
use crate::worlds::world::{Entry, World};
use crate::worlds::{WSL2, direct3d, nvidia, wsl2};

/// WSL2 with a GPU, and an environment with PyTorch.
fn machine(name: &str) -> Option<World> {
    let mut world = wsl2(name, WSL2)?;
    direct3d(&world);
    nvidia(&world);
    world.set("VIRTUAL_ENV", "/venv");
    world.file("/venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n");
    world.file("/venv/bin/python", "");
    let package = "/venv/lib/python3.11/site-packages/torch-2.6.0+cu126.dist-info/METADATA";
    world.file(package, "Metadata-Version: 2.1\nName: torch\nVersion: 2.6.0+cu126\n\nTensors.\n");
    world.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    world.file("/etc/group", "root:x:0:\n");
    Some(world)
}

/// What a run under a condition came to.
struct Told {
    code: Option<i32>,
    diagnosis: Value,
    errors: String,
    time: Duration,
}

/// The same command, ended where it does not end by itself.
fn in_time(command: &Command) -> Command {
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "60"]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

fn told(world: &World, entry: &Entry) -> Result<Told, String> {
    let start = Instant::now();
    let ended = in_time(&world.entered(entry, &["doctor", "--json", "--timeout", "10"])).output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
    let out = String::from_utf8(ended.stdout).unwrap();
    let diagnosis = serde_json::from_str(&out).map_err(|error| format!("{}, {error}: {out}{errors}", ended.status))?;
    Ok(Told { code: ended.status.code(), diagnosis, errors, time: start.elapsed() })
}

/// The states of the systems by their names.
fn states(diagnosis: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let systems = diagnosis["systems"].as_array().unwrap().iter();
    systems.map(|system| (text(&system["label"]), text(&system["state"]))).collect()
}

/// What the facts say, each with its key and what it is about.
fn facts(diagnosis: &Value) -> BTreeSet<(String, String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let known = diagnosis["report"]["facts"].as_array().unwrap().iter().filter(|fact| !fact["value"].is_null());
    known.map(|fact| (text(&fact["key"]), text(&fact["subject"]), text(&fact["value"]))).collect()
}

/// The machine as it is without any condition.
struct Without {
    code: Option<i32>,
    codes: Vec<String>,
    states: Vec<(String, String)>,
    facts: BTreeSet<(String, String, String)>,
}

/// What holds under every condition: the table's row, or what does not hold.
fn row(condition: &Condition, told: Result<Told, String>, without: &Without) -> Result<String, String> {
    let name = &condition.name;
    let told = told.map_err(|error| format!("{name}: {error}"))?;
    let alarms: Vec<String> = codes(&told.diagnosis).into_iter().filter(|code| !without.codes.contains(code)).collect();
    if told.code != without.code || !alarms.is_empty() || told.errors.contains("panicked") {
        let findings = &told.diagnosis["findings"];
        return Err(format!("{name}: exit code {:?}, {alarms:?}: {findings:#} {}", told.code, told.errors));
    }
    if told.time > Duration::from_secs(40) {
        return Err(format!("{name}: {:?}", told.time));
    }
    let states = states(&told.diagnosis);
    let differ = || states.iter().zip(&without.states).filter(|(one, other)| one != other).map(|(one, _)| one);
    if let Some((label, state)) = differ().find(|(_, state)| *state != "unknown") {
        return Err(format!("{name}: {label} is {state}"));
    }
    let facts = facts(&told.diagnosis);
    let lost: BTreeSet<String> =
        without.facts.iter().filter(|fact| !facts.contains(fact)).map(|(key, ..)| format!("`{key}`")).collect();
    let cell = |words: Vec<String>| if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
    let unknown = cell(differ().map(|(label, _)| (*label).to_owned()).collect());
    Ok(format!("| {name} | {} | {unknown} | {} |\n", told.code.unwrap_or(-1), cell(lost.into_iter().collect())))
}

#[test]
fn no_condition_ends_it_holds_it_up_or_makes_it_say_what_is_not_so() {
    let Some(world) = machine("conditions") else { return };
    let tools = Folder::new("conditions-tools");
    let deny = tools.path("deny");
    let source = root().join("tests/it/standins/deny.c");
    assert!(Command::new("cc").args(["-O1", "-o"]).arg(&deny).arg(source).status().unwrap().success());
    let without = told(&world, &Entry::default()).unwrap();
    let findings = &without.diagnosis["findings"];
    let without = Without {
        code: without.code,
        codes: codes(&without.diagnosis),
        states: states(&without.diagnosis),
        facts: facts(&without.diagnosis),
    };
    assert_eq!((without.code, without.codes.as_slice()), (Some(0), [].as_slice()), "{findings:#}");
    assert!(without.states.contains(&("CUDA".to_owned(), "working".to_owned())), "{:?}", without.states);
    // The runs share the world: nothing of it is made anew while another one looks.
    world.keep_loader_cache();
    let conditions = list::all(deny.to_str().unwrap());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let rows = std::sync::Mutex::new(vec![Ok(String::new()); conditions.len()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((place, condition)) = {
                    let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    conditions.get(place).map(|condition| (place, condition))
                } {
                    let row = row(condition, told(&world, &condition.entry), &without);
                    rows.lock().unwrap()[place] = row;
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    let problems: Vec<&String> = rows.iter().filter_map(|row| row.as_ref().err()).collect();
    assert!(problems.is_empty(), "{}", problems.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("\n\n"));
    let mut page = String::from(PAGE);
    let mut about = "";
    for (condition, row) in conditions.iter().zip(rows.into_iter().flatten()) {
        if about != condition.about {
            about = condition.about;
            page.push_str(&format!("\n## {about}\n\n| condition | exit code | systems unknown | facts not told, or not the same |\n| --- | --- | --- | --- |\n"));
        }
        page.push_str(&row);
    }
    check(&root().join("docs/CONDITIONS.md"), &page);
    for folder in ["tmp", "var/tmp", "dev/shm"] {
        let left = std::fs::read_dir(world.inside(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
        assert_eq!(left.collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new(), "a throw-away folder is left");
    }
    let mark = |environment: &[u8]| {
        let has = |variable: &[u8]| environment.split(|byte| *byte == 0).any(|one| one.starts_with(variable));
        has(b"ACCELPROBE_RUN=") && has(b"VIRTUAL_ENV=/venv")
    };
    let running = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|process| std::fs::read(process.path().join("environ")).ok())
            .filter(|one| mark(one))
            .count()
    };
    let until = Instant::now() + Duration::from_secs(3);
    while running() > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(running(), 0, "a process is left");
}

#[test]
fn files_come_and_go_while_they_are_asked_about() {
    let Some(world) = machine("coming-and-going") else { return };
    told(&world, &Entry::default()).unwrap();
    world.keep_loader_cache();
    let files = [
        "/venv/lib/python3.11/site-packages/torch-2.6.0+cu126.dist-info",
        "/venv/pyvenv.cfg",
        "/etc/os-release",
        "/etc/wsl.conf",
        "/usr/lib/wsl/lib/libcuda.so.1",
        "/usr/lib/wsl/lib/nvidia-smi",
        "/usr/lib/wsl/drivers",
        "/mnt/c/Windows/System32/ntoskrnl.exe",
    ];
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                for file in files {
                    let (here, away) = (world.inside(file), world.inside(&format!("{file}.away")));
                    std::fs::rename(&here, &away).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                    std::fs::rename(&away, &here).unwrap();
                }
            }
        });
        for _ in 0..12 {
            let told = told(&world, &Entry::default());
            let ended = told.is_ok_and(|told| {
                let done = told.code.is_some_and(|code| code < 2);
                done && !told.errors.contains("panicked") && told.time < Duration::from_secs(40)
            });
            if !ended {
                over.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            assert!(ended);
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn what_real_drivers_fail_at_for_want_of_room_is_no_fault_of_theirs() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return lacks("prlimit (package util-linux)");
    }
    let doctor = |limits: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60", "prlimit"]).args(limits).args([PROGRAM, "doctor", "--json"]);
        let ended = ran(command.stdin(Stdio::null()).output().unwrap());
        let diagnosis: Value =
            serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{limits:?}: {error}: {}", ended.err));
        (ended.code, codes(&diagnosis), states(&diagnosis))
    };
    let (code, known, healthy) = doctor(&["--core=0"]);
    for limits in [
        "--nofile=16",
        "--nofile=9",
        "--nofile=24",
        "--as=67108864",
        "--as=134217728",
        "--as=314572800",
        "--data=20971520",
        "--fsize=0",
        "--cpu=2",
    ] {
        let (found, codes, states) = doctor(&[limits]);
        assert!(
            found == code && codes.iter().all(|code| known.contains(code)),
            "{limits}: exit code {found}, {codes:?}"
        );
        let others = states.iter().zip(&healthy).filter(|(one, other)| one != other && one.1 != "unknown");
        assert_eq!(others.collect::<Vec<_>>(), Vec::new(), "{limits}");
    }
}

const PAGE: &str = "# What a machine may do to files and to a process

Generated by `tests/it/conditions.rs`, which runs `accelprobe doctor --json` under every condition, in WSL2 with an NVIDIA \
                    GPU (stand-ins for its libraries) and an environment with PyTorch. Each time it ends within its deadline with \
                    the exit code of the healthy machine, prints its JSON, and tells no error and no warning that this machine \
                    would not have without the condition. What could not be asked is unknown, and says why.
";
