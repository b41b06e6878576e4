//! How little this process may use, where somebody limited it: then everything is asked in turn, and a driver's failure says
//! nothing about the driver.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

/// Below this much, a driver may fail for want of it. A compiler of shaders alone takes some hundred megabytes, and
/// a driver a handful of files.
const MEMORY: u64 = 4 << 30;
const FILES: u64 = 128;
const FILE_SIZE: u64 = 1 << 20;
const SECONDS: u64 = 60;
/// As many threads as a driver may want.
const THREADS: usize = 16;

/// The limit that leaves a driver too little, in words; nothing where there is enough of everything.
pub(in crate::host) fn scarce() -> Option<String> {
    let limits = [
        (limit(libc::RLIMIT_AS), MEMORY, "bytes of address space"),
        (limit(libc::RLIMIT_DATA), MEMORY, "bytes of memory"),
        (limit(libc::RLIMIT_NOFILE), FILES, "open files"),
        (limit(libc::RLIMIT_FSIZE), FILE_SIZE, "bytes in a file"),
        (limit(libc::RLIMIT_CPU), SECONDS, "seconds of processor time"),
    ];
    let scarce = limits.into_iter().find(|(limit, enough, _)| limit < enough);
    scarce.map(|(limit, _, what)| format!("this process is limited to {limit} {what}"))
}

/// The same for what only shows when it is tried: threads may be counted by user, by group or by system.
pub(in crate::host) fn no_threads() -> Option<String> {
    let over = (Mutex::new(false), Condvar::new());
    let wait = || {
        let held = over.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(over.1.wait_while(held, |over| !*over).unwrap_or_else(PoisonError::into_inner));
    };
    thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(1 << 16).spawn_scoped(scope, wait).is_ok();
        let all = (0..THREADS).all(start);
        *over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        over.1.notify_all();
        (!all).then(|| format!("this process may not start {THREADS} threads more"))
    })
}

fn limit(which: Resource) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: getrlimit(2) writes one such structure, which outlives the call. What it does not know it leaves as it is.
    unsafe { libc::getrlimit(which, &mut limit) };
    limit.rlim_cur
}
