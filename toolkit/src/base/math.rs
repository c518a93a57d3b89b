//! exp, ln, tanh, sigmoid, erf, sine and cosine, and the activations made of them for f32, without branches or tables, so
//! that loops over them use the machine's vector units. Accurate to a few units in the last place; NaN stays NaN.

/// ln 2 in two parts, the first with trailing zeros: a whole number of it is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// a * b + c, in one instruction where the machine has one.
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// 2^n and exp(r) - 1 with x = n ln 2 + r and |r| <= ln 2 / 2, for x in -87.3 to 88.3.
#[inline(always)]
fn reduce(x: f32) -> (f32, f32) {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = fma(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma(n, -LN_2_LOW, fma(n, -LN_2_HIGH, x));
    let scale = f32::from_bits((shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23);
    // The series of exp(r) - 1: what is left out is below 1e-8 of it.
    let mut p = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0] {
        p = fma(p, r, coefficient);
    }
    (scale, p * r)
}

/// e^x; below -87.3 it stays at the smallest normal number, above 88.3 at the largest power.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let (scale, rest) = reduce(x.clamp(-87.3, 88.3));
    fma(scale, rest, scale)
}

/// e^x - 1, exact near 0, for x of at most 88.3.
#[inline(always)]
fn exp_m1(x: f32) -> f32 {
    let (scale, rest) = reduce(x.clamp(-87.3, 88.3));
    fma(scale, rest, scale - 1.0)
}

/// 1 / (1 + exp(-x)).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, by (e^2x - 1) / (e^2x + 1).
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    // From 10 on it is 1 in f32.
    let e = exp_m1(2.0 * x.abs().clamp(0.0, 10.0));
    (e / (e + 2.0)).copysign(x)
}

/// The error function, as 1 - exp(-x q(x)): q is -ln(1 - erf(x)) / x on 0 to 4, a smooth function that a
/// polynomial of degree 7 meets so closely that erf has a relative error of 4e-8 (weighted minimax fit of
/// our own). From 4 on erf is 1 in f32.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let t = x.abs().clamp(0.0, 4.0);
    let mut q = 4.071_003_4e-5;
    for coefficient in [
        -3.810_165e-4,
        1.251_792_9e-3,
        2.056_498_8e-4,
        -1.932_166_7e-2,
        1.028_143_9e-1,
        6.366_165e-1,
        std::f32::consts::FRAC_2_SQRT_PI,
    ] {
        q = fma(q, t, coefficient);
    }
    (-exp_m1(-t * q)).copysign(x)
}

/// The natural logarithm of a positive normal number, or of infinity; NaN stays NaN.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // The exponent is that of the power of 2 that leaves a number from sqrt(1/2) to sqrt(2).
    const ROOT_HALF: u32 = 0x3F35_04F3;
    let above = x.to_bits().wrapping_sub(ROOT_HALF);
    let n = (above as i32 >> 23) as f32;
    let f = f32::from_bits((above & 0x007F_FFFF).wrapping_add(ROOT_HALF)) - 1.0;
    // ln(1 + f) = 2 s + 2/3 s^3 + 2/5 s^5 + .., and 2 s = f - s f: what is left out is below 2e-9 of it.
    let s = f / (2.0 + f);
    let z = s * s;
    let mut p = 2.0 / 9.0;
    for coefficient in [2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0] {
        p = fma(p, z, coefficient);
    }
    let low = fma(n, LN_2_LOW, -(s * fma(-p, z, f)));
    let near = fma(n, LN_2_HIGH, f + low);
    if x < f32::INFINITY { near } else { x }
}

/// The sine and the cosine of 2 pi times x, for x from 0 to 1.
#[inline(always)]
pub(crate) fn sin_cos_of_turn(x: f32) -> (f32, f32) {
    // The nearest quarter turn, and the angle from there: at most an eighth of a turn.
    let quarter = (4.0 * x + 0.5) as i32;
    let angle = (4.0 * x - quarter as f32) * std::f32::consts::FRAC_PI_2;
    // The two series: what is left out is below 2e-9.
    let z = angle * angle;
    let sine = angle
        * fma(
            z,
            fma(
                z,
                fma(z, fma(z, 1.0 / 362_880.0, -1.0 / 5040.0), 1.0 / 120.0),
                -1.0 / 6.0,
            ),
            1.0,
        );
    let cosine = fma(
        z,
        fma(z, fma(z, fma(z, 1.0 / 40_320.0, -1.0 / 720.0), 1.0 / 24.0), -0.5),
        1.0,
    );
    let (across, along) = if quarter & 1 == 0 {
        (sine, cosine)
    } else {
        (cosine, sine)
    };
    let turned = |number: f32, back: bool| if back { -number } else { number };
    (
        turned(across, quarter & 2 != 0),
        turned(along, (quarter + 1) & 2 != 0),
    )
}

/// x * Phi(x) and its derivative Phi(x) + x * phi(x), with Phi and phi of the standard normal law.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> (f32, f32) {
    const ROOT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
    // 1 / sqrt(2 pi).
    const DENSITY: f32 = 0.398_942_3;
    let below = fma(0.5, erf(x * ROOT_HALF), 0.5);
    let density = DENSITY * exp(-0.5 * x * x);
    // Far out phi is 0 in f32, but `exp` stops above it, and a huge x would make something of that.
    let slope = if x.abs() > 14.0 {
        below
    } else {
        fma(x, density, below)
    };
    (x * below, slope)
}

/// scale * x above 0, else below * (e^x - 1), and the derivative.
#[inline(always)]
pub(crate) fn elu(x: f32, scale: f32, below: f32) -> (f32, f32) {
    let (value, slope) = (below * exp_m1(x), below * exp(x));
    if x > 0.0 {
        (scale * x, scale)
    } else {
        (value, slope)
    }
}

