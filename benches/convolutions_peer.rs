//! The Rust side of `benches/convolutions`: does one timed piece of work for each JSON line it reads, and
//! answers with the seconds it took.

use std::io::{BufRead, Write};
use std::time::Instant;

use jook::data::Shape;
use jook::net::cpu::Passes;
use jook::net::{Layer, LayerKind, NetSpec, Network, Uniform, Window};
use jook::prelude::*;
use jook::seed;
use rand::Rng;
use serde_json::{Value, json};

fn random(count: usize) -> Vec<f32> {
    let mut rng = seed::stream(0, "benchmark");
    (0..count).map(|_| rng.random::<f32>() - 0.5).collect()
}

/// Work that is kept from one line to the next; does one pass.
type Work = Box<dyn FnMut() -> Result<()>>;

fn seconds(work: &mut Work, passes: u64) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..passes {
        work()?;
    }
    Ok(start.elapsed().as_secs_f64() / passes as f64)
}

/// The forward pass of a network made ready, on one batch.
fn forward(network: &Network, layer: &str, batch: usize) -> Result<Work> {
    let mut prepared = network.prepare(&[layer])?;
    let batch = random(batch * network.inputs());
    Ok(Box::new(move || {
        std::hint::black_box(prepared.run(&batch)?);
        Ok(())
    }))
}

/// Forward pass, gradient of the weights and gradient of the inputs, on one batch that stands where a training puts it.
fn there_and_back(network: Network, batch: usize) -> Result<Work> {
    let mut passes = Passes::new(&network, batch);
    passes
        .input(batch)
        .copy_from_slice(&random(batch * network.inputs()));
    let above = random(batch * network.outputs());
    Ok(Box::new(move || {
        std::hint::black_box(passes.run_still(&network));
        passes.backward_to_input(&network, &above);
        std::hint::black_box(passes.gradients());
        Ok(())
    }))
}

fn inception(batch: usize) -> Result<Work> {
    forward(&InceptionV3::new().build(0)?, "fc", batch)
}

/// One convolution with bias, and a ReLU where only the forward pass is asked for.
fn convolution(work: &Value, batch: usize) -> Result<Work> {
    let number = |name: &str| work[name].as_u64().unwrap_or(1) as usize;
    let pair = |name: &str| [0, 1].map(|i| work[name][i].as_u64().unwrap_or(0) as usize);
    let (side, channels) = (number("side"), number("inputs"));
    let conv = LayerKind::Conv2d {
        channels: number("outputs"),
        window: Window {
            kernel: pair("kernel"),
            stride: pair("stride"),
            padding: pair("padding"),
            dilation: [1, 1],
        },
        groups: number("groups"),
        bias: true,
        init: HeNormal,
        bias_init: Uniform(0.1),
    };
    if work["back"] == true {
        let spec = images(side, channels, vec![layer("conv", conv)]);
        return there_and_back(Network::new(&spec, 0)?, batch);
    }
    let spec = images(
        side,
        channels,
        vec![layer("conv", conv), layer("relu", LayerKind::Activation(Relu))],
    );
    forward(&Network::new(&spec, 0)?, "relu", batch)
}

/// A layer that reads the one before.
fn layer(name: &str, kind: LayerKind) -> Layer {
    Layer {
        name: name.into(),
        kind,
        from: vec![],
        frozen: false,
    }
}

fn images(side: usize, channels: usize, layers: Vec<Layer>) -> NetSpec {
    NetSpec {
        input: side * side * channels,
        image: Some(Shape::Image {
            height: side,
            width: side,
            channels,
        }),
        layers,
    }
}

/// Seconds of a training step of a CNN with two convolutions, as a cell would ask for it.
fn cnn(work: &Value) -> Result<f64> {
    const EXAMPLES: usize = 1024;
    let kernel = work["kernel"].as_u64().unwrap_or(5) as usize;
    let conv = |channels| LayerKind::Conv2d {
        channels,
        window: Window::square(kernel).same(),
        groups: 1,
        bias: true,
        init: FanUniform,
        bias_init: Zeros,
    };
    let dense = |units| LayerKind::Dense {
        units,
        bias: true,
        init: FanUniform,
        bias_init: Zeros,
    };
    let pool = || LayerKind::MaxPool2d {
        window: Window::square(2).stride(2),
        ceil: false,
    };
    let relu = || LayerKind::Activation(Relu);
    let spec = images(
        28,
        1,
        vec![
            layer("conv1", conv(32)),
            layer("relu1", relu()),
            layer("pool1", pool()),
            layer("conv2", conv(64)),
            layer("relu2", relu()),
            layer("pool2", pool()),
            layer("flatten", LayerKind::Flatten),
            layer("dense1", dense(128)),
            layer("relu3", relu()),
            layer("logits", dense(10)),
        ],
    );
    let shape = spec.shape();
    let mut rng = seed::stream(1, "benchmark");
    let labels: Vec<u32> = (0..EXAMPLES).map(|_| rng.random_range(0..10)).collect();
    let names = (0..10).map(|class| class.to_string()).collect();
    let data = Dataset::new("random", shape, random(EXAMPLES * 28 * 28))?.with_labels(labels, names)?;
    let network = Network::new(&spec, 0)?;
    let steps = work["steps"].as_u64().unwrap_or(10);
    let recipe = Recipe::new()
        .steps(steps)
        .batch(work["batch"].as_u64().unwrap_or(64))
        .sgd(0.01)
        .momentum(0.9);
    let start = Instant::now();
    quiet(|| network.train(&data, recipe))?;
    Ok(start.elapsed().as_secs_f64() / steps as f64)
}

/// Kilobytes that the process had at most in memory.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut kept: Option<(String, Work)> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let work: Value = serde_json::from_str(&line)?;
        let batch = work["batch"].as_u64().unwrap_or(8) as usize;
        if work["kind"] == "cnn" {
            println!("{}", json!({ "seconds": cnn(&work)? }));
            std::io::stdout().flush()?;
            continue;
        }
        if kept.as_ref().is_none_or(|(same, _)| *same != line) {
            let made = match work["kind"].as_str() {
                Some("inception") => inception(batch)?,
                Some("convolution") => convolution(&work, batch)?,
                other => return Err(format!("unknown kind of work: {other:?}").into()),
            };
            kept = Some((line, made));
        }
        let Some((_, ready)) = &mut kept else { continue };
        let seconds = seconds(ready, work["passes"].as_u64().unwrap_or(1))?;
        println!("{}", json!({ "seconds": seconds, "peak": peak() }));
        std::io::stdout().flush()?;
    }
    Ok(())
}
