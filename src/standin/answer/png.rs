//! A small picture made from a number: a symmetric pattern of blocks in two colours, as a PNG file.

/// Width and height, in pixels.
pub(super) const SIDE: u16 = 128;
/// Width and height of a block, in pixels.
const BLOCK: u16 = 16;
const BACKGROUND: [u8; 3] = [0xf4, 0xf1, 0xea];

/// The picture for `seed`.
pub(super) fn picture(seed: u64) -> Vec<u8> {
    let side = u32::from(SIDE).to_be_bytes();
    // Eight bits a pixel, each an entry of the palette; no interlacing.
    let header = [&side[..], &side[..], &[8, 3, 0, 0, 0]].concat();
    let [red, green, blue, ..] = seed.rotate_left(17).to_be_bytes();
    let palette = [BACKGROUND, [red / 2, green / 2, blue / 2]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"PLTE", &palette);
    chunk(&mut file, *b"IDAT", &stored(&pixels(seed)));
    chunk(&mut file, *b"IEND", &[]);
    file
}

/// Rows of pixels, each after the number of its filter, which is none.
fn pixels(seed: u64) -> Vec<u8> {
    let blocks = SIDE / BLOCK;
    let mut pixels = Vec::with_capacity(usize::from(SIDE) * (usize::from(SIDE) + 1));
    for row in 0..SIDE {
        pixels.push(0);
        for column in 0..SIDE {
            let block = (column / BLOCK).min(blocks - 1 - column / BLOCK);
            let bit = (row / BLOCK) * (blocks / 2) + block;
            pixels.push(u8::from((seed >> bit) & 1 == 1));
        }
    }
    pixels
}

/// A zlib stream of one block that is not compressed; `bytes` are fewer than 64 KiB.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend_from_slice(&length.to_le_bytes());
    stream.extend_from_slice(&(!length).to_le_bytes());
    stream.extend_from_slice(bytes);
    stream.extend_from_slice(&adler32(bytes).to_be_bytes());
    stream
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    file.extend_from_slice(&crc32(&[&kind, data].concat()).to_be_bytes());
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % 65521;
        (low, (high + low) % 65521)
    });
    (high << 16) | low
}

fn crc32(bytes: &[u8]) -> u32 {
    let register = bytes.iter().fold(u32::MAX, |register, &byte| {
        (0..8).fold(register ^ u32::from(byte), |register, _| {
            if register & 1 == 1 { (register >> 1) ^ 0xedb8_8320 } else { register >> 1 }
        })
    });
    !register
}
