//! What a [`NetSpec`] must fulfil before anything is allocated for it.

use std::collections::HashSet;

use super::NetSpec;
use super::graph::Source;
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
            layer.kind.rules().validate().map_err(at_layer)?;
            if layer.kind.rules().indices().is_some() && sources[..] != [Source::Input] {
                return Err(at_layer(
                    Error::spec(format!("{} reads another layer", layer.kind))
                        .fix("name `input` in its `from`: indices are what comes into the network"),
                ));
            }
            let read = self.shapes_of(sources, &shapes);
            let shape = layer.kind.shape(&read).map_err(at_layer)?;
            total = layer
                .kind
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

/// Refuses sizes of 0 and beyond [`MAX_WIDTH`].
pub(super) fn width_in_range(width: usize, whose: &str, what: &str) -> Result<()> {
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
