//! What is counted of a layer, batch by batch.

use super::Probed;
use crate::net::graph::channels_of;
use crate::net::moments::Moments;
use crate::net::{Activation, Layer, LayerKind, NetSpec};

/// An output this near to a bound is saturated.
const NEAR: f32 = 0.01;

/// The counts of one layer.
pub(super) struct Counts {
    outputs: Moments,
    gradient: Option<Moments>,
    numbers: u64,
    zeros: u64,
    near: u64,
    /// Of each unit whether it was ever other than 0.
    alive: Vec<bool>,
}

/// The bounds of what an activation puts out, if it has two.
fn bounds(kind: &LayerKind) -> Option<(f32, f32)> {
    match kind {
        LayerKind::Activation(Activation::Tanh | Activation::HardTanh | Activation::Softsign) => {
            Some((-1.0, 1.0))
        }
        LayerKind::Activation(Activation::Sigmoid) => Some((0.0, 1.0)),
        _ => None,
    }
}

/// Whether a unit that is 0 does not learn.
fn may_die(kind: &LayerKind) -> bool {
    match kind {
        LayerKind::Activation(Activation::Relu) => true,
        LayerKind::Activation(Activation::LeakyRelu(slope) | Activation::Elu(slope)) => *slope == 0.0,
        _ => false,
    }
}

impl Counts {
    /// Nothing yet, for each layer.
    pub fn of_layers(spec: &NetSpec) -> Vec<Self> {
        let units = spec.shapes().into_iter().map(channels_of);
        let none = |units| Self {
            outputs: Moments::default(),
            gradient: None,
            numbers: 0,
            zeros: 0,
            near: 0,
            alive: vec![false; units],
        };
        units.map(none).collect()
    }

    /// Counts in what it put out for some examples; `kind` is what it is.
    pub fn add(&mut self, outputs: &[f32], kind: &LayerKind) {
        self.outputs.add(outputs);
        self.numbers += outputs.len() as u64;
        self.zeros += outputs.iter().filter(|y| **y == 0.0).count() as u64;
        if let Some((low, high)) = bounds(kind) {
            let near = |y: &&f32| **y <= low + NEAR || **y >= high - NEAR;
            self.near += outputs.iter().filter(near).count() as u64;
        }
        for place in outputs.chunks_exact(self.alive.len()) {
            for (alive, y) in self.alive.iter_mut().zip(place) {
                *alive |= *y != 0.0;
            }
        }
    }

    /// Counts in d loss / d output, each times `factor`.
    pub fn add_gradient(&mut self, slopes: &mut [f32], factor: f32) {
        slopes.iter_mut().for_each(|slope| *slope *= factor);
        self.gradient.get_or_insert_default().add(slopes);
    }

    /// What it comes to.
    pub fn finish(self, layer: &Layer) -> Probed {
        let share = |count: u64| count as f64 / self.numbers as f64;
        let units = self.alive.len();
        let dead = self.alive.iter().filter(|alive| !**alive).count() as f64 / units as f64;
        Probed {
            name: layer.name.clone(),
            kind: layer.kind.to_string(),
            units,
            mean: self.outputs.mean(),
            sd: self.outputs.variance().sqrt(),
            zeros: share(self.zeros),
            dead: may_die(&layer.kind).then_some(dead),
            saturated: bounds(&layer.kind).map(|_| share(self.near)),
            gradient_sd: self.gradient.map(|gradient| gradient.variance().sqrt()),
        }
    }
}
