//! Which libraries a library needs and would not find, told by headers alone.
//!
//! Loading would tell as well, and kill the process where the library is faulty, or initialise what must not be. The order
//! of the search is that of the GNU loader (`DT_RPATH`, `LD_LIBRARY_PATH`, `DT_RUNPATH`, the cache, its own folders) and of
//! Windows (the library's folder, the folders that a package adds, the system's, the search path). What lies in the system's own
//! folders is taken as whole: its package manager sees to that. It cannot tell what a program loads beforehand.
//! References: ld.so(8); Microsoft, Dynamic-link library search order.

use std::collections::{BTreeSet, VecDeque};

use crate::host::{Host, Missing, Question};
use crate::image::Image;

/// A library that would not be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    /// The name by which it is asked for.
    pub name: String,
    /// Path of the library that asks for it.
    pub wanted_by: String,
}

/// As many libraries are followed from one; the largest frameworks need some sixty.
const MOST_LIBRARIES: usize = 256;

/// What is missing for a library to load, in the order in which a loader would notice; `beside` are folders that the
/// package adds to the search of Windows itself. Fails where the library's own header cannot be read.
pub(crate) fn unresolved(host: &dyn Host, library: &str, beside: &[String]) -> Result<Vec<Unresolved>, Missing> {
    let windows = host.is_windows();
    let mut missing = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting = VecDeque::from([(library.to_owned(), Vec::new())]);
    let mut first = true;
    while let Some((path, inherited)) = waiting.pop_front() {
        let image = match header(host, &path) {
            Ok(image) => image,
            Err(missing) if first => return Err(missing),
            // What is there and cannot be read is another finding than what is not there.
            Err(_) => continue,
        };
        first = false;
        let own = folder_of(&path);
        let mut folders: Vec<String> = match windows {
            true => std::iter::once(own.to_owned()).chain(beside.iter().cloned()).collect(),
            false => image.search.iter().map(|folder| plain(&folder.replace("${ORIGIN}", "$ORIGIN"), own)).collect(),
        };
        let passed_on: Vec<String> = match image.inherited {
            true => folders.iter().chain(&inherited).cloned().collect(),
            false => inherited.clone(),
        };
        // A library with folders of its own for this search alone does not heed those of who loads it.
        if image.search.is_empty() || image.inherited {
            folders.extend(inherited);
        }
        for name in image.needed {
            let known = if windows { name.to_lowercase() } else { name.clone() };
            if is_of_the_system(&known, windows) || seen.len() >= MOST_LIBRARIES || !seen.insert(known) {
                continue;
            }
            match find(host, &name, &folders, windows) {
                Ok(Some(found)) => waiting.push_back((found, passed_on.clone())),
                Ok(None) => {}
                Err(Missing::NotFound) => missing.push(Unresolved { name, wanted_by: path.clone() }),
                // Where the loader could not be asked, nothing is said to be missing.
                Err(_) => {}
            }
        }
    }
    Ok(missing)
}

/// Whether a library may be loaded, by its header: it is whole and for this processor. A cut one kills whoever maps it.
pub(crate) fn loadable(host: &dyn Host, path: &str) -> Result<(), Missing> {
    let image = header(host, path)?;
    let system = host.ask(&Question::System).unwrap_or_default();
    let (_, architecture) = system.split_once(' ').unwrap_or_default();
    match (image.complete, image.is_for(architecture)) {
        (false, _) => Err(Missing::Garbled("the file is cut short".to_owned())),
        (true, false) => Err(Missing::Garbled(format!("it is for {} and not for {architecture}", image.machine))),
        (true, true) => Ok(()),
    }
}

/// Whether a library is part of a GPU's driver: where it is missing, so is the driver, which is another matter than a package.
pub(crate) fn is_of_a_driver(name: &str) -> bool {
    let name = name.to_lowercase();
    let starts = ["libcuda.so", "libnvidia-", "nvcuda.dll", "nvml.dll", "amdhip64"];
    starts.iter().any(|start| name.starts_with(start))
}

