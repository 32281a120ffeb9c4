//! Encryption in transit: what the target agrees to, and what it must not agree to.

mod hello;

use std::{
    io::{ErrorKind, Read, Write},
    net::IpAddr,
    time::Duration,
};

use clock::Clock;
use load::{blocking, dial::dial, target::Target};
use report::{Area, Outcome};

use crate::ground::Ground;
use hello::{
    Offer, Reply, SSL_3_0, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3, client_hello, name, read, record_length,
};

const NAME: &str = "compliance/in-transit";
const TITLE: &str = "Nobody on the way can read what is sent";
const PATIENCE: Duration = Duration::from_secs(5);

/// What every target must speak: that it is spoken shows that the offers that are refused were read.
const NEW: Offer = Offer { version: TLS_1_3, suites: &[0x1301, 0x1302, 0x1303] };
/// Fresh keys for each connection, and encryption that notices changes: TLS 1.2 as it may still be spoken.
const SOUND: Offer = Offer { version: TLS_1_2, suites: &[0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9] };
/// All else that clients of TLS 1.2 and before have spoken: CBC, RC4, and keys that one theft reveals for ever.
const WEAK: &[u16] = &[
    0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc024, 0xc027, 0xc028, 0x009c, 0x009d, 0x002f, 0x0035, 0x003c,
    0x003d, 0xc008, 0xc012, 0x000a, 0xc007, 0xc011, 0x0005, 0x0004,
];

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    if ground.target.trust.is_none() {
        if ground.target.address.ip().is_loopback() {
            let why = "the target speaks plainly on this machine's own loopback, where nobody is on the way";
            ground.skipped(Area::Compliance, NAME, TITLE, why);
        } else {
            let detail = "the target speaks plainly over a network";
            ground.found(Area::Compliance, NAME, TITLE, Outcome::Failed, detail, Vec::new());
        }
        return Ok(());
    }
    let (stream, _) = ground.block_on(dial(&ground.target, false))?;
    let (version, group) = stream.encryption().unwrap_or_default();
    let mut against = Vec::new();
    if version != "TLSv1_3" {
        against.push(format!("{version} and not TLS 1.3"));
    }
    let post_quantum =
        if group.contains("MLKEM") { ", which also a quantum computer could not undo" } else { "" };
    let agreed = format!("agreed on {version} with the key exchange {group}{post_quantum}");
    let target = Target { trust: None, ..ground.target.clone() };
    let Told { sound, old, untold } = offers(&mut |offer| ask(&target, offer));
    against.extend(old);
    let detail = format!(
        "{agreed}; to TLS 1.2 and nothing newer it said: {sound}; all that is weaker was offered too"
    );
    ground.judged_if_told((Area::Compliance, NAME), TITLE, detail, against, &untold);
    Ok(())
}

/// What was said to all that is offered.
#[derive(Debug)]
struct Told {
    /// To what may still be spoken.
    sound: String,
    /// What was agreed to and must not be.
    old: Vec<String>,
    /// What was not understood.
    untold: Vec<String>,
}

fn offers(ask: &mut dyn FnMut(Offer) -> anyhow::Result<Reply>) -> Told {
    let mut told = Told { sound: String::new(), old: Vec::new(), untold: Vec::new() };
    match ask(NEW) {
        Ok(Reply::Agreed { version: TLS_1_3, .. }) => {}
        Ok(reply) => told.untold.push(format!("TLS 1.3 was offered by hand and {reply}")),
        Err(error) => told.untold.push(format!("{error:#}")),
    }
    told.sound = match ask(SOUND) {
        Ok(reply @ (Reply::Agreed { .. } | Reply::Alert(_) | Reply::Ended)) => reply.to_string(),
        Ok(Reply::Unread) => Reply::Unread.to_string(),
        Err(error) => format!("{error:#}"),
    };
    for version in [TLS_1_2, TLS_1_1, TLS_1_0, SSL_3_0] {
        let words = if version == TLS_1_2 { "with weak suites alone " } else { "" };
        match ask(Offer { version, suites: WEAK }) {
            Ok(reply @ Reply::Agreed { .. }) => {
                told.old.push(format!("{} {words}was offered, and {reply}", name(version)))
            }
            Ok(Reply::Alert(_) | Reply::Ended) => {}
            Ok(Reply::Unread) => told.untold.push(format!("{} {words}was {}", name(version), Reply::Unread)),
            Err(error) => told.untold.push(format!("{} {words}: {error:#}", name(version))),
        }
    }
    told
}

/// Offers something on a connection of its own.
fn ask(target: &Target, offer: Offer) -> anyhow::Result<Reply> {
    let mut line = blocking::connect(target, None, PATIENCE)?;
    let host = Some(target.name.as_str()).filter(|name| name.parse::<IpAddr>().is_err());
    line.write_all(&client_hello(offer, host, &Clock::System.random()))?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 2048]);
    while record_length(&answer).is_none_or(|length| answer.len() < length) {
        match line.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(read(&answer))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, sync::Arc, thread};

    use rustls::{ServerConfig, ServerConnection};

    use super::*;

    /// What a server says that speaks whatever `speaks` says.
    fn told(speaks: impl Fn(Offer) -> Reply) -> Told {
        offers(&mut |offer| Ok(speaks(offer)))
    }

    #[test]
    fn whatever_is_older_or_weaker_than_it_may_be_is_found() {
        let agreed = |offer: Offer| Reply::Agreed { version: offer.version, suite: offer.suites[0] };
        let newest = told(|offer| if offer.version == TLS_1_3 { agreed(offer) } else { Reply::Alert(70) });
        assert!(newest.old.is_empty() && newest.untold.is_empty(), "{newest:?}");
        assert!(newest.sound.contains("refused"), "{newest:?}");
        // TLS 1.2 may be spoken, if it is spoken well.
        let sound = |offer: Offer| offer.version == TLS_1_3 || offer.suites == SOUND.suites;
        let older = told(|offer| if sound(offer) { agreed(offer) } else { Reply::Alert(40) });
        assert!(older.old.is_empty() && older.sound.contains("TLS 1.2"), "{older:?}");
        for version in [TLS_1_2, TLS_1_1, TLS_1_0, SSL_3_0] {
            let weak = |offer: Offer| sound(offer) || offer.version == version;
            let found = told(|offer| if weak(offer) { agreed(offer) } else { Reply::Alert(40) });
            assert_eq!(found.old.len(), 1, "{found:?}");
            assert!(found.old[0].contains(name(version)), "{found:?}");
        }
        // Whoever refuses what they must speak has perhaps understood none of it.
        assert_eq!(told(|_| Reply::Ended).untold.len(), 1);
    }

    /// A server that speaks nothing but TLS 1.3, on a port.
    fn server() -> std::net::SocketAddr {
        let key = rcgen::KeyPair::generate().expect("a key");
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("a certificate").der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("it is spoken")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate],
                rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("they belong together");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut tls = ServerConnection::new(Arc::new(config.clone())).expect("it can be spoken");
                // It ends with an error whenever nothing is agreed on.
                drop(tls.complete_io(&mut stream));
                drop(tls.write_tls(&mut stream));
            }
        });
        address
    }

    #[test]
    fn what_is_offered_by_hand_is_understood() {
        let target = Target { name: "localhost".to_owned(), ..Target::at(server()) };
        let told = offers(&mut |offer| ask(&target, offer));
        assert!(told.untold.is_empty() && told.old.is_empty(), "{told:?}");
        assert!(told.sound.contains("protocol version"), "{told:?}");
    }
}
