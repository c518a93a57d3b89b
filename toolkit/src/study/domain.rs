//! What a study may try: lists and ranges, and the combinations a search makes of them.

use std::fmt;

use rand::Rng as _;

use super::settings::Settings;
use super::value::{Content, Value};
use crate::seed::stream;
use crate::{Error, Result};

/// What one name may be: a list of values, or a range for random search.
///
/// ```
/// use jook::study::Domain;
/// let lists: Domain = [0.0, 0.2, 0.5].into();
/// let rates = Domain::log_uniform(1e-4, 1e-1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Domain(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    List(Vec<Value>),
    Uniform(f64, f64),
    LogUniform(f64, f64),
    Integer(i64, i64),
}

impl Domain {
    /// Numbers spread evenly in `[low, high]`, rounded to six significant digits.
    pub fn uniform(low: f64, high: f64) -> Self {
        Self(Kind::Uniform(low, high))
    }

    /// Numbers in `[low, high]` whose logarithm is spread evenly: learning rates, penalties. Rounded to six
    /// significant digits.
    pub fn log_uniform(low: f64, high: f64) -> Self {
        Self(Kind::LogUniform(low, high))
    }

    /// Whole numbers from `low` to `high`, both included, each as likely.
    pub fn integer(low: i64, high: i64) -> Self {
        Self(Kind::Integer(low, high))
    }

    /// # Errors
    /// When there is nothing to choose from, a value is not finite or comes twice, or a range is empty.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let problem = match &self.0 {
            Kind::List(values) if values.is_empty() => {
                Some("expected at least one value, found none".to_owned())
            }
            Kind::List(values) => values
                .iter()
                .enumerate()
                .find_map(|(i, value)| match value.content() {
                    Content::Number(x) if !x.is_finite() => {
                        Some(format!("expected finite numbers, found {x}"))
                    }
                    Content::Missing(_) => Some("expected a value, found none".to_owned()),
                    _ if values[..i].contains(value) => {
                        Some(format!("expected each value once, found {value} twice"))
                    }
                    _ => None,
                }),
            &Kind::Uniform(low, high) if !((high - low).is_finite() && low < high) => Some(format!(
                "expected a range from low to high, found {low} to {high}"
            )),
            &Kind::LogUniform(low, high) if !(low > 0.0 && high.is_finite() && low < high) => Some(format!(
                "expected a range from low to high above 0, found {low} to {high}"
            )),
            &Kind::Integer(low, high) if low > high => Some(format!(
                "expected a range from low to high, found {low} to {high}"
            )),
            _ => None,
        };
        match problem {
            Some(problem) => Err(Error::spec(problem).at(format!("vary(\"{name}\", ..)"))),
            None => Ok(()),
        }
    }

    fn draw(&self, rng: &mut crate::seed::Rng) -> Value {
        match &self.0 {
            Kind::List(values) => values[rng.random_range(0..values.len())],
            &Kind::Uniform(low, high) => rounded(rng.random_range(low..=high)).clamp(low, high).into(),
            &Kind::LogUniform(low, high) => rounded(rng.random_range(low.ln()..=high.ln()).exp())
                .clamp(low, high)
                .into(),
            &Kind::Integer(low, high) => rng.random_range(low..=high).into(),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::List(values) => {
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                f.write_str(&values.join(", "))
            }
            Kind::Uniform(low, high) => write!(f, "{low} to {high}"),
            Kind::LogUniform(low, high) => write!(f, "{low} to {high}, even in its logarithm"),
            Kind::Integer(low, high) => write!(f, "whole numbers {low} to {high}"),
        }
    }
}

