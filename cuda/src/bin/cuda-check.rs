//! Holds a GPU against what the CPU computed, and times it. One table at the end; exit code 1 when a number differs.
//!
//! Usage: cuda-check [--tiny] [--records FILE] [--few] [--digits FILE] [--nets N] [--batch N]
//!        cuda-check --compile sm_90 --records FILE
//!
//! `--records` has sweeps of the toolkit's tests with the CPU's numbers (`JOOK_RECORD_SWEEPS=FILE cargo test sweep`);
//! `--few` takes three jobs of a dozen of them, for compute-sanitizer; `--digits` is `datasets/digits.csv`. `--compile` needs no
//! card: it compiles the kernels of the recorded sweeps for such cards, keeps them, and says which spill registers.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use jook_cuda::memory::Array;
use jook_cuda::sweep::{
    self, Activation, Batches, Data, Dense, Flow, Job, Layer, Loss, Pace, Plan, Record, Rule, Shape,
};
use jook_cuda::{Card, Result, compile, library};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match check(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn check(arguments: &[String]) -> Result<bool> {
    let value = |name: &str| {
        arguments
            .iter()
            .position(|a| a == name)
            .and_then(|at| arguments.get(at + 1))
    };
    let few = arguments.iter().any(|a| a == "--few");
    if let (Some(architecture), Some(path)) = (value("--compile"), value("--records")) {
        return spills(architecture, path);
    }
    let card = Card::open(0)?;
    println!(
        "{}: sm_{}{}, {} multiprocessors, {} kB of shared memory a block, {:.1} GB, driver for CUDA {}.{}, NVRTC {}",
        card.name,
        card.capability.0,
        card.capability.1,
        card.multiprocessors,
        card.shared_bytes / 1024,
        card.memory as f64 / 1e9,
        card.driver / 1000,
        card.driver % 1000 / 10,
        library::nvrtc(card.driver / 1000)?.display(),
    );
    let mut fine = true;
    if arguments.iter().any(|a| a == "--tiny") {
        tiny(&card)?;
    }
    if let Some(path) = value("--records") {
        fine = bits(&card, path, few)?;
    }
    if let Some(path) = value("--digits") {
        let nets = value("--nets").and_then(|n| n.parse().ok()).unwrap_or(512);
        speed(&card, path, nets, value("--batch").and_then(|n| n.parse().ok()))?;
    }
    Ok(fine)
}

/// Compiles the kernels of the recorded sweeps, and says which of them spill registers.
fn spills(architecture: &str, path: &str) -> Result<bool> {
    let file = |error: std::io::Error| jook_cuda::Error::new(format!("{path}: {error}"), "record it anew");
    let mut from = BufReader::new(File::open(path).map_err(file)?);
    let (mut count, mut spilt, mut longest) = (0, 0, 0.0f64);
    let mut shapes: Vec<Shape> = Vec::new();
    while let Some(record) = Record::read(&mut from).map_err(file)? {
        shapes.push(record.shape);
    }
    for batch in [16, 32, 64] {
        shapes.push(jobs(&DIGITS, &Arc::new(Data::default()), 1, batch, 1).0);
    }
    for shape in shapes {
        // As much shared memory as such cards have.
        let shared = match architecture {
            "sm_80" => 163,
            "sm_90" | "sm_100" => 227,
            _ => 99,
        };
        let Ok(plan) = Plan::new(shape, shared * 1024) else {
            continue;
        };
        let began = Instant::now();
        let compiled = compile::prepare(13, "sweep", &plan.source(), architecture)?;
        longest = longest.max(began.elapsed().as_secs_f64());
        count += 1;
        if !compiled
            .log
            .contains(" 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads")
        {
            spilt += 1;
            let said: Vec<&str> = compiled
                .log
                .lines()
                .filter(|line| line.contains("spill"))
                .collect();
            println!("{} threads, {:?}: {}", plan.threads, plan.shape, said.join("; "));
        }
    }
    println!("{architecture}: {count} kernels, {spilt} spill; the longest took {longest:.1} s");
    Ok(spilt == 0)
}

/// The recorded sweeps once more.
fn bits(card: &Card, path: &str, few: bool) -> Result<bool> {
    let file = |error: std::io::Error| jook_cuda::Error::new(format!("{path}: {error}"), "record it anew");
    let mut from = BufReader::new(File::open(path).map_err(file)?);
    let (mut jobs, mut wrong, mut shapes) = (0, 0, 0);
    while let Some(mut record) = Record::read(&mut from).map_err(file)? {
        if few {
            record.jobs.truncate(3);
            if shapes == 12 {
                break;
            }
        }
        let plan = match Plan::new(record.shape.clone(), card.shared_bytes) {
            Ok(plan) => plan,
            Err(why) => {
                println!("left out: {why}");
                continue;
            }
        };
        shapes += 1;
        let done = sweep::run(card, &plan, &record.jobs, |_| Flow::On)?;
        for (number, (got, wanted)) in done.iter().zip(&record.done).enumerate() {
            jobs += 1;
            if let Some(difference) = wanted.difference(got) {
                wrong += 1;
                println!(
                    "{:?}\n  job {number}, {:?}, {:?}: {difference}",
                    record.shape, record.jobs[number].layers, record.jobs[number].loss
                );
            }
        }
    }
    println!("bits: {jobs} trainings of {shapes} shapes, {wrong} differ from the CPU's");
    Ok(wrong == 0 && jobs > 0)
}

/// Orders of the rows, one a seed.
struct Orders {
    rows: usize,
    batch: usize,
    seed: u64,
    drawn: Mutex<HashMap<usize, Vec<u32>>>,
}

/// Steele, Lea and Flood's mixing function (2014): enough for a benchmark.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Batches for Orders {
    fn rows(&self, step: u32, rows: &mut Vec<u32>) {
        let per_epoch = self.rows.div_ceil(self.batch);
        let (epoch, place) = (step as usize / per_epoch, step as usize % per_epoch * self.batch);
        let mut drawn = self.drawn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let order = drawn.entry(epoch).or_insert_with(|| {
            let mut state = self.seed.wrapping_mul(1000) + epoch as u64;
            let mut order: Vec<u32> = (0..self.rows as u32).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, (random(&mut state) % (i as u64 + 1)) as usize);
            }
            order
        });
        rows.extend_from_slice(&order[place..self.rows.min(place + self.batch)]);
    }

    fn keys(&self, _step: u32) -> Vec<[u32; 2]> {
        Vec::new()
    }
}

