//! What the header of a library says, read without loading it.
//!
//! A loader dies of a truncated library (SIGBUS), skips a 32-bit one in silence, and reports a missing dependency as if
//! the library itself were missing. So the header is read first, by the parent, and only what can be loaded is.
//! References: the System V ABI (gABI) for ELF; Microsoft's PE Format.

mod pe_version;

use object::read::coff::SectionTable;
use object::read::elf::{FileHeader, ProgramHeader};
use object::read::pe::{DataDirectories, ImageNtHeaders, optional_header_magic};
use object::{Endianness, LittleEndian as LE, ReadRef, elf, pe};
use serde::{Deserialize, Serialize};

/// The machine of a Mach-O file that holds code for several.
const UNIVERSAL: &str = "universal";
/// As many needed libraries and folders are read; no library has more.
const MOST_NAMES: usize = 256;
/// The largest section of a PE image that is read for its imports, in bytes.
const LARGEST_SECTION: u32 = 64 << 20;

/// The header of an executable image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// `elf`, `pe` or `mach-o`.
    pub format: String,
    /// 32 or 64.
    pub bits: u8,
    /// `x86_64`, `aarch64`, `x86`, or the format's own number.
    pub machine: String,
    /// The name that others ask for it by, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// The libraries it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// Folders in which it looks for them itself (`DT_RUNPATH` of ELF, or `DT_RPATH` where there is none), `$ORIGIN` standing
    /// for its own folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Whether those folders serve what it needs in turn, as those of `DT_RPATH` do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// The file version that a file of Windows bears, as in `1.13.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether the file is as long as its header says; a cut one kills who maps it.
    pub complete: bool,
}

impl Image {
    /// Reads the header of a file of `length` bytes. Fails with a few words on what is no image at all.
    pub fn read<'data, R: ReadRef<'data>>(data: R, length: u64) -> Result<Image, String> {
        let magic = data.read_bytes_at(0, 5).map_err(|()| "too short for a library")?;
        match magic {
            [0x7f, b'E', b'L', b'F', 2] => elf_image::<elf::FileHeader64<Endianness>, R>(data, length, 64),
            [0x7f, b'E', b'L', b'F', 1] => elf_image::<elf::FileHeader32<Endianness>, R>(data, length, 32),
            [b'M', b'Z', ..] => pe_image(data, length),
            // The first words of Mach-O files, with 64 bits and for several architectures (<mach-o/loader.h>, <mach-o/fat.h>).
            [0xcf, 0xfa, 0xed, 0xfe, 0x07] => Ok(Image::mach_o("x86_64")),
            [0xcf, 0xfa, 0xed, 0xfe, 0x0c] => Ok(Image::mach_o("aarch64")),
            [0xca, 0xfe, 0xba, 0xbe, _] => Ok(Image::mach_o(UNIVERSAL)),
            _ => Err("neither ELF nor PE nor Mach-O".to_owned()),
        }
    }

    fn mach_o(machine: &str) -> Image {
        Image::new("mach-o", 64, machine.to_owned())
    }

    fn new(format: &str, bits: u8, machine: String) -> Image {
        Image {
            format: format.to_owned(),
            bits,
            machine,
            soname: None,
            needed: Vec::new(),
            search: Vec::new(),
            inherited: false,
            version: None,
            complete: true,
        }
    }

    /// Whether a process of this architecture could map the image.
    pub fn is_for(&self, architecture: &str) -> bool {
        self.machine == architecture || self.machine == UNIVERSAL
    }
}

fn elf_image<'data, H, R>(data: R, length: u64, bits: u8) -> Result<Image, String>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let bad = |what: object::Error| format!("damaged ELF header: {what}");
    let header = H::parse(data).map_err(bad)?;
    let endian = header.endian().map_err(bad)?;
    let machine = match header.e_machine(endian) {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_386 => "x86".to_owned(),
        other => format!("ELF machine {other}"),
    };
    let segments = header.program_headers(endian, data).map_err(bad)?;
    let end = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .map(|segment| segment.p_offset(endian).into().saturating_add(segment.p_filesz(endian).into()))
        .max()
        .unwrap_or(0);
    let mut image = Image { complete: end <= length, ..Image::new("elf", bits, machine) };
    if image.complete {
        read_dynamic::<H, R>(&mut image, segments, endian, data);
    }
    Ok(image)
}

