//! The version of a file of Windows: the fixed part of its version resource, read without loading it.
//!
//! A resource stands three levels deep (type, name, language), and every step of the way is checked against the section
//! that holds it, because the file may be damaged. Of several languages the first is taken: their numbers are the same.
//! References: Microsoft's PE Format, "The .rsrc Section"; VS_VERSIONINFO and VS_FIXEDFILEINFO.

use object::read::coff::SectionTable;
use object::{LittleEndian as LE, ReadRef, U32, pe};

/// RT_VERSION of winuser.h.
const TYPE: u32 = 16;
/// `VS_VERSION_INFO` as UTF-16 with its end, behind three 16-bit numbers, filled up to a multiple of four.
const HEAD: u64 = 40;
/// `dwSignature` of VS_FIXEDFILEINFO.
const SIGNATURE: u32 = 0xFEEF_04BD;

/// The file version, as in `1.13.1.0`; nothing where there is no version resource.
pub(super) fn read<'data, R: ReadRef<'data>>(
    data: R,
    directory: &pe::ImageDataDirectory,
    sections: SectionTable<'_>,
) -> Option<String> {
    let root = place(sections, directory.virtual_address.get(LE))?;
    let names = below(data, root, root, Some(TYPE))?;
    let languages = below(data, root, names, None)?;
    let leaf = below(data, root, languages, None)?;
    let entry = data.read_at::<pe::ImageResourceDataEntry>(leaf).ok()?;
    let fixed = place(sections, entry.offset_to_data.get(LE))?.checked_add(HEAD)?;
    let fields: &[U32<LE>] = data.read_slice_at(fixed, 4).ok()?;
    let [signature, _, high, low] = fields else { return None };
    let (high, low) = (high.get(LE), low.get(LE));
    (signature.get(LE) == SIGNATURE).then(|| format!("{}.{}.{}.{}", high >> 16, high & 0xffff, low >> 16, low & 0xffff))
}

/// Where an address of the loaded image stands in the file.
fn place(sections: SectionTable<'_>, address: u32) -> Option<u64> {
    sections.pe_file_range_at(address).map(|(offset, _)| u64::from(offset))
}

/// What an entry of a resource directory leads to: the one with this number, or the first.
fn below<'data, R: ReadRef<'data>>(data: R, root: u64, directory: u64, id: Option<u32>) -> Option<u64> {
    let header = data.read_at::<pe::ImageResourceDirectory>(directory).ok()?;
    let count = u64::from(header.number_of_named_entries.get(LE)) + u64::from(header.number_of_id_entries.get(LE));
    let start = directory.checked_add(size_of::<pe::ImageResourceDirectory>() as u64)?;
    let entries: &[pe::ImageResourceDirectoryEntry] = data.read_slice_at(start, usize::try_from(count).ok()?).ok()?;
    let entry = entries.iter().find(|entry| id.is_none_or(|id| entry.name_or_id.get(LE) == id))?;
    let offset = entry.offset_to_data_or_directory.get(LE) & !pe::IMAGE_RESOURCE_DATA_IS_DIRECTORY;
    root.checked_add(u64::from(offset))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A section at the address 0x1000 and the place 0x40, with a resource of this type and these fixed fields.
    fn file(kind: u32, fields: [u32; 4]) -> Vec<u8> {
        let mut bytes = b".rsrc\0\0\0".to_vec();
        let mut push = |numbers: &[u32]| bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        push(&[0x1000, 0x1000, 0x1000, 0x40, 0, 0, 0, 0]);
        push(&[0; 6]);
        // Three directories of one entry with a number each, then the leaf.
        push(&[0, 0, 0, 0x1_0000, kind, 0x8000_0018]);
        push(&[0, 0, 0, 0x1_0000, 1, 0x8000_0030]);
        push(&[0, 0, 0, 0x1_0000, 1033, 0x48]);
        push(&[0x1058, 0x5c, 0, 0]);
        push(&[0; 10]);
        push(&fields);
        bytes
    }

    fn version(bytes: &[u8], address: u32) -> Option<String> {
        let sections = SectionTable::parse(&one_section(), bytes, 0).unwrap();
        let directory = pe::ImageDataDirectory { virtual_address: U32::new(LE, address), size: U32::new(LE, 0x100) };
        read(bytes, &directory, sections)
    }

    fn one_section() -> pe::ImageFileHeader {
        let mut header = *object::from_bytes::<pe::ImageFileHeader>(&[0; 20]).unwrap().0;
        header.number_of_sections = object::U16::new(LE, 1);
        header
    }

    #[test]
    fn reads_the_numbers_and_passes_over_what_is_damaged() {
        let fields = [SIGNATURE, 0x1_0000, 0x0001_000d, 0x0001_0000];
        let whole = file(TYPE, fields);
        assert_eq!(version(&whole, 0x1000).unwrap(), "1.13.1.0");
        assert_eq!(version(&whole, 0x5000), None);
        assert_eq!(version(&file(3, fields), 0x1000), None);
        assert_eq!(version(&file(TYPE, [0; 4]), 0x1000), None);
        for length in 0x40..whole.len() {
            assert_eq!(version(whole.get(..length).unwrap(), 0x1000), None);
        }
        let mut loops = whole.clone();
        loops.get_mut(0x54..0x58).unwrap().copy_from_slice(&0x8000_0000_u32.to_le_bytes());
        assert_eq!(version(&loops, 0x1000), None);
    }
}
