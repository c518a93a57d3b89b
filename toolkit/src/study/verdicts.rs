//! [`Verdicts`]: claims put to the test, one experiment each or several under other conditions, and what came of them.

use std::fmt;

use plotly::{Plot, Trace};
use polars::prelude::{Column, DataFrame};
use serde_json::json;

use super::statistics::Paired;
use super::study::Study;
use crate::number::count;
use crate::show::{Align, Bundle, Show, Table, chart, readable_number};
use crate::{Error, Number, Result};

/// What an experiment says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The 95% interval of the gain lies above what the claim asks for.
    Holds,
    /// It holds under some of the conditions that were tried.
    Conditional,
    /// The interval reaches below what the claim asks for, and not wholly: so many seeds do not tell.
    Open,
    /// The interval lies wholly below what the claim asks for.
    Fails,
}

/// The height of an experiment in [`Verdicts::chart`], in pixels.
const ROW: usize = 19;

/// One experiment.
#[derive(Clone, Debug, PartialEq)]
struct Trial {
    section: String,
    claim: String,
    condition: String,
    /// What the mean gain must be above.
    least: f64,
    with: f64,
    without: f64,
    paired: Paired,
    verdict: Verdict,
}

/// A list of claims with their experiments. Each experiment gives, for each seed, a number with the trick and one
/// without it; a larger one is better.
///
/// ```
/// use jook::prelude::*;
/// use jook::study::{Verdict, Verdicts};
/// let mut verdicts = Verdicts::new(4);
/// let noise = |seed: u64| 0.01 * (seed % 3) as f64;
/// verdicts.test("Toys", "a trick gains a tenth", "always", 0.0, |seed| Ok((0.9 + noise(seed), 0.8)))?;
/// assert_eq!(verdicts.verdict("a trick gains a tenth"), Some(Verdict::Holds));
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verdicts {
    seeds: Result<usize>,
    trials: Vec<Trial>,
}

impl Verdicts {
    /// None yet; each experiment will run with the seeds 0 to `seeds` - 1, of which there are two or more.
    pub fn new(seeds: impl Number) -> Self {
        Self {
            seeds: count("verdicts, seeds", seeds, 2),
            trials: Vec::new(),
        }
    }

    /// Runs an experiment for a claim, its seeds in parallel: `pair` gives the number with the trick and the one without.
    /// The claim holds where the mean of the differences is above `least` with its whole 95% interval. The same claim under
    /// several conditions holds under conditions. A claim that is there under this condition is measured anew. An
    /// experiment stands below the earlier ones of its claim, and a new claim below those of its section.
    ///
    /// # Errors
    /// When an experiment fails or is stopped; what was measured before stays.
    pub fn test(
        &mut self,
        section: &str,
        claim: &str,
        condition: &str,
        least: f64,
        pair: impl Fn(u64) -> Result<(f64, f64)> + Sync,
    ) -> Result<Verdict> {
        let named = format!("the claim \"{claim}\"");
        let study = Study::new(claim)
            .seeds(self.seeds.clone()?)
            .in_memory()
            .quiet()
            .run(|t| {
                let (with, without) = pair(t.seed())?;
                Ok([("with", with), ("without", without)])
            })
            .map_err(|e| e.within(&named))?;
        let trials = study.trials();
        if let Some(error) = trials.iter().find_map(|trial| trial.error()) {
            return Err(Error::data(error.to_owned()).at(named));
        }
        if study.counts().stopped {
            return Err(Error::spec("it was stopped").at(named));
        }
        let both = |trial: &super::TrialResult| Some((trial.metric("with")?, trial.metric("without")?));
        let pairs: Vec<(f64, f64)> = trials.iter().filter_map(|trial| both(trial)).collect();
        let paired =
            Paired::of(&pairs).ok_or_else(|| Error::data("expected two finite pairs or more").at(named))?;
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
        let (low, high) = paired.interval.unwrap_or((paired.difference, paired.difference));
        let verdict = match () {
            () if low > least => Verdict::Holds,
            () if high <= least => Verdict::Fails,
            () => Verdict::Open,
        };
        self.trials
            .retain(|known| (&*known.claim, &*known.condition) != (claim, condition));
        // Beside the others of its claim, or else of its section.
        let last =
            |of: fn(&Trial) -> &str, name: &str| self.trials.iter().rposition(|known| of(known) == name);
        let beside = last(|known| &known.claim, claim).or_else(|| last(|known| &known.section, section));
        let place = beside.map_or(self.trials.len(), |last| last + 1);
        self.trials.insert(
            place,
            Trial {
                section: section.to_owned(),
                claim: claim.to_owned(),
                condition: condition.to_owned(),
                least,
                with: mean(|pair| pair.0),
                without: mean(|pair| pair.1),
                paired,
                verdict,
            },
        );
        Ok(verdict)
    }