/// Fills in soname, needed libraries and where they are looked for; leaves them out where the dynamic section cannot be read.
fn read_dynamic<'data, H, R>(image: &mut Image, segments: &[H::ProgramHeader], endian: Endianness, data: R)
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    use object::read::elf::Dyn;

    let Some(entries) = segments.iter().find_map(|segment| segment.dynamic(endian, data).ok().flatten()) else {
        return;
    };
    let value_of = |tag: elf::DynamicTag| {
        entries.iter().find(|entry| entry.d_tag(endian) == tag).map(|entry| entry.d_val(endian).into())
    };
    let Some(table) = value_of(elf::DT_STRTAB) else { return };
    // The table is given as an address; the segment that holds the address says where in the file it is.
    let Some(base) = segments.iter().find_map(|segment| {
        let (start, offset) = (segment.p_vaddr(endian).into(), segment.p_offset(endian).into());
        let inside = segment.p_type(endian) == elf::PT_LOAD
            && (start..start.saturating_add(segment.p_filesz(endian).into())).contains(&table);
        inside.then(|| table.wrapping_sub(start).wrapping_add(offset))
    }) else {
        return;
    };
    let text_at = |offset: u64| {
        let start = base.checked_add(offset)?;
        let end = start.checked_add(4096)?.min(data.len().ok()?);
        let bytes = data.read_bytes_at_until(start..end, 0).ok()?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    image.soname = value_of(elf::DT_SONAME).and_then(text_at);
    let search = value_of(elf::DT_RUNPATH).or_else(|| value_of(elf::DT_RPATH)).and_then(text_at).unwrap_or_default();
    image.search = search.split(':').filter(|folder| !folder.is_empty()).take(MOST_NAMES).map(str::to_owned).collect();
    image.inherited = !image.search.is_empty() && value_of(elf::DT_RUNPATH).is_none();
    image.needed = entries
        .iter()
        .filter(|entry| entry.d_tag(endian) == elf::DT_NEEDED)
        .filter_map(|entry| text_at(entry.d_val(endian).into()))
        .take(MOST_NAMES)
        .collect();
}

fn pe_image<'data, R: ReadRef<'data>>(data: R, length: u64) -> Result<Image, String> {
    let bad = |what: object::Error| format!("damaged PE header: {what}");
    match optional_header_magic(data).map_err(bad)? {
        pe::IMAGE_NT_OPTIONAL_HDR32_MAGIC => pe_headers::<pe::ImageNtHeaders32, R>(data, length, 32),
        _ => pe_headers::<pe::ImageNtHeaders64, R>(data, length, 64),
    }
}

fn pe_headers<'data, H: ImageNtHeaders, R: ReadRef<'data>>(data: R, length: u64, bits: u8) -> Result<Image, String> {
    let bad = |what: object::Error| format!("damaged PE header: {what}");
    let dos = pe::ImageDosHeader::parse(data).map_err(bad)?;
    let mut offset = dos.nt_headers_offset().into();
    let (headers, directories) = H::parse(data, &mut offset).map_err(bad)?;
    let machine = match headers.file_header().machine.get(LE) {
        pe::IMAGE_FILE_MACHINE_AMD64 => "x86_64".to_owned(),
        pe::IMAGE_FILE_MACHINE_ARM64 => "aarch64".to_owned(),
        pe::IMAGE_FILE_MACHINE_I386 => "x86".to_owned(),
        other => format!("PE machine {other:#x}"),
    };
    let sections = headers.sections(data, offset).map_err(bad)?;
    let ends = sections
        .iter()
        .map(|section| u64::from(section.pointer_to_raw_data.get(LE)) + u64::from(section.size_of_raw_data.get(LE)));
    let end = ends.max().unwrap_or(0);
    let mut image = Image { complete: end <= length, ..Image::new("pe", bits, machine) };
    if image.complete {
        image.needed = imports(data, &directories, &sections).unwrap_or_default();
        let resources = directories.get(pe::IMAGE_DIRECTORY_ENTRY_RESOURCE);
        image.version = resources.and_then(|directory| pe_version::read(data, directory, sections));
    }
    Ok(image)
}

/// The libraries in the import directory; nothing where it cannot be read.
fn imports<'data, R: ReadRef<'data>>(
    data: R,
    directories: &DataDirectories<'data>,
    sections: &SectionTable<'data>,
) -> Option<Vec<String>> {
    let at = directories.get(pe::IMAGE_DIRECTORY_ENTRY_IMPORT)?.virtual_address.get(LE);
    let within = |section: &&pe::ImageSectionHeader| {
        let start = section.virtual_address.get(LE);
        (start..start.saturating_add(section.size_of_raw_data.get(LE))).contains(&at)
    };
    // The reader takes a section whole, and that of a library full of kernels is far larger than its imports.
    if sections.iter().find(within)?.size_of_raw_data.get(LE) > LARGEST_SECTION {
        return None;
    }
    let table = directories.import_table(data, sections).ok()??;
    let mut descriptors = table.descriptors().ok()?;
    let mut names = Vec::new();
    while let Ok(Some(descriptor)) = descriptors.next()
        && names.len() < MOST_NAMES
    {
        names.push(String::from_utf8_lossy(table.name(descriptor.name.get(LE)).ok()?).into_owned());
    }
    Some(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_image_that_runs_this_test() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let image = Image::read(&*bytes, bytes.len() as u64).unwrap();
        assert_eq!((image.bits, image.machine.as_str()), (64, std::env::consts::ARCH));
        assert!(image.complete && image.is_for(std::env::consts::ARCH) && !image.is_for("mips"));
        if cfg!(target_os = "linux") {
            assert!(image.needed.iter().any(|name| name.starts_with("libc.so")), "{:?}", image.needed);
            let half = &bytes[..8192];
            let cut = Image::read(half, half.len() as u64).unwrap();
            assert!(!cut.complete);
        }
    }

    #[test]
    fn says_what_is_no_image() {
        for bytes in [&b""[..], b"MZ", b"{\"file\"", b"\x7fELF", b"\x7fELF\x02\xff\xff\xff\xff"] {
            assert!(Image::read(bytes, bytes.len() as u64).is_err());
        }
    }
}
