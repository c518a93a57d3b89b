//! Watchers of one's own: they stop, freeze, let learn again, and change the rate.

use jook::prelude::*;
use jook::train::{Ending, Moment};

use super::clouds;

/// Lets a layer learn from an update on, and stops at another.
struct Thaw {
    layer: &'static str,
    at: u64,
    end: u64,
    kept: Vec<Vec<f32>>,
}

impl Watcher for &mut Thaw {
    fn name(&self) -> Option<String> {
        Some(format!("thaws {} at {}", self.layer, self.at))
    }

    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        self.kept.push(at.parameters().to_vec());
        if at.step() == self.at {
            at.unfreeze(self.layer)?;
        }
        Ok(match at.step() == self.end {
            true => Flow::Stop("seen enough".into()),
            false => Flow::On,
        })
    }
}

#[test]
fn a_frozen_layer_learns_from_the_step_on_at_which_it_is_let() -> Result<()> {
    let data = clouds(40, 0.0, 1);
    let mut net = Mlp::new([2, 6, 2]).build(0)?;
    net.freeze_to("logits")?;
    let mut thaw = Thaw {
        layer: "dense1",
        at: 3,
        end: 6,
        kept: Vec::new(),
    };
    let run = net
        .training()
        .watch(&mut thaw)
        .run(&data, Recipe::new().sgd(0.1).batch(10).epochs(9))?;
    assert_eq!(
        run.ending,
        Ending::Stopped {
            step: 6,
            why: "seen enough".into()
        }
    );
    let first = net.tensors()[0].range.clone();
    for (i, parameters) in thaw.kept.iter().enumerate() {
        let moved = parameters[first.clone()] != net.parameters()[first.clone()];
        assert_eq!(moved, i >= 3, "after step {}", i + 1);
    }
    Ok(())
}

/// A tenth of the rate from step 5 on.
struct Slower;

impl Watcher for Slower {
    fn name(&self) -> Option<String> {
        Some("slower from step 5".into())
    }

    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        Ok(match at.step() >= 5 {
            true => Flow::Rate(0.1),
            false => Flow::On,
        })
    }
}

#[test]
fn a_watcher_is_part_of_what_was_trained() -> Result<()> {
    let data = clouds(40, 0.0, 1);
    let net = Mlp::new([2, 6, 2]).build(0)?;
    let recipe = Recipe::new().sgd(0.1).batch(10).steps(12).check_every(1);
    let path = std::env::temp_dir().join(format!("jook-watcher-{}.safetensors", std::process::id()));
    let whole = net
        .training()
        .watch(Slower)
        .run(&data, recipe.clone().checkpoint(&path, 8))?;
    let rates: Vec<f64> = whole.history().records().iter().map(|row| row.rate).collect();
    assert_eq!(rates, [[0.1; 5].to_vec(), [0.1 * 0.1; 7].to_vec()].concat());
    let refused = net
        .train(&data, recipe.clone().resume(&path))
        .expect_err("an error")
        .to_string();
    assert!(refused.contains("slower from step 5"), "{refused}");
    let resumed = net.training().watch(Slower).run(&data, recipe.resume(&path))?;
    assert_eq!(whole.network().parameters(), resumed.network().parameters());
    std::fs::remove_file(&path).map_err(|e| Error::io(&path, &e))
}

#[test]
fn averages_stand_in_for_the_last_parameters() -> Result<()> {
    let data = datasets::two_moons(200, 0.4, 1)?;
    let net = Mlp::new([2, 6, 2]).build(0)?;
    // At such a rate the last parameters jump about; their average does not.
    let recipe = Recipe::new().sgd(1.5).batch(4).epochs(6).seed(2);
    let jump = |recipe: Recipe| -> Result<f64> {
        let one = net.train(&data, recipe.clone().steps(290))?;
        let other = net.train(&data, recipe.steps(300))?;
        let pairs = one
            .network()
            .parameters()
            .iter()
            .zip(other.network().parameters());
        Ok(pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt())
    };
    let (last, average) = (jump(recipe.clone())?, jump(recipe.average(0.99))?);
    assert!(average < 0.5 * last, "{average} for {last}");
    Ok(())
}
