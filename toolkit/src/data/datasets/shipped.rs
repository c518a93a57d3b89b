//! The datasets that ship, compiled in so that a notebook finds them wherever it runs.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::data::{Dataset, Shape, load};
use crate::hex::hex;
use crate::{Error, Result};

/// A file in `datasets/` at the root of the repository; its README there has the same facts.
struct File {
    name: &'static str,
    text: &'static [u8],
    sha256: &'static str,
    label: &'static str,
    classes: &'static [&'static str],
    source: &'static str,
}

const LICENCE: &str = "CC BY 4.0";

const DIGITS: File = File {
    name: "digits",
    text: include_bytes!("../../../../datasets/digits.csv"),
    sha256: "592cc047d0a1cc7fdef9fd724514209dcb45a80aa147dc3ab375e3e1a9a380f4",
    label: "digit",
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    source: "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (test part), \
             UCI Machine Learning Repository, 1998, doi:10.24432/C50P49",
};

const IRIS: File = File {
    name: "iris",
    text: include_bytes!("../../../../datasets/iris.csv"),
    sha256: "30821fb97cfd3335f67711058ee448fe1784557c374c82e52645e78563bafdb1",
    label: "species",
    classes: &["setosa", "versicolor", "virginica"],
    source: "R. A. Fisher: Iris, UCI Machine Learning Repository, 1936, doi:10.24432/C56C76",
};

const WINE: File = File {
    name: "wine",
    text: include_bytes!("../../../../datasets/wine.csv"),
    sha256: "d3fcd1284adcc1c3c1ecc37221dbf2e73d7c3f7a132fbd36525ab1b97baa741b",
    label: "cultivar",
    classes: &["class_0", "class_1", "class_2"],
    source: "S. Aeberhard, M. Forina: Wine, UCI Machine Learning Repository, 1992, doi:10.24432/C5PC7J",
};

const BREAST_CANCER: File = File {
    name: "breast cancer",
    text: include_bytes!("../../../../datasets/breast_cancer.csv"),
    sha256: "af399a019264f7999e6b395ee90576e46564867aa4c8a40797c96be87dc1be55",
    label: "diagnosis",
    classes: &["malignant", "benign"],
    source: "W. Wolberg, O. Mangasarian, N. Street, W. Street: Breast Cancer Wisconsin (Diagnostic), \
             UCI Machine Learning Repository, 1993, doi:10.24432/C5DW2B",
};

/// 1,797 handwritten digits of 8 x 8 grey pixels, 10 classes: the test part of UCI's Optical Recognition
/// of Handwritten Digits, as scikit-learn carries it. Each pixel counts the dark ones of a 4 x 4 block, 0
/// to 16; here divided by 16, so 0 to 1.
///
/// # Errors
/// When the file compiled in is not the one it should be.
pub fn digits() -> Result<Dataset> {
    static ONCE: OnceLock<Result<Dataset>> = OnceLock::new();
    let load = || {
        let raw = DIGITS.load()?;
        let shape = Shape::Image {
            height: 8,
            width: 8,
            channels: 1,
        };
        let pixels = raw.features().iter().map(|x| x / 16.0).collect();
        Dataset::new(raw.name(), shape, pixels)?
            .with_feature_names(raw.feature_names().to_vec())?
            .with_labels(raw.require_labels()?.to_vec(), raw.class_names().to_vec())
            .map(|data| data.with_origin(raw.source(), raw.licence()))
    };
    ONCE.get_or_init(load).clone()
}

/// 150 iris flowers of 3 species: length and width of sepals and petals in centimetres. Two rows follow
/// Fisher's paper where the file at UCI has typing errors, as in scikit-learn.
///
/// # Errors
/// When the file compiled in is not the one it should be.
pub fn iris() -> Result<Dataset> {
    static ONCE: OnceLock<Result<Dataset>> = OnceLock::new();
    ONCE.get_or_init(|| IRIS.load()).clone()
}

/// 178 wines of 3 cultivars: 13 chemical measurements in very different units, so standardize.
///
/// # Errors
/// When the file compiled in is not the one it should be.
pub fn wine() -> Result<Dataset> {
    static ONCE: OnceLock<Result<Dataset>> = OnceLock::new();
    ONCE.get_or_init(|| WINE.load()).clone()
}

