//! The key of a trial, under which a store keeps it.

use serde::Serialize as _;

use super::settings::Settings;
use crate::hex::hex;
use crate::net::cpu;

/// The key of a trial: 32 hex digits of the SHA-256 of all that decides its result, as far as it is known: also the
/// version that computes it and the instruction set. The order in which names were varied does not matter.
pub(super) fn key(study: &str, version: &str, base: &str, settings: &Settings, seed: u64) -> String {
    let machine = [crate::train::VERSION, crate::train::DEVICE, cpu::INSTRUCTIONS];
    key_on(machine, [study, version, base], settings, seed)
}

fn key_on(machine: [&str; 3], [study, version, base]: [&str; 3], settings: &Settings, seed: u64) -> String {
    use sha2::{Digest, Sha256};
    let mut pairs: Vec<_> = settings
        .values()
        .iter()
        .map(|value| {
            (
                value.name(),
                value
                    .content()
                    .serialize(serde_json::value::Serializer)
                    .unwrap_or_default(),
            )
        })
        .collect();
    pairs.sort_by_key(|pair| pair.0);
    let all = serde_json::json!(["jook study 2", machine, study, version, base, pairs, seed]);
    hex(&Sha256::digest(all.to_string().as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Activation;
    use crate::study::value::Value;

    // Fixed for good: stores of earlier versions are found by it.
    #[test]
    fn a_key_stays_what_it_is() {
        let settings = vec![
            ("recipe.batch", Value::from(16)),
            ("activation", Activation::Maxout(2).into()),
            ("rate", 0.1.into()),
        ];
        let key = key_on(
            ["0.1.0", "cpu", "AVX-512"],
            ["first bowl", "2", "base"],
            &settings.into(),
            7,
        );
        assert_eq!(key, "688a5a4fad755585a5001af4d7462d41");
    }

    #[test]
    fn a_key_says_what_was_run_and_not_in_which_order_it_was_varied() {
        let ab = Settings::from([("a", 1), ("b", 2)]);
        let ba = Settings::from([("b", 2), ("a", 1)]);
        let all = [
            key("s", "", "", &ab, 0),
            key("t", "", "", &ab, 0),
            key("s", "1", "", &ab, 0),
            key("s", "", "base", &ab, 0),
            key("s", "", "", &[("a", 1), ("b", 3)].into(), 0),
            key("s", "", "", &ab, 1),
        ];
        assert_eq!(all[0], key("s", "", "", &ba, 0));
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
