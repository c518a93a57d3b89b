//! [`Surface`]: functions of two numbers on which optimizers are known to differ, and the paths that rules take down
//! them. A path is two parameters and their gradient, without a network: what a rule does, and nothing else.

mod chart;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::base::number::count;
use crate::net::{Role, TensorInfo};
use crate::show::readable_number;
use crate::{Error, Number, Result};

/// A function of two numbers to be made small.
///
/// ```
/// use jook::train::Surface;
/// use jook::prelude::*;
/// let valley = Surface::Rosenbrock;
/// let plain = valley.descend(Recipe::new().sgd(0.001), 500)?;
/// let adam = valley.descend(Recipe::new().adam(0.05), 500)?;
/// assert!(adam.value() < plain.value());
/// show(&valley.chart(&[plain, adam]));
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Surface {
    /// (x^2 + c y^2) / 2, a bowl whose second direction is `c` times as steep: what features of different sizes make.
    Bowl(f64),
    /// (1 - x)^2 + 100 (y - x^2)^2: a bent, flat valley between steep walls (Rosenbrock 1960).
    Rosenbrock,
    /// (1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2: plains with sharp peaks at their corners (Beale 1958).
    Beale,
    /// (x^2 + y - 11)^2 + (x + y^2 - 7)^2: four minima alike (Himmelblau 1972).
    Himmelblau,
    /// x^4 / 4 - x^2 / 2 + y^2 / 2: a saddle at 0, where the gradient vanishes, between two minima.
    Saddle,
    /// x^2 + y^2 - 10 cos(2 pi x) - 10 cos(2 pi y) + 20: a bowl full of dents (Rastrigin 1974).
    Rastrigin,
}

/// A path down a [`Surface`].
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub surface: Surface,
    /// The rule with its rate.
    pub name: String,
    /// The start, and where the parameters were after each update.
    pub points: Vec<[f64; 2]>,
    /// The function's value at each of them.
    pub values: Vec<f64>,
    /// How far the last point is from the nearest minimum.
    pub distance: f64,
}

impl Surface {
    /// All of them, a bowl of 50 among them.
    pub const ALL: [Surface; 6] = [
        Surface::Bowl(50.0),
        Surface::Rosenbrock,
        Surface::Beale,
        Surface::Himmelblau,
        Surface::Saddle,
        Surface::Rastrigin,
    ];

    /// The value at a point.
    pub fn value(self, [x, y]: [f64; 2]) -> f64 {
        match self {
            Surface::Bowl(c) => (x * x + c * y * y) / 2.0,
            Surface::Rosenbrock => (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2),
            Surface::Beale => (1..4)
                .map(|n| (BEALE[n as usize - 1] - x + x * y.powi(n)).powi(2))
                .sum(),
            Surface::Himmelblau => (x * x + y - 11.0).powi(2) + (x + y * y - 7.0).powi(2),
            Surface::Saddle => x.powi(4) / 4.0 - x * x / 2.0 + y * y / 2.0,
            Surface::Rastrigin => {
                let dent = |x: f64| x * x - 10.0 * (std::f64::consts::TAU * x).cos();
                dent(x) + dent(y) + 20.0
            }
        }
    }

    /// The gradient at a point.
    pub fn gradient(self, [x, y]: [f64; 2]) -> [f64; 2] {
        match self {
            Surface::Bowl(c) => [x, c * y],
            Surface::Rosenbrock => {
                let off = y - x * x;
                [-2.0 * (1.0 - x) - 400.0 * x * off, 200.0 * off]
            }
            Surface::Beale => (1..4).fold([0.0, 0.0], |[dx, dy], n| {
                let off = 2.0 * (BEALE[n as usize - 1] - x + x * y.powi(n));
                let slope = off * x * f64::from(n) * y.powi(n - 1);
                [dx + off * (y.powi(n) - 1.0), dy + slope]
            }),
            Surface::Himmelblau => {
                let (a, b) = (x * x + y - 11.0, x + y * y - 7.0);
                [4.0 * x * a + 2.0 * b, 2.0 * a + 4.0 * y * b]
            }
            Surface::Saddle => [x.powi(3) - x, y],
            Surface::Rastrigin => {
                let tau = std::f64::consts::TAU;
                [x, y].map(|x| 2.0 * x + 10.0 * tau * (tau * x).sin())
            }
        }
    }

