//! Inspection: type and documentation of the name at the cursor.

use super::complete::ask_session;
use super::kernel::Kernel;
use super::message::byte_offset;
use super::outputs::media;
use crate::session::{Detail, abridged};
use jupyter_protocol::{InspectReply, InspectRequest};
use std::sync::Arc;

/// What the session knows about the name at the cursor; `found: false` when it knows nothing or is busy. The detail
/// level says how much of it: 0 leaves the sections of a long documentation out.
pub async fn inspect(kernel: &Arc<Kernel>, request: &InspectRequest) -> InspectReply {
    let code = request.code.clone();
    let cursor = byte_offset(&code, request.cursor_pos);
    let detail = match request.detail_level {
        None | Some(0) => Detail::Brief,
        Some(_) => Detail::Whole,
    };
    match ask_session(kernel, move |session| session.inspect(&code, cursor))
        .await
        .flatten()
    {
        Some(data) => InspectReply {
            found: true,
            data: media(abridged(data, detail)),
            ..Default::default()
        },
        None => InspectReply::default(),
    }
}
