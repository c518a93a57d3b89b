//! Small pictures inside a page.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::{Error, Result};

/// 8-bit grey or RGB pixels as a `data:` address of a PNG.
pub(crate) fn data_uri(pixels: &[u8], width: u32, height: u32, channels: usize) -> Result<String> {
    Ok(format!(
        "data:image/png;base64,{}",
        base64(&encode(pixels, width, height, channels)?)
    ))
}

/// 8-bit grey or RGB pixels, row by row, as a PNG file.
pub(crate) fn encode(pixels: &[u8], width: u32, height: u32, channels: usize) -> Result<Vec<u8>> {
    let color = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        4 => ExtendedColorType::Rgba8,
        n => return Err(Error::data(format!("an image has 1, 3 or 4 channels, found {n}"))),
    };
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(pixels, width, height, color)
        .map_err(|e| Error::data(format!("cannot encode a {height} × {width} image: {e}")))?;
    Ok(file)
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}
