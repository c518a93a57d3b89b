//! The text of a CSV file, whatever it is packed in and however its letters are written.

use std::borrow::Cow;

use super::check_memory;
use super::gzip::{self, Gzip};
use crate::{Error, Result};

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// What other formats begin with: the name, and what to do.
const FOREIGN: [(&[u8], &str, &str); 10] = [
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, in the place of the file",
        "fetch the file itself: git lfs pull",
    ),
    (
        &gzip::MAGIC,
        "a gzip file within the gzip file",
        "unpack it once: gunzip",
    ),
    (b"\xff\xfe\0\0", "UTF-32", "save the file as UTF-8 text"),
    (b"\0\0\xfe\xff", "UTF-32", "save the file as UTF-8 text"),
    (
        b"PK\x03\x04",
        "a zip file (or a spreadsheet)",
        "unpack it, or save the spreadsheet as CSV",
    ),
    (b"PAR1", "a Parquet file", "load it with Dataset::from_parquet"),
    (b"\xfd7zXZ\0", "an xz file", "unpack it first: unxz"),
    (b"BZh", "a bzip2 file", "unpack it first: bunzip2"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it first: unzstd"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet", "save it as CSV"),
];

/// The bytes of a file, unpacked when it is a gzip file.
pub(super) fn unpacked<'a>(file: &str, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    /// Bytes between two looks at the memory that is left.
    const PIECE: usize = 1 << 24;
    if !bytes.starts_with(&gzip::MAGIC) {
        return Ok(bytes.into());
    }
    let mut gzip = Gzip::new(file, bytes)?;
    let mut whole = Vec::new();
    loop {
        let start = whole.len();
        // Growing may copy what is there.
        check_memory((2 * start + PIECE) as u64, 1, file)?;
        whole.resize(start + PIECE.min(64 * bytes.len().max(1024)), 0);
        let asked = whole.len() - start;
        let found = gzip.fill(&mut whole[start..])?;
        whole.truncate(start + found);
        if found < asked {
            return Ok(whole.into());
        }
    }
}

/// The text in `bytes`: UTF-8 or, by its mark or its zeros, UTF-16. Lines end with a line feed, also where the file
/// has lone carriage returns.
pub(super) fn decoded<'a>(file: &str, bytes: &'a [u8]) -> Result<Cow<'a, str>> {
    if let Some((_, found, remedy)) = FOREIGN.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Err(Error::data(format!("expected text, found {found}"))
            .at(format!("{file}, byte 0"))
            .fix(*remedy));
    }
    if is_web_page(bytes) {
        return Err(Error::data("expected a table as text, found a web page")
            .at(format!("{file}, byte 0"))
            .fix("download the file itself: the address has given a page instead, maybe one that asks to sign in"));
    }
    let text = match utf16(bytes) {
        Some((units, word)) => Cow::from(from_utf16(file, units, word)?),
        None => utf8(file, bytes)?.into(),
    };
    if let Some(offset) = text.find('\0') {
        let line = 1 + text[..offset].matches('\n').count();
        return Err(Error::data("expected text, found byte 00").at(format!("{file}, line {line}")));
    }
    Ok(with_line_feeds(&text).map_or(text, Cow::from))
}

fn is_web_page(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes).trim_ascii_start();
    let begins = |word: &[u8]| {
        bytes
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    begins(b"<!doctype html") || begins(b"<html")
}

/// The text with line feeds for carriage returns that end a line alone; none when there are none. Those in quotes are
/// a cell's.
fn with_line_feeds(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut lone = Vec::new();
    let (mut i, mut quoted) = (0, false);
    while i < bytes.len() {
        quoted ^= bytes[i] == b'"';
        let run = bytes[i..].iter().take_while(|&&byte| byte == b'\r').count();
        // Several before a line feed end one line with it.
        if run > 0 && !quoted && bytes.get(i + run) != Some(&b'\n') {
            lone.extend(i..i + run);
        }
        i += run.max(1);
    }
    if lone.is_empty() {
        return None;
    }
    let mut ended = String::with_capacity(text.len());
    let mut start = 0;
    for end in lone {
        ended.push_str(&text[start..end]);
        ended.push('\n');
        start = end + 1;
    }
    ended.push_str(&text[start..]);
    Some(ended)
}

type Word = fn([u8; 2]) -> u16;

/// The bytes behind the mark, and how two of them make a number, if this is UTF-16.
fn utf16(bytes: &[u8]) -> Option<(&[u8], Word)> {
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return Some((rest, u16::from_le_bytes));
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return Some((rest, u16::from_be_bytes));
    }
    // A header line is mostly of letters whose other byte is 0.
    let (pairs, _) = bytes[..bytes.len().min(64)].as_chunks::<2>();
    let zeros = |at: usize| pairs.iter().filter(|pair| pair[at] == 0).count();
    let most = |at: usize| pairs.len() >= 4 && zeros(at) * 4 >= pairs.len() * 3 && zeros(1 - at) == 0;
    if most(1) {
        return Some((bytes, u16::from_le_bytes));
    }
    most(0).then_some((bytes, u16::from_be_bytes))
}

fn from_utf16(file: &str, bytes: &[u8], word: Word) -> Result<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    check_memory(2 * bytes.len() as u64, 1, file)?;
    let mut text = String::with_capacity(bytes.len());
    let broken = |text: &str, what: String| {
        let line = 1 + text.matches('\n').count();
        Error::data(format!("expected UTF-16 text, found {what}"))
            .at(format!("{file}, line {line}"))
            .fix("save the file as UTF-8 text")
    };
    for unit in char::decode_utf16(pairs.iter().map(|&pair| word(pair))) {
        match unit {
            Ok(letter) => text.push(letter),
            Err(e) => return Err(broken(&text, format!("{:04x}", e.unpaired_surrogate()))),
        }
    }
    match rest {
        [] => Ok(text),
        _ => Err(broken(&text, "an odd number of bytes".to_owned())),
    }
}

fn utf8<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str> {
    // Programs that do not know of the mark write one before it.
    let mut bytes = bytes;
    while let Some(behind) = bytes.strip_prefix(UTF8_MARK) {
        bytes = behind;
    }
    std::str::from_utf8(bytes).map_err(|e| {
        let offset = e.valid_up_to();
        let line = 1 + bytes[..offset].iter().filter(|&&b| b == b'\n').count();
        Error::data(format!("expected UTF-8 text, found byte {:02x}", bytes[offset]))
            .at(format!("{file}, line {line}"))
            .fix("save the file as UTF-8 text")
    })
}
