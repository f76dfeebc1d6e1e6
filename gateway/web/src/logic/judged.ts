/**
 * Whether anybody judges. A level stands until the next verdict, so by itself it does not tell that the worker is gone;
 * but windows come for as long as points do. One is owed once a point of it is known and the subject's own time has
 * passed its end by the lateness: whoever is silent or speaks seldom owes none early, however fast its time runs.
 */

/** A window that has been owed for so long (ms of our time) is not on its way; a worker's death is seen within a window more. */
const GRACE = 5_000;
/** While so many are owed the next ones tell nothing new. */
const OWED_KEPT = 200;

/** A window that is to come: its end (ms of subject time), and since when it is owed (ms of our time). */
export interface Owed {
  end: number;
  since: number;
}

/**
 * Up to where the subject is judged (ms of subject time) if nobody judges it any more, null if all is well.
 *
 * @param judged greatest time of what the engine wrote of it, 0 if nothing is known
 * @param now our time (ms)
 */
export function unjudgedSince(owed: readonly Owed[], judged: number, now: number): number | null {
  return judged > 0 && owed.some(({ end, since }) => end > judged && now - since >= GRACE) ? judged : null;
}

/** The windows of a subject that are owed, from its points. */
export class Windows {
  private readonly open = new Set<number>();
  private owed: Owed[] = [];
  private judged = 0;

  /** A point that is on time; `size`: of the shortest windows (ms). */
  add(ts: number, size: number): void {
    this.open.add((Math.floor(ts / size) + 1) * size);
  }

  /** The subject's time has come to `newest`; `since` tells of an end when it was seen to be passed. */
  close(newest: number, lateness: number, since: (end: number) => number): void {
    for (const end of this.open) {
      if (end + lateness > newest) continue;
      this.open.delete(end);
      if (end <= this.judged || this.owed.length >= OWED_KEPT || this.owed.some((each) => each.end === end)) continue;
      this.owed.push({ end, since: since(end) });
    }
  }

  /** The engine wrote something of the subject at `ts` (ms of subject time). */
  hear(ts: number): void {
    if (ts <= this.judged) return;
    this.judged = ts;
    this.owed = this.owed.filter(({ end }) => end > ts);
  }

  unjudged(now: number): number | null {
    return unjudgedSince(this.owed, this.judged, now);
  }
}
