//! What the tests share: the program, and what it printed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_accelprobe");

/// What a run ended with.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A command that runs the program with these arguments.
pub fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program.
pub fn run(arguments: &[&str]) -> Ran {
    ran(output(&mut tool(arguments)))
}

/// What a command ends with. Wine fails now and then to start one of thousands of processes, and starts it the next time.
pub fn output(command: &mut Command) -> Output {
    const INTERNAL_ERROR: i32 = 1359;
    let mut tries = 0..3;
    loop {
        match command.output() {
            Err(error) if error.raw_os_error() == Some(INTERNAL_ERROR) && tries.next().is_some() => {}
            ended => return ended.unwrap(),
        }
    }
}

/// What a command printed.
pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program's JSON.
pub fn json(command: &mut Command) -> Value {
    let ran = ran(output(command));
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.out, ran.err))
}

/// The entry of a diagnosis about a system.
pub fn system<'a>(diagnosis: &'a Value, id: &str) -> &'a Value {
    let systems = diagnosis["systems"].as_array().unwrap();
    systems.iter().find(|system| system["id"] == id).unwrap_or_else(|| panic!("no system {id}"))
}

/// The finding codes of a diagnosis at or above "warning", sorted.
pub fn codes(diagnosis: &Value) -> Vec<String> {
    let findings = diagnosis["findings"].as_array().unwrap().iter();
    let mut codes: Vec<String> = findings
        .filter(|finding| finding["severity"] != "info")
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    codes.dedup();
    codes
}

/// A diagnosis without what differs from run to run.
pub fn without_times(mut diagnosis: Value) -> Value {
    for system in diagnosis["systems"].as_array_mut().unwrap() {
        system["duration_ms"] = Value::Null;
    }
    for probe in diagnosis["report"]["probes"].as_array_mut().unwrap() {
        probe["duration_ms"] = Value::Null;
    }
    diagnosis
}

/// The top of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Says what this machine lacks for a test, past the capture of the test runner. Where the machine is meant to have it,
/// as in CI, its lack fails the test.
#[cfg(all(feature = "native", any(windows, target_os = "linux")))]
pub fn lacks(what: &str) {
    use std::io::Write;
    assert!(std::env::var("ACCELPROBE_REAL_DRIVERS").as_deref() != Ok("required"), "required on this machine: {what}");
    _ = writeln!(std::io::stderr(), "SKIPPED for lack of {what}");
}

/// A new folder for one test, removed when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