    /// Where it is smallest.
    pub fn minima(self) -> Vec<[f64; 2]> {
        match self {
            Surface::Bowl(_) | Surface::Rastrigin => vec![[0.0, 0.0]],
            Surface::Rosenbrock => vec![[1.0, 1.0]],
            Surface::Beale => vec![[3.0, 0.5]],
            Surface::Himmelblau => vec![
                [3.0, 2.0],
                [-2.805_118, 3.131_312],
                [-3.779_310, -3.283_186],
                [3.584_428, -1.848_126],
            ],
            Surface::Saddle => vec![[-1.0, 0.0], [1.0, 0.0]],
        }
    }

    /// Where a path usually starts: where the rules part ways.
    pub fn start(self) -> [f64; 2] {
        match self {
            Surface::Bowl(_) => [-9.0, 2.0],
            Surface::Rosenbrock => [-1.5, 2.0],
            Surface::Beale => [1.0, 1.5],
            Surface::Himmelblau => [0.0, 0.0],
            Surface::Saddle => [0.001, 1.5],
            Surface::Rastrigin => [-3.2, 2.7],
        }
    }

    /// The path of a recipe's rule from the usual [`start`](Self::start), so many updates long: at its rate, by its
    /// schedule, with its clipping. An epoch is one update.
    ///
    /// # Errors
    /// When the recipe cannot be followed.
    pub fn descend(self, recipe: impl Into<Recipe>, updates: impl Number) -> Result<Path> {
        self.descend_from(self.start(), recipe, updates)
    }

    /// As [`descend`](Self::descend), from another point. A path that leaves the finite numbers ends there.
    ///
    /// # Errors
    /// When the recipe cannot be followed, or the start is not finite.
    pub fn descend_from(
        self,
        start: [f64; 2],
        recipe: impl Into<Recipe>,
        updates: impl Number,
    ) -> Result<Path> {
        let updates = count("a path's updates", updates, 1)?;
        if !start.iter().all(|x| x.is_finite()) {
            return Err(Error::spec(format!("expected a finite start, found {start:?}")).at("a path"));
        }
        let recipe = recipe.into().steps(updates);
        recipe.validate()?;
        let mut optimizer = recipe.optimizer(None);
        optimizer.plan(&[TensorInfo {
            name: "point".into(),
            range: 0..2,
            shape: vec![2],
            frozen: false,
            role: Role::Weight,
            units_first: false,
            table: false,
        }])?;
        let mut parameters = start.map(|x| x as f32);
        let mut states = Vec::new();
        let mut points = vec![start];
        for step in 0..updates {
            let mut gradients = self.gradient(parameters.map(f64::from)).map(|g| g as f32);
            let update = recipe.update_at(step, 1, 1.0);
            optimizer.step(&mut parameters, &mut gradients, &mut states, update);
            if !parameters.iter().all(|p| p.is_finite()) {
                break;
            }
            // A rule that averages gives another point than the one it looks at.
            let given = optimizer.given(&parameters, &states);
            let point = given.as_deref().unwrap_or(&parameters);
            points.push([f64::from(point[0]), f64::from(point[1])]);
        }
        let values = points.iter().map(|&point| self.value(point)).collect();
        let last = points.last().copied().unwrap_or(start);
        let far = |[x, y]: [f64; 2]| (x - last[0]).hypot(y - last[1]);
        Ok(Path {
            surface: self,
            name: recipe.rule.to_string(),
            values,
            distance: self.minima().into_iter().map(far).fold(f64::INFINITY, f64::min),
            points,
        })
    }
}

/// The constants of Beale's function.
const BEALE: [f64; 3] = [1.5, 2.25, 2.625];

impl Path {
    /// The value at its end.
    pub fn value(&self) -> f64 {
        self.values.last().copied().unwrap_or(f64::NAN)
    }

    /// Another name for legend and table.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Surface::Bowl(c) => write!(f, "a bowl {c} times as steep one way"),
            Surface::Rosenbrock => f.write_str("Rosenbrock's valley"),
            Surface::Beale => f.write_str("Beale's plains"),
            Surface::Himmelblau => f.write_str("Himmelblau's four minima"),
            Surface::Saddle => f.write_str("a saddle between two minima"),
            Surface::Rastrigin => f.write_str("Rastrigin's dents"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} updates to {}, {} from a minimum",
            self.name,
            self.points.len().saturating_sub(1),
            readable_number(self.value()),
            readable_number(self.distance)
        )
    }
}
