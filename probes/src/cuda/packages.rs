//! Copies of the CUDA runtime that Python packages bring.
//!
//! A framework takes the runtime of its own environment, whatever toolkit is installed beside it. The files' names hold the
//! major version alone, so the version is the package's.
//! References: the layouts of NVIDIA's wheels, which changed with CUDA 13.

use super::CUDA_RUNTIME_COPY;
use crate::copies::join;
use crate::fact::{Fact, Subject, version};
use crate::host::{Host, Question};
use crate::python::environments::environments;
use crate::python::packages::packages;

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

/// A fact for each package whose library is there.
pub(super) fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    for environment in environments(host) {
        let installed = packages(host, &environment);
        for (name, linux, windows) in RUNTIMES {
            let Some(package) = installed.get(*name) else { continue };
            let path = join(host, &package.site, if host.is_windows() { windows } else { linux });
            let origin = Question::Node(path.clone());
            if let (Some(number), Ok(_)) = (&package.version, host.ask(&origin)) {
                facts.push(CUDA_RUNTIME_COPY.of(Subject::Library(path), version(number), &origin));
            }
        }
    }
    facts
}

#[cfg(test)]
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
        ];
        let mut host = Recording::of(String::new(), "test", answers.map(|(question, answer)| (question, Ok(answer))));
        host.complete = true;
        let told: Vec<String> = ask(&host).into_iter().filter_map(|fact| Some(fact.value.ok()?.to_string())).collect();
        assert_eq!(told, ["13.5.37", "12.9.79"], "no file, no fact");
    }
}
