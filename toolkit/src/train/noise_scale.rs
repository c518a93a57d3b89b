//! [`NoiseScale`]: how much the gradients of batches differ, and from which batch size on more examples add little.

use std::fmt;

use rand::seq::SliceRandom as _;

use super::engine::check_fits;
use super::gather::Gather;
use super::{Recipe, Stepper};
use crate::data::Dataset;
use crate::loss::Objective;
use crate::net::Network;
use crate::seed::stream;
use crate::show::{Bundle, Show, readable_number};
use crate::{Error, Result, interrupt};

/// The gradient noise scale of a network on its data, where it stands (McCandlish et al. 2018, "simple noise scale"): the
/// batch size at which the gradient of a batch has as much noise in it as signal. Well below it, twice the examples are
/// nearly worth twice the steps; well above it they are wasted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseScale {
    /// The trace of the covariance of single examples' gradients, over |gradient|^2: a number of examples. Infinite where
    /// the gradient itself is lost in the noise.
    pub scale: f64,
    /// |gradient|^2 of the loss over all data, without bias: below 0 where noise hides it.
    pub signal: f64,
    /// The trace of the covariance of single examples' gradients.
    pub noise: f64,
    /// Examples in a batch of the measurement.
    pub batch: usize,
    /// Batches of the measurement.
    pub batches: usize,
}

impl Network {
    /// The gradient noise scale here, from the gradients of all whole batches of one pass over `data`, shuffled by the
    /// recipe's seed: the recipe's loss, batch size (a small one measures best) and dropout; no penalties. The network
    /// stays as it is. A pass takes as long as an epoch.
    ///
    /// # Errors
    /// When the data do not fit network and loss, or there are fewer than two batches.
    #[doc(alias = "critical batch size")]
    pub fn noise_scale(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<NoiseScale> {
        let recipe = recipe.into().matched_to(data)?;
        recipe.validate()?;
        check_fits(data, self.spec())?;
        let mut loss = recipe.loss.clone();
        Objective::check(&mut loss, &[data], &[self.outputs()])?;
        let (batch, batches) = (recipe.batch, data.len() / recipe.batch);
        if batches < 2 {
            return Err(Error::data(format!(
                "expected two batches of {batch} or more, found {} examples",
                data.len()
            ))
            .at(format!("the noise scale of {}", data.name()))
            .fix("take a smaller batch: Recipe::new().batch(8)"));
        }
        let mut rows: Vec<u32> = (0..data.len() as u32).collect();
        rows.shuffle(&mut stream(recipe.seed, "noise scale"));
        let mut gather = Gather::new(data, &rows, true);
        let mut stepper = Stepper::new(
            self,
            Recipe {
                rule: super::Rule::Sgd { rate: 0.1 },
                ..recipe
            },
        )?;
        let mut x = vec![0.0; batch * data.width()];
        let mut sum = vec![0.0f64; self.parameters().len()];
        let mut squares = 0.0;
        let scope = interrupt::scope();
        let mut done = 0;
        for rows in rows.chunks_exact(batch) {
            if scope.requested() && done >= 2 {
                break;
            }
            gather.copy(rows, &mut x);
            let weights = gather.weights().map(<[f32]>::to_vec);
            stepper.gradient_of(&x, (gather.targets(), weights.as_deref()), |seen, slopes| {
                Objective::value(&mut loss, seen, slopes)
            })?;
            for (sum, &g) in sum.iter_mut().zip(stepper.gradients()) {
                *sum += f64::from(g);
                squares += f64::from(g) * f64::from(g);
            }
            done += 1;
        }
        Ok(NoiseScale::of(&sum, squares, batch, done))
    }
}

impl NoiseScale {
    /// From the sum of batches' gradients and the sum of their squared lengths.
    fn of(sum: &[f64], squares: f64, batch: usize, batches: usize) -> Self {
        let n = batches as f64;
        let of_mean = sum.iter().map(|s| (s / n) * (s / n)).sum::<f64>();
        // Of two batch sizes, one and all batches: the appendix's A.2, where the sizes are b and n b.
        let signal = (n * of_mean - squares / n) / (n - 1.0);
        let noise = batch as f64 * (squares / n - of_mean) * n / (n - 1.0);
        let scale = match signal > 0.0 {
            true => noise / signal,
            false => f64::INFINITY,
        };
        Self {
            scale,
            signal,
            noise,
            batch,
            batches,
        }
    }
}

impl fmt::Display for NoiseScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scale.is_finite() {
            true => write!(f, "noise scale {} examples", readable_number(self.scale))?,
            false => f.write_str("noise scale infinite: the gradient is lost in the noise")?,
        }
        write!(
            f,
            " (|gradient|\u{b2} {}, noise {}, from {} batches of {})",
            readable_number(self.signal),
            readable_number(self.noise),
            self.batches,
            self.batch
        )
    }
}

