//! The numeric core alone, compiled anew for each instruction set by the test beside it: prints the bits of products,
//! their gradients and activations on fixed numbers.

#[path = "../../src/net/cpu/gemm/mod.rs"]
mod gemm;
#[path = "../../src/net/cpu/lanes.rs"]
mod lanes;
#[path = "../../src/net/cpu/math.rs"]
mod math;

/// The names by which the files know each other.
mod net {
    pub mod cpu {
        pub(crate) use crate::{lanes, math};
    }
}

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
    let x: Vec<f32> = scattered(1000, 5).iter().map(|x| 8.0 * x).collect();
    let each = |f: fn(f32) -> f32| x.iter().map(|&x| f(x)).collect::<Vec<f32>>();
    print("exp", &each(math::exp));
    print("sigmoid", &each(math::sigmoid));
    print("tanh", &each(math::tanh));
    print("erf", &each(math::erf));
    print("gelu", &each(|x| math::gelu(x).0));
}