/// To six significant digits: short to read, and what is read is what was used.
fn rounded(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

impl<V: Into<Value>, const N: usize> From<[V; N]> for Domain {
    fn from(values: [V; N]) -> Self {
        Self(Kind::List(values.into_iter().map(Into::into).collect()))
    }
}

impl<V: Into<Value>> From<Vec<V>> for Domain {
    fn from(values: Vec<V>) -> Self {
        Self(Kind::List(values.into_iter().map(Into::into).collect()))
    }
}

/// Every combination, the last name changing fastest.
///
/// # Errors
/// When a name has a range, or there are more than ten million combinations.
pub(super) fn grid(varied: &[(String, Domain)]) -> Result<Vec<Settings>> {
    let mut combinations = vec![Vec::new()];
    for (name, domain) in varied {
        let Kind::List(values) = &domain.0 else {
            return Err(Error::spec("a grid needs a list of values, found a range")
                .at(format!("vary(\"{name}\", ..)"))
                .fix("ask for a random search with .random(n, seed), or give a list"));
        };
        if combinations.len().saturating_mul(values.len()) > MOST {
            return Err(Error::spec("a grid of more than ten million combinations")
                .fix("try a random search with .random(n, seed)"));
        }
        combinations = combinations
            .iter()
            .flat_map(|head: &Vec<Value>| {
                values.iter().map(move |value| {
                    let mut one = head.clone();
                    one.push(value.named(name));
                    one
                })
            })
            .collect();
    }
    Ok(combinations.into_iter().map(Settings::new).collect())
}

/// Combinations, and trials, that one study may have.
pub(super) const MOST: usize = 10_000_000;

/// How many different combinations there are; none when a range is continuous.
fn size(varied: &[(String, Domain)]) -> Option<u128> {
    varied.iter().try_fold(1_u128, |size, (_, domain)| {
        let values = match &domain.0 {
            Kind::List(values) => values.len() as u128,
            &Kind::Integer(low, high) => (i128::from(high) - i128::from(low) + 1) as u128,
            Kind::Uniform(..) | Kind::LogUniform(..) => return None,
        };
        Some(size.saturating_mul(values))
    })
}

/// `n` different combinations drawn at random (fewer when there are no more). Each name draws from its own
/// stream of `seed`, so that adding a name leaves the draws of the others as they were.
pub(super) fn random(varied: &[(String, Domain)], n: usize, seed: u64) -> Vec<Settings> {
    let mut streams: Vec<_> = varied
        .iter()
        .map(|(name, _)| stream(seed, &format!("study/{name}")))
        .collect();
    let mut found = std::collections::HashSet::new();
    let mut combinations = Vec::new();
    // A countable space is drawn until it is exhausted; in a range rounded to six digits, so many repeats in a row
    // say that it holds no more.
    let (n, most_repeats) = match size(varied) {
        Some(size) => (n.min(usize::try_from(size).unwrap_or(n)), usize::MAX),
        None => (n, 10_000),
    };
    let mut repeats = 0;
    while combinations.len() < n && repeats < most_repeats {
        let settings = Settings::new(
            varied
                .iter()
                .zip(&mut streams)
                .map(|((name, domain), rng)| domain.draw(rng).named(name))
                .collect(),
        );
        if found.insert(settings.to_string()) {
            combinations.push(settings);
            repeats = 0;
        } else {
            repeats += 1;
        }
    }
    combinations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(drawn: &[Settings], name: &str) -> Vec<f64> {
        drawn
            .iter()
            .map(|s| s.get(name).unwrap().number().unwrap())
            .collect()
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let varied = [
            ("a".to_owned(), [1, 2].into()),
            ("b".to_owned(), ["x", "y", "z"].into()),
        ];
        let grid: Vec<String> = grid(&varied).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            grid,
            [
                "a=1, b=x", "a=1, b=y", "a=1, b=z", "a=2, b=x", "a=2, b=y", "a=2, b=z"
            ]
        );
        assert!(super::grid(&[("a".to_owned(), Domain::uniform(0.0, 1.0))]).is_err());
    }

    #[test]
    fn random_draws_follow_their_distributions() {
        let varied = [
            ("flat".to_owned(), Domain::uniform(2.0, 4.0)),
            ("rate".to_owned(), Domain::log_uniform(1e-4, 1.0)),
            ("count".to_owned(), Domain::integer(1, 4)),
            ("which".to_owned(), ["a", "b"].into()),
        ];
        let n = 4000;
        let drawn = random(&varied, n, 7);
        assert_eq!(drawn.len(), n);
        // Kolmogorov-Smirnov distance to the uniform law; 1.63 / sqrt(n) is its 1% point.
        let distance = |mut unit: Vec<f64>| {
            unit.sort_by(f64::total_cmp);
            unit.iter()
                .enumerate()
                .map(|(i, u)| {
                    (u - i as f64 / n as f64)
                        .abs()
                        .max((u - (i + 1) as f64 / n as f64).abs())
                })
                .fold(0.0, f64::max)
        };
        let flat = numbers(&drawn, "flat").iter().map(|x| (x - 2.0) / 2.0).collect();
        let rate = numbers(&drawn, "rate")
            .iter()
            .map(|x| (x.log10() + 4.0) / 4.0)
            .collect();
        assert!(distance(flat) < 1.63 / (n as f64).sqrt());
        assert!(distance(rate) < 1.63 / (n as f64).sqrt());
        for count in 1..=4 {
            let share = numbers(&drawn, "count")
                .iter()
                .filter(|&&x| x == f64::from(count))
                .count();
            assert!((share as f64 / n as f64 - 0.25).abs() < 0.03, "{count}: {share}");
        }
        let a = drawn
            .iter()
            .filter(|s| s.get("which").unwrap() == Value::from("a").named("which"))
            .count();
        assert!((a as f64 / n as f64 - 0.5).abs() < 0.03);
    }

    #[test]
    fn random_draws_repeat_and_stand_alone() {
        let rate = ("rate".to_owned(), Domain::log_uniform(1e-4, 1.0));
        let other = ("other".to_owned(), Domain::uniform(0.0, 1.0));
        let alone = random(std::slice::from_ref(&rate), 5, 3);
        let both = random(&[other.clone(), rate.clone()], 5, 3);
        assert_eq!(numbers(&alone, "rate"), numbers(&both, "rate"));
        assert_ne!(numbers(&alone, "rate"), numbers(&random(&[rate], 5, 4), "rate"));
    }

    #[test]
    fn a_small_space_ends_the_search() {
        assert_eq!(random(&[("a".to_owned(), [1, 2, 3].into())], 10, 0).len(), 3);
        // To the last one, however often the others come again before it.
        assert_eq!(
            random(&[("a".to_owned(), Domain::integer(1, 300))], 300, 0).len(),
            300
        );
    }

    #[test]
    fn broken_domains_are_errors() {
        for domain in [
            Domain::uniform(1.0, 1.0),
            Domain::uniform(0.0, f64::INFINITY),
            Domain::uniform(-1e308, 1e308),
            Domain::log_uniform(0.0, 1.0),
            Domain::integer(3, 2),
            Vec::<f64>::new().into(),
            [0.1, f64::NAN].into(),
            [1, 1].into(),
        ] {
            assert!(domain.check("x").unwrap_err().to_string().contains("\"x\""));
        }
    }
}
