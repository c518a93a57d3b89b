//! Images at a lower resolution, as a network that reads small ones sees them.

use crate::data::{Dataset, Shape};
use crate::net::{Layer, LayerKind, NetSpec, Network, Window};
use crate::{Error, Result};

/// The average pooling that brings images of the shape `from` to `height` x `width`.
///
/// # Errors
/// When `from` is no image, or a side cannot be reached: an output pixel covers a square of whole pixels, and what is
/// missing to whole squares is added as zeros, as much on either side.
pub(super) fn reduction(from: Shape, height: usize, width: usize) -> Result<LayerKind> {
    let Shape::Image {
        height: tall,
        width: wide,
        ..
    } = from
    else {
        return Err(
            Error::spec(format!("only images have a resolution, found {from}"))
                .fix("if the numbers are images, row by row, say so with Dataset::with_shape"),
        );
    };
    let side = |name: &str, from: usize, to: usize| -> Result<(usize, usize)> {
        let kernel = if to == 0 { 0 } else { from.div_ceil(to) };
        let lacking = (kernel * to).saturating_sub(from);
        if kernel == 0 || to > from || !lacking.is_multiple_of(2) || lacking / 2 > kernel / 2 {
            return Err(Error::spec(format!(
                "images of {name} {from} cannot be reduced to {to} by means of whole pixels"
            ))
            .fix(format!(
                "choose a divisor of {from}, or of a number a little above it that is as even or odd"
            )));
        }
        Ok((kernel, lacking / 2))
    };
    let (kernel_height, padding_height) = side("height", tall, height)?;
    let (kernel_width, padding_width) = side("width", wide, width)?;
    let kernel = [kernel_height, kernel_width];
    Ok(LayerKind::AvgPool2d {
        window: Window {
            kernel,
            stride: kernel,
            padding: [padding_height, padding_width],
            dilation: [1, 1],
        },
        ceil: false,
        count_include_pad: true,
    })
}

impl Dataset {
    /// The images at `height` x `width` pixels, each the mean of the pixels it covers: what a network sees that
    /// [`Concat`](super::Concat) feeds with smaller images. Where the sides are no multiples, a border of zeros makes
    /// them so: 28 x 28 becomes 32 x 32 and then 8 x 8, which is how the digits of [`digits`](crate::data::datasets::digits)
    /// were made.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let objects = datasets::objects(20, 32, ImageDomain::Flat, 0)?;
    /// assert_eq!(objects.at_resolution(8, 8)?.shape(), (8, 8, 3).into());
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the examples are no images, or their sides cannot be reduced so.
    pub fn at_resolution(&self, height: usize, width: usize) -> Result<Dataset> {
        let place = |error: Error| error.at(format!("dataset {}", self.name()));
        let pool = Layer {
            name: "view".into(),
            kind: reduction(self.shape(), height, width).map_err(place)?,
            from: vec![],
            frozen: false,
        };
        let spec = NetSpec {
            input: self.width(),
            image: Some(self.shape()),
            layers: vec![pool],
        };
        let shape = spec.shapes()[0];
        let reduced = Network::new(&spec, 0)?.predict(self.features()).map_err(place)?;
        let made = Dataset::new(self.name(), shape, reduced)?.with_origin(self.source(), self.licence());
        made.standing_for(self)
    }
}
