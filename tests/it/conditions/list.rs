//! The conditions: what a machine does to files and to a process. Each is made on entering a world, and vanishes with it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::worlds::world::Entry;

/// One condition.
pub struct Condition {
    /// The part of the table that it stands in.
    pub about: &'static str,
    /// What it is, in words.
    pub name: String,
    /// How the world is made so.
    pub entry: Entry,
}

impl Condition {
    fn new(about: &'static str, name: &str) -> Condition {
        Condition { about, name: name.to_owned(), entry: Entry::default() }
    }

    fn steps(mut self, steps: &str) -> Condition {
        self.entry.steps = steps.to_owned();
        self
    }

    fn under(mut self, command: &str) -> Condition {
        self.entry.under = command.to_owned();
        self
    }

    fn for_user(mut self) -> Condition {
        self.entry.as_user = true;
        self
    }

    fn variables(mut self, variables: &[&[u8]]) -> Condition {
        let texts = variables.iter().map(|variable| OsString::from_vec(variable.to_vec()));
        self.entry.variables = Some(texts.collect());
        self
    }
}

/// All conditions. `deny` is the command that makes the kernel refuse system calls.
pub fn all(deny: &str) -> Vec<Condition> {
    let mut all = limits();
    all.extend(refusals(deny));
    all.extend(descriptors());
    all.extend(folders());
    all.extend(names());
    all.extend(files());
    all
}

fn limits() -> Vec<Condition> {
    const ABOUT: &str = "Limits";
    let limit = |name: &str, limit: &str| Condition::new(ABOUT, name).under(&format!("prlimit --{limit}"));
    vec![
        limit("16 open files", "nofile=16"),
        limit("6 open files", "nofile=6"),
        limit("64 MiB of address space", "as=67108864"),
        limit("no file longer than nothing", "fsize=0"),
        limit("2 seconds of processor time", "cpu=2"),
        limit("no process or thread more", "nproc=1").for_user(),
        limit("no memory that stays (mlock)", "memlock=0"),
        limit("no core dumps", "core=0"),
    ]
}

fn refusals(deny: &str) -> Vec<Condition> {
    const ABOUT: &str = "System calls that a sandbox refuses";
    const EPERM: u32 = 1;
    const ENOSYS: u32 = 38;
    let refused = |code: u32, word: &str, calls: &str| {
        let name = format!("`{}`: {word}", calls.replace(' ', "`, `"));
        Condition::new(ABOUT, &name).under(&format!("{deny} {code} {calls} --"))
    };
    vec![
        refused(EPERM, "not permitted", "socket ptrace memfd_create"),
        refused(EPERM, "not permitted", "prctl"),
        refused(EPERM, "not permitted", "setpgid"),
        refused(EPERM, "not permitted", "prlimit64"),
        refused(EPERM, "not permitted", "mkdir"),
        refused(ENOSYS, "not known", "clone3"),
        refused(ENOSYS, "not known", "pidfd_open close_range"),
        refused(ENOSYS, "not known", "statx faccessat2"),
        refused(ENOSYS, "not known", "getrandom"),
        refused(ENOSYS, "not known", "waitid"),
    ]
}

fn descriptors() -> Vec<Condition> {
    const ABOUT: &str = "Streams and signals";
    let made = |name: &str, steps: &str| Condition::new(ABOUT, name).steps(steps);
    vec![
        made("standard input closed", "exec 0<&-"),
        made("standard error closed", "exec 2>&-"),
        made("standard input and error closed", "exec 0<&- 2>&-"),
        made("standard input a FIFO that nobody writes to", "mkfifo $top/fifo$$; exec 0<>$top/fifo$$"),
        made("standard error a full device", "exec 2>/dev/full"),
        made("SIGCHLD, SIGPIPE and SIGHUP ignored by who started it", "trap '' CHLD PIPE HUP"),
    ]
}

fn folders() -> Vec<Condition> {
    const ABOUT: &str = "Folders";
    let made = |name: &str, steps: &str| Condition::new(ABOUT, name).steps(steps);
    const NO_PROC: &str = "umount -R -l $top/root/proc";
    const NO_SYS: &str = "mount -t tmpfs none $top/root/sys";
    const DEV: &str =
        "mount -t tmpfs none $top/root/dev; touch $top/root/dev/dxg; mount --bind /dev/zero $top/root/dev/dxg";
    const FULL: &str = "mount -t tmpfs -o size=4k,nr_inodes=2";
    const READ_ONLY: &str = "mount --rbind $top/root $top/root; mount -o remount,ro,bind $top/root";
    vec![
        made("no `/proc`", NO_PROC),
        made("no `/sys`", NO_SYS),
        made("neither", &format!("{NO_PROC}; {NO_SYS}")),
        made("nothing in `/dev` but the GPU", DEV),
        made("the whole system read-only", READ_ONLY),
        made("the same for an ordinary user", READ_ONLY).for_user(),
        made(
            "no room for temporary files",
            &["tmp", "var/tmp", "dev/shm"]
                .map(|folder| format!("mkdir -p $top/root/{folder}; {FULL} none $top/root/{folder}"))
                .join("; "),
        ),
        made("`TMPDIR` names nothing", "").variables(&[b"HOME=/root", b"PATH=/usr/bin:/bin", b"TMPDIR=/no/such"]),
        made("`TMPDIR` is a file", "").variables(&[b"HOME=/root", b"PATH=/usr/bin:/bin", b"TMPDIR=/etc/os-release"]),
        made("`TMPDIR` may not be written to", "").for_user().variables(&[
            b"HOME=/root",
            b"PATH=/usr/bin:/bin",
            b"TMPDIR=/etc",
        ]),
        made("no `HOME`", "").variables(&[b"PATH=/usr/bin:/bin"]),
        made("`HOME` empty", "").variables(&[b"PATH=/usr/bin:/bin", b"HOME="]),
        made("`HOME` names nothing", "").variables(&[b"PATH=/usr/bin:/bin", b"HOME=/no/such"]),
        made("no variable at all", "").variables(&[]),
        made("an ordinary user without a name", "").for_user(),
    ]
}

