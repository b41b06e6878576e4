//! `-r`: what a project asks for becomes wants, with the lines where they stand.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use accelprobe::project;
use proptest::prelude::*;
use serde_json::Value;

use crate::tool::{Folder, codes, json, root, run, tool};

/// A diagnosis of a recorded machine and a project, in which the first file is the one that `-r` names.
fn diagnosed(machine: &str, files: &[(&str, &str)], more: &[&str]) -> Value {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = Folder::new(&format!("project-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    files.iter().for_each(|(name, text)| _ = folder.write(name, text));
    let machine = root().join("fixtures").join(machine);
    let project = folder.path(files[0].0);
    let arguments = ["doctor", "--json", "--from", machine.to_str().unwrap(), "-r", project.to_str().unwrap()];
    json(&mut tool(&[&arguments, more].concat()))
}

/// What is told of each want: its words, its verdict and where it stands.
fn wants(diagnosis: &Value) -> Vec<String> {
    let told = |want: &Value| {
        let text = |key: &str| want[key].as_str().unwrap().to_owned();
        format!("{} {}: {}", text("spec"), text("verdict"), text("origin"))
    };
    diagnosis["wants"].as_array().unwrap().iter().map(told).collect()
}

const LINUX: &str = "linux-rtx4090-healthy.toml";
const WINDOWS: &str = "windows-rtx3060-healthy.toml";

#[test]
fn requirements_become_wants_of_this_machine() {
    let files = [
        (
            "requirements.txt",
            "-r more/base.txt\n--extra-index-url https://download.pytorch.org/whl/cu126\ntorch~=2.6\n\
             jax; sys_platform == 'win32'\ntensorflow; platform_release > '5'\nnumpy<2\n-c limits.txt\n",
        ),
        ("more/base.txt", "torch!=2.7.*\ntransformers\n-r ../requirements-extra.txt\n"),
        ("requirements-extra.txt", "onnxruntime\n"),
        ("limits.txt", "torch<2.13\nopenvino<2025\n"),
    ];
    let linux = diagnosed(LINUX, &files, &[]);
    assert_eq!(
        wants(&linux),
        [
            "torch>=2.6,==2.*,!=2.7.*,<2.13 holds: line 3 of requirements.txt and line 1 of base.txt, build cu126",
            "onnxruntime holds: line 1 of requirements-extra.txt",
            "tensorflow unknown: line 5 of requirements.txt",
        ]
    );
    let project = &linux["projects"][0];
    assert_eq!((&project["kind"], &project["not_judged"]), (&"requirements".into(), &2.into()));
    let remarks = project["remarks"].to_string();
    assert!(remarks.contains("line 4 of requirements.txt: `jax` is not asked for on this machine"), "{remarks}");
    assert!(remarks.contains("packages are also taken from https://download.pytorch.org/whl/cu126"), "{remarks}");
    let windows = diagnosed(WINDOWS, &files, &[]);
    assert_eq!(codes(&windows), ["jax-windows-no-cuda"], "{windows:#}");
}

#[test]
fn the_build_that_an_index_names_is_the_one_that_is_judged() {
    let index = |label: &str| format!("--extra-index-url https://download.pytorch.org/whl/{label}\ntorch>=2.6\n");
    let uv = "[project]\ndependencies = [\"torch\"]\n[tool.uv.sources]\ntorch = [{ index = \"a\", marker = \"sys_platform == 'linux'\" }]\n\
              [[tool.uv.index]]\nname = \"a\"\nurl = \"https://download.pytorch.org/whl/cu130\"\nexplicit = true\n";
    // The driver of that machine is of branch 550, which runs CUDA 12 and not 13.
    for (name, text, codes_told) in [
        ("requirements.txt", index("cu126"), &[][..]),
        ("requirements.txt", index("cu130"), &["driver-too-old"]),
        ("pyproject.toml", uv.to_owned(), &["driver-too-old"]),
        ("requirements.txt", "torch==2.9.0+cu130\n".to_owned(), &["driver-too-old"]),
        ("requirements.txt", index("cpu"), &[]),
        ("environment.yml", "dependencies:\n  - pytorch=2.5\n  - pytorch-cuda=12.1\n".to_owned(), &[]),
    ] {
        let diagnosis = diagnosed(LINUX, &[(name, &text)], &[]);
        assert_eq!(codes(&diagnosis), codes_told, "{text}");
        let advice = diagnosis["recommendations"].to_string();
        assert!(!advice.contains("/whl/cu13"), "{advice}");
    }
    let broken = diagnosed(LINUX, &[("requirements.txt", &index("cu130"))], &[]);
    assert_eq!(wants(&broken), ["torch>=2.6 broken: line 2 of requirements.txt, build cu130"]);
}

#[test]
fn what_comes_along_is_no_want_of_its_own() {
    let frozen = "jax==0.6.0\njaxlib==0.6.0\njax-cuda12-plugin==0.6.0\nnvidia-cudnn-cu12==9.5.1.17\n";
    let jax = diagnosed(LINUX, &[("requirements.txt", frozen)], &[]);
    assert_eq!(wants(&jax), ["jax[cuda12]==0.6.0 holds: line 1 of requirements.txt"]);
    let alone = diagnosed("linux-no-gpu-healthy.toml", &[("requirements.txt", "nvidia-cudnn-cu12\n")], &[]);
    assert_eq!(codes(&alone), ["no-nvidia-gpu"]);
}

#[test]
fn a_pyproject_asks_for_a_python_too() {
    let text = "[project]\nrequires-python = \">=3.13\"\ndependencies = [\"torch>=2.6\"]\n\
                [project.optional-dependencies]\njax = [\"jax[cuda12]\"]\n";
    let diagnosis = diagnosed(LINUX, &[("pyproject.toml", text)], &[]);
    assert_eq!(
        wants(&diagnosis),
        ["torch>=2.6 holds: line 3 of pyproject.toml", "python>=3.13 broken: line 2 of pyproject.toml"]
    );
    assert_eq!(codes(&diagnosis), ["python-version-unsupported"]);
    let finding = &diagnosis["findings"][0];
    assert_eq!(finding["remedy"]["commands"][0], "uv venv --python '>=3.13'");
    assert!(finding["evidence"].to_string().contains("line 2 of pyproject.toml"), "{finding:#}");
    let remarks = diagnosis["projects"][0]["remarks"].to_string();
    assert!(remarks.contains("the extra `jax` asks for `jax[cuda12]`, which `--want` judges"), "{remarks}");
    let newer = diagnosed(LINUX, &[("pyproject.toml", text)], &["--set", "python=3.13.1"]);
    assert_eq!(codes(&newer), [""; 0]);
}

#[test]
fn conda_brings_its_own_python_and_its_own_names() {
    let text = "dependencies:\n  - python=3.10\n  - pytorch::pytorch=2.5.1\n  - pytorch-cuda=12.1\n  - pip:\n    - tensorflow; python_version < '3.11'\n";
    let diagnosis = diagnosed(LINUX, &[("environment.yml", text)], &[]);
    assert_eq!(
        wants(&diagnosis),
        ["torch==2.5.1.* holds: line 3 of environment.yml, build cu121", "tensorflow holds: line 6 of environment.yml"]
    );
    assert_eq!(diagnosis["host"]["python"], "3.12", "the machine's own is told as it is");
}

#[test]
fn a_terminal_shows_lines_and_what_was_left_out() {
    let folder = Folder::new("project-shown");
    let file = folder.write("requirements.txt", "torch\nnumpy\nscipy\n");
    let machine = root().join("fixtures").join(LINUX);
    let ran = run(&["doctor", "--from", machine.to_str().unwrap(), "-r", file.to_str().unwrap()]);
    assert!(
        ran.out.split_whitespace().collect::<Vec<_>>().join(" ").contains("(line 1 of requirements.txt)"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("2 other packages of requirements.txt are not judged"), "{}", ran.out);
    let nothing = folder.write("none.txt", "numpy\n");
    let ran = run(&["doctor", "--from", machine.to_str().unwrap(), "-r", nothing.to_str().unwrap()]);
    assert!(ran.out.contains("1 other package of none.txt is not judged"), "{}", ran.out);
    assert!(!ran.out.contains("SET UP"), "nothing was asked for that could be set up: {}", ran.out);
}

#[test]
fn what_cannot_be_read_is_2_with_file_and_line() {
    let machine = root().join("fixtures").join(LINUX);
    let folder = Folder::new("project-wrong");
    folder.write("loop-b.txt", "-r loop-a.txt\n");
    for (name, text, says) in [
        ("requirements.txt", "numpy\ntorch >> 2\n", "requirements.txt:2: `torch`: expected a version"),
        ("ranges.txt", "torch==2.6.0,>=x\n", "ranges.txt:1: `torch`:"),
        ("prose.txt", "CUDA does not work, please help\n", "prose.txt:1: expected versions"),
        ("lost.txt", "\n-r nowhere.txt\n", "lost.txt:2: "),
        ("loop-a.txt", "-r loop-b.txt\n", "`loop-a.txt` leads back to itself"),
        ("setup.py", "import x\n", "expected a requirements.txt, a pyproject.toml or an environment.yml"),
        ("compose.yml", "services:\n", "no line begins with `dependencies:`"),
        ("pyproject.toml", "[project]\ndependencies = 5\n", "pyproject.toml:2: expected a list"),
        ("environment.yml", "dependencies:\n  - &x torch\n", "environment.yml:2: expected a package"),
    ] {
        let path = folder.write(name, text);
        let ran = run(&["doctor", "--from", machine.to_str().unwrap(), "-r", path.to_str().unwrap()]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{name}: {}", ran.err);
        assert!(ran.err.contains(says), "{name}: {}", ran.err);
    }
    assert_eq!(run(&["doctor", "--from", machine.to_str().unwrap(), "-r", "/no/such/file"]).code, 2);
}

#[test]
fn a_list_that_powershell_redirected_is_read() {
    let folder = Folder::new("project-utf-16");
    let utf16 = "\u{feff}torch==2.6.0\r\nnumpy\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    std::fs::write(folder.path("requirements.txt"), utf16).unwrap();
    let machine = root().join("fixtures").join(LINUX);
    let file = folder.path("requirements.txt");
    let arguments = ["doctor", "--json", "--from", machine.to_str().unwrap(), "-r", file.to_str().unwrap()];
    assert_eq!(wants(&json(&mut tool(&arguments))), ["torch==2.6.0 holds: line 1 of requirements.txt"]);
}

#[test]
fn a_package_that_is_not_judged_may_have_any_versions() {
    let text = "numpy==1!2.0\nscipy === strange\ntorch\n";
    assert_eq!(wants(&diagnosed(LINUX, &[("requirements.txt", text)], &[])).len(), 1);
}

#[test]
fn files_that_name_one_another_come_to_an_end() {
    let endless = |_: &Path| Ok("-r left/x.txt\n-r right/x.txt\n".to_owned());
    let error = project::read(&["requirements.txt".into()], &endless).unwrap_err();
    assert!(error.contains("expected no more than 10 files that name one another"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_text_makes_a_reader_panic(
        noise in ".{0,60}",
        words in prop::collection::vec(
            prop::sample::select(vec![
                "torch", "==", "=", "2.6", "~=", "^", "[", "]", "(", ";", "@", "https://u:p@x/whl/cu126", "-r", "--hash", "#", "\\\n",
                "\n", "  ", "- ", "pip:", "dependencies:", "\"", "'", "\u{e9}", "::", "*cuda*", "|", ",", "sys_platform", "[project]\n",
                "dependencies = ", "[tool.poetry.dependencies]\n", "[[tool.uv.index]]\n", "name = \"x\"\n", "{", "}", "\u{feff}", "x.whl",
            ]),
            0..25,
        ),
    ) {
        let built = words.concat();
        for text in [noise.clone(), built.clone(), format!("dependencies:\n  - {built}"), format!("[project]\ndependencies = [\"{built}\"]")] {
            for name in ["requirements.txt", "pyproject.toml", "environment.yml", "unnamed"] {
                _ = project::read(&[name.into()], &|path| match path == Path::new(name) {
                    true => Ok(text.clone()),
                    false => Err("not there".to_owned()),
                });
            }
        }
    }
}
