//! The ReLU with learned slopes.

use std::fmt;

use super::{Behind, Order, Places, Read, Rules, Tensor};
use crate::Result;
use crate::data::Shape;
use crate::net::graph::channels_of;
use crate::net::{Init, Role};

pub(super) struct PRelu {
    pub shared: bool,
    pub init: Init,
}

impl Rules for PRelu {
    fn validate(&self) -> Result<()> {
        self.init.validate_plain("slopes")
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        Ok(read.first)
    }

    fn tensors(&self, read: Shape) -> Vec<Tensor> {
        let slopes = if self.shared { 1 } else { channels_of(read) };
        vec![Tensor {
            name: "slope",
            shape: vec![slopes],
            role: Role::Scale,
            init: self.init,
            fans: [1, 1],
            order: match read {
                Shape::Flat(_) if !self.shared => Order::AsRead,
                _ => Order::Same,
            },
        }]
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.shared {
            "prelu of one slope"
        } else {
            "prelu"
        })
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}
