//! Gradient reversal.

use super::Op;
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};

/// The same numbers; the gradient comes back times this.
pub struct Turned(pub f32);

impl Op for Turned {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        y.copy_from_slice(read.x());
    }

    fn backward(&mut self, _read: Reading<'_>, _network: &Network, mut gradient: Gradient<'_>) {
        gradient.grad().iter_mut().for_each(|grad| *grad *= self.0);
    }
}
