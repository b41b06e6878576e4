//! For which GPU instruction sets a library holds code, by the headers in its sections; nothing is loaded or unpacked.
//!
//! CUDA: fat binaries one behind the other in `.nv_fatbin`, each a header and entries, each entry a header and code that may be
//! compressed. The entry's header alone tells what the code is for. HIP: bundles of Clang in `.hip_fatbin`, each with a list of
//! its code objects. The walk goes from header to header, so a library of a gigabyte costs a few thousand small reads. Windows
//! cuts the sections' names to eight characters.
//! It cannot tell: code in other sections (cuBLAS and cuDNN unpack some of theirs), code that is linked or compiled while the
//! program runs, and what a compressed bundle of Clang is for, because its list is compressed, too.
//! References: Clang's documentation of the offload bundler, and of compressed bundles (llvm/Object/OffloadBundle.h).
//! For CUDA `fatbinary.h`, which toolkits up to 10.2 held: every header says its own size, so newer ones can be walked, too.
//! The flags behind the suffixes are documented nowhere; they were found by what `cuobjdump` 13.5 says of the same files.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use object::read::elf::{FileHeader, SectionHeader};
use object::read::pe::{ImageNtHeaders, optional_header_magic};
use object::{Endianness, ReadRef, elf, pe};

/// A library has a few dozen sections; one with more than this is damaged.
const MOST_SECTIONS: u32 = 4096;
/// As many headers are read at the most. Large libraries have about ten thousand, and those for a new GPU may stand last.
const MOST_HEADERS: usize = 1 << 16;
/// As many zero bytes may lie between two fat binaries or bundles; the linker aligns them to a page at the most.
const LARGEST_GAP: u64 = 1 << 16;

/// The first four bytes of a fat binary of CUDA.
const FAT_BINARY: u32 = 0xba55_ed50;
/// The part of an entry's header that is read: up to its flags.
const ENTRY_LENGTH: u64 = 48;
/// Kinds of entries: PTX, a cubin, and a cubin in a newer form.
const PTX: u16 = 1;
const CUBIN: &[u16] = &[2, 16];
/// Flags of an entry: for one architecture alone (`sm_90a`), or for its family (`sm_120f`).
const ARCHITECTURE_SPECIFIC: u64 = 1 << 20;
const FAMILY_SPECIFIC: u64 = 1 << 21;

/// How a bundle of Clang begins, plain and compressed.
const BUNDLE: &[u8] = b"__CLANG_OFFLOAD_BUNDLE__";
const COMPRESSED_BUNDLE: &[u8] = b"CCOB";
/// A bundle names a few dozen targets, each in a few dozen characters.
const MOST_TARGETS: u64 = 1024;
const LONGEST_TARGET: u64 = 256;

/// The instruction sets, one a line: `sm_86` and `sm_90a` for finished code, `compute_90` for PTX, `gfx90a` for AMD's. Empty where
/// a library holds none. Fails with a few words on what is no library or damaged.
pub fn kernels<'data, R: ReadRef<'data>>(data: R) -> Result<String, String> {
    let mut walk = Walk { data, found: BTreeSet::new(), headers: 0 };
    for (form, section) in sections(data)? {
        walk.section(form, section)?;
    }
    let lines: Vec<String> = walk.found.iter().map(ToString::to_string).collect();
    Ok(lines.join("\n"))
}

/// An instruction set, in the order in which people list them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Finished(u32, &'static str),
    Ptx(u32, &'static str),
    Amd(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Finished(number, suffix) => write!(f, "sm_{number}{suffix}"),
            Target::Ptx(number, suffix) => write!(f, "compute_{number}{suffix}"),
            Target::Amd(name) => f.write_str(name),
        }
    }
}

/// What lies in a section.
#[derive(Clone, Copy)]
enum Form {
    Cuda,
    Hip,
}

