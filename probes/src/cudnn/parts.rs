//! The libraries into which a cuDNN is split, and which of them are there.
//!
//! Version 8 split off six libraries, version 9 seven others, and 9.24 two more. The front library opens them by name: those
//! beside it, or what the loader finds. One configuration does without most of them on purpose.

use crate::copies::{folder_of, join};
use crate::fact::Value;
use crate::host::{Host, Missing, Question};
use crate::nvidia_driver::file_version;
use crate::version::Version;

/// The first of each list is the one that tells the version.
const NINE: &[&str] = &["graph", "ops", "cnn", "adv", "engines_precompiled", "engines_runtime_compiled", "heuristic"];
const EIGHT: &[&str] = &["ops_infer", "ops_train", "cnn_infer", "cnn_train", "adv_infer", "adv_train"];
/// Those that came later, and the minor version of 9 with which they came.
const LATER: &[&str] = &["engines_tensor_ir", "ext"];
const LATER_SINCE: u64 = 24;
/// All that a copy has which compiles its kernels while it runs.
const JIT: &[&str] = &["graph", "engines_runtime_compiled"];

/// The parts of one copy.
pub(super) struct Parts {
    major: u32,
    found: Vec<Part>,
    /// Names of the parts that are nowhere, as files are named.
    absent: Vec<String>,
    jit: bool,
}

struct Part {
    name: String,
    path: String,
    /// The file that the path leads to.
    file: String,
    beside: bool,
}

impl Parts {
    /// Looks for the parts of the copy whose front library this is.
    pub(super) fn of(host: &dyn Host, front: &str, major: u32) -> Parts {
        let names: Vec<&str> = match major {
            0..=7 => Vec::new(),
            8 => EIGHT.to_vec(),
            _ => NINE.iter().chain(LATER).copied().collect(),
        };
        let folder = folder_of(front);
        let (mut found, mut elsewhere, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        let mut beside = Vec::new();
        for bare in names {
            let name = if host.is_windows() {
                format!("cudnn_{bare}64_{major}.dll")
            } else {
                format!("libcudnn_{bare}.so.{major}")
            };
            let path = join(host, folder, &name);
            match host.node(&path) {
                Ok(node) => {
                    let file = node.split_once(" -> ").map_or(path.as_str(), |(_, target)| target).to_owned();
                    beside.push(bare);
                    found.push(Part { name, path, file, beside: true });
                }
                Err(_) => elsewhere.push(name),
            }
        }
        let jit = major >= 9
            && JIT.iter().all(|part| beside.contains(part))
            && beside.iter().all(|part| JIT.contains(part) || LATER.contains(part));
        for name in elsewhere.into_iter().filter(|_| !jit) {
            match host.ask(&Question::Library(name.clone())) {
                Ok(_) => {
                    let copy = host.library(&name).into_iter().next();
                    found.extend(copy.map(|(path, file)| Part { name, path, file, beside: false }));
                }
                Err(Missing::NotFound) => absent.push(name),
                // Where the loader could not be asked, nothing is said to be missing.
                Err(_) => {}
            }
        }
        Parts { major, found, absent, jit }
    }

    /// What kind of copy it is.
    pub(super) fn kind(&self) -> &'static str {
        match (self.major, self.jit) {
            (0..=7, _) => "single",
            (_, true) => "jit",
            (_, false) => "full",
        }
    }

    /// The part that even `cudnnGetVersion` needs, where it is not there.
    pub(super) fn base_missing(&self) -> Option<&str> {
        let base = if self.major >= 9 { "cudnn_graph" } else { "cudnn_ops_infer" };
        self.absent.iter().map(String::as_str).find(|name| name.contains(base))
    }

    /// The parts that a copy of this version should have and that are nowhere.
    pub(super) fn missing(&self, version: Option<&Version>) -> Vec<String> {
        let later = version.is_some_and(|version| (version.part(0), version.part(1)) >= (9, LATER_SINCE));
        self.absent.iter().filter(|name| later || !is_later(name)).cloned().collect()
    }

    /// The parts that are of another version than the front library, by the names of the files.
    pub(super) fn mixed(&self, front: &str) -> Vec<String> {
        let Some(Value::Version(own)) = file_version(front) else { return Vec::new() };
        let other = |part: &&Part| matches!(file_version(&part.file), Some(Value::Version(version)) if version != own);
        // Older releases do not ask for the later parts, which the loader may find of a newer one.
        let own_part = |part: &&Part| part.beside || !is_later(&part.name);
        self.found.iter().filter(own_part).filter(other).map(|part| part.name.clone()).collect()
    }

