//! Deep Q-learning (Mnih et al. 2015) on a corridor of five cells: left or right, a reward of 1 at the right end.

use jook::prelude::*;

const CELLS: usize = 5;
const DISCOUNT: f32 = 0.9;

fn seen(cell: usize) -> [f32; CELLS] {
    std::array::from_fn(|i| f32::from(u8::from(i == cell)))
}

/// Where an action leads, what it brings, and whether the walk ends.
fn act(cell: usize, right: bool) -> (usize, f32, bool) {
    match (cell, right) {
        (3, true) => (4, 1.0, true),
        (cell, true) => (cell + 1, 0.0, false),
        (cell, false) => (cell.saturating_sub(1), 0.0, false),
    }
}

#[test]
fn its_values_are_those_of_the_bellman_equation() -> Result<()> {
    let net = Mlp::new([CELLS, 16, 2]).build(1)?;
    let mut learner = Stepper::new(&net, Recipe::new().adam(0.01).batch(8))?;
    let mut target = learner.network().clone();
    let transitions: Vec<(usize, bool)> = (0..4).flat_map(|cell| [(cell, false), (cell, true)]).collect();
    let states: Vec<f32> = transitions.iter().flat_map(|&(cell, _)| seen(cell)).collect();
    for step in 0..600 {
        if step % 20 == 0 {
            target = learner.network().clone();
        }
        let next: Vec<f32> = transitions
            .iter()
            .flat_map(|&(cell, right)| seen(act(cell, right).0))
            .collect();
        let best = target.predict(&next)?;
        let values = learner.forward(&states)?.to_vec();
        // d (q - (reward + discount max q'))^2 / 2, at the action that was taken.
        let mut slopes = vec![0.0; values.len()];
        for (i, &(cell, right)) in transitions.iter().enumerate() {
            let (_, reward, ended) = act(cell, right);
            let later = if ended {
                0.0
            } else {
                DISCOUNT * best[2 * i].max(best[2 * i + 1])
            };
            let taken = 2 * i + usize::from(right);
            slopes[taken] = (values[taken] - (reward + later)) / transitions.len() as f32;
        }
        learner.backward(&slopes)?;
        learner.step()?;
    }
    for cell in 0..4 {
        let found = learner.network().predict(&seen(cell))?;
        // To the right the reward is 3 - cell steps away; to the left one more, and at the wall one.
        let right = DISCOUNT.powi(3 - cell as i32);
        let left = DISCOUNT * DISCOUNT.powi(3 - cell.saturating_sub(1) as i32);
        assert!(
            (found[1] - right).abs() < 0.02,
            "cell {cell}, right: {} for {right}",
            found[1]
        );
        assert!(
            (found[0] - left).abs() < 0.02,
            "cell {cell}, left: {} for {left}",
            found[0]
        );
    }
    Ok(())
}