/// x * sigmoid(x) and its derivative.
#[inline(always)]
pub(crate) fn silu(x: f32) -> (f32, f32) {
    // Far out the sigmoid is 0 in f32, but `exp` stops before, and a huge x would make something of that.
    let s = if x < -87.0 { 0.0 } else { sigmoid(x) };
    (x * s, s * fma(x, 1.0 - s, 1.0))
}

/// x * t with t = tanh(ln(1 + e^x)), and its derivative t + x (1 - t^2) sigmoid(x).
#[inline(always)]
pub(crate) fn mish(x: f32) -> (f32, f32) {
    // With e = e^x and n = e (e + 2), t is n / (n + 2) and (1 - t^2) sigmoid(x) is 4 e (e + 1) / (n + 2)^2. From 10 on
    // t is 1 in f32 and the rest does not count; beyond the clamp e^2 would not fit.
    let e = exp(x.clamp(-87.0, 20.0));
    let n = e * (e + 2.0);
    let inverse = 1.0 / (n + 2.0);
    let (t, rest) = (n * inverse, 4.0 * e * (e + 1.0) * inverse * inverse);
    let t = if x < -87.0 { 0.0 } else { t };
    #[expect(
        clippy::manual_range_contains,
        reason = "what is not a number keeps its rest, and nothing branches"
    )]
    let rest = if (x < -87.0) | (x > 20.0) { 0.0 } else { rest };
    (x * t, fma(x, rest, t))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest |got - expected| / (|expected| + floor) on a fine grid of -12 to 12.
    fn worst(got: fn(f32) -> f32, expected: fn(f64) -> f64, floor: f64) -> f64 {
        (-240_000..=240_000)
            .map(|i| i as f32 * 5e-5)
            .map(|x| {
                let expected = expected(f64::from(x));
                (f64::from(got(x)) - expected).abs() / (expected.abs() + floor)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn close_to_the_functions_of_f64() {
        assert!(worst(exp, f64::exp, 0.0) < 3e-7);
        assert!(worst(tanh, f64::tanh, 1e-30) < 5e-7);
        assert!(worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 0.0) < 5e-7);
    }

    #[test]
    fn ln_is_within_a_unit_in_the_last_place() {
        // Every 97th of the positive normal numbers.
        for bits in (f32::MIN_POSITIVE.to_bits()..f32::INFINITY.to_bits()).step_by(97) {
            let x = f32::from_bits(bits);
            let expected = f64::from(x).ln();
            let unit = f64::from(f32::from_bits((expected.abs() as f32).to_bits() + 1)) - expected.abs();
            let off = (f64::from(ln(x)) - expected).abs();
            assert!(
                off <= unit.abs().max(1e-12) * 1.5,
                "ln({x}) = {}, not {expected}",
                ln(x)
            );
        }
        assert_eq!((ln(1.0), ln(f32::INFINITY)), (0.0, f32::INFINITY));
        assert!(ln(f32::NAN).is_nan());
    }

    #[test]
    fn a_turn_has_the_sine_and_the_cosine_of_f64() {
        for i in 0..=1_000_000 {
            let x = i as f32 / 1_000_000.0;
            let (sine, cosine) = sin_cos_of_turn(x);
            let (s, c) = (std::f64::consts::TAU * f64::from(x)).sin_cos();
            let off = (f64::from(sine) - s).abs().max((f64::from(cosine) - c).abs());
            assert!(off < 1.5e-7, "{x}: {sine}, {cosine}, not {s}, {c}");
        }
        assert_eq!(sin_cos_of_turn(0.25), (1.0, 0.0));
        assert!(sin_cos_of_turn(f32::NAN).0.is_nan());
    }

    #[test]
    fn erf_meets_its_table() {
        // Abramowitz and Stegun, table 7.1, and the tangent at 0.
        for (x, expected) in [
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (1.5, 0.966_105_146_5),
            (2.0, 0.995_322_265_0),
            (1e-4, 1.128_379_163e-4),
            (5.0, 1.0),
        ] {
            let relative = (f64::from(erf(x)) / expected - 1.0).abs();
            assert!(relative < 3e-7, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }

    #[test]
    fn gelu_is_straight_far_out() {
        for x in [14.1, 1e30, 1e38, f32::INFINITY] {
            assert_eq!((gelu(x), gelu(-x).1), ((x, 1.0), 0.0), "{x}");
        }
        assert_eq!(gelu(-1e38).0, 0.0);
        assert!(gelu(f32::NAN).1.is_nan());
    }

    #[test]
    fn silu_and_mish_are_straight_far_out() {
        for f in [silu, mish] {
            for x in [1e3, 1e30, 1e38] {
                assert_eq!((f(x), f(-x)), ((x, 1.0), (-0.0, 0.0)), "{x}");
            }
            assert!(f(f32::NAN).0.is_nan() && f(f32::NAN).1.is_nan());
        }
        assert_eq!((elu(-1e38, 1.0, 2.0).0, elu(1e38, 1.0, 2.0)), (-2.0, (1e38, 1.0)));
    }

    #[test]
    fn the_ends_stay_finite_and_nan_stays() {
        for f in [exp, tanh, sigmoid, erf] {
            assert!(f(f32::NAN).is_nan());
            for x in [-f32::INFINITY, -1e30, 1e30, f32::INFINITY] {
                assert!(f(x).is_finite());
            }
        }
        assert_eq!(tanh(-40.0), -1.0);
        assert!(exp(-1000.0) < 1e-37);
    }
}