    /// What all experiments for a claim say together; none where there is none.
    pub fn verdict(&self, claim: &str) -> Option<Verdict> {
        let mut own = self
            .trials
            .iter()
            .filter(|trial| trial.claim == claim)
            .map(|trial| trial.verdict);
        let first = own.next()?;
        Some(own.fold(first, |all, one| match (all, one) {
            (all, one) if all == one => all,
            (Verdict::Holds | Verdict::Conditional, _) | (_, Verdict::Holds) => Verdict::Conditional,
            // Without one that holds, what is not told outweighs what fails.
            _ => Verdict::Open,
        }))
    }

    /// The claims, each once, in the order of their first experiments, with their verdicts.
    pub fn claims(&self) -> Vec<(&str, Verdict)> {
        let mut claims: Vec<(&str, Verdict)> = Vec::new();
        for trial in &self.trials {
            if claims.iter().all(|(known, _)| *known != trial.claim) {
                claims.extend(self.verdict(&trial.claim).map(|verdict| (&*trial.claim, verdict)));
            }
        }
        claims
    }

    /// A row an experiment: section, claim, condition, the means with and without the trick, their mean difference with its
    /// 95% interval (null where all differences are equal), what it must be above, the number of seeds, the experiment's
    /// verdict, and that of the claim.
    pub fn frame(&self) -> DataFrame {
        let words = |name: &str, of: fn(&Trial) -> &str| {
            Column::new(name.into(), self.trials.iter().map(of).collect::<Vec<&str>>())
        };
        let number = |name: &str, of: fn(&Trial) -> Option<f64>| {
            Column::new(
                name.into(),
                self.trials.iter().map(of).collect::<Vec<Option<f64>>>(),
            )
        };
        let of_claims: Vec<Option<String>> = self
            .trials
            .iter()
            .map(|trial| self.verdict(&trial.claim).map(|verdict| verdict.to_string()))
            .collect();
        let own: Vec<String> = self
            .trials
            .iter()
            .map(|trial| trial.verdict.to_string())
            .collect();
        let seeds: Vec<u32> = self.trials.iter().map(|trial| trial.paired.n as u32).collect();
        let columns = vec![
            words("section", |t| &t.section),
            words("claim", |t| &t.claim),
            words("where", |t| &t.condition),
            number("with", |t| Some(t.with)),
            number("without", |t| Some(t.without)),
            number("gain", |t| Some(t.paired.difference)),
            number("low", |t| t.paired.interval.map(|(low, _)| low)),
            number("high", |t| t.paired.interval.map(|(_, high)| high)),
            number("asked", |t| Some(t.least)),
            Column::new("seeds".into(), seeds),
            Column::new("there".into(), own),
            Column::new("verdict".into(), of_claims),
        ];
        DataFrame::new(self.trials.len(), columns).unwrap_or_default()
    }

    /// Whether this row is a claim's first: its experiments stand together.
    fn begins_a_claim(&self, row: usize) -> bool {
        row == 0 || self.trials[row - 1].claim != self.trials[row].claim
    }

    /// The gain of each experiment with its 95% interval, one below another in the table's order, in the colour of its
    /// verdict (a forest plot: Lewis and Clarke 2001); an upright stroke is what the gain must be above. A claim's name
    /// stands at its first experiment; the condition is told by the pointer.
    pub fn chart(&self) -> Plot {
        let kinds = [Verdict::Holds, Verdict::Open, Verdict::Fails];
        let colours = [chart::color(0), chart::color(1), chart::color(3)];
        let drawn = kinds.iter().zip(colours).filter_map(|(kind, colour)| {
            let own = self
                .trials
                .iter()
                .enumerate()
                .filter(|(_, trial)| trial.verdict == *kind);
            let (rows, own): (Vec<usize>, Vec<&Trial>) = own.unzip();
            let gains: Vec<f64> = own.iter().map(|trial| trial.paired.difference).collect();
            let ends = own
                .iter()
                .zip(&gains)
                .map(|(trial, gain)| trial.paired.interval.unwrap_or((*gain, *gain)));
            let ends: Vec<(f64, f64)> = ends.collect();
            let words = own
                .iter()
                .map(|one| chart::plain(&format!("{}, {}", one.claim, one.condition)));
            (!own.is_empty()).then(|| {
                chart::RawTrace(json!({
                    "type": "scatter", "mode": "markers", "name": kind.to_string(), "x": gains, "y": rows,
                    "text": words.collect::<Vec<_>>(), "marker": {"color": colour, "size": 7},
                    "error_x": chart::error_bars(&gains, &ends, colour, 0),
                    "hovertemplate": "%{text}: %{x:.3g}<extra></extra>",
                }))
            })
        });
        let strokes = chart::RawTrace(json!({
            "type": "scatter", "mode": "markers", "name": "must be above",
            "x": self.trials.iter().map(|trial| trial.least).collect::<Vec<_>>(),
            "y": (0..self.trials.len()).collect::<Vec<_>>(), "hoverinfo": "skip",
            "marker": {"symbol": "line-ns", "size": 9, "line": {"width": 1.5, "color": chart::INK}},
        }));
        let (places, names): (Vec<f64>, Vec<String>) = self
            .trials
            .iter()
            .enumerate()
            .filter(|(row, _)| self.begins_a_claim(*row))
            .map(|(row, trial)| (row as f64, chart::plain(&trial.claim)))
            .unzip();
        let rows = self.trials.len() as f64;
        let up = chart::axis("")
            .tick_values(places)
            .tick_text(names)
            .range(vec![rows - 0.5, -0.5]);
        let layout = chart::layout("Each claim's experiments", "gain, with its 95% interval", "")
            .y_axis(up)
            .height(chart::HEIGHT.max(120 + ROW * self.trials.len()));
        let traces = drawn.chain((rows > 0.0).then_some(strokes));
        chart::plot(
            layout,
            traces.map(|one| Box::new(one) as Box<dyn Trace>).collect(),
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Holds => "holds",
            Verdict::Conditional => "holds under conditions",
            Verdict::Open => "not told",
            Verdict::Fails => "does not hold",
        })
    }
}

