//! Another system around the program: a folder that becomes its root, in a mount namespace of its own.
//!
//! The folder holds the program, the libraries that it needs, and whatever the world is made of, so nothing that this machine
//! has installed shows. The kernel's own files are bound over inside the namespace and vanish with it. It needs `unshare`,
//! `mount`, `chroot` and `ldconfig`, and either root or user namespaces.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::real_drivers::library;
use crate::tool::{Folder, PROGRAM, lacks, root};

/// A system to run the program in.
pub struct World {
    folder: Folder,
    variables: Vec<(&'static str, &'static str)>,
}

/// Binds what a kernel would show, makes the loader's cache, and enters.
const ENTER: &str = r#"
top=$1; shift
mount --rbind /proc "$top/root/proc"
if [ -d /proc/driver ]; then mount -t tmpfs tmpfs "$top/root/proc/driver"; fi
(cd "$top/over" && find . -type f) | while read -r file; do mount --bind "$top/over/$file" "$top/root/proc/$file"; done
if [ -d "$top/formats" ]; then mount --bind "$top/formats" "$top/root/proc/sys/fs/binfmt_misc"; fi
for node in null zero random urandom; do mount --bind "/dev/$node" "$top/root/dev/$node"; done
if [ -e "$top/root/dev/dxg" ]; then mount --bind /dev/null "$top/root/dev/dxg"; fi
if [ ! -e "$top/no-cache" ]; then PATH=$PATH:/usr/sbin:/sbin ldconfig -r "$top/root" 2>/dev/null; fi
cd /
eval "$STEPS"
exec $UNDER chroot $USERSPEC "$top/root" /usr/bin/env -i "$@"
"#;

/// What is done to a world when it is entered, and how. Everything vanishes with the run.
#[derive(Clone, Default)]
pub struct Entry {
    /// Lines for the shell, with the world's root in `$top/root`.
    pub steps: String,
    /// A command that starts the others, in words.
    pub under: String,
    /// Whether to enter as an ordinary user.
    pub as_user: bool,
    /// More variables, in the place of those that every world has.
    pub variables: Option<Vec<OsString>>,
}

impl World {
    /// A Linux with this kernel and nothing installed; nothing where this machine cannot have such a thing.
    pub fn new(name: &str, release: &str) -> Option<World> {
        let way = way()?;
        assert!(!way.is_empty());
        let world = World { folder: Folder::new(&format!("world-{name}")), variables: Vec::new() };
        for folder in ["over", "root/proc", "root/sys/bus/pci/devices", "root/sys/module", "root/tmp", "root/root"] {
            std::fs::create_dir_all(world.folder.path(folder)).unwrap();
        }
        ["null", "zero", "random", "urandom"].iter().for_each(|node| world.file(&format!("/dev/{node}"), ""));
        world.file("/etc/os-release", "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nNAME=\"Ubuntu\"\n");
        world.folder.write("over/sys/kernel/osrelease", &format!("{release}\n"));
        world.folder.write("over/version", &format!("Linux version {release} (builder@host) (gcc 13) #1 SMP\n"));
        world.folder.write("over/1/cgroup", "0::/init.scope\n");
        world.bring(Path::new(PROGRAM), "/accelprobe");
        world.bring(Path::new("/usr/bin/env"), "/usr/bin/env");
        Some(world)
    }

    /// Sets a variable for the program.
    pub fn set(&mut self, name: &'static str, value: &'static str) {
        self.variables.push((name, value));
    }

    /// Takes all variables from the program.
    pub fn unset(&mut self) {
        self.variables.clear();
    }

    /// Writes a file of the world.
    pub fn file(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.inside(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }

    /// Makes an empty folder of the world.
    pub fn directory(&self, path: &str) {
        std::fs::create_dir_all(self.inside(path)).unwrap();
    }

    /// Makes a link of the world to another path of it.
    pub fn link(&self, path: &str, target: &str) {
        let path = self.inside(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    /// Builds a stand-in library there.
    pub fn standin(&self, source: &str, flags: &[&str], path: &str) {
        let path = self.inside(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(library(source, flags, &path));
    }

    /// Builds a program there that prints a text.
    pub fn program(&self, text: &str, path: &str) {
        self.build_program(&[&format!("-DTEXT=\"{text}\"")], path);
    }

    /// Builds a program there that never answers.
    pub fn hanging_program(&self, path: &str) {
        self.build_program(&["-DHANG", "-DTEXT=\"\""], path);
    }

    fn build_program(&self, flags: &[&str], path: &str) {
        let path = self.inside(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let source = root().join("tests/it/standins/says.c");
        assert!(Command::new("cc").args(flags).arg("-o").arg(path).arg(source).status().unwrap().success());
    }

    /// Lists a format of executables that the kernel starts by a program of its own.
    pub fn format(&self, name: &str) {
        self.folder.write(&format!("formats/{name}"), "enabled\ninterpreter /init\nflags: PF\n");
        self.folder.write("formats/register", "");
        self.folder.write("formats/status", "enabled\n");
    }

    /// Leaves the loader with the list of libraries that it has by now.
    pub fn keep_loader_cache(&self) {
        self.folder.write("no-cache", "");
    }

    /// Leaves the loader without its list of libraries.
    pub fn without_loader_cache(&self) {
        _ = std::fs::remove_file(self.inside("/etc/ld.so.cache"));
        self.folder.write("no-cache", "");
    }

    /// The program, run in this world.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.entered(&Entry::default(), arguments)
    }

    /// The program, run in this world as it is made on entering.
    pub fn entered(&self, entry: &Entry, arguments: &[&str]) -> Command {
        let way = way().unwrap_or_default();
        let mut command = Command::new("unshare");
        command.env("STEPS", &entry.steps).env("UNDER", &entry.under);
        command.env("USERSPEC", if entry.as_user { "--userspec=54321:54321" } else { "" });
        command.args(way).args(["--uts", "--propagation", "private", "sh", "-euc", ENTER, "world"]).arg(&self.folder.0);
        match &entry.variables {
            None => command.args(["HOME=/root", "PATH=/usr/bin:/bin"]),
            Some(instead) => command.args(instead),
        };
        command.args(self.variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg("/accelprobe").args(arguments).stdin(Stdio::null());
        command
    }

    /// Where a path of the world lies outside of it.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.folder.path("root").join(path.trim_start_matches('/'))
    }

    /// Copies a program and the libraries that it needs.
    fn bring(&self, program: &Path, to: &str) {
        let needs = Command::new("ldd").arg(program).output().unwrap();
        let listed = String::from_utf8(needs.stdout).unwrap();
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
        let all = libraries.map(|path| (Path::new(path), path)).chain([(program, to)]);
        for (from, to) in all {
            let to = self.inside(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// How this machine lets a process have mounts of its own: the arguments of `unshare`. Says so where it does not.
pub fn way() -> Option<&'static [&'static str]> {
    static WAY: OnceLock<Option<&[&str]>> = OnceLock::new();
    let ways: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
    let works = |way: &&[&str]| {
        let mut command = Command::new("unshare");
        let bind = "mount --bind /proc/version /proc/sys/kernel/osrelease";
        command.args(*way).args(["--propagation", "private", "sh", "-c", bind]);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let way = *WAY.get_or_init(|| ways.into_iter().find(works));
    let has_compiler = || Command::new("cc").arg("--version").stdout(Stdio::null()).status().is_ok();
    match way {
        None => lacks("mount namespaces (unshare of util-linux, as root or with user namespaces)"),
        Some(_) if !has_compiler() => {
            lacks("a C compiler");
            return None;
        }
        Some(_) => {}
    }
    way
}
