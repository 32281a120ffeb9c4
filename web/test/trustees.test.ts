import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "../src/bytes.ts";
import { cast, holds as ballotHolds, open } from "../src/mixnet/ballot.ts";
import { type Contest, embed, extract } from "../src/mixnet/contest.ts";
import { combine, decodePartial, decrypt, holds, rowsOf } from "../src/mixnet/decryption.ts";
import { G, randomScalar, times } from "../src/mixnet/group.ts";
import * as trustees from "../src/mixnet/trustees.ts";

function begin(count: number, threshold: number) {
  const secrets = Array.from({ length: count }, randomScalar);
  const ceremony: trustees.Ceremony = {
    context: text("a test"),
    threshold,
    transportKeys: secrets.map((secret) => times(G, secret)),
  };
  const polynomials = secrets.map(() => trustees.randomPolynomial(threshold));
  const opened = polynomials.map((polynomial, at) => trustees.open(ceremony, at + 1, polynomial));
  return { secrets, ceremony, polynomials, openings: opened.map(({ opening }) => opening), sealed: opened.map(({ sealed }) => sealed) };
}

test("any two of three trustees decrypt what was encrypted to all", () => {
  const { secrets, ceremony, polynomials, openings, sealed } = begin(3, 2);
  assert.deepEqual(trustees.faultsOfOpenings(ceremony, sealed, openings), []);
  const dealings = polynomials.map((polynomial, at) => trustees.deal(ceremony, at + 1, polynomial));
  assert.deepEqual(trustees.faultsOfDealings(ceremony, dealings), []);
  const shares = secrets.map((secret, at) => {
    const received = trustees.receive(ceremony, at + 1, secret, openings, dealings);
    assert.ok("share" in received);
    return received.share;
  });
  const keys = trustees.conclude(ceremony, openings);
  shares.forEach((share, at) => assert.ok(times(G, share).equals(keys.trustees[at]!)));

  const contest: Contest = { form: { ranked: { "ranks-max": 3, "shared-ranks": false } }, options: 40 };
  const ranked = Array.from({ length: 40 }, (_, at) => (at === 7 ? 1 : at === 2 ? 2 : null));
  const polling = { election: new Uint8Array(32), contest: 1, key: keys.key };
  const caster = { voter: text("voter"), token: text("token") };
  const { ballot, secrets: opened } = cast(polling, caster, embed(contest, { marks: { ranked } }));
  assert.ok(ballotHolds(polling, caster, ballot));
  assert.deepEqual(extract(contest, open(keys.key, ballot.row, opened)), { marks: { ranked } });

  const rows = rowsOf([ballot.row]);
  const context = text("list");
  const partials = [1, 3].map((trustee) => decodePartial(decrypt(keys, context, rows, trustee, shares[trustee - 1]!)));
  partials.forEach((partial) => assert.ok(holds(keys, context, rows, partial)));
  assert.deepEqual(extract(contest, combine(keys, rows, partials)[0]!), { marks: { ranked } });
  const lie = decodePartial(decrypt(keys, context, rows, 2, shares[0]!));
  assert.ok(!holds(keys, context, rows, lie));
});

test("a trustee who dealt a wrong share is named, and so is one who complains of a right share", () => {
  const { secrets, ceremony, polynomials, openings } = begin(3, 2);
  const other = trustees.randomPolynomial(2);
  const dealings = [polynomials[0]!, other, polynomials[2]!].map((polynomial, at) =>
    trustees.deal(ceremony, at + 1, polynomial),
  );
  const received = trustees.receive(ceremony, 1, secrets[0]!, openings, dealings);
  assert.ok("complaints" in received);
  const [complaint] = received.complaints.map((complaint) =>
    trustees.decodeComplaint(trustees.encodeComplaint(complaint)),
  );
  assert.deepEqual(trustees.judge(ceremony, openings, dealings, complaint!), { trustee: 2, offence: "wrong share" });
  const falsely = { ...complaint!, dealer: 3 };
  assert.deepEqual(trustees.judge(ceremony, openings, dealings, falsely), { trustee: 1, offence: "false accusation" });
});

test("whoever opens another part than they had fixed is named", () => {
  const { ceremony, openings, sealed } = begin(2, 2);
  const swapped = [openings[1]!, openings[1]!];
  assert.deepEqual(trustees.faultsOfOpenings(ceremony, sealed, swapped), [{ trustee: 1, offence: "opening" }]);
});
