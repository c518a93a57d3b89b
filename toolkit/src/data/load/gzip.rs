//! Gzip, read in pieces and checked: header, checksum, length and the end of the file (RFC 1952).

use std::io::{BufRead, Read};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use crate::{Error, Result};

/// The first two bytes of every gzip file.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// DEFLATE cannot expand a byte into more than this many (RFC 1951: 258 bytes from 2 bits).
pub(crate) const MAX_EXPANSION: u64 = 1032;

/// Unpacks one or more gzip members that follow each other.
pub(super) struct Gzip<R: BufRead> {
    file: String,
    inflate: Option<DeflateDecoder<R>>,
    /// Offset in the file where the current member's compressed data start.
    start: u64,
    crc: Crc,
}

impl<R: BufRead> Gzip<R> {
    /// Starts at the first byte of `input`; `file` names it in errors.
    pub(super) fn new(file: &str, input: R) -> Result<Self> {
        let mut gzip = Self {
            file: file.to_owned(),
            inflate: None,
            start: 0,
            crc: Crc::new(),
        };
        gzip.open(input)?;
        Ok(gzip)
    }

    /// Fills `buffer` from the front and returns how many bytes it got: fewer than asked only at the end,
    /// after every checksum was found right.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(inflate) = &mut self.inflate else { break };
            match inflate.read(&mut buffer[filled..]) {
                Ok(0) => self.close()?,
                Ok(n) => {
                    self.crc.update(&buffer[filled..filled + n]);
                    filled += n;
                }
                Err(e) => {
                    let offset = self.start + inflate.total_in();
                    return Err(
                        Error::data(format!("expected compressed data, found damage ({e})"))
                            .at(format!("{}, near byte {offset}", self.file))
                            .fix("fetch the file again"),
                    );
                }
            }
        }
        Ok(filled)
    }

    /// Reads a member's header.
    fn open(&mut self, mut input: R) -> Result<()> {
        let mut head = [0; 10];
        self.take(&mut input, &mut head, "header")?;
        if head[..2] != MAGIC || head[2] != 8 || head[3] & 0xe0 != 0 {
            return Err(Error::data(format!(
                "expected a gzip header (1f 8b 08), found {:02x} {:02x} {:02x} with flags {:02x}",
                head[0], head[1], head[2], head[3]
            ))
            .at(format!("{}, byte {}", self.file, self.start - 10)));
        }
        let flags = head[3];
        if flags & 4 != 0 {
            let mut length = [0; 2];
            self.take(&mut input, &mut length, "extra field")?;
            for _ in 0..u16::from_le_bytes(length) {
                self.take(&mut input, &mut [0], "extra field")?;
            }
        }
        for text in [flags & 8, flags & 16] {
            let mut byte = [u8::from(text != 0)];
            while byte[0] != 0 {
                self.take(&mut input, &mut byte, "file name or comment")?;
            }
        }
        if flags & 2 != 0 {
            self.take(&mut input, &mut [0; 2], "header checksum")?;
        }
        self.crc = Crc::new();
        self.inflate = Some(DeflateDecoder::new(input));
        Ok(())
    }

    /// Checks a member's trailer and opens the next member, if one follows.
    fn close(&mut self) -> Result<()> {
        let Some(inflate) = self.inflate.take() else {
            return Ok(());
        };
        self.start += inflate.total_in();
        let mut input = inflate.into_inner();
        let mut trailer = [0; 8];
        self.take(&mut input, &mut trailer, "checksum")?;
        let word =
            |i: usize| u32::from_le_bytes([trailer[i], trailer[i + 1], trailer[i + 2], trailer[i + 3]]);
        if word(0) != self.crc.sum() {
            return Err(Error::data(format!(
                "expected data with the checksum {:08x}, found {:08x}",
                word(0),
                self.crc.sum()
            ))
            .at(format!("{}, byte {}", self.file, self.start - 8))
            .fix("fetch the file again"));
        }
        if word(4) != self.crc.amount() {
            return Err(Error::data(format!(
                "expected {} unpacked bytes as the file declares, found {}",
                word(4),
                self.crc.amount()
            ))
            .at(format!("{}, byte {}", self.file, self.start - 4)));
        }
        // Zeros may fill up a block behind the last member, as a tape or a disk has them.
        loop {
            let rest = input.fill_buf().map_err(|e| Error::io(&self.file, &e))?;
            let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
            if rest.is_empty() {
                return Ok(());
            }
            if zeros == 0 {
                break;
            }
            input.consume(zeros);
            self.start += zeros as u64;
        }
        let rest = input.fill_buf().map_err(|e| Error::io(&self.file, &e))?;
        if !rest.starts_with(&MAGIC[..rest.len().min(2)]) {
            return Err(Error::data(format!(
                "expected the end of the file, found byte {:02x}",
                rest[0]
            ))
            .at(format!("{}, byte {}", self.file, self.start)));
        }
        self.open(input)
    }

    fn take(&mut self, input: &mut R, bytes: &mut [u8], part: &str) -> Result<()> {
        input.read_exact(bytes).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                let n = bytes.len();
                Error::data(format!(
                    "expected {n} bytes of gzip {part}, found the end of the file"
                ))
                .at(format!("{}, byte {}", self.file, self.start))
                .fix("the file is cut short: fetch it again")
            }
            _ => Error::io(&self.file, &e),
        })?;
        self.start += bytes.len() as u64;
        Ok(())
    }
}