/// A few small networks on points of three kinds: whether anything works at all.
fn tiny(card: &Card) -> Result<()> {
    let labels: Vec<u32> = (0..48).map(|row| row % 3).collect();
    let point = |&label: &u32| (0..4).map(move |i| if i == label { 1.0 } else { 0.1 * i as f32 });
    let data = Arc::new(Data {
        features: labels.iter().flat_map(point).collect(),
        labels,
        targets: Vec::new(),
    });
    let (shape, jobs) = jobs(&[4, 8, 3], &data, 5, 8, 20);
    let plan =
        Plan::new(shape, card.shared_bytes).map_err(|why| jook_cuda::Error::new(why, "report this"))?;
    let done = sweep::run(card, &plan, &jobs, |_| Flow::On)?;
    let losses = |one: &sweep::Done| (one.losses.first().copied(), one.losses.last().copied());
    println!(
        "trained {} small networks: losses {:?}",
        done.len(),
        losses(&done[0])
    );
    Ok(())
}

fn digits(path: &str) -> Result<Data> {
    let wrong = |what: String| jook_cuda::Error::new(format!("{path}: {what}"), "give datasets/digits.csv");
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut data = Data::default();
    for line in text.lines().skip(1) {
        let numbers: Vec<f32> = line
            .split(',')
            .map(|one| one.trim().parse().unwrap_or(f32::NAN))
            .collect();
        let [features @ .., label] = &numbers[..] else {
            continue;
        };
        data.features.extend(features.iter().map(|x| x / 16.0));
        data.labels.push(*label as u32);
    }
    // As many as the training part of a split has.
    data.labels.truncate(1437);
    data.features.truncate(1437 * 64);
    Ok(data)
}

/// What is timed.
const DIGITS: [usize; 4] = [64, 128, 128, 10];

