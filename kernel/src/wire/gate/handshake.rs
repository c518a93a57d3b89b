//! How two ends of a connection meet: each sends a greeting of 64 bytes, then the command READY.

use super::frames::{Piece, Reader, command, named};
use super::{End, refused};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// What this side of a channel is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    Router,
    Publisher,
    Heart,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Router => "ROUTER",
            Role::Publisher => "XPUB",
            Role::Heart => "REP",
        }
    }

    /// What the other side may be.
    fn talks_to(self, other: &[u8]) -> bool {
        let others: &[&[u8]] = match self {
            Role::Router => &[b"DEALER", b"REQ", b"ROUTER"],
            Role::Publisher => &[b"SUB", b"XSUB"],
            Role::Heart => &[b"REQ", b"DEALER"],
        };
        others.contains(&other)
    }
}

/// Meets the other side; returns the identity that it claims, empty if it claims none.
pub async fn meet<R, W>(reader: &mut Reader<R>, writer: &mut W, role: Role) -> Result<Bytes, End>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    writer.write_all(&greeting()).await?;
    // Byte by byte as far as it can be told from another protocol: who speaks one may never send 64.
    let [first] = reader.exactly().await?;
    let not_ours = || refused("it does not speak ZeroMQ's protocol");
    if first != 0xff {
        return Err(not_ours());
    }
    let signature: [u8; 9] = reader.exactly().await?;
    if signature[8] & 1 != 1 {
        return Err(not_ours());
    }
    let [major] = reader.exactly().await?;
    if major < 3 {
        return Err(refused(format!(
            "it speaks version {major} of ZeroMQ's protocol, not 3"
        )));
    }
    let rest: [u8; 53] = reader.exactly().await?;
    let mechanism = rest[1..21].split(|byte| *byte == 0).next().unwrap_or_default();
    if mechanism != b"NULL" {
        return Err(refused(format!(
            "it wants the security mechanism {:?}",
            String::from_utf8_lossy(mechanism)
        )));
    }
    writer.write_all(&ready(role)).await?;
    writer.flush().await?;
    let Piece::Command(said) = reader.next().await? else {
        return Err(refused("a message before READY"));
    };
    let properties = match named(&said) {
        Some((b"READY", properties)) => properties,
        _ => return Err(refused("another command than READY")),
    };
    let Some(Properties { kind, identity }) = Properties::read(properties) else {
        return Err(refused("a READY that cannot be read"));
    };
    if !role.talks_to(kind) {
        let kind = String::from_utf8_lossy(kind);
        return Err(refused(format!(
            "a socket of the kind {kind:?} on a channel of the kind {}",
            role.name()
        )));
    }
    Ok(Bytes::copy_from_slice(identity))
}

fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    // Version 3.0: in it subscriptions are messages, and nobody need be asked whether they are still there.
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

fn ready(role: Role) -> Bytes {
    let mut properties = Vec::new();
    let name = b"Socket-Type";
    properties.push(name.len() as u8);
    properties.extend(name);
    properties.extend((role.name().len() as u32).to_be_bytes());
    properties.extend(role.name().as_bytes());
    command("READY", &properties)
}

/// What a READY says.
struct Properties<'a> {
    kind: &'a [u8],
    identity: &'a [u8],
}

impl<'a> Properties<'a> {
    fn read(mut rest: &'a [u8]) -> Option<Properties<'a>> {
        let mut found = Properties {
            kind: b"",
            identity: b"",
        };
        while !rest.is_empty() {
            let (name, after) = named(rest)?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let (value, after) =
                after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            if name.eq_ignore_ascii_case(b"Socket-Type") {
                found.kind = value;
            } else if name.eq_ignore_ascii_case(b"Identity") {
                // No longer than ZeroMQ allows one.
                found.identity = value.get(..255).unwrap_or(value);
            }
            rest = after;
        }
        Some(found)
    }
}
