//! The zip archives that PyTorch writes, read strictly: the central directory, stored or deflated entries, zip64.
//!
//! Layout: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 (zip64).

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read as _;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::{Trouble, quoted};
use crate::data::MAX_EXPANSION;

/// Sizes of the fixed parts: local header, entry of the central directory, end, zip64 locator, zip64 end.
const LOCAL: usize = 30;
const ENTRY: usize = 46;
const END: usize = 22;
const LOCATOR: usize = 20;
const END64: usize = 56;

/// An archive whose directory was found sound: names without tricks, every entry within the file.
pub(super) struct Archive<'a> {
    file: &'a [u8],
    entries: HashMap<String, ZipEntry>,
}

struct ZipEntry {
    deflated: bool,
    crc: u32,
    packed: u64,
    size: u64,
    /// Where the packed bytes begin.
    data: u64,
}

impl<'a> Archive<'a> {
    pub fn open(file: &'a [u8]) -> Result<Self, Trouble> {
        let directory = Directory::find(file)?;
        let mut archive = Self {
            file,
            entries: HashMap::new(),
        };
        let mut at = directory.start;
        let mut spans = Vec::new();
        for index in 0..directory.entries {
            let (name, entry, header, next) = archive
                .entry(at, directory.end)
                .map_err(|trouble| trouble.inside(format!("entry {} of the archive", index + 1)))?;
            spans.push((header, entry.data + entry.packed));
            let twice = format!(
                "expected entries with different names, found {} twice",
                quoted(&name)
            );
            if archive.entries.insert(name, entry).is_some() {
                return Err(Trouble::new(twice));
            }
            at = next;
        }
        if at != directory.end {
            return Err(Trouble::new(format!(
                "expected a directory of {} bytes for {} entries, found {}",
                directory.end - directory.start,
                directory.entries,
                at - directory.start
            )));
        }
        // No byte belongs to two entries or to an entry and the directory.
        spans.sort_unstable();
        let apart = spans.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        if !apart || spans.last().is_some_and(|&(_, end)| end > directory.start) {
            return Err(Trouble::new(
                "expected entries beside each other, found some that overlap",
            ));
        }
        Ok(archive)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Bytes of the entry `name` when unpacked, as far as the directory says.
    pub fn size(&self, name: &str) -> Option<u64> {
        Some(self.entries.get(name)?.size)
    }

    /// The content of the entry `name`, its length and checksum found right; none when there is none.
    pub fn read(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, Trouble> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let packed = &self.file[entry.data as usize..][..entry.packed as usize];
        let content = if entry.deflated {
            let mut content = Vec::new();
            // One byte more than declared shows a lie; more is never unpacked.
            let mut inflate = DeflateDecoder::new(packed);
            let read = inflate.by_ref().take(entry.size + 1).read_to_end(&mut content);
            read.map_err(|e| {
                Trouble::new(format!("expected deflated data, found damage ({e})")).inside(name)
            })?;
            Cow::Owned(content)
        } else {
            Cow::Borrowed(packed)
        };
        if content.len() as u64 != entry.size {
            return Err(Trouble::new(format!(
                "expected {} unpacked bytes as the archive declares, found {}",
                entry.size,
                content.len()
            ))
            .inside(name));
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() != entry.crc {
            return Err(Trouble::new(format!(
                "expected data with the checksum {:08x}, found {:08x}",
                entry.crc,
                crc.sum()
            ))
            .inside(name));
        }
        Ok(Some(content))
    }

    /// Reads the directory's entry at `at`: its name, what it says, where its local header begins, and where the
    /// next entry is.
    fn entry(&self, at: u64, end: u64) -> Result<(String, ZipEntry, u64, u64), Trouble> {
        let fixed = self.part(at, ENTRY as u64, end, "an entry of the directory")?;
        if fixed[..4] != *b"PK\x01\x02" {
            return Err(Trouble::new(
                "expected an entry of the directory, found other bytes",
            ));
        }
        let (flags, method) = (u16_at(fixed, 8), u16_at(fixed, 10));
        let lengths = [28, 30, 32].map(|i| u64::from(u16_at(fixed, i)));
        let name = self.part(at + ENTRY as u64, lengths[0], end, "the name of an entry")?;
        let extra = self.part(at + ENTRY as u64 + lengths[0], lengths[1], end, "the extra field")?;
        let next = at + ENTRY as u64 + lengths.iter().sum::<u64>();
        let raw_name = name;
        let name = std::str::from_utf8(name)
            .map_err(|_| Trouble::new("expected the name of an entry in UTF-8, found other bytes"))?
            .to_owned();
        check_name(&name)?;
        let refuse = |what: &str| Err(Trouble::new(what).inside(quoted(&name)));
        if flags & 1 != 0 {
            return refuse("expected readable entries, found an encrypted one");
        }
        if !matches!(method, 0 | 8) {
            return Err(Trouble::new(format!(
                "expected stored or deflated entries, found compression method {method}"
            ))
            .inside(quoted(&name)));
        }
        let mut wide = Zip64::of(extra);
        let size = wide.or(u32_at(fixed, 24))?;
        let packed = wide.or(u32_at(fixed, 20))?;
        let header = wide.or(u32_at(fixed, 42))?;
        let local = self.part(header, LOCAL as u64, self.file.len() as u64, "a local header")?;
        if local[..4] != *b"PK\x03\x04" {
            return refuse("expected a local header, found other bytes");
        }
        let (name_length, extra_length) = (u16_at(local, 26), u16_at(local, 28));
        let after = header + LOCAL as u64;
        let local_name = self.part(
            after,
            u64::from(name_length),
            self.file.len() as u64,
            "a local name",
        )?;
        if local_name != raw_name || u16_at(local, 8) != method {
            return refuse(
                "expected the same name and method before the data as in the directory, found others",
            );
        }
        let data = after + u64::from(name_length) + u64::from(extra_length);
        self.part(data, packed, self.file.len() as u64, "the data of an entry")
            .map_err(|trouble| trouble.inside(quoted(&name)))?;
        let most = match method {
            0 => packed,
            _ => packed.saturating_mul(MAX_EXPANSION),
        };
        if size > most || (method == 0 && size != packed) {
            return Err(Trouble::new(format!(
                "expected sizes that go together, found {size} bytes out of {packed}"
            ))
            .inside(quoted(&name)));
        }
        let entry = ZipEntry {
            deflated: method == 8,
            crc: u32_at(fixed, 16),
            packed,
            size,
            data,
        };
        Ok((name, entry, header, next))
    }

    /// `length` bytes at `at`, all of them before `end`.
    fn part(&self, at: u64, length: u64, end: u64, what: &str) -> Result<&'a [u8], Trouble> {
        match at.checked_add(length) {
            Some(to) if to <= end => Ok(&self.file[at as usize..to as usize]),
            _ => Err(Trouble::new(format!(
                "expected {what} of {length} bytes at byte {at}, found the end at {end}"
            ))),
        }
    }
}

/// Where the central directory is.
struct Directory {
    start: u64,
    end: u64,
    entries: u64,
}

impl Directory {
    fn find(file: &[u8]) -> Result<Self, Trouble> {
        let cut = || Trouble::new("expected the directory of a zip archive at the end, found none");
        // The end has a comment of up to 65,535 bytes behind it, which must reach the end of the file.
        let last = file.len().checked_sub(END).ok_or_else(cut)?;
        let first = last.saturating_sub(usize::from(u16::MAX));
        let at = (first..=last)
            .rev()
            .find(|&at| {
                file[at..].starts_with(b"PK\x05\x06")
                    && usize::from(u16_at(&file[at..], 20)) == file.len() - at - END
            })
            .ok_or_else(cut)?;
        let end = &file[at..];
        if u16_at(end, 4) != 0 || u16_at(end, 6) != 0 {
            return Err(Trouble::new(
                "expected an archive in one file, found a part of several",
            ));
        }
        let mut directory = Self {
            start: u32_at(end, 16).into(),
            end: at as u64,
            entries: u16_at(end, 10).into(),
        };
        let mut size = u64::from(u32_at(end, 12));
        if let Some(locator) = at
            .checked_sub(LOCATOR)
            .filter(|&l| file[l..].starts_with(b"PK\x06\x07"))
        {
            let at = u64_at(&file[locator..], 8);
            let wide = usize::try_from(at)
                .ok()
                .filter(|at| at.checked_add(END64).is_some_and(|to| to <= locator))
                .map(|at| &file[at..])
                .filter(|end| end.starts_with(b"PK\x06\x06"))
                .ok_or_else(|| {
                    Trouble::new("expected a zip64 directory where the archive says, found none")
                })?;
            directory = Self {
                start: u64_at(wide, 48),
                end: at,
                entries: u64_at(wide, 32),
            };
            size = u64_at(wide, 40);
        }
        if directory.start.checked_add(size) != Some(directory.end) {
            return Err(Trouble::new(format!(
                "expected a directory of {size} bytes at byte {} that ends at byte {}",
                directory.start, directory.end
            )));
        }
        if directory.entries > size / ENTRY as u64 {
            return Err(Trouble::new(format!(
                "expected as many entries as fit {size} bytes, found a declared {}",
                directory.entries
            )));
        }
        Ok(directory)
    }
}

/// The wide sizes of an entry, in the order in which the narrow ones say that they are too small.
struct Zip64<'a>(&'a [u8]);

impl<'a> Zip64<'a> {
    fn of(mut extra: &'a [u8]) -> Self {
        while extra.len() >= 4 {
            let (kind, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
            let Some(field) = extra.get(4..4 + length) else {
                break;
            };
            if kind == 1 {
                return Self(field);
            }
            extra = &extra[4 + length..];
        }
        Self(&[])
    }

    fn or(&mut self, narrow: u32) -> Result<u64, Trouble> {
        if narrow != u32::MAX {
            return Ok(narrow.into());
        }
        let (wide, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| Trouble::new("expected a zip64 size, found none"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*wide))
    }
}

/// Nothing is unpacked to disk, but a name that would leave the folder says what the archive is for.
fn check_name(name: &str) -> Result<(), Trouble> {
    let tricky = name.is_empty()
        || name.starts_with('/')
        || name.contains(['\\', '\0'])
        || name.as_bytes().get(1) == Some(&b':')
        || name.split('/').any(|part| matches!(part, ".." | "."));
    if tricky {
        return Err(Trouble::new(format!(
            "expected entries inside the archive's folder, found the path {}",
            quoted(name)
        ))
        .fix("do not trust this file; get the weights from their makers"));
    }
    Ok(())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
