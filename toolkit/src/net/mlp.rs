//! [`Mlp`]: the builder of multilayer perceptrons.

use super::builder::{Choices, Layers, batch_norm, common_setters, shared_setters};
use super::{Activation, Init, LayerKind, NetSpec, Network};
use crate::{Error, Number, Result};

/// Builds a multilayer perceptron: `Mlp::new([64, 128, 10])` takes 64 numbers, has one hidden layer of
/// 128 units and gives 10 logits.
///
/// A hidden layer is dense, then a norm if asked for, the activation, then dropout if above 0. The
/// last layer is dense alone and named `logits`. Defaults: ReLU, He uniform weights, zero biases, no
/// dropout, no norm. Setters take anything that converts to their value; the first that does not fit
/// is reported by [`Mlp::spec`].
#[doc(alias = "Linear")]
#[doc(alias = "Sequential")]
#[doc(alias = "MLPClassifier")]
#[doc(alias = "MLPRegressor")]
#[doc(alias = "dense")]
#[derive(Clone, Debug)]
pub struct Mlp {
    widths: Vec<usize>,
    choices: Choices,
}

impl Mlp {
    /// A network with these widths: input, hidden layers, output.
    pub fn new(widths: impl Into<Vec<usize>>) -> Self {
        Self {
            widths: widths.into(),
            choices: Choices::default(),
        }
    }

    /// The width of every hidden layer: replaces the ones given to [`Mlp::new`]. Without a hidden layer this
    /// is an error, which [`Mlp::spec`] reports.
    pub fn hidden(mut self, units: impl Number) -> Self {
        if let Some(units) = self.choices.count("hidden", units) {
            let last = self.widths.len().saturating_sub(1);
            if last < 2 {
                self.choices.error.get_or_insert(
                    Error::spec(format!(
                        "there is no hidden layer to give {units} units: Mlp::new got {} widths, expected 3 or more",
                        self.widths.len()
                    ))
                    .fix("give the hidden layers in Mlp::new, for instance Mlp::new([64, 128, 10])"),
                );
            }
            for width in self.widths.iter_mut().take(last).skip(1) {
                *width = units;
            }
        }
        self
    }

    /// A probability of dropout for each hidden layer, in their order, instead of [`dropout`](Self::dropout)'s one for
    /// all; 0 drops nothing. For another number of hidden layers this is an error, which [`Mlp::spec`] reports.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let net = Mlp::new([64, 256, 256, 10]).input_dropout(0.2).dropouts([0.5, 0.3]);
    /// let line = "64 > dropout 0.2 > dense 256 relu > dropout 0.5 > dense 256 relu > dropout 0.3 > dense 10";
    /// assert_eq!(net.spec()?.to_string(), line);
    /// # Ok::<(), jook::Error>(())
    /// ```
    pub fn dropouts(mut self, p: impl Into<Vec<f64>>) -> Self {
        self.choices.dropouts = p.into();
        self
    }

    shared_setters!();

    /// The network as data, checked.
    ///
    /// # Errors
    /// When a setter was given what does not fit, there are fewer than two widths, a layer to freeze is not
    /// there, or the spec is not valid, as [`NetSpec::validate`] says.
    pub fn spec(&self) -> Result<NetSpec> {
        self.choices.check()?;
        let (&input, units) = match self.widths.split_first() {
            Some((input, units)) if !units.is_empty() => (input, units),
            _ => {
                return Err(Error::spec(format!(
                    "{} widths make no network: expected the input's, then each layer's",
                    self.widths.len()
                ))
                .fix("for instance Mlp::new([64, 128, 10])"));
            }
        };
        let (rates, hidden) = (self.choices.dropouts.len(), units.len() - 1);
        if rates > 0 && rates != hidden {
            return Err(Error::spec(format!(
                "{rates} probabilities of dropout for {hidden} hidden layers: expected one for each"
            ))
            .at("network, dropouts")
            .fix("0 drops nothing; the input's is .input_dropout(..), the same for all .dropout(..)"));
        }
        let mut layers = Layers::default();
        layers.dropout("dropout0", self.choices.input_dropout);
        for (i, &units) in units[..units.len() - 1].iter().enumerate() {
            self.hidden_layer(i + 1, units, &mut layers)?;
        }
        layers.push("logits", self.choices.dense(units[units.len() - 1]));
        self.choices.finish(NetSpec::chain(input, layers.into_vec()))
    }

    fn hidden_layer(&self, number: usize, units: usize, layers: &mut Layers) -> Result<()> {
        let choices = &self.choices;
        let columns = units.checked_mul(choices.activation.pieces()).ok_or_else(|| {
            Error::spec(format!(
                "{units} units of {} have too many columns",
                choices.activation
            ))
            .at(format!("layer dense{number}"))
        })?;
        layers.push(format!("dense{number}"), choices.dense(columns));
        layers.norm("", &number.to_string(), choices);
        layers.activation(format!("activation{number}"), choices.activation);
        let p = choices.dropouts.get(number - 1).unwrap_or(&choices.dropout);
        layers.dropout(format!("dropout{number}"), *p);
        Ok(())
    }
}
