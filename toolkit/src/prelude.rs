//! The names a notebook cell wants: `use jook::prelude::*;`. What few cells need is under its folder: `jook::net::Init`.
//!
//! The crates `polars`, `plotly` and `dfdx` come along under their own names, so that examples from
//! their documentation paste in. With `use dfdx::prelude::*;` beside this one no name is ambiguous: what dfdx has too
//! (`Shape`, and the values `Tanh` and `Sigmoid`) is left out here. A [`Shape`](crate::data::Shape) is written as a number
//! or as (height, width, channels), and the activations as `Activation::Tanh` and `Activation::Sigmoid`.

pub use crate::comm;
pub use crate::data::{
    Dataset, ImageDomain, ImageFolder, ImagePreparation, Split, Standardizer, TableOptions, Targets, datasets,
};
pub use crate::evaluate::{ConfusionMatrix, Evaluation, Regression, wilson_interval};
pub use crate::loss::{Loss, Objective, Seen, Sum, objective, on_tape};
pub use crate::net::{
    Activation, Cnn, FanUniform, Gelu, HeNormal, HeUniform, Identity, InceptionV3, Init, Layer, LayerKind,
    LeakyRelu, Maxout, Mlp, NetSpec, Network, NetworkModule, Normal, Relu, Role, Window, XavierNormal,
    XavierUniform, Zeros, ops,
};
pub use crate::show::{
    Align, Bundle, Display, ImageGrid, Progress, Show, Table, chart, clear_output, quiet, readable_number,
    readable_time, show, show_updatable,
};
pub use crate::study::{
    Domain, Mean, Measured, Outcome, Paired, Settings, Store, Study, StudyResult, Trial, statistics,
};
pub use crate::train::{
    Augmentation, Budget, Ending, Flow, Load, Moment, Recipe, Rule, Run, Sampler, Stepper, Train,
    TypedOptimizer, Watcher,
};
pub use crate::transfer::{Concat, FeatureSet, Features, Retrain, Retrained};
pub use crate::weights::{self, Weights};
pub use crate::widgets::{Area, Button, Dropdown, FloatSlider, IntSlider, Interact, interact};
pub use crate::{Error, Result, input, password};
pub use {dfdx, plotly, polars};