impl Show for Verdict {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

impl Show for Verdicts {
    fn bundle(&self) -> Bundle {
        let mut table = Table::new([
            "section",
            "claim",
            "where",
            "gain",
            "95% interval",
            "there",
            "verdict",
        ])
        .align(3, Align::Right);
        let mut section = "";
        for (row, trial) in self.trials.iter().enumerate() {
            let first = self.begins_a_claim(row);
            let verdict = self.verdict(&trial.claim).filter(|_| first);
            let interval = match trial.paired.interval {
                Some((low, high)) => format!("{} to {}", readable_number(low), readable_number(high)),
                None => "none".to_owned(),
            };
            table = table.row([
                if section == trial.section {
                    ""
                } else {
                    &trial.section
                }
                .to_owned(),
                if first { &trial.claim } else { "" }.to_owned(),
                trial.condition.clone(),
                readable_number(trial.paired.difference),
                interval,
                trial.verdict.to_string(),
                verdict.map_or_else(String::new, |verdict| verdict.to_string()),
            ]);
            section = &trial.section;
        }
        table.bundle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(gain: f64, spread: f64) -> Verdict {
        let mut verdicts = Verdicts::new(5);
        let pair = |seed: u64| Ok((0.5 + gain + spread * (seed as f64 - 2.0), 0.5));
        verdicts.test("s", "c", "always", 0.0, pair).expect("a verdict")
    }

    #[test]
    fn the_interval_decides() {
        assert_eq!(tested(0.1, 0.01), Verdict::Holds);
        assert_eq!(tested(0.1, 0.0), Verdict::Holds);
        assert_eq!(tested(0.01, 0.1), Verdict::Open);
        assert_eq!(tested(-0.1, 0.01), Verdict::Fails);
        assert_eq!(tested(0.0, 0.0), Verdict::Fails);
    }

    #[test]
    fn conditions_are_weighed_together() {
        let mut verdicts = Verdicts::new(3);
        let spread = |seed: u64| 0.001 * seed as f64;
        for (condition, gain) in [("few", 0.1), ("many", -0.1)] {
            verdicts
                .test("s", "c", condition, 0.0, |seed| Ok((gain + spread(seed), 0.0)))
                .expect("a verdict");
        }
        assert_eq!(verdicts.verdict("c"), Some(Verdict::Conditional));
        assert_eq!(verdicts.verdict("d"), None);
        let frame = verdicts.frame();
        assert_eq!((frame.height(), frame.width()), (2, 12));
        assert!(verdicts.bundle().plain().contains("holds under conditions"));
        // A row each: what holds, what does not, and what was asked of both.
        let drawn = verdicts.chart().to_json();
        for part in [
            r#""name":"holds""#,
            r#""name":"does not hold""#,
            r#""name":"must be above""#,
            r#""y":[0,1]"#,
        ] {
            assert!(drawn.contains(part), "{part} in {drawn}");
        }
        // Beside the others of its claim, whatever came between.
        for claim in ["d", "c"] {
            verdicts
                .test("s", claim, "sometimes", 0.0, |seed| Ok((0.1 + spread(seed), 0.0)))
                .expect("a verdict");
        }
        let order: Vec<&str> = verdicts.trials.iter().map(|trial| &*trial.claim).collect();
        assert_eq!(order, ["c", "c", "c", "d"]);
        // Measured anew, it stands once.
        verdicts
            .test("s", "c", "many", 0.0, |seed| Ok((0.1 + spread(seed), 0.0)))
            .expect("a verdict");
        assert_eq!(verdicts.claims(), [("c", Verdict::Holds), ("d", Verdict::Holds)]);
    }

    #[test]
    fn what_fails_says_which_claim() {
        let mut verdicts = Verdicts::new(3);
        let error = verdicts
            .test("s", "the claim", "always", 0.0, |_| {
                Err(Error::spec("no such thing"))
            })
            .expect_err("an error");
        assert!(error.to_string().contains("the claim") && error.to_string().contains("no such thing"));
        let nan = verdicts.test("s", "c", "always", 0.0, |_| Ok((f64::NAN, 0.0)));
        assert!(nan.is_err());
        let few = Verdicts::new(1).test("s", "c", "always", 0.0, |_| Ok((1.0, 0.0)));
        assert!(few.is_err());
        assert_eq!(verdicts.frame().height(), 0);
    }
}
