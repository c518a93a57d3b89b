//! Networks as data ([`NetSpec`]), built by [`Mlp`] and friends, run by a fused CPU executor.

mod activation;
mod init;
mod spec;

pub use activation::Activation;
pub use init::Init;
pub use spec::{Layer, LayerKind, NetSpec};
