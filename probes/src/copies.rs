//! Every copy of a vendor's library on disk: those that the loader finds, and those in folders of toolkits and archives, of
//! conda and of Python packages.
//!
//! A machine that does machine learning has several copies of the same library, and each program takes another one. Each
//! file counts once, under the first path by which it is found. A copy under a changed name, as some packages bring it, is
//! not found.
//! References: ld.so(8); Microsoft, Dynamic-link library search order; the layouts of NVIDIA's wheels.

pub(crate) mod climb;
#[cfg(feature = "native")]
pub(crate) mod native;

use crate::fact::{Value, version};
use crate::host::{Host, Missing, Question};
use crate::image::Image;
use crate::nvidia_driver::file_version;
use crate::python::environments::environments;
use crate::python::packages::{Package, matters};

/// One copy.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    /// The path by which it was found.
    pub path: String,
    /// The file that the path leads to in the end.
    pub file: String,
    /// What it belongs to.
    pub place: Place,
    /// The folder of packages in which it lies, where it does in one.
    pub site: Option<String>,
    /// The question that showed it.
    pub origin: Question,
}

impl Copy {
    /// Its version without asking it: by the package that brings it, or by its file's name; and what tells that.
    pub(crate) fn written(&self) -> (Option<Value>, Question) {
        match &self.place {
            Place::Package(package) => {
                let value = package.version.as_deref().and_then(|text| version(text).ok());
                (value, Question::List(package.site.clone()))
            }
            _ => (file_version(&self.file), self.origin.clone()),
        }
    }
}

/// What a copy belongs to.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// The loader finds it by name.
    Loader,
    /// A CUDA toolkit.
    Toolkit,
    /// A folder of its own, as an archive or an installer makes it.
    Folder,
    /// A conda environment.
    Conda,
    /// A Python package that is there to bring it.
    Package(Package),
    /// A Python package that brings it along with other things, or none that has metadata.
    Bundled,
}

impl Place {
    /// The place as its fact says it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Place::Loader => "loader",
            Place::Toolkit => "toolkit",
            Place::Folder => "folder",
            Place::Conda => "conda",
            Place::Package(_) => "package",
            Place::Bundled => "bundled",
        }
    }
}

/// A folder in which a copy may be.
pub(crate) struct Searched {
    /// Its path.
    pub path: String,
    /// What a copy in it belongs to.
    pub place: Place,
    /// The folder of packages in which it lies, where it does in one.
    pub site: Option<String>,
}

impl Searched {
    /// A folder outside those of packages.
    pub(crate) fn new(path: String, place: Place) -> Searched {
        Searched { path, place, site: None }
    }
}

/// A folder below those of Python packages, and the packages that fill it.
pub(crate) struct Below {
    /// Its path with `/`, below the folder of packages.
    pub folder: &'static str,
    /// The packages that are there to bring it; none for what brings it along with other things.
    pub packages: &'static [&'static str],
}

/// All copies, each file once: first by the loader, for each of the names, then in the folders, where `is_it` tells by a
/// file's name.
pub(crate) fn copies(host: &dyn Host, names: &[&str], folders: &[Searched], is_it: fn(&str) -> bool) -> Vec<Copy> {
    let mut found: Vec<Copy> = Vec::new();
    for name in names {
        let origin = Question::Library((*name).to_owned());
        for (path, file) in host.library(name) {
            add(host, &mut found, Copy { path, file, place: Place::Loader, site: None, origin: origin.clone() });
        }
    }
    for folder in folders {
        // A folder of conda holds everything that is installed; there the known names are asked for instead.
        let entries: Vec<String> = match folder.place {
            Place::Conda => names.iter().map(|name| (*name).to_owned()).collect(),
            _ => host.list(&folder.path).into_iter().filter(|name| is_it(&name.to_lowercase())).collect(),
        };
        for entry in entries {
            let path = join(host, &folder.path, &entry);
            let origin = Question::Node(path.clone());
            let Ok(node) = host.ask(&origin) else { continue };
            let file = node.split_once(" -> ").map_or(path.as_str(), |(_, target)| target).to_owned();
            if node.starts_with("file") {
                add(
                    host,
                    &mut found,
                    Copy { path, file, place: folder.place.clone(), site: folder.site.clone(), origin },
                );
            }
        }
    }
    found
}

/// The copy that the loader takes by the first of these names that it finds, and the question that tells.
pub(crate) fn taken(host: &dyn Host, names: &[&str]) -> (Result<String, Missing>, Question) {
    let mut first = None;
    for name in names {
        let question = Question::Library((*name).to_owned());
        match host.taken(&question) {
            Ok(path) => return (Ok(path), question),
            Err(missing) => first = first.or(Some((Err(missing), question))),
        }
    }
    first.unwrap_or((Err(Missing::NotFound), Question::System))
}

fn add(host: &dyn Host, found: &mut Vec<Copy>, copy: Copy) {
    let same = |known: &Copy| match host.is_windows() {
        true => known.file.eq_ignore_ascii_case(&copy.file),
        false => known.file == copy.file,
    };
    if !found.iter().any(same) {
        found.push(copy);
    }
}

/// The folders of Python environments in which packages keep a library.
pub(crate) fn in_environments(host: &dyn Host, below: &[Below]) -> Vec<Searched> {
    let mut folders = Vec::new();
    for environment in environments(host) {
        // Most environments hold nothing of the kind, and need not be asked for each folder.
        let of_interest = environment.packages.keys().any(|name| matters(name));
        for site in environment.sites.iter().filter(|_| of_interest) {
            for below in below {
                let package = below.packages.iter().find_map(|name| environment.packages.get(*name)).cloned();
                let place = package.map_or(Place::Bundled, Place::Package);
                folders.push(Searched { path: join(host, site, below.folder), place, site: Some(site.clone()) });
            }
        }
        if environment.kind == "conda" {
            let libraries = if host.is_windows() { "Library/bin" } else { "lib" };
            folders.push(Searched::new(join(host, &environment.root, libraries), Place::Conda));
        }
    }
    folders
}

