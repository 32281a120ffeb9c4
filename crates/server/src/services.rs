//! The services of a deployment, opened from a folder of data by whoever serves them or works at their jobs.

use std::{net::TcpListener, sync::Arc};

use anyhow::Context;
use cache::Cache;
use clock::Clock;
use edge::{Direct, Edge, Front, Handle, Traffic};
use elections::Elections;
use identity::Identity;
use seal::{Keys, PersonKeys};
use telemetry::Metrics;
use tokio::{sync::watch, task::LocalSet};

use crate::{
    data_folder::DataFolder,
    front,
    jobs::{self, Crew},
    key_file::Engines,
    people::Registered,
    queues::{self, Queues},
    settings::Settings,
    status,
};

/// Every service, and what they share.
pub(crate) struct Services {
    pub(crate) identity: Identity,
    pub(crate) elections: Elections,
    pub(crate) person_keys: PersonKeys,
    pub(crate) keys: Keys,
    pub(crate) queues: Queues,
    pub(crate) metrics: Metrics,
    pub(crate) folder: DataFolder,
}

impl Services {
    /// Opens all of them.
    pub(crate) fn open(
        settings: &Settings,
        folder: DataFolder,
        engines: Engines,
        keys: Keys,
        metrics: Metrics,
        cache: &Cache,
    ) -> anyhow::Result<Self> {
        let clock = Clock::System;
        engines.services.register(&metrics);
        let person_keys = PersonKeys::open(&engines.keys, keys.clone(), clock.clone())
            .context("cannot open the store of persons' keys")?;
        let identity = Identity::open(identity::Opening {
            folder: folder.services(),
            origin: settings.origin(identity::SERVICE),
            keys: keys.clone(),
            person_keys: person_keys.clone(),
            clock: clock.clone(),
            config: settings.identity.clone(),
            ledger: settings.ledger.clone(),
            databases: engines.services.clone(),
            cache: cache.clone(),
            metrics: metrics.clone(),
        });
        let identity =
            identity.map_err(anyhow::Error::from_boxed).context("cannot open the identity service")?;
        let elections = Elections::open(elections::Opening {
            folder: folder.services(),
            origin: settings.origin(elections::SERVICE),
            keys: keys.clone(),
            person_keys: person_keys.clone(),
            clock,
            config: settings.elections.clone(),
            ledger: settings.ledger.clone(),
            databases: engines.services,
            cache: cache.clone(),
            metrics: metrics.clone(),
            people: Arc::new(Registered(identity.clone())),
        });
        let elections =
            elections.map_err(anyhow::Error::from_boxed).context("cannot open the service of elections")?;
        let crews = jobs::crews(&identity, &elections);
        jobs::check_names(&crews, settings.jobs.queues.keys())
            .context("cannot use the settings [jobs.queues]")?;
        let queues = Queues::new(&crews, &settings.jobs.queues, &metrics);
        Ok(Self { identity, elections, person_keys, keys, queues, metrics, folder })
    }

    /// Who works at which jobs.
    pub(crate) fn crews(&self) -> Vec<Crew> {
        jobs::crews(&self.identity, &self.elections)
    }

    /// Does what a process does by itself, until `over`, and tells what that said.
    /// `also` is done meanwhile, until what it is given says stop.
    pub(crate) async fn attend<T, F: Future<Output = ()> + 'static>(
        &self,
        over: impl Future<Output = T>,
        also: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> anyhow::Result<T> {
        let (stop, stopped) = watch::channel(false);
        let here = LocalSet::new();
        let also = also(stopped.clone());
        let attending = here.run_until(async move {
            let also = tokio::task::spawn_local(also);
            let routine = tokio::task::spawn_local(self.identity.clone().run(stopped.clone()));
            let voting = tokio::task::spawn_local(self.elections.clone().run(stopped.clone()));
            let looking = tokio::task::spawn_local(self.queues.clone().watch(stopped));
            let said = over.await;
            stop.send_replace(true);
            also.await.context("whoever looks after the front panicked")?;
            looking.await.context("whoever looks at the queues panicked")?;
            voting.await.context("whoever looks after elections panicked")?;
            routine.await.context("the routine of the identity service panicked")?;
            Ok(said)
        });
        attending.await
    }

    /// Opens the operators' port, with these routes beside those of all services.
    pub(crate) fn serve_operators(
        &self,
        sockets: Vec<TcpListener>,
        settings: &Settings,
        traffic: Traffic,
        routes: front::OperatorRoutes,
    ) -> anyhow::Result<Handle> {
        // Nothing of this front is worth counting: it lets everybody through.
        let open = Front::new(&front::wide_open(), &Clock::System, &Metrics::new(), None, [0; 32])?;
        // Nobody has to say who they are; the ledger names those who do.
        let identify = identity::identify(self.identity.clone());
        let edge = Edge::new(settings.edge.clone(), Clock::System, traffic, identify, open);
        let routes = routes.merge(status::admin_routes(self.metrics.clone(), self.identity.clone()));
        let routes = routes.merge(queues::operator_routes(self.queues.clone()));
        let routes = console::under(&settings.admin_names, routes);
        edge::serve_on(sockets, &settings.admin, &edge, &routes, &Direct::none())
            .with_context(|| format!("cannot serve {}", settings.admin.address))
    }

    /// Ends them, when nobody asks them anything any more.
    pub(crate) fn stop(&self) {
        self.elections.stop();
        self.identity.ledger().stop();
        self.person_keys.stop();
    }
}
