//! The part of Python's pickle that a `state_dict` needs, and no more.
//!
//! A pickle is a program for a stack machine, and in Python it may call anything. This machine knows plain
//! values, containers and four callables of PyTorch; it can only describe tensors. Any other opcode or global is
//! refused by its name. Every step takes a bounded amount of memory, so a pickle of n bytes takes O(n).
//!
//! Opcodes: <https://docs.python.org/3/library/pickletools.html>, protocols 2 to 5.

mod globals;

use std::collections::HashMap;

use super::Trouble;
use super::number::NumberType;
use globals::{Global, ONLY_TENSORS};

/// A value on the stack; what is not small lies in [`Pickle`] under an index, so that a container may hold itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Text(usize),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
}

impl Value {
    /// What it is, in Python's words.
    pub fn kind(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool => "a bool",
            Self::Int(_) => "an int",
            Self::Float => "a float",
            Self::Text(_) => "a str",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Global(_) => "a class or function",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// Where the numbers of tensors lie: an entry of the archive.
#[derive(Debug)]
pub(super) struct StorageRef {
    pub kind: NumberType,
    pub key: String,
    /// Numbers in it.
    pub length: usize,
}

/// A view of a storage.
#[derive(Debug)]
pub(super) struct TensorRef {
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    /// Numbers from one index of a dimension to the next.
    pub strides: Vec<usize>,
}

/// A pickle that was read: its value, and what the value refers to.
#[derive(Debug)]
pub(super) struct Pickle {
    pub value: Value,
    pub texts: Vec<String>,
    pub dicts: Vec<Vec<(Value, Value)>>,
    pub storages: Vec<StorageRef>,
    pub tensors: Vec<TensorRef>,
    tuples: Vec<Vec<Value>>,
    lists: Vec<Vec<Value>>,
    ordered: Vec<bool>,
}

impl Pickle {
    /// Runs the pickle in `bytes`, all of them.
    pub fn read(bytes: &[u8]) -> Result<Self, Trouble> {
        let mut machine = Machine {
            bytes,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            made: Pickle {
                value: Value::None,
                texts: Vec::new(),
                dicts: Vec::new(),
                storages: Vec::new(),
                tensors: Vec::new(),
                tuples: Vec::new(),
                lists: Vec::new(),
                ordered: Vec::new(),
            },
        };
        loop {
            let start = machine.at;
            match machine.step() {
                Ok(false) => {}
                Ok(true) => return Ok(machine.made),
                Err(trouble) => return Err(trouble.inside(format!("byte {start} of the pickle"))),
            }
        }
    }

    pub fn text(&self, value: Value) -> Option<&str> {
        match value {
            Value::Text(i) => Some(&self.texts[i]),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    made: Pickle,
}

impl<'a> Machine<'a> {
    /// One opcode; whether it was the last.
    fn step(&mut self) -> Result<bool, Trouble> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return self.stop().map(|()| true),
            0x80 => match self.take(1)?[0] {
                2..=5 => {}
                other => return Err(Trouble::new(format!("expected protocol 2 to 5, found {other}"))),
            },
            // A frame only says how much to read ahead.
            0x95 => drop(self.length(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Bool),
            b'K' => self.int(1, false)?,
            b'M' => self.int(2, false)?,
            b'J' => self.int(4, true)?,
            0x8a => {
                let length = usize::from(self.take(1)?[0]);
                self.int(length, true)?;
            }
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Float);
            }
            0x8c | b'U' => self.string(1)?,
            b'X' | b'T' => self.string(4)?,
            0x8d => self.string(8)?,
            b')' => self.tuple(0)?,
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let items = self.pop_mark()?;
                self.push_tuple(items);
            }
            b']' => self.push_list(Vec::new()),
            b'l' => {
                let items = self.pop_mark()?;
                self.push_list(items);
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b'}' => self.push_dict(false),
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            0x94 => {
                let (top, next) = (self.top()?, self.memo.len());
                self.memo.insert(next, top);
            }
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Global(Global::find(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.made.text(module), self.made.text(name)) else {
                    return Err(expected("two names", "other values"));
                };
                let global = Global::find(module, name)?;
                self.stack.push(Value::Global(global));
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            other => {
                return Err(Trouble::new(format!(
                    "expected nothing but tensors, found the opcode {}",
                    name(other)
                ))
                .fix(ONLY_TENSORS));
            }
        }
        Ok(false)
    }

    fn stop(&mut self) -> Result<(), Trouble> {
        self.made.value = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err(expected("one value at the end", "several"));
        }
        match self.bytes.len() - self.at {
            0 => Ok(()),
            more => Err(expected("the end after STOP", &format!("{more} bytes more"))),
        }
    }

    /// Calls what may be called, with the tuple on top.
    fn reduce(&mut self) -> Result<(), Trouble> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = arguments else {
            return Err(expected("a tuple of arguments", arguments.kind()));
        };
        let arguments = self.made.tuples[arguments].clone();
        match (callable, arguments.as_slice()) {
            (Value::Global(Global::OrderedDict), []) => self.push_dict(true),
            (
                Value::Global(Global::RebuildTensor),
                &[
                    Value::Storage(storage),
                    Value::Int(offset),
                    shape,
                    strides,
                    Value::Bool,
                    Value::Dict(_),
                    ref marks @ ..,
                ],
            ) if arguments.len() <= 7 => {
                let is_marked =
                    |mark: &Value| matches!(mark, Value::Dict(dict) if !self.made.dicts[*dict].is_empty());
                if marks.iter().any(is_marked) {
                    return Err(Trouble::new(
                        "expected a tensor's numbers as they are, found one that is marked as negative or conjugate",
                    )
                    .fix("resolve the mark before saving: `tensor.resolve_neg().resolve_conj()`"));
                }
                let tensor = TensorRef {
                    storage,
                    offset: size(offset)?,
                    shape: self.sizes(shape)?,
                    strides: self.sizes(strides)?,
                };
                if tensor.shape.len() != tensor.strides.len() {
                    return Err(expected("a stride for each dimension", "more or fewer"));
                }
                self.made.tensors.push(tensor);
                self.stack.push(Value::Tensor(self.made.tensors.len() - 1));
            }
            (
                Value::Global(Global::RebuildParameter),
                &[tensor @ Value::Tensor(_), Value::Bool, Value::Dict(_)],
            ) => {
                self.stack.push(tensor);
            }
            (Value::Global(known), _) => {
                return Err(Trouble::new(format!(
                    "expected {known:?} to be called as PyTorch does, found other arguments"
                ))
                .fix(ONLY_TENSORS));
            }
            (other, _) => return Err(expected("a known callable", other.kind()).fix(ONLY_TENSORS)),
        }
        Ok(())
    }