/// 569 breast tumours, malignant (0) or benign (1): 30 measurements of cell nuclei, so standardize.
///
/// # Errors
/// When the file compiled in is not the one it should be.
pub fn breast_cancer() -> Result<Dataset> {
    static ONCE: OnceLock<Result<Dataset>> = OnceLock::new();
    ONCE.get_or_init(|| BREAST_CANCER.load()).clone()
}

impl File {
    fn load(&self) -> Result<Dataset> {
        let found = hex(&Sha256::digest(self.text));
        if found != self.sha256 {
            return Err(Error::data(format!(
                "expected the SHA-256 checksum {}, found {found}",
                self.sha256
            ))
            .at(format!("the shipped dataset {}", self.name))
            .fix("restore the file in `datasets/` and build again"));
        }
        let data = load::shipped_csv(self.name, self.text, self.label, self.classes)?;
        Ok(data.with_origin(self.source, LICENCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_refused() {
        let mut text = IRIS.text.to_vec();
        let last = text.len() - 3;
        text[last] ^= 1;
        let error = File {
            text: text.leak(),
            ..IRIS
        }
        .load()
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("checksum") && error.contains(IRIS.sha256),
            "{error}"
        );
    }

    #[test]
    fn readmes_state_the_checksums_and_licence() {
        let readme = include_str!("../../../../datasets/README.md");
        for file in [DIGITS, IRIS, WINE, BREAST_CANCER] {
            assert!(readme.contains(file.sha256), "{}", file.name);
            let doi = file.source.rsplit("doi:").next().unwrap();
            assert!(readme.contains(doi), "{}", file.name);
        }
        assert!(readme.contains(LICENCE));
    }

    /// Numbers that `tests/reference/datasets.py` took from scikit-learn.
    #[test]
    fn shipped_data_are_scikit_learns() {
        let text = include_str!("../../../../tests/reference/datasets.json");
        let golden: serde_json::Value = serde_json::from_str(text).unwrap();
        let all = [
            digits().unwrap(),
            iris().unwrap(),
            wine().unwrap(),
            breast_cancer().unwrap(),
        ];
        for (data, key) in all.iter().zip(["digits", "iris", "wine", "breast_cancer"]) {
            let want = &golden[key];
            let scale = if key == "digits" { 16.0 } else { 1.0 };
            let numbers = |field: &str| -> Vec<f64> {
                let list = want[field].as_array().unwrap();
                list.iter().map(|x| x.as_f64().unwrap()).collect()
            };
            assert_eq!(data.len() as u64, want["rows"].as_u64().unwrap());
            assert_eq!(data.width() as u64, want["columns"].as_u64().unwrap());
            let counts: Vec<f64> = data.class_counts().iter().map(|&n| n as f64).collect();
            assert_eq!(counts, numbers("class_counts"), "{key}");
            let names: Vec<&str> = want["class_names"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_str().unwrap())
                .collect();
            assert_eq!(data.class_names(), names, "{key}");
            let (sums, squares) = (numbers("column_sums"), numbers("column_square_sums"));
            for j in 0..data.width() {
                let column = || data.rows().map(|row| f64::from(row[j]) * scale);
                let close = |found: f64, want: f64| (found - want).abs() <= 1e-6 * want.abs().max(1.0);
                assert!(close(column().sum(), sums[j]), "{key}, column {j}");
                assert!(
                    close(column().map(|x| x * x).sum(), squares[j]),
                    "{key}, column {j}"
                );
            }
            // Sums say nothing of the order: rows and labels weighted by position do.
            let first: Vec<f64> = data
                .row(0)
                .iter()
                .map(|&x| f64::from((f64::from(x) * scale) as f32))
                .collect();
            for (found, want) in first.iter().zip(numbers("first_row")) {
                assert!((found - want).abs() <= 1e-6 * want.abs().max(1.0), "{key}");
            }
            let labels = data.labels().unwrap();
            let weighted: u64 = labels.iter().zip(1u64..).map(|(&l, i)| u64::from(l) * i).sum();
            assert_eq!(weighted, want["labels_by_position"].as_u64().unwrap(), "{key}");
        }
        assert_eq!(digits().unwrap().range(), Some((0.0, 1.0)));
    }
}
