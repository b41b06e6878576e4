//! The live host: answers from the machine it runs on.
//!
//! This module, its two halves for Unix and Windows, and [`crate::child`] are the only places that touch the machine in the
//! parent; in a child, the OpenCL query writes one file into its throw-away folder.
//! Every answer passes the [`Redactor`] before anybody sees it.

#![expect(clippy::disallowed_methods, reason = "this and child are where the machine is touched")]

mod inherited;
#[cfg(unix)]
mod limits;
#[cfg(unix)]
pub mod loader_cache;
#[cfg(unix)]
#[path = "live/unix.rs"]
mod sys;
#[cfg(windows)]
#[path = "live/windows.rs"]
mod sys;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use object::ReadCache;

use super::memo::Memo;
use super::redact::{self, Redactor};
use super::{Answer, Command, Host, Missing, Query, Question};
use crate::child::{self, Expected};
use crate::compute;
use crate::image::Image;
use crate::wsl2::settings;

/// The environment variables that may be asked for. All others stay where they are: they hold people's secrets.
pub const VARIABLES: &[&str] = &[
    "CONDA_PREFIX",
    "CUDA_DEVICE_ORDER",
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "HABANA_VISIBLE_MODULES",
    "HIP_PATH",
    "HIP_VISIBLE_DEVICES",
    "HSA_ENABLE_DXG_DETECTION",
    "HSA_OVERRIDE_GFX_VERSION",
    "INTEL_OPENVINO_DIR",
    "IPUOF_CONFIG_PATH",
    "IPUOF_VIPU_API_PARTITION_ID",
    "KUBERNETES_SERVICE_HOST",
    "LD_LIBRARY_PATH",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
    "OCL_ICD_FILENAMES",
    "OCL_ICD_VENDORS",
    "ONEAPI_DEVICE_SELECTOR",
    "ONEAPI_ROOT",
    "OPENCL_VENDOR_PATH",
    "PATH",
    "PATHEXT",
    "POPLAR_SDK_ENABLED",
    "ProgramFiles",
    "ROCM_PATH",
    "ROCR_VISIBLE_DEVICES",
    "SystemRoot",
    "VIRTUAL_ENV",
    "VK_ADD_DRIVER_FILES",
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "WSL_DISTRO_NAME",
    "WSL_INTEROP",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "ZE_AFFINITY_MASK",
    "ZE_ENABLE_ALT_DRIVERS",
    "container",
];

/// The largest file whose text is read, in bytes.
const TEXT_LIMIT: u64 = 1 << 20;
/// Variables by which drivers are told to keep what they compile elsewhere than in the home directory.
const CACHES: &[&str] = &["CUDA_CACHE_PATH", "MESA_SHADER_CACHE_DIR", "NEO_CACHE_DIR", "POCL_CACHE_DIR"];
/// How long a tool may take.
const TOOL_TIME: Duration = Duration::from_secs(10);

