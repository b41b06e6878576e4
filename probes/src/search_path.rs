//! Finds a program on the asked machine's search path, live or recorded, by the package `which` over a [`Host`].

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use which::sys::{Sys, SysMetadata, SysReadDirEntry};

use crate::host::Host;

/// The first program of this name on the search path, as the asked machine writes the path.
pub(crate) fn find(host: &dyn Host, program: &str) -> Option<String> {
    let found = which::WhichConfig::new_with_sys(Asked(host))
        .system_path_list()
        .binary_name(OsString::from(program))
        .first_result()
        .ok()?;
    Some(spelled(host, &found))
}

/// A path with the asked machine's separator: `which` joins with that of the system that it was built for.
fn spelled(host: &dyn Host, path: &Path) -> String {
    let path = path.to_string_lossy();
    match host.is_windows() {
        true => path.replace('/', r"\"),
        false if cfg!(windows) => path.replace('\\', "/"),
        false => path.into_owned(),
    }
}

/// Whether a folder is the same whatever the working directory is: `C:tools` and `\tools` are not.
fn is_absolute(folder: &str, windows: bool) -> bool {
    let drive = || folder.get(1..2) == Some(":") && folder.get(2..).is_some_and(|rest| rest.starts_with(['\\', '/']));
    match windows {
        true => folder.starts_with('~') || folder.starts_with(r"\\") || drive(),
        false => folder.starts_with(['/', '~']),
    }
}

struct Asked<'a>(&'a dyn Host);

struct Nothing;

impl SysReadDirEntry for Nothing {
    fn file_name(&self) -> OsString {
        OsString::new()
    }

    fn path(&self) -> PathBuf {
        PathBuf::new()
    }
}

struct Is {
    file: bool,
}

impl SysMetadata for Is {
    fn is_symlink(&self) -> bool {
        false
    }

    fn is_file(&self) -> bool {
        self.file
    }
}

impl Asked<'_> {
    fn node(&self, path: &Path) -> io::Result<String> {
        self.0.node(&spelled(self.0, path)).map_err(|_| io::ErrorKind::NotFound.into())
    }
}

impl Sys for Asked<'_> {
    type ReadDirEntry = Nothing;
    type Metadata = Is;

    fn is_windows(&self) -> bool {
        self.0.is_windows()
    }

    fn current_dir(&self) -> io::Result<PathBuf> {
        // Nothing is ever taken from the working directory.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn home_dir(&self) -> Option<PathBuf> {
        None
    }

    fn env_split_paths(&self, paths: &OsStr) -> Vec<PathBuf> {
        let separator = if self.is_windows() { ';' } else { ':' };
        let windows = self.is_windows();
        paths
            .to_string_lossy()
            .split(separator)
            .filter(|folder| is_absolute(folder, windows))
            .map(PathBuf::from)
            .collect()
    }

    fn env_path(&self) -> Option<OsString> {
        self.0.env("PATH").map(OsString::from)
    }

    fn env_path_ext(&self) -> Option<OsString> {
        self.0.env("PATHEXT").map(OsString::from)
    }

    fn env_windows_path_ext(&self) -> Cow<'static, [String]> {
        let listed = self.0.env("PATHEXT").unwrap_or_else(|| ".COM;.EXE;.BAT;.CMD".to_owned());
        Cow::Owned(listed.split(';').filter(|ext| ext.starts_with('.')).map(str::to_owned).collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Is> {
        Ok(Is { file: self.node(path)?.starts_with("file") })
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Is> {
        self.metadata(path)
    }

    fn read_dir(&self, _path: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<Nothing>>>> {
        Ok(Box::new(std::iter::empty()))
    }

    fn is_valid_executable(&self, path: &Path) -> io::Result<bool> {
        Ok(self.node(path)?.starts_with("file"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::Question;
    use crate::host::recording::Recording;

    #[test]
    fn no_folder_depends_on_where_this_runs() {
        for folder in [r"C:\Tools", "C:/Tools", r"\\server\tools", r"~\bin"] {
            assert!(is_absolute(folder, true), "{folder}");
        }
        for folder in ["", ".", "C:", "C:Tools", r"\Tools", "/Tools", r".\x", "Tools"] {
            assert!(!is_absolute(folder, true), "{folder}");
        }
        for (folder, absolute) in [("/usr/bin", true), ("~/bin", true), ("", false), (".", false), ("bin", false)] {
            assert_eq!(is_absolute(folder, false), absolute, "{folder}");
        }
    }

    #[test]
    fn walks_the_search_path_of_a_recorded_machine() {
        for (system, path, file) in [
            ("linux x86_64", "relative:/usr/local/bin:/usr/bin", "/usr/bin/nvidia-smi"),
            ("windows x86_64", r".;C:\Tools;C:\Windows\System32", r"C:\Windows\System32\nvidia-smi.EXE"),
        ] {
            let host = Recording::of(
                String::new(),
                "test",
                [
                    (Question::System, Ok(system.to_owned())),
                    (Question::Env("PATH".into()), Ok(path.to_owned())),
                    (Question::Env("PATHEXT".into()), Ok(".COM;.EXE".to_owned())),
                    (Question::Node(file.into()), Ok("file r".to_owned())),
                ],
            );
            assert_eq!(find(&host, "nvidia-smi").unwrap(), file);
            assert_eq!(find(&host, "rocminfo"), None);
        }
    }
}
