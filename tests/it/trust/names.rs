//! Names of people and machines, numbers of devices and secrets do not leave, in whatever format.

use std::process::Command;

use accelprobe_probes::host::redact::Redactor;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::tool::{Folder, Ran, ran, tool};
use crate::worlds::world::{Entry, World};
use crate::worlds::{WSL2, direct3d, nvidia, wsl2};

/// Who uses the planted machine, what it is called, and what nobody else may know.
const PLANTED: &[&str] = &[
    "miriamtest",
    "otherjane",
    "otherjohn",
    "plantedhost77",
    "8f6b6f9e-1111-2222-3333-444455556666",
    "b3dd4d4a3cf21ad7",
    "hunter2",
    "divorce",
    "kernelbuilder",
];

/// A machine with planted names wherever a file, a folder, a variable, a tool or a package can hold one.
fn machine() -> Option<World> {
    let mut world = wsl2("planted-names", WSL2)?;
    direct3d(&world);
    nvidia(&world);
    for (name, value) in [
        ("USER", "miriamtest"),
        ("LOGNAME", "miriamtest"),
        ("VIRTUAL_ENV", "/data/miriamtest/env-of-miriamtest"),
        ("SECRET_TOKEN", "hunter2-token"),
        ("HF_TOKEN", "hunter2-token"),
        ("PIP_INDEX_URL", "https://miriamtest:hunter2@plantedhost77/simple"),
        ("LD_LIBRARY_PATH", "/home/otherjane/lib:/data/miriamtest/lib"),
        ("XDG_DATA_DIRS", "/home/otherjohn/share:/usr/share"),
    ] {
        world.set(name, value);
    }
    world.file("/etc/passwd", "miriamtest:x:0:0:Miriam Test:/srv/people/miriamtest:/bin/sh\n");
    world.file(
        "/etc/os-release",
        "PRETTY_NAME=\"Linux of miriamtest on plantedhost77, https://miriamtest:hunter2@mirror.org/ \
         GPU-8f6b6f9e-1111-2222-3333-444455556666 and GPU-b3dd4d4a3cf21ad7 in /home/otherjane/x\"\n",
    );
    world.file("/srv/people/miriamtest/divorce-plans.pdf", "");
    world.file("/srv/people/miriamtest/.conda/environments.txt", "/home/otherjane/conda\n/home/otherjohn/conda\n");
    for environment in ["/data/miriamtest/env-of-miriamtest", "/home/otherjane/conda", "/home/otherjohn/conda"] {
        world.file(&format!("{environment}/pyvenv.cfg"), "home = /home/otherjane/bin\nversion = 3.11.2\n");
        world.file(&format!("{environment}/bin/python3"), "");
        world.file(&format!("{environment}/conda-meta/python-3.11.2-0.json"), "{}");
        let package = format!("{environment}/lib/python3.11/site-packages/torch-2.6.0+cu126.dist-info");
        world.file(&format!("{package}/METADATA"), "Name: torch\nVersion: 2.6.0+cu126\nAuthor: miriamtest\n");
        world.file(
            &format!("{package}/direct_url.json"),
            r#"{"url": "https://miriamtest:hunter2@plantedhost77/torch.whl", "dir_info": {}}"#,
        );
    }
    world.file(
        "/usr/share/vulkan/icd.d/of-miriamtest.json",
        r#"{"ICD": {"library_path": "/home/otherjane/lib/libvulkan_miriamtest.so", "api_version": "1.1.0"}}"#,
    );
    world.program("2.6.1.0 of miriamtest on plantedhost77", "/usr/bin/wslinfo");
    Some(world)
}

fn planted_in(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    PLANTED.iter().copied().filter(|planted| text.contains(planted)).collect()
}

