//! How an image lies: the mark that a camera or an editor left in its file.

use image::ImageDecoder;
use image::metadata::Orientation;

/// The mark of EXIF, else that of XMP (`tiff:Orientation`), as Pillow's `exif_transpose` takes them. A damaged mark says
/// nothing.
pub fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = decoder.exif_metadata().ok().flatten();
    let mark = exif.and_then(|exif| of_exif(&exif)).or_else(|| {
        let xmp = decoder.xmp_metadata().ok().flatten()?;
        of_xmp(&String::from_utf8_lossy(&xmp))
    });
    mark.and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

/// The number of tag 0x112 in the first directory: Exif 2.32, 4.6.2. It should be a SHORT; some writers take a BYTE or
/// a LONG.
fn of_exif(exif: &[u8]) -> Option<u8> {
    let (order, rest) = exif.split_first_chunk::<4>()?;
    let big = match order {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let number = |bytes: &[u8]| -> u32 {
        let add = |sum: u32, &byte: &u8| sum << 8 | u32::from(byte);
        match big {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        }
    };
    let directory = exif.get(number(rest.get(..4)?) as usize..)?;
    let (count, entries) = directory.split_first_chunk::<2>()?;
    entries
        .chunks_exact(12)
        .take(number(count) as usize)
        .find(|entry| number(&entry[..2]) == 0x112 && number(&entry[4..8]) == 1)
        .and_then(|entry| {
            let bytes = match number(&entry[2..4]) {
                1 => 1,
                3 => 2,
                4 => 4,
                _ => return None,
            };
            u8::try_from(number(&entry[8..8 + bytes])).ok()
        })
}

/// The digit of `tiff:Orientation="6"` or `<tiff:Orientation>6<`.
fn of_xmp(xmp: &str) -> Option<u8> {
    let (_, rest) = xmp.split_once("tiff:Orientation")?;
    let rest =
        rest.trim_start_matches(|c: char| c == '=' || c == '>' || c == '"' || c == '\'' || c.is_whitespace());
    rest.chars().next()?.to_digit(10)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_read_whatever_its_width_and_order_of_bytes() {
        let little = |kind: u8| {
            let mut exif = b"II*\0\x08\0\0\0\x02\0".to_vec();
            exif.extend([0x0f, 1, 2, 0, 4, 0, 0, 0, b'J', b'o', b'o', b'k']);
            exif.extend([0x12, 1, kind, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
            exif
        };
        for kind in [1, 3, 4] {
            assert_eq!(of_exif(&little(kind)), Some(6), "type {kind}");
        }
        assert_eq!(of_exif(&little(7)), None);
        let big = |kind: u8, value: [u8; 4]| {
            let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0".to_vec();
            exif.extend([kind, 0, 0, 0, 1]);
            exif.extend(value);
            exif
        };
        assert_eq!(of_exif(&big(1, [8, 0, 0, 0])), Some(8));
        assert_eq!(of_exif(&big(3, [0, 8, 0, 0])), Some(8));
        assert_eq!(of_exif(&big(4, [0, 0, 0, 8])), Some(8));
        for length in 0..little(4).len() {
            assert_eq!(of_exif(&little(4)[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn xmp_says_it_as_an_attribute_or_an_element() {
        for (xmp, mark) in [
            (r#"<rdf:Description tiff:Orientation="6" x="1"/>"#, Some(6)),
            ("<tiff:Orientation>3</tiff:Orientation>", Some(3)),
            ("<tiff:Orientation/>", None),
            ("<tiff:Make>8</tiff:Make>", None),
        ] {
            assert_eq!(of_xmp(xmp), mark, "{xmp}");
        }
    }
}
