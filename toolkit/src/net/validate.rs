//! What a [`NetSpec`] must fulfil before anything is allocated for it.

use std::collections::HashSet;

use super::graph::channels_of;
use super::{Layer, LayerKind, NetSpec, Window};
use crate::data::Shape;
use crate::{Error, Result};

/// The most numbers a network may hold: 2^28, a GiB in f32, of which training needs several.
pub const MAX_PARAMETERS: usize = 1 << 28;

/// The most numbers that one layer may take or give for one example: 2^24.
pub const MAX_WIDTH: usize = 1 << 24;

/// The most numbers that the input and all layers together may give for one example: 2^26. What runs a
/// network holds them for each row of a batch.
pub const MAX_TOTAL_WIDTH: usize = 1 << 26;

impl NetSpec {
    /// Checks every layer in order: names unique, sizes at least 1 and not beyond [`MAX_WIDTH`],
    /// [`MAX_TOTAL_WIDTH`] and [`MAX_PARAMETERS`], widths that fit, probabilities and constants in their
    /// ranges.
    ///
    /// # Errors
    /// When one of them does not hold; the error names the layer.
    pub fn validate(&self) -> Result<()> {
        width_in_range(self.input, "the input of the network has", "numbers")?;
        if self.layers.is_empty() {
            return Err(Error::spec("the network has no layers").fix("add at least one dense layer"));
        }
        if let Some(image) = self.image
            && (image.width() != self.input || matches!(image, Shape::Flat(_)))
        {
            return Err(Error::spec(format!(
                "the spec's examples are {image} of {} numbers: expected an image of its {} inputs",
                image.width(),
                self.input
            )));
        }
        let mut names = HashSet::new();
        for layer in &self.layers {
            check_name(&layer.name)?;
            if !names.insert(layer.name.as_str()) {
                return Err(Error::spec(format!("two layers are named {:?}", layer.name))
                    .fix("give every layer its own name"));
            }
        }
        let sources = self.sources()?;
        let mut shapes = Vec::with_capacity(self.layers.len());
        let (mut total, mut held) = (0usize, self.input);
        for (layer, sources) in self.layers.iter().zip(&sources) {
            let at_layer = |error: Error| error.at(format!("layer {}", layer.name));
            layer.validate().map_err(at_layer)?;
            let read = self.shapes_of(sources, &shapes);
            let shape = layer.kind.shape(&read).map_err(at_layer)?;
            total = layer
                .parameters(read[0])
                .and_then(|count| total.checked_add(count))
                .filter(|&count| count <= MAX_PARAMETERS)
                .ok_or_else(|| {
                    at_layer(
                        Error::spec(format!(
                            "up to here the network has more than {MAX_PARAMETERS} parameters, the most it may hold"
                        ))
                        .fix("use fewer units"),
                    )
                })?;
            width_in_range(shape.width(), "a layer gives", "numbers for one example").map_err(at_layer)?;
            shapes.push(shape);
            held = held.saturating_add(shape.width());
            if held > MAX_TOTAL_WIDTH {
                return Err(at_layer(
                    Error::spec(format!(
                        "up to here the layers give {held} numbers for one example: expected at most {MAX_TOTAL_WIDTH}"
                    ))
                    .fix("use fewer or narrower layers"),
                ));
            }
        }
        Ok(())
    }
}