    /// Sets the attributes of an object: an `OrderedDict` from `state_dict()` has some that are only remarks.
    fn build(&mut self) -> Result<(), Trouble> {
        let state = self.pop()?;
        match (self.top()?, state) {
            (Value::Dict(dict), Value::Dict(_)) if self.made.ordered[dict] => Ok(()),
            (object, state) => Err(Trouble::new(format!(
                "expected attributes of an OrderedDict only, found the opcode BUILD with {} for {}",
                state.kind(),
                object.kind()
            ))
            .fix(ONLY_TENSORS)),
        }
    }

    /// `("storage", type, key, device, length)`: the numbers themselves lie in another entry of the archive.
    fn persistent(&mut self) -> Result<(), Trouble> {
        let id = self.pop()?;
        let Value::Tuple(parts) = id else {
            return Err(expected("the tuple of a storage", id.kind()));
        };
        let &[
            tag,
            Value::Global(Global::Storage(kind)),
            key,
            device,
            Value::Int(length),
        ] = self.made.tuples[parts].as_slice()
        else {
            return Err(expected("the tuple of a storage", "another one"));
        };
        let (Some("storage"), Some(key), Some(_)) =
            (self.made.text(tag), self.made.text(key), self.made.text(device))
        else {
            return Err(expected("the tuple of a storage", "another one"));
        };
        let storage = StorageRef {
            kind,
            key: key.to_owned(),
            length: size(length)?,
        };
        self.made.storages.push(storage);
        self.stack.push(Value::Storage(self.made.storages.len() - 1));
        Ok(())
    }

    /// The whole numbers of a tuple.
    fn sizes(&self, value: Value) -> Result<Vec<usize>, Trouble> {
        let Value::Tuple(items) = value else {
            return Err(expected("a tuple of sizes", value.kind()));
        };
        let items = self.made.tuples[items].iter();
        items
            .map(|&item| match item {
                Value::Int(n) => size(n),
                other => Err(expected("a size", other.kind())),
            })
            .collect()
    }

