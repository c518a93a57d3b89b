//! [`Optimizer`]: a rule at work on the tensors of a model.

use std::ops::Range;
use std::sync::Arc;

use super::group::{Group, Settings};
use super::{TensorStep, UpdateRule, sign};
use crate::base::tensor::{Role, TensorInfo};
use crate::{Error, Result};

/// A rule with what counts for each tensor of a model. What the rule remembers is not in it: that lives where the
/// parameters live.
pub struct Optimizer {
    rule: Arc<dyn UpdateRule>,
    base: Settings,
    groups: Vec<Group>,
    clip_norm: Option<f64>,
    clip_value: Option<f64>,
    runs: Vec<Run>,
}

/// Which update it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The rate, before the groups' factors.
    pub rate: f64,
    /// The momentum (or beta1), where the schedule changes it; none: the rule's own.
    pub momentum: Option<f64>,
    /// Its number, from 1.
    pub number: u64,
}

/// Parameters that are updated in one pass.
struct Run {
    range: Range<usize>,
    shape: Vec<usize>,
    hidden: Option<(usize, usize)>,
    units_first: bool,
    settings: Settings,
}

impl Optimizer {
    /// `rule` with the same settings for all tensors that take updates.
    pub fn new(rule: impl UpdateRule + 'static) -> Self {
        Self::with(Arc::new(rule), Settings::default(), Vec::new(), (None, None))
    }

    pub(crate) fn with(
        rule: Arc<dyn UpdateRule>,
        base: Settings,
        groups: Vec<Group>,
        (clip_norm, clip_value): (Option<f64>, Option<f64>),
    ) -> Self {
        Self {
            rule,
            base,
            groups,
            clip_norm,
            clip_value,
            runs: Vec::new(),
        }
    }

    /// Looks at the tensors of the model: before the first update, and after layers were frozen or unfrozen.
    ///
    /// # Errors
    /// When a group fits no tensor that is learned.
    pub fn plan(&mut self, tensors: &[TensorInfo]) -> Result<()> {
        let learned = || tensors.iter().filter(|tensor| tensor.role != Role::Running);
        for group in &self.groups {
            if !learned().any(|tensor| group.fits(&tensor.name)) {
                let known: Vec<&str> = learned().map(|tensor| tensor.name.as_str()).collect();
                return Err(Error::spec(format!("no tensor is named {}", group.tensors))
                    .at("recipe, groups")
                    .fix(format!("use one of, or a pattern of: {}", known.join(", "))));
            }
        }
        let head = tensors.iter().rfind(|tensor| tensor.role == Role::Weight);
        self.runs.clear();
        for tensor in learned() {
            let settings = Settings::of(tensor, self.base, &self.groups);
            if settings.frozen {
                continue;
            }
            let joins = self.rule.elementwise() && settings.max_norm.is_none();
            match self.runs.last_mut() {
                Some(last) if joins && last.range.end == tensor.range.start && last.settings == settings => {
                    last.range.end = tensor.range.end;
                    last.shape = vec![last.range.len()];
                    last.hidden = None;
                }
                _ => self.runs.push(Run {
                    range: tensor.range.clone(),
                    shape: tensor.shape.clone(),
                    hidden: matrix(tensor).filter(|_| head != Some(tensor)),
                    units_first: tensor.units_first,
                    settings,
                }),
            }
        }
        Ok(())
    }

    /// How many numbers a parameter the rule remembers.
    pub fn states(&self) -> usize {
        self.rule.states()
    }

    /// The parameters that are given instead of the trained ones, where the rule has others.
    pub(crate) fn given(&self, parameters: &[f32], states: &[Vec<f32>]) -> Option<Vec<f32>> {
        self.rule.given(parameters, states)
    }

