//! The child's side: ONNX Runtime's C API, as far as it takes to tell its version and its providers, and to run a small model.
//!
//! The library exports one function; everything else is a table of functions whose order never changes and which grows at its
//! end. A place in it is known by counting in the header onnxruntime_c_api.h; each has the version from which on it is there,
//! because a place behind the end of an older table holds anything.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;

use libloading::Library;

use super::{CPU, Runtime, model};
use crate::child::reason;
use crate::host::{Answer, Missing, Query};
use crate::vendor_library::symbol;

/// What `OrtGetApiBase` gives.
#[repr(C)]
struct Base {
    get_api: unsafe extern "system" fn(u32) -> *const *const c_void,
    get_version: unsafe extern "system" fn() -> *const c_char,
}

/// A function's place in the table, and the API version from which on it is there: 1.N speaks version N.
struct Place(usize, u32);

const GET_ERROR_CODE: Place = Place(1, 1);
const GET_ERROR_MESSAGE: Place = Place(2, 1);
const CREATE_ENV: Place = Place(3, 1);
const CREATE_SESSION_FROM_ARRAY: Place = Place(8, 1);
const RUN: Place = Place(9, 1);
const CREATE_SESSION_OPTIONS: Place = Place(10, 1);
const DISABLE_MEMORY_PATTERN: Place = Place(17, 1);
const SET_THREADS: Place = Place(24, 1);
const CREATE_TENSOR: Place = Place(49, 1);
const TENSOR_DATA: Place = Place(51, 1);
const CREATE_CPU_MEMORY_INFO: Place = Place(69, 1);
const GET_AVAILABLE_PROVIDERS: Place = Place(125, 4);
const ADD_CONFIG_ENTRY: Place = Place(130, 5);
const APPEND_PROVIDER: Place = Place(216, 12);
const GET_BUILD_INFO: Place = Place(254, 15);

/// `ORT_LOGGING_LEVEL_FATAL`: what goes wrong is told by codes.
const FATAL: c_int = 4;
/// `OrtDeviceAllocator`, `OrtMemTypeDefault` and `ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT`.
const DEVICE_ALLOCATOR: c_int = 0;
const DEFAULT_MEMORY: c_int = 0;
const FLOAT: c_int = 1;
/// More providers than any build has.
const MOST_PROVIDERS: c_int = 64;

type Object = *mut c_void;

/// `LIBRARY` tells of it; `compute LIBRARY PROVIDER` runs the model through one provider.
pub(super) fn answer(query: &Query) -> Answer {
    let arguments: Vec<&str> = query.arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [library] => Ok(serde_json::to_string(&Api::open(library)?.tell()?).unwrap_or_default()),
        ["compute", library, provider] => Api::open(library)?.compute(provider),
        _ => Err(Missing::Unsupported),
    }
}

/// Opens a library of a package. It is never unloaded: what it does at its end must not come before the answer.
pub(crate) fn open(path: &str) -> Result<ManuallyDrop<Library>, Missing> {
    #[cfg(not(windows))]
    // SAFETY: loading runs the library's initialisers; what they do to this process is why it is a child.
    let opened = unsafe { Library::new(path) };
    #[cfg(windows)]
    // SAFETY: as above. What the library needs is looked for beside it, as a Python that imports it would have it.
    let opened = unsafe {
        use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library as WindowsLibrary};
        WindowsLibrary::load_with_flags(path, LOAD_WITH_ALTERED_SEARCH_PATH).map(Library::from)
    };
    opened.map(ManuallyDrop::new).map_err(|error| Missing::Garbled(reason(&error)))
}

/// A text that a library owns; nothing where there is none.
///
/// # Safety
/// `text` must be null or a text that ends in a zero.
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller vouches for it.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

struct Api {
    library: ManuallyDrop<Library>,
    version: String,
    /// The version of the table: the second number of the library's own.
    number: u32,
    table: *const *const c_void,
}

