//! Image folders: one folder a class, PNG or JPEG files in it.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};

use super::{A_NUMBER, check_memory, file_length, gzip, jpeg, name_of};
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
    /// Features are 0..1. Hidden files and files that are no images (notes, tables) are passed over.
    ///
    /// # Errors
    /// Naming the file or folder: no class folder, a class without images, images outside a class folder,
    /// another image format, another size, damage, a header that declares more than the file can hold.
    pub fn from_image_folder(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let ImageFiles {
            files,
            labels,
            class_names,
        } = ImageFiles::list(dir)?;
        let (shape, features) = read_all(dir, &files)?;
        Dataset::new(name_of(dir), shape, features)?
            .with_origin(dir.display().to_string(), "")
            .with_labels(labels, class_names)
    }
}

/// The images of a folder with one folder a class, in alphabetical order of classes and files.
#[derive(Clone, Debug)]
pub(in crate::data) struct ImageFiles {
    pub files: Vec<PathBuf>,
    /// An index into `class_names` for each file.
    pub labels: Vec<u32>,
    pub class_names: Vec<String>,
}

impl ImageFiles {
    /// Looks at names only; no file is opened.
    pub fn list(dir: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut labels = Vec::new();
        let mut class_names = Vec::new();
        for entry in listing(dir)? {
            if !entry.is_dir() {
                if let Kind::Image | Kind::Foreign = kind(&entry) {
                    return Err(
                        Error::data("expected images in class folders, found one beside them")
                            .at(entry.display().to_string())
                            .fix("move it into a folder named after its class"),
                    );
                }
                continue;
            }
            let images = images_in(&entry)?;
            labels.extend(std::iter::repeat_n(class_names.len() as u32, images.len()));
            class_names.push(file_name(&entry));
            files.extend(images);
        }
        if files.is_empty() {
            return Err(Error::data("expected a folder for each class, found none")
                .at(dir.display().to_string())
                .fix("put the images into folders named after their classes"));
        }
        Ok(Self {
            files,
            labels,
            class_names,
        })
    }
}

/// What is in `dir`, sorted by name, without hidden entries.
fn listing(dir: &Path) -> Result<Vec<PathBuf>> {
    let io = |e: std::io::Error| Error::io(dir, &e);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if !file_name(&path).starts_with('.') {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

enum Kind {
    Image,
    /// An image in a format that is not read: passing it over would lose data without a word.
    Foreign,
    Other,
}

fn kind(path: &Path) -> Kind {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    match extension.as_str() {
        "png" | "jpg" | "jpeg" => Kind::Image,
        "gif" | "bmp" | "webp" | "tif" | "tiff" | "ppm" | "pgm" | "heic" | "avif" => Kind::Foreign,
        _ => Kind::Other,
    }
}

fn images_in(class: &Path) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in listing(class)? {
        let place = || path.display().to_string();
        if path.is_dir() {
            return Err(Error::data("expected images in a class folder, found a folder").at(place()));
        }
        match kind(&path) {
            Kind::Image => images.push(path),
            Kind::Foreign => {
                return Err(Error::data("expected PNG or JPEG, found another image format")
                    .at(place())
                    .fix("convert the image to PNG"));
            }
            Kind::Other => {}
        }
    }
    if images.is_empty() {
        return Err(
            Error::data("expected PNG or JPEG images in the class folder, found none")
                .at(class.display().to_string()),
        );
    }
    Ok(images)
}

/// What a file's header says.
struct Head {
    width: u32,
    height: u32,
    grey: bool,
}

fn read_all(dir: &Path, files: &[PathBuf]) -> Result<(Shape, Vec<f32>)> {
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
    for path in files {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
        let image = decode(path, &bytes)?;
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
    Ok((shape, features))
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

/// The image in the file at `path`, and the SHA-256 of the file's bytes.
pub(in crate::data) fn decode_with_hash(path: &Path) -> Result<(DynamicImage, [u8; 32])> {
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
    let image = decode(path, &bytes)?;
    Ok((image, Sha256::digest(&bytes).into()))
}

/// The image of a file with these contents.
fn decode(path: &Path, bytes: &[u8]) -> Result<DynamicImage> {
    let reader = reader(path, Cursor::new(bytes))?;
    // The decoder fills what is not there with grey.
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg::is_whole(bytes) {
        return Err(damage(path, "the file ends before its image does"));
    }
    reader.decode().map_err(|e| damaged(path, &e))
}

fn open(path: &Path) -> Result<ImageReader<BufReader<File>>> {
    let file = File::open(path).map_err(|e| Error::io(path, &e))?;
    reader(path, BufReader::new(file))
}

fn reader<R: BufRead + Seek>(path: &Path, content: R) -> Result<ImageReader<R>> {
    let io = |e: std::io::Error| Error::io(path, &e);
    let mut reader = ImageReader::new(content).with_guessed_format().map_err(io)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(
            Error::data("expected the contents of a PNG or JPEG image, found neither")
                .at(format!("{}, byte 0", path.display())),
        );
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
    let decoder = reader.into_decoder().map_err(|e| damaged(path, &e))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > length.saturating_mul(pixels_a_byte) {
        return Err(Error::data(format!(
            "expected an image that fits the file's {length} bytes, found a header that declares \
             {width} x {height} pixels"
        ))
        .at(path.display().to_string()));
    }
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
