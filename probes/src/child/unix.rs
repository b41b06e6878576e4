//! The frame on Unix: process groups, signals, and a channel that drivers do not know.

use std::fs::File;
use std::io::Write;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// The variable that marks everything a run starts, so that what outlives it can be told from other people's processes.
pub(crate) const RUN_MARK: &str = "ACCELPROBE_RUN";

/// What comes before anything else, in the tool and in its children: this process is not ended by what it may ask about, and
/// takes no more address space than it needs where that is limited.
pub fn begin() {
    // SAFETY: actions of signals and settings of the allocator, before there is a second thread.
    unsafe {
        // A full or limited file is an error to tell, not a death.
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        // Where a parent ignored it, nobody would learn how a child ended.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        #[cfg(target_env = "gnu")]
        {
            let mut limit: libc::rlimit = std::mem::zeroed();
            if libc::getrlimit(libc::RLIMIT_AS, &mut limit) == 0 && limit.rlim_cur != libc::RLIM_INFINITY {
                // Else each thread sets 64 MB aside.
                libc::mallopt(libc::M_ARENA_MAX, 1);
            }
        }
    }
}

/// Nothing to read; also where there is no `/dev/null`.
pub(crate) fn no_input() -> Stdio {
    File::open("/dev/null").map_or_else(|_| Stdio::piped(), Stdio::from)
}

/// Lets the command lead a process group, so that one signal ends it and what it started.
pub(crate) fn lead_group(command: &mut Command) {
    command.process_group(0).env(RUN_MARK, run_mark());
}

/// The process group of a child.
pub(crate) struct Group(libc::pid_t);

impl Group {
    /// The group that a child leads; see [`lead_group`].
    pub(crate) fn led_by(child: &Child) -> Group {
        let leader = libc::pid_t::try_from(child.id()).unwrap_or(libc::pid_t::MAX);
        running().push(leader);
        Group(leader)
    }

    /// Ends every process of the group, at once and without asking.
    pub(crate) fn kill(&self) {
        kill_group(self.0);
    }
}

fn kill_group(leader: libc::pid_t) {
    // SAFETY: kill(2) takes two numbers; a group that is already gone is an error that changes nothing.
    unsafe { libc::kill(-leader, libc::SIGKILL) };
}

impl Drop for Group {
    fn drop(&mut self) {
        running().retain(|leader| *leader != self.0);
    }
}

/// The groups that are running, by their leaders.
static RUNNING: Mutex<Vec<libc::pid_t>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<libc::pid_t>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When somebody ends this process (Ctrl-C, SIGTERM, a closed terminal), ends its children and calls `clean` first. A
/// signal that is ignored, as under nohup, stays ignored.
pub(crate) fn before_interrupt(clean: impl FnOnce() + Send + 'static) {
    // SAFETY: signal sets and actions are plain data, valid as zeros, and outlive the calls that fill or read them.
    let (signals, blocked) = unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &mut action);
            if action.sa_sigaction == libc::SIG_DFL {
                libc::sigaddset(&mut signals, signal);
            }
        }
        // Threads that come later inherit this, and so do children: our own lift it again, tools are ended by SIGKILL.
        (signals, libc::pthread_sigmask(libc::SIG_BLOCK, &signals, std::ptr::null_mut()) == 0)
    };
    let unblock = move || {
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &signals, std::ptr::null_mut()) };
    };
    let wait = move || {
        let mut signal = 0;
        // SAFETY: as above; `signal` is a local that outlives the call.
        if unsafe { libc::sigwait(&signals, &mut signal) } != 0 {
            return;
        }
        // Held to the end: whoever starts or ends a child waits, so that nothing new begins meanwhile.
        let running = running();
        for leader in running.iter() {
            kill_group(*leader);
        }
        // Only when a leader is gone does what it left behind come to us.
        for _ in 0..10 {
            end_orphans();
            thread::sleep(std::time::Duration::from_millis(3));
        }
        clean();
        unblock();
        // SAFETY: raises the signal that was waited for, now with its default action, which ends this process.
        unsafe { libc::raise(signal) };
    };
    if blocked && thread::Builder::new().stack_size(super::STACK).spawn(wait).is_err() {
        unblock();
    }
}