/// The machine that this process runs on.
pub struct Live {
    executable: PathBuf,
    deadline: Instant,
    /// Time for each child, in place of the defaults.
    time: Option<Duration>,
    /// What the user told this run, by the option's name.
    told: Vec<(&'static str, String)>,
    redactor: Redactor,
    /// Whether this process may use so little that everything is asked in turn.
    in_turn: bool,
    scratch: OnceLock<Option<PathBuf>>,
    children: AtomicUsize,
    /// Whether nothing new may be started.
    over: AtomicBool,
    loader_cache: Mutex<Option<sys::LoaderCache>>,
}

impl Live {
    /// The machine, with a deadline for everything that is asked of it. `executable` is this tool, which starts itself
    /// as its own child; `time` replaces every child's own limit; `told` is what [`Question::Told`] answers.
    pub fn new(
        executable: PathBuf,
        deadline: Duration,
        time: Option<Duration>,
        told: Vec<(&'static str, String)>,
    ) -> Live {
        child::adopt_orphans();
        Live {
            executable,
            deadline: Instant::now() + deadline,
            time,
            told,
            redactor: Redactor::new(sys::home(), sys::users(), sys::host_name()),
            in_turn: sys::scarce().is_some(),
            scratch: OnceLock::new(),
            children: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            loader_cache: Mutex::default(),
        }
    }

    /// Ends what children left behind and removes the throw-away directory. Not left to `drop`, because a probe that is
    /// stuck in the kernel may hold this host for ever.
    pub fn finish(&self) {
        self.over.store(true, Ordering::Relaxed);
        child::end_orphans();
        // Where there is no folder yet, none is made any more.
        if let Some(scratch) = self.scratch.get_or_init(|| None) {
            // A child that is just starting may make its folder meanwhile, hence the second try. What cannot be removed
            // is in the system's folder for such things, which it empties itself.
            _ = fs::remove_dir_all(scratch).or_else(|_| fs::remove_dir_all(scratch));
        }
    }

    /// Does the same when somebody ends this process before its time. For a process that does nothing else: from here on
    /// each of its children is this run's.
    pub fn finish_on_interrupt(host: &Arc<Memo<Live>>) {
        child::own_every_child();
        let host = Arc::clone(host);
        child::before_interrupt(move || host.inner().finish());
    }

    /// Time until everything must be over.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn run(&self, tool: &Command) -> Answer {
        let mut command = with_few_variables(&self.path(&tool.program));
        command.args(&tool.arguments);
        self.isolate(command, TOOL_TIME, Expected::Output)
    }

    fn native(&self, query: &Query) -> Answer {
        if cfg!(not(feature = "native")) && query.probe != child::SELF_TEST {
            return Err(Missing::Unsupported);
        }
        let probe = crate::PROBES.iter().find(|probe| probe.name == query.probe);
        let time = match probe {
            _ if compute::is_asked(query) => compute::TIME,
            Some(probe) => Duration::from_secs(probe.seconds),
            None => TOOL_TIME,
        };
        let mut command = with_few_variables(&self.executable);
        command.arg(child::SUBCOMMAND).arg(&query.probe);
        command.args(query.arguments.iter().map(|argument| absolute(self.path(argument))));
        command.envs(query.environment.iter().map(|(name, value)| (name, self.path(value))));
        self.isolate(command, time, Expected::Answer)
    }

    /// Runs a child in folders of its own: drivers write caches into the home directory while they enumerate.
    fn isolate(&self, mut command: std::process::Command, time: Duration, expected: Expected) -> Answer {
        if self.over.load(Ordering::Relaxed) {
            return Err(Missing::TimedOut);
        }
        let number = self.children.fetch_add(1, Ordering::Relaxed);
        let home = self.scratch().map(|scratch| scratch.join(number.to_string()));
        let home = home.filter(|home| fs::create_dir(home).is_ok()).unwrap_or_else(|| PathBuf::from("/nonexistent"));
        sys::move_into(&mut command, &home);
        command.envs(CACHES.iter().map(|name| (name, &home)));
        let answer = child::isolate(command, self.time.unwrap_or(time).min(self.time_left()), expected);
        answer
            .map_err(|missing| match missing {
                // Who has too little fails for want of it. That is no word about a driver.
                Missing::Crashed(_) | Missing::Exited { .. } | Missing::Garbled(_) => {
                    match sys::scarce().or_else(sys::no_threads) {
                        Some(limit) => Missing::Unasked(format!("{limit}, with which it {}", failed(&missing))),
                        None => missing,
                    }
                }
                other => other,
            })
            .and_then(|answer| match self.in_turn.then(sys::scarce).flatten() {
                // Loaders pass over a driver for which there is no room.
                Some(limit) if lists_nothing(&answer) => {
                    Err(Missing::Unasked(format!("{limit}, with which it lists nothing")))
                }
                _ => Ok(answer),
            })
    }

    fn scratch(&self) -> Option<&Path> {
        let made = self.scratch.get_or_init(|| {
            let name = |attempt: u32| format!("accelprobe-{}-{attempt}", std::process::id());
            let places = std::iter::once(std::env::temp_dir()).chain(sys::TEMPORARY.iter().map(PathBuf::from));
            places
                .flat_map(|place| (0..4).map(move |attempt| place.join(name(attempt))))
                .find(|folder| sys::make_private(folder).is_ok())
        });
        made.as_deref()
    }

