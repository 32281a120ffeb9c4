//! The examples of RFC 9421, appendix B: what is signed, letter by letter, and the signatures that are printed there.

use proptest::prelude::*;
use signatures::{
    Algorithm, Component, ComponentError, Malformed, Message, Params, Policy, Refused, SigningKey,
    VerifyingKey, read, sign, signature_base,
};

const RSA: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2\n\
    +QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+\n\
    oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq\n\
    gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W\n\
    Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4\n\
    aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI\n\
    2wIDAQAB\n";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf\n\
    w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==\n";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n";
const ED25519_SECRET: &str = "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF";
const SHARED: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

const CREATED: u64 = 1_618_884_473;
const DATE: (&str, &str) = ("date", "Tue, 20 Apr 2021 02:07:55 GMT");
const DIGEST: (&str, &str) = (
    "content-digest",
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
);
const TYPE: (&str, &str) = ("content-type", "application/json");

type Lines = &'static [(&'static str, &'static str)];

/// `POST /foo?param=Value&Pet=dog` of example.com, as appendix B.2 has it.
const REQUEST: Lines = &[("host", "example.com"), DATE, TYPE, DIGEST, ("content-length", "18")];
const RESPONSE: Lines = &[
    DATE,
    TYPE,
    (
        "content-digest",
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
    ),
    ("content-length", "23"),
];

fn message<'a>(fields: &'a dyn Fn(&str) -> Vec<Vec<u8>>) -> Message<'a> {
    Message {
        method: "POST",
        scheme: "https",
        authority: "example.com",
        path: "/foo",
        query: Some("param=Value&Pet=dog"),
        status: None,
        fields,
    }
}

fn values(lines: Lines) -> impl Fn(&str) -> Vec<Vec<u8>> {
    move |name| {
        lines.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_bytes().to_vec()).collect()
    }
}

/// The signature holds, and the same of another message does not.
#[track_caller]
fn check(algorithm: Algorithm, key: &str, message: &Message<'_>, input: &str, signature: &str) {
    let key = VerifyingKey::read(algorithm, key).expect("a key");
    let signature = format!("{}=:{signature}:", input.split_once('=').expect("a label").0);
    let found = read([input.as_bytes()], [signature.as_bytes()]).expect("they are well formed");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].is_by(&key, message), Ok(true), "{input}");
    let other =
        Message { authority: "example.net", status: message.status.map(|_| 201), method: "PUT", ..*message };
    let unbound = found[0].components.is_empty();
    assert_eq!(found[0].is_by(&key, &other), Ok(unbound), "{input}");
}

#[test]
fn b_2_1_minimal() {
    let fields = values(REQUEST);
    let input = "sig-b21=();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"";
    let signature = "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG\
        52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6\
        UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==";
    check(Algorithm::RsaPssSha512, RSA, &message(&fields), input, signature);
}

#[test]
fn b_2_2_selected_components() {
    let fields = values(REQUEST);
    let input = "sig-b22=(\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\");created=1618884473\
        ;keyid=\"test-key-rsa-pss\";tag=\"header-example\"";
    let signature = "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT\
        8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd\
        4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==";
    check(Algorithm::RsaPssSha512, RSA, &message(&fields), input, signature);
}

#[test]
fn b_2_3_all_components() {
    let fields = values(REQUEST);
    let input = "sig-b23=(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \
        \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"";
    let signature = "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fU\
        xN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9\
        bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==";
    check(Algorithm::RsaPssSha512, RSA, &message(&fields), input, signature);
}

#[test]
fn b_2_4_an_answer() {
    let fields = values(RESPONSE);
    let answer = Message { status: Some(200), ..message(&fields) };
    let input = "sig-b24=(\"@status\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473\
        ;keyid=\"test-key-ecc-p256\"";
    let signature =
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==";
    check(Algorithm::EcdsaP256Sha256, P256, &answer, input, signature);
}

const B_2_5: &str = "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=";
const B_2_6: &str =
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";

#[test]
fn b_2_5_a_shared_secret() {
    let fields = values(REQUEST);
    let input =
        "sig-b25=(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"";
    check(Algorithm::HmacSha256, SHARED, &message(&fields), input, B_2_5);
    signs(Algorithm::HmacSha256, SHARED, input, B_2_5);
}

