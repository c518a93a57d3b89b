//! Image folders: one folder a class, PNG or JPEG files in it.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};

use image::error::{LimitError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};

use super::orientation::orientation;
use super::{A_NUMBER, ImageFiles, check_memory, file_length, gzip, jpeg, name_of, told};
use crate::data::{Dataset, Shape};
use crate::{Error, Result};

/// The longest side of an image that is taken: beyond it a header is taken for a lie.
const MAX_SIDE: u32 = 1 << 14;

/// The most memory a single image may take while it is decoded.
const MAX_DECODED: u64 = 1 << 30;

impl Dataset {
    /// Images from a folder with one folder a class, named by it: `dir/cat/1.png`, `dir/dog/2.jpg`.
    ///
    /// Classes and files come in alphabetical order. All images have the same size. When every image is
    /// grey there is one channel; otherwise all are taken as red, green, blue. Transparency is dropped.
    /// Features are 0..1. Images that are marked as turned (EXIF, XMP) are turned upright. The contents of a file
    /// decide whether it is an image, not its name; files that are none (notes, tables) are left out, hidden ones
    /// too. [`notes`](Self::notes) say what was turned, dropped or left out.
    ///
    /// # Errors
    /// Naming the file or folder: no class folder, a class without images, images outside a class folder, folders of
    /// parts (train, test) around those of the classes, another image format, another size, damage, a header that declares more than the file can hold.
    pub fn from_image_folder(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let ImageFiles {
            files,
            labels,
            class_names,
            notes,
        } = ImageFiles::list(dir)?;
        let (shape, features, changed) = read_all(dir, &files)?;
        let data = Dataset::new(name_of(dir), shape, features)?
            .with_origin(dir.display().to_string(), "")
            .with_labels(labels, class_names)?;
        Ok(told(data.with_notes(notes.into_iter().chain(changed.notes()))))
    }
}

/// How many images are not as their files have them.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::data) struct Changed {
    /// They were turned upright.
    pub turned: usize,
    /// They lost their transparency.
    pub transparent: usize,
    /// They lost all pictures but their first.
    pub animated: usize,
}

impl Changed {
    pub fn add(&mut self, other: Changed) {
        self.turned += other.turned;
        self.transparent += other.transparent;
        self.animated += other.animated;
    }

    /// A sentence for each kind, if there are any.
    pub fn notes(self) -> Vec<String> {
        let turned = match self.turned {
            0 => None,
            1 => Some("1 image was turned upright, as its EXIF or XMP mark says".to_owned()),
            n => Some(format!(
                "{n} images were turned upright, as their EXIF or XMP marks say"
            )),
        };
        let transparent = match self.transparent {
            0 => None,
            1 => Some(
                "1 image is transparent in part: its colours are taken without their transparency".to_owned(),
            ),
            n => Some(format!(
                "{n} images are transparent in part: their colours are taken without their transparency"
            )),
        };
        let animated = match self.animated {
            0 => None,
            1 => Some("1 image is animated: its first picture is taken alone".to_owned()),
            n => Some(format!(
                "{n} images are animated: their first pictures are taken alone"
            )),
        };
        turned.into_iter().chain(transparent).chain(animated).collect()
    }
}

/// What a file's header says; the size is that of the image turned upright.
struct Head {
    width: u32,
    height: u32,
    grey: bool,
}

fn read_all(dir: &Path, files: &[PathBuf]) -> Result<(Shape, Vec<f32>, Changed)> {
    // All headers before any pixel: sizes are compared, and the kind of image decided, at no cost.
    let first = head(&files[0])?;
    let mut grey = first.grey;
    for path in &files[1..] {
        let other = head(path)?;
        if (other.width, other.height) != (first.width, first.height) {
            return Err(Error::data(format!(
                "expected {} x {} pixels (width x height) as in {}, found {} x {}",
                first.width,
                first.height,
                files[0].display(),
                other.width,
                other.height
            ))
            .at(path.display().to_string())
            .fix("bring all images to one size first"));
        }
        grey &= other.grey;
    }
    let shape = Shape::Image {
        height: first.height as usize,
        width: first.width as usize,
        channels: if grey { 1 } else { 3 },
    };
    let numbers = shape.width().saturating_mul(files.len());
    check_memory(numbers as u64, A_NUMBER, &dir.display().to_string())?;
    // All at once: growing would hold more than was just asked for.
    let mut features = Vec::with_capacity(numbers);
    let mut changed = Changed::default();
    for path in files {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
        let (image, change) = decode(path, &bytes)?;
        changed.add(change);
        let pixels = pixels(image, grey);
        // A file may change between the two looks at it.
        if pixels.len() != shape.width() {
            return Err(Error::data(format!(
                "expected {} numbers, found {}",
                shape.width(),
                pixels.len()
            ))
            .at(path.display().to_string()));
        }
        features.extend(pixels);
    }
    Ok((shape, features, changed))
}

fn pixels(image: DynamicImage, grey: bool) -> Vec<f32> {
    if !grey {
        return image.into_rgb32f().into_raw();
    }
    match image {
        // Grey through colour would round twice.
        DynamicImage::ImageLuma8(image) => image
            .into_raw()
            .into_iter()
            .map(|x| f32::from(x) / 255.0)
            .collect(),
        DynamicImage::ImageLuma16(image) => image
            .into_raw()
            .into_iter()
            .map(|x| f32::from(x) / 65535.0)
            .collect(),
        image => image.to_luma32f().into_raw(),
    }
}

/// An image file that was read.
pub(in crate::data) struct Decoded {
    pub image: DynamicImage,
    pub changed: Changed,
    /// Of the file's bytes.
    pub sha256: [u8; 32],
}

