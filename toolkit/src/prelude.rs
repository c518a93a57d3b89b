//! The names a notebook cell wants: `use jook::prelude::*;`. What few cells need is under its folder: `jook::net::Init`.
//!
//! The crates `polars`, `plotly` and `dfdx` come along under their own names, so that examples from
//! their documentation paste in. With `use dfdx::prelude::*;` beside this one no type is ambiguous: `Tanh` and `Sigmoid`
//! are dfdx's layers as types, and where a value is meant `Activation::Tanh` says whose. dfdx's `Shape` and `Device` are left
//! alone: ours are [`jook::data::Shape`](crate::data::Shape), written as a number or as (height, width, channels), and
//! [`jook::Device`](crate::Device).

pub use crate::comm;
pub use crate::data::{
    Dataset, ImageDomain, ImageFolder, ImagePreparation, Preview, Spectrogram, Split, Standardizer,
    TableOptions, Targets, Vocabulary, datasets,
};
pub use crate::device::devices;
pub use crate::diagnose::{Diagnosis, Finding, Illness};
pub use crate::evaluate::{
    Calibration, ConfusionMatrix, EmbeddingEvaluation, EmbeddingOptions, Evaluation, Pca, Predictions,
    Regression, Tsne, Umap, View, reliability_diagram, wilson_interval,
};
pub use crate::loss::{
    ArcFace, CenterLoss, ContrastiveLoss, CosFace, Learned, Loss, Miner, MultiSimilarity, Objective,
    ProxyAnchor, Seen, Sum, SupervisedContrastive, TripletLoss, objective, on_tape,
};
pub use crate::net::{
    Activation, Cnn, Constant, Elu, FanUniform, Gelu, HardTanh, HeNormal, HeUniform, Identity, InceptionV3,
    Init, Layer, LayerKind, LeakyRelu, LecunNormal, LecunUniform, Maxout, Mish, Mlp, NetSpec, Network,
    NetworkModule, Normal, Orthogonal, Prepared, Relu, Role, Selu, Sigmoid, Silu, Softsign, Sparse, Tanh,
    TextNet, Uniform, Window, Word2Vec, XavierNormal, XavierUniform, Zeros, ops,
};
pub use crate::show::{
    Align, Bundle, Display, ImageGrid, Progress, Show, Table, chart, clear_output, quiet, readable_number,
    readable_time, show, show_updatable,
};
pub use crate::study::{
    Against, Backend, Chosen, Comparison, Comparisons, Domain, Job, Mean, Measured, Outcome, Paired,
    Settings, Store, Study, StudyResult, Trial, statistics,
};
pub use crate::train::{
    Augmentation, Budget, Ending, Flow, History, Load, Moment, Probes, RateSchedule, Recipe, Rule, Run,
    Sampler, Stepper, Train, Training, TypedOptimizer, Watcher,
};
pub use crate::transfer::{Concat, FeatureSet, Features, Retrain, Retrained};
pub use crate::weights::{self, Weights};
pub use crate::widgets::{Area, Button, Dropdown, FloatSlider, IntSlider, Interact, interact};
pub use crate::{Error, Number, Result, input, password};
pub use {dfdx, plotly, polars};
