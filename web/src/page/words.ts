// How pages write what has no form of its own.

/** A date and time, as people write it where they are. */
export function moment(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });
}
