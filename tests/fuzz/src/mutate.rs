//! Broken input, made of whole input.

/// No input grows beyond this many bytes.
const LARGEST: usize = 1 << 20;

/// Integers at which arithmetic goes wrong.
const EDGES: [u64; 17] = [
    0,
    1,
    2,
    16,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// The same as text, and what is hardly a number.
const WRITTEN: [&str; 16] = [
    "0",
    "-1",
    "255",
    "256",
    "65536",
    "2147483647",
    "-2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e999",
    "-0.0",
    "1e-400",
    "NaN",
];

/// A stream of random numbers (SplitMix64), one an input.
pub struct Random(u64);

impl Random {
    /// The stream of input `number`.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            (self.next() % end as u64) as usize
        }
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// A length up to `most`, more often a small one.
    fn length(&mut self, most: usize) -> usize {
        let bits = usize::BITS - most.leading_zeros();
        let bits = self.below(bits as usize + 1);
        1 + self.below((1 << bits).min(most))
    }

    /// A stretch inside `bytes`.
    fn stretch(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len());
        let length = self.length(bytes.len()).min(bytes.len() - start);
        start..start + length
    }
}

/// Makes inputs.
pub struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    tokens: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    pub fn new(seeds: &'a [Vec<u8>], tokens: &'a [Vec<u8>]) -> Self {
        Self { seeds, tokens }
    }

    /// A seed with some things changed in it.
    pub fn input(&self, random: &mut Random) -> Vec<u8> {
        let mut input = random.of(self.seeds).cloned().unwrap_or_default();
        for _ in 0..random.length(8) {
            self.change(&mut input, random);
            input.truncate(LARGEST);
        }
        input
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(input.len() + 1);
        match random.below(12) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.next() as u8;
                }
            }
            2 => input.truncate(at),
            3 => drop(input.drain(random.stretch(input))),
            4 => {
                let copy = input[random.stretch(input)].to_vec();
                insert(input, at, &copy);
            }
            // The same again and again: nesting, and lists without end.
            5 => {
                let stretch = random.stretch(input);
                let copy = &input[stretch.start..stretch.end.min(stretch.start + 8)];
                let copy = copy.repeat(random.length(2000));
                insert(input, at, &copy);
            }
            6 => integer(input, at, random),
            7 => count(input, at, random),
            8 => written(input, at, random),
            9 => {
                let other = random.of(self.seeds).cloned().unwrap_or_default();
                let tail = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[tail..]);
            }
            10 => {
                let other = random.of(self.seeds).cloned().unwrap_or_default();
                let piece = random.stretch(&other);
                insert(input, at, &other[piece]);
            }
            _ => {
                if let Some(token) = random.of(self.tokens) {
                    // In the place of what was there, or between.
                    if random.below(2) == 0 {
                        let end = (at + token.len()).min(input.len());
                        input.drain(at..end);
                    }
                    insert(input, at, token);
                }
            }
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

/// An integer at the edge of its type, in either byte order.
fn integer(input: &mut [u8], at: usize, random: &mut Random) {
    let edge = EDGES[random.below(EDGES.len())];
    let value = edge.wrapping_add(random.below(3) as u64).wrapping_sub(1);
    put(input, at, value, random);
}

/// A length or an offset: what is there, or the size of the input, and a little off.
fn count(input: &mut [u8], at: usize, random: &mut Random) {
    let near = match random.below(3) {
        0 => input.len(),
        1 => input.len().saturating_sub(at),
        _ => input.get(at).copied().unwrap_or_default().into(),
    };
    let off = random.below(9) as u64;
    put(input, at, (near as u64).wrapping_add(off).wrapping_sub(4), random);
}

fn put(input: &mut [u8], at: usize, value: u64, random: &mut Random) {
    let size = 1 << random.below(4);
    if let Some(place) = input.get_mut(at..at + size) {
        if random.below(2) == 0 {
            place.copy_from_slice(&value.to_le_bytes()[..size]);
        } else {
            place.copy_from_slice(&value.to_be_bytes()[8 - size..]);
        }
    }
}

/// Another number in the place of the next one that is written out.
fn written(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let digit = |byte: &u8| byte.is_ascii_digit();
    if let Some(start) = input[at..].iter().position(digit).map(|start| at + start) {
        let length = input[start..].iter().take_while(|byte| digit(byte)).count();
        let number = WRITTEN[random.below(WRITTEN.len())];
        input.splice(start..start + length, number.bytes());
    }
}
