//! Copies of the CUDA runtime that Python packages bring.
//!
//! A framework takes the runtime of its own environment, whatever toolkit is installed beside it. The files' names hold the
//! major version alone, so the version is the package's; beside it stands what each copy tells of itself in a child. Runtimes
//! before 12 and those of Windows open the driver to say so, hence are asked only where it is ready.
//! References: the layouts of NVIDIA's wheels, which changed with CUDA 13; `cudaRuntimeGetVersion`.

use super::{CUDA_RUNTIME_COPY, CUDA_RUNTIME_SAYS, PROBE, dotted};
use crate::copies::join;
use crate::fact::{Fact, Subject, version};
use crate::host::{Host, Missing, Query, Question};
use crate::nvidia_driver::{Kernel, kernel};
use crate::parallel;
use crate::python::environments::environments;

/// A package, and its library on Linux and on Windows. The packages for CUDA 11 and 12 share their folder.
const RUNTIMES: &[(&str, &str, &str)] = &[
    ("nvidia-cuda-runtime", "nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/bin/x86_64/cudart64_13.dll"),
    ("nvidia-cuda-runtime-cu12", "nvidia/cuda_runtime/lib/libcudart.so.12", "nvidia/cuda_runtime/bin/cudart64_12.dll"),
    (
        "nvidia-cuda-runtime-cu11",
        "nvidia/cuda_runtime/lib/libcudart.so.11.0",
        "nvidia/cuda_runtime/bin/cudart64_110.dll",
    ),
];

/// The argument before the path of a runtime in the child's query.
pub(super) const WORD: &str = "runtime";

/// Facts for each package whose library is there.
pub(super) fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut paths = Vec::new();
    for environment in environments(host) {
        for (name, linux, windows) in RUNTIMES {
            let Some(package) = environment.packages.get(*name) else { continue };
            let path = join(host, &package.site, if host.is_windows() { windows } else { linux });
            let origin = Question::Node(path.clone());
            if let (Some(number), Ok(_)) = (&package.version, host.ask(&origin)) {
                facts.push(CUDA_RUNTIME_COPY.of(Subject::Library(path.clone()), version(number), &origin));
                paths.push((path, version(number).is_ok_and(|number| number.to_string().starts_with("11"))));
            }
        }
    }
    let ready = kernel(host) == Kernel::Ready;
    paths.retain(|(_, is_old)| ready || !(*is_old || host.is_windows()));
    facts.extend(parallel::facts(host, &paths, |(path, _)| vec![ask_copy(host, path)]));
    facts
}

fn ask_copy(host: &dyn Host, path: &str) -> Fact {
    let question = Question::Native(Query {
        environment: Vec::new(),
        probe: PROBE.name.to_owned(),
        arguments: vec![WORD.to_owned(), path.to_owned()],
    });
    let number = host.ask(&question).and_then(|text| {
        let number =
            text.parse::<i32>().map_err(|_| Missing::Garbled(format!("`{text}` is no number of a version")))?;
        version(&dotted(number))
    });
    CUDA_RUNTIME_SAYS.of(Subject::Library(path.to_owned()), number, &question)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    #[test]
    fn each_package_tells_of_its_own_file() {
        const SITE: &str = "/e/lib/python3.11/site-packages";
        let answers = [
            (Question::System, "linux x86_64".to_owned()),
            (Question::Env("VIRTUAL_ENV".into()), "/e".to_owned()),
            (Question::Read("/e/pyvenv.cfg".into()), "home = /usr/bin\nversion = 3.11.7\n".to_owned()),
            (Question::List("/e/lib".into()), "python3.11".to_owned()),
            (
                Question::List(SITE.into()),
                "nvidia_cuda_runtime_cu11-11.8.89.dist-info\nnvidia_cuda_runtime_cu12-12.9.79.dist-info\n\
                 nvidia_cuda_runtime-13.5.37.dist-info"
                    .to_owned(),
            ),
            (Question::Node(format!("{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12")), "file r".to_owned()),
            (Question::Node(format!("{SITE}/nvidia/cu13/lib/libcudart.so.13")), "file r".to_owned()),
            (
                format!("native cuda runtime {SITE}/nvidia/cuda_runtime/lib/libcudart.so.12").parse().unwrap(),
                "12090".to_owned(),
            ),
        ];
        let mut host = Recording::of(String::new(), "test", answers.map(|(question, answer)| (question, Ok(answer))));
        host.complete = true;
        let told: Vec<String> = ask(&host).into_iter().filter_map(|fact| Some(fact.value.ok()?.to_string())).collect();
        assert_eq!(told, ["13.5.37", "12.9.79", "12.9"], "no file, no fact; no answer, no value");
    }
}
