//! Minimal filtering along one axis: how a few neighbouring outputs of a short filter come from as few products
//! as they have inputs (Winograd 1980; the matrices follow Lavin and Gray 2016, section 4). F(m, r) gives m outputs
//! of a filter of r taps from n = m + r - 1 products, by interpolation at n - 1 points and infinity.

use crate::net::cpu::lanes::Lanes;

/// A way to filter along an axis. A line has room for N numbers, as many as the longest that goes through it.
pub trait Axis<const N: usize> {
    /// Outputs of a tile: m.
    const OUT: usize;
    /// Taps of the filter: r.
    const TAPS: usize;
    /// Inputs of a tile, and products: n.
    const IN: usize = Self::OUT + Self::TAPS - 1;

    /// G, n rows of r numbers.
    const WEIGHTS: &'static [&'static [f32]];

    /// A point at which products have the plain sums of the gradients of a tile: the point 1, if there is one.
    const ONE: usize;

    /// B^T d: n inputs to n.
    fn inputs(d: [Lanes; N]) -> [Lanes; N];
    /// A^T m: n products to m outputs.
    fn outputs(m: [Lanes; N]) -> [Lanes; N];
    /// G g: r weights to n.
    #[inline(always)]
    fn weights(g: [Lanes; N]) -> [Lanes; N] {
        product(Self::WEIGHTS, g)
    }
    /// A d: m gradients of outputs to n.
    fn grads(d: [Lanes; N]) -> [Lanes; N];
    /// G^T u: n sums to r gradients of weights.
    #[inline(always)]
    fn sums(u: [Lanes; N]) -> [Lanes; N] {
        transposed(Self::WEIGHTS, u)
    }
}

#[inline(always)]
fn zero() -> Lanes {
    Lanes::splat(0.0)
}

/// factor * lanes + more.
#[inline(always)]
fn times(factor: f32, lanes: Lanes, more: Lanes) -> Lanes {
    more.add_product(Lanes::splat(factor), lanes)
}

#[inline(always)]
fn minus(a: Lanes, b: Lanes) -> Lanes {
    times(-1.0, b, a)
}

/// A matrix of `rows` rows times a line; what is zero costs nothing once it is compiled.
#[inline(always)]
fn product<const N: usize>(matrix: &[&[f32]], line: [Lanes; N]) -> [Lanes; N] {
    let mut result = [zero(); N];
    for (to, row) in result.iter_mut().zip(matrix) {
        for (&factor, lanes) in row.iter().zip(line) {
            if factor == 1.0 {
                *to = to.plus(lanes);
            } else if factor != 0.0 {
                *to = times(factor, lanes, *to);
            }
        }
    }
    result
}

/// The transpose of a matrix times a line.
#[inline(always)]
fn transposed<const N: usize>(matrix: &[&[f32]], line: [Lanes; N]) -> [Lanes; N] {
    let mut result = [zero(); N];
    for (row, lanes) in matrix.iter().zip(line) {
        for (to, &factor) in result.iter_mut().zip(*row) {
            if factor == 1.0 {
                *to = to.plus(lanes);
            } else if factor != 0.0 {
                *to = times(factor, lanes, *to);
            }
        }
    }
    result
}

/// No filter along this axis: one tap.
pub struct One;

impl<const N: usize> Axis<N> for One {
    const OUT: usize = 1;
    const TAPS: usize = 1;
    const WEIGHTS: &'static [&'static [f32]] = &[&[1.0]];
    const ONE: usize = 0;

    #[inline(always)]
    fn inputs(d: [Lanes; N]) -> [Lanes; N] {
        d
    }
    #[inline(always)]
    fn outputs(m: [Lanes; N]) -> [Lanes; N] {
        m
    }
    #[inline(always)]
    fn grads(d: [Lanes; N]) -> [Lanes; N] {
        d
    }
}