#[test]
fn b_2_6_ed25519() {
    let fields = values(REQUEST);
    let input = "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
        ;created=1618884473;keyid=\"test-key-ed25519\"";
    check(Algorithm::Ed25519, ED25519, &message(&fields), input, B_2_6);
    signs(Algorithm::Ed25519, ED25519_SECRET, input, B_2_6);
}

/// Signing the same gives the same.
#[track_caller]
fn signs(algorithm: Algorithm, secret: &str, input: &str, signature: &str) {
    let fields = values(REQUEST);
    let found =
        read([input.as_bytes()], [format!("{}=:AA==:", &input[..7]).as_bytes()]).expect("well formed");
    let key = SigningKey::read(algorithm, secret).expect("a key");
    let signed =
        sign(&message(&fields), &input[..7], &found[0].components, &found[0].params, &key).expect("signed");
    assert_eq!((signed.input.as_str(), signed.signature), (input, format!("{}=:{signature}:", &input[..7])));
}

#[test]
fn b_3_a_proxy_that_takes_the_encryption_off() {
    const CERTIFICATE: &str = ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBD\
        QTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXm\
        ckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8B\
        Af8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0\
        Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:";
    let fields = values(&[("client-cert", CERTIFICATE)]);
    let request = Message { authority: "service.internal.example", ..message(&fields) };
    let input = "ttrp=(\"@path\" \"@query\" \"@method\" \"@authority\" \"client-cert\");created=1618884473\
        ;keyid=\"test-key-ecc-p256\"";
    let signature =
        "xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==";
    check(Algorithm::EcdsaP256Sha256, P256, &request, input, signature);
}

#[test]
fn b_4_what_proxies_may_change_and_what_not() {
    let input = "transform=(\"@method\" \"@path\" \"@authority\" \"accept\");created=1618884473;keyid=\"test-key-ed25519\"";
    let signature = "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:";
    let key = VerifyingKey::read(Algorithm::Ed25519, ED25519).expect("a key");
    let found = &read([input.as_bytes()], [signature.as_bytes()]).expect("well formed")[0];
    let holds = |method, authority, query, accept: Lines| {
        let fields = values(accept);
        found.is_by(
            &key,
            &Message { method, authority, path: "/demo", query: Some(query), ..message(&fields) },
        )
    };
    let one: Lines = &[("accept", "application/json"), ("accept", "*/*")];
    assert_eq!(holds("GET", "example.org", "name1=Value1&Name2=value2", one), Ok(true));
    assert_eq!(holds("GET", "Example.ORG:443", "more", &[("accept", " application/json, */* ")]), Ok(true));
    assert_eq!(holds("POST", "example.com", "", one), Ok(false));
    assert_eq!(
        holds("GET", "example.org", "", &[("accept", "*/*"), ("accept", "application/json")]),
        Ok(false)
    );
    assert_eq!(holds("GET", "example.org", "", &[]), Err(ComponentError::Absent("accept".to_owned())));
}

/// What a component is, in a request with these fields.
#[track_caller]
fn component(input: &str, query: &str, lines: Lines) -> Result<String, ComponentError> {
    let fields = values(lines);
    let found = match read([format!("a=({input})").as_bytes()], [b"a=:AA==:".as_slice()]) {
        Err(Malformed::Component(error)) => return Err(error),
        found => found.expect("well formed"),
    };
    let base =
        signature_base(&Message { query: Some(query), ..message(&fields) }, &found[0].components, "()")?;
    Ok(base.rsplit_once("\n\"@signature-params\"").expect("the last line").0.to_owned())
}

#[test]
fn components_are_derived_as_section_2_says() {
    for (input, is) in [
        ("\"@target-uri\"", "\"@target-uri\": https://example.com/foo?q=1"),
        ("\"@request-target\"", "\"@request-target\": /foo?q=1"),
        ("\"@scheme\"", "\"@scheme\": https"),
        ("\"@query\"", "\"@query\": ?q=1"),
    ] {
        assert_eq!(component(input, "q=1", &[]).as_deref(), Ok(is));
    }
    let query =
        "var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something";
    for (input, is) in [
        ("\"@query-param\";name=\"var\"", "this%20is%20a%20big%0Amultiline%20value"),
        ("\"@query-param\";name=\"bar\"", "with%20plus%20whitespace"),
        ("\"@query-param\";name=\"fa%C3%A7ade%22%3A%20\"", "something"),
    ] {
        assert_eq!(component(input, query, &[]), Ok(format!("{input}: {is}")));
    }
    let dictionary: Lines = &[("example-dict", "a=1, b=2;x=1;y=2, c=(a   b   c)"), ("example-dict", "d")];
    for (input, is) in [
        ("\"example-dict\";key=\"a\"", "1"),
        ("\"example-dict\";key=\"d\"", "?1"),
        ("\"example-dict\";key=\"b\"", "2;x=1;y=2"),
        ("\"example-dict\";key=\"c\"", "(a b c)"),
    ] {
        assert_eq!(component(input, "", dictionary), Ok(format!("{input}: {is}")));
    }
    let armored = component(
        "\"example-header\";bs",
        "",
        &[("example-header", "value, with, lots"), ("example-header", "of, commas")],
    );
    assert_eq!(
        armored.as_deref(),
        Ok("\"example-header\";bs: :dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:")
    );
}