/// Calls `ended` once the child has ended, without reaping it.
pub(crate) fn watch(child: &Child, ended: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let id = child.id();
    thread::Builder::new().stack_size(super::STACK).spawn(move || {
        // SAFETY: `siginfo_t` is plain data, valid as zeros, and waitid(2) writes no further than its size.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        loop {
            // SAFETY: as above; WNOWAIT leaves the child to be reaped by its owner.
            let waited = unsafe { libc::waitid(libc::P_PID, id, &mut info, libc::WEXITED | libc::WNOWAIT) };
            if waited == 0 {
                break;
            }
            if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
                // A sandbox refuses it.
                while runs(id) {
                    thread::sleep(std::time::Duration::from_millis(5));
                }
                break;
            }
        }
        ended();
    })?;
    Ok(())
}

/// Whether a process has not ended yet, by what /proc tells of it.
fn runs(id: libc::id_t) -> bool {
    let status = std::fs::read(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name in front may hold anything, brackets as well.
    let state = status.rsplit(|byte| *byte == b')').next().unwrap_or_default();
    !state.is_empty() && !matches!(state.trim_ascii_start().first(), Some(b'Z' | b'X'))
}

/// The signal that ended a process, if one did.
pub(crate) fn violent_end(status: ExitStatus) -> Option<String> {
    let signal = status.signal()?;
    let name = match signal {
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    };
    Some(format!("signal {signal}{name}"))
}

static CHANNEL: AtomicI32 = AtomicI32::new(-1);

/// Prepares this process to load drivers: moves the answer's channel out of their way, turns core dumps off, and ends
/// with the parent.
pub(crate) fn become_child() -> impl Write {
    // SAFETY: system calls on numbers. The limit's structure outlives the call. A core limit of one byte stops dumps to
    // files and to pipe handlers alike, while 0 stops only those to files (core(5)).
    unsafe {
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
        libc::setrlimit(libc::RLIMIT_CORE, &limit);
        // 100 and above: out of reach of drivers that close or reuse the first descriptors by number.
        let channel = libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 100);
        let channel = if channel < 0 { libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 3) } else { channel };
        libc::dup2(2, 1);
        CHANNEL.store(channel, Ordering::Relaxed);
    }
    answer_channel()
}

/// The channel on which the answer goes to the parent.
pub(crate) fn answer_channel() -> impl Write {
    let descriptor: RawFd = CHANNEL.load(Ordering::Relaxed);
    // Where the channel could not be made, standard error stands in and the answer is lost there.
    let descriptor = if descriptor < 0 { 2 } else { descriptor };
    // SAFETY: `become_child` made the descriptor and nothing closes it; `ManuallyDrop` keeps it open for the next writer.
    Unclosed(std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) }))
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
    // SAFETY: _exit(2) does not return and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Dies as a driver does that reads where nothing is.
pub(crate) fn crash() -> ! {
    // SAFETY: raising a signal touches no memory; the default action ends the process. The handler that Rust installs
    // for stack overflows passes other faults on, hence the reset.
    unsafe {
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        libc::raise(libc::SIGSEGV);
    }
    exit_now(1)
}

/// Leaves behind a process in a session of its own that keeps the answer's channel and standard error open.
pub(crate) fn leave_a_grandchild() {
    // SAFETY: between fork(2) and _exit(2) the grandchild calls async-signal-safe functions only.
    unsafe {
        if libc::fork() == 0 {
            libc::setsid();
            libc::sleep(3600);
            libc::_exit(0);
        }
    }
}

fn run_mark() -> String {
    format!("run-{}", std::process::id())
}

/// Makes this process the parent of what its children leave behind, so that it can be ended.
pub(crate) fn adopt_orphans() {
    // SAFETY: prctl(2) on numbers. Where the kernel does not know it, orphans go to init as ever.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    }
}

/// Ends what the children of this run left behind: our own children by now, and marked as this run's.
pub(crate) fn end_orphans() {
    #[cfg(target_os = "linux")]
    for _ in 0..16 {
        // Leaders belong to those who wait for them.
        let leaders = RUNNING.try_lock().map(|running| running.clone()).unwrap_or_default();
        let mut orphans = marked_children();
        orphans.retain(|orphan| !leaders.contains(orphan));
        if orphans.is_empty() {
            return;
        }
        for orphan in orphans {
            // SAFETY: system calls on numbers; the process is our unreaped child, so its number names no other.
            unsafe {
                libc::kill(orphan, libc::SIGKILL);
                libc::waitpid(orphan, std::ptr::null_mut(), libc::WNOHANG);
            }
        }
        thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[cfg(target_os = "linux")]
fn marked_children() -> Vec<libc::pid_t> {
    let mark = format!("{RUN_MARK}={}", run_mark());
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|children| children.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|child| {
            let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        })
        .filter_map(|child| child.parse().ok())
        .collect()
}
