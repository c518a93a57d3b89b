//! What the builders of networks share: settings of hidden layers, and layers in the making.

use super::layers::check_dropout;
use super::{Activation, Init, Layer, LayerKind, NetSpec, Window};
use crate::number::{count, number};
use crate::{Error, Number, Result};

/// Calls a macro with every builder of networks.
macro_rules! for_each_builder {
    ($($then:ident)::+) => {
        $($then)::+! { $crate::net::Mlp $crate::net::Cnn $crate::net::TextNet $crate::net::InceptionV3 }
    };
}
pub(crate) use for_each_builder;

/// Settings of the hidden layers, and the first value that a setter could not take.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub activation: Activation,
    pub init: Init,
    pub bias_init: Init,
    pub dropout: f64,
    /// One for each hidden layer instead, where there are any.
    pub dropouts: Vec<f64>,
    pub input_dropout: f64,
    /// The norm of the hidden layers, and the name of its layers.
    pub norm: Option<(&'static str, LayerKind)>,
    pub frozen: Vec<String>,
    pub error: Option<Error>,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            activation: Activation::Relu,
            init: Init::HeUniform,
            bias_init: Init::Zeros,
            dropout: 0.0,
            dropouts: Vec::new(),
            input_dropout: 0.0,
            norm: None,
            frozen: Vec::new(),
            error: None,
        }
    }
}

impl Choices {
    /// The converted value, or `None` with the first error kept.
    pub fn keep<V, T>(&mut self, value: V) -> Option<T>
    where
        V: TryInto<T>,
        V::Error: Into<Error>,
    {
        self.keep_result(value.try_into().map_err(Into::into))
    }

    /// The number for the setter of this name, or `None` with the first error kept.
    pub fn number(&mut self, setter: &str, value: impl Number) -> Option<f64> {
        self.keep_result(number(&format!("network, {setter}"), value))
    }

    /// As [`Choices::number`], a count.
    pub fn count(&mut self, setter: &str, value: impl Number) -> Option<usize> {
        self.keep_result(count(&format!("network, {setter}"), value, 0))
    }

    fn keep_result<T>(&mut self, value: Result<T>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    /// Reports the first value that did not fit.
    pub fn check(&self) -> Result<()> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        self.activation.validate()?;
        let hidden = self.dropouts.iter().chain([&self.dropout]);
        hidden.copied().try_for_each(|p| check_dropout("dropout", p))?;
        check_dropout("input dropout", self.input_dropout)
    }

    /// The spec with the layers frozen that are to be, checked.
    pub fn finish(&self, mut spec: NetSpec) -> Result<NetSpec> {
        for name in &self.frozen {
            spec.freeze(name)?;
        }
        spec.validate()?;
        Ok(spec)
    }

    pub fn dense(&self, units: usize) -> LayerKind {
        LayerKind::Dense {
            units,
            bias: true,
            init: self.init,
            bias_init: self.bias_init,
        }
    }

    pub fn conv(&self, channels: usize, window: Window, bias: bool) -> LayerKind {
        LayerKind::Conv2d {
            channels,
            window,
            groups: 1,
            bias,
            init: self.init,
            bias_init: self.bias_init,
        }
    }
}

/// PyTorch's constants.
pub(super) fn batch_norm() -> LayerKind {
    LayerKind::BatchNorm {
        momentum: 0.1,
        epsilon: 1e-5,
    }
}

/// What every builder has that keeps its [`Choices`] in `choices`: dropout, freezing, and `build`.
macro_rules! common_setters {
    () => {
        /// The probability, at least 0 and less than 1, with which a hidden unit of a dense layer, or a number
        /// that the last layer reads, is dropped in training. 0 means no dropout.
        #[doc(alias = "Dropout")]
        pub fn dropout(mut self, p: impl Number) -> Self {
            if let Some(p) = self.choices.number("dropout", p) {
                self.choices.dropout = p;
                self.choices.dropouts.clear();
            }
            self
        }

        /// Freezes the layer of this name, such as `dense1` or `conv1`: it takes no update.
        pub fn freeze(mut self, name: impl Into<String>) -> Self {
            self.choices.frozen.push(name.into());
            self
        }

        /// The network with its initial numbers drawn from `seed`.
        ///
        /// # Errors
        /// When there is no spec, as `spec` says, or no memory for the numbers.
        pub fn build(&self, seed: u64) -> Result<Network> {
            Network::new(&self.spec()?, seed)
        }
    };
}
pub(super) use common_setters;

