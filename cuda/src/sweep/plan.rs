//! [`Plan`]: whether networks of a shape fit a card, and where their numbers lie.
//!
//! The places are those of `shape.cuh`, which computes them for itself; a test holds the two against each other.

use std::fmt::Write as _;
use std::ops::Range;

/// An update rule, as `shape.cuh` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// p -= r g.
    Sgd,
    /// PyTorch's form of momentum.
    Momentum,
    /// Nesterov's.
    Nesterov,
    /// Adam.
    Adam,
}

impl Rule {
    /// How many numbers a parameter it remembers.
    pub fn states(self) -> usize {
        match self {
            Rule::Sgd => 0,
            Rule::Momentum | Rule::Nesterov => 1,
            Rule::Adam => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Rule::Sgd => "SGD",
            Rule::Momentum => "MOMENTUM",
            Rule::Nesterov => "NESTEROV",
            Rule::Adam => "ADAM",
        }
    }
}

/// A dense layer, with a batch norm behind it where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dense {
    /// Columns of its weights.
    pub columns: usize,
    /// Columns that make one unit: those of maxout, else 1.
    pub pieces: usize,
    /// Whether it has biases.
    pub bias: bool,
    /// Whether a batch norm stands behind it.
    pub norm: bool,
}

/// What networks of one launch have in common: the kernel is compiled for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Numbers of an example.
    pub inputs: usize,
    /// The layers; the last one gives the outputs.
    pub layers: Vec<Dense>,
    /// Rows of the largest batch.
    pub batch: usize,
    /// How parameters are updated.
    pub rule: Rule,
    /// Whether any of the networks has L1, L2 or decay.
    pub penalized: bool,
}

impl Shape {
    /// Numbers that layer `layer` reads; of the number of layers, the outputs.
    pub fn units(&self, layer: usize) -> usize {
        match layer.checked_sub(1) {
            None => self.inputs,
            Some(before) => self.layers[before].columns / self.layers[before].pieces.max(1),
        }
    }

    /// Numbers it learns.
    pub fn parameters(&self) -> usize {
        let own = |(at, layer): (usize, &Dense)| {
            layer.columns * (self.units(at) + usize::from(layer.bias) + 2 * usize::from(layer.norm))
        };
        self.layers.iter().enumerate().map(own).sum()
    }

    /// Running statistics of its norms.
    pub fn buffers(&self) -> usize {
        self.layers
            .iter()
            .filter(|layer| layer.norm)
            .map(|layer| 2 * layer.columns)
            .sum()
    }
}

/// The most layers that a kernel is compiled for: each is code of its own.
const LAYERS: usize = 8;

/// How networks of a shape are trained on a card.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The shape.
    pub shape: Shape,
    /// Threads of a block.
    pub threads: usize,
    /// Whether the weights lie in shared memory.
    pub weights_shared: bool,
    /// Whether the gradient by one layer's values has room beside them there.
    pub spare: bool,
    /// Bytes of shared memory of a block.
    pub shared_bytes: usize,
    /// Floats of a network's numbers on the card, padding included.
    pub numbers: usize,
    /// Floats that a block saves for the way back.
    pub saved: usize,
}

/// A part of a network's numbers: rows of so many, on the card apart by a pitch; here one after another, in the
/// parameters or in the buffers.
struct Part {
    running: bool,
    here: usize,
    there: usize,
    rows: usize,
    row: usize,
    pitch: usize,
}

fn fours(n: usize) -> usize {
    n.div_ceil(4)
}

fn pitch(n: usize) -> usize {
    fours(n) * 4 + if fours(n).is_multiple_of(8) { 4 } else { 0 }
}

