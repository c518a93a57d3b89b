//! Numbers and times at the precision a reader wants.

use std::time::Duration;

/// A number with about four significant digits: `0.9667`, `1797`, `1.2e-7`. Whole numbers below a million
/// stay whole, trailing zeros go.
pub fn readable_number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "-∞".into() };
    }
    if size == 0.0 {
        return "0".into();
    }
    if size.fract() == 0.0 && size < 1e6 {
        return format!("{value:.0}");
    }
    if !(1e-4..1e6).contains(&size) {
        let text = format!("{value:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", trim_zeros(digits));
    }
    // Digits before the point: 1 for 1..10, 0 for 0.1..1, -1 for 0.01..0.1.
    let before = size.log10().floor() as i32 + 1;
    let decimals = (4 - before).clamp(1, 7) as usize;
    trim_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// Numbers to stand together, such as those of a column: as [`readable_number`] writes them, but each with as
/// many decimals as the one that needs most, so that 0.857 stands as 0.8570 beside 0.9012. NaN is empty.
pub(crate) fn even_numbers(values: impl IntoIterator<Item = f64>) -> Vec<String> {
    let values: Vec<f64> = values.into_iter().collect();
    let texts: Vec<String> = values.iter().map(|value| readable_number(*value)).collect();
    let plain = |text: &str| !text.contains('e') && text.chars().any(|c| c.is_ascii_digit());
    let decimals = |text: &String| text.split_once('.').map_or(0, |(_, after)| after.len());
    let most = texts.iter().filter(|text| plain(text)).map(decimals).max();
    let write = |(value, text): (&f64, String)| match most {
        _ if value.is_nan() => String::new(),
        // Beside a large number the decimals of a tiny one would only be noise of zeros.
        Some(most) if plain(&text) && most <= 5 => format!("{value:.most$}"),
        _ => text,
    };
    values.iter().zip(texts).map(write).collect()
}

fn trim_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// A stretch of time: `85 ms`, `3.2 s`, `2 min 05 s`, `1 h 04 min`.
pub fn readable_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3599.5 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_a_reader_wants() {
        let cases = [
            (0.0, "0"),
            (1797.0, "1797"),
            (0.966_666, "0.9667"),
            (-12.345_6, "-12.35"),
            (12_345.678, "12345.7"),
            (0.012_345_6, "0.01235"),
            (1.2e-7, "1.2e-7"),
            (-3.0e12, "-3e12"),
            (0.5, "0.5"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-∞"),
        ];
        for (value, expected) in cases {
            assert_eq!(readable_number(value), expected, "{value}");
        }
    }

    #[test]
    fn numbers_of_a_column_share_their_decimals() {
        assert_eq!(
            even_numbers([0.857, 0.90123, 1.0]),
            ["0.8570", "0.9012", "1.0000"]
        );
        assert_eq!(even_numbers([16.0, 64.0, f64::NAN]), ["16", "64", ""]);
        assert_eq!(even_numbers([1e-7, 2.5, f64::INFINITY]), ["1e-7", "2.5", "∞"]);
    }

    #[test]
    fn times_change_unit() {
        let cases = [
            (0.000_25, "250 µs"),
            (0.0854, "85 ms"),
            (3.24, "3.2 s"),
            (59.97, "1 min 00 s"),
            (125.0, "2 min 05 s"),
            (3840.0, "1 h 04 min"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(
                readable_time(Duration::from_secs_f64(seconds)),
                expected,
                "{seconds}"
            );
        }
    }
}