impl Layer {
    fn validate(&self) -> Result<()> {
        match &self.kind {
            LayerKind::Dense {
                units,
                init,
                bias_init,
                ..
            } => {
                width_in_range(*units, "a dense layer has", "units")?;
                init.validate()?;
                bias_init.validate()
            }
            LayerKind::Conv2d {
                channels,
                window,
                init,
                bias_init,
                ..
            } => {
                width_in_range(*channels, "a convolution has", "channels")?;
                check_window(window)?;
                init.validate()?;
                bias_init.validate()
            }
            LayerKind::MaxPool2d { window, .. } => check_pool(window),
            LayerKind::AvgPool2d { window, .. } => {
                check_pool(window)?;
                if window.dilation != [1, 1] {
                    return Err(Error::spec(format!(
                        "the window {window} of an average pool is dilated: expected dilation 1"
                    )));
                }
                Ok(())
            }
            LayerKind::Activation(activation) => activation.validate(),
            LayerKind::Dropout(p) => check_dropout(f64::from(*p)),
            LayerKind::ReverseGradient(strength) if *strength >= 0.0 && strength.is_finite() => Ok(()),
            LayerKind::ReverseGradient(strength) => Err(Error::spec(format!(
                "the strength of a gradient's reversal is {strength}: expected a finite number of 0 or more"
            ))),
            LayerKind::BatchNorm { momentum, epsilon } => {
                if !(0.0..=1.0).contains(momentum) {
                    return Err(Error::spec(format!(
                        "the momentum of batch norm is {momentum}: expected 0 to 1, usually 0.1"
                    )));
                }
                if !epsilon.is_finite() || *epsilon <= 0.0 {
                    return Err(Error::spec(format!(
                        "epsilon of batch norm is {epsilon}: expected a number above 0, usually 1e-5"
                    )));
                }
                Ok(())
            }
            LayerKind::Affine { scale, shift } => match scale.iter().chain(shift).find(|x| !x.is_finite()) {
                None => Ok(()),
                Some(x) => Err(Error::spec(format!(
                    "affine has the constant {x}: expected finite numbers"
                ))),
            },
            LayerKind::GlobalAvgPool | LayerKind::Flatten | LayerKind::Concat | LayerKind::Add => Ok(()),
        }
    }

    /// Numbers the layer learns when examples of this shape come in; `None` past the largest integer.
    pub(super) fn parameters(&self, read: Shape) -> Option<usize> {
        let inputs = channels_of(read);
        match self.kind {
            LayerKind::Dense { units, bias, .. } => {
                inputs
                    .checked_mul(units)?
                    .checked_add(if bias { units } else { 0 })
            }
            LayerKind::Conv2d {
                channels,
                window,
                groups,
                bias,
                ..
            } => (inputs / groups.max(1))
                .checked_mul(window.kernel[0])?
                .checked_mul(window.kernel[1])?
                .checked_mul(channels)?
                .checked_add(if bias { channels } else { 0 }),
            LayerKind::BatchNorm { .. } => inputs.checked_mul(2),
            _ => Some(0),
        }
    }
}

/// Sizes from 1 on, and none past what an image may have.
fn check_window(window: &Window) -> Result<()> {
    let sizes = [window.kernel, window.stride, window.dilation].concat();
    let fits = sizes.iter().all(|size| (1..=MAX_WIDTH).contains(size))
        && window.padding.iter().all(|padding| *padding <= MAX_WIDTH);
    if fits {
        return Ok(());
    }
    Err(Error::spec(format!(
        "the window {window} has a size out of range: expected 1 to {MAX_WIDTH}, padding from 0"
    )))
}

/// A pooling's window must have a number of the image in each place, as PyTorch asks.
fn check_pool(window: &Window) -> Result<()> {
    check_window(window)?;
    if (0..2).all(|axis| window.padding[axis] <= window.kernel[axis] / 2) {
        return Ok(());
    }
    Err(Error::spec(format!(
        "the padding of the pooling {window} is more than half its kernel: a window could lie outside the image"
    ))
    .fix("use less padding"))
}

/// Whether `p` is a probability below 1: with p = 1 nothing would be left.
pub(super) fn check_dropout(p: f64) -> Result<()> {
    if (0.0..1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::spec(format!(
        "the dropout probability is {p}: expected at least 0 and less than 1"
    ))
    .fix("0.2 to 0.5 is usual"))
}

fn width_in_range(width: usize, whose: &str, what: &str) -> Result<()> {
    if (1..=MAX_WIDTH).contains(&width) {
        return Ok(());
    }
    Err(Error::spec(format!(
        "{whose} {width} {what}: expected 1 to {MAX_WIDTH}"
    )))
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= 128 && name.chars().all(fits) {
        return Ok(());
    }
    Err(Error::spec(format!(
        "{:?} cannot name a layer: expected 1 to 128 letters, digits, _ or -",
        name.chars().take(40).collect::<String>()
    )))
}
