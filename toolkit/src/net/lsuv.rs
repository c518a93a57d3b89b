//! Layer-sequential unit variance: a start made by looking at examples.

use super::cpu::Passes;
use super::executor::How;
use super::moments::Moments;
use super::network::planned;
use super::{Init, LayerKind, Network, Role};
use crate::data::Dataset;
use crate::seed::stream;
use crate::{Error, Result};

/// How far from 1 a variance may stay.
const TOLERANCE: f64 = 1e-3;
/// How often a layer is scaled at most. Without a bias once is enough, but for rounding.
const TRIES: usize = 10;

impl Network {
    /// The network with a start by layer-sequential unit variance (Mishkin and Matas 2016, algorithm 1): the weights of
    /// every dense layer and convolution are orthogonal, their biases 0, and one after the other, from the input on, is
    /// scaled until its outputs for `data`, all units and examples together, have variance 1, to a thousandth. Frozen
    /// layers and those of other kinds keep their numbers.
    ///
    /// A few hundred examples do; targets play no part. Dropout drops nothing, and batch norm takes the statistics of
    /// the examples.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?;
    /// let net = Mlp::new([64, 32, 32, 10]).activation(Tanh).build(0)?.lsuv(&digits, 0)?;
    /// let run = net.train(&digits, Recipe::new().epochs(1))?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the data do not fit the network, a layer puts out the same number whatever comes in or numbers that are not
    /// finite, or there is too little memory.
    pub fn lsuv(mut self, data: &Dataset, seed: u64) -> Result<Network> {
        crate::train::check_fits(data, self.spec())?;
        let layers: Vec<(usize, String)> = self
            .spec()
            .layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| {
                let kind = &layer.kind;
                !layer.frozen && matches!(kind, LayerKind::Dense { .. } | LayerKind::Conv2d { .. })
            })
            .map(|(at, layer)| (at, layer.name.clone()))
            .collect();
        for (_, layer) in &layers {
            self.start_orthogonal(layer, seed);
        }
        for (at, layer) in &layers {
            let own = format!("{layer}.weight");
            for _ in 0..TRIES {
                let variance = self.variance_at(*at, data)?;
                if (variance - 1.0).abs() <= TOLERANCE {
                    break;
                }
                let factor = 1.0 / variance.sqrt();
                if !(factor.is_finite() && factor > 0.0) {
                    return Err(no_factor(variance).at(format!("layer {layer}")));
                }
                for weight in self.numbers_of(&own) {
                    *weight = (f64::from(*weight) * factor) as f32;
                }
            }
        }
        Ok(self)
    }

    /// Orthogonal weights and biases of 0 for the layer of this name.
    fn start_orthogonal(&mut self, layer: &str, seed: u64) {
        for (info, tensor) in planned(self.spec()) {
            if info.name != format!("{layer}.{}", tensor.name) {
                continue;
            }
            let mut rng = stream(seed, &format!("lsuv/{}", info.name));
            let [inputs, units] = tensor.fans;
            let init = match info.role {
                Role::Weight => Init::Orthogonal(1.0),
                _ => Init::Zeros,
            };
            init.fill(self.numbers_of(&info.name), inputs, units, &mut rng);
        }
    }

    /// The parameters of the tensor of this name, to change.
    fn numbers_of(&mut self, tensor: &str) -> &mut [f32] {
        let found = self.tensors().iter().find(|info| info.name == tensor);
        let range = found.map_or(0..0, |info| info.range.clone());
        &mut self.parameters_mut()[range]
    }

    /// The variance of what the layer at this place puts out.
    fn variance_at(&mut self, place: usize, data: &Dataset) -> Result<f64> {
        let (rows, _promised) = Passes::rows_together(self, &[place], data.len())?;
        let mut passes = Passes::tapped(self, rows, &[place]);
        let mut moments = Moments::default();
        for examples in data.features().chunks(rows * self.inputs()) {
            moments.add(passes.forward(self, examples, How::adapt(false)));
        }
        Ok(moments.variance())
    }
}

fn no_factor(variance: f64) -> Error {
    if variance == 0.0 {
        return Error::data("the layer puts out the same number for every example: no factor makes its variance 1")
            .fix("give lsuv examples that differ from each other, or look for an activation before it that is always 0");
    }
    Error::data(format!(
        "the outputs of the layer have the variance {variance}: expected a finite number"
    ))
    .fix("standardize the examples first, or look for a layer before it that puts out numbers which are not finite")
}
