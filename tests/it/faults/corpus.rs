//! The corpus: drivers and files with one fault each, in a folder of their own beside healthy ones.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::real_drivers::{LAVAPIPE, library};
use crate::tool::{Folder, root};

/// What the doctor must say of a faulty driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is listed with its device: the fault did no harm.
    Works,
    /// It works and has no device.
    NoDevice,
    /// It is passed over, being for programs of another architecture.
    OtherArchitecture,
    /// It died of this signal or exit code.
    Crashed(&'static str),
    /// It died, of whatever.
    Died,
    TimedOut,
    /// Nothing: there is no driver.
    Nothing,
    /// It was not started.
    NotStarted,
    /// A call gave this code.
    Code(i64),
    /// It cannot be used; the reason holds these words.
    Broken(&'static str),
}

/// One fault of one driver.
pub struct Case {
    pub api: &'static str,
    /// What is wrong, in words.
    pub fault: &'static str,
    /// When, or which number.
    pub variant: String,
    /// By which the doctor names the driver: its manifest or library.
    pub file: PathBuf,
    pub expected: Expected,
    /// The case's name in lists.
    pub id: String,
    /// Cases of one batch are looked at in one run; of batch 0 each is alone.
    pub batch: usize,
}

/// A behaviour: its name in fault.h, its name in words, and what comes of it before the driver has answered.
pub type Behaviour = (&'static str, &'static str, Expected);

const EXIT: &str = "exit code 0, before it answered";

pub const BEHAVIOURS: &[Behaviour] = &[
    ("segv", "SIGSEGV", Expected::Crashed("signal 11 (SIGSEGV)")),
    ("abort", "abort", Expected::Crashed("signal 6 (SIGABRT)")),
    ("fpe", "division by zero", Expected::Crashed("signal 8 (SIGFPE)")),
    ("stack", "stack overflow", Expected::Crashed("signal 11 (SIGSEGV)")),
    ("exit", "`exit(0)`", Expected::Crashed(EXIT)),
    ("quit", "`_exit(0)`", Expected::Crashed(EXIT)),
    ("spin", "endless loop", Expected::TimedOut),
    ("sleep", "sleep that ignores SIGTERM", Expected::TimedOut),
    ("stop", "SIGSTOP of itself", Expected::TimedOut),
    ("hunger", "takes 2 GB, then sleeps", Expected::TimedOut),
    ("closed", "closes all descriptors", Expected::Broken("closed all files")),
    ("orphan", "orphan that keeps the pipe", Expected::Works),
    ("daemon", "orphan without an environment", Expected::Works),
    ("stdout", "10 MB on stdout", Expected::Works),
    ("stderr", "10 MB on stderr", Expected::Works),
    ("noise", "binary noise", Expected::Works),
    ("forged", "a forged answer", Expected::Works),
    ("environment", "changed environment", Expected::Works),
    ("directory", "changed directory", Expected::Works),
    ("threads", "threads left busy", Expected::Works),
];

pub const MOMENTS: &[(&str, &str)] =
    &[("load", "at load"), ("init", "at initialisation"), ("list", "at enumeration"), ("exit", "at exit")];

/// What comes of a library's behaviour: at exit nothing any more, because the answer is given and no exit handler runs.
pub fn of_a_library((_, _, expected): &Behaviour, moment: &str) -> Option<Expected> {
    Some(if moment == "exit" { Expected::Works } else { expected.clone() })
}

/// How many faulty drivers stand beside each other in a run.
const BATCH: usize = 24;

/// The corpus of an API, as it is built up in a folder.
pub struct Corpus {
    pub folder: PathBuf,
    /// The stand-in that every case links to.
    built: BTreeMap<&'static str, PathBuf>,
    pub cases: Vec<Case>,
}

impl Corpus {
    pub fn new(folder: &Path) -> Corpus {
        std::fs::create_dir_all(folder).unwrap();
        Corpus { folder: folder.to_owned(), built: BTreeMap::new(), cases: Vec::new() }
    }

    /// Builds the stand-in of an API; false where there is no compiler.
    pub fn build(&mut self, api: &'static str, source: &str, flags: &[&str]) -> bool {
        let file = self.folder.join(format!("{api}.so"));
        // A driver's own functions call each other, and not the loader's of the same name.
        let flags = [&["-Wl,-Bsymbolic", "-pthread", "-ldl"], flags].concat();
        let built = library(source, &flags, &file);
        self.built.insert(api, file);
        built
    }

    /// Builds a tool's stand-in that answers with a text.
    pub fn build_tool(&mut self, api: &'static str, text: &str) {
        let file = self.folder.join(format!("{api}.program"));
        let source = root().join("tests/it/standins/fault_tool.c");
        let mut compiler = std::process::Command::new("cc");
        compiler.args(["-O1", "-w", "-pthread", &format!("-DTEXT=\"{text}\""), "-o"]).args([&file, &source]);
        assert!(compiler.status().unwrap().success());
        self.built.insert(api, file);
    }

    /// Where a driver's library of a case lies, beside the file that says what is wrong with it.
    pub fn linked(&self, api: &'static str, to: &Path, fault: &str) {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::hard_link(&self.built[api], to).unwrap();
        std::fs::write(format!("{}.fault", to.display()), fault).unwrap();
    }

    /// The bytes of the healthy stand-in.
    pub fn bytes(&self, api: &str) -> Vec<u8> {
        std::fs::read(&self.built[api]).unwrap()
    }

    /// A case that the stand-in plays. `place` makes the driver known and returns the file by which it is named.
    pub fn play(&mut self, case: Play<'_>, place: &dyn Fn(&Corpus, &str, &str) -> PathBuf) {
        let id = format!("{}/{}", case.api, case.name);
        let file = place(self, &id, case.does);
        let Play { api, fault, variant, expected, batch, .. } = case;
        self.cases.push(Case { api, fault, variant, file, expected, id, batch });
    }

    /// Every behaviour at every moment, all moments of one in a batch. `expected` says what comes of a behaviour at a moment.
    pub fn behaviours(
        &mut self,
        api: &'static str,
        expected: &dyn Fn(&Behaviour, &str) -> Option<Expected>,
        place: &dyn Fn(&Corpus, &str, &str) -> PathBuf,
    ) {
        for (number, behaviour) in BEHAVIOURS.iter().enumerate() {
            let (kind, fault, _) = behaviour;
            // What takes memory does so alone.
            let batch = if *kind == "hunger" { 0 } else { 100 + number };
            for (moment, variant) in MOMENTS {
                let Some(expected) = expected(behaviour, moment) else { continue };
                let (name, does) = (format!("{kind}-{moment}"), format!("{kind} {moment}"));
                let variant = (*variant).to_owned();
                self.play(Play { api, fault, variant, expected, name: &name, does: &does, batch }, place);
            }
        }
    }

    /// Every error code at a moment. `expected` says what is to be said of one.
    pub fn codes(
        &mut self,
        api: &'static str,
        (moment, fault): (&str, &'static str),
        codes: &[i64],
        expected: &dyn Fn(i64) -> Expected,
        place: &dyn Fn(&Corpus, &str, &str) -> PathBuf,
    ) {
        for (number, code) in codes.iter().enumerate() {
            let (name, does) = (format!("code-{moment}{code}"), format!("code {moment} {code}"));
            let batch = BATCH * usize::from(moment == "list") + 1 + number / BATCH;
            let (variant, expected) = (code.to_string(), expected(*code));
            self.play(Play { api, fault, variant, expected, name: &name, does: &does, batch }, place);
        }
    }
}

/// A case for [`Corpus::play`].
pub struct Play<'a> {
    pub api: &'static str,
    pub fault: &'static str,
    pub variant: String,
    pub expected: Expected,
    pub name: &'a str,
    /// What stands in the file beside the library.
    pub does: &'a str,
    pub batch: usize,
}

/// What a run is shown, as variables: the drivers of these cases, each beside the healthy one.
pub fn shown(cases: &[&Case], folder: &Path) -> Vec<(&'static str, String)> {
    let of = |api: &'static str| cases.iter().filter(move |case| case.api == api);
    let manifests = of("vulkan").map(|case| case.file.display().to_string());
    let manifests: Vec<String> = manifests.chain([LAVAPIPE.to_owned()]).collect();
    let vendors = folder.join("vendors").join(match cases {
        [] => "healthy".to_owned(),
        [only] => only.id.replace('/', "-"),
        [first, ..] => format!("{}-batch-{}", first.api, first.batch),
    });
    if cases.is_empty() && vendors.exists() {
        // Others read it.
        return vec![("VK_DRIVER_FILES", LAVAPIPE.to_owned()), ("OCL_ICD_VENDORS", vendors.display().to_string())];
    }
    std::fs::create_dir_all(&vendors).unwrap();
    std::fs::copy(POCL, vendors.join("pocl.icd")).unwrap();
    for case in of("opencl") {
        let there = vendors.join(case.file.file_name().unwrap());
        // A symbolic link or a FIFO stays one by another name.
        let placed =
            if case.file.is_dir() { std::fs::create_dir(&there) } else { std::fs::hard_link(&case.file, &there) };
        placed.unwrap();
    }
    vec![("VK_DRIVER_FILES", manifests.join(":")), ("OCL_ICD_VENDORS", vendors.display().to_string())]
}

/// Vulkan drivers that misbehave.
pub fn vulkan(corpus: &mut Corpus) -> bool {
    let text = std::fs::read_to_string(LAVAPIPE).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let driver = format!("-DDRIVER=\"{}\"", manifest["ICD"]["library_path"].as_str().unwrap());
    if !corpus.build("vulkan", "fault_vulkan.c", &[&driver]) {
        return false;
    }
    let place = |corpus: &Corpus, id: &str, does: &str| {
        let library = corpus.folder.join(format!("{id}.so"));
        corpus.linked("vulkan", &library, does);
        let manifest = corpus.folder.join(format!("{id}.json"));
        std::fs::write(&manifest, vulkan_manifest(&library.display().to_string())).unwrap();
        manifest
    };
    corpus.behaviours("vulkan", &of_a_library, &place);
    for (kind, fault, expected) in [
        ("zero", "success with zero devices", Expected::NoDevice),
        ("vanish", "devices vanish between two calls", Expected::NoDevice),
        ("billions", "counts 4 billion devices", Expected::Died),
        ("garbage", "a name of garbage", Expected::Works),
        ("unterminated", "a name without an end", Expected::Works),
    ] {
        let (name, does) = (kind, format!("{kind} never"));
        let case = Play { api: "vulkan", fault, variant: String::new(), expected, name, does: &does, batch: 0 };
        corpus.play(case, &place);
    }
    let near = (-13..=-1).chain(1..=5);
    let far = [
        -1_000_000_000,
        -1_000_000_001,
        -1_000_001_004,
        -1_000_003_001,
        -1_000_011_001,
        -1_000_012_000,
        -1_000_023_000,
        -1_000_023_001,
        -1_000_069_000,
        -1_000_072_003,
        -1_000_158_000,
        -1_000_161_000,
        -1_000_174_001,
        -1_000_255_000,
        -1_000_257_000,
        -1_000_299_000,
        -1_000_338_000,
        1_000_001_003,
        1_000_268_003,
        1_000_297_000,
    ];
    let codes: Vec<i64> = near.chain(far).collect();
    // A driver without its device answers with "incompatible driver" or "initialisation failed".
    let expected = |code| if matches!(code, -3 | -9) { Expected::NoDevice } else { Expected::Code(code) };
    corpus.codes("vulkan", ("init", "code of `vkCreateInstance`"), &codes, &expected, &place);
    corpus.codes("vulkan", ("list", "code of `vkEnumeratePhysicalDevices`"), &codes, &expected, &place);
    true
}

fn vulkan_manifest(library: &str) -> String {
    format!(r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{library}", "api_version": "1.3.0"}}}}"#)
}

/// OpenCL drivers that misbehave.
pub fn opencl(corpus: &mut Corpus) -> bool {
    if !corpus.build("opencl", "fault_opencl.c", &[]) {
        return false;
    }
    let place = |corpus: &Corpus, id: &str, does: &str| {
        let library = corpus.folder.join(format!("{id}.so"));
        corpus.linked("opencl", &library, does);
        let manifest = corpus.folder.join(format!("{id}.icd"));
        std::fs::write(&manifest, format!("{}\n", library.display())).unwrap();
        manifest
    };
    corpus.behaviours("opencl", &of_a_library, &place);
    for (kind, fault, expected) in [
        ("zero", "success with zero devices", Expected::NoDevice),
        ("vanish", "devices vanish between two calls", Expected::NoDevice),
        ("billions", "counts 4 billion devices", Expected::Died),
        ("platforms", "counts 4 billion platforms", Expected::Died),
        ("garbage", "a name of garbage", Expected::Works),
        ("unterminated", "a name without an end", Expected::Works),
    ] {
        let (name, does) = (kind, format!("{kind} never"));
        let case = Play { api: "opencl", fault, variant: String::new(), expected, name, does: &does, batch: 0 };
        corpus.play(case, &place);
    }
    let codes: Vec<i64> =
        (-19..=-1).chain(-72..=-30).chain(-1016..=-1000).chain([-1057, -1058, -1092, -1093, -1094, 5]).collect();
    // Drivers that are here without their device answer so.
    let at_init = |code| if matches!(code, -1 | -6 | -1001) { Expected::NoDevice } else { Expected::Code(code) };
    let at_list = |code| if code == -1 { Expected::NoDevice } else { Expected::Code(code) };
    corpus.codes("opencl", ("init", "code of `clIcdGetPlatformIDsKHR`"), &codes, &at_init, &place);
    corpus.codes("opencl", ("list", "code of `clGetDeviceIDs`"), &codes, &at_list, &place);
    true
}

/// The manifest of the healthy OpenCL driver.
pub const POCL: &str = "/etc/OpenCL/vendors/pocl.icd";

/// The batch of files that are wrong before anything is loaded.
const FILES: usize = 1000;

/// Manifests and libraries that are wrong as files, for both APIs.
pub fn files(corpus: &mut Corpus) {
    for api in ["vulkan", "opencl"] {
        wrong_libraries(corpus, api);
        wrong_manifests(corpus, api);
    }
}

fn file_case(corpus: &mut Corpus, api: &'static str, name: &str, fault: &'static str, expected: Expected) -> PathBuf {
    let end = if api == "vulkan" { "json" } else { "icd" };
    let id = format!("{api}/{name}");
    let file = corpus.folder.join(format!("{id}.{end}"));
    let case = Case { api, fault, variant: String::new(), file: file.clone(), expected, id, batch: FILES };
    corpus.cases.push(case);
    file
}

fn wrong_libraries(corpus: &mut Corpus, api: &'static str) {
    let healthy = corpus.bytes(api);
    let with = |at: usize, byte: u8| {
        let mut bytes = healthy.clone();
        bytes[at] = byte;
        bytes
    };
    let folder = corpus.folder.join(api);
    let at = |name: &str| folder.join(format!("{name}.so"));
    // A header of 52 bytes: 32 bits, a library, for the processor with number 3, and nothing behind it.
    let mut small = vec![0; 52];
    small[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
    [(16, 3), (18, 3), (20, 1), (40, 52), (42, 32), (46, 40)].iter().for_each(|(at, byte)| small[*at] = *byte);
    let files: [(&str, &'static str, Vec<u8>, Expected); 5] = [
        ("text-library", "a text file as library", b"no library\n".to_vec(), Expected::Broken("library")),
        ("empty-library", "an empty file as library", Vec::new(), Expected::Broken("too short")),
        ("cut-library", "a library cut short", healthy[..healthy.len() / 2].to_vec(), Expected::Broken("cut short")),
        // Byte 18 of a header is the processor.
        ("aarch64-library", "a library for AArch64", with(18, 183), Expected::OtherArchitecture),
        ("small-library", "a 32-bit library", small, Expected::OtherArchitecture),
    ];
    let mut named = vec![("missing-library", "a library that is not there", Expected::Broken("not found"))];
    for (name, fault, bytes, expected) in files {
        std::fs::write(at(name), bytes).unwrap();
        named.push((name, fault, expected));
    }
    std::fs::create_dir(at("folder-library")).unwrap();
    named.push(("folder-library", "a directory as library", Expected::Broken("not a regular file")));
    std::os::unix::fs::symlink(at("loop-library"), at("loop-library")).unwrap();
    named.push(("loop-library", "a link to itself as library", Expected::Broken("symbolic links")));
    make_fifo(&at("fifo-library"));
    named.push(("fifo-library", "a FIFO as library", Expected::Broken("not a regular file")));
    compile(&at("undefined-library"), "void nowhere(void); void start(void) { nowhere(); }", &["-Wl,-z,now"]);
    named.push(("undefined-library", "a library with an undefined symbol", Expected::Broken("undefined symbol")));
    let dependency = folder.join("libdependency-of-nobody.so");
    compile(&dependency, "int here;", &[]);
    compile(&at("dependent-library"), "int start;", &["-Wl,--no-as-needed", &dependency.display().to_string()]);
    std::fs::remove_file(&dependency).unwrap();
    named.push(("dependent-library", "a library that needs a missing one", Expected::Broken("cannot open shared")));
    compile(&at("foreign-library"), "int start;", &[]);
    named.push(("foreign-library", "a library that is no driver", Expected::Broken("is no")));
    for (name, fault, expected) in named {
        let library = at(name).display().to_string();
        let manifest = file_case(corpus, api, name, fault, expected);
        let text = if api == "vulkan" { vulkan_manifest(&library) } else { library + "\n" };
        std::fs::write(manifest, text).unwrap();
    }
}

fn wrong_manifests(corpus: &mut Corpus, api: &'static str) {
    let library = corpus.folder.join(api).join("in-wrong-manifests.so");
    corpus.linked(api, &library, "none never");
    let library = library.display().to_string();
    let huge = |text: &str| format!("{text}{}\n", " ".repeat(2 << 20));
    let mut texts: Vec<(&str, &'static str, Vec<u8>, Expected)> = vec![
        ("empty", "an empty manifest", Vec::new(), Expected::Broken("")),
        ("binary", "a manifest that is not UTF-8", vec![0xff, 0xfe, 0, b'x', 0xc3], Expected::Broken("UTF-8")),
    ];
    if api == "vulkan" {
        let good = vulkan_manifest(&library);
        texts.extend([
            ("text", "a manifest that is not JSON", b"no manifest\n".to_vec(), Expected::Broken("not JSON")),
            // Before the path, whose length is the machine's.
            ("cut", "a manifest cut short", good.as_bytes()[..30].to_vec(), Expected::Broken("not JSON")),
            ("huge", "a manifest of 2 MB", huge(&good).into_bytes(), Expected::Broken("larger")),
            ("deep", "a manifest of 200,000 `[`", "[".repeat(200_000).into_bytes(), Expected::Broken("not JSON")),
            (
                "nameless",
                "a manifest without `library_path`",
                br#"{"ICD": {}}"#.to_vec(),
                Expected::Broken("no library"),
            ),
            (
                "types",
                "a manifest of wrong types",
                br#"{"ICD": {"library_path": 5}}"#.to_vec(),
                Expected::Broken("no library"),
            ),
        ]);
    } else {
        texts.push(("huge", "a manifest of 2 MB", huge(&library).into_bytes(), Expected::Broken("larger")));
    }
    for (name, fault, bytes, expected) in texts {
        let manifest = file_case(corpus, api, name, fault, expected);
        std::fs::write(manifest, bytes).unwrap();
    }
    // Vulkan's variable may name a folder to look into; OpenCL's file is in such a folder.
    let in_folder = if api == "vulkan" { Expected::Nothing } else { Expected::Broken("not a regular file") };
    let manifest = file_case(corpus, api, "folder", "a directory as manifest", in_folder);
    std::fs::create_dir(manifest).unwrap();
    let manifest = file_case(corpus, api, "loop", "a link to itself as manifest", Expected::Broken("symbolic links"));
    std::os::unix::fs::symlink(manifest.file_name().unwrap(), &manifest).unwrap();
    let manifest = file_case(corpus, api, "fifo", "a FIFO as manifest", Expected::Broken("not a regular file"));
    make_fifo(&manifest);
}

fn make_fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn compile(to: &Path, text: &str, flags: &[&str]) {
    let folder = Folder::new(&format!("compiled-{}", to.file_stem().and_then(OsStr::to_str).unwrap()));
    let source = folder.write("source.c", text);
    let mut compiler = std::process::Command::new("cc");
    let built = compiler.args(["-shared", "-fPIC", "-w", "-o"]).args([to, &source]).args(flags).status().unwrap();
    assert!(built.success(), "{text}");
}
