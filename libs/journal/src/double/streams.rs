//! The streams themselves, by the server's rules.

use std::collections::HashMap;

use tonic::Status;
use tonic::metadata::MetadataValue;

use super::protocol::{
    AppendOptions, AppendResp, Appended, Empty, ProposedMessage, ReadEvent, ReadOptions, ReadResp,
    RecordedEvent, StreamIdentifier, StreamNotFound, WrongExpectedVersion,
};

#[derive(Default)]
pub(super) struct Streams(HashMap<Vec<u8>, Vec<ProposedMessage>>);

impl Streams {
    /// Appends if the stream ends where it is expected to. Events that are there already, right
    /// behind the expected one and with the same ids, count as appended.
    pub(super) fn append(
        &mut self,
        options: &AppendOptions,
        events: Vec<ProposedMessage>,
    ) -> Result<AppendResp, Status> {
        let name = name(options.stream_identifier.as_ref())?;
        let stream = self.0.entry(name).or_default();
        let expected = match (options.revision, &options.no_stream) {
            (Some(revision), _) => place(revision) + 1,
            (None, Some(_)) => 0,
            (None, None) => return Err(Status::unimplemented("only expected revisions")),
        };
        let there = stream.get(expected..).unwrap_or_default();
        let again = !events.is_empty()
            && there.len() >= events.len()
            && there.iter().zip(&events).all(|(a, b)| a.id == b.id);
        if expected != stream.len() && !again {
            return Ok(AppendResp { success: None, wrong_expected_version: Some(wrong(options, stream)) });
        }
        if expected == stream.len() {
            stream.extend(events);
        }
        let current_revision = stream.len().checked_sub(1).map(|last| last as u64);
        let success = Appended { current_revision, no_position: Some(Empty {}) };
        Ok(AppendResp { success: Some(success), wrong_expected_version: None })
    }

    /// The answers to a read, in order; what a server says beside events too.
    pub(super) fn read(&self, options: &ReadOptions) -> Result<Vec<ReadResp>, Status> {
        let asked = options.stream.as_ref().ok_or_else(|| Status::unimplemented("only single streams"))?;
        let identifier = asked.stream_identifier.clone();
        let Some(stream) = self.0.get(&name(identifier.as_ref())?).filter(|stream| !stream.is_empty()) else {
            let missing = StreamNotFound { stream_identifier: identifier };
            return Ok(vec![ReadResp { stream_not_found: Some(missing), ..ReadResp::default() }]);
        };
        let count = place(options.count.unwrap_or(u64::MAX));
        let response = |at: usize| event(identifier.clone(), at, &stream[at]);
        let mut answers: Vec<ReadResp> = if options.direction == 0 {
            let from = place(asked.revision.unwrap_or_default());
            (from..stream.len()).take(count).map(response).collect()
        } else {
            let until = asked.revision.map_or(stream.len(), |revision| place(revision) + 1);
            (0..until.min(stream.len())).rev().take(count).map(response).collect()
        };
        let last_stream_position = Some(stream.len() as u64 - 1);
        answers.push(ReadResp { last_stream_position, ..ReadResp::default() });
        Ok(answers)
    }

    /// The types of the events of a stream.
    pub(super) fn types(&self, stream: &str) -> Vec<String> {
        let events = self.0.get(stream.as_bytes()).map(Vec::as_slice).unwrap_or_default();
        events.iter().filter_map(|event| event.metadata.get("type").cloned()).collect()
    }
}

/// What the server says of an append that is larger than it allows.
pub(super) fn too_large(limit: usize) -> Status {
    let mut status = Status::invalid_argument(format!("Maximum Append Size of {limit} Exceeded."));
    let exception = MetadataValue::from_static("maximum-append-size-exceeded");
    status.metadata_mut().insert("exception", exception);
    status
}

pub(super) fn is_too_large(status: &Status) -> bool {
    status.metadata().get("exception").is_some_and(|exception| exception == "maximum-append-size-exceeded")
}

/// What counts of an event: content, metadata and type.
pub(super) fn size(event: &ProposedMessage) -> usize {
    event.data.len() + event.custom_metadata.len() + event.metadata.get("type").map_or(0, String::len)
}

fn name(identifier: Option<&StreamIdentifier>) -> Result<Vec<u8>, Status> {
    let identifier = identifier.ok_or_else(|| Status::invalid_argument("no stream"))?;
    Ok(identifier.stream_name.clone())
}

fn place(revision: u64) -> usize {
    usize::try_from(revision).unwrap_or(usize::MAX).min(usize::MAX - 1)
}

fn wrong(options: &AppendOptions, stream: &[ProposedMessage]) -> WrongExpectedVersion {
    let current_revision = stream.len().checked_sub(1).map(|last| last as u64);
    WrongExpectedVersion {
        current_revision,
        current_no_stream: current_revision.is_none().then_some(Empty {}),
        expected_revision: options.revision,
        expected_no_stream: options.no_stream.clone(),
    }
}

fn event(stream_identifier: Option<StreamIdentifier>, place: usize, stored: &ProposedMessage) -> ReadResp {
    let ProposedMessage { id, metadata, custom_metadata, data } = stored.clone();
    let stream_revision = place as u64;
    let event = RecordedEvent { id, stream_identifier, stream_revision, metadata, custom_metadata, data };
    let event = ReadEvent { event: Some(event), no_position: Some(Empty {}) };
    ReadResp { event: Some(event), ..ReadResp::default() }
}