/// B^T for the points 0, 1, -1, 2, -2 and infinity, with common factors taken out.
#[inline(always)]
fn inputs_of_six(d: [Lanes; 6]) -> [Lanes; 6] {
    let (a, b) = (times(-4.0, d[2], d[4]), times(-4.0, d[1], d[3]));
    let (c, e) = (minus(d[4], d[2]), minus(d[3], d[1]));
    [
        times(4.0, d[0], times(-5.0, d[2], d[4])),
        a.plus(b),
        minus(a, b),
        times(2.0, e, c),
        times(-2.0, e, c),
        times(4.0, d[1], times(-5.0, d[3], d[5])),
    ]
}

/// F(4, 3).
pub struct Three;

const THREE: [&[f32]; 6] = [
    &[1.0 / 4.0, 0.0, 0.0],
    &[-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    &[-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    &[1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    &[1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    &[0.0, 0.0, 1.0],
];

impl Axis<6> for Three {
    const OUT: usize = 4;
    const TAPS: usize = 3;
    const WEIGHTS: &'static [&'static [f32]] = &THREE;
    const ONE: usize = 1;

    #[inline(always)]
    fn inputs(d: [Lanes; 6]) -> [Lanes; 6] {
        inputs_of_six(d)
    }

    #[inline(always)]
    fn outputs(m: [Lanes; 6]) -> [Lanes; 6] {
        let (near, far) = (m[1].plus(m[2]), m[3].plus(m[4]));
        let (left, right) = (minus(m[1], m[2]), minus(m[3], m[4]));
        let mut y = [zero(); 6];
        y[0] = m[0].plus(near).plus(far);
        y[1] = times(2.0, right, left);
        y[2] = times(4.0, far, near);
        y[3] = times(8.0, right, left).plus(m[5]);
        y
    }

    #[inline(always)]
    fn grads(d: [Lanes; 6]) -> [Lanes; 6] {
        let (even, odd) = (d[0].plus(d[2]), d[1].plus(d[3]));
        let (far, twice) = (times(4.0, d[2], d[0]), times(8.0, d[3], d[1].plus(d[1])));
        let mut u = [zero(); 6];
        u[0] = d[0];
        u[1] = even.plus(odd);
        u[2] = minus(even, odd);
        u[3] = far.plus(twice);
        u[4] = minus(far, twice);
        u[5] = d[3];
        u
    }
}

/// G for r taps and the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity. Row i: the powers of the i-th point over the
/// product of its distances from the others.
macro_rules! weights_of_eight {
    ($taps:literal) => {
        [
            &powers::<$taps>(-1.0, 0.0),
            &powers::<$taps>(-2.0 / 9.0, 1.0),
            &powers::<$taps>(-2.0 / 9.0, -1.0),
            &powers::<$taps>(1.0 / 90.0, 2.0),
            &powers::<$taps>(1.0 / 90.0, -2.0),
            &powers::<$taps>(32.0 / 45.0, 0.5),
            &powers::<$taps>(32.0 / 45.0, -0.5),
            &last::<$taps>(),
        ]
    };
}

/// `first` times the powers of a point.
const fn powers<const TAPS: usize>(first: f64, point: f64) -> [f32; TAPS] {
    let mut row = [0.0; TAPS];
    let (mut i, mut value) = (0, first);
    while i < TAPS {
        row[i] = value as f32;
        value *= point;
        i += 1;
    }
    row
}

/// The row of infinity.
const fn last<const TAPS: usize>() -> [f32; TAPS] {
    let mut row = [0.0; TAPS];
    row[TAPS - 1] = 1.0;
    row
}

/// B^T for the same points.
#[inline(always)]
fn inputs_of_eight(d: [Lanes; 8]) -> [Lanes; 8] {
    // (x^2 - 1)(x^2 - 4)(x^2 - 1/4) = x^6 - 21/4 x^4 + 21/4 x^2 - 1, and what is left of it without each point.
    let ends = |d0: Lanes, d2, d4, d6| times(21.0 / 4.0, minus(d2, d4), minus(d6, d0));
    let pair = |outer: f32, inner: f32, point: f32| {
        // (x^2 - outer)(x^2 - inner) times (x + point) or (x - point).
        let even = times(outer * inner, d[2], times(-(outer + inner), d[4], d[6]));
        let odd = times(outer * inner, d[1], times(-(outer + inner), d[3], d[5]));
        (times(point, odd, even), times(-point, odd, even))
    };
    let (plus_one, minus_one) = pair(4.0, 0.25, 1.0);
    let (plus_two, minus_two) = pair(1.0, 0.25, 2.0);
    let (plus_half, minus_half) = pair(1.0, 4.0, 0.5);
    [
        ends(d[0], d[2], d[4], d[6]),
        plus_one,
        minus_one,
        plus_two,
        minus_two,
        plus_half,
        minus_half,
        ends(d[1], d[3], d[5], d[7]),
    ]
}

/// F(4, 5), at the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
pub struct Five;

const FIVE: [&[f32]; 8] = weights_of_eight!(5);

impl Axis<8> for Five {
    const OUT: usize = 4;
    const TAPS: usize = 5;
    const WEIGHTS: &'static [&'static [f32]] = &FIVE;
    const ONE: usize = 1;

    #[inline(always)]
    fn inputs(d: [Lanes; 8]) -> [Lanes; 8] {
        inputs_of_eight(d)
    }

    #[inline(always)]
    fn outputs(m: [Lanes; 8]) -> [Lanes; 8] {
        let (one, two, half) = (m[1].plus(m[2]), m[3].plus(m[4]), m[5].plus(m[6]));
        let (left, right, middle) = (minus(m[1], m[2]), minus(m[3], m[4]), minus(m[5], m[6]));
        let mut y = [zero(); 8];
        y[0] = m[0].plus(one).plus(two.plus(half));
        y[1] = times(0.5, middle, times(2.0, right, left));
        y[2] = times(0.25, half, times(4.0, two, one));
        y[3] = times(0.125, middle, times(8.0, right, left)).plus(m[7]);
        y
    }

    #[inline(always)]
    fn grads(d: [Lanes; 8]) -> [Lanes; 8] {
        let pair = |point: f32| {
            let even = times(point * point, d[2], d[0]);
            let odd = times(point * point, d[3], d[1]);
            (times(point, odd, even), times(-point, odd, even))
        };
        let ((one, minus_one), (two, minus_two), (half, minus_half)) = (pair(1.0), pair(2.0), pair(0.5));
        [d[0], one, minus_one, two, minus_two, half, minus_half, d[3]]
    }
}

/// F(2, 7), at the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
pub struct Seven;

const SEVEN: [&[f32]; 8] = weights_of_eight!(7);

impl Axis<8> for Seven {
    const OUT: usize = 2;
    const TAPS: usize = 7;
    const WEIGHTS: &'static [&'static [f32]] = &SEVEN;
    const ONE: usize = 1;

    #[inline(always)]
    fn inputs(d: [Lanes; 8]) -> [Lanes; 8] {
        inputs_of_eight(d)
    }

    #[inline(always)]
    fn outputs(m: [Lanes; 8]) -> [Lanes; 8] {
        let mut y = [zero(); 8];
        y[0] = m[0]
            .plus(m[1].plus(m[2]))
            .plus(m[3].plus(m[4]))
            .plus(m[5].plus(m[6]));
        let halves = times(0.5, minus(m[5], m[6]), m[7]);
        y[1] = times(2.0, minus(m[3], m[4]), minus(m[1], m[2])).plus(halves);
        y
    }

    #[inline(always)]
    fn grads(d: [Lanes; 8]) -> [Lanes; 8] {
        [
            d[0],
            d[0].plus(d[1]),
            minus(d[0], d[1]),
            times(2.0, d[1], d[0]),
            times(-2.0, d[1], d[0]),
            times(0.5, d[1], d[0]),
            times(-0.5, d[1], d[0]),
            d[1],
        ]
    }
}
