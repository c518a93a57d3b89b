//! [`Probes`]: what the layers of a network do, again and again as its training goes.

use std::fmt;

use plotly::Plot;
use polars::prelude::{Column, DataFrame};

use super::super::watch::{Flow, Moment, Watcher};
use crate::data::Dataset;
use crate::net::{Network, Probe, Probed};
use crate::number::count;
use crate::show::{Bundle, Show, chart};
use crate::{Error, Number, Result};

/// A number that a [`Probe`] has of a layer: its name, how to take it, and whether it spans powers of ten.
type Measure = (&'static str, fn(&Probed) -> Option<f64>, bool);

const MEASURES: [Measure; 6] = [
    ("dead", |layer| layer.dead, false),
    ("saturated", |layer| layer.saturated, false),
    ("zeros", |layer| Some(layer.zeros), false),
    ("mean", |layer| Some(layer.mean), false),
    ("sd", |layer| Some(layer.sd), true),
    ("gradient_sd", |layer| layer.gradient_sd, true),
];

/// [`Probe`]s of a network as its training goes: activations, dead and saturated units and gradients by depth, before the
/// first update, after every so many, and after the recipe's last. [`Network::probes`] makes it, and a training takes it as a
/// [`Watcher`], by `&mut`. It changes nothing, and checkpoints do not keep it. Ends a cell as a table and a chart.
#[derive(Clone)]
pub struct Probes {
    network: Network,
    data: Dataset,
    every: u64,
    taken: Vec<(u64, Probe)>,
}

impl Network {
    /// Probes for a training of this network: [`probe`](Self::probe) on `data` now, after every `every` (1 or more)
    /// updates, and after the last of the recipe. Each costs a pass over `data`, forward and back.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?.few_shot(10, 0)?;
    /// let net = Mlp::new([64, 32, 32, 10]).build(0)?;
    /// let mut probes = net.probes(&digits.train, 10)?;
    /// net.training().watch(&mut probes).run(&digits.train, Recipe::new().steps(25).sgd(0.5))?;
    /// let steps: Vec<u64> = probes.taken().iter().map(|(step, _)| *step).collect();
    /// assert_eq!(steps, [0, 10, 20, 25]);
    /// probes.chart("dead")?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`probe`](Self::probe), and when `every` is no such number.
    #[doc(alias = "hooks")]
    pub fn probes(&self, data: &Dataset, every: impl Number) -> Result<Probes> {
        Ok(Probes {
            every: count("probes, every", every, 1)? as u64,
            taken: vec![(0, self.probe(data)?)],
            network: self.clone(),
            data: data.clone(),
        })
    }
}

impl Watcher for &mut Probes {
    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        let step = at.step();
        if step.is_multiple_of(self.every) || step == at.steps() {
            self.take(step, at)?;
        }
        Ok(Flow::On)
    }
}

impl Probes {
    fn take(&mut self, step: u64, at: &mut Moment<'_, '_>) -> Result<()> {
        put(self.network.parameters_mut(), at.parameters())?;
        put(self.network.buffers_mut(), at.work.executor.buffers())?;
        let probe = self.network.probe(&self.data)?;
        // A training that is run with the same probes again begins anew.
        self.taken.retain(|(earlier, _)| *earlier < step);
        self.taken.push((step, probe));
        Ok(())
    }

    /// Updates made, and what was seen then, in their order.
    pub fn taken(&self) -> &[(u64, Probe)] {
        &self.taken
    }

    /// A row for each layer and look as a polars frame: step (u64), and the columns of [`Probe::frame`].
    pub fn frame(&self) -> DataFrame {
        let mut all = DataFrame::default();
        for (step, probe) in &self.taken {
            let mut frame = probe.frame();
            let steps = Column::new("step".into(), vec![*step; frame.height()]);
            // Every look has the same columns.
            let joined = frame.insert_column(0, steps).and_then(|frame| all.vstack(frame));
            all = joined.unwrap_or(all);
        }
        all
    }

    /// Layers down, updates across: one of "dead", "saturated", "zeros", "mean", "sd" and "gradient_sd", as [`Probed`] has
    /// them; of "sd" and "gradient_sd" the decimal logarithm. Layers that have no such number are left out.
    ///
    /// # Errors
    /// When `measure` is none of these.
    pub fn chart(&self, measure: &str) -> Result<Plot> {
        let found = MEASURES.iter().find(|(name, ..)| *name == measure);
        let Some((_, of, logarithmic)) = found else {
            let names = MEASURES.map(|(name, ..)| name);
            return Err(Error::spec(format!("no layer has a {measure:?}"))
                .at("the chart of probes")
                .fix(format!("use one of: {}", names.join(", "))));
        };
        let title = match measure {
            "dead" => "Share of dead units",
            "saturated" => "Share of saturated outputs",
            "zeros" => "Share of outputs that are 0",
            "mean" => "Mean of outputs",
            "sd" => "Standard deviation of outputs, decimal logarithm",
            _ => "Standard deviation of gradients, decimal logarithm",
        };
        let number = |layer: &Probed| -> f64 {
            let x = of(layer).unwrap_or(f64::NAN);
            let x = if *logarithmic { x.log10() } else { x };
            if x.is_finite() { x } else { f64::NAN }
        };
        let layers = self.taken.first().map_or(&[][..], |(_, probe)| probe.layers());
        let rows: Vec<usize> = (0..layers.len())
            .filter(|&row| of(&layers[row]).is_some())
            .collect();
        let names: Vec<&str> = rows.iter().map(|&row| layers[row].name.as_str()).collect();
        let steps: Vec<String> = self.taken.iter().map(|(step, _)| step.to_string()).collect();
        let values: Vec<Vec<f64>> = rows
            .iter()
            .map(|&row| {
                let looks = self.taken.iter();
                looks.map(|(_, probe)| number(&probe.layers()[row])).collect()
            })
            .collect();
        Ok(chart::heatmap(
            [title, "update", "layer"],
            &steps,
            &names,
            &values,
        ))
    }

