//! Batch norm.

use std::fmt;

use super::{Behind, Order, Places, Read, Rules, Tensor, check_epsilon};
use crate::data::Shape;
use crate::net::Role;
use crate::net::graph::channels_of;
use crate::{Error, Result};

pub(super) struct BatchNorm {
    pub momentum: f32,
    pub epsilon: f32,
}

impl Rules for BatchNorm {
    fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(Error::spec(format!(
                "the momentum of batch norm is {}: expected 0 to 1, usually 0.1",
                self.momentum
            )));
        }
        check_epsilon(self.epsilon, "batch norm")
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        Ok(read.first)
    }

    fn tensors(&self, read: Shape) -> Vec<Tensor> {
        let statistic = |name, value| Tensor::constant(name, vec![channels_of(read)], Role::Running, value);
        let mut tensors = scale_and_shift(read);
        tensors.extend([statistic("running_mean", 0.0), statistic("running_var", 1.0)]);
        for tensor in &mut tensors {
            tensor.order = order_of(read);
        }
        tensors
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("batch norm")
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}

/// What a norm multiplies each channel by and adds to it.
pub(super) fn scale_and_shift(read: Shape) -> Vec<Tensor> {
    let one = |name, role, value| Tensor {
        order: order_of(read),
        ..Tensor::constant(name, vec![channels_of(read)], role, value)
    };
    vec![one("scale", Role::Scale, 1.0), one("shift", Role::Shift, 0.0)]
}

/// Of numbers that there is one of a channel.
pub(super) fn order_of(read: Shape) -> Order {
    match read {
        Shape::Flat(_) => Order::AsRead,
        Shape::Image { .. } => Order::Same,
    }
}
