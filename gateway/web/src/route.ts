/** The address carries what is looked at, so that it can be sent to somebody. */

import type { Selection } from "./live/pulse";

const DEFAULT_TENANT = "default";

export function selectionOf(search: string): Selection {
  const query = new URLSearchParams(search);
  const subject = query.get("subject");
  return {
    namespace: query.get("namespace"),
    tenant: query.get("tenant") ?? (subject === null ? null : DEFAULT_TENANT),
    subject,
    verdict: subject === null ? null : query.get("verdict"),
  };
}

export function urlOf({ namespace, tenant, subject, verdict }: Selection): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ namespace, tenant, subject, verdict }))
    if (value !== null) query.set(name, value);
  const text = query.toString();
  return text ? `/pulse?${text}` : "/pulse";
}
