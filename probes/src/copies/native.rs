//! The child's side of copies: opening a library so that it finds what lies beside it.

use std::mem::ManuallyDrop;

use libloading::Library;

use crate::child::reason;
use crate::host::{Missing, Query};

/// Opens the library that a query names first, after the others that it names: what those are, the first then finds loaded.
/// None is ever unloaded: what a library does at its end must not come before the answer.
pub(crate) fn open(query: &Query) -> Result<ManuallyDrop<Library>, Missing> {
    let Some((path, before)) = query.arguments.split_first() else {
        return Err(Missing::Garbled("no library was named".to_owned()));
    };
    let open = |path: &String| {
        // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
        let library = unsafe { load(path) };
        library.map(ManuallyDrop::new).map_err(|error| Missing::Garbled(reason(&error)))
    };
    for path in before {
        open(path)?;
    }
    open(path)
}

#[cfg(not(windows))]
unsafe fn load(path: &str) -> Result<Library, libloading::Error> {
    // SAFETY: the caller's.
    unsafe { Library::new(path) }
}

/// On Windows a library asks for others by their bare names, now and later; its own folder is searched for none of these
/// unless that is said.
#[cfg(windows)]
unsafe fn load(path: &str) -> Result<Library, libloading::Error> {
    use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library as Dll};
    use windows_sys::Win32::System::LibraryLoader::SetDllDirectoryW;

    let folder: Vec<u16> = super::folder_of(path).encode_utf16().chain(std::iter::once(0)).collect();
    // SAFETY: the text ends with a zero and outlives the call. The rest is the caller's.
    unsafe {
        SetDllDirectoryW(folder.as_ptr());
        Dll::load_with_flags(path, LOAD_WITH_ALTERED_SEARCH_PATH).map(Library::from)
    }
}