/// `nets` networks of these widths, SGD with momentum at as many rates, eight seeds.
fn jobs(widths: &[usize], data: &Arc<Data>, nets: usize, batch: usize, epochs: usize) -> (Shape, Vec<Job>) {
    let dense = |&columns: &usize| Dense {
        columns,
        pieces: 1,
        bias: true,
        norm: false,
    };
    let shape = Shape {
        inputs: widths[0],
        layers: widths[1..].iter().map(dense).collect(),
        batch,
        rule: Rule::Momentum,
        penalized: false,
    };
    let rows = data.labels.len();
    let orders: Vec<Arc<Orders>> = (0..8u64)
        .map(|seed| {
            Arc::new(Orders {
                rows,
                batch,
                seed,
                drawn: Mutex::default(),
            })
        })
        .collect();
    let job = |net: usize| {
        let (mut state, mut parameters) = (net as u64 % 8, Vec::new());
        for pair in widths.windows(2) {
            let bound = (6.0 / pair[0] as f64).sqrt();
            let mut number = || (random(&mut state) >> 11) as f64 / (1u64 << 53) as f64;
            parameters.extend((0..pair[0] * pair[1]).map(|_| (bound * (2.0 * number() - 1.0)) as f32));
            parameters.extend(std::iter::repeat_n(0.0, pair[1]));
        }
        let rate = 0.01 + 0.09 * net as f32 / nets as f32;
        let relu = Layer {
            activation: Activation::Relu,
            ..Layer::default()
        };
        let per_epoch = rows.div_ceil(batch) as u32;
        Job {
            parameters,
            buffers: Vec::new(),
            layers: [vec![relu; widths.len() - 2], vec![Layer::default()]].concat(),
            constants: [0.9, 0.0, 0.0, 0.0],
            l1: 0.0,
            l2: 0.0,
            max_norm: None,
            loss: Loss::Classes,
            total: epochs as u32 * per_epoch,
            check_every: per_epoch,
            data: Arc::clone(data),
            weights: None,
            watch: None,
            batches: Arc::clone(&orders[net % 8]) as Arc<dyn Batches>,
            pace: Arc::new(move |_| Pace {
                rate,
                scale: 0.0,
                spread: 0.0,
                keep: 1.0,
            }),
        }
    };
    (shape, (0..nets).map(job).collect())
}

fn speed(card: &Card, path: &str, nets: usize, only: Option<usize>) -> Result<()> {
    let data = Arc::new(digits(path)?);
    let ceiling = ceiling(card)?;
    println!("multiply-adds alone: {ceiling:.1} TFLOP/s");
    println!(
        "{nets} networks 64-128-128-10 on {} digits, 50 epochs, momentum:",
        data.labels.len()
    );
    for batch in [16, 32, 64]
        .into_iter()
        .filter(|&one| only.is_none_or(|only| only == one))
    {
        let (shape, jobs) = jobs(&DIGITS, &data, nets, batch, 50);
        let plan =
            Plan::new(shape, card.shared_bytes).map_err(|why| jook_cuda::Error::new(why, "report this"))?;
        let compiled = compile::compile(
            "sweep",
            &plan.source(),
            &format!("sm_{}{}", card.capability.0, card.capability.1),
        )?;
        let said: Vec<&str> = compiled
            .log
            .lines()
            .filter(|line| line.contains("spill") || line.contains("Used"))
            .collect();
        let mut seconds = Vec::new();
        let (mut last, mut busy) = (0.0, 0.0);
        for round in 0..6 {
            let began = Instant::now();
            let done = sweep::run(card, &plan, &jobs, |progress| {
                busy = progress.busy.as_secs_f64();
                Flow::On
            })?;
            // The first one compiles.
            if round > 0 {
                seconds.push(began.elapsed().as_secs_f64());
            }
            last = done[0].losses.last().copied().unwrap_or(f32::NAN);
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let weights = 64.0 * 128.0 + 128.0 * 128.0 + 128.0 * 10.0;
        let rows = nets as f64 * 50.0 * data.labels.len() as f64;
        // Forward, by the weights, and by the inputs of all layers but the first.
        let flops = rows * 2.0 * (3.0 * weights - 64.0 * 128.0);
        println!(
            "  batch {batch}: {median:.3} s, {busy:.3} of them on the card ({:.0} to {:.0} networks a second), {:.1} TFLOP/s, {:.0}% of the ceiling; last loss {last}; {}",
            nets as f64 / seconds[seconds.len() - 1],
            nets as f64 / seconds[0],
            flops / median / 1e12,
            100.0 * flops / median / 1e12 / ceiling,
            said.join("; ").replace("ptxas", "").replace("info    :", "")
        );
    }
    Ok(())
}

/// What the card reaches at multiply-adds that wait for nothing.
fn ceiling(card: &Card) -> Result<f64> {
    const ROUNDS: u32 = 1 << 16;
    let source = include_str!("../ceiling.cu");
    let grid = card.multiprocessors as u32 * 8;
    let out = Array::<f32>::zeros(card, "a check", grid as usize * 256)?;
    let mut best = 0.0f64;
    for _ in 0..4 {
        let began = Instant::now();
        compile::launch(
            card,
            "ceiling",
            source,
            (grid, 256),
            (out.address(), u64::from(ROUNDS)),
        )?;
        let flops = f64::from(grid) * 256.0 * f64::from(ROUNDS) * 64.0 * 2.0;
        best = best.max(flops / began.elapsed().as_secs_f64() / 1e12);
    }
    Ok(best)
}
