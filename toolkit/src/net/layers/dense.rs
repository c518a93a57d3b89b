//! Dense layers: x W + b.

use std::fmt;

use super::{Order, Read, Rules, Tensor, without_bias};
use crate::data::Shape;
use crate::net::validate::width_in_range;
use crate::net::{Init, Role};
use crate::{Error, Result};

pub(super) struct Dense {
    pub units: usize,
    pub bias: bool,
    pub init: Init,
    pub bias_init: Init,
}

impl Rules for Dense {
    fn validate(&self) -> Result<()> {
        width_in_range(self.units, "a dense layer has", "units")?;
        self.init.validate()?;
        self.bias_init.validate_plain("biases")
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        match read.first {
            Shape::Flat(_) => Ok(Shape::Flat(self.units)),
            image @ Shape::Image { .. } => Err(Error::spec(format!(
                "a dense layer takes plain numbers, found {image}"
            ))
            .fix("put a flatten or global average pool layer before it")),
        }
    }

    fn tensors(&self, read: Shape) -> Vec<Tensor> {
        let inputs = crate::net::graph::channels_of(read);
        let fans = [inputs, self.units];
        weights_and_bias(
            vec![inputs, self.units],
            Order::Matrix,
            fans,
            self.init,
            self.bias.then_some(self.bias_init),
        )
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dense {}{}", self.units, without_bias(self.bias))
    }
}

/// The weights of a dense layer or a convolution, and a bias for each of their columns, if they have one.
pub(super) fn weights_and_bias(
    shape: Vec<usize>,
    order: Order,
    fans: [usize; 2],
    init: Init,
    bias_init: Option<Init>,
) -> Vec<Tensor> {
    let columns = shape.last().copied().unwrap_or(0);
    let weight = Tensor {
        name: "weight",
        shape,
        role: Role::Weight,
        init,
        fans,
        order,
    };
    let bias = bias_init.map(|init| Tensor {
        name: "bias",
        shape: vec![columns],
        role: Role::Bias,
        init,
        fans,
        order: Order::Same,
    });
    [weight].into_iter().chain(bias).collect()
}
