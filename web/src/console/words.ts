// Numbers as people read them across a room.

const counts = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(value: number): string {
  return Math.abs(value) < 10 && !Number.isInteger(value) ? value.toFixed(1) : Math.abs(value) < 10_000 ? whole.format(value) : counts.format(value);
}

export function seconds(value: number): string {
  if (!Number.isFinite(value)) return "more";
  if (value === 0) return "0";
  if (value < 0.001) return `${trimmed(value * 1e6)} µs`;
  if (value < 1) return `${trimmed(value * 1e3)} ms`;
  if (value < 120) return `${trimmed(value)} s`;
  return value < 7200 ? `${trimmed(value / 60)} min` : `${trimmed(value / 3600)} h`;
}

function trimmed(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at += 1) value /= 1024;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[at]}`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
}

export function moment(time: string | number): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
