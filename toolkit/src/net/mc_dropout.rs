//! Monte-Carlo dropout: a network that goes on dropping when it predicts.

use super::Network;
use super::cpu::Passes;
use super::executor::How;
use crate::data::Dataset;
use crate::evaluate::{Predictions, Predictor, predict_mc_dropout};
use crate::seed::{Rng, stream};
use crate::{Error, Result, memory};

impl Network {
    /// The mean of so many predictions, each with other numbers dropped as in training: Monte-Carlo dropout (Gal and
    /// Ghahramani 2016). Dropout trains many thinned networks at once (Srivastava et al. 2014); this asks a sample of them,
    /// where [`predict`](Self::predict) asks one that stands for all. Of a classifier the probabilities are averaged, and
    /// the outputs are their logarithms.
    ///
    /// How far the passes differ says [`Predictions::mutual_information`], of values [`Predictions::spread`]. Batch norm
    /// uses its running statistics. `seed` decides what is dropped. Stopped on the way, it gives the mean of the passes
    /// that were made.
    ///
    /// # Errors
    /// As `predict`, without a pass, and when the network drops nothing.
    #[doc(alias = "MCDropout")]
    pub fn predict_mc_dropout(&self, data: &Dataset, passes: usize, seed: u64) -> Result<Predictions> {
        let like = self.predictions(data)?;
        let mut dropping = Dropping::new(self, None, like.len(), seed)?;
        predict_mc_dropout(like, passes, |examples| dropping.pass(examples))
    }
}

/// A copy of a network that drops by a generator of its own.
pub(crate) struct Dropping {
    network: Network,
    passes: Passes,
    /// Examples that go through it together.
    rows: usize,
    rng: Rng,
    _promised: memory::Reserved,
}

impl Dropping {
    /// For the outputs of the layer of this name, or the network's, of up to so many examples.
    ///
    /// # Errors
    /// When there is no such layer, nothing before it drops, or there is too little memory.
    pub fn new(network: &Network, layer: Option<&str>, examples: usize, seed: u64) -> Result<Self> {
        let spec = network.spec();
        let last = spec.layers.len() - 1;
        let tap = layer.map_or(Ok(last), |name| spec.position(name))?;
        let needed = spec.needed(&spec.sources()?, &[tap]);
        let mut layers = spec.layers.iter().zip(needed);
        if !layers.any(|(layer, needed)| needed && layer.kind.drops().is_some_and(|p| p > 0.0)) {
            return Err(
                Error::spec("the network drops nothing, so that every pass would say the same")
                    .at("predict_mc_dropout")
                    .fix("train one with dropout, Mlp::new([64, 128, 10]).dropout(0.2) say; a single pass is predict"),
            );
        }
        let (rows, promised) = Passes::rows_together(network, &[tap], examples)?;
        Ok(Self {
            passes: Passes::tapped(network, rows, &[tap]),
            network: network.clone(),
            rows,
            rng: stream(seed, "mc dropout"),
            _promised: promised,
        })
    }

    /// The outputs for examples laid one after another, with other numbers dropped than before.
    ///
    /// # Errors
    /// When an example has an index that the network does not know.
    pub fn pass(&mut self, examples: &[f32]) -> Result<Vec<f32>> {
        let inputs = self.network.inputs();
        self.network.spec().check_indices(examples, "")?;
        let mut outputs = Vec::with_capacity(examples.len() / inputs * self.passes.widths()[0]);
        for chunk in examples.chunks(self.rows * inputs) {
            let how = How::sample(&mut self.rng);
            outputs.extend_from_slice(self.passes.forward(&mut self.network, chunk, how));
        }
        Ok(outputs)
    }
}