    /// The path that a question means: with the names that stand-ins stand for, where nothing stands at the path as it is
    /// written.
    fn path(&self, path: &str) -> PathBuf {
        let path = self.redactor.reveal(path);
        if self.redactor.meant(&path).is_empty() {
            return PathBuf::from(path);
        }
        let is_there = |path: &str| fs::symlink_metadata(path).is_ok();
        let mut found = String::new();
        for part in path.split_inclusive(['/', '\\']) {
            let (name, end) = part.split_at(part.trim_end_matches(['/', '\\']).len());
            let as_written = format!("{found}{name}");
            let meant = || self.redactor.meant(name).into_iter().map(|meant| format!("{found}{meant}"));
            let there = if is_there(&as_written) { None } else { meant().find(|path| is_there(path)) };
            found = there.unwrap_or(as_written) + end;
        }
        PathBuf::from(found)
    }

    /// The copies of a library that the loader would find, in its order, each with the file behind it.
    fn library(&self, name: &str) -> Answer {
        let mut found: Vec<String> = Vec::new();
        let candidates = {
            let mut cache = self.loader_cache.lock().unwrap_or_else(PoisonError::into_inner);
            sys::library_candidates(name, cache.get_or_insert_with(sys::LoaderCache::load))
        };
        for candidate in candidates {
            // A loader passes over what is for another architecture without a word; so do we.
            let fits = match image(&candidate) {
                Err(Missing::Unasked(why)) => return Err(Missing::Unasked(why)),
                image => image.is_ok_and(|image| image.is_for(std::env::consts::ARCH)),
            };
            // Where a link leads is asked of what is there alone: most candidates are not.
            let line = fits.then(|| with_target(&candidate, ""));
            found.extend(line.filter(|line| !found.contains(line)));
        }
        match found.is_empty() {
            true => Err(Missing::NotFound),
            false => Ok(found.join("\n")),
        }
    }
}

impl Host for Live {
    fn ask(&self, question: &Question) -> Answer {
        let answer = match question {
            Question::System => Ok(format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
            Question::Read(path) => read(&self.path(path)),
            Question::List(path) => list(&self.path(path), path == "~"),
            Question::Node(path) => node(&self.path(path)),
            Question::Image(path) => {
                image(&self.path(path)).map(|image| serde_json::to_string(&image).unwrap_or_default())
            }
            Question::Kernels(path) => kernels(&self.path(path)),
            Question::Library(name) => self.library(&self.path(name).to_string_lossy()),
            Question::Env(name) => variable(name),
            Question::Registry(key) => sys::registry(key),
            Question::Run(command) => self.run(command),
            Question::Native(query) => self.native(query),
            Question::Told(name) => {
                let told = self.told.iter().find(|(option, _)| option == name);
                told.map(|(_, value)| value.clone()).ok_or(Missing::NotFound)
            }
        };
        match answer {
            Ok(text) => Ok(self.redactor.hide(&text)),
            Err(Missing::Exited { code, message }) => {
                Err(Missing::Exited { code, message: self.redactor.hide(&message) })
            }
            Err(Missing::Garbled(what)) => Err(Missing::Garbled(self.redactor.hide(&what))),
            Err(Missing::Unasked(why)) => Err(Missing::Unasked(self.redactor.hide(&why))),
            Err(missing) => Err(missing),
        }
    }

    fn asks_in_turn(&self) -> bool {
        self.in_turn
    }
}

/// A path below the working directory, in full: a child has another one. Everything else stays as it is.
fn absolute(path: PathBuf) -> PathBuf {
    let below = path.is_relative() && path.components().count() > 1 && path.exists();
    match below.then(|| std::path::absolute(&path)) {
        Some(Ok(absolute)) => absolute,
        _ => path,
    }
}

/// A command that gets none but the variables that drivers read.
fn with_few_variables(program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.env_clear().envs(inherited::variables());
    command
}

/// Whether a child's answer lists no device.
fn lists_nothing(answer: &str) -> bool {
    answer == "[]" || answer.contains(r#""devices":[]"#)
}

/// How a child failed, as the end of a sentence.
fn failed(missing: &Missing) -> String {
    match missing {
        Missing::Garbled(what) => format!("failed: {what}"),
        other => other.to_string(),
    }
}

fn missing(error: &io::Error) -> Missing {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Missing::NotFound,
        ErrorKind::PermissionDenied => Missing::Denied,
        ErrorKind::OutOfMemory => Missing::Unasked(error.to_string()),
        // Numbers of Unix: too many open files, in this process or altogether (EMFILE, ENFILE).
        _ if cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)) => Missing::Unasked(error.to_string()),
        _ => Missing::Garbled(error.to_string()),
    }
}

