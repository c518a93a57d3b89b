//! IDX files, with or without gzip: the format of MNIST, Fashion-MNIST, KMNIST and EMNIST.
//!
//! An IDX file is two zero bytes, a type byte (08: unsigned bytes), the number of dimensions, each
//! dimension as a big-endian 32-bit number, and the data.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::gzip::{self, Gzip};
use super::{A_NUMBER, check_memory, file_length, name_of, told};
use crate::data::names::listed;
use crate::data::transpose::LIE_TRANSPOSED;
use crate::data::{Dataset, Shape};
use crate::{Error, Result};

/// Bytes read at a time: memory grows by what was read, not by what a header promises.
const PIECE: usize = 1 << 16;

impl Dataset {
    /// Images and labels from two IDX files of unsigned bytes, each with or without gzip (the contents
    /// decide, not the name). Pixels become 0..1 (raw / 255).
    ///
    /// EMNIST's images lie transposed in their files: [`transposed`](Self::transposed) sets them right, and
    /// [`notes`](Self::notes) say so where the file's name does.
    ///
    /// Images have 3 dimensions (n x h x w), 4 (n x h x w x c, or n x c x h x w with 1, 3 or 4 channels, as a note says)
    /// or 2 (n x features). A label is the class,
    /// named by its number, so that files of one family agree. Up to 10 classes, as in MNIST, any label
    /// from 0 to 9 will do; a larger one is accepted only when every label up to it occurs (from 0, or
    /// from 1 as in EMNIST letters, whose labels then count from 0 and keep the file's numbers as names).
    /// [`from_idx_with_classes`](Self::from_idx_with_classes) takes any set of classes.
    ///
    /// # Errors
    /// When a file is missing, short, too long or damaged, declares what is not there, when the two files
    /// differ in number, and when a label is out of range.
    pub fn from_idx(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Self> {
        let labels = labels.as_ref();
        let (data, found) = pair(images.as_ref(), labels)?;
        let (first, names) = infer_classes(&found, labels)?;
        let labels: Vec<u32> = found.bytes.iter().map(|&l| u32::from(l) - first).collect();
        let data = data.with_labels(labels, names)?;
        let counts = data.class_counts();
        let empty: Vec<&String> = (data.class_names().iter().zip(&counts))
            .filter(|(_, count)| **count == 0)
            .map(|(name, _)| name)
            .collect();
        let note = (!empty.is_empty()).then(|| {
            format!(
                "no image is of class {}: labels count from 0; others are named with from_idx_with_classes",
                listed(&empty)
            )
        });
        Ok(told(data.with_notes(note)))
    }

    /// As [`from_idx`](Self::from_idx), with the names of the classes: label 0 is the first.
    ///
    /// # Errors
    /// As `from_idx`; a label without a name is out of range.
    pub fn from_idx_with_classes(
        images: impl AsRef<Path>,
        labels: impl AsRef<Path>,
        class_names: &[&str],
    ) -> Result<Self> {
        let labels = labels.as_ref();
        let (data, found) = pair(images.as_ref(), labels)?;
        if let Some(i) = found.beyond(class_names.len()) {
            return Err(found.out_of_range(labels, i, 0..class_names.len(), ""));
        }
        let names = class_names.iter().map(|&name| name.to_owned()).collect();
        let labels = found.bytes.into_iter().map(u32::from).collect();
        Ok(told(data.with_labels(labels, names)?))
    }

    /// Images alone, as [`from_idx`](Self::from_idx) reads them.
    ///
    /// # Errors
    /// When the file is missing, short, too long or damaged, or declares what is not there.
    pub fn from_idx_images(images: impl AsRef<Path>) -> Result<Self> {
        read_images(images.as_ref()).map(told)
    }
}

fn read_images(path: &Path) -> Result<Dataset> {
    let idx = read(path, 2..=4, "images")?;
    let shape = match *idx.dims {
        [_, width] => Shape::Flat(width),
        [_, height, width] => Shape::Image {
            height,
            width,
            channels: 1,
        },
        [_, height, width, channels] => Shape::Image {
            height,
            width,
            channels,
        },
        _ => unreachable!("`read` allows 2 to 4 dimensions"),
    };
    let (shape, bytes, turned) = match shape {
        // Nobody's images are 3 pixels high with 32 channels.
        Shape::Image {
            height: channels @ (1 | 3 | 4),
            width: height,
            channels: width,
        } if idx.dims.len() == 4 && height > 4 && width > 4 => {
            let shape = Shape::Image {
                height,
                width,
                channels,
            };
            let note = format!(
                "the file's {channels} x {height} x {width} are images with their channels first, and were brought to \
                 {height} x {width} x {channels}"
            );
            (
                shape,
                channels_last(&idx.bytes, channels, height * width),
                Some(note),
            )
        }
        shape => (shape, idx.bytes, None),
    };
    let features = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    // The file's name, or that of the folder it lies in.
    let mut names = path.components().rev().take(2);
    let emnist = names.any(|name| {
        name.as_os_str()
            .to_string_lossy()
            .to_lowercase()
            .contains("emnist")
    });
    let transposed = emnist && matches!(shape, Shape::Image { .. });
    let note = transposed.then(|| LIE_TRANSPOSED.to_owned());
    let data = Dataset::new(name_of(path), shape, features)?.with_notes(note.into_iter().chain(turned));
    Ok(data.with_origin(path.display().to_string(), ""))
}

/// Images with all of a channel's pixels together, as ones with all of a pixel's channels together.
fn channels_last(bytes: &[u8], channels: usize, pixels: usize) -> Vec<u8> {
    let images = bytes.chunks_exact(channels * pixels);
    images
        .flat_map(|image| {
            (0..pixels).flat_map(move |pixel| (0..channels).map(move |c| image[c * pixels + pixel]))
        })
        .collect()
}

fn pair(images: &Path, labels: &Path) -> Result<(Dataset, Idx)> {
    // The small file first: what is wrong with it is known before the large one is read.
    let found = read(labels, 1..=1, "labels")?;
    let data = read_images(images)?;
    if data.len() != found.bytes.len() {
        return Err(Error::data(format!(
            "expected {} labels, one an image in {}, found {}",
            data.len(),
            images.display(),
            found.bytes.len()
        ))
        .at(labels.display().to_string())
        .fix("check that both files belong to the same part (train or test)"));
    }
    Ok((data, found))
}

/// The label that becomes class 0, and the names of the classes.
fn infer_classes(labels: &Idx, path: &Path) -> Result<(u32, Vec<String>)> {
    let mut occurs = [false; 256];
    labels
        .bytes
        .iter()
        .for_each(|&label| occurs[usize::from(label)] = true);
    let last = occurs.iter().rposition(|&o| o).unwrap_or(0);
    let first = usize::from(last > 9 && !occurs[0]);
    if last > 9
        && let Some(missing) = (first..last).find(|&label| !occurs[label])
    {
        // Up to 9 any label will do.
        let known = if missing < 10 { 0..10 } else { first..missing };
        if let Some(i) = labels.beyond(known.end) {
            return Err(labels.out_of_range(path, i, known, &format!("; no label is {missing}")));
        }
    }
    Ok((
        first as u32,
        (first..=last).map(|label| label.to_string()).collect(),
    ))
}

/// Bytes before the dimensions.
const HEADER: usize = 4;

struct Idx {
    dims: Vec<usize>,
    bytes: Vec<u8>,
    length: Length,
}

impl Idx {
    /// Which is the first label of `end` or more, in a file of labels.
    fn beyond(&self, end: usize) -> Option<usize> {
        self.bytes.iter().position(|&label| usize::from(label) >= end)
    }

