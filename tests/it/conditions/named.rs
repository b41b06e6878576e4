//! What the user names, and where the result goes: files, folders, arguments and streams of every odd kind.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::tool::{Folder, PROGRAM, Ran, json, ran, root, tool, without_times};

const NOT_UTF_8: &[u8] = b"\xff\xfe";

fn fifo(folder: &Folder, name: &str) -> std::path::PathBuf {
    let path = folder.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// What the program ends with when the shell starts it with these redirections.
fn shell(line: &str) -> Ran {
    let line = line.replace("accelprobe", PROGRAM);
    ran(Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap())
}

fn ends_with_2(command: &mut Command, says: &str) {
    let ran = ran(command.output().unwrap());
    assert!(
        ran.code == 2 && ran.out.is_empty() && ran.err.contains(says),
        "{says}: {} {}{}",
        ran.code,
        ran.out,
        ran.err
    );
}

#[test]
fn what_cannot_be_a_machine_is_refused_with_the_reason() {
    let folder = Folder::new("odd-inputs");
    let sparse = folder.write("sparse", "");
    std::fs::OpenOptions::new().write(true).open(&sparse).unwrap().set_len(10 << 30).unwrap();
    let odd = folder.0.join(OsStr::from_bytes(NOT_UTF_8));
    std::fs::write(&odd, b"x\xff").unwrap();
    for option in ["--from", "-r"] {
        for (path, says) in [
            (Path::new("/dev/zero"), "/dev/zero: larger than 67108864 bytes"),
            (&sparse, "larger than 67108864 bytes"),
            (&folder.0, "Is a directory"),
            (Path::new("/no/such"), "No such file"),
            (Path::new("/proc/self/mem"), "/proc/self/mem"),
            (&odd, "not UTF-8 text"),
        ] {
            ends_with_2(tool(&["doctor", option]).arg(path), says);
        }
    }
    let deep = folder.path(&"x/".repeat(6));
    std::fs::create_dir_all(&deep).unwrap();
    for (path, says) in
        [(&*folder.0, "too deep"), (&*sparse, "Not a directory"), (Path::new("/no/such"), "No such file")]
    {
        ends_with_2(tool(&["doctor", "--matrix"]).arg(path), says);
    }
    // What never ends is no file of a matrix.
    let matrix = Folder::new("matrix-of-fifos");
    fifo(&matrix, "sources.toml");
    ends_with_2(tool(&["matrix", "--matrix"]).arg(&matrix.0), "no matrix is here");
}

#[test]
fn a_fifo_is_waited_for_as_other_programs_do() {
    let folder = Folder::new("input-fifo");
    let path = fifo(&folder, "machine");
    let recording = std::fs::read(root().join("fixtures/linux-no-gpu-healthy.toml")).unwrap();
    let into = path.clone();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        std::fs::OpenOptions::new().write(true).open(into).unwrap().write_all(&recording).unwrap();
    });
    let ended = ran(tool(&["doctor", "--from"]).arg(&path).output().unwrap());
    writer.join().unwrap();
    assert_eq!(ended.code, 0, "{}", ended.err);
}

#[test]
fn arguments_that_are_not_utf_8_are_mistakes_or_paths() {
    let odd = OsStr::from_bytes(NOT_UTF_8);
    ends_with_2(tool(&[]).arg(odd), "unrecognized subcommand");
    ends_with_2(tool(&["doctor", "--want"]).arg(odd), "invalid UTF-8");
    ends_with_2(tool(&["doctor", "--python"]).arg(odd), "No such file");
    ends_with_2(tool(&["doctor", "--only"]).arg(odd), "invalid UTF-8");
    ends_with_2(tool(&["doctor", "--matrix"]).arg(odd), "No such file");
}

#[test]
fn the_working_directory_does_not_matter() {
    let folder = Folder::new("odd-directories");
    let here = without_times(json(&mut tool(&["doctor", "--json"])));
    let odd = folder.0.join(OsStr::from_bytes(NOT_UTF_8));
    std::fs::create_dir(&odd).unwrap();
    let gone = folder.path("gone");
    std::fs::create_dir(&gone).unwrap();
    let gone = format!("cd '{}' && rmdir '{}' && exec {PROGRAM} doctor --json", gone.display(), gone.display());
    for command in [tool(&["doctor", "--json"]).current_dir(&odd), Command::new("sh").args(["-c", &gone])] {
        assert_eq!(without_times(json(command)), here);
    }
}

#[test]
fn where_the_result_cannot_go_is_said_and_costs_nothing_else() {
    let healthy = root().join("fixtures/linux-no-gpu-healthy.toml");
    let doctor = format!("accelprobe doctor --from '{}'", healthy.display());
    for (line, code, says) in [
        ("> /dev/full", 2, "No space left on device"),
        ("--json > /dev/full", 2, "No space left on device"),
        (">&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("2>&-", 0, ""),
        ("| head -c 0", 0, ""),
        ("> /dev/full 2> /dev/full", 2, ""),
    ] {
        let ended = shell(&format!("{doctor} {line}"));
        assert!(ended.code == code && ended.err.contains(says), "{line}: {} {}", ended.code, ended.err);
        assert!(!ended.err.contains("panicked"), "{line}: {}", ended.err);
    }
    let limited = shell(&format!("prlimit --fsize=0 {doctor} > '{}'", Folder::new("no-room").path("out").display()));
    assert_eq!(limited.code, 2, "the folder is gone: {}", limited.err);
    let folder = Folder::new("limited");
    let limited = shell(&format!("exec > '{}'; exec prlimit --fsize=100 {doctor}", folder.path("out").display()));
    assert!(limited.code == 2 && limited.err.contains("File too large"), "{} {}", limited.code, limited.err);
    for command in ["matrix", "explain cuda", "schema", "man", "completions bash", "--help", "probe environment"] {
        let ended = shell(&format!("accelprobe {command} > /dev/full"));
        assert!(
            [0, 2].contains(&ended.code) && !ended.err.contains("panicked"),
            "{command}: {} {}",
            ended.code,
            ended.err
        );
    }
}

#[test]
fn a_recording_is_written_whole_and_over_nothing() {
    let folder = Folder::new("recordings");
    let record = |name: &str, under: &[&str]| {
        let words: Vec<OsString> = under.iter().map(OsString::from).chain([PROGRAM.into(), "record".into()]).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("--output").arg(folder.path(name));
        ran(command.output().unwrap())
    };
    // Nor through a link, be there something at its end or not.
    let file = folder.write("there", "mine");
    std::os::unix::fs::symlink(&file, folder.path("link")).unwrap();
    std::os::unix::fs::symlink(folder.path("nothing"), folder.path("dangling")).unwrap();
    for name in ["there", "link", "dangling"] {
        let ended = record(name, &[]);
        assert!(ended.code == 2 && ended.err.contains("left as it is"), "{name}: {}", ended.err);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert!(!folder.path("nothing").exists());
    // Half a recording is none.
    let ended = record("half", &["prlimit", "--fsize=1000"]);
    assert!(ended.code == 2 && ended.err.contains("File too large"), "{}", ended.err);
    assert!(!folder.path("half").exists());
    assert_eq!(record("whole", &[]).code, 0);
    let mut names: Vec<_> = std::fs::read_dir(&folder.0).unwrap().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["dangling", "link", "there", "whole"]);
}
