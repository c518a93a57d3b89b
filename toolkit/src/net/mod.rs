//! Networks as data ([`NetSpec`]), built by [`Mlp`] and friends, run by a fused CPU executor.

mod activation;
pub(crate) mod builder;
mod cnn;
pub mod cpu;
pub mod executor;
pub(crate) mod graph;
mod inception;
mod init;
pub(crate) mod layers;
mod lsuv;
mod mc_dropout;
mod mlp;
mod module;
mod moments;
mod network;
pub mod ops;
pub(crate) mod permute;
mod predict;
mod probe;
mod run_time;
mod show;
mod spec;
pub mod tape;
mod text_net;
mod validate;
mod weights;
mod window;

pub use crate::base::tensor::{Role, TensorInfo};
pub use activation::{Activation, SELU_ALPHA, SELU_SCALE};
pub use cnn::Cnn;
pub(crate) use graph::Source;
pub use inception::InceptionV3;
pub use init::Init;
pub(crate) use mc_dropout::Dropping;
pub use mlp::Mlp;
pub use module::NetworkModule;
pub use network::Network;
pub use predict::Prepared;
pub use probe::{Probe, Probed};
pub use spec::{Layer, LayerKind, NetSpec};
pub use text_net::TextNet;
pub use validate::{MAX_PARAMETERS, MAX_TOTAL_WIDTH, MAX_WIDTH};
pub use window::Window;

// In a cell a network reads `Mlp::new([64, 10]).activation(Relu).init(HeUniform)`.
pub use activation::Activation::{Elu, LeakyRelu, Maxout};
pub use activation::{Gelu, HardTanh, Identity, Mish, Relu, Selu, Sigmoid, Silu, Softsign, Tanh};
pub use init::Init::{
    Constant, FanUniform, HeNormal, HeUniform, LecunNormal, LecunUniform, Normal, Orthogonal, Sparse,
    Uniform, Word2Vec, XavierNormal, XavierUniform, Zeros,
};

#[cfg(test)]
pub(crate) mod tests;