/// The path of a library that is found outside the system's own folders; nothing where it lies in those.
fn find(host: &dyn Host, name: &str, folders: &[String], windows: bool) -> Result<Option<String>, Missing> {
    let separator = if windows { '\\' } else { '/' };
    let is_it = |listed: &String| if windows { listed.eq_ignore_ascii_case(name) } else { listed == name };
    let here = folders.iter().find(|folder| host.list(folder).iter().any(is_it));
    if let Some(folder) = here {
        return Ok(Some(format!("{folder}{separator}{name}")));
    }
    let found = host.taken(&Question::Library(name.to_owned()))?;
    const SYSTEM: [&str; 4] = ["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/"];
    let of_the_system = SYSTEM.iter().any(|folder| found.starts_with(folder));
    Ok((!windows && !of_the_system).then_some(found))
}

fn header(host: &dyn Host, path: &str) -> Result<Image, Missing> {
    let header = host.ask(&Question::Image(path.to_owned()))?;
    serde_json::from_str(&header).map_err(|error| Missing::Garbled(error.to_string()))
}

/// The C library and what comes with every Windows: without these the asking process would not run. `name` is in lower
/// case on Windows.
fn is_of_the_system(name: &str, windows: bool) -> bool {
    const LINUX: &[&str] = &[
        "ld-linux",
        "ld-musl",
        "libc.so",
        "libc.musl",
        "libm.so",
        "libdl.so",
        "libpthread.so",
        "librt.so",
        "libutil.so",
    ];
    const WINDOWS: &[&str] = &[
        "api-ms-",
        "ext-ms-",
        "advapi32",
        "avrt",
        "bcrypt",
        "cfgmgr32",
        "combase",
        "comctl32",
        "comdlg32",
        "crypt32",
        "d3d11",
        "d3d12",
        "dbghelp",
        "dwmapi",
        "dxcore",
        "dxgi",
        "gdi32",
        "imm32",
        "iphlpapi",
        "kernel32",
        "kernelbase",
        "mpr.",
        "msvcrt.",
        "mswsock",
        "ntdll",
        "ole32",
        "oleaut32",
        "opengl32",
        "pdh.",
        "powrprof",
        "propsys",
        "psapi",
        "python",
        "rpcrt4",
        "secur32",
        "setupapi",
        "shell32",
        "shlwapi",
        "ucrtbase",
        "user32",
        "userenv",
        "version.",
        "winhttp",
        "wininet",
        "winmm",
        "wintrust",
        "wldap32",
        "ws2_32",
        "wsock32",
    ];
    let list = if windows { WINDOWS } else { LINUX };
    list.iter().any(|start| name.starts_with(start))
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder)
}

