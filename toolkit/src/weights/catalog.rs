//! Where weights of known networks are. Nothing here is fetched unless [`KnownWeights::download`] is called.

use std::fmt;
use std::path::Path;

use super::pin;
use crate::Result;
use crate::show::show_by_display;

/// Weights that their makers publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownWeights {
    /// What they are called here.
    pub name: &'static str,
    /// Where they are, by HTTPS.
    pub address: &'static str,
    /// The beginning of the file's SHA-256, hexadecimal, as far as the makers say it; none where it is not known.
    ///
    /// PyTorch puts the first eight digits into the file's name.
    pub sha256: Option<&'static str>,
    /// What is in them, and whose naming they have.
    pub remark: &'static str,
}

/// The weights that are known, for Inception-v3 trained on ImageNet's 1,000 classes.
///
/// ```
/// use jook::weights::KNOWN;
/// assert!(KNOWN.iter().all(|known| known.address.starts_with("https://")));
/// ```
pub const KNOWN: &[KnownWeights] = &[
    KnownWeights {
        name: "inception_v3 (torchvision)",
        address: "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
        sha256: Some("0cc3c7bd"),
        remark: "torchvision's IMAGENET1K_V1, with the auxiliary head; torchvision's naming; expects transform_input",
    },
    KnownWeights {
        name: "inception_v3.tv_in1k (timm)",
        address: "https://huggingface.co/timm/inception_v3.tv_in1k/resolve/main/model.safetensors",
        sha256: None,
        remark: "the same numbers in safetensors; timm's naming",
    },
    KnownWeights {
        name: "inception_v3.tf_in1k (timm)",
        address: "https://huggingface.co/timm/inception_v3.tf_in1k/resolve/main/model.safetensors",
        sha256: None,
        remark: "from TensorFlow's slim of 2016; timm's naming",
    },
    KnownWeights {
        name: "inception_v3.gluon_in1k (timm)",
        address: "https://huggingface.co/timm/inception_v3.gluon_in1k/resolve/main/model.safetensors",
        sha256: None,
        remark: "trained by MXNet's GluonCV; timm's naming",
    },
];

/// What a reader of a list wants: name, address and remark.
impl fmt::Display for KnownWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  {}", self.name, self.remark, self.address)?;
        match self.sha256 {
            Some(digits) => write!(f, ", SHA-256 {digits}..."),
            None => write!(f, ", no SHA-256 known: pinned when it is first downloaded"),
        }
    }
}

show_by_display!(KnownWeights);

impl KnownWeights {
    /// Fetches the file to `path`; see [`download`](super::download()).
    ///
    /// Where no SHA-256 is known, what comes the first time cannot be checked: that is said, and its SHA-256 is written
    /// to `<name>.sha256` beside the file. Later calls refuse another file, also one that is there already.
    ///
    /// # Errors
    /// As [`download`](super::download()); also when the file is not the one that was pinned.
    pub fn download(&self, path: impl AsRef<Path>) -> Result<()> {
        if self.sha256.is_some() {
            return super::download(self.address, self.sha256, path);
        }
        if let Some(note) = pin::download_pinned(self.address, path.as_ref())? {
            eprintln!("\u{26a0} {note}");
        }
        Ok(())
    }
}
