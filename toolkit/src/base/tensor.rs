//! What a tensor of numbers that are learned is: its name, place and role.

use std::ops::Range;

/// What a tensor is for. All but the running statistics are learned, and penalties look at all of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The matrix of a dense layer, inputs x units, the weights of a convolution, kernel height x kernel
    /// width x input channels of a group x channels, or the table of an embedding, vocabulary x width.
    Weight,
    /// What a dense layer or convolution adds.
    Bias,
    /// What a norm multiplies by, and the slope of a PReLU.
    Scale,
    /// What a norm adds.
    Shift,
    /// A running statistic of batch norm: lives in the buffers, is not learned.
    Running,
}

/// Where a tensor of a network lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Layer and tensor: `dense1.weight`, `dense1.bias`, `batch_norm1.scale`, `.shift`, `.running_mean`,
    /// `.running_var`, `prelu1.slope`.
    pub name: String,
    /// Sizes, row-major.
    pub shape: Vec<usize>,
    /// Where it lies in [`Network::parameters`](crate::net::Network::parameters), or in [`Network::buffers`](crate::net::Network::buffers) if its role is
    /// [`Role::Running`].
    pub range: Range<usize>,
    /// Whether its layer takes no update.
    pub frozen: bool,
    /// What it is for.
    pub role: Role,
    /// Whether the first of its sizes counts the units, as in dfdx, and not the last.
    pub(crate) units_first: bool,
    /// Whether it is a table that vectors are looked up in.
    pub(crate) table: bool,
}
