//! The numeric core alone, compiled anew for each instruction set by the test beside it: prints the bits of products,
//! convolutions, their gradients and activations on fixed numbers.

#[path = "../../src/net/cpu/aligned.rs"]
mod aligned;
#[path = "../../src/net/cpu/conv/mod.rs"]
mod conv;
#[path = "../../src/net/cpu/gemm/mod.rs"]
mod gemm;
#[path = "../../src/net/cpu/lanes.rs"]
mod lanes;
#[path = "../../src/base/math.rs"]
mod math;

/// The names by which the files know each other.
mod net {
    /// What they know of the toolkit's own, which also reads and writes itself.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Window {
        pub kernel: [usize; 2],
        pub stride: [usize; 2],
        pub padding: [usize; 2],
        pub dilation: [usize; 2],
    }

    impl Window {
        pub fn square(side: usize) -> Self {
            Self {
                kernel: [side, side],
                stride: [1, 1],
                padding: [0, 0],
                dilation: [1, 1],
            }
        }

        pub fn area(&self) -> usize {
            self.kernel[0] * self.kernel[1]
        }
    }

    pub mod cpu {
        pub(crate) use crate::{aligned, conv, lanes};
    }
}

mod base {
    #[allow(unused_imports, reason = "without fma in hardware the vectors ask for it")]
    pub(crate) use crate::math;
}

use conv::{Conv, PixelsMut};
use net::Window;

/// Numbers in -1 to 1, the same on every machine.
fn scattered(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            ((state >> 40) as f32 / (1u64 << 23) as f32) - 1.0
        })
        .collect()
}

fn print(what: &str, numbers: &[f32]) {
    let bits: Vec<String> = numbers.iter().map(|x| format!("{:08x}", x.to_bits())).collect();
    println!("{what} {}", bits.join(" "));
}

/// Two images of `side` x `side` pixels, forward and backward.
fn convolution(window: Window, stride: usize, side: usize, (inputs, outputs, groups): (usize, usize, usize)) {
    const IMAGES: usize = 2;
    let (area, padding) = (window.area(), window.kernel[0] / 2);
    // Many channels at stride 1 go the fast way (Lavin and Gray 2016), whose sums of sums round more.
    let way = match (window.kernel[0], stride, groups, inputs) {
        (2.., 1, 1, 32..) => "winograd",
        _ => "conv",
    };
    let case = format!("{}/{stride}-{inputs}-{outputs}-{groups}", window.kernel[0]);
    let grid = (side + 2 * padding - window.kernel[0]) / stride + 1;
    let conv = Conv {
        window: Window {
            stride: [stride, stride],
            padding: [padding, padding],
            ..window
        },
        groups,
        source: [side, side],
        grid: [grid, grid],
        inputs,
        outputs,
    };
    let pixels = |side: usize, channels: usize| IMAGES * side * side * channels;
    let (x, dy) = (scattered(pixels(side, inputs), 6), scattered(pixels(grid, outputs), 7));
    let (w, b) = (scattered(area * inputs / groups * outputs, 8), scattered(outputs, 9));
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
    let (mut dw, mut db, mut room) = (vec![0.0; w.len()], vec![0.0; outputs], Vec::new());
    let to = PixelsMut {
        numbers: &mut y,
        pitch: outputs,
    };
    conv.forward(IMAGES, &x, &conv.pack(&w, Some(&b)), true, to, &mut room);
    print(&format!("{way}-forward-{case}"), &y);
    conv.input_gradient(IMAGES, &dy, &w, Some(&x), &mut dx);
    print(&format!("{way}-input-{case}"), &dx);
    conv.weight_gradient(IMAGES, &x, &dy, &mut dw, Some(&mut db), &room);
    print(&format!("{way}-weights-{case}"), &dw);
    print(&format!("{way}-biases-{case}"), &db);
}

fn main() {
    println!("set {}", lanes::NAME);
    let mut work = gemm::Workspace::new();
    for (rows, inputs, units) in [(1, 3, 5), (7, 17, 33), (32, 64, 128), (100, 129, 10), (33, 300, 47)] {
        let shape = (inputs, units);
        let mut x = scattered(rows * inputs, 1);
        x.resize(rows * inputs + gemm::PADDING, 0.0);
        let (w, b, dy) = (scattered(inputs * units, 2), scattered(units, 3), scattered(rows * units, 4));
        let (mut y, mut dx) = (vec![0.0; rows * units], vec![0.0; rows * inputs]);
        let (mut dw, mut db) = (vec![0.0; inputs * units], vec![0.0; units]);
        let case = format!("{rows}x{inputs}x{units}");
        gemm::forward(&mut work, rows, shape, &x, &w, Some(&b), true, &mut y);
        print(&format!("forward-{case}"), &y);
        gemm::input_gradient(&mut work, rows, shape, &dy, &w, Some(&x[..rows * inputs]), &mut dx);
        print(&format!("input-{case}"), &dx);
        gemm::weight_gradient(&mut work, rows, shape, &x, &dy, &mut dw, Some(&mut db));
        print(&format!("weights-{case}"), &dw);
        print(&format!("biases-{case}"), &db);
    }
    // Plain, with a padded copy, the fast way, in groups, depthwise; each with other sizes.
    for (kernel, stride, side, inputs, outputs, groups) in [
        (1, 1, 9, 20, 24, 1),
        (3, 2, 11, 3, 17, 1),
        (3, 1, 14, 32, 32, 1),
        (5, 1, 12, 32, 48, 1),
        (3, 1, 8, 12, 24, 3),
        (3, 1, 13, 40, 40, 40),
        (5, 2, 13, 64, 64, 64),
    ] {
        convolution(Window::square(kernel), stride, side, (inputs, outputs, groups));
    }
    let x: Vec<f32> = scattered(1000, 5).iter().map(|x| 8.0 * x).collect();
    let each = |f: fn(f32) -> f32| x.iter().map(|&x| f(x)).collect::<Vec<f32>>();
    print("exp", &each(math::exp));
    print("sigmoid", &each(math::sigmoid));
    print("tanh", &each(math::tanh));
    print("erf", &each(math::erf));
    print("gelu", &each(|x| math::gelu(x).0));
}