/// A folder of the search with `$ORIGIN` put in and `..` taken out, so that one folder has one name.
fn plain(folder: &str, origin: &str) -> String {
    let full = folder.replace("$ORIGIN", origin);
    let mut parts: Vec<&str> = Vec::new();
    for part in full.split('/') {
        match part {
            "." => {}
            "" if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, "" | "~" | "..")) => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    fn image(needed: &[&str], search: &[&str], inherited: bool) -> String {
        serde_json::json!({"format": "elf", "bits": 64, "machine": "x86_64", "needed": needed, "search": search,
            "inherited": inherited, "complete": true})
        .to_string()
    }

    fn host(system: &str, answers: Vec<(Question, String)>) -> Recording {
        let answers = answers.into_iter().map(|(question, answer)| (question, Ok(answer)));
        let system = std::iter::once((Question::System, Ok(system.to_owned())));
        let mut recording = Recording::of(String::new(), "test", system.chain(answers));
        recording.complete = true;
        recording
    }

    const PROVIDER: &str = "/e/onnxruntime/capi/libonnxruntime_providers_cuda.so";

    #[test]
    fn names_what_is_missing_and_who_wants_it() {
        let image = image(&["libcudnn.so.9", "libcublas.so.12", "libstdc++.so.6", "libc.so.6"], &["$ORIGIN"], false);
        let host = host(
            "linux x86_64",
            vec![
                (Question::Image(PROVIDER.into()), image),
                (Question::Library("libstdc++.so.6".into()), "/usr/lib/x86_64-linux-gnu/libstdc++.so.6".into()),
                (Question::Library("libcublas.so.12".into()), "/opt/cuda/libcublas.so.12".into()),
            ],
        );
        let expected = Unresolved { name: "libcudnn.so.9".into(), wanted_by: PROVIDER.into() };
        assert_eq!(unresolved(&host, PROVIDER, &[]).unwrap(), [expected]);
        assert_eq!(unresolved(&host, "/e/none.so", &[]), Err(Missing::NotFound));
    }

    #[test]
    fn follows_what_is_found_in_the_folders_that_a_library_names() {
        let folder = "/e/nvidia/cudnn/lib";
        let host = host(
            "linux x86_64",
            vec![
                (
                    Question::Image("/e/torch/lib/libtorch_cuda.so".into()),
                    image(&["libcudnn.so.9"], &["$ORIGIN/../../nvidia/cudnn/lib"], false),
                ),
                (Question::List(folder.into()), "libcudnn.so.9".into()),
                (Question::Image(format!("{folder}/libcudnn.so.9")), image(&["libcublasLt.so.12"], &[], false)),
            ],
        );
        let missing = unresolved(&host, "/e/torch/lib/libtorch_cuda.so", &[]).unwrap();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing.first().unwrap().wanted_by, format!("{folder}/libcudnn.so.9"));
    }

    #[test]
    fn only_folders_of_the_old_kind_are_inherited() {
        for (inherited, missing) in [(true, 0), (false, 1)] {
            let host = host(
                "linux x86_64",
                vec![
                    (Question::Image("/e/a.so".into()), image(&["b.so"], &["/e/libs"], inherited)),
                    (Question::List("/e/libs".into()), "b.so\nc.so".into()),
                    (Question::Image("/e/libs/b.so".into()), image(&["c.so"], &[], false)),
                    (Question::Image("/e/libs/c.so".into()), image(&[], &[], false)),
                ],
            );
            assert_eq!(unresolved(&host, "/e/a.so", &[]).unwrap().len(), missing);
        }
    }

    #[test]
    fn windows_looks_beside_the_library_and_in_added_folders() {
        let pe = |needed: &[&str]| image(needed, &[], false).replace("elf", "pe");
        let host = host(
            "windows x86_64",
            vec![
                (
                    Question::Image(r"C:\e\onnxruntime\capi\p.dll".into()),
                    pe(&["cudnn64_9.dll", "cublas64_12.dll", "KERNEL32.dll", "zlibwapi.dll"]),
                ),
                (Question::List(r"C:\e\onnxruntime\capi".into()), "CUBLAS64_12.dll\np.dll".into()),
                (Question::List(r"C:\e\torch\lib".into()), "cudnn64_9.dll".into()),
            ],
        );
        let beside = vec![r"C:\e\torch\lib".to_owned()];
        let missing = unresolved(&host, r"C:\e\onnxruntime\capi\p.dll", &beside).unwrap();
        assert_eq!(missing.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["zlibwapi.dll"]);
    }

    #[test]
    fn a_folder_has_one_name() {
        assert_eq!(plain("$ORIGIN/../../nvidia/cudnn/lib", "/e/torch/lib"), "/e/nvidia/cudnn/lib");
        assert_eq!(plain("$ORIGIN/.", "~/e/lib"), "~/e/lib");
        assert_eq!(plain("/opt//x/../y", ""), "/opt/y");
    }
}
