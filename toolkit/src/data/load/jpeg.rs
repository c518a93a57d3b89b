//! The outline of a JPEG file: ITU-T T.81, annex B.

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

/// Whether the file goes on to the marker that ends its image. Decoders take a file that was cut for one with a grey
/// rest.
pub fn is_whole(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(&[0xff, START]) else {
        return false;
    };
    let mut scans = 0;
    while let Some((marker, behind)) = next_marker(rest) {
        if marker == END {
            return scans > 0;
        }
        // A segment says its length, these two bytes included; what follows a scan's are coded pixels.
        let Some(length) = behind.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)) else {
            return false;
        };
        let Some(next) = behind.get(usize::from(length)..) else {
            return false;
        };
        scans += usize::from(marker == SCAN);
        rest = next;
    }
    false
}

/// The next marker, and what is behind it. Among coded pixels 0xff 0 is a pixel's byte, and 0xff 0xd0 to 0xd7 only
/// separate them.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)? + 1;
        match bytes.get(at)? {
            0 | 0x01 | 0xd0..=0xd7 => at += 1,
            0xff => {}
            marker => return Some((*marker, &bytes[at + 1..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_with_its_end_and_no_byte_earlier() {
        let thumbnail = [0xff, START, 0xff, END];
        let mut file = vec![0xff, START, 0xff, 0xe1, 0, 6];
        file.extend(thumbnail);
        file.extend([0xff, SCAN, 0, 3, 1, 7, 0xff, 0, 8, 0xff, 0xd3, 9, 0xff, 0xff, END]);
        assert!(is_whole(&file));
        assert!((0..file.len()).all(|length| !is_whole(&file[..length])));
        file.extend([0, 0, 0]);
        assert!(is_whole(&file));
    }
}
