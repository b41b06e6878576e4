//! A file of Windows that bears a version and holds nothing else.

/// An executable image for x86_64 with `10.0.BUILD.REVISION` as its file version.
pub fn with_version(build: u16, revision: u16) -> Vec<u8> {
    const HEADERS: usize = 0x400;
    const ADDRESS: u32 = 0x1000;
    let mut bytes = vec![0; HEADERS];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(0, b"MZ");
    put(0x3c, &0x40_u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    // COFF header: the machine, one section, and how long the optional header is.
    put(0x44, &0x8664_u16.to_le_bytes());
    put(0x46, &1_u16.to_le_bytes());
    put(0x54, &0xf0_u16.to_le_bytes());
    // Optional header of 64 bits: its magic, and of the sixteen directories the third, which is of resources.
    put(0x58, &0x20b_u16.to_le_bytes());
    put(0x58 + 108, &16_u32.to_le_bytes());
    put(0x58 + 112 + 2 * 8, &words(&[ADDRESS, 0x200]));
    put(0x148, b".rsrc\0\0\0");
    put(0x150, &words(&[0x200, ADDRESS, 0x200, HEADERS as u32]));
    // Type 16 (version), name 1, one language; then where the data is, and the data.
    bytes.extend(words(&[0, 0, 0, 0x1_0000, 16, 0x8000_0018]));
    bytes.extend(words(&[0, 0, 0, 0x1_0000, 1, 0x8000_0030]));
    bytes.extend(words(&[0, 0, 0, 0x1_0000, 1033, 0x48]));
    bytes.extend(words(&[ADDRESS + 0x58, 0x5c, 0, 0]));
    // The name of the block takes 40 bytes, then come signature, structure, and the two halves of the version.
    bytes.extend([0; 40]);
    bytes.extend(words(&[0xfeef_04bd, 0x1_0000, 10 << 16, u32::from(build) << 16 | u32::from(revision)]));
    bytes.resize(HEADERS + 0x200, 0);
    bytes
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}
