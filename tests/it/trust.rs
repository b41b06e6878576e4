//! What the program must never do, seen from outside by strace: speak to a network, or write where nobody asked it to.

#![cfg(all(feature = "native", target_os = "linux"))]

mod hostile;
mod names;
mod planted;

use std::process::{Command, Stdio};

use crate::tool::{Folder, PROGRAM, json, lacks, output, tool, without_times};

/// The calls of these kinds that a command and all its children make, one a line; nothing without strace.
fn calls(kinds: &str, more: &[&str], command: &[&str], folder: &Folder) -> Option<String> {
    // Into a file for each thread, so that no call is told in two pieces.
    let traces = Folder::new(&format!("traces-of-{}", folder.0.file_name()?.display()));
    let mut strace = Command::new("strace");
    strace.args(more).args(["-ff", "-qq", "-s", "65536", "-e", &format!("trace={kinds}"), "-o"]).arg(traces.path("of"));
    strace.args(command).env("TMPDIR", &folder.0);
    if Command::new("strace").arg("--version").output().is_err() {
        lacks("strace");
        return None;
    }
    let ended = output(&mut strace);
    assert!(ended.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&ended.stderr));
    let files = std::fs::read_dir(&traces.0).unwrap().flatten().map(|entry| entry.path());
    Some(files.map(|file| std::fs::read_to_string(file).unwrap()).collect())
}

const DOCTOR: &[&str] = &[PROGRAM, "doctor", "--json", "--deep"];

#[test]
fn no_network_is_spoken_to() {
    let folder = Folder::new("no-network");
    let spoken = |command: &[&str]| -> Option<Vec<String>> {
        let calls = calls("%network", &[], command, &folder)?;
        Some(calls.lines().filter(|line| line.contains("AF_INET")).map(str::to_owned).collect())
    };
    let Some(found) = spoken(DOCTOR) else { return };
    assert_eq!(found, [""; 0]);
    // The same eyes see who does.
    let by_bash = spoken(&["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9; true"]).unwrap();
    assert!(!by_bash.is_empty(), "strace sees no socket of bash");
}

#[test]
fn without_any_network_the_answers_are_the_same() {
    let alone: &[&[&str]] = &[&["--net"], &["--map-root-user", "--net"]];
    let starts = |way: &&&[&str]| {
        let mut command = Command::new("unshare");
        command.args(**way).arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let Some(way) = alone.iter().find(starts) else { return lacks("network namespaces (unshare of util-linux)") };
    let mut doctor = Command::new("unshare");
    doctor.args(*way).args(DOCTOR).stdin(Stdio::null());
    let [within, outside] = [json(&mut doctor), json(tool(&DOCTOR[1..]).stdin(Stdio::null()))].map(without_times);
    assert_eq!(within, outside);
}

#[test]
fn nothing_is_written_outside_of_the_throw_away_folder() {
    const KINDS: &str =
        "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,symlink,symlinkat,link,linkat,mknod,mknodat";
    let folder = Folder::new("no-writes");
    let temporary = folder.0.display().to_string();
    // A path in quotes, of each call that makes something. `O_RDWR` alone opens devices, and makes nothing.
    let made = |command: &[&str]| -> Option<Vec<String>> {
        let calls = calls(KINDS, &[], command, &folder)?;
        let makes = |line: &&str| !line.contains(" = -1 ") && (!line.contains("open") || line.contains("O_CREAT"));
        let paths = calls.lines().filter(makes).filter_map(|line| Some(line.split('"').nth(1)?.to_owned()));
        Some(paths.collect())
    };
    let outside = |command: &[&str]| -> Option<Vec<String>> {
        let paths = made(command)?;
        assert!(!paths.is_empty(), "not even the throw-away folder is made");
        Some(paths.into_iter().filter(|path| !path.starts_with(&temporary)).collect())
    };
    let Some(found) = outside(DOCTOR) else { return };
    assert_eq!(found, [""; 0]);
    // What the user named is the one exception.
    let elsewhere = Folder::new("elsewhere");
    let recording = elsewhere.path("recording.toml").display().to_string();
    let record = [PROGRAM, "record", "--output", &recording];
    assert_eq!(outside(&record).unwrap(), std::slice::from_ref(&recording));
    assert_eq!(outside(&[PROGRAM, "probe", "--trace"]).unwrap(), [""; 0]);
    for reading in
        [["doctor", "--from", &recording], ["matrix", "--format", "markdown"], ["explain", "cuda", "--format=json"]]
    {
        assert_eq!(made(&[&[PROGRAM], reading.as_slice()].concat()).unwrap(), [""; 0], "{reading:?}");
    }
    let file = elsewhere.path("written");
    let by_shell = made(&["sh", "-c", &format!("echo > '{}'", file.display())]).unwrap();
    assert_eq!(by_shell, [file.display().to_string()], "strace sees what a shell writes");
    let left: Vec<_> = std::fs::read_dir(&folder.0).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, [""; 0], "the throw-away folder is gone");
}