    /// Paths of the parts that lie beside the front library.
    pub(super) fn beside(&self) -> impl Iterator<Item = &str> {
        self.found.iter().filter(|part| part.beside).map(|part| part.path.as_str())
    }
}

fn is_later(name: &str) -> bool {
    LATER.iter().any(|part| name.contains(&format!("cudnn_{part}")))
}

/// Whether a name is that of a library of cuDNN.
pub(super) fn is_one(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("libcudnn") || name.starts_with("cudnn")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    fn host(system: &str, files: &[&str], by_loader: &[&str]) -> Recording {
        let nodes = files.iter().map(|file| {
            let (path, _) = file.split_once(" -> ").unwrap_or((file, ""));
            let node = format!("file r{}", file.strip_prefix(path).unwrap_or_default());
            (Question::Node(path.to_owned()), Ok(node))
        });
        let loader = by_loader
            .iter()
            .map(|path| (Question::Library(crate::copies::name_of(path).to_owned()), Ok((*path).to_owned())));
        let system = std::iter::once((Question::System, Ok(system.to_owned())));
        let mut recording = Recording::of(String::new(), "test", system.chain(nodes).chain(loader));
        recording.complete = true;
        recording
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_front_library_alone_lacks_everything() {
        let host = host("linux x86_64", &[], &[]);
        let parts = Parts::of(&host, "/x/libcudnn.so.9", 9);
        assert_eq!((parts.kind(), parts.base_missing()), ("full", Some("libcudnn_graph.so.9")));
        assert_eq!(parts.missing(Some(&version("9.10.2"))).len(), NINE.len());
        assert_eq!(parts.missing(Some(&version("9.24.0"))).len(), NINE.len() + LATER.len());
        assert_eq!(Parts::of(&host, "/x/libcudnn.so.8", 8).base_missing(), Some("libcudnn_ops_infer.so.8"));
        let single = Parts::of(&host, "/x/libcudnn.so.7", 7);
        assert_eq!((single.kind(), single.base_missing(), single.missing(None).len()), ("single", None, 0));
    }

    #[test]
    fn two_parts_alone_are_a_copy_without_precompiled_engines() {
        let files = ["/x/libcudnn_graph.so.9", "/x/libcudnn_engines_runtime_compiled.so.9"];
        let parts = Parts::of(&host("linux x86_64", &files, &[]), "/x/libcudnn.so.9", 9);
        assert_eq!((parts.kind(), parts.base_missing()), ("jit", None));
        assert!(parts.missing(Some(&version("9.27.0"))).is_empty());
        let half = Parts::of(&host("linux x86_64", files.split_at(1).0, &[]), "/x/libcudnn.so.9", 9);
        assert_eq!((half.kind(), half.base_missing(), half.missing(None).len()), ("full", None, 6));
    }

    #[test]
    fn parts_of_another_release_are_told_by_their_files() {
        let files = [
            "/x/libcudnn_graph.so.9 -> /x/libcudnn_graph.so.9.8.0",
            "/x/libcudnn_ops.so.9 -> /x/libcudnn_ops.so.9.10.2",
            "/x/libcudnn_cnn.so.9",
        ];
        let parts = Parts::of(&host("linux x86_64", &files, &["/y/libcudnn_adv.so.9"]), "/x/libcudnn.so.9", 9);
        assert_eq!(parts.mixed("/x/libcudnn.so.9.10.2"), ["libcudnn_graph.so.9"]);
        assert!(parts.mixed("/x/libcudnn.so.9").is_empty(), "a name without a version tells nothing");
        assert!(!parts.missing(None).contains(&"libcudnn_adv.so.9".to_owned()), "the loader finds that one");
        assert_eq!(parts.beside().count(), 3);
    }

    #[test]
    fn windows_names_them_in_its_way() {
        let files = [r"C:\t\cudnn_graph64_9.dll"];
        let parts = Parts::of(&host("windows x86_64", &files, &[]), r"C:\t\cudnn64_9.dll", 9);
        assert_eq!(parts.base_missing(), None);
        assert!(parts.missing(None).contains(&"cudnn_ops64_9.dll".to_owned()));
        assert!(is_one("CUDNN_ops64_9.dll") && !is_one("cublas64_12.dll"));
    }
}