/// Those, and the settings of the hidden layers where these are not laid down.
macro_rules! shared_setters {
    () => {
        /// The probability, at least 0 and less than 1, with which a number of the input is dropped in training, by the
        /// layer `dropout0`. Srivastava et al. (2014) take 0.2 here where they take 0.5 for hidden units; few inputs bear
        /// less.
        pub fn input_dropout(mut self, p: impl Number) -> Self {
            if let Some(p) = self.choices.number("input_dropout", p) {
                self.choices.input_dropout = p;
            }
            self
        }

        /// The activation of the hidden layers. Maxout(k) widens the layer before it k times.
        pub fn activation<A>(mut self, activation: A) -> Self
        where
            A: TryInto<Activation>,
            A::Error: Into<Error>,
        {
            if let Some(activation) = self.choices.keep(activation) {
                self.choices.activation = activation;
            }
            self
        }

        /// How the weights of every layer start.
        pub fn init<I>(mut self, init: I) -> Self
        where
            I: TryInto<Init>,
            I::Error: Into<Error>,
        {
            if let Some(init) = self.choices.keep(init) {
                self.choices.init = init;
            }
            self
        }

        /// How the biases of every layer start.
        pub fn bias_init<I>(mut self, init: I) -> Self
        where
            I: TryInto<Init>,
            I::Error: Into<Error>,
        {
            if let Some(init) = self.choices.keep(init) {
                self.choices.bias_init = init;
            }
            self
        }

        /// Batch norm in every hidden layer, before the activation; momentum 0.1 and epsilon 1e-5.
        #[doc(alias = "BatchNorm")]
        #[doc(alias = "BatchNorm1d")]
        #[doc(alias = "BatchNorm2d")]
        pub fn batch_norm(self) -> Self {
            self.batch_norm_if(true)
        }

        /// [`batch_norm`](Self::batch_norm), or none: takes a `bool`, or what a study varies, as in
        /// `.batch_norm_if(t["norm"])`.
        pub fn batch_norm_if<B>(mut self, norm: B) -> Self
        where
            B: TryInto<bool>,
            B::Error: Into<Error>,
        {
            if let Some(norm) = self.choices.keep(norm) {
                self.choices.norm = norm.then(|| ("batch_norm", batch_norm()));
            }
            self
        }

        /// Layer norm in every hidden layer, before the activation, instead of another norm: the batch plays no part,
        /// which may be small. Epsilon is 1e-5; its layers are named `layer_norm1` and so on.
        pub fn layer_norm(mut self) -> Self {
            self.choices.norm = Some(("layer_norm", LayerKind::LayerNorm { epsilon: 1e-5 }));
            self
        }

        /// Group norm in every hidden layer, before the activation, instead of another norm: the batch plays no part.
        /// The groups divide the units or channels of every layer. Epsilon is 1e-5; its layers are named `group_norm1`
        /// and so on.
        pub fn group_norm(mut self, groups: impl Number) -> Self {
            if let Some(groups) = self.choices.count("group_norm", groups) {
                let kind = LayerKind::GroupNorm {
                    groups,
                    epsilon: 1e-5,
                };
                self.choices.norm = Some(("group_norm", kind));
            }
            self
        }

        common_setters!();
    };
}
pub(super) use shared_setters;

/// Layers in the making.
#[derive(Default)]
pub(super) struct Layers(Vec<Layer>);

impl Layers {
    /// Adds a layer that reads these, the one before where there are none; gives its name.
    pub fn add(&mut self, name: impl Into<String>, kind: LayerKind, from: &[&str]) -> String {
        let name = name.into();
        self.0.push(Layer {
            name: name.clone(),
            kind,
            from: from.iter().map(|&name| name.to_owned()).collect(),
            frozen: false,
        });
        name
    }

    /// Adds a layer that reads the one before.
    pub fn push(&mut self, name: impl Into<String>, kind: LayerKind) {
        self.add(name, kind, &[]);
    }

    /// Adds the norm that was chosen, if one was: its name, then `number`, behind `prefix`.
    pub fn norm(&mut self, prefix: &str, number: &str, choices: &Choices) {
        if let Some((name, kind)) = &choices.norm {
            self.push(format!("{prefix}{name}{number}"), kind.clone());
        }
    }

    /// Adds an activation, unless it is the identity.
    pub fn activation(&mut self, name: impl Into<String>, activation: Activation) {
        if activation != Activation::Identity {
            self.push(name, LayerKind::Activation(activation));
        }
    }

    /// Adds dropout, unless nothing is dropped.
    pub fn dropout(&mut self, name: impl Into<String>, p: f64) {
        self.drops(name, p, LayerKind::Dropout);
    }

    /// Adds what drops with the probability `p`, unless nothing is dropped.
    pub fn drops(&mut self, name: impl Into<String>, p: f64, kind: impl Fn(f32) -> LayerKind) {
        if p > 0.0 {
            self.push(name, kind(p as f32));
        }
    }

    /// The name of the last layer, or of the input.
    pub fn last(&self) -> String {
        self.0
            .last()
            .map_or_else(|| "input".to_owned(), |layer| layer.name.clone())
    }

    pub fn into_vec(self) -> Vec<Layer> {
        self.0
    }
}
