// The booth when there is nothing to mark: too early, too late, or not for this person.

import { type Election, said } from "../election/model.ts";
import { show } from "../page/dom.ts";
import { button, heading, link, paragraph } from "../page/form.ts";
import { moment } from "../page/words.ts";
import { LINKED } from "./key.ts";

/** Voting has not begun, or is over. Before it begins, a voting key can be had already. */
export function notOpen(election: Election, getKey: () => void): void {
  const { electionId, opensAt, state, secret, title } = election;
  const over = !["draft", "ceremony", "ready"].includes(state);
  const early = state === "ready" && secret;
  show(
    heading(over ? "Voting is over" : "Voting has not begun", said(title)),
    paragraph(
      over
        ? "No more ballots are taken in this election."
        : opensAt
          ? `Voting begins on ${moment(opensAt)}.`
          : "It will be announced when voting begins.",
    ),
    early && [
      paragraph("You can get your voting key now, and need only mark your ballot when voting has begun. ", LINKED, " Who has the key before does not give that away."),
      button("Get your voting key now, vote later", getKey),
    ],
    paragraph(link(`/elections/${electionId}`, "See this election")),
  );
}

export function notEligible({ electionId, title }: Election): void {
  show(
    heading("You are not on the roll", said(title)),
    paragraph("Your name is not on this election’s roll of voters. If you think that it should be, ask its officers."),
    paragraph(link(`/elections/${electionId}`, "See this election")),
  );
}