impl Api {
    fn open(path: &str) -> Result<Api, Missing> {
        let library = open(path)?;
        // SAFETY: the types are those of the header; the base is a static of the library, and so is the version's text.
        unsafe {
            let base: unsafe extern "system" fn() -> *const Base = symbol(&library, b"OrtGetApiBase\0")?;
            let base = base().as_ref().ok_or_else(|| Missing::Garbled("OrtGetApiBase gives nothing".to_owned()))?;
            let version = text((base.get_version)()).unwrap_or_default();
            let number = version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(1);
            let table = (base.get_api)(number);
            match table.is_null() {
                true => Err(Missing::Garbled(format!("it offers no API of its own version {version}"))),
                false => Ok(Api { library, version, number, table }),
            }
        }
    }

    /// A function of the table.
    ///
    /// # Safety
    /// `T` must be the function's type.
    unsafe fn function<T: Copy>(&self, place: &Place) -> Result<T, Missing> {
        let Place(index, since) = *place;
        if self.number < since {
            return Err(Missing::Unsupported);
        }
        // SAFETY: a table of this version is longer than that, and holds functions alone; the caller vouches for the type.
        Ok(unsafe { std::mem::transmute_copy::<*const c_void, T>(&*self.table.add(index)) })
    }

    fn tell(&self) -> Result<Runtime, Missing> {
        let mut names: *mut *mut c_char = ptr::null_mut();
        let mut count: c_int = 0;
        let mut runtime = Runtime { version: self.version.clone(), providers: Vec::new(), build: None };
        // SAFETY: the types are those of the header; the list holds as many texts as it says and is not given back, because
        // this process ends.
        unsafe {
            let available: unsafe extern "system" fn(*mut *mut *mut c_char, *mut c_int) -> Object =
                self.function(&GET_AVAILABLE_PROVIDERS)?;
            self.check(available(&mut names, &mut count))?;
            for index in 0..count.clamp(0, MOST_PROVIDERS) as usize {
                runtime.providers.extend(text(*names.add(index)));
            }
            if let Ok(build) = self.function::<unsafe extern "system" fn() -> *const c_char>(&GET_BUILD_INFO) {
                runtime.build = text(build());
            }
        }
        Ok(runtime)
    }

    /// Runs the model through one provider, which must do all of it itself.
    fn compute(&self, provider: &str) -> Answer {
        type Create = unsafe extern "system" fn(*mut Object) -> Object;
        type CreateEnv = unsafe extern "system" fn(c_int, *const c_char, *mut Object) -> Object;
        type CreateSession = unsafe extern "system" fn(Object, *const c_void, usize, Object, *mut Object) -> Object;
        type CreateMemory = unsafe extern "system" fn(c_int, c_int, *mut Object) -> Object;
        type CreateTensor =
            unsafe extern "system" fn(Object, *mut c_void, usize, *const i64, usize, c_int, *mut Object) -> Object;
        type Run = unsafe extern "system" fn(
            Object,
            Object,
            *const *const c_char,
            *const Object,
            usize,
            *const *const c_char,
            usize,
            *mut Object,
        ) -> Object;
        let model = model::bytes();
        let mut input = model::INPUT;
        let (mut environment, mut options, mut session) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let (mut memory, mut tensor, mut output) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut numbers: *mut f32 = ptr::null_mut();
        // SAFETY: types and order of calls are those of the header. Every pointer is to a local that outlives its call, the
        // tensor's numbers outlive the run, and the output holds as many numbers as the model's shape says. Nothing is given
        // back, because this process ends.
        unsafe {
            let create_env: CreateEnv = self.function(&CREATE_ENV)?;
            self.check(create_env(FATAL, c"accelprobe".as_ptr(), &mut environment))?;
            self.check(self.function::<Create>(&CREATE_SESSION_OPTIONS)?(&mut options))?;
            let set_threads: unsafe extern "system" fn(Object, c_int) -> Object = self.function(&SET_THREADS)?;
            self.check(set_threads(options, 1))?;
            // DirectML asks for this; the others do not mind.
            let disable: unsafe extern "system" fn(Object) -> Object = self.function(&DISABLE_MEMORY_PATTERN)?;
            self.check(disable(options))?;
            self.append(options, provider)?;
            let create_session: CreateSession = self.function(&CREATE_SESSION_FROM_ARRAY)?;
            self.check(create_session(environment, model.as_ptr().cast(), model.len(), options, &mut session))?;
            let create_memory: CreateMemory = self.function(&CREATE_CPU_MEMORY_INFO)?;
            self.check(create_memory(DEVICE_ALLOCATOR, DEFAULT_MEMORY, &mut memory))?;
            let create_tensor: CreateTensor = self.function(&CREATE_TENSOR)?;
            let bytes = size_of_val(&input);
            let shape = [2i64, 2];
            self.check(create_tensor(memory, input.as_mut_ptr().cast(), bytes, shape.as_ptr(), 2, FLOAT, &mut tensor))?;
            let (from, to) = ([c"X".as_ptr()], [c"Y".as_ptr()]);
            let run: Run = self.function(&RUN)?;
            self.check(run(session, ptr::null_mut(), from.as_ptr(), &tensor, 1, to.as_ptr(), 1, &mut output))?;
            let data: unsafe extern "system" fn(Object, *mut *mut f32) -> Object = self.function(&TENSOR_DATA)?;
            self.check(data(output, &mut numbers))?;
            let computed = std::slice::from_raw_parts(numbers, model::OUTPUT.len());
            let wrong = computed.iter().zip(model::OUTPUT).find(|(got, expected)| *got != expected);
            Ok(match wrong {
                None => "right".to_owned(),
                Some((got, expected)) => format!("wrong: expected {expected}, got {got}"),
            })
        }
    }

