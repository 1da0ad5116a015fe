//! Uploads that are passed on as they arrive.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use auth::Caller;
use axum::body::Body;
use bytes::Bytes;
use contracts::Access;
use futures::future::BoxFuture;
use futures::stream;
use gateway::upload::{FileType, Incoming, Sink, Sinks};

use crate::fixtures::{Fleet, Received, fleet};

const PATH: &str = "/api/v1/pictures";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const BYTES_MAX: u64 = 8 * 1024 * 1024;
static LARGEST_CHUNK: AtomicUsize = AtomicUsize::new(0);

/// Counts what it is given.
struct Scale;

impl Sink for Scale {
    fn access(&self) -> Access {
        Access::Permission("media.write".to_owned())
    }

    fn types(&self) -> &[FileType] {
        &[FileType::Png, FileType::Jpeg]
    }

    fn bytes_max(&self) -> u64 {
        BYTES_MAX
    }

    fn take<'a>(&'a self, _: Arc<Caller>, mut file: Incoming) -> BoxFuture<'a, fault::Result<Bytes>> {
        Box::pin(async move {
            let mut bytes = 0;
            while let Some(chunk) = file.next().await? {
                LARGEST_CHUNK.fetch_max(chunk.len(), Ordering::SeqCst);
                bytes += chunk.len();
            }
            Ok(format!("{{\"bytes\":{bytes},\"type\":\"{}\"}}", file.kind.media_type()).into())
        })
    }
}

pub fn sinks() -> Sinks {
    HashMap::from([(PATH, Arc::new(Scale) as Arc<dyn Sink>)])
}

impl Fleet {
    async fn upload(&self, permissions: &[&str], headers: &[(&str, &str)], body: Body) -> Received {
        let token = self.token(&self.user(permissions));
        let mut request = self.request("POST", PATH).header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body).unwrap()).await
    }
}

/// A picture of so many pieces of 64 KiB.
fn picture(pieces: usize) -> Body {
    let rest = (0..pieces).map(|_| Bytes::from(vec![7; 64 * 1024]));
    let pieces = [Bytes::from_static(PNG)].into_iter().chain(rest);
    Body::from_stream(stream::iter(pieces.map(Ok::<_, std::io::Error>)))
}

#[tokio::test]
async fn a_file_is_passed_on_piece_by_piece() {
    let fleet = fleet().await;
    let answer = fleet.upload(&["media.write"], &[], picture(100)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["bytes"], 8 + 100 * 64 * 1024);
    assert_eq!(answer.json()["type"], "image/png");
    assert!(LARGEST_CHUNK.load(Ordering::SeqCst) < 2 * 64 * 1024 + 16, "never held whole");
}

#[tokio::test]
async fn size_type_and_caller_are_checked() {
    let fleet = fleet().await;
    let may: &[&str] = &["media.write"];
    let large = fleet.upload(may, &[], picture(200)).await;
    assert_eq!(large.problem(), (413, "body_too_large".to_owned()), "however long it said it was");
    let announced = fleet.upload(may, &[("content-length", "999999999")], Body::from(PNG)).await;
    assert_eq!(announced.problem(), (413, "body_too_large".to_owned()));
    for (claimed, body) in
        [("image/png", "<html><script>"), ("image/png", "%PDF-1.7 is not taken"), ("image/png", "")]
    {
        let refused = fleet.upload(may, &[("content-type", claimed)], Body::from(body)).await;
        assert_eq!(refused.problem(), (415, "unsupported_media_type".to_owned()), "{body}");
    }
    let nobody = fleet.send(fleet.request("POST", PATH).body(picture(1)).unwrap()).await;
    assert_eq!(nobody.problem().0, 401);
    assert_eq!(fleet.upload(&[], &[], picture(1)).await.problem().0, 403);
    let cookie = format!("__Host-vbwd_access={}", fleet.token(&fleet.user(may)));
    let forged =
        fleet.request("POST", PATH).header("cookie", cookie).header("origin", "https://evil.example");
    let forged = fleet.send(forged.body(picture(1)).unwrap()).await;
    assert_eq!(forged.problem(), (403, "request_forged".to_owned()));
    assert_eq!(fleet.get(PATH).await.problem(), (405, "method_not_allowed".to_owned()));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told() {
    let fleet = fleet().await;
    let pieces =
        [Ok(Bytes::from_static(PNG)), Ok(Bytes::from_static(&[0; 64])), Err(std::io::Error::other("gone"))];
    let answer = fleet.upload(&["media.write"], &[], Body::from_stream(stream::iter(pieces))).await;
    assert_eq!(answer.problem(), (400, "body_incomplete".to_owned()));
}
