//! A hash for tables whose keys nobody outside chooses: names of facts and addresses. It costs a fraction of the standard one,
//! which withstands keys that are made to collide.

use std::hash::{BuildHasherDefault, Hasher};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuickHasher(u64);

/// What makes such hashers.
pub type QuickHash = BuildHasherDefault<QuickHasher>;

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (parts, rest) = bytes.as_chunks::<8>();
        for part in parts {
            self.write_u64(u64::from_le_bytes(*part));
        }
        self.write_u64(rest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // The upper bits of a product are the mixed ones, and tables take the lower.
        self.0.rotate_left(32)
    }
}
