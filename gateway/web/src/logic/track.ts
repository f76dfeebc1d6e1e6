/**
 * The recent points of one metric, in buckets of one second as the engine has them, so that the line drawn here is the
 * very statistic that is judged: at a point, the mean over the second of subject time so far and the whole seconds
 * before it.
 */

import type { SeriesRow } from "../contract";

export interface Bucket {
  sum: number;
  count: number;
  min: number;
  max: number;
  /** Time of the newest point in it (ms). */
  ts: number;
}

/** Columns for the chart; x in seconds. `lo` and `hi` are the least and greatest point of each second. */
export interface Curve {
  x: number[];
  mean: (number | null)[];
  raw: (number | null)[];
  lo: (number | null)[];
  hi: (number | null)[];
}

function first(buckets: Map<number, Bucket>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const second of buckets.keys()) if (second < least) least = second;
  return least;
}

export class Track {
  private readonly live = new Map<number, Bucket>();
  private readonly stored = new Map<number, Bucket>();
  /** Greatest time of a point, 0 if there is none. */
  newest = 0;
  /** The value at `newest`. */
  last: number | null = null;

  /** A point as it arrives. */
  add(ts: number, value: number): void {
    const second = Math.floor(ts / 1000);
    const bucket = this.live.get(second);
    if (bucket) {
      bucket.sum += value;
      bucket.count += 1;
      if (value < bucket.min) bucket.min = value;
      if (value > bucket.max) bucket.max = value;
      if (ts > bucket.ts) bucket.ts = ts;
    } else this.live.set(second, { sum: value, count: 1, min: value, max: value, ts });
    if (ts >= this.newest) {
      this.newest = ts;
      this.last = value;
    }
  }

  /** What the store holds, in steps of one second. It may overlap with what came live: see `at`. */
  load(rows: SeriesRow[]): void {
    for (const [ts, mean, min, max, count] of rows) {
      if (count <= 0) continue;
      this.stored.set(Math.floor(ts / 1000), { sum: mean * count, count, min, max, ts });
      if (ts > this.newest) {
        this.newest = ts;
        this.last = mean;
      }
    }
  }

  /** The bucket of a second: of the two accounts of it the fuller one (the store may lag, the live one begins midway). */
  at(second: number): Bucket | undefined {
    const live = this.live.get(second);
    const stored = this.stored.get(second);
    if (!live || !stored) return live ?? stored;
    return stored.count > live.count ? stored : live;
  }

  /** Mean over the `window` seconds that end with `second`, that one included; null if there is no point in them. */
  mean(second: number, window: number): number | null {
    let sum = 0;
    let count = 0;
    for (let s = second - window + 1; s <= second; s++) {
      const bucket = this.at(s);
      if (bucket) {
        sum += bucket.sum;
        count += bucket.count;
      }
    }
    return count ? sum / count : null;
  }

  /** The line from one second to another, both included; the sliding mean is kept running, not computed anew. */
  curve(from: number, to: number, window: number): Curve {
    const curve: Curve = { x: [], mean: [], raw: [], lo: [], hi: [] };
    const sums: number[] = [];
    const counts: number[] = [];
    let sum = 0;
    let count = 0;
    const start = from - window + 1;
    for (let s = start; s <= to; s++) {
      const bucket = this.at(s);
      sums.push(bucket?.sum ?? 0);
      counts.push(bucket?.count ?? 0);
      sum += bucket?.sum ?? 0;
      count += bucket?.count ?? 0;
      const left = s - start - window;
      if (left >= 0) {
        sum -= sums[left] ?? 0;
        count -= counts[left] ?? 0;
      }
      if (s < from) continue;
      curve.x.push(bucket ? Math.max(bucket.ts / 1000, s) : s);
      curve.mean.push(count > 0 ? sum / count : null);
      curve.raw.push(bucket ? bucket.sum / bucket.count : null);
      curve.lo.push(bucket ? bucket.min : null);
      curve.hi.push(bucket ? bucket.max : null);
    }
    return curve;
  }

  /** The first second that is known, ∞ if none is. */
  get oldest(): number {
    return Math.min(first(this.live), first(this.stored));
  }

  /** Forgets what lies before `second`. */
  trim(second: number): void {
    for (const buckets of [this.live, this.stored]) {
      for (const key of buckets.keys()) if (key < second) buckets.delete(key);
    }
  }

  get size(): number {
    return this.live.size + this.stored.size;
  }
}