impl Form {
    /// By the section's name, of which an image of Windows holds the first eight characters.
    fn of(name: &[u8], cut: bool) -> Option<Form> {
        let is = |full: &[u8]| if cut { full.get(..8) == Some(name) } else { full == name };
        match () {
            () if is(b".nv_fatbin") => Some(Form::Cuda),
            () if is(b".hip_fatbin") => Some(Form::Hip),
            () => None,
        }
    }
}

/// The sections that hold code for GPUs.
fn sections<'data, R: ReadRef<'data>>(data: R) -> Result<Vec<(Form, Range<u64>)>, String> {
    match data.read_bytes_at(0, 5).map_err(|()| "too short for a library")? {
        [0x7f, b'E', b'L', b'F', 2] => elf_sections::<elf::FileHeader64<Endianness>, R>(data),
        [0x7f, b'E', b'L', b'F', 1] => elf_sections::<elf::FileHeader32<Endianness>, R>(data),
        [b'M', b'Z', ..] => match optional_header_magic(data).map_err(damaged)? {
            pe::IMAGE_NT_OPTIONAL_HDR32_MAGIC => pe_sections::<pe::ImageNtHeaders32, R>(data),
            _ => pe_sections::<pe::ImageNtHeaders64, R>(data),
        },
        _ => Err("neither ELF nor PE".to_owned()),
    }
}

fn elf_sections<'data, H, R>(data: R) -> Result<Vec<(Form, Range<u64>)>, String>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let count = header.shnum(endian, data).map_err(damaged)?;
    if count == 0 || count > MOST_SECTIONS {
        return Err(format!("a library with {count} sections"));
    }
    let table = header.sections(endian, data).map_err(damaged)?;
    let mut found = Vec::new();
    for section in table.iter() {
        let name = table.section_name(endian, section).map_err(damaged)?;
        let (Some(form), Some((start, length))) = (Form::of(name, false), section.file_range(endian)) else { continue };
        found.push((form, within(data, start, length)?));
    }
    Ok(found)
}

fn pe_sections<'data, H: ImageNtHeaders, R: ReadRef<'data>>(data: R) -> Result<Vec<(Form, Range<u64>)>, String> {
    let dos = pe::ImageDosHeader::parse(data).map_err(damaged)?;
    let mut offset = dos.nt_headers_offset().into();
    let (headers, _) = H::parse(data, &mut offset).map_err(damaged)?;
    let mut found = Vec::new();
    for section in headers.sections(data, offset).map_err(damaged)?.iter() {
        let Some(form) = Form::of(section.raw_name(), true) else { continue };
        let (start, length) = section.pe_file_range();
        found.push((form, within(data, start.into(), length.into())?));
    }
    Ok(found)
}

fn within<'data, R: ReadRef<'data>>(data: R, start: u64, length: u64) -> Result<Range<u64>, String> {
    let end = start.checked_add(length).filter(|end| data.len().is_ok_and(|whole| *end <= whole));
    end.map(|end| start..end).ok_or_else(|| "a section that ends behind the file".to_owned())
}

fn damaged(what: object::Error) -> String {
    format!("damaged header: {what}")
}

struct Walk<R> {
    data: R,
    found: BTreeSet<Target>,
    /// Headers read so far.
    headers: usize,
}

impl<'data, R: ReadRef<'data>> Walk<R> {
    fn section(&mut self, form: Form, section: Range<u64>) -> Result<(), String> {
        let mut next = self.behind_zeros(section.start, section.end)?;
        while let Some(at) = next {
            let end = match form {
                Form::Cuda => self.fat_binary(at, section.end)?,
                Form::Hip => self.bundle(at, section.end)?,
            };
            next = self.behind_zeros(end, section.end)?;
        }
        Ok(())
    }

    /// Counts one more header; what is left unread could hold anything.
    fn count(&mut self) -> Result<(), String> {
        self.headers += 1;
        match self.headers > MOST_HEADERS {
            true => Err(format!("more than {MOST_HEADERS} pieces of code")),
            false => Ok(()),
        }
    }

