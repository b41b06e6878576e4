//! The frame on Windows: job objects, no error dialogs, and a crash filter.

use std::fs::File;
use std::io::Write;
use std::os::windows::io::{AsRawHandle, FromRawHandle, RawHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread;

use windows_sys::Win32::Foundation::{CloseHandle, DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle};
use windows_sys::Win32::System::Diagnostics::Debug::{
    EXCEPTION_POINTERS, SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SEM_NOOPENFILEERRORBOX, SetErrorMode,
    SetUnhandledExceptionFilter,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::LibraryLoader::SetDllDirectoryW;
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, GetCurrentProcess, INFINITE, TerminateProcess, WaitForSingleObject,
};

/// Nothing to do: see the half for Unix.
pub fn begin() {}

/// Nothing to read.
pub(crate) fn no_input() -> Stdio {
    Stdio::null()
}

/// Keeps a console from flashing up; the group itself is a job, see [`Group`].
pub(crate) fn lead_group(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

/// The job that a child and all that it starts belong to.
pub(crate) struct Group {
    job: HANDLE,
    leader: HANDLE,
}

impl Group {
    /// Puts a child into a job of its own that ends with this handle.
    pub(crate) fn led_by(child: &Child) -> Group {
        // SAFETY: handles are passed as they were given; the limits' structure is plain data, valid as zeros, and
        // outlives the call that reads it.
        unsafe {
            let job = CreateJobObjectW(std::ptr::null(), std::ptr::null());
            let mut limits: JOBOBJECT_EXTENDED_LIMIT_INFORMATION = std::mem::zeroed();
            limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
            SetInformationJobObject(
                job,
                JobObjectExtendedLimitInformation,
                std::ptr::from_ref(&limits).cast(),
                size_of_val(&limits) as u32,
            );
            let leader = child.as_raw_handle();
            AssignProcessToJobObject(job, leader);
            Group { job, leader }
        }
    }

    /// Ends every process of the job; the child alone where there is no job.
    pub(crate) fn kill(&self) {
        // SAFETY: both handles are open: the job until `drop`, the child's as long as its owner, who outlives us.
        unsafe {
            TerminateJobObject(self.job, 1);
            TerminateProcess(self.leader, 1);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and closed once.
        unsafe { CloseHandle(self.job) };
    }
}

/// Calls `ended` once the child has ended.
pub(crate) fn watch(child: &Child, ended: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let mut copy: HANDLE = std::ptr::null_mut();
    // SAFETY: duplicates a handle that the child's owner keeps open during this call into one that is ours.
    let copied = unsafe {
        let here = GetCurrentProcess();
        DuplicateHandle(here, child.as_raw_handle(), here, &mut copy, 0, 0, DUPLICATE_SAME_ACCESS)
    };
    let copy = copy as usize;
    thread::Builder::new().stack_size(super::STACK).spawn(move || {
        let handle = copy as HANDLE;
        // SAFETY: the copy is ours alone; it is closed once, after the wait.
        let waited = copied != 0 && unsafe { WaitForSingleObject(handle, INFINITE) } == WAIT_OBJECT_0;
        if waited {
            // SAFETY: as above.
            unsafe { CloseHandle(handle) };
        }
        ended();
    })?;
    Ok(())
}

/// The exception that ended a process, if one did: the exit code is then the exception's. Codes of an error's severity
/// are exceptions, but for the topmost sixteenth, where the negative numbers are that programs end with.
pub(crate) fn violent_end(status: ExitStatus) -> Option<String> {
    let code = status.code()? as u32;
    let name = match code {
        0x8000_0003 => " (breakpoint)",
        0xC000_0005 => " (access violation)",
        0xC000_001D => " (illegal instruction)",
        0xC000_0094 => " (division by zero)",
        0xC000_00FD => " (stack overflow)",
        0xC000_0374 => " (heap corruption)",
        0xC000_0409 => " (fail fast)",
        0xE06D_7363 => " (C++ exception)",
        _ => "",
    };
    let violent = code == 0x8000_0003 || (0xC000_0000..0xF000_0000).contains(&code);
    violent.then(|| format!("exception {code:#X}{name}"))
}

unsafe extern "C" {
    /// The C runtime's own table of open files, which knows nothing of `SetStdHandle`.
    fn _dup2(from: i32, to: i32) -> i32;
}

static CHANNEL: AtomicPtr<core::ffi::c_void> = AtomicPtr::new(std::ptr::null_mut());

/// Prepares this process to load drivers: moves the answer's channel out of their way, turns error dialogs off, takes the
/// working directory out of the search for libraries, and ends with the exception's code on a crash (without the filter
/// a crash looks like a hang).
pub(crate) fn become_child() -> impl Write {
    // SAFETY: standard handles are passed as the system gave them; the filter is a function that lives for ever; `_dup2`
    // takes two numbers, and the handle that it closes has its copy by then; the empty text ends with a zero.
    unsafe {
        SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
        SetUnhandledExceptionFilter(Some(end_with_exception));
        SetDllDirectoryW([0].as_ptr());
        let here = GetCurrentProcess();
        let mut channel: HANDLE = std::ptr::null_mut();
        DuplicateHandle(here, GetStdHandle(STD_OUTPUT_HANDLE), here, &mut channel, 0, 0, DUPLICATE_SAME_ACCESS);
        // What a driver prints goes by the C runtime's table or by the standard handle.
        _dup2(2, 1);
        SetStdHandle(STD_OUTPUT_HANDLE, GetStdHandle(STD_ERROR_HANDLE));
        CHANNEL.store(channel, Ordering::Relaxed);
    }
    answer_channel()
}

unsafe extern "system" fn end_with_exception(exception: *const EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes a valid record for the time of the call.
    let code = unsafe { (*(*exception).ExceptionRecord).ExceptionCode };
    exit_now(code)
}

/// The channel on which the answer goes to the parent.
pub(crate) fn answer_channel() -> impl Write {
    let handle: RawHandle = CHANNEL.load(Ordering::Relaxed);
    // SAFETY: `become_child` made the handle and nothing closes it; `ManuallyDrop` keeps it open for the next writer.
    Unclosed(std::mem::ManuallyDrop::new(unsafe { File::from_raw_handle(handle) }))
}

struct Unclosed(std::mem::ManuallyDrop<File>);

impl Write for Unclosed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Ends this process without running anybody's exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; the loop is there for the compiler, which does not know that.
    unsafe { TerminateProcess(GetCurrentProcess(), code as u32) };
    loop {
        thread::park();
    }
}

/// Dies as a driver does that reads where nothing is.
pub(crate) fn crash() -> ! {
    // SAFETY: this is the fault itself: a read from the null page, which is never mapped.
    unsafe { std::ptr::null::<u8>().wrapping_add(8).read_volatile() };
    exit_now(1)
}

/// Leaves behind a process that keeps the standard handles open.
pub(crate) fn leave_a_grandchild() {
    // What it prints and whether it starts at all is of no interest: it is there to be ended.
    _ = Command::new("ping.exe").args(["-n", "3600", "127.0.0.1"]).spawn();
}

/// Nothing to do: jobs end with the process that holds them.
pub(crate) fn before_interrupt(_clean: impl FnOnce() + Send + 'static) {}

/// Nothing to do: jobs hold whatever their children leave behind.
pub(crate) fn adopt_orphans() {}

/// Nothing to do: jobs hold whatever their children leave behind.
pub(crate) fn end_orphans() {}

/// Nothing to say: see [`end_orphans`].
pub(crate) fn own_every_child() {}