/// The path of a library that NVIDIA's packages beside it bring: `nvidia/cublas/lib/libcublas.so.12`.
pub(crate) fn brought_by_packages(host: &dyn Host, site: &str, name: &str) -> Option<String> {
    let parent = join(host, site, "nvidia");
    let libraries = if host.is_windows() { "bin" } else { "lib" };
    host.list(&parent).into_iter().find_map(|part| {
        let folder = join(host, &join(host, &parent, &part), libraries);
        let entry = host.list(&folder).into_iter().find(|entry| entry.eq_ignore_ascii_case(name))?;
        Some(join(host, &folder, &entry))
    })
}

/// A path below a folder, `/` in it becoming the machine's separator.
pub(crate) fn join(host: &dyn Host, folder: &str, below: &str) -> String {
    match host.is_windows() {
        true => [folder.trim_end_matches('\\'), r"\", &below.replace('/', r"\")].concat(),
        false => [folder.trim_end_matches('/'), "/", below].concat(),
    }
}

/// The folder of a file.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder)
}

/// The name of a file.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// The header of a copy that can be loaded; nothing where it is for programs of another architecture; or why it cannot.
pub(crate) fn loadable(host: &dyn Host, path: &str) -> Result<Option<Image>, Missing> {
    let header = host.ask(&Question::Image(path.to_owned()))?;
    let image: Image = serde_json::from_str(&header).map_err(|error| Missing::Garbled(error.to_string()))?;
    let system = host.ask(&Question::System).unwrap_or_default();
    let (_, architecture) = system.split_once(' ').unwrap_or_default();
    match (image.complete, image.is_for(architecture)) {
        (_, false) => Ok(None),
        (false, true) => Err(Missing::Garbled("the file is cut short".to_owned())),
        (true, true) => Ok(Some(image)),
    }
}

/// Whether a library comes with the NVIDIA driver: where it is missing, the driver is, and not a part of the copy.
pub(crate) fn is_of_the_driver(name: &str) -> bool {
    let name = name.to_lowercase();
    ["libcuda.so", "libnvidia-", "nvcuda", "nvml"].iter().any(|start| name.starts_with(start))
}

/// The CUDA in the name of a package: `12` of `nvidia-cudnn-cu12` and of `tensorrt-cu12-libs`.
pub(crate) fn cuda_of_package(name: &str) -> Option<&str> {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.split('-').filter_map(|part| part.strip_prefix("cu")).find(is_number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recording::Recording;

    fn host(system: &str, answers: &[(Question, &str)]) -> Recording {
        let answers = answers.iter().map(|(question, answer)| (question.clone(), Ok((*answer).to_owned())));
        let system = std::iter::once((Question::System, Ok(system.to_owned())));
        let mut recording = Recording::of(String::new(), "test", system.chain(answers));
        recording.complete = true;
        recording
    }

    #[test]
    fn a_file_counts_once_under_the_path_that_comes_first() {
        let host = host(
            "linux x86_64",
            &[
                (
                    Question::Library("libx.so.9".into()),
                    "/usr/lib/libx.so.9 -> /usr/local/cuda-12.4/lib64/libx.so.9.1.0",
                ),
                (Question::List("/usr/local/cuda/lib64".into()), "libx.so\nlibx.so.9\nliby.so.9"),
                (
                    Question::Node("/usr/local/cuda/lib64/libx.so.9".into()),
                    "file r -> /usr/local/cuda-12.4/lib64/libx.so.9.1.0",
                ),
                (Question::List("/opt/x".into()), "libx.so.9"),
                (Question::Node("/opt/x/libx.so.9".into()), "file r"),
            ],
        );
        let folders =
            ["/usr/local/cuda/lib64", "/opt/x", "/opt/none"].map(|path| Searched::new(path.to_owned(), Place::Folder));
        let found = copies(&host, &["libx.so.9"], &folders, |name| name == "libx.so.9");
        let paths: Vec<(&str, &str)> = found.iter().map(|copy| (copy.path.as_str(), copy.place.name())).collect();
        assert_eq!(paths, [("/usr/lib/libx.so.9", "loader"), ("/opt/x/libx.so.9", "folder")]);
    }

    #[test]
    fn a_copy_of_another_architecture_is_passed_over_and_a_cut_one_is_not() {
        let image = |machine: &str, complete: bool| {
            format!(r#"{{"format":"elf","bits":64,"machine":"{machine}","complete":{complete}}}"#)
        };
        let (own, cut, other) = (image("x86_64", true), image("x86_64", false), image("aarch64", true));
        let host = host(
            "linux x86_64",
            &[
                (Question::Image("/own".into()), &own),
                (Question::Image("/cut".into()), &cut),
                (Question::Image("/other".into()), &other),
            ],
        );
        assert!(loadable(&host, "/own").unwrap().is_some());
        assert_eq!(loadable(&host, "/other"), Ok(None));
        assert!(matches!(loadable(&host, "/cut"), Err(Missing::Garbled(_))));
        assert_eq!(loadable(&host, "/none"), Err(Missing::NotFound));
    }

    #[test]
    fn packages_name_the_cuda_that_they_are_for() {
        assert_eq!(cuda_of_package("nvidia-cudnn-jit-cu12"), Some("12"));
        assert_eq!(cuda_of_package("tensorrt-cu13-libs"), Some("13"));
        assert_eq!((cuda_of_package("torch"), cuda_of_package("nvidia-cublas")), (None, None));
    }
}
