/** The gateway's REST endpoints that the page reads. */

import type { SeriesRow, Status } from "../contract";
import type { CommandBody, Place } from "../life";

/** The endpoint answered, but not with what was asked for. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly detail = "",
  ) {
    super(`HTTP ${status}`);
  }
}

async function get<T>(path: string, query: Record<string, string | number>, signal: AbortSignal | null): Promise<T> {
  const params = new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)]));
  const answer = await fetch(`${path}?${params}`, { signal, headers: { accept: "application/json" } });
  if (!answer.ok) throw new Refused(answer.status);
  return (await answer.json()) as T;
}

interface Who {
  namespace: string;
  tenant: string;
  subject: string;
}

/** A verdict as the store hands it out may carry its evidence as text. */
function opened(status: Status, namespace: string): Status {
  const raw: unknown = status.evidence;
  const evidence = typeof raw === "string" ? (raw ? JSON.parse(raw) : null) : raw;
  return { ...status, namespace: status.namespace ?? namespace, evidence: evidence ?? null } as Status;
}

export async function series(
  who: Who,
  metric: string,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<SeriesRow[]> {
  const query = { ...plain(who), metric, from: Math.floor(from), to: Math.ceil(to), step: 1000 };
  return (await get<{ points: SeriesRow[] }>("/api/v1/series", query, signal)).points;
}

export async function verdicts(who: Who, limit: number, signal: AbortSignal): Promise<Status[]> {
  const answer = await get<{ items: Status[] }>("/api/v1/verdicts", { ...plain(who), limit }, signal);
  return answer.items.map((item) => opened(item, who.namespace));
}

export async function verdict(namespace: string, id: string, signal: AbortSignal | null = null): Promise<Status> {
  return opened(await get<Status>(`/api/v1/verdicts/${encodeURIComponent(id)}`, { namespace }, signal), namespace);
}

export interface Explanation {
  match: boolean;
  difference?: unknown;
}

/** The verdict computed again from the log. Throws `Refused` with 404 or 501 where that is not offered. */
export function explain(namespace: string, id: string): Promise<Explanation> {
  return get(`/api/v1/verdicts/${encodeURIComponent(id)}/explain`, { namespace }, null);
}

/** Gives a command; answers once it stands in the log. Throws `Refused` with the reason. */
export async function command(namespace: string, body: CommandBody): Promise<Place> {
  const answer = await fetch(`/api/v1/commands?${new URLSearchParams({ namespace })}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const told: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, (told as { detail?: string } | null)?.detail ?? "");
  return told as Place;
}

function plain({ namespace, tenant, subject }: Who): Record<string, string> {
  return { namespace, tenant, subject };
}
