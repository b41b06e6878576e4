//! Turns the files of `matrix/` into JSON, which is embedded: the program reads it several times as fast as TOML. And tells
//! the linker of Windows where libraries come from.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "a build script reads the tree and may fail"
)]

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&root).join("matrix");
    let mut files = Vec::new();
    list(&folder, "", &mut files);
    files.sort();
    let mut code = String::from("&[\n");
    for file in &files {
        let text = fs::read_to_string(folder.join(file)).expect("the file can be read");
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("matrix/{file}: {error}"));
        let json = serde_json::to_string(&table).expect("writes to memory");
        writeln!(code, "    ({file:?}, {json:?}),").expect("writes to memory");
    }
    code.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("matrix_files.rs"), code).expect("the output folder can be written");
    println!("cargo::rerun-if-changed=matrix");
    // LOAD_LIBRARY_SEARCH_SYSTEM32 for what the program is linked to: not from beside it, wherever somebody saved it.
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|environment| environment == "msvc") {
        println!("cargo::rustc-link-arg-bins=/DEPENDENTLOADFLAG:0x800");
    }
}

/// Appends the TOML files below a folder, with `/` between the parts of their paths.
fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.path().is_dir() {
            true => list(&entry.path(), &format!("{prefix}{name}/"), files),
            false if name.ends_with(".toml") => files.push(format!("{prefix}{name}")),
            false => {}
        }
    }
}
