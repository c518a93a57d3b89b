//! The distance between the means of two streams at a hidden layer: the maximum mean discrepancy of a linear kernel
//! (Gretton et al. 2012).

use std::cell::RefCell;
use std::rc::Rc;

use jook::net::tape::Logits;
use jook::prelude::*;
use jook::train::Moment;

use super::{clouds, near};

/// Keeps the gradients of the first update.
struct Keep(Rc<RefCell<Vec<f32>>>);

impl Watcher for Keep {
    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        if at.step() == 1 {
            *self.0.borrow_mut() = at.gradients().to_vec();
        }
        Ok(Flow::On)
    }
}

/// The hidden layer, tanh(x W + b) of 2 x 3 and 3, in f64.
fn hidden(parameters: &[f64], x: &[f32]) -> [f64; 3] {
    std::array::from_fn(|j| {
        let sum = f64::from(x[0]) * parameters[j] + f64::from(x[1]) * parameters[3 + j] + parameters[6 + j];
        sum.tanh()
    })
}

fn discrepancy(parameters: &[f64], one: &Dataset, other: &Dataset) -> f64 {
    let mean = |data: &Dataset| -> [f64; 3] {
        let mut sum = [0.0; 3];
        for row in data.rows() {
            hidden(parameters, row)
                .iter()
                .zip(&mut sum)
                .for_each(|(h, sum)| *sum += h / data.len() as f64);
        }
        sum
    };
    let (a, b) = (mean(one), mean(other));
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[test]
fn its_gradient_is_that_of_finite_differences() -> Result<()> {
    use dfdx::prelude::*;
    let (source, target) = (clouds(16, 0.0, 1), clouds(12, 0.8, 2));
    let net = Mlp::new([2, 3, 2]).activation(jook::net::Tanh).build(4)?;
    // Written in dfdx: rows of the first stream count 1/16 each, of the second -1/12.
    let mmd = on_tape(["activation1"], |mut outputs: Vec<Logits>, seen: &Seen<'_>| {
        let (a, b) = (seen.streams[0].range.len(), seen.streams[1].range.len());
        let signs = [vec![1.0 / a as f32; a], vec![-1.0 / b as f32; b]].concat();
        let hidden = outputs.remove(0);
        let signs = hidden.device().tensor_from_vec(signs, (1, a + b));
        signs
            .retaped::<OwnedTape<f32, Cpu>>()
            .matmul(hidden)
            .square()
            .sum()
    })
    .of_streams(2);
    let kept = Rc::default();
    net.training()
        .objective(mmd)
        .beside_in(&target, 12, Sampler::Shuffled)
        .watch(Keep(Rc::clone(&kept)))
        .run(&source, Recipe::new().sgd(1e-9).batch(16).steps(1))?;
    let start: Vec<f64> = net.parameters()[..9].iter().map(|&p| f64::from(p)).collect();
    let slope = |at: usize| {
        let (mut up, mut down) = (start.clone(), start.clone());
        up[at] += 1e-5;
        down[at] -= 1e-5;
        (discrepancy(&up, &source, &target) - discrepancy(&down, &source, &target)) / 2e-5
    };
    let expected: Vec<f64> = (0..9).map(slope).collect();
    near(&kept.borrow()[..9], &expected, 1e-4);
    // What lies behind the tap has no part in it.
    assert!(kept.borrow()[9..].iter().all(|&g| g == 0.0));
    Ok(())
}

#[test]
fn held_out_examples_cannot_judge_two_streams() -> Result<()> {
    let data = clouds(20, 0.0, 1);
    let two = objective(["activation1"], |_: &Seen<'_>, _| Ok(0.0)).of_streams(2);
    let net = Mlp::new([2, 3, 2]).build(0)?;
    let refused = net
        .training()
        .objective(two)
        .beside(&data)
        .run(&data, Recipe::new().early_stopping(0.2));
    let error = refused.expect_err("an error").to_string();
    assert!(
        error.contains("several streams") && error.contains("first stream alone"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_sum_judges_held_out_examples_by_its_terms_of_one_stream() -> Result<()> {
    let (source, target) = (clouds(40, 0.0, 1), clouds(40, 0.8, 2));
    let two = || objective(["logits"], |_: &Seen<'_>, _| Ok(0.0)).of_streams(2);
    let sum = || Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(0.5, two());
    let net = Mlp::new([2, 3, 2]).build(0)?;
    let held_out = clouds(20, 0.0, 3);
    let recipe = Recipe::new().epochs(3).seed(1);
    let watched = recipe.clone().validation(&held_out);
    let training = net.training().objective(sum()).beside(&target);
    let judged = training.run(&source, watched.clone())?;
    let alone = net.train(&source, watched)?;
    // The second term is zero everywhere: what remains is the first.
    assert_eq!(judged.network().parameters(), alone.network().parameters());
    // Without the second stream it is refused, by its name.
    let refused = net.training().objective(sum()).run(&source, recipe);
    let error = refused.expect_err("an error").to_string();
    assert!(
        error.contains("2 streams") && error.contains(".beside("),
        "{error}"
    );
    Ok(())
}
