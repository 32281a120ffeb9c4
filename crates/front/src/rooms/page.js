"use strict";
(() => {
  const main = document.querySelector("main");
  const part = (name) => document.getElementById(name);
  const say = (name, text) => {
    const element = part(name);
    // What did not change is not read aloud again.
    if (element && element.textContent !== text) element.textContent = text;
  };
  const again = () => location.replace(location.href.split("#")[0]);
  let failures = 0;
  let opensAt = main.dataset.opens ? Date.now() + Number(main.dataset.opens) : 0;

  const countDown = () => {
    const left = Math.max(0, Math.ceil((opensAt - Date.now()) / 1000));
    const two = (number) => String(number).padStart(2, "0");
    const days = Math.floor(left / 86400);
    const clock = `${two(Math.floor(left / 3600) % 24)}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
    say("clock", days > 0 ? `${days} d ${clock}` : clock);
  };

  const show = (status) => {
    if (status.state !== main.dataset.state) return again();
    say("place", status.placeWords);
    say("expectation", status.expectation);
    say("waiting", status.waitingWords);
    const bar = part("done");
    if (bar) bar.value = status.donePermille;
    if (status.opensInMs !== null) opensAt = Date.now() + status.opensInMs;
    if (status.placeWords) document.title = `${status.placeWords} · ${main.dataset.title}`;
    setTimeout(ask, status.askAgainMs);
  };

  const ask = async () => {
    try {
      const answer = await fetch(main.dataset.status, { cache: "no-store", credentials: "same-origin", headers: { accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const status = await answer.json();
      failures = 0;
      part("trouble").hidden = true;
      show(status);
    } catch {
      failures += 1;
      part("trouble").hidden = failures < 2;
      setTimeout(ask, Math.min(30000, Number(main.dataset.ask) * 2 ** Math.min(failures, 5)) * (0.75 + Math.random() / 2));
    }
  };

  if (opensAt) {
    countDown();
    setInterval(countDown, 1000);
  }
  setTimeout(ask, Number(main.dataset.ask));
  // A tab that comes back to the front is shown how things stand.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && opensAt) countDown();
  });
})();
