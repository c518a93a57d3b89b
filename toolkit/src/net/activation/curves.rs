//! What an activation does, as curves.

use dfdx::prelude::{Backward as _, Cpu, Rank0, SumTo as _, TensorFromVec as _, Trace as _};
use plotly::Plot;

use super::Activation;
use crate::net::{Layer, LayerKind, NetSpec, Network};
use crate::show::chart;
use crate::{Error, Result};

/// From here to there an activation is drawn, in so many points.
const ENDS: (f32, f32) = (-4.0, 4.0);
const POINTS: usize = 161;

impl Activation {
    /// What comes out at each x, and its slope there, as the networks compute them: of a unit whose sum is x. Maxout has no
    /// curve of its own, its pieces are learned; here its k pieces touch the parabola x^2 / 4, at places from -2 to 2 the
    /// same distance apart.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let (values, slopes) = Relu.values_and_slopes(&[-1.0, 2.0])?;
    /// assert_eq!((values, slopes), (vec![0.0, 2.0], vec![0.0, 1.0]));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When its constants are out of their range, or an x is no finite number.
    pub fn values_and_slopes(self, x: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
        self.validate()?;
        if let Some(x) = x.iter().find(|x| !x.is_finite()) {
            return Err(Error::spec(format!("expected finite numbers, found {x}"))
                .at(format!("values and slopes of {self}")));
        }
        if x.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let layer = Layer {
            name: "activation".to_owned(),
            kind: LayerKind::Activation(self),
            from: Vec::new(),
            frozen: false,
        };
        let pieces = pieces(self.pieces());
        let network = Network::new(&NetSpec::chain(pieces.len(), vec![layer]), 0)?;
        let sums = x
            .iter()
            .flat_map(|x| pieces.iter().map(move |(slope, shift)| slope * x + shift));
        let sums = Cpu::default().tensor_from_vec(sums.collect(), (x.len(), pieces.len()));
        let outputs = network.forward(sums.leaky_trace())?;
        let values = outputs.as_vec();
        let by_sum = outputs.sum::<Rank0, _>().backward().get(&sums).as_vec();
        let slopes = by_sum
            .chunks_exact(pieces.len())
            .map(|by_sum| by_sum.iter().zip(&pieces).map(|(g, (slope, _))| g * slope).sum());
        Ok((values, slopes.collect()))
    }

    /// These activations side by side, each with its slope, from -4 to 4: [`values_and_slopes`](Self::values_and_slopes).
    ///
    /// ```
    /// use jook::prelude::*;
    /// Activation::chart(&[Relu, LeakyRelu(0.1), Gelu])?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the constants of one are out of their range.
    pub fn chart(activations: &[Activation]) -> Result<Plot> {
        let (from, to) = ENDS;
        let at = |i: usize| from + (to - from) * i as f32 / (POINTS - 1) as f32;
        let x: Vec<f32> = (0..POINTS).map(at).collect();
        let curve = |name: &str, y: Vec<f32>| chart::Curve {
            name: name.to_owned(),
            x: x.iter().copied().map(f64::from).collect(),
            y: y.into_iter().map(f64::from).collect(),
            band: None,
        };
        let panels: Result<Vec<_>> = activations
            .iter()
            .map(|one| {
                let (values, slopes) = one.values_and_slopes(&x)?;
                Ok((
                    one.to_string(),
                    vec![curve("value", values), curve("slope", slopes)],
                ))
            })
            .collect();
        Ok(chart::panels(
            ["Activations and their slopes", "sum of the unit", ""],
            &panels?,
        ))
    }
}

/// Slopes and shifts of the linear pieces: of one the sum itself, of several tangents of x^2 / 4.
fn pieces(count: usize) -> Vec<(f32, f32)> {
    let tangent = |i: usize| {
        let place = -2.0 + 4.0 * i as f32 / (count - 1) as f32;
        (place / 2.0, -place * place / 4.0)
    };
    match count {
        1 => vec![(1.0, 0.0)],
        _ => (0..count).map(tangent).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_those_of_their_formulas() {
        let x = [-3.0, -0.5, 0.25, 2.0];
        let both = |activation: Activation| activation.values_and_slopes(&x).expect("curves");
        assert_eq!(
            both(Activation::Relu),
            (vec![0.0, 0.0, 0.25, 2.0], vec![0.0, 0.0, 1.0, 1.0])
        );
        assert_eq!(both(Activation::HardTanh).1, [0.0, 1.0, 1.0, 0.0]);
        let (values, slopes) = both(Activation::Tanh);
        for ((x, y), slope) in x.iter().zip(values).zip(slopes) {
            assert!((y - x.tanh()).abs() < 1e-6 && (slope - (1.0 - y * y)).abs() < 1e-6);
        }
        // Two tangents meet at 0; of three the middle one lies there.
        assert_eq!(
            both(Activation::Maxout(2)),
            (vec![2.0, -0.5, -0.75, 1.0], vec![-1.0, -1.0, 1.0, 1.0])
        );
        assert_eq!(both(Activation::Maxout(3)).1, [-1.0, 0.0, 0.0, 1.0]);
        assert_eq!(both(Activation::Maxout(1)), (x.to_vec(), vec![1.0; 4]));
    }

    #[test]
    fn slopes_are_those_of_small_differences() {
        let all = [
            Activation::Sigmoid,
            Activation::Softsign,
            Activation::Gelu,
            Activation::Silu,
            Activation::Mish,
            Activation::Selu,
        ];
        for activation in all {
            for x in [-2.0f32, -0.7, 0.3, 1.9] {
                let step = 0.01;
                let (values, slopes) = activation
                    .values_and_slopes(&[x - step, x, x + step])
                    .expect("curves");
                let slope = (values[2] - values[0]) / (2.0 * step);
                assert!(
                    (slope - slopes[1]).abs() < 1e-3,
                    "{activation} at {x}: {slope}, {}",
                    slopes[1]
                );
            }
        }
    }

    #[test]
    fn what_has_no_curve_is_refused() {
        assert!(Activation::Relu.values_and_slopes(&[f32::NAN]).is_err());
        assert!(Activation::chart(&[Activation::Maxout(0)]).is_err());
        assert!(Activation::Elu(-1.0).values_and_slopes(&[0.0]).is_err());
        assert_eq!(
            Activation::Relu.values_and_slopes(&[]),
            Ok((Vec::new(), Vec::new()))
        );
        let plot = Activation::chart(&[]).expect("a chart").to_json();
        assert!(plot.contains("no data"), "{plot}");
    }
}
