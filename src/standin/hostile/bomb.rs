//! Blanks, compressed: little to send and much to hold.

/// How much one [`period`] becomes: eight copies of 258 bytes each.
pub(super) const PERIOD_BYTES: u64 = 8 * 258;

/// A gzip head, then the start of a last deflate block with fixed codes and one blank.
///
/// The block's first bits are `1` (last), `01` (fixed codes), then the code of a blank (0x50, eight bits from the
/// highest), then copies until a byte is full.
pub(super) fn start() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(1, 1);
    bits.push(0b01, 2);
    bits.push_code(0x50, 8);
    while bits.count % 8 != 0 {
        copy(&mut bits);
    }
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], bits.bytes.as_slice()].concat()
}

/// Bytes to repeat: each time the output grows by [`PERIOD_BYTES`].
pub(super) fn period() -> Vec<u8> {
    let mut bits = Bits::default();
    for _ in 0..8 {
        copy(&mut bits);
    }
    bits.bytes
}

/// "258 bytes again, from one byte back": length code 285 is `11000101`, distance code 0 is `00000`.
fn copy(bits: &mut Bits) {
    bits.push_code(0b1100_0101, 8);
    bits.push_code(0, 5);
}

/// Bits in deflate's order: a byte is filled from its lowest bit.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    /// A number: its lowest bit first.
    fn push(&mut self, number: u32, bits: u32) {
        for bit in 0..bits {
            let set = u8::from((number >> bit) & 1 == 1);
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= set << (self.count % 8);
            }
            self.count += 1;
        }
    }

    /// A Huffman code: its highest bit first.
    fn push_code(&mut self, code: u32, bits: u32) {
        for bit in (0..bits).rev() {
            self.push((code >> bit) & 1, 1);
        }
    }
}