impl Plan {
    /// A plan for a card whose blocks may have so many bytes of shared memory.
    ///
    /// # Errors
    /// In words, why such networks are not trained on it.
    pub fn new(shape: Shape, shared: usize) -> Result<Self, String> {
        if shape.layers.is_empty() || shape.layers.len() > LAYERS {
            return Err(format!(
                "{} dense layers: 1 to {LAYERS} are trained on a GPU",
                shape.layers.len()
            ));
        }
        let empty = |layer: &Dense| {
            layer.columns == 0 || layer.pieces == 0 || !layer.columns.is_multiple_of(layer.pieces)
        };
        if shape.inputs == 0 || shape.batch == 0 || shape.layers.iter().any(empty) {
            return Err("a layer of no numbers, or a batch of no examples".to_owned());
        }
        let mut plan = Self {
            threads: 256,
            weights_shared: true,
            spare: true,
            shared_bytes: 0,
            numbers: 0,
            saved: 0,
            shape,
        };
        let Shape { batch, layers, .. } = &plan.shape;
        let widest = layers.iter().map(|layer| layer.columns).max().unwrap_or(1);
        // Warps hide each other's waiting; more than have a tile only wait.
        let products = (0..layers.len()).map(|at| plan.shape.units(at) * layers[at].columns / 32);
        let tiles = (batch.div_ceil(4) * fours(widest)).max(products.max().unwrap_or(0));
        plan.threads = [256, 128]
            .into_iter()
            .find(|&threads| tiles >= threads)
            .unwrap_or(64);
        plan.numbers = (0..layers.len()).map(|at| plan.numbers_of(at)).sum();
        plan.saved = plan.saved_floats();
        let values = plan.value_floats();
        // As `Rows` has them: doubles, where the net stands, its settings, a word a row, flags.
        let settings = (25 + 10 * layers.len()).next_multiple_of(2);
        let rows = 2 * (batch + 32 + 1) + 8 + settings + batch + 8;
        let bytes = |floats: usize| floats * 4;
        let spare = (1..layers.len())
            .map(|at| batch * pitch(plan.shape.units(at)))
            .max()
            .unwrap_or(0);
        // What a step needs most, first.
        let wishes = [(true, true), (true, false), (false, true), (false, false)];
        for (weights_shared, has_spare) in wishes {
            let weights = if weights_shared { plan.numbers } else { 0 };
            let room = if has_spare { spare } else { 0 };
            plan.shared_bytes = bytes(values + weights + room + rows);
            (plan.weights_shared, plan.spare) = (weights_shared, has_spare);
            if plan.shared_bytes <= shared {
                break;
            }
        }
        if plan.shared_bytes > shared {
            return Err(format!(
                "a batch of {batch} through layers of these widths takes {} kB of shared memory, and a block of this GPU has {} kB",
                plan.shared_bytes / 1024,
                shared / 1024
            ));
        }
        Ok(plan)
    }

    fn numbers_of(&self, layer: usize) -> usize {
        let Dense { columns, norm, .. } = self.shape.layers[layer];
        self.shape.units(layer) * pitch(columns) + fours(columns) * 4 * if norm { 5 } else { 1 }
    }

    fn value_floats(&self) -> usize {
        let Shape { batch, layers, .. } = &self.shape;
        let values: usize = (0..=layers.len()).map(|at| pitch(self.shape.units(at))).sum();
        let pieces = layers.iter().filter(|layer| layer.pieces > 1);
        batch * (values + pieces.map(|layer| pitch(layer.columns)).sum::<usize>())
    }

    fn saved_floats(&self) -> usize {
        let Shape { batch, layers, .. } = &self.shape;
        let normal: usize = layers
            .iter()
            .filter(|layer| layer.norm)
            .map(|layer| (batch + 1) * layer.columns)
            .sum();
        let slopes: usize = (1..=layers.len()).map(|at| batch * self.shape.units(at)).sum();
        let widest = (1..layers.len())
            .map(|at| self.shape.units(at))
            .max()
            .unwrap_or(0);
        (normal + slopes + batch * widest).next_multiple_of(4)
    }

