//! Native Windows beside WSL2: one side supposed, or both looked at; the transcripts of docs/SIDES.md.

use serde_json::Value;

use crate::tool::{Folder, Ran, root, run};
use crate::transcripts;

const WINDOWS: &str = "fixtures/windows-rtx3060-healthy.toml";
const WSL2: &str = "fixtures/wsl2-rtx3060-healthy.toml";

fn path(fixture: &str) -> String {
    root().join(fixture).display().to_string()
}

fn doctor(arguments: &[&str]) -> Ran {
    run(&[&["doctor"], arguments].concat())
}

fn sides(arguments: &[&str]) -> Value {
    let told = doctor(&[&["--json"], arguments].concat());
    serde_json::from_str::<Value>(&told.out).unwrap_or_else(|error| panic!("{error}: {}{}", told.out, told.err))["sides"].clone()
}

fn cell<'a>(sides: &'a Value, system: &str, side: &str) -> &'a Value {
    let row = sides["rows"].as_array().unwrap().iter().find(|row| row["system"] == system).unwrap();
    &row[side]
}

#[test]
fn the_transcripts_of_both_sides_are_what_the_program_prints() {
    let asked = transcripts::check(&root().join("docs/SIDES.md"), &root().join("fixtures"));
    assert!(asked >= 4, "{asked}");
}

#[test]
fn two_recordings_are_the_two_sides_in_either_order() {
    let (windows, wsl2) = (path(WINDOWS), path(WSL2));
    let one = sides(&["--from", &windows, "--from", &wsl2]);
    let other = sides(&["--from", &wsl2, "--from", &windows]);
    assert_eq!(one["rows"], other["rows"]);
    assert_eq!((&one["windows_seen"], &one["wsl2_seen"]), (&true.into(), &true.into()));
    assert_eq!(one["way"], Value::Null);
    assert_eq!(one["other"]["host"]["environment"], "wsl2");
    assert_eq!(other["other"]["host"]["environment"], "windows");
    for side in ["windows", "wsl2"] {
        assert_eq!(cell(&one, "cuda", side)["standing"], "works", "{side}");
    }
    assert_eq!(cell(&one, "tensorflow", "windows")["standing"], "no");
    assert_eq!(cell(&one, "tensorflow", "wsl2")["standing"], "possible");
    assert_eq!(cell(&one, "directml", "windows")["standing"], "works");
    assert_eq!(cell(&one, "directml", "wsl2")["standing"], "no");
}

#[test]
fn the_side_that_was_not_looked_at_is_supposed_from_what_both_share() {
    let sides = sides(&["--from", &path(WINDOWS)]);
    assert_eq!((&sides["windows_seen"], &sides["wsl2_seen"]), (&true.into(), &false.into()));
    // The card and the driver of Windows decide which build runs in WSL2.
    let torch = cell(&sides, "pytorch", "wsl2");
    assert_eq!(torch["standing"], "possible");
    assert!(torch["text"].as_str().unwrap().contains("with CUDA 13"), "{torch}");
    let way = sides["way"]["text"].as_str().unwrap();
    assert!(way.contains("Ubuntu-24.04"), "{way}");
    assert_eq!(sides["way"]["commands"], serde_json::json!(["wsl -d Ubuntu-24.04"]));
}

#[test]
fn what_keeps_the_gpu_from_wsl2_is_told_before_the_way_there() {
    let folder = Folder::new("sides");
    let sides_with = |driver: &str, lines: &str| {
        let gpu = format!("[[gpu]]\nname = \"NVIDIA GeForce RTX 3060\"\ndriver = \"{driver}\"\n");
        folder.write("machine.toml", &format!("environment = \"windows\"\narch = \"x86_64\"\n{lines}{gpu}"));
        sides(&["--from", &folder.path("machine.toml").display().to_string()])
    };
    let sides_of = |lines: &str| sides_with("580.88", lines);
    let old = sides_of("windows-build = \"19042.1110\"\nwsl-installed = false\n");
    assert_eq!(cell(&old, "cuda", "wsl2")["standing"], "no", "{old}");
    let way = old["way"]["text"].as_str().unwrap();
    assert!(way.starts_with("Windows build 19042.1110 gives WSL2 no GPU"), "{way}");
    // What has to be done first is for the side on which it helps.
    let driver = sides_with("456.71", "");
    assert_eq!(cell(&driver, "jax", "windows")["standing"], "no", "{driver}");
    // The same with a Windows that is new enough, and nothing is in the way.
    let new = sides_of("windows-build = \"22631.3880\"\nwsl-installed = false\n");
    assert_eq!(cell(&new, "cuda", "wsl2")["standing"], "possible");
    assert_eq!(new["way"]["commands"], serde_json::json!(["wsl --install -d Ubuntu-24.04"]));
    let first = sides_of(
        "windows-build = \"22631.3880\"\nwsl-installed = true\nwsl-default = \"Debian\"\nwsl-default-generation = \"1\"\n",
    );
    assert_eq!(first["way"]["commands"], serde_json::json!(["wsl --set-version Debian 2", "wsl -d Debian"]));
}

#[test]
fn what_is_set_up_in_wsl2_names_the_distribution_that_is_there() {
    let commands = |generation: &str| {
        let set = format!("wsl-default-generation={generation}");
        let windows = path(WINDOWS);
        let told =
            doctor(&["--json", "--from", &windows, "--set", "wsl-default=Debian", "--set", &set, "--want", "jax"]);
        let told: Value = serde_json::from_str(&told.out).unwrap();
        told["recommendations"][0]["commands"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(commands("2"), "wsl -d Debian");
    assert_eq!(commands("1"), "wsl --install -d Ubuntu-24.04");
}

#[test]
fn no_way_to_wsl2_installs_a_driver_in_it() {
    for fixture in std::fs::read_dir(root().join("fixtures")).unwrap() {
        let path = fixture.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("windows") || name.starts_with("wsl2")) || !name.ends_with(".toml") {
            continue;
        }
        let sides = sides(&["--from", &path.display().to_string()]);
        let way = sides["way"].to_string();
        for forbidden in ["apt install nvidia", "ubuntu-drivers", "cuda-drivers", ".run", "dkms"] {
            assert!(!way.contains(forbidden), "{name}: {way}");
        }
    }
}

#[test]
fn what_has_no_two_sides_is_refused_or_left_alone() {
    let linux = path("fixtures/linux-rtx4090-healthy.toml");
    assert_eq!(sides(&["--from", &linux]), Value::Null);
    assert_eq!(sides(&["--from", &path("fixtures/wsl2-container-rtx3060-healthy.toml")]), Value::Null);
    let windows = path(WINDOWS);
    for (arguments, told) in [
        (vec!["--from", &windows, "--from", &linux], "these are of windows and of linux"),
        (vec!["--from", &windows, "--from", &windows], "these are of windows and of windows"),
        (vec!["--from", &windows, "--from", &windows, "--from", &linux], "given more than twice"),
        (vec!["--from", &windows, "--wsl"], "cannot be used with"),
    ] {
        let ran = doctor(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.err.contains(told), "{arguments:?}: {}", ran.err);
    }
    let probe = run(&["probe", "--from", &windows, "--from", &linux]);
    assert!(probe.code == 2 && probe.err.contains("only `doctor`"), "{}", probe.err);
}

#[cfg(not(windows))]
#[test]
fn wsl_is_looked_into_from_windows_alone() {
    let ran = doctor(&["--wsl", "Ubuntu"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (2, "error: --wsl: WSL is a part of Windows, and this is another system\n")
    );
}
