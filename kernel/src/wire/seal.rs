//! Signatures: a message counts if its sender has the connection file's key, and counts once.

use bytes::Bytes;
use ring::hmac;
use std::collections::{HashSet, VecDeque};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Stands between the addresses of a message and its signature.
const DELIMITER: &[u8] = b"<IDS|MSG>";
/// Header, parent header, metadata, content: what is signed.
const SIGNED: usize = 4;
/// Signatures that are remembered, as many as Jupyter's own client does.
const REMEMBERED: usize = 1 << 16;

/// The key of a kernel, and its name on what it signs.
pub struct Seal {
    /// None where the connection file has an empty key: then nothing is signed.
    key: Option<hmac::Key>,
    pub session: String,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    signatures: HashSet<Box<[u8]>>,
    order: VecDeque<Box<[u8]>>,
}

/// A message whose signature is right.
pub struct Opened {
    /// What stands before the delimiter: who sent it.
    pub identities: Vec<Bytes>,
    /// What is signed, then buffers.
    pub parts: Vec<Bytes>,
}

impl Seal {
    pub fn new(key: &str, session: String) -> Seal {
        Seal {
            key: (!key.is_empty()).then(|| hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())),
            session,
            seen: Mutex::default(),
        }
    }

    /// Takes a message apart, if it is signed and has not been here before. Says in words what is wrong with others.
    pub fn open(&self, mut frames: Vec<Bytes>) -> Result<Opened, String> {
        let delimiter = frames.iter().position(|frame| frame == DELIMITER);
        let delimiter = delimiter.ok_or("it has no delimiter")?;
        let parts = frames.split_off((delimiter + 2).min(frames.len()));
        if parts.len() < SIGNED {
            return Err(format!("it has {} parts of {SIGNED}", parts.len()));
        }
        let signature = frames.pop().unwrap_or_default();
        frames.pop();
        if let Some(key) = &self.key {
            let signature = unhex(&signature).ok_or("its signature is not one")?;
            // Without a copy of the parts, which may be large, and without a comparison whose time tells anything.
            let right = digest(key, &parts[..SIGNED]);
            let given = hmac::sign(key, &signature);
            hmac::verify(key, right.as_ref(), given.as_ref()).map_err(|_| "its signature is wrong")?;
            // What was signed once may be sent again by anybody who heard it.
            if !self
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .first_time(signature)
            {
                return Err("it is a repetition: another message had the same signature".to_string());
            }
        }
        Ok(Opened {
            identities: frames,
            parts,
        })
    }

    /// A message as it goes over the wire: who it is for, the signature, the four parts that are signed, buffers.
    pub fn close(&self, identities: Vec<Bytes>, parts: [Vec<u8>; SIGNED], buffers: Vec<Bytes>) -> Vec<Bytes> {
        let signature = self
            .key
            .as_ref()
            .map_or_else(String::new, |key| sign(key, &parts));
        let mut frames = identities;
        frames.extend([Bytes::from_static(DELIMITER), signature.into()]);
        frames.extend(parts.map(Bytes::from));
        frames.extend(buffers);
        frames
    }
}

impl Seen {
    fn first_time(&mut self, signature: Vec<u8>) -> bool {
        let signature: Box<[u8]> = signature.into();
        if !self.signatures.insert(signature.clone()) {
            return false;
        }
        self.order.push_back(signature);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.signatures.remove(&oldest);
        }
        true
    }
}

/// The signature of parts, as it is written.
pub fn sign<T: AsRef<[u8]>>(key: &hmac::Key, parts: &[T]) -> String {
    let mut text = String::new();
    for byte in digest(key, parts).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn digest<T: AsRef<[u8]>>(key: &hmac::Key, parts: &[T]) -> hmac::Tag {
    let mut signing = hmac::Context::with_key(key);
    parts.iter().for_each(|part| signing.update(part.as_ref()));
    signing.sign()
}

/// The bytes of a signature as Jupyter writes them: small hexadecimal digits, and no other spelling of the same.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seal: &Seal, content: &str) -> Vec<Bytes> {
        let parts = ["{}", "{}", "{}", content].map(|part| part.as_bytes().to_vec());
        seal.close(vec!["client".into()], parts, vec!["buffer".into()])
    }

    fn refusal(seal: &Seal, frames: Vec<Bytes>) -> String {
        seal.open(frames).err().unwrap_or_default()
    }

    #[test]
    fn a_message_counts_once() {
        let seal = Seal::new("secret", "session".to_string());
        let sent = message(&seal, "{\"a\": 1}");
        let opened = seal.open(sent.clone()).unwrap();
        assert_eq!(opened.identities, [Bytes::from("client")]);
        assert_eq!(
            (&opened.parts[3][..], &opened.parts[4][..]),
            (&b"{\"a\": 1}"[..], &b"buffer"[..])
        );
        assert!(refusal(&seal, sent.clone()).contains("repetition"));
        // Another spelling of the signature is none.
        let mut shouted = sent.clone();
        shouted[2] = Bytes::from(String::from_utf8_lossy(&sent[2]).to_uppercase());
        assert!(refusal(&seal, shouted).contains("signature"));
        assert!(seal.open(message(&seal, "{\"a\": 2}")).is_ok());
    }

    #[test]
    fn the_memory_of_signatures_is_bounded() {
        let mut seen = Seen::default();
        for number in 0..REMEMBERED + 5 {
            assert!(seen.first_time(number.to_le_bytes().to_vec()));
        }
        assert_eq!(
            (seen.order.len(), seen.signatures.len()),
            (REMEMBERED, REMEMBERED)
        );
        assert!(!seen.first_time((REMEMBERED + 4).to_le_bytes().to_vec()));
    }

    #[test]
    fn what_is_not_signed_or_not_whole_is_refused() {
        let seal = Seal::new("secret", String::new());
        let other = Seal::new("other", String::new());
        assert_eq!(refusal(&seal, message(&other, "{}")), "its signature is wrong");
        for length in 0..6 {
            assert!(seal.open(message(&seal, "{}")[..length].to_vec()).is_err());
        }
        // Without a key everybody is heard, as often as they like.
        let open = Seal::new("", String::new());
        assert!(open.open(message(&open, "{}")).is_ok() && open.open(message(&open, "{}")).is_ok());
    }
}