#[test]
fn no_format_tells_a_name_of_the_machine() {
    let Some(world) = machine() else { return };
    let entry = |steps: &str| Entry {
        steps: format!("hostname plantedhost77\n{steps}"),
        variables: Some(vec!["HOME=/srv/people/miriamtest".into(), "PATH=/home/otherjane/bin:/usr/bin:/bin".into()]),
        ..Entry::default()
    };
    let run = |entry: &Entry, arguments: &[&str]| ran(world.entered(entry, arguments).output().unwrap());
    let here = entry("");
    let all: &[&[&str]] = &[
        &["doctor"],
        &["doctor", "--json"],
        &["doctor", "--format", "markdown"],
        &["doctor", "--trace", "--edition", "current", "--want", "torch", "--want", "tensorflow", "--deep"],
        &["probe"],
        &["probe", "--json"],
        &["record"],
        &["doctor", "--python", "/data/miriamtest/env-of-miriamtest", "--json"],
    ];
    for arguments in all {
        let Ran { code, out, err } = run(&here, arguments);
        assert!(code < 2, "{arguments:?}: {err}");
        assert_eq!((planted_in(&out), planted_in(&err)), (vec![], vec![]), "{arguments:?}: {out}{err}");
    }
    // What is hidden is still found: the environment by its variable, and those of two other people.
    let told = run(&here, &["doctor", "--json"]).out;
    for found in ["/data/user/env-of-user", "/home/user/conda", "/home/user2/conda", "~/.conda/environments.txt"] {
        assert!(told.contains(found), "{found} is not in {told}");
    }
    // The variables may be gone, as under cron; then the list of users tells the name.
    let bare = Entry { variables: Some(vec!["VIRTUAL_ENV=/data/miriamtest/env-of-miriamtest".into()]), ..entry("") };
    let Ran { out, err, .. } = run(&bare, &["record"]);
    let own = |text: &str| planted_in(text).contains(&"miriamtest");
    // `env` of the world sets USER; without it only the list is left.
    assert!(!own(&out) && !own(&err), "{out}{err}");
}

#[test]
fn a_project_is_named_by_its_file() {
    let folder = Folder::new("otherjane-project");
    let file = folder.write("requirements.txt", "torch\n--index-url https://otherjane:hunter2@host.org/simple\n");
    for format in ["terminal", "markdown", "json"] {
        let mut doctor = tool(&["doctor", "--set", "environment=linux", "--format", format, "--from"]);
        doctor.arg(crate::tool::root().join("fixtures/linux-no-gpu-healthy.toml")).arg("-r").arg(&file);
        let ended = ran(doctor.env("HOME", &folder.0).output().unwrap());
        assert!(ended.code < 2, "{}", ended.err);
        assert!(!ended.out.contains("otherjane") && !ended.out.contains("hunter2"), "{format}: {}", ended.out);
    }
}

/// Texts around a name, a host, a token and a UUID, as drivers, tools, files and folders hold them.
const AROUND: &[&str] = &[
    "NAME",
    "/data/NAME/x",
    "/data/x-NAME",
    "/home/NAME",
    "/home/NAME/x y/z",
    "/mnt/c/Users/NAME/AppData",
    r"C:\Users\NAME\x",
    r#"{"path":"C:\\Users\\NAME\\x"}"#,
    "a:/home/NAME/b:/usr/bin",
    "NAME@HOST: failed",
    "cannot open '/srv/NAME/.cache/x'",
    "\"NAME\"",
    "(NAME)\n[HOST]",
    "node HOST.example.org",
    "https://NAME:TOKEN@HOST/x y",
    "git+https://TOKEN@example.org/x.git",
    "GPU-UUID",
    "MIG-UUID/1/2",
    "uuid=UUID,",
    "Linux version 6.1 (NAME@HOST) (gcc) #1",
];

#[test]
fn no_text_keeps_a_name() {
    let names = "[a-z]{2}x[a-z0-9]{1,8}q";
    let texts = prop::collection::vec((prop::sample::select(AROUND), "[ -~\n]{0,12}"), 1..8);
    let uuid = "[a-f1-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}";
    let mut runner = TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() });
    let case = (names, names, "[A-Za-z0-9]{20}q", uuid, texts);
    let done = runner.run(&case, |(name, host, token, uuid, texts)| {
        let redactor = Redactor::new(Some(format!("/home/{name}")), vec![name.clone()], Some(host.clone()));
        let mut text = String::new();
        for (around, between) in texts {
            let filled = around.replace("NAME", &name).replace("HOST", &host);
            text.push_str(&filled.replace("TOKEN", &token).replace("UUID", &uuid));
            // What continues a word makes another word of it.
            text.push_str(&format!("\n{between}\n"));
        }
        let hidden = redactor.hide(&text);
        for planted in [&name, &host, &token, &uuid] {
            prop_assert!(!hidden.contains(planted.as_str()), "{planted} is in {hidden}");
        }
        prop_assert_eq!(redactor.hide(&hidden), hidden);
        Ok(())
    });
    done.unwrap();
}

#[test]
fn paths_are_found_behind_what_stands_for_names() {
    let folder = Folder::new("stand-ins");
    for place in ["miriamq/x", "user/y", "of-miriamq/user/z"] {
        folder.write(&format!("{place}/pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.2\n");
        let mut probe = Command::new(crate::tool::PROGRAM);
        probe.args(["probe", "python", "--json"]).env("USER", "miriamq").env("VIRTUAL_ENV", folder.path(place));
        let out = ran(probe.output().unwrap()).out;
        assert!(out.contains("3.11.2") && !out.contains("miriamq"), "{place}: {out}");
    }
}
