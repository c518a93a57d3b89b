//! Cells as a notebook has them: every prelude at once, names must not collide.

#![allow(unused_imports)]

use crate::prelude::*;
use dfdx::prelude::*;
use plotly::{Layout, Plot};
use polars::prelude::*;

use super::clouds;
use super::loops::undisturbed;

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
    assert!(run.evaluate(&few.test)?.accuracy > 0.5);
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
    assert!(run.evaluate(&few.test)?.accuracy > 0.5);
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