    /// Adds a provider to a session's options, and forbids that the processor does what it cannot.
    ///
    /// # Safety
    /// `options` must be such an object of this library.
    unsafe fn append(&self, options: Object, provider: &str) -> Result<(), Missing> {
        type Append = unsafe extern "system" fn(Object, c_int) -> Object;
        type AppendText = unsafe extern "system" fn(Object, *const c_char) -> Object;
        type AppendByName = unsafe extern "system" fn(
            Object,
            *const c_char,
            *const *const c_char,
            *const *const c_char,
            usize,
        ) -> Object;
        type AddConfig = unsafe extern "system" fn(Object, *const c_char, *const c_char) -> Object;
        if provider == CPU {
            return Ok(());
        }
        let name = provider.trim_end_matches("ExecutionProvider");
        let exported = match name {
            "Dml" => "DML",
            name => name,
        };
        let exported = format!("OrtSessionOptionsAppendExecutionProvider_{exported}\0");
        let by_name = CString::new(if name == "Dml" { "DML" } else { name }).unwrap_or_default();
        // SAFETY: the types are those of the providers' factory headers; device 0 and the build's own device are asked for.
        unsafe {
            if let Ok(add) = self.function::<AddConfig>(&ADD_CONFIG_ENTRY) {
                self.check(add(options, c"session.disable_cpu_ep_fallback".as_ptr(), c"1".as_ptr()))?;
            }
            if name == "OpenVINO"
                && let Ok(append) = symbol::<AppendText>(&self.library, exported.as_bytes())
            {
                return self.check(append(options, c"".as_ptr()));
            }
            if let Ok(append) = symbol::<Append>(&self.library, exported.as_bytes()) {
                return self.check(append(options, 0));
            }
            let append: AppendByName = self.function(&APPEND_PROVIDER)?;
            self.check(append(options, by_name.as_ptr(), ptr::null(), ptr::null(), 0))
        }
    }

    /// A status is null where all is well, else an object with a code and a text.
    ///
    /// # Safety
    /// `status` must be what a function of the table gave.
    unsafe fn check(&self, status: Object) -> Result<(), Missing> {
        if status.is_null() {
            return Ok(());
        }
        // SAFETY: the caller vouches for the status; it stays as it is until this process ends.
        unsafe {
            let code: unsafe extern "system" fn(Object) -> c_int = self.function(&GET_ERROR_CODE)?;
            let message: unsafe extern "system" fn(Object) -> *const c_char = self.function(&GET_ERROR_MESSAGE)?;
            let words = text(message(status)).unwrap_or_default();
            let first = words.lines().next().unwrap_or_default().chars().take(200).collect();
            Err(Missing::Exited { code: code(status).into(), message: first })
        }
    }
}