/// Reads the image in the file at `path`.
pub(in crate::data) fn decode_file(path: &Path) -> Result<Decoded> {
    let length = file_length(path)?;
    if length > MAX_DECODED {
        return Err(Error::data(format!(
            "expected an image file of at most {} MiB, found {length} bytes",
            MAX_DECODED >> 20
        ))
        .at(path.display().to_string()));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    check_head(path, reader(path, Cursor::new(&bytes))?, length)?;
    let (image, changed) = decode(path, &bytes)?;
    Ok(Decoded {
        image,
        changed,
        sha256: Sha256::digest(&bytes).into(),
    })
}

/// The image of a file with these contents, upright, and what was changed or will be.
fn decode(path: &Path, bytes: &[u8]) -> Result<(DynamicImage, Changed)> {
    let reader = reader(path, Cursor::new(bytes))?;
    // The decoder fills what is not there with grey.
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg::is_whole(bytes) {
        return Err(damage(path, "the file ends before its image does"));
    }
    let mut decoder = reader.into_decoder().map_err(|e| damaged(path, &e))?;
    if decoder.total_bytes() > MAX_DECODED {
        let error = LimitError::from_kind(LimitErrorKind::InsufficientMemory);
        return Err(damaged(path, &ImageError::Limits(error)));
    }
    let orientation = orientation(&mut decoder);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| damaged(path, &e))?;
    image.apply_orientation(orientation);
    let changed = Changed {
        turned: usize::from(orientation != Orientation::NoTransforms),
        transparent: usize::from(is_transparent(&image)),
        animated: usize::from(is_animated(bytes)),
    };
    Ok((image, changed))
}

/// Whether a PNG file has more pictures than one: it says so (acTL) before the first begins (IDAT).
fn is_animated(bytes: &[u8]) -> bool {
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap_or_default();
    // Each part is its length, its name, its contents and a checksum.
    while let Some(([a, b, c, d], after)) = rest.split_first_chunk::<4>() {
        if after.starts_with(b"acTL") {
            let pictures = after.get(4..8).unwrap_or_default();
            return pictures > &[0, 0, 0, 1][..];
        }
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        match after.get(length.saturating_add(8)..) {
            Some(next) if !after.starts_with(b"IDAT") => rest = next,
            _ => break,
        }
    }
    false
}

/// Whether something would shine through the image.
fn is_transparent(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageLumaA8(image) => image.pixels().any(|pixel| pixel.0[1] < u8::MAX),
        DynamicImage::ImageRgba8(image) => image.pixels().any(|pixel| pixel.0[3] < u8::MAX),
        DynamicImage::ImageLumaA16(image) => image.pixels().any(|pixel| pixel.0[1] < u16::MAX),
        DynamicImage::ImageRgba16(image) => image.pixels().any(|pixel| pixel.0[3] < u16::MAX),
        _ => false,
    }
}

fn open(path: &Path) -> Result<ImageReader<BufReader<File>>> {
    let file = File::open(path).map_err(|e| Error::io(path, &e))?;
    reader(path, BufReader::new(file))
}

fn reader<R: BufRead + Seek>(path: &Path, content: R) -> Result<ImageReader<R>> {
    let io = |e: std::io::Error| Error::io(path, &e);
    let mut reader = ImageReader::new(content).with_guessed_format().map_err(io)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        let (found, remedy) = match reader.format() {
            Some(other) => (
                format!(
                    "another image format ({})",
                    other.extensions_str().first().unwrap_or(&"unknown")
                ),
                "convert the image to PNG; a new name alone does not change its format",
            ),
            None => (
                "neither".to_owned(),
                "open the file in a viewer; replace it, such as a web page that was saved for the image, or remove it",
            ),
        };
        return Err(Error::data(format!(
            "expected the contents of a PNG or JPEG image, found {found}"
        ))
        .at(format!("{}, byte 0", path.display()))
        .fix(remedy));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    Ok(reader)
}

fn head(path: &Path) -> Result<Head> {
    let length = file_length(path)?;
    check_head(path, open(path)?, length)
}

fn check_head<R: BufRead + Seek>(path: &Path, reader: ImageReader<R>, length: u64) -> Result<Head> {
    // PNG: DEFLATE's limit, at 1 bit a pixel. JPEG: 8 x 8 pixels take at least 1 bit.
    let pixels_a_byte = match reader.format() {
        Some(ImageFormat::Png) => 8 * gzip::MAX_EXPANSION,
        _ => 8 * 64,
    };
    let mut decoder = reader.into_decoder().map_err(|e| damaged(path, &e))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > length.saturating_mul(pixels_a_byte) {
        return Err(Error::data(format!(
            "expected an image that fits the file's {length} bytes, found a header that declares \
             {width} x {height} pixels"
        ))
        .at(path.display().to_string()));
    }
    let lies = matches!(
        orientation(&mut decoder),
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (width, height) = if lies { (height, width) } else { (width, height) };
    Ok(Head {
        width,
        height,
        grey: !decoder.color_type().has_color(),
    })
}

fn damaged(path: &Path, error: &ImageError) -> Error {
    let place = path.display().to_string();
    match error {
        ImageError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Error::io(path, e),
        ImageError::Limits(e) => Error::data(format!(
            "expected at most {MAX_SIDE} pixels a side and {} MiB an image, found more ({e})",
            MAX_DECODED >> 20
        ))
        .at(place),
        e => damage(path, e),
    }
}

fn damage(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::data(format!("expected a whole image, found damage ({what})"))
        .at(path.display().to_string())
        .fix("open the file in a viewer; replace or remove it")
}
