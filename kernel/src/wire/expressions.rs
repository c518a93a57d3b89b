//! User expressions: what a client wants to know right after a cell, without a cell of its own.
//!
//! Each is run as a cell that nobody sees: not counted, not stored, its output dropped, only its value told.

use super::kernel::Kernel;
use super::outputs::media;
use crate::session::{Answer, CellError, Event, MimeBundle};
use jupyter_protocol::{ExecuteRequest, ExpressionResult};
use std::collections::HashMap;
use std::sync::Arc;

/// The values of the request's expressions, by their names. To be called after a cell that went well, in its turn.
pub async fn evaluate(kernel: &Arc<Kernel>, content: &ExecuteRequest) -> HashMap<String, ExpressionResult> {
    let mut expressions: Vec<_> = content.user_expressions.clone().into_iter().flatten().collect();
    if expressions.is_empty() {
        return HashMap::new();
    }
    expressions.sort();
    let kernel = kernel.clone();
    let evaluated = tokio::task::spawn_blocking(move || {
        let mut values = HashMap::new();
        let mut stopped = None;
        for (name, expression) in expressions {
            // After a stop the rest is not even tried.
            let value = match &stopped {
                Some(error) => Err(CellError::clone(error)),
                None => value(&kernel, &expression),
            };
            if let Err(error) = &value
                && error.ename == "Interrupted"
            {
                stopped = Some(error.clone());
            }
            values.insert(name, result(value));
        }
        values
    });
    evaluated.await.unwrap_or_default()
}

/// Runs the expression; its value and metadata.
fn value(kernel: &Kernel, expression: &str) -> Result<(MimeBundle, MimeBundle), CellError> {
    let mut value = None;
    let mut keep = |event: Event| {
        if let Event::Result { data, metadata } = event {
            value = Some((data, metadata));
        }
    };
    let nobody = |_: &str, _: bool| Answer::Refused("ask in a cell of its own");
    kernel.session.execute(expression, &mut keep, &nobody)?;
    // What ends in `()` shows nothing; here it was asked for.
    let unit = || {
        (
            MimeBundle::from_iter([("text/plain".into(), "()".into())]),
            MimeBundle::new(),
        )
    };
    Ok(value.unwrap_or_else(unit))
}

fn result(value: Result<(MimeBundle, MimeBundle), CellError>) -> ExpressionResult {
    match value {
        Ok((data, metadata)) => ExpressionResult::Ok {
            data: media(data),
            metadata,
        },
        Err(CellError {
            ename,
            evalue,
            traceback,
            ..
        }) => ExpressionResult::Error {
            ename,
            evalue,
            traceback,
        },
    }
}
