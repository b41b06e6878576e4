//! The cache of the GNU loader, which says where it finds a library by name.
//!
//! Format: `struct cache_file_new` of glibc's `sysdeps/generic/dl-cache.h`, version 1.1, alone or behind a table of the
//! older format. All numbers are in the machine's byte order.

use std::collections::HashMap;
use std::path::Path;

/// The largest cache that is read, in bytes.
const LIMIT: u64 = 16 << 20;
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Magic, number of entries, length of the texts, flags, padding, extension offset, three unused words.
const HEADER: usize = 48;
/// Flags, offset of the name, offset of the path, minimal kernel version, hardware capabilities (8 bytes).
const ENTRY: usize = 24;

/// Library names and the paths that the cache gives for them, in its order.
#[derive(Default)]
pub struct LoaderCache(HashMap<String, Vec<String>>);

impl LoaderCache {
    /// The cache of this machine; empty where there is none, as on systems with another C library.
    pub fn load() -> LoaderCache {
        let bytes = super::bytes(Path::new("/etc/ld.so.cache"), LIMIT).ok();
        bytes.and_then(|bytes| LoaderCache::parse(&bytes)).unwrap_or_default()
    }

    /// The paths that the cache gives for a name.
    pub fn paths(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The cache in these bytes; nothing where they are damaged.
    pub fn parse(bytes: &[u8]) -> Option<LoaderCache> {
        let start = match bytes.starts_with(MAGIC) {
            true => 0,
            false => bytes.windows(MAGIC.len()).position(|window| window == MAGIC)?,
        };
        let cache = bytes.get(start..)?;
        let count = word(cache, MAGIC.len())?;
        let mut paths: HashMap<String, Vec<String>> = HashMap::new();
        for entry in 0..count {
            let at = HEADER.checked_add(entry.checked_mul(ENTRY)?)?;
            let name = text(cache, word(cache, at.checked_add(4)?)?)?;
            let path = text(cache, word(cache, at.checked_add(8)?)?)?;
            paths.entry(name).or_default().push(path);
        }
        Some(LoaderCache(paths))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(word.try_into().ok()?) as usize)
}

fn text(bytes: &[u8], at: usize) -> Option<String> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut texts = Vec::new();
        let mut table = Vec::new();
        let base = HEADER + entries.len() * ENTRY;
        for (name, path) in entries {
            table.extend(3u32.to_ne_bytes());
            for text in [name, path] {
                table.extend(u32::try_from(base + texts.len()).unwrap().to_ne_bytes());
                texts.extend(text.as_bytes());
                texts.push(0);
            }
            table.extend([0; 12]);
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(entries.len()).unwrap().to_ne_bytes());
        bytes.resize(HEADER, 0);
        [bytes, table, texts].concat()
    }

    #[test]
    fn finds_every_path_of_a_name_also_behind_the_old_format() {
        let new = cache(&[("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"), ("libcuda.so.1", "/lib/libcuda.so.1")]);
        let old = [b"ld.so-1.7.0\0\0\0\0\0".to_vec(), new.clone()].concat();
        for bytes in [new, old] {
            let cache = LoaderCache::parse(&bytes).unwrap();
            assert_eq!(cache.paths("libcuda.so.1"), ["/usr/lib/wsl/lib/libcuda.so.1", "/lib/libcuda.so.1"]);
            assert!(cache.paths("libother.so").is_empty());
        }
    }

    #[test]
    fn a_damaged_cache_is_no_cache() {
        let whole = cache(&[("a", "/a"), ("b", "/b")]);
        for length in 0..whole.len() {
            assert!(LoaderCache::parse(&whole[..length]).is_none());
        }
        let mut huge = whole;
        huge[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(LoaderCache::parse(&huge).is_none());
    }
}
