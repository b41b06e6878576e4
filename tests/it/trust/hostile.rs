//! Texts that want to be more than text: nothing of them steers a terminal, and Markdown shows them as they are.

use accelprobe::render::{Block, Span, View, is_hidden, printable, spelled_out};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::tool::{Folder, ran, tool};

/// What a driver may call its device.
const NAMES: &[&str] = &[
    "\u{1b}[2J\u{1b}]0;owned\u{7}GPU",
    "\u{1b}]8;;https://evil.example\u{1b}\\GPU\u{1b}]8;;\u{1b}\\",
    "\u{9b}31mGPU\u{9d}0;x\u{9c}",
    "GPU\u{202e}ATR\u{2066}x\u{200b}\u{feff}\u{ad}",
    "GPU\u{2028}next\u{85}next\u{b}\u{c}\r\n\tnext",
    "tags\u{e0041}\u{e007f} \u{7f}\u{8}\u{8}",
    "a | b || c \\| d",
    "`code` ``` ```sh",
    "<script>alert(1)</script> <!-- --> &lt;",
    "[x](javascript:alert(1)) ![y](http://z) [r]: http://z",
    "**bold** __bold__ _a_ ~~gone~~ $x$",
    "# heading ## ",
    "- item\n> quotation\n1. one\n---",
    "@everyone ask @jane",
];

fn case() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        prop::sample::select(NAMES).prop_map(str::to_owned),
        "\\PC{0,8}",
        "[ -~]{0,12}",
        prop::collection::vec(any::<char>(), 0..6).prop_map(|characters| characters.into_iter().collect()),
    ];
    prop::collection::vec(pieces, 1..4).prop_map(|pieces| pieces.concat())
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() })
}

/// What a reader of Markdown shows of a line without marks.
fn shown(line: &str) -> String {
    let mut shown = String::new();
    let line = line.replace("<!-- -->", "");
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => shown.extend(characters.next()),
            other => shown.push(other),
        }
    }
    shown.replace("&lt;", "<").replace("&amp;", "&")
}

/// The places at which a line of a table is cut: bars that are not escaped.
fn bars(line: &str) -> usize {
    let mut escaped = false;
    let mut bars = 0;
    for character in line.chars() {
        bars += usize::from(character == '|' && !escaped);
        escaped = character == '\\' && !escaped;
    }
    bars
}

#[test]
fn no_view_holds_more_than_text() {
    let check = |(one, other): (String, String)| {
        let mut view = View::default();
        view.heading(1, &one);
        view.text(2, &other);
        view.blocks.push(Block::Entry(10, Span::plain(&one), vec![Span::plain(&other)]));
        view.blocks
            .push(Block::Table(vec!["a".into(), "b".into()], vec![vec![Span::plain(&one), Span::plain(&other)]]));
        view.command(&one);
        let (terminal, markdown) = (view.terminal(80, false), view.markdown());
        for text in [&terminal, &markdown] {
            prop_assert!(text.chars().all(|c| c == '\n' || !is_hidden(c)), "{text:?}");
        }
        let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with("| ")).collect();
        prop_assert_eq!(rows.len(), 3, "{}", markdown);
        prop_assert!(rows.iter().all(|row| bars(row) == 3), "{}", markdown);
        let expected = format!("| {} | {} |", printable(&one), printable(&other));
        prop_assert_eq!(shown(rows[2]), expected);
        prop_assert!(
            !markdown
                .replace("<!-- -->", "")
                .lines()
                .filter(|line| line.starts_with("| "))
                .any(|row| row.contains('<'))
        );
        Ok(())
    };
    runner().run(&(case(), case()), check).unwrap();
}

#[test]
fn json_spells_out_what_is_hidden_and_says_the_same() {
    let check = |text: String| {
        let json = spelled_out(serde_json::to_string_pretty(&[&text]).unwrap());
        prop_assert!(json.chars().all(|c| c == '\n' || !is_hidden(c)), "{json:?}");
        prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [text]);
        Ok(())
    };
    runner().run(&case(), check).unwrap();
}