    /// The kernel's source for this plan.
    pub fn source(&self) -> String {
        let Shape {
            inputs,
            layers,
            batch,
            rule,
            penalized,
        } = &self.shape;
        let list = |of: &dyn Fn(&Dense) -> String| layers.iter().map(of).collect::<Vec<_>>().join(", ");
        let mut text = String::new();
        let mut define = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "#define {name} {value}");
        };
        define("THREADS", &self.threads);
        define("BLOCKS", &(256 / self.threads));
        define("BATCH", batch);
        define("INPUTS", inputs);
        define("COLUMNS", &list(&|layer| layer.columns.to_string()));
        define("PIECES", &list(&|layer| layer.pieces.to_string()));
        define("NORMS", &list(&|layer| layer.norm.to_string()));
        define("RULE", &rule.name());
        define("PENALIZED", penalized);
        define("WEIGHTS_SHARED", &self.weights_shared);
        define("SPARE", &self.spare);
        let parts = [
            include_str!("device.cuh"),
            include_str!("math.cuh"),
            include_str!("shape.cuh"),
            include_str!("net.cuh"),
            include_str!("layers.cuh"),
            include_str!("products.cuh"),
            include_str!("loss.cuh"),
            include_str!("sweep.cu"),
        ];
        text + &parts.concat()
    }

    fn parts(&self) -> Vec<Part> {
        let (mut parts, mut parameters, mut buffers, mut there) = (Vec::new(), 0, 0, 0);
        for (at, layer) in self.shape.layers.iter().enumerate() {
            let (columns, vector) = (layer.columns, fours(layer.columns) * 4);
            let mut next = |running: bool, rows: usize, pitch: usize, has: bool| {
                let here = if running { &mut buffers } else { &mut parameters };
                if has {
                    parts.push(Part {
                        running,
                        here: *here,
                        there,
                        rows,
                        row: columns,
                        pitch,
                    });
                    *here += rows * columns;
                }
                there += rows * pitch;
            };
            next(false, self.shape.units(at), pitch(columns), true);
            next(false, 1, vector, layer.bias);
            if layer.norm {
                next(false, 1, vector, true);
                next(false, 1, vector, true);
                next(true, 1, vector, true);
                next(true, 1, vector, true);
            }
        }
        parts
    }

    fn rows(&self) -> impl Iterator<Item = (bool, Range<usize>, Range<usize>)> {
        self.parts().into_iter().flat_map(|part| {
            let Part {
                running,
                here,
                there,
                rows,
                row,
                pitch,
            } = part;
            (0..rows).map(move |i| {
                let (here, there) = (here + i * row, there + i * pitch);
                (running, here..here + row, there..there + row)
            })
        })
    }

    /// Parameters and buffers, as the toolkit has them, to their places on the card.
    pub fn spread(&self, parameters: &[f32], buffers: &[f32], to: &mut [f32]) {
        for (running, here, there) in self.rows() {
            let from = if running { buffers } else { parameters };
            to[there].copy_from_slice(&from[here]);
        }
    }

    /// What [`Plan::spread`] has spread.
    pub fn collect(&self, from: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut parameters = vec![0.0; self.shape.parameters()];
        let mut buffers = vec![0.0; self.shape.buffers()];
        for (running, here, there) in self.rows() {
            let to = if running { &mut buffers } else { &mut parameters };
            to[here].copy_from_slice(&from[there]);
        }
        (parameters, buffers)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Steele, Lea and Flood's mixing function (2014).
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % n as u64) as usize
        }

        fn shape(&mut self) -> Shape {
            let widest = [8, 40, 130, 300, 2000][self.below(5)];
            let dense = |random: &mut Self| {
                let pieces = [1, 1, 1, 3][random.below(4)];
                Dense {
                    columns: pieces * (1 + random.below(widest)),
                    pieces,
                    bias: random.below(5) > 0,
                    norm: random.below(3) == 0,
                }
            };
            let count = 1 + self.below(6);
            Shape {
                inputs: 1 + self.below(widest),
                layers: (0..count).map(|_| dense(self)).collect(),
                batch: 1 + self.below(300),
                rule: [Rule::Sgd, Rule::Momentum, Rule::Nesterov, Rule::Adam][self.below(4)],
                penalized: self.below(2) == 0,
            }
        }
    }

    #[test]
    fn whatever_the_shape_it_fits_or_the_reason_is_told() {
        let mut random = Random(1);
        let (mut fitting, mut refused) = (0, 0);
        for _ in 0..10_000 {
            let shape = random.shape();
            for shared in [99, 163, 227].map(|kib| kib * 1024) {
                match Plan::new(shape.clone(), shared) {
                    Ok(plan) => {
                        fitting += 1;
                        assert!(
                            plan.shared_bytes <= shared && plan.numbers.is_multiple_of(4),
                            "{plan:?}"
                        );
                    }
                    Err(why) => {
                        refused += 1;
                        assert!(why.contains("kB of shared memory"), "{why}");
                    }
                }
            }
        }
        assert!(fitting > 5000 && refused > 500, "{fitting} {refused}");
    }

    #[test]
    fn numbers_have_places_of_their_own_and_come_back() {
        let mut random = Random(2);
        for _ in 0..300 {
            let mut shape = random.shape();
            shape.batch = 1;
            let Ok(plan) = Plan::new(shape, 227 * 1024) else {
                continue;
            };
            let (parameters, buffers) = (plan.shape.parameters(), plan.shape.buffers());
            let number =
                |from: usize, count: usize| (from..from + count).map(|n| n as f32 + 1.0).collect::<Vec<_>>();
            let (parameters, buffers) = (number(0, parameters), number(parameters, buffers));
            let mut there = vec![0.0; plan.numbers];
            plan.spread(&parameters, &buffers, &mut there);
            // Each is there once: none fell on another's place.
            let full = there.iter().filter(|&&x| x != 0.0).count();
            assert_eq!(full, parameters.len() + buffers.len());
            assert_eq!(plan.collect(&there), (parameters, buffers));
        }
    }

    /// The places that the kernel computes for itself are those of the plan: the C++ compiler holds them against each other.
    #[test]
    fn the_kernel_has_the_same_places() {
        let header = concat!(env!("CARGO_MANIFEST_DIR"), "/stand_in/device.h");
        let mut random = Random(3);
        let mut checked = 0;
        while checked < 12 {
            let Ok(plan) = Plan::new(random.shape(), 99 * 1024) else {
                continue;
            };
            let text = format!(
                "#include \"{header}\"\n{}\nstatic_assert(NUMBERS == {} && SAVED == {} && SHARED_FLOATS * 4 == {});\n",
                plan.source(),
                plan.numbers,
                plan.saved,
                plan.shared_bytes
            );
            let compiler = Command::new("g++")
                .args(["-std=c++20", "-fsyntax-only", "-w", "-x", "c++", "-"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            let Ok(mut compiler) = compiler else {
                assert!(std::env::var_os("CI").is_none(), "no C++ compiler");
                eprintln!("skipped: no C++ compiler (g++)");
                return;
            };
            let mut input = compiler.stdin.take().expect("its input");
            std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
            drop(input);
            let output = compiler.wait_with_output().expect("its end");
            assert!(
                output.status.success(),
                "{plan:?}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            checked += 1;
        }
    }
}
