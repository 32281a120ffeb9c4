// Keeps the public page of an election up to date while it is looked at.

import type { State } from "../election/model.ts";

interface Progress {
  state: State;
  issued: number;
  received: number;
  confirmed: number;
  refused: number;
}

const place = document.querySelector<HTMLElement>("[data-live]");
if (place) follow(place);

function follow(place: HTMLElement): void {
  const { live, state } = place.dataset as { live: string; state: string };
  const source = new EventSource(live);
  source.addEventListener("progress", (event) => {
    const progress = JSON.parse((event as MessageEvent<string>).data) as Progress;
    // What else the page shows depends on the state: let it be told anew.
    if (progress.state !== state) return location.reload();
    for (const field of place.querySelectorAll<HTMLElement>("[data-field]")) {
      const number = progress[field.dataset["field"] as keyof Progress];
      if (typeof number === "number") field.textContent = number.toLocaleString("en").replaceAll(",", " ");
    }
    const eligible = Number(place.dataset["eligible"]);
    const meter = place.querySelector<HTMLMeterElement>("meter");
    if (meter && eligible > 0) meter.value = progress.issued;
    const share = place.querySelector("[data-share]");
    if (share && eligible > 0) share.textContent = `${((100 * progress.issued) / eligible).toFixed(1)} %`;
  });
}
