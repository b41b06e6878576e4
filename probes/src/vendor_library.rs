//! What every child does with a vendor library: find a function in it, and read what a call answers.

use std::ffi::c_int;

use libloading::Library;

use crate::child::reason;
use crate::host::Missing;

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
