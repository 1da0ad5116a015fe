//! The consumer loop: pull, handle side by side, acknowledge.
//!
//! One replica per consumer works, so that order within a noun holds; others stand by. What it
//! holds is kept alive at the broker by progress reports, and whatever comes again while it is
//! held is recognised. A new worker that finds unacknowledged deliveries of its predecessor starts
//! the durable afresh behind the acknowledged part: else new events would overtake them. So does a
//! worker whose connection was renewed, for what was on its way over the old one is lost.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::{AckKind, Message};
use eventstore::{EventStore, Lanes, Leadership, WorkerUnit};
use fault::Fault;
use futures::{FutureExt as _, StreamExt as _};
use ids::TenantId;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::connection::broker;
use crate::handling::{End, Parcel, bury_malformed, settle};
use crate::{Bus, CloudEvent, metrics};

/// How long the broker waits for a sign of life of a delivery.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How often held deliveries are reported as alive, and the leadership is checked.
const PROGRESS: Duration = Duration::from_secs(8);
/// How long a pull request stands.
const PULL: Duration = Duration::from_secs(20);
/// How often a replica that does not lead asks again, and the pause after a failure.
const STANDBY: Duration = Duration::from_secs(1);
/// How long running work may take to finish when the consumer stops.
const FINISH: Duration = Duration::from_secs(5);

/// How much a consumer takes on, and how patient it is.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Events handled at the same time; each needs a connection of the pool.
    pub width: usize,
    /// Events held, handled or waiting for an earlier one of the same noun.
    pub held_max: usize,
    /// Attempts before a permanent fault makes a dead letter.
    pub attempts_max: u32,
    /// Attempts before a transient fault does; the pauses between them grow to ten seconds.
    pub transient_attempts_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { width: 16, held_max: 256, attempts_max: 5, transient_attempts_max: 1_000 }
    }
}

/// Somebody who acts on events of others.
///
/// Events of one noun come in order, those of different nouns side by side. Each is handled once,
/// as far as the effect is in `work`; after a failed attempt it comes again.
pub trait Consumer: Send + Sync + 'static {
    /// Name of the durable and of the inbox: `invoicing_on_payment`.
    fn name(&self) -> &'static str;

    /// The one subject filter: `evt.*.payments.payment.*.v1`.
    fn subjects(&self) -> &'static str;

    /// How much at once, how often again.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Acts on one event. `work` is a transaction of the event's tenant in which the inbox row is
    /// written already; it is committed afterwards. Its context names the event as the cause and
    /// the event's time as the time; `work.set_context` changes that.
    fn handle(
        &self,
        work: &mut WorkerUnit,
        event: &CloudEvent,
    ) -> impl Future<Output = fault::Result<()>> + Send;
}

/// Works until `drain` is cancelled; then finishes what runs. While the broker or the database is
/// away it tries again for ever.
///
/// # Errors
/// None at present; the signature leaves room for consumers that must stop.
pub async fn run_consumer<C: Consumer>(
    bus: Bus,
    store: EventStore,
    consumer: C,
    drain: CancellationToken,
) -> fault::Result<()> {
    let mut leadership = store.leadership(&format!("consumer:{}", consumer.name()));
    while !drain.is_cancelled() {
        let worked = match leadership.acquire().await {
            Ok(true) => work(&bus, &store, &consumer, &mut leadership, &drain).await,
            Ok(false) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = worked {
            tracing::warn!(consumer = consumer.name(), ?fault, "cannot consume for now");
        }
        drain.run_until_cancelled(sleep(STANDBY)).await;
    }
    leadership.resign().await;
    Ok(())
}

async fn work<C: Consumer>(
    bus: &Bus,
    store: &EventStore,
    consumer: &C,
    leadership: &mut Leadership,
    drain: &CancellationToken,
) -> fault::Result<()> {
    if drain.run_until_cancelled(bus.connected()).await.is_none() {
        return Ok(());
    }
    bus.ensure_stream().await?;
    let durable = durable(bus, consumer).await?;
    let mut hands = Hands::new(store, consumer);
    // Whatever it waits for, a broker that is away above all, must not keep the process from ending.
    let ended = drain.run_until_cancelled(hands.run(bus, &durable, leadership)).await;
    hands.finish().await;
    ended.unwrap_or(Ok(()))
}

/// What is held of one durable.
struct Hands<'a, C> {
    store: &'a EventStore,
    consumer: &'a C,
    lanes: Lanes<'a, (TenantId, String), (u64, Parcel), (u64, End)>,
    /// By sequence in the stream, to acknowledge when done.
    held: HashMap<u64, Message>,
    pull: Option<Batch>,
}

impl<'a, C: Consumer> Hands<'a, C> {
    fn new(store: &'a EventStore, consumer: &'a C) -> Self {
        let start = move |(sequence, parcel): (u64, Parcel)| {
            async move { (sequence, settle(store, consumer, &parcel).await) }.boxed()
        };
        let lanes = Lanes::new(consumer.limits().width, start);
        Self { store, consumer, lanes, held: HashMap::new(), pull: None }
    }

