/** Numbers, ages and times as people read them, in the language chosen. */

import type { Texts } from "./en";

const NARROW = "\u202f";

/** The greatest time (ms) that a `Date` can hold, on both sides of the epoch. */
const LAST = 8.64e15;

/** Whether the calendar knows the time: anybody may write to a topic, and a number may be any. */
export function isTime(ts: number): boolean {
  return Math.abs(ts) <= LAST;
}

function told(format: Intl.DateTimeFormat, ts: number): string {
  return isTime(ts) ? format.format(ts) : "–";
}

export class Format {
  private readonly whole: Intl.NumberFormat;
  private readonly three: Intl.NumberFormat;
  private readonly two: Intl.NumberFormat;
  private readonly few: Intl.NumberFormat;
  private readonly big: Intl.NumberFormat;
  private readonly time: Intl.DateTimeFormat;
  private readonly minute: Intl.DateTimeFormat;
  private readonly day: Intl.DateTimeFormat;

  /** @param timeZone an IANA name; the browser's own if left out */
  constructor(
    private readonly t: Texts,
    timeZone?: string,
  ) {
    const number = (options: Intl.NumberFormatOptions) => new Intl.NumberFormat(t.locale, options);
    const date = (options: Intl.DateTimeFormatOptions) =>
      new Intl.DateTimeFormat(t.locale === "en" ? "en-GB" : t.locale, {
        ...options,
        ...(timeZone ? { timeZone } : {}),
      });
    this.whole = number({ maximumFractionDigits: 0 });
    this.three = number({ minimumFractionDigits: 3, maximumFractionDigits: 3 });
    this.two = number({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
    this.few = number({ maximumFractionDigits: 3 });
    this.big = number({ maximumSignificantDigits: 5 });
    this.time = date({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    this.minute = date({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    this.day = date({ day: "numeric", month: "short", year: "numeric" });
  }

  /** 4,812 */
  count(n: number): string {
    return this.whole.format(n);
  }

  /** A statistic: 0.241; beyond ten, five digits. */
  value(value: number | null): string {
    if (value === null) return "–";
    return Math.abs(value) < 10 ? this.three.format(value) : this.big.format(value);
  }

  /** 0.58 */
  share(value: number | null): string {
    return value === null ? "–" : this.two.format(value);
  }

  /** A bound as it is configured: 0.25, 0.7 */
  bound(value: number): string {
    return Math.abs(value) < 10 ? this.few.format(value) : this.big.format(value);
  }

  /** An offset, in groups of three that do not break: 88 120 */
  offset(value: number): string {
    return String(value).replace(/\B(?=(\d{3})+$)/g, NARROW);
  }

  /** 14:25:07 */
  clock(ts: number): string {
    return told(this.time, ts);
  }

  /** 14:25 */
  hourMinute(ts: number): string {
    return told(this.minute, ts);
  }

  /** 6 Nov 2025 */
  date(ts: number): string {
    return told(this.day, ts);
  }

  /** 14:25:07, with the day before it unless it is that of `today`. */
  moment(ts: number, today: number): string {
    if (!isTime(ts)) return "–";
    const day = this.date(ts);
    return day === this.date(today) ? this.clock(ts) : `${day}, ${this.clock(ts)}`;
  }

  /** 38 ms; 1.2 s */
  latency(ms: number): string {
    const { units } = this.t;
    if (ms < 1000) return `${this.whole.format(Math.max(0, ms))} ${units.ms}`;
    return ms < 60_000 ? `${this.few.format(Math.round(ms / 100) / 10)} ${units.s}` : this.age(ms);
  }

  /** The two greatest units: 36 s; 5 min 12 s; 2 h 5 min; 3 d 4 h. A part that is nought is left out. */
  age(ms: number): string {
    const { units } = this.t;
    const s = Math.max(0, Math.floor(ms / 1000));
    const steps: [number, string][] = [
      [86_400, units.d],
      [3_600, units.h],
      [60, units.min],
      [1, units.s],
    ];
    const first = steps.findIndex(([size]) => s >= size);
    if (first < 0) return `0 ${units.s}`;
    let rest = s;
    const parts: string[] = [];
    for (const [size, unit] of steps.slice(first, first + 2)) {
      const n = Math.floor(rest / size);
      rest -= n * size;
      if (n) parts.push(`${this.whole.format(n)} ${unit}`);
    }
    return parts.join(" ");
  }

  /** A configured duration: 30 s, 500 ms, 10 min */
  duration(ms: number): string {
    return ms < 1000 ? `${ms} ${this.t.units.ms}` : this.age(ms);
  }
}
