//! The child's side: the version of TensorFlow Lite's C library, or the accelerators that LiteRT registers.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

use super::Runtime;
use crate::host::{Answer, Missing, Query};
use crate::onnxruntime::native::{open, text};
use crate::vendor_library::{check, symbol};

type Object = *mut c_void;

/// More accelerators than any build has.
const MOST_ACCELERATORS: usize = 64;

pub(super) fn answer(query: &Query) -> Answer {
    let path = query.arguments.first().ok_or(Missing::Unsupported)?;
    let library = open(path)?;
    let mut runtime = Runtime::default();
    // SAFETY: the functions have the types of c_api.h and of LiteRT's headers and are called in their order; every pointer is to a
    // local that outlives its call. What they give is not given back, because this process ends.
    unsafe {
        if let Ok(version) = symbol::<unsafe extern "C" fn() -> *const c_char>(&library, b"TfLiteVersion\0") {
            runtime.version = text(version());
            return Ok(serde_json::to_string(&runtime).unwrap_or_default());
        }
        // Before 2.0 LiteRT had other functions; that says nothing against it.
        let Ok(create) = symbol::<unsafe extern "C" fn(c_int, *const c_void, *mut Object) -> c_int>(
            &library,
            b"LiteRtCreateEnvironment\0",
        ) else {
            return Err(Missing::Unsupported);
        };
        let count: unsafe extern "C" fn(Object, *mut usize) -> c_int = symbol(&library, b"LiteRtGetNumAccelerators\0")?;
        let get: unsafe extern "C" fn(Object, usize, *mut Object) -> c_int =
            symbol(&library, b"LiteRtGetAccelerator\0")?;
        let name: unsafe extern "C" fn(Object, *mut *const c_char) -> c_int =
            symbol(&library, b"LiteRtGetAcceleratorName\0")?;
        let (mut environment, mut number) = (ptr::null_mut(), 0);
        check("LiteRtCreateEnvironment", create(0, ptr::null(), &mut environment))?;
        check("LiteRtGetNumAccelerators", count(environment, &mut number))?;
        for index in 0..number.min(MOST_ACCELERATORS) {
            let (mut accelerator, mut words) = (ptr::null_mut(), ptr::null());
            check("LiteRtGetAccelerator", get(environment, index, &mut accelerator))?;
            check("LiteRtGetAcceleratorName", name(accelerator, &mut words))?;
            runtime.accelerators.extend(text(words));
        }
    }
    Ok(serde_json::to_string(&runtime).unwrap_or_default())
}