    /// Where the next fat binary or bundle begins: none where nothing but zeros is left.
    fn behind_zeros(&self, mut at: u64, end: u64) -> Result<Option<u64>, String> {
        let limit = end.min(at.saturating_add(LARGEST_GAP));
        // Most follow at once, and then this is the header that is read next.
        let mut length = 16;
        while at < limit {
            let block = self.bytes(at, length.min(limit - at))?;
            if let Some(place) = block.iter().position(|byte| *byte != 0) {
                return Ok(Some(at + place as u64));
            }
            at += block.len() as u64;
            length = 4096;
        }
        Ok(None)
    }

    /// Reads the entries of a fat binary and says where it ends.
    fn fat_binary(&mut self, start: u64, limit: u64) -> Result<u64, String> {
        self.count()?;
        let header = self.bytes(start, 16)?;
        let (magic, length, size) = (u32_at(header, 0), u16_at(header, 6), u64_at(header, 8));
        if magic != FAT_BINARY {
            return Err(format!("no fat binary at byte {start}"));
        }
        let mut at = start + u64::from(length);
        let end = at.checked_add(size).filter(|end| length >= 16 && *end <= limit);
        let end = end.ok_or_else(|| format!("a damaged fat binary at byte {start}"))?;
        while end.saturating_sub(at) >= ENTRY_LENGTH {
            self.count()?;
            let entry = self.bytes(at, ENTRY_LENGTH)?;
            let (kind, length, size) = (u16_at(entry, 0), u64::from(u32_at(entry, 4)), u64_at(entry, 8));
            let next = at.checked_add(length).and_then(|code| code.checked_add(size));
            let next = next.filter(|next| length >= ENTRY_LENGTH && *next <= end);
            let next = next.ok_or_else(|| format!("a damaged entry of a fat binary at byte {at}"))?;
            let (number, flags) = (u32_at(entry, 28), u64_at(entry, 40));
            let suffix = match () {
                () if flags & ARCHITECTURE_SPECIFIC != 0 => "a",
                () if flags & FAMILY_SPECIFIC != 0 => "f",
                () => "",
            };
            if kind == PTX {
                self.found.insert(Target::Ptx(number, suffix));
            } else if CUBIN.contains(&kind) {
                self.found.insert(Target::Finished(number, suffix));
            }
            at = next;
        }
        Ok(end)
    }

    /// Reads the list of a bundle and says where its last code object ends.
    fn bundle(&mut self, start: u64, limit: u64) -> Result<u64, String> {
        self.count()?;
        let header = self.bytes(start, (limit - start).min(32))?;
        if header.starts_with(COMPRESSED_BUNDLE) {
            return Err("HIP code in compressed bundles, which do not say for which GPUs it is".to_owned());
        }
        let count = u64_at(header, 24);
        if !header.starts_with(BUNDLE) || count > MOST_TARGETS {
            return Err(format!("no bundle at byte {start}"));
        }
        let mut at = start + 32;
        let mut end = at;
        for _ in 0..count {
            self.count()?;
            let entry = self.bytes(at, 24)?;
            let (offset, size, length) = (u64_at(entry, 0), u64_at(entry, 8), u64_at(entry, 16));
            let last = start.checked_add(offset).and_then(|code| code.checked_add(size));
            let last = last.filter(|last| length <= LONGEST_TARGET && *last <= limit);
            let last = last.ok_or_else(|| format!("a damaged bundle at byte {start}"))?;
            let name = self.bytes(at + 24, length)?;
            // The host's own entry is empty.
            if size > 0 && name.starts_with(b"hip") {
                self.found.extend(processor(&String::from_utf8_lossy(name)).map(Target::Amd));
            }
            at += 24 + length;
            end = end.max(last).max(at);
        }
        Ok(end)
    }

    fn bytes(&self, at: u64, length: u64) -> Result<&'data [u8], String> {
        self.data.read_bytes_at(at, length).map_err(|()| format!("cannot read {length} bytes at byte {at}"))
    }
}

