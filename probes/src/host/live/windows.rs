//! The live host on Windows.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_MORE_DATA, ERROR_SUCCESS};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_64KEY, REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ,
    REG_QWORD, REG_SZ, RegCloseKey, RegEnumKeyExW, RegEnumValueW, RegOpenKeyExW,
};

use crate::host::{Answer, Missing};

/// Nothing: the loader of Windows keeps no cache of paths.
pub(super) struct LoaderCache;

impl LoaderCache {
    /// See above.
    pub(super) fn load() -> LoaderCache {
        LoaderCache
    }
}

/// The home directory of the user.
pub(super) fn home() -> Option<String> {
    std::env::var_os("USERPROFILE").map(|home| home.to_string_lossy().into_owned())
}

/// The user's name.
pub(super) fn users() -> Vec<String> {
    std::env::var("USERNAME").into_iter().collect()
}

/// The machine's name.
pub(super) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// What kind of thing stands at a path.
pub(super) fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() { "directory" } else { "file" }
}

/// The file that a path leads to in the end, where that is another. Neither case nor the prefix that `canonicalize` adds
/// makes it another.
pub(super) fn target(path: &Path) -> Option<PathBuf> {
    let target = std::fs::canonicalize(path).ok()?.to_string_lossy().into_owned();
    let target = match (target.strip_prefix(r"\\?\UNC\"), target.strip_prefix(r"\\?\")) {
        (Some(share), _) => format!(r"\\{share}"),
        (None, Some(plain)) => plain.to_owned(),
        (None, None) => target,
    };
    let asked = path.to_string_lossy().replace('/', r"\");
    (target.to_lowercase() != asked.to_lowercase()).then(|| PathBuf::from(target))
}

/// What this process may do with a path, as far as attributes tell.
pub(super) fn access(path: &Path) -> &'static str {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.permissions().readonly() => "r",
        Ok(_) => "rw",
        Err(_) => "-",
    }
}

/// There are no groups that open device nodes here.
pub(super) fn group(_metadata: &Metadata) -> Option<String> {
    None
}

/// Nothing: what limits a job is not asked for.
pub(super) fn scarce() -> Option<String> {
    None
}

/// Nothing: see above.
pub(super) fn no_threads() -> Option<String> {
    None
}

/// Where else a throw-away directory may be made: nowhere but in the user's own folder.
pub(super) const TEMPORARY: &[&str] = &[];

/// Makes a directory; the folder for temporary files is the user's own on Windows.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir(folder)
}

/// Points a child's caches and temporary files at a folder.
pub(super) fn move_into(command: &mut Command, folder: &Path) {
    for name in ["TEMP", "TMP", "LOCALAPPDATA", "APPDATA"] {
        command.env(name, folder);
    }
    if folder.is_dir() {
        command.current_dir(folder);
    }
}

/// Where a system library is loaded from: the system folder first, then the search path; never the working directory.
pub(super) fn library_candidates(name: &str, _cache: &LoaderCache) -> Vec<PathBuf> {
    if name.contains(['\\', '/']) {
        return vec![PathBuf::from(name)];
    }
    let root = std::env::var_os("SystemRoot").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from);
    let listed = std::env::var_os("PATH").unwrap_or_default();
    let listed: Vec<PathBuf> = std::env::split_paths(&listed).filter(|folder| folder.is_absolute()).collect();
    let mut seen = Vec::new();
    let mut folders: Vec<PathBuf> = std::iter::once(root.join("System32")).chain(listed).collect();
    // The search path names the system folder again, and mostly in another case.
    folders.retain(|folder| {
        let folder = folder.to_string_lossy().trim_end_matches('\\').to_lowercase();
        let new = !seen.contains(&folder);
        seen.push(folder);
        new
    });
    folders.into_iter().map(|folder| folder.join(name)).collect()
}

