// Proves on this device what the page says of a ballot: that its entry stands on the board under a signed checkpoint, and
// what the board says came of it.

import { newestOfOne } from "../board/growth.ts";
import { fromHex, toBase64 } from "../bytes.ts";
import { checkAgrees } from "../election/agreement.ts";
import { shown } from "../election/bindings.ts";
import { readDefined, signedOf } from "../election/defined.ts";
import type { Election } from "../election/model.ts";
import { type Found, type Proven, checkSupersedes, prove } from "../election/tracked.ts";
import { whichElection } from "../election/which.ts";
import { ask, message } from "../page/api.ts";
import { type Child, h, root } from "../page/dom.ts";
import { details, link, paragraph, warning } from "../page/form.ts";

const place = root();
const { election: electionId, tracker, status } = place.dataset as Record<"election" | "tracker" | "status", string>;
const base = `/api/v1/public/elections/${electionId}`;
const AGAIN_MS = 3000;

void look();

async function look(): Promise<void> {
  try {
    const [election, found] = await Promise.all([ask<Election>(base, { anonymous: true }), ballotOf(tracker)]);
    // It was checked while this page was on its way: let the page say so too.
    if (found.status !== status) return location.reload();
    if (!found.checkpoint || !found.inclusionProof) {
      say("wait", "The board has not been signed since this ballot came in. This page asks again by itself.");
      setTimeout(() => location.reload(), AGAIN_MS);
      return;
    }
    await tell(election, found);
    if (found.status === "RECEIVED") setTimeout(() => location.reload(), AGAIN_MS);
  } catch (error) {
    title("This ballot is not proven");
    say("bad", `The proof does not hold. ${message(error)}`, paragraph("Do not rely on what else this page says. Tell the election’s officers and observers, with your receipt."));
  }
}

function ballotOf(tracker: string): Promise<Found> {
  return ask<Found>(`${base}/ballots/${tracker}`, { anonymous: true });
}

async function tell(election: Election, found: Found): Promise<void> {
  const read = (note: string) => signedOf(election, note);
  // Only what the board says is proven; that what the server says of the election is the same comes below.
  const hash = fromHex(election.electionHash ?? "");
  const proven = prove(found, tracker, read, hash);
  const by = found.supersededBy ?? null;
  const later = by === null ? null : prove(await ballotOf(by), by, read, hash);
  if (later) checkSupersedes(later, proven);
  const newest = await newestOfOne(`${base}/board`, [...proven.checkpoints, ...(later?.checkpoints ?? [])]);
  const defined = await readDefined(election, newest);
  checkAgrees(election, defined);
  const where = `this ballot is entry ${proven.index} of the ${newest.size} that the board has signed`;
  const what = !proven.verdict
    ? "It was not checked yet."
    : proven.verdict.confirmed
      ? "The board says that it was confirmed, and the signature of its voter holds."
      : `The board says that it was refused (${proven.verdict.reason}).`;
  say("good", `Checked on this device: ${where}. ${what}`, by !== null ? superseded(by) : stands(proven, found.buried === true), receipt(proven), whichElection(defined));
}

function superseded(by: string): Child {
  return [
    warning("This ballot does not count: a later one of the same voting key stands instead."),
    paragraph("The ballot that stands: ", link(`/elections/${electionId}/ballots/${by}`, shown(by))),
    paragraph(
      "If you voted again, that is as it should be. If you did not send that ballot, somebody else has your voting key: vote again while voting is open, with a device that you trust, and tell the election’s officers. The ballot that you lock last counts.",
    ),
  ];
}

function stands({ verdict }: Proven, buried: boolean): Child {
  return (
    verdict?.confirmed === true &&
    paragraph(
      buried ? "The server did not look for a later ballot of the same voter, for too many were refused." : "The server names no later ballot of the same voter.",
      " That there is none is proven only by all of the board: ",
      link(`/elections/${electionId}/verify`, "verify this election"),
      ".",
    )
  );
}

function receipt({ index, leafHash }: Proven): HTMLElement {
  return details(
    "Compare with your receipt",
    paragraph(`Place on the board: ${index}`),
    paragraph("Leaf hash: ", h("code", {}, toBase64(leafHash))),
    paragraph("If your receipt says otherwise, and says that the board signed it, the board did not keep what it promised: give the receipt to the election’s officers and observers."),
  );
}

/** The page's heading is the server's word: it gives way to what was found here. */
function title(text: string): void {
  const heading = document.querySelector("h1");
  if (heading) heading.textContent = text;
}

function say(kind: "good" | "bad" | "wait", text: string, ...more: Child[]): void {
  const told = h("div", {}, h("p", { class: `proof proof--${kind}`, role: "status" }, text), ...more);
  place.replaceChildren(...told.childNodes);
}
