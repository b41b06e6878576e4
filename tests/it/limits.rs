//! What is too large, too deep or too many is refused in words, at once.

use std::fmt::Write;

use crate::tool::{Folder, codes, json, root, run, tool};

/// Words for `head`, then one line for each number.
fn lines(head: &str, count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(head.to_owned(), |mut text, number| {
        _ = writeln!(text, "{}", line(number));
        text
    })
}

#[test]
fn files_say_what_is_too_much_of_them() {
    let folder = Folder::new("limits");
    let linux = "environment = \"linux\"\n";
    for (name, text, expected) in [
        ("deep.json", "{\"a\":".repeat(200_000), "line 1 column"),
        ("deep-list.json", format!("{{\"report\": {}", "[".repeat(200_000)), "line 1 column"),
        ("deep.toml", format!("{linux}x = {}", "[".repeat(200_000)), "deep.toml:2:"),
        ("dotted.toml", format!("{linux}{}a = 1", "a.".repeat(100_000)), "recursion limit"),
        (
            "gpus.toml",
            lines(linux, 257, |_| "[[gpu]]\nname = \"NVIDIA H100\"".to_owned()),
            "gpus.toml:2:1: expected no more than 256 GPUs, found 257",
        ),
        (
            "packages.toml",
            lines(&format!("{linux}[packages]\n"), 4_001, |number| format!("p{number} = \"1\"")),
            "packages.toml:3:1: expected no more than 4000 words in `[packages]`, found 4001",
        ),
        ("words.toml", lines(linux, 4_001, |number| format!("w{number} = 1")), "expected no more than 4000 words"),
        ("zeros.toml", "\0".repeat(1_000), "expected a recording"),
    ] {
        let path = folder.write(name, &text).display().to_string();
        let ran = run(&["doctor", "--from", &path]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}");
        assert!(ran.err.contains(name) && ran.err.contains(expected) && ran.err.len() < 1_000, "{name}: {}", ran.err);
    }
    let large = folder.path("large.toml");
    std::fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    let ran = run(&["doctor", "--from", &large.display().to_string()]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("large.toml: larger than 67108864 bytes"), "{}", ran.err);
}

#[test]
fn words_of_a_project_and_of_the_command_line_have_a_length() {
    let healthy = root().join("fixtures/linux-no-gpu-healthy.toml").display().to_string();
    let long = format!("torch>=1{}", ",!=1.1".repeat(20_000));
    let ran = run(&["doctor", "--from", &healthy, "--want", &long]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--want: longer than 1000 characters") && ran.err.len() < 200, "{}", ran.err);
    let folder = Folder::new("long-requirement");
    let file = folder.write("requirements.txt", &format!("numpy\n{long}\n")).display().to_string();
    let ran = run(&["doctor", "--from", &healthy, "-r", &file]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("requirements.txt:2: `torch>=1") && ran.err.contains("longer than 10000"), "{}", ran.err);
}

#[test]
fn a_bus_without_end_is_not_known_and_not_empty() {
    let folder = Folder::new("endless-bus");
    let head = "format = 1\nhost = \"x\"\nmade = \"live\"\nsystem = \"linux x86_64\"\ncomplete = true\n[list]\n";
    let devices = lines("\"/sys/bus/pci/devices\" = \"\"\"\n", 5_000, |number| format!("{number:04x}:00:00.0"));
    let file = folder.write("bus.toml", &format!("{head}{devices}\"\"\"\n"));
    let diagnosis = json(&mut tool(&["doctor", "--json", "--from", &file.display().to_string()]));
    assert_eq!(codes(&diagnosis), [""; 0]);
    let facts = diagnosis["report"]["facts"].as_array().unwrap();
    let vendors = facts.iter().find(|fact| fact["key"] == "gpu-vendors").unwrap();
    assert_eq!(vendors["missing"]["garbled"], "more than 4096 devices");
}
