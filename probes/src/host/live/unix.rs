//! The live host on Unix.

use std::ffi::{CStr, CString};
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) use super::limits::{no_threads, scarce};
pub(super) use super::loader_cache::LoaderCache;
use crate::host::{Answer, Missing};

/// The home directory by `HOME`, or where that is not set, by the list of users.
pub(super) fn home() -> Option<String> {
    let told = std::env::var_os("HOME").map(|home| home.to_string_lossy().into_owned());
    told.filter(|home| !home.is_empty()).or_else(|| listed().map(|(_, home)| home))
}

/// The user's names: as the login left them in the environment, under sudo that of the person who called it as well, and
/// by the list of users.
pub(super) fn users() -> Vec<String> {
    let told = ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(std::env::var_os);
    told.map(|name| name.to_string_lossy().into_owned()).chain(listed().map(|(name, _)| name)).collect()
}

/// Name and home directory of this process's user, as far as a file tells.
fn listed() -> Option<(String, String)> {
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    let number = unsafe { libc::geteuid() }.to_string();
    let users = super::bytes(Path::new("/etc/passwd"), super::TEXT_LIMIT).ok()?;
    String::from_utf8_lossy(&users).lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let is_it = fields.nth(1) == Some(number.as_str());
        let home = fields.nth(2)?.to_owned();
        is_it.then_some((name, home))
    })
}

/// The machine's name.
pub(super) fn host_name() -> Option<String> {
    let mut bytes = [0u8; 256];
    // SAFETY: the call writes no further than the length that it is given, which leaves the last byte zero.
    let code = unsafe { libc::gethostname(bytes.as_mut_ptr().cast(), bytes.len() - 1) };
    let name = CStr::from_bytes_until_nul(&bytes).ok().filter(|_| code == 0)?;
    Some(name.to_string_lossy().trim().to_owned())
}

/// What kind of thing stands at a path.
pub(super) fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => "file",
        () if kind.is_dir() => "directory",
        () if kind.is_char_device() => "char-device",
        () if kind.is_block_device() => "block-device",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "other",
    }
}

/// The file that a path leads to in the end, where that is another.
pub(super) fn target(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok().filter(|target| target != path)
}

/// What this process may do with a path, asked without opening it.
pub(super) fn access(path: &Path) -> &'static str {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return "-" };
    // SAFETY: the path is a C string that outlives the call; faccessat(2) only reads it.
    let may = |mode| unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) } == 0;
    match (may(libc::R_OK), may(libc::W_OK)) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "-",
    }
}

/// The group whose members may read and write a device node: its name, or its number where it has no name here.
pub(super) fn group(metadata: &Metadata) -> Option<String> {
    const READ_AND_WRITE: u32 = 0o060;
    if !metadata.file_type().is_char_device() || metadata.mode() & READ_AND_WRITE != READ_AND_WRITE {
        return None;
    }
    let number = metadata.gid().to_string();
    let groups = super::bytes(Path::new("/etc/group"), super::TEXT_LIMIT).unwrap_or_default();
    let name = String::from_utf8_lossy(&groups).lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.contains(' '))?;
        (fields.nth(1) == Some(number.as_str())).then(|| name.to_owned())
    });
    Some(name.unwrap_or(number))
}

/// There is no registry here.
pub(super) fn registry(_key: &str) -> Answer {
    Err(Missing::Unsupported)
}

/// Where a throw-away directory may be made, if not in the folder that the environment names.
pub(super) const TEMPORARY: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

/// Makes a directory that only this user may enter; fails where one is already.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

/// Points a child's home, caches and temporary files at a folder.
pub(super) fn move_into(command: &mut Command, folder: &Path) {
    for name in ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "TMPDIR"] {
        command.env(name, folder);
    }
    if folder.is_dir() {
        command.current_dir(folder);
    }
}

/// Where the loader would look for a library: the variable, the cache, then its own folders.
pub(super) fn library_candidates(name: &str, cache: &LoaderCache) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![PathBuf::from(name)];
    }
    let (variable, folders) = match cfg!(target_os = "macos") {
        true => ("DYLD_LIBRARY_PATH", MACOS_FOLDERS),
        false => ("LD_LIBRARY_PATH", LINUX_FOLDERS),
    };
    let listed = std::env::var_os(variable).unwrap_or_default();
    // Nothing is ever taken from the working directory or from below it.
    let first = std::env::split_paths(&listed).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    let cached = cache.paths(name).iter().map(PathBuf::from);
    let last = folders.iter().map(|folder| Path::new(folder).join(name));
    first.chain(cached).chain(last).collect()
}

/// The folders built into the loaders of glibc (also Debian's and Fedora's) and musl.
const LINUX_FOLDERS: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
];
const MACOS_FOLDERS: &[&str] = &["/usr/local/lib", "/opt/homebrew/lib", "/usr/lib"];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_node_is_told_and_that_of_a_file_is_not() {
        let group = |path: &str| group(&std::fs::metadata(path).unwrap());
        assert!(group("/dev/null").is_some());
        assert_eq!(group("/proc/self/status"), None);
    }
}