    /// One update of `parameters` from their gradients, which are clipped in place. `states` are made at the first
    /// update.
    pub fn step(
        &self,
        parameters: &mut [f32],
        gradients: &mut [f32],
        states: &mut Vec<Vec<f32>>,
        update: Update,
    ) {
        if states.len() != self.rule.states() {
            *states = vec![vec![0.0; parameters.len()]; self.rule.states()];
        }
        self.clip(gradients);
        for run in &self.runs {
            let Settings {
                rate,
                decay,
                l1,
                proximal,
                l2,
                max_norm,
                ..
            } = run.settings;
            let p = &mut parameters[run.range.clone()];
            let g = &mut gradients[run.range.clone()];
            let rate = update.rate * rate;
            let shrink = (proximal && l1 > 0.0).then_some((rate * l1) as f32);
            let (mut l1, mut l2, mut decay) = (l1 as f32, l2 as f32, decay as f32);
            if proximal {
                l1 = 0.0;
            }
            if !self.rule.penalizes() {
                penalize(p, g, (l1, l2), (rate * f64::from(decay)) as f32);
                (l1, l2, decay) = (0.0, 0.0, 0.0);
            }
            let mut own: Vec<&mut [f32]> = states
                .iter_mut()
                .map(|state| &mut state[run.range.clone()])
                .collect();
            self.rule.update(TensorStep {
                parameters: &mut *p,
                gradients: g,
                states: &mut own,
                shape: &run.shape,
                hidden: run.hidden,
                rate,
                momentum: update.momentum,
                step: update.number,
                l1,
                l2,
                decay,
            });
            if let Some(by) = shrink {
                p.iter_mut()
                    .for_each(|p| *p = p.signum() * (p.abs() - by).max(0.0));
            }
            if let Some(most) = max_norm {
                match run.units_first {
                    true => limit_rows(p, &run.shape, most),
                    false => limit_columns(p, &run.shape, most),
                }
            }
        }
    }

    /// Clips the gradients of what takes updates, by value and then by their norm together, as PyTorch's
    /// `clip_grad_value_` and `clip_grad_norm_`.
    fn clip(&self, gradients: &mut [f32]) {
        if let Some(most) = self.clip_value {
            let most = most as f32;
            for run in &self.runs {
                gradients[run.range.clone()]
                    .iter_mut()
                    .for_each(|g| *g = g.clamp(-most, most));
            }
        }
        if let Some(most) = self.clip_norm {
            let squares = |run: &Run| -> f64 {
                let own = gradients[run.range.clone()].iter();
                own.map(|&g| f64::from(g) * f64::from(g)).sum()
            };
            let norm = self.runs.iter().map(squares).sum::<f64>().sqrt();
            let factor = (most / (norm + 1e-6)) as f32;
            if factor < 1.0 {
                for run in &self.runs {
                    gradients[run.range.clone()].iter_mut().for_each(|g| *g *= factor);
                }
            }
        }
    }
}

/// Rows and columns of weights as a matrix; none for other tensors and for tables of vectors.
fn matrix(tensor: &TensorInfo) -> Option<(usize, usize)> {
    let count = tensor.range.len();
    match (tensor.role, &tensor.shape[..]) {
        (Role::Weight, [first, .., last]) if !tensor.table && count > 0 => Some(match tensor.units_first {
            true => (*first, count / first),
            false => (count / last, *last),
        }),
        _ => None,
    }
}

/// The penalties for a rule that does not add them itself.
fn penalize(parameters: &mut [f32], gradients: &mut [f32], (l1, l2): (f32, f32), decay: f32) {
    if (l1, l2) != (0.0, 0.0) {
        for (g, p) in gradients.iter_mut().zip(parameters.iter()) {
            *g += l2 * p + l1 * sign(*p);
        }
    }
    if decay != 0.0 {
        parameters.iter_mut().for_each(|p| *p -= decay * *p);
    }
}

/// Scales down the weights that meet in one unit, all of one number on the first axis, where their norm is above `most`.
fn limit_rows(parameters: &mut [f32], shape: &[usize], most: f64) {
    let units = shape.first().copied().unwrap_or(1).max(1);
    for unit in parameters.chunks_exact_mut((parameters.len() / units).max(1)) {
        let square: f64 = unit.iter().map(|&p| f64::from(p) * f64::from(p)).sum();
        let factor = (most / square.sqrt()).min(1.0) as f32;
        unit.iter_mut().for_each(|p| *p *= factor);
    }
}

/// As [`limit_rows`], where the last axis counts the units.
fn limit_columns(parameters: &mut [f32], shape: &[usize], most: f64) {
    let units = shape.last().copied().unwrap_or(1).max(1);
    let mut squares = vec![0.0f64; units];
    for row in parameters.chunks_exact(units) {
        squares
            .iter_mut()
            .zip(row)
            .for_each(|(sum, &p)| *sum += f64::from(p) * f64::from(p));
    }
    let factors: Vec<f32> = squares
        .iter()
        .map(|&square| (most / square.sqrt()).min(1.0) as f32)
        .collect();
    for row in parameters.chunks_exact_mut(units) {
        row.iter_mut().zip(&factors).for_each(|(p, factor)| *p *= factor);
    }
}