fn names() -> Vec<Condition> {
    const ABOUT: &str = "Names";
    let made = |name: &str| Condition::new(ABOUT, name);
    let thousand = (0..1000).map(|number| format!("/no/such/{number}")).collect::<Vec<_>>().join(":");
    let thousand = format!("PATH={thousand}:/usr/bin:/bin");
    let bytes = "$(printf '\\377\\376')";
    vec![
        made("a thousand folders in `PATH` that are not there").variables(&[b"HOME=/root", thousand.as_bytes()]),
        made("a folder in `PATH` that is not UTF-8").variables(&[b"HOME=/root", b"PATH=/\xff\xfe:/usr/bin:/bin"]),
        made("`PATH` with the working directory, relative and empty entries")
            .variables(&[b"HOME=/root", b"PATH=.::bin:../x:/usr/bin:/bin:"]),
        made("a folder in `LD_LIBRARY_PATH` that is not UTF-8")
            .variables(&[b"HOME=/root", b"PATH=/usr/bin:/bin", b"LD_LIBRARY_PATH=/\xff\xfe:"]),
        made("`HOME` that is not UTF-8").variables(&[b"HOME=/\xff\xfe", b"PATH=/usr/bin:/bin"]),
        made("a secret that is not UTF-8").variables(&[b"HOME=/root", b"PATH=/usr/bin:/bin", b"SECRET=\xff\xfe"]),
        made("a folder among the packages that is not UTF-8").steps(&format!(
            "cp -r $top/root/venv $top/venv$$; mkdir \"$top/venv$$/lib/python3.11/site-packages/{bytes}-1.0.dist-info\"; \
             mount --bind $top/venv$$ $top/root/venv"
        )),
        made("a driver's manifest that is not UTF-8").steps(&format!(
            "mkdir -p $top/root/usr/share/vulkan/icd.d; mount -t tmpfs none $top/root/usr/share/vulkan/icd.d; \
             echo {{}} > \"$top/root/usr/share/vulkan/icd.d/{bytes}.json\""
        )),
    ]
}

/// Every file that is read, as another kind of thing.
fn files() -> Vec<Condition> {
    const ABOUT: &str = "In the place of every file that is read";
    const FILES: &[&str] = &[
        "/etc/os-release",
        "/etc/wsl.conf",
        "/etc/passwd",
        "/etc/group",
        "/venv/pyvenv.cfg",
        "/venv/lib/python3.11/site-packages/torch-2.6.0+cu126.dist-info/METADATA",
        "/mnt/c/Windows/System32/ntoskrnl.exe",
    ];
    let of = |name: &str, make: &str| {
        let each = |(number, file): (usize, &&str)| {
            let make =
                make.replace("ODD", &format!("$top/odd$$.{number}")).replace("FILE", &format!("$top/root{file}"));
            format!("{make}; mount --bind $top/odd$$.{number} $top/root{file}")
        };
        let steps: Vec<String> = FILES.iter().enumerate().map(each).collect();
        Condition::new(ABOUT, name).steps(&steps.join("\n"))
    };
    let instead = |name: &str, make: &str| {
        let each = |file: &&str| format!("rm $top/root{file}; {}", make.replace("FILE", &format!("$top/root{file}")));
        let steps: Vec<String> = FILES.iter().map(each).collect();
        // On a copy, which covers the folders for this run.
        let copy = "for part in etc venv mnt; do cp -r $top/root/$part $top/$part$$; mount --bind $top/$part$$ $top/root/$part; done";
        Condition::new(ABOUT, name).steps(&format!("{copy}\n{}", steps.join("\n")))
    };
    vec![
        of("a FIFO that nobody writes to", "mkfifo ODD"),
        of("a file of 4 GiB", "truncate -s 4G ODD"),
        of("a device without end", "mknod ODD c 1 5"),
        of("an empty file", "touch ODD"),
        of("binary noise", "head -c 4096 /bin/sh > ODD"),
        of("a file that this user may not read", "cp FILE ODD; chmod 0 ODD").for_user(),
        instead("a folder", "mkdir FILE"),
        instead("nothing", ":"),
        instead("a link to itself", "ln -s $(basename FILE) FILE"),
        instead("a link to nothing", "ln -s /no/such FILE"),
    ]
}
