//! [`Probe`]: what each layer of a network puts out for examples, and what gradients reach it.

mod counts;
mod show;

use super::Network;
use super::cpu::Passes;
use crate::data::{Dataset, Targets};
use crate::loss::{Objective, Part, Seen};
use crate::train::Recipe;
use crate::{Error, Result};
use counts::Counts;

/// What the layers of a network do on examples: see [`Network::probe`]. Ends a cell as a table and a chart over the
/// layers.
#[doc(alias = "hooks")]
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    layers: Vec<Probed>,
    examples: usize,
}

/// One layer of a [`Probe`]. A unit is a number of a plain output, or a channel of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The layer's name.
    pub name: String,
    /// What it is, in words.
    pub kind: String,
    /// Units.
    pub units: usize,
    /// Mean of its outputs, over examples, units and places.
    pub mean: f64,
    /// Standard deviation of its outputs, over the same.
    pub sd: f64,
    /// Share of its outputs that are 0.
    pub zeros: f64,
    /// Share of its units that are 0 for every example, at every place: of ReLUs. None of other layers.
    pub dead: Option<f64>,
    /// Share of its outputs within 0.01 of a bound: of tanh, hard tanh and softsign -1 and 1, of the sigmoid 0 and 1.
    /// None of other layers.
    pub saturated: Option<f64>,
    /// Standard deviation, over the same as `sd`, of d loss / d output, the loss being that of the one example that the
    /// output is for. None without a loss.
    pub gradient_sd: Option<f64>,
}

impl Network {
    /// What each layer puts out for `data` in evaluation mode, and the gradients that reach it from the loss that a
    /// training on these data would take, if they have targets: whether activations and gradients keep their size over
    /// the depth (Glorot and Bengio 2010), and which units are dead or saturated. Every example counts alike.
    ///
    /// Batch norm takes its running statistics, which an untrained network has not got yet: probe that after training,
    /// or without.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?;
    /// let net = Mlp::new([64, 32, 32, 10]).activation(Tanh).init(XavierUniform).build(0)?;
    /// let probe = net.probe(&digits)?;
    /// assert_eq!(probe.frame().height(), 5);
    /// assert!(probe.layer("activation1").is_some_and(|layer| layer.sd > 0.1));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the data do not fit the network, there is no example, or too little memory.
    pub fn probe(&self, data: &Dataset) -> Result<Probe> {
        match data.targets() {
            Targets::None => self.probed(data, None),
            _ => {
                let mut loss = Recipe::new().matched_to(data)?.loss;
                self.probed(data, Some(&mut loss))
            }
        }
    }

    /// As [`Network::probe`], with the gradients of this objective; one over a whole batch sees a few hundred examples
    /// at a time.
    ///
    /// # Errors
    /// As [`Network::probe`], and when the objective does not fit network and data, or looks at several streams of data.
    pub fn probe_with(&self, data: &Dataset, mut objective: impl Objective) -> Result<Probe> {
        self.probed(data, Some(&mut objective))
    }

    fn probed(&self, data: &Dataset, mut objective: Option<&mut dyn Objective>) -> Result<Probe> {
        crate::train::check_fits(data, self.spec())?;
        let spec = self.spec();
        let seen = match &mut objective {
            Some(objective) => looked_at(self, data, *objective)?,
            None => Vec::new(),
        };
        let all: Vec<usize> = (0..spec.layers.len()).collect();
        let (together, _promised) = Passes::rows_together(self, &all, data.len())?;
        let mut passes = Passes::tapped(self, together, &all);
        let mut counts = Counts::of_layers(spec);
        let mut start = 0;
        for examples in data.features().chunks(together * self.inputs()) {
            let rows = examples.len() / self.inputs();
            passes.evaluate(self, examples);
            let (outputs, _) = passes.taps();
            for ((counts, outputs), layer) in counts.iter_mut().zip(outputs).zip(&spec.layers) {
                counts.add(outputs, &layer.kind);
            }
            if let Some(objective) = &mut objective {
                put_in(&mut passes, *objective, &seen, data, start..start + rows)?;
                passes.backward_through_taps(self);
                for (at, counts) in counts.iter_mut().enumerate() {
                    // The objective is a mean over the batch.
                    counts.add_gradient(passes.slope(at), rows as f32);
                }
            }
            start += rows;
        }
        let described = spec.layers.iter().zip(counts);
        Ok(Probe {
            layers: described.map(|(layer, counts)| counts.finish(layer)).collect(),
            examples: data.len(),
        })
    }
}

/// The places of the layers that an objective sees, if it fits.
fn looked_at(network: &Network, data: &Dataset, objective: &mut dyn Objective) -> Result<Vec<usize>> {
    let spec = network.spec();
    if objective.streams() > 1 {
        return Err(Error::spec(format!(
            "the objective looks at {} streams of data, and a probe has one",
            objective.streams()
        ))
        .at("probe")
        .fix("probe with a part of the objective that looks at one"));
    }
    let places: Vec<usize> = match &objective.taps()[..] {
        [] => vec![spec.layers.len() - 1],
        names => names
            .iter()
            .map(|name| spec.position(name))
            .collect::<Result<_>>()?,
    };
    let widths = spec.widths();
    let widths: Vec<usize> = places.iter().map(|&place| widths[place]).collect();
    objective.check(&[data], &widths)?;
    Ok(places)
}

/// The slopes of the objective into those of the layers that it sees, and zeros into the others.
fn put_in(
    passes: &mut Passes,
    objective: &mut dyn Objective,
    places: &[usize],
    data: &Dataset,
    range: std::ops::Range<usize>,
) -> Result<()> {
    let rows: Vec<u32> = range.clone().map(|row| row as u32).collect();
    let all_widths = passes.widths();
    let widths: Vec<usize> = places.iter().map(|&place| all_widths[place]).collect();
    let (all, mut all_slopes) = passes.taps();
    all_slopes.iter_mut().for_each(|slopes| slopes.fill(0.0));
    let outputs: Vec<&[f32]> = places.iter().map(|&place| all[place]).collect();
    // An objective may see a layer twice: each look has slopes of its own, and they add up.
    let mut own: Vec<Vec<f32>> = outputs.iter().map(|outputs| vec![0.0; outputs.len()]).collect();
    let mut slopes: Vec<&mut [f32]> = own.iter_mut().map(Vec::as_mut_slice).collect();
    let seen = Seen {
        outputs: &outputs,
        widths: &widths,
        streams: &[Part {
            range: 0..rows.len(),
            rows: &rows,
            targets: data.targets().rows(range, data.target_width()),
            weights: None,
        }],
        step: 1,
    };
    objective.value(&seen, &mut slopes)?;
    for (&place, own) in places.iter().zip(&own) {
        let pairs = all_slopes[place].iter_mut().zip(own);
        pairs.for_each(|(sum, slope)| *sum += slope);
    }
    Ok(())
}