    fn int(&mut self, length: usize, signed: bool) -> Result<(), Trouble> {
        let bytes = self.take(length)?;
        if length > 8 {
            return Err(expected(
                "whole numbers of at most 8 bytes",
                &format!("one of {length}"),
            ));
        }
        let sign = signed && bytes.last().is_some_and(|&top| top >= 0x80);
        let mut wide = [if sign { 0xff } else { 0 }; 8];
        wide[..length].copy_from_slice(bytes);
        self.stack.push(Value::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn string(&mut self, width: usize) -> Result<(), Trouble> {
        let length = self.length(width)?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| expected("text in UTF-8", "other bytes"))?;
        self.made.texts.push(text.to_owned());
        self.stack.push(Value::Text(self.made.texts.len() - 1));
        Ok(())
    }

    fn tuple(&mut self, length: usize) -> Result<(), Trouble> {
        let from = self
            .stack
            .len()
            .checked_sub(length)
            .filter(|&from| from >= self.floor());
        let items = self.stack.split_off(from.ok_or_else(empty)?);
        self.push_tuple(items);
        Ok(())
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        self.made.tuples.push(items);
        self.stack.push(Value::Tuple(self.made.tuples.len() - 1));
    }

    fn push_list(&mut self, items: Vec<Value>) {
        self.made.lists.push(items);
        self.stack.push(Value::List(self.made.lists.len() - 1));
    }

    fn push_dict(&mut self, ordered: bool) {
        self.made.dicts.push(Vec::new());
        self.made.ordered.push(ordered);
        self.stack.push(Value::Dict(self.made.dicts.len() - 1));
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), Trouble> {
        match self.top()? {
            Value::List(list) => self.made.lists[list].extend(items),
            other => return Err(expected("a list to append to", other.kind())),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Value]) -> Result<(), Trouble> {
        let Value::Dict(dict) = self.top()? else {
            return Err(expected("a dict to set items of", self.top()?.kind()));
        };
        let (pairs, odd) = items.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(expected("a value for each key", "one less"));
        }
        self.made.dicts[dict].extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn put(&mut self, width: usize) -> Result<(), Trouble> {
        let (index, top) = (self.length(width)?, self.top()?);
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, width: usize) -> Result<(), Trouble> {
        let index = self.length(width)?;
        let value = self.memo.get(&index).copied();
        self.stack
            .push(value.ok_or_else(|| expected("a remembered value", &format!("none under {index}")))?);
        Ok(())
    }

    /// The lowest height of the stack that may be popped: marks are not values.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value, Trouble> {
        self.stack[self.floor()..].last().copied().ok_or_else(empty)
    }

    fn pop(&mut self) -> Result<Value, Trouble> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, Trouble> {
        let mark = self.marks.pop();
        Ok(self
            .stack
            .split_off(mark.ok_or_else(|| expected("a mark", "none"))?))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Trouble> {
        let left = self.bytes.len() - self.at;
        if length > left {
            return Err(expected(
                &format!("{length} bytes more"),
                &format!("{left} up to the end of the pickle"),
            ));
        }
        let from = self.at;
        self.at += length;
        Ok(&self.bytes[from..self.at])
    }

    /// An unsigned number of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, Trouble> {
        let bytes = self.take(width)?;
        let number = bytes.iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        usize::try_from(number).map_err(|_| expected("a length", &format!("{number}")))
    }

    /// Text up to the end of the line.
    fn line(&mut self) -> Result<&'a str, Trouble> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..length.ok_or_else(|| expected("the end of a line", "the end of the pickle"))?];
        self.at += line.len() + 1;
        std::str::from_utf8(line).map_err(|_| expected("text in UTF-8", "other bytes"))
    }
}

fn expected(what: &str, found: &str) -> Trouble {
    Trouble::new(format!("expected {what}, found {found}"))
}

fn empty() -> Trouble {
    expected("a value on the stack", "none")
}

fn size(number: i64) -> Result<usize, Trouble> {
    usize::try_from(number).map_err(|_| expected("a size of 0 or more", &number.to_string()))
}

/// The name of an opcode that is not read, as Python's pickletools has it.
fn name(opcode: u8) -> String {
    let name = match opcode {
        b'B' => "BINBYTES",
        b'C' => "SHORT_BINBYTES",
        b'F' => "FLOAT",
        b'I' => "INT",
        b'L' => "LONG",
        b'P' => "PERSID",
        b'S' => "STRING",
        b'V' => "UNICODE",
        b'd' => "DICT",
        b'g' => "GET",
        b'i' => "INST",
        b'o' => "OBJ",
        b'p' => "PUT",
        0x81 => "NEWOBJ",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x8b => "LONG4",
        0x8e => "BINBYTES8",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x92 => "NEWOBJ_EX",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return format!("{opcode:#04x}, which Python does not have either"),
    };
    name.to_owned()
}