#[test]
fn no_command_prints_what_a_machine_is_called() {
    let folder = Folder::new("names-of-others");
    for (number, name) in NAMES.iter().enumerate() {
        let quoted = serde_json::to_string(name).unwrap();
        let recording = format!(
            "format = 1\nhost = {quoted}\nmade = \"by hand\"\nsystem = \"linux x86_64\"\ncomplete = true\n[read]\n\
             \"/proc/sys/kernel/osrelease\" = \"6.1.0\"\n\"/etc/os-release\" = {}\n[library]\n\"libvulkan.so.1\" = {}\n",
            serde_json::to_string(&format!("PRETTY_NAME=\"{name}\"")).unwrap(),
            serde_json::to_string(&format!("/{name}/libvulkan.so.1")).unwrap(),
        );
        let machine = folder.write(&format!("{number}.toml"), &recording);
        let described =
            format!("environment = \"linux\"\nos = {quoted}\n[[gpu]]\nname = {quoted}\n[packages]\ntorch = {quoted}\n");
        let described = folder.write(&format!("described-{number}.toml"), &described);
        for input in [&machine, &described] {
            for format in ["terminal", "markdown", "json"] {
                for command in ["doctor", "probe"] {
                    let ended =
                        ran(tool(&[command, "--format", format, "--trace", "--from"]).arg(input).output().unwrap());
                    let text = ended.out + &ended.err;
                    let steers = text.chars().find(|c| *c != '\n' && is_hidden(*c));
                    assert_eq!(steers, None, "{command} --format {format}: {text:?}");
                }
            }
        }
    }
}

#[test]
fn no_command_to_paste_holds_what_a_shell_would_run() {
    let folder = Folder::new("packages-of-others");
    folder.write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.2\n");
    folder.write("venv/bin/python3", "");
    let versions =
        ["$(hostile)", "`hostile`", ";hostile", "|hostile", " && hostile", "'hostile", "\"hostile", ">hostile"];
    for hostile in versions {
        let site = "venv/lib/python3.11/site-packages";
        _ = std::fs::remove_dir_all(folder.path(site));
        for name in [
            "torch",
            "torchvision",
            "tensorflow",
            "jax",
            "jaxlib",
            "onnxruntime",
            "onnxruntime_gpu",
            "nvidia_cudnn_cu12",
        ] {
            let text =
                format!("Name: {name}\nVersion: 1.2{hostile}\nRequires-Dist: nvidia-cublas-cu12==12.1{hostile}\n");
            folder.write(&format!("{site}/{name}-1.2{hostile}.dist-info/METADATA"), &text);
        }
        for set in ["gpu=NVIDIA GeForce RTX 5090", "gpu=NVIDIA GeForce GTX 1080", "gpu=AMD Radeon RX 7900 XTX"] {
            let mut doctor =
                tool(&["doctor", "--json", "--only", "pytorch", "--set", set, "--set", "nvidia-driver=535.1"]);
            doctor.args(["--want", "torch", "--want", "onnxruntime-gpu"]).env("VIRTUAL_ENV", folder.path("venv"));
            let diagnosis = crate::tool::json(&mut doctor);
            let mut commands = Vec::new();
            collect(&diagnosis, &mut commands);
            assert!(!commands.is_empty());
            let unsafe_ones: Vec<&String> = commands.iter().filter(|command| command.contains("hostile")).collect();
            assert!(unsafe_ones.iter().all(|command| is_quoted(command)), "{unsafe_ones:#?}");
        }
    }
}

/// Whether a shell sees the word within single quotes, where nothing means anything.
fn is_quoted(command: &str) -> bool {
    let before = command.split("hostile").next().unwrap_or_default();
    before.matches('\'').count() % 2 == 1
}

/// The commands of a diagnosis, at whatever depth.
fn collect(value: &serde_json::Value, commands: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, commands)),
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field.as_array()) {
                    ("commands", Some(lines)) => {
                        commands.extend(lines.iter().filter_map(|line| line.as_str().map(str::to_owned)));
                    }
                    _ => collect(field, commands),
                }
            }
        }
        _ => {}
    }
}
