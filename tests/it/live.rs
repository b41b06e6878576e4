//! This machine, live: it is never 2, and a recording of it is judged as it is.

use crate::tool::{Folder, json, ran, run, system, tool, without_times};

#[test]
fn the_doctor_does_its_work_on_this_machine() {
    let ran = run(&["doctor", "--json"]);
    assert!([0, 1].contains(&ran.code), "exit {} with {}", ran.code, ran.err);
    let diagnosis: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(diagnosis["host"]["environment"].is_string());
    assert_eq!(diagnosis["systems"].as_array().unwrap().len(), 18);
    assert!(system(&diagnosis, "cuda")["detail"].is_string());
}

#[test]
fn a_recording_gives_the_same_diagnosis() {
    let folder = Folder::new("record");
    let recording = folder.path("machine.toml");
    let path = recording.to_str().unwrap();
    let recorded = run(&["record", "--output", path, "--host", "a test machine"]);
    assert_eq!((recorded.code, recorded.out.as_str()), (0, ""), "{}", recorded.err);
    let live = json(&mut tool(&["doctor", "--json"]));
    let replayed = json(&mut tool(&["doctor", "--json", "--from", path]));
    assert_eq!(without_times(replayed.clone()), without_times(live));
    // And so does the diagnosis itself.
    let diagnosis = folder.write("machine.json", &replayed.to_string());
    let again = json(&mut tool(&["doctor", "--json", "--from", diagnosis.to_str().unwrap()]));
    assert_eq!(without_times(again), without_times(replayed));
    // A file that is there is not written over.
    let second = run(&["record", "--output", path]);
    assert_eq!(second.code, 2);
    assert!(second.err.contains("left as it is"), "{}", second.err);
}

#[test]
fn names_of_people_and_machines_do_not_leave() {
    let home = Folder::new("planted-miriam");
    let mut command = tool(&["record"]);
    command.env("HOME", &home.0).env("USER", "zacharias").env("SECRET_TOKEN", "hunter2-planted");
    command.env("USERPROFILE", &home.0).env("USERNAME", "zacharias");
    command.env("VIRTUAL_ENV", home.path("venv")).env("XDG_DATA_HOME", "/home/zacharias/share");
    let ran = ran(command.output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    for planted in ["planted-miriam", "zacharias", "hunter2"] {
        assert!(!ran.out.contains(planted), "{planted} is in the recording:\n{}", ran.out);
    }
    assert!(ran.out.contains("~/venv") || ran.out.contains(r"~\venv"), "the home directory is shortened, not dropped");
}
