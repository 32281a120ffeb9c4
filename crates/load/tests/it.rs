//! The generator against targets whose answers are known beforehand: does it report what was so?

#[path = "it/answers.rs"]
mod answers;
#[path = "it/refusals.rs"]
mod refusals;
#[path = "it/standstills.rs"]
mod standstills;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use load::{
    Load, Phase, Shape, Spacing, history::Commands, journey::Journey, people::People, target::Target,
};

/// One request of nobody.
const ASK: &str = "name = \"ask\"\ntitle = \"Ask\"\npeople = \"nobody\"\n[[steps]]\nmethod = \"GET\"\n\
                   path = \"/\"\nexpect = [200]\n";

/// Held by each test: what measures must not run beside what works.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A load of one journey that comes evenly.
fn load(target: &Target, journey: &Arc<Journey>, phase: Phase, connections_max: usize) -> Load {
    Load {
        target: target.clone(),
        journeys: vec![(Arc::clone(journey), 1)],
        people: Arc::new(People::default()),
        shape: Shape::Open { phases: vec![phase], spacing: Spacing::Constant },
        threads: 1,
        connections_max,
        depth: 1,
        http2: false,
        patience: Duration::from_secs(60),
        seed: 1,
        names: "even".to_owned(),
        election: String::new(),
        history: None,
        commands: Commands::default(),
        from: Vec::new(),
    }
}
