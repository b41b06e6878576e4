//! The child's side: what one copy of TensorRT says of itself.

use std::ffi::c_int;

use libloading::Library;

use super::Told;
use crate::copies::native::open;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::symbol;

pub(super) fn answer(query: &Query) -> Answer {
    let library = open(query)?;
    let parts = ["Major", "Minor", "Patch"].map(|part| number(&library, &format!("getInferLib{part}Version")).ok());
    let told = Told {
        version: number(&library, "getInferLibVersion")?,
        // Only later releases say the parts.
        parts: match parts {
            [Some(major), Some(minor), Some(patch)] => Some([major, minor, patch]),
            _ => None,
        },
        build: number(&library, "getInferLibBuildVersion").ok(),
    };
    Ok(serde_json::to_string(&told).unwrap_or_default())
}

fn number(library: &Library, name: &str) -> Result<i32, Missing> {
    // SAFETY: NvInferRuntimeBase.h and NvInferRuntime.h declare all of them with C linkage, without arguments and returning
    // an `int32_t`; they need no device.
    unsafe {
        let function: unsafe extern "C" fn() -> c_int = symbol(library, format!("{name}\0").as_bytes())?;
        Ok(function())
    }
}
