//! CUDA's runtimes and toolkits on disk: what the loader offers, what variables name, what is installed in the usual folders.

use super::{CUDA_RUNTIME, CUDA_TOOLKIT, NVCC};
use crate::fact::{Fact, Value, version};
use crate::host::{Command, Host, Missing, Question};
use crate::nvidia_driver::file_version;
use crate::search_path;
use crate::version::Version;

pub(super) fn ask_runtime(host: &dyn Host, facts: &mut Vec<Fact>) {
    for name in ["libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"] {
        let question = Question::Library(name.to_owned());
        for (_, file) in host.library(name) {
            facts.extend(file_version(&file).map(|version| CUDA_RUNTIME.host(version, &question)));
        }
    }
}

/// The folders of toolkits: first those that variables name, which builds use, then the installed ones, the newest first.
pub(crate) fn toolkits(host: &dyn Host) -> Vec<String> {
    let mut roots: Vec<String> = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(|name| host.env(name)).collect();
    let separator = if host.is_windows() { '\\' } else { '/' };
    let parent = match host.is_windows() {
        true => r"C:\Program Files\NVIDIA GPU Computing Toolkit\CUDA",
        false => "/usr/local",
    };
    let named = |name: &String| if host.is_windows() { name.starts_with('v') } else { name.starts_with("cuda") };
    let mut installed: Vec<String> =
        host.list(parent).into_iter().filter(named).map(|name| format!("{parent}{separator}{name}")).collect();
    let number = |root: &String| root.rsplit(['-', 'v']).next().and_then(|number| number.parse::<Version>().ok());
    installed.sort_by_key(|root| std::cmp::Reverse(number(root)));
    roots.extend(installed);
    for root in &mut roots {
        root.truncate(root.trim_end_matches(separator).len());
    }
    roots
}

pub(super) fn ask_toolkits(host: &dyn Host, facts: &mut Vec<Fact>) {
    let roots = toolkits(host);
    let separator = if host.is_windows() { '\\' } else { '/' };
    let mut seen: Vec<Value> = Vec::new();
    for root in &roots {
        ask_runtimes_of(host, root, facts);
    }
    for root in roots {
        for (file, read) in
            [("version.json", json_version as fn(&str) -> Result<Value, Missing>), ("version.txt", txt_version)]
        {
            let question = Question::Read(format!("{root}{separator}{file}"));
            let Ok(text) = host.ask(&question) else { continue };
            let value = read(&text);
            // `/usr/local/cuda` is a link to one of its siblings.
            if let Ok(known) = &value {
                if seen.contains(known) {
                    break;
                }
                seen.push(known.clone());
            }
            facts.push(CUDA_TOOLKIT.host(value, &question));
            break;
        }
    }
    if let Some(program) = search_path::find(host, "nvcc") {
        let question = Question::Run(Command { program, arguments: vec!["--version".to_owned()] });
        let version = host.ask(&question).and_then(|text| nvcc_version(&text));
        facts.push(NVCC.host(version, &question));
    }
}

/// The runtimes in a toolkit's own folders, by the names of their files.
fn ask_runtimes_of(host: &dyn Host, root: &str, facts: &mut Vec<Fact>) {
    let folders = if host.is_windows() { ["bin", r"bin\x64"] } else { ["lib64", "lib"] };
    let separator = if host.is_windows() { '\\' } else { '/' };
    for folder in folders {
        let question = Question::List(format!("{root}{separator}{folder}"));
        for name in host.ask(&question).unwrap_or_default().lines() {
            let Some(value) = runtime_version(name) else { continue };
            let told = facts.iter().any(|fact| *fact.key == CUDA_RUNTIME && fact.value.as_ref() == Ok(&value));
            if !told {
                facts.push(CUDA_RUNTIME.host(value, &question));
            }
        }
    }
}

/// `12.4.127` of `libcudart.so.12.4.127`, `12` of `cudart64_12.dll`, `11.0` of `cudart64_110.dll`.
fn runtime_version(name: &str) -> Option<Value> {
    if name.starts_with("libcudart.so.") {
        return file_version(name);
    }
    let digits = name.strip_prefix("cudart64_")?.strip_suffix(".dll")?;
    // Up to CUDA 11 the name holds the minor version, too.
    let text = match digits.len() {
        3 => format!("{}.{}", digits.get(..2)?, digits.get(2..)?),
        _ => digits.to_owned(),
    };
    version(&text).ok()
}

/// `{"cuda": {"version": "12.4.1"}, …}`
fn json_version(text: &str) -> Result<Value, Missing> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| Missing::Garbled(error.to_string()))?;
    let part = |name: &str| json.get(name)?.get("version")?.as_str();
    part("cuda")
        .or_else(|| part("cuda_nvcc"))
        .map_or_else(|| Err(Missing::Garbled("no version in it".to_owned())), version)
}

/// `CUDA Version 10.2.89`
fn txt_version(text: &str) -> Result<Value, Missing> {
    version(text.trim().strip_prefix("CUDA Version").unwrap_or_default())
}

/// `Cuda compilation tools, release 12.4, V12.4.131`
fn nvcc_version(text: &str) -> Result<Value, Missing> {
    let release = text.split_once("release ").map(|(_, rest)| rest.split(',').next().unwrap_or_default());
    version(release.unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;

    #[test]
    fn reads_the_versions_that_toolkits_tell() {
        let json = r#"{"cuda": {"name": "CUDA SDK", "version": "12.4.1"}, "cuda_nvcc": {"version": "12.4.131"}}"#;
        assert_eq!(json_version(json).unwrap().to_string(), "12.4.1");
        assert!(json_version("{}").is_err() && json_version("[1]").is_err() && json_version("x").is_err());
        assert_eq!(txt_version("CUDA Version 10.2.89\n").unwrap().to_string(), "10.2.89");
        let nvcc = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 11.8, V11.8.89\n";
        assert_eq!(nvcc_version(nvcc).unwrap().to_string(), "11.8");
        assert!(nvcc_version("command not found").is_err());
    }

    #[test]
    fn reads_the_version_of_a_runtime_off_its_name() {
        let read = |name| runtime_version(name).map(|version| version.to_string());
        assert_eq!(read("libcudart.so.12.4.127").as_deref(), Some("12.4.127"));
        assert_eq!(read("cudart64_13.dll").as_deref(), Some("13"));
        assert_eq!(read("cudart64_110.dll").as_deref(), Some("11.0"));
        assert_eq!((read("libcudart.so.12"), read("libcublas.so.12.4"), read("cudart64_.dll")), (None, None, None));
    }

    #[test]
    fn a_toolkit_tells_its_runtime() {
        use crate::host::recording::Recording;
        let host = Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("windows x86_64".to_owned())),
                (Question::Env("CUDA_PATH".into()), Ok(r"C:\CUDA\v13.0\".into())),
                (Question::Read(r"C:\CUDA\v13.0\version.json".into()), Ok(r#"{"cuda":{"version":"13.0.2"}}"#.into())),
                (Question::List(r"C:\CUDA\v13.0\bin\x64".into()), Ok("cublas64_13.dll\ncudart64_13.dll".into())),
            ],
        );
        let report = Report { probes: Vec::new(), facts: crate::cuda::ask(&host) };
        assert_eq!(report.version("cuda-toolkit").unwrap().text(), "13.0.2");
        assert_eq!(report.version("cuda-runtime").unwrap().text(), "13");
    }
}
