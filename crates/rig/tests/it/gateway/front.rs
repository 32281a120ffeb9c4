//! Who is let in at gateways, alone and together.

use std::time::Duration;

use peers::Redis;
use rig::Gateway;
use serde_json::json;

use super::{settings, upstream::Upstream};
use crate::BEHIND;

#[tokio::test]
async fn an_attack_is_not_passed_on_and_operators_see_and_block() {
    let server = Upstream::named("town");
    let text = format!("{BEHIND}[inspection]\nmode = \"block\"\n{}", settings(&[&server], ""));
    let gateway = Gateway::start(&text).expect("it starts");
    let one = gateway.client().with_field("x-forwarded-for", "192.0.2.1");
    let body = json!({"note": "1 or 1=1"});
    assert_eq!(one.post("/notes", &body).await.expect("an answer").problem(), "edge/inspected");
    assert_eq!(server.asked(), 0);
    let honest = one.post("/notes", &json!({"note": "one or two"})).await.expect("an answer");
    assert_eq!((honest.status, &*honest.bytes), (200, b"town".as_slice()));
    let operator = gateway.operator();
    let seen = operator.get("/front").await.expect("an answer").json();
    assert_eq!(seen["inspection"]["seen"], 1, "{seen}");
    let block = json!({"network": "192.0.2.0/24", "seconds": 600});
    assert_eq!(operator.put("/blocks", &block).await.expect("an answer").status, 204);
    assert_eq!(one.get("/").await.expect("an answer").problem(), "edge/blocked");
}

#[tokio::test]
async fn gateways_with_one_redis_count_and_block_together() {
    let (server, redis) = (Upstream::named("town"), Redis::start().expect("it starts"));
    let text = format!(
        "{BEHIND}[redis]\nurls = [{:?}]\ntimeout-ms = 10000\n[[limits.rules]]\nname = \"all\"\nadapts = false\nby = [\"address\"]\nshare = \"fleet\"\n\
         quota = {{ algorithm = \"fixed-window\", limit = 100, window-ms = 36000000 }}\n{}",
        redis.url(),
        settings(&[&server], "")
    );
    let gateways = [Gateway::start(&text).expect("it starts"), Gateway::start(&text).expect("it starts")];
    let mut passed = 0;
    for number in 0..300 {
        let client = gateways[number % 2].client().with_field("x-forwarded-for", "192.0.2.1");
        passed += usize::from(client.get("/").await.expect("an answer").status == 200);
    }
    assert!(passed <= 100 && passed > 50, "{passed} passed: leases may leave some over");
    let block = json!({"network": "192.0.2.7/32", "seconds": 600});
    assert_eq!(gateways[0].operator().put("/blocks", &block).await.expect("an answer").status, 204);
    let other = gateways[1].client().with_field("x-forwarded-for", "192.0.2.7");
    for _ in 0..600 {
        if other.get("/").await.expect("an answer").problem() == "edge/blocked" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the other gateway never heard of the block");
}