    /// What there is to see first: dead units, else saturated outputs, else gradients, else outputs.
    fn first(&self) -> &'static str {
        let layers = self.taken.first().map_or(&[][..], |(_, probe)| probe.layers());
        let has = |of: fn(&Probed) -> Option<f64>| layers.iter().any(|layer| of(layer).is_some());
        match () {
            () if has(|layer| layer.dead) => "dead",
            () if has(|layer| layer.saturated) => "saturated",
            () if has(|layer| layer.gradient_sd) => "gradient_sd",
            () => "sd",
        }
    }
}

/// Puts these numbers in, if there are as many.
fn put(own: &mut [f32], numbers: &[f32]) -> Result<()> {
    if own.len() != numbers.len() {
        return Err(Error::spec(format!(
            "the probes are of a network of {} numbers, and the training is of one of {}",
            own.len(),
            numbers.len()
        ))
        .at("probes")
        .fix("make them from the network that is trained: let mut probes = net.probes(&data, 100)?"));
    }
    own.copy_from_slice(numbers);
    Ok(())
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} looks at {}", self.taken.len(), self.network.spec())
    }
}

impl Show for Probes {
    fn bundle(&self) -> Bundle {
        let bundle = self.frame().bundle();
        match self.chart(self.first()) {
            Ok(plot) => bundle.plot(&plot),
            Err(_) => bundle,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::data::datasets;
    use crate::net::{Activation, Mlp};
    use crate::train::Recipe;

    fn moons() -> Dataset {
        datasets::two_moons(60, 0.1, 0).expect("data")
    }

    fn bits(network: &Network) -> Vec<u32> {
        let all = network.parameters().iter().chain(network.buffers());
        all.map(|x| x.to_bits()).collect()
    }

    #[test]
    fn each_look_is_at_the_network_of_its_step_and_changes_nothing() {
        let moons = moons();
        let net = Mlp::new([2, 8, 6, 2]).batch_norm().build(3).expect("a network");
        let recipe = |steps: usize| Recipe::new().steps(steps).batch(15).sgd(0.3);
        let mut probes = net.probes(&moons, 3).expect("probes");
        let training = net.training().watch(&mut probes);
        let run = training.run(&moons, recipe(8)).expect("a run");
        let bare = net.train(&moons, recipe(8)).expect("a run");
        assert_eq!(bits(run.network()), bits(bare.network()));
        let steps: Vec<u64> = probes.taken().iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [0, 3, 6, 8]);
        for (step, probe) in &probes.taken()[1..] {
            let there = net.train(&moons, recipe(*step as usize)).expect("a run");
            assert_eq!(probe, &there.network().probe(&moons).expect("a probe"), "{step}");
        }
        assert_eq!(probes.taken()[0].1, net.probe(&moons).expect("a probe"));
        // A second training with the same probes takes the place of the first.
        let training = net.training().watch(&mut probes);
        training.run(&moons, recipe(4)).expect("a run");
        let steps: Vec<u64> = probes.taken().iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [0, 3, 4]);
    }

    #[test]
    fn table_and_charts_have_a_row_for_each_layer_that_has_the_number() {
        let moons = moons();
        let net = Mlp::new([2, 8, 6, 2]).build(3).expect("a network");
        let mut probes = net.probes(&moons, 2).expect("probes");
        let training = net.training().watch(&mut probes);
        training.run(&moons, Recipe::new().steps(4)).expect("a run");
        let frame = probes.frame();
        assert_eq!((frame.height(), frame.width()), (3 * 5, 10));
        let figure = |measure: &str| -> Value {
            let plot = probes.chart(measure).expect("a chart");
            serde_json::from_str(&plot.to_json()).expect("JSON")
        };
        let rows = |measure: &str| figure(measure)["data"][0]["z"].as_array().expect("rows").len();
        assert_eq!((rows("dead"), rows("sd"), rows("gradient_sd")), (2, 5, 5));
        let found = figure("sd")["data"][0]["z"][4][2].as_f64().expect("a number");
        assert!((found - probes.taken()[2].1.layers()[4].sd.log10()).abs() < 1e-12);
        // Of a layer that no network has of this kind there is nothing to draw.
        assert_eq!(figure("saturated")["data"].as_array().map(Vec::len), Some(0));
        let why = probes.chart("deadly").err().expect("no such number").to_string();
        assert!(why.contains("saturated") && why.contains("gradient_sd"), "{why}");
        assert_eq!(probes.first(), "dead");
        let tanh = Mlp::new([2, 8, 2]).activation(Activation::Tanh);
        let tanh = tanh
            .build(0)
            .expect("a network")
            .probes(&moons, 1)
            .expect("probes");
        assert_eq!(tanh.first(), "saturated");
    }

    #[test]
    fn probes_of_another_network_are_refused() {
        let moons = moons();
        let [small, large] = [4, 8].map(|units| Mlp::new([2, units, 2]).build(0).expect("a network"));
        assert!(small.probes(&moons, 0).is_err() && small.probes(&moons, 0.5).is_err());
        let mut probes = small.probes(&moons, 1).expect("probes");
        let training = large.training().watch(&mut probes);
        let why = training.run(&moons, Recipe::new().steps(2)).expect_err("another");
        assert!(why.to_string().contains("net.probes"), "{why}");
    }
}
