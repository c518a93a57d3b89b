//! Many small images at once, each with a caption.

use super::html::escape_html;
use super::table::{shorten, width as text_width};
use super::{Bundle, Show, png};
use crate::{Error, Result};

/// Images in a page, unless asked for more.
const LIMIT: usize = 100;
/// Pixels on the page of a small image's longer side, and the most of a large one's.
const SIDE: usize = 64;
const LONGEST: usize = 224;
/// Images and pixels a side in the text form.
const TEXT_IMAGES: usize = 10;
const TEXT_SIDE: usize = 16;
/// Letters of a caption below an image.
const CAPTION: usize = 24;

/// Grey or colour images of one size in rows, with captions.
///
/// In a page small ones are enlarged with sharp pixels; in text they are shades of block characters.
#[derive(Clone, Debug)]
pub struct ImageGrid {
    height: usize,
    width: usize,
    channels: usize,
    images: Vec<f32>,
    captions: Vec<String>,
    columns: usize,
    limit: usize,
    range: (f32, f32),
    title: String,
}

impl ImageGrid {
    /// Images of `(height, width, channels)` one after another in `images`, row by row with the channels
    /// of a pixel side by side, in 0..1. One channel is grey, three are red, green and blue. Captions may
    /// be fewer than images.
    ///
    /// # Errors
    /// When a side is zero, the channels are neither 1 nor 3, or `images` is not a whole number of images.
    pub fn new<C: ToString>(
        (height, width, channels): (usize, usize, usize),
        images: &[f32],
        captions: impl IntoIterator<Item = C>,
    ) -> Result<Self> {
        let place = "image grid";
        if !matches!(channels, 1 | 3) {
            let what = format!("expected images of 1 or 3 channels, found {channels}");
            return Err(Error::data(what).at(place));
        }
        let size = height
            .checked_mul(width)
            .and_then(|n| n.checked_mul(channels))
            .unwrap_or(0);
        if size == 0 || !images.len().is_multiple_of(size) {
            let found = images.len();
            let shape = format!("{height} × {width} × {channels}");
            let what = format!("expected a whole number of images of {shape} numbers, found {found} numbers");
            return Err(Error::data(what).at(place));
        }
        let count = images.len() / size;
        Ok(Self {
            height,
            width,
            channels,
            images: images.to_vec(),
            captions: captions.into_iter().take(count).map(|c| c.to_string()).collect(),
            columns: 10,
            limit: LIMIT,
            range: (0.0, 1.0),
            title: String::new(),
        })
    }