/// `gfx90a` of `hipv4-amdgcn-amd-amdhsa--gfx90a:xnack-`: kind, the four parts of a triple, and the processor with its features.
/// Older compilers leave the triple's last part away.
fn processor(name: &str) -> Option<String> {
    let last = name.splitn(6, '-').last()?;
    let processor = last.split(':').next()?;
    processor.starts_with("gfx").then(|| processor.to_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// Bytes of a header; zeros behind its end.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// A library with one section besides the one of names.
    fn library(name: &str, section: &[u8]) -> Vec<u8> {
        let names = format!("\0{name}\0.shstrtab\0");
        let names_at = 64 + section.len();
        let headers_at = names_at + names.len();
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend([3, 0, 62, 0, 1, 0, 0, 0]);
        bytes.extend([0, 0, headers_at as u64].map(u64::to_le_bytes).concat());
        bytes.extend([0u16, 0, 64, 56, 0, 64, 3, 2].map(u16::to_le_bytes).concat());
        assert_eq!(bytes.len(), 64);
        bytes.extend(section);
        bytes.extend(names.as_bytes());
        bytes.extend([0; 64]);
        for (name, kind, at, length) in
            [(1, 1u32, 64, section.len()), (name.len() as u32 + 2, 3, names_at, names.len())]
        {
            bytes.extend([name, kind].map(u32::to_le_bytes).concat());
            bytes.extend([2, 0, at as u64, length as u64, 0, 8, 0].map(u64::to_le_bytes).concat());
        }
        bytes
    }

    fn entry(kind: u16, number: u32, flags: u64, code: u64) -> Vec<u8> {
        let mut bytes = vec![0; 64 + code as usize];
        bytes[0..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&64u32.to_le_bytes());
        bytes[8..16].copy_from_slice(&code.to_le_bytes());
        bytes[28..32].copy_from_slice(&number.to_le_bytes());
        bytes[40..48].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    fn fat_binary(entries: &[Vec<u8>]) -> Vec<u8> {
        let entries = entries.concat();
        let mut bytes = FAT_BINARY.to_le_bytes().to_vec();
        bytes.extend([1u16, 16].map(u16::to_le_bytes).concat());
        bytes.extend((entries.len() as u64).to_le_bytes());
        bytes.extend(entries);
        bytes
    }

    fn bundle(names: &[&str]) -> Vec<u8> {
        let mut bytes = BUNDLE.to_vec();
        bytes.extend((names.len() as u64).to_le_bytes());
        for name in names {
            let size = if name.starts_with("host") { 0 } else { 8 };
            bytes.extend([4096, size, name.len() as u64].map(u64::to_le_bytes).concat());
            bytes.extend(name.as_bytes());
        }
        bytes.resize(4096 + 8, 1);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<String, String> {
        kernels(bytes)
    }

    #[test]
    fn reads_what_fat_binaries_are_for() {
        let first = fat_binary(&[
            entry(2, 100, FAMILY_SPECIFIC, 24),
            entry(2, 86, 0, 0),
            entry(16, 90, ARCHITECTURE_SPECIFIC, 8),
            entry(1, 120, 0, 16),
            entry(8, 80, 0, 8),
        ]);
        let second = fat_binary(&[entry(2, 50, 0, 8)]);
        let section = [first, vec![0; 4000], second, vec![0; 24]].concat();
        assert_eq!(read(&library(".nv_fatbin", &section)).unwrap(), "sm_50\nsm_86\nsm_90a\nsm_100f\ncompute_120");
        assert_eq!(read(&library(".text", &section)).unwrap(), "");
        assert_eq!(read(&library(".nv_fatb", &section)).unwrap(), "", "only Windows cuts names");
        assert_eq!(read(&library(".nv_fatbin", &[])).unwrap(), "");
    }

    #[test]
    fn windows_cuts_the_names_of_sections() {
        let section = [fat_binary(&[entry(2, 89, 0, 8)]), vec![0; 512]].concat();
        let of = |name: &[u8; 8]| {
            let mut bytes = vec![0; 64 + 4 + 20 + 240 + 40];
            bytes[..2].copy_from_slice(b"MZ");
            bytes[60] = 64;
            bytes[64..70].copy_from_slice(b"PE\0\0\x64\x86");
            bytes[70] = 1;
            bytes[84] = 240;
            bytes[88..90].copy_from_slice(&[0x0b, 2]);
            bytes[88 + 108] = 16;
            let at = bytes.len() as u32;
            let sizes = [section.len() as u32, 0x1000, section.len() as u32, at].map(u32::to_le_bytes).concat();
            bytes[328..336].copy_from_slice(name);
            bytes[336..352].copy_from_slice(&sizes);
            bytes.extend(&section);
            read(&bytes)
        };
        assert_eq!(of(b".nv_fatb").unwrap(), "sm_89");
        assert_eq!(of(b".rdata\0\0").unwrap(), "");
        assert!(of(b".hip_fat").unwrap_err().contains("no bundle"));
    }

    #[test]
    fn reads_what_bundles_are_for() {
        let first = bundle(&[
            "host-x86_64-unknown-linux",
            "hipv4-amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-",
            "hipv4-amdgcn-amd-amdhsa--gfx11-generic",
            "openmp-amdgcn-amd-amdhsa--gfx700",
        ]);
        let second = bundle(&["hip-amdgcn-amd-amdhsa-gfx803", "hipv4-amdgcn-amd-amdhsa-unknown-gfx1030"]);
        let section = [first, vec![0; 4088], second].concat();
        let library = library(".hip_fatbin", &section);
        assert_eq!(read(&library).unwrap(), "gfx1030\ngfx11-generic\ngfx803\ngfx90a");
    }

    #[test]
    fn a_compressed_bundle_is_not_taken_for_none() {
        let bytes = library(".hip_fatbin", b"CCOB\x02\0\x01\0rest of it");
        assert!(read(&bytes).unwrap_err().contains("compressed"));
    }

    #[test]
    fn damage_is_said_and_ends_the_walk() {
        let good = fat_binary(&[entry(2, 86, 0, 8)]);
        let with = |at: usize, bytes: &[u8]| {
            let mut section = good.clone();
            section[at..at + bytes.len()].copy_from_slice(bytes);
            read(&library(".nv_fatbin", &section))
        };
        assert_eq!(with(0, &[]).unwrap(), "sm_86");
        for (what, at, bytes) in [
            ("magic", 0, &[7u8; 4][..]),
            ("no header", 6, &[0; 2]),
            ("larger than the section", 8, &[0xff; 8]),
            ("an entry without header", 20, &[0; 4]),
            ("an entry longer than all", 24, &[0xff; 8]),
        ] {
            assert!(with(at, bytes).is_err(), "{what}");
        }
        // No entries at all is no damage.
        assert_eq!(read(&library(".nv_fatbin", &fat_binary(&[]))).unwrap(), "");
        let bytes = library(".nv_fatbin", &good);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn no_byte_makes_it_panic_or_run_for_ever() {
        let cuda = library(".nv_fatbin", &fat_binary(&[entry(2, 86, 0, 8), entry(1, 90, 0, 0)]));
        let hip = library(".hip_fatbin", &bundle(&["host-x86_64", "hipv4-amdgcn-amd-amdhsa--gfx1100"]));
        for good in [cuda, hip] {
            for at in 0..good.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut bytes = good.clone();
                    bytes[at] = value;
                    _ = read(&bytes);
                }
            }
        }
    }

    #[test]
    fn a_million_entries_are_not_all_read() {
        let entries = fat_binary(&vec![entry(2, 86, 0, 0); 1_000_000]);
        assert!(read(&library(".nv_fatbin", &entries)).unwrap_err().contains("more than"));
        let binaries = fat_binary(&[]).repeat(1_000_000);
        assert!(read(&library(".nv_fatbin", &binaries)).unwrap_err().contains("more than"));
        let ten_thousand = fat_binary(&[entry(2, 86, 0, 0)]).repeat(10_000);
        let late = [ten_thousand, fat_binary(&[entry(2, 120, 0, 0)])].concat();
        assert_eq!(read(&library(".nv_fatbin", &late)).unwrap(), "sm_86\nsm_120");
    }
}
