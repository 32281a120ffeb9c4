//! A connection to Redis: to one server, to whichever server its sentinels name, or to a cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, RedisError, RedisResult,
    TlsCertificates, Value,
    aio::{ConnectionLike, MultiplexedConnection, PubSub},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
    cmd,
};

use super::config::RedisConfig;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("cannot read the certificates {path}")]
    Certificates { path: String, source: std::io::Error },
    #[error("it did not answer in time")]
    Slow,
    #[error("no sentinel names a server for `{0}`")]
    NoMaster(String),
    #[error("the server is a replica")]
    Replica,
    #[error("what Redis keeps was emptied")]
    Emptied,
    #[error("the answer cannot be read")]
    Unread,
}

/// Clones share a connection.
#[derive(Clone)]
pub(crate) enum Link {
    One(MultiplexedConnection),
    Many(Box<ClusterConnection>),
}

impl Link {
    pub(crate) async fn connect(config: &RedisConfig) -> Result<(Self, PubSub), LinkError> {
        if config.cluster {
            return Self::connect_cluster(config).await;
        }
        let info = match &config.master {
            Some(master) => master_of(config, master).await?,
            None => config.urls.first().map(|url| url.info().clone()).ok_or(LinkError::Slow)?,
        };
        let client = client(config, info)?;
        let link = connect_one(config, &client).await?;
        Ok((Self::One(link), client.get_async_pubsub().await?))
    }

    async fn connect_cluster(config: &RedisConfig) -> Result<(Self, PubSub), LinkError> {
        let nodes: Vec<ConnectionInfo> = config.urls.iter().map(|url| url.info().clone()).collect();
        let mut builder = ClusterClient::builder(nodes)
            .connection_timeout(config.connect_timeout())
            .response_timeout(config.timeout())
            .retries(2)
            .min_retry_wait(1)
            .max_retry_wait(10);
        if let Some(certificates) = certificates(config)? {
            builder = builder.certs(certificates);
        }
        let link = builder.build()?.get_async_connection().await?;
        // Every node of a cluster passes on what is published: any one will do.
        let mut last = LinkError::Slow;
        for url in &config.urls {
            let subscribing = client(config, url.info().clone())?;
            match tokio::time::timeout(config.connect_timeout() / 2, subscribing.get_async_pubsub()).await {
                Ok(Ok(subscription)) => return Ok((Self::Many(Box::new(link)), subscription)),
                Ok(Err(error)) => last = error.into(),
                Err(_) => last = LinkError::Slow,
            }
        }
        Err(last)
    }

    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(link) => link.req_packed_command(command).await,
            Self::Many(link) => link.req_packed_command(command).await,
        }
    }

    /// Names the servers that hold what Redis keeps: with another name, drops may have been lost.
    pub(crate) async fn identity(&mut self) -> Result<String, LinkError> {
        match self {
            Self::One(link) => {
                let role: Vec<Value> = cmd("ROLE").query_async(link).await?;
                if !matches!(role.first(), Some(Value::BulkString(role)) if role == b"master") {
                    return Err(LinkError::Replica);
                }
                let info: String = cmd("INFO").arg("server").query_async(link).await?;
                let id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
                Ok(id.unwrap_or_default().trim().to_owned())
            }
            Self::Many(link) => {
                let mut nodes = cmd("CLUSTER");
                nodes.arg("NODES");
                let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                let nodes = redis::from_redis_value::<String>(link.route_command(nodes, any).await?);
                Ok(masters(&nodes.map_err(RedisError::from)?))
            }
        }
    }
}

/// The masters of a cluster that hold slots, from the answer to `CLUSTER NODES`.
fn masters(nodes: &str) -> String {
    let holding = nodes.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let (id, flags) = (words.first()?, words.get(2)?);
        let flags: Vec<_> = flags.split(',').collect();
        (flags.contains(&"master") && !flags.contains(&"fail") && words.len() > 8).then_some(*id)
    });
    let mut holding: Vec<_> = holding.collect();
    holding.sort_unstable();
    holding.join(",")
}

fn certificates(config: &RedisConfig) -> Result<Option<TlsCertificates>, LinkError> {
    let Some(path) = &config.ca_file else { return Ok(None) };
    let failed = |source| LinkError::Certificates { path: path.display().to_string(), source };
    Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(std::fs::read(path).map_err(failed)?) }))
}

fn client(config: &RedisConfig, info: ConnectionInfo) -> Result<Client, LinkError> {
    Ok(match certificates(config)? {
        Some(certificates) if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) => {
            Client::build_with_tls(info, certificates)?
        }
        Some(_) | None => Client::open(info)?,
    })
}

async fn connect_one(config: &RedisConfig, client: &Client) -> RedisResult<MultiplexedConnection> {
    let patience = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.connect_timeout()))
        // Each operation is given up by whoever asked for it.
        .set_response_timeout(Some(config.connect_timeout()));
    client.get_multiplexed_async_connection_with_config(&patience).await
}

/// Asks one sentinel after the other who the master is.
async fn master_of(config: &RedisConfig, name: &str) -> Result<ConnectionInfo, LinkError> {
    // One that is frozen must leave time for the next.
    let patience = config.connect_timeout() / u32::try_from(config.urls.len() + 1).unwrap_or(1);
    for url in &config.urls {
        if let Ok(Some((host, port))) = ask_sentinel(config, url.info(), name, patience).await {
            let address = match url.info().addr() {
                ConnectionAddr::TcpTls { .. } => {
                    ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
                }
                ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) | _ => ConnectionAddr::Tcp(host, port),
            };
            return Ok(url.info().clone().set_addr(address));
        }
    }
    Err(LinkError::NoMaster(name.to_owned()))
}

async fn ask_sentinel(
    config: &RedisConfig,
    sentinel: &ConnectionInfo,
    name: &str,
    patience: Duration,
) -> Result<Option<(String, u16)>, LinkError> {
    let asking = async {
        let mut link = connect_one(config, &client(config, sentinel.clone())?).await?;
        let mut who = cmd("SENTINEL");
        who.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        Ok(who.query_async(&mut link).await?)
    };
    tokio::time::timeout(patience, asking).await.map_err(|_| LinkError::Slow)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_named_by_the_masters_that_hold_slots() {
        let nodes = "b 127.0.0.1:2@3 master - 0 1 2 connected 0-5460\n\
                     a 127.0.0.1:1@2 myself,master - 0 1 1 connected 5461-16383\n\
                     c 127.0.0.1:3@4 slave a 0 1 1 connected\n\
                     d 127.0.0.1:4@5 master,fail - 0 1 1 connected 0-5460\n\
                     e 127.0.0.1:5@6 master - 0 1 1 connected\n";
        assert_eq!(masters(nodes), "a,b");
    }
}