/// Opens a regular file: opening a FIFO waits for ever, and a device may answer to being opened.
fn open(path: &Path) -> Result<(File, u64), Missing> {
    let metadata = fs::metadata(path).map_err(|error| missing(&error))?;
    match metadata.is_file() {
        true => Ok((File::open(path).map_err(|error| missing(&error))?, metadata.len())),
        false => Err(Missing::Garbled("not a regular file".to_owned())),
    }
}

/// The bytes of a regular file that is no larger than this.
fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Missing> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| missing(&error))?;
    match bytes.len() as u64 > limit {
        true => Err(Missing::Garbled(format!("larger than {limit} bytes"))),
        false => Ok(bytes),
    }
}

fn read(path: &Path) -> Answer {
    let bytes = bytes(path, TEXT_LIMIT)?;
    let text = String::from_utf8(bytes).map_err(|_| Missing::Garbled("not UTF-8 text".to_owned()))?;
    Ok(match path == Path::new(settings::FILE) {
        true => redact::sections(&text, settings::SECTIONS),
        false => text,
    })
}

fn list(path: &Path, is_home: bool) -> Answer {
    let entries = fs::read_dir(path).map_err(|error| missing(&error))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    // What else somebody keeps among the packages is nobody's business, and would make recordings long.
    let of_packages = path.file_name().is_some_and(|name| name == "site-packages" || name == "dist-packages");
    names.retain(|name| !of_packages || name.ends_with("-info"));
    // In the home directory nothing is looked for but what NVIDIA's archives unpack to.
    names.retain(|name| !is_home || name.to_lowercase().starts_with("tensorrt"));
    names.sort();
    Ok(names.join("\n"))
}

fn node(path: &Path) -> Answer {
    let metadata = fs::metadata(path).map_err(|error| missing(&error))?;
    let group = sys::group(&metadata).map_or_else(String::new, |group| format!(" group={group}"));
    Ok(with_target(path, &format!("{} {}{group}", sys::kind(&metadata), sys::access(path))))
}

/// A text, and where a path is a link, the file that it leads to in the end.
fn with_target(path: &Path, text: &str) -> String {
    let text = if text.is_empty() { path.to_string_lossy().into_owned() } else { text.to_owned() };
    match sys::target(path) {
        Some(target) => format!("{text} -> {}", target.to_string_lossy()),
        None => text,
    }
}

fn image(path: &Path) -> Result<Image, Missing> {
    let (file, length) = open(path)?;
    Image::read(&ReadCache::new(file), length).map_err(Missing::Garbled)
}

fn kernels(path: &Path) -> Answer {
    let (file, _) = open(path)?;
    crate::kernels::kernels(&ReadCache::new(file)).map_err(Missing::Garbled)
}

fn variable(name: &str) -> Answer {
    match (VARIABLES.contains(&name), std::env::var_os(name)) {
        (false, _) => Err(Missing::Denied),
        // What is no text in one folder of a search path spoils that folder alone.
        (true, Some(value)) => Ok(value.to_string_lossy().into_owned()),
        (true, None) => Err(Missing::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_finds_what_lies_below_the_working_directory() {
        for (argument, is_absolute) in
            [("src/lib.rs", true), ("compute", false), ("src", false), ("libcuda.so.1", false), ("not/there", false)]
        {
            let path = absolute(PathBuf::from(argument));
            assert_eq!((path.is_absolute(), path.ends_with(argument)), (is_absolute, true), "{argument}");
        }
    }
}
