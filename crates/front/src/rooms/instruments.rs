//! What is counted of waiting rooms.

use telemetry::{
    EncodeLabelSet, Metrics,
    instruments::{counter::Counter, family::Family, gauge::Gauge},
};
use waiting::RoomState;

#[derive(Debug, Clone, Default)]
pub(super) struct Instruments {
    waiting: Family<RoomLabel, Gauge>,
    inside: Family<RoomLabel, Gauge>,
    open: Family<RoomLabel, Gauge>,
    served: Family<RoomLabel, Gauge>,
    closed: Family<RoomLabel, Gauge>,
    alone: Family<RoomLabel, Gauge>,
    let_in: Family<RoomLabel, Counter>,
    told_to_wait: Family<RoomLabel, Counter>,
    refused: Family<RoomLabel, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoomLabel {
    room: String,
}

/// Of one room.
#[derive(Debug)]
pub(super) struct RoomInstruments {
    waiting: Gauge,
    inside: Gauge,
    open: Gauge,
    served: Gauge,
    closed: Gauge,
    alone: Gauge,
    let_in: Counter,
    pub(super) told_to_wait: Counter,
    pub(super) refused: Counter,
}

impl Instruments {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("waiting_room");
            registry.register("waiting", "Numbers drawn, on all nodes, and not let in", this.waiting.clone());
            registry.register("inside", "People inside, on all nodes", this.inside.clone());
            registry.register(
                "open",
                "1 while people are let in, at the rate and as there is room",
                this.open.clone(),
            );
            registry.register(
                "served",
                "Up to which number people are let in, on all nodes",
                this.served.clone(),
            );
            registry.register("closed", "1 if there is nothing left to wait for", this.closed.clone());
            registry.register(
                "alone",
                "1 while Redis is away and this node lets in its part of the rate by itself",
                this.alone.clone(),
            );
            registry.register("let_in", "People that this node let in", this.let_in.clone());
            registry.register("told_to_wait", "Requests that were told to wait", this.told_to_wait.clone());
            registry.register(
                "refused",
                "Requests for which there was no place: the room is closed, or their address has too many",
                this.refused.clone(),
            );
        });
        this
    }

    pub(super) fn of(&self, room: &str) -> RoomInstruments {
        let label = RoomLabel { room: room.to_owned() };
        RoomInstruments {
            waiting: self.waiting.get_or_create_owned(&label),
            inside: self.inside.get_or_create_owned(&label),
            open: self.open.get_or_create_owned(&label),
            served: self.served.get_or_create_owned(&label),
            closed: self.closed.get_or_create_owned(&label),
            alone: self.alone.get_or_create_owned(&label),
            let_in: self.let_in.get_or_create_owned(&label),
            told_to_wait: self.told_to_wait.get_or_create_owned(&label),
            refused: self.refused.get_or_create_owned(&label),
        }
    }
}

impl RoomInstruments {
    pub(super) fn show(&self, state: &RoomState) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.waiting.set(number(state.waiting));
        self.inside.set(number(state.inside));
        self.open.set((state.open && state.closed.is_none()).into());
        self.served.set(number(state.serving));
        self.closed.set(state.closed.is_some().into());
        self.alone.set(state.alone.into());
        self.let_in.inc_by(state.let_in.saturating_sub(self.let_in.get()));
    }
}
