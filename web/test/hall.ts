// A ceremony of two in a test, in which the first trustee is at this device, and what their browser keeps.

import { fromBase64, fromHex, toBase64, toHex } from "../src/bytes.ts";
import { ceremonyContext } from "../src/election/bindings.ts";
import type { Election } from "../src/election/model.ts";
import { type Ceremony, type Step, takePart } from "../src/election/trustee/ceremony.ts";
import { G, decodeElement, randomScalar, times } from "../src/mixnet/group.ts";
import * as mixnet from "../src/mixnet/trustees.ts";

export const electionId = "01a20026-0f0d-7366-be3c-0efe9c92577b";
export const election = { electionId, trustees: { threshold: 2, names: ["Trustee 1", "Trustee 2"] } } as Election;
/** What was said to the server. */
export const posted: [step: string, bytes: string | undefined][] = [];

/** A browser that keeps nothing yet, and a server that takes whatever is said. */
export function begin(): void {
  const all = new Map<string, string>();
  const localStorage = { getItem: (name: string) => all.get(name) ?? null, setItem: (name: string, value: string) => void all.set(name, value) };
  Object.assign(globalThis, { localStorage, sessionStorage: { getItem: () => null } });
  posted.length = 0;
  globalThis.fetch = (async (path: string, { body }: { body: string }) => {
    posted.push([path.split("/").at(-1)!, (JSON.parse(body) as { bytes?: string }).bytes]);
    return Response.json({});
  }) as unknown as typeof fetch;
}

const silent = (trustee: number): Ceremony["said"][number] => ({
  trustee,
  name: `Trustee ${trustee}`,
  transportKey: null,
  sealedOpening: null,
  opening: null,
  dealing: null,
  approved: false,
  complaint: null,
});

/** The ceremony of two, in which the first is at this device, up to where both have dealt. */
export async function dealt(): Promise<Ceremony> {
  const context = toHex(ceremonyContext(electionId, 1));
  const ceremony: Ceremony = { state: "ceremony", attempt: 1, context, threshold: 2, trustees: 2, you: 1, step: "transport-key", said: [silent(1), silent(2)], faults: [], keys: null };
  const [own, other] = ceremony.said as [Ceremony["said"][number], Ceremony["said"][number]];
  const say = async (step: Step): Promise<string> => {
    ceremony.step = step;
    await takePart(election, ceremony, null);
    return posted.at(-1)![1]!;
  };
  own.transportKey = toHex(fromBase64(await say("transport-key")));
  other.transportKey = toHex(times(G, randomScalar()).toBytes());
  const about = { context: fromHex(context), threshold: 2, transportKeys: [own, other].map(({ transportKey }) => decodeElement(fromHex(transportKey!))) };
  const polynomial = mixnet.randomPolynomial(2);
  const { opening, sealed } = mixnet.open(about, 2, polynomial);
  own.sealedOpening = toHex(fromBase64(await say("sealed-opening")));
  other.sealedOpening = toHex(sealed);
  own.opening = await say("opening");
  other.opening = toBase64(mixnet.encodeOpening(opening));
  own.dealing = await say("dealing");
  other.dealing = toBase64(mixnet.encodeDealing(mixnet.deal(about, 2, polynomial)));
  return { ...ceremony, step: "approval" };
}