#[test]
fn what_is_not_there_or_not_known_or_twice_there_is_refused() {
    for (input, query) in [
        ("\"@status\"", ""),
        ("\"@nothing\"", ""),
        ("\"Date\"", ""),
        ("\"@method\";req", ""),
        ("\"date\";sf", ""),
        ("\"date\";tr", ""),
        ("\"@query-param\"", "a=1"),
        ("\"@query-param\";name=\"a\"", "a=1&a=2"),
        ("\"@method\" \"@method\"", ""),
        ("\"@signature-params\"", ""),
        ("\"\"", ""),
        ("1", ""),
    ] {
        assert!(component(input, query, &[DATE]).is_err(), "{input}");
    }
}

#[test]
fn fields_that_are_not_well_formed_are_refused() {
    for (input, signature) in [
        ("a", "a=:AA==:"),
        ("a=()", "b=:AA==:"),
        ("a=()", "a=:AA==:, b=:AA==:"),
        ("a=()", "a=AA"),
        ("a=();created=\"1\"", "a=:AA==:"),
        ("a=();created=-1", "a=:AA==:"),
        ("a=();keyid=1", "a=:AA==:"),
        ("a=(", "a=:AA==:"),
        ("a=(), b=(), c=(), d=(), e=(), f=(), g=(), h=(), i=()", ""),
    ] {
        assert!(read([input.as_bytes()], [signature.as_bytes()]).is_err(), "{input} {signature}");
    }
    assert_eq!(read([], []), Ok(Vec::new()));
}

/// What a policy says of a signature a minute after it was made, with these components and parameters.
#[track_caller]
fn judged(components: &str, params: &str, has_query: bool) -> Result<u64, Refused> {
    let input = format!("a=({components}){params}");
    let found = read([input.as_bytes()], [b"a=:AA==:".as_slice()]).expect("well formed");
    let policy = Policy { age_s_max: 300, ahead_s_max: 30 };
    policy.judge(&found[0], &["@method"], has_query, CREATED + 60).map(|counts| counts.until)
}

#[test]
fn a_signature_counts_if_it_covers_what_is_asked_and_is_fresh() {
    let whole = ";created=1618884473;keyid=\"k\";nonce=\"n\"";
    let all = "\"@method\" \"@authority\" \"@path\" \"@query\"";
    assert_eq!(judged(all, whole, true), Ok(CREATED + 300));
    assert_eq!(judged("\"@method\" \"@target-uri\"", whole, true), Ok(CREATED + 300));
    assert_eq!(judged("\"@method\" \"@authority\" \"@request-target\"", whole, true), Ok(CREATED + 300));
    assert_eq!(judged("\"@method\" \"@authority\" \"@path\"", whole, false), Ok(CREATED + 300));
    assert_eq!(
        judged("\"@method\" \"@authority\" \"@path\"", whole, true),
        Err(Refused::NotCovered("@query"))
    );
    assert_eq!(judged("\"@method\" \"@path\"", whole, false), Err(Refused::NotCovered("@authority")));
    assert_eq!(judged("\"@target-uri\"", whole, false), Err(Refused::NotCovered("@method")));
    for (params, refused) in [
        (";keyid=\"k\";nonce=\"n\"", Refused::NotSaid("created")),
        (";created=1618884473;keyid=\"k\"", Refused::NotSaid("nonce")),
        (";created=1618884473;keyid=\"k\";nonce=\"\"", Refused::NotSaid("nonce")),
        (";created=1618884473;nonce=\"n\"", Refused::NotSaid("keyid")),
        (";created=1618884232;keyid=\"k\";nonce=\"n\"", Refused::TooOld),
        (";created=1618884473;expires=1618884532;keyid=\"k\";nonce=\"n\"", Refused::TooOld),
        (";created=1618884564;keyid=\"k\";nonce=\"n\"", Refused::FromTheFuture),
    ] {
        assert_eq!(judged(all, params, true), Err(refused), "{params}");
    }
}

