//! Cells as a notebook has them: every prelude at once, names must not collide.

#![allow(unused_imports)]

use crate::prelude::*;
use dfdx::prelude::*;
use plotly::{Layout, Plot};
use polars::prelude::*;

use super::clouds;
use super::loops::undisturbed;

/// The names that cells use without saying whose they are: one that two preludes have does not compile here. (`Sigmoid`
/// and `Tanh` are ours and dfdx's: a cell with both preludes has to say whose it means.)
#[test]
fn the_names_of_a_cell_are_of_one_prelude_each() {
    fn is<T: ?Sized>() {}
    is::<(Dataset, Split, Role, ImageFolder, ImagePreparation)>();
    is::<(
        Mlp,
        Cnn,
        InceptionV3,
        Network,
        NetSpec,
        Activation,
        Init,
        Prepared,
    )>();
    is::<(Recipe, Run, Ending, History)>();
    is::<(Evaluation, ConfusionMatrix)>();
    is::<(
        Study,
        StudyResult,
        Settings,
        Domain,
        Measured,
        Trial,
        Mean,
        Paired,
    )>();
    is::<(Comparison, Comparisons, Against)>();
    is::<(Features<'_>, FeatureSet, Weights)>();
    is::<(Table, Bundle, Progress, Error)>();
    is::<(Layout, Plot, DataFrame, Column, Series)>();
    is::<(Cpu, AutoDevice, Tensor<Rank1<3>, f32, Cpu>)>();
    is::<(Linear<2, 3>, Dropout, BatchNorm1D<3>)>();
    let activations = [Relu, Maxout(2)];
    let inits = [HeUniform, HeNormal, XavierUniform, XavierNormal];
    assert_eq!((activations.len(), inits.len()), (2, 4));
    assert_eq!(datasets::digits().map(|digits| digits.len()).ok(), Some(1797));
}

#[test]
fn a_cell_with_all_preludes_trains_both_kinds_of_model() -> crate::Result<()> {
    let _turn = undisturbed();
    let data = clouds(100, 6, 3, 0.2, 41);
    let few = data.few_shot(10, 0)?;
    let net = Mlp::new([6, 16, 3]).activation(Relu).init(HeUniform).dropout(0.2);
    let run = net.train(
        &few.train,
        Recipe::new().epochs(30).batch(8).sgd(0.05).early_stopping(0.2),
    )?;
    assert!(run.evaluate(&few.test)?.accuracy > 0.95);
    let run = net.fit(&few, Recipe::new().epochs(30).batch(8).adam(0.01))?;
    assert!(run.evaluation.is_some());
    let run = net.train_with(&few.train, Recipe::new().epochs(2), |logits, targets| {
        cross_entropy_with_logits_loss(logits, targets)
    })?;
    let frame: DataFrame = run.history().frame();
    assert_eq!(frame.height(), 2);

    let dev = Cpu::default();
    let model = dev.build_module::<(Linear<6, 32>, dfdx::prelude::ReLU, Linear<32, 3>), f32>();
    let run = model.train(&few.train, Recipe::new().epochs(30).batch(8).adam(0.01))?;
    assert!(run.evaluate(&few.test)?.accuracy > 0.95);
    let deep = dev.build_module::<(
        Linear<6, 32>,
        Dropout,
        (Linear<32, 16>, dfdx::prelude::Tanh),
        Linear<16, 3>,
    ), f32>();
    assert!(deep.train(&few.train, Recipe::new().epochs(1)).is_ok());
    let linear = dev.build_module::<Linear<6, 3>, f32>();
    assert!(linear.train(&few.train, Recipe::new().epochs(1)).is_ok());
    Ok(())
}
