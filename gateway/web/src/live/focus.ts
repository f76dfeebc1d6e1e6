/** The one subject that is looked at closely: its points of the last minutes and its verdicts. */

import type { Config, Delta, SeriesRow, Status } from "../contract";
import type { Life } from "../life";
import { SPAN } from "../logic/axis";
import { Ages, subjectTime } from "../logic/clock";
import { Windows } from "../logic/judged";
import { Track } from "../logic/track";
import * as api from "./api";
import { Commands } from "./commands";

/** Seconds of history that are kept: the axis, a window before it, and the 60 s that volatility looks back. */
const KEPT = SPAN + 120;
const VERDICTS = 50;
/** The store lags a little behind the live points: after this long (ms) the seam between both is fetched once more. */
const SEAM = 4_000;
/** So often it is asked for a metric of which there is a status but no row yet. */
const SEAM_TRIES = 5;

/** By what it is known which windows are to come; where nobody makes any, none ever ends. */
function windowsOf(config: Config | null): { lateness: number; size: number } {
  return { lateness: config?.time.allowed_lateness ?? 5_000, size: Math.min(...(config?.windows ?? [])) };
}

export type Fetching = "loading" | "ready" | "failed";

export class Focus {
  readonly tracks = new Map<string, Track>();
  verdicts: Status[] = [];
  /** Greatest time of a point or status of this subject (ms). */
  newest = 0;
  /** Server time less `newest` when it came; whether its clock is ours, see `subjectTime`. */
  lag = Number.POSITIVE_INFINITY;
  readonly ages = new Ages();
  pastPoints: Fetching = "loading";
  pastVerdicts: Fetching = "loading";
  /** A verdict that the address names and that is not among the latest. */
  extra: Status | null = null;

  life: Life = {};
  readonly commands: Commands;
  /** What the engine owes of it. */
  readonly windows = new Windows();

  private found: (rows: SeriesRow[]) => void = () => {};
  private abort = new AbortController();
  private readonly asked = new Set<string>();
  private late = 0;

  constructor(
    readonly namespace: string,
    readonly tenant: string,
    readonly subject: string,
    /** Whether the namespace is the live one, whose time is the wall clock's. */
    private readonly live: boolean,
    private readonly changed: () => void,
  ) {
    this.commands = new Commands(namespace, changed);
  }

  /** Sections of its life that came; those that did not come stand as they are. */
  takeLife(sections: Life): void {
    this.life = { ...this.life, ...sections };
    this.commands.settle(this.life);
  }

  track(metric: string): Track {
    let track = this.tracks.get(metric);
    if (!track) {
      track = new Track();
      this.tracks.set(metric, track);
    }
    return track;
  }

  /** Subject time as far as the page can tell (ms); `now`: server time, null while cut off. */
  time(now: number | null): number {
    return subjectTime(this.newest, this.lag, now, this.live);
  }

  /** What came over the wire; `now` is the server's time at its arrival. */
  apply(delta: Delta, config: Config | null, now: number): void {
    const { lateness, size } = windowsOf(config);
    let newestHere = 0;
    for (const [metric, ts, value] of delta.points ?? []) {
      if (ts > newestHere) newestHere = ts;
      // Late points stand in no window of the engine, so in no line here.
      if (this.newest && ts < this.newest - lateness) continue;
      const known = this.tracks.has(metric);
      this.track(metric).add(ts, value);
      if (!known && this.pastPoints !== "loading") this.fetchSeries(metric, ts);
      this.windows.add(ts, size);
      this.move(ts, now);
    }
    this.windows.close(this.newest, lateness, () => now);
    if (newestHere) this.ages.add(now - newestHere);
    for (const status of delta.verdicts ?? []) this.addVerdict(status);
    this.trim();
  }

  /** Time of a status: a silent subject's time moves by ticks, which only its verdicts tell. */
  move(ts: number, now: number): void {
    if (ts <= this.newest) return;
    this.newest = ts;
    this.lag = now - ts;
  }