impl Show for NoiseScale {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Mlp;
    use crate::train::tests::clouds;

    /// By the definition: the gradient of each example alone.
    #[test]
    fn it_is_that_of_single_examples_gradients() {
        let data = clouds(60, 4, 3, 0.7, 1);
        let network = Mlp::new([4, 5, 3]).build(2).expect("a network");
        let single = network
            .noise_scale(&data, Recipe::new().batch(1))
            .expect("a scale");
        let mut stepper = Stepper::new(&network, Recipe::new()).expect("a stepper");
        let mut all: Vec<Vec<f64>> = Vec::new();
        let labels = data.labels().expect("labels");
        for (row, label) in labels.iter().enumerate() {
            let out = stepper.forward(data.row(row)).expect("outputs").to_vec();
            let top = out.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exp: Vec<f64> = out.iter().map(|&x| f64::from(x - top).exp()).collect();
            let total: f64 = exp.iter().sum();
            let slope = |class: usize| exp[class] / total - f64::from(u8::from(class == *label as usize));
            let slopes: Vec<f32> = (0..3).map(|class| slope(class) as f32).collect();
            stepper.backward(&slopes).expect("gradients");
            all.push(stepper.gradients().iter().map(|&g| f64::from(g)).collect());
        }
        let n = all.len() as f64;
        let mean: Vec<f64> = (0..all[0].len())
            .map(|i| all.iter().map(|g| g[i]).sum::<f64>() / n)
            .collect();
        let trace = all
            .iter()
            .flat_map(|g| g.iter().zip(&mean))
            .map(|(g, m)| (g - m) * (g - m))
            .sum::<f64>()
            / (n - 1.0);
        let square = mean.iter().map(|m| m * m).sum::<f64>() - trace / n;
        assert!((single.noise / trace - 1.0).abs() < 1e-4, "{single} for {trace}");
        assert!(
            (single.signal / square - 1.0).abs() < 1e-4,
            "{single} for {square}"
        );
        // Batches measure the same, less exactly.
        let batches = network
            .noise_scale(&data, Recipe::new().batch(6))
            .expect("a scale");
        assert!((batches.noise / trace).ln().abs() < 0.7, "{batches} for {trace}");
        assert_eq!((batches.batches, batches.batch), (10, 6));
        let again = network
            .noise_scale(&data, Recipe::new().batch(6))
            .expect("a scale");
        assert_eq!(again, batches);
    }

    #[test]
    fn a_single_batch_is_too_few() {
        let data = clouds(40, 4, 3, 0.7, 1);
        let network = Mlp::new([4, 3]).build(2).expect("a network");
        let error = network
            .noise_scale(&data, Recipe::new().batch(32))
            .expect_err("an error");
        assert!(error.to_string().contains("two batches of 32"), "{error}");
        assert!(network.noise_scale(&data, Recipe::new().batch(0)).is_err());
    }
}
