//! [`ImagePreparation`]: from a decoded image to the numbers that a network takes.

use image::DynamicImage;

use super::resize::{Pixels, RGB};
use crate::data::Shape;
use crate::{Error, Result};

/// The longest side that is asked for; also of an image between resizing and cropping.
const MAX_SIDE: usize = 1 << 14;

/// How images become numbers: resized, cropped at the centre, normalized.
///
/// The numbers of one image lie row by row with red, green and blue of a pixel side by side (h x w x 3, "NHWC"
/// when images follow each other). Resizing is bilinear with antialiasing, to the bit what torchvision's `resize`
/// does with an image of Pillow 12 (Pillow 13, and torchvision on a tensor, are off by one of 255 here and there).
///
/// Grey images become three equal channels, transparency is dropped, of 16 bits the upper 8 are taken, as Pillow's
/// `convert("RGB")` does (except for 16-bit grey, which Pillow clips to white). Pixels of a JPEG may be off by a
/// few of 255 from another decoder's. An image that is marked as turned (EXIF, XMP) is turned upright, as Pillow's
/// `exif_transpose` does; torchvision alone leaves it as it lies.
///
/// ```
/// use jook::prelude::*;
/// let inception = ImagePreparation::inception();
/// assert_eq!(inception.shape().to_string(), "299 x 299 x 3 images");
/// // Small pictures, the whole of each, from 0 to 1.
/// let small = ImagePreparation::stretched(32, 32)?;
/// // Other numbers than ImageNet's: from -1 to 1.
/// let own = ImagePreparation::new(256, 224)?.normalize([0.5; 3], [0.5; 3])?;
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ImagePreparation {
    size: Size,
    mean: [f32; RGB],
    deviation: [f32; RGB],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Size {
    /// The shorter side to `shorter`, then a square of `crop` from the centre.
    Cropped { shorter: usize, crop: usize },
    /// Both sides as given, whatever that does to the proportions.
    Stretched { height: usize, width: usize },
}

impl ImagePreparation {
    /// Means of red, green and blue over ImageNet's images of 0..1.
    pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    /// Their standard deviations.
    pub const IMAGENET_DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

    /// Brings the shorter side to `shorter` pixels, takes a square of `crop` pixels from the centre; values 0..1.
    ///
    /// # Errors
    /// When `crop` is 0 or above `shorter`, or `shorter` is above 16,384.
    pub fn new(shorter: usize, crop: usize) -> Result<Self> {
        if crop == 0 || crop > shorter || shorter > MAX_SIDE {
            return Err(Error::spec(format!(
                "expected a crop of 1 pixel up to the shorter side, and that up to {MAX_SIDE}, found {crop} of {shorter}"
            ))
            .at("image preparation"));
        }
        Ok(Self::of(Size::Cropped { shorter, crop }))
    }

    /// Brings images to `height` x `width` pixels, whatever that does to their proportions; values 0..1. The
    /// TensorFlow tutorial on retraining does so with 299 x 299.
    ///
    /// # Errors
    /// When a side is 0 or above 16,384.
    pub fn stretched(height: usize, width: usize) -> Result<Self> {
        if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
            return Err(Error::spec(format!(
                "expected sides of 1 to {MAX_SIDE} pixels, found {height} x {width}"
            ))
            .at("image preparation"));
        }
        Ok(Self::of(Size::Stretched { height, width }))
    }

    /// As torchvision's weights of Inception-v3 want it: shorter side to 342, 299 x 299 from the centre, ImageNet's
    /// mean and deviation.
    pub fn inception() -> Self {
        Self {
            size: Size::Cropped {
                shorter: 342,
                crop: 299,
            },
            mean: Self::IMAGENET_MEAN,
            deviation: Self::IMAGENET_DEVIATION,
        }
    }

    fn of(size: Size) -> Self {
        Self {
            size,
            mean: [0.0; RGB],
            deviation: [1.0; RGB],
        }
    }

    /// Takes `mean` from each channel's value of 0..1 and divides by `deviation`.
    ///
    /// # Errors
    /// When a number is not finite or a deviation is not above 0.
    pub fn normalize(mut self, mean: [f32; 3], deviation: [f32; 3]) -> Result<Self> {
        let sound = mean.iter().all(|m| m.is_finite())
            && deviation.iter().all(|d| d.is_finite() && *d > f32::MIN_POSITIVE);
        if !sound {
            return Err(Error::spec(format!(
                "expected finite means and deviations above 0, found {mean:?} and {deviation:?}"
            ))
            .at("image preparation"));
        }
        (self.mean, self.deviation) = (mean, deviation);
        Ok(self)
    }

    /// The shape of what comes out.
    pub fn shape(&self) -> Shape {
        let (height, width) = match self.size {
            Size::Cropped { crop, .. } => (crop, crop),
            Size::Stretched { height, width } => (height, width),
        };
        Shape::Image {
            height,
            width,
            channels: RGB,
        }
    }

    /// Bytes that are equal for equal preparations, and for no others.
    pub(crate) fn digest(&self) -> Vec<u8> {
        let (way, sizes) = match self.size {
            Size::Cropped { shorter, crop } => (0, [shorter, crop]),
            Size::Stretched { height, width } => (1, [height, width]),
        };
        let sizes = sizes.iter().flat_map(|&size| (size as u64).to_le_bytes());
        let scale = self
            .mean
            .iter()
            .chain(&self.deviation)
            .flat_map(|x| x.to_le_bytes());
        [way].into_iter().chain(sizes).chain(scale).collect()
    }

    /// Puts the numbers of `image` into `out`, which has the width of [`shape`](Self::shape).
    pub(super) fn apply(&self, image: DynamicImage, out: &mut [f32]) -> Result<()> {
        let pixels = self.bring_to_size(pixels(image))?;
        for (out, rgb) in out.chunks_exact_mut(RGB).zip(pixels.rgb.chunks_exact(RGB)) {
            for c in 0..RGB {
                out[c] = (f32::from(rgb[c]) / 255.0 - self.mean[c]) / self.deviation[c];
            }
        }
        Ok(())
    }

    pub(super) fn bring_to_size(&self, pixels: Pixels) -> Result<Pixels> {
        let (shorter, crop) = match self.size {
            Size::Stretched { height, width } => return Ok(pixels.resize(height, width)),
            Size::Cropped { shorter, crop } => (shorter, crop),
        };
        let (height, width) = (pixels.height, pixels.width);
        let longer = shorter * height.max(width) / height.min(width);
        if longer > MAX_SIDE {
            return Err(Error::data(format!(
                "expected an image of which the longer side is up to {MAX_SIDE} pixels when the shorter is \
                 {shorter}, found {width} x {height} (width x height)"
            )));
        }
        let (height, width) = if height <= width {
            (shorter, longer)
        } else {
            (longer, shorter)
        };
        let offset = |side: usize| half_to_even(side - crop);
        Ok(pixels
            .resize(height, width)
            .crop(offset(height), offset(width), crop, crop))
    }
}

/// Half of `n`, ties to the even number, as Python rounds.
fn half_to_even(n: usize) -> usize {
    let half = n / 2;
    if n.is_multiple_of(2) || half.is_multiple_of(2) {
        half
    } else {
        half + 1
    }
}

/// Eight bits of red, green and blue; of deeper images the upper eight.
pub(super) fn pixels(image: DynamicImage) -> Pixels {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let upper = |x: u16| (x >> 8) as u8;
    let rgb = match image {
        DynamicImage::ImageLuma16(image) => image.into_raw().iter().flat_map(|&x| [upper(x); RGB]).collect(),
        DynamicImage::ImageLumaA16(image) => {
            let raw = image.into_raw();
            raw.chunks_exact(2)
                .flat_map(|pixel| [upper(pixel[0]); RGB])
                .collect()
        }
        DynamicImage::ImageRgb16(image) => image.into_raw().iter().map(|&x| upper(x)).collect(),
        DynamicImage::ImageRgba16(image) => {
            let raw = image.into_raw();
            raw.chunks_exact(4)
                .flat_map(|pixel| [0, 1, 2].map(|c| upper(pixel[c])))
                .collect()
        }
        image => image.into_rgb8().into_raw(),
    };
    Pixels { height, width, rgb }
}
