//! Pages to look at: `JOOK_GALLERY=<folder> cargo test --release -p jook gallery -- --ignored` writes one
//! HTML file for each kind of output, on a light and on a dark page.

use std::path::Path;

use dfdx::shapes::Rank3;
use dfdx::tensor::{Cpu, Tensor, TensorFrom};
use plotly::Plot;

use super::chart::{self, Curve};
use super::*;

#[test]
#[ignore = "writes pages to look at, into the folder JOOK_GALLERY"]
fn gallery() {
    let Some(folder) = std::env::var_os("JOOK_GALLERY") else {
        return;
    };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let script = Plot::offline_js_sources();
    for (name, bundle) in outputs() {
        let body = match &bundle.plotly {
            Some(figure) => format!("<div id=\"c\"></div><script>Plotly.newPlot('c', {figure})</script>"),
            None => bundle.to_html(),
        };
        let script = if bundle.plotly.is_some() {
            script.as_str()
        } else {
            ""
        };
        for (theme, colors) in [
            ("light", "background:#fff;color:#222"),
            ("dark", "background:#111;color:#ddd"),
        ] {
            let page = format!(
                "<!doctype html><meta charset=\"utf-8\">{script}<body style=\"font:14px sans-serif;{colors}\">{body}"
            );
            std::fs::write(folder.join(format!("{name}-{theme}.html")), page).unwrap();
        }
        std::fs::write(folder.join(format!("{name}.txt")), bundle.plain()).unwrap();
    }
}

fn outputs() -> Vec<(&'static str, Bundle)> {
    let names = [
        "zero",
        "one",
        "two",
        "three",
        "<four>",
        "a class with quite a long name indeed",
    ];
    let counts: Vec<u64> = (0..36)
        .map(|i| if i % 7 == 0 { 30 + i } else { i * 7 % 5 })
        .collect();
    let mut all = charts(&names, &counts);
    all.push(("confusion-table", confusion_bundle(&names, &counts)));
    let digits: Vec<f32> = (0..12 * 64)
        .map(|i| ((i % 8) * (i / 8 % 8)) as f32 / 49.0)
        .collect();
    let grid = ImageGrid::new((8, 8, 1), &digits, (0..12).map(|i| format!("digit {i}"))).unwrap();
    all.push(("grid", grid.title("Twelve images").columns(6).bundle()));
    let colors: Vec<f32> = (0..3 * 32 * 32 * 3)
        .map(|i| [1.0, (i / 96 % 32) as f32 / 31.0, 0.2][i % 3])
        .collect();
    let grid = ImageGrid::new(
        (32, 32, 3),
        &colors,
        ["red", "a very long caption that has to be cut", ""],
    );
    all.push(("grid-color", grid.unwrap().limit(2).bundle()));
    let frame = polars::df!(
        "setting" => (0..40).map(|i| format!("hidden {i}, <relu>")).collect::<Vec<_>>(),
        "accuracy" => (0..40).map(|i| (i % 7 > 0).then_some(0.9 + f64::from(i) / 700.0)).collect::<Vec<_>>(),
        "n" => (0..40i32).map(|i| i * i).collect::<Vec<_>>(),
        "early" => (0..40).map(|i| i % 3 == 0).collect::<Vec<_>>(),
    );
    all.push(("frame", frame.unwrap().bundle()));
    let numbers: Vec<f32> = (0..24).map(|i| (i as f32 - 11.5) / 3.0).collect();
    let tensor: Tensor<Rank3<2, 3, 4>, f32, Cpu> = Cpu::default().tensor(numbers);
    all.push(("tensor", tensor.bundle()));
    let error = crate::Error::data("expected 64 numbers, found \"a < b\"")
        .at("row 3, column pixel_7")
        .fix("remove it");
    all.push(("error", error.bundle()));
    let progress = Progress::new("training", 200);
    (1..90).for_each(|i| progress.value(1.0 / i as f64 + (i as f64).sin() * 0.05));
    all.push(("progress", progress.snapshot(90, "loss 0.12, held-out 0.18")));
    all
}

fn charts(names: &[&str], counts: &[u64]) -> Vec<(&'static str, Bundle)> {
    let x: Vec<f64> = (1..=60).map(f64::from).collect();
    let curve = |name: &str, scale: f64| {
        let y: Vec<f64> = x.iter().map(|x| scale / x.sqrt() + 0.05 * x.sin()).collect();
        let shifted = |by: f64| y.iter().map(|y| y + by).collect();
        Curve {
            name: name.into(),
            x: x.clone(),
            band: Some((shifted(-0.1), shifted(0.1))),
            y: y.clone(),
        }
    };
    let curves = [
        curve("training", 1.0),
        curve("held-out <part>", 1.5),
        curve("a third one with a long name, cut", 2.0),
    ];
    let point = Curve {
        name: "one".into(),
        x: vec![3.0],
        y: vec![-2.0],
        band: Some((vec![-2.5], vec![-1.5])),
    };
    let groups: Vec<(String, Vec<f64>)> = (0..5)
        .map(|g| {
            let name = if g == 3 {
                "Maxout(2), Xavier uniform, dropout 0.2".into()
            } else {
                format!("0.{g}")
            };
            (
                name,
                (0..6)
                    .map(|i| 0.9 + 0.01 * f64::from(g) + 0.005 * f64::from(i * i % 7))
                    .collect(),
            )
        })
        .collect();
    let values: Vec<Vec<f64>> = (0..4)
        .map(|r| {
            (0..6)
                .map(|c| 0.85 + 0.02 * f64::from(r) + 0.004 * f64::from(c))
                .collect()
        })
        .collect();
    let mut signed: Vec<Vec<f64>> = (0..4)
        .map(|r| {
            (0..6)
                .map(|c| f64::from(r - 2) * 0.1 + f64::from(c) * 0.03)
                .collect()
        })
        .collect();
    signed[1][2] = f64::NAN;
    let rows = ["16", "64", "64", "256 hidden units, two layers deep, and more"];
    let columns = ["0", "0.1", "0.2", "0.3", "0.4", "0.5"];
    let plots = [
        (
            "curves",
            chart::curves(["Loss", "epoch", "cross entropy"], &curves),
        ),
        ("point", chart::curves(["One point", "epoch", "value"], &[point])),
        ("empty", chart::curves(["Nothing", "x", "y"], &[])),
        (
            "boxes",
            chart::boxes(["Accuracy by setting", "dropout", "accuracy"], &groups),
        ),
        (
            "heatmap",
            chart::heatmap(["Accuracy", "dropout", "hidden"], &columns, &rows, &values),
        ),
        (
            "heatmap-signed",
            chart::heatmap(["Effect", "dropout", "hidden"], &columns, &rows, &signed),
        ),
        ("confusion", chart::confusion("What is confused", names, counts)),
    ];
    plots
        .into_iter()
        .map(|(name, plot)| (name, plot.bundle()))
        .collect()
}