  addVerdict(status: Status): void {
    const known = this.verdicts.findIndex((v) => v.id === status.id);
    if (known >= 0) {
      // The overview leaves the evidence out: the copy that has it counts.
      if (status.evidence) this.verdicts[known] = status;
      return;
    }
    const at = this.verdicts.findIndex((v) => v.since <= status.since);
    this.verdicts.splice(at < 0 ? this.verdicts.length : at, 0, status);
    if (this.verdicts.length > 4 * VERDICTS) this.verdicts.length = 4 * VERDICTS;
  }

  /**
   * Fetches what happened before the page looked, and after each cut what was missed.
   *
   * @param signals names of signals that it may have published
   * @param until newest known time of the subject (ms)
   * @param owedSince since when a window with this end that is found then is owed (ms of our time)
   */
  fetchPast(
    metrics: string[],
    signals: readonly string[],
    until: number,
    config: Config | null,
    owedSince: (end: number) => number,
  ): void {
    const { lateness, size } = windowsOf(config);
    this.found = (rows) => {
      for (const [ts] of rows) this.windows.add(ts, size);
      this.windows.close(this.newest, lateness, owedSince);
    };
    this.abort.abort();
    this.abort = new AbortController();
    this.asked.clear();
    const { signal } = this.abort;
    const names = new Set([...metrics, ...signals, ...this.tracks.keys()]);
    this.pastPoints = "loading";
    this.pastVerdicts = "loading";
    Promise.all([...names].map((metric) => this.fetchSeries(metric, until))).then((all) => {
      if (signal.aborted) return;
      this.pastPoints = all.every(Boolean) ? "ready" : "failed";
      this.changed();
    });
    this.fetchVerdicts(signal);
    this.fetchSeam(metrics, signals, until, SEAM_TRIES);
  }

  /** Asks once more a little later: rows reach the store after the verdicts reach the page, of a silent subject for the last time. */
  private fetchSeam(metrics: string[], signals: readonly string[], until: number, tries: number): void {
    const { signal } = this.abort;
    clearTimeout(this.late);
    this.late = window.setTimeout(() => {
      this.asked.clear();
      const empty = metrics.filter((metric) => !this.tracks.has(metric));
      // few subjects publish signals: those that did not come are asked for this once
      const silent = signals.filter((name) => !this.tracks.has(name));
      // in virtual time minutes may have passed meanwhile
      const seam = Math.min(KEPT, 60 + (this.newest - until) / 1000);
      for (const metric of this.tracks.keys()) this.fetchSeries(metric, this.newest, seam);
      for (const name of [...empty, ...silent]) this.fetchSeries(name, until);
      this.fetchVerdicts(signal);
      if (empty.length && tries > 1) this.fetchSeam(metrics, [], until, tries - 1);
    }, SEAM);
  }

  private async fetchVerdicts(signal: AbortSignal): Promise<void> {
    try {
      for (const item of await api.verdicts(this, VERDICTS, signal)) this.addVerdict(item);
      this.pastVerdicts = "ready";
    } catch {
      if (signal.aborted) return;
      if (this.pastVerdicts === "loading") this.pastVerdicts = "failed";
    }
    this.changed();
  }

  private async fetchSeries(metric: string, until: number, seconds = KEPT): Promise<boolean> {
    if (this.asked.has(metric)) return true;
    this.asked.add(metric);
    const { signal } = this.abort;
    try {
      const rows = await api.series(this, metric, until - seconds * 1000, until + 60_000, signal);
      if (signal.aborted || !rows.length) return true;
      const track = this.track(metric);
      track.load(rows);
      if (track.newest > this.newest) this.newest = track.newest;
      this.found(rows);
      this.changed();
      return true;
    } catch {
      return false;
    }
  }

  private trim(): void {
    const oldest = Math.floor(this.newest / 1000) - KEPT;
    for (const track of this.tracks.values()) if (track.size > 2 * KEPT + 60) track.trim(oldest);
  }

  close(): void {
    this.abort.abort();
    clearTimeout(this.late);
  }
}
