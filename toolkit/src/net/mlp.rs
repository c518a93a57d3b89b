//! [`Mlp`]: the builder of multilayer perceptrons.

use super::validate::check_dropout;
use super::{Activation, Init, Layer, LayerKind, NetSpec, Network};
use crate::{Error, Result};

/// Builds a multilayer perceptron: `Mlp::new([64, 128, 10])` takes 64 numbers, has one hidden layer of
/// 128 units and gives 10 logits.
///
/// A hidden layer is dense, then batch norm if asked for, the activation, then dropout if above 0. The
/// last layer is dense alone and named `logits`. Defaults: ReLU, He uniform weights, zero biases, no
/// dropout, no batch norm. Setters take anything that converts to their value; the first that does not fit
/// is reported by [`Mlp::spec`].
#[derive(Clone, Debug)]
pub struct Mlp {
    widths: Vec<usize>,
    activation: Activation,
    init: Init,
    bias_init: Init,
    dropout: f64,
    batch_norm: bool,
    frozen: Vec<String>,
    error: Option<Error>,
}

impl Mlp {
    /// A network with these widths: input, hidden layers, output.
    pub fn new(widths: impl Into<Vec<usize>>) -> Self {
        Self {
            widths: widths.into(),
            activation: Activation::Relu,
            init: Init::HeUniform,
            bias_init: Init::Zeros,
            dropout: 0.0,
            batch_norm: false,
            frozen: Vec::new(),
            error: None,
        }
    }

    /// The width of every hidden layer: replaces the ones given to [`Mlp::new`]. Without a hidden layer this
    /// is an error, which [`Mlp::spec`] reports.
    pub fn hidden<U>(mut self, units: U) -> Self
    where
        U: TryInto<usize>,
        U::Error: Into<Error>,
    {
        if let Some(units) = self.keep(units) {
            let last = self.widths.len().saturating_sub(1);
            if last < 2 {
                self.error.get_or_insert(
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

    /// The activation of the hidden layers. Maxout(k) widens the dense layer before it k times.
    pub fn activation<A>(mut self, activation: A) -> Self
    where
        A: TryInto<Activation>,
        A::Error: Into<Error>,
    {
        if let Some(activation) = self.keep(activation) {
            self.activation = activation;
        }
        self
    }

    /// How the weights of every dense layer start.
    pub fn init<I>(mut self, init: I) -> Self
    where
        I: TryInto<Init>,
        I::Error: Into<Error>,
    {
        if let Some(init) = self.keep(init) {
            self.init = init;
        }
        self
    }

    /// How the biases of every dense layer start.
    pub fn bias_init<I>(mut self, init: I) -> Self
    where
        I: TryInto<Init>,
        I::Error: Into<Error>,
    {
        if let Some(init) = self.keep(init) {
            self.bias_init = init;
        }
        self
    }

    /// The probability, at least 0 and less than 1, with which a hidden unit is dropped in training.
    pub fn dropout<P>(mut self, p: P) -> Self
    where
        P: TryInto<f64>,
        P::Error: Into<Error>,
    {
        if let Some(p) = self.keep(p) {
            self.dropout = p;
        }
        self
    }

    /// Batch norm in every hidden layer, between the dense layer and the activation; momentum 0.1 and
    /// epsilon 1e-5.
    pub fn batch_norm(mut self) -> Self {
        self.batch_norm = true;
        self
    }

    /// Freezes the layer of this name, such as `dense1`: it takes no update.
    pub fn freeze(mut self, name: impl Into<String>) -> Self {
        self.frozen.push(name.into());
        self
    }

    /// The network as data, checked.
    ///
    /// # Errors
    /// When a setter was given what does not fit, there are fewer than two widths, a layer to freeze is not
    /// there, or the spec is not valid, as [`NetSpec::validate`] says.
    pub fn spec(&self) -> Result<NetSpec> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
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
        self.activation.validate()?;
        check_dropout(self.dropout)?;
        let mut layers = Vec::new();
        for (i, &units) in units[..units.len() - 1].iter().enumerate() {
            self.hidden_layer(i + 1, units, &mut layers)?;
        }
        layers.push(self.dense("logits".into(), units[units.len() - 1]));
        let mut spec = NetSpec::chain(input, layers);
        for name in &self.frozen {
            spec.freeze(name)?;
        }
        spec.validate()?;
        Ok(spec)
    }

    /// The network with its initial numbers drawn from `seed`.
    ///
    /// # Errors
    /// As [`Mlp::spec`], and when there is no memory for the numbers.
    pub fn build(&self, seed: u64) -> Result<Network> {
        Network::new(&self.spec()?, seed)
    }

    fn hidden_layer(&self, number: usize, units: usize, layers: &mut Vec<Layer>) -> Result<()> {
        let columns = units.checked_mul(self.activation.pieces()).ok_or_else(|| {
            Error::spec(format!(
                "{units} units of {} have too many columns",
                self.activation
            ))
            .at(format!("layer dense{number}"))
        })?;
        let mut push = |name: String, kind| {
            layers.push(Layer {
                name,
                kind,
                from: Vec::new(),
                frozen: false,
            })
        };
        let dense = self.dense(format!("dense{number}"), columns);
        push(dense.name, dense.kind);
        if self.batch_norm {
            push(
                format!("batch_norm{number}"),
                LayerKind::BatchNorm {
                    momentum: 0.1,
                    epsilon: 1e-5,
                },
            );
        }
        if self.activation != Activation::Identity {
            push(
                format!("activation{number}"),
                LayerKind::Activation(self.activation),
            );
        }
        if self.dropout > 0.0 {
            push(
                format!("dropout{number}"),
                LayerKind::Dropout(self.dropout as f32),
            );
        }
        Ok(())
    }

    fn dense(&self, name: String, units: usize) -> Layer {
        let (init, bias_init) = (self.init, self.bias_init);
        Layer {
            name,
            kind: LayerKind::Dense {
                units,
                bias: true,
                init,
                bias_init,
            },
            from: Vec::new(),
            frozen: false,
        }
    }

    /// The converted value, or `None` with the first error kept.
    fn keep<V, T>(&mut self, value: V) -> Option<T>
    where
        V: TryInto<T>,
        V::Error: Into<Error>,
    {
        match value.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error.get_or_insert(error.into());
                None
            }
        }
    }
}

impl NetSpec {
    /// Freezes the layer of this name: it takes no update.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn freeze(&mut self, name: &str) -> Result<()> {
        let at = self.position(name)?;
        self.layers[at].frozen = true;
        Ok(())
    }
}
