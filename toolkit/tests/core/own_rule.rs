//! An update rule of one's own: the sign of the momentum (Bernstein et al. 2018, "Signum").

use std::sync::{Arc, Mutex};

use jook::optim::{TensorStep, UpdateRule};
use jook::prelude::*;

use super::clouds;

struct Signum {
    momentum: f32,
    shapes: Arc<Mutex<Vec<Vec<usize>>>>,
}

impl UpdateRule for Signum {
    fn states(&self) -> usize {
        1
    }

    fn update(&self, tensor: TensorStep<'_>) {
        if tensor.step == 1 {
            self.shapes.lock().expect("shapes").push(tensor.shape.to_vec());
        }
        let state = tensor.states[0].iter_mut();
        for ((p, g), m) in tensor.parameters.iter_mut().zip(tensor.gradients).zip(state) {
            *m = self.momentum * *m + (1.0 - self.momentum) * g;
            *p -= tensor.rate as f32 * m.signum();
        }
    }
}

#[test]
fn it_sees_each_tensor_with_its_shape_and_remembers() -> Result<()> {
    let data = clouds(100, 0.0, 1);
    let net = Mlp::new([2, 6, 2]).build(0)?;
    let shapes = Arc::default();
    let rule = |shapes: &Arc<_>| Signum {
        momentum: 0.9,
        shapes: Arc::clone(shapes),
    };
    let recipe = Recipe::new().batch(100).sgd(0.01);
    let run = net
        .training()
        .rule(rule(&shapes))
        .run(&data, recipe.clone().steps(3))?;
    assert_eq!(
        *shapes.lock().expect("shapes"),
        [vec![2, 6], vec![6], vec![6, 2], vec![2]]
    );
    // Three steps of 0.01 each way.
    for (before, after) in net.parameters().iter().zip(run.network().parameters()) {
        let steps = (after - before) / 0.01;
        assert!(
            (steps - steps.round()).abs() < 1e-3 && steps.abs() < 3.001,
            "{steps}"
        );
    }
    let trained = net.training().rule(rule(&shapes)).run(&data, recipe.epochs(60))?;
    assert!(trained.evaluate(&data)?.accuracy > 0.95);
    Ok(())
}