    async fn run(
        &mut self,
        bus: &Bus,
        durable: &PullConsumer,
        leadership: &mut Leadership,
    ) -> fault::Result<()> {
        let mut connections = bus.connections();
        connections.mark_unchanged();
        let mut alive = interval(PROGRESS);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.ask_for_more(durable).await?;
            tokio::select! {
                Some((sequence, end)) = self.lanes.next() => self.let_go(sequence, end).await?,
                message = next(&mut self.pull) => self.receive(message).await?,
                // What was on its way over the old connection is lost, and would come again behind newer
                // events: the work begins anew behind the acknowledged part.
                Ok(()) = connections.changed() => return Ok(()),
                _ = alive.tick() => self.report(leadership).await?,
            }
        }
    }

    /// Asks when half of the hands are free, so that requests are few.
    async fn ask_for_more(&mut self, durable: &PullConsumer) -> fault::Result<()> {
        let limit = self.consumer.limits().held_max.max(2);
        let free = limit.saturating_sub(self.held.len());
        if self.pull.is_none() && free >= limit / 2 {
            let pull = durable.batch().max_messages(free).expires(PULL).messages().await;
            self.pull = Some(pull.map_err(broker)?);
        }
        Ok(())
    }

    async fn receive(&mut self, message: Option<Result<Message, async_nats::Error>>) -> fault::Result<()> {
        match message {
            Some(Ok(message)) => self.take(message).await,
            Some(Err(error)) => Err(Fault::unavailable("broker_unavailable", error)),
            None => {
                self.pull = None;
                Ok(())
            }
        }
    }

    async fn take(&mut self, message: Message) -> fault::Result<()> {
        let sequence = message.info().map_err(Fault::internal)?.stream_sequence;
        let subject = message.subject.to_string();
        let event = match CloudEvent::parse(&message.payload) {
            Ok(event) => event,
            Err(fault) => {
                bury_malformed(self.store, self.consumer.name(), &subject, &message.payload, &fault).await?;
                metrics::consumed(self.consumer.name(), "dead");
                return acknowledge(&message, AckKind::Term).await;
            }
        };
        if self.held.insert(sequence, message).is_none() {
            let noun = (event.tenant, event.subject.clone());
            self.lanes.push(noun, (sequence, Parcel { subject, event }));
        }
        metrics::in_flight(self.consumer.name(), self.held.len());
        Ok(())
    }

    async fn let_go(&mut self, sequence: u64, end: End) -> fault::Result<()> {
        let (outcome, kind) = match end {
            End::Handled => ("handled", AckKind::Ack),
            End::Duplicate => ("duplicate", AckKind::Ack),
            End::Dead => ("dead", AckKind::Term),
        };
        metrics::consumed(self.consumer.name(), outcome);
        match self.held.remove(&sequence) {
            Some(message) => acknowledge(&message, kind).await,
            None => Ok(()),
        }
    }

    async fn report(&mut self, leadership: &mut Leadership) -> fault::Result<()> {
        for message in self.held.values() {
            acknowledge(message, AckKind::Progress).await?;
        }
        leadership.confirm().await
    }

    /// Finishes what runs, if that does not take long. What is given up rolls back; it and what
    /// waits comes again from the broker.
    async fn finish(&mut self) {
        self.pull = None;
        self.lanes.forget_waiting();
        let rest = async {
            while let Some((sequence, end)) = self.lanes.next().await {
                if let Err(fault) = self.let_go(sequence, end).await {
                    tracing::warn!(consumer = self.consumer.name(), ?fault, "not acknowledged");
                }
            }
        };
        if timeout(FINISH, rest).await.is_err() {
            tracing::warn!(consumer = self.consumer.name(), "gave up what would not finish");
        }
    }
}

/// The durable, with everything unacknowledged still to come, in order.
async fn durable<C: Consumer>(bus: &Bus, consumer: &C) -> fault::Result<PullConsumer> {
    let stream = bus.jetstream().get_stream(bus.stream_name()).await.map_err(broker)?;
    let name = consumer.name().replace(['.', ' ', '*', '>'], "_");
    let filter = bus.subject(consumer.subjects());
    let mut start = DeliverPolicy::All;
    if let Ok(found) = stream.get_consumer::<Config>(&name).await {
        let info = found.cached_info();
        if info.num_ack_pending == 0 && info.config.filter_subject == filter {
            return Ok(found);
        }
        start = DeliverPolicy::ByStartSequence { start_sequence: info.ack_floor.stream_sequence + 1 };
        stream.delete_consumer(&name).await.map_err(broker)?;
    }
    let config = Config {
        durable_name: Some(name),
        filter_subject: filter,
        deliver_policy: start,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_ack_pending: i64::try_from(consumer.limits().held_max).unwrap_or(1_000).max(2),
        ..Config::default()
    };
    stream.create_consumer(config).await.map_err(broker)
}

async fn next(pull: &mut Option<Batch>) -> Option<Result<Message, async_nats::Error>> {
    match pull {
        Some(pull) => pull.next().await,
        None => std::future::pending().await,
    }
}

async fn acknowledge(message: &Message, kind: AckKind) -> fault::Result<()> {
    message.ack_with(kind).await.map_err(|error| Fault::unavailable("broker_unavailable", error))
}
