/**
 * What time it is for a subject. Its points carry it: in a namespace of virtual time (a demo, a replay) they say 1999
 * or run sixty times as fast, so the wall clock must not move the axis. Only in the live namespace, or where points
 * arrive fresh, does time go on while the subject is silent.
 */

/** Points that are younger than this when they arrive are taken to be of our own time (ms). */
const FRESH = 15_000;
/** A silence shorter than this does not move the axis: points once a second shall not make it jump back and forth. */
const PATIENCE = 2_500;

/**
 * Subject time as the page knows it (ms).
 *
 * @param newest greatest time of a point or status, 0 if there is none
 * @param lag server time less `newest`, at the moment that brought it
 * @param now server time now, or null while cut off: then nothing moves
 * @param live whether the namespace is the live one
 */
export function subjectTime(newest: number, lag: number, now: number | null, live: boolean): number {
  if (now === null || newest === 0 || lag < -2_000 || (lag > FRESH && !live)) return newest;
  const going = lag > FRESH ? now : now - lag;
  return going - newest > PATIENCE ? going : newest;
}

/**
 * Time of the log (ms), which people's waiting is counted in: it goes on while a subject is silent. In the live namespace
 * it is our own; where time is virtual, the others that live there tell it.
 *
 * @param heard until when the server was heard of (ms), 0: not yet
 * @param subject subject time (ms)
 * @param seen greatest time that was seen in the namespace (ms)
 */
export function logTime(heard: number, subject: number, seen: number, live: boolean): number {
  return live ? heard || subject : Math.max(subject, seen);
}

/** Whether a namespace's time is the wall clock's, judged by a newest point. */
export function isWallClock(lag: number): boolean {
  return lag >= -2_000 && lag < 24 * 3_600_000;
}

/** The middle one of the last few ages at arrival: a steady figure out of single measurements. */
export class Ages {
  private readonly kept: number[] = [];

  add(age: number): void {
    this.kept.push(age);
    if (this.kept.length > 31) this.kept.shift();
  }

  clear(): void {
    this.kept.length = 0;
  }

  /** Median in ms, null before the first. */
  get median(): number | null {
    if (!this.kept.length) return null;
    const sorted = [...this.kept].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }
}