/// Reads the registry, see [`crate::host::Question::Registry`].
pub(super) fn registry(question: &str) -> Answer {
    let (path, value) = match question.split_once('@') {
        Some((path, value)) => (path, Some(value)),
        None => (question, None),
    };
    let key = Key::open(path)?;
    match value {
        None => Ok(key.subkeys().join("\n")),
        Some("*") => {
            let lines: Vec<String> = key.values().into_iter().map(|(name, data)| format!("{name}={data}")).collect();
            Ok(lines.join("\n"))
        }
        Some(name) => {
            let found = key.values().into_iter().find(|(listed, _)| listed.eq_ignore_ascii_case(name));
            found.map(|(_, data)| data).ok_or(Missing::NotFound)
        }
    }
}

/// An open key, closed on drop.
struct Key(HKEY);

impl Key {
    fn open(path: &str) -> Result<Key, Missing> {
        let (hive, path) = path.split_once('\\').ok_or(Missing::NotFound)?;
        let hive = match hive {
            "HKLM" => HKEY_LOCAL_MACHINE,
            "HKCU" => HKEY_CURRENT_USER,
            _ => return Err(Missing::NotFound),
        };
        let path: Vec<u16> = path.encode_utf16().chain([0]).collect();
        let mut key: HKEY = std::ptr::null_mut();
        // SAFETY: the path ends with a zero and outlives the call, which writes one handle.
        let opened = unsafe { RegOpenKeyExW(hive, path.as_ptr(), 0, KEY_READ | KEY_WOW64_64KEY, &mut key) };
        match opened {
            ERROR_SUCCESS => Ok(Key(key)),
            ERROR_ACCESS_DENIED => Err(Missing::Denied),
            _ => Err(Missing::NotFound),
        }
    }

    fn subkeys(&self) -> Vec<String> {
        let mut names = Vec::new();
        for index in 0..u32::from(u16::MAX) {
            // Key names have 255 characters at the most (Registry element size limits).
            let mut name = [0u16; 256];
            let mut length = name.len() as u32;
            // SAFETY: name and length outlive the call, which writes at most `length` units; the rest may be null.
            let found = unsafe {
                RegEnumKeyExW(
                    self.0,
                    index,
                    name.as_mut_ptr(),
                    &mut length,
                    std::ptr::null(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                )
            };
            if found != ERROR_SUCCESS {
                break;
            }
            names.push(text(name.get(..length as usize).unwrap_or_default()));
        }
        names.sort();
        names
    }

    fn values(&self) -> Vec<(String, String)> {
        let mut values = Vec::new();
        // Value names have 16,383 characters at the most; what is larger than the data's buffer is passed over.
        let mut name = vec![0u16; 16_384];
        let mut data = vec![0u8; 65_536];
        for index in 0..u32::from(u16::MAX) {
            let mut name_length = name.len() as u32;
            let mut data_length = data.len() as u32;
            let mut kind = 0;
            // SAFETY: all buffers outlive the call, which writes at most the lengths that it is given.
            let found = unsafe {
                RegEnumValueW(
                    self.0,
                    index,
                    name.as_mut_ptr(),
                    &mut name_length,
                    std::ptr::null(),
                    &mut kind,
                    data.as_mut_ptr(),
                    &mut data_length,
                )
            };
            match found {
                ERROR_SUCCESS => {}
                ERROR_MORE_DATA => continue,
                _ => break,
            }
            let bytes = data.get(..data_length as usize).unwrap_or_default();
            if let Some(value) = show(kind, bytes) {
                values.push((text(name.get(..name_length as usize).unwrap_or_default()), value));
            }
        }
        values.sort();
        values
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and closed once.
        unsafe { RegCloseKey(self.0) };
    }
}

fn text(units: &[u16]) -> String {
    String::from_utf16_lossy(units)
}

/// A value as text: several texts are joined by `;`, binary data is left out.
fn show(kind: u32, bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> =
        bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?))).collect();
    match kind {
        REG_SZ | REG_EXPAND_SZ => Some(text(&units).trim_end_matches('\0').to_owned()),
        REG_MULTI_SZ => Some(text(&units).trim_end_matches('\0').replace('\0', ";")),
        REG_DWORD => Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?).to_string()),
        REG_QWORD => Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?).to_string()),
        _ => None,
    }
}
