//! docs/WHAT-IF.md: its transcripts are what the program prints, and the first question is answered for this machine, too.

use crate::tool::{Folder, root, run};
use crate::transcripts::{self, commands, words};

#[test]
fn the_transcripts_are_what_the_program_prints() {
    let path = root().join("docs/WHAT-IF.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let machine = document.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = Folder::new("what-if");
    folder.write("machine.toml", machine);
    let asked = transcripts::check(&path, &folder.0);
    assert!(asked >= 11, "{asked}");
}

#[test]
fn the_first_question_has_the_same_answer_on_the_machine_at_hand() {
    let document = std::fs::read_to_string(root().join("docs/WHAT-IF.md")).unwrap();
    let command = commands(&document)[0].replace(" --from machine.toml", " --json");
    let words = words(&command);
    let arguments: Vec<&str> = words.iter().skip(2).map(String::as_str).collect();
    let ran = run(&arguments);
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let want = &told["wants"][0];
    assert_eq!((&want["spec"], &want["verdict"]), (&"torch".into(), &"holds".into()), "{want}");
    let advice = &told["recommendations"][0];
    assert_eq!((&advice["system"], &advice["build"]), (&"pytorch".into(), &"cu126".into()), "{advice}");
    let last = advice["commands"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(last.ends_with("--index-url https://download.pytorch.org/whl/cu126"), "{last}");
    let unlock = advice["unlocks"][0].as_str().unwrap();
    assert!(unlock.contains("NVIDIA driver 580") && unlock.contains("CUDA 13"), "{unlock}");
    let errors = told["findings"].as_array().unwrap().iter().any(|finding| finding["severity"] == "error");
    assert_eq!(ran.code, i32::from(errors));
}