    /// Images in a row (10 by default).
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.max(1);
        self
    }

    /// Shows at most this many images (100 by default); a line says how many there are.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The values drawn black and white, for images that are not in 0..1, such as weights.
    pub fn range(mut self, black: f32, white: f32) -> Self {
        self.range = (black, white);
        self
    }

    /// A line above the images.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Images held, shown or not.
    pub fn len(&self) -> usize {
        self.images.len() / self.size()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    fn size(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn image(&self, index: usize) -> &[f32] {
        &self.images[index * self.size()..(index + 1) * self.size()]
    }

    fn caption(&self, index: usize) -> &str {
        self.captions.get(index).map_or("", String::as_str)
    }

    /// 0..1 by the range; NaN is black.
    fn shade(&self, value: f32) -> f32 {
        let (black, white) = self.range;
        let span = if white == black { 1.0 } else { white - black };
        let shade = (value - black) / span;
        if shade.is_nan() {
            0.0
        } else {
            shade.clamp(0.0, 1.0)
        }
    }

    /// The pixels of one image as bytes.
    pub(crate) fn bytes(&self, index: usize) -> Vec<u8> {
        self.image(index)
            .iter()
            .map(|v| (self.shade(*v) * 255.0).round() as u8)
            .collect()
    }

    fn rest_line(&self, shown: usize) -> String {
        match self.len() {
            0 => "no images".into(),
            n if n > shown => format!("{shown} of {n} images"),
            _ => String::new(),
        }
    }

    fn to_html(&self) -> String {
        let shown = self.len().min(self.limit);
        let longest = self.width.max(self.height);
        // Small images grow by whole multiples, which keep every pixel square and of one size.
        let scale = (SIDE / longest).max(1);
        let (w, h, look) = match longest > LONGEST {
            false => (self.width * scale, self.height * scale, "pixelated"),
            true => (
                self.width * LONGEST / longest,
                self.height * LONGEST / longest,
                "auto",
            ),
        };
        let (w, h) = (w.max(1), h.max(1));
        let mut out = String::from("<div>");
        if !self.title.is_empty() {
            out += &format!(
                "<div style=\"font-weight:600;margin:2px 0\">{}</div>",
                escape_html(&self.title)
            );
        }
        out += &format!(
            "<div style=\"display:grid;grid-template-columns:repeat({},max-content);gap:8px;max-width:100%;\
             overflow-x:auto\">",
            self.columns.min(shown.max(1))
        );
        for i in 0..shown {
            let uri = png::data_uri(
                &self.bytes(i),
                self.width as u32,
                self.height as u32,
                self.channels,
            );
            let whole = escape_html(self.caption(i));
            let image = match uri {
                Ok(uri) => format!(
                    "<img src=\"{uri}\" width=\"{w}\" height=\"{h}\" alt=\"{whole}\" title=\"{whole}\" \
                     style=\"display:block;margin:0 auto;max-width:none;image-rendering:{look}\">"
                ),
                Err(error) => escape_html(&error.to_string()),
            };
            let caption = escape_html(&shorten(self.caption(i), CAPTION));
            out += &format!(
                "<div style=\"text-align:center;font-size:0.8em;line-height:1.4;max-width:{}px\">{image}{caption}</div>",
                w.max(72)
            );
        }
        out += "</div>";
        let rest = self.rest_line(shown);
        if !rest.is_empty() {
            out += &format!("<div style=\"font-size:0.85em;opacity:0.65\">{rest}</div>");
        }
        out + "</div>"
    }

    fn to_text(&self) -> String {
        let shown = self.len().min(self.limit).min(TEXT_IMAGES);
        let pictures: Vec<Vec<String>> = (0..shown).map(|i| self.blocks(i)).collect();
        let cell = pictures
            .first()
            .and_then(|p| p.first())
            .map_or(0, |line| text_width(line))
            .max(8);
        let across = (80 / (cell + 2)).clamp(1, self.columns);
        let mut lines = Vec::new();
        if !self.title.is_empty() {
            lines.push(self.title.clone());
        }
        for (row, group) in pictures.chunks(across).enumerate() {
            let padded = |text: &str| format!("{text}{}", " ".repeat(cell - text_width(text).min(cell)));
            let captions = (0..group.len()).map(|i| padded(&shorten(self.caption(row * across + i), cell)));
            let captions: Vec<String> = captions.collect();
            lines.push(captions.join("  ").trim_end().to_owned());
            for y in 0..group[0].len() {
                let line: Vec<String> = group.iter().map(|picture| padded(&picture[y])).collect();
                lines.push(line.join("  ").trim_end().to_owned());
            }
        }
        let rest = self.rest_line(shown);
        if !rest.is_empty() {
            lines.push(rest);
        }
        lines.join("\n")
    }

    /// One image as lines of shades, two characters a pixel, larger images averaged down.
    fn blocks(&self, index: usize) -> Vec<String> {
        let scale = self.height.max(self.width).div_ceil(TEXT_SIDE);
        let (rows, columns) = (self.height.div_ceil(scale), self.width.div_ceil(scale));
        let image = self.image(index);
        let mean = |row: usize, column: usize| {
            let ys = row * scale..((row + 1) * scale).min(self.height);
            let (left, right) = (column * scale, ((column + 1) * scale).min(self.width));
            let (mut sum, mut n) = (0.0, 0);
            for y in ys {
                let line =
                    &image[(y * self.width + left) * self.channels..(y * self.width + right) * self.channels];
                sum += line.iter().map(|v| self.shade(*v)).sum::<f32>();
                n += line.len();
            }
            sum / n as f32
        };
        let shades = [' ', '░', '▒', '▓', '█'];
        let pixel = |shade: f32| shades[((shade * 5.0) as usize).min(4)].to_string().repeat(2);
        (0..rows)
            .map(|r| (0..columns).map(|c| pixel(mean(r, c))).collect())
            .collect()
    }
}

impl Show for ImageGrid {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_text()).html(self.to_html())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(file: &[u8]) -> image::DynamicImage {
        image::load_from_memory(file).unwrap()
    }

    #[test]
    fn pixels_survive_the_way_through_png() {
        let values: Vec<f32> = (0..2 * 3 * 4 * 3).map(|i| i as f32 / 71.0).collect();
        let grid = ImageGrid::new((3, 4, 3), &values, ["a", "b"]).unwrap();
        for i in 0..2 {
            let file = png::encode(&grid.bytes(i), 4, 3, 3).unwrap();
            let expected: Vec<u8> = grid.image(i).iter().map(|v| (v * 255.0).round() as u8).collect();
            let picture = decoded(&file).into_rgb8();
            assert_eq!(picture.dimensions(), (4, 3));
            assert_eq!(picture.into_raw(), expected);
        }
        let grey = ImageGrid::new((1, 3, 1), &[-1.0, f32::NAN, 2.0], ["x"]).unwrap();
        let file = png::encode(&grey.bytes(0), 3, 1, 1).unwrap();
        assert_eq!(decoded(&file).into_luma8().into_raw(), [0, 0, 255]);
        let signed = grey.clone().range(-1.0, 2.0);
        assert_eq!(signed.bytes(0), [0, 0, 255]);
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        // The test vectors of RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(png::base64(bytes.as_bytes()), text);
        }
        assert_eq!(png::base64(&[0xff, 0xef, 0xbe]), "/+++");
    }

    #[test]
    fn a_grid_is_capped_and_says_so() {
        let grid = ImageGrid::new((2, 2, 1), &[0.5; 4 * 300], (0..300).map(|i| format!("<{i}>"))).unwrap();
        let bundle = grid.bundle();
        assert_eq!(bundle.to_html().matches("<img").count(), LIMIT);
        assert!(bundle.to_html().contains("100 of 300 images") && bundle.to_html().contains("&lt;7&gt;"));
        assert!(bundle.plain().contains("10 of 300 images") && bundle.plain().contains("▒▒▒▒"));
        let empty = ImageGrid::new((2, 2, 1), &[], [""; 0]).unwrap();
        assert!(empty.is_empty() && empty.bundle().plain().contains("no images"));
    }

    #[test]
    fn images_that_do_not_fit_are_named() {
        for (shape, numbers) in [
            ((2, 2, 1), 5),
            ((0, 2, 1), 4),
            ((2, 2, 2), 8),
            ((usize::MAX, 2, 1), 4),
        ] {
            let error = ImageGrid::new(shape, &vec![0.0; numbers], [""]).unwrap_err();
            assert!(error.to_string().contains("expected"), "{error}");
        }
    }
}
