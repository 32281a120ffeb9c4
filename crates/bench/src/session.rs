//! `GET /api/v1/session` over HTTP: a token checked with each request, beside nginx that checks nothing.

use rig::Server;

use crate::{
    figures::{Figures, median},
    load::on_runtime,
    peer::{self, Nginx},
};

pub(crate) const PATH: &str = "/api/v1/session";
const PASSWORD: &str = "kelp holds fast in winter storms";

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, seconds) = if quick { (3, 2) } else { (7, 4) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("data"))?;
    let (token, body) = sign_in(&server)?;
    let nginx = Nginx::start(&body)?;
    let (mut ours, mut ratios, mut pipelined, mut h2) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        // One after the other, so that what the machine does meanwhile falls on both.
        let peer = peer::wrk(nginx.address, PATH, &token, seconds, 1)?;
        let own = peer::wrk(server.public, PATH, &token, seconds, 1)?;
        ours.push(own);
        ratios.push(own / peer);
        pipelined.push(peer::wrk(server.public, PATH, &token, seconds, 16)?);
        h2.push(peer::h2load(server.public, PATH, &token, 200_000 * seconds / 2)?);
    }
    let mut figures = Figures::new("session");
    figures.add("requests_per_s", median(ours), "64 keep-alive connections");
    figures.add("ratio_to_nginx", median(ratios), "of `return 200` with the same body");
    figures.add("pipelined_per_s", median(pipelined), "16 requests at once on each connection");
    figures.add("h2_per_s", median(h2), "HTTP/2, 16 streams on each connection");
    Ok(figures)
}

/// Registers somebody and signs them in: their token, and what they are told of their session.
pub(crate) fn sign_in(server: &Server) -> anyhow::Result<(String, String)> {
    on_runtime(async {
        let client = server.client();
        client.register("ada", PASSWORD).await?;
        let ada = client.sign_in("ada", PASSWORD).await?;
        let body = ada.get(PATH).await?.bytes;
        Ok((ada.token.unwrap_or_default(), String::from_utf8(body.to_vec())?))
    })
}
