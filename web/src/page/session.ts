// Who is signed in, in this tab, until it is closed.

const KEY = "session";

interface Session {
  token: string;
  userId: string;
}

function read(): Session | null {
  const kept = sessionStorage.getItem(KEY);
  return kept === null ? null : (JSON.parse(kept) as Session);
}

export function token(): string | null {
  return read()?.token ?? null;
}

export function userId(): string | null {
  return read()?.userId ?? null;
}

export function begin(session: Session): void {
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

export function end(): void {
  sessionStorage.removeItem(KEY);
}