#[test]
fn a_key_is_for_one_algorithm_and_a_signature_cannot_choose_another() {
    for (algorithm, key) in [
        (Algorithm::Ed25519, P256),
        (Algorithm::EcdsaP256Sha256, ED25519),
        (Algorithm::RsaPssSha512, ED25519),
        (Algorithm::HmacSha256, "c2hvcnQ="),
        (Algorithm::Ed25519, "no base64!"),
    ] {
        assert!(VerifyingKey::read(algorithm, key).is_err(), "{algorithm:?}");
    }
    assert!(SigningKey::read(Algorithm::RsaPssSha512, RSA).is_err());
    let fields = values(REQUEST);
    let key = SigningKey::read(Algorithm::HmacSha256, SHARED).expect("a key");
    let params = Params { algorithm: Some("ed25519".to_owned()), ..Params::default() };
    let signed = sign(&message(&fields), "a", &[], &params, &key).expect("signed");
    let found = read([signed.input.as_bytes()], [signed.signature.as_bytes()]).expect("well formed");
    let key = VerifyingKey::read(Algorithm::HmacSha256, SHARED).expect("a key");
    assert_eq!(found[0].is_by(&key, &message(&fields)), Ok(false));
}

#[test]
fn bare_public_keys_and_pem_are_the_same_key() {
    let seed = SigningKey::read(Algorithm::Ed25519, ED25519_SECRET).expect("a key");
    let bare = seed.public_key().expect("it has one");
    let fields = values(REQUEST);
    let signed = sign(&message(&fields), "a", &[], &Params::default(), &seed).expect("signed");
    let found = read([signed.input.as_bytes()], [signed.signature.as_bytes()]).expect("well formed");
    for text in [bare.as_str(), ED25519] {
        let key = VerifyingKey::read(Algorithm::Ed25519, text).expect("a key");
        assert_eq!(found[0].is_by(&key, &message(&fields)), Ok(true));
    }
}

proptest! {
    #[test]
    fn whatever_is_signed_holds_and_nothing_else_does(
        method in "[A-Z]{1,8}",
        path in "/[a-z%/]{0,20}",
        query in prop::option::of("[a-z=&%+]{0,20}"),
        value in "[ -~]{1,30}",
        nonce in "[ -~]{1,20}",
        created in 0_u64..4_000_000_000,
    ) {
        let fields = |name: &str| if name == "x-note" { vec![value.as_bytes().to_vec()] } else { Vec::new() };
        let message = Message { method: &method, path: &path, query: query.as_deref(), ..message(&fields) };
        let names = ["@method", "@target-uri", "x-note"];
        let components = names.map(|name| Component::named(name).expect("a name"));
        let params = Params {
            created: Some(created), nonce: Some(nonce), key_id: Some("k".to_owned()), ..Params::default()
        };
        let key = SigningKey::from_seed(&[7; 32]).expect("a key");
        let signed = sign(&message, "sig", &components, &params, &key).expect("signed");
        let found = read([signed.input.as_bytes()], [signed.signature.as_bytes()]).expect("well formed");
        prop_assert_eq!(&found[0].params, &params);
        let public = VerifyingKey::read(Algorithm::Ed25519, &key.public_key().expect("one")).expect("a key");
        prop_assert_eq!(found[0].is_by(&public, &message), Ok(true));
        let changed = format!("{path}x");
        prop_assert_eq!(found[0].is_by(&public, &Message { path: &changed, ..message }), Ok(false));
        let other = |name: &str| if name == "x-note" { vec![b"other".to_vec(), value.as_bytes().to_vec()] } else { Vec::new() };
        prop_assert_eq!(found[0].is_by(&public, &Message { fields: &other, ..message }), Ok(false));
    }

    #[test]
    fn any_bytes_are_read_or_refused(input: Vec<u8>, signature: Vec<u8>, text in "[a-z=();\"@:, ]{0,60}") {
        let _read = read([input.as_slice()], [signature.as_slice()]);
        let _read = read([text.as_bytes()], [b"a=:AA==:".as_slice()]);
    }
}
