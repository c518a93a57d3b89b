//! The heartbeat: whatever comes is sent back, to each connection by itself. A client that hears nothing takes the
//! kernel for dead.

use super::frames::encode;
use super::handshake::Role;
use super::listen::{Peer, Serve, listen};
use super::{End, Endpoint, Limits, Listening, Room, SMALL};
use std::sync::Arc;

pub(super) struct Heart;

impl Serve for Heart {
    const ROLE: Role = Role::Heart;

    async fn serve(&self, peer: &mut Peer<'_>) -> Result<(), End> {
        loop {
            let beat = peer.message().await?;
            peer.mailbox.put(encode(&beat.frames).into());
            // Who beats and does not listen gets no further.
            peer.mailbox.room().await;
        }
    }
}

/// Beats at an endpoint.
pub async fn beat(endpoint: &Endpoint, room: &Arc<Room>) -> std::io::Result<Listening> {
    let limits = Limits {
        message: SMALL,
        waiting: SMALL,
        ..Limits::default()
    };
    listen(endpoint, limits, room, Arc::new(Heart)).await
}
