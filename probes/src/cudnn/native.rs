//! The child's side: what one copy of cuDNN says of itself.

use super::Told;
use crate::copies::native::open;
use crate::host::{Answer, Query};
use crate::vendor_library::symbol;

pub(super) fn answer(query: &Query) -> Answer {
    let library = open(query)?;
    // SAFETY: both functions take nothing and return a `size_t`, as cudnn_graph.h (before 9: cudnn.h) declares them, and
    // neither needs a handle nor a device.
    let told = unsafe {
        let version: unsafe extern "system" fn() -> usize = symbol(&library, b"cudnnGetVersion\0")?;
        let cuda = symbol::<unsafe extern "system" fn() -> usize>(&library, b"cudnnGetCudartVersion\0").ok();
        Told { version: version() as u64, cuda: cuda.map(|cuda| cuda() as u64) }
    };
    Ok(serde_json::to_string(&told).unwrap_or_default())
}
