//! The other side of a Windows machine, looked at from here: the Linux build of this program, run in a distribution of WSL.

use std::path::Path;

use accelprobe_probes::fact::Report;
use accelprobe_probes::host::{Command, Host, Missing, Question};
use accelprobe_probes::wsl;

use crate::diagnosis;

/// What the Linux build lies under beside this program.
const PROGRAM: &str = "accelprobe";

/// The facts that the Linux build finds in a distribution, or in the default one where none is named. `folder` is where this
/// program lies.
///
/// # Errors
///
/// Where this is not Windows, where WSL or the Linux build does not start, and where it tells something else than a diagnosis.
pub(super) fn report(host: &dyn Host, folder: Option<&Path>, distribution: &str) -> Result<Report, String> {
    if host.system() != "windows" {
        return Err("WSL is a part of Windows, and this is another system".to_owned());
    }
    let beside = folder.filter(|folder| folder.join(PROGRAM).is_file()).and_then(Path::to_str);
    let mut failed = Vec::new();
    for (words, place) in ways(beside, distribution) {
        let command = Command { program: wsl::program(host), arguments: words };
        match host.ask(&Question::Run(command)) {
            Ok(text) => return diagnosis::report_in(&text).map_err(|error| format!("{place}: {error}")),
            // Found wrong, and told: the doctor ends with 1 then.
            Err(missing) => failed.push(format!("{place}: {}", why(&missing))),
        }
    }
    Err(format!(
        "{}; the Linux build of {PROGRAM} has to lie beside this program, or on the search path of the distribution",
        failed.join("; ")
    ))
}

/// The ways to start it: by its file beside this program, else by the search path that a login gives.
fn ways(beside: Option<&str>, distribution: &str) -> Vec<(Vec<String>, &'static str)> {
    let doctor = ["doctor", "--json", "--fail-on", "never"];
    let named: Vec<&str> = if distribution.is_empty() { Vec::new() } else { vec!["--distribution", distribution] };
    let words = |rest: &[&str]| named.iter().chain(rest).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut ways = Vec::new();
    if let Some(folder) = beside {
        // WSL knows the folder of Windows under its own name, and need not be asked for it.
        let program = format!("./{PROGRAM}");
        let rest: Vec<&str> = ["--cd", folder, "--exec", &program].into_iter().chain(doctor).collect();
        ways.push((words(&rest), "the Linux build beside this program"));
    }
    let by_login = format!("exec {PROGRAM} {}", doctor.join(" "));
    ways.push((words(&["--exec", "sh", "-lc", &by_login]), "the one on the search path there"));
    ways
}

fn why(missing: &Missing) -> String {
    match missing {
        Missing::NotFound => "Windows has no wsl.exe".to_owned(),
        missing => missing.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use accelprobe_probes::host::Answer;

    use super::*;

    /// A Windows whose WSL answers by the first word of what it is to run.
    struct Windows(fn(&[String]) -> Answer);

    impl Host for Windows {
        fn ask(&self, question: &Question) -> Answer {
            match question {
                Question::System => Ok("windows x86_64".to_owned()),
                Question::Run(command) if command.program == r"C:\Windows\System32\wsl.exe" => {
                    (self.0)(&command.arguments)
                }
                _ => Err(Missing::NotFound),
            }
        }
    }

    const DIAGNOSIS: &str = r#"{"format": 1, "report": {"probes": [], "facts": []}}"#;

    #[test]
    fn a_distribution_is_named_and_its_search_path_is_the_last_resort() {
        let ways = ways(Some(r"C:\tools"), "Ubuntu-24.04");
        let words: Vec<String> = ways.iter().map(|(words, _)| words.join(" ")).collect();
        assert_eq!(
            words,
            [
                r"--distribution Ubuntu-24.04 --cd C:\tools --exec ./accelprobe doctor --json --fail-on never",
                "--distribution Ubuntu-24.04 --exec sh -lc exec accelprobe doctor --json --fail-on never",
            ]
        );
        assert_eq!(super::ways(None, "").len(), 1);
    }

    #[test]
    fn what_the_other_side_tells_is_read() {
        let told = report(&Windows(|_| Ok(DIAGNOSIS.to_owned())), None, "");
        assert_eq!(told.map(|report| report.facts.len()), Ok(0));
    }

    #[test]
    fn what_does_not_start_is_told_with_its_reason() {
        let missing =
            |_: &[String]| Err(Missing::Exited { code: 127, message: "sh: accelprobe: not found".to_owned() });
        let told = report(&Windows(missing), None, "").err().unwrap_or_default();
        assert!(told.contains("not found") && told.contains("beside this program"), "{told}");
        let told = report(&Windows(|_| Ok("hello".to_owned())), None, "").err().unwrap_or_default();
        assert!(told.starts_with("the one on the search path there: "), "{told}");
    }
}