    /// What is wrong with label `i`, which is not among the `known`; `gap` says why no more are.
    fn out_of_range(&self, path: &Path, i: usize, known: std::ops::Range<usize>, gap: &str) -> Error {
        let (first, last) = (known.start, known.end.saturating_sub(1));
        let found = self.bytes[i];
        let byte = self.length.place(&format!("byte {}", HEADER + 4 + i));
        Error::data(format!(
            "expected labels from {first} to {last}, found {found}{gap}"
        ))
        .at(format!("{}, {byte} (label {})", path.display(), i + 1))
        .fix("if the label is right, name all classes with `from_idx_with_classes`")
    }
}

fn read(path: &Path, ranks: std::ops::RangeInclusive<usize>, what: &str) -> Result<Idx> {
    let length = file_length(path)?;
    let file = path.display().to_string();
    let opened = File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut input = BufReader::with_capacity(PIECE, opened);
    let start = input.fill_buf().map_err(|e| Error::io(path, &e))?;
    if start.starts_with(&gzip::MAGIC) {
        let mut gzip = Gzip::new(&file, input)?;
        let most = length.saturating_mul(gzip::MAX_EXPANSION);
        parse(&file, ranks, what, Length::AtMost(most), &mut |buffer| {
            gzip.fill(buffer)
        })
    } else {
        parse(&file, ranks, what, Length::Exactly(length), &mut |buffer| {
            fill(&mut input, buffer).map_err(|e| Error::io(path, &e))
        })
    }
}

/// What is known of the unpacked file's length before it is read.
#[derive(Clone, Copy)]
enum Length {
    Exactly(u64),
    /// Of a gzip file.
    AtMost(u64),
}

impl Length {
    /// Says where `bytes` are: a packed file has other bytes than those it unpacks to.
    fn place(self, bytes: &str) -> String {
        match self {
            Length::Exactly(_) => bytes.to_owned(),
            Length::AtMost(_) => format!("{bytes} of the unpacked data"),
        }
    }
}

/// Fills a buffer from the front; fewer bytes than asked only at the end.
type Fill<'a> = dyn FnMut(&mut [u8]) -> Result<usize> + 'a;

fn parse(
    file: &str,
    ranks: std::ops::RangeInclusive<usize>,
    what: &str,
    length: Length,
    fill: &mut Fill<'_>,
) -> Result<Idx> {
    let mut magic = [0; HEADER];
    let place = |bytes: &str| format!("{file}, {}", length.place(bytes));
    need(fill, &mut magic, "an IDX header", || place("byte 0"))?;
    if let Some(found) = element(magic) {
        return Err(Error::data(format!(
            "expected an IDX file of unsigned bytes (type 08), found one of {found} (type {:02x})",
            magic[2]
        ))
        .at(place("byte 2"))
        .fix(
            "write the numbers as unsigned bytes from 0 to 255; or read them with numpy, say, and make a dataset of \
             them with Dataset::new or from a CSV or Parquet file",
        ));
    }
    if magic[..3] != [0, 0, 8] {
        let [a, b, c, d] = magic;
        if magic.starts_with(b"<") || magic == *b"vers" || magic == *b"PK\x03\x04" {
            let found = match a {
                b'<' => "a web page",
                b'v' => "text, maybe a pointer of Git LFS in the place of the file",
                _ => "a zip file",
            };
            return Err(Error::data(format!("expected an IDX file, found {found}"))
                .at(place("byte 0"))
                .fix("fetch the file itself, and unpack what is packed in another way than by gzip"));
        }
        return Err(Error::data(format!(
            "expected the magic number of an IDX file of bytes (00 00 08 and the number of dimensions), \
             found {a:02x} {b:02x} {c:02x} {d:02x}"
        ))
        .at(place("bytes 0 to 3")));
    }
    let rank = usize::from(magic[3]);
    if !ranks.contains(&rank) {
        let (low, high) = (ranks.start(), ranks.end());
        let expected = if low == high {
            format!("{low}")
        } else {
            format!("{low} to {high}")
        };
        return Err(Error::data(format!(
            "expected {what} with {expected} dimension{}, found {rank}",
            if *high == 1 { "" } else { "s" }
        ))
        .at(place("byte 3"))
        .fix("check that the image and the label file are not swapped"));
    }
    let mut dims = Vec::with_capacity(rank);
    let mut declared = 1u64;
    for i in 0..rank {
        let offset = HEADER + 4 * i;
        let mut word = [0; 4];
        need(fill, &mut word, "a dimension", || {
            place(&format!("byte {offset}"))
        })?;
        let dim = u32::from_be_bytes(word);
        if dim == 0 {
            return Err(Error::data("expected a dimension above 0, found 0")
                .at(place(&format!("bytes {offset} to {}", offset + 3))));
        }
        dims.push(dim as usize);
        declared = declared.saturating_mul(u64::from(dim));
    }
    let head = (HEADER + 4 * rank) as u64;
    let shape = dims
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" x ");
    let lying = |found: String| {
        Error::data(format!(
            "expected {declared} bytes of data for the declared {shape}, found {found}"
        ))
        .at(place(&format!("from byte {head}")))
        .fix("the file is damaged or cut short: fetch it again")
    };
    match length {
        Length::Exactly(n) if n.saturating_sub(head) != declared => {
            return Err(lying(n.saturating_sub(head).to_string()));
        }
        Length::AtMost(n) if n.saturating_sub(head) < declared => {
            return Err(lying(format!("a gzip file that cannot hold more than {n}")));
        }
        // A byte, and the number it becomes.
        _ => check_memory(declared, 1 + A_NUMBER, file)?,
    }
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let left = declared - bytes.len() as u64;
        // One byte more than is left shows that a packed file goes on.
        let asked = PIECE.min(usize::try_from(left.saturating_add(1)).unwrap_or(PIECE));
        let n = fill(&mut piece[..asked])?;
        if n as u64 > left {
            return Err(lying("more than that".to_owned()));
        }
        bytes.extend_from_slice(&piece[..n]);
        if n < asked {
            break;
        }
    }
    if (bytes.len() as u64) < declared {
        return Err(lying(bytes.len().to_string()));
    }
    Ok(Idx { dims, bytes, length })
}

/// What an IDX file of another type than unsigned bytes holds.
fn element([a, b, kind, _]: [u8; HEADER]) -> Option<&'static str> {
    match (a, b, kind) {
        (0, 0, 0x09) => Some("signed bytes"),
        (0, 0, 0x0b) => Some("16-bit whole numbers"),
        (0, 0, 0x0c) => Some("32-bit whole numbers"),
        (0, 0, 0x0d) => Some("32-bit floats"),
        (0, 0, 0x0e) => Some("64-bit floats"),
        _ => None,
    }
}

fn need(fill: &mut Fill<'_>, buffer: &mut [u8], what: &str, place: impl Fn() -> String) -> Result<()> {
    let n = fill(buffer)?;
    if n < buffer.len() {
        return Err(Error::data(format!(
            "expected {} bytes for {what}, found {n} before the end",
            buffer.len()
        ))
        .at(place()));
    }
    Ok(())
}

fn fill(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
