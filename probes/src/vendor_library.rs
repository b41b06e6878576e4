//! What every child does with a vendor library: find a function in it, and read what a call answers.

use std::ffi::c_int;

use libloading::Library;

use crate::child::reason;
use crate::host::Missing;

/// Loads libraries of Windows from its system folder, and what they need from there too. Whoever asks for one by its bare
/// name later gets this copy, and none that lies beside this program or in the working directory. What the system folder
/// lacks is left to that search.
#[cfg(windows)]
pub(crate) fn take_from_system(names: &[&str]) {
    use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library as Dll};

    for &name in names {
        // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
        let library = unsafe { Dll::load_with_flags(name, LOAD_LIBRARY_SEARCH_SYSTEM32) };
        // Never unloaded: it is there to be found.
        std::mem::forget(library);
    }
}

/// Nothing: the loaders of other systems look neither beside the program nor in the working directory.
#[cfg(not(windows))]
pub(crate) fn take_from_system(_names: &[&str]) {}

/// From here on takes libraries that are asked for by a bare name from the system folder alone, whoever asks: Direct3D is
/// all there, and brings in what its drivers need by their full paths.
#[cfg(windows)]
pub(crate) fn take_all_from_system() {
    use windows_sys::Win32::System::LibraryLoader::{LOAD_LIBRARY_SEARCH_SYSTEM32, SetDefaultDllDirectories};

    // SAFETY: the call takes a number; where it fails, the search is what it was.
    unsafe { SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32) };
}

/// Nothing: see [`take_from_system`].
#[cfg(not(windows))]
pub(crate) fn take_all_from_system() {}

/// A function of a library.
///
/// # Safety
/// `T` must be the function's type.
pub(crate) unsafe fn symbol<T: Copy>(library: &Library, name: &[u8]) -> Result<T, Missing> {
    // SAFETY: the caller vouches for the type, and keeps the library open.
    let found = unsafe { library.get::<T>(name) };
    found.map(|symbol| *symbol).map_err(|error| Missing::Garbled(reason(&error)))
}

/// What a call answered, where 0 is success: any other number is the reason why there is no more to tell.
pub(crate) fn check(call: &str, code: c_int) -> Result<(), Missing> {
    match code {
        0 => Ok(()),
        code => Err(Missing::Exited { code: code.into(), message: call.to_owned() }),
    }
}

/// More devices than any machine has.
const MOST_DEVICES: i64 = 1024;

/// How many devices a library counts. What no machine has is the library's fault, and not asked for one by one.
pub(crate) fn counted(call: &str, count: impl Into<i64>) -> Result<i32, Missing> {
    let count = count.into();
    match i32::try_from(count) {
        Ok(devices) if (0..=MOST_DEVICES).contains(&count) => Ok(devices),
        _ => Err(Missing::Garbled(format!("{call} counts {count} devices"))),
    }
}
